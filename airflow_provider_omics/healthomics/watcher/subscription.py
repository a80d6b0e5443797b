"""Subscriptions to what a poller finds out."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import copy_context
from typing import Generic

from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.polling.engine import Waiter, decide
from airflow_provider_omics.healthomics.polling.poll import SnapshotT
from airflow_provider_omics.healthomics.polling.result import WaitResult
from airflow_provider_omics.healthomics.watcher.clock import Clock

# The part of the delay by which a poll may come early, so that many are polled together.
_EARLY_SHARE = 0.2
_MIN_STALE, _STALE_DELAYS = 300.0, 5
_STALE = "No answer about HealthOmics %s for %.0f s; the service is slow, or more is watched than the calls allow"


class Subscription(Generic[SnapshotT]):
    """Subscription of one waiter to one key of a poller; its waiter decides as soon as something is published.

    There may be very many, so each is small, and the task that waits is woken once, at the end.

    :param key: what is waited for: the id of a run, or the ``runSettingId`` of a sample.
    :param waiter: decides; its clock must be the poller's.
    :param log: where changes, errors and staleness are logged, in the context of the subscriber.
    :ivar ended: the end of waiting, to await.
    :ivar due_at: when the next poll should be made, in seconds since the epoch.
    :ivar updated_at: when the last good answer was asked for; None before the first.
    """

    __slots__ = (
        "_clock",
        "_context",
        "_early",
        "_log",
        "_staleness_logged_at",
        "_subscribed_at",
        "due_at",
        "ended",
        "key",
        "updated_at",
        "waiter",
    )

    def __init__(self, key: str, waiter: Waiter[SnapshotT], clock: Clock, log: Log) -> None:
        self.key = key
        self.waiter = waiter
        self.ended: asyncio.Future[WaitResult[SnapshotT]] = asyncio.get_running_loop().create_future()
        self.due_at = self._subscribed_at = self._staleness_logged_at = clock.now()
        self.updated_at: float | None = None
        self._early = _EARLY_SHARE * waiter.policy.delay
        self._clock = clock
        self._log = log
        self._context = copy_context()

    @property
    def delay(self) -> float:
        """Seconds between two polls."""
        return self.waiter.policy.delay

    @property
    def deadline(self) -> float | None:
        """When to stop waiting, in seconds since the epoch; None for never."""
        return self.waiter.policy.deadline

    def is_due(self, now: float) -> bool:
        """Whether a poll should be made now, or so soon that it may be made with others."""
        return self.due_at - self._early <= now

    def publish(self, snapshot: SnapshotT, asked_at: float) -> None:
        """Take a good answer.

        :param asked_at: when it was asked for.
        """
        was_due = self.is_due(self._clock.now())
        self.updated_at = asked_at
        counts_attempts = self.waiter.policy.max_attempts is not None
        if counts_attempts and not (was_due or snapshot.phase.is_final):
            # A poll that others are due for is not counted, and must not put off the next one that is.
            return
        self.due_at = asked_at + self.delay
        if counts_attempts or self.waiter.is_failing or snapshot != self.waiter.seen:
            self._decide(snapshot, asked_at)

    def touch(self, snapshot: SnapshotT, asked_at: float) -> None:
        """Take an answer that says that nothing has changed.

        :param snapshot: what to take where nothing was seen yet.
        """
        self.publish(snapshot if self.waiter.seen is None else self.waiter.seen, asked_at)

    def publish_error(self, error: Exception) -> None:
        """Take an error, unless an earlier answer is recent enough, or an error was taken just now."""
        now = self._clock.now()
        if self.is_due(now):
            self._decide(error, now)

    def expire(self) -> None:
        """End the wait, as its time is up."""
        if not self.ended.done():
            self.ended.set_result(self.waiter.timed_out())

    def check_staleness(self, now: float) -> None:
        """Log that there was no answer for a long time, once in a while."""
        since = self._subscribed_at if self.updated_at is None else self.updated_at
        max_age = max(_MIN_STALE, _STALE_DELAYS * self.delay)
        # Errors have been logged already.
        if self.waiter.is_failing or now - max(since, self._staleness_logged_at) < max_age:
            return
        self._staleness_logged_at = now
        # A log that cannot be written to must not end the checks of the others' deadlines.
        with suppress(Exception):
            self._context.run(self._log.warning, "%s", entry(_STALE, self.waiter.last.label, now - since))

    def _decide(self, answer: SnapshotT | Exception, asked_at: float) -> None:
        if self.ended.done():
            return
        try:
            decision = self._context.run(decide, self.waiter, answer, self._log)
        except Exception as error:
            # It is this one's, and must not end the others' waits.
            self.ended.set_exception(error)
            return
        if isinstance(decision, WaitResult):
            self.ended.set_result(decision)
            return
        self.due_at = asked_at + decision.seconds
        # Who pauses for less than usual after an error is not due with everybody who polls more often.
        self._early = _EARLY_SHARE * min(self.delay, decision.seconds)
