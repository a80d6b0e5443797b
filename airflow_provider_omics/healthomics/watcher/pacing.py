"""Pacing of sans-I/O requests that one worker makes: each operation in its turn, as the shared poller's calls are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.calls import Question, Request, Requests, T
from airflow_provider_omics.healthomics.api.service_errors import is_throttled
from airflow_provider_omics.healthomics.watcher.clock import Clock
from airflow_provider_omics.healthomics.watcher.rate_limiter import AdaptiveRateLimiter


class Pacer:
    """Pacer of the requests of one worker.

    :param rates: calls a second by operation, as :func:`~.rate_limiter.rates_of` reads them.
    :param sleep: sleeps so many seconds.
    """

    def __init__(self, rates: Mapping[str, float], sleep: Callable[[float], object]) -> None:
        self._limiter = AdaptiveRateLimiter(Clock(), rates)
        self._sleep = sleep

    def pace(self, requests: Requests[T]) -> Requests[T]:
        """Return the same requests, each preceded by the wait for its turn."""
        try:
            request = next(requests)
            while True:
                called_at = 0.0
                if not isinstance(request, Question):
                    called_at = yield self._turn(request)
                try:
                    answer = yield request
                except Exception as error:
                    if is_throttled(error):
                        self._limiter.on_throttle(called_at)
                    request = requests.throw(error)
                else:
                    self._note(answer, called_at)
                    request = requests.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def _turn(self, request: Request) -> Question:
        def ask() -> float:
            # Whoever is killed stops between two things that belong together, not here.
            return self._limiter.acquire_blocking(request.operation, self._sleep) or 0.0

        async def aask() -> float:
            return await asyncio.to_thread(ask)

        return Question(request.operation, {}, ask, aask)

    def _note(self, answer: Any, called_at: float) -> None:
        # The client makes a call again by itself first, as a rule for being throttled.
        if isinstance(answer, Mapping) and answer.get("ResponseMetadata", {}).get("RetryAttempts"):
            self._limiter.on_throttle(called_at)
        else:
            self._limiter.on_success()
