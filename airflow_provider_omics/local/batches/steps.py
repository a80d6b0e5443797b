"""What a batch does to its runs, one after the other: submit, cancel, delete."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, SubmissionStatus
from airflow_provider_omics.local.assumptions import CancelledUnsubmitted
from airflow_provider_omics.local.batches import counts as batch_counts
from airflow_provider_omics.local.batches.settings import merged_request
from airflow_provider_omics.local.batches.status import (
    TRANSIENT_FAILURE,
    after,
    end_if_settled,
    fail_batch,
    raise_fault,
    set_status,
)
from airflow_provider_omics.local.errors import ConflictException, InternalServerException, ServiceError
from airflow_provider_omics.local.faults import ABORT, CANCEL, DELETE, SUBMIT
from airflow_provider_omics.local.runs.machine import ACTIVE, cancel_run, create_run, delete_run

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Batch, BatchEntry, Run

log = logging.getLogger(__name__)

_RETRIED = frozenset({"ThrottlingException", "RequestTimeoutException", "InternalServerException"})
_MOST_AT_ONCE = 500
_SECONDS_AT_ONCE = 0.1


@dataclass(frozen=True)
class _Walk:
    """One way through all entries of a batch.

    :ivar status: the batch's as long as it goes on.
    :ivar operation: whose rate each entry uses up.
    """

    status: BatchStatus
    operation: str
    step: Callable[[AccountState, Batch, BatchEntry], None]
    done: Callable[[AccountState, Batch], None]


def submit_entries(state: AccountState, batch: Batch) -> None:
    """Submit every entry of a batch that is SUBMITTING, then let it be INPROGRESS."""
    _walk(state, batch, _Walk(BatchStatus.SUBMITTING, "StartRun", _submit, _end_submission))


def cancel_entries(state: AccountState, batch: Batch) -> None:
    """Cancel every run of a batch that is STOPPING."""
    _walk(state, batch, _Walk(BatchStatus.STOPPING, "CancelRun", _cancel, _end_cancelling))


def delete_entries(state: AccountState, batch: Batch) -> None:
    """Delete every run of a batch that is RUNS_DELETING, then let it be RUNS_DELETED."""
    _walk(state, batch, _Walk(BatchStatus.RUNS_DELETING, "DeleteRun", _delete, _end_deleting))


def _walk(state: AccountState, batch: Batch, walk: _Walk, start: int = 0) -> None:
    # A slow rate takes one entry at a time; at a fast one an event of the timeline for each would cost more
    # than the work itself.
    rate = state.timings.submissions_per_second
    size = max(1, min(_MOST_AT_ONCE, int(rate * _SECONDS_AT_ONCE)))
    after(state, batch, size / rate, partial(_walk_chunk, state, batch, walk, start, start + size))


def _walk_chunk(state: AccountState, batch: Batch, walk: _Walk, start: int, end: int) -> None:
    for at, entry in enumerate(batch.entries[start:end], start):
        if batch.status is not walk.status:
            return
        # The rate is shared with the callers of the operation; a batch waits for its turn.
        wait = state.rates.seconds_to_wait(walk.operation)
        if wait:
            after(state, batch, wait, partial(_walk_chunk, state, batch, walk, at, end))
            return
        walk.step(state, batch, entry)
    if batch.status is not walk.status:
        return
    if end < len(batch.entries):
        _walk(state, batch, walk, end)
    else:
        walk.done(state, batch)


def _submit(state: AccountState, batch: Batch, entry: BatchEntry, attempt: int = 0) -> None:
    if batch.status is not BatchStatus.SUBMITTING:
        return
    try:
        raise_fault(state, ABORT)
    except ServiceError:
        fail_batch(state, batch, TRANSIENT_FAILURE)
        return
    try:
        raise_fault(state, SUBMIT)
        run = _start(state, batch, entry)
    except ServiceError as error:
        if error.code in _RETRIED and attempt < state.assumptions.submission_retries:
            again = partial(_submit, state, batch, entry, attempt + 1)
            after(state, batch, state.assumptions.submission_retry_seconds, again)
            return
        _note(state, batch, entry, SubmissionStatus.FAILED, error)
    else:
        entry.run_id, entry.run_uuid, entry.run_arn = run.run_id, run.uuid, run.arn
        _note(state, batch, entry, SubmissionStatus.SUCCESS)
    entry.setting = None
    if attempt:
        _end_submission(state, batch)


def _start(state: AccountState, batch: Batch, entry: BatchEntry) -> Run:
    try:
        setting = json.loads(entry.setting or "{}")
        request = merged_request(batch.request["defaultRunSetting"], setting, state.account)
        return create_run(state, request, batch=batch, run_setting_id=entry.run_setting_id)
    except ServiceError:
        raise
    except Exception as error:
        # Nothing answers a call here: without this the whole batch would stand still.
        log.exception("The run setting %r could not be submitted", entry.run_setting_id)
        raise InternalServerException(f"The local HealthOmics server failed: {error!r}") from error


def _end_submission(state: AccountState, batch: Batch) -> None:
    if batch_counts.is_all_submitted(batch):
        batch.submitted_time = state.now()
        set_status(state, batch, BatchStatus.INPROGRESS)
        end_if_settled(state, batch)


def _cancel(state: AccountState, batch: Batch, entry: BatchEntry) -> None:
    if entry.submission_status is None:
        _cancel_unsubmitted(state, batch, entry)
        return
    run = _run_of(state, entry)
    if run is None or (run.status not in ACTIVE and not state.assumptions.cancel_tries_ended_runs):
        return
    try:
        raise_fault(state, CANCEL)
        cancel_run(state, run)
    except ServiceError as error:
        _note(state, batch, entry, SubmissionStatus.CANCEL_FAILED, error)
    else:
        _note(state, batch, entry, SubmissionStatus.CANCEL_SUCCESS)


def _cancel_unsubmitted(state: AccountState, batch: Batch, entry: BatchEntry) -> None:
    reading = state.assumptions.cancelled_before_submission
    if reading is CancelledUnsubmitted.CANCEL_SUCCESS:
        _note(state, batch, entry, SubmissionStatus.CANCEL_SUCCESS)
    elif reading is CancelledUnsubmitted.FAILED:
        error = ConflictException("The batch was cancelled before this run was submitted")
        _note(state, batch, entry, SubmissionStatus.FAILED, error)


def _end_cancelling(state: AccountState, batch: Batch) -> None:
    batch.attempted = True
    end_if_settled(state, batch)


def _delete(state: AccountState, batch: Batch, entry: BatchEntry) -> None:
    if entry.run_id is None:
        return
    run = _run_of(state, entry)
    try:
        raise_fault(state, DELETE)
        # A run that someone deleted before is gone, which is what was asked for.
        if run is not None:
            delete_run(state, run)
    except ServiceError as error:
        _note(state, batch, entry, SubmissionStatus.DELETE_FAILED, error)
    else:
        _note(state, batch, entry, SubmissionStatus.DELETE_SUCCESS)


def _end_deleting(state: AccountState, batch: Batch) -> None:
    failed = batch_counts.number_of(batch, SubmissionStatus.DELETE_FAILED)
    set_status(state, batch, BatchStatus.RUNS_DELETE_FAILED if failed else BatchStatus.RUNS_DELETED)


def _run_of(state: AccountState, entry: BatchEntry) -> Run | None:
    # Ids of deleted runs can come back as other runs; the uuid cannot.
    run = state.runs.get(entry.run_id or "")
    return run if run is not None and run.uuid == entry.run_uuid else None


def _note(
    state: AccountState, batch: Batch, entry: BatchEntry, outcome: SubmissionStatus, error: ServiceError | None = None
) -> None:
    is_start = outcome in (SubmissionStatus.SUCCESS, SubmissionStatus.FAILED)
    (batch_counts.started if is_start else batch_counts.attempted)(batch, outcome)
    entry.submission_status = outcome
    entry.submitted_at = entry.submitted_at or state.now()
    entry.failure_reason = error.code if error else None
    entry.failure_message = error.message if error else None
