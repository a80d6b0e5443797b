"""Watching in time that passes only while everybody sleeps, against the local service without HTTP in between."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from batch_account import ACCOUNT, ROLE, WORKFLOW, BatchAccount
from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import Request, Requests, run_with
from airflow_provider_omics.healthomics.polling.engine import Waiter, WaitPolicy
from airflow_provider_omics.healthomics.polling.poll import Poll
from airflow_provider_omics.healthomics.polling.result import WaitResult
from airflow_provider_omics.healthomics.watcher.watcher import ClientConfig, Clock, StatusWatcher
from airflow_provider_omics.local.errors import ServiceError

__all__ = ["ACCOUNT", "LOG", "VirtualLoop", "Watching", "in_virtual_time", "refusal"]

T = TypeVar("T")
LOG = logging.getLogger("test")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next time at which there is something to do."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0
        self._poll = self._selector.select  # type: ignore[attr-defined]
        self._selector.select = self._jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._virtual

    def _jump(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("everybody waits for ever")
        self._virtual += max(0.0, timeout)
        return self._poll(0)


def in_virtual_time(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, without waiting for real."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work())


def refusal(code: str, http_status: int, operation: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": http_status}}
    return ClientError(answer, operation)


class Watching:
    """A watcher on a :class:`BatchWorld`, which takes a moment for each call.

    :ivar calls: each call's time and operation, in order.
    :ivar refuse: asked about each call; raises what it is refused with.
    :ivar refuse_client: asked about each client that is made, by its number; raises what that fails with.
    :ivar through: which client the call came through that is asked about, 1 for the first.
    :ivar opened: how many clients were made, and closed.
    """

    def __init__(self, latency: float = 0.05, **state: Any) -> None:
        self.service = BatchAccount(**state)
        self.epoch = self.service.state.now().timestamp()
        self.latency: Callable[[], float] = lambda: latency
        self.calls: list[tuple[float, str]] = []
        self.refuse: Callable[[str, dict[str, Any]], None] = lambda _operation, _members: None
        self.refuse_client: Callable[[int], None] = lambda _number: None
        self.opened = self.closed = self.through = 0
        self.clock = Clock(now=self.now, jitter=lambda: 0.5)
        self.watcher: StatusWatcher

    def now(self) -> float:
        return self.epoch + asyncio.get_running_loop().time()

    def new_watcher(self, **kwargs: Any) -> StatusWatcher:
        self.watcher = StatusWatcher(self._connect, self.clock, **kwargs)
        return self.watcher

    def start_runs(self, count: int, **tags: str) -> list[str]:
        request = {"workflowId": WORKFLOW, "roleArn": ROLE, "outputUri": "s3://results/runs"}
        return [
            self.service.call("StartRun", **request, requestId=f"{len(self.service.state.runs)}-{n}", tags=tags)["id"]
            for n in range(count)
        ]

    async def wait(self, look: Poll[Any], **policy: Any) -> tuple[WaitResult[Any], float]:
        """Wait for something, and return how that ended, and when."""
        wait = Waiter(look, WaitPolicy(**{"delay": 30.0, **policy}), clock=self.now, jitter=lambda: 0.5)
        end = await self.watcher.wait(wait, LOG)
        return end, self.now()

    def ask(self, requests: Requests[T]) -> T:
        """Ask as the task does after it was resumed, which is not counted."""

        def answer(request: Request) -> Any:
            try:
                return self.service.call(request.operation, **request.members)
            except ServiceError as error:
                raise refusal(error.code, 404, request.operation) from error

        return run_with(answer, requests)

    def counts(self, since: float = 0.0) -> Counter[str]:
        return Counter(operation for at, operation in self.calls if at >= since)

    def busiest_second(self, operation: str) -> int:
        times = [at for at, name in self.calls if name == operation]
        return max(sum(1 for other in times if at <= other < at + 1) for at in times)

    def catch_up(self) -> None:
        """Let the service do what is due by now."""
        behind = self.now() - self.service.clock.now().timestamp()
        if behind > 0:
            self.service.advance(behind)

    async def _connect(self) -> ClientConfig:
        self.opened += 1
        await asyncio.sleep(0.2)
        self.refuse_client(self.opened)
        return ClientConfig(_Client(self))


class _Client:
    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self._number = watching.opened

    async def close(self) -> None:
        self._watching.closed += 1

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        operation = "".join(part.capitalize() for part in name.split("_"))

        async def call(**members: Any) -> Any:
            watching = self._watching
            watching.calls.append((asyncio.get_running_loop().time(), operation))
            await asyncio.sleep(watching.latency())
            watching.catch_up()
            watching.through = self._number
            watching.refuse(operation, members)
            try:
                return watching.service.call(operation, **members)
            except ServiceError as error:
                raise refusal(error.code, 404, operation) from error

        return call
