"""Group poller: polls for all its subscriptions at once, whenever one of them is due."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Generic

from airflow_provider_omics.healthomics.api.service_errors import concerns_all_calls, is_from_aws
from airflow_provider_omics.healthomics.polling.poll import SnapshotT
from airflow_provider_omics.healthomics.watcher.clock import Clock, for_each
from airflow_provider_omics.healthomics.watcher.subscription import Subscription
from airflow_provider_omics.healthomics.watcher.tasks import BackgroundTasks

log = logging.getLogger(__name__)

# Long enough for those who start together to be polled together, too short to be noticed.
_GATHER_SECONDS = 0.05
_AT_ONCE = 8
# Until it is checked again who is due, when nobody is going to be.
_IDLE_SECONDS = 60.0
MAX_DIRECT_GETS = 40
"""How many are polled one by one before it is decided anew what to poll, and how."""


class Poller(Generic[SnapshotT]):
    """Base of the pollers: a task of its own polls for the subscriptions, whenever one of them is due.

    :ivar subscriptions: by key, which is what they wait for.
    """

    def __init__(self, tasks: BackgroundTasks, clock: Clock) -> None:
        self.clock = clock
        self.subscriptions: dict[str, list[Subscription[SnapshotT]]] = {}
        self._tasks = tasks
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # In the order in which they are polled.
        self._get_queue: dict[str, None] = {}
        self._in_flight: set[str] = set()
        self._is_draining = False

    @abstractmethod
    async def poll(self, due: list[str], now: float) -> None:
        """Poll what is due, by whatever way is cheapest, and publish what it shows.

        :param due: what is due, longest first; what is not polled stays due.
        """

    @abstractmethod
    async def poll_one(self, key: str) -> SnapshotT:
        """Poll one key alone."""

    def forget(self, key: str) -> None:
        """Forget about what nobody waits for any more."""
        self._get_queue.pop(key, None)

    def subscribe(self, subscription: Subscription[SnapshotT]) -> None:
        """Add a subscription, and begin to poll with the first."""
        self.subscriptions.setdefault(subscription.key, []).append(subscription)
        self._changed.set()
        if self._task is None:
            self._task = self._tasks.start(self._work())

    def unsubscribe(self, subscription: Subscription[SnapshotT]) -> None:
        """Let one go."""
        subscribers = self.subscriptions[subscription.key]
        subscribers.remove(subscription)
        if not subscribers:
            del self.subscriptions[subscription.key]
            self.forget(subscription.key)
        if not self.subscriptions and self._task is not None:
            self._task.cancel()
            self._task = None

    def all_subscriptions(self) -> Iterator[Subscription[SnapshotT]]:
        """Return the subscriptions of all keys."""
        return (subscription for subscribers in self.subscriptions.values() for subscription in subscribers)

    def publish(self, key: str, snapshot: SnapshotT, asked_at: float) -> None:
        """Publish a good answer to all subscriptions of a key."""
        for subscription in self.subscriptions.get(key, ()):
            subscription.publish(snapshot, asked_at)

    def publish_error(self, key: str, error: Exception) -> None:
        """Give an error to those of them who are due."""
        for subscription in self.subscriptions.get(key, ()):
            subscription.publish_error(error)

    async def publish_error_to_all(self, keys: Iterable[str], error: Exception) -> None:
        """Give an error to many."""
        await for_each(keys, lambda key: self.publish_error(key, error))

    def enqueue_get(self, keys: Iterable[str]) -> None:
        """Queue keys to be polled one by one, beside whatever else is done, whose operations have budgets of their own.

        Until that is done they are not due.
        """
        self._get_queue.update((key, None) for key in keys if key in self.subscriptions)
        if self._get_queue and not self._is_draining:
            self._is_draining = True
            self._tasks.start(self._drain_get_queue())

    def is_queued(self, key: str) -> bool:
        """Whether a key is going to be polled alone."""
        return key in self._get_queue

    def dequeue(self, key: str) -> None:
        """Spare one that, since something else was seen of it."""
        self._get_queue.pop(key, None)

    async def poll_each(self, keys: Collection[str]) -> None:
        """Poll keys one by one; an error is published to the subscriptions of its key alone."""
        waiting = list(keys)
        for start in range(0, len(waiting), _AT_ONCE):
            await asyncio.gather(*map(self._poll_one, waiting[start : start + _AT_ONCE]))

    async def _poll_one(self, key: str) -> None:
        if key not in self.subscriptions:
            return
        asked_at = self.clock.now()
        try:
            snapshot = await self.poll_one(key)
        except Exception as error:
            self.note(error)
            self.publish_error(key, error)
        else:
            self.publish(key, snapshot, asked_at)

    async def is_answered_alone(self, due: Iterable[str]) -> bool:
        """Poll the first that is still waited for alone, and return whether that is answered while lists are not."""
        key = next((key for key in due if key in self.subscriptions), None)
        if key is None:
            return False
        asked_at = self.clock.now()
        try:
            snapshot = await self.poll_one(key)
        except Exception as error:
            return not concerns_all_calls(error)
        self.publish(key, snapshot, asked_at)
        return True

    async def _drain_get_queue(self) -> None:
        try:
            while self._get_queue:
                self._in_flight.update(islice(self._get_queue, _AT_ONCE))
                # What is queued again meanwhile has to be polled again.
                for key in self._in_flight:
                    del self._get_queue[key]
                await self.poll_each(self._in_flight)
                self._in_flight.clear()
        finally:
            self._is_draining = False
            self._in_flight.clear()
            self._changed.set()

    async def _work(self) -> None:
        before = float("-inf")
        while True:
            self._changed.clear()
            await self.clock.sleep(_GATHER_SECONDS)
            now = self.clock.now()
            if now < before:
                # A clock that was set back must not make anybody wait until it has caught up.
                for subscription in self.all_subscriptions():
                    subscription.due_at = min(subscription.due_at, now)
            before = now
            due = self._due(now)
            if due:
                await self._poll(due, now)
            else:
                await self.clock.sleep_until_set(self._changed, max(0.0, self._next_due() - now))

    async def _poll(self, due: list[str], now: float) -> None:
        try:
            await self.poll(due, now)
        except Exception as error:
            self.note(error)
            await self.publish_error_to_all(due, error)

    def _due(self, now: float) -> list[str]:
        # One who is really due is waited for; then those who nearly are join in.
        if self._next_due() > now:
            return []
        due = [
            (min(subscription.due_at for subscription in subscribers), key)
            for key, subscribers in self.subscriptions.items()
            if not self._is_being_polled(key) and any(subscription.is_due(now) for subscription in subscribers)
        ]
        return [key for _, key in sorted(due)]

    def _next_due(self) -> float:
        times = (
            subscription.due_at
            for key, subscribers in self.subscriptions.items()
            if not self._is_being_polled(key)
            for subscription in subscribers
        )
        return min(times, default=self.clock.now() + _IDLE_SECONDS)

    def _is_being_polled(self, key: str) -> bool:
        return key in self._get_queue or key in self._in_flight

    def note(self, error: Exception) -> None:
        """Log an error that is a mistake in the code."""
        if not is_from_aws(error):
            log.error("Watching HealthOmics failed; please report it", exc_info=error)
