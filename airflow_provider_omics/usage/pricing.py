"""Prices of HealthOmics: from the AWS Price List Service, or from a file of the user's; none of them is in here.

Where neither tells a price, or tells two, it is not known, and neither is what it would have to be multiplied with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.usage.records import number
from airflow_provider_omics.usage.run_use import DYNAMIC, SECONDS_OF_AN_HOUR, STATIC, RunUse

SERVICE_CODE = "AmazonOmics"
PRICE_LIST_REGION = "us-east-1"
"""The Region whose endpoint of the Price List Service is asked, for prices of every Region."""
STORAGE = {STATIC: "Run Storage", DYNAMIC: "Dynamic Run Storage"}
"""What the Price List Service calls the storage of runs, by storage type."""

# What is billed by the hour, or by the run, and listed by another unit is no price of that.
_OTHER_UNITS = re.compile(
    r"(?<![a-z])(s|secs?|seconds?|mins?|minutes?|days?|mo|months?|years?)(?![a-z])", re.IGNORECASE
)
_FORM = '{"asOf": "2026-11-30", "products": [{"resourceType": "omics.c.large", "unit": "Hours", "usd": 0.1}]}'


@dataclass(frozen=True, slots=True)
class Price:
    """One price.

    :ivar resource_type: an instance type, ``Run Storage``, ``Dynamic Run Storage``, or a Ready2Run workflow.
    :ivar usd: US dollars per unit.
    :ivar region: where it holds; None for every Region.
    """

    resource_type: str
    unit: str
    usd: Decimal
    region: str | None = None


class PriceBook:
    """Prices of one Region.

    :param as_of: the day on which they hold, as ``2026-11-30``; None if that is not known.
    """

    def __init__(self, prices: Iterable[Price], region: str, as_of: str | None = None) -> None:
        self.as_of = as_of
        self._usd: dict[str, Decimal | None] = {}
        for price in prices:
            if price.region in (None, region):
                known = self._usd.setdefault(price.resource_type, price.usd)
                if known != price.usd:
                    self._usd[price.resource_type] = None

    def __len__(self) -> int:
        return len(self._usd)

    def usd(self, resource_type: str | None) -> Decimal | None:
        """Return the price of one unit, which is an hour, a GiB for an hour, or a run; None if it is not known."""
        return self._usd.get(resource_type or "")

    def cost(self, use: RunUse) -> Decimal | None:
        """Return what a run costs in US dollars; None if something that it depends on is not known.

        Each task is billed for its instance type, for 60 seconds at least, each retry too and whether it failed or not;
        what came out of a run cache is not. Storage is billed from RUNNING to the end. A Ready2Run workflow has one
        price for a run, and none while its tasks did not begin.
        """
        if use.ready2run is not None:
            return Decimal(0) if use.running_seconds == 0 else self.usd(use.ready2run)
        tasks, storage = self.cost_of_tasks(use), self.cost_of_storage(use)
        return None if tasks is None or storage is None else tasks + storage

    def cost_of_tasks(self, use: RunUse) -> Decimal | None:
        """Return what the tasks of a run cost in US dollars."""
        if use.billed_seconds is None:
            return None
        total = Decimal(0)
        for kind, seconds in use.billed_seconds.items():
            usd = self.usd(kind)
            if usd is None:
                return None
            total += usd * seconds
        return total / SECONDS_OF_AN_HOUR

    def cost_of_storage(self, use: RunUse) -> Decimal | None:
        """Return what the storage of a run costs in US dollars."""
        hours = use.storage_gib_hours
        if hours == 0:
            return hours
        usd = self.usd(STORAGE.get(use.storage_type or ""))
        return None if usd is None or hours is None else usd * hours


def price_filters(region: str) -> list[dict[str, str]]:
    """Return the filters of GetProducts for all prices of HealthOmics in a Region."""
    return [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}]


def listed_prices(entries: Iterable[str]) -> Iterator[Price]:
    """Read prices on demand from what GetProducts lists.

    :param entries: members of ``PriceList``, each a JSON text.
    """
    for entry in entries:
        product = json.loads(entry)
        attributes: Mapping[str, str] = product.get("product", {}).get("attributes", {})
        for term in product.get("terms", {}).get("OnDemand", {}).values():
            for dimension in term.get("priceDimensions", {}).values():
                usd, kind = number(dimension.get("pricePerUnit", {}).get("USD")), attributes.get("resourceType")
                unit = dimension.get("unit", "")
                if usd is not None and kind and _OTHER_UNITS.search(unit) is None:
                    yield Price(kind, unit, usd, attributes.get("regionCode"))


def read_price_file(text: str | bytes, place: str, region: str, operation: str) -> PriceBook:
    """Read a price file.

    :param text: JSON with ``products`` (each has ``resourceType``, ``unit``, ``usd`` and perhaps ``regionCode``), and
        perhaps ``asOf``, the day on which the prices hold. Prices are by the hour or by the run, and in US dollars.
    :param place: where it is.
    :param region: the Region of the runs.
    :param operation: the API operation that its reader is about to call.
    :raises OmicsRequestInvalidError: it is not of that form.
    """
    try:
        # Not as binary fractions, in which no price of 0.1 can be written.
        given: Any = json.loads(text, parse_float=str)
    except ValueError as error:
        raise _refused(operation, place, f"is no JSON ({error})") from error
    products = given.get("products") if isinstance(given, dict) else None
    if not isinstance(products, list):
        raise _refused(operation, place, "has no list 'products'")
    as_of = given.get("asOf")
    if as_of is not None and not isinstance(as_of, str):
        raise _refused(operation, place, f"has 'asOf' {as_of!r}, which is no day as text")
    _prove_dollars(operation, place, "", given)
    prices = [_price(operation, place, index, product) for index, product in enumerate(products)]
    return PriceBook(prices, region, as_of)


def _price(operation: str, place: str, index: int, product: Any) -> Price:
    if isinstance(product, dict):
        kind, unit, usd = product.get("resourceType"), product.get("unit"), number(product.get("usd"))
        region = product.get("regionCode")
        _prove_dollars(operation, place, f" at products[{index}]", product)
        if _is_text(unit) and _OTHER_UNITS.search(str(unit)) is not None:
            problem = (
                f"has at products[{index}] a price by {unit!r}; prices are by the hour (Hours, GiB-Hours) or the run"
            )
            raise _refused(operation, place, problem)
        if _is_text(kind) and _is_text(unit) and usd is not None and (region is None or _is_text(region)):
            return Price(str(kind), str(unit), usd, region)
    raise _refused(
        operation,
        place,
        f"has at products[{index}] {json.dumps(product)[:200]}; each needs resourceType and unit (text) and usd (a "
        "number of at least 0), and may have regionCode (text)",
    )


def _prove_dollars(operation: str, place: str, where: str, given: Mapping[str, Any]) -> None:
    currency = given.get("currency", "USD")
    if currency != "USD":
        raise _refused(operation, place, f"has{where} currency {currency!r}; costs are in US dollars (USD)")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _refused(operation: str, place: str, problem: str) -> OmicsRequestInvalidError:
    return OmicsRequestInvalidError(
        operation, [Issue("price_file", f"{place} {problem}", f"Give one of the form {_FORM}")]
    )
