"""The lifecycle example beside the same steps by hand, with the AWS command line: what both leave is equal."""

from __future__ import annotations

import json
import os
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
from awscli.clidriver import create_clidriver
from examples import example_files
from omics_service import ROLE, await_status
from task_runs import TaskInstance, run_task

from airflow_provider_omics.local import LocalOmics

BUCKET, NAME, SAMPLES = "lifecycle", "read-qc", ("liver", "lung")
READ_QC = Path(__file__).parents[2] / "example_dags" / "workflows" / "read-qc"
STEPS = ("workflow", "version", "group", "check", "cohort", "results", "outdated", "prune_batches", "prune_runs")
MAKING = ("CreateWorkflow", "CreateWorkflowVersion", "CreateRunGroup", "CreateRunCache", "StartRunBatch")

# What tells one from another, or when it was made. The archive's digest and size go by how it was zipped.
OWN = {"id", "arn", "uuid", "name", "versionName", "creationTime", "startTime", "stopTime", "requestId", "workflowId"}
OWN |= {"workflowUuid", "workflowArn", "workflowVersionName", "workflowVersionUuid", "runGroupId", "cacheId", "batchId"}
OWN |= {"runOutputUri", "outputUri", "logLocation", "digest", "definition", "ResponseMetadata", "description"}


class Instance(TaskInstance):
    """A task instance that reads the XComs of the tasks before."""

    task: Any = None
    pushed: dict[tuple[str, str], Any]

    def xcom_pull(self, task_ids: Any = None, key: str = "return_value", **_kwargs: Any) -> Any:
        (task_id,) = [task_ids] if isinstance(task_ids, str) else task_ids
        return self.pushed[task_id, key]

    def get_relevant_upstream_map_indexes(self, *_args: Any, **_kwargs: Any) -> None:
        """Say that no upstream task is mapped."""
        return


