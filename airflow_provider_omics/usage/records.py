"""Records of runs and tasks, as list operations, GetRun and the run manifest show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pendulum
from pendulum.parsing.exceptions import ParserError

_FAMILIES_WITHOUT_GPUS = ("omics.c.", "omics.m.", "omics.r.")


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task of a run, which is one try of it.

    :ivar cpus: vCPUs that it reserves, as ``memory`` (GiB) and ``gpus`` are.
    :ivar cpus_average: vCPUs that it used; only the manifest tells that, and the three after it.
    """

    task_id: str | None
    name: str
    status: str | None = None
    uuid: str | None = None
    created: pendulum.DateTime | None = None
    started: pendulum.DateTime | None = None
    stopped: pendulum.DateTime | None = None
    cpus: Decimal | None = None
    memory: Decimal | None = None
    gpus: Decimal | None = None
    instance_type: str | None = None
    cache_hit: bool = False
    cpus_average: Decimal | None = None
    cpus_maximum: Decimal | None = None
    memory_average: Decimal | None = None
    memory_maximum: Decimal | None = None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> TaskRecord:
        """Read an item of ListRunTasks, or a task's entry of the manifest.

        :param item: by the API's names.
        """
        metrics: Mapping[str, Any] = item.get("metrics") or {}
        instance_type, gpus = item.get("instanceType") or None, number(item.get("gpus"))
        if gpus is None and instance_type is not None and instance_type.startswith(_FAMILIES_WITHOUT_GPUS):
            gpus = Decimal(0)
        return cls(
            task_id=item.get("taskId") or _last(item.get("arn")),
            name=item.get("name") or "",
            status=item.get("status"),
            uuid=item.get("uuid"),
            created=moment(item.get("creationTime")),
            started=moment(item.get("startTime")),
            stopped=moment(item.get("stopTime")),
            cpus=number(item.get("cpus")),
            memory=number(item.get("memory")),
            gpus=gpus,
            instance_type=instance_type,
            cache_hit=item.get("cacheHit") is True,
            cpus_average=number(metrics.get("cpusAverage")),
            cpus_maximum=number(metrics.get("cpusMaximum")),
            memory_average=number(metrics.get("memoryAverageGiB")),
            memory_maximum=number(metrics.get("memoryMaximumGiB")),
        )


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run.

    :ivar workflow: ARN or id of its workflow.
    :ivar engine: of its workflow; only the manifest tells that.
    :ivar workflow_version: name of its version; None for the workflow itself.
    :ivar failure_code: why it FAILED; lists of runs do not tell that, nor ``status_message``.
    :ivar storage_capacity: GiB of static storage that were asked for; of dynamic storage what GetRun shows.
    :ivar storage_average: GiB that it used on average; only the manifest tells that, and ``storage_maximum``.
    :ivar tasks: None where they were not looked up.
    """

    run_id: str | None
    uuid: str | None = None
    status: str | None = None
    workflow_type: str | None = None
    workflow: str | None = None
    engine: str | None = None
    workflow_version: str | None = None
    failure_code: str | None = None
    status_message: str | None = None
    created: pendulum.DateTime | None = None
    started: pendulum.DateTime | None = None
    stopped: pendulum.DateTime | None = None
    storage_type: str | None = None
    storage_capacity: Decimal | None = None
    storage_average: Decimal | None = None
    storage_maximum: Decimal | None = None
    tasks: tuple[TaskRecord, ...] | None = None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> RunRecord:
        """Read an item of ListRuns, the answer of GetRun, or the run's entry of the manifest.

        :param item: by the API's names.
        """
        metrics: Mapping[str, Any] = item.get("metrics") or {}
        return cls(
            run_id=item.get("id") or _last(item.get("arn")),
            uuid=item.get("uuid"),
            status=item.get("status"),
            workflow_type=item.get("workflowType"),
            workflow=item.get("workflowId") or item.get("workflow"),
            engine=item.get("engine"),
            workflow_version=item.get("workflowVersionName"),
            failure_code=item.get("failureReason"),
            status_message=item.get("statusMessage"),
            created=moment(item.get("creationTime")),
            started=moment(item.get("startTime")),
            stopped=moment(item.get("stopTime")),
            storage_type=item.get("storageType"),
            storage_capacity=number(item.get("storageCapacity")),
            storage_average=number(metrics.get("storageAverageGiB")),
            storage_maximum=number(metrics.get("storageMaximumGiB")),
        )

    def with_tasks(self, items: Iterable[Mapping[str, Any]]) -> RunRecord:
        """Return the run with its tasks.

        :param items: of ListRunTasks, or entries of the manifest.
        """
        return replace(self, tasks=tuple(TaskRecord.of(item) for item in items))

    def with_manifest(self, manifest: RunRecord | None) -> RunRecord:
        """Return the run with what only its manifest tells: the use of its storage.

        :param manifest: of the run; None where there is none.
        """
        if manifest is None:
            return self
        return replace(self, storage_average=manifest.storage_average, storage_maximum=manifest.storage_maximum)


def seconds_between(start: pendulum.DateTime | None, stop: pendulum.DateTime | None) -> Decimal | None:
    """Return seconds to the microsecond, 0 for ends in the wrong order; None where one end is not known."""
    if start is None or stop is None:
        return None
    return max(Decimal(round((stop - start).total_seconds() * 10**6)) / 10**6, Decimal(0))


def moment(value: Any) -> pendulum.DateTime | None:
    """Read a time, as boto3 gives it or as text in ISO 8601; None for what is no time."""
    if isinstance(value, datetime):
        return pendulum.instance(value)
    if not isinstance(value, str):
        return None
    try:
        read = pendulum.parse(value)
    except (ParserError, ValueError):
        return None
    return read if isinstance(read, pendulum.DateTime) else None


def number(value: Any) -> Decimal | None:
    """Read a number of at least 0, without the errors of binary fractions; None for what is none."""
    if value is None or isinstance(value, bool):
        return None
    try:
        read = Decimal(str(value))
    except InvalidOperation:
        return None
    return read if read.is_finite() and read >= 0 else None


def _last(arn: Any) -> str | None:
    return arn.rpartition("/")[2] or None if isinstance(arn, str) else None
