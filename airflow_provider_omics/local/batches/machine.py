"""The life of a run batch: CREATING, PENDING, SUBMITTING, INPROGRESS, and how it ends."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus
from airflow_provider_omics.local.aws import S3Error
from airflow_provider_omics.local.batches import counts as batch_counts
from airflow_provider_omics.local.batches.settings import (
    BatchFailure,
    check_entries,
    entries_of_file,
    entries_of_list,
)
from airflow_provider_omics.local.batches.status import (
    TRANSIENT_FAILURE,
    after,
    end_if_settled,
    fail_batch,
    raise_fault,
    set_status,
)
from airflow_provider_omics.local.batches.steps import cancel_entries, delete_entries, submit_entries
from airflow_provider_omics.local.errors import ServiceError, error_of_code
from airflow_provider_omics.local.faults import VALIDATE
from airflow_provider_omics.local.records import Batch
from airflow_provider_omics.local.workflows.catalogue import READY2RUN

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import BatchEntry, Run

NO_READY2RUN = "Batch runs are not supported with READY2RUN workflows"

_CANCELLABLE = frozenset({BatchStatus.PENDING, BatchStatus.SUBMITTING, BatchStatus.INPROGRESS})
_RUNS_DELETABLE = frozenset({BatchStatus.PROCESSED, BatchStatus.CANCELLED})
_DELETABLE = frozenset(
    {
        BatchStatus.PROCESSED,
        BatchStatus.FAILED,
        BatchStatus.CANCELLED,
        BatchStatus.RUNS_DELETE_FAILED,
        BatchStatus.RUNS_DELETED,
    }
)


def attach_batches(state: AccountState) -> None:
    """Have every change of a run counted in its batch from now on; called once per account and region."""
    state.run_observers.append(partial(_run_changed, state))


def start_batch(state: AccountState, request: dict[str, Any], tags: dict[str, str], etag: str | None) -> Batch:
    """Make a batch, CREATING at first; its checks and submissions follow on the timeline (StartRunBatch).

    :param request: passed every check that belongs into the call.
    :param etag: of the object that ``s3UriSettings`` names, as it is now.
    """
    batch_id = state.new_id()
    batch = Batch(
        batch_id=batch_id,
        uuid=state.new_uuid(),
        arn=state.arn(f"runBatch/{batch_id}"),
        status=BatchStatus.CREATING,
        request=request,
        creation_time=state.now(),
        name=request.get("batchName"),
        tags=tags,
        etag=etag,
    )
    inline = request["batchRunSettings"].get("inlineSettings")
    if inline is not None:
        _take_entries(batch, entries_of_list(inline))
    state.batches[batch_id] = batch
    for observer in state.batch_observers:
        observer(batch, None)
    after(state, batch, state.timings.batch_creating, partial(_created, state, batch))
    return batch


def cancel_batch(state: AccountState, batch: Batch) -> None:
    """Begin to cancel a batch with all its runs, also those not submitted yet (CancelRunBatch).

    :raises ServiceError: the batch is in another state than PENDING, SUBMITTING or INPROGRESS.
    """
    _check_state(state, batch, _CANCELLABLE, "cancelled")
    set_status(state, batch, BatchStatus.STOPPING)
    cancel_entries(state, batch)


def delete_runs(state: AccountState, batch: Batch) -> None:
    """Begin to delete the runs of a batch (DeleteRunBatch).

    :raises ServiceError: the batch is in another state than PROCESSED or CANCELLED.
    """
    _check_state(state, batch, _RUNS_DELETABLE, "have its runs deleted")
    set_status(state, batch, BatchStatus.RUNS_DELETING)
    delete_entries(state, batch)


def delete_batch(state: AccountState, batch: Batch) -> None:
    """Delete a batch's metadata and leave its runs (DeleteBatch).

    :raises ServiceError: the batch is not in a terminal state.
    """
    _check_state(state, batch, _DELETABLE, "deleted")
    del state.batches[batch.batch_id]


def _check_state(state: AccountState, batch: Batch, allowed: frozenset[BatchStatus], verb: str) -> None:
    if batch.status not in allowed:
        states = ", ".join(status for status in BatchStatus if status in allowed)
        raise error_of_code(
            state.assumptions.wrong_state_code,
            f"Batch {batch.batch_id} is {batch.status}; it can be {verb} only in {states}",
        )


def _created(state: AccountState, batch: Batch) -> None:
    set_status(state, batch, BatchStatus.PENDING)
    after(state, batch, state.timings.batch_validating, partial(_validate, state, batch))


def _validate(state: AccountState, batch: Batch) -> None:
    if batch.status is not BatchStatus.PENDING:
        return
    try:
        _check_ready2run(batch)
        raise_fault(state, VALIDATE)
        entries = _read_entries(state, batch)
        check_entries(entries, state.quotas.runs_per_batch)
    except BatchFailure as failure:
        fail_batch(state, batch, str(failure))
    except ServiceError:
        fail_batch(state, batch, TRANSIENT_FAILURE)
    else:
        if batch.total_runs is None:
            _take_entries(batch, entries)
        set_status(state, batch, BatchStatus.SUBMITTING)
        submit_entries(state, batch)


def _check_ready2run(batch: Batch) -> None:
    if batch.request["defaultRunSetting"].get("workflowType") == READY2RUN:
        raise BatchFailure(NO_READY2RUN)


def _read_entries(state: AccountState, batch: Batch) -> list[BatchEntry]:
    uri = batch.request["batchRunSettings"].get("s3UriSettings")
    if uri is None:
        return batch.entries
    try:
        head = state.aws.head(uri)
        if head is None:
            raise BatchFailure(f"The run configurations at {uri} do not exist any more")
        if head.etag != batch.etag:
            raise BatchFailure(
                f"The run configurations at {uri} were modified: expected etag {batch.etag} but it is {head.etag}"
            )
        return entries_of_file(state.aws.get_object(uri))
    except S3Error as error:
        raise BatchFailure(f"The run configurations cannot be read: {error}") from error


def _take_entries(batch: Batch, entries: list[BatchEntry]) -> None:
    batch.entries = entries
    batch.positions = {entry.run_setting_id: at for at, entry in enumerate(entries)}
    batch_counts.begin(batch, len(entries))


def _run_changed(state: AccountState, run: Run, old: RunStatus | None) -> None:
    batch = state.batches.get(run.batch_id or "")
    if batch is not None:
        batch_counts.run_moved(state, batch, old, run.status)
        end_if_settled(state, batch)
