"""The failed tasks of a run and the last lines of their logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from airflow_provider_omics.healthomics.api.console import LOG_GROUP, task_log_stream
from airflow_provider_omics.healthomics.api.retrying import refusal_note
from airflow_provider_omics.healthomics.runs.failure import FailedTask

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_omics.client import OmicsClient

Retry = Callable[[Callable[[], Any]], Any]


def failed_tasks(
    omics: OmicsClient,
    logs: Callable[[], CloudWatchLogsClient],
    run_id: str,
    task_limit: int,
    log_lines: int,
    retrying: Retry,
) -> tuple[tuple[FailedTask, ...], bool]:
    """Look up a run's failed tasks (ListRunTasks, GetRunTask) and their logs (GetLogEvents).

    :param logs: gives a CloudWatch Logs client; only called when there is a log to read.
    :param task_limit: how many tasks to look up, 0 to 99.
    :param log_lines: how many last lines to fetch per task, 0 to 10,000.
    :param retrying: makes a call, and makes it again while that may help.
    :return: the tasks, and whether there are more.
    """
    if task_limit <= 0:
        return (), False
    # One more than is shown, to know whether there are others; a run can have thousands.
    most = min(task_limit + 1, 100)
    listed = retrying(lambda: omics.list_run_tasks(id=run_id, status="FAILED", maxResults=most)).get("items", [])
    ids = [item["taskId"] for item in listed if "taskId" in item]
    shown = tuple(_failed_task(omics, logs, run_id, task_id, log_lines, retrying) for task_id in ids[:task_limit])
    return shown, len(listed) > task_limit


def _failed_task(
    omics: OmicsClient,
    logs: Callable[[], CloudWatchLogsClient],
    run_id: str,
    task_id: str,
    log_lines: int,
    retrying: Retry,
) -> FailedTask:
    try:
        task = retrying(lambda: omics.get_run_task(id=run_id, taskId=task_id))
    except (ClientError, BotoCoreError) as error:
        return FailedTask(task_id, log_note=f"it could not be looked up: {refusal_note(error, 'GetRunTask')}")
    stream = (task.get("logStream") or task_log_stream(run_id, task_id)).rpartition(":log-stream:")[2]
    tail, note = _tail(logs, stream, log_lines, retrying)
    return FailedTask(
        task_id=task_id,
        name=task.get("name"),
        failure_code=task.get("failureReason"),
        status_message=task.get("statusMessage"),
        log_tail=tail,
        log_note=note,
    )


def _tail(
    logs: Callable[[], CloudWatchLogsClient], stream: str, lines: int, retrying: Retry
) -> tuple[tuple[str, ...], str | None]:
    if lines <= 0:
        return (), None
    try:
        wanted: Any = {"logGroupName": LOG_GROUP, "logStreamName": stream, "limit": lines, "startFromHead": False}
        answer = retrying(lambda: logs().get_log_events(**wanted))
    except (ClientError, BotoCoreError) as error:
        return (), f"its log {LOG_GROUP} {stream} could not be read: {refusal_note(error, 'GetLogEvents')}"
    tail = tuple(event.get("message", "").rstrip() for event in answer.get("events", []))
    return tail, None if tail else f"its log {LOG_GROUP} {stream} is empty"
