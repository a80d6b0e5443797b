"""One status watcher for all triggers of an event loop that use the same connection."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_omics.healthomics.watcher.watcher import Clock, StatusWatcher
from airflow_provider_omics.hooks.parameters import ConnectionParameters

_PREFIX = "omics.watch"


class AirflowMetrics:
    """Hands a watcher's figures to Airflow's metrics, as ``omics.watch.<name>``; no wait ends for a figure.

    :param tags: what tells this watcher from the others, for metrics systems that know tags.
    """

    def __init__(self, tags: dict[str, str]) -> None:
        self._tags = tags

    def count(self, name: str, operation: str) -> None:
        """Count one call."""
        with suppress(Exception):
            Stats.incr(f"{_PREFIX}.{name}", tags={**self._tags, "operation": operation})

    def gauge(self, name: str, value: float) -> None:
        """Keep a figure as it is now."""
        with suppress(Exception):
            Stats.gauge(f"{_PREFIX}.{name}", value, tags=self._tags)


@dataclass(eq=False)
class _PooledWatcher:
    key: str
    others: dict[str, _PooledWatcher]
    watcher: StatusWatcher
    leases: int = 0


@dataclass(eq=False)
class WatcherPool:
    """The watchers in use; each is made by the first who needs it, and closed by the last.

    :param clock: what passes for time.
    """

    clock: Clock = field(default_factory=Clock)
    _by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _PooledWatcher]] = field(
        default_factory=WeakKeyDictionary, init=False
    )

    def watcher(self, connection: ConnectionParameters) -> AbstractAsyncContextManager[StatusWatcher]:
        """Give the watcher of a connection on this event loop, to enter.

        Connections that differ in any parameter share nothing, even where they lead to the same account.
        """
        return _WatcherLease(self, connection)

    def acquire(self, connection: ConnectionParameters) -> _PooledWatcher:
        """Give a watcher to one more user."""
        shared = self._by_loop.setdefault(asyncio.get_running_loop(), {})
        key = _key(connection)
        if key not in shared:
            shared[key] = _PooledWatcher(key, shared, self._new(connection))
        pooled = shared[key]
        pooled.leases += 1
        return pooled

    async def release(self, pooled: _PooledWatcher) -> None:
        """Have one user less, and close the watcher when it has no other."""
        pooled.leases -= 1
        if not pooled.leases:
            del pooled.others[pooled.key]
            await _close_uncancellably(pooled.watcher)

    def in_use(self) -> int:
        """Return how many watchers this event loop has."""
        return len(self._by_loop.get(asyncio.get_running_loop(), {}))

    def _new(self, connection: ConnectionParameters) -> StatusWatcher:
        tags = {"aws_conn_id": str(connection.aws_conn_id), "region": str(connection.region_name)}
        # A hook of its own each time: one remembers the connection, which may have been changed.
        return StatusWatcher(lambda: connection.hook().open_watching_client(), self.clock, AirflowMetrics(tags))


class _WatcherLease(AbstractAsyncContextManager[StatusWatcher]):
    """The use of a watcher; there may be very many, so each is small."""

    __slots__ = ("_connection", "_pool", "_pooled")

    def __init__(self, watcher_pool: WatcherPool, connection: ConnectionParameters) -> None:
        self._pool = watcher_pool
        self._connection = connection

    async def __aenter__(self) -> StatusWatcher:
        self._pooled = self._pool.acquire(self._connection)
        del self._connection
        return self._pooled.watcher

    async def __aexit__(self, *_error: object) -> None:
        await self._pool.release(self._pooled)


watcher_pool = WatcherPool()
"""Those of this process."""


async def _close_uncancellably(watcher: StatusWatcher) -> None:
    # The last one may leave by being cancelled, even twice; the client is closed all the same.
    closing = asyncio.ensure_future(watcher.close())
    cancelled = False
    while not closing.done():
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            if closing.cancelled():
                raise
            cancelled = True
    closing.result()
    if cancelled:
        raise asyncio.CancelledError


def _key(connection: ConnectionParameters) -> str:
    payload: dict[str, Any] = connection.to_payload()
    return json.dumps(payload, sort_keys=True, default=repr)
