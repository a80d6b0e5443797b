"""How long to pause after an error, for someone who must never give up and whom nobody watches."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_omics.healthomics.api.backoff import Backoff
from airflow_provider_omics.healthomics.api.service_errors import ErrorCategory, categorize, explain


@dataclass(frozen=True)
class Pause:
    """What to do after an error.

    :ivar seconds: how long to pause before the next try.
    :ivar told: what to log.
    :ivar is_lasting: whether somebody has to act.
    """

    seconds: float
    told: str
    is_lasting: bool


@dataclass
class Patience:
    """Widens the pause from error to error, and keeps the time of the last good answer.

    :param shortest: seconds of the first pause after a passing error; each further one is twice as long.
    :param longest: seconds of the longest pause after a passing error.
    :param lasting: seconds of every pause after an error that does not pass by itself.
    :param clock: tells seconds that never go back.
    :param spread: gives numbers from 0 to 1, for the jitter of 10 percent.
    """

    shortest: float = 1.0
    longest: float = 60.0
    lasting: float = 300.0
    clock: Callable[[], float] = time.monotonic
    spread: Callable[[], float] = random.random
    _errors: int = field(default=0, init=False)
    _answered_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._started_at = self.clock()

    def answered(self) -> float | None:
        """Note a good answer; return the seconds since the one before if there were errors in between."""
        age = self._age() if self._errors else None
        self._errors, self._answered_at = 0, self.clock()
        return age

    def failed(self, error: Exception, operation: str, subject: str) -> Pause:
        """Decide after an error.

        :param operation: what was called, such as ``ReceiveMessage``.
        :param subject: what it was about, such as ``queue https://...``.
        """
        self._errors += 1
        is_lasting = categorize(error) is not ErrorCategory.TRANSIENT
        pauses = Backoff(self.lasting, self.lasting) if is_lasting else Backoff(self.shortest, self.longest)
        seconds = pauses.seconds(self._errors, self.spread)
        seen = (
            "The last good answer was" if self._answered_at is not None else "There was no good answer since the start"
        )
        told = (
            f"{explain(error, operation, subject).describe()} {seen} {self._age():.0f} s ago; "
            f"trying again in {seconds:.0f} s"
        )
        return Pause(seconds, told, is_lasting)

    def _age(self) -> float:
        return self.clock() - (self._started_at if self._answered_at is None else self._answered_at)
