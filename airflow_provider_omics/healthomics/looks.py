"""Looking at a run, and cancelling it, for worker and triggerer alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.calls import Call, Steps
from airflow_provider_omics.healthomics.outcome import RunView
from airflow_provider_omics.healthomics.service_errors import WRONG_STATE_CODES, Nature, error_code, nature
from airflow_provider_omics.healthomics.waiting import tell_changes


@dataclass
class RunLook:
    """Looks at one run (GetRun)."""

    run_id: str
    operation: str = "GetRun"
    unseen: RunView = field(init=False)

    def __post_init__(self) -> None:
        self.unseen = RunView(self.run_id)

    def steps(self) -> Steps[RunView]:
        """Ask once."""
        return look_at_run(self.run_id)

    def is_over(self, view: RunView) -> bool:
        """Whether the run has ended, however it did."""
        return view.phase.is_final

    def tell(self, before: RunView | None, view: RunView) -> str | None:
        """Tell a change of status."""
        return tell_changes(before, view)


def look_at_run(run_id: str) -> Steps[RunView]:
    """Look at a run once."""
    answer = yield Call("GetRun", {"id": run_id})
    return RunView.of(answer)


def cancel_run(run_id: str) -> Steps[bool]:
    """Ask for a run to be cancelled (CancelRun).

    :return: True if it will be; False if it had ended or is gone, which is as good.
    """
    try:
        yield Call("CancelRun", {"id": run_id})
    except ClientError as error:
        if nature(error) is Nature.MISSING:
            return False
        # Which code stands for a run that has ended is not documented.
        if error_code(error) not in WRONG_STATE_CODES or not (yield from _has_ended(run_id)):
            raise
        return False
    return True


def _has_ended(run_id: str) -> Steps[bool]:
    try:
        run = yield from look_at_run(run_id)
    except ClientError as error:
        if nature(error) is Nature.MISSING:
            return True
        raise
    return run.phase.is_final
