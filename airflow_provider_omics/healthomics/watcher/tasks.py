"""Background tasks, which work for many waiters."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundTasks:
    """Keeps tasks that work for many, and ends them all.

    What one of them logs goes to nobody's task log: it does not run in the context of the waiter who came first.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a task."""
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def close(self) -> None:
        """Cancel them, and wait until all have ended."""
        while self._tasks:
            ending = list(self._tasks)
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            # Those that had ended already are gathered without a turn of the event loop, in which each would go.
            self._tasks.difference_update(ending)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # All who waited for it may be gone by now.
        if not task.cancelled():
            task.exception()
