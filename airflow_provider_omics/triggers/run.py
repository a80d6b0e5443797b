"""Waiting for a run in the triggerer."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow_provider_omics.healthomics.runs.commands import cancel_run
from airflow_provider_omics.healthomics.runs.poll import RunPoll
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.healthomics.watcher.watcher import StatusWatcher
from airflow_provider_omics.triggers.base import OmicsJobTrigger


class OmicsRunTrigger(OmicsJobTrigger[RunSnapshot]):
    """Wait until a run has ended, and fire one event that says how (GetRun).

    Takes the parameters of :class:`~airflow_provider_omics.triggers.base.OmicsWaitTrigger` and
    :class:`~airflow_provider_omics.triggers.base.OmicsJobTrigger` too.

    See https://docs.aws.amazon.com/omics/latest/api/API_GetRun.html

    :param run_id: id of the run.
    """

    arguments: ClassVar[tuple[str, ...]] = ("run_id",)

    def __init__(self, *, run_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_id = run_id

    @property
    def label(self) -> str:
        """What to call the run in the log."""
        return f"run {self.run_id}"

    def new_poll(self) -> RunPoll:
        """Return how to look at the run."""
        return RunPoll(self.run_id)

    async def cancel_job(self, watcher: StatusWatcher) -> bool:
        """Ask for the run to be cancelled; False if it had ended or is gone (CancelRun)."""
        return await watcher.ask(cancel_run(self.run_id))
