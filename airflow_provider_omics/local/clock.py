"""The server's clock, which a test can drive by hand, and the timeline of what is due on it."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the server's time."""

    def now(self) -> datetime:
        """Return the current time, in UTC."""


class ScaledClock:
    """Real time from now on, running ``scale`` times as fast.

    :param scale: seconds of the server per real second; more than 0.
    """

    def __init__(self, scale: float = 1.0) -> None:
        if scale <= 0:
            raise ValueError(f"time scale must be more than 0, not {scale}")
        self.scale = scale
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()

    def now(self) -> datetime:
        return self._started_at + timedelta(seconds=(time.monotonic() - self._started) * self.scale)


class ManualClock:
    """Stands still until a test moves it."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._now += timedelta(seconds=seconds)


class Timeline:
    """Callbacks in the order of their due times; equal times keep the order in which they were added.

    While a callback runs, :meth:`now` is the time at which it was due, so that a chain of callbacks keeps its
    spacing however late it is run.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._heap: list[tuple[datetime, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
        self._running_at: datetime | None = None

    def now(self) -> datetime:
        """Return the time that holds for whoever asks."""
        return self._running_at or self.clock.now()

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Have a callback run once this many seconds of the server's clock have gone by."""
        heapq.heappush(self._heap, (self.now() + timedelta(seconds=seconds), next(self._sequence), callback))

    def next_due(self) -> datetime | None:
        """Return when the next callback is due, if there is one."""
        return self._heap[0][0] if self._heap else None

    def run_due(self) -> int:
        """Run every callback that is due, also those that these add, and return how many ran."""
        ran = 0
        try:
            while self._heap and self._heap[0][0] <= self.clock.now():
                self._running_at, _, callback = heapq.heappop(self._heap)
                callback()
                ran += 1
        finally:
            self._running_at = None
        return ran
