from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics.local.faults import FaultKind, FaultPlan, FaultRule


def struck(plan: FaultPlan, operation: str, calls: int) -> list[bool]:
    return [plan.inject(operation) is not None for _ in range(calls)]


def test_a_rule_strikes_so_many_calls_of_its_operation_and_no_more() -> None:
    plan = FaultPlan()
    plan.add(FaultRule(kind=FaultKind.THROTTLE, operation="GetRun", count=2, skip=1))
    assert plan.inject("ListRuns") is None
    assert struck(plan, "GetRun", 5) == [False, True, True, False, False]
    assert [count for _, count in plan.rules()] == [2]


def test_the_first_rule_that_strikes_decides() -> None:
    plan = FaultPlan()
    plan.add(FaultRule(kind=FaultKind.THROTTLE, count=1))
    plan.add(FaultRule(kind=FaultKind.LOST_ANSWER, operation="StartRun", count=1))
    kinds = [rule.kind if (rule := plan.inject("StartRun")) else None for _ in range(3)]
    assert kinds == [FaultKind.THROTTLE, FaultKind.LOST_ANSWER, None]


@given(seed=st.integers(), share=st.floats(0.01, 0.99))
def test_the_same_seed_strikes_the_same_calls(seed: int, share: float) -> None:
    outcomes = []
    for _ in range(2):
        plan = FaultPlan(seed)
        plan.add(FaultRule(kind=FaultKind.ERROR_BEFORE, share=share, count=None))
        outcomes.append(struck(plan, "GetRun", 50))
    assert outcomes[0] == outcomes[1]


def test_a_share_is_about_the_share_of_the_calls() -> None:
    plan = FaultPlan(seed=1)
    plan.add(FaultRule(kind=FaultKind.THROTTLE, share=0.3, count=None))
    assert 250 < sum(struck(plan, "GetRun", 1000)) < 350


def test_clearing_removes_every_rule() -> None:
    plan = FaultPlan()
    plan.add(FaultRule(kind=FaultKind.THROTTLE, count=None))
    plan.clear()
    assert plan.inject("GetRun") is None
    assert plan.rules() == []


@pytest.mark.parametrize("operation", ["StartRunn", "startRun", "", "RunBatch.explode", "GetReadSet"])
def test_a_rule_for_an_operation_that_is_not_served_is_refused(operation: str) -> None:
    with pytest.raises(ValueError, match=rf"operation must be one of .*StartRun.*, not '{operation}'"):
        FaultRule(kind=FaultKind.THROTTLE, operation=operation)


@pytest.mark.parametrize("operation", ["*", "StartRunBatch", "ListRunsInBatch", "RunBatch.abort"])
def test_a_rule_can_name_every_operation_and_every_step_of_a_batch(operation: str) -> None:
    assert FaultRule(kind=FaultKind.THROTTLE, operation=operation).operation == operation


@pytest.mark.parametrize(
    "settings", [{"kind": "explode"}, {"share": 0}, {"share": 1.1}, {"count": 0}, {"skip": -1}, {"seconds": -1}]
)
def test_a_rule_that_makes_no_sense_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"FaultKind|must be"):
        FaultRule(**{"kind": "throttle", **settings})  # type: ignore[arg-type]


def test_the_kinds_that_leave_the_effect() -> None:
    after = {kind for kind in FaultKind if kind.is_after_the_effect}
    assert after == {FaultKind.ERROR_AFTER, FaultKind.LOST_ANSWER, FaultKind.SLOW_ANSWER}
