"""OmicsStartRunBatchOperator against the local server: what is sent, pushed and tolerated."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Any

import pytest
from airflow.providers.common.compat.assets import Asset
from airflow.providers.common.compat.sdk import AirflowFailException
from cohorts import BUCKET, MODES, CohortLab, cohort, failing, instance, lasting, operator
from holding import HELD
from omics_errors import raises
from omics_service import make_configuration
from task_runs import run_task

from airflow_provider_omics.compat import HAS_COHORT_PAGE
from airflow_provider_omics.exceptions import OmicsBatchFailedError, OmicsWaitError
from airflow_provider_omics.local import LocalOmics


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@MODES
def test_a_cohort_completes_and_every_sample_has_a_row(lab: CohortLab, deferrable: bool) -> None:
    task = lab.run(cohort(3), deferrable=deferrable)
    batch = lab.omics.get_batch(batchId=task.result)
    assert batch["status"] == "PROCESSED"
    assert task.ti.xcoms["batch_id"] == task.result
    assert task.ti.xcoms["batch_arn"] == batch["arn"]
    table = lab.rows(task.ti)
    assert [row["run_setting_id"] for row in table] == ["sample-0", "sample-1", "sample-2"]
    for row in table:
        run = lab.omics.get_run(id=row["run_id"])
        assert (row["run_status"], row["uuid"], row["arn"]) == ("COMPLETED", run["uuid"], run["arn"])
        assert row["output_uri"] == run["runOutputUri"]
    assert task.ti.xcoms["runs"] == [
        {"run_setting_id": row["run_setting_id"], "run_id": row["run_id"], "output_uri": row["output_uri"]}
        for row in table
    ]
    summary = task.ti.xcoms["batch_summary"]
    assert (summary["status"], summary["total"], summary["completed"]) == ("PROCESSED", 3, 3)
    assert (task.ti.xcoms["failed_run_setting_ids"], task.ti.xcoms["failures"]) == ([], [])
    assert len(task.triggers) == (1 if deferrable else 0)


def test_every_field_reaches_the_service(lab: CohortLab) -> None:
    group = lab.omics.create_run_group(name="cohort", maxRuns=5, requestId="g")["id"]
    cache = lab.omics.create_run_cache(cacheS3Location=f"s3://{BUCKET}/cache", requestId="c")["id"]
    make_configuration(lab.omics, "my-network")
    expected = {
        "workflowType": "PRIVATE",
        "name": "atlas",
        "parameters": {"reference": "GRCh38"},
        "runTags": {"project": "atlas"},
        "runGroupId": group,
        "priority": 7,
        "cacheId": cache,
        "cacheBehavior": "CACHE_ALWAYS",
        "storageType": "STATIC",
        "storageCapacity": 2400,
        "scratchStorageMode": "LOCAL",
        "retentionMode": "REMOVE",
        "logLevel": "ALL",
        "networkingMode": "VPC",
        "configurationName": "my-network",
        "sessionPolicy": '{"Version": "2012-10-17"}',
        "outputBucketOwnerId": "123456789012",
    }
    task = lab.run(
        cohort(1),
        workflow_type="PRIVATE",
        name="atlas",
        parameters={"reference": "GRCh38"},
        run_tags={"project": "atlas"},
        run_group_id=group,
        priority="7",
        cache_id=cache,
        cache_behavior="CACHE_ALWAYS",
        storage_type="STATIC",
        storage_capacity=2400,
        scratch_storage_mode="LOCAL",
        retention_mode="REMOVE",
        log_level="ALL",
        networking_mode="VPC",
        configuration_name="my-network",
        default_run_setting={"sessionPolicy": '{"Version": "2012-10-17"}', "outputBucketOwnerId": "123456789012"},
        batch_name="cohort-1",
        tags={"cost": "7", "of": "all tasks"},
        batch_tags={"cost": "42"},
        request_id="my-own-id",
        wait_for_completion=False,
    )
    batch = lab.omics.get_batch(batchId=task.result)
    assert {key: batch["defaultRunSetting"].get(key) for key in expected} == expected
    assert (batch["name"], batch["tags"]["cost"]) == ("cohort-1", "42")
    assert batch["tags"]["airflow-dag-id"] == "cohort"
    assert len(batch["tags"]) == 10
    assert [call.request_id for call in lab.server.journal.calls("StartRunBatch")] == ["my-own-id"]


@MODES
def test_without_waiting_the_id_comes_back_at_once(lab: CohortLab, deferrable: bool) -> None:
    task = lab.run([lasting("slow", 3600)], wait_for_completion=False, deferrable=deferrable)
    assert lab.omics.get_batch(batchId=task.result)["status"] != "PROCESSED"
    assert task.triggers == []
    page = ["_link_OmicsCohortPageLink"] if HAS_COHORT_PAGE else []
    assert sorted(task.ti.xcoms) == [*page, "batch_arn", "batch_id"]
    # A later try finds the same batch, and does not wait either.
    assert lab.run([lasting("slow", 3600)], instance(2), wait_for_completion=False).result == task.result
    assert lab.calls("StartRunBatch") == 1


def test_without_xcom_push_nothing_is_pushed(lab: CohortLab) -> None:
    assert lab.run(cohort(1), do_xcom_push=False).ti.xcoms == {}


# (count, percentage, failing samples of 10, whether that is tolerated)
TOLERANCES = [
    (0, 0, 1, False),
    (2, 0, 2, True),
    (2, 0, 3, False),
    (0, 25, 2, True),
    (0, 29.9, 3, False),
    (1, 30, 3, True),
]


@pytest.mark.parametrize(("count", "percentage", "bad", "tolerated"), TOLERANCES)
def test_so_many_failures_are_tolerated_and_not_one_more(
    lab: CohortLab, count: int, percentage: float, bad: int, tolerated: bool
) -> None:
    samples = [failing(f"bad-{n}") for n in range(bad)] + cohort(10 - bad)
    policy: dict[str, Any] = {"tolerated_failure_count": count, "tolerated_failure_percentage": percentage}
    # Half of the cases in either mode.
    policy["deferrable"] = bad % 2 == 0
    if not tolerated:
        error = lab.fail(samples, **policy).error
        assert f"{bad} of 10 samples did not complete (tolerated: {error.outcome.tolerated})" in error.message()
        assert error.outcome.tolerated < bad
        return
    task = lab.run(samples, **policy)
    assert task.ti.xcoms["batch_summary"]["succeeded"]
    assert task.ti.xcoms["batch_summary"]["failed"] == bad
    assert task.ti.xcoms["failed_run_setting_ids"] == [f"bad-{n}" for n in range(bad)]
    assert len(task.ti.xcoms["runs"]) == 10 - bad
    assert lab.column(task.ti, "failure_code") == ["RUN_TASK_FAILED"] * bad + [""] * (10 - bad)


@MODES
@pytest.mark.parametrize(
    ("bad", "outcome"), [(0, "completed"), (1, "completed_with_tolerated_failures")], ids=["clean", "tolerated"]
)
def test_what_was_tolerated_is_told_to_who_looks_at_the_result_or_waits_for_the_asset(
    lab: CohortLab, deferrable: bool, bad: int, outcome: str
) -> None:
    asset, events = Asset("s3://cohort-results/out"), outlet_event_accessors()
    settings = [*cohort(2), *(failing(f"bad-{n}") for n in range(bad))]
    more: dict[str, Any] = {"tolerated_failure_count": 1, "deferrable": deferrable, "outlets": [asset]}
    task = lab.run(settings, context={"outlet_events": events}, **more)
    summary = task.ti.xcoms["batch_summary"]
    assert (summary["outcome"], summary["failed"]) == (outcome, bad)
    assert events[asset].extra == {"outcome": outcome, "batch_summary": summary}


def outlet_event_accessors() -> Any:
    """What Airflow has in a task's context for the events of its outlets."""
    if version("apache-airflow").startswith("2."):
        return importlib.import_module("airflow.utils.context").OutletEventAccessors()
    return importlib.import_module("airflow.sdk.execution_time.context").OutletEventAccessors()


