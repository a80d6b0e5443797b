"""OmicsStartRunBatchOperator against the local server, in the worker and deferred."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from task_runs import TaskInstance, TaskRun, run_task

from airflow_provider_omics.exceptions import OmicsBatchFailedError
from airflow_provider_omics.local import Assumptions, LocalOmics, SimulatedOutcomes
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator

ROLE = "arn:aws:iam::123456789012:role/omics"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
BUCKET = "cohort-results"


@pytest.fixture
def assumptions() -> Assumptions:
    return Assumptions()


@pytest.fixture
def outcomes() -> SimulatedOutcomes:
    return SimulatedOutcomes()


@pytest.fixture
def omics_local_settings(
    omics_local_settings: dict[str, Any], assumptions: Assumptions, outcomes: SimulatedOutcomes
) -> dict[str, Any]:
    return {**omics_local_settings, "assumptions": assumptions, "outcomes": outcomes}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    omics_local.client("s3").create_bucket(Bucket=BUCKET)
    return omics_local


@pytest.fixture
def workflow_id(make_workflow: Callable[..., str]) -> str:
    return make_workflow()


def cohort(count: int, **settings: Any) -> list[dict[str, Any]]:
    return [{"runSettingId": f"sample-{n}", **settings} for n in range(count)]


def failing(sample: str, code: str) -> dict[str, Any]:
    return {"runSettingId": sample, "runTags": {"omics-local:outcome": code}}


def start(workflow_id: str | None, run_settings: Any, ti: TaskInstance | None = None, **kwargs: Any) -> TaskRun:
    arguments = {"role_arn": ROLE, "output_uri": f"s3://{BUCKET}/out", "waiter_delay": 0.02, **kwargs}
    operator = OmicsStartRunBatchOperator(
        task_id="cohort", workflow_id=workflow_id, run_settings=run_settings, **arguments
    )
    return run_task(operator, ti)


def read(server: LocalOmics, uri: str) -> str:
    place = urlsplit(uri)
    body = server.client("s3").get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read()
    return str(body.decode())


def rows(server: LocalOmics, ti: TaskInstance) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(read(server, ti.xcoms["results_uri"]))))


@MODES
def test_a_cohort_completes_and_every_sample_has_a_row(server: LocalOmics, workflow_id: str, deferrable: bool) -> None:
    task = start(workflow_id, cohort(3), deferrable=deferrable)
    batch = server.client("omics").get_batch(batchId=task.result)
    assert batch["status"] == "PROCESSED"
    assert task.ti.xcoms["batch_id"] == task.result
    assert task.ti.xcoms["batch_arn"] == batch["arn"]
    table = rows(server, task.ti)
    assert [row["run_setting_id"] for row in table] == ["sample-0", "sample-1", "sample-2"]
    omics = server.client("omics")
    for row in table:
        run = omics.get_run(id=row["run_id"])
        assert (row["run_status"], row["uuid"], row["arn"]) == ("COMPLETED", run["uuid"], run["arn"])
        assert row["output_uri"] == run["runOutputUri"]
    assert task.ti.xcoms["runs"] == [
        {"run_setting_id": row["run_setting_id"], "run_id": row["run_id"], "output_uri": row["output_uri"]}
        for row in table
    ]
    assert task.ti.xcoms["batch_summary"]["completed"] == 3
    assert task.ti.xcoms["failed_run_setting_ids"] == []
    jsonl = read(server, task.ti.xcoms["batch_summary"]["results_jsonl_uri"]).splitlines()
    assert [json.loads(line)["run_setting_id"] for line in jsonl] == ["sample-0", "sample-1", "sample-2"]
    assert bool(task.triggers) is deferrable


@MODES
def test_a_later_try_runs_only_what_failed(server: LocalOmics, workflow_id: str, deferrable: bool) -> None:
    samples = [*cohort(3), failing("bad", "RUN_TASK_FAILED")]
    with pytest.raises(OmicsBatchFailedError) as caught:
        start(workflow_id, samples, deferrable=deferrable)
    print(caught.value)
    assert caught.value.counts.failed == 1
    task = start(
        workflow_id,
        [*cohort(3), {"runSettingId": "bad"}],
        TaskInstance(task_id="cohort", try_number=2),
        deferrable=deferrable,
    )
    assert len(server.client("omics").list_runs()["items"]) == 5
    assert [row["run_status"] for row in rows(server, task.ti)] == ["COMPLETED"] * 4
    assert len(task.ti.xcoms["batch_summary"]["batch_ids"]) == 2
