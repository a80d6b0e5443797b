"""What OpenLineage is told of runs and cohorts: which datasets went in and came out, and nothing that is secret."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from cohorts import BUCKET, MODES, CohortLab, cohort, failing, instance, operator
from task_runs import TaskInstance, run_task

from airflow_provider_omics.exceptions import OmicsBatchFailedError, OmicsRunFailedError
from airflow_provider_omics.lineage.datasets import MOST_DATASETS, Dataset, Datasets
from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.operators.job import OmicsJobOperator
from airflow_provider_omics.operators.lineage import MOST_SAMPLES
from airflow_provider_omics.operators.preflight import OmicsPreflightOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

pytest.importorskip("airflow.providers.openlineage")

ROLE = "arn:aws:iam::123456789012:role/omics"
SECRETS = ("hunter2", "X-Amz-Signature", "AKIA", "s3cr3t")
RULES = (OutcomeRule(pattern="again", outcome="SERVICE_ERROR", times=1),)
PARAMETERS = {
    "reads": f"s3://{BUCKET}/reads/a_R1.fastq.gz; s3://{BUCKET}/reads/a_R2.fastq.gz",
    "reference": {"class": "File", "location": "s3://references/hg38.fa"},
    "signed": "s3://signed/object.bam?X-Amz-Signature=s3cr3t&X-Amz-Credential=AKIA",
    "download": "https://signed.example/object?X-Amz-Signature=s3cr3t",
    "database": "https://user:hunter2@host.example/key",
    "api_token": "s3://hunter2-bucket/hunter2",
    "outdir": f"s3://{BUCKET}/elsewhere",
    "password": "hunter2",
}
INPUTS = [
    (f"s3://{BUCKET}", "reads/a_R1.fastq.gz"),
    (f"s3://{BUCKET}", "reads/a_R2.fastq.gz"),
    ("s3://references", "hg38.fa"),
    ("s3://signed", "object.bam"),
]


@pytest.fixture(autouse=True)
def openlineage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    transport = {"type": "file", "log_file_path": str(tmp_path / "events"), "append": True}
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "file")
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any]) -> dict[str, Any]:
    return {**omics_local_settings, "outcomes": SimulatedOutcomes(rules=RULES)}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The operators that were made, the one that ended last."""
    made: list[Any] = []
    plain = OmicsJobOperator.begin_try

    def begin(task: Any, context: Any) -> None:
        made.append(task)
        plain(task, context)

    monkeypatch.setattr(OmicsJobOperator, "begin_try", begin)
    return made


def told(lineage: Any) -> dict[str, Any]:
    """Return what an event would say, as JSON values."""
    from openlineage.client.serde import Serde

    facets = {name: Serde.to_dict(facet) for name, facet in lineage.run_facets.items()}
    text = json.dumps([facets, [Serde.to_dict(one) for one in (*lineage.inputs, *lineage.outputs)]])
    assert [secret for secret in SECRETS if secret in text] == []
    for facet in facets.values():
        assert facet["_producer"]
        assert facet["_schemaURL"].startswith(("https://openlineage.io/", "urn:airflow-provider-omics:"))
    return {
        "inputs": [(one.namespace, one.name) for one in lineage.inputs],
        "outputs": [(one.namespace, one.name) for one in lineage.outputs],
        **facets,
    }


def run(lab: CohortLab, **kwargs: Any) -> OmicsStartRunOperator:
    arguments = {"role_arn": ROLE, "output_uri": f"s3://{BUCKET}/out", "waiter_delay": 0.02, **kwargs}
    return OmicsStartRunOperator(task_id="start_run", workflow_id=lab.workflow_id, **arguments)


@MODES
def test_a_run_tells_inputs_outputs_and_what_it_was(lab: CohortLab, tasks: list[Any], deferrable: bool) -> None:
    task = run(lab, parameters=PARAMETERS, deferrable=deferrable)
    assert told(task.get_openlineage_facets_on_start())["inputs"] == INPUTS
    ended = run_task(task)
    shown = told(tasks[-1].get_openlineage_facets_on_complete(ended.ti))
    answer = lab.omics.get_run(id=ended.result)
    assert shown["inputs"] == INPUTS
    facet = shown["omics_workflow"]
    assert (facet["kind"], facet["id"], facet["uuid"], facet["status"]) == (
        "run",
        ended.result,
        answer["uuid"],
        "COMPLETED",
    )
    assert (facet["workflowId"], facet["digest"]) == (lab.workflow_id, answer["digest"])
    prefix = answer["runOutputUri"].removeprefix(f"s3://{BUCKET}/")
    assert shown["outputs"]
    assert all(namespace == f"s3://{BUCKET}" and name.startswith(prefix) for namespace, name in shown["outputs"])


@MODES
def test_a_run_that_failed_tells_why(lab: CohortLab, tasks: list[Any], deferrable: bool) -> None:
    task = run(lab, parameters=PARAMETERS, deferrable=deferrable, tags={"omics-local:outcome": "RUN_TASK_FAILED"})
    with pytest.raises(OmicsRunFailedError):
        run_task(task)
    shown = told(tasks[-1].get_openlineage_facets_on_failure(TaskInstance()))
    facet = shown["omics_workflow"]
    assert (facet["failureCode"], facet["failureClass"]) == ("RUN_TASK_FAILED", "workflow")
    assert "ended FAILED: RUN_TASK_FAILED" in shown["errorMessage"]["message"]
    assert shown["inputs"] == INPUTS


