"""What runs are estimated to cost, and what is refused for it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_omics.usage.estimate import CostEstimate, UnknownCost


def estimate(*costs: str, runs: int = 1, **members: Any) -> CostEstimate:
    given = {"workflow_id": "1234567", "considered": len(costs), "price_as_of": "2026-11-30", **members}
    return CostEstimate(runs, costs=tuple(map(Decimal, costs)), **given)


def test_the_median_and_the_outer_deciles_are_those_of_all_runs_together() -> None:
    found = estimate(*map(str, range(1, 12)), runs=400, workflow_version_name="v2", with_cache_hits=3)
    assert (found.median, found.band) == (2400, (800, 4000))
    assert found.describe() == (
        "400 runs will cost about 2,400.00 USD (the median of the last 11 runs of workflow 1234567, version v2, 3 of "
        "them with tasks from a run cache; from 800.00 to 4,000.00 USD, first to last decile, at prices of 2026-11-30)"
    )
    told = found.to_json()
    assert (told["cost_usd"], told["cost_usd_low"], told["cost_usd_high"]) == ("2400", "800", "4000")
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize(
    ("costs", "considered", "why"),
    [
        (("1", "2", "3", "4"), 4, "4 completed runs of workflow 1234567 were found, and it takes 5"),
        (("1", "2"), 20, "of 20 completed runs of workflow 1234567 the costs of 2 are known, and it takes 5"),
        ((), 0, "0 completed runs"),
    ],
)
def test_fewer_than_five_runs_say_nothing(costs: tuple[str, ...], considered: int, why: str) -> None:
    found = estimate(*costs, considered=considered)
    assert (found.median, found.band, found.is_known) == (None, None, False)
    assert why in found.describe()
    assert found.to_json()["cost_usd"] is None


def test_a_list_price_needs_no_runs() -> None:
    found = estimate(runs=3, list_price=Decimal("12.5"))
    assert (found.median, found.band) == (Decimal("37.5"), (Decimal("37.5"), Decimal("37.5")))
    assert "the list price of Ready2Run workflow 1234567" in found.describe()


@pytest.mark.parametrize(
    ("limit", "is_refused", "may_exceed"), [(14, True, False), (15, False, True), (25, False, False)]
)
def test_what_costs_more_than_the_limit_is_refused(limit: int, is_refused: bool, may_exceed: bool) -> None:
    found = estimate("1", "2", "3", "4", "5", runs=5)
    issues = list(found.refusals(Decimal(limit), UnknownCost.REFUSE))
    assert bool(issues) is is_refused
    assert found.may_exceed(Decimal(limit)) is may_exceed
    if is_refused:
        said = str(issues[0])
        assert "max_cost_usd: is 14.00 USD" in said
        assert "5 runs will cost about 15.00 USD" in said
        assert "from 7.00 to 23.00 USD" in said
        assert "Raise max_cost_usd" in said


def test_nothing_may_be_all_that_it_may_cost() -> None:
    free = estimate(*["0"] * 5)
    assert not list(free.refusals(Decimal(0), UnknownCost.REFUSE))
    assert "about 0.00 USD" in free.describe()
    (issue,) = estimate("0", "0", "0.0001", "1", "1").refusals(Decimal(0), UnknownCost.REFUSE)
    assert "is 0.00 USD, and 1 run will cost about 0.0001 USD" in str(issue)


def test_five_runs_are_enough_and_an_even_number_has_the_middle_of_two() -> None:
    assert estimate("5", "1", "3", "2", "4").median == 3
    assert estimate("6", "5", "1", "3", "2", "4").median == Decimal("3.5")
    assert estimate(*["2"] * 5, runs=3).band == (6, 6)


def test_what_is_unknown_is_refused_unless_the_user_says_otherwise() -> None:
    (issue,) = estimate("1").refusals(Decimal(10), UnknownCost.REFUSE)
    assert "unknown_cost='start'" in str(issue)
    assert not list(estimate("1").refusals(Decimal(10), UnknownCost.START))
    assert not list(estimate("1").refusals(None, UnknownCost.REFUSE))
    assert not estimate("1").may_exceed(Decimal(10))
