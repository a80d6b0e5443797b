"""Base of the operators that start a job: Airflow's hooks, and what becomes of the job when they are called."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_omics.compat import (
    DEFERRAL_ERRORS,
    is_deferral_timeout,
    retry_is_left,
    task_state,
    tries_before_clear,
)
from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.api.calls import send
from airflow_provider_omics.healthomics.api.console import run_list_url
from airflow_provider_omics.healthomics.api.errors import OmicsError, message_of
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason, WaitResult
from airflow_provider_omics.healthomics.requests.identity import FINISHED_TAG, JobKey, TaskIdentity
from airflow_provider_omics.healthomics.runs.failure import RunFailure
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.hooks.omics import CREATING_PAUSES
from airflow_provider_omics.jobs.cancellation import CancelReason, Decision, decide, reason_of_state
from airflow_provider_omics.jobs.kinds import JobKind, JobT
from airflow_provider_omics.jobs.record import JobRecord
from airflow_provider_omics.jobs.rivals import Rivals
from airflow_provider_omics.jobs.submission import IdempotentSubmitter
from airflow_provider_omics.operators.waiting import OmicsWaitingOperator
from airflow_provider_omics.triggers.base import OmicsWaitTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_REASONS = {
    StopReason.ATTEMPTS: CancelReason.ATTEMPTS_USED_UP,
    StopReason.DEADLINE: CancelReason.EXECUTION_TIMEOUT,
    StopReason.ERROR: CancelReason.POLLS_FAILED,
    StopReason.UNREACHABLE: CancelReason.POLLS_FAILED,
}


class OmicsJobOperator(OmicsWaitingOperator[JobT]):
    """Base of the operators that start a run or a batch.

    Whatever else makes the task fail, errors of polling above all, the job goes on: it is left for the next try, or for
    the next clear of the task. A worker that gets SIGTERM asks Airflow why: if the task still counts as running, its
    machine was drained or its process evicted, and the job is left for the next try, if there is one.

    :param wait_for_completion: whether to wait for the end. Default ``True``.
    :param cancel_on_kill: whether the job is cancelled when nobody wants its result any more: when a user marks or
        clears the task, its DAG run times out, ``execution_timeout`` is reached, ``waiter_max_attempts`` is with no
        retry left, or the worker of the last try is asked to end; if not, it never is. Default ``True``.
    :param on_timeout: what becomes of the job at the task's ``execution_timeout``: ``cancel``, or ``detach`` to leave
        it running. Default ``cancel``.
    :param durable: whether a later try takes over the job of an earlier one; if not, every try starts one. Default
        ``True``.
    :param identity_tags: whether the job is tagged with DAG, DAG run, task and map index, by which a later try finds
        it; it needs ``omics:TagResource``. Without the tags a job is found only if it has the default name. Default
        ``True``.
    """

    request_id: str | None = None
    job_kind: ClassVar[JobKind[Any]]

    def __init__(
        self,
        *,
        wait_for_completion: bool | str = True,
        cancel_on_kill: bool | str = True,
        on_timeout: str = "cancel",
        durable: bool | str = True,
        identity_tags: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wait_for_completion: bool = as_read(wait_for_completion)
        self.cancel_on_kill: bool = as_read(cancel_on_kill)
        self.on_timeout = on_timeout
        self.durable: bool = as_read(durable)
        self.identity_tags: bool = as_read(identity_tags)
        self._job_id: str | None = None
        self._record: JobRecord | None = None
        self._started_at = 0.0
        self._has_timed_out = False
        self._retry_left = False
        self._is_cancelled = False
        self._pending_log: str | None = None
        self._waits_without_trigger = False

    @abstractmethod
    def submitter(self, context: Context) -> IdempotentSubmitter[JobT]:
        """Return the submitter of the task's jobs."""

    @abstractmethod
    def wait_in_worker(self, context: Context, job: JobT) -> Any:
        """Wait in the worker for a job whose trigger failed, unless it has ended, and finish as the trigger would."""

    def begin_try(self, context: Context) -> None:
        """Note what a kill has to know, since a signal handler can ask for nothing."""
        self._started_at = time.monotonic()
        self._has_timed_out = False
        # A try may have the operator of the one before, as in dag.test().
        self._record = self._job_id = None
        self._is_cancelled = False
        # A try that looks for no job of an earlier one wants none.
        self._retry_left = self.durable and retry_is_left(context["ti"])

    @property
    def cancels_at_timeout(self) -> bool:
        """Whether the job is cancelled at ``execution_timeout``."""
        return self._decide(CancelReason.EXECUTION_TIMEOUT) is Decision.CANCEL

    def attach(self, context: Context, job: JobT) -> None:
        """Note the job that the task now stands for.

        :raises OmicsWaitError: the task was killed meanwhile; the job has been cancelled or left.
        """
        self._job_id = self.job_kind.id_of(job)
        if self._killed.is_set():
            self.on_kill()
        self._stop_if_killed(context, job)

    @contextmanager
    def submitting(self, context: Context) -> Iterator[None]:
        """Look for the job, or start it; if the task is killed before the job is known, leave none behind."""
        try:
            yield
        except BaseException as error:
            self._notice_timeout(error)
            if self._job_id is None and self._may_have_submitted(context):
                self._resolve_unknown_job(context)
            raise

    def submitter_of(self, context: Context, key: JobKey, name: str | None) -> IdempotentSubmitter[JobT]:
        """Return the submitter of the jobs of an idempotency key.

        :param name: name that the user gave the jobs; None for the default.
        """
        kind, pause = self.job_kind, self._killed.wait
        rivals: Rivals[JobT] | None = None
        if self._keeps and self.identity_tags:
            members = {"kind": kind, "key": key, "cancels": self.cancel_on_kill, "pause": pause}
            rivals = Rivals.of(context, hook=self.hook, log=self.log, **members)
        if self._record is None or self._record.job.key != key.key:
            self._record = JobRecord(context, key.key, self.log, is_on=self._keeps, former=key.key_of_0_1_0)
        return IdempotentSubmitter(
            kind, self.hook, key, name, self.identity_tags, self.log, self._record, pause, rivals
        )

    def note_success(self, context: Context, arn: str | None) -> None:
        """Note that the task ends well with its job, so that the job is run anew if a user clears the task.

        Best effort, in Airflow's state store or else in a tag of the job (TagResource).

        :param arn: the job's; None if it is not known.
        """
        record = self._record or JobRecord(context, None, self.log, is_on=self._keeps)
        record.record_done()
        if record.outlives_clear or not (arn and self._keeps and self.identity_tags) or self._killed.is_set():
            return
        try:
            self.hook.tag(arn, {FINISHED_TAG: str(context["ti"].try_number)})
        except OmicsServiceError as error:
            self.log.warning("%s", entry("If this task is cleared, its job will count as not finished: %s", error))

    @property
    def _keeps(self) -> bool:
        return self.durable and self.request_id is None

    def on_kill(self) -> None:
        """Ask for the job to be cancelled if nobody wants its result, without waiting for anything."""
        reason = self._stop_reason() or CancelReason.KILLED
        is_asked = self._decide(reason) is Decision.CANCEL and not self._is_cancelled and self._has_client()
        job_id = self._job_id if is_asked else None
        # First, so that what wakes up from waiting leaves it to this call.
        self._is_cancelled = self._is_cancelled or job_id is not None
        self._killed.set()
        if job_id is not None:
            self._cancel_in_signal_handler(job_id, reason)

    def wait(self, context: Context, trigger: OmicsWaitTrigger[JobT], **state: Any) -> Any:
        """Wait as the trigger would, here or in the triggerer, and finish the task."""
        if self._waits_without_trigger:
            # Airflow gives a task that is resumed all of its execution_timeout once more.
            trigger.deadline, _ = self._limits(context)
        if self.deferrable:
            self._stop_if_killed(context, trigger.new_poll().initial)
            return super().wait(context, trigger, **state)
        try:
            return super().wait(context, trigger, **state)
        except BaseException as error:
            # Airflow 2 raises into the wait what Airflow 3 leaves to it to notice.
            self._notice_timeout(error)
            self.resolve_kill(context)
            raise

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the trigger has fired; where it failed or was late, do not lose the job."""
        self.begin_try(context)
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except DEFERRAL_ERRORS as error:
            with non_retryable_errors(self):
                return self._resume_without_trigger(context, error)

    def _resume_without_trigger(self, context: Context, error: Exception) -> Any:
        job = self.retrying(lambda: self.submitter(context).find_last(tries_before_clear(context["ti"])))
        if job is None:
            raise OmicsError(f"The trigger failed ({message_of(error)}), and no job of this task was found") from error
        if job.phase.is_final:
            self.log.info(
                "%s",
                entry("The trigger failed (%s), but HealthOmics %s has ended; finishing the task", error, job.label),
            )
            return self.wait_in_worker(context, job)
        reason = CancelReason.EXECUTION_TIMEOUT if is_deferral_timeout(error) else CancelReason.TRIGGER_FAILED
        if self._decide(reason) is Decision.CANCEL:
            self._cancel(self.job_kind.id_of(job), reason.what)
        if reason is CancelReason.EXECUTION_TIMEOUT:
            raise error
        what = message_of(error)
        waited = f"The trigger that waited for HealthOmics {job.label} failed: {what}; see the triggerer's log"
        if self._retry_left:
            raise OmicsError(f"{waited}. The {job.KIND} goes on. {self.next_step}") from error
        # Not deferred once more: what made the trigger fail may make each trigger fail.
        self.log.warning("%s", entry("%s. No retry is left, so this worker waits on", waited))
        self._waits_without_trigger, self.deferrable = True, False
        return self.wait_in_worker(context, job)

    def cancel_or_leave(self, end: WaitResult[JobT]) -> WaitResult[JobT]:
        """Cancel or leave the job that goes on although its task fails, and return the end with what becomes of it.

        Only a limit that the user has set cancels it: an error of polling is no end of wanting.
        """
        reason = _REASONS.get(end.why)
        if self._job_id is None or reason is None:
            return end
        # At its deadline a trigger has cancelled the job, unless it could not.
        is_done = end.why is StopReason.DEADLINE and end.error_code is None and not self._waits_without_trigger
        if self._decide(reason) is Decision.CANCEL:
            if not is_done:
                self._cancel(self._job_id, reason.what)
        elif reason is CancelReason.ATTEMPTS_USED_UP and self.cancel_on_kill:
            self.log.info("HealthOmics %s goes on, and is left to the next try", self._label(self._job_id))
        elif reason is CancelReason.POLLS_FAILED:
            *cause, remedy = end.reason.split("\n")
            return replace(end, reason="\n".join([*cause, *self._where(end.snapshot), f"{remedy} {self.next_step}."]))
        return end

    def resolve_kill(self, context: Context) -> None:
        """Cancel or leave the job of a task that was killed or has reached its ``execution_timeout``."""
        self._flush_pending_log()
        reason = self._stop_reason()
        if reason is None or self._job_id is None or self._is_cancelled:
            return
        what = reason.what
        if self._decide(reason) is Decision.ASK_AIRFLOW:
            reason, what = self._ask_airflow(context, self._job_id)
        if self._decide(reason) is Decision.CANCEL:
            self._cancel(self._job_id, what)

    def _ask_airflow(self, context: Context, job_id: str) -> tuple[CancelReason, str]:
        """Return why the task was killed, as the state tells that Airflow gives it now, and the same as text."""
        try:
            state = task_state(TaskIdentity.of(context["ti"]))
        except Exception as error:
            what = entry("Why the task was killed could not be found out, so its job goes on: %s", error)
            self.log.warning("%s", what)
            return CancelReason.UNEXPLAINED, CancelReason.UNEXPLAINED.what
        reason = reason_of_state(state)
        if self._decide(reason) is Decision.LEAVE:
            known = (state or "not scheduled yet", self._label(job_id))
            self.log.info("The task was killed, but counts as %s; %s is left to a retry", *known)
        return reason, f"was killed and is {state} now"

    def _may_have_submitted(self, context: Context) -> bool:
        is_submitted = self._record is not None and self._record.job.is_submitted
        return is_submitted or (self.durable and context["ti"].try_number > 1)

    def _resolve_unknown_job(self, context: Context) -> None:
        """Cancel or leave a job that was submitted, or may have been, and whose id is not known."""
        reason = self._stop_reason()
        if reason is None or self._decide(reason) is Decision.LEAVE:
            return
        try:
            job = self.submitter(context).find_active()
        except Exception as error:
            self.log.warning("%s", entry("Whether a job of this task goes on could not be found out: %s", error))
            return
        if job is not None:
            self._job_id = self.job_kind.id_of(job)
            self._is_cancelled = False
            self.resolve_kill(context)

    def _stop_if_killed(self, context: Context, snapshot: JobT) -> None:
        if self._killed.is_set():
            self.resolve_kill(context)
            raise OmicsWaitError(WaitResult(StopReason.INTERRUPTED, snapshot, "the task was killed"))

    def _decide(self, reason: CancelReason) -> Decision:
        return decide(
            reason, retry_left=self._retry_left, cancel_on_kill=self.cancel_on_kill, on_timeout=self.on_timeout
        )

    def _stop_reason(self) -> CancelReason | None:
        """Return why this process stops waiting; None if it does not."""
        limit = self.execution_timeout
        is_late = limit is not None and time.monotonic() - self._started_at >= limit.total_seconds()
        if is_late or self._has_timed_out:
            return CancelReason.EXECUTION_TIMEOUT
        return CancelReason.KILLED if self._killed.is_set() else None

    def _notice_timeout(self, error: BaseException) -> None:
        # Airflow's clock started before this operator's, so it may be ahead.
        self._has_timed_out = self._has_timed_out or isinstance(error, AirflowTaskTimeout)

    def _has_client(self) -> bool:
        # A task that was resumed just now has none yet, and to make one means asking the supervisor for the connection.
        return "hook" in self.__dict__ and "conn" in self.hook.__dict__

    def _cancel_in_signal_handler(self, job_id: str, reason: CancelReason) -> None:
        try:
            # The client was built for the start. Five seconds are left, and nothing here may ask the supervisor.
            send(self.hook.conn, self.job_kind.cancel_request(job_id))
        except Exception as error:
            self._is_cancelled = False
            self._pending_log = f"HealthOmics {self._label(job_id)} could not be cancelled at once: {message_of(error)}"
        else:
            self._pending_log = f"Asked HealthOmics to cancel {self._label(job_id)}, since its task {reason.what}"

    def _flush_pending_log(self) -> None:
        # Not in the signal handler: it may have interrupted the logger, which would wait for itself.
        pending, self._pending_log = self._pending_log, None
        if pending:
            self.log.info("%s", entry(pending))

    def _cancel(self, job_id: str, what: str) -> None:
        """Cancel the job, once, waiting until it can be cancelled.

        :param what: what happened to the task.
        """
        if self._is_cancelled:
            return
        label = self._label(job_id)
        try:
            asked = self.job_kind.cancel_when_possible(self.hook, job_id, CREATING_PAUSES, time.sleep)
        except Exception as error:
            self.log.warning("%s", entry("HealthOmics %s could not be cancelled: %s", label, error))
            return
        self._is_cancelled = asked is not None
        fate = {True: "is being cancelled", False: "has ended; nothing to cancel", None: "cannot be cancelled yet"}
        self.log.info("%s", entry("HealthOmics %s %s: its task %s", label, fate[asked], what))

    def _label(self, job_id: str) -> str:
        return f"{self.waits_for.KIND} {job_id}"

    def _where(self, job: JobT) -> list[str]:
        """Return where the console shows the job, if the connection still has a Region."""
        try:
            return [f"Console: {self.page_of(job)}"] if self.hook.has_console else []
        except Exception:
            return []

    def explain(self, run: RunSnapshot, **limits: int) -> RunFailure:
        """Collect what explains why a run did not complete; what passes by itself is put up with."""
        return self.hook.explain_failure(run, retrying=replace(self.retrying, only_transient=True), **limits)

    def page_of(self, job: JobT) -> str:
        """Return the job's page in the console."""
        return run_list_url(self.hook.conn_region_name, self.hook.conn_partition)

    @property
    def next_step(self) -> str:
        """What has to be done for a job that goes on although its task has failed."""
        if not self.durable:
            return "No try takes it over (durable=False): cancel it, or wait for it with a sensor"
        retry = "The next try takes it over" if self._retry_left else "Clear the task, and it takes the job over"
        return f"{retry}, once the cause is mended"