def test_failed_submissions_are_tolerated_as_failed_runs_are(lab: CohortLab) -> None:
    lab.fault("RunBatch.submit", code="AccessDeniedException", http_status=403)
    task = lab.run([*cohort(2), failing("bad")], tolerated_failure_count=2)
    assert task.ti.xcoms["batch_summary"]["failure_classes"] == {"permission": 1, "workflow": 1}


@MODES
def test_a_batch_that_is_not_processed_is_no_success_whatever_is_tolerated(lab: CohortLab, deferrable: bool) -> None:
    lab.fault("RunBatch.abort", skip=2)
    task = lab.fail(cohort(3), tolerated_failure_percentage=100, deferrable=deferrable)
    assert task.error.status == "FAILED"


@MODES
def test_fail_fast_cancels_the_rest_once_too_many_have_failed(lab: CohortLab, deferrable: bool) -> None:
    samples = [failing("bad-0"), failing("bad-1"), lasting("slow-0", 3600), lasting("slow-1", 3600)]
    task = lab.fail(samples, tolerated_failure_count=1, fail_fast=True, deferrable=deferrable, redrive_attempts=1)
    assert lab.calls("CancelRunBatch") == 1
    assert task.error.status == "CANCELLED"
    assert lab.column(task.ti, "run_status") == ["FAILED", "FAILED", "CANCELLED", "CANCELLED"]
    # Nothing is submitted again in a try that has given up.
    assert lab.calls("StartRunBatch") == 1
    assert task.retried


