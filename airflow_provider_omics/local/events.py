"""Status changes as EventBridge events, with the fields and words that HealthOmics sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.local.delivery import Event

if TYPE_CHECKING:
    from enum import StrEnum

    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Batch, Run, Task, Workflow

OMICS_VERSION = "1.0.0"


def attach_events(state: AccountState) -> None:
    """Have every change of a run, task, batch or workflow put on the account's event bus from now on."""
    emitter = _Emitter(state)
    state.run_observers.append(emitter.run_changed)
    state.task_observers.append(emitter.task_changed)
    state.batch_observers.append(emitter.batch_changed)
    state.workflow_observers.append(emitter.workflow_changed)


class _Emitter:
    def __init__(self, state: AccountState) -> None:
        self._state = state

    def run_changed(self, run: Run, _previous: StrEnum | None) -> None:
        if not self._state.aws.has_listeners():
            return
        detail = {
            "arn": run.arn,
            "status": run.status,
            "uuid": run.uuid,
            "runId": run.run_id,
            "runName": run.request.get("name"),
            "runOutputUri": run.output_root,
            **_workflow_of(run),
            "workflowUuid": run.workflow.uuid,
        }
        if self._state.assumptions.run_events_carry_batch_id:
            detail["batchId"] = run.batch_id
        self._put("Run Status Change", run.arn, detail)

    def task_changed(self, run: Run, task: Task, _previous: StrEnum | None) -> None:
        if not self._state.aws.has_listeners():
            return
        arn = self._state.arn(f"task/{task.task_id}")
        detail = {
            "arn": arn,
            "status": task.status,
            "runArn": run.arn,
            "runUuid": run.uuid,
            "runId": run.run_id,
            "runName": run.request.get("name"),
            **_workflow_of(run),
        }
        self._put("Task Status Change", arn, detail)

    def batch_changed(self, batch: Batch, _previous: StrEnum | None) -> None:
        if not self._state.aws.has_listeners() or self._is_silent(batch.status):
            return
        defaults = batch.request.get("defaultRunSetting", {})
        detail = {
            "arn": batch.arn,
            "batchId": batch.batch_id,
            "status": batch.status,
            "uuid": batch.uuid,
            "batchName": batch.name,
            **_failure_of(batch),
            **_counts_of(batch),
            **self._workflow_of_batch(defaults),
            "runCache": self._cache_arn(defaults.get("cacheId")),
            "runCacheBehavior": defaults.get("cacheBehavior"),
        }
        self._put("RunBatch Status Change", batch.arn, detail)

    def workflow_changed(self, workflow: Workflow, _previous: str | None) -> None:
        if not self._state.aws.has_listeners():
            return
        detail = {
            "arn": workflow.arn,
            "status": workflow.status,
            "uuid": workflow.uuid,
            "workflowId": workflow.workflow_id,
            "workflowName": workflow.name,
            "workflowVersionName": workflow.version_name,
        }
        self._put("Workflow Status Change", workflow.arn, detail)

    def _is_silent(self, status: BatchStatus) -> bool:
        announced = self._state.assumptions.event_for_runs_delete_failed
        return status is BatchStatus.RUNS_DELETE_FAILED and not announced

    def _workflow_of_batch(self, defaults: dict[str, Any]) -> dict[str, Any]:
        workflow_id, version = defaults.get("workflowId"), defaults.get("workflowVersionName")
        arn = self._state.arn(f"workflow/{workflow_id}")
        return {
            "workflowId": workflow_id,
            "workflowArn": arn,
            "workflowVersionArn": f"{arn}/version/{version}" if version else None,
            "workflowOwnerId": defaults.get("workflowOwnerId"),
        }

    def _cache_arn(self, cache_id: str | None) -> str | None:
        return self._state.arn(f"runCache/{cache_id}") if cache_id else None

    def _put(self, detail_type: str, arn: str, detail: dict[str, Any]) -> None:
        # What the service does not know it leaves out, and every value is text, counts too.
        texts = {name: str(value) for name, value in detail.items() if value is not None}
        full = {"omicsVersion": OMICS_VERSION, **texts}
        self._state.events.put(Event(detail_type, [arn], full, self._state.now()))


def _workflow_of(run: Run) -> dict[str, Any]:
    return {"workflowId": run.workflow.workflow_id, "workflowName": run.workflow.name}


def _failure_of(batch: Batch) -> dict[str, Any]:
    if batch.status is not BatchStatus.FAILED:
        return {}
    # GetBatch answers the text as failureReason; the event has a code there and the text beside it.
    return {"failureReason": "VALIDATION_EXCEPTION", "failureMessage": batch.failure_reason}


def _counts_of(batch: Batch) -> dict[str, Any]:
    starts = {name: n for name, n in batch.submission_counts.items() if name.endswith("StartSubmissionCount")}
    return {"totalRuns": batch.total_runs, **starts, **batch.run_counts}
