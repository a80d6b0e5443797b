"""The states of a batch, and which operation is allowed in which of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from batch_account import SETTINGS, SLOW, BatchAccount, many, refused

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus
from airflow_provider_omics.local.assumptions import CancelledUnsubmitted
from airflow_provider_omics.local.errors import ServiceError
from airflow_provider_omics.local.executors.outcomes import OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.local.records import Batch

S = BatchStatus


def test_a_batch_goes_through_every_state_to_processed() -> None:
    local = BatchAccount()
    batch = local.start()
    assert batch.status is S.CREATING
    began = local.clock.now()
    local.until(batch, S.PROCESSED)
    assert local.seen == [S.CREATING, S.PENDING, S.SUBMITTING, S.INPROGRESS, S.PROCESSED]
    answer = local.get(batch)
    assert answer["creationTime"] == began
    assert answer["submittedTime"] == began + timedelta(seconds=2 + len(SETTINGS))
    # The last run is submitted at 6 s and takes 1 + 1 + 10 + 1 s.
    assert answer["processedTime"] == answer["submittedTime"] + timedelta(seconds=13)
    assert "failedTime" not in answer
    assert "failureReason" not in answer


def test_runs_are_submitted_one_by_one_at_the_rate() -> None:
    local = BatchAccount()
    batch = local.until(local.start(), S.SUBMITTING)
    seen = []
    for _ in SETTINGS:
        seen.append(len(local.state.runs_of_batch(batch.batch_id)))
        local.advance(1)
    assert seen == [0, 1, 2, 3]
    assert batch.status is S.INPROGRESS


def test_processed_is_not_success() -> None:
    outcomes = SimulatedOutcomes(rules=(OutcomeRule(pattern="sample-[01]", outcome="OUT_OF_MEMORY_ERROR"),))
    local = BatchAccount(outcomes=outcomes)
    answer = local.get(local.processed())
    assert answer["runSummary"]["failedRunCount"] == 2
    assert answer["runSummary"]["completedRunCount"] == 2


def _failed(local: BatchAccount) -> Batch:
    return local.until(local.start([SETTINGS[0], SETTINGS[0]]), S.FAILED)


def _cancelled_from(state: BatchStatus, end: BatchStatus) -> Callable[[BatchAccount], Batch]:
    def reach(local: BatchAccount) -> Batch:
        batch = local.until(local.start(), state)
        local.call("CancelRunBatch", batchId=batch.batch_id)
        return local.until(batch, end)

    return reach


def _deleting(local: BatchAccount) -> Batch:
    batch = local.processed()
    local.call("DeleteRunBatch", batchId=batch.batch_id)
    return batch


def _deleted(local: BatchAccount) -> Batch:
    return local.until(_deleting(local), S.RUNS_DELETED)


def _delete_failed(local: BatchAccount) -> Batch:
    local.state.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="RunBatch.delete"))
    return local.until(_deleting(local), S.RUNS_DELETE_FAILED)


REACH: dict[BatchStatus, Callable[[BatchAccount], Batch]] = {
    S.CREATING: lambda local: local.start(),
    S.PENDING: lambda local: local.until(local.start(), S.PENDING),
    S.SUBMITTING: lambda local: local.until(local.start(), S.SUBMITTING),
    S.INPROGRESS: lambda local: local.until(local.start(), S.INPROGRESS),
    S.STOPPING: _cancelled_from(S.INPROGRESS, S.STOPPING),
    S.CANCELLED: _cancelled_from(S.SUBMITTING, S.CANCELLED),
    S.PROCESSED: lambda local: local.processed(),
    S.FAILED: _failed,
    S.RUNS_DELETING: _deleting,
    S.RUNS_DELETE_FAILED: _delete_failed,
    S.RUNS_DELETED: _deleted,
}

# healthomics.md, section 2.1.
ALLOWED: dict[str, set[BatchStatus]] = {
    "DeleteBatch": {S.CANCELLED, S.PROCESSED, S.FAILED, S.RUNS_DELETE_FAILED, S.RUNS_DELETED},
    "DeleteRunBatch": {S.CANCELLED, S.PROCESSED},
    "CancelRunBatch": {S.PENDING, S.SUBMITTING, S.INPROGRESS},
}
AFTERWARDS = {"DeleteBatch": None, "DeleteRunBatch": S.RUNS_DELETING, "CancelRunBatch": S.STOPPING}


def test_the_table_has_every_state() -> None:
    assert set(REACH) == set(BatchStatus)


@pytest.mark.parametrize("operation", ALLOWED)
@pytest.mark.parametrize("state", BatchStatus)
def test_operations_are_allowed_as_documented(state: BatchStatus, operation: str) -> None:
    local = BatchAccount()
    batch = REACH[state](local)
    assert local.get(batch)["status"] == state
    if state not in ALLOWED[operation]:
        with refused("ConflictException", str(state)):
            local.call(operation, batchId=batch.batch_id)
        assert local.get(batch)["status"] == state
        return
    assert local.call(operation, batchId=batch.batch_id) == {}
    if AFTERWARDS[operation] is None:
        with refused("ResourceNotFoundException"):
            local.get(batch)
    else:
        assert local.get(batch)["status"] == AFTERWARDS[operation]


def test_the_error_of_a_wrong_state_follows_the_assumption() -> None:
    local = BatchAccount(wrong_state_code="ValidationException")
    batch = local.start()
    with pytest.raises(ServiceError) as caught:
        local.call("CancelRunBatch", batchId=batch.batch_id)
    assert (caught.value.code, caught.value.http_status) == ("ValidationException", 400)


@pytest.mark.parametrize(
    "operation", ["GetBatch", "ListRunsInBatch", "CancelRunBatch", "DeleteRunBatch", "DeleteBatch"]
)
def test_an_unknown_or_deleted_batch_is_not_found(operation: str) -> None:
    local = BatchAccount()
    batch = local.processed()
    local.call("DeleteBatch", batchId=batch.batch_id)
    for batch_id in (batch.batch_id, "999"):
        with refused("ResourceNotFoundException", batch_id):
            local.call(operation, batchId=batch_id)


class TestCancel:
    def test_stops_started_runs_and_submits_no_more(self) -> None:
        local = BatchAccount()
        batch = local.until(local.start(), S.SUBMITTING)
        local.advance(2)
        local.call("CancelRunBatch", batchId=batch.batch_id)
        local.until(batch, S.CANCELLED)
        assert local.statuses(batch) == {"sample-0": "CANCEL_SUCCESS", "sample-1": "CANCEL_SUCCESS"}
        answer = local.get(batch)
        assert answer["submissionSummary"] == {
            "successfulStartSubmissionCount": 2,
            "failedStartSubmissionCount": 0,
            "pendingStartSubmissionCount": 2,
            "successfulCancelSubmissionCount": 2,
        }
        assert answer["runSummary"]["cancelledRunCount"] == 2
        assert "submittedTime" not in answer
        assert "processedTime" not in answer
        assert len(local.state.runs_of_batch(batch.batch_id)) == 2

    def test_in_pending_starts_nothing(self) -> None:
        local = BatchAccount()
        batch = local.until(local.start(local.put_settings(SETTINGS)), S.PENDING)
        local.call("CancelRunBatch", batchId=batch.batch_id)
        local.until(batch, S.CANCELLED)
        local.advance(100)
        assert batch.status is S.CANCELLED
        assert local.state.runs == {}
        assert S.SUBMITTING not in local.seen

    @pytest.mark.parametrize(
        ("reading", "status", "pending", "failed"),
        [
            (CancelledUnsubmitted.STAY_UNSUBMITTED, None, 4, 0),
            (CancelledUnsubmitted.CANCEL_SUCCESS, "CANCEL_SUCCESS", 4, 0),
            (CancelledUnsubmitted.FAILED, "FAILED", 0, 4),
        ],
    )
    def test_of_unsubmitted_runs_follows_the_assumption(
        self, reading: CancelledUnsubmitted, status: str | None, pending: int, failed: int
    ) -> None:
        local = BatchAccount(cancelled_before_submission=reading)
        batch = local.until(local.start(), S.SUBMITTING)
        local.call("CancelRunBatch", batchId=batch.batch_id)
        local.until(batch, S.CANCELLED)
        assert {entry.submission_status for entry in batch.entries} == {status}
        summary = local.get(batch)["submissionSummary"]
        assert summary["pendingStartSubmissionCount"] == pending
        assert summary["failedStartSubmissionCount"] == failed

    @pytest.mark.parametrize(("tries", "expected"), [(True, "CANCEL_FAILED"), (False, "SUCCESS")])
    def test_of_runs_that_have_ended_follows_the_assumption(self, tries: bool, expected: str) -> None:
        local = BatchAccount(
            outcomes=SimulatedOutcomes(rules=(OutcomeRule(pattern="sample-0", seconds=0.0),)),
            cancel_tries_ended_runs=tries,
        )
        batch = local.until(local.start(), S.INPROGRESS)
        assert local.get(batch)["runSummary"]["completedRunCount"] == 1
        local.call("CancelRunBatch", batchId=batch.batch_id)
        local.until(batch, S.CANCELLED)
        statuses = local.statuses(batch)
        assert statuses.pop("sample-0") == expected
        assert set(statuses.values()) == {"CANCEL_SUCCESS"}
        summary = local.get(batch)["submissionSummary"]
        assert summary.get("failedCancelSubmissionCount", 0) == (1 if tries else 0)
        assert summary["successfulCancelSubmissionCount"] == 3
        if tries:
            item = local.listed(batch, runSettingId="sample-0")[0]
            assert item["submissionFailureReason"] == "ConflictException"
            assert "COMPLETED" in item["submissionFailureMessage"]

    @pytest.mark.parametrize(("cancelled", "end"), [(True, S.CANCELLED), (False, S.PROCESSED)])
    def test_that_fails_in_part_ends_as_assumed(self, cancelled: bool, end: BatchStatus) -> None:
        local = BatchAccount(partly_failed_cancel_ends_cancelled=cancelled)
        local.state.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="RunBatch.cancel"))
        batch = local.until(local.start(), S.INPROGRESS)
        local.call("CancelRunBatch", batchId=batch.batch_id)
        local.until(batch, S.CANCELLED, S.PROCESSED)
        assert batch.status is end
        # The run whose cancel failed runs to its end, and the batch waits for it.
        run = local.state.runs[batch.entries[0].run_id or ""]
        assert run.status is RunStatus.COMPLETED
        assert local.get(batch)["submissionSummary"]["failedCancelSubmissionCount"] == 1

    def test_stamps_processed_time_where_assumed(self) -> None:
        local = BatchAccount(processed_time_on_cancelled=True)
        batch = REACH[S.CANCELLED](local)
        assert local.get(batch)["processedTime"] == local.clock.now()


class TestDeleteRuns:
    def test_deletes_every_run_and_keeps_the_list(self) -> None:
        local = BatchAccount()
        batch = _deleted(local)
        assert local.state.runs == {}
        assert set(local.statuses(batch).values()) == {"DELETE_SUCCESS"}
        answer = local.get(batch)
        assert answer["submissionSummary"]["successfulDeleteSubmissionCount"] == 4
        assert answer["runSummary"]["deletedRunCount"] == 4
        assert answer["runSummary"]["completedRunCount"] == 0
        with refused("ResourceNotFoundException"):
            local.call("GetRun", id=batch.entries[0].run_id)

    def test_that_fails_in_part_says_which(self) -> None:
        local = BatchAccount()
        batch = _delete_failed(local)
        assert local.statuses(batch) == {
            "sample-0": "DELETE_FAILED",
            "sample-1": "DELETE_SUCCESS",
            "sample-2": "DELETE_SUCCESS",
            "sample-3": "DELETE_SUCCESS",
        }
        assert local.get(batch)["submissionSummary"]["failedDeleteSubmissionCount"] == 1
        assert len(local.state.runs) == 1

    def test_counts_a_run_that_is_gone_already_as_deleted(self) -> None:
        local = BatchAccount()
        batch = local.processed()
        local.call("DeleteRun", id=batch.entries[1].run_id)
        local.call("DeleteRunBatch", batchId=batch.batch_id)
        local.until(batch, S.RUNS_DELETED)
        assert set(local.statuses(batch).values()) == {"DELETE_SUCCESS"}

    def test_leaves_another_run_alone_that_got_a_deleted_runs_id(self) -> None:
        local = BatchAccount(run_id_reuse=True)
        batch = local.processed()
        reused = batch.entries[0].run_id
        local.call("DeleteRun", id=reused)
        other = local.call(
            "StartRun", workflowId="77", roleArn="arn:aws:iam::123456789012:role/omics", outputUri="s3://results/other"
        )
        assert other["id"] == reused
        local.advance(20)
        local.call("DeleteRunBatch", batchId=batch.batch_id)
        local.until(batch, S.RUNS_DELETED)
        assert local.call("GetRun", id=reused)["uuid"] == other["uuid"]

    def test_of_a_batch_leaves_the_runs(self) -> None:
        local = BatchAccount()
        batch = local.processed()
        local.call("DeleteBatch", batchId=batch.batch_id)
        assert len(local.state.runs) == 4
        run = local.call("GetRun", id=batch.entries[0].run_id)
        assert (run["status"], run["batchId"]) == ("COMPLETED", batch.batch_id)


class TestFailedMidway:
    def _fail(self, local: BatchAccount) -> Batch:
        local.state.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="RunBatch.abort", skip=2))
        return local.until(local.start(), S.FAILED)

    def test_started_runs_go_on(self) -> None:
        local = BatchAccount()
        batch = self._fail(local)
        answer = local.get(batch)
        assert "Retry the batch" in answer["failureReason"]
        assert answer["failedTime"] == local.clock.now()
        assert answer["submissionSummary"]["successfulStartSubmissionCount"] == 2
        assert answer["submissionSummary"]["pendingStartSubmissionCount"] == 2
        assert local.active_runs(batch) == 2
        local.advance(100)
        assert batch.status is S.FAILED
        assert local.get(batch)["runSummary"]["completedRunCount"] == 2

    def test_started_runs_are_cancelled_where_assumed(self) -> None:
        local = BatchAccount(failed_batch_keeps_its_runs=False)
        batch = self._fail(local)
        local.advance(100)
        assert local.get(batch)["runSummary"]["cancelledRunCount"] == 2


def test_a_late_creating_batch_stays_uncancellable() -> None:
    local = BatchAccount(timings=replace(SLOW, batch_creating=600))
    batch = local.start()
    local.advance(599)
    with refused("ConflictException"):
        local.call("CancelRunBatch", batchId=batch.batch_id)
    local.advance(1)
    local.call("CancelRunBatch", batchId=batch.batch_id)
    assert batch.status is S.STOPPING


def test_an_error_of_the_server_fails_the_batch_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    local = BatchAccount()
    # Nested too deeply for Python's own JSON reader.
    deep = b'[{"runSettingId": "a", "parameters": ' + b"[" * 200_000 + b"]" * 200_000 + b"}]"
    batch = local.until(local.start(local.put_settings(deep)), S.FAILED)
    assert "transient error" in local.get(batch)["failureReason"]
    assert f"A step of batch {batch.batch_id}, which is PENDING, failed" in caplog.text
    assert "RecursionError" in caplog.text


def test_an_error_of_the_server_at_the_end_fails_the_batch() -> None:
    def refuse(batch: Batch, _old: BatchStatus | None) -> None:
        if batch.status is S.CANCELLED:
            raise OSError("whoever watches is gone")

    local = BatchAccount()
    local.state.batch_observers.append(refuse)
    batch = _cancelled_from(S.INPROGRESS, S.FAILED)(local)
    assert "transient error" in local.get(batch)["failureReason"]
    assert "failedTime" in local.get(batch)


class TestEnforcedRates:
    """Submissions use up the rate of StartRun, which callers share."""

    def reach(self, seconds: float) -> tuple[BatchAccount, Batch]:
        local = BatchAccount(timings=replace(SLOW, submissions_per_second=100))
        local.state.rates.change(True, {})
        batch = local.until(local.start(many(40)), S.SUBMITTING)
        local.advance(seconds)
        return local, batch

    @pytest.mark.parametrize("steps", [1, 40], ids=["in one go", "step by step"])
    def test_a_batch_goes_no_faster_than_it(self, steps: int) -> None:
        local, batch = self.reach(0)
        for _ in range(steps):
            local.advance(4 / steps)
        # A burst of 5, then 5 each second.
        assert 24 <= len(local.state.runs_of_batch(batch.batch_id)) <= 25
        local.until(batch, S.INPROGRESS)
        assert set(local.statuses(batch).values()) == {"SUCCESS"}

    def test_a_caller_is_throttled_by_a_batch(self) -> None:
        local, _ = self.reach(1)
        with refused("ThrottlingException"):
            local.state.rates.take("StartRun")

    def test_callers_slow_a_batch_down(self) -> None:
        local, batch = self.reach(0.5)
        local.state.rates.change(True, {"StartRun": 0.1})
        before = len(local.state.runs_of_batch(batch.batch_id))
        local.state.rates.take("StartRun")
        local.advance(9)
        assert len(local.state.runs_of_batch(batch.batch_id)) == before
        local.advance(1)
        assert len(local.state.runs_of_batch(batch.batch_id)) == before + 1

    def test_cancelling_uses_up_the_rate_of_cancel_run(self) -> None:
        local, batch = self.reach(20)
        assert batch.status is S.INPROGRESS
        local.call("CancelRunBatch", batchId=batch.batch_id)
        local.advance(0.5)
        with refused("ThrottlingException"):
            local.state.rates.take("CancelRun")
        assert batch.status is S.STOPPING
