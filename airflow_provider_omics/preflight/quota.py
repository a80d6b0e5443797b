"""Check of the quotas: there is room for the runs among those that the account keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Request, Requests, one_request, or_none
from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.preflight.check import ServiceRequest, or_unknown
from airflow_provider_omics.preflight.findings import QUOTA, Finding, Verdict, bad, good, unknown
from airflow_provider_omics.preflight.plan import Plan

SERVICE_CODE = "omics"
"""What Service Quotas calls HealthOmics."""
KEPT_RUNS, DYNAMIC_RUNS, STATIC_RUNS = "L-C9679DBC", "L-BE38079A", "L-A30FD31B"
PUBLISHED: Mapping[str, float] = {KEPT_RUNS: 100_000, DYNAMIC_RUNS: 50, STATIC_RUNS: 10}
"""Published defaults, by the codes of the quotas."""
# One run that finds no room is refused at once: not worth a thousand calls.
_PAGES_FOR_ONE_RUN = 20
_SAMPLE = 20
_REMOVE = "REMOVE"


class QuotaCheck:
    """Quotas (ListServiceQuotas of Service Quotas), and the runs that are kept (ListRuns)."""

    kind: ClassVar[str] = QUOTA
    where: ClassVar[str] = "kept runs"

    def requests(self, plan: Plan) -> Requests[list[Finding]]:
        """Ask for the quotas, count the runs that are kept, and say how many run at a time."""
        quotas = _Quotas()
        findings = yield from or_unknown(QUOTA, "Service Quotas", quotas.requests(), "service-quotas")
        if findings:
            # All that hangs on them is judged by what is published.
            findings = [_with_defaults(finding) for finding in findings]
        room = yield from or_unknown(QUOTA, self.where, _room(plan, int(quotas.values[KEPT_RUNS])))
        findings += room if KEPT_RUNS in quotas.answered else map(_unless_raised, room)
        return findings + _at_a_time(plan, quotas.values)


@dataclass
class _Quotas:
    """The account's quotas, as far as the service tells them; else what is published.

    :ivar answered: codes of those that the service gave.
    """

    values: dict[str, float] = field(default_factory=lambda: dict(PUBLISHED))
    answered: set[str] = field(default_factory=set)

    def requests(self) -> Requests[list[Finding]]:
        token: str | None = None
        while True:
            more: Mapping[str, str] = {"NextToken": token} if token else {}
            members = {"ServiceCode": SERVICE_CODE, **more}
            answer = yield ServiceRequest("ListServiceQuotas", members, "service-quotas")
            for quota in answer.get("Quotas", ()):
                if quota.get("QuotaCode") in self.values and quota.get("Value") is not None:
                    self.values[quota["QuotaCode"]] = quota["Value"]
                    self.answered.add(quota["QuotaCode"])
            token = answer.get("NextToken")
            if not token:
                return []


def _with_defaults(finding: Finding) -> Finding:
    what = f"{finding.issue.what}. The published defaults are taken for the account's quotas"
    return unknown(finding.kind, finding.issue.where, what, finding.issue.fix, may_pass=finding.may_pass)


def _unless_raised(finding: Finding) -> Finding:
    """Return a finding about the room for runs, which is no more than unknown where only the published quota is."""
    if finding.verdict is not Verdict.BAD:
        return finding
    what = f"{finding.issue.what}; but that is the published quota, and the account's own may be more"
    return unknown(finding.kind, finding.issue.where, what, finding.issue.fix, may_pass=True)


def _room(plan: Plan, most: int) -> Requests[list[Finding]]:
    # Runs that are started with REMOVE give way to each other once they have ended.
    wanted = 1 if plan.get("retentionMode") == _REMOVE else plan.runs
    runs, is_whole = yield from _kept_runs(most - wanted, plan.runs)
    if len(runs) + wanted <= most:
        if not is_whole:
            what = f"there are at least {len(runs):,} runs, which were not counted further for one run"
            return [good(QUOTA, QuotaCheck.where, f"{what}; the quota is {most:,}")]
        return [good(QUOTA, QuotaCheck.where, f"{len(runs):,} of {most:,} runs are kept; {wanted:,} more have room")]
    removable, asked = yield from _removable(runs)
    free = max(most - len(runs), 0)
    what = (
        f"{wanted:,} more {'run has' if wanted == 1 else 'runs have'} no room beside at least {len(runs):,} runs: the "
        f"quota is {most:,}, of which at most {free:,} {'is' if free == 1 else 'are'} free"
    )
    if removable:
        what = f"{what}; but {removable} of {asked} runs that were asked for give way (retentionMode REMOVE)"
        return [unknown(QUOTA, QuotaCheck.where, what, "Delete runs that are no longer needed, to be sure")]
    fix = "Delete runs that are no longer needed, start with retention_mode REMOVE, or ask for a higher quota"
    what = f"{what}, and none of {asked} runs that were asked for gives way (retentionMode REMOVE)"
    return [bad(QUOTA, QuotaCheck.where, what, fix, may_pass=True)]


def _kept_runs(most: int, planned: int) -> Requests[tuple[list[str], bool]]:
    """Return the ids of the runs that are kept, and whether these are all; no more than needed to know of no room."""
    runs: list[str] = []
    pages, token = 0, None
    while True:
        more: Mapping[str, str] = {"startingToken": token} if token else {}
        answer = yield Request("ListRuns", {"maxResults": PAGE_SIZE, **more})
        runs += [run["id"] for run in answer.get("items", ()) if "id" in run and run.get("status") != RunStatus.DELETED]
        pages, token = pages + 1, answer.get("nextToken")
        if not token or len(runs) > most:
            return runs, not token
        if planned == 1 and pages == _PAGES_FOR_ONE_RUN:
            return runs, False


def _removable(runs: list[str]) -> Requests[tuple[int, int]]:
    """Return how many of some runs, spread over all, give way to others, and how many were asked for."""
    sample = runs[:: max(len(runs) // _SAMPLE, 1)][:_SAMPLE]
    removable = 0
    for run_id in sample:
        run = yield from or_none(one_request("GetRun", {"id": run_id}))
        removable += run is not None and run.get("retentionMode") == _REMOVE
    return removable, len(sample)


def _at_a_time(plan: Plan, quotas: Mapping[str, float]) -> list[Finding]:
    """Say how many run at a time, where that is fewer than there are."""
    limits = {"DYNAMIC": quotas[DYNAMIC_RUNS], "STATIC": quotas[STATIC_RUNS]}
    storage = plan.get("storageType")
    known = {name: most for name, most in limits.items() if storage in (None, name) and most < plan.runs}
    if not known:
        return []
    shown = " or ".join(f"{int(most):,} ({name} storage)" for name, most in known.items())
    what = f"of {plan.runs:,} runs at most {shown} run at a time in this account; the others wait as PENDING"
    return [good(QUOTA, "concurrent runs", what)]
