"""What one who waits holds: woken by news only, not by each look that shows the same."""

from __future__ import annotations

import asyncio
from typing import Generic

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.polling.engine import Waiter
from airflow_provider_omics.healthomics.polling.poll import SnapshotT
from airflow_provider_omics.healthomics.watcher.clock import Clock

# The part of the delay by which a look may come early, so that many are looked at together.
_EARLY_SHARE = 0.2
_MIN_STALE, _STALE_DELAYS = 300.0, 5


class Subscription(Generic[SnapshotT]):
    """The place of one waiter at a desk; :meth:`ask` and :meth:`pause` are what ``awatch`` needs.

    :ivar due_at: when the next look should be had, in seconds since the epoch.
    :ivar updated_at: when the last good answer was asked for; None before the first.
    """

    __slots__ = (
        "_clock",
        "_delivered",
        "_failing",
        "_future",
        "_is_stale",
        "_lead",
        "_log",
        "_pending",
        "_staleness_logged_at",
        "_subscribed_at",
        "counts_attempts",
        "deadline",
        "delay",
        "due_at",
        "key",
        "label",
        "updated_at",
    )

    def __init__(self, key: str, wait: Waiter[SnapshotT], clock: Clock, log: Log) -> None:
        self.key = key
        self.label = wait.last.label
        self.delay = wait.policy.delay
        self._lead = _EARLY_SHARE * self.delay
        self.deadline = wait.policy.deadline
        # Somebody counts the looks.
        self.counts_attempts = wait.policy.max_attempts is not None
        self.due_at = self._subscribed_at = clock.now()
        self.updated_at: float | None = None
        self._clock = clock
        self._log = log
        self._future: asyncio.Future[None] | None = None
        self._pending: SnapshotT | Exception | None = None
        self._delivered: SnapshotT | None = None
        self._failing = False
        self._is_stale = False
        self._staleness_logged_at = self._subscribed_at

    async def ask(self, requests: Requests[SnapshotT]) -> SnapshotT:
        """Wait for news, and return or raise it; the conversation is not needed."""
        requests.close()
        while self._pending is None:
            self._future = asyncio.get_running_loop().create_future()
            try:
                await self._future
            finally:
                self._future = None
            self._log_staleness()
        news, self._pending = self._pending, None
        self._failing = isinstance(news, Exception)
        if isinstance(news, Exception):
            # It is many waiters' error, and would collect the traces of all of them.
            raise news.with_traceback(None)
        self._delivered = news
        return news

    async def pause(self, seconds: float) -> None:
        """Note when the next look should be had; the waiting is done by :meth:`ask`."""
        began = self.updated_at if self.updated_at is not None and not self._failing else self._clock.now()
        self.due_at = began + seconds
        # Who pauses for less than usual after an error is not due with everybody who looks more often.
        self._lead = _EARLY_SHARE * min(self.delay, seconds)

    def is_due(self, now: float) -> bool:
        """Whether a look should be had now, or so soon that it may be had with others."""
        return self.due_at - self._lead <= now

    def publish(self, snapshot: SnapshotT, asked_at: float) -> None:
        """Give a good answer, which wakes the waiter if it is news.

        :param asked_at: when it was asked for.
        """
        was_due = self.is_due(self._clock.now())
        self.updated_at = asked_at
        if self.counts_attempts and not (was_due or snapshot.phase.is_final):
            # A look that others are due for is not counted, and must not put off the next one that is.
            return
        self.due_at = asked_at + self.delay
        is_change = snapshot != self._delivered or self._failing or isinstance(self._pending, Exception)
        if self.counts_attempts or is_change:
            self._deliver(snapshot)

    def touch(self, snapshot: SnapshotT, asked_at: float) -> None:
        """Give an answer that says that nothing has changed.

        :param snapshot: what to give to one who has not been told anything yet.
        """
        self.publish(snapshot if self._delivered is None else self._delivered, asked_at)

    def publish_error(self, error: Exception) -> None:
        """Give an error, unless the waiter is content with an earlier answer or has been told of one just now."""
        now = self._clock.now()
        if self.is_due(now):
            self.due_at = now + self.delay
            self._deliver(error)

    def expire(self) -> None:
        """Have the waiter look at the clock, as its time is up."""
        if self._pending is None:
            self._deliver(
                self._delivered if self._delivered is not None else TimeoutError("there was no answer in time")
            )

    def check_staleness(self, now: float) -> None:
        """Have the log say that there was no answer for a long time, once in a while."""
        max_age = max(_MIN_STALE, _STALE_DELAYS * self.delay)
        # One that is told of errors knows already.
        if not self._failing and now - self._last_update >= max_age and now - self._staleness_logged_at >= max_age:
            self._staleness_logged_at = now
            self._is_stale = True
            self._notify()

    @property
    def _last_update(self) -> float:
        return self._subscribed_at if self.updated_at is None else self.updated_at

    def _log_staleness(self) -> None:
        if not self._is_stale:
            return
        self._is_stale = False
        age = self._clock.now() - self._last_update
        self._log.warning(
            "%s",
            entry(
                "No answer about HealthOmics %s for %.0f s; "
                "the service is slow, or more is watched than the calls allow",
                self.label,
                age,
            ),
        )

    def _deliver(self, news: SnapshotT | Exception) -> None:
        self._pending = news
        self._notify()

    def _notify(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)
