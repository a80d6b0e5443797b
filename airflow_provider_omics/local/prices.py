"""Prices of HealthOmics as the AWS Price List Service tells them, from a small file that the user can replace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

EXAMPLE = "example-prices.json"
SERVICE_CODE = "AmazonOmics"
_ANY_REGION = "us-east-1"
# What the Price List Service calls the regions of HealthOmics.
_LOCATIONS = {
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-northeast-2": "Asia Pacific (Seoul)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "eu-central-1": "EU (Frankfurt)",
    "eu-west-1": "EU (Ireland)",
    "eu-west-2": "EU (London)",
    "il-central-1": "Israel (Tel Aviv)",
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-2": "US West (Oregon)",
}
_TERM = "JRTCKXETXF"  # what AWS calls on-demand terms
_FORM = '{"products": [{"resourceType": "omics.c.large", "unit": "Hours", "usd": 0.1}]}'


@dataclass(frozen=True, slots=True)
class Product:
    """One price.

    :ivar resource_type: an instance type such as ``omics.c.large``, ``Run Storage`` or ``Dynamic Run Storage``.
    :ivar unit: such as ``Hours``.
    :ivar usd: US dollars per unit, at least 0.
    :ivar region: where it holds; None for every region.
    """

    resource_type: str
    unit: str
    usd: float
    region: str | None = None

    def attributes(self, region: str) -> dict[str, str]:
        """Return what filters may ask for.

        :param region: the region of a product that holds in every one.
        """
        region = self.region or region
        return {
            "servicecode": SERVICE_CODE,
            "servicename": "AWS HealthOmics",
            "resourceType": self.resource_type,
            "regionCode": region,
            "location": _LOCATIONS.get(region, region),
        }

    def entry(self, region: str) -> dict[str, Any]:
        """Return the product in the form of the Price List Service.

        :param region: the region of a product that holds in every one.
        """
        attributes = self.attributes(region)
        sku = hashlib.sha256(f"{self.resource_type}/{attributes['regionCode']}".encode()).hexdigest()[:16].upper()
        offer, rate = f"{sku}.{_TERM}", f"{sku}.{_TERM}.6YS6EN2CT7"
        dimension = {
            "unit": self.unit,
            "beginRange": "0",
            "endRange": "Inf",
            "description": f"{self.usd:g} USD per {self.unit} of {self.resource_type} (local HealthOmics server)",
            "appliesTo": [],
            "rateCode": rate,
            "pricePerUnit": {"USD": f"{self.usd:.10f}"},
        }
        term = {"priceDimensions": {rate: dimension}, "sku": sku, "offerTermCode": _TERM, "termAttributes": {}}
        return {
            "product": {"productFamily": "AWS HealthOmics", "attributes": attributes, "sku": sku},
            "serviceCode": SERVICE_CODE,
            "terms": {"OnDemand": {offer: term}},
            "version": "local",
        }


class PriceFilters:
    """The filters of one GetProducts call.

    :param filters: objects with ``Type``, ``Field`` and ``Value``, which all must hold.
    :raises ValueError: a type is unknown, or a member is missing; the text names it.
    """

    def __init__(self, filters: Iterable[Mapping[str, str]]) -> None:
        self._filters: list[tuple[str, str, Callable[[str], bool]]] = []
        for given in filters:
            missing = [name for name in ("Type", "Field", "Value") if not given.get(name)]
            if missing:
                raise ValueError(f"A filter lacks {' and '.join(missing)}")
            if given["Type"] not in _TESTS:
                raise ValueError(f"Filter type {given['Type']} is unknown; there are {', '.join(_TESTS)}")
            self._filters.append((given["Type"], given["Field"], _TESTS[given["Type"]](given["Value"])))
            if given["Type"] in ("TERM_MATCH", "EQUALS"):
                self._note_region(given["Field"], given["Value"])

    region: str = _ANY_REGION

    def _note_region(self, field: str, value: str) -> None:
        if field == "regionCode":
            self.region = value
        elif field == "location":
            named = {location.casefold(): region for region, location in _LOCATIONS.items()}
            self.region = named.get(value.casefold(), value)

    def match(self, product: Product) -> bool:
        """Whether a product passes every filter; an attribute that it does not have passes none."""
        attributes = product.attributes(self.region)
        return all(field in attributes and holds(attributes[field]) for _, field, holds in self._filters)


_TESTS: dict[str, Callable[[str], Callable[[str], bool]]] = {
    "TERM_MATCH": lambda wanted: lambda value: value.casefold() == wanted.casefold(),
    "EQUALS": lambda wanted: lambda value: value.casefold() == wanted.casefold(),
    "CONTAINS": lambda wanted: lambda value: wanted.casefold() in value.casefold(),
    "ANY_OF": lambda wanted: lambda value: value.casefold() in _several(wanted),
    "NONE_OF": lambda wanted: lambda value: value.casefold() not in _several(wanted),
}


def read_prices(path: Path | None = None) -> list[Product]:
    """Read a price file.

    :param path: a JSON file like ``example-prices.json`` of this package, whose figures are invented; None for that.
    :raises ValueError: it cannot be read, or is not of that form; the text names the place.
    """
    try:
        text = (files(__package__) / "data" / EXAMPLE).read_text() if path is None else path.read_text("utf-8")
        given = json.loads(text)
        products = given["products"]
        if not isinstance(products, list):
            raise TypeError("products is no list")
    except OSError as error:
        raise ValueError(f"The price file {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"The price file {path} is not of the form {_FORM}: {error}") from error
    return [_product(path, index, entry) for index, entry in enumerate(products)]


def _product(path: Path | None, index: int, entry: Any) -> Product:
    if isinstance(entry, dict):
        kind, unit, usd, region = (entry.get(name) for name in ("resourceType", "unit", "usd", "regionCode"))
        if _is_text(kind) and _is_text(unit) and _is_price(usd) and (region is None or _is_text(region)):
            return Product(str(kind), str(unit), float(str(usd)), region)
    raise ValueError(
        f"The price file {path} has at products[{index}] {json.dumps(entry)[:200]}; each needs resourceType and unit "
        "(text) and usd (a number of at least 0), and may have regionCode (text)"
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _several(wanted: str) -> list[str]:
    return [value.strip().casefold() for value in wanted.split(",")]
