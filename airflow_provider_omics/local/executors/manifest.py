"""The run manifest that HealthOmics writes after a run's end: the run, then each of its tasks, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.local.executors.simulation import simulated_storage, simulated_use

if TYPE_CHECKING:
    from airflow_provider_omics.local.records import Run, StorageUse, Task, TaskUse

_AS_REQUESTED = (
    "name",
    "roleArn",
    "outputUri",
    "parameters",
    "parametersUri",
    "storageType",
    "storageCapacity",
    "workflowType",
    "workflowOwnerId",
)


def manifest_entries(run: Run, started_by: str) -> list[str]:
    """Return the manifest's log events.

    :param run: a run that has ended.
    :param started_by: ARN of who has started it.
    """
    tasks = [_MeasuredTask(task, _use_of(run, task)) for task in run.tasks.values()]
    entries = [_run_entry(run, started_by, tasks), *(_task_entry(run, task) for task in tasks)]
    return [json.dumps({key: value for key, value in entry.items() if value is not None}) for entry in entries]


@dataclass(frozen=True, slots=True)
class _MeasuredTask:
    task: Task
    use: TaskUse | None


def _use_of(run: Run, task: Task) -> TaskUse | None:
    if run.simulation is not None and task.start_time is not None and not task.cache_hit:
        return simulated_use(run, run.simulation, task)
    return task.use


def _run_entry(run: Run, started_by: str, tasks: Sequence[_MeasuredTask]) -> dict[str, Any]:
    workflow = run.workflow
    return {
        "arn": run.arn,
        "uuid": run.uuid,
        "status": run.end_status,
        "failureReason": run.failure_reason,
        "statusMessage": run.status_message,
        **_times(run),
        "startedBy": started_by,
        **{name: run.request.get(name) for name in _AS_REQUESTED},
        "resourceDigests": dict(run.digests or {}),
        "digest": f"sha256:{workflow.digest}" if workflow.digest else None,
        "engine": workflow.engine,
        "main": workflow.main,
        "workflow": _workflow_arn(run),
        "workflowVersion": workflow.arn if run.version_name else None,
        "runGroup": _sibling_arn(run, "runGroup", run.request.get("runGroupId")),
        "runCache": _sibling_arn(run, "runCache", run.request.get("cacheId")),
        "runCacheBehavior": run.request.get("cacheBehavior"),
        "run": _sibling_arn(run, "run", run.request.get("runId")),
        "parameterTemplate": workflow.parameter_template,
        "metrics": _run_metrics(run, tasks),
    }


def _task_entry(run: Run, measured: _MeasuredTask) -> dict[str, Any]:
    task = measured.task
    return {
        "arn": _sibling_arn(run, "task", task.task_id),
        "uuid": run.task_uuid(task),
        "name": task.name,
        "status": task.status,
        "failureReason": task.failure_reason,
        "statusMessage": task.status_message,
        # The service gives no times for what came out of a cache.
        **({} if task.cache_hit else _times(task)),
        "cpus": task.cpus,
        "gpus": task.gpus,
        "memory": task.memory,
        "image": task.image,
        "instanceType": task.instance_type,
        "cacheHit": task.cache_hit or None,
        "cacheS3Uri": task.cache_s3_uri,
        "run": run.arn,
        "workflow": _workflow_arn(run),
        "metrics": None if task.cache_hit else _task_metrics(measured),
    }


def _task_metrics(measured: _MeasuredTask) -> dict[str, float | None]:
    task, use = measured.task, measured.use
    used = {}
    if use is not None:
        used = {
            "cpusAverage": use.cpus_average,
            "cpusMaximum": use.cpus_maximum,
            "memoryAverageGiB": use.memory_average,
            "memoryMaximumGiB": use.memory_maximum,
        }
    return _present(
        **used,
        cpusReserved=task.cpus,
        gpusReserved=task.gpus,
        memoryReservedGiB=task.memory,
        runningSeconds=_seconds(task),
    )


def _run_metrics(run: Run, tasks: Sequence[_MeasuredTask]) -> dict[str, float | None]:
    storage = _storage_of(run)
    ran = [measured for measured in tasks if not measured.task.cache_hit and _seconds(measured.task) is not None]
    return _present(
        **_together(ran),
        storageReservedGiB=run.request.get("storageCapacity"),
        storageAverageGiB=storage.average if storage else None,
        storageMaximumGiB=storage.maximum if storage else None,
        runningSeconds=_seconds(run),
    )


def _storage_of(run: Run) -> StorageUse | None:
    if run.simulation is not None and run.stop_time is not None:
        return simulated_storage(run, run.simulation)
    return run.storage_use


def _together(ran: Sequence[_MeasuredTask]) -> dict[str, float | None]:
    """Sum up what tasks that ran at the same moment had: the most of that, and the average over the time."""
    metrics = [(each.task, _task_metrics(each)) for each in ran]
    moments = sorted({moment for each in ran for moment in (each.task.start_time, each.task.stop_time) if moment})
    most: dict[str, float] = {}
    areas: dict[str, float] = {}
    for begin, end in pairwise(moments):
        at_once = [values for task, values in metrics if _runs(task, begin)]
        for name in {name for values in at_once for name in values} - {"runningSeconds"}:
            total = sum(values.get(name) or 0 for values in at_once)
            most[name] = max(most.get(name, 0), total)
            areas[name] = areas.get(name, 0) + total * (end - begin).total_seconds()
    span = (moments[-1] - moments[0]).total_seconds() if moments else 0
    return {name: round(areas[name] / span, 6) if "Average" in name and span else value for name, value in most.items()}


def _runs(task: Task, moment: datetime) -> bool:
    assert task.start_time is not None
    assert task.stop_time is not None
    return task.start_time <= moment < task.stop_time


def _present(**metrics: float | None) -> dict[str, float | None]:
    return {name: value for name, value in metrics.items() if value is not None}


def _workflow_arn(run: Run) -> str:
    return run.workflow.arn.partition("/version/")[0]


def _times(record: Run | Task) -> dict[str, str | None]:
    return {
        "creationTime": _iso(record.creation_time),
        "startTime": _iso(record.start_time),
        "stopTime": _iso(record.stop_time),
    }


def _iso(when: datetime | None) -> str | None:
    if when is None:
        return None
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(record: Run | Task) -> float | None:
    if record.start_time is None or record.stop_time is None:
        return None
    return round((record.stop_time - record.start_time).total_seconds(), 3)


def _sibling_arn(run: Run, kind: str, identifier: str | None) -> str | None:
    prefix = run.arn.removesuffix(f"run/{run.run_id}")
    return f"{prefix}{kind}/{identifier}" if identifier else None
