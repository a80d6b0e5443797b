"""Where those wait who can be told together: looks are had when one of them is due, for all at once."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Generic

from airflow_provider_omics.healthomics.api.service_errors import is_from_aws
from airflow_provider_omics.healthomics.polling.poll import SnapshotT
from airflow_provider_omics.healthomics.watcher.clock import Timing, for_each
from airflow_provider_omics.healthomics.watcher.subscription import Ticket
from airflow_provider_omics.healthomics.watcher.tasks import Tasks

log = logging.getLogger(__name__)

# Long enough for those who start together to be looked at together, too short to be noticed.
_GATHERING = 0.05
_AT_ONCE = 8
# Until it is looked again who is due, when nobody is going to be.
_NOBODY = 60.0
MOST_DIRECT_LOOKS = 40
"""How many are looked at one by one before it is decided anew whom to look at, and how."""


class Desk(Generic[SnapshotT]):
    """Looks at what its tickets wait for, whenever one of them is due, in a task of its own.

    :ivar tickets: those who wait, by what they wait for.
    """

    def __init__(self, tasks: Tasks, timing: Timing) -> None:
        self.timing = timing
        self.tickets: dict[str, list[Ticket[SnapshotT]]] = {}
        self._tasks = tasks
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # In the order in which they are looked at.
        self._alone: dict[str, None] = {}
        self._in_hand: set[str] = set()
        self._looks_alone = False

    @abstractmethod
    async def poll(self, due: list[str], now: float) -> None:
        """Look at what is due, by whatever way is cheapest, and tell the tickets.

        :param due: what is due, longest first; what is not looked at stays due.
        """

    @abstractmethod
    async def look_at(self, key: str) -> SnapshotT:
        """Look at one alone."""

    def left(self, key: str) -> None:
        """Forget about what nobody waits for any more."""
        self._alone.pop(key, None)

    def enter(self, ticket: Ticket[SnapshotT]) -> None:
        """Take in one who waits."""
        self.tickets.setdefault(ticket.key, []).append(ticket)
        self._changed.set()
        if self._task is None:
            self._task = self._tasks.start(self._work())

    def leave(self, ticket: Ticket[SnapshotT]) -> None:
        """Let one go."""
        holders = self.tickets[ticket.key]
        holders.remove(ticket)
        if not holders:
            del self.tickets[ticket.key]
            self.left(ticket.key)
        if not self.tickets and self._task is not None:
            self._task.cancel()
            self._task = None

    def all_tickets(self) -> Iterator[Ticket[SnapshotT]]:
        """Return all who wait."""
        return (ticket for holders in self.tickets.values() for ticket in holders)

    def offer(self, key: str, snapshot: SnapshotT, asked_at: float) -> None:
        """Give a good answer to all who wait for it."""
        for ticket in self.tickets.get(key, ()):
            ticket.offer(snapshot, asked_at)

    def refuse(self, key: str, error: Exception) -> None:
        """Give an error to those of them who are due."""
        for ticket in self.tickets.get(key, ()):
            ticket.refuse(error)

    async def refuse_all(self, keys: Iterable[str], error: Exception) -> None:
        """Give an error to many."""
        await for_each(keys, lambda key: self.refuse(key, error))

    def look_alone_later(self, keys: Iterable[str]) -> None:
        """Look at some one by one, beside whatever else is done, whose operations have budgets of their own.

        Until that is done they are not due.
        """
        self._alone.update((key, None) for key in keys if key in self.tickets)
        if self._alone and not self._looks_alone:
            self._looks_alone = True
            self._tasks.start(self._look_alone())

    def is_alone(self, key: str) -> bool:
        """Whether one is going to be looked at alone."""
        return key in self._alone

    def not_alone(self, key: str) -> None:
        """Spare one that, since something else was seen of it."""
        self._alone.pop(key, None)

    async def look_at_each(self, keys: Collection[str]) -> None:
        """Look at some one by one, and tell their tickets; an error is told to those alone whom it is about."""
        waiting = list(keys)
        for start in range(0, len(waiting), _AT_ONCE):
            await asyncio.gather(*map(self._look_at, waiting[start : start + _AT_ONCE]))

    async def _look_at(self, key: str) -> None:
        asked_at = self.timing.clock()
        try:
            snapshot = await self.look_at(key)
        except Exception as error:
            self._note(error)
            self.refuse(key, error)
        else:
            self.offer(key, snapshot, asked_at)

    async def _look_alone(self) -> None:
        try:
            while self._alone:
                self._in_hand.update(islice(self._alone, _AT_ONCE))
                # Whoever is put down again meanwhile has to be looked at again.
                for key in self._in_hand:
                    del self._alone[key]
                await self.look_at_each(self._in_hand)
                self._in_hand.clear()
        finally:
            self._looks_alone = False
            self._in_hand.clear()
            self._changed.set()

    async def _work(self) -> None:
        before = float("-inf")
        while True:
            self._changed.clear()
            await self.timing.sleep(_GATHERING)
            now = self.timing.clock()
            if now < before:
                # A clock that was set back must not make anybody wait until it has caught up.
                for ticket in self.all_tickets():
                    ticket.due_at = min(ticket.due_at, now)
            before = now
            due = self._due(now)
            if due:
                await self._poll(due, now)
            else:
                await self.timing.sleep_until_set(self._changed, max(0.0, self._next_due() - now))

    async def _poll(self, due: list[str], now: float) -> None:
        try:
            await self.poll(due, now)
        except Exception as error:
            self._note(error)
            await self.refuse_all(due, error)

    def _due(self, now: float) -> list[str]:
        # One who is really due is waited for; then those who nearly are join in.
        if self._next_due() > now:
            return []
        due = [
            (min(ticket.due_at for ticket in holders), key)
            for key, holders in self.tickets.items()
            if not self._is_taken(key) and any(ticket.is_due(now) for ticket in holders)
        ]
        return [key for _, key in sorted(due)]

    def _next_due(self) -> float:
        times = (
            ticket.due_at for key, holders in self.tickets.items() if not self._is_taken(key) for ticket in holders
        )
        return min(times, default=self.timing.clock() + _NOBODY)

    def _is_taken(self, key: str) -> bool:
        return key in self._alone or key in self._in_hand

    def _note(self, error: Exception) -> None:
        if not is_from_aws(error):
            log.error("Watching HealthOmics failed; please report it", exc_info=error)
