"""Waiting for a batch, or for one of its samples, in the triggerer."""

from __future__ import annotations

import asyncio
import time
import warnings
from typing import Any, ClassVar

from airflow.exceptions import AirflowProviderDeprecationWarning
from asgiref.sync import sync_to_async

from airflow_provider_omics.compat import task_state
from airflow_provider_omics.healthomics.api.calls import Question
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.batches.batch_poll import BatchGoal, BatchPoll, request_cancel
from airflow_provider_omics.healthomics.batches.cohort_poll import BatchTrail, SampleTrail, Trail
from airflow_provider_omics.healthomics.batches.sample_poll import SamplePoll
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot, SampleSnapshot
from airflow_provider_omics.healthomics.discovery.cohort_search import CohortTask
from airflow_provider_omics.healthomics.requests.identity import TaskIdentity
from airflow_provider_omics.healthomics.results.failure_news import FailureNews
from airflow_provider_omics.healthomics.watcher.watcher import StatusWatcher
from airflow_provider_omics.triggers.base import OmicsJobTrigger, OmicsWaitTrigger

# Airflow gives a trigger 30 seconds to act on a kill; a batch is CREATING for less than that as a rule.
_CREATING_POLLS, _CREATING_PAUSE = 20, 1.0


class OmicsBatchTrigger(OmicsJobTrigger[BatchSnapshot]):
    """Wait until a batch has ended, and fire one event that says how (GetBatch).

    See https://docs.aws.amazon.com/omics/latest/api/API_GetBatch.html

    :param batch_id: id of the batch. Required.
    :param target: what to wait for: ``ended`` (one that FAILED or was CANCELLED only once its last run has ended),
        ``decided`` (whatever its runs do), ``cancel_requested``, ``runs_deleted`` or ``gone``. Default ``ended``.
    :param cancel: whether the batch is to be cancelled as soon as its state allows it. Default ``False``.
    :param fail_above: cancel the batch once more samples than this have come to something else than COMPLETED; None for
        never.
    :param whole_cohort: whether to go on to the last batch of its cohort, and to add up what they came to (ListBatch);
        only with the target ``decided``. Default ``False``.
    :param goal: deprecated name of ``target``, which triggers that 0.1.0 stored have; None where that is given.
    :param just_started: whether the service has named it just now and may not show it yet; then it may be not found for
        a minute, and counts as known otherwise. Default ``False``.
    :param gone_is_end: whether one that is not found counts as ended; it was changed by the task, so it is known.
        Default ``False``.
    :param cancel_on_kill: whether it is cancelled when a user kills, clears or marks the deferred task; never when the
        triggerer restarts or hands the trigger on. Default ``False``.
    :param cancel_on_timeout: whether it is cancelled at the deadline; None for the same as ``cancel_on_kill``.
    :param waiter_delay: seconds between two polls, 0.01 to 604,800. Triggers of one connection are polled together, so
        it says how old what they know may be, as far as the budget of calls allows. Default ``30``.
    :param waiter_max_attempts: most polls that are answered, 1 or more; None for no limit. A triggerer that restarts
        counts from the beginning.
    :param error_budget: seconds for which errors are put up with before the wait ends, 0 or more; of any kind once the
        service has answered, before that only of those that pass by themselves. Default ``3600``.
    :param is_known: whether the service has answered about it before, to the task. Default ``False``.
    :param deadline: when to stop waiting, in seconds since the epoch; None for never.
    :param resume_state: what the task has to know to finish, as JSON values; comes back in the event under
        ``resume_state``. None for nothing, and then the event has no such key.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    arguments: ClassVar[tuple[str, ...]] = ("batch_id", "target", "cancel", "fail_above", "whole_cohort")

    def __init__(
        self,
        *,
        batch_id: str,
        target: str = BatchGoal.ENDED.value,
        cancel: bool = False,
        fail_above: int | None = None,
        whole_cohort: bool = False,
        goal: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if goal is not None:
            text = "goal of OmicsBatchTrigger is now called target; only triggers that are stored keep the old name"
            warnings.warn(text, AirflowProviderDeprecationWarning, stacklevel=2)
            target = goal
        self.batch_id = batch_id
        self.whole_cohort = whole_cohort
        self.target = target
        self.cancel = cancel
        self.fail_above = fail_above

    @property
    def label(self) -> str:
        """What to call the batch in the log."""
        return f"batch {self.batch_id}"

    def new_poll(self) -> BatchPoll:
        """Return how to look at the batch."""
        goal = BatchGoal(self.target)
        news = FailureNews() if goal in (BatchGoal.ENDED, BatchGoal.DECIDED) else None
        return BatchPoll(self.batch_id, goal, cancel=self.cancel, fail_above=self.fail_above, failure_news=news)

    def trail(self) -> Trail[BatchSnapshot] | None:
        """Return the batches to wait for, one after the other."""
        return BatchTrail(self.batch_id, FailureNews) if self.whole_cohort else None

    async def cancel_job(self, watcher: StatusWatcher) -> bool:
        """Ask for the batch to be cancelled (CancelRunBatch), or its runs if it FAILED; False if nothing is left.

        A batch that is CREATING cannot be cancelled yet; it is asked again for at most 20 seconds.
        """
        for _ in range(_CREATING_POLLS):
            snapshot, requested = await watcher.ask(request_cancel(self.batch_id))
            if requested:
                return not snapshot.phase.is_final
            await asyncio.sleep(_CREATING_PAUSE)
        raise TimeoutError(f"batch {self.batch_id} stayed {snapshot.status}, in which it cannot be cancelled")


class OmicsBatchRunTrigger(OmicsWaitTrigger[SampleSnapshot]):
    """Wait until one sample of a batch was submitted or has ended, and fire one event that says how.

    Where a list has shown the end, ``output_uri`` of the event's ``run`` is None, and the failure code and message of a
    run that failed are left to be asked for (GetRun), as the sensor does.

    See https://docs.aws.amazon.com/omics/latest/api/API_ListRunsInBatch.html

    :param batch_id: id of the batch; None with ``cohort``. Required.
    :param run_setting_id: the sample. Required.
    :param target: ``submitted`` to wait for the outcome of its submission, ``completed`` for the end of its run.
        Default ``completed``.
    :param whole_cohort: whether other batches of the cohort tell too, the newest that has the sample (ListBatch).
        Default ``False``.
    :param cohort: the task that starts the batches, as
        :class:`~airflow_provider_omics.healthomics.discovery.cohort_search.CohortTask` writes it; None with
        ``batch_id``.
    :param waiter_delay: seconds between two polls, 0.01 to 604,800. Triggers of one connection are polled together, so
        it says how old what they know may be, as far as the budget of calls allows. Default ``30``.
    :param waiter_max_attempts: most polls that are answered, 1 or more; None for no limit. A triggerer that restarts
        counts from the beginning.
    :param error_budget: seconds for which errors are put up with before the wait ends, 0 or more; of any kind once the
        service has answered, before that only of those that pass by themselves. Default ``3600``.
    :param is_known: whether the service has answered about it before, to the task. Default ``False``.
    :param deadline: when to stop waiting, in seconds since the epoch; None for never.
    :param resume_state: what the task has to know to finish, as JSON values; comes back in the event under
        ``resume_state``. None for nothing, and then the event has no such key.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    arguments: ClassVar[tuple[str, ...]] = ("batch_id", "run_setting_id", "target", "whole_cohort", "cohort")

    def __init__(
        self,
        *,
        batch_id: str | None,
        run_setting_id: str,
        target: str = "completed",
        whole_cohort: bool = False,
        cohort: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.run_setting_id = run_setting_id
        self.target = target
        self.whole_cohort = whole_cohort
        self.cohort = cohort

    def new_poll(self) -> SamplePoll:
        """Return how to look at the sample in the batch."""
        return SamplePoll(self.batch_id or "", self.run_setting_id, only_submission=self._only_submission)

    def trail(self) -> Trail[SampleSnapshot] | None:
        """Return the batches in which to look for the sample, one after the other."""
        if self.cohort is None and not self.whole_cohort:
            return None
        cohort = None if self.cohort is None else CohortTask.from_payload(self.cohort)
        question = None if cohort is None else self._question(cohort.task)
        return SampleTrail(self.batch_id or "", self.run_setting_id, self._only_submission, cohort, question, time.time)

    @property
    def _only_submission(self) -> bool:
        return self.target == "submitted"

    def _question(self, task: TaskIdentity) -> Question:
        def ask() -> str | None:
            try:
                return task_state(task) or "none"
            except Exception as error:
                self.log.warning("%s", entry("Whether task %s goes on is not known: %s", task.task_id, error))
                return None

        return Question("GetTaskState", {}, ask, sync_to_async(ask))
