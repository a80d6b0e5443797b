"""Checks of what a run names beside its workflow: VPC configuration, run cache and run group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_provider_omics.healthomics.api.calls import Requests, one_request, or_none
from airflow_provider_omics.preflight.check import judge_status
from airflow_provider_omics.preflight.findings import CACHE, CONFIGURATION, RUN_GROUP, Finding, bad, good
from airflow_provider_omics.preflight.plan import Plan

_LIMITS = {
    "maxRuns": "{:,} runs at a time",
    "maxCpus": "{:,} vCPUs at a time",
    "maxGpus": "{:,} GPUs at a time",
    "maxDuration": "{:,} minutes for a run, after which it fails",
}


class ConfigurationCheck:
    """VPC configuration (GetConfiguration): it is there and ACTIVE."""

    kind: ClassVar[str] = CONFIGURATION
    where: ClassVar[str] = "configuration_name"

    def requests(self, plan: Plan) -> Requests[list[Finding]]:
        """Ask for the configuration."""
        name = plan.get("configurationName")
        if name is None:
            return []
        subject = f"configuration {name}"
        answer = yield from or_none(one_request("GetConfiguration", {"name": name}))
        if answer is None:
            return [_missing(self.kind, self.where, subject, plan)]
        fix = "Use another one, or create it again"
        return [judge_status(self.kind, self.where, subject, answer.get("status"), None, fix)]


class CacheCheck:
    """Run cache (GetRunCache): it is there and ACTIVE."""

    kind: ClassVar[str] = CACHE
    where: ClassVar[str] = "cache_id"

    def requests(self, plan: Plan) -> Requests[list[Finding]]:
        """Ask for the cache."""
        cache_id = plan.get("cacheId")
        if cache_id is None:
            return []
        subject = f"run cache {cache_id}"
        answer = yield from or_none(one_request("GetRunCache", {"id": cache_id}))
        if answer is None:
            return [_missing(self.kind, self.where, subject, plan)]
        fix = "Use another one, create it again, or start without a cache"
        return [judge_status(self.kind, self.where, subject, answer.get("status"), None, fix)]


class RunGroupCheck:
    """Run group (GetRunGroup): it is there. Its limits are said; what is over them waits as PENDING."""

    kind: ClassVar[str] = RUN_GROUP
    where: ClassVar[str] = "run_group_id"

    def requests(self, plan: Plan) -> Requests[list[Finding]]:
        """Ask for the run group."""
        group_id = plan.get("runGroupId")
        if group_id is None:
            return []
        subject = f"run group {group_id}"
        answer = yield from or_none(one_request("GetRunGroup", {"id": group_id}))
        if answer is None:
            return [_missing(self.kind, self.where, subject, plan)]
        return [good(self.kind, self.where, f"{subject} is there{_limits(answer, plan.runs)}")]


def _limits(group: Mapping[str, Any], runs: int) -> str:
    limits = [text.format(group[name]) for name, text in _LIMITS.items() if group.get(name)]
    if not limits:
        return ", without limits of its own"
    most = group.get("maxRuns")
    waiting = f", so that {runs - most:,} of {runs:,} runs wait as PENDING at first" if most and runs > most else ""
    return f"; it allows {', '.join(limits)}{waiting}"


def _missing(kind: str, where: str, subject: str, plan: Plan) -> Finding:
    fix = "Correct it, the Region or the connection, or create it"
    return bad(kind, where, f"there is no {subject} in {plan.region}", fix)
