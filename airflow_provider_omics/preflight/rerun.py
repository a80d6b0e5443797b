"""What a run takes from an earlier one that it runs again."""

from __future__ import annotations

from airflow_provider_omics.healthomics.api.calls import Requests, one_request, or_none
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
        answer = yield from or_none(one_request("GetRun", {"id": run_id}))
        if answer is None:
            fix = "Give workflow_id and what else it had, or correct run_id"
            return [bad(WORKFLOW, self.where, f"there is no run {run_id} in {plan.region} to be run again", fix)]
        taken = {name: answer[name] for name in _TAKEN if answer.get(name) is not None}
        self.plan = Plan(plan.region, {**taken, **plan.members}, plan.runs)
        return []
