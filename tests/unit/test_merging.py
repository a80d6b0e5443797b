"""Which batch's word holds for a sample, and that no answer of the service can lose or invent one."""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus, SubmissionStatus
from airflow_provider_omics.healthomics.results.merging import BatchMerge
from airflow_provider_omics.healthomics.results.table import ResultsTable, SampleResult, SampleStatus

PLACE = "s3://results"


def cohort(*ids: str) -> ResultsTable:
    return ResultsTable((sample, PLACE) for sample in ids)


def submitted(sample: str, run_id: str | None = None, status: str | None = "SUCCESS", **more: Any) -> dict[str, Any]:
    """An item of ListRunsInBatch, with the members that the service shows for a run that it started."""
    item = {"runSettingId": sample, "submissionStatus": status, **more}
    if run_id is not None:
        item |= {"runId": run_id, "runInternalUuid": f"uuid-{run_id}", "runArn": f"arn:{run_id}"}
    return {name: value for name, value in item.items() if value is not None}


def refused(sample: str, reason: str | None = "ValidationException", message: str | None = "Bad") -> dict[str, Any]:
    return submitted(sample, None, "FAILED", submissionFailureReason=reason, submissionFailureMessage=message)


def run(run_id: str, status: str = "COMPLETED", **more: Any) -> dict[str, Any]:
    """An item of ListRuns."""
    return {"id": run_id, "status": status, "arn": f"arn:{run_id}", **more}


def take(
    table: ResultsTable,
    batch_id: str,
    submissions: Iterable[dict[str, Any]],
    runs: Iterable[dict[str, Any]] = (),
    *,
    status: str | None = "PROCESSED",
    reason: str | None = None,
    unchanged_ids: Container[str] | None = None,
) -> None:
    merge = BatchMerge(table, batch_id, unchanged_ids=unchanged_ids, status=status, failure_reason=reason)
    merge.add_submissions(submissions)
    merge.add_runs(runs)
    merge.finish()


def only(table: ResultsTable) -> SampleResult:
    (row,) = table.rows()
    return row


def test_rows_keep_the_order_of_the_input_and_the_service_may_list_as_it_likes() -> None:
    table = cohort("c", "a", "b")
    take(
        table,
        "1",
        [submitted("a", "11"), submitted("b", "12"), submitted("c", "13")],
        [run("13"), run("11"), run("12")],
    )
    assert [(row.run_setting_id, row.run_id, row.uuid, row.arn, row.output_uri) for row in table.rows()] == [
        ("c", "13", "uuid-13", "arn:13", "s3://results/13"),
        ("a", "11", "uuid-11", "arn:11", "s3://results/11"),
        ("b", "12", "uuid-12", "arn:12", "s3://results/12"),
    ]
    assert table.counts().completed == 3


