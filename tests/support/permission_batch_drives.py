"""Drives of what is about batches, their samples and their cohorts."""

from __future__ import annotations

from typing import Any

from holding import HELD_RUN
from omics_service import ROLE
from permission_drives import BUCKET, GIVES_UP, OUT, QUICK, PermissionLab, crash, drive, fired, second_try, sensor, task

from airflow_provider_omics.exceptions import (
    OmicsBatchFailedError,
    OmicsRunFailedError,
    OmicsServiceError,
    OmicsWaitError,
)
from airflow_provider_omics.operators.batch import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsDeleteRunBatchOperator,
    OmicsStartRunBatchOperator,
)
from airflow_provider_omics.operators.prune import OmicsPruneRunBatchesOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.triggers.batch import OmicsBatchRunTrigger, OmicsBatchTrigger

START = "OmicsStartRunBatchOperator"
BARE = "StartRunBatch StartRun iam:PassRole s3:PutObject s3:GetObject s3:ListBucket s3:DeleteObject"
WAITED = f"{BARE} GetBatch ListRunsInBatch ListRuns GetRun"
FAILURE = "ListRunTasks GetRunTask logs:GetLogEvents"
PLAIN = {"identity_tags": False, "validate_parameters": False}
SUBMIT = {**PLAIN, "wait_for_completion": False}
FAILING = {"runSettingId": "bad", "runTags": {"omics-local:outcome": "RUN_TASK_FAILED"}}
WAITS = "wait_for_completion, output places, write tests"


def start_batch(lab: PermissionLab, run_settings: Any = None, **arguments: Any) -> Any:
    given = {"role_arn": ROLE, "output_uri": OUT, **QUICK, **arguments}
    if "workflow_name" not in given:
        given["workflow_id"] = lab.workflow_id
    samples = run_settings or [{"runSettingId": "a"}, {"runSettingId": "b"}]
    return task(OmicsStartRunBatchOperator, run_settings=samples, **given)


@drive(START, "waits", f"{WAITED} TagResource GetWorkflow", f"{WAITS}, identity_tags, validate_parameters", waits=True)
def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    assert start_batch(lab, deferrable=deferrable)


@drive(START, "submits", BARE, "write tests")
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    assert start_batch(lab, **SUBMIT)


@drive(START, "tagged", f"{BARE} TagResource", "tags, write tests")
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    assert start_batch(lab, **SUBMIT, run_tags={"project": "atlas"})


@drive(
    START, "version", f"{BARE} GetWorkflowVersion", "validate_parameters, write tests", prepare=PermissionLab.version
)
def _(lab: PermissionLab, version: str, _deferrable: bool) -> None:
    assert start_batch(lab, **{**SUBMIT, "validate_parameters": True}, workflow_version_name=version)


@drive(START, "failing", f"{WAITED} {FAILURE}", f"{WAITS}, failure details", ends=OmicsBatchFailedError)
def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    start_batch(lab, [{"runSettingId": "good"}, FAILING], **PLAIN, deferrable=deferrable)


def _crashed(lab: PermissionLab) -> None:
    given = {"workflow_id": lab.workflow_id, "role_arn": ROLE, "output_uri": OUT, **PLAIN}
    samples = [{"runSettingId": "a"}, {"runSettingId": "b"}]
    crash(OmicsStartRunBatchOperator, run_settings=samples, **given, **QUICK)


@drive(START, "second-try", "s3:PutObject s3:GetObject ListBatch GetBatch ListRunsInBatch ListRuns GetRun",
       f"durable, {WAITS}", prepare=_crashed)  # fmt: skip
def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    assert start_batch(lab, ti=second_try(), deferrable=deferrable, **PLAIN)


@drive(START, "gives-up", f"{BARE} GetBatch CancelRunBatch", "wait_for_completion, cancel_on_kill, write tests, tags",
       prepare=lambda lab: lab.held, ends=OmicsWaitError)  # fmt: skip
def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    samples = [{"runSettingId": "a", "runTags": HELD_RUN}]
    start_batch(lab, samples, **PLAIN, **GIVES_UP, deferrable=deferrable)


@drive(START, "usage", f"{WAITED} ListRunTasks logs:GetLogEvents pricing:GetProducts", f"usage, {WAITS}")
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    assert start_batch(lab, **PLAIN, usage="all", storage_type="DYNAMIC")


@drive(START, "named", f"{BARE} ListWorkflows ListWorkflowVersions", "workflow_name, write tests",
       prepare=PermissionLab.version)  # fmt: skip
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    assert start_batch(lab, **SUBMIT, workflow_name="qc", workflow_version_name="latest")


@drive(
    START, "cached", f"{WAITED} ListRunCaches GetRunCache CreateRunCache ListRunTasks", f"cache, cache hits, {WAITS}"
)
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    assert start_batch(lab, **PLAIN, cache="auto")


CANCEL, DELETE_RUNS, DELETE = "OmicsCancelRunBatchOperator", "OmicsDeleteRunBatchOperator", "OmicsDeleteBatchOperator"
ALONE = {"whole_cohort": False, **QUICK}


def _going_on(lab: PermissionLab) -> str:
    return lab.batch(ended=False)


@drive(CANCEL, "alone", "CancelRunBatch GetBatch", "batch state", prepare=_going_on)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    task(OmicsCancelRunBatchOperator, batch_id=batch_id, **ALONE)


@drive(CANCEL, "ended", "GetBatch", "other states", prepare=PermissionLab.batch)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    task(OmicsCancelRunBatchOperator, batch_id=batch_id, **ALONE)


@drive(CANCEL, "waits", "CancelRunBatch GetBatch ListRuns", "wait_for_completion, failed batches", prepare=_going_on)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    task(OmicsCancelRunBatchOperator, batch_id=batch_id, wait_for_completion=True, **ALONE)


