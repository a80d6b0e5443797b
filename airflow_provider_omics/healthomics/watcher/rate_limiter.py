"""How often a watcher may call: below the service's quotas, slower while it is throttled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_omics.healthomics.watcher.clock import Timing

EVERY_OPERATION = "*"
DEFAULT_RATE = 7.0
"""Calls a second of one operation; the published quota of those that a watcher makes is 10.

Even if an answer that is late pushes calls together, no second has more than 8 of them.
"""

_MOST_SLOWNESS = 16.0
_RECOVERY = 0.9


def rates_of(setting: Any) -> dict[str, float]:
    """Read how often which operation may be called.

    :param setting: calls a second: a number for every operation, or a dict by the operation's API name, with ``*`` for
        those that it does not name; None for the default.
    :raises ValueError: it is none of these, or a number is not more than 0.
    """
    if setting is None:
        return {}
    named = setting if isinstance(setting, Mapping) else {EVERY_OPERATION: setting}
    try:
        rates = {str(name): float(rate) for name, rate in named.items()}
    except (TypeError, ValueError):
        rates = {}
    if not rates or not all(0 < rate < float("inf") for rate in rates.values()):
        raise ValueError(
            f"calls_per_second must be a number more than 0, or a dict of such numbers by operation, not {setting!r}"
        )
    return rates


@dataclass
class _Gate:
    """The place where the calls of one operation queue up."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    opens_at: float = float("-inf")


@dataclass
class Pace:
    """Spaces the calls of each operation evenly; all of them wider apart after a throttled one.

    :param rates: calls a second by operation, in place of the default.
    """

    timing: Timing
    rates: Mapping[str, float] = field(default_factory=dict)
    _slowness: float = field(default=1.0, init=False)
    _slowed_at: float = field(default=float("-inf"), init=False)
    _gates: dict[str, _Gate] = field(default_factory=dict, init=False)

    def rate(self, operation: str) -> float:
        """Return how often an operation may be called now, in calls a second."""
        usual = self.rates.get(operation) or self.rates.get(EVERY_OPERATION) or DEFAULT_RATE
        return usual / self._slowness

    async def turn(self, operation: str) -> float:
        """Wait until an operation may be called, first come, first served, and return the time.

        Nobody's turn is lost when one who waits gives up.
        """
        gate = self._gates.setdefault(operation, _Gate())
        async with gate.lock:
            # A clock that was set back must not make anybody wait until it has caught up.
            early = min(gate.opens_at - self.timing.clock(), 1 / self.rate(operation))
            if early > 0:
                await self.timing.sleep(early)
            now = self.timing.clock()
            gate.opens_at = now + 1 / self.rate(operation)
            return now

    def throttled(self, called_at: float) -> None:
        """Slow down after a call that was throttled."""
        # What was on its way already says nothing about the wider spacing.
        if called_at >= self._slowed_at:
            self._slowness = min(2 * self._slowness, _MOST_SLOWNESS)
            self._slowed_at = self.timing.clock()

    def answered(self) -> None:
        """Speed up a little after a call that was answered."""
        self._slowness = max(1.0, self._slowness * _RECOVERY)
