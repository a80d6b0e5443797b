"""Waiting from an operator: in the worker, or deferred to the triggerer."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from airflow.providers.common.compat.sdk import conf

from airflow_provider_omics.compat import trigger_failure
from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.polling.engine import RETRY_TIMEOUT, poll_until_done
from airflow_provider_omics.healthomics.polling.poll import SnapshotT
from airflow_provider_omics.healthomics.polling.result import WaitResult
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.hooks.arguments import argument_issues, as_read
from airflow_provider_omics.hooks.parameters import ConnectionParameters
from airflow_provider_omics.operators.base import KillableOperator
from airflow_provider_omics.triggers.base import DEFER_TIMEOUT_GRACE, OmicsWaitTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

# The trigger acts on the end of time before Airflow does: resuming the task takes time of its own.
_RESUME_MARGIN = 60.0


class OmicsWaitingOperator(KillableOperator, Generic[SnapshotT]):
    """Base of the operators that may wait for what they started, stopped or deleted.

    :cvar waits_for: what a subclass waits for.
    :param deferrable: whether to wait in the triggerer, without a worker; the default is Airflow's ``[operators]
        default_deferrable``.
    :param waiter_delay: seconds between two polls, 0.01 to 604,800. Default ``30``.
    :param waiter_max_attempts: most polls that are answered before the task fails, 1 or more; None for no limit but
        ``execution_timeout``.
    :param error_budget: seconds for which errors of polling are put up with before the task fails, 0 or more: errors of
        any kind once the service has answered, before that only those that pass by themselves (throttling, 5xx,
        network). A poll that fails is repeated after at most 5 minutes, and after a twelfth of the budget. Default
        ``3600``.
    """

    waits_for: ClassVar[type[Any]]

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        waiter_delay: float | str = 30,
        waiter_max_attempts: int | str | None = None,
        error_budget: float | str = RETRY_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.waiter_delay: float = as_read(waiter_delay)
        self.waiter_max_attempts: int | None = as_read(waiter_max_attempts)
        self.error_budget: float = as_read(error_budget)

    @cached_property
    def retrying(self) -> Retrying:
        """What makes calls again once the wait is over, for as long as errors were put up with while waiting."""
        subject = f"the result of task {self.task_id}"
        return self.retrying_for(self.error_budget, self.waiter_delay, subject)

    def check_waiting(self, operation: str) -> None:
        """Refuse waiting parameters that cannot be followed, before anything is sent.

        :param operation: API operation that would be sent.
        :raises OmicsRequestInvalidError: one of them has problems.
        """
        issues = self.waiting_issues()
        if issues:
            raise OmicsRequestInvalidError(operation, issues)

    def waiting_issues(self) -> list[Issue]:
        """Return what is wrong with how to wait."""
        return list(argument_issues(self))

    def wait(self, context: Context, trigger: OmicsWaitTrigger[SnapshotT], **state: Any) -> Any:
        """Wait as the trigger would, here or in the triggerer, and finish the task.

        :param state: what :meth:`finish` has to know, as JSON values.
        :return: what the task returns; a deferred task does not come back from here.
        """
        if self.deferrable:
            trigger.deadline, timeout = self._limits(context)
            # Twice: dag.test() loses the kwargs, and a triggerer that has not been upgraded yet sends no state back.
            trigger.resume_state = state or None
            self.log.info("%s", trigger.announcement)
            self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout, kwargs=state or None)
        end = poll_until_done(trigger.new_waiter(), self.ask, self._killed.wait, self.log)
        return self.finish(context, end, **state)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None, **state: Any) -> Any:
        """Finish the task after the trigger has fired.

        :param event: the trigger's payload, which brings back what :meth:`finish` has to know.
        :param state: the same as Airflow kept it; nothing in ``dag.test()``.
        """
        with non_retryable_errors(self):
            end: WaitResult[SnapshotT] = WaitResult.from_payload(event, self.waits_for)
            return self.finish(context, end, **{**((event or {}).get("resume_state") or {}), **state})

    @abstractmethod
    def finish(self, context: Context, end: WaitResult[SnapshotT], **state: Any) -> Any:
        """Turn the end of waiting into the task's result or its failure."""

    def waiting_arguments(self) -> dict[str, Any]:
        """Return the arguments of a trigger that say how to wait, and through which connection."""
        return {
            "waiter_delay": self.waiter_delay,
            "waiter_max_attempts": self.waiter_max_attempts,
            "error_budget": self.error_budget,
            **ConnectionParameters.of(self).to_payload(),
        }

    def _limits(self, context: Context) -> tuple[float | None, timedelta | None]:
        limit, started = self.execution_timeout, context["ti"].start_date
        if limit is None or started is None:
            return None, None
        seconds = limit.total_seconds()
        return started.timestamp() + seconds - min(_RESUME_MARGIN, seconds * 0.1), limit + DEFER_TIMEOUT_GRACE


class OmicsRequestOperator(OmicsWaitingOperator[SnapshotT]):
    """Base of the operators that cancel or delete, which may be asked for any number of times."""

    def execute(self, context: Context) -> Any:
        """Check the parameters, make the request and, if wanted, wait for what it is for."""
        with non_retryable_errors(self):
            return self.make_request(context)

    @abstractmethod
    def make_request(self, context: Context) -> Any:
        """Do what :meth:`execute` says, and return what the task returns: as a rule the id that was named."""

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the trigger has fired; where it failed, ask again and wait in the worker."""
        failure = trigger_failure(next_method, next_kwargs)
        if failure is None:
            return super().resume_execution(next_method, next_kwargs, context)
        self.log.warning(
            "%s", entry("The trigger failed (%s); waiting on in this worker. See the triggerer's log", failure)
        )
        # Not deferred once more: what made the trigger fail may make each trigger fail.
        self.deferrable = False
        with non_retryable_errors(self):
            return self.make_request(context)
