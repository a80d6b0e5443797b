"""One client for all who wait: made off the event loop, made anew when its credentials are refused, never left open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name

from airflow_provider_omics.healthomics.api.backoff import Backoff
from airflow_provider_omics.healthomics.api.calls import Request
from airflow_provider_omics.healthomics.api.service_errors import (
    CREDENTIALS_REFUSED,
    ErrorCategory,
    categorize,
    error_code,
)
from airflow_provider_omics.healthomics.watcher.clock import Timing
from airflow_provider_omics.healthomics.watcher.metrics import Meter, NoMeter
from airflow_provider_omics.healthomics.watcher.rate_limiter import Pace
from airflow_provider_omics.healthomics.watcher.tasks import Tasks

_THROTTLED = ("Throttl", "TooManyRequests", "RequestLimitExceeded")
_ATTEMPTS_TO_OPEN = 3
_BACKOFF = Backoff(0.4, 15.0, jitter=1 / 3)
# A client that could not be made is not tried again for each of those who wait, who may be thousands.
_BETWEEN_CLIENTS = 10.0
# Keys that are wrong for good are not tried with a new client at each call.
_BETWEEN_REFUSALS = 60.0


@dataclass(frozen=True)
class Opened:
    """A client that is ready.

    :param client: aiobotocore's, which must not retry by itself, since its retries would not be counted.
    :param attempts: how often a call is tried, at least 1.
    :param rates: calls a second by operation, as :func:`~.pace.rates_of` reads them.
    """

    client: Any
    attempts: int = 6
    rates: Mapping[str, float] = field(default_factory=dict)


Connect = Callable[[], Awaitable[Opened]]


@dataclass(eq=False)
class _Held:
    """A client, and how many calls are on their way through it."""

    opened: Opened
    calls: int = 0
    is_retired: bool = False


class Line:
    """Makes the calls of a watcher, each in its turn, and tries again what passes.

    :param connect: makes a client; it must not block the event loop.
    """

    def __init__(self, connect: Connect, tasks: Tasks, timing: Timing, meter: Meter | None = None) -> None:
        self.pace = Pace(timing)
        self.answered_at: float | None = None
        self._connect = connect
        self._tasks = tasks
        self._timing = timing
        self._meter = meter or NoMeter()
        self._held: _Held | None = None
        self._retired: set[_Held] = set()
        self._building: asyncio.Task[_Held] | None = None
        self._refused_at = float("-inf")
        self._unbuilt: Exception | None = None
        self._unbuilt_at = float("-inf")

    async def call(self, call: Request) -> Any:
        """Make one call; raise its error once it lasts, or after as many attempts as the connection allows."""
        attempt = 0
        while True:
            attempt += 1
            held = await self._hold()
            called_at = self._timing.clock()
            try:
                called_at = await self.pace.turn(call.operation)
                held = self._newest(held)
                self._meter.count("calls", call.operation)
                answer = await getattr(held.opened.client, xform_name(call.operation))(**call.members)
            except Exception as error:
                if not self._is_worth_trying_again(error, call, held, attempt, called_at):
                    raise
            else:
                self.answered_at = self._timing.clock()
                self.pace.answered()
                return answer
            finally:
                held.calls -= 1
                self._close_if_idle(held)
            await self._timing.sleep(self._pause(attempt))

    async def close(self) -> None:
        """Close the client; nobody calls any more."""
        held, self._held = self._held, None
        # Also those whose closing had not begun, or was cancelled on its way.
        for one in (*self._retired, *([held] if held else [])):
            await self._close(one)

    async def _hold(self) -> _Held:
        while self._held is None:
            if self._unbuilt is not None and abs(self._timing.clock() - self._unbuilt_at) < _BETWEEN_CLIENTS:
                raise self._unbuilt.with_traceback(None)
            if self._building is None:
                self._building = self._tasks.start(self._build())
            await asyncio.shield(self._building)
        self._held.calls += 1
        return self._held

    def _newest(self, held: _Held) -> _Held:
        # Many may have queued up with a client whose credentials are refused by now.
        if not held.is_retired or self._held is None:
            return held
        held.calls -= 1
        self._close_if_idle(held)
        self._held.calls += 1
        return self._held

    async def _build(self) -> _Held:
        try:
            opened = await self._open()
            self.pace.rates = opened.rates
            self._held, self._unbuilt = _Held(opened), None
            return self._held
        except Exception as error:
            self._unbuilt, self._unbuilt_at = error, self._timing.clock()
            raise
        finally:
            self._building = None

    async def _open(self) -> Opened:
        for attempt in range(1, _ATTEMPTS_TO_OPEN):
            try:
                return await self._connect()
            except Exception as error:
                if categorize(error) is not ErrorCategory.TRANSIENT:
                    raise
            await self._timing.sleep(self._pause(attempt))
        return await self._connect()

    def _is_worth_trying_again(
        self, error: Exception, call: Request, held: _Held, attempt: int, called_at: float
    ) -> bool:
        code = error_code(error)
        self._meter.count("errors", call.operation)
        if code.startswith(_THROTTLED):
            self._meter.count("throttles", call.operation)
            self.pace.throttled(called_at)
        # Where access is denied, the connection may be another by the time of the next call; this one is not repeated.
        is_renewed = (code in CREDENTIALS_REFUSED or code.startswith("AccessDenied")) and self._renew(held)
        may_do_better = is_renewed and code in CREDENTIALS_REFUSED
        return attempt < held.opened.attempts and (may_do_better or categorize(error) is ErrorCategory.TRANSIENT)

    def _renew(self, held: _Held) -> bool:
        if held.is_retired:
            return True
        now = self._timing.clock()
        if abs(now - self._refused_at) < _BETWEEN_REFUSALS:
            return False
        self._refused_at = now
        self._retire(held)
        return True

    def _retire(self, held: _Held) -> None:
        held.is_retired = True
        self._retired.add(held)
        if self._held is held:
            self._held = None
        self._close_if_idle(held)

    def _close_if_idle(self, held: _Held) -> None:
        if held.is_retired and not held.calls:
            self._tasks.start(self._close(held))

    async def _close(self, held: _Held) -> None:
        await held.opened.client.close()
        self._retired.discard(held)

    def _pause(self, attempt: int) -> float:
        return _BACKOFF.seconds(attempt, self._timing.spread)
