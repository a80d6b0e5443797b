"""Sums over runs and samples, which samples are chosen, and how calls are spaced."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from airflow_provider_omics.healthomics.watcher.clock import Clock
from airflow_provider_omics.healthomics.watcher.rate_limiter import AdaptiveRateLimiter
from airflow_provider_omics.usage.choice import UsageMode, choose, take_by_chance
from airflow_provider_omics.usage.columns import USAGE_COLUMNS, SampleUse, describe, text_of, totals
from airflow_provider_omics.usage.pricing import Price, PriceBook
from airflow_provider_omics.usage.records import RunRecord
from airflow_provider_omics.usage.run_use import RunUse

PRICES = PriceBook(
    [Price("omics.c.large", "Hours", Decimal("0.1")), Price("Run Storage", "GiB-Hours", Decimal("0.0002"))],
    "us-east-1",
    "2026-11-30",
)
TIMES = {"startTime": "2026-11-30T08:00:00Z", "stopTime": "2026-11-30T08:20:00Z"}
TASK = {"name": "align", "status": "COMPLETED", "cpus": 2, "memory": 4, "instanceType": "omics.c.large", **TIMES}


def run_use(**members: object) -> RunUse:
    run = {"id": "1", "status": "COMPLETED", "creationTime": "2026-11-30T07:59:00Z", "storageType": "STATIC", **TIMES}
    return RunUse.of(RunRecord.of(run).with_tasks([{**TASK, **members}]))


def test_a_sample_has_the_sum_of_its_runs() -> None:
    values = SampleUse((run_use(), run_use())).values(PRICES)
    assert tuple(values) == USAGE_COLUMNS
    assert values == {
        "queued_seconds": "120",
        "starting_seconds": "0",
        "running_seconds": "2400",
        "task_seconds": "2400",
        "cpu_hours": "1.333333",
        "gib_hours": "2.666667",
        "gpu_hours": "0",
        "storage_gib_hours": "800",
        "tasks": "2",
        "attempts": "2",
        "cache_hits": "0",
        "runs": "2",
        "cost_usd": "0.226667",
        "price_as_of": "2026-11-30",
    }


def test_what_is_not_known_of_one_is_not_known_of_all() -> None:
    uses = [SampleUse((run_use(),)), SampleUse((run_use(), run_use(instanceType="omics.x.large")))]
    assert uses[1].values(PRICES)["cost_usd"] is None
    summed = totals(uses, PRICES)
    assert (summed["cost_usd"], summed["cpu_hours"]) == (None, 2)
    assert "2 of 3 samples cost an unknown amount (vCPU hours: 2.00" in describe(summed, 3)


def test_sums_of_nothing_are_not_known() -> None:
    summed = totals([], PRICES)
    assert (summed["usage_samples"], summed["cost_usd"], summed["cpu_hours"]) == (0, None, None)


def test_sums_are_made_before_they_are_rounded() -> None:
    summed = totals([SampleUse((run_use(),))] * 3, PRICES)
    assert (summed["cost_usd"], summed["storage_gib_hours"]) == ("0.34", 1200)
    assert "3 of 3 samples cost 0.34 USD at prices of 2026-11-30" in describe(summed, 3)


@pytest.mark.parametrize(
    ("value", "text"), [("0", "0"), ("100", "100"), ("0.0000004", "0"), ("1E+3", "1000"), ("2.50", "2.5")]
)
def test_numbers_are_written_without_exponents(value: str, text: str) -> None:
    assert text_of(Decimal(value)) == text


def runs(**statuses: str) -> dict[str, list[RunRecord]]:
    return {name: [RunRecord(None, status=each) for each in text.split()] for name, text in statuses.items()}


def test_failed_is_of_samples_with_a_run_that_did_not_complete() -> None:
    all_runs = runs(a="COMPLETED", b="FAILED COMPLETED", c="CANCELLED", d="RUNNING")
    assert list(choose(all_runs, UsageMode.FAILED, 1, "seed")) == ["b", "c", "d"]
    assert len(choose(all_runs, UsageMode.FAILED, 1, "seed")["b"]) == 2


def test_chance_depends_on_the_seed_alone() -> None:
    all_runs = runs(**{f"s{n}": "COMPLETED" for n in range(1000)})
    first = choose(all_runs, UsageMode.SAMPLE, 10, "seed")
    assert len(first) == 10
    assert list(first) == sorted(first, key=list(all_runs).index)
    assert choose(all_runs, UsageMode.SAMPLE, 10, "seed") == first
    assert choose(all_runs, UsageMode.SAMPLE, 10, "other") != first
    assert len(choose(all_runs, UsageMode.SAMPLE, 1000, "seed")) == 1000


def test_a_redrive_that_submits_more_samples_changes_the_choice_by_as_many_at_most() -> None:
    first = choose(runs(**{f"s{n}": "COMPLETED" for n in range(990)}), UsageMode.SAMPLE, 100, "seed")
    later = choose(runs(**{f"s{n}": "COMPLETED" for n in range(1000)}), UsageMode.SAMPLE, 100, "seed")
    assert len(later) == 100
    assert len(first.keys() - later.keys()) <= 10


def test_each_id_is_taken_as_often_as_another() -> None:
    ids = [f"s{n}" for n in range(20)]
    counts = Counter(each for seed in range(2000) for each in take_by_chance(ids, 5, str(seed)))
    assert min(counts.values()) > 400
    assert max(counts.values()) < 600
    assert take_by_chance(reversed(ids), 5, "1") == take_by_chance(ids, 5, "1")
    assert take_by_chance(ids, 50, "1") == set(ids)


def test_all_is_all_and_off_is_none() -> None:
    all_runs = runs(a="COMPLETED", b="FAILED")
    assert choose(all_runs, UsageMode.ALL, 1, "seed") == all_runs
    assert choose(all_runs, UsageMode.OFF, 1, "seed") == {}


class TestTurnsWithoutAnEventLoop:
    def test_calls_of_an_operation_are_spaced_evenly(self) -> None:
        now, slept = [0.0], []

        def sleep(seconds: float) -> bool:
            slept.append(seconds)
            now[0] += seconds
            return False

        limiter = AdaptiveRateLimiter(Clock(now=lambda: now[0]), {"ListRunTasks": 4})
        assert all(limiter.acquire_blocking("ListRunTasks", sleep) is not None for _ in range(3))
        assert limiter.acquire_blocking("GetLogEvents", sleep) is not None
        now[0] += 10
        limiter.acquire_blocking("ListRunTasks", sleep)
        assert slept == [0.25, 0.25]

    def test_who_is_woken_to_stop_gets_no_turn(self) -> None:
        limiter = AdaptiveRateLimiter(Clock(now=lambda: 0.0))
        assert limiter.acquire_blocking("ListRunTasks", lambda _: True) is not None
        assert limiter.acquire_blocking("ListRunTasks", lambda _: True) is None
