"""The counts that GetBatch answers, kept up to date so that an answer never walks the runs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.statuses import (
    BatchStatus,
    Phase,
    RunStatus,
    SubmissionStatus,
    classify,
)
from airflow_provider_omics.local.records import Batch

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState

PENDING_START = "pendingStartSubmissionCount"
_SUBMISSION_COUNT = {
    SubmissionStatus.SUCCESS: "successfulStartSubmissionCount",
    SubmissionStatus.FAILED: "failedStartSubmissionCount",
    SubmissionStatus.CANCEL_SUCCESS: "successfulCancelSubmissionCount",
    SubmissionStatus.CANCEL_FAILED: "failedCancelSubmissionCount",
    SubmissionStatus.DELETE_SUCCESS: "successfulDeleteSubmissionCount",
    SubmissionStatus.DELETE_FAILED: "failedDeleteSubmissionCount",
}
_RUN_COUNT = {status: f"{status.lower()}RunCount" for status in RunStatus}
_ACTIVE_COUNTS = [name for status, name in _RUN_COUNT.items() if classify(RunStatus, status) is Phase.ACTIVE]


def begin(batch: Batch, total: int) -> None:
    """Start counting once the number of runs is known."""
    batch.total_runs = total
    batch.submission_counts = {
        "successfulStartSubmissionCount": 0,
        "failedStartSubmissionCount": 0,
        PENDING_START: total,
    }
    batch.run_counts = dict.fromkeys(_RUN_COUNT.values(), 0)
    batch.shown_run_counts = dict(batch.run_counts)


def started(batch: Batch, outcome: SubmissionStatus) -> None:
    """Count the end of one start submission: SUCCESS or FAILED."""
    batch.submission_counts[PENDING_START] -= 1
    attempted(batch, outcome)


def attempted(batch: Batch, outcome: SubmissionStatus) -> None:
    """Count one submission, whatever it submitted."""
    name = _SUBMISSION_COUNT[outcome]
    batch.submission_counts[name] = batch.submission_counts.get(name, 0) + 1


def number_of(batch: Batch, outcome: SubmissionStatus) -> int:
    """Return how many submissions came to this outcome."""
    return batch.submission_counts.get(_SUBMISSION_COUNT[outcome], 0)


def is_all_submitted(batch: Batch) -> bool:
    """Whether every start submission was attempted."""
    return batch.submission_counts.get(PENDING_START) == 0


def run_moved(state: AccountState, batch: Batch, old: RunStatus | None, new: RunStatus) -> None:
    """Count a run from one status into another.

    :param old: None for a run that is new.
    """
    catch_up(state, batch)
    if old is not None:
        batch.run_counts[_RUN_COUNT[old]] -= 1
    batch.run_counts[_RUN_COUNT[new]] += 1


def active_runs(batch: Batch) -> int:
    """Return how many runs of the batch have not ended."""
    counts = batch.run_counts
    return sum([counts[name] for name in _ACTIVE_COUNTS]) if counts else 0


def run_summary(state: AccountState, batch: Batch) -> dict[str, int]:
    """Return ``runSummary`` as GetBatch shows it: up to ``run_summary_lag`` seconds old, exact once PROCESSED."""
    catch_up(state, batch)
    return batch.shown_run_counts


def catch_up(state: AccountState, batch: Batch) -> None:
    """Bring the counts that GetBatch shows up to date, if they are too old or must be exact."""
    now, lag = state.now(), timedelta(seconds=state.timings.run_summary_lag)
    is_due = batch.shown_at is None or now - batch.shown_at >= lag
    if is_due or batch.status is BatchStatus.PROCESSED:
        batch.shown_run_counts, batch.shown_at = dict(batch.run_counts), now
