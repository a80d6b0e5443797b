"""Asking for a job until there is one, and never for a second.

A call can have its effect without its answer coming back: a 5xx, a lost connection, a timeout. botocore then asks again
with the same request id, which is one job only as long as the service remembers the id; how long it does is not
documented. So the calls that start something are not repeated by botocore: whoever asks looks first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from airflow_provider_omics.healthomics.calls import Call
from airflow_provider_omics.healthomics.service_errors import Nature, error_code, may_have_had_its_effect, nature
from airflow_provider_omics.healthomics.waiting import Log

T = TypeVar("T")

_FEWEST_ATTEMPTS = 1
_LONGEST_BACKOFF = 20.0


def ask_for_job(
    client: Any,
    call: Call,
    read: Callable[[Any], T],
    *,
    find: Callable[[], T | None] | None,
    pause: Callable[[float], object],
    log: Log,
) -> T:
    """Make the call that starts a job, again and again while that may help, and return the job.

    There are as many attempts as the client's configuration allows (``total_max_attempts``), with pauses that grow up
    to 20 seconds.

    :param client: boto3 client of HealthOmics.
    :param read: makes the job of the call's answer.
    :param find: looks for a job that the call made although it brought no answer; None if nobody can look, and the
        same request id has to be enough.
    :param pause: sleeps so many seconds, and may return True to say that the task was killed meanwhile.
    :raises ClientError: the service refused it.
    :raises BotoCoreError: the service was not reached.
    """
    attempts = _attempts(client)
    attempt = 0
    while True:
        attempt += 1
        try:
            with _asking_once(client, call.operation):
                return read(getattr(client, xform_name(call.operation))(**call.members))
        except (ClientError, BotoCoreError) as error:
            is_conflict = error_code(error) == "ConflictException"
            if nature(error) is not Nature.PASSING and not (is_conflict and find):
                raise
            is_last = attempt >= attempts
            is_killed = not is_last and pause(_backoff(attempt)) is True
            if find is not None and may_have_had_its_effect(error):
                log.info("%s brought no answer (%s); looking whether it had its effect", call.operation, error)
                found = find()
                if found is not None:
                    return found
            if is_last or is_killed:
                raise


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


def _backoff(attempt: int) -> float:
    return random.random() * min(2.0 ** (attempt - 1), _LONGEST_BACKOFF)
