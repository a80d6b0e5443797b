"""Shared client: made off the event loop, made anew when its credentials are refused, never left open."""

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
from airflow_provider_omics.healthomics.watcher.clock import Clock
from airflow_provider_omics.healthomics.watcher.metrics import Metrics, NullMetrics
from airflow_provider_omics.healthomics.watcher.rate_limiter import AdaptiveRateLimiter
from airflow_provider_omics.healthomics.watcher.tasks import BackgroundTasks

_THROTTLED = ("Throttl", "TooManyRequests", "RequestLimitExceeded")
_ATTEMPTS_TO_OPEN = 3
_BACKOFF = Backoff(0.4, 15.0, jitter=1 / 3)
# A client that could not be made is not tried again for each of the waiters, of whom there may be thousands.
_BETWEEN_CLIENTS = 10.0
# Keys that are wrong for good are not tried with a new client at each call.
_BETWEEN_REFUSALS = 60.0


@dataclass(frozen=True)
class ClientConfig:
    """A client that is ready.

    :param client: aiobotocore's, which must not retry by itself, since its retries would not be counted.
    :param attempts: how often a call is tried, at least 1.
    :param rates: calls a second by operation, as :func:`~.rate_limiter.rates_of` reads them.
    """

    client: Any
    attempts: int = 6
    rates: Mapping[str, float] = field(default_factory=dict)


ClientFactory = Callable[[], Awaitable[ClientConfig]]


@dataclass(eq=False)
class _ClientLease:
    """A client, and how many calls are on their way through it."""

    config: ClientConfig
    calls: int = 0
    is_retired: bool = False


class SharedClient:
    """Makes the calls of a watcher, each in its turn, and tries again what passes.

    :param new_client: makes a client; it must not block the event loop.
    """

    def __init__(
        self, new_client: ClientFactory, tasks: BackgroundTasks, clock: Clock, metrics: Metrics | None = None
    ) -> None:
        self.rate_limiter = AdaptiveRateLimiter(clock)
        self.answered_at: float | None = None
        self._new_client = new_client
        self._tasks = tasks
        self._clock = clock
        self._metrics = metrics or NullMetrics()
        self._current: _ClientLease | None = None
        self._retired: set[_ClientLease] = set()
        self._building: asyncio.Task[_ClientLease] | None = None
        self._refused_at = float("-inf")
        self._build_error: Exception | None = None
        self._build_failed_at = float("-inf")

    async def call(self, call: Request) -> Any:
        """Make one call; raise its error once it lasts, or after as many attempts as the connection allows."""
        attempt = 0
        while True:
            attempt += 1
            lease = await self._lease()
            called_at = self._clock.now()
            try:
                called_at = await self.rate_limiter.acquire(call.operation)
                lease = self._current_lease(lease)
                self._metrics.count("calls", call.operation)
                answer = await getattr(lease.config.client, xform_name(call.operation))(**call.members)
            except Exception as error:
                if not self._is_worth_trying_again(error, call, lease, attempt, called_at):
                    raise
            else:
                self.answered_at = self._clock.now()
                self.rate_limiter.on_success()
                return answer
            finally:
                lease.calls -= 1
                self._close_if_idle(lease)
            await self._clock.sleep(self._pause(attempt))

    async def close(self) -> None:
        """Close the client; nobody calls any more."""
        lease, self._current = self._current, None
        # Also those whose closing had not begun, or was cancelled on its way.
        for one in (*self._retired, *([lease] if lease else [])):
            await self._close(one)

    async def _lease(self) -> _ClientLease:
        while self._current is None:
            if self._build_error is not None and abs(self._clock.now() - self._build_failed_at) < _BETWEEN_CLIENTS:
                raise self._build_error.with_traceback(None)
            if self._building is None:
                self._building = self._tasks.start(self._build())
            await asyncio.shield(self._building)
        self._current.calls += 1
        return self._current

    def _current_lease(self, lease: _ClientLease) -> _ClientLease:
        # Many may have queued up with a client whose credentials are refused by now.
        if not lease.is_retired or self._current is None:
            return lease
        lease.calls -= 1
        self._close_if_idle(lease)
        self._current.calls += 1
        return self._current

    async def _build(self) -> _ClientLease:
        try:
            config = await self._open()
            self.rate_limiter.rates = config.rates
            self._current, self._build_error = _ClientLease(config), None
            return self._current
        except Exception as error:
            self._build_error, self._build_failed_at = error, self._clock.now()
            raise
        finally:
            self._building = None

    async def _open(self) -> ClientConfig:
        for attempt in range(1, _ATTEMPTS_TO_OPEN):
            try:
                return await self._new_client()
            except Exception as error:
                if categorize(error) is not ErrorCategory.TRANSIENT:
                    raise
            await self._clock.sleep(self._pause(attempt))
        return await self._new_client()

    def _is_worth_trying_again(
        self, error: Exception, call: Request, lease: _ClientLease, attempt: int, called_at: float
    ) -> bool:
        code = error_code(error)
        self._metrics.count("errors", call.operation)
        if code.startswith(_THROTTLED):
            self._metrics.count("throttles", call.operation)
            self.rate_limiter.on_throttle(called_at)
        # Where access is denied, the connection may be another by the time of the next call; this one is not repeated.
        is_renewed = (code in CREDENTIALS_REFUSED or code.startswith("AccessDenied")) and self._renew(lease)
        may_do_better = is_renewed and code in CREDENTIALS_REFUSED
        return attempt < lease.config.attempts and (may_do_better or categorize(error) is ErrorCategory.TRANSIENT)

    def _renew(self, lease: _ClientLease) -> bool:
        if lease.is_retired:
            return True
        now = self._clock.now()
        if abs(now - self._refused_at) < _BETWEEN_REFUSALS:
            return False
        self._refused_at = now
        self._retire(lease)
        return True

    def _retire(self, lease: _ClientLease) -> None:
        lease.is_retired = True
        self._retired.add(lease)
        if self._current is lease:
            self._current = None
        self._close_if_idle(lease)

    def _close_if_idle(self, lease: _ClientLease) -> None:
        if lease.is_retired and not lease.calls:
            self._tasks.start(self._close(lease))

    async def _close(self, lease: _ClientLease) -> None:
        await lease.config.client.close()
        self._retired.discard(lease)

    def _pause(self, attempt: int) -> float:
        return _BACKOFF.seconds(attempt, self._clock.jitter)
