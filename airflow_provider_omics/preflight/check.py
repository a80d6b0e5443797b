"""What a check is, and what it asks: calls of AWS as a generator, driven by whoever has clients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_provider_omics.healthomics.api.calls import Request, Requests, failed_operation, run_with, send
from airflow_provider_omics.healthomics.api.errors import message_of
from airflow_provider_omics.healthomics.api.service_errors import (
    CREDENTIALS_REFUSED,
    ErrorCategory,
    categorize,
    error_code,
    explain,
    is_denied,
    is_from_aws,
)
from airflow_provider_omics.preflight.findings import Finding, bad, good, unknown
from airflow_provider_omics.preflight.plan import Plan

HEALTHOMICS = "omics"
_ACTIVE, _ON_THE_WAY = "ACTIVE", ("CREATING", "UPDATING")
_UNUSABLE = ("DELETED", "DELETING", "FAILED", "INACTIVE")
# What IAM calls a service that boto3 calls otherwise.
_IAM_PREFIXES = {"service-quotas": "servicequotas"}


@dataclass(frozen=True, slots=True)
class ServiceRequest(Request):
    """One call of a service other than HealthOmics.

    :param service: what boto3 calls it, such as ``ecr``.
    """

    service: str


class Check(Protocol):
    """A check of one kind."""

    @property
    def kind(self) -> str:
        """Its kind."""

    @property
    def where(self) -> str:
        """The parameter that it is about."""

    def requests(self, plan: Plan) -> Requests[list[Finding]]:
        """Ask what is needed; nothing is found where there is nothing to check."""


def run_checks(checks: Iterable[Check], plan: Plan, client_of: Callable[[str], Any]) -> list[Finding]:
    """Make all checks, and return everything that they found.

    :param client_of: returns a boto3 client of a service.
    """
    found: list[Finding] = []
    for check in checks:
        found += ask(or_unknown(check.kind, check.where, check.requests(plan)), client_of)
    return found


def ask(requests: Requests[list[Finding]], client_of: Callable[[str], Any]) -> list[Finding]:
    """Have the requests of a check answered.

    :param client_of: returns a boto3 client of a service.
    """
    return run_with(lambda request: send(client_of(service_of(request)), request), requests)


def service_of(request: Request) -> str:
    """Return the service that a request is for."""
    return request.service if isinstance(request, ServiceRequest) else HEALTHOMICS


def or_unknown(
    kind: str, where: str, requests: Requests[list[Finding]], service: str = HEALTHOMICS
) -> Requests[list[Finding]]:
    """Make requests; where a call is refused or does not get through, it is unknown what they are about.

    Credentials that are refused are no finding, since no other call would do better.

    :param service: whose calls these are, for the remedy.
    """
    try:
        return (yield from requests)
    except Exception as error:
        if not is_from_aws(error) or error_code(error) in CREDENTIALS_REFUSED:
            raise
        return [unknown_by(kind, where, error, service)]


def unknown_by(kind: str, where: str, error: BaseException, service: str) -> Finding:
    """Return that something could not be found out, since a call failed."""
    operation, code = failed_operation(error) or "a call", error_code(error)
    what = f"could not be checked: {operation} came to {code} ({message_of(error)})"
    may_pass = categorize(error) is ErrorCategory.TRANSIENT
    if may_pass:
        fix = "Try again"
    elif is_denied(error):
        fix = f"Let the caller use {_IAM_PREFIXES.get(service, service)}:{operation}"
    else:
        fix = explain(error, operation, where).remedy
    fix = f"{fix}, or leave this check out"
    return unknown(kind, where, what, fix, may_pass=may_pass, is_refusal=may_pass or is_denied(error))


def judge_status(kind: str, where: str, subject: str, status: str | None, message: str | None, fix: str) -> Finding:
    """Judge something that runs can use only while it is ACTIVE.

    :param message: why, as far as the service says.
    :param fix: what to do if it never will be.
    """
    if status == _ACTIVE:
        return good(kind, where, f"{subject} is ACTIVE")
    what = f"{subject} is {status}" + (f": {message}" if message else "")
    if status in _ON_THE_WAY:
        return bad(kind, where, what, "Wait until it is ACTIVE", may_pass=True)
    if status not in _UNUSABLE:
        # No member of an answer is guaranteed, and a later release may have other words.
        shown = "shows no status" if status is None else f"is {status}, which this release does not know"
        return unknown(kind, where, f"{subject} {shown}", "Look at it in the console, or leave this check out")
    return bad(kind, where, what, fix)
