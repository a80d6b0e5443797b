"""Waiting from a sensor: poking, rescheduled, deferred, or started in the triggerer."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, PokeReturnValue, conf
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_omics.compat import trigger_failure, triggerer_can_render, was_rescheduled
from airflow_provider_omics.exceptions import OmicsSensorTimeoutError, sensor_errors, soft_fail_only_for_bad_ends
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.polling.engine import RETRY_TIMEOUT, Waiter, poll_once, poll_until_done
from airflow_provider_omics.healthomics.polling.poll import SnapshotT
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason, WaitResult
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.runs.failure import RunFailure
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.hooks.arguments import argument_issues, as_read
from airflow_provider_omics.hooks.parameters import ConnectionParameters
from airflow_provider_omics.operators.run_details import RunDetails, look_up_details
from airflow_provider_omics.sensors.base import OmicsBaseSensor
from airflow_provider_omics.triggers.base import DEFER_TIMEOUT_GRACE, OmicsWaitTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class OmicsWaitingSensor(OmicsBaseSensor, Generic[SnapshotT]):
    """Base of the sensors.

    ``timeout``, ``poke_interval`` and ``mode`` are Airflow's, also while deferred, and so is ``soft_fail``: in every
    mode it skips when time is up, or when what was waited for has ended badly, and fails for a request that can never
    work (a wrong id or parameter, a missing permission). All others but
    ``deferrable``, ``start_from_trigger`` and ``botocore_config`` are templates. A subclass calls
    :meth:`start_in_triggerer` at the end of its ``__init__``.

    :cvar waits_for: what a subclass waits for.
    :cvar trigger_class: the trigger that it defers to.
    :param deferrable: whether to wait in the triggerer, without a worker; the default is Airflow's ``[operators]
        default_deferrable``.
    :param start_from_trigger: whether to go to the triggerer straight from the scheduler, without a worker first. The
        sensor defers from a worker all the same where the triggerer could not know its arguments: when it is mapped,
        when a template pulls an XCom, when a number is a template, and before Airflow 3.3 with any template. Default
        ``False``.
    :param error_budget: seconds for which errors of polling are put up with before the sensor fails, 0 or more: errors
        of any kind once the service has answered, before that only those that pass by themselves (throttling, 5xx,
        network). A deferred sensor polls again after at most 5 minutes, and after a twelfth of the budget; one in mode
        ``reschedule``, which polls from a new process each time, puts up with them until its ``timeout``. Default
        ``3600``.
    """

    waits_for: ClassVar[type[Any]]
    trigger_class: ClassVar[type[OmicsWaitTrigger[Any]]]

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        start_from_trigger: bool = False,
        error_budget: float | str = RETRY_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable or start_from_trigger
        self.start_from_trigger = start_from_trigger
        self.error_budget: float = as_read(error_budget)
        self._trigger: OmicsWaitTrigger[SnapshotT] | None = None
        self._wait: Waiter[SnapshotT] | None = None

    def start_in_triggerer(self) -> None:
        """Have the scheduler start the trigger, where that was asked for and is possible.

        With a parameter that may be wrong the sensor goes to a worker, which says so before it waits.
        """
        self.check_literals()
        self.start_from_trigger = self.start_from_trigger and self._triggerer_can_start()
        if self.start_from_trigger:
            self.start_trigger_args = self._start_trigger_args()

    @abstractmethod
    def trigger_arguments(self) -> dict[str, Any]:
        """Return the arguments that say what the trigger waits for, as the user gave them."""

    @abstractmethod
    def checked_arguments(self, context: Context) -> dict[str, Any]:
        """Return the same after rendering and checking.

        :raises OmicsRequestInvalidError: one of them cannot be right.
        """

    @abstractmethod
    def store_links(self, context: Context, arguments: dict[str, Any]) -> None:
        """Store the links to what is waited for."""

    def store_links_of(self, context: Context, snapshot: SnapshotT) -> None:
        """Store the links that are known only at the end of waiting; none by default."""

    def note_end(self, context: Context, snapshot: SnapshotT) -> None:
        """Note what is looked up once what was waited for has ended, however it did; nothing by default."""

    def own_issues(self) -> Iterable[Issue]:
        """Yield what is wrong with the parameters that only this provider reads."""
        return argument_issues(self)

    @abstractmethod
    def result(self, snapshot: SnapshotT) -> dict[str, Any]:
        """Return what the task returns, or raise what explains why it has failed."""

    def execute(self, context: Context) -> Any:
        """Wait in the worker, or hand over to the triggerer."""
        if not self.deferrable:
            with soft_fail_only_for_bad_ends(self):
                return self._poke_on(context)
        with sensor_errors(self):
            trigger = self._new_trigger(context, time.time())
            # What can never work fails here; and whatever the triggerer meets with later, this was an answer.
            self._wait = trigger.new_waiter()
            end = self._poll(trigger)
            if end is not None:
                return self._finish(context, end)
            trigger.is_known = not self._wait.is_failing
            self.log.info("%s", trigger.announcement)
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            timeout=timedelta(seconds=self._limit()) + DEFER_TIMEOUT_GRACE,
        )
        return None

    def _poke_on(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:
            # Airflow's own says neither what was waited for nor what to do.
            if self._wait is None or isinstance(error, OmicsWaitError):
                raise
            raise OmicsSensorTimeoutError(self._wait.timed_out()) from error

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the trigger has fired; where it failed, wait on in the worker."""
        failure = trigger_failure(next_method, next_kwargs)
        if failure is None:
            with soft_fail_only_for_bad_ends(self):
                return super().resume_execution(next_method, next_kwargs, context)
        self.log.warning(
            "%s", entry("The trigger failed (%s); waiting on in this worker. See the triggerer's log", failure)
        )
        with sensor_errors(self):
            trigger = self._new_trigger(context, (context["ti"].start_date or datetime.now(UTC)).timestamp())
            trigger.is_known = not self.start_from_trigger
            wait = trigger.new_waiter()
            while True:
                end = poll_until_done(wait, self.ask, _pause, self.log)
                following = trigger.next_waiter(wait, end)
                if following is None:
                    return self._finish(context, trigger.conclusion(wait, end))
                wait = following

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once."""
        with sensor_errors(self):
            if self._trigger is None:
                arguments = self.checked_arguments(context)
                self.store_links(context, arguments)
                self._trigger = self.trigger_class(**arguments, **self._trigger_kwargs())
                # A poll before the first answer would have ended it, had its error been one that lasts.
                self._trigger.is_known = self.reschedule and was_rescheduled(context)
                self._wait = self._trigger.new_waiter()
            end = self._poll(self._trigger)
            if end is None:
                return PokeReturnValue(is_done=False)
            return PokeReturnValue(is_done=True, xcom_value=self._finish(context, end))

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Finish the task after the trigger has fired."""
        with sensor_errors(self):
            end: WaitResult[SnapshotT] = WaitResult.from_payload(event, self.waits_for)
            if self.start_from_trigger:
                self.store_links(context, self.checked_arguments(context))
            return self._finish(context, end)

    @property
    def retrying(self) -> Retrying:
        """What makes calls again once the wait is over, for as long as errors are put up with while waiting."""
        subject = f"the result of sensor {self.task_id}"
        return Retrying(self.error_budget, self.poke_interval, _pause, self.log, subject, self.hook.renew)

    def look_up_details(self, run: RunSnapshot) -> RunDetails:
        """Look up what the triggerer, which may have read it in a list, has left to be asked for (GetRun)."""
        # Of a run that has completed, the result needs its outputs.
        is_failed = run.phase.is_final and run.phase is not Phase.SUCCEEDED
        return look_up_details(self.hook, run, self.log, replace(self.retrying, only_transient=is_failed))

    def explain(self, details: RunDetails) -> RunFailure:
        """Collect what explains why a run did not complete; what passes by itself is put up with."""
        retrying = replace(self.retrying, only_transient=True)
        return details.explain(self.hook.explain_failure(details.run, retrying=retrying))

    def _poll(self, trigger: OmicsWaitTrigger[SnapshotT]) -> WaitResult[SnapshotT] | None:
        """Poll once all that can be polled now; None to poll again."""
        while self._wait is not None:
            end = poll_once(self._wait, self.ask, self.log)
            if end is None:
                return None
            following = trigger.next_waiter(self._wait, end)
            if following is None:
                return trigger.conclusion(self._wait, end)
            self._wait = following
        return None

    def _new_trigger(self, context: Context, started_at: float) -> OmicsWaitTrigger[SnapshotT]:
        arguments = self.checked_arguments(context)
        self.store_links(context, arguments)
        return self.trigger_class(**arguments, **self._trigger_kwargs(), deadline=started_at + self._limit())

    def _finish(self, context: Context, end: WaitResult[SnapshotT]) -> dict[str, Any]:
        self.store_links_of(context, end.snapshot)
        if end.why is not StopReason.ENDED:
            raise OmicsWaitError(end)
        self.note_end(context, end.snapshot)
        return self.result(end.snapshot)

    def _trigger_kwargs(self) -> dict[str, Any]:
        return {
            "waiter_delay": self.poke_interval,
            "error_budget": self.error_budget,
            **ConnectionParameters.of(self).to_payload(),
        }

    def _start_trigger_args(self) -> StartTriggerArgs:
        return StartTriggerArgs(
            trigger_cls=f"{self.trigger_class.__module__}.{self.trigger_class.__qualname__}",
            trigger_kwargs={**self.trigger_arguments(), **self._trigger_kwargs()},
            next_method="execute_complete",
            timeout=timedelta(seconds=self._limit()),
        )

    def _triggerer_can_start(self) -> bool:
        if any(self.own_issues()):
            return False
        arguments = [getattr(self, name) for name in self.template_fields]
        dag = self.dag if self.has_dag() else None  # type: ignore[no-untyped-call]
        # The triggerer has the DAG's serialised form, which leaves macros and filters out.
        own = dag is not None and bool(dag.user_defined_macros or dag.user_defined_filters)
        return all(map(partial(triggerer_can_render, own_macros=own), arguments))

    def _limit(self) -> float:
        if self.execution_timeout is None:
            return self.timeout
        return min(self.timeout, self.execution_timeout.total_seconds())


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return False
