"""Drives of the hook's methods."""

from __future__ import annotations

from typing import Any

from omics_service import ROLE, cwl_without_inputs
from permission_drives import OUT, PermissionLab, drive, hook

from airflow_provider_omics.account.kinds import CONFIGURATION, RUN_CACHE, RUN_GROUP
from airflow_provider_omics.exceptions import OmicsServiceError
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot


def _request(lab: PermissionLab, **more: Any) -> dict[str, Any]:
    return {"workflowId": lab.workflow_id, "roleArn": ROLE, "outputUri": OUT, "requestId": "1", **more}


@drive("OmicsHook.start_run", "starts", "StartRun iam:PassRole TagResource", "tags")
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    hook().start_run(_request(lab, tags={"a": "b"}))


@drive("OmicsHook.start_run_batch", "starts", "StartRunBatch StartRun iam:PassRole TagResource", "tags")
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    shared = {name: value for name, value in _request(lab).items() if name != "requestId"}
    settings = {"inlineSettings": [{"runSettingId": "a"}]}
    request = {"defaultRunSetting": shared, "batchRunSettings": settings, "requestId": "1", "tags": {"a": "b"}}
    hook().start_run_batch(request)


_BY_RUN = {
    "get_run": "GetRun",
    "find_run": "GetRun",
    "wait_for_run": "GetRun",
    "delete_run": "DeleteRun",
}
for _method, _operation in _BY_RUN.items():

    @drive(f"OmicsHook.{_method}", "calls", _operation, prepare=PermissionLab.run)
    def _(_lab: PermissionLab, run_id: str, _deferrable: bool, method: str = _method) -> None:
        getattr(hook(), method)(run_id)


_BY_BATCH = {
    "get_batch": "GetBatch",
    "find_batch": "GetBatch",
    "wait_for_batch": "GetBatch",
    "list_batch_samples": "ListRunsInBatch",
}
for _method, _operation in _BY_BATCH.items():

    @drive(f"OmicsHook.{_method}", "calls", _operation, prepare=PermissionLab.batch)
    def _(_lab: PermissionLab, batch_id: str, _deferrable: bool, method: str = _method) -> None:
        answer = getattr(hook(), method)(batch_id)
        if method == "list_batch_samples":
            assert list(answer)


@drive("OmicsHook.cancel_run", "ended", "CancelRun GetRun", "other states", prepare=PermissionLab.run)
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    assert not hook().cancel_run(run_id)


@drive("OmicsHook.delete_run", "active", "DeleteRun GetRun", "other states",
       prepare=lambda lab: lab.run(ended=False), ends=OmicsServiceError)  # fmt: skip
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    hook().delete_run(run_id)


@drive("OmicsHook.cancel_batch", "active", "CancelRunBatch GetBatch", "batch state",
       prepare=lambda lab: lab.batch(ended=False))  # fmt: skip
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    assert hook().cancel_batch(batch_id)


@drive("OmicsHook.list_runs", "lists", "ListRuns")
def _(_lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    list(hook().list_runs())


@drive("OmicsHook.list_batches", "lists", "ListBatch")
def _(_lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    list(hook().list_batches())


@drive("OmicsHook.list_workflows", "lists", "ListWorkflows")
def _(_lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    assert hook().list_workflows("qc")


@drive("OmicsHook.list_workflow_versions", "lists", "ListWorkflowVersions")
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    hook().list_workflow_versions(lab.workflow_id)


@drive("OmicsHook.tag", "tags", "TagResource", prepare=lambda lab: lab.omics.get_run(id=lab.run())["arn"])
def _(_lab: PermissionLab, arn: str, _deferrable: bool) -> None:
    hook().tag(arn, {"a": "b"})


@drive("OmicsHook.create_workflow", "creates", "CreateWorkflow TagResource", "tags")
def _(_lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    request = {"name": "new", **cwl_without_inputs(), "requestId": "1", "tags": {"a": "b"}}
    hook().create_workflow(request)


@drive("OmicsHook.create_workflow_version", "creates", "CreateWorkflowVersion TagResource", "tags")
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    named = {"workflowId": lab.workflow_id, "versionName": "v2", **cwl_without_inputs()}
    request = {**named, "requestId": "1", "tags": {"a": "b"}}
    hook().create_workflow_version(request)


@drive("OmicsHook.find_workflow", "finds", "GetWorkflow GetWorkflowVersion", prepare=PermissionLab.version)
def _(lab: PermissionLab, version: str, _deferrable: bool) -> None:
    assert hook().find_workflow(lab.workflow_id)
    assert hook().find_workflow(lab.workflow_id, version)


@drive("OmicsHook.delete_workflow", "deletes", "DeleteWorkflow DeleteWorkflowVersion", prepare=PermissionLab.version)
def _(lab: PermissionLab, version: str, _deferrable: bool) -> None:
    assert hook().delete_workflow(lab.workflow_id, version)
    assert hook().delete_workflow(lab.workflow_id)


@drive("OmicsHook.explain_failure", "explains", "ListRunTasks GetRunTask logs:GetLogEvents", "failure details",
       prepare=lambda lab: lab.run(tags={"omics-local:outcome": "RUN_TASK_FAILED"}))  # fmt: skip
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    print(hook().explain_failure(RunSnapshot(run_id, "FAILED")).describe())


@drive("OmicsHook.create_resource", "creates", "CreateRunGroup TagResource", "tags")
def _(_lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    hook().create_resource(RUN_GROUP, {"name": "group", "requestId": "1", "tags": {"a": "b"}})


@drive("OmicsHook.create_resource", "others", "CreateRunCache CreateConfiguration")
def _(_lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    hook().create_resource(RUN_CACHE, {"name": "c", "requestId": "1", "cacheS3Location": f"{OUT}/cache"})
    vpc = {"vpcConfig": {"securityGroupIds": ["sg-1"], "subnetIds": ["subnet-01"]}}
    hook().create_resource(CONFIGURATION, {"name": "c", "requestId": "1", "runConfigurations": vpc})
