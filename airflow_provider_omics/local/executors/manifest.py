"""The run manifest that HealthOmics writes after a run's end: the run, then each of its tasks, as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_omics.local.records import Run, Task

_AS_REQUESTED = (
    "name",
    "roleArn",
    "outputUri",
    "parameters",
    "storageType",
    "storageCapacity",
    "workflowType",
    "cacheBehavior",
)


def manifest_entries(run: Run, digests: Mapping[str, str]) -> list[str]:
    """Return the manifest's log events.

    :param run: a run that has ended.
    :param digests: what the run has read, as ``resourceDigests`` gives it.
    """
    entries = [_run_entry(run, digests), *(_task_entry(run, task) for task in run.tasks.values())]
    return [json.dumps({key: value for key, value in entry.items() if value is not None}) for entry in entries]


def _run_entry(run: Run, digests: Mapping[str, str]) -> dict[str, Any]:
    workflow = run.workflow
    return {
        "arn": run.arn,
        "uuid": run.uuid,
        "status": run.status,
        "failureReason": run.failure_reason,
        "statusMessage": run.status_message,
        **_times(run),
        **{name: run.request.get(name) for name in _AS_REQUESTED},
        "resourceDigests": dict(digests),
        "digest": f"sha256:{workflow.digest}" if workflow.digest else None,
        "engine": workflow.engine,
        "main": workflow.main,
        "workflow": workflow.arn,
        "workflowVersion": run.version_name,
        "runGroup": _sibling_arn(run, "runGroup", run.request.get("runGroupId")),
        "runCache": _sibling_arn(run, "runCache", run.request.get("cacheId")),
        "run": _sibling_arn(run, "run", run.request.get("runId")),
        "parameterTemplate": workflow.parameter_template,
        "metrics": {"runningSeconds": _seconds(run)},
    }


def _task_entry(run: Run, task: Task) -> dict[str, Any]:
    return {
        "arn": _sibling_arn(run, "task", task.task_id),
        "name": task.name,
        "status": task.status,
        "failureReason": task.failure_reason,
        "statusMessage": task.status_message,
        **_times(task),
        "cpus": task.cpus,
        "gpus": task.gpus,
        "memory": task.memory,
        "instanceType": task.instance_type,
        "run": run.arn,
        "workflow": run.workflow.arn,
        "metrics": {
            "cpusReserved": task.cpus,
            "gpusReserved": task.gpus,
            "memoryReservedGiB": task.memory,
            "runningSeconds": _seconds(task),
        },
    }


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
