"""ListRunTasks and GetRunTask."""

from __future__ import annotations

from typing import Any

from airflow_provider_omics.healthomics.api.console import task_log_stream
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.assumptions import LogStreamForm
from airflow_provider_omics.local.errors import ResourceNotFoundException
from airflow_provider_omics.local.logs import log_stream_arn
from airflow_provider_omics.local.operations.answers import page_answer, present
from airflow_provider_omics.local.operations.registry import Answer, operation
from airflow_provider_omics.local.operations.runs import find_run
from airflow_provider_omics.local.records import Run, Task


@operation("ListRunTasks")
def list_run_tasks(state: AccountState, request: dict[str, Any]) -> Answer:
    """List the tasks of a run, filtered by status, in the order in which they began."""
    run = find_run(state, request["id"])
    status = request.get("status")
    return page_answer(
        state,
        request,
        list(run.tasks.values()),
        key=lambda task: int(task.task_id),
        describe=lambda task: _list_item(run, task),
        keep=None if status is None else lambda task: task.status == status,
    )


@operation("GetRunTask")
def get_run_task(state: AccountState, request: dict[str, Any]) -> Answer:
    """Describe one task of a run."""
    run = find_run(state, request["id"])
    task = run.tasks.get(request["taskId"])
    if task is None:
        raise ResourceNotFoundException(f"Task {request['taskId']} of run {run.run_id} not found")
    return {
        **_list_item(run, task),
        **present(
            failureReason=task.failure_reason,
            statusMessage=task.status_message,
            logStream=_log_stream(state, run, task),
        ),
    }


def _list_item(run: Run, task: Task) -> Answer:
    return present(
        taskId=task.task_id,
        uuid=run.task_uuid(task),
        status=task.status,
        name=task.name,
        cpus=task.cpus,
        gpus=task.gpus,
        memory=task.memory,
        instanceType=task.instance_type,
        cacheHit=task.cache_hit,
        cacheS3Uri=task.cache_s3_uri,
        creationTime=task.creation_time,
        startTime=task.start_time,
        stopTime=task.stop_time,
    )


def _log_stream(state: AccountState, run: Run, task: Task) -> str | None:
    if run.request["logLevel"] == "OFF":
        return None
    stream = task_log_stream(run.run_id, task.task_id)
    if state.assumptions.task_log_stream is LogStreamForm.ARN:
        return log_stream_arn(state, stream)
    return stream
