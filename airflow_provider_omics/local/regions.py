"""One world per region, made when it is first asked for, with a thread that keeps its timeline running."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from airflow_provider_omics.local.world import World

SLICE_SECONDS = 0.02
"""Longest time, in real seconds, for which the timeline keeps a world's lock."""

_PAUSE_SECONDS = 0.001

log = logging.getLogger(__name__)


class Regions:
    """The worlds of one server.

    :param make_world: makes the world of a region.
    """

    def __init__(self, make_world: Callable[[str], World]) -> None:
        self._make_world = make_world
        self._lock = threading.Lock()
        self._worlds: dict[str, World] = {}
        self._tickers: dict[str, _Ticker] = {}

    def world(self, region: str) -> World:
        """Return the world of a region."""
        with self._lock:
            if region not in self._worlds:
                world = self._worlds[region] = self._make_world(region)
                self._tickers[region] = _Ticker(world)
                self._tickers[region].start()
            return self._worlds[region]

    def all(self) -> list[World]:
        """Return the worlds that exist."""
        with self._lock:
            return list(self._worlds.values())

    def close(self) -> None:
        """Stop every thread and executor and forget every world."""
        with self._lock:
            tickers, self._tickers = self._tickers, {}
            worlds, self._worlds = self._worlds, {}
        for ticker in tickers.values():
            ticker.stop()
        for world in worlds.values():
            world.executor.close()
            world.events.close()


class _Ticker(threading.Thread):
    """Sleeps until the next callback of a timeline is due, and runs it."""

    def __init__(self, world: World) -> None:
        super().__init__(name=f"omics-timeline-{world.region}", daemon=True)
        self._world = world
        self._stopped = False

    def run(self) -> None:
        with self._world.changed:
            while not self._stopped:
                try:
                    self._world.timeline.run_due(SLICE_SECONDS)
                except Exception:
                    # The callback is gone from the timeline; the others must still run.
                    log.exception("A step of the local HealthOmics server failed")
                    continue
                self._world.changed.wait(self._seconds_to_next())

    def stop(self) -> None:
        with self._world.changed:
            self._stopped = True
            self._world.changed.notify_all()
        self.join()

    def _seconds_to_next(self) -> float | None:
        due = self._world.timeline.next_due()
        if due is None:
            return None
        seconds = self._world.clock.real_seconds_until(due)
        # A thread cannot wait for longer than TIMEOUT_MAX. One that does not wait at all lets no other have the lock.
        return None if seconds is None else min(max(seconds, _PAUSE_SECONDS), threading.TIMEOUT_MAX)
