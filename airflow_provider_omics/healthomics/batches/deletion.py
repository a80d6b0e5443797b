"""Deleting the runs of a batch, or its record, which only some of its states allow; for worker and triggerer alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import Request, Requests
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.service_errors import ErrorCategory, InvalidStateError, categorize
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, Phase, SubmissionStatus
from airflow_provider_omics.healthomics.batches.batch_poll import get_batch
from airflow_provider_omics.healthomics.batches.snapshots import DELETED, BatchSnapshot
from airflow_provider_omics.healthomics.runs.commands import read_after_refusal

_RUNS_DELETABLE = frozenset({BatchStatus.PROCESSED, BatchStatus.CANCELLED})
_DELETABLE = _RUNS_DELETABLE | {BatchStatus.FAILED, BatchStatus.RUNS_DELETE_FAILED, BatchStatus.RUNS_DELETED}
# The state may change between a refusal and the poll after it.
_TRIES = 3

_WAIT = "Wait for its end, or cancel it with OmicsCancelRunBatchOperator, first"
_WAIT_FOR_CANCEL = "It is being cancelled; wait for its end first"
_ONE_BY_ONE = "delete its runs one by one with OmicsDeleteRunOperator (ListRuns shows them by batchId)"
_RUNS_REMEDIES: dict[str, str] = {
    BatchStatus.STOPPING: _WAIT_FOR_CANCEL,
    BatchStatus.FAILED: (
        f"The service never deletes the runs of such a batch with it: {_ONE_BY_ONE}, "
        "or only its record with OmicsDeleteBatchOperator"
    ),
    BatchStatus.RUNS_DELETE_FAILED: f"The service does not try it again: {_ONE_BY_ONE}",
}
_RECORD_REMEDIES: dict[str, str] = {
    BatchStatus.STOPPING: _WAIT_FOR_CANCEL,
    BatchStatus.RUNS_DELETING: "Wait until its runs are deleted first",
}


@dataclass(frozen=True)
class UndeletedRun:
    """A run that a batch could not delete.

    :param reason: ``submissionFailureReason`` of ListRunsInBatch.
    :param message: its text.
    """

    run_setting_id: str | None
    run_id: str | None
    reason: str | None
    message: str | None

    def describe(self) -> str:
        """Tell which run it is and what kept it."""
        cause = ": ".join(part for part in (self.reason, self.message) if part) or "without a reason"
        return f"{self.run_setting_id}, run {self.run_id}: {cause}"


def delete_runs(batch_id: str) -> Requests[BatchSnapshot]:
    """Ask for all runs of a batch to be deleted (DeleteRunBatch).

    :return: the batch, which is RUNS_DELETING, or RUNS_DELETED or gone if there is nothing left to delete.
    :raises InvalidStateError: the batch is in a state that does not allow it.
    """
    refused = yield from _ask("DeleteRunBatch", batch_id, _RUNS_DELETABLE)
    if refused is None:
        return BatchSnapshot(batch_id, BatchStatus.RUNS_DELETING.value)
    error, batch = refused
    if batch.status in (BatchStatus.RUNS_DELETING, BatchStatus.RUNS_DELETED):
        return batch
    if batch.status == DELETED:
        if (yield from has_runs(batch_id)):
            remedy = f"The batch's record is gone, but not its runs: {_ONE_BY_ONE}"
            raise InvalidStateError(error, remedy, FailureClass.INPUT) from error
        return batch
    raise _wrong_state(error, batch, _RUNS_REMEDIES) from error


def delete_record(batch_id: str) -> Requests[bool]:
    """Ask for the record of a batch to be deleted (DeleteBatch); its runs stay.

    :return: True if it will be; False if it was gone already.
    :raises InvalidStateError: the batch is in a state that does not allow it.
    """
    refused = yield from _ask("DeleteBatch", batch_id, _DELETABLE)
    if refused is None:
        return True
    error, batch = refused
    if batch.status == DELETED:
        return False
    raise _wrong_state(error, batch, _RECORD_REMEDIES) from error


def has_runs(batch_id: str) -> Requests[bool]:
    """Say whether any run of a batch exists, also when the batch itself does not any more (ListRuns)."""
    try:
        answer = yield Request("ListRuns", {"batchId": batch_id, "maxResults": 1})
    except ClientError as error:
        if categorize(error) is ErrorCategory.NOT_FOUND:
            return False
        raise
    items: list[Any] = answer.get("items", [])
    return any(item.get("status") != DELETED for item in items)


def undeleted_runs(batch_id: str, limit: int) -> Requests[tuple[UndeletedRun, ...]]:
    """Return the first runs that a batch could not delete (ListRunsInBatch).

    :param limit: most of them, 1 to 100.
    """
    answer = yield Request(
        "ListRunsInBatch",
        {"batchId": batch_id, "submissionStatus": SubmissionStatus.DELETE_FAILED.value, "maxItems": limit},
    )
    return tuple(
        UndeletedRun(
            item.get("runSettingId"),
            item.get("runId"),
            item.get("submissionFailureReason"),
            item.get("submissionFailureMessage"),
        )
        for item in answer.get("runs", [])
    )


def _ask(
    operation: str, batch_id: str, allowed: frozenset[BatchStatus]
) -> Requests[tuple[ClientError, BatchSnapshot] | None]:
    """Make a call that only some states of a batch allow.

    :return: None once the service took it; else its refusal, and the batch that it is about.
    """
    for _ in range(_TRIES):
        try:
            yield Request(operation, {"batchId": batch_id})
        except ClientError as error:
            refusal = error
            batch = yield from read_after_refusal(error, get_batch(batch_id))
            if batch is None:
                return error, BatchSnapshot(batch_id).as_deleted()
            if batch.status not in allowed:
                return error, batch
        else:
            return None
    raise refusal


def _wrong_state(error: ClientError, batch: BatchSnapshot, remedies: dict[str, str]) -> InvalidStateError:
    default = _WAIT if batch.phase is Phase.ACTIVE else "Look at the batch first"
    changes = batch.phase is Phase.ACTIVE or batch.status == BatchStatus.RUNS_DELETING
    remedy = f"The batch is {batch.status}. {remedies.get(batch.status or '', default)}"
    return InvalidStateError(error, remedy, FailureClass.TRANSIENT if changes else FailureClass.INPUT)


class OmicsRunsNotDeletedError(OmicsError):
    """Runs of a batch could not be deleted.

    :ivar batch: the batch as last seen.
    :ivar undeleted: the first of the runs, with what kept them.
    """

    def __init__(self, batch: BatchSnapshot, undeleted: Sequence[UndeletedRun] = ()) -> None:
        super().__init__(batch, undeleted)
        self.batch = batch
        self.undeleted = tuple(undeleted)

    @property
    def batch_id(self) -> str:
        """Id of the batch."""
        return self.batch.batch_id

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        number = self.batch.failed_deletions or "some"
        head = (
            f"HealthOmics batch {self.batch_id} ended {self.batch.status}: {number} of its runs could not be deleted."
        )
        fix = "What to do: delete them one by one with OmicsDeleteRunOperator, since the service does not try it again."
        return "\n".join([head, *(f"- {run.describe()}" for run in self.undeleted), fix])
