"""Permissions of the methods of the hook, by the operations that they call."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_omics.healthomics.api.actions import actions_of
from airflow_provider_omics.permissions.features import (
    AFTER_REFUSAL,
    BATCH_STATE,
    FAILED_BATCH,
    FAILED_BATCH_WAIT,
    FAILURE_TASKS,
    TAGS,
    refused,
)
from airflow_provider_omics.permissions.model import Feature, Permissions


def _calls(*operations: str, features: tuple[Feature, ...] = ()) -> Permissions:
    return Permissions(tuple(action for operation in operations for action in actions_of(operation)), features)


HOOK_METHODS: Mapping[str, Permissions] = {
    "OmicsHook.start_run": _calls("StartRun", features=(TAGS,)),
    "OmicsHook.start_run_batch": _calls("StartRunBatch", features=(TAGS,)),
    "OmicsHook.get_run": _calls("GetRun"),
    "OmicsHook.find_run": _calls("GetRun"),
    "OmicsHook.list_runs": _calls("ListRuns"),
    "OmicsHook.cancel_run": _calls("CancelRun", features=(AFTER_REFUSAL,)),
    "OmicsHook.delete_run": _calls("DeleteRun", features=(AFTER_REFUSAL,)),
    "OmicsHook.wait_for_run": _calls("GetRun"),
    "OmicsHook.get_batch": _calls("GetBatch"),
    "OmicsHook.find_batch": _calls("GetBatch"),
    "OmicsHook.list_batches": _calls("ListBatch"),
    "OmicsHook.list_batch_samples": _calls("ListRunsInBatch"),
    "OmicsHook.cancel_batch": _calls("CancelRunBatch", features=(BATCH_STATE, refused("GetBatch"), FAILED_BATCH)),
    "OmicsHook.wait_for_batch": _calls("GetBatch", features=(FAILED_BATCH_WAIT,)),
    "OmicsHook.tag": _calls("TagResource"),
    "OmicsHook.explain_failure": Permissions(features=(FAILURE_TASKS,)),
    "OmicsHook.create_workflow": _calls("CreateWorkflow", features=(TAGS,)),
    "OmicsHook.create_workflow_version": _calls("CreateWorkflowVersion", features=(TAGS,)),
    "OmicsHook.find_workflow": _calls("GetWorkflow", "GetWorkflowVersion"),
    "OmicsHook.list_workflows": _calls("ListWorkflows"),
    "OmicsHook.list_workflow_versions": _calls("ListWorkflowVersions"),
    "OmicsHook.delete_workflow": _calls("DeleteWorkflow", "DeleteWorkflowVersion"),
    "OmicsHook.create_resource": _calls("CreateRunGroup", "CreateRunCache", "CreateConfiguration", features=(TAGS,)),
}
"""By ``OmicsHook.`` and the method's name; of methods that call different operations for different things, all."""
