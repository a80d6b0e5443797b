"""The HealthOmics API for tasks: create, find, list and delete workflows and their versions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_omics.healthomics.api import calls
from airflow_provider_omics.healthomics.api.start_call import submit_idempotent
from airflow_provider_omics.hooks.account import OmicsAccountHook
from airflow_provider_omics.workflows import commands, poll
from airflow_provider_omics.workflows.snapshot import WorkflowSnapshot


class OmicsWorkflowHook(OmicsAccountHook):
    """Base of :class:`~airflow_provider_omics.hooks.omics.OmicsHook`: workflows and their versions."""

    def create_workflow(
        self,
        request: Mapping[str, Any],
        *,
        find: Callable[[], WorkflowSnapshot | None] | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> WorkflowSnapshot:
        """Create a workflow (CreateWorkflow), and ask again while that may help.

        :param request: members by their API names; ``requestId`` decides whether it is a new one. Required.
        :param find: looks for the workflow that a call made whose answer was lost; without it, nothing but
            ``requestId`` keeps the next call from making a second one. None, the default, for none.
        :param pause: sleeps so many seconds, and may return True to stop asking. Default ``time.sleep``.
        :raises OmicsServiceError: the service refused it.

        See https://docs.aws.amazon.com/omics/latest/api/API_CreateWorkflow.html
        """
        return self._create_workflow("CreateWorkflow", request, f"workflow {request.get('name')!r}", find, pause)

    def create_workflow_version(
        self,
        request: Mapping[str, Any],
        *,
        find: Callable[[], WorkflowSnapshot | None] | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> WorkflowSnapshot:
        """Create a version of a workflow (CreateWorkflowVersion), and ask again while that may help.

        :param request: members by their API names. Required.
        :param find: looks for the version that a call made whose answer was lost. None, the default, for none.
        :param pause: sleeps so many seconds, and may return True to stop asking. Default ``time.sleep``.
        :raises OmicsServiceError: the service refused it.

        See https://docs.aws.amazon.com/omics/latest/api/API_CreateWorkflowVersion.html
        """
        subject = f"version {request.get('versionName')} of workflow {request.get('workflowId')}"
        return self._create_workflow("CreateWorkflowVersion", request, subject, find, pause)

    def find_workflow(self, workflow_id: str, version_name: str | None = None) -> WorkflowSnapshot | None:
        """Return a workflow (GetWorkflow) or a version (GetWorkflowVersion) as it is now; None if there is none.

        :param workflow_id: id of the workflow, 1 to 18 digits. Required.
        :param version_name: name of the version; None for the workflow itself.
        :raises OmicsServiceError: the service refused to show it.

        See https://docs.aws.amazon.com/omics/latest/api/API_GetWorkflow.html
        """
        return self.send_requests(
            calls.or_none(poll.get_workflow(workflow_id, version_name)), f"workflow {workflow_id}"
        )

    def list_workflows(self, name: str) -> list[WorkflowSnapshot]:
        """Return the workflows of exactly one name, oldest first (ListWorkflows).

        :param name: the name, 1 to 128 characters. Required.
        :raises OmicsServiceError: the service refused a page.

        See https://docs.aws.amazon.com/omics/latest/api/API_ListWorkflows.html
        """
        return self.send_requests(poll.list_workflows(name), f"workflow {name!r}")

    def list_workflow_versions(self, workflow_id: str) -> list[WorkflowSnapshot]:
        """Return the versions of a workflow, oldest first (ListWorkflowVersions).

        :param workflow_id: id of the workflow, 1 to 18 digits. Required.
        :raises OmicsServiceError: the service refused a page.

        See https://docs.aws.amazon.com/omics/latest/api/API_ListWorkflowVersions.html
        """
        return self.send_requests(poll.list_versions(workflow_id), f"workflow {workflow_id}")

    def delete_workflow(self, workflow_id: str, version_name: str | None = None) -> bool:
        """Delete a workflow with all its versions (DeleteWorkflow), or one version (DeleteWorkflowVersion).

        :param workflow_id: id of the workflow, 1 to 18 digits. Required.
        :param version_name: name of the version; None for the workflow with all its versions.
        :return: True if it was deleted; False if it was gone already.
        :raises OmicsServiceError: the service refused it.

        See https://docs.aws.amazon.com/omics/latest/api/API_DeleteWorkflow.html
        """
        return self.send_requests(commands.delete_workflow(workflow_id, version_name), f"workflow {workflow_id}")

    def _create_workflow(
        self,
        operation: str,
        request: Mapping[str, Any],
        subject: str,
        find: Callable[[], WorkflowSnapshot | None] | None,
        pause: Callable[[float], object],
    ) -> WorkflowSnapshot:
        with self._explained(operation, subject):
            call = calls.Request(operation, request)
            return submit_idempotent(self.conn, call, WorkflowSnapshot.of, reconcile=find, sleep=pause, log=self.log)
