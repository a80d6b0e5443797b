"""Shared watcher of one connection on one event loop.

Polling each run or sample by itself would cost a call each, many more than the service allows. Here all waiters share
one client and its rate limits, are polled for together wherever that costs less, and are woken once, at the end.
Whether to go on waiting is decided by each one's :class:`~airflow_provider_omics.healthomics.polling.engine.Waiter`,
with what the pollers publish; nothing is decided twice.
"""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import Any

from airflow_provider_omics.healthomics.api.calls import Requests, T
from airflow_provider_omics.healthomics.api.logger import Log
from airflow_provider_omics.healthomics.batches.batch_poll import BatchPoll
from airflow_provider_omics.healthomics.batches.sample_poll import SamplePoll
from airflow_provider_omics.healthomics.discovery.cohort_search import CohortSearch
from airflow_provider_omics.healthomics.polling.engine import Waiter, apoll_until_done
from airflow_provider_omics.healthomics.polling.poll import SnapshotT
from airflow_provider_omics.healthomics.polling.result import WaitResult
from airflow_provider_omics.healthomics.runs.poll import RunPoll
from airflow_provider_omics.healthomics.watcher.batch_cache import BatchCache, CachedSession, SearchCache, SearchSession
from airflow_provider_omics.healthomics.watcher.client import ClientConfig, ClientFactory, SharedClient
from airflow_provider_omics.healthomics.watcher.clock import Clock
from airflow_provider_omics.healthomics.watcher.metrics import Metrics, NullMetrics
from airflow_provider_omics.healthomics.watcher.poller import Poller
from airflow_provider_omics.healthomics.watcher.run_poller import RunPoller
from airflow_provider_omics.healthomics.watcher.sample_poller import SamplePoller
from airflow_provider_omics.healthomics.watcher.subscription import Subscription
from airflow_provider_omics.healthomics.watcher.tasks import BackgroundTasks

__all__ = ["ClientConfig", "ClientFactory", "Clock", "Metrics", "NullMetrics", "StatusWatcher"]

_BETWEEN_CHECKS = 60.0
_AT_ONCE = 500


class StatusWatcher:
    """Watcher of runs, batches and samples for many waiters, through one client.

    It belongs to the event loop that it is used on, and must be closed.

    :param new_client: makes a client without blocking the event loop; asked again when credentials are refused.
    :param clock: what passes for time.
    :param metrics: where the figures go.
    """

    def __init__(self, new_client: ClientFactory, clock: Clock | None = None, metrics: Metrics | None = None) -> None:
        self.clock = clock or Clock()
        self._metrics = metrics or NullMetrics()
        self._tasks = BackgroundTasks()
        self._client = SharedClient(new_client, self._tasks, self.clock, self._metrics)
        self._batches = BatchCache(self._client, self._tasks, self.clock)
        self._searches = SearchCache(self._client, self._tasks, self.clock)
        self._runs = RunPoller(self._client, self._tasks, self.clock)
        self._samples: dict[str, SamplePoller] = {}
        self._sessions = 0
        self._next_check = float("inf")
        self._check_sooner = asyncio.Event()
        self._checking: asyncio.Task[None] | None = None

    async def wait(self, waiter: Waiter[SnapshotT], log: Log) -> WaitResult[SnapshotT]:
        """Wait for one thing, with what is found out for all.

        :param waiter: decides; its clock must be the watcher's.
        :param log: hears of what changes, and of errors.
        """
        if self._checking is None:
            self._checking = self._tasks.start(self._check())
        poller: Poller[Any]
        match waiter.poll:
            case RunPoll(run_id=key):
                poller = self._runs
            case SamplePoll(batch_id=batch_id, run_setting_id=key):
                poller = self._sample_poller(batch_id)
            case _:
                return await self._wait_by_session(waiter, log)
        subscription = Subscription(key, waiter, self.clock, log)
        poller.subscribe(subscription)
        if subscription.deadline is not None and subscription.deadline < self._next_check:
            self._check_sooner.set()
        try:
            return await subscription.ended
        finally:
            poller.unsubscribe(subscription)
            if isinstance(poller, SamplePoller) and not poller.subscriptions:
                self._samples.pop(poller.batch_id, None)

    async def ask(self, requests: Requests[T]) -> T:
        """Make requests now, through the shared client and its rate limits."""
        return await CachedSession(self._client, self._batches, self.clock).ask(requests)

    async def close(self) -> None:
        """End all work and close the client; nobody may wait any more."""
        await self._tasks.close()
        await self._client.close()

    async def _wait_by_session(self, waiter: Waiter[SnapshotT], log: Log) -> WaitResult[SnapshotT]:
        delay, batch_id = waiter.policy.delay, None
        session: CachedSession | SearchSession = CachedSession(self._client, self._batches, self.clock, delay)
        match waiter.poll:
            case BatchPoll(batch_id=batch_id):
                pass
            case CohortSearch():
                session = SearchSession(self._client, self._searches, self.clock, delay)
        self._sessions += 1
        try:
            with self._batches.pinned(batch_id):
                return await apoll_until_done(waiter, session.ask, session.pause, log)
        finally:
            self._sessions -= 1

    def _sample_poller(self, batch_id: str) -> SamplePoller:
        if batch_id not in self._samples:
            self._samples[batch_id] = SamplePoller(batch_id, self._client, self._batches, self._tasks, self.clock)
        return self._samples[batch_id]

    async def _check(self) -> None:
        """Check deadlines and staleness of the subscriptions, and keep the metrics."""
        while True:
            self._check_sooner.clear()
            now = self.clock.now()
            self._next_check, watched = now + _BETWEEN_CHECKS, self._sessions
            for subscription in list(chain.from_iterable(poller.all_subscriptions() for poller in self._pollers())):
                self._check_subscription(subscription, now)
                watched += 1
                if not watched % _AT_ONCE:
                    await asyncio.sleep(0)
            self._metrics.gauge("watched", watched)
            if self._client.answered_at is not None:
                self._metrics.gauge("answer_age", max(0.0, now - self._client.answered_at))
            await self.clock.sleep_until_set(self._check_sooner, max(0.0, self._next_check - self.clock.now()))

    def _check_subscription(self, subscription: Subscription[Any], now: float) -> None:
        if subscription.deadline is not None:
            if subscription.deadline <= now:
                subscription.expire()
            else:
                self._next_check = min(self._next_check, subscription.deadline)
        subscription.check_staleness(now)

    def _pollers(self) -> list[Poller[Any]]:
        return [self._runs, *self._samples.values()]
