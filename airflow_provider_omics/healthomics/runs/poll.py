"""Polling a run, for worker and triggerer alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_omics.healthomics.api.calls import Call, Steps
from airflow_provider_omics.healthomics.polling.poll import tell_changes
from airflow_provider_omics.healthomics.runs.snapshot import RunView


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
