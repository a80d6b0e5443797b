"""Deletion of what a plan of pruning names: any number of times, with the same end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Question, Requests, list_items, or_none
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.service_errors import InvalidStateError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus
from airflow_provider_omics.healthomics.batches.batch_poll import get_batch
from airflow_provider_omics.healthomics.batches.deletion import delete_record, delete_runs
from airflow_provider_omics.healthomics.batches.snapshots import DELETED
from airflow_provider_omics.healthomics.discovery.cohort_batches import find_cohort
from airflow_provider_omics.healthomics.pruning.plan import Outcome
from airflow_provider_omics.healthomics.runs.commands import delete_run

# A batch may look for a while as it did before the deletion of its runs was accepted.
_DELETION_OVER = (DELETED, BatchStatus.RUNS_DELETED, BatchStatus.RUNS_DELETE_FAILED)
# The service deletes the runs of these only one by one.
_ONE_BY_ONE = (BatchStatus.FAILED, BatchStatus.RUNS_DELETE_FAILED)
_WITH_ALL_RUNS = (BatchStatus.PROCESSED, BatchStatus.CANCELLED)
MakePause = Callable[[], Question]


def prune_run(run_id: str) -> Requests[Outcome]:
    """Delete the record of a run (DeleteRun), unless it is gone or became active meanwhile."""
    try:
        is_deleted = yield from delete_run(run_id)
    except InvalidStateError as refused:
        return _active_or_raise(refused)
    return Outcome.DELETED if is_deleted else Outcome.GONE


def prune_batch(batch_id: str, pause: MakePause) -> Requests[Outcome]:
    """Delete the records of a batch's runs (DeleteRunBatch, or DeleteRun for each), and then its own (DeleteBatch).

    :param pause: makes what waits between two polls of a batch whose runs are being deleted.
    """
    try:
        # Deleting many takes hours, in which a task may have been cleared and have begun a redrive.
        if (yield from find_cohort(batch_id)).active:
            return Outcome.ACTIVE
        status = yield from _status(batch_id)
        if status in _WITH_ALL_RUNS:
            yield from delete_runs(batch_id)
            status = yield from _status(batch_id)
            while status not in _DELETION_OVER:
                yield pause()
                status = yield from _status(batch_id)
        if status == DELETED:
            return Outcome.GONE
        if status in _ONE_BY_ONE and not (yield from _prune_each(batch_id)):
            return Outcome.ACTIVE
        is_deleted = yield from delete_record(batch_id)
    except InvalidStateError as refused:
        return _active_or_raise(refused)
    return Outcome.DELETED if is_deleted else Outcome.GONE


def _status(batch_id: str) -> Requests[str | None]:
    batch = yield from or_none(get_batch(batch_id))
    return DELETED if batch is None else batch.status


def _prune_each(batch_id: str) -> Requests[bool]:
    """Delete the runs of a batch one by one; return whether none of them is active."""
    runs = yield from runs_of(batch_id)
    is_clear = True
    for run in runs:
        is_clear = (yield from prune_run(run["id"])) is not Outcome.ACTIVE and is_clear
    return is_clear


def runs_of(batch_id: str) -> Requests[list[Mapping[str, Any]]]:
    """Return the runs of a batch that are not deleted (ListRuns)."""
    listed = yield from list_items("ListRuns", "items", batchId=batch_id, maxResults=PAGE_SIZE)
    return [run for run in listed if run.get("status") != RunStatus.DELETED]


def _active_or_raise(refused: InvalidStateError) -> Outcome:
    if refused.failure_class is not FailureClass.TRANSIENT:
        raise refused
    return Outcome.ACTIVE
