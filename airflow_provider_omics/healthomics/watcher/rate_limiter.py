"""How often a watcher may call: below the service's quotas, slower while it is throttled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_omics.healthomics.watcher.clock import Clock

EVERY_OPERATION = "*"
DEFAULT_RATE = 7.0
"""Calls a second of one operation; the published quota of those that a watcher makes is 10.

Even if an answer that is late pushes calls together, no second has more than 8 of them.
"""

_MAX_BACKOFF_FACTOR = 16.0
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
class _Slot:
    """The place where the calls of one operation queue up."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    opens_at: float = float("-inf")


@dataclass
class AdaptiveRateLimiter:
    """Spaces the calls of each operation evenly; all of them wider apart after a throttled one.

    :param rates: calls a second by operation, in place of the default.
    """

    clock: Clock
    rates: Mapping[str, float] = field(default_factory=dict)
    _backoff_factor: float = field(default=1.0, init=False)
    _throttled_at: float = field(default=float("-inf"), init=False)
    _slots: dict[str, _Slot] = field(default_factory=dict, init=False)

    def rate(self, operation: str) -> float:
        """Return how often an operation may be called now, in calls a second."""
        usual = self.rates.get(operation) or self.rates.get(EVERY_OPERATION) or DEFAULT_RATE
        return usual / self._backoff_factor

    async def acquire(self, operation: str) -> float:
        """Wait until an operation may be called, first come, first served, and return the time.

        No turn is lost when a waiting caller is cancelled.
        """
        slot = self._slots.setdefault(operation, _Slot())
        async with slot.lock:
            early = self._early(slot, operation)
            if early > 0:
                await self.clock.sleep(early)
            return self._take(slot, operation)

    def acquire_blocking(self, operation: str, sleep: Callable[[float], object]) -> float | None:
        """Do what :meth:`acquire` does for the only caller, without an event loop.

        :param sleep: sleeps so many seconds, and may return True to say that it was woken to stop.
        :return: the time; None, and no turn is taken, for a caller who is to stop.
        """
        slot = self._slots.setdefault(operation, _Slot())
        early = self._early(slot, operation)
        if early > 0 and sleep(early) is True:
            return None
        return self._take(slot, operation)

    def _early(self, slot: _Slot, operation: str) -> float:
        # A clock that was set back must not make anybody wait until it has caught up.
        return min(slot.opens_at - self.clock.now(), 1 / self.rate(operation))

    def _take(self, slot: _Slot, operation: str) -> float:
        now = self.clock.now()
        slot.opens_at = now + 1 / self.rate(operation)
        return now

    def on_throttle(self, called_at: float) -> None:
        """Slow down after a call that was throttled."""
        # What was on its way already says nothing about the wider spacing.
        if called_at >= self._throttled_at:
            self._backoff_factor = min(2 * self._backoff_factor, _MAX_BACKOFF_FACTOR)
            self._throttled_at = self.clock.now()

    def on_success(self) -> None:
        """Speed up a little after a call that was answered."""
        self._backoff_factor = max(1.0, self._backoff_factor * _RECOVERY)
