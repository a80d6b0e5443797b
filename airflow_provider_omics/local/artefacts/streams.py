"""The log streams of a run that nothing has written: those of a simulated run, and every run's manifest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.console import (
    engine_log_stream,
    manifest_log_stream,
    run_log_stream,
    task_log_stream,
)
from airflow_provider_omics.healthomics.api.statuses import RunStatus, TaskStatus
from airflow_provider_omics.local.executors.manifest import manifest_entries
from airflow_provider_omics.local.executors.outcomes import COMPLETED

if TYPE_CHECKING:
    from airflow_provider_omics.local.executors.outcomes import Simulation
    from airflow_provider_omics.local.records import Run, Task

Line = tuple[datetime, str]

_ENDED_TASK = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})


def run_streams(run: Run, started_by: str) -> dict[str, list[Line]]:
    """Return the streams that nothing has written, by name; as time goes by, lines are only added at their ends.

    The account's lock need not be held.

    :param started_by: ARN of who has started the run, for its manifest.
    """
    if run.request.get("logLevel") == "OFF":
        return {}
    simulation = run.simulation
    if simulation is not None and not simulation.outcomes.write_logs:
        return {}
    streams = {} if simulation is None else _simulated_streams(run, simulation)
    if run.end_status is not None and run.stop_time is not None:
        entries = manifest_entries(run, started_by)
        streams[manifest_log_stream(run.run_id, run.uuid)] = [(run.stop_time, entry) for entry in entries]
    return streams


def _simulated_streams(run: Run, simulation: Simulation) -> dict[str, list[Line]]:
    streams = {
        run_log_stream(run.run_id): list(_run_lines(run, simulation)),
        engine_log_stream(run.run_id): list(engine_lines(run, simulation)),
    }
    for task in list(run.tasks.values()):
        streams[task_log_stream(run.run_id, task.task_id)] = list(_task_lines(task))
    return streams


def _run_lines(run: Run, simulation: Simulation) -> Iterator[Line]:
    assert run.start_time is not None
    if simulation.reason is not None:
        yield run.start_time, simulation.reason
    yield run.start_time, f"Run {run.run_id} of workflow {run.workflow.workflow_id} started"
    for task in list(run.tasks.values()):
        yield from _task_news(task)
    if run.end_status is None or run.stop_time is None:
        return
    if run.end_status is RunStatus.COMPLETED:
        yield run.stop_time, "The run completed"
    elif run.end_status is RunStatus.CANCELLED:
        yield run.stop_time, "The run was cancelled"
    else:
        yield run.stop_time, f"The run failed: {run.failure_reason}: {run.status_message}"


def _task_news(task: Task) -> Iterator[Line]:
    if task.cache_hit:
        yield task.creation_time, f"Task {task.task_id} ({task.name}) is taken from the run cache: {task.cache_s3_uri}"
        return
    yield task.creation_time, f"Task {task.task_id} ({task.name}) started"
    if task.stop_time is not None and task.status in _ENDED_TASK:
        why = f": {task.status_message}" if task.status_message else ""
        yield task.stop_time, f"Task {task.task_id} ({task.name}) {task.status.lower()}{why}"


def engine_lines(run: Run, simulation: Simulation) -> Iterator[Line]:
    """Yield what the simulated engine has to say so far."""
    assert run.start_time is not None
    yield run.start_time, f"Simulated {run.workflow.engine} engine, {simulation.seconds:.3f} s"
    failed = run.stop_time is not None and run.end_status is RunStatus.FAILED
    if failed and simulation.fails_at is None and simulation.outcome != COMPLETED:
        assert run.stop_time is not None
        yield run.stop_time, f"Simulated failure: {simulation.outcome}"


def _task_lines(task: Task) -> Iterator[Line]:
    if task.cache_hit:
        return
    yield task.creation_time, f"Task {task.name} started"
    if task.stop_time is not None and task.status_message:
        yield task.stop_time, task.status_message
