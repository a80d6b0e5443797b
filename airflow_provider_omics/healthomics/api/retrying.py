"""Retries of synchronous calls within a retry timeout, for a worker that collects results once a wait is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from airflow_provider_omics.healthomics.api.backoff import ErrorStreak, poll_backoff
from airflow_provider_omics.healthomics.api.calls import failed_operation
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.service_errors import (
    ErrorCategory,
    OmicsServiceError,
    categorize,
    concerns_all_calls,
    error_code,
    explain,
    is_denied,
    is_from_aws,
)

T = TypeVar("T")

# What S3 says of an object that is not there.
_ABSENT_CODES = frozenset({"NoSuchKey", "404"})


@dataclass
class Retrying:
    """Retries a function until errors in a row have lasted for the retry timeout, the same one as a wait has.

    What is not found, and what this provider refuses itself, is not retried.

    :param error_budget: seconds for which errors are retried, 0 or more.
    :param delay: seconds of the first delay after an error, at most 30.
    :param sleep: sleeps so many seconds and returns whether the task was killed meanwhile.
    :param subject: what it is about, for the log.
    :param renew: renews the client that the next call is made with.
    :param only_transient: whether a permanent error that concerns this call alone is not retried.
    :param clock: returns seconds that never go back.
    :ivar exhausted_by: the error that exhausted the retry timeout; None while it is not exhausted.
    :ivar is_killed: whether the task was killed during a delay.
    """

    error_budget: float
    delay: float
    sleep: Callable[[float], bool]
    log: Log
    subject: str
    renew: Callable[[], None]
    only_transient: bool = False
    clock: Callable[[], float] = time.monotonic
    exhausted_by: Exception | None = field(default=None, init=False)
    is_killed: bool = field(default=False, init=False)
    _errors: ErrorStreak | None = field(default=None, init=False)

    def __call__(self, do: Callable[[], T]) -> T:
        """Call the function until it succeeds and return its result; raise its last error."""
        while True:
            try:
                done = do()
            except Exception as error:
                if self.is_killed or not self._may_retry(error):
                    raise
            else:
                self._errors = None
                return done

    def streak(self) -> str:
        """Return how much of the retry timeout the errors have used up, in words."""
        errors = self._errors or ErrorStreak(self.clock())
        return errors.describe(self.clock(), self.error_budget)

    def _may_retry(self, error: Exception) -> bool:
        cause = _cause(error)
        if cause is None or (self.only_transient and not concerns_all_calls(cause)):
            return False
        now = self.clock()
        self._errors = errors = self._errors or ErrorStreak(now)
        errors.count += 1
        if errors.exceeds(now, self.error_budget):
            self.exhausted_by = error
            return False
        seconds = poll_backoff(self.delay, self.error_budget).seconds(errors.count)
        if errors.count == 1 and not is_from_aws(cause):
            self.log.exception("An error that is not of AWS")
        message, lasted = describe_error(error, self.subject), errors.describe(now, self.error_budget)
        self.log.warning("%s", entry("%s Errors: %s; trying again in %.0f s", message, lasted, seconds))
        if categorize(cause) is ErrorCategory.PERMANENT or concerns_all_calls(cause):
            self.renew()
        self.is_killed = self.sleep(seconds)
        return not self.is_killed


def call_once(do: Callable[[], T]) -> T:
    """Call the function once, without retries."""
    return do()


def describe_error(error: Exception, subject: str) -> str:
    """Return the error of a call as a message for the person who has to act."""
    if isinstance(error, OmicsServiceError):
        return error.explanation.describe()
    return explain(error, failed_operation(error) or "The call", subject).describe()


def refusal_note(error: BaseException, operation: str) -> str:
    """Return the code of an error and its operation, with what to do where the caller lacks a permission."""
    note = f"{error_code(error)} ({operation})"
    return f"{note}. {explain(error, operation, '').remedy}" if is_denied(error) else note


def _cause(error: Exception) -> Exception | None:
    """Return the cause to retry for; None if the error means not found, or was raised on purpose."""
    cause = error.__cause__ if isinstance(error, OmicsServiceError) else error
    if not isinstance(cause, Exception) or isinstance(cause, OmicsError):
        return None
    return None if categorize(cause) is ErrorCategory.NOT_FOUND or error_code(cause) in _ABSENT_CODES else cause
