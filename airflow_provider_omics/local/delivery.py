"""Hands events to the event bus behind the back of those who change the state, as surely as EventBridge does."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_omics.local.assumptions import Assumptions

_LATE_SECONDS = 0.2
_STOP = None


@dataclass(frozen=True, slots=True)
class Event:
    """What goes on the bus; the fields are the arguments of ``Aws.put_event``."""

    detail_type: str
    resources: Iterable[str]
    detail: dict[str, Any]
    when: datetime


class EventDelivery:
    """Delivers events one after the other in a thread of its own, which begins with the first of them.

    :param deliver: puts one event on the bus; it may block, and must not raise.
    :param assumptions: tells the shares of events that are lost, doubled and late.
    :param seed: seeds which ones.
    """

    def __init__(self, deliver: Callable[[Event], None], assumptions: Callable[[], Assumptions], seed: int) -> None:
        self._deliver = deliver
        self._assumptions = assumptions
        self._dice = random.Random(f"{seed}:events")
        self._queue: queue.Queue[tuple[Event, bool] | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, event: Event) -> None:
        """Have an event delivered after those before it; for one caller at a time, who is not held up."""
        # Roll three times for every event, so that one share never shifts what another strikes.
        lost, doubled, late = (self._dice.random() for _ in range(3))
        shares = self._assumptions()
        if self._closed or lost < shares.event_lost_share:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="omics-events", daemon=True)
            self._thread.start()
        for _ in range(2 if doubled < shares.event_doubled_share else 1):
            self._queue.put((event, late < shares.event_late_share))

    def drain(self) -> None:
        """Wait until everything that was put is delivered; do not hold the account's lock meanwhile."""
        if self._thread is not None:
            self._queue.join()

    def close(self) -> None:
        """End the thread; what is not delivered yet never will be."""
        self._closed = True
        if self._thread is not None:
            self._queue.put(_STOP)
            self._thread.join()

    def _run(self) -> None:
        held: list[Event] = []
        while True:
            try:
                item = self._queue.get(timeout=_LATE_SECONDS if held else None)
            except queue.Empty:
                held = self._hand_over(held)
                continue
            if item is _STOP:
                self._hand_over(held)
                self._queue.task_done()
                return
            event, is_late = item
            if is_late:
                held.append(event)
            else:
                held = self._hand_over([event, *held])

    def _hand_over(self, events: list[Event]) -> list[Event]:
        for event in events:
            if not self._closed:
                self._deliver(event)
            self._queue.task_done()
        return []
