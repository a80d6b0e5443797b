"""The state of each region, made when it is first asked for, with a thread that keeps its timeline running."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from airflow_provider_omics.local.account_state import AccountState

SLICE_SECONDS = 0.02
"""Longest time, in real seconds, for which the timeline keeps a state's lock."""

_PAUSE_SECONDS = 0.001

log = logging.getLogger(__name__)


class Regions:
    """The states of one server, by region.

    :param make_state: makes the state of a region.
    """

    def __init__(self, make_state: Callable[[str], AccountState]) -> None:
        self._make_state = make_state
        self._lock = threading.Lock()
        self._worlds: dict[str, AccountState] = {}
        self._tickers: dict[str, _Ticker] = {}

    def account(self, region: str) -> AccountState:
        """Return the state of a region."""
        with self._lock:
            if region not in self._worlds:
                state = self._worlds[region] = self._make_state(region)
                self._tickers[region] = _Ticker(state)
                self._tickers[region].start()
            return self._worlds[region]

    def all(self) -> list[AccountState]:
        """Return the states that exist."""
        with self._lock:
            return list(self._worlds.values())

    def close(self) -> None:
        """Stop every thread and executor and forget every state."""
        with self._lock:
            tickers, self._tickers = self._tickers, {}
            accounts, self._worlds = self._worlds, {}
        for ticker in tickers.values():
            ticker.stop()
        for state in accounts.values():
            with state.changed:
                state.ended = True
                state.changed.notify_all()
            state.executor.close()
            state.engine_pool.close()
            state.background.close()
            state.unread.close()
            state.events.close()


class _Ticker(threading.Thread):
    """Sleeps until the next callback of a timeline is due, and runs it."""

    def __init__(self, state: AccountState) -> None:
        super().__init__(name=f"omics-timeline-{state.region}", daemon=True)
        self._state = state
        self._stopped = False

    def run(self) -> None:
        with self._state.changed:
            while not self._stopped:
                try:
                    self._state.timeline.run_due(SLICE_SECONDS)
                except Exception:
                    # The callback is gone from the timeline; the others must still run.
                    log.exception("A step of the local HealthOmics server failed")
                    continue
                self._state.changed.wait(self._seconds_to_next())

    def stop(self) -> None:
        with self._state.changed:
            self._stopped = True
            self._state.changed.notify_all()
        self.join()

    def _seconds_to_next(self) -> float | None:
        due = self._state.timeline.next_due()
        if due is None:
            return None
        seconds = self._state.clock.real_seconds_until(due)
        # A thread cannot wait for longer than TIMEOUT_MAX. One that does not wait at all lets no other have the lock.
        return None if seconds is None else min(max(seconds, _PAUSE_SECONDS), threading.TIMEOUT_MAX)
