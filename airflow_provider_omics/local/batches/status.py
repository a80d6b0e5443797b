"""Changes of the status of a batch, and what goes wrong in one on demand."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, SubmissionStatus
from airflow_provider_omics.local.batches import counts as batch_counts
from airflow_provider_omics.local.errors import ServiceError, ThrottlingException
from airflow_provider_omics.local.faults import FaultKind
from airflow_provider_omics.local.runs.machine import ACTIVE, cancel_run

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Batch

log = logging.getLogger(__name__)

TRANSIENT_FAILURE = "A transient error occurred while the batch was processed. Retry the batch."


def after(state: AccountState, batch: Batch, seconds: float, step: Callable[[], None]) -> None:
    """Have a step of a batch follow on the timeline; the batch fails if the step ends in an error of the server."""
    state.timeline.after(seconds, partial(_take_step, state, batch, step))


def _take_step(state: AccountState, batch: Batch, step: Callable[[], None]) -> None:
    try:
        step()
    except Exception:
        # Nothing answers a call here: without this the batch would stand still for ever.
        log.exception("A step of batch %s, which is %s, failed", batch.batch_id, batch.status)
        fail_batch(state, batch, TRANSIENT_FAILURE)


def set_status(state: AccountState, batch: Batch, status: BatchStatus) -> None:
    """Move a batch to another status and tell everyone who watches."""
    old, batch.status = batch.status, status
    for observer in state.batch_observers:
        observer(batch, old)


def fail_batch(state: AccountState, batch: Batch, reason: str) -> None:
    """End a batch as FAILED; runs that it started go on unless the assumptions say otherwise.

    :param reason: the text that ``failureReason`` shows.
    """
    batch.failed_time, batch.failure_reason = state.now(), reason
    set_status(state, batch, BatchStatus.FAILED)
    if not state.assumptions.failed_batch_keeps_its_runs:
        for run in list(state.runs_of_batch(batch.batch_id)):
            if run.status in ACTIVE:
                cancel_run(state, run)


def end_if_settled(state: AccountState, batch: Batch) -> None:
    """End a batch whose runs have all ended, if it is INPROGRESS or was cancelled."""
    if batch_counts.active_runs(batch):
        return
    if batch.status is BatchStatus.INPROGRESS:
        _process(state, batch)
    elif batch.status is BatchStatus.STOPPING and batch.attempted:
        batch.attempted = False
        after(state, batch, state.timings.batch_stopping, lambda: _end_cancelled(state, batch))


def raise_fault(state: AccountState, step: str) -> None:
    """Count one step inside of the service and let it fail if a fault rule says so.

    :param step: one of :data:`~airflow_provider_omics.local.faults.BATCH_STEPS`.
    :raises ServiceError: the error that the rule gives.
    """
    rule = state.faults.inject_exactly(step)
    if rule is None:
        return
    if rule.kind is FaultKind.THROTTLE:
        raise ThrottlingException("Rate exceeded")
    raise ServiceError(f"{step} failed on demand", code=rule.code, http_status=rule.http_status)


def _process(state: AccountState, batch: Batch) -> None:
    batch.processed_time = state.now()
    set_status(state, batch, BatchStatus.PROCESSED)
    batch_counts.catch_up(state, batch)


def _end_cancelled(state: AccountState, batch: Batch) -> None:
    failed = batch_counts.number_of(batch, SubmissionStatus.CANCEL_FAILED)
    if failed and not state.assumptions.partly_failed_cancel_ends_cancelled:
        _process(state, batch)
        return
    if state.assumptions.processed_time_on_cancelled:
        batch.processed_time = state.now()
    set_status(state, batch, BatchStatus.CANCELLED)
