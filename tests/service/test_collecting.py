"""The results table of real batches of the local server, over HTTP, with the calls counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from omics_service import ROLE, await_status

from airflow_provider_omics.healthomics.api.calls import run_sync
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.results.collection import collect_batch, confirm_unsettled, look_up_failures
from airflow_provider_omics.healthomics.results.table import ResultsTable, SampleStatus
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule

ENDS = ("PROCESSED", "FAILED", "CANCELLED", "RUNS_DELETED", "RUNS_DELETE_FAILED")
PLACE = "s3://results/cohort/"
StartBatch = Callable[..., str]
FAILING = {"runTags": {"omics-local:outcome": "OUT_OF_MEMORY_ERROR"}}


def setting(sample: str, **members: Any) -> dict[str, Any]:
    return {"runSettingId": sample, **members}


def many(number: int, **members: Any) -> list[dict[str, Any]]:
    return [setting(f"s{n:04d}", **members) for n in range(number)]


def cohort(settings: list[dict[str, Any]]) -> ResultsTable:
    return ResultsTable((each["runSettingId"], each.get("outputUri", PLACE)) for each in settings)


@pytest.fixture
def start_batch(server: LocalOmics, omics: Any, make_workflow: Callable[..., str]) -> StartBatch:
    """Start a batch, more than 100 settings through S3, and return its id."""
    workflow_id = make_workflow()

    def start(settings: list[dict[str, Any]]) -> str:
        kind = {"inlineSettings": settings} if len(settings) <= 100 else {"s3UriSettings": upload(server, settings)}
        batch_id: str = omics.start_run_batch(
            defaultRunSetting={"workflowId": workflow_id, "roleArn": ROLE, "outputUri": PLACE}, batchRunSettings=kind
        )["id"]
        return batch_id

    return start


def upload(server: LocalOmics, settings: list[dict[str, Any]]) -> str:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="settings")
    s3.put_object(Bucket="settings", Key="cohort.json", Body=json.dumps(settings).encode())
    return "s3://settings/cohort.json"


@pytest.fixture
def end_of(omics: Any) -> Callable[..., dict[str, Any]]:
    """Wait until a batch has ended and return GetBatch's answer."""

    def wait(batch_id: str, *wanted: str) -> dict[str, Any]:
        return await_status(lambda: omics.get_batch(batchId=batch_id), *(wanted or ENDS))

    return wait


@pytest.fixture
def collect(omics: Any, end_of: Callable[..., dict[str, Any]]) -> Callable[..., bool]:
    """Wait until a batch has ended and collect it."""

    def collected(table: ResultsTable, batch_id: str, **more: Any) -> bool:
        end = end_of(batch_id)
        told = {"status": end["status"], "failure_reason": end.get("failureReason"), **more}
        exists: bool = run_sync(omics, collect_batch(table, batch_id, **told))
        return exists

    return collected


def ends(table: ResultsTable) -> list[SampleStatus]:
    return [row.end for row in table.rows()]


def test_a_cohort_takes_two_calls_for_100_samples_and_every_output_uri_is_exact(
    server: LocalOmics, omics: Any, start_batch: StartBatch, collect: Callable[..., bool]
) -> None:
    settings = [*many(249), setting("elsewhere", outputUri="s3://results/elsewhere")]
    batch_id = start_batch(settings)
    table = cohort(settings)
    assert collect(table, batch_id)
    assert (server.journal.counts["ListRunsInBatch"], server.journal.counts["ListRuns"]) == (3, 3)
    assert table.counts().completed == 250
    assert run_sync(omics, confirm_unsettled(table)) == run_sync(omics, look_up_failures(table)) == 0
    assert server.journal.counts["GetRun"] == 1
    for row in list(table.rows())[-3:]:
        run = omics.get_run(id=row.run_id)
        assert (row.uuid, row.arn, row.output_uri) == (run["uuid"], run["arn"], run["runOutputUri"])
        assert row.start_time == run["startTime"].isoformat(timespec="milliseconds")
        assert row.stop_time == run["stopTime"].isoformat(timespec="milliseconds")
        assert run["batchId"] == row.batch_id == batch_id


def test_the_other_form_of_output_uris_is_learned_too(
    server: LocalOmics, omics: Any, start_batch: StartBatch, collect: Callable[..., bool]
) -> None:
    server.change(assumptions={"run_output_uri": "run_id_and_uuid"})
    settings = [setting("bad", **FAILING), *many(3)]
    table = cohort(settings)
    collect(table, start_batch(settings))
    assert run_sync(omics, look_up_failures(table)) == 0
    assert server.journal.counts["GetRun"] == 1
    for row in table.rows():
        assert row.output_uri == omics.get_run(id=row.run_id)["runOutputUri"]


