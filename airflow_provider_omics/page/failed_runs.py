"""Failed run of a sample: its tasks that failed, and the last lines of their logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.healthomics.runs.failure import FailedTask
from airflow_provider_omics.page.accounts import Account
from airflow_provider_omics.page.sample_table import advice_json

_MOST_TASKS = 3
_MOST_LINES = 40
_MOST_CHARACTERS = 2_000


def explain_run(account: Account, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known about the run of a sample, as JSON values (GetRun, ListRunTasks, GetRunTask, GetLogEvents).

    :param row: of the results table, with a run.
    """
    run = account.hook.find_run(row["run_id"])
    # Ids of deleted runs are given to others, whose logs are not for whoever looks at this cohort.
    if run is None or run.uuid is None or run.uuid != row.get("uuid"):
        return {"state": "gone", "tasks": []}
    failure = account.hook.explain_failure(run, task_limit=_MOST_TASKS, log_lines=_MOST_LINES)
    return {
        "state": "ready",
        "status": run.status,
        "failure_code": run.failure_code,
        "message": run.status_message,
        **advice_json(failure.advice),
        "note": failure.note,
        "tasks": [_shown(task) for task in failure.failed_tasks],
        "more_tasks": failure.more_failed_tasks,
    }


def _shown(task: FailedTask) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "name": task.name,
        "failure_code": task.failure_code,
        "message": task.status_message,
        "log": [line[:_MOST_CHARACTERS] for line in task.log_tail],
        "note": task.log_note,
    }
