"""The exceptions that operators, sensors and :class:`~airflow_provider_omics.hooks.omics.OmicsHook` raise.

Catch them, and write retry rules for them, by the names of ``__all__``. An error that a retry cannot mend is raised as
its non-retryable twin: a subclass with ``NonRetryable`` before ``Error`` in its name (``OmicsRunFailedError`` as
``OmicsRunFailedNonRetryableError``), which is also Airflow's ``AirflowFailException`` and so ends the task whatever
retries are left. What leaves a task is raised without the frames in which it came about, so that its message is what a
reader of the log sees.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from airflow_provider_omics.account.failure import OmicsConfigurationFailedError
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.batches.deletion import OmicsRunsNotDeletedError
from airflow_provider_omics.healthomics.batches.sample_failure import OmicsSampleFailedError
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.results.outcome import OmicsBatchFailedError
from airflow_provider_omics.healthomics.runs.failure import OmicsRunFailedError
from airflow_provider_omics.preflight.findings import OmicsPreflightError
from airflow_provider_omics.workflows.failure import OmicsWorkflowFailedError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator

__all__ = [
    "OmicsBatchFailedError",
    "OmicsConfigurationFailedError",
    "OmicsConnectionNotFoundError",
    "OmicsError",
    "OmicsPreflightError",
    "OmicsRequestInvalidError",
    "OmicsRunFailedError",
    "OmicsRunsNotDeletedError",
    "OmicsSampleFailedError",
    "OmicsSensorTimeoutError",
    "OmicsServiceError",
    "OmicsWaitError",
    "OmicsWorkflowFailedError",
]


class OmicsConnectionNotFoundError(OmicsServiceError, AirflowNotFoundException):
    """The Airflow connection does not exist."""


class OmicsSensorTimeoutError(OmicsWaitError, AirflowSensorTimeout):
    """A sensor's time is up; the run goes on."""


def _non_retryable(kind: type[OmicsError]) -> type[OmicsError]:
    name = f"{kind.__name__.removesuffix('Error')}NonRetryableError"
    doc = f"The non-retryable twin of :class:`{kind.__name__}`: it ends the task whatever retries are left."
    return type(name, (kind, AirflowFailException), {"__doc__": doc, "__module__": __name__})


for _name in __all__:
    # The name that a log shows is the one to catch it by.
    globals()[_name].__module__ = __name__

_TWINS = {
    globals()[_name]: _non_retryable(globals()[_name])
    for _name in __all__
    if _name not in ("OmicsError", "OmicsSensorTimeoutError")
}
globals().update({twin.__name__: twin for twin in _TWINS.values()})

