"""Cancelling and deleting a run, for worker and triggerer alike."""

from __future__ import annotations

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import Call, Steps
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.service_errors import (
    WRONG_STATE_CODES,
    Nature,
    WrongStateError,
    error_code,
    nature,
)
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.polling.poll import V
from airflow_provider_omics.healthomics.runs.poll import look_at_run


def cancel_run(run_id: str) -> Steps[bool]:
    """Ask for a run to be cancelled (CancelRun).

    :return: True if it will be; False if it had ended or is gone, which is as good.
    """
    try:
        yield Call("CancelRun", {"id": run_id})
    except ClientError as error:
        run = yield from look_behind(error, look_at_run(run_id))
        if run is not None and not run.phase.is_final:
            raise
        return False
    return True


def delete_run(run_id: str) -> Steps[bool]:
    """Delete a run's record (DeleteRun); its outputs and logs stay.

    :return: True if it was deleted; False if it was gone already.
    :raises WrongStateError: it has not ended.
    """
    try:
        yield Call("DeleteRun", {"id": run_id})
    except ClientError as error:
        run = yield from look_behind(error, look_at_run(run_id))
        if run is None or run.phase is Phase.DELETED:
            return False
        if run.phase is Phase.ACTIVE:
            remedy = f"The run is {run.status}: cancel it and wait for its end first"
            raise WrongStateError(error, remedy, FailureClass.TRANSIENT) from error
        raise
    return True


def look_behind(refusal: ClientError, look: Steps[V]) -> Steps[V | None]:
    """Look at what a call was refused for, if its state may be the cause; else raise the refusal.

    :param look: asks the service once.
    :return: None if it is not there.
    """
    if nature(refusal) is Nature.MISSING:
        return None
    # Which code stands for the wrong state is not documented.
    if error_code(refusal) not in WRONG_STATE_CODES:
        raise refusal
    try:
        return (yield from look)
    except ClientError as error:
        match nature(error):
            case Nature.MISSING:
                return None
            case Nature.PASSING:
                raise
        raise refusal from error
