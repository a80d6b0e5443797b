"""The call that starts a job: retried until there is one, and never a second.

A call can have its effect without its answer coming back: a 5xx, a lost connection, a timeout. botocore then asks again
with the same request id, which is one job only as long as the service remembers the id; how long it does is not
documented. So botocore does not retry the calls that start something: what the call may have started is looked up
first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from airflow_provider_omics.healthomics.api.backoff import Backoff
from airflow_provider_omics.healthomics.api.calls import Request
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.service_errors import (
    ErrorCategory,
    categorize,
    error_code,
    is_ambiguous,
    is_throttled,
)

T = TypeVar("T")

_MIN_ATTEMPTS = 1
_AFTER_ERROR = Backoff(0.5, 10.0, jitter=1.0)
# Of many who ask at the same time, at one call a second, each gets its turn.
_AFTER_THROTTLING = Backoff(1.0, 30.0, jitter=0.5)
_MAX_THROTTLING, _LOG_INTERVAL = 900.0, 60.0


@dataclass
class _Throttling:
    """The retries of a throttled call, which has had no effect, so that it is retried for long.

    :param sleep: sleeps so many seconds, and may return True to say that the task was killed meanwhile.
    """

    operation: str
    sleep: Callable[[float], object]
    log: Log
    _times: int = 0
    _slept: float = 0.0
    _logged_at: float = -_LOG_INTERVAL

    def sleep_and_retry(self) -> bool:
        """Sleep after another throttled call; return whether to make it again."""
        if self._slept >= _MAX_THROTTLING:
            return False
        self._times += 1
        if self._slept - self._logged_at >= _LOG_INTERVAL:
            self._logged_at = self._slept
            message = (self.operation, f"{_MAX_THROTTLING:.0f}", self._times, f"{self._slept:.0f}")
            self.log.info(
                "%s", entry("%s is throttled; asking again for up to %s s (times: %s, for %s s so far)", *message)
            )
        seconds = _AFTER_THROTTLING.seconds(self._times)
        self._slept += seconds
        return self.sleep(seconds) is not True


def submit_idempotent(
    client: Any,
    call: Request,
    read: Callable[[Any], T],
    *,
    reconcile: Callable[[], T | None] | None,
    sleep: Callable[[float], object],
    log: Log,
) -> T:
    """Make the call that starts a job, retry it while that may help, and return the job.

    A throttled call has had no effect, and is made again for 15 minutes, with delays that grow up to 30 seconds, give
    or take half of them. After other errors that may pass there are as many attempts as the client's configuration
    allows (``total_max_attempts``), with delays that grow up to 20 seconds.

    :param client: boto3 client of HealthOmics.
    :param read: makes the job of the call's answer.
    :param reconcile: finds a job that the call started although it brought no answer; None if that cannot be found
        out, and the same request id has to be enough.
    :param sleep: sleeps so many seconds, and may return True to say that the task was killed meanwhile.
    :raises ClientError: the service refused it.
    :raises BotoCoreError: the service was not reached.
    """
    attempts, throttling = _attempts(client), _Throttling(call.operation, sleep, log)
    attempt = 1
    while True:
        try:
            with _without_botocore_retries(client, call.operation):
                return read(getattr(client, xform_name(call.operation))(**call.members))
        except (ClientError, BotoCoreError) as error:
            if is_throttled(error):
                if not throttling.sleep_and_retry():
                    raise
                continue
            if categorize(error) is not ErrorCategory.TRANSIENT and not (
                error_code(error) == "ConflictException" and reconcile
            ):
                raise
            is_last = attempt >= attempts
            is_killed = not is_last and sleep(_AFTER_ERROR.seconds(attempt)) is True
            found = _reconcile(error, call, reconcile, log)
            if found is not None:
                return found
            if is_last or is_killed:
                raise
            attempt += 1


def _reconcile(error: Exception, call: Request, find: Callable[[], T | None] | None, log: Log) -> T | None:
    """Find the job that a call may have started although it brought no answer."""
    if find is None or not is_ambiguous(error):
        return None
    log.info("%s", entry("%s brought no answer (%s); looking whether it had its effect", call.operation, error))
    return find()


@contextmanager
def _without_botocore_retries(client: Any, operation: str) -> Iterator[None]:
    event = f"needs-retry.omics.{operation}"
    client.meta.events.register_first(event, _raise_instead_of_retry)
    try:
        yield
    finally:
        client.meta.events.unregister(event, _raise_instead_of_retry)


def _raise_instead_of_retry(
    operation: Any, response: tuple[Any, Any] | None = None, caught_exception: Exception | None = None, **_: Any
) -> None:
    """Raise what botocore asks whether to retry it for; it would wait and retry otherwise."""
    if caught_exception is not None:
        raise caught_exception
    if response is not None and response[0].status_code >= 300:
        raise ClientError(response[1], operation.name)


def _attempts(client: Any) -> int:
    retries = client.meta.config.retries or {}
    return max(int(retries.get("total_max_attempts", _MIN_ATTEMPTS)), _MIN_ATTEMPTS)
