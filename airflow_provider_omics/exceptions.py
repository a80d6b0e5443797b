"""What operators and sensors raise, and which of it makes Airflow give up at once.

A user catches, and writes retry rules for, the classes of :mod:`airflow_provider_omics.healthomics.api.errors`,
which are named here too. Where a retry cannot mend the failure, what is raised is such a class and also Airflow's
``AirflowFailException``, which ends the task whatever retries are left. What leaves a task is raised without the
frames in which it came about, so that its message is what a reader of the log sees.
"""

from __future__ import annotations

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

from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.batches.deletion import OmicsRunsNotDeletedError
from airflow_provider_omics.healthomics.batches.sample_failure import OmicsSampleFailedError
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.results.outcome import OmicsBatchFailedError
from airflow_provider_omics.healthomics.runs.failure import OmicsRunFailedError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator

__all__ = [
    "OmicsBatchFailedError",
    "OmicsConnectionNotFoundError",
    "OmicsError",
    "OmicsRequestInvalidError",
    "OmicsRunFailedError",
    "OmicsRunsNotDeletedError",
    "OmicsSampleFailedError",
    "OmicsServiceError",
    "OmicsWaitError",
    "failing_at_once",
    "failing_fast",
    "skipping_no_mistakes",
    "telling_the_cause",
]

for _kind in (
    OmicsBatchFailedError,
    OmicsError,
    OmicsRequestInvalidError,
    OmicsRunFailedError,
    OmicsRunsNotDeletedError,
    OmicsSampleFailedError,
    OmicsServiceError,
    OmicsWaitError,
):
    # The name that a log shows is the one to catch it by.
    _kind.__module__ = __name__


class OmicsRequestInvalidForGoodError(OmicsRequestInvalidError, AirflowFailException):
    """The request is wrong, and asking again would not make it right."""


class OmicsConnectionNotFoundError(OmicsServiceError, AirflowNotFoundException):
    """The Airflow connection does not exist."""


class OmicsConnectionNotFoundForGoodError(OmicsConnectionNotFoundError, AirflowFailException):
    """The Airflow connection does not exist, and a retry would not make it."""


class OmicsServiceForGoodError(OmicsServiceError, AirflowFailException):
    """The service refused a call, and would refuse it again."""


class OmicsRunFailedForGoodError(OmicsRunFailedError, AirflowFailException):
    """The run failed, and would fail again."""


class OmicsBatchFailedForGoodError(OmicsBatchFailedError, AirflowFailException):
    """The batch failed, and another try would not mend it."""


class OmicsSampleFailedForGoodError(OmicsSampleFailedError, AirflowFailException):
    """The sample has no run, and looking again would show the same."""


class OmicsRunsNotDeletedForGoodError(OmicsRunsNotDeletedError, AirflowFailException):
    """Runs could not be deleted, and the service does not try it again."""


class OmicsWaitForGoodError(OmicsWaitError, AirflowFailException):
    """Nobody waits any more, and starting over would change nothing."""


def telling_the_cause(method: Callable[..., Any]) -> Callable[..., Any]:
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


@contextmanager
def failing_fast(task: BaseOperator) -> Iterator[None]:
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


class OmicsSensorTimeoutError(OmicsWaitError, AirflowSensorTimeout):
    """A sensor's time is up; the run goes on."""


@contextmanager
def failing_at_once(sensor: BaseSensorOperator) -> Iterator[None]:
    """Turn an error of a sensor into one that Airflow does not retry, or into a skip where the sensor asks for it.

    ``soft_fail`` skips when time is up, or when what was waited for has ended badly. A request that can never work is
    a failure all the same: a parameter or an id that is wrong, a permission that is missing at the first look.
    What it looks at has ended, or cannot be looked at; only a service that was out of reach is worth another try. A
    sensor with a ``retry_policy`` (Airflow 3.3 and later) decides for itself.
    """
    try:
        yield
    except OmicsError as error:
        final = _for_good(error)
        # 2.11 knows no never_fail, and does not honour soft_fail for every error of a deferred sensor.
        soft = sensor.soft_fail and isinstance(final, AirflowException) and _is_no_mistake(error)
        if soft or getattr(sensor, "never_fail", False):
            sensor.log.error("%s", entry("%s", error))
            raise AirflowSkipException(entry("Skipped, since the sensor would fail: %s", error)) from error
        if getattr(sensor, "retry_policy", None):
            raise
        raise final.with_traceback(error.__traceback__) from error.__cause__


@contextmanager
def skipping_no_mistakes(sensor: BaseSensorOperator) -> Iterator[None]:
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
    return isinstance(error, (OmicsRunFailedError, OmicsBatchFailedError))


def _if_retry_is_useless(error: OmicsError) -> OmicsError | None:
    match error:
        case OmicsServiceError() | OmicsRunFailedError():
            return None if error.failure_class.retry_may_help else _for_good(error)
        case OmicsBatchFailedError():
            return None if error.outcome.retry_may_help else _for_good(error)
        case OmicsRequestInvalidError() | OmicsRunsNotDeletedError():
            return _for_good(error)
    return None


def _for_good(error: OmicsError) -> OmicsError:
    match error:
        case OmicsRequestInvalidError():
            return OmicsRequestInvalidForGoodError(error.subject, error.issues, error.total)
        case OmicsConnectionNotFoundError():
            return OmicsConnectionNotFoundForGoodError(error.explanation)
        case OmicsServiceError():
            return OmicsServiceForGoodError(error.explanation)
        case OmicsRunFailedError():
            return OmicsRunFailedForGoodError(error.failure)
        case OmicsBatchFailedError():
            return OmicsBatchFailedForGoodError(error.outcome)
        case OmicsSampleFailedError():
            return OmicsSampleFailedForGoodError(error.failure)
        case OmicsRunsNotDeletedError():
            return OmicsRunsNotDeletedForGoodError(error.batch, error.undeleted)
        case OmicsWaitError() if error.end.why is StopReason.DEADLINE:
            return OmicsSensorTimeoutError(error.end)
        case OmicsWaitError() if error.end.why is not StopReason.UNREACHABLE:
            return OmicsWaitForGoodError(error.end)
    return error
