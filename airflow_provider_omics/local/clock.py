"""The server's clock, which a test can drive by hand, and the timeline of what is due on it."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the server's time."""

    def now(self) -> datetime:
        """Return the current time, in UTC."""

    def real_seconds_until(self, moment: datetime, /) -> float | None:
        """Return how long to sleep until then, in real seconds; None when the clock is moved by hand."""


class ScaledClock:
    """Real time from now on, running ``scale`` times as fast.

    :param scale: seconds of the server per real second; more than 0.
    :raises ValueError: it is not.
    """

    def __init__(self, scale: float = 1.0) -> None:
        if scale <= 0:
            raise ValueError(f"time scale must be more than 0, not {scale}")
        self.scale = scale
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()

    def now(self) -> datetime:
        return self._started_at + timedelta(seconds=(time.monotonic() - self._started) * self.scale)

    def real_seconds_until(self, moment: datetime) -> float | None:
        return max(0.0, (moment - self.now()).total_seconds() / self.scale)


class ManualClock:
    """Stands still until a test moves it."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def real_seconds_until(self, _moment: datetime) -> float | None:
        return None

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._now += timedelta(seconds=seconds)


class Timeline:
    """Callbacks in the order of their due times; equal times keep the order in which they were added.

    :param on_added: called when an entry was added that is due before all others.

    While a callback runs, :meth:`now` is the time at which it was due, so that a chain of callbacks keeps its
    spacing however late it is run.
    """

    def __init__(self, clock: Clock, on_added: Callable[[], None] | None = None) -> None:
        self.clock = clock
        self._on_added = on_added
        self._heap: list[tuple[datetime, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
        self._running_at: datetime | None = None
        self._running_in: int | None = None

    def now(self) -> datetime:
        """Return the current time."""
        # A callback's time is not that of other threads, which may ask meanwhile.
        if self._running_at is not None and self._running_in == threading.get_ident():
            return self._running_at
        return self.clock.now()

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Have a callback run once this many seconds of the server's clock have gone by."""
        entry = (self.now() + timedelta(seconds=seconds), next(self._sequence), callback)
        heapq.heappush(self._heap, entry)
        # Only an entry that is due before all others can change what a sleeper waits for.
        if self._on_added is not None and self._heap[0] is entry:
            self._on_added()

    def next_due(self) -> datetime | None:
        """Return when the next callback is due, if there is one."""
        return self._heap[0][0] if self._heap else None

    def run_due(self, budget_seconds: float = float("inf")) -> int:
        """Run the callbacks that are due, also those that these add, and return how many ran.

        :param budget_seconds: real seconds after which the rest is left for the next time, so that others who wait
            for the lock get their turn.
        """
        ran = 0
        self._running_in = threading.get_ident()
        stop_at, now = time.monotonic() + budget_seconds, self.clock.now()
        try:
            while self._heap and time.monotonic() < stop_at:
                if self._heap[0][0] > now and self._heap[0][0] > (now := self.clock.now()):
                    break
                self._running_at, _, callback = heapq.heappop(self._heap)
                callback()
                ran += 1
        finally:
            self._running_at = None
        return ran
