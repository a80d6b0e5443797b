"""What a cohort came to: when that is a success, and a message that ends the search when it is not."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.healthomics.results.merging import BatchMerge
from airflow_provider_omics.healthomics.results.outcome import BatchOutcome, OmicsBatchFailedError, Tolerance
from airflow_provider_omics.healthomics.results.table import BatchCounts, ResultsTable
from airflow_provider_omics.healthomics.runs.failure import FailedTask, RunFailure
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot


def table_of(*runs: str, status: str | None = "PROCESSED", unsubmitted: int = 0) -> ResultsTable:
    """A table whose samples ``s0``, ``s1``, ... ended as given; a name of an exception is a failed submission."""
    table = ResultsTable((f"s{n}", "s3://results") for n in range(len(runs) + unsubmitted))
    merge = BatchMerge(table, "123", status=status, failure_reason="Please retry")
    for n, end in enumerate(runs):
        item = {"runSettingId": f"s{n}"}
        if end.endswith("Exception"):
            item |= {"submissionStatus": "FAILED", "submissionFailureReason": end, "submissionFailureMessage": "No"}
        else:
            item |= {"submissionStatus": "SUCCESS", "runId": f"{n}"}
        merge.add_submissions([item])
    merge.add_runs({"id": f"{n}", "status": end.partition(":")[0]} for n, end in enumerate(runs))
    merge.finish()
    for n, row in enumerate(list(table.rows())[: len(runs)]):
        end, _, code = runs[n].partition(":")
        if code:
            table.explain(row, {"status": end, "failureReason": code, "statusMessage": f"Run {n} broke"})
    return table


def outcome_of(*runs: str, status: str | None = "PROCESSED", unsubmitted: int = 0, **more: Any) -> BatchOutcome:
    table = table_of(*runs, status=status, unsubmitted=unsubmitted)
    return BatchOutcome.of(table, **{"batch_ids": ["123"], "status": status, **more})


@pytest.mark.parametrize(
    ("count", "percentage", "total", "allowed"),
    [
        (0, 0, 100, 0),
        (3, 0, 100, 3),
        (0, 7, 100, 7),
        (0, 7.0, 100, 7),
        (0, 2.3, 1000, 23),
        (0, 0.29, 10_000, 29),
        (0, 1e-3, 100_000, 1),
        (0, 99.99, 100, 99),
        (0, 100, 12, 12),
        (0, 10, 9, 0),
        (2, 10, 12, 2),
        (1, 10, 25, 2),
        (5, 50, 0, 5),
    ],
)
def test_the_larger_tolerance_holds_and_is_exact(count: int, percentage: float, total: int, allowed: int) -> None:
    assert Tolerance(count, percentage).allowed(total) == allowed


@given(st.integers(0, 10_000), st.integers(0, 100_000))
@example(230, 1000)
def test_a_share_is_what_the_user_typed(hundredths: int, total: int) -> None:
    typed = float(f"{hundredths // 100}.{hundredths % 100:02d}")
    assert Tolerance(percentage=typed).allowed(total) == int(Fraction(hundredths, 10_000) * total)


@pytest.mark.parametrize("status", [None, *BatchStatus])
def test_only_a_processed_batch_may_have_tolerated_failures(status: str | None) -> None:
    outcome = outcome_of("COMPLETED", "FAILED", status=status, tolerance=Tolerance(1))
    assert outcome.succeeded == (status == "PROCESSED")


@pytest.mark.parametrize("status", [None, *BatchStatus])
def test_when_every_sample_completed_the_end_of_the_batch_does_not_matter(status: str | None) -> None:
    assert outcome_of("COMPLETED", "COMPLETED", status=status).succeeded


@pytest.mark.parametrize("end", ["FAILED", "CANCELLED", "DELETED", "RUNNING", "ThrottlingException"])
def test_whatever_is_not_completed_counts_against_the_tolerance(end: str) -> None:
    assert not outcome_of("COMPLETED", end).succeeded
    assert outcome_of("COMPLETED", end, tolerance=Tolerance(1)).succeeded
    assert not outcome_of("COMPLETED", end, end, tolerance=Tolerance(1)).succeeded


def test_a_sample_that_was_never_submitted_counts_against_the_tolerance() -> None:
    assert not outcome_of("COMPLETED", unsubmitted=2, tolerance=Tolerance(1)).succeeded
    assert outcome_of("COMPLETED", unsubmitted=2, tolerance=Tolerance(2)).succeeded


def test_the_summary_is_json_and_adds_up() -> None:
    outcome = outcome_of(
        *("COMPLETED", "FAILED:SERVICE_ERROR", "CANCELLED", "DELETED", "RUNNING", "ValidationException"),
        unsubmitted=1,
        batch_ids=["100", "123"],
        tolerance=Tolerance(2),
        results_uri="s3://results/table.csv",
        results_jsonl_uri="s3://results/table.jsonl",
    )
    assert json.loads(json.dumps(outcome.summary())) == {
        "status": "PROCESSED",
        "batch_id": "123",
        "batch_ids": ["100", "123"],
        "total": 7,
        "completed": 1,
        "failed": 1,
        "cancelled": 1,
        "deleted": 1,
        "failed_submissions": 1,
        "not_submitted": 1,
        "unknown": 1,
        "tolerated": 2,
        "succeeded": False,
        "outcome": "failed",
        "failure_classes": {"unknown": 3, "transient": 1, "cancelled": 1, "input": 1},
        "results_uri": "s3://results/table.csv",
        "results_jsonl_uri": "s3://results/table.jsonl",
    }


def test_an_outcome_keeps_the_first_100_failures_in_the_order_of_the_input() -> None:
    outcome = outcome_of(*["FAILED", "COMPLETED"] * 150)
    assert [row.run_setting_id for row in outcome.failures] == [f"s{n}" for n in range(0, 200, 2)]
    assert outcome.counts.failed == 150


def test_the_message_ends_the_search() -> None:
    runs = ["COMPLETED"] * 8 + [
        "FAILED:OUT_OF_MEMORY_ERROR",
        "FAILED:RUN_TASK_FAILED",
        "AccessDeniedException",
        "DELETED",
    ]
    outcome = outcome_of(*runs, batch_ids=["101", "123"], tolerance=Tolerance(1), results_uri="s3://results/table.csv")
    assert outcome.describe().splitlines() == [
        "HealthOmics batch 123: 4 of 12 samples did not complete (tolerated: 1).",
        "Samples by end: completed: 8, failed: 2, deleted: 1, failed submissions: 1.",
        "- 2 of class workflow; who can act: the author of the workflow; or the author of the workflow, or whoever "
        "provides the input data",
        "- 1 of class permission; who can act: the administrator of the AWS account",
        "- 1 of class unknown; who can act: not known",
        "The first 4 in the order of the input:",
        "- s8, run 8: FAILED: OUT_OF_MEMORY_ERROR: Run 8 broke",
        "    What to do: Give the failed task more memory in the workflow.",
        "- s9, run 9: FAILED: RUN_TASK_FAILED: Run 9 broke",
        "    What to do: Read the failed task's log: its tool ended with an error, often because of this "
        "sample's data.",
        "- s10: its submission FAILED: AccessDeniedException: No",
        "    What to do: Give the caller omics:StartRun and iam:PassRole, and the run's role what the message names.",
        "- s11, run 11: DELETED",
        "    What to do: The run was deleted: look at its outputs, or run the sample again.",
        "All samples: s3://results/table.csv",
        "Earlier batches of this cohort: 101",
        "What to do: Mend what the table of all samples tells under failure_message. A retry of the task, or a clear, "
        "then runs again only the samples that did not complete.",
    ]


def test_the_message_tells_five_failures_and_the_rest_as_counts() -> None:
    text = outcome_of(*["FAILED"] * 2000).describe()
    assert "2,000 of 2,000 samples did not complete" in text
    assert "The first 5 in the order of the input:" in text
    assert "s4, run 4" in text
    assert "s5, run 5" not in text
    assert len(text) < 3000


def test_the_story_of_a_run_takes_the_place_of_its_advice() -> None:
    snapshot = RunSnapshot("1", status="FAILED", failure_code="RUN_TASK_FAILED")
    detail = RunFailure(snapshot, (FailedTask("7", "align", "RUN_TASK_FAILED", log_tail=("bwa: killed",)),))
    outcome = outcome_of("COMPLETED", "FAILED:RUN_TASK_FAILED", "FAILED:SERVICE_ERROR")
    text = replace(outcome, failure_details=(detail,)).describe()
    assert "    Failed task 7 (align): RUN_TASK_FAILED\n      | bwa: killed" in text
    assert text.count("What to do") == 2


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            "FAILED",
            "The batch itself FAILED: Please retry [transient; who can act: AWS].",
        ),
        ("CANCELLED", "The batch was cancelled: "),
        (
            "RUNS_DELETING",
            "The runs of the batch were deleted (RUNS_DELETING), and of a run that is gone no end can be",
        ),
        ("RUNS_DELETED", "The runs of the batch were deleted (RUNS_DELETED), and of a run that is gone no end can be"),
        ("RUNS_DELETE_FAILED", "The runs of the batch were deleted (RUNS_DELETE_FAILED), and of a run that is gone"),
        ("INPROGRESS", "The batch is INPROGRESS, which is not its end; its runs may go on."),
        ("A_NEW_WORD", "The batch is A_NEW_WORD, which is not its end; its runs may go on."),
        (None, "The batch does not exist any more, so nothing can be proved of samples that it did not show before."),
    ],
)
def test_a_batch_that_was_not_processed_is_told_first(status: str | None, told: str) -> None:
    text = outcome_of("FAILED", status=status, failure_reason="Please retry" if status == "FAILED" else None).describe()
    assert text.partition("\n")[2].startswith(told)
    assert text.endswith("What to do: Start the batch again.") is (status == "FAILED")


def test_a_processed_batch_needs_no_word_about_itself() -> None:
    assert outcome_of("FAILED").describe().splitlines()[1] == "Samples by end: failed: 1."


def test_the_exception_carries_the_outcome() -> None:
    outcome = outcome_of("COMPLETED", "FAILED:SERVICE_ERROR")
    error = OmicsBatchFailedError(outcome)
    assert error.message() == outcome.describe()
    assert (error.batch_id, error.status) == ("123", "PROCESSED")
    assert error.counts == BatchCounts(total=2, completed=1, failed=1)
    assert error.failure_classes == {"transient": 1}
    assert [row.run_setting_id for row in error.failures] == ["s1"]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
