"""The AWS Price List Service (``pricing``), as far as it tells what HealthOmics costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_omics.local.errors import ServiceError, ValidationException
from airflow_provider_omics.local.http.error_forms import Protocol, error_in
from airflow_provider_omics.local.http.wire import HttpAnswer
from airflow_provider_omics.local.pagination import paginate
from airflow_provider_omics.local.prices import SERVICE_CODE, PriceFilters, Product, read_prices

_FORMAT = "aws_v1"
_LARGEST_PAGE = 100
_ATTRIBUTES = ["location", "regionCode", "resourceType", "servicecode", "servicename"]

Members = Mapping[str, Any]


class PriceList:
    """Answers the operations on prices.

    :param path: the price file; None for the example, whose figures are invented.
    :raises ValueError: the file is not one of prices.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._products = read_prices(path)
        self._operations: dict[str, Callable[[Members], Any]] = {
            "DescribeServices": self._describe_services,
            "GetAttributeValues": self._get_attribute_values,
            "GetProducts": self._get_products,
        }

    def answer(self, operation: str, body: bytes) -> HttpAnswer:
        """Carry out one call.

        :param operation: its name.
        :param body: the members as JSON.
        """
        try:
            action = self._operations.get(operation)
            if action is None:
                served = ", ".join(self._operations)
                raise ServiceError(
                    f"pricing {operation} is not served by the local HealthOmics server; it serves {served}",
                    code="UnknownOperationException",
                    http_status=404,
                )
            answer = action(_members(body))
        except ValidationException as error:
            # The only thing that lists refuse.
            return error_in(Protocol.JSON, "InvalidNextTokenException", error.message, 400)
        except ServiceError as error:
            return error_in(Protocol.JSON, error.code, error.message, error.http_status)
        return HttpAnswer(200, json.dumps(answer).encode(), {"Content-Type": "application/x-amz-json-1.1"})

    def _describe_services(self, members: Members) -> Any:
        if members.get("ServiceCode") is not None:
            _check_service(members)
        return {
            "Services": [{"ServiceCode": SERVICE_CODE, "AttributeNames": _ATTRIBUTES}],
            "FormatVersion": _FORMAT,
        }

    def _get_attribute_values(self, members: Members) -> Any:
        _check_service(members)
        name = members.get("AttributeName")
        if name not in _ATTRIBUTES:
            raise _invalid(f"AttributeName {name} is unknown; there are {', '.join(_ATTRIBUTES)}")
        region = PriceFilters(()).region
        values = sorted({product.attributes(region)[name] for product in self._products})
        page, token = paginate(values, str, members.get("NextToken"), members.get("MaxResults") or _LARGEST_PAGE)
        return _with_token({"AttributeValues": [{"Value": value} for value in page]}, token)

    def _get_products(self, members: Members) -> Any:
        _check_service(members)
        try:
            filters = PriceFilters(members.get("Filters") or ())
        except (ValueError, TypeError, AttributeError) as error:
            raise _invalid(f"Filters cannot be used: {error}") from error
        places: Sequence[int] = range(len(self._products))
        limit = members.get("MaxResults") or _LARGEST_PAGE
        page, token = paginate(places, int, members.get("NextToken"), limit, lambda at: filters.match(self._at(at)))
        entries = [json.dumps(self._at(at).entry(filters.region)) for at in page]
        return _with_token({"FormatVersion": _FORMAT, "PriceList": entries}, token)

    def _at(self, place: int) -> Product:
        return self._products[place]


def _members(body: bytes) -> Members:
    try:
        members = json.loads(body or b"{}")
    except ValueError as error:
        raise ServiceError(f"The body is not JSON: {error}", code="SerializationException", http_status=400) from error
    if not isinstance(members, dict):
        raise ServiceError("The body is not a JSON object", code="SerializationException", http_status=400)
    limit = members.get("MaxResults")
    if limit is not None and not (isinstance(limit, int) and 1 <= limit <= 10_000):
        raise _invalid(f"MaxResults is {limit!r}; give 1 to {_LARGEST_PAGE}")
    return members


def _check_service(members: Members) -> None:
    if members.get("ServiceCode") != SERVICE_CODE:
        raise ServiceError(
            f"Prices of {members.get('ServiceCode')} are not served by the local HealthOmics server; it has those of "
            f"{SERVICE_CODE}",
            code="NotFoundException",
            http_status=400,
        )


def _invalid(message: str) -> ServiceError:
    return ServiceError(message, code="InvalidParameterException", http_status=400)


def _with_token(answer: dict[str, Any], token: str | None) -> dict[str, Any]:
    return answer if token is None else {**answer, "NextToken": token}
