"""Asking for a job until there is one, and never for a second.

A call can have its effect without its answer coming back: a 5xx, a lost connection, a timeout. botocore then asks again
with the same request id, which is one job only as long as the service remembers the id; how long it does is not
documented. So the calls that start something are not repeated by botocore: whoever asks looks first.
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

_FEWEST_ATTEMPTS = 1
_AFTER_ERROR = Backoff(0.5, 10.0, jitter=1.0)
# Of many who ask at the same time, at one call a second, each gets its turn.
_AFTER_THROTTLING = Backoff(1.0, 30.0, jitter=0.5)
_LONGEST_THROTTLING, _BETWEEN_NOTES = 900.0, 60.0


@dataclass
class _Throttling:
    """How long a call has been throttled: it cost nothing, so it is asked again for long.

    :param pause: sleeps so many seconds, and may return True to say that the task was killed meanwhile.
    """

    operation: str
    pause: Callable[[float], object]
    log: Log
    _times: int = 0
    _paused: float = 0.0
    _told_at: float = -_BETWEEN_NOTES

    def is_waited_out(self) -> bool:
        """Pause after another throttled call; False if it is not to be asked again."""
        if self._paused >= _LONGEST_THROTTLING:
            return False
        self._times += 1
        if self._paused - self._told_at >= _BETWEEN_NOTES:
            self._told_at = self._paused
            message = (self.operation, f"{_LONGEST_THROTTLING:.0f}", self._times, f"{self._paused:.0f}")
            self.log.info(
                "%s", entry("%s is throttled; asking again for up to %s s (times: %s, for %s s so far)", *message)
            )
        seconds = _AFTER_THROTTLING.seconds(self._times)
        self._paused += seconds
        return self.pause(seconds) is not True


def submit_idempotent(
    client: Any,
    call: Request,
    read: Callable[[Any], T],
    *,
    find: Callable[[], T | None] | None,
    pause: Callable[[float], object],
    log: Log,
) -> T:
    """Make the call that starts a job, again and again while that may help, and return the job.

    A throttled call has had no effect, and is made again for 15 minutes, with pauses that grow up to 30 seconds, give
    or take half of them. After other errors that may pass there are as many attempts as the client's configuration
    allows (``total_max_attempts``), with pauses that grow up to 20 seconds.

    :param client: boto3 client of HealthOmics.
    :param read: makes the job of the call's answer.
    :param find: looks for a job that the call made although it brought no answer; None if nobody can look, and the
        same request id has to be enough.
    :param pause: sleeps so many seconds, and may return True to say that the task was killed meanwhile.
    :raises ClientError: the service refused it.
    :raises BotoCoreError: the service was not reached.
    """
    attempts, throttling = _attempts(client), _Throttling(call.operation, pause, log)
    attempt = 1
    while True:
        try:
            with _asking_once(client, call.operation):
                return read(getattr(client, xform_name(call.operation))(**call.members))
        except (ClientError, BotoCoreError) as error:
            if is_throttled(error):
                if not throttling.is_waited_out():
                    raise
                continue
            if categorize(error) is not ErrorCategory.TRANSIENT and not (
                error_code(error) == "ConflictException" and find
            ):
                raise
            is_last = attempt >= attempts
            is_killed = not is_last and pause(_AFTER_ERROR.seconds(attempt)) is True
            found = _look_behind(error, call, find, log)
            if found is not None:
                return found
            if is_last or is_killed:
                raise
            attempt += 1


def _look_behind(error: Exception, call: Request, find: Callable[[], T | None] | None, log: Log) -> T | None:
    """Look for the job that a call may have made although it brought no answer."""
    if find is None or not is_ambiguous(error):
        return None
    log.info("%s", entry("%s brought no answer (%s); looking whether it had its effect", call.operation, error))
    return find()


@contextmanager
def _asking_once(client: Any, operation: str) -> Iterator[None]:
    event = f"needs-retry.omics.{operation}"
    client.meta.events.register_first(event, _raise_at_once)
    try:
        yield
    finally:
        client.meta.events.unregister(event, _raise_at_once)


def _raise_at_once(
    operation: Any, response: tuple[Any, Any] | None = None, caught_exception: Exception | None = None, **_: Any
) -> None:
    """Raise what botocore asks whether to retry it for; it would wait and retry otherwise."""
    if caught_exception is not None:
        raise caught_exception
    if response is not None and response[0].status_code >= 300:
        raise ClientError(response[1], operation.name)


def _attempts(client: Any) -> int:
    retries = client.meta.config.retries or {}
    return max(int(retries.get("total_max_attempts", _FEWEST_ATTEMPTS)), _FEWEST_ATTEMPTS)
