"""Waiting for a batch, or for one of its samples, in the triggerer."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from airflow_provider_omics.healthomics.batch_looks import BatchGoal, BatchLook, SampleLook, request_cancel
from airflow_provider_omics.healthomics.batch_views import BatchView, SampleView
from airflow_provider_omics.healthomics.watch import StatusWatcher
from airflow_provider_omics.triggers.base import OmicsJobTrigger, OmicsWaitTrigger

# Airflow gives a trigger 30 seconds to act on a kill; a batch is CREATING for less than that as a rule.
_CREATING_LOOKS, _CREATING_PAUSE = 20, 1.0


class OmicsBatchTrigger(OmicsJobTrigger[BatchView]):
    """Wait until a batch has ended, and fire one event that says how (GetBatch).

    Takes the parameters of :class:`~airflow_provider_omics.triggers.base.OmicsWaitTrigger` and
    :class:`~airflow_provider_omics.triggers.base.OmicsJobTrigger` too.

    See https://docs.aws.amazon.com/omics/latest/api/API_GetBatch.html

    :param batch_id: id of the batch.
    :param goal: what to wait for: ``ended`` (one that FAILED or was CANCELLED only once its last run has ended),
        ``decided`` (whatever its runs do), ``cancel_requested``, ``runs_deleted`` or ``gone``.
    :param cancel: whether the batch is to be cancelled as soon as its state allows it.
    :param fail_above: cancel the batch once more samples than this have come to something else than COMPLETED; None
        for never.
    """

    arguments: ClassVar[tuple[str, ...]] = ("batch_id", "goal", "cancel", "fail_above")

    def __init__(
        self,
        *,
        batch_id: str,
        goal: str = BatchGoal.ENDED.value,
        cancel: bool = False,
        fail_above: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.goal = goal
        self.cancel = cancel
        self.fail_above = fail_above

    @property
    def label(self) -> str:
        """What to call the batch in the log."""
        return f"batch {self.batch_id}"

    def new_look(self) -> BatchLook:
        """Return how to look at the batch."""
        return BatchLook(self.batch_id, BatchGoal(self.goal), cancel=self.cancel, fail_above=self.fail_above)

    async def stop(self, watcher: StatusWatcher) -> bool:
        """Ask for the batch to be cancelled (CancelRunBatch), or its runs if it FAILED; False if nothing is left.

        A batch that is CREATING cannot be cancelled yet; it is asked again for at most 20 seconds.
        """
        for _ in range(_CREATING_LOOKS):
            view, requested = await watcher.ask(request_cancel(self.batch_id))
            if requested:
                return not view.phase.is_final
            await asyncio.sleep(_CREATING_PAUSE)
        raise TimeoutError(f"batch {self.batch_id} stayed {view.status}, in which it cannot be cancelled")


class OmicsBatchRunTrigger(OmicsWaitTrigger[SampleView]):
    """Wait until one sample of a batch was submitted or has ended, and fire one event that says how.

    Takes the parameters of :class:`~airflow_provider_omics.triggers.base.OmicsWaitTrigger` too.

    See https://docs.aws.amazon.com/omics/latest/api/API_ListRunsInBatch.html

    :param batch_id: id of the batch.
    :param run_setting_id: the sample.
    :param target: ``submitted`` to wait for the outcome of its submission, ``completed`` for the end of its run.
    """

    arguments: ClassVar[tuple[str, ...]] = ("batch_id", "run_setting_id", "target")

    def __init__(self, *, batch_id: str, run_setting_id: str, target: str = "completed", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.run_setting_id = run_setting_id
        self.target = target

    def new_look(self) -> SampleLook:
        """Return how to look at the sample."""
        return SampleLook(self.batch_id, self.run_setting_id, only_submission=self.target == "submitted")