@pytest.mark.parametrize(
    ("item", "listed", "end", "shown"),
    [
        (submitted("a", "11"), "COMPLETED", SampleStatus.COMPLETED, ("SUCCESS", "COMPLETED")),
        (submitted("a", "11"), "FAILED", SampleStatus.FAILED, ("SUCCESS", "FAILED")),
        (submitted("a", "11"), None, SampleStatus.UNKNOWN, ("SUCCESS", "UNKNOWN")),
        (submitted("a", "11", None), "COMPLETED", SampleStatus.COMPLETED, (None, "COMPLETED")),
        (submitted("a", "11", "A_NEW_WORD"), "RUNNING", SampleStatus.UNKNOWN, ("A_NEW_WORD", "RUNNING")),
        (submitted("a"), None, SampleStatus.UNKNOWN, ("SUCCESS", "UNKNOWN")),
        ({**submitted("a"), "runId": ""}, None, SampleStatus.UNKNOWN, ("SUCCESS", "UNKNOWN")),
        (refused("a"), None, SampleStatus.FAILED_SUBMISSION, ("FAILED", "NOT_STARTED")),
        ({**refused("a"), "runId": ""}, None, SampleStatus.FAILED_SUBMISSION, ("FAILED", "NOT_STARTED")),
        ({**refused("a"), "runId": "11"}, "COMPLETED", SampleStatus.COMPLETED, ("FAILED", "COMPLETED")),
        ({**refused("a"), "runId": "11"}, None, SampleStatus.FAILED_SUBMISSION, ("FAILED", "NOT_STARTED")),
        (submitted("a", None, None), None, SampleStatus.NOT_SUBMITTED, ("NOT_SUBMITTED", "NOT_STARTED")),
        (
            submitted("a", None, "CANCEL_SUCCESS"),
            None,
            SampleStatus.NOT_SUBMITTED,
            ("CANCEL_SUCCESS", "NOT_STARTED"),
        ),
        (
            submitted("a", "11", "CANCEL_SUCCESS"),
            "CANCELLED",
            SampleStatus.CANCELLED,
            ("CANCEL_SUCCESS", "CANCELLED"),
        ),
        (
            submitted("a", "11", "CANCEL_FAILED"),
            "COMPLETED",
            SampleStatus.COMPLETED,
            ("CANCEL_FAILED", "COMPLETED"),
        ),
        (submitted("a", "11", "DELETE_SUCCESS"), None, SampleStatus.DELETED, ("DELETE_SUCCESS", "DELETED")),
        (submitted("a", "11", "DELETE_SUCCESS"), "DELETED", SampleStatus.DELETED, ("DELETE_SUCCESS", "DELETED")),
        (submitted("a", None, "DELETE_SUCCESS"), None, SampleStatus.DELETED, ("DELETE_SUCCESS", "DELETED")),
        (
            submitted("a", "11", "DELETE_FAILED"),
            "COMPLETED",
            SampleStatus.COMPLETED,
            ("DELETE_FAILED", "COMPLETED"),
        ),
    ],
)
def test_submission_and_run_together_tell_what_a_sample_came_to(
    item: dict[str, Any], listed: str | None, end: SampleStatus, shown: tuple[str | None, str]
) -> None:
    table = cohort("a")
    take(table, "1", [item], [run("11", listed)] if listed else [])
    row = only(table)
    assert (row.end, row.submission_status, row.run_status) == (end, *shown)
    assert row.batch_id == "1"
    assert (row.failure_class is None) == row.completed


def test_a_failed_submission_tells_reason_class_and_message() -> None:
    table = cohort("a")
    take(table, "1", [refused("a", "ServiceQuotaExceededException", "Too many\nruns")])
    row = only(table)
    assert row.submission_failure_reason == "ServiceQuotaExceededException"
    assert (row.failure_class, row.failure_message, row.failure_code) == (FailureClass.QUOTA, "Too many runs", None)


@pytest.mark.parametrize(
    ("status", "reason", "failure_class", "message"),
    [
        ("CANCELLED", None, FailureClass.CANCELLED, "Batch 1 was cancelled before the sample was submitted"),
        ("STOPPING", None, FailureClass.CANCELLED, "Batch 1 was cancelled before the sample was submitted"),
        ("RUNS_DELETED", None, FailureClass.CANCELLED, "Batch 1 was cancelled before the sample was submitted"),
        (
            "FAILED",
            "Expected 3 unique runSettingIds but there were 2",
            FailureClass.INPUT,
            "Batch 1 failed: Expected 3 unique runSettingIds but there were 2",
        ),
        ("FAILED", "Please retry", FailureClass.TRANSIENT, "Batch 1 failed: Please retry"),
        ("FAILED", None, FailureClass.UNKNOWN, "Batch 1 failed: without a reason"),
        ("PROCESSED", None, FailureClass.UNKNOWN, "Batch 1 (PROCESSED) shows no submission of the sample"),
        (None, None, FailureClass.UNKNOWN, "Batch 1 (status unknown) shows no submission of the sample"),
    ],
)
@pytest.mark.parametrize("listed", [[], [submitted("a", None, None)]], ids=["hidden", "listed without status"])
def test_a_sample_that_was_never_submitted_tells_why(
    listed: list[dict[str, Any]], status: str | None, reason: str | None, failure_class: FailureClass, message: str
) -> None:
    table = cohort("a")
    take(table, "1", listed, status=status, reason=reason)
    row = only(table)
    assert (row.submission_status, row.run_status, row.batch_id) == ("NOT_SUBMITTED", "NOT_STARTED", "1")
    assert (row.failure_class, row.failure_message) == (failure_class, message)


