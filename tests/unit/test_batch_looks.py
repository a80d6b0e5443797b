"""Looking at a batch and at its samples, against the local service's own machine with a clock that stands still."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from batch_account import BatchAccount, many
from botocore import xform_name
from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import Requests, T, run_sync
from airflow_provider_omics.healthomics.api.service_errors import InvalidStateError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, Phase, RunStatus
from airflow_provider_omics.healthomics.batches.batch_poll import BatchGoal, BatchPoll
from airflow_provider_omics.healthomics.batches.deletion import delete_record, delete_runs
from airflow_provider_omics.healthomics.batches.sample_failure import SampleFailure
from airflow_provider_omics.healthomics.batches.sample_poll import SamplePoll
from airflow_provider_omics.healthomics.batches.snapshots import DELETED, BatchSnapshot, SampleSnapshot
from airflow_provider_omics.healthomics.results.failure_news import FailureNews
from airflow_provider_omics.healthomics.results.summary import counts_of, sample_failures
from airflow_provider_omics.local.assumptions import UnsubmittedRuns
from airflow_provider_omics.local.errors import ServiceError
from airflow_provider_omics.local.executors.outcomes import OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.local.faults import ABORT, VALIDATE, FaultKind, FaultRule
from airflow_provider_omics.local.operations.registry import HANDLERS
from airflow_provider_omics.local.records import Batch

CODES = ["ConflictException", "ValidationException"]


class Client:
    """A client whose calls the service's machine answers, without a network.

    :ivar refusals: how many of the next calls of an operation are refused, with which code.
    :ivar before: what to do before the next call of an operation.
    """

    def __init__(self, lab: BatchAccount) -> None:
        self.lab = lab
        self.called: Counter[str] = Counter()
        self.refusals: dict[str, tuple[int, str]] = {}
        self.before: dict[str, Callable[[], object]] = {}

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = next(operation for operation in HANDLERS if xform_name(operation) == name)

        def call(**members: Any) -> dict[str, Any]:
            self.called[operation] += 1
            self.before.pop(operation, lambda: None)()
            left, code = self.refusals.get(operation, (0, ""))
            if left:
                self.refusals[operation] = (left - 1, code)
                raise _client_error(operation, code, "refused", 409)
            try:
                answer: dict[str, Any] = _as_sent(self.lab.call(operation, **members))
                return answer
            except ServiceError as error:
                raise _client_error(operation, error.code, error.message, error.http_status) from error

        return call

    def now(self) -> float:
        return self.lab.clock.now().timestamp()

    def ask(self, steps: Requests[T]) -> T:
        self.called.clear()
        return run_sync(self, steps)


def _as_sent(value: Any) -> Any:
    """A value without the types that only the service's own code knows."""
    if isinstance(value, dict):
        return {name: _as_sent(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_as_sent(inner) for inner in value]
    return str(value) if isinstance(value, str) else value


def _client_error(operation: str, code: str, message: str, http_status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": http_status}}
    return ClientError(answer, operation)


@pytest.fixture
def assumptions() -> dict[str, Any]:
    return {}


@pytest.fixture
def lab(assumptions: dict[str, Any]) -> BatchAccount:
    return BatchAccount(**assumptions)


@pytest.fixture
def client(lab: BatchAccount) -> Client:
    return Client(lab)


def look(client: Client, batch: Batch, goal: BatchGoal = BatchGoal.ENDED, **settings: Any) -> BatchPoll:
    news = FailureNews() if goal in (BatchGoal.ENDED, BatchGoal.DECIDED) else None
    return BatchPoll(batch.batch_id, goal, clock=client.now, failure_news=news, **settings)


def sample_look(client: Client, batch: Batch, name: str = "sample-0", **settings: Any) -> SamplePoll:
    return SamplePoll(batch.batch_id, name, clock=client.now, **settings)


class Told:
    """The lines that looks are told with."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._before: BatchSnapshot | None = None

    def hear(self, watched: BatchPoll, snapshot: BatchSnapshot) -> BatchSnapshot:
        self.lines += (watched.describe_change(self._before, snapshot) or "").splitlines()
        self._before = snapshot
        return snapshot


def follow(client: Client, watched: BatchPoll | SamplePoll, step: float = 0.5) -> Iterator[Any]:
    """Look until it is over, moving the clock between two looks."""
    for _ in range(1000):
        snapshot: Any = client.ask(watched.requests())  # type: ignore[arg-type]
        yield snapshot
        if watched.is_over(snapshot):
            return
        client.lab.advance(step)
    raise AssertionError(f"not over: {snapshot}")


def failed_batch(lab: BatchAccount) -> Batch:
    """A batch that FAILED after it started two of its four runs."""
    lab.state.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation=ABORT, skip=2))
    return lab.until(lab.start(), BatchStatus.FAILED)


class TestWaiting:
    def test_every_state_is_seen_with_one_call_a_look(self, lab: BatchAccount, client: Client) -> None:
        seen = []
        for snapshot in follow(client, look(client, lab.start())):
            seen.append(snapshot.status)
            assert client.called == {"GetBatch": 1}
        assert list(dict.fromkeys(seen)) == ["CREATING", "PENDING", "SUBMITTING", "INPROGRESS", "PROCESSED"]

    def test_one_that_failed_has_ended_with_its_last_run(self, lab: BatchAccount, client: Client) -> None:
        batch = failed_batch(lab)
        snapshots = list(follow(client, look(client, batch)))
        assert len(snapshots) > 1
        assert snapshots[0].active_run_id
        assert "goes on" in snapshots[0].describe()
        assert lab.active_runs(batch) == 0
        # Once a run is known that goes on, the list is not read again.
        assert all(not snapshot.phase.is_final for snapshot in snapshots[:-1])

    def test_it_is_decided_before_that_with_one_call(self, lab: BatchAccount, client: Client) -> None:
        batch = failed_batch(lab)
        [snapshot] = follow(client, look(client, batch, BatchGoal.DECIDED))
        assert client.called == {"GetBatch": 1}
        assert snapshot.phase is Phase.FAILED
        assert lab.active_runs(batch) == 2

    def test_progress_is_told_when_it_changes_with_what_remains(self, lab: BatchAccount, client: Client) -> None:
        watched, before, told = look(client, lab.start(many(20))), None, []
        for snapshot in follow(client, watched, step=1):
            told.append(watched.describe_change(before, snapshot))
            before = snapshot
        assert any(line and "10 of 20 samples done, 0 failed; about 0:00:" in line for line in told)
        assert None in told

    def test_each_failure_is_told_once_with_its_cause_while_the_rest_runs(self, client: Client) -> None:
        rules = (OutcomeRule(pattern="sample-[0-2]", outcome="SERVICE_ERROR", seconds=1),)
        lab = client.lab = BatchAccount(outcomes=SimulatedOutcomes(rules=rules, write_logs=False))
        watched, told = look(client, lab.start(many(8))), Told()
        lists = 0
        for snapshot in follow(client, watched):
            told.hear(watched, snapshot)
            lists += client.called["ListRuns"]
        lines = [line for line in told.lines if line.startswith("- ")]
        assert sorted(line.split(",")[0] for line in lines) == ["- sample-0", "- sample-1", "- sample-2"]
        assert all("FAILED: SERVICE_ERROR" in line and "who can act: AWS" in line for line in lines)
        assert any("3 of 8 samples done, 3 failed" in line for line in told.lines)
        # Asked for only when there are more than before.
        assert 1 <= lists <= 3

    def test_no_more_than_20_failures_are_told_one_by_one(self, client: Client) -> None:
        rules = (OutcomeRule(pattern="sample-*", outcome="INPUT_URI_NOT_FOUND", seconds=1),)
        lab = client.lab = BatchAccount(outcomes=SimulatedOutcomes(rules=rules, write_logs=False))
        watched, told = look(client, lab.start(many(40))), Told()
        calls: Counter[str] = Counter()
        for snapshot in follow(client, watched):
            told.hear(watched, snapshot)
            calls += client.called
        assert len([line for line in told.lines if line.startswith("- ")]) == 20
        assert told.lines.count("20 failed samples were told; further ones are only counted until the end.") == 1
        assert calls["ListRuns"] <= 20

    def test_a_refused_look_at_failures_is_no_failed_look(self, client: Client) -> None:
        rules = (OutcomeRule(pattern="sample-0", outcome="SERVICE_ERROR", seconds=1),)
        lab = client.lab = BatchAccount(outcomes=SimulatedOutcomes(rules=rules, write_logs=False))
        client.refusals["ListRuns"] = (1, "AccessDeniedException")
        watched, told = look(client, lab.start(many(4))), Told()
        *_, last = (told.hear(watched, snapshot) for snapshot in follow(client, watched))
        assert last.status == "PROCESSED"
        line = next(line for line in told.lines if line.startswith("Which samples failed could not be looked up now: "))
        assert "AccessDeniedException" in line
        assert "Let the caller use omics:" in line

    def test_too_many_failures_cancel_the_rest(self, client: Client) -> None:
        rules = (OutcomeRule(pattern="sample-[0-2]", outcome="SERVICE_ERROR", seconds=1),)
        lab = client.lab = BatchAccount(outcomes=SimulatedOutcomes(rules=rules, write_logs=False))
        batch = lab.start(many(8))
        *_, last = follow(client, look(client, batch, fail_above=2))
        assert (last.status, last.cancel_requested) == ("CANCELLED", True)
        assert last.failed == 3

    def test_deletion_is_not_over_while_the_batch_still_looks_as_before(
        self, lab: BatchAccount, client: Client
    ) -> None:
        batch = lab.processed()
        watched = look(client, batch, BatchGoal.RUNS_DELETED)
        assert not watched.is_over(client.ask(watched.requests()))
        lab.call("DeleteRunBatch", batchId=batch.batch_id)
        *_, last = follow(client, watched)
        assert last.status == "RUNS_DELETED"

    def test_nothing_but_its_absence_is_gone(self, lab: BatchAccount, client: Client) -> None:
        watched = look(client, failed_batch(lab), BatchGoal.GONE)
        snapshot = client.ask(watched.requests())
        assert not watched.is_over(snapshot)
        assert client.called == {"GetBatch": 1}
        assert watched.is_over(snapshot.as_deleted())


class TestCancelling:
    def test_it_is_asked_for_once_as_soon_as_the_state_allows_it(self, lab: BatchAccount, client: Client) -> None:
        batch, asked = lab.start(), 0
        for snapshot in follow(client, look(client, batch, cancel=True)):
            asked += client.called["CancelRunBatch"]
            assert snapshot.status != "CREATING" or not asked
        assert (asked, snapshot.status) == (1, "CANCELLED")

    def test_a_batch_that_failed_has_its_runs_cancelled_once_each(self, lab: BatchAccount, client: Client) -> None:
        batch = failed_batch(lab)
        asked = []
        for _view in follow(client, look(client, batch, cancel=True), step=0.1):
            asked.append(client.called["CancelRun"])
        assert asked[0] == 2
        assert sum(asked) == 2
        assert {run.status for run in lab.state.runs_of_batch(batch.batch_id)} == {RunStatus.CANCELLED}

    @pytest.mark.parametrize("assumptions", [{"get_run_lag_seconds": 30.0}])
    def test_a_run_too_new_to_be_looked_at_goes_on(self, lab: BatchAccount, client: Client) -> None:
        batch = failed_batch(lab)
        watched = look(client, batch)
        assert client.ask(watched.requests()).active_run_id
        client.ask(look(client, batch, cancel=True).requests())
        assert client.called["CancelRun"] == 2
        *_, last = follow(client, watched, step=10)
        assert last.active_run_id is None

    @pytest.mark.parametrize("assumptions", [{"list_runs_lag_seconds": 3600.0}])
    def test_a_list_that_lags_behind_does_not_keep_a_batch_from_ending(self, lab: BatchAccount, client: Client) -> None:
        batch = failed_batch(lab)
        lab.advance(60)
        [snapshot] = follow(client, look(client, batch))
        assert snapshot.phase is Phase.FAILED

    @pytest.mark.parametrize("code", CODES)
    def test_a_refusal_is_asked_again_but_not_for_ever(self, lab: BatchAccount, client: Client, code: str) -> None:
        batch = lab.until(lab.start(), BatchStatus.INPROGRESS)
        client.refusals["CancelRunBatch"] = (4, code)
        watched = look(client, batch, BatchGoal.CANCEL_REQUESTED, cancel=True)
        assert len(list(follow(client, watched, step=0))) == 5
        client.refusals["CancelRunBatch"] = (5, code)
        batch = lab.until(lab.start(), BatchStatus.INPROGRESS)
        with pytest.raises(ClientError, match=code):
            list(follow(client, look(client, batch, BatchGoal.CANCEL_REQUESTED, cancel=True), step=0))

    def test_another_refusal_is_not_asked_again(self, lab: BatchAccount, client: Client) -> None:
        batch = lab.until(lab.start(), BatchStatus.INPROGRESS)
        client.refusals["CancelRunBatch"] = (1, "AccessDeniedException")
        with pytest.raises(ClientError, match="AccessDenied"):
            client.ask(look(client, batch, cancel=True).requests())


class TestSamples:
    def test_it_is_followed_from_creation_to_its_runs_end(self, lab: BatchAccount, client: Client) -> None:
        batch = lab.start()
        told, calls, before = [], [], None
        watched = sample_look(client, batch, "sample-3")
        for snapshot in follow(client, watched):
            told.append(watched.describe_change(before, snapshot))
            calls.append(sum(client.called.values()))
            before = snapshot
        name = f"HealthOmics sample 'sample-3' of batch {batch.batch_id}"
        run_id = snapshot.run.run_id
        waiting = [
            f"{name} is not submitted yet; the batch is {state}" for state in ("CREATING", "PENDING", "SUBMITTING")
        ]
        states = ("PENDING", "STARTING", "RUNNING", "STOPPING", "COMPLETED")
        assert [line for line in told if line] == [*waiting, *(f"{name} is run {run_id}, {state}" for state in states)]
        assert max(calls) == 2
        assert calls[-1] == 1
        assert snapshot.run.output_uri == f"s3://results/runs/{run_id}"

    @pytest.mark.parametrize("assumptions", [{"runs_in_batch_before_submission": form} for form in UnsubmittedRuns])
    @pytest.mark.parametrize("name", ["sample-2", "nobody"])
    def test_what_is_not_shown_is_waited_for_until_a_minute_after_the_last_submission(
        self, lab: BatchAccount, client: Client, name: str
    ) -> None:
        batch = lab.start()
        seen = []
        while not seen or not seen[-1].phase.is_final:
            # A new look each time, as in a sensor that is rescheduled.
            seen.append(client.ask(sample_look(client, batch, name).requests()))
            lab.advance(1)
        if name == "sample-2":
            assert seen[-1].phase is Phase.SUCCEEDED
            return
        assert batch.submitted_time is not None
        waited = client.now() - 1 - batch.submitted_time.timestamp()
        assert 60 <= waited <= 61
        assert "is not in the batch; the batch is PROCESSED" in SampleFailure(seen[-1]).describe()

    def test_a_batch_that_was_cancelled_and_says_no_time_is_waited_for_no_longer(
        self, lab: BatchAccount, client: Client
    ) -> None:
        batch = lab.until(lab.start(), BatchStatus.SUBMITTING)
        lab.call("CancelRunBatch", batchId=batch.batch_id)
        watched = sample_look(client, batch, "sample-3")
        assert not watched.is_over(client.ask(watched.requests()))
        lab.until(batch, BatchStatus.CANCELLED)
        snapshot = client.ask(watched.requests())
        assert watched.is_over(snapshot)
        assert "was not submitted before the batch was cancelled, or is not in it" in SampleFailure(snapshot).describe()

    def test_a_batch_that_failed_tells_why(self, lab: BatchAccount, client: Client) -> None:
        lab.state.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation=VALIDATE))
        *_, last = follow(client, sample_look(client, lab.start()), step=5)
        assert "since the batch itself FAILED: A transient error" in SampleFailure(last).describe()
        assert SampleSnapshot.from_payload(last.to_payload()) == last

    @pytest.mark.parametrize("assumptions", [{"get_run_lag_seconds": 30.0}])
    def test_a_run_too_new_to_be_looked_at_is_not_taken_for_deleted(self, lab: BatchAccount, client: Client) -> None:
        snapshots = list(follow(client, sample_look(client, lab.start()), step=2))
        assert any(snapshot.run is not None and snapshot.run.status is None for snapshot in snapshots)
        assert snapshots[-1].phase is Phase.SUCCEEDED

    def test_a_run_deleted_by_itself_is_deleted_a_minute_after_the_last_submission(
        self, lab: BatchAccount, client: Client
    ) -> None:
        batch = lab.processed()
        run_id = lab.listed(batch)[0]["runId"]
        lab.call("DeleteRun", id=run_id)
        watched = sample_look(client, batch)
        assert not watched.is_over(client.ask(watched.requests()))
        lab.advance(60)
        assert client.ask(watched.requests()).phase is Phase.DELETED

    def test_a_run_deleted_with_its_batchs_is_deleted_at_once(self, lab: BatchAccount, client: Client) -> None:
        batch = lab.processed()
        lab.call("DeleteRunBatch", batchId=batch.batch_id)
        lab.until(batch, BatchStatus.RUNS_DELETED)
        snapshot = client.ask(sample_look(client, batch).requests())
        assert (snapshot.phase, snapshot.run.status) == (Phase.DELETED, "DELETED")

    def test_its_submission_is_over_before_its_run(self, lab: BatchAccount, client: Client) -> None:
        *_, last = follow(client, sample_look(client, lab.start(), only_submission=True))
        assert last.phase is Phase.ACTIVE
        assert last.run.uuid

    def test_another_page_is_read_where_a_filter_leaves_the_first_one_empty(self) -> None:
        class Paged:
            def list_runs_in_batch(self, **members: Any) -> dict[str, Any]:
                if "startingToken" not in members:
                    return {"runs": [], "nextToken": "more"}
                return {"runs": [{"runSettingId": "a", "runId": "7", "submissionStatus": "SUCCESS"}]}

            def get_run(self, id: str) -> dict[str, Any]:
                return {"id": id, "status": "RUNNING"}

        snapshot = run_sync(Paged(), SamplePoll("1", "a").requests())
        assert snapshot.run is not None
        assert snapshot.run.run_id == "7"

    def test_a_batch_that_vanished_is_said_so(self) -> None:
        snapshot = SamplePoll("1234567", "a").initial.as_deleted()
        assert snapshot.phase is Phase.DELETED
        assert "cannot be followed any more, since the batch was deleted" in SampleFailure(snapshot).describe()
        assert SampleSnapshot.from_payload(snapshot.to_payload()) == snapshot


class TestDeleting:
    @pytest.mark.parametrize("ask", [delete_runs, delete_record])
    @pytest.mark.parametrize("code", CODES)
    def test_a_state_that_allows_it_only_after_the_refusal_is_asked_again(
        self, lab: BatchAccount, client: Client, ask: Callable[[str], Requests[Any]], code: str
    ) -> None:
        lab.state.assumptions = type(lab.state.assumptions)(wrong_state_code=code)
        batch = lab.until(lab.start(), BatchStatus.INPROGRESS)
        client.before["GetBatch"] = lambda: lab.until(batch, BatchStatus.PROCESSED)
        assert client.ask(ask(batch.batch_id))
        assert client.called["DeleteRunBatch"] + client.called["DeleteBatch"] == 2

    @pytest.mark.parametrize("ask", [delete_runs, delete_record])
    def test_a_refusal_in_a_state_that_allows_it_is_told_as_it_is(
        self, lab: BatchAccount, client: Client, ask: Callable[[str], Requests[Any]]
    ) -> None:
        batch = lab.processed()
        client.refusals = dict.fromkeys(("DeleteRunBatch", "DeleteBatch"), (9, "ConflictException"))
        with pytest.raises(ClientError, match="refused"):
            client.ask(ask(batch.batch_id))
        assert sum(client.called.values()) == 6

    def test_a_batch_that_cannot_be_looked_at_leaves_the_refusal(self, lab: BatchAccount, client: Client) -> None:
        batch = lab.start()
        client.refusals["GetBatch"] = (1, "AccessDeniedException")
        with pytest.raises(ClientError, match="it can be deleted only in"):
            client.ask(delete_record(batch.batch_id))

    def test_a_service_that_is_out_of_breath_is_not_taken_for_a_refusal(
        self, lab: BatchAccount, client: Client
    ) -> None:
        batch = lab.start()
        client.refusals["GetBatch"] = (1, "ThrottlingException")
        with pytest.raises(ClientError, match="Throttling"):
            client.ask(delete_record(batch.batch_id))

    def test_a_state_of_a_later_release_is_named(self, lab: BatchAccount, client: Client) -> None:
        batch = lab.start()
        batch.status = "ARCHIVING"  # type: ignore[assignment]
        with pytest.raises(InvalidStateError) as caught:
            client.ask(delete_runs(batch.batch_id))
        assert caught.value.remedy == "The batch is ARCHIVING. Look at the batch first"


class TestCounts:
    def test_they_add_up_in_every_state(self, lab: BatchAccount, client: Client) -> None:
        bad = {"runSettingId": "bad", "outputUri": "file:///tmp"}
        for snapshot in follow(client, look(client, lab.start([*many(5), bad]))):
            counts = counts_of(snapshot)
            parts = (counts.completed, counts.failed, counts.failed_submissions, counts.not_submitted, counts.unknown)
            assert sum(parts) == counts.total == 6
        assert (counts.completed, counts.failed_submissions) == (5, 1)

    def test_a_batch_that_says_nothing_has_no_samples(self) -> None:
        assert counts_of(BatchSnapshot("1")).total == 0

    def test_failures_are_looked_up_without_the_others(self, client: Client) -> None:
        rules = (OutcomeRule(pattern="sample-[0-2]", outcome="SERVICE_ERROR"),)
        lab = client.lab = BatchAccount(outcomes=SimulatedOutcomes(rules=rules, write_logs=False))
        bad = {"runSettingId": "bad", "outputUri": "file:///tmp"}
        batch = lab.processed([*many(9), bad])
        snapshot = client.ask(look(client, batch).requests())
        rows = client.ask(sample_failures(snapshot, 3))
        assert [row.run_setting_id for row in rows] == ["bad", "sample-2", "sample-1"]
        assert [row.failure_code for row in rows] == [None, "SERVICE_ERROR", "SERVICE_ERROR"]
        assert sum(client.called.values()) == 2 + 2 * 2


def test_a_view_comes_back_from_a_trigger_as_it_was(lab: BatchAccount, client: Client) -> None:
    snapshot = client.ask(look(client, failed_batch(lab), cancel=True).requests())
    assert BatchSnapshot.from_payload(snapshot.to_payload()) == snapshot
    assert snapshot.as_deleted().status == DELETED
