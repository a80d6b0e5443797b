"""What a run takes from an earlier one that it runs again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.calls import Request, Requests
from airflow_provider_omics.preflight.check import is_missing
from airflow_provider_omics.preflight.findings import WORKFLOW, Finding, bad
from airflow_provider_omics.preflight.plan import Plan

_TAKEN = (
    "workflowId",
    "workflowType",
    "workflowOwnerId",
    "workflowVersionName",
    "runGroupId",
    "cacheId",
    "storageType",
    "retentionMode",
    "parameters",
)


class Rerun:
    """Plan of runs, completed by what the run has that they run again (GetRun).

    :ivar plan: the plan as it is known.
    """

    kind = WORKFLOW
    where = "run_id"

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def requests(self, plan: Plan) -> Requests[list[Finding]]:
        """Ask for the run, if there is one."""
        run_id = plan.get("runId")
        if run_id is None:
            return []
        try:
            answer: Mapping[str, Any] = yield Request("GetRun", {"id": run_id})
        except Exception as error:
            if not is_missing(error):
                raise
            fix = "Give workflow_id and what else it had, or correct run_id"
            return [bad(WORKFLOW, self.where, f"there is no run {run_id} in {plan.region} to be run again", fix)]
        taken = {name: answer[name] for name in _TAKEN if answer.get(name) is not None}
        self.plan = Plan(plan.region, {**taken, **plan.members}, plan.runs)
        return []
