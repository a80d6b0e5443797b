"""Deletion of what a plan of pruning names: any number of times, with the same end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Requests, list_items, or_none
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.service_errors import InvalidStateError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus
from airflow_provider_omics.healthomics.batches.batch_poll import get_batch
from airflow_provider_omics.healthomics.batches.deletion import delete_record, delete_runs
from airflow_provider_omics.healthomics.batches.snapshots import DELETED
from airflow_provider_omics.healthomics.pruning.plan import Outcome
from airflow_provider_omics.healthomics.runs.commands import delete_run

# The service deletes the runs of these only one by one.
_ONE_BY_ONE = (BatchStatus.FAILED, BatchStatus.RUNS_DELETE_FAILED)
_WITH_ALL_RUNS = (BatchStatus.PROCESSED, BatchStatus.CANCELLED)


def prune_run(run_id: str) -> Requests[Outcome]:
    """Delete the record of a run (DeleteRun), unless it is gone or became active meanwhile."""
    try:
        is_deleted = yield from delete_run(run_id)
    except InvalidStateError as refused:
        return _active_or_raise(refused)
    return Outcome.DELETED if is_deleted else Outcome.GONE


def begin_batch(batch_id: str) -> Requests[Outcome | None]:
    """Begin to delete a batch with its runs (DeleteRunBatch); one whose runs the service does not delete is finished.

    :return: None if the deletion of its runs goes on; :func:`finish_batch` is to follow then.
    """
    try:
        if (yield from _status(batch_id)) in _WITH_ALL_RUNS:
            yield from delete_runs(batch_id)
            return None
    except InvalidStateError as refused:
        return _active_or_raise(refused)
    # What is being deleted by somebody else is not waited for.
    return (yield from finish_batch(batch_id)) or Outcome.ACTIVE


def finish_batch(batch_id: str) -> Requests[Outcome | None]:
    """Delete the record of a batch once its runs are deleted (DeleteBatch), one by one if need be (DeleteRun).

    :return: None if the deletion of its runs goes on.
    """
    try:
        status = yield from _status(batch_id)
        if status == DELETED:
            return Outcome.GONE
        # A batch may look for a while as it did before the deletion of its runs was accepted.
        if status not in (BatchStatus.RUNS_DELETED, *_ONE_BY_ONE):
            return None
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
        if not run.get("id"):
            continue
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
