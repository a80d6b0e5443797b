"""The parts of status watching that decide by themselves: pace, cost of the ways, when to read again."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import in_virtual_time

from airflow_provider_omics.healthomics.watcher.clock import Clock
from airflow_provider_omics.healthomics.watcher.rate_limiter import DEFAULT_RATE, AdaptiveRateLimiter, rates_of
from airflow_provider_omics.healthomics.watcher.strategy import (
    ListCostEstimate,
    ListFreshness,
    page_count,
)
from airflow_provider_omics.healthomics.watcher.tasks import BackgroundTasks


def new_rate_limiter(**rates: float) -> AdaptiveRateLimiter:
    return AdaptiveRateLimiter(Clock(now=asyncio.get_running_loop().time), rates)


@given(asking=st.lists(st.floats(0, 2), min_size=10, max_size=40), rate=st.floats(0.5, 50))
def test_no_second_ever_has_more_calls_of_an_operation_than_its_rate(asking: list[float], rate: float) -> None:
    async def work() -> list[float]:
        rate_limiter = new_rate_limiter(GetRun=rate)

        async def ask(after: float) -> float:
            await asyncio.sleep(after)
            return await rate_limiter.acquire("GetRun")

        return await asyncio.gather(*map(ask, asking))

    turns = sorted(in_virtual_time(work))
    assert all(later - earlier >= 1 / rate - 1e-6 for earlier, later in pairwise(turns))


def test_operations_do_not_wait_for_each_other_and_have_the_default_rate() -> None:
    async def work() -> list[float]:
        rate_limiter = new_rate_limiter()
        return [await rate_limiter.acquire(name) for name in ("GetRun", "ListRuns", "GetBatch", "GetRun")]

    assert in_virtual_time(work) == pytest.approx([0, 0, 0, 1 / DEFAULT_RATE])


def test_one_who_gives_up_loses_nobody_a_turn() -> None:
    async def work() -> list[float]:
        rate_limiter = new_rate_limiter(GetRun=1.0)
        await rate_limiter.acquire("GetRun")
        first, second = (asyncio.create_task(rate_limiter.acquire("GetRun")) for _ in range(2))
        await asyncio.sleep(0.5)
        first.cancel()
        return [await second]

    assert in_virtual_time(work) == pytest.approx([1.0])


def test_throttling_slows_every_operation_and_answers_bring_the_pace_back() -> None:
    async def work() -> tuple[float, float, float, float]:
        rate_limiter = new_rate_limiter(GetRun=8.0)
        rate_limiter.on_throttle(0.0)
        once = rate_limiter.rate("GetRun")
        await asyncio.sleep(1)
        # It was on its way before.
        rate_limiter.on_throttle(-1.0)
        same = rate_limiter.rate("GetRun")
        rate_limiter.on_throttle(1.0)
        twice = rate_limiter.rate("ListRuns")
        for _ in range(200):
            rate_limiter.on_success()
        return once, same, twice, rate_limiter.rate("GetRun")

    assert in_virtual_time(work) == (4.0, 4.0, DEFAULT_RATE / 4, 8.0)


def test_a_clock_that_is_set_back_stops_nobody() -> None:
    now = [1_000.0]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def work() -> None:
        rate_limiter = AdaptiveRateLimiter(Clock(now=lambda: now[0], sleep=sleep), {"GetRun": 2.0})
        await rate_limiter.acquire("GetRun")
        now[0] -= 3600
        await rate_limiter.acquire("GetRun")

    asyncio.run(work())
    assert slept == [0.5]


@pytest.mark.parametrize(
    ("setting", "rates"), [(None, {}), (4, {"*": 4.0}), ("2.5", {"*": 2.5}), ({"GetRun": 20}, {"GetRun": 20.0})]
)
def test_the_rate_can_be_given_for_all_operations_or_for_single_ones(setting: object, rates: dict[str, float]) -> None:
    assert rates_of(setting) == rates


@pytest.mark.parametrize("setting", [0, -1, "fast", {}, {"GetRun": None}, [1], float("inf"), float("nan")])
def test_a_rate_that_is_none_is_refused_with_what_it_must_be(setting: object) -> None:
    with pytest.raises(ValueError, match="calls_per_second must be a number more than 0"):
        rates_of(setting)


def test_lists_are_read_when_they_cost_less_than_the_looks() -> None:
    cost = ListCostEstimate(4)
    assert [cost.is_cheaper(looks, 0) for looks in (1, 4, 5)] == [False, False, True]
    cost.record(30, now=0)
    assert [cost.is_cheaper(looks, 60) for looks in (30, 31)] == [False, True]
    # It may have become short.
    assert cost.is_cheaper(5, 7200)
    cost.record_abandoned(50, now=7200)
    assert [cost.is_cheaper(looks, 7200) for looks in (100, 101)] == [False, True]


def test_lists_that_are_refused_are_left_alone_for_ten_minutes() -> None:
    cost = ListCostEstimate(4)
    cost.record_denied(now=0)
    assert [cost.is_cheaper(1000, now) for now in (0, 599, 601)] == [False, False, True]


def test_a_list_of_a_batch_is_read_when_its_counts_have_changed() -> None:
    freshness = ListFreshness()
    assert freshness.is_needed(0, now=0, period=30)
    freshness.record(0, 0, now=0)
    assert not freshness.is_needed(0, now=30, period=30)
    assert freshness.is_needed(1, now=60, period=30)
    freshness.record(1, 1, now=60)
    assert not freshness.is_needed(1, now=90, period=30)


def test_a_list_that_lags_behind_the_counts_is_read_again_but_not_for_ever() -> None:
    freshness = ListFreshness()
    needed = []
    for cycle in range(8):
        needed.append(freshness.is_needed(5, now=cycle, period=30))
        if needed[-1]:
            freshness.record(5, 4, now=cycle)
    assert needed == [True, True, True, True, False, False, False, False]


def test_counts_that_lag_do_not_hide_an_end_for_ever() -> None:
    freshness = ListFreshness()
    freshness.record(0, 0, now=0)
    assert [freshness.is_needed(0, now=30 * n, period=30) for n in (1, 2, 3, 4)] == [False, False, False, True]


@pytest.mark.parametrize(("items", "pages"), [(0, 1), (100, 1), (101, 2), (10_000, 100)])
def test_pages_are_counted(items: int, pages: int) -> None:
    assert page_count(items) == pages


@pytest.mark.timeout(20)
def test_tasks_that_have_ended_just_now_are_closed_like_others() -> None:
    async def work() -> bool:
        tasks = BackgroundTasks()
        ended = tasks.start(asyncio.sleep(0))
        await asyncio.sleep(0)
        # Its last step, and then the closing, in one turn of the event loop.
        await asyncio.create_task(tasks.close())
        return ended.done() and not ended.cancelled()

    assert in_virtual_time(work)