@pytest.mark.parametrize("status", ["RUNS_DELETING", "RUNS_DELETED", "RUNS_DELETE_FAILED"])
def test_when_runs_were_deleted_those_that_are_not_listed_are_gone(status: str) -> None:
    table = cohort("a", "b", "c")
    items = [submitted("a", "11"), submitted("b", "12", "DELETE_FAILED"), submitted("c", "13", "DELETE_SUCCESS")]
    take(table, "1", items, [run("12")], status=status)
    assert [row.end for row in table.rows()] == [
        SampleStatus.DELETED,
        SampleStatus.COMPLETED,
        SampleStatus.DELETED,
    ]
    assert not table.active()


def test_a_later_batch_replaces_a_failure_entirely() -> None:
    table = cohort("a")
    take(table, "1", [submitted("a", "11")], [run("11", "FAILED")])
    table.explain(only(table), {"status": "FAILED", "failureReason": "SERVICE_ERROR", "statusMessage": "Sorry"})
    take(table, "2", [submitted("a", "21")], [run("21")])
    row = only(table)
    assert row == SampleResult(
        "a",
        PLACE,
        "2",
        "21",
        "uuid-21",
        "arn:21",
        submission_status="SUCCESS",
        run_status="COMPLETED",
        output_uri="s3://results/21",
        advice=None,
    )


@pytest.mark.parametrize("listed", [[], [submitted("a", None, None)]], ids=["hidden", "listed without status"])
def test_a_later_batch_that_never_submitted_a_sample_leaves_its_failure(listed: list[dict[str, Any]]) -> None:
    table = cohort("a")
    take(table, "1", [submitted("a", "11")], [run("11", "FAILED")])
    take(table, "2", listed, status="CANCELLED")
    row = only(table)
    assert (row.batch_id, row.run_id, row.end) == ("1", "11", SampleStatus.FAILED)


def test_what_completed_stays_whatever_a_later_batch_does() -> None:
    table = cohort("a", "b")
    take(table, "1", [submitted("a", "11"), submitted("b", "12")], [run("11"), run("12", "FAILED")])
    take(table, "2", [submitted("a", "21"), refused("b")], [run("21", "FAILED")])
    first, second = table.rows()
    assert (first.batch_id, first.run_id, first.end) == ("1", "11", SampleStatus.COMPLETED)
    assert (second.batch_id, second.run_id, second.end) == ("2", None, SampleStatus.FAILED_SUBMISSION)


def test_two_batches_that_never_submitted_a_sample_are_told_apart() -> None:
    table = cohort("hidden", "listed")
    take(table, "1", [], status="CANCELLED")
    take(table, "2", [submitted("listed", None, None)], status="FAILED", reason="Please retry")
    assert [(row.batch_id, row.failure_class) for row in table.rows()] == [
        ("1", FailureClass.CANCELLED),
        ("2", FailureClass.TRANSIENT),
    ]


def test_a_run_id_that_comes_back_in_a_later_batch_is_another_run() -> None:
    table = cohort("a")
    take(table, "1", [submitted("a", "11")], [run("11", "FAILED")])
    table.explain(only(table), {"status": "FAILED", "failureReason": "SERVICE_ERROR", "statusMessage": "Sorry"})
    take(table, "2", [{**submitted("a", "11"), "runInternalUuid": "uuid-2"}], [run("11", "FAILED")])
    row = only(table)
    assert (row.batch_id, row.uuid, row.failure_code, row.failure_message) == ("2", "uuid-2", None, None)


