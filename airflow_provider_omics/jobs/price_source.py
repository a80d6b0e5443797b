"""Prices for a task: from the AWS Price List Service over its connection, or from a file that its user gives."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings.files import find_file, opened
from airflow_provider_omics.healthomics.run_settings.issue_list import UnreadableError
from airflow_provider_omics.usage.pricing import (
    PRICE_LIST_REGION,
    SERVICE_CODE,
    PriceBook,
    listed_prices,
    price_filters,
    read_price_file,
)

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

_KINDS = "Give a path or s3:// URI of a JSON file of prices"
_MOST_BYTES = 10_000_000
_DAY = 24 * 3600.0
# Prices change a few times a year; by endpoint and Region, with the time at which they were read.
_cache: dict[tuple[str, str], tuple[float, PriceBook]] = {}


def price_book(hook: OmicsHook, price_file: str | None, operation: str) -> PriceBook:
    """Return the prices of the Region of a hook.

    Operation: GetProducts of the Price List Service, for which the connection needs ``pricing:GetProducts``; what it
    says is kept in the process for a day.

    :param price_file: a path or an ``s3://`` URI; None for the Price List Service.
    :param operation: the API operation that the caller is about to call.
    :raises OmicsRequestInvalidError: the file is not one of prices.
    :raises OmicsServiceError: S3 refused it.
    :raises ClientError: the Price List Service refused to answer.
    """
    region = hook.conn_region_name or ""
    return _listed(hook, region) if price_file is None else _read(hook, price_file, region, operation)


def prices_or_none(hook: OmicsHook, price_file: str | None, operation: str, log: Log) -> PriceBook | None:
    """Return the prices of the Region of a hook; None where they could not be read, which is logged.

    :param price_file: a path or an ``s3://`` URI; None for the Price List Service.
    :param operation: the API operation that the caller is about to call.
    """
    try:
        return price_book(hook, price_file, operation)
    except Exception as error:
        log.warning("%s", entry("Costs are unknown, since the prices could not be read: %s", error))
        return None


def _read(hook: OmicsHook, name: str, region: str, operation: str) -> PriceBook:
    try:
        with opened(name, find_file(name, "price_file", "no price file", _KINDS, hook.inputs.open)) as stream:
            return read_price_file(stream.read(_MOST_BYTES), name, region, operation)
    except UnreadableError as error:
        raise OmicsRequestInvalidError(operation, [error.issue]) from error


def _listed(hook: OmicsHook, region: str) -> PriceBook:
    client: Any = hook.hook_of("pricing", region_name=PRICE_LIST_REGION).conn
    key, now = (client.meta.endpoint_url, region), time.monotonic()
    if key in _cache and now - _cache[key][0] < _DAY:
        return _cache[key][1]
    pages = client.get_paginator("get_products").paginate(ServiceCode=SERVICE_CODE, Filters=price_filters(region))
    listed = listed_prices(entry for page in pages for entry in page.get("PriceList") or ())
    book = PriceBook(listed, region, pendulum.now("UTC").to_date_string())
    _cache[key] = now, book
    return book
