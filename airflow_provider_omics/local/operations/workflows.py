"""Operations on workflows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.errors import ServiceQuotaExceededException, ValidationException
from airflow_provider_omics.local.operations.answers import page_answer, present
from airflow_provider_omics.local.operations.registry import Answer, operation
from airflow_provider_omics.local.records import Workflow
from airflow_provider_omics.local.workflows.catalogue import READY2RUN, find_workflow, is_shared, ready2run_workflows
from airflow_provider_omics.local.workflows.downloads import link
from airflow_provider_omics.local.workflows.machine import create_workflow


@operation("CreateWorkflow")
def create(state: AccountState, request: dict[str, Any]) -> Answer:
    """Make a private workflow, CREATING at first."""
    own = _own_workflows(state)
    if len(own) >= state.quotas.workflows:
        raise ServiceQuotaExceededException(f"The account has {len(own)} workflows, its quota")
    workflow = create_workflow(state, request, workflow_id=state.new_id())
    state.workflows[workflow.workflow_id] = workflow
    return {
        "arn": workflow.arn,
        "id": workflow.workflow_id,
        "status": workflow.status,
        "tags": workflow.tags,
        "uuid": workflow.uuid,
    }


@operation("GetWorkflow")
def get(state: AccountState, request: dict[str, Any]) -> Answer:
    """Describe one workflow; a Ready2Run one only with its type, a shared one only with its owner."""
    workflow = find_workflow(
        state,
        request["id"],
        workflow_type=request.get("type"),
        owner_id=request.get("workflowOwnerId"),
    )
    return {**describe(workflow), **exported(state, workflow, request), "id": workflow.workflow_id}


@operation("ListWorkflows")
def list_workflows(state: AccountState, request: dict[str, Any]) -> Answer:
    """List the account's own workflows, or with ``type=READY2RUN`` the built-in ones."""
    is_ready2run = request.get("type") == READY2RUN
    workflows = ready2run_workflows(state) if is_ready2run else _own_workflows(state)
    # Rising keys keep a page's place also when what it listed is deleted before the next.
    workflows = sorted(workflows, key=lambda workflow: int(workflow.workflow_id))
    name = request.get("name")
    return page_answer(
        state,
        request,
        workflows,
        key=lambda workflow: int(workflow.workflow_id),
        describe=_list_item,
        keep=lambda workflow: name in (None, workflow.name),
    )


@operation("UpdateWorkflow")
def update(state: AccountState, request: dict[str, Any]) -> Answer:
    """Change name, description, storage defaults or README."""
    workflow = find_workflow(state, request["id"])
    workflow.name = request.get("name") or workflow.name
    change(workflow, request)
    return {}


@operation("DeleteWorkflow")
def delete(state: AccountState, request: dict[str, Any]) -> Answer:
    """Delete a workflow with all its versions; runs that were started go on."""
    del state.workflows[find_workflow(state, request["id"]).workflow_id]
    return {}


def describe(workflow: Workflow) -> Answer:
    """Return what GetWorkflow and GetWorkflowVersion have in common."""
    return present(
        arn=workflow.arn,
        status=workflow.status,
        type=workflow.workflow_type,
        name=workflow.name,
        description=workflow.request.get("description"),
        engine=workflow.engine or None,
        main=workflow.main,
        digest=workflow.digest,
        parameterTemplate=workflow.parameter_template or None,
        profiles=list(workflow.profile_parameter_templates) or None,
        profileParameterTemplates=workflow.profile_parameter_templates or None,
        storageType=workflow.storage_type,
        storageCapacity=workflow.storage_capacity,
        creationTime=workflow.creation_time,
        statusMessage=workflow.status_message,
        tags=workflow.tags,
        metadata={},
        accelerators=workflow.request.get("accelerators"),
        containerRegistryMap=workflow.request.get("containerRegistryMap"),
        readmePath=workflow.request.get("readmePath"),
        uuid=workflow.uuid,
    )


def exported(state: AccountState, workflow: Workflow, request: Mapping[str, Any]) -> Answer:
    """Return the links to definition and README that the request's ``export`` asks for.

    :raises ValidationException: the definition belongs to someone else.
    """
    wanted = request.get("export") or []
    if "DEFINITION" in wanted and (is_shared(state, workflow) or workflow.workflow_type == READY2RUN):
        raise ValidationException(
            f"The definition of workflow {workflow.workflow_id} cannot be exported: another account owns it"
        )
    definition = workflow.definition_zip if "DEFINITION" in wanted else None
    readme = workflow.readme if "README" in wanted else None
    return present(
        definition=None if definition is None else link(state, f"{workflow.uuid}/definition.zip", definition),
        readme=None if readme is None else link(state, f"{workflow.uuid}/README.md", readme.encode()),
    )


def change(workflow: Workflow, request: Mapping[str, Any]) -> None:
    """Apply what UpdateWorkflow and UpdateWorkflowVersion have in common."""
    if request.get("description") is not None:
        workflow.request["description"] = request["description"]
    workflow.storage_type = request.get("storageType") or workflow.storage_type
    if request.get("storageCapacity") is not None:
        workflow.storage_capacity = request["storageCapacity"]
    if request.get("readmeMarkdown") is not None:
        workflow.readme = request["readmeMarkdown"]


def _own_workflows(state: AccountState) -> list[Workflow]:
    return [workflow for workflow in state.workflows.values() if not is_shared(state, workflow)]


def _list_item(workflow: Workflow) -> Answer:
    return present(
        arn=workflow.arn,
        id=workflow.workflow_id,
        name=workflow.name,
        status=workflow.status,
        type=workflow.workflow_type,
        digest=workflow.digest,
        creationTime=workflow.creation_time,
    )
