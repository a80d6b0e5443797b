"""Service Quotas (``service-quotas``), as far as it tells those of HealthOmics that this server has."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_omics.local.errors import ServiceError
from airflow_provider_omics.local.http.error_forms import Protocol, error_in
from airflow_provider_omics.local.http.wire import HttpAnswer
from airflow_provider_omics.local.quotas import Quotas

SERVICE_CODE = "omics"
_OPERATIONS = ("GetAWSDefaultServiceQuota", "GetServiceQuota", "ListAWSDefaultServiceQuotas", "ListServiceQuotas")
# Code and name of each, and the field that has its value.
_QUOTAS = (
    ("L-C9679DBC", "Maximum number of runs stored", "stored_runs"),
    ("L-BE38079A", "Maximum concurrent active runs using dynamic run storage", "concurrent_dynamic_runs"),
    ("L-A30FD31B", "Maximum concurrent active runs using static run storage", "concurrent_static_runs"),
    ("L-7B9E5416", "Maximum run duration", "run_seconds"),
    ("L-35CE76C9", "Maximum static storage per run", "static_storage_gib"),
    ("L-7CAE62CF", "Maximum number of workflows", "workflows"),
    ("L-D91CDC5E", "Maximum number of configurations", "configurations"),
)


def is_about_healthomics(body: bytes) -> bool:
    """Whether a call of Service Quotas asks for those of HealthOmics.

    :param body: the members as JSON.
    """
    try:
        members = json.loads(body or b"{}")
    except ValueError:
        return False
    return isinstance(members, dict) and members.get("ServiceCode") == SERVICE_CODE


def answer_quotas(operation: str, body: bytes, quotas: Quotas, region: str) -> HttpAnswer:
    """Carry out one call about the quotas of HealthOmics; all fit into one page.

    :param operation: its name.
    :param body: the members as JSON, an object.
    :param quotas: the account's quotas in the Region.
    """
    try:
        if operation not in _OPERATIONS:
            raise ServiceError(
                f"servicequotas {operation} is not served by the local HealthOmics server; it serves "
                f"{', '.join(_OPERATIONS)}",
                code="UnknownOperationException",
                http_status=404,
            )
        shown = _entries(Quotas() if "Default" in operation else quotas, region)
        answer: Any = {"Quotas": shown}
        if operation.startswith("Get"):
            answer = {"Quota": _chosen(shown, json.loads(body).get("QuotaCode"))}
    except ServiceError as error:
        return error_in(Protocol.JSON, error.code, error.message, error.http_status)
    return HttpAnswer(200, json.dumps(answer).encode(), {"Content-Type": "application/x-amz-json-1.1"})


def _entries(quotas: Quotas, region: str) -> list[dict[str, Any]]:
    return [
        {
            "ServiceCode": SERVICE_CODE,
            "ServiceName": "AWS HealthOmics",
            "QuotaArn": f"arn:aws:servicequotas:{region}::{SERVICE_CODE}/{code}",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(getattr(quotas, attribute)),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }
        for code, name, attribute in _QUOTAS
    ]


def _chosen(shown: list[dict[str, Any]], code: str | None) -> dict[str, Any]:
    for quota in shown:
        if quota["QuotaCode"] == code:
            return quota
    known = ", ".join(quota["QuotaCode"] for quota in shown)
    message = f"Quota {code} is not served by the local HealthOmics server; it has {known}"
    raise ServiceError(message, code="NoSuchResourceException", http_status=400)