def _tagged(lab: PermissionLab) -> str:
    return lab.batch(batchName="cohort", tags={"airflow-intent": "x"})


_COHORTS = {CANCEL: (OmicsCancelRunBatchOperator, "GetBatch ListBatch"),
            DELETE_RUNS: (OmicsDeleteRunBatchOperator, "DeleteRunBatch GetBatch ListBatch"),
            DELETE: (OmicsDeleteBatchOperator, "DeleteBatch GetBatch ListBatch")}  # fmt: skip
for _of, (_operator, _asks) in _COHORTS.items():

    @drive(_of, "cohort", _asks, "whole_cohort, other states, wait_for_completion", prepare=_tagged)
    def _(_lab: PermissionLab, batch_id: str, _deferrable: bool, operator: Any = _operator) -> None:
        task(operator, batch_id=batch_id, **QUICK)


@drive("OmicsBatchSensor", "cohort", "GetBatch ListBatch", "whole_cohort", prepare=_tagged)
def _(_lab: PermissionLab, batch_id: str, deferrable: bool) -> None:
    sensor(OmicsBatchSensor, deferrable, batch_id=batch_id)


@drive("OmicsBatchTrigger", "cohort", "GetBatch ListBatch", "whole_cohort", prepare=_tagged)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    fired(OmicsBatchTrigger(batch_id=batch_id, target="decided", whole_cohort=True, **QUICK))


@drive(DELETE_RUNS, "alone", "DeleteRunBatch GetBatch", "wait_for_completion", prepare=PermissionLab.batch, waits=True)
def _(_lab: PermissionLab, batch_id: str, deferrable: bool) -> None:
    task(OmicsDeleteRunBatchOperator, batch_id=batch_id, deferrable=deferrable, **ALONE)


@drive(DELETE_RUNS, "active", "DeleteRunBatch GetBatch", "other states", prepare=_going_on, ends=OmicsServiceError)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    task(OmicsDeleteRunBatchOperator, batch_id=batch_id, **ALONE)


@drive(DELETE, "alone", "DeleteBatch GetBatch", "wait_for_completion", prepare=PermissionLab.batch, waits=True)
def _(_lab: PermissionLab, batch_id: str, deferrable: bool) -> None:
    task(OmicsDeleteBatchOperator, batch_id=batch_id, deferrable=deferrable, **ALONE)


@drive(DELETE, "active", "DeleteBatch GetBatch", "other states", prepare=_going_on, ends=OmicsServiceError)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    task(OmicsDeleteBatchOperator, batch_id=batch_id, **ALONE)


PRUNE = "OmicsPruneRunBatchesOperator"
_ALL = {"status": "PROCESSED", "protect_for": "PT0S", "include_untagged": True, "error_budget": 0.0}


@drive(PRUNE, "plans", "ListBatch GetBatch s3:PutObject ListWorkflows", "plan_uri, workflow_name",
       prepare=PermissionLab.batch)  # fmt: skip
def _(_lab: PermissionLab, _batch_id: str, _deferrable: bool) -> None:
    plan = task(OmicsPruneRunBatchesOperator, **_ALL, workflow_name="qc", plan_uri=f"s3://{BUCKET}/plan.csv")
    assert plan["deletable"] == 1


@drive(PRUNE, "deletes", "ListBatch GetBatch DeleteRunBatch DeleteBatch", "plan_only", prepare=PermissionLab.batch)
def _(_lab: PermissionLab, _batch_id: str, _deferrable: bool) -> None:
    assert task(OmicsPruneRunBatchesOperator, **_ALL, plan_only=False, waiter_delay=0.02)["deleted"] == 1


@drive("OmicsBatchSensor", "processed", "GetBatch", prepare=PermissionLab.batch, waits=True)
def _(_lab: PermissionLab, batch_id: str, deferrable: bool) -> None:
    sensor(OmicsBatchSensor, deferrable, batch_id=batch_id, whole_cohort=False)


@drive("OmicsBatchSensor", "failing", "GetBatch ListRuns ListRunsInBatch GetRun", "failure details",
       prepare=lambda lab: lab.batch(FAILING), ends=OmicsBatchFailedError)  # fmt: skip
def _(_lab: PermissionLab, batch_id: str, deferrable: bool) -> None:
    sensor(OmicsBatchSensor, deferrable, batch_id=batch_id, whole_cohort=False)


@drive("OmicsBatchRunSensor", "completed", "ListRunsInBatch GetRun", prepare=PermissionLab.batch, waits=True)
def _(_lab: PermissionLab, batch_id: str, deferrable: bool) -> None:
    sensor(OmicsBatchRunSensor, deferrable, batch_id=batch_id, run_setting_id="a", whole_cohort=False)


@drive("OmicsBatchRunSensor", "failing", f"ListRunsInBatch GetRun {FAILURE}", "failure details",
       prepare=lambda lab: lab.batch(FAILING), ends=OmicsRunFailedError)  # fmt: skip
def _(_lab: PermissionLab, batch_id: str, deferrable: bool) -> None:
    sensor(OmicsBatchRunSensor, deferrable, batch_id=batch_id, run_setting_id="bad", whole_cohort=False)


@drive("OmicsBatchTrigger", "fires", "GetBatch", prepare=PermissionLab.batch)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    fired(OmicsBatchTrigger(batch_id=batch_id, **QUICK))


@drive("OmicsBatchRunTrigger", "fires", "ListRunsInBatch GetRun", prepare=PermissionLab.batch)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    fired(OmicsBatchRunTrigger(batch_id=batch_id, run_setting_id="a", **QUICK))
