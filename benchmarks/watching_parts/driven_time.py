"""Time that a benchmark drives: it stands still while anybody works, and jumps while all wait.

The clients' event loop and the server share it, and calls go over HTTP as ever. So hours of waiting at the real pace
take as long as the work in them, and no figure depends on what else the machine does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from server_process import Server

from airflow_provider_omics.healthomics.watcher.watcher import ClientConfig, Clock
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.triggers.watchers import watcher_pool
from watching_parts import service
from watching_parts.measuring import MeasuredLoop

# Most seconds that a request takes to the server, and an answer from it.
_LATENCY = 0.1


class DrivenLoop(MeasuredLoop):
    """An event loop whose time jumps to the next timer when no call and no thread is at work.

    :ivar server: one whose clock is moved by hand.
    :ivar at_work: how many calls and threads are not done yet.
    """

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.at_work = 0
        self.server = server
        self._elapsed = 0.0

    def time(self) -> float:
        """Return the time that has passed."""
        return self._elapsed

    def select(self, timeout: float | None) -> Any:
        """Wait for those who work, or let the time go by."""
        if self.at_work:
            return super().select(None if timeout is None or timeout > 0 else 0)
        if not timeout:
            return super().select(timeout)
        if ready := super().select(0):
            return ready
        self._elapsed += timeout
        self.server.do(LocalOmics.advance, timeout)
        return super().select(0)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Let the time stand still while a thread works."""
        self.at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._done)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait for threads that are about to end."""
        self.at_work += 1
        await super().shutdown_default_executor(*args, **kwargs)

    def _done(self, _future: Any) -> None:
        self.at_work -= 1


@dataclass
class Clients:
    """The clients that watchers make, each of whose calls takes a moment of driven time.

    :ivar opened: how many were made.
    :ivar closed: how many were closed.
    """

    loop: DrivenLoop
    opened: int = 0
    closed: int = 0
    rng: random.Random = field(default_factory=lambda: random.Random(0))

    def drive(self) -> Clock:
        """Have all watchers of this process live by driven time, and return it."""
        epoch = self.loop.server.do(service.now) - self.loop.time()
        watcher_pool.clock = Clock(now=lambda: epoch + self.loop.time(), jitter=self.rng.random)
        open_client = OmicsHook.open_watching_client

        async def open_counted(hook: OmicsHook) -> ClientConfig:
            opened = await open_client(hook)
            self.opened += 1
            return replace(opened, client=_Client(opened.client, self))

        OmicsHook.open_watching_client = open_counted  # type: ignore[assignment,method-assign]
        return watcher_pool.clock


class _Client:
    def __init__(self, client: Any, clients: Clients) -> None:
        self._client = client
        self._clients = clients

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._client, name)
        loop, rng = self._clients.loop, self._clients.rng

        async def call(**members: Any) -> Any:
            await asyncio.sleep(_LATENCY * rng.random())
            loop.at_work += 1
            try:
                return await method(**members)
            finally:
                loop.at_work -= 1
                await asyncio.sleep(_LATENCY * rng.random())

        return call

    async def close(self) -> None:
        self._clients.closed += 1
        await self._client.close()
