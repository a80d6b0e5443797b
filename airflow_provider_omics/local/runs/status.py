"""Changes of the status of a run and its tasks: the one place that tells everyone who watches."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.statuses import RunStatus, TaskStatus

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Run, Task

_ACTIVE_TASK = frozenset({TaskStatus.PENDING, TaskStatus.STARTING, TaskStatus.RUNNING, TaskStatus.STOPPING})


def announce(state: AccountState, run: Run) -> None:
    """Tell everyone who watches of a run that is new."""
    _notify(state, run, None)


def set_status(state: AccountState, run: Run, status: RunStatus) -> None:
    """Move a run to a status and tell everyone who watches; staying in the same status tells nobody."""
    old, run.status = run.status, status
    if old is not status:
        if state.assumptions.run_status_lag_in_list_seconds:
            run.earlier = (*run.earlier, (state.now(), old))
        _notify(state, run, old)


def status_at(run: Run, moment: datetime) -> RunStatus:
    """Return the status that a run had at a moment, as far back as it was kept."""
    return next((status for until, status in run.earlier if until > moment), run.status)


def add_task(state: AccountState, run: Run, task: Task) -> None:
    """Give a run a new task and tell everyone who watches."""
    run.tasks[task.task_id] = task
    for observer in state.task_observers:
        observer(run, task, None)


def set_task_status(state: AccountState, run: Run, task: Task, status: TaskStatus) -> None:
    """Move a task to a status and tell everyone who watches."""
    old, task.status = task.status, status
    if old is not status:
        for observer in state.task_observers:
            observer(run, task, old)


def stop_tasks(state: AccountState, run: Run, status: TaskStatus) -> None:
    """Move every task that has not ended to STOPPING or CANCELLED."""
    for task in run.tasks.values():
        if task.status in _ACTIVE_TASK:
            if status is TaskStatus.CANCELLED:
                task.stop_time = state.now()
            set_task_status(state, run, task, status)


def _notify(state: AccountState, run: Run, old: RunStatus | None) -> None:
    state.run_queue.status_changed(run, old)
    for observer in state.run_observers:
        observer(run, old)