@pytest.fixture
def server(omics_local: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> LocalOmics:
    """Airflow and the command line both lead to the server, which has the samples."""
    for name, value in {**omics_local.environment("us-east-1"), "AWS_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    s3 = omics_local.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    sheet = ["sample,fastq_1", *(f"{sample},s3://{BUCKET}/{sample}.fastq" for sample in SAMPLES)]
    s3.put_object(Bucket=BUCKET, Key="cohort.csv", Body="\n".join(sheet))
    return omics_local


class ByHand:
    """The command line, in this process; each call is one command that a person types."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._driver, self._capfd = create_clidriver(), capfd
        self.typed: list[list[str]] = []

    def __call__(self, command: str, **options: Any) -> dict[str, Any]:
        words = ["--output", "json", "omics", *command.split()]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", value if isinstance(value, str) else json.dumps(value)]
        self._capfd.readouterr()
        print()
        assert self._driver.main(words) == 0, command
        if words not in self.typed:
            # A poll that is repeated counts once.
            self.typed.append(words)
        # Airflow has botocore's log printed before the answer.
        _, begin, rest = self._capfd.readouterr().out.rpartition("\n{\n")
        return dict(json.loads(begin + rest)) if begin else {}


def carry_through_by_hand(aws: ByHand, folder: Path) -> dict[str, Any]:
    """Type what carries the folder to results, and return the ids."""
    archive = shutil.make_archive(str(folder / "by-hand"), "zip", READ_QC)
    content = {
        "engine": "CWL",
        "main": "main.cwl",
        "definition_zip": f"fileb://{archive}",
        "parameter_template": f"file://{READ_QC / 'parameter-template.json'}",
    }
    workflow = aws("create-workflow", name="by-hand", **content)["id"]
    aws("wait workflow-active", id=workflow)
    version = aws("create-workflow-version", workflow_id=workflow, version_name="v1", **content)["versionName"]
    aws("wait workflow-version-active", workflow_id=workflow, version_name=version)
    group = aws("create-run-group", name="by-hand", max_runs="50")["id"]
    place = f"s3://{BUCKET}/by-hand"
    cache = aws(
        "create-run-cache", name="by-hand", cache_s3_location=f"{place}/run-cache", cache_behavior="CACHE_ON_FAILURE"
    )["id"]
    defaults = {"workflowId": workflow, "workflowVersionName": version, "runGroupId": group, "roleArn": ROLE}
    defaults |= {"outputUri": place, "storageType": "DYNAMIC", "cacheId": cache, "cacheBehavior": "CACHE_ON_FAILURE"}
    settings = [
        {"runSettingId": sample, "parameters": {"sample_name": sample, "fastq_1": reads(sample)}} for sample in SAMPLES
    ]
    batch = aws("start-run-batch", default_run_setting=defaults, batch_run_settings={"inlineSettings": settings})["id"]
    await_status(lambda: aws("get-batch", batch_id=batch), "PROCESSED")
    runs = {one["runSettingId"]: one["runId"] for one in aws("list-runs-in-batch", batch_id=batch)["runs"]}
    for run_id in runs.values():
        assert aws("get-run", id=run_id)["status"] == "COMPLETED"
    aws("list-workflow-versions", workflow_id=workflow)
    return {"workflow": workflow, "version": version, "group": group, "cache": cache, "batch": batch, "runs": runs}


def delete_by_hand(aws: ByHand, made: dict[str, Any]) -> None:
    """Type what deletes the version and the records."""
    aws("delete-run-batch", batch_id=made["batch"])
    await_status(lambda: aws("get-batch", batch_id=made["batch"]), "RUNS_DELETED")
    aws("delete-batch", batch_id=made["batch"])
    aws("delete-workflow-version", workflow_id=made["workflow"], version_name=made["version"])


def reads(sample: str) -> dict[str, str]:
    return {"class": "File", "location": f"s3://{BUCKET}/{sample}.fastq"}


def carry_through_by_dag() -> dict[tuple[str, str], Any]:
    """Run the tasks of the example, and return their XComs."""
    (example,) = (path for path in example_files() if path.stem == "example_omics_workflow_lifecycle")
    dag = runpy.run_path(str(example))["dag"]
    params = {
        **dag.params.dump(),
        "definition": str(READ_QC),
        "workflow_name": NAME,
        "role_arn": ROLE,
        "output_uri": f"s3://{BUCKET}/by-dag",
        "sheet": f"s3://{BUCKET}/cohort.csv",
    }
    pushed: dict[tuple[str, str], Any] = {}
    for name in STEPS:
        ti = Instance(task_id=name, dag_id=dag.dag_id)
        ti.pushed, ti.task = pushed, dag.get_task(name)
        if hasattr(ti.task, "waiter_delay"):
            ti.task.waiter_delay = 0.05
        result = run_task(ti.task, ti, params=params).result
        pushed |= {(name, "return_value"): result, **{(name, key): value for key, value in ti.xcoms.items()}}
    return pushed


def shared(shown: dict[str, Any]) -> dict[str, Any]:
    """What an object has that is not its own; of tags, those that are no identity."""
    tags = {key: value for key, value in shown.get("tags", {}).items() if not key.startswith("airflow-")}
    return {**{name: value for name, value in shown.items() if name not in OWN}, "tags": tags}


def test_the_example_makes_what_the_command_line_makes(
    server: LocalOmics, omics: Any, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    aws = ByHand(capfd)
    hand = carry_through_by_hand(aws, tmp_path)
    by_hand = server.journal.effects.copy()
    xcoms = carry_through_by_dag()
    by_dag = server.journal.effects - by_hand
    assert by_hand == dict.fromkeys(MAKING, 1)
    assert {name: by_dag[name] for name in MAKING} == by_hand
    # The task notes with its batch that it has succeeded with it, where Airflow does not keep that.
    assert by_dag.keys() - set(MAKING) <= {"TagResource"}

    done = {name: xcoms[name, "return_value"] for name in STEPS}
    runs = {one["runSettingId"]: one["runId"] for one in omics.list_runs_in_batch(batchId=done["cohort"])["runs"]}
    ways = ((hand, hand["runs"]), ({**done, "batch": done["cohort"]}, runs))
    shown = [
        [
            omics.get_workflow(id=ids["workflow"]),
            omics.get_workflow_version(workflowId=ids["workflow"], versionName=ids["version"]),
            omics.get_run_group(id=ids["group"]),
            *(omics.get_run(id=own_runs[sample]) for sample in SAMPLES),
        ]
        for ids, own_runs in ways
    ]
    for one, other in zip(*shown, strict=True):
        assert shared(other) == shared(one)

    delete_by_hand(aws, hand)
    # One more for each sample.
    assert len(aws.typed) == 13 + len(SAMPLES)
    assert len(STEPS) == 9
