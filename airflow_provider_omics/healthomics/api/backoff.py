"""Backoff: how long to wait before the next attempt after errors, and for how long errors are retried."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_omics.healthomics.api.service_errors import ErrorCategory, categorize, explain

_MAX_DOUBLINGS = 20
_FIRST_DELAY, _MAX_DELAY = 30.0, 300.0
# At least so many attempts fit into the time for which errors are retried.
_MIN_ATTEMPTS = 12
# A process that was stopped for an hour, or a call that took as long, has not retried for an hour.
_MIN_ERRORS = 4


@dataclass(frozen=True, slots=True)
class Backoff:
    """An exponential backoff with jitter.

    :param initial: seconds of the delay after the first error.
    :param maximum: seconds of the longest delay.
    :param jitter: share of a delay by which it may be shorter or longer, 0 to 1, so that many clients spread out.
    """

    initial: float
    maximum: float
    jitter: float = 0.1

    def seconds(self, errors: int, rng: Callable[[], float] = random.random) -> float:
        """Return the seconds of the next delay.

        :param errors: how many errors there were in a row, at least 1.
        :param rng: returns a number from 0 to 1.
        """
        delay = min(self.initial * 2.0 ** min(errors - 1, _MAX_DOUBLINGS), self.maximum)
        return delay * (1 + self.jitter * (2 * rng() - 1))


def poll_backoff(delay: float, retry_timeout: float) -> Backoff:
    """Return the backoff of a poll loop; many attempts fit into the timeout, however rarely it polls.

    :param delay: seconds between two polls without an error.
    :param retry_timeout: seconds for which errors are retried.
    """
    maximum = min(_MAX_DELAY, retry_timeout / _MIN_ATTEMPTS) if retry_timeout > 0 else _MAX_DELAY
    return Backoff(min(delay, _FIRST_DELAY, maximum), maximum)


@dataclass(slots=True)
class ErrorStreak:
    """Errors in a row, without an answer in between.

    :param since: when the first of them was seen, in seconds of the caller's clock.
    """

    since: float
    count: int = 0

    def exceeds(self, now: float, retry_timeout: float) -> bool:
        """Whether they have lasted longer than errors are retried.

        :param retry_timeout: for how many seconds they are; 0 for not at all.
        """
        if retry_timeout <= 0:
            return True
        return self.count >= _MIN_ERRORS and now - self.since > retry_timeout

    def describe(self, now: float, retry_timeout: float) -> str:
        """Return how much of the timeout they have used up, in words."""
        return f"{self.count} in a row, for {now - self.since:,.0f} of {retry_timeout:,.0f} s (error_budget)"


@dataclass(frozen=True)
class BackoffStep:
    """What to do after an error.

    :ivar seconds: the delay before the next attempt.
    :ivar message: what to log.
    :ivar is_permanent: whether the error stays until a person acts.
    """

    seconds: float
    message: str
    is_permanent: bool


@dataclass
class EndlessBackoff:
    """The backoff of a loop that never gives up, with the time of its last good answer.

    :param initial: seconds of the first delay after a transient error; each further one is twice as long.
    :param maximum: seconds of the longest delay after a transient error.
    :param permanent: seconds of every delay after an error that does not pass by itself.
    :param clock: returns seconds that never go back.
    :param rng: returns numbers from 0 to 1, for the jitter of 10 percent.
    """

    initial: float = 1.0
    maximum: float = 60.0
    permanent: float = 300.0
    clock: Callable[[], float] = time.monotonic
    rng: Callable[[], float] = random.random
    _errors: int = field(default=0, init=False)
    _answered_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._started_at = self.clock()

    def on_success(self) -> float | None:
        """Note a good answer; return the seconds since the one before if there were errors in between."""
        age = self._age() if self._errors else None
        self._errors, self._answered_at = 0, self.clock()
        return age

    def on_error(self, error: Exception, operation: str, subject: str) -> BackoffStep:
        """Return the step after an error.

        :param operation: what was called, such as ``ReceiveMessage``.
        :param subject: what it was about, such as ``queue https://...``.
        """
        self._errors += 1
        is_permanent = categorize(error) is not ErrorCategory.TRANSIENT
        delays = Backoff(self.permanent, self.permanent) if is_permanent else Backoff(self.initial, self.maximum)
        seconds = delays.seconds(self._errors, self.rng)
        last = "There was no good answer since the start" if self._answered_at is None else "The last good answer was"
        text = f"{last} {self._age():.0f} s ago; trying again in {seconds:.0f} s"
        return BackoffStep(seconds, f"{explain(error, operation, subject).describe()} {text}", is_permanent)

    def _age(self) -> float:
        return self.clock() - (self._started_at if self._answered_at is None else self._answered_at)
