"""Estimate of what runs will cost, from what earlier ones of the same workflow version have cost."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.usage.columns import dollars_of, text_of

FEWEST_RUNS = 5
"""Fewer runs of a known cost say too little of the next one's."""
ESTIMATE_RUNS = 20
"""How many of the last runs an estimate is made from, unless the user says otherwise."""


class UnknownCost(StrEnum):
    """What becomes of a start with an upper bound whose cost cannot be estimated."""

    REFUSE = "refuse"
    START = "start"


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Estimate of the cost of runs, in US dollars; the median, and the band between the first and the last decile.

    :ivar runs: how many are to be started.
    :ivar workflow_id: their workflow, with ``workflow_version_name``; None where even that is not known.
    :ivar costs: what each of the last completed runs has cost, as far as that is known.
    :ivar considered: how many of these were looked at.
    :ivar with_cache_hits: how many of ``costs`` are of runs with tasks that came out of a run cache.
    :ivar list_price: what a run costs whatever it does, as a Ready2Run workflow's; None for others.
    :ivar problem: why nothing could be found out; None where it was.
    """

    runs: int
    workflow_id: str | None = None
    workflow_version_name: str | None = None
    costs: tuple[Decimal, ...] = ()
    considered: int = 0
    with_cache_hits: int = 0
    list_price: Decimal | None = None
    price_as_of: str | None = None
    problem: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is an estimate."""
        return self.list_price is not None or len(self.costs) >= FEWEST_RUNS

    @property
    def median(self) -> Decimal | None:
        """What all runs together are estimated to cost; None if that is not known."""
        if self.list_price is not None:
            return self.list_price * self.runs
        return statistics.median(self.costs) * self.runs if self.is_known else None

    @property
    def band(self) -> tuple[Decimal, Decimal] | None:
        """The ends of the band for all runs together: eight of ten runs have cost between them."""
        if self.list_price is not None:
            return self.list_price * self.runs, self.list_price * self.runs
        if not self.is_known:
            return None
        deciles = statistics.quantiles(self.costs, n=10, method="inclusive")
        return deciles[0] * self.runs, deciles[-1] * self.runs

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as JSON values, dollars as text."""
        low, high = self.band or (None, None)
        return {
            "cost_usd": text_of(self.median),
            "cost_usd_low": text_of(low),
            "cost_usd_high": text_of(high),
            "price_as_of": self.price_as_of,
            "runs": self.runs,
            "workflow_id": self.workflow_id,
            "workflow_version_name": self.workflow_version_name,
            "based_on_runs": len(self.costs),
            "with_cache_hits": self.with_cache_hits,
            "text": self.describe(),
        }

    def describe(self) -> str:
        """Return the estimate as a sentence."""
        runs = "1 run" if self.runs == 1 else f"{self.runs:,} runs"
        if self.median is None or self.band is None:
            return f"What {runs} will cost is unknown: {self._why_unknown()}"
        prices = f", at prices of {self.price_as_of}" if self.price_as_of else ""
        return f"{runs} will cost about {dollars_of(self.median)} USD ({self._basis()}{prices})"

    def refusals(self, limit: Decimal | None, unknown: UnknownCost) -> Iterator[Issue]:
        """Yield why nothing may be started.

        :param limit: US dollars that the runs may cost together; None for no limit.
        :param unknown: what becomes of runs whose cost is not known.
        """
        if limit is None:
            return
        bound = f"{dollars_of(limit)} USD"
        if self.median is None:
            if unknown is UnknownCost.REFUSE:
                fix = "Give unknown_cost='start' to start all the same, or leave max_cost_usd out"
                yield Issue("max_cost_usd", f"is {bound}, and nobody can say that it is kept. {self.describe()}", fix)
        elif self.median > limit:
            fix = "Raise max_cost_usd, start fewer or smaller runs, or leave it out"
            yield Issue("max_cost_usd", f"is {bound}, and {self.describe()}", fix)

    def may_exceed(self, limit: Decimal | None) -> bool:
        """Whether the estimate is within a limit, and the upper end of its band is not."""
        return limit is not None and self.median is not None and self.median <= limit < max(self.band or (limit,))

    def _basis(self) -> str:
        if self.list_price is not None:
            return f"the list price of Ready2Run workflow {self.workflow_id}"
        low, high = (dollars_of(end) for end in self.band or ())
        hits = f", {self.with_cache_hits} of them with tasks from a run cache" if self.with_cache_hits else ""
        of = f"the median of the last {len(self.costs)} runs of {self._workflow}{hits}"
        return f"{of}; from {low} to {high} USD, first to last decile"

    @property
    def _workflow(self) -> str:
        version = "" if self.workflow_version_name is None else f", version {self.workflow_version_name}"
        return f"workflow {self.workflow_id}{version}"

    def _why_unknown(self) -> str:
        if self.problem is not None:
            return self.problem
        if self.considered < FEWEST_RUNS:
            found = f"{self.considered} completed runs of {self._workflow} were found"
        else:
            found = f"of {self.considered} completed runs of {self._workflow} the costs of {len(self.costs)} are known"
        return f"{found}, and it takes {FEWEST_RUNS}"