def test_an_older_batch_that_is_read_again_does_not_undo_a_newer_one() -> None:
    table = cohort("a", "b")
    older = [submitted("a", "11"), submitted("b", "12")]
    take(table, "1", older, [run("11", "FAILED"), run("12", "RUNNING")])
    take(table, "2", [submitted("a", "21")], [run("21", "FAILED")])
    table.explain(next(table.rows()), {"status": "FAILED", "failureReason": "SERVICE_ERROR"})
    take(table, "1", older, [run("11", "FAILED"), run("12", "COMPLETED")])
    BatchMerge(table, "1").mark_lost()
    a, b = table.rows()
    assert (a.batch_id, a.run_id, a.failure_code) == ("2", "21", "SERVICE_ERROR")
    assert (b.batch_id, b.end) == ("1", SampleStatus.COMPLETED)


def test_a_run_that_two_pages_list_has_completed_if_one_says_so() -> None:
    table = cohort("a")
    take(table, "1", [submitted("a", "11")], [run("11"), run("11", "RUNNING")])
    assert only(table).completed


def test_a_batch_has_no_say_about_samples_that_were_not_its_own() -> None:
    table = cohort("a", "b")
    items = [submitted("a", "11"), submitted("b", "12"), submitted("stranger", "13"), submitted("", "14")]
    take(table, "1", items, [run("11"), run("12"), run("13"), run("14")], unchanged_ids={"a", "stranger"})
    assert [(row.end, row.batch_id) for row in table.rows()] == [
        (SampleStatus.COMPLETED, "1"),
        (SampleStatus.NOT_SUBMITTED, None),
    ]


def test_a_run_of_another_batch_is_not_taken() -> None:
    table = cohort("a")
    take(table, "1", [submitted("a", "11")], [run("11", batchId="2")])
    assert only(table).end is SampleStatus.UNKNOWN
    take(table, "1", [submitted("a", "11")], [run("11", batchId="1")])
    assert only(table).end is SampleStatus.COMPLETED


def test_items_without_ids_are_passed_over() -> None:
    table = cohort("a")
    take(table, "1", [{}, {"runId": "11"}, submitted("a", "11")], [{}, {"status": "FAILED"}, {"id": "11"}])
    assert only(table).end is SampleStatus.UNKNOWN


def test_an_id_that_two_samples_of_a_batch_had_proves_nothing_of_either() -> None:
    table = cohort("a", "b")
    items = [submitted("a", "11"), {**submitted("b", "11"), "runInternalUuid": "uuid-other"}]
    take(table, "1", items, [run("11")])
    assert [row.uuid for row in table.active("1")] == ["uuid-11", "uuid-other"]


def test_a_batch_that_is_read_again_is_seen_anew() -> None:
    table = cohort("a", "b", "c")
    items = [submitted("a", "11"), submitted("b", "12")]
    take(table, "1", items, [run("11", "RUNNING"), run("12", "FAILED")], status="INPROGRESS")
    table.explain(list(table.rows())[1], {"status": "FAILED", "failureReason": "OUT_OF_MEMORY_ERROR"})
    take(
        table,
        "1",
        [*items, submitted("a", "11", "CANCEL_FAILED")],
        [run("11"), run("12", "FAILED")],
        status="CANCELLED",
    )
    a, b, c = table.rows()
    assert (a.end, a.submission_status) == (SampleStatus.COMPLETED, "CANCEL_FAILED")
    assert (b.end, b.failure_code, b.failure_class) == (
        SampleStatus.FAILED,
        "OUT_OF_MEMORY_ERROR",
        FailureClass.WORKFLOW,
    )
    assert (c.end, c.failure_class) == (SampleStatus.NOT_SUBMITTED, FailureClass.CANCELLED)


