"""Caches of answers that subscribers share: one GetBatch for all who wait for a batch or its samples."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_omics.healthomics.api.calls import Question, Request, Requests, T, run_async
from airflow_provider_omics.healthomics.watcher.client import SharedClient
from airflow_provider_omics.healthomics.watcher.clock import Clock
from airflow_provider_omics.healthomics.watcher.tasks import BackgroundTasks

# Who asks for the first time is content with an answer to somebody else, if it is as good as new.
_AS_NEW = 1.0
_MAX_SEARCH_AGE = 30.0
_CHANGING = frozenset({"CancelRunBatch", "DeleteRunBatch", "DeleteBatch"})


@dataclass(frozen=True)
class CacheEntry:
    """Answer of the service to a call.

    :param asked_at: when it was asked for, in seconds since the epoch.
    """

    members: Mapping[str, Any]
    asked_at: float

    def is_fresh(self, now: float, max_age: float, after: float | None) -> bool:
        """Whether it is young enough, and newer than the answer that the caller has."""
        return 0 <= now - self.asked_at <= max_age and (after is None or self.asked_at > after)


@dataclass
class _SingleFlightCache:
    """Single-flight cache: who asks the same at the same time shares one call, its answer or its error."""

    client: SharedClient
    tasks: BackgroundTasks
    clock: Clock
    _entries: dict[str, CacheEntry] = field(default_factory=dict, init=False)
    _in_flight: dict[str, asyncio.Task[CacheEntry]] = field(default_factory=dict, init=False)

    def _is_pinned(self, key: str) -> bool:
        """Whether an answer is cached for later callers."""
        return True

    async def _get_shared(self, key: str, call: Request, max_age: float, after: float | None = None) -> CacheEntry:
        entry = self._entries.get(key)
        if entry is not None and entry.is_fresh(self.clock.now(), max_age, after):
            return entry
        in_flight = self._in_flight.get(key)
        if in_flight is None:
            in_flight = self.tasks.start(self._request(key, call))
            self._in_flight[key] = in_flight
            in_flight.add_done_callback(lambda _: self._in_flight.pop(key, None))
        return await asyncio.shield(in_flight)

    async def _request(self, key: str, call: Request) -> CacheEntry:
        asked_at = self.clock.now()
        answer = CacheEntry(await self.client.call(call), asked_at)
        if self._is_pinned(key):
            self._entries[key] = answer
        return answer


@dataclass
class BatchCache(_SingleFlightCache):
    """Shares the answers of GetBatch, which are held as long as somebody may ask for the batch again."""

    _pins: dict[str, int] = field(default_factory=dict, init=False)

    async def get(self, batch_id: str, max_age: float, after: float | None = None) -> CacheEntry:
        """Return an answer that may have been given to somebody else.

        :param max_age: how old it may be, in seconds.
        :param after: when the answer was asked for that the caller has already.
        """
        return await self._get_shared(batch_id, Request("GetBatch", {"batchId": batch_id}), max_age, after)

    def invalidate(self, batch_id: str) -> None:
        """Give nobody an answer from before now."""
        self._entries.pop(batch_id, None)

    @contextmanager
    def pinned(self, batch_id: str | None) -> Iterator[None]:
        """Keep the answers about a batch for as long as somebody may ask for it again."""
        if batch_id is None:
            yield
            return
        self.pin(batch_id)
        try:
            yield
        finally:
            self.unpin(batch_id)

    def pin(self, batch_id: str) -> None:
        """Begin to keep the answers about a batch, until they are released as often."""
        self._pins[batch_id] = self._pins.get(batch_id, 0) + 1

    def unpin(self, batch_id: str) -> None:
        """Keep the answers no longer."""
        self._pins[batch_id] -= 1
        if not self._pins[batch_id]:
            del self._pins[batch_id]
            self.invalidate(batch_id)

    def _is_pinned(self, key: str) -> bool:
        return key in self._pins


@dataclass
class SearchCache(_SingleFlightCache):
    """Cache of the requests that search for the batches of a cohort, which are the same for all its samples."""

    async def get(self, call: Request, max_age: float) -> Mapping[str, Any]:
        """Return an answer that may have been given to somebody else.

        :param max_age: how old it may be, in seconds.
        """
        now = self.clock.now()
        self._entries = {
            key: entry for key, entry in self._entries.items() if entry.is_fresh(now, _MAX_SEARCH_AGE, None)
        }
        return (await self._get_shared(f"{call.operation} {sorted(call.members.items())}", call, max_age)).members


class SearchSession:
    """Session of one search for the batches of a cohort, through the shared cache.

    :param delay: seconds between two polls.
    """

    def __init__(self, client: SharedClient, answers: SearchCache, clock: Clock, delay: float) -> None:
        self._client = client
        self._answers = answers
        self._clock = clock
        self._max_age = min(delay / 2, _MAX_SEARCH_AGE)

    async def ask(self, requests: Requests[T]) -> T:
        """Make the requests, or take what was answered to others just before."""
        return await run_async(self._answer, requests)

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        await self._clock.sleep(seconds)

    async def _answer(self, call: Request) -> Any:
        if isinstance(call, Question):
            return await call.aask()
        return await self._answers.get(call, self._max_age)


class CachedSession:
    """Session of one waiter through the shared client and cache; its methods suit ``apoll_until_done``.

    :param delay: how old, at most, an answer to somebody else may be.
    """

    def __init__(self, client: SharedClient, batches: BatchCache, clock: Clock, delay: float = 0.0) -> None:
        self._client = client
        self._batches = batches
        self._clock = clock
        self._delay = delay
        self._seen_at: float | None = None
        self._began_at = clock.now()

    async def ask(self, requests: Requests[T]) -> T:
        """Make the requests, or take what was answered to others meanwhile."""
        self._began_at = self._clock.now()
        result = await run_async(self.answer, requests)
        # Going by the shared answer, all who wait for a batch come to wake at the same time.
        self._began_at = self._began_at if self._seen_at is None else min(self._began_at, self._seen_at)
        return result

    async def pause(self, seconds: float) -> None:
        """Sleep until so many seconds after what was answered last."""
        await self._clock.sleep(max(0.0, self._began_at + seconds - self._clock.now()))

    async def answer(self, call: Request) -> Any:
        """Answer one call."""
        if call.operation == "GetBatch":
            max_age = min(_AS_NEW, self._delay / 4) if self._seen_at is None else self._delay
            shared = await self._batches.get(call.members["batchId"], max_age, self._seen_at)
            self._seen_at = shared.asked_at
            return shared.members
        try:
            return await self._client.call(call)
        finally:
            if call.operation in _CHANGING:
                self._batches.invalidate(call.members.get("batchId", ""))
