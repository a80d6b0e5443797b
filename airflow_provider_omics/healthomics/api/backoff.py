"""How long to pause after an error, and for how long to put up with errors: one rule for all who ask a service."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

_MOST_DOUBLINGS = 20
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 300.0
# So many pauses at least fit into the time for which errors are put up with.
_LEAST_PAUSES = 12
# A process that was stopped for an hour, or a call that took as long, has not asked for an hour.
_FEWEST_ERRORS = 4


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double from error to error.

    :param first: seconds of the pause after the first error.
    :param longest: seconds of the longest pause.
    :param jitter: share of a pause by which it may be shorter or longer, 0 to 1, so that many do not ask at once.
    """

    first: float
    longest: float
    jitter: float = 0.1

    def seconds(self, errors: int, spread: Callable[[], float] = random.random) -> float:
        """Return the seconds to pause.

        :param errors: how many errors there were in a row, at least 1.
        :param spread: gives a number from 0 to 1.
        """
        widened = min(self.first * 2.0 ** min(errors - 1, _MOST_DOUBLINGS), self.longest)
        return widened * (1 + self.jitter * (2 * spread() - 1))


def look_again(delay: float, error_budget: float) -> Backoff:
    """Return the pauses of one who looks every so often, and whose look has failed.

    They are short enough for many looks within the budget, however rarely one looks who is answered.

    :param delay: seconds between two looks that are answered.
    :param error_budget: seconds for which errors are put up with.
    """
    longest = min(_LONGEST_PAUSE, error_budget / _LEAST_PAUSES) if error_budget > 0 else _LONGEST_PAUSE
    return Backoff(min(delay, _FIRST_PAUSE, longest), longest)


@dataclass(slots=True)
class Errors:
    """Errors in a row, without an answer in between.

    :param since: when the first of them was seen, in seconds of the caller's clock.
    """

    since: float
    count: int = 0

    def are_too_many(self, now: float, error_budget: float) -> bool:
        """Whether they have lasted for longer than they are put up with.

        :param error_budget: for how many seconds they are; 0 for not at all.
        """
        if error_budget <= 0:
            return True
        return self.count >= _FEWEST_ERRORS and now - self.since > error_budget

    def lasted(self, now: float, error_budget: float) -> str:
        """Tell how much of the budget they have used up."""
        return f"{self.count} in a row, for {now - self.since:,.0f} of {error_budget:,.0f} s (error_budget)"
