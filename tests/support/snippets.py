"""The fenced snippets of README and docs, and an account for those in Python."""

from __future__ import annotations

import inspect
import itertools
import re
import textwrap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.definitions.xcom_arg import PlainXComArg
from omics_service import await_status, cwl_without_inputs
from task_runs import TaskInstance, run_task

from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.workflows.catalogue import share_workflow

ROOT = Path(__file__).parents[2]
#: What a build of the site writes among the pages.
MADE = ("docs/files/", "docs/_build/", "docs/reference/api/")
ROLE = "arn:aws:iam::123456789012:role/OmicsServiceRole"
_FENCE = re.compile(
    r"^(?:[ ]*<!-- not run: (?P<reason>[^>]+?) -->\n+)?"
    r"(?P<indent>[ ]*)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_SAVED = re.compile(r"aved as `([^`]+)`:\n\n\Z")


@dataclass(frozen=True)
class Snippet:
    """A fenced snippet.

    :ivar page: its file, below the repository.
    :ivar line: number of its first line in it.
    :ivar not_run: why it is not run, as the page says in a comment before it; None for one that is.
    :ivar saved_as: the file that the page has its readers save it as; None for none.
    """

    page: str
    line: int
    language: str
    text: str
    not_run: str | None
    saved_as: str | None = None

    @property
    def placed(self) -> str:
        """The text at the lines that it has in its page, so that a traceback leads there."""
        return "\n" * (self.line - 1) + self.text


def pages() -> list[str]:
    """Return the Markdown files that users read, below the repository."""
    found = (file.relative_to(ROOT).as_posix() for file in sorted((ROOT / "docs").rglob("*.md")))
    return [
        "README.md",
        "CONTRIBUTING.md",
        "benchmarks/README.md",
        *(page for page in found if not page.startswith(MADE)),
    ]


def snippets(page: str) -> Iterator[Snippet]:
    """Give the snippets of a page, in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        saved = _SAVED.search(text, 0, found.start())
        yield Snippet(
            page,
            line,
            found["language"],
            textwrap.dedent(found["text"]),
            found["reason"],
            saved[1] if saved else None,
        )


class Account:
    """An account that has what the pages name: a bucket, workflows 1234567 and 2345678, a run 7654321, a batch 7654322.

    The second workflow is another account's, which shares it.
    """

    def __init__(self, server: LocalOmics) -> None:
        self._server = server
        self._omics = server.client("omics")
        s3 = server.client("s3")
        s3.create_bucket(Bucket="my-bucket")
        samples = ("NA12878", "NA12891")
        rows = "".join(f"{sample},s3://my-bucket/{sample}.fastq.gz\n" for sample in samples)
        for name, content in {
            **{f"{sample}.fastq.gz": "" for sample in samples},
            "cohort.csv": f"sample,reads\n{rows}",
            "reads.csv": f"sample_name,fastq_1\n{rows}",
        }.items():
            s3.put_object(Bucket="my-bucket", Key=name, Body=content.encode())
        self._workflow()
        self._job()
        self._resources()

    def _number(self, number: int) -> None:
        """Have the next resource get an id."""
        self._server.account("us-east-1")._ids = itertools.count(number)

    def _workflow(self) -> None:
        self._number(1_234_567)
        definition = cwl_without_inputs()
        workflow = self._omics.create_workflow(name="read-qc", **definition)["id"]
        await_status(lambda: self._omics.get_workflow(id=workflow), "ACTIVE")
        version = {"workflowId": workflow, "versionName": "sha-0123456789abcdef"}
        self._omics.create_workflow_version(**version, **definition)
        await_status(lambda: self._omics.get_workflow_version(**version), "ACTIVE")
        account = self._server.account("us-east-1")
        with account.lock:
            share_workflow(account, "2345678", "210987654321", definition_zip=definition["definitionZip"])

    def _job(self) -> None:
        given = {"workflowId": "1234567", "roleArn": ROLE, "outputUri": "s3://my-bucket/earlier"}
        self._number(7_654_321)
        run = self._omics.start_run(**given, requestId="run")["id"]
        await_status(lambda: self._omics.get_run(id=run), "COMPLETED")
        self._number(7_654_322)
        settings = {"inlineSettings": [{"runSettingId": sample} for sample in ("NA12878", "NA12891")]}
        batch = self._omics.start_run_batch(
            batchName="earlier", requestId="batch", defaultRunSetting=given, batchRunSettings=settings
        )["id"]
        await_status(lambda: self._omics.get_batch(batchId=batch), "PROCESSED")

    def _resources(self) -> None:
        self._number(1_234_570)
        self._omics.create_run_group(name="old", requestId="group")
        self._omics.create_run_cache(name="old", requestId="cache", cacheS3Location="s3://my-bucket/old-cache")
        vpc = {"securityGroupIds": ["sg-0a1b2c3d"], "subnetIds": ["subnet-0a1b2c3d"]}
        self._omics.create_configuration(name="private", requestId="network", runConfigurations={"vpcConfig": vpc})
        self._number(8_000_000)


@dataclass
class _Instance(TaskInstance):
    """A task instance that reads what other tasks of its DAG have returned and pushed."""

    others: Any = None
    task: Any = None

    def xcom_pull(self, task_ids: str, key: str = "return_value", **_arguments: Any) -> Any:
        return self.others[task_ids, key]


def run_tasks(dag: DAG, only: Collection[str] | None = None, **instance: Any) -> dict[tuple[str, str], Any]:
    """Run the tasks of a DAG one after the other, and return what they returned and pushed, by task and key.

    :param only: the tasks to run; None for all.
    :param instance: members of the task instances.
    """
    values: dict[tuple[str, str], Any] = {}
    for task in dag.topological_sort():
        if only is None or task.task_id in only:
            for one, arguments in _unmapped(task, values):
                values |= _run(one, arguments, values, instance)
    return values


def _unmapped(task: Any, values: Mapping[tuple[str, str], Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Give the instances of a task, as an operator or as a function, and the arguments of a function."""
    if isinstance(task, MappedOperator):
        expand = getattr(task, "op_kwargs_expand_input", None) or task.expand_input
        for name, each in expand.value.items():
            for value in _known(each, values):
                function = getattr(task, "python_callable", None)
                yield (function, {name: value}) if function else (task.unmap({name: value}), {})
    elif hasattr(task, "python_callable"):
        arguments = inspect.signature(task.python_callable).bind(*task.op_args, **task.op_kwargs).arguments
        yield task.python_callable, {name: _known(value, values) for name, value in arguments.items()}
    else:
        yield task, {}


def _known(argument: Any, values: Mapping[tuple[str, str], Any]) -> Any:
    return values[argument.operator.task_id, argument.key] if isinstance(argument, PlainXComArg) else argument


def _run(
    task: Any, arguments: Mapping[str, Any], values: dict[tuple[str, str], Any], members: Mapping[str, Any]
) -> dict[tuple[str, str], Any]:
    if not isinstance(task, BaseOperator):
        return {(task.__name__, "return_value"): task(**arguments)}
    _hurry(task)
    ti = _Instance(task_id=task.task_id, dag_id=task.dag_id, others=values, task=task, **members)
    ran = run_task(task, ti, task=task, ds="2026-01-01")
    pushed = {(task.task_id, key): value for key, value in ti.xcoms.items()}
    return {**pushed, (task.task_id, "return_value"): ran.result}


def _hurry(task: BaseOperator) -> None:
    """Have a task poll more often than its page says."""
    for name in ("waiter_delay", "poke_interval"):
        if hasattr(task, name):
            setattr(task, name, 0.02)
            task._BaseOperator__init_kwargs[name] = 0.02  # type: ignore[attr-defined]