def test_failed_runs_and_failed_submissions_tell_their_causes(
    server: LocalOmics, omics: Any, start_batch: StartBatch, collect: Callable[..., bool]
) -> None:
    settings = [setting("bad-place", outputUri="file:///tmp"), setting("large", **FAILING), setting("good")]
    table = cohort(settings)
    collect(table, start_batch(settings))
    assert run_sync(omics, look_up_failures(table)) == 0
    refused, failed, good = table.rows()
    assert (refused.end, refused.run_status, refused.submission_failure_reason, refused.failure_class) == (
        SampleStatus.FAILED_SUBMISSION,
        "NOT_STARTED",
        "ValidationException",
        FailureClass.INPUT,
    )
    assert refused.failure_message
    assert (failed.failure_code, failed.failure_class) == ("OUT_OF_MEMORY_ERROR", FailureClass.WORKFLOW)
    assert "OUT_OF_MEMORY_ERROR" in (failed.failure_message or "")
    assert good.completed


def test_a_batch_without_a_run_is_not_asked_for_runs(
    server: LocalOmics, start_batch: StartBatch, collect: Callable[..., bool]
) -> None:
    settings = many(2, outputUri="file:///tmp")
    table = cohort(settings)
    collect(table, start_batch(settings))
    assert table.counts().failed_submissions == 2
    assert server.journal.counts["ListRuns"] == 0


def test_a_batch_that_failed_tells_why_nothing_was_submitted(
    start_batch: StartBatch, collect: Callable[..., bool]
) -> None:
    table = cohort(many(2))
    collect(table, start_batch([*many(2), *many(1)]))
    assert table.counts().not_submitted == 2
    assert {row.failure_class for row in table.rows()} == {FailureClass.INPUT}
    assert all(
        "Expected 3 unique runSettingIds but there were 2" in (row.failure_message or "") for row in table.rows()
    )


@pytest.mark.parametrize("before", ["hidden", "listed_without_status"])
@pytest.mark.parametrize("after", ["stay_unsubmitted", "cancel_success"])
def test_what_a_cancelled_batch_left_undone_is_of_class_cancelled(
    server: LocalOmics,
    omics: Any,
    start_batch: StartBatch,
    collect: Callable[..., bool],
    before: str,
    after: str,
) -> None:
    server.change(
        assumptions={"runs_in_batch_before_submission": before, "cancelled_before_submission": after},
        # So fast that five are submitted at once; and the first of them stops the rest.
        timings={"submissions_per_second": 50.0, "running_min": 3600.0, "running_max": 3600.0},
    )
    slowly = {"submissions_per_second": 1 / 3600}
    server.account().run_observers.append(lambda _run, old: None if old else server.change(timings=slowly))
    settings = many(50)
    batch_id = start_batch(settings)
    await_status(lambda: {"status": "some" if omics.list_runs(batchId=batch_id)["items"] else "none"}, "some")
    server.change(timings={"submissions_per_second": 2000.0})
    omics.cancel_run_batch(batchId=batch_id)
    table = cohort(settings)
    collect(table, batch_id)
    counts = table.counts()
    assert counts.cancelled + counts.not_submitted == 50
    assert counts.cancelled > 0
    assert counts.not_submitted > 0
    assert {row.failure_class for row in table.rows()} == {FailureClass.CANCELLED}


@pytest.mark.parametrize("limit", [2, 100])
def test_runs_that_a_lagging_list_does_not_show_are_asked_for_up_to_a_limit(
    server: LocalOmics, omics: Any, start_batch: StartBatch, collect: Callable[..., bool], limit: int
) -> None:
    server.change(assumptions={"list_runs_lag_seconds": 3600.0})
    settings = [*many(3), setting("large", **FAILING)]
    table = cohort(settings)
    batch_id = start_batch(settings)
    collect(table, batch_id)
    assert len(table.active(batch_id)) == 4
    assert run_sync(omics, confirm_unsettled(table, batch_id, limit=limit)) == max(0, 4 - limit)
    assert server.journal.counts["GetRun"] == min(limit, 4)
    assert table.counts().completed == min(limit, 3)
    assert table.counts().unknown == max(0, 4 - limit)


def test_a_run_that_still_goes_on_stays_active(
    server: LocalOmics, omics: Any, start_batch: StartBatch, end_of: Callable[..., dict[str, Any]]
) -> None:
    settings = [setting("slow", runTags={"omics-local:seconds": "3600"})]
    batch_id = start_batch(settings)
    end_of(batch_id, "INPROGRESS")
    table = cohort(settings)
    run_sync(omics, collect_batch(table, batch_id, status="INPROGRESS"))
    assert run_sync(omics, confirm_unsettled(table, batch_id)) == 1
    (row,) = table.active(batch_id)
    assert row.run_setting_id == "slow"