@MODES
def test_a_cohort_and_its_redrive_tell_all_batches_and_the_table(
    lab: CohortLab, tasks: list[Any], deferrable: bool
) -> None:
    samples = [*cohort(1, parameters=PARAMETERS), {"runSettingId": "again"}]
    ended = lab.run(samples, redrive_attempts=1, deferrable=deferrable)
    shown = told(tasks[-1].get_openlineage_facets_on_complete(ended.ti))
    summary = ended.ti.xcoms["batch_summary"]
    assert shown["inputs"] == INPUTS
    facet = shown["omics_workflow"]
    assert facet["batchIds"] == summary["batch_ids"]
    assert len(facet["batchIds"]) == 2
    assert (facet["outcome"], facet["samples"]["completed"]) == ("completed", 2)
    assert facet["digest"]
    tables = [summary[name].removeprefix(f"s3://{BUCKET}/") for name in ("results_uri", "results_jsonl_uri")]
    assert [name for _, name in shown["outputs"][:2]] == tables
    assert len(shown["outputs"]) > 2


def test_a_cohort_that_failed_tells_it(lab: CohortLab, tasks: list[Any]) -> None:
    with pytest.raises(OmicsBatchFailedError):
        lab.run([failing("bad")])
    shown = told(tasks[-1].get_openlineage_facets_on_failure(TaskInstance()))
    assert shown["omics_workflow"]["failureClasses"] == {"workflow": 1}
    assert shown["errorMessage"]["message"] == "1 of 1 samples did not complete"


def test_of_a_large_cohort_the_tables_are_told(lab: CohortLab, tasks: list[Any]) -> None:
    ended = lab.run(cohort(MOST_SAMPLES + 1, parameters=PARAMETERS))
    shown = told(tasks[-1].get_openlineage_facets_on_complete(ended.ti))
    assert [name for _, name in shown["outputs"]] == [
        ended.ti.xcoms["batch_summary"][name].removeprefix(f"s3://{BUCKET}/")
        for name in ("results_uri", "results_jsonl_uri")
    ]
    assert any("/cohort-" in name for _, name in shown["inputs"])


def test_where_nobody_listens_nothing_is_looked_up(
    lab: CohortLab, tasks: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__DISABLED", "True")
    ended = lab.run(cohort(1), instance())
    gets = lab.calls("GetRun")
    assert lab.run(cohort(1), instance(run_id="other"))
    assert lab.calls("GetRun") == 2 * gets
    shown = told(tasks[-1].get_openlineage_facets_on_complete(ended.ti))
    assert shown["omics_workflow"] == {**shown["omics_workflow"], "workflowId": lab.workflow_id}
    assert "status" not in shown["omics_workflow"]


def test_airflows_own_facet_has_no_arguments_with_secrets(lab: CohortLab, tasks: list[Any]) -> None:
    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter
    from airflow.providers.openlineage.utils.utils import TaskInfo, TaskInfoComplete
    from openlineage.client.serde import Serde

    of_all = {"parameters": PARAMETERS}
    task = run(lab, **of_all, start_run_kwargs=of_all)
    cohort_task = operator(lab.workflow_id, cohort(1, **of_all), **of_all, default_run_setting=of_all)
    checks = OmicsPreflightOperator(task_id="check", workflow_id=lab.workflow_id, **of_all)
    copied = copy.deepcopy(task)
    ended = run_task(task)
    assert lab.omics.get_run(id=ended.result)["parameters"] == PARAMETERS
    redactor = OpenLineageAdapter()._redacter
    for one in (task, tasks[-1], copied, cohort_task, checks):
        assert one.parameters == PARAMETERS
        for info in (TaskInfo, TaskInfoComplete):
            text = Serde.to_json({"task": redactor.redact(info(one), max_depth=20)})
            assert one.task_id in text
            assert [secret for secret in SECRETS if secret in text] == []


def test_a_task_that_never_ran_tells_what_its_arguments_name() -> None:
    task = operator("{{ params.workflow }}", "s3://cohort/samples.csv", run_setting_id_column="sample")
    shown = told(task.get_openlineage_facets_on_failure(TaskInstance()))
    assert shown["inputs"] == [("s3://cohort", "samples.csv")]


def test_datasets_are_counted_and_cut() -> None:
    datasets = Datasets()
    datasets.note_outputs([f"s3://bucket/{number}" for number in range(MOST_DATASETS + 7)])
    assert (len(datasets), datasets.more) == (MOST_DATASETS, 7)
    datasets.add("s3://bucket/1")
    datasets.add("s3://bucket/{{ ds }}")
    datasets.add("not-a-place")
    datasets.note_outputs({"of": "s3://user:hunter2@bucket/key"})
    assert (len(datasets), datasets.more) == (MOST_DATASETS, 7)
    assert next(iter(datasets)) == Dataset("s3://bucket", "0")
