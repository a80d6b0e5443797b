"""Operations on the versions of a workflow; the workflow itself is always the default one."""

from __future__ import annotations

from typing import Any

from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.errors import ConflictException, ServiceQuotaExceededException
from airflow_provider_omics.local.operations import workflows
from airflow_provider_omics.local.operations.answers import page_answer, present
from airflow_provider_omics.local.operations.registry import Answer, operation
from airflow_provider_omics.local.records import Workflow
from airflow_provider_omics.local.workflows.catalogue import find_workflow
from airflow_provider_omics.local.workflows.machine import create_workflow


@operation("CreateWorkflowVersion")
def create(state: AccountState, request: dict[str, Any]) -> Answer:
    """Make a version of an own workflow, CREATING at first; it inherits nothing from the workflow."""
    workflow = find_workflow(state, request["workflowId"])
    name = request["versionName"]
    if name in workflow.versions:
        raise ConflictException(f"Workflow {workflow.workflow_id} has a version {name} already")
    if len(workflow.versions) >= state.quotas.versions_per_workflow:
        raise ServiceQuotaExceededException(
            f"Workflow {workflow.workflow_id} has {len(workflow.versions)} versions, its quota"
        )
    version = create_workflow(state, request, workflow_id=workflow.workflow_id, version_name=name)
    version.name = workflow.name
    workflow.versions[name] = version
    return {
        "arn": version.arn,
        "workflowId": version.workflow_id,
        "versionName": name,
        "status": version.status,
        "tags": version.tags,
        "uuid": version.uuid,
    }


@operation("GetWorkflowVersion")
def get(state: AccountState, request: dict[str, Any]) -> Answer:
    """Describe one version."""
    version = find_workflow(
        state,
        request["workflowId"],
        workflow_type=request.get("type"),
        owner_id=request.get("workflowOwnerId"),
        version_name=request["versionName"],
    )
    answer = {**workflows.describe(version), **workflows.exported(state, version, request)}
    answer.pop("name", None)
    bucket_owner = version.request.get("workflowBucketOwnerId")
    return {
        **answer,
        **present(workflowBucketOwnerId=bucket_owner),
        "workflowId": version.workflow_id,
        "versionName": version.version_name,
    }


@operation("ListWorkflowVersions")
def list_versions(state: AccountState, request: dict[str, Any]) -> Answer:
    """List the versions of a workflow."""
    workflow = find_workflow(
        state,
        request["workflowId"],
        workflow_type=request.get("type"),
        owner_id=request.get("workflowOwnerId"),
    )
    versions = list(workflow.versions.values())
    return page_answer(state, request, versions, key=lambda version: version.uuid, describe=_list_item)


@operation("UpdateWorkflowVersion")
def update(state: AccountState, request: dict[str, Any]) -> Answer:
    """Change description, storage defaults or README of a version."""
    version = find_workflow(state, request["workflowId"], version_name=request["versionName"])
    workflows.change(version, request)
    return {}


@operation("DeleteWorkflowVersion")
def delete(state: AccountState, request: dict[str, Any]) -> Answer:
    """Delete a version; runs that use it go on."""
    name = request["versionName"]
    find_workflow(state, request["workflowId"], version_name=name)
    del find_workflow(state, request["workflowId"]).versions[name]
    return {}


def _list_item(version: Workflow) -> Answer:
    return present(
        arn=version.arn,
        workflowId=version.workflow_id,
        versionName=version.version_name,
        description=version.request.get("description"),
        status=version.status,
        type=version.workflow_type,
        digest=version.digest,
        creationTime=version.creation_time,
    )