def test_deleted_runs_take_no_call_each_when_the_batch_says_so(
    server: LocalOmics,
    omics: Any,
    start_batch: StartBatch,
    collect: Callable[..., bool],
    end_of: Callable[..., dict[str, Any]],
) -> None:
    settings = many(3)
    batch_id = start_batch(settings)
    end_of(batch_id)
    omics.delete_run_batch(batchId=batch_id)
    end_of(batch_id, "RUNS_DELETED")
    table = cohort(settings)
    collect(table, batch_id)
    assert run_sync(omics, confirm_unsettled(table, batch_id)) == 0
    assert ends(table) == [SampleStatus.DELETED] * 3
    assert server.journal.counts["GetRun"] == 0


@pytest.mark.parametrize("reuse", [False, True], ids=["id unused", "id reused"])
def test_a_run_that_someone_deleted_is_deleted_even_if_its_id_is_anothers(
    server: LocalOmics,
    omics: Any,
    start_batch: StartBatch,
    start_run: Callable[..., dict[str, Any]],
    collect: Callable[..., bool],
    end_of: Callable[..., dict[str, Any]],
    reuse: bool,
) -> None:
    server.change(assumptions={"run_id_reuse": reuse})
    settings = many(2)
    batch_id = start_batch(settings)
    end_of(batch_id)
    gone = omics.list_runs_in_batch(batchId=batch_id, runSettingId="s0000")["runs"][0]["runId"]
    omics.delete_run(id=gone)
    other = start_run()["id"]
    assert (other == gone) == reuse
    table = cohort(settings)
    collect(table, batch_id)
    assert run_sync(omics, confirm_unsettled(table, batch_id)) == 0
    assert ends(table) == [SampleStatus.DELETED, SampleStatus.COMPLETED]
    assert server.journal.counts["GetRun"] == 1


def test_of_a_batch_that_is_gone_nothing_is_proved(
    server: LocalOmics, omics: Any, start_batch: StartBatch, end_of: Callable[..., dict[str, Any]]
) -> None:
    batch_id = start_batch(many(2))
    end_of(batch_id)
    omics.delete_batch(batchId=batch_id)
    table = cohort(many(2))
    assert not run_sync(omics, collect_batch(table, batch_id))
    assert [(row.run_status, row.submission_status, row.batch_id) for row in table.rows()] == [
        ("UNKNOWN", None, batch_id)
    ] * 2
    assert not table.active()
    assert server.journal.counts["ListRuns"] == 0


def test_two_batches_of_a_cohort_become_one_table(
    server: LocalOmics, omics: Any, start_batch: StartBatch, collect: Callable[..., bool]
) -> None:
    first_settings = [setting("a"), setting("b", **FAILING), setting("c", **FAILING), setting("d")]
    first = start_batch(first_settings)
    table = cohort(first_settings)
    collect(table, first)
    second = start_batch([setting("c"), setting("b", outputUri="file:///tmp"), setting("stranger")])
    collect(table, second, unchanged_ids={"b", "c"})
    assert run_sync(omics, look_up_failures(table)) == 0
    assert [(row.run_setting_id, row.batch_id, row.end) for row in table.rows()] == [
        ("a", first, SampleStatus.COMPLETED),
        ("b", second, SampleStatus.FAILED_SUBMISSION),
        ("c", second, SampleStatus.COMPLETED),
        ("d", first, SampleStatus.COMPLETED),
    ]


def test_a_throttled_look_up_is_noted_and_a_throttled_list_is_an_error(
    server: LocalOmics, start_batch: StartBatch, collect: Callable[..., bool]
) -> None:
    settings = many(1, **FAILING)
    batch_id = start_batch(settings)
    table = cohort(settings)
    collect(table, batch_id)
    impatient = server.client("omics", config=Config(retries={"total_max_attempts": 1}))
    server.faults.add(FaultRule(operation="GetRun", kind=FaultKind.THROTTLE))
    assert run_sync(impatient, look_up_failures(table)) == 0
    (row,) = table.rows()
    assert "ThrottlingException" in (row.failure_message or "")
    server.faults.add(FaultRule(operation="ListRunsInBatch", kind=FaultKind.THROTTLE))
    with pytest.raises(ClientError, match="ThrottlingException"):
        run_sync(impatient, collect_batch(table, batch_id, status="PROCESSED"))