@MODES
def test_fail_fast_leaves_a_batch_alone_whose_failures_are_tolerated(lab: CohortLab, deferrable: bool) -> None:
    samples = [failing("bad-0"), failing("bad-1"), *cohort(2)]
    task = lab.run(samples, tolerated_failure_count=2, fail_fast=True, deferrable=deferrable)
    assert lab.calls("CancelRunBatch") == 0
    assert task.ti.xcoms["batch_summary"]["completed"] == 2


def test_fail_fast_waits_for_a_batch_to_leave_creating(lab: CohortLab) -> None:
    lab.server.change(timings={"batch_creating": HELD})
    lab.held.release_after("GetBatch", 3)
    lab.fail([failing("bad"), lasting("slow", 3600)], fail_fast=True)
    assert (lab.calls("CancelRunBatch"), lab.effects("CancelRunBatch")) == (1, 1)


@MODES
def test_results_that_cannot_be_written_fail_the_task_and_run_nothing_again(lab: CohortLab, deferrable: bool) -> None:
    settings: dict[str, Any] = {"results_uri": f"s3://{BUCKET}/table.csv", "deferrable": deferrable, "error_budget": 0}
    # What proves the two places, and the cohort, are written before the batch starts.
    lab.fault("s3:PUT", skip=3, count=None, code="NoSuchBucket", http_status=404)
    with raises(OmicsWaitError, match=r"PutObject for s3://cohort-results/table\.csv") as caught:
        lab.run(cohort(2), **settings)
    # A retry writes what this try could not.
    assert not isinstance(caught.value, AirflowFailException)
    lab.server.faults.clear()
    again = lab.run(cohort(2), instance(2), **settings)
    assert lab.column(again.ti, "run_status") == ["COMPLETED"] * 2
    assert set(lab.runs_of().values()) == {1}


def test_lists_that_cannot_be_read_name_the_permission(lab: CohortLab) -> None:
    lab.deny("ListRunsInBatch")
    with raises(OmicsWaitError, match="omics:ListRunsInBatch"):
        lab.run(cohort(1), error_budget=0)


def test_failed_runs_that_cannot_be_looked_up_are_told_all_the_same(lab: CohortLab) -> None:
    lab.deny("GetRun")
    task = lab.fail([failing("bad"), *cohort(1)])
    row = lab.rows(task.ti)[0]
    assert (row["run_status"], row["failure_code"], row["failure_class"]) == ("FAILED", "", "unknown")
    assert "omics:GetRun" in row["failure_message"]


def test_a_retry_policy_decides_instead_of_the_provider(lab: CohortLab) -> None:
    lab.fault("RunBatch.validate", code="ValidationException")
    task = operator(lab.workflow_id, [failing("bad")])
    object.__setattr__(task, "retry_policy", object())
    with pytest.raises(OmicsBatchFailedError) as caught:
        run_task(task, instance())
    assert not isinstance(caught.value, AirflowFailException)