_RENAMED = {
    "failing_at_once": "sensor_errors",
    "failing_fast": "non_retryable_errors",
    "skipping_no_mistakes": "soft_fail_only_for_bad_ends",
    "telling_the_cause": "without_traceback",
    **{twin.__name__.replace("NonRetryable", "ForGood"): twin.__name__ for twin in _TWINS.values()},
}
"""Names of release 0.1.0, which the next release drops, with what they are called now."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _RENAMED:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from airflow.exceptions import AirflowProviderDeprecationWarning

        now = _RENAMED[name]
        text = f"{__name__}.{name} is now called {now}; the old name will be removed in the next release"
        warnings.warn(text, AirflowProviderDeprecationWarning, stacklevel=2)
        return globals()[now]


def without_traceback(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method of a task raise an :class:`OmicsError` without the frames and errors that led to it.

    Its message has their texts. What was left out is logged with level DEBUG.
    All other exceptions are left alone.
    """

    @wraps(method)
    def call(self: BaseOperator, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except OmicsError as error:
            self.log.debug("What led to the failure", exc_info=True)
            raise error.with_traceback(None) from None

    return call


def non_retryable(error: OmicsError) -> OmicsError:
    """Return the twin of an error that Airflow does not retry; the error itself where it has none."""
    twin = next((_TWINS[kind] for kind in type(error).__mro__ if kind in _TWINS), None)
    return error if twin is None else twin(*error.args)


@contextmanager
def non_retryable_errors(task: BaseOperator) -> Iterator[None]:
    """Turn an error that a retry cannot mend into one that Airflow does not retry.

    A task with a ``retry_policy`` (Airflow 3.3 and later) decides for itself.
    """
    try:
        yield
    except OmicsError as error:
        final = None if getattr(task, "retry_policy", None) else _if_retry_is_useless(error)
        if final is None:
            raise
        raise final.with_traceback(error.__traceback__) from error.__cause__


@contextmanager
def sensor_errors(sensor: BaseSensorOperator) -> Iterator[None]:
    """Turn an error of a sensor into one that Airflow does not retry, or into a skip where the sensor asks for it.

    ``soft_fail`` skips when time is up, or when what was waited for has ended badly. A request that can never work is
    a failure all the same: a parameter or an id that is wrong, a permission that is missing at the first poll.
    What it polls has ended, or cannot be polled; only a service that was out of reach is worth another try. A
    sensor with a ``retry_policy`` (Airflow 3.3 and later) decides for itself.
    """
    try:
        yield
    except OmicsError as error:
        final = _of_sensor(error)
        # 2.11 knows no never_fail, and does not honour soft_fail for every error of a deferred sensor.
        soft = sensor.soft_fail and isinstance(final, AirflowException) and _is_no_mistake(error)
        if soft or getattr(sensor, "never_fail", False):
            sensor.log.error("%s", entry("%s", error))
            raise AirflowSkipException(entry("Skipped, since the sensor would fail: %s", error)) from error
        if getattr(sensor, "retry_policy", None):
            raise
        raise final.with_traceback(error.__traceback__) from error.__cause__


@contextmanager
def soft_fail_only_for_bad_ends(sensor: BaseSensorOperator) -> Iterator[None]:
    """Undo what Airflow's sensors make of ``soft_fail``: skip whatever fails for good, and fail when time is up."""
    try:
        yield
    except AirflowSkipException as skip:
        error = skip.__cause__
        if not isinstance(error, OmicsError) or _is_no_mistake(error) or getattr(sensor, "never_fail", False):
            raise
        raise error from error.__cause__
    except AirflowSensorTimeout as error:
        if not sensor.soft_fail:
            raise
        raise AirflowSkipException(entry("Skipped, since the sensor's time is up: %s", error)) from error


def _is_no_mistake(error: OmicsError) -> bool:
    """Whether the request of a sensor was right, and the end of what it waited for, or of its time, was bad."""
    match error:
        case OmicsWaitError():
            return error.end.why is not StopReason.ERROR
        case OmicsSampleFailedError():
            return not error.failure.is_mistake
    return isinstance(
        error, (OmicsRunFailedError, OmicsBatchFailedError, OmicsWorkflowFailedError, OmicsConfigurationFailedError)
    )


def retry_may_help(error: OmicsError) -> bool:
    """Whether a task that failed with an error has a chance to end better when it is tried again unchanged."""
    return _if_retry_is_useless(error) is None


def _if_retry_is_useless(error: OmicsError) -> OmicsError | None:
    match error:
        case OmicsServiceError() | OmicsRunFailedError():
            return None if error.failure_class.retry_may_help else non_retryable(error)
        case OmicsBatchFailedError():
            return None if error.outcome.retry_may_help else non_retryable(error)
        case OmicsPreflightError():
            return None if error.retry_may_help else non_retryable(error)
        case OmicsRequestInvalidError() | OmicsRunsNotDeletedError():
            return non_retryable(error)
        case OmicsWorkflowFailedError() | OmicsConfigurationFailedError():
            return non_retryable(error)
    return None


def _of_sensor(error: OmicsError) -> OmicsError:
    if isinstance(error, OmicsWaitError):
        if error.end.why is StopReason.DEADLINE:
            return OmicsSensorTimeoutError(error.end)
        if error.end.why is StopReason.UNREACHABLE:
            return error
    return non_retryable(error)
