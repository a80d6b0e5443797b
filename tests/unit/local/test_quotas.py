from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_omics.local.assumptions import Assumptions
from airflow_provider_omics.local.clock import ManualClock
from airflow_provider_omics.local.errors import ThrottlingException
from airflow_provider_omics.local.quotas import RateLimiter


def limiter(clock: ManualClock, **assumptions: object) -> RateLimiter:
    chosen = Assumptions(**assumptions)  # type: ignore[arg-type]
    return RateLimiter(clock.now, lambda: chosen, enforced=True)


def calls_until_throttled(limits: RateLimiter, operation: str, most: int = 100) -> int:
    for done in range(most):
        try:
            limits.take(operation)
        except ThrottlingException:
            return done
    return most


@pytest.mark.parametrize(
    ("operation", "per_second"),
    [
        ("StartRun", 5),
        ("GetRun", 10),
        ("ListRuns", 10),
        ("StartRunBatch", 1),
        ("CreateWorkflow", 5),
        ("TagResource", 5),
    ],
)
def test_each_operation_has_its_published_rate(operation: str, per_second: int) -> None:
    clock = ManualClock()
    limits = limiter(clock)
    assert calls_until_throttled(limits, operation) == per_second
    clock.advance(1)
    assert calls_until_throttled(limits, operation) == per_second


def test_tokens_come_back_bit_by_bit_and_never_exceed_the_burst() -> None:
    clock = ManualClock()
    limits = limiter(clock)
    calls_until_throttled(limits, "GetRun")
    clock.advance(0.25)
    assert calls_until_throttled(limits, "GetRun") == 2
    clock.advance(timedelta(days=1).total_seconds())
    assert calls_until_throttled(limits, "GetRun") == 10


def test_who_can_wait_is_told_for_how_long() -> None:
    clock = ManualClock()
    limits = limiter(clock)
    assert [limits.seconds_to_wait("StartRun") for _ in range(5)] == [0] * 5
    wait = limits.seconds_to_wait("StartRun")
    assert wait == pytest.approx(0.2)
    assert limits.seconds_to_wait("StartRun") == wait
    clock.advance(wait)
    assert limits.seconds_to_wait("StartRun") == 0
    assert limits.seconds_to_wait("StartRun") > 0


def test_operations_have_buckets_of_their_own_unless_a_row_shares_one() -> None:
    alone = limiter(ManualClock())
    calls_until_throttled(alone, "GetRun")
    assert calls_until_throttled(alone, "ListRuns") == 10
    shared = limiter(ManualClock(), operations_of_a_row_share_rate=True)
    calls_until_throttled(shared, "GetRun")
    assert calls_until_throttled(shared, "ListRuns") == 0


def test_rates_can_be_overridden_and_switched_off() -> None:
    limits = limiter(ManualClock())
    assert calls_until_throttled(limits, "GetRun") == 10
    limits.change(True, {"GetRun": 2})
    assert calls_until_throttled(limits, "GetRun") == 2
    limits.change(False, {})
    assert calls_until_throttled(limits, "GetRun") == 100


def test_an_operation_without_a_published_rate_is_free_unless_assumed_otherwise() -> None:
    assert calls_until_throttled(limiter(ManualClock()), "ListBatch") == 100
    assert calls_until_throttled(limiter(ManualClock(), unlisted_operations_per_second=3.0), "ListBatch") == 3


def test_a_rate_below_one_still_allows_a_first_call() -> None:
    clock = ManualClock()
    limits = limiter(clock, start_run_per_second=0.1)
    assert calls_until_throttled(limits, "StartRun") == 1
    clock.advance(9)
    assert calls_until_throttled(limits, "StartRun") == 0
    clock.advance(1)
    assert calls_until_throttled(limits, "StartRun") == 1
