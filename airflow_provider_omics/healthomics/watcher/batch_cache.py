"""One GetBatch for all who wait for a batch, or for samples of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_omics.healthomics.api.calls import Question, Request, Requests, T, run_async
from airflow_provider_omics.healthomics.watcher.client import Line
from airflow_provider_omics.healthomics.watcher.clock import Timing
from airflow_provider_omics.healthomics.watcher.tasks import Tasks

# Who asks for the first time is content with an answer to somebody else, if it is as good as new.
_AS_NEW = 1.0
_LONGEST_SEARCHED = 30.0
_CHANGING = frozenset({"CancelRunBatch", "DeleteRunBatch", "DeleteBatch"})


@dataclass(frozen=True)
class Answer:
    """Answer of the service to a call.

    :param asked_at: when it was asked for, in seconds since the epoch.
    """

    members: Mapping[str, Any]
    asked_at: float

    def is_good(self, now: float, longest: float, after: float | None) -> bool:
        """Whether it is young enough, and news to one who has the answer of an earlier time."""
        return 0 <= now - self.asked_at <= longest and (after is None or self.asked_at > after)


@dataclass
class _SharedAnswers:
    """Single-flight cache: who asks the same at the same time shares one call, its answer or its error."""

    line: Line
    tasks: Tasks
    timing: Timing
    _held: dict[str, Answer] = field(default_factory=dict, init=False)
    _asking: dict[str, asyncio.Task[Answer]] = field(default_factory=dict, init=False)

    def _is_kept(self, key: str) -> bool:
        """Whether an answer is held for those who ask later."""
        return True

    async def _share(self, key: str, call: Request, longest: float, after: float | None = None) -> Answer:
        held = self._held.get(key)
        if held is not None and held.is_good(self.timing.clock(), longest, after):
            return held
        asking = self._asking.get(key)
        if asking is None:
            asking = self.tasks.start(self._ask(key, call))
            self._asking[key] = asking
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(asking)

    async def _ask(self, key: str, call: Request) -> Answer:
        asked_at = self.timing.clock()
        answer = Answer(await self.line.call(call), asked_at)
        if self._is_kept(key):
            self._held[key] = answer
        return answer


@dataclass
class BatchAnswers(_SharedAnswers):
    """Shares the answers of GetBatch, which are held as long as somebody may ask for the batch again."""

    _users: dict[str, int] = field(default_factory=dict, init=False)

    async def get(self, batch_id: str, longest: float, after: float | None = None) -> Answer:
        """Return an answer that may have been given to somebody else.

        :param longest: how old it may be, in seconds.
        :param after: when the answer was asked for that the caller has already.
        """
        return await self._share(batch_id, Request("GetBatch", {"batchId": batch_id}), longest, after)

    def forget(self, batch_id: str) -> None:
        """Give nobody an answer from before now."""
        self._held.pop(batch_id, None)

    @contextmanager
    def kept(self, batch_id: str | None) -> Iterator[None]:
        """Keep the answers about a batch for as long as somebody may ask for it again."""
        if batch_id is None:
            yield
            return
        self.keep(batch_id)
        try:
            yield
        finally:
            self.release(batch_id)

    def keep(self, batch_id: str) -> None:
        """Begin to keep the answers about a batch, until they are released as often."""
        self._users[batch_id] = self._users.get(batch_id, 0) + 1

    def release(self, batch_id: str) -> None:
        """Keep the answers no longer."""
        self._users[batch_id] -= 1
        if not self._users[batch_id]:
            del self._users[batch_id]
            self.forget(batch_id)

    def _is_kept(self, key: str) -> bool:
        return key in self._users


@dataclass
class SearchAnswers(_SharedAnswers):
    """Shares what is answered to those who look for the batches of a cohort: all of them ask the same."""

    async def get(self, call: Request, longest: float) -> Mapping[str, Any]:
        """Return an answer that may have been given to somebody else.

        :param longest: how old it may be, in seconds.
        """
        now = self.timing.clock()
        self._held = {key: held for key, held in self._held.items() if held.is_good(now, _LONGEST_SEARCHED, None)}
        return (await self._share(f"{call.operation} {sorted(call.members.items())}", call, longest)).members


class Searching:
    """Holds the conversations of one who looks for the batches of a cohort.

    :param delay: seconds between two looks.
    """

    def __init__(self, line: Line, answers: SearchAnswers, timing: Timing, delay: float) -> None:
        self._line = line
        self._answers = answers
        self._timing = timing
        self._longest = min(delay / 2, _LONGEST_SEARCHED)

    async def ask(self, requests: Requests[T]) -> T:
        """Make the calls of a conversation, or take what was answered to others just before."""
        return await run_async(self._answer, requests)

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        await self._timing.sleep(seconds)

    async def _answer(self, call: Request) -> Any:
        if isinstance(call, Question):
            return await call.aask()
        return await self._answers.get(call, self._longest)


class Conversation:
    """Holds one waiter's conversations through the shared client; :meth:`ask` and :meth:`pause` suit ``awatch``.

    :param delay: how old, at most, an answer to somebody else may be.
    """

    def __init__(self, line: Line, batches: BatchAnswers, timing: Timing, delay: float = 0.0) -> None:
        self._line = line
        self._batches = batches
        self._timing = timing
        self._delay = delay
        self._seen_at: float | None = None
        self._began_at = timing.clock()

    async def ask(self, requests: Requests[T]) -> T:
        """Make the calls of a conversation, or take what was answered to others meanwhile."""
        self._began_at = self._timing.clock()
        result = await run_async(self.answer, requests)
        # Going by the shared answer, all who wait for a batch come to wake at the same time.
        self._began_at = self._began_at if self._seen_at is None else min(self._began_at, self._seen_at)
        return result

    async def pause(self, seconds: float) -> None:
        """Sleep until so many seconds after what was answered last."""
        await self._timing.sleep(max(0.0, self._began_at + seconds - self._timing.clock()))

    async def answer(self, call: Request) -> Any:
        """Answer one call."""
        if call.operation == "GetBatch":
            longest = min(_AS_NEW, self._delay / 4) if self._seen_at is None else self._delay
            shared = await self._batches.get(call.members["batchId"], longest, self._seen_at)
            self._seen_at = shared.asked_at
            return shared.members
        try:
            return await self._line.call(call)
        finally:
            if call.operation in _CHANGING:
                self._batches.forget(call.members.get("batchId", ""))
