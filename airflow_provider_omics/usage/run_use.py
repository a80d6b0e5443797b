"""Use of one run: how long it took, and what it reserved for how long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from airflow_provider_omics.healthomics.api.statuses import Phase, RunStatus, classify
from airflow_provider_omics.usage.records import RunRecord, TaskRecord, number, seconds_between

SECONDS_OF_AN_HOUR = 3600
DYNAMIC = "DYNAMIC"
STATIC = "STATIC"
READY2RUN = "READY2RUN"

LEAST_STATIC_GIB = Decimal(1200)
"""The smallest static storage; larger ones are multiples of :data:`STATIC_STEP_GIB`."""
STATIC_STEP_GIB = Decimal(2400)
LEAST_BILLED_SECONDS = Decimal(60)
"""What a task is billed for at least."""


@dataclass(frozen=True, slots=True)
class RunUse:
    """Use of one run. What is not known is None, never 0.

    :ivar queued_seconds: from its creation to RUNNING.
    :ivar starting_seconds: from RUNNING to the first task that runs.
    :ivar running_seconds: from RUNNING to its end; 0 for a run that never got there.
    :ivar task_seconds: of all tasks together, as the hours are.
    :ivar cpu_hours: vCPUs reserved, times hours.
    :ivar gib_hours: GiB of memory reserved, times hours.
    :ivar storage_gib_hours: GiB of static storage, or GiB of dynamic storage used on average, times hours of the run.
    :ivar tasks: how many there were, retries not counted.
    :ivar attempts: how many were started, each retry counted; what came out of a run cache was not.
    :ivar billed_seconds: what is billed, by instance type.
    :ivar ready2run: id of its Ready2Run workflow, which has one price for a run; None for others.
    """

    run_id: str
    uuid: str | None
    status: str | None
    queued_seconds: Decimal | None
    starting_seconds: Decimal | None
    running_seconds: Decimal | None
    task_seconds: Decimal | None
    cpu_hours: Decimal | None
    gib_hours: Decimal | None
    gpu_hours: Decimal | None
    storage_gib_hours: Decimal | None
    storage_type: str | None
    tasks: int | None
    cache_hits: int | None
    attempts: int | None
    billed_seconds: Mapping[str, Decimal] | None
    ready2run: str | None = None

    @classmethod
    def of(cls, run: RunRecord) -> RunUse:
        """Return the use of a run."""
        ran = None if run.tasks is None else [task for task in run.tasks if not task.cache_hit]
        running, ready2run = _running_seconds(run), _ready2run(run)
        starts = [task.started for task in ran or () if task.started is not None]
        attempts = None if ran is None else sum(task.started is not None for task in ran)
        return cls(
            run_id=run.run_id or "",
            uuid=run.uuid,
            status=run.status,
            queued_seconds=seconds_between(run.created, run.started),
            starting_seconds=seconds_between(run.started, min(starts, default=None)),
            running_seconds=running,
            task_seconds=add(map(task_seconds, ran)) if ran is not None else None,
            cpu_hours=_hours(ran, lambda task: task.cpus),
            gib_hours=_hours(ran, lambda task: task.memory),
            gpu_hours=_hours(ran, lambda task: task.gpus),
            storage_gib_hours=_storage_gib_hours(run, running),
            storage_type=run.storage_type,
            tasks=None if run.tasks is None else len({task.name or task.task_id for task in run.tasks}),
            cache_hits=None if run.tasks is None else sum(task.cache_hit for task in run.tasks),
            attempts=attempts,
            billed_seconds=_billed_seconds(ran),
            ready2run=ready2run,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the use as JSON values, numbers with fractions as text."""
        billed = self.billed_seconds
        return {
            **{name: _plain(getattr(self, name)) for name in self.__slots__},
            "billed_seconds": None if billed is None else {kind: str(seconds) for kind, seconds in billed.items()},
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> RunUse:
        """Read what :meth:`to_json` returned.

        :raises KeyError: it is something else.
        """
        billed = saved["billed_seconds"]
        members: dict[str, Any] = {
            name: number(saved[name]) if name in _DECIMALS else saved[name] for name in cls.__slots__
        }
        members["billed_seconds"] = None if billed is None else {kind: Decimal(text) for kind, text in billed.items()}
        return cls(**members)


_DECIMALS = frozenset(
    {
        "queued_seconds",
        "starting_seconds",
        "running_seconds",
        "task_seconds",
        "cpu_hours",
        "gib_hours",
        "gpu_hours",
        "storage_gib_hours",
    }
)


def add(values: Iterable[Decimal | None]) -> Decimal | None:
    """Return a sum; None as soon as one of the values is not known."""
    total = Decimal(0)
    for value in values:
        if value is None:
            return None
        total += value
    return total


def static_gib(capacity: Decimal | None) -> Decimal:
    """Return the GiB of static storage that a run gets: 1,200, or a multiple of 2,400.

    :param capacity: what was asked for; None for the service's default.
    """
    if capacity is None or capacity <= LEAST_STATIC_GIB:
        return LEAST_STATIC_GIB
    return (capacity / STATIC_STEP_GIB).to_integral_value(ROUND_CEILING) * STATIC_STEP_GIB


def task_seconds(task: TaskRecord) -> Decimal | None:
    """Return how long a task ran: 0 for one that was cancelled before it did, or that came out of a run cache."""
    if task.cache_hit or (task.started is None and task.status in _MAY_NOT_HAVE_RUN):
        return Decimal(0)
    return seconds_between(task.started, task.stopped)


_MAY_NOT_HAVE_RUN = frozenset({"CANCELLED", "FAILED"})


def _hours(ran: Iterable[TaskRecord] | None, reserved: Callable[[TaskRecord], Decimal | None]) -> Decimal | None:
    if ran is None:
        return None
    seconds = add(_times(task_seconds(task), reserved(task)) for task in ran)
    return None if seconds is None else seconds / SECONDS_OF_AN_HOUR


def _times(seconds: Decimal | None, amount: Decimal | None) -> Decimal | None:
    if seconds == 0:
        return seconds
    return None if seconds is None or amount is None else seconds * amount


def _running_seconds(run: RunRecord) -> Decimal | None:
    phase = classify(RunStatus, run.status)
    if run.started is None and run.stopped is not None and phase.is_final and phase is not Phase.SUCCEEDED:
        return Decimal(0)
    return seconds_between(run.started, run.stopped)


def _storage_gib_hours(run: RunRecord, running: Decimal | None) -> Decimal | None:
    if running == 0:
        return running
    amounts = {STATIC: static_gib(run.storage_capacity), DYNAMIC: run.storage_average}
    seconds = _times(running, amounts.get(run.storage_type or ""))
    return None if seconds is None else seconds / SECONDS_OF_AN_HOUR


def _ready2run(run: RunRecord) -> str | None:
    if run.workflow_type != READY2RUN:
        return None
    return (run.workflow or "").rpartition("/")[2]


def _billed_seconds(ran: Iterable[TaskRecord] | None) -> Mapping[str, Decimal] | None:
    """Return what tasks are billed for by instance type; None unless that is known of each."""
    if ran is None:
        return None
    billed: defaultdict[str, Decimal] = defaultdict(Decimal)
    for task in ran:
        seconds = task_seconds(task)
        if seconds is None or (task.started is not None and task.instance_type is None):
            return None
        if task.started is not None and task.instance_type is not None:
            billed[task.instance_type] += max(seconds, LEAST_BILLED_SECONDS)
    return dict(billed)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value
