"""Workflows by their names, for those who start runs."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.workflows.poll import list_versions, list_workflows
from airflow_provider_omics.workflows.snapshot import WorkflowSnapshot

LATEST = "latest"
"""In place of a version's name: the newest that is ACTIVE."""
_MOST_SHOWN = 5


@dataclass(frozen=True)
class FoundWorkflow:
    """Workflow that a name stands for.

    :param version_name: the version; None for the workflow itself.
    """

    workflow_id: str
    version_name: str | None

    @property
    def members(self) -> dict[str, str]:
        """The members of StartRun that name it."""
        version = {} if self.version_name is None else {"workflowVersionName": self.version_name}
        return {"workflowId": self.workflow_id, **version}


def find_workflow(
    operation: str, name: str, version_name: str | None = None, workflow_type: str | None = None
) -> Requests[FoundWorkflow]:
    """Find the one ACTIVE workflow of a name (ListWorkflows), and the version that is meant (ListWorkflowVersions).

    :param operation: API operation that it is for.
    :param version_name: ``latest`` for the newest that is ACTIVE, unless one is named so; another name is taken as it
        is.
    :param workflow_type: ``PRIVATE``, as None, or ``READY2RUN``.
    :raises OmicsRequestInvalidError: there is none, or more than one.
    """
    named = yield from list_workflows(name, workflow_type)
    active = [one for one in named if one.phase is Phase.SUCCEEDED]
    if len(active) != 1:
        raise OmicsRequestInvalidError(operation, [_ambiguous(name, active) if active else _missing(name, named)])
    workflow_id = active[0].workflow_id
    if version_name != LATEST:
        return FoundWorkflow(workflow_id, version_name)
    versions = yield from list_versions(workflow_id)
    usable = [one for one in versions if one.phase is Phase.SUCCEEDED]
    if not usable:
        what = f"{LATEST!r} stands for no version: workflow {workflow_id} ({name}) has none that is ACTIVE"
        fix = "Make one with OmicsCreateWorkflowVersionOperator, or leave it out for the workflow itself"
        raise OmicsRequestInvalidError(operation, [Issue("workflow_version_name", what, fix)])
    literal = next((one for one in usable if one.version_name == LATEST), None)
    return FoundWorkflow(workflow_id, (literal or usable[-1]).version_name)


def _missing(name: str, named: list[WorkflowSnapshot]) -> Issue:
    if not named:
        fix = "Correct the name, the Region or the connection, or make it with OmicsCreateWorkflowOperator"
        return Issue("workflow_name", f"no workflow is called {name!r}", fix)
    shown = ", ".join(f"{one.workflow_id} is {one.status}" for one in named[:_MOST_SHOWN])
    fix = "Wait for it with OmicsWorkflowSensor, or look at its statusMessage"
    return Issue("workflow_name", f"no workflow called {name!r} is ACTIVE: {shown}", fix)


def _ambiguous(name: str, active: list[WorkflowSnapshot]) -> Issue:
    shown = ", ".join(one.workflow_id for one in active[:_MOST_SHOWN])
    what = f"{len(active)} workflows are called {name!r} ({shown})"
    return Issue("workflow_name", what, "Give workflow_id, or delete or rename all but one")
