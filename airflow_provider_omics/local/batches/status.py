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
    from airflow_provider_omics.local.records import Batch
    from airflow_provider_omics.local.world import World

log = logging.getLogger(__name__)

TRANSIENT_FAILURE = "A transient error occurred while the batch was processed. Retry the batch."


def after(world: World, batch: Batch, seconds: float, step: Callable[[], None]) -> None:
    """Have a step of a batch follow on the timeline; the batch fails if the step ends in an error of the server."""
    world.timeline.after(seconds, partial(_take_step, world, batch, step))


def _take_step(world: World, batch: Batch, step: Callable[[], None]) -> None:
    try:
        step()
    except Exception:
        # Nothing answers a call here: without this the batch would stand still for ever.
        log.exception("A step of batch %s, which is %s, failed", batch.batch_id, batch.status)
        fail_batch(world, batch, TRANSIENT_FAILURE)


def set_status(world: World, batch: Batch, status: BatchStatus) -> None:
    """Move a batch to another status and tell everyone who watches."""
    old, batch.status = batch.status, status
    for observer in world.batch_observers:
        observer(batch, old)


def fail_batch(world: World, batch: Batch, reason: str) -> None:
    """End a batch as FAILED; runs that it started go on unless the assumptions say otherwise.

    :param reason: the text that ``failureReason`` shows.
    """
    batch.failed_time, batch.failure_reason = world.now(), reason
    set_status(world, batch, BatchStatus.FAILED)
    if not world.assumptions.failed_batch_keeps_its_runs:
        for run in list(world.runs_of_batch(batch.batch_id)):
            if run.status in ACTIVE:
                cancel_run(world, run)


def end_if_settled(world: World, batch: Batch) -> None:
    """End a batch whose runs have all ended, if it is INPROGRESS or was cancelled."""
    if batch_counts.active_runs(batch):
        return
    if batch.status is BatchStatus.INPROGRESS:
        _process(world, batch)
    elif batch.status is BatchStatus.STOPPING and batch.attempted:
        batch.attempted = False
        after(world, batch, world.timings.batch_stopping, lambda: _end_cancelled(world, batch))


def raise_fault(world: World, step: str) -> None:
    """Count one step inside of the service and let it fail if a fault rule says so.

    :param step: one of :data:`~airflow_provider_omics.local.faults.BATCH_STEPS`.
    :raises ServiceError: the error that the rule gives.
    """
    rule = world.faults.strike_exactly(step)
    if rule is None:
        return
    if rule.kind is FaultKind.THROTTLE:
        raise ThrottlingException("Rate exceeded")
    raise ServiceError(f"{step} failed on demand", code=rule.code, http_status=rule.http_status)


def _process(world: World, batch: Batch) -> None:
    batch.processed_time = world.now()
    set_status(world, batch, BatchStatus.PROCESSED)
    batch_counts.catch_up(world, batch)


def _end_cancelled(world: World, batch: Batch) -> None:
    failed = batch_counts.number_of(batch, SubmissionStatus.CANCEL_FAILED)
    if failed and not world.assumptions.partly_failed_cancel_ends_cancelled:
        _process(world, batch)
        return
    if world.assumptions.processed_time_on_cancelled:
        batch.processed_time = world.now()
    set_status(world, batch, BatchStatus.CANCELLED)
