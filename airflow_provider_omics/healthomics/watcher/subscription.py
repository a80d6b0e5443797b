"""What one who waits holds: woken by news only, not by each look that shows the same."""

from __future__ import annotations

import asyncio
from typing import Generic

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.polling.engine import Waiter
from airflow_provider_omics.healthomics.polling.poll import SnapshotT
from airflow_provider_omics.healthomics.watcher.clock import Timing

# The part of the delay by which a look may come early, so that many are looked at together.
_EARLY = 0.2
_LEAST_OLD, _OLD_DELAYS = 300.0, 5


class Ticket(Generic[SnapshotT]):
    """The place of one waiter at a desk; :meth:`ask` and :meth:`pause` are what ``awatch`` needs.

    :ivar due_at: when the next look should be had, in seconds since the epoch.
    :ivar fresh_at: when the last good answer was asked for; None before the first.
    """

    __slots__ = (
        "_age_told_at",
        "_entered_at",
        "_failing",
        "_future",
        "_is_old",
        "_lead",
        "_log",
        "_news",
        "_timing",
        "_told",
        "deadline",
        "delay",
        "due_at",
        "every_look",
        "fresh_at",
        "key",
        "label",
    )

    def __init__(self, key: str, wait: Waiter[SnapshotT], timing: Timing, log: Log) -> None:
        self.key = key
        self.label = wait.last.label
        self.delay = wait.policy.delay
        self._lead = _EARLY * self.delay
        self.deadline = wait.policy.deadline
        # Somebody counts the looks.
        self.every_look = wait.policy.max_attempts is not None
        self.due_at = self._entered_at = timing.clock()
        self.fresh_at: float | None = None
        self._timing = timing
        self._log = log
        self._future: asyncio.Future[None] | None = None
        self._news: SnapshotT | Exception | None = None
        self._told: SnapshotT | None = None
        self._failing = False
        self._is_old = False
        self._age_told_at = self._entered_at

    async def ask(self, requests: Requests[SnapshotT]) -> SnapshotT:
        """Wait for news, and return or raise it; the conversation is not needed."""
        requests.close()
        while self._news is None:
            self._future = asyncio.get_running_loop().create_future()
            try:
                await self._future
            finally:
                self._future = None
            self._tell_age()
        news, self._news = self._news, None
        self._failing = isinstance(news, Exception)
        if isinstance(news, Exception):
            # It is many waiters' error, and would collect the traces of all of them.
            raise news.with_traceback(None)
        self._told = news
        return news

    async def pause(self, seconds: float) -> None:
        """Note when the next look should be had; the waiting is done by :meth:`ask`."""
        began = self.fresh_at if self.fresh_at is not None and not self._failing else self._timing.clock()
        self.due_at = began + seconds
        # Who pauses for less than usual after an error is not due with everybody who looks more often.
        self._lead = _EARLY * min(self.delay, seconds)

    def is_due(self, now: float) -> bool:
        """Whether a look should be had now, or so soon that it may be had with others."""
        return self.due_at - self._lead <= now

    def offer(self, snapshot: SnapshotT, asked_at: float) -> None:
        """Give a good answer, which wakes the waiter if it is news.

        :param asked_at: when it was asked for.
        """
        was_due = self.is_due(self._timing.clock())
        self.fresh_at = asked_at
        if self.every_look and not (was_due or snapshot.phase.is_final):
            # A look that others are due for is not counted, and must not put off the next one that is.
            return
        self.due_at = asked_at + self.delay
        is_change = snapshot != self._told or self._failing or isinstance(self._news, Exception)
        if self.every_look or is_change:
            self._wake(snapshot)

    def repeat(self, snapshot: SnapshotT, asked_at: float) -> None:
        """Give an answer that says that nothing has changed.

        :param snapshot: what to give to one who has not been told anything yet.
        """
        self.offer(snapshot if self._told is None else self._told, asked_at)

    def refuse(self, error: Exception) -> None:
        """Give an error, unless the waiter is content with an earlier answer or has been told of one just now."""
        now = self._timing.clock()
        if self.is_due(now):
            self.due_at = now + self.delay
            self._wake(error)

    def expire(self) -> None:
        """Have the waiter look at the clock, as its time is up."""
        if self._news is None:
            self._wake(self._told if self._told is not None else TimeoutError("there was no answer in time"))

    def check_age(self, now: float) -> None:
        """Have the log say that there was no answer for a long time, once in a while."""
        longest = max(_LEAST_OLD, _OLD_DELAYS * self.delay)
        # One that is told of errors knows already.
        if not self._failing and now - self._seen_at >= longest and now - self._age_told_at >= longest:
            self._age_told_at = now
            self._is_old = True
            self._ring()

    @property
    def _seen_at(self) -> float:
        return self._entered_at if self.fresh_at is None else self.fresh_at

    def _tell_age(self) -> None:
        if not self._is_old:
            return
        self._is_old = False
        age = self._timing.clock() - self._seen_at
        self._log.warning(
            "%s",
            entry(
                "No answer about HealthOmics %s for %.0f s; "
                "the service is slow, or more is watched than the calls allow",
                self.label,
                age,
            ),
        )

    def _wake(self, news: SnapshotT | Exception) -> None:
        self._news = news
        self._ring()

    def _ring(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)
