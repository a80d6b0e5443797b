"""Links to AWS's console: of runs, batches, results and logs; and none where the endpoint is somebody's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cohorts import BUCKET, MODES, OUT, ROLE, failing
from omics_errors import raises
from omics_service import await_status
from task_runs import TaskInstance, run_task

from airflow_provider_omics.compat import HAS_COHORT_PAGE
from airflow_provider_omics.exceptions import OmicsBatchFailedError, OmicsRunFailedError
from airflow_provider_omics.links.omics import OmicsResultsLink
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.batch import OmicsCancelRunBatchOperator, OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor

PAGE = "OmicsCohortPageLink"
CONSOLE = "https://us-east-1.console.aws.amazon.com"
LOGS = f"{CONSOLE}/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/%2Faws%2Fomics%2FWorkflowLog/log-events"


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    omics_local.client("s3").create_bucket(Bucket=BUCKET)
    return omics_local


def run_operator(workflow_id: str, **arguments: Any) -> OmicsStartRunOperator:
    given = {"workflow_id": workflow_id, "role_arn": ROLE, "output_uri": OUT, "waiter_delay": 0.02, **arguments}
    return OmicsStartRunOperator(task_id="start_run", **given)


def cohort_operator(workflow_id: str, **arguments: Any) -> OmicsStartRunBatchOperator:
    settings = [{"runSettingId": "good"}, failing("bad")]
    given = {"workflow_id": workflow_id, "role_arn": ROLE, "output_uri": OUT, "waiter_delay": 0.02, **arguments}
    return OmicsStartRunBatchOperator(task_id="cohort", run_settings=settings, **given)


def links(ti: TaskInstance) -> dict[str, str]:
    """Links to AWS's console."""
    found = {key.removeprefix("_link_"): value for key, value in ti.xcoms.items() if key.startswith("_link_")}
    return {name: url for name, url in found.items() if name != PAGE}


@MODES
def test_a_run_has_its_page_and_its_logs(aws: LocalOmics, make_workflow: Callable[..., str], deferrable: bool) -> None:
    task = run_task(run_operator(make_workflow(), deferrable=deferrable))
    expected = {
        "OmicsRunLink": f"{CONSOLE}/omics/home?region=us-east-1#/runs/{task.result}",
        "OmicsRunLogLink": f"{LOGS}/run%2F{task.result}",
        "OmicsEngineLogLink": f"{LOGS}/run%2F{task.result}%2Fengine",
    }
    assert links(task.ti) == expected
    wait = OmicsRunSensor(task_id="wait", run_id=task.result, poke_interval=0.02, deferrable=deferrable)
    assert links(run_task(wait).ti) == expected


@MODES
def test_a_cohort_has_its_runs_its_results_and_the_log_of_its_first_failure(
    aws: LocalOmics, make_workflow: Callable[..., str], deferrable: bool
) -> None:
    ti = TaskInstance(task_id="cohort")
    with pytest.raises(OmicsBatchFailedError):
        run_task(cohort_operator(make_workflow(), deferrable=deferrable, report=True), ti)
    bad = ti.xcoms["failures"][0]["run_id"]
    found = links(ti)
    assert found["OmicsRunListLink"] == f"{CONSOLE}/omics/home?region=us-east-1#/runs"
    assert found["OmicsFailedRunLogLink"] == f"{LOGS}/run%2F{bad}"
    key = ti.xcoms["results_uri"].removeprefix(f"s3://{BUCKET}/")
    prefix = key.replace("/", "%2F")
    assert found["OmicsResultsLink"] == f"{CONSOLE}/s3/object/{BUCKET}?region=us-east-1&prefix={prefix}"
    assert found["OmicsReportLink"] == found["OmicsResultsLink"].replace(".csv", ".html")
    assert len(found) == 4

    batch_id = ti.xcoms["batch_id"]
    ti = TaskInstance(task_id="wait")
    with pytest.raises(OmicsBatchFailedError):
        run_task(OmicsBatchSensor(task_id="wait", batch_id=batch_id, poke_interval=0.02, deferrable=deferrable), ti)
    assert links(ti) == {name: found[name] for name in ("OmicsRunListLink", "OmicsFailedRunLogLink")}
    ti = TaskInstance(task_id="wait")
    sample = {"batch_id": batch_id, "run_setting_id": "good", "poke_interval": 0.02, "deferrable": deferrable}
    result = run_task(OmicsBatchRunSensor(task_id="wait", **sample), ti).result
    assert links(ti)["OmicsRunLink"].endswith(f"#/runs/{result['run_id']}")
    assert links(ti)["OmicsRunListLink"] == found["OmicsRunListLink"]
    done = run_task(OmicsCancelRunBatchOperator(task_id="cancel", batch_id=batch_id, deferrable=deferrable))
    assert links(done.ti) == {"OmicsRunListLink": found["OmicsRunListLink"]}


@MODES
def test_no_link_leads_from_a_server_of_ones_own_to_aws(
    server: LocalOmics, make_workflow: Callable[..., str], deferrable: bool
) -> None:
    workflow_id = make_workflow()
    ti = TaskInstance(task_id="cohort")
    with pytest.raises(OmicsBatchFailedError) as of_batch:
        run_task(cohort_operator(workflow_id, deferrable=deferrable), ti)
    assert links(ti) == {}
    page = "/omics/cohorts/cohort/manual__2026-01-01T00%3A00%3A00%2B00%3A00/cohort/-1"
    assert ti.xcoms.get(f"_link_{PAGE}") == (page if HAS_COHORT_PAGE else None)
    ti = TaskInstance(task_id="start_run")
    with pytest.raises(OmicsRunFailedError) as of_run:
        run_task(run_operator(workflow_id, deferrable=deferrable, tags={"omics-local:outcome": "SERVICE_ERROR"}), ti)
    assert links(ti) == {}
    assert "console" not in f"{of_batch.value}{of_run.value}".lower()


def test_the_console_of_another_partition_is_another() -> None:
    url = OmicsResultsLink().url("cn-north-1", "aws-cn", "s3://my-bucket/out/a+b.csv")
    assert url == "https://cn-north-1.console.amazonaws.cn/s3/object/my-bucket?region=cn-north-1&prefix=out%2Fa%2Bb.csv"


def test_a_run_that_failed_is_linked_in_its_message(aws: LocalOmics, make_workflow: Callable[..., str]) -> None:
    run_id = aws.client("omics").start_run(
        workflowId=make_workflow(), roleArn=ROLE, outputUri=OUT, tags={"omics-local:outcome": "SERVICE_ERROR"}
    )["id"]
    await_status(lambda: aws.client("omics").get_run(id=run_id), "FAILED")
    with raises(OmicsRunFailedError, match=f"Console: {CONSOLE}/omics/home.region=us-east-1#/runs/{run_id}"):
        run_task(OmicsRunSensor(task_id="wait", run_id=run_id, poke_interval=0.02))
