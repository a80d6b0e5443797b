"""Those who look for the batches of one cohort in a triggerer ask once for all."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow_provider_omics.healthomics.api.calls import Question, Request, Requests
from airflow_provider_omics.healthomics.watcher.batch_cache import SearchCache, SearchSession
from airflow_provider_omics.healthomics.watcher.clock import Clock
from airflow_provider_omics.healthomics.watcher.tasks import BackgroundTasks

LIST = Request("ListBatch", {"name": "cohort", "maxItems": 100})
DELAY = 20.0


class Line:
    """Answers every call after a while, with how many calls there were."""

    def __init__(self) -> None:
        self.calls = 0

    async def call(self, _call: Request) -> dict[str, int]:
        self.calls += 1
        answer = {"calls": self.calls}
        await asyncio.sleep(0)
        return answer


def searches(count: int, client: Any, now: list[float]) -> list[SearchSession]:
    clock = Clock(now=lambda: now[0])
    cache = SearchCache(client, BackgroundTasks(), clock)
    return [SearchSession(client, cache, clock, DELAY) for _ in range(count)]


def look() -> Requests[int]:
    answer = yield LIST
    return int(answer["calls"])


def test_an_answer_is_shared_for_half_the_time_between_two_looks() -> None:
    client, now = Line(), [1000.0]

    async def story() -> None:
        many = searches(50, client, now)
        assert set(await asyncio.gather(*(one.ask(look()) for one in many))) == {1}
        now[0] += DELAY / 2
        assert await many[0].ask(look()) == 1
        now[0] += 1
        assert set(await asyncio.gather(*(one.ask(look()) for one in many))) == {2}

    asyncio.run(story())
    assert client.calls == 2


def test_a_question_for_airflow_is_asked_there_by_each() -> None:
    client, asked = Line(), []

    async def state() -> str:
        asked.append(1)
        return "running"

    def ask() -> Requests[str]:
        told: str = yield Question("GetTaskState", {}, lambda: "never asked", state)
        return told

    async def story() -> list[str]:
        return list(await asyncio.gather(*(one.ask(ask()) for one in searches(3, client, [0.0]))))

    assert asyncio.run(story()) == ["running"] * 3
    assert (len(asked), client.calls) == (3, 0)
