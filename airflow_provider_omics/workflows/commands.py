"""Deleting workflows and versions, for worker and triggerer alike."""

from __future__ import annotations

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import Request, Requests
from airflow_provider_omics.healthomics.api.service_errors import ErrorCategory, categorize


def delete_workflow(workflow_id: str, version_name: str | None = None) -> Requests[bool]:
    """Delete a workflow with all its versions (DeleteWorkflow), or one version (DeleteWorkflowVersion).

    :return: True if it was deleted; False if it was gone already.
    """
    try:
        if version_name is None:
            yield Request("DeleteWorkflow", {"id": workflow_id})
        else:
            yield Request("DeleteWorkflowVersion", {"workflowId": workflow_id, "versionName": version_name})
    except ClientError as error:
        if categorize(error) is ErrorCategory.NOT_FOUND:
            return False
        raise
    return True
