"""Counts and lists of batches: exact where the service is, behind where it may be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from batch_account import SETTINGS, SLOW, BatchAccount, many, refused
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus
from airflow_provider_omics.local.assumptions import ListOrder, RunsInBatchOrder, TwoFilters, UnsubmittedRuns
from airflow_provider_omics.local.errors import ServiceError
from airflow_provider_omics.local.executors.outcomes import SimulatedOutcomes
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.local.records import Batch

S = BatchStatus


def check_counts(local: BatchAccount, batch: Batch) -> None:
    """Compare the counts that are kept with those that a walk over entries and runs gives."""
    answer = local.get(batch)
    starts, runs = answer["submissionSummary"], answer["runSummary"]
    assert (
        starts["successfulStartSubmissionCount"]
        + starts["failedStartSubmissionCount"]
        + starts["pendingStartSubmissionCount"]
        == answer["totalRuns"]
        == len(batch.entries)
    )
    outcomes = Counter(entry.submission_status for entry in batch.entries)
    for word in ("Cancel", "Delete"):
        assert starts.get(f"successful{word}SubmissionCount", 0) >= outcomes[f"{word.upper()}_SUCCESS"]  # type: ignore[index]
        assert starts.get(f"failed{word}SubmissionCount", 0) >= outcomes[f"{word.upper()}_FAILED"]  # type: ignore[index]
    assert starts["failedStartSubmissionCount"] == outcomes["FAILED"]  # type: ignore[index]
    # Runs that never started are in no run count.
    assert sum(runs.values()) == starts["successfulStartSubmissionCount"]
    existing = Counter(run.status for run in local.state.runs_of_batch(batch.batch_id))
    for status in RunStatus:
        if status is not RunStatus.DELETED:
            assert runs[f"{status.lower()}RunCount"] == existing[status]
    if batch.status is S.PROCESSED:
        assert not any(runs[f"{status}RunCount"] for status in ("pending", "starting", "running", "stopping"))


ACTIONS = st.one_of(
    st.tuples(st.just("advance"), st.floats(0.1, 8)),
    st.tuples(st.sampled_from(["CancelRunBatch", "DeleteRunBatch"]), st.just(0.0)),
    st.tuples(st.sampled_from(["CancelRun", "DeleteRun"]), st.floats(0, 1)),
    st.tuples(
        st.sampled_from(["RunBatch.submit", "RunBatch.cancel", "RunBatch.delete", "RunBatch.abort"]), st.just(0.0)
    ),
)


def act(local: BatchAccount, batch: Batch, action: str, value: float) -> str | None:
    """Do one thing and return the code of the error that it was refused with."""
    runs = local.state.runs_of_batch(batch.batch_id)
    try:
        if action == "advance":
            local.advance(value)
        elif action.startswith("RunBatch."):
            local.state.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation=action))
        elif action.endswith("Batch"):
            local.call(action, batchId=batch.batch_id)
        elif runs:
            local.call(action, id=runs[min(int(value * len(runs)), len(runs) - 1)].run_id)
    except ServiceError as error:
        return error.code
    return None


@settings(max_examples=150)
@given(actions=st.lists(ACTIONS, max_size=40), bad=st.sets(st.integers(0, 7)), failing=st.floats(0, 1))
def test_counts_agree_with_the_runs_whatever_happens(
    actions: list[tuple[str, float]], bad: set[int], failing: float
) -> None:
    local = BatchAccount(outcomes=SimulatedOutcomes(failure_share=failing, write_logs=False), submission_retries=0)
    batch = local.start(many(8, lambda n: {"outputUri": "nowhere"} if n in bad else {}))
    for action, value in actions:
        assert act(local, batch, action, value) in (None, "ConflictException")
        check_counts(local, batch)
    local.advance(1000)
    check_counts(local, batch)
    assert batch.status in (S.PROCESSED, S.CANCELLED, S.FAILED, S.RUNS_DELETED, S.RUNS_DELETE_FAILED)


class TestRunSummary:
    TIMINGS = replace(SLOW, run_summary_lag=30, running_min=100, running_max=100)

    def test_lags_behind_and_is_exact_once_processed(self) -> None:
        local = BatchAccount(timings=self.TIMINGS)
        batch = local.until(local.start(), S.SUBMITTING)
        local.advance(1)
        assert local.get(batch)["runSummary"]["pendingRunCount"] == 0
        local.until(batch, S.INPROGRESS)
        local.advance(5)
        assert local.get(batch)["runSummary"]["runningRunCount"] == 0
        local.advance(30)
        assert local.get(batch)["runSummary"]["runningRunCount"] == 4
        local.until(batch, S.PROCESSED)
        summary = local.get(batch)["runSummary"]
        assert (summary["completedRunCount"], summary["runningRunCount"]) == (4, 0)

    def test_never_goes_back_behind_processed(self) -> None:
        local = BatchAccount(timings=self.TIMINGS)
        batch = local.processed()
        local.call("DeleteRunBatch", batchId=batch.batch_id)
        assert local.get(batch)["runSummary"]["completedRunCount"] == 4

    def test_submission_summary_does_not_lag(self) -> None:
        local = BatchAccount(timings=self.TIMINGS)
        batch = local.until(local.start(), S.SUBMITTING)
        local.advance(2)
        assert local.get(batch)["submissionSummary"]["successfulStartSubmissionCount"] == 2


class TestGetBatch:
    def test_answers_the_request_and_every_identity(self) -> None:
        local = BatchAccount()
        request = {**local.request(parameters={"ref": [1, None]}), "batchName": "cohort", "tags": {"a": "b"}}
        started = local.call("StartRunBatch", **request)
        answer = local.call("GetBatch", batchId=started["id"])
        assert {key: answer[key] for key in started} == started
        assert started["status"] == "CREATING"
        assert answer["arn"] == f"arn:aws:omics:eu-west-1:123456789012:runBatch/{started['id']}"
        assert answer["name"] == "cohort"
        assert answer["defaultRunSetting"] == request["defaultRunSetting"]

    def test_shows_no_counts_before_a_file_was_read(self) -> None:
        local = BatchAccount()
        batch = local.start(local.put_settings(many(3)))
        for state in (S.CREATING, S.PENDING):
            local.until(batch, state)
            assert not {"totalRuns", "submissionSummary", "runSummary"} & set(local.get(batch))
        local.until(batch, S.SUBMITTING)
        assert local.get(batch)["totalRuns"] == 3

    @pytest.mark.parametrize(("shown", "total"), [(True, 4), (False, None)])
    def test_shows_counts_of_inline_settings_as_assumed(self, shown: bool, total: int | None) -> None:
        local = BatchAccount(counts_before_validation=shown)
        batch = local.start()
        assert local.get(batch).get("totalRuns") == total
        local.until(batch, S.SUBMITTING)
        assert local.get(batch)["totalRuns"] == 4

    def test_leaves_out_cancel_and_delete_counts_that_were_never_used(self) -> None:
        local = BatchAccount()
        assert set(local.get(local.processed())["submissionSummary"]) == {
            "successfulStartSubmissionCount",
            "failedStartSubmissionCount",
            "pendingStartSubmissionCount",
        }


class TestListBatch:
    def _batches(self, local: BatchAccount) -> dict[str, Batch]:
        group = local.call("CreateRunGroup")["id"]
        named = local.call("StartRunBatch", **local.request(), batchName="named")["id"]
        return {
            "processed": local.processed(),
            "grouped": local.start(runGroupId=group),
            "named": local.state.batches[named],
        }

    def test_filters_one_at_a_time(self) -> None:
        local = BatchAccount()
        made = self._batches(local)
        group = made["grouped"].request["defaultRunSetting"]["runGroupId"]
        for filters, expected in (
            ({"status": "CREATING"}, ["grouped"]),
            ({"name": "named"}, ["named"]),
            ({"runGroupId": group}, ["grouped"]),
            ({"name": "other"}, []),
            ({}, ["grouped", "processed", "named"]),
        ):
            items = local.call("ListBatch", **filters)["items"]
            assert [item["id"] for item in items] == [made[key].batch_id for key in expected]

    def test_items_have_the_names_of_the_model(self) -> None:
        local = BatchAccount()
        made = self._batches(local)
        item = local.call("ListBatch", name="named")["items"][0]
        assert item == {
            "id": made["named"].batch_id,
            "name": "named",
            "status": made["named"].status,
            "createdAt": made["named"].creation_time,
            "totalRuns": 4,
            "workflowId": "77",
        }

    def test_two_filters_follow_the_assumption(self) -> None:
        two = {"name": "named", "status": "CREATING"}
        with refused("ValidationException", "name"):
            BatchAccount().call("ListBatch", **two)
        local = BatchAccount(two_filters_of_batches=TwoFilters.COMBINED)
        self._batches(local)
        assert local.call("ListBatch", **two)["items"] == []
        local = BatchAccount(two_filters_code="ConflictException")
        with refused("ConflictException"):
            local.call("ListBatch", **two)

    @pytest.mark.parametrize("order", ListOrder)
    def test_pages_hold_every_batch_once(self, order: ListOrder) -> None:
        local = BatchAccount(list_batches_order=order)
        ids = [local.start().batch_id for _ in range(7)]
        token: dict[str, Any] = {}
        found = []
        for size in (3, 3, 1):
            answer = local.call("ListBatch", maxItems=3, **token)
            assert len(answer["items"]) == size
            found += [item["id"] for item in answer["items"]]
            token = {"startingToken": answer.get("nextToken")}
        assert token == {"startingToken": None}
        assert found == (ids if order is ListOrder.OLDEST_FIRST else ids[::-1])

    def test_a_foreign_token_is_refused(self) -> None:
        with refused("ValidationException", "startingToken"):
            BatchAccount().call("ListBatch", startingToken="not ours")


class TestListRunsInBatch:
    def test_items_lead_from_the_setting_to_the_run(self) -> None:
        local = BatchAccount()
        batch = local.processed()
        for item in local.listed(batch):
            run = local.state.runs[item["runId"]]
            assert item == {
                "runSettingId": run.run_setting_id,
                "runId": run.run_id,
                "runInternalUuid": run.uuid,
                "runArn": run.arn,
                "submissionStatus": "SUCCESS",
            }

    def test_filters_one_at_a_time(self) -> None:
        local = BatchAccount()
        batch = local.processed([*SETTINGS, {"runSettingId": "bad", "outputUri": "nowhere"}])
        run_id = batch.entries[2].run_id
        for filters, expected in (
            ({"submissionStatus": "FAILED"}, ["bad"]),
            ({"submissionStatus": "CANCEL_SUCCESS"}, []),
            ({"runSettingId": "sample-1"}, ["sample-1"]),
            ({"runSettingId": "unknown"}, []),
            ({"runId": run_id}, ["sample-2"]),
        ):
            assert [item["runSettingId"] for item in local.listed(batch, **filters)] == expected
        with refused("ValidationException", "one filter"):
            local.listed(batch, runSettingId="bad", submissionStatus="FAILED")

    @pytest.mark.parametrize(
        ("reading", "listed"),
        [(UnsubmittedRuns.HIDDEN, 1), (UnsubmittedRuns.LISTED_WITHOUT_STATUS, 4)],
    )
    def test_unsubmitted_runs_follow_the_assumption(self, reading: UnsubmittedRuns, listed: int) -> None:
        local = BatchAccount(runs_in_batch_before_submission=reading)
        batch = local.until(local.start(), S.SUBMITTING)
        local.advance(1)
        items = local.listed(batch)
        assert len(items) == listed
        assert [item for item in items[1:] if "submissionStatus" in item or "runId" in item] == []

    @pytest.mark.parametrize(
        ("reading", "seen"),
        [
            (UnsubmittedRuns.HIDDEN, [[], ["sample-0"], [f"sample-{n}" for n in range(4)]]),
            (UnsubmittedRuns.LISTED_WITHOUT_STATUS, [[f"sample-{n}" for n in range(4)]] * 3),
        ],
    )
    def test_submissions_are_seen_late_where_assumed(self, reading: UnsubmittedRuns, seen: list[list[str]]) -> None:
        local = BatchAccount(runs_in_batch_lag_seconds=10, runs_in_batch_before_submission=reading)
        batch = local.until(local.start(), S.SUBMITTING)
        listed, submitted = [], []
        for seconds in (10, 1, 10):
            local.advance(seconds)
            listed.append([item["runSettingId"] for item in local.listed(batch)])
            submitted.append([item["runSettingId"] for item in local.listed(batch, submissionStatus="SUCCESS")])
            run_id = local.state.runs_of_batch(batch.batch_id)[0].run_id
            assert len(local.listed(batch, runId=run_id)) == min(len(submitted[-1]), 1)
        assert listed == seen
        assert submitted == [[], ["sample-0"], [f"sample-{n}" for n in range(4)]]

    @pytest.mark.parametrize("order", RunsInBatchOrder)
    @pytest.mark.parametrize("size", [1, 7, 100])
    def test_the_order_follows_the_assumption_on_every_page(self, order: RunsInBatchOrder, size: int) -> None:
        local = BatchAccount(runs_in_batch_order=order)
        batch = local.until(local.start(many(20)), S.SUBMITTING)
        given = [f"sample-{n}" for n in range(20)]
        local.advance(20)
        seen = [item["runSettingId"] for item in local.listed(batch, maxItems=size)]
        assert sorted(seen) == sorted(given)
        assert (seen == given) is (order is RunsInBatchOrder.INPUT)
        assert (seen == given[::-1]) is (order is RunsInBatchOrder.NEWEST_FIRST)
        assert [item["runSettingId"] for item in local.listed(batch, runSettingId="sample-7")] == ["sample-7"]

    def test_a_shuffled_order_stays_the_same_while_runs_are_submitted(self) -> None:
        local = BatchAccount(runs_in_batch_order=RunsInBatchOrder.SHUFFLED)
        batch = local.until(local.start(many(20)), S.SUBMITTING)
        local.advance(10)
        early = [item["runSettingId"] for item in local.listed(batch)]
        local.advance(10)
        late = [item["runSettingId"] for item in local.listed(batch) if item["runSettingId"] in early]
        assert early == late
        assert len(early) == 10

    def test_pages_stay_stable_while_runs_are_submitted(self) -> None:
        local = BatchAccount()
        batch = local.until(local.start(many(20)), S.SUBMITTING)
        local.advance(7)
        first = local.call("ListRunsInBatch", batchId=batch.batch_id, maxItems=5)
        local.until(batch, S.INPROGRESS)
        rest = local.listed(batch, maxItems=5, startingToken=first["nextToken"])
        ids = [item["runSettingId"] for item in first["runs"] + rest]
        assert ids == [f"sample-{n}" for n in range(20)]

    def test_the_default_page_size_follows_the_assumption(self) -> None:
        local = BatchAccount(runs_in_batch_page_size=3)
        batch = local.processed()
        answer = local.call("ListRunsInBatch", batchId=batch.batch_id)
        assert len(answer["runs"]) == 3
        assert len(answer["nextToken"]) <= 128


def test_a_large_file_is_processed_with_few_steps() -> None:
    local = BatchAccount(timings=replace(SLOW, submissions_per_second=1000))
    count = 3000
    batch = local.until(local.start(local.put_settings(many(count))), S.SUBMITTING, step=0.25)
    local.advance(1)
    # A chunk of 100 every tenth of a second: one second's worth of runs exists, no more.
    assert 900 <= len(local.state.runs_of_batch(batch.batch_id)) <= 1000
    local.until(batch, S.PROCESSED)
    check_counts(local, batch)
    assert local.get(batch)["runSummary"]["completedRunCount"] == count
    assert len(local.listed(batch)) == count
    assert all(entry.setting is None for entry in batch.entries)
