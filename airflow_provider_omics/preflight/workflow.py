"""Check of the workflow, and of the version of it: they are there and ACTIVE."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow_provider_omics.healthomics.api.calls import Request, Requests, or_none
from airflow_provider_omics.preflight.check import judge_status
from airflow_provider_omics.preflight.findings import WORKFLOW, Finding, bad
from airflow_provider_omics.preflight.plan import Plan


class WorkflowCheck:
    """Workflow (GetWorkflow) and version (GetWorkflowVersion)."""

    kind: ClassVar[str] = WORKFLOW
    where: ClassVar[str] = "workflow_id"

    def requests(self, plan: Plan) -> Requests[list[Finding]]:
        """Ask for the workflow, then for the version."""
        if plan.get("workflowId") is None:
            return []
        found = [(yield from _judged(Plan(plan.region, _without_version(plan)), "workflow_id"))]
        if plan.get("workflowVersionName") is not None:
            found.append((yield from _judged(plan, "workflow_version_name")))
        return found


def get_workflow(plan: Plan, **more: Any) -> Requests[Any]:
    """Return what the service says of the workflow, or of the version, that is going to be run."""
    members = {
        "type": plan.get("workflowType"),
        "workflowOwnerId": plan.get("workflowOwnerId"),
        **more,
    }
    given = {name: value for name, value in members.items() if value is not None}
    workflow_id, version = plan.get("workflowId"), plan.get("workflowVersionName")
    if version is None:
        return (yield Request("GetWorkflow", {"id": workflow_id, **given}))
    return (yield Request("GetWorkflowVersion", {"workflowId": workflow_id, "versionName": version, **given}))


def _judged(plan: Plan, where: str) -> Requests[Finding]:
    answer = yield from or_none(get_workflow(plan))
    if answer is None:
        fix = "Correct it, its type and its owner, the Region or the connection, or create it"
        return bad(WORKFLOW, where, f"there is no {plan.workflow} in {plan.region}", fix)
    fix = "Use another one, or create it again"
    return judge_status(WORKFLOW, where, plan.workflow, answer.get("status"), answer.get("statusMessage"), fix)


def _without_version(plan: Plan) -> dict[str, Any]:
    return {name: value for name, value in plan.members.items() if name != "workflowVersionName"}
