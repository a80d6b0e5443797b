"""How the result of a trial is compared with that of an undisturbed one."""

from __future__ import annotations

from typing import Any

import pytest
from plan import Trial, make_plan
from verdict import Verdict, compare

TRIALS = {trial.point: trial for trial in make_plan(7, 200) if trial.strikes and trial.kind == "batch"}
SUMMARY = {"samples": 3, "completed": 3}
UPGRADE = "provider upgraded"


def wrong(trial: Trial, result: dict[str, Any]) -> list[str]:
    """What is found wrong with a result where an undisturbed task has told the outcome."""
    undisturbed = Trial(9000, "undisturbed", trial.kind, "worker", trial.shape, "first_answer", (), 1.0)
    expected = {"xcoms": {"batch_summary": {"-1": {**SUMMARY, "outcome": "completed"}}}, "tables": {}}
    verdicts = [
        Verdict(one, "success", 1.0, 1, result=said) for one, said in ((trial, result), (undisturbed, expected))
    ]
    compare(verdicts)
    assert verdicts[1].wrong == []
    return verdicts[0].wrong


@pytest.mark.parametrize("point", [UPGRADE, "while waiting"])
@pytest.mark.parametrize(
    ("summary", "needs"),
    [({**SUMMARY, "outcome": "completed"}, "any"), (SUMMARY, "0.1.0"), ({**SUMMARY, "completed": 2}, "none")],
)
def test_a_result_without_what_0_1_0_did_not_tell_is_right_only_where_0_1_0_may_have_told_it(
    point: str, summary: dict[str, Any], needs: str
) -> None:
    found = wrong(TRIALS[point], {"xcoms": {"batch_summary": {"-1": summary}}, "tables": {}})
    is_right = needs == "any" or (needs == "0.1.0" and point == UPGRADE)
    assert found == ([] if is_right else ["the result differs from an undisturbed run's"])
