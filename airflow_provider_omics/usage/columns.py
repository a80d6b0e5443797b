"""Columns of the results table for the use of a sample, and the sums of a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from airflow_provider_omics.usage.pricing import PriceBook
from airflow_provider_omics.usage.run_use import RunUse, add

_SECONDS = ("queued_seconds", "starting_seconds", "running_seconds", "task_seconds")
_HOURS = ("cpu_hours", "gib_hours", "gpu_hours", "storage_gib_hours")
_COUNTS = ("tasks", "attempts", "cache_hits")
_SUMMED = (*_SECONDS, *_HOURS, *_COUNTS)
_TOTALS = (*_HOURS, "cache_hits")

USAGE_COLUMNS = (*_SUMMED, "runs", "cost_usd", "price_as_of")
"""The columns, in their order; they come after all others."""

_EXACT = Decimal("0.000001")
_TEN_CENTS = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class SampleUse:
    """Use of a sample over all of its runs.

    :ivar runs: those of every batch of the cohort, those that failed or were cancelled among them.
    """

    runs: tuple[RunUse, ...]

    def values(self, prices: PriceBook) -> dict[str, str | None]:
        """Return the values of the columns as texts; None for what is not known of one of the runs."""
        return {
            **{name: text_of(self.total(name)) for name in _SUMMED},
            "runs": str(len(self.runs)),
            "cost_usd": text_of(self.cost(prices)),
            "price_as_of": prices.as_of,
        }

    def to_json(self, prices: PriceBook) -> dict[str, Any]:
        """Return the values of the columns as JSON values, dollars as text; None for what is not known."""
        return {
            **{name: _json_number(self.total(name)) for name in _SUMMED},
            "cost_usd": text_of(self.cost(prices)),
            "price_as_of": prices.as_of,
        }

    def total(self, name: str) -> Decimal | None:
        """Return the sum of a member over the runs; None if it is not known of one of them."""
        values = (getattr(run, name) for run in self.runs)
        return add(None if value is None else Decimal(value) for value in values)

    def cost(self, prices: PriceBook) -> Decimal | None:
        """Return what the runs cost in US dollars; None if that is not known of one of them."""
        return add(prices.cost(run) for run in self.runs)


def totals(uses: Sequence[SampleUse], prices: PriceBook) -> dict[str, Any]:
    """Return the sums over samples as JSON values, dollars as text; None for what is not known of one of them."""
    cost = add(use.cost(prices) for use in uses)
    sums = {name: add(use.total(name) for use in uses) for name in _TOTALS}
    return {
        "usage_samples": len(uses),
        **{name: _json_number(total) if uses else None for name, total in sums.items()},
        "cost_usd": text_of(cost) if uses else None,
        "price_as_of": prices.as_of,
    }


def describe(summed: Mapping[str, Any], samples: int) -> str:
    """Return the sums of a cohort as a line for the log.

    :param summed: as :func:`totals` returns them.
    :param samples: how many the cohort has.
    """
    return describe_use(f"{summed['usage_samples']:,} of {samples:,} samples", summed)


def describe_use(subject: str, summed: Mapping[str, Any]) -> str:
    """Return use and cost as a line for the log.

    :param subject: whose they are.
    :param summed: as :func:`totals` or :meth:`SampleUse.to_json` returns them.
    """
    shown = {name: "unknown" if summed[name] is None else f"{summed[name]:,.2f}" for name in _HOURS}
    cost, as_of, hits = summed["cost_usd"], summed["price_as_of"], summed["cache_hits"]
    dollars = "an unknown amount" if cost is None else f"{dollars_of(Decimal(cost))} USD"
    prices = f" at prices of {as_of}" if cost is not None and as_of else ""
    return (
        f"{subject} cost {dollars}{prices} (vCPU hours: {shown['cpu_hours']}, GiB hours: {shown['gib_hours']}, "
        f"GPU hours: {shown['gpu_hours']}, GiB hours of storage: {shown['storage_gib_hours']}, "
        f"tasks from a run cache: {'unknown' if hits is None else hits})"
    )


def dollars_of(amount: Decimal) -> str:
    """Return US dollars as a reader of a log wants them: to the cent, and less than ten cents to a hundredth of one."""
    return f"{amount:,.2f}" if amount >= _TEN_CENTS or not amount else f"{amount:.4f}"


def text_of(value: Decimal | None) -> str | None:
    """Return a number as text with at most six digits after the point; None for None."""
    if value is None:
        return None
    text = format(value.quantize(_EXACT), "f")
    return text.rstrip("0").rstrip(".")


def _json_number(value: Decimal | None) -> float | int | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(round(value, 6))
