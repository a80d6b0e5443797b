"""Polling a workflow or a version, for worker and triggerer alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Request, Requests, list_items
from airflow_provider_omics.healthomics.api.service_errors import is_denied
from airflow_provider_omics.healthomics.polling.poll import describe_change
from airflow_provider_omics.workflows.snapshot import WorkflowSnapshot


@dataclass(slots=True)
class WorkflowPoll:
    """The poll of one workflow (GetWorkflow), or of one version (GetWorkflowVersion)."""

    workflow_id: str
    version_name: str | None = None
    operation: str = field(init=False)
    initial: WorkflowSnapshot = field(init=False)

    def __post_init__(self) -> None:
        self.operation = "GetWorkflow" if self.version_name is None else "GetWorkflowVersion"
        self.initial = WorkflowSnapshot(self.workflow_id, self.version_name)

    def requests(self) -> Requests[WorkflowSnapshot]:
        """Ask once."""
        return get_workflow(self.workflow_id, self.version_name)

    def is_over(self, snapshot: WorkflowSnapshot) -> bool:
        """Whether it can be used, or never will be."""
        return snapshot.phase.is_final

    def describe_change(self, before: WorkflowSnapshot | None, snapshot: WorkflowSnapshot) -> str | None:
        """Tell a change of status."""
        return describe_change(before, snapshot)


def get_workflow(workflow_id: str, version_name: str | None = None) -> Requests[WorkflowSnapshot]:
    """Poll a workflow once (GetWorkflow), or a version (GetWorkflowVersion)."""
    return WorkflowSnapshot.of((yield _get(workflow_id, version_name)))


def get_tagged_workflow(workflow_id: str, version_name: str | None = None) -> Requests[WorkflowSnapshot]:
    """Poll a workflow or a version once, and ask for its tags where the answer has none (ListTagsForResource)."""
    answer: Mapping[str, Any] = yield _get(workflow_id, version_name)
    if answer.get("tags") is None and answer.get("arn"):
        # As far as is known, the service shows tags with what they are of; so nobody needs to allow this.
        try:
            more = yield Request("ListTagsForResource", {"resourceArn": answer["arn"]})
        except ClientError as error:
            # After a call that was throttled the tags are unknown, which is not to pass for none.
            if not is_denied(error):
                raise
        else:
            answer = {**answer, "tags": more.get("tags")}
    return WorkflowSnapshot.of(answer)


def _get(workflow_id: str, version_name: str | None) -> Request:
    if version_name is None:
        return Request("GetWorkflow", {"id": workflow_id})
    return Request("GetWorkflowVersion", {"workflowId": workflow_id, "versionName": version_name})


def list_workflows(name: str, workflow_type: str | None = None) -> Requests[list[WorkflowSnapshot]]:
    """List the workflows of exactly one name, oldest first (ListWorkflows)."""
    members = {"name": name, "maxResults": PAGE_SIZE, **({"type": workflow_type} if workflow_type else {})}
    listed = yield from list_items("ListWorkflows", "items", **members)
    return sorted((one for one in map(WorkflowSnapshot.of, listed) if one.name == name), key=_age)


def list_versions(workflow_id: str) -> Requests[list[WorkflowSnapshot]]:
    """List the versions of a workflow, oldest first (ListWorkflowVersions)."""
    listed = yield from list_items("ListWorkflowVersions", "items", workflowId=workflow_id, maxResults=PAGE_SIZE)
    return sorted(map(WorkflowSnapshot.of, listed), key=_age)


def _age(snapshot: WorkflowSnapshot) -> tuple[float, str]:
    return snapshot.created_at or 0.0, snapshot.version_name or snapshot.workflow_id.zfill(18)