def test_nothing_is_proved_of_the_samples_of_a_batch_that_is_gone() -> None:
    table = cohort("a", "b", "c", "d")
    take(table, "1", [submitted(sample, f"1{sample}") for sample in "abcd"], [run("1a"), run("1b", "FAILED")])
    merge = BatchMerge(table, "2", unchanged_ids={"a", "b", "c"})
    merge.add_submissions([submitted("c", "2c")])
    merge.mark_lost()
    a, b, c, d = table.rows()
    assert (a.batch_id, a.end) == ("1", SampleStatus.COMPLETED)
    assert (b.batch_id, b.run_id, b.end) == ("2", None, SampleStatus.UNKNOWN)
    assert b.failure_message == "Batch 2 does not exist any more, so what became of the sample cannot be told"
    assert (c.batch_id, c.run_id, c.active) == ("2", "2c", True)
    assert (d.batch_id, d.run_id) == ("1", "1d")


IDS = [f"s{n}" for n in range(6)]
MAYBE = [None, *(status.value for status in SubmissionStatus), "A_NEW_WORD"]
SUBMISSIONS = st.lists(
    st.fixed_dictionaries(
        {
            "runSettingId": st.sampled_from([*IDS, "stranger"]),
            "runId": st.sampled_from([None, "", "1", "2", "3", "4", "5", "6", "7"]),
            "submissionStatus": st.sampled_from(MAYBE),
            "runInternalUuid": st.sampled_from([None, "u1", "u2"]),
        }
    ),
    max_size=10,
)
RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from([str(n) for n in range(1, 9)]),
            "status": st.sampled_from([None, *(status.value for status in RunStatus), "A_NEW_WORD"]),
            "batchId": st.sampled_from([None, "0", "1", "2"]),
        }
    ),
    max_size=10,
)
BATCHES = st.lists(
    st.tuples(
        SUBMISSIONS,
        RUNS,
        st.sampled_from([None, *(status.value for status in BatchStatus)]),
        st.none() | st.sets(st.sampled_from(IDS)),
        st.booleans(),
    ),
    max_size=4,
)


def present(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in item.items() if value is not None} for item in items]


@given(BATCHES)
def test_whatever_the_service_lists_every_sample_has_one_row_and_completed_ones_keep_it(batches: Any) -> None:
    table = cohort(*IDS)
    completed: dict[str, dict[str, Any]] = {}
    for number, (submissions, runs, status, unchanged_ids, gone) in enumerate(batches):
        merge = BatchMerge(table, str(number), unchanged_ids=unchanged_ids, status=status)
        merge.add_submissions(present(submissions))
        if gone:
            merge.mark_lost()
        merge.add_runs(present(runs))
        merge.finish()
        counts = asdict(table.counts())
        assert [row.run_setting_id for row in table.rows()] == IDS
        assert counts.pop("total") == sum(counts.values()) == len(IDS)
        now = {row.run_setting_id: asdict(row) for row in table.rows()}
        for sample, row in completed.items():
            assert now[sample] == row
        completed = {sample: row for sample, row in now.items() if row["run_status"] == "COMPLETED"}
        for sample, row in now.items():
            assert (row["advice"] is None) == (sample in completed)
            assert row["batch_id"] in (None, *map(str, range(number + 1)))
            if unchanged_ids is not None and sample not in unchanged_ids:
                assert row["batch_id"] != str(number)


@given(st.permutations(IDS), st.permutations(IDS), st.integers(0, 2**32))
def test_the_order_of_lists_and_pages_changes_nothing(first: list[str], second: list[str], seed: int) -> None:
    dice = random.Random(seed)
    ends = {sample: dice.choice(["COMPLETED", "FAILED", "CANCELLED", "RUNNING", None]) for sample in IDS}
    tables = []
    for order in (first, second):
        table = cohort(*IDS)
        merge = BatchMerge(table, "1", status="PROCESSED")
        for sample in order:
            merge.add_submissions([submitted(sample, f"1{sample}") if ends[sample] else refused(sample)])
        for sample in reversed(order):
            merge.add_runs([run(f"1{sample}", end)] if (end := ends[sample]) else [])
        merge.finish()
        tables.append([asdict(row) for row in table.rows()])
    assert tables[0] == tables[1]
