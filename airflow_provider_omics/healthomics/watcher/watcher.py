"""Status watching for all who wait through one connection on one event loop.

Looking at each run or sample by itself would cost a call each, many more than the service allows. Here those who wait
share one client and its budget of calls, are looked at together wherever that costs less, and are woken by news only.
Whether to go on waiting is decided by each one's :class:`~airflow_provider_omics.healthomics.polling.engine.Waiter`,
with what it is told here; nothing is decided twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Any, Protocol

from airflow_provider_omics.healthomics.api.calls import Requests, T
from airflow_provider_omics.healthomics.api.logger import Log
from airflow_provider_omics.healthomics.batches.batch_poll import BatchPoll
from airflow_provider_omics.healthomics.batches.sample_poll import SamplePoll
from airflow_provider_omics.healthomics.discovery.cohort_search import CohortSearch
from airflow_provider_omics.healthomics.polling.engine import Waiter, apoll_until_done
from airflow_provider_omics.healthomics.polling.poll import SnapshotT
from airflow_provider_omics.healthomics.polling.result import WaitResult
from airflow_provider_omics.healthomics.runs.poll import RunPoll
from airflow_provider_omics.healthomics.watcher.batch_cache import BatchAnswers, Conversation, SearchAnswers, Searching
from airflow_provider_omics.healthomics.watcher.client import Connect, Line, Opened
from airflow_provider_omics.healthomics.watcher.clock import Timing
from airflow_provider_omics.healthomics.watcher.metrics import Meter, NoMeter
from airflow_provider_omics.healthomics.watcher.poller import Desk
from airflow_provider_omics.healthomics.watcher.run_poller import RunsDesk
from airflow_provider_omics.healthomics.watcher.sample_poller import SamplesDesk
from airflow_provider_omics.healthomics.watcher.subscription import Ticket
from airflow_provider_omics.healthomics.watcher.tasks import Tasks

__all__ = ["Connect", "Meter", "NoMeter", "Opened", "StatusWatcher", "Timing"]

_BETWEEN_CHECKS = 60.0
_AT_ONCE = 500


class _Place(Protocol):
    """Where one waits; both methods are what ``awatch`` needs."""

    async def ask(self, requests: Requests[Any]) -> Any:
        """Return or raise what was found out."""

    async def pause(self, seconds: float) -> None:
        """Let so many seconds go by before the next look."""


class _Seat(AbstractContextManager[Ticket[Any]]):
    """A place at a desk, for as long as it is entered; there may be very many, so each is small."""

    __slots__ = ("_desk", "_ticket", "_watcher")

    def __init__(self, watcher: StatusWatcher, desk: Desk[Any], ticket: Ticket[Any]) -> None:
        self._watcher = watcher
        self._desk = desk
        self._ticket = ticket

    def __enter__(self) -> Ticket[Any]:
        self._watcher.sit_down(self._desk, self._ticket)
        return self._ticket

    def __exit__(self, *_error: object) -> None:
        self._watcher.stand_up(self._desk, self._ticket)


class StatusWatcher:
    """Tells many waiters what becomes of runs, batches and samples, through one client.

    It belongs to the event loop that it is used on, and must be closed.

    :param connect: makes a client without blocking the event loop; asked again when credentials are refused.
    :param timing: what passes for time.
    :param meter: where the figures go.
    """

    def __init__(self, connect: Connect, timing: Timing | None = None, meter: Meter | None = None) -> None:
        self.timing = timing or Timing()
        self._meter = meter or NoMeter()
        self._tasks = Tasks()
        self._line = Line(connect, self._tasks, self.timing, self._meter)
        self._batches = BatchAnswers(self._line, self._tasks, self.timing)
        self._searches = SearchAnswers(self._line, self._tasks, self.timing)
        self._runs = RunsDesk(self._line, self._tasks, self.timing)
        self._samples: dict[str, SamplesDesk] = {}
        self._talking = 0
        self._next_check = float("inf")
        self._check_sooner = asyncio.Event()
        self._checking: asyncio.Task[None] | None = None

    async def wait(self, wait: Waiter[SnapshotT], log: Log) -> WaitResult[SnapshotT]:
        """Wait for one thing, with what is found out for all.

        :param wait: decides; its clock must be the watcher's.
        :param log: hears of what changes, and of errors.
        """
        if self._checking is None:
            self._checking = self._tasks.start(self._check())
        with self._place(wait, log) as place:
            return await apoll_until_done(wait, place.ask, place.pause, log)

    async def ask(self, requests: Requests[T]) -> T:
        """Hold a conversation with the API now, through the shared client and its budget."""
        return await Conversation(self._line, self._batches, self.timing).ask(requests)

    async def close(self) -> None:
        """End all work and close the client; nobody may wait any more."""
        await self._tasks.close()
        await self._line.close()

    def _place(self, wait: Waiter[SnapshotT], log: Log) -> AbstractContextManager[_Place]:
        match wait.poll:
            case RunPoll(run_id=run_id):
                return _Seat(self, self._runs, Ticket(run_id, wait, self.timing, log))
            case SamplePoll(batch_id=batch_id, run_setting_id=sample):
                desk = self._desk_of(batch_id)
                return _Seat(self, desk, Ticket(sample, wait, self.timing, log))
            case BatchPoll(batch_id=batch_id):
                return self._talk(wait, batch_id)
            case CohortSearch():
                return nullcontext(Searching(self._line, self._searches, self.timing, wait.policy.delay))
        return self._talk(wait)

    def sit_down(self, desk: Desk[Any], ticket: Ticket[Any]) -> None:
        """Take in one who waits at a desk."""
        desk.enter(ticket)
        if ticket.deadline is not None and ticket.deadline < self._next_check:
            self._check_sooner.set()

    def stand_up(self, desk: Desk[Any], ticket: Ticket[Any]) -> None:
        """Let one go who waited at a desk."""
        desk.leave(ticket)
        if isinstance(desk, SamplesDesk) and not desk.tickets:
            self._samples.pop(desk.batch_id, None)

    def _desk_of(self, batch_id: str) -> SamplesDesk:
        if batch_id not in self._samples:
            self._samples[batch_id] = SamplesDesk(batch_id, self._line, self._batches, self._tasks, self.timing)
        return self._samples[batch_id]

    @contextmanager
    def _talk(self, wait: Waiter[Any], batch_id: str | None = None) -> Iterator[Conversation]:
        self._talking += 1
        try:
            with self._batches.kept(batch_id):
                yield Conversation(self._line, self._batches, self.timing, wait.policy.delay)
        finally:
            self._talking -= 1

    async def _check(self) -> None:
        """Look at the clock for those who wait at a desk, and keep the figures."""
        while True:
            self._check_sooner.clear()
            now = self.timing.clock()
            self._next_check, watched = now + _BETWEEN_CHECKS, self._talking
            for ticket in list(chain.from_iterable(desk.all_tickets() for desk in self._desks())):
                self._check_ticket(ticket, now)
                watched += 1
                if not watched % _AT_ONCE:
                    await asyncio.sleep(0)
            self._meter.gauge("watched", watched)
            if self._line.answered_at is not None:
                self._meter.gauge("answer_age", max(0.0, now - self._line.answered_at))
            await self.timing.sleep_until_set(self._check_sooner, max(0.0, self._next_check - self.timing.clock()))

    def _check_ticket(self, ticket: Ticket[Any], now: float) -> None:
        if ticket.deadline is not None:
            if ticket.deadline <= now:
                ticket.expire()
            else:
                self._next_check = min(self._next_check, ticket.deadline)
        ticket.check_age(now)

    def _desks(self) -> list[Desk[Any]]:
        return [self._runs, *self._samples.values()]
