"""Cancelling and deleting a run, for worker and triggerer alike."""

from __future__ import annotations

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import Request, Requests
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.service_errors import (
    INVALID_STATE_CODES,
    ErrorCategory,
    InvalidStateError,
    categorize,
    error_code,
)
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.polling.poll import SnapshotT
from airflow_provider_omics.healthomics.runs.poll import get_run


def cancel_run(run_id: str) -> Requests[bool]:
    """Ask for a run to be cancelled (CancelRun).

    :return: True if it will be; False if it had ended or is gone, which is as good.
    """
    try:
        yield Request("CancelRun", {"id": run_id})
    except ClientError as error:
        run = yield from read_after_refusal(error, get_run(run_id))
        if run is not None and not run.phase.is_final:
            raise
        return False
    return True


def delete_run(run_id: str) -> Requests[bool]:
    """Delete a run's record (DeleteRun); its outputs and logs stay.

    :return: True if it was deleted; False if it was gone already.
    :raises InvalidStateError: it has not ended.
    """
    try:
        yield Request("DeleteRun", {"id": run_id})
    except ClientError as error:
        run = yield from read_after_refusal(error, get_run(run_id))
        if run is None or run.phase is Phase.DELETED:
            return False
        if run.phase is Phase.ACTIVE:
            remedy = f"The run is {run.status}: cancel it and wait for its end first"
            raise InvalidStateError(error, remedy, FailureClass.TRANSIENT) from error
        raise
    return True


def read_after_refusal(refusal: ClientError, poll: Requests[SnapshotT]) -> Requests[SnapshotT | None]:
    """Read what a call was refused for, if its state may be the cause; else raise the refusal.

    :param poll: asks the service once.
    :return: None if it is not there.
    """
    if categorize(refusal) is ErrorCategory.NOT_FOUND:
        return None
    # Which code stands for the wrong state is not documented.
    if error_code(refusal) not in INVALID_STATE_CODES:
        raise refusal
    try:
        return (yield from poll)
    except ClientError as error:
        match categorize(error):
            case ErrorCategory.NOT_FOUND:
                return None
            case ErrorCategory.TRANSIENT:
                raise
        raise refusal from error
