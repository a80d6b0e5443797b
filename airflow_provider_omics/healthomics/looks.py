"""Looking at a run, cancelling and deleting it, for worker and triggerer alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.calls import Call, Steps
from airflow_provider_omics.healthomics.failures import FailureClass
from airflow_provider_omics.healthomics.outcome import RunView
from airflow_provider_omics.healthomics.service_errors import (
    WRONG_STATE_CODES,
    Nature,
    WrongStateError,
    error_code,
    nature,
)
from airflow_provider_omics.healthomics.statuses import Phase
from airflow_provider_omics.healthomics.waiting import V, tell_changes


@dataclass(slots=True)
class RunLook:
    """Looks at one run (GetRun)."""

    run_id: str
    operation: str = "GetRun"
    unseen: RunView = field(init=False)
    _known: RunView = field(init=False)

    def __post_init__(self) -> None:
        self.unseen = self._known = RunView(self.run_id)

    def steps(self) -> Steps[RunView]:
        """Ask once."""
        self._known = same_run(self._known, (yield from look_at_run(self.run_id)))
        return self._known

    def is_over(self, view: RunView) -> bool:
        """Whether the run has ended, however it did."""
        return view.phase.is_final

    def tell(self, before: RunView | None, view: RunView) -> str | None:
        """Tell a change of status."""
        return tell_changes(before, view)


def look_at_run(run_id: str) -> Steps[RunView]:
    """Look at a run once (GetRun)."""
    answer = yield Call("GetRun", {"id": run_id})
    return RunView.of(answer)


def same_run(known: RunView, seen: RunView) -> RunView:
    """Return what was seen if it is the run that is known, else the known one as deleted.

    The service gives ids of deleted runs to others; only the uuid tells them apart.
    """
    is_other = known.uuid and seen.uuid and known.uuid != seen.uuid
    return known.gone() if is_other else seen


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
