"""What passes for time, so that a day of waiting can be tried in a second."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

# Between two breaths: short enough that nobody else on the event loop notices.
_AT_ONCE = 50


@dataclass(frozen=True)
class Clock:
    """The time that a watcher lives by.

    :param now: gives seconds since the epoch.
    :param sleep: sleeps so many of them.
    :param jitter: gives a number from 0 to 1, so that many processes do not ask at the same moment.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    jitter: Callable[[], float] = random.random

    async def sleep_until_set(self, event: asyncio.Event, seconds: float) -> None:
        """Sleep so many seconds, or until an event is set."""
        waiting = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.sleep(seconds))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)


async def for_each(items: Iterable[T], do: Callable[[T], object]) -> None:
    """Do something with many things, and let the others of the event loop take their turns in between."""
    for done, item in enumerate(items, 1):
        do(item)
        if done % _AT_ONCE == 0:
            await asyncio.sleep(0)
