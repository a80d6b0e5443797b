"""Analysis of the tasks of many runs, by the name of the task: what they reserved and used, and what they need."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from airflow_provider_omics.healthomics.api.statuses import TaskStatus
from airflow_provider_omics.usage.columns import text_of
from airflow_provider_omics.usage.instances import smallest_instance
from airflow_provider_omics.usage.languages import base_name, language_of, snippet
from airflow_provider_omics.usage.records import RunRecord, TaskRecord, seconds_between

# The guide's example of a manifest has another word for it than the API.
COMPLETED = frozenset({TaskStatus.COMPLETED.value, "SUCCESS"})
"""Statuses of a task that did what it was for."""
_MICROSECONDS = 10**6
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles by the nearest rank, so that each is a value that there was."""

    shortest: Decimal
    median: Decimal
    p90: Decimal
    p95: Decimal
    longest: Decimal


@dataclass(frozen=True, slots=True)
class TaskAnalysis:
    """Analysis of one task over all runs. What is not known is None, never 0.

    :ivar runs: how many runs have it.
    :ivar attempts: how many times it was started, each call, each shard and each retry counted.
    :ivar failed: how many of these FAILED.
    :ivar cpus_reserved: the most that one attempt reserved, as ``memory_reserved`` (GiB) and ``gpus_reserved`` are.
    :ivar instances_reserved: the instance types that attempts ran on.
    :ivar cpus_average: over the time of all attempts, as ``memory_average`` is.
    :ivar cpus_peak: the most that one attempt used, as ``memory_peak`` is; attempts are never summed.
    :ivar seconds: durations of attempts that completed.
    :ivar cpus: recommended, as ``memory`` and ``instance`` are.
    :ivar snippet: sets them in the workflow's language.
    """

    name: str
    runs: int
    attempts: int
    failed: int
    cache_hits: int
    cpus_reserved: Decimal | None
    cpus_average: Decimal | None
    cpus_peak: Decimal | None
    memory_reserved: Decimal | None
    memory_average: Decimal | None
    memory_peak: Decimal | None
    gpus_reserved: Decimal | None
    instances_reserved: tuple[str, ...]
    seconds: Quantiles | None
    cpus: int | None
    memory: int | None
    instance: str | None
    snippet: str | None

    def values(self) -> dict[str, Any]:
        """Return the values of :data:`COLUMNS`, numbers with fractions as text."""
        seconds = self.seconds
        columns = {
            **{name: getattr(self, name) for name in self.__slots__},
            **{f"seconds_{name}": getattr(seconds, name, None) for name in Quantiles.__slots__},
            "instances_reserved": " ".join(self.instances_reserved) or None,
        }
        return {name: text_of(value) if isinstance(value := columns[name], Decimal) else value for name in COLUMNS}


COLUMNS = (
    "name",
    "runs",
    "attempts",
    "failed",
    "cache_hits",
    "cpus_reserved",
    "cpus_average",
    "cpus_peak",
    "memory_reserved",
    "memory_average",
    "memory_peak",
    "gpus_reserved",
    "instances_reserved",
    *(f"seconds_{name}" for name in Quantiles.__slots__),
    "cpus",
    "memory",
    "instance",
    "snippet",
)
"""The columns of the table, in their order; names are kept from release to release, new ones come last."""


class RunAnalysis:
    """Analysis of the tasks of many runs by their names; what it holds grows with the attempts by a number each.

    :param headroom: what is added to a peak for the recommendation, as a share of it, 0 or more.
    :param language: ``WDL``, ``NEXTFLOW`` or ``CWL``; None for that of each run's engine.
    """

    def __init__(self, headroom: float, language: str | None = None) -> None:
        self._factor = 1 + Decimal(str(headroom))
        self._language = language
        self._tasks: dict[str, _Task] = {}
        self.runs = 0

    def add(self, run: RunRecord) -> None:
        """Add a run with its tasks."""
        self.runs += 1
        language = self._language or language_of(run.engine)
        names = set()
        for task in run.tasks or ():
            name = base_name(task.name, language)
            self._tasks.setdefault(name, _Task(language)).add(task)
            names.add(name)
        for name in names:
            self._tasks[name].runs += 1

    def tasks(self) -> Iterator[TaskAnalysis]:
        """Yield each task, in the order in which they were first seen."""
        for name, task in self._tasks.items():
            yield task.analysis(name, self._factor)


@dataclass(slots=True)
class _Amount:
    """What attempts had of one thing: the most of one of them, and the sum of amount times seconds."""

    most: Decimal | None = None
    area: Decimal = Decimal(0)
    seconds: Decimal = Decimal(0)

    def add(self, amount: Decimal | None, seconds: Decimal | None) -> None:
        if amount is None:
            return
        self.most = amount if self.most is None else max(self.most, amount)
        if seconds is not None:
            self.area += amount * seconds
            self.seconds += seconds

    @property
    def average(self) -> Decimal | None:
        return self.area / self.seconds if self.seconds else None


_AMOUNTS = (
    "cpus",
    "memory",
    "gpus",
    "cpus_average",
    "cpus_maximum",
    "memory_average",
    "memory_maximum",
)


@dataclass(slots=True)
class _Task:
    """The attempts of one task, added up; the language is that of the first run that has it."""

    language: str | None
    runs: int = 0
    attempts: int = 0
    failed: int = 0
    cache_hits: int = 0
    instances: set[str] = field(default_factory=set)
    amounts: dict[str, _Amount] = field(default_factory=lambda: {name: _Amount() for name in _AMOUNTS})
    durations: array[int] = field(default_factory=lambda: array("q"))

    def add(self, task: TaskRecord) -> None:
        self.cache_hits += task.cache_hit
        if task.cache_hit or task.started is None:
            return
        self.attempts += 1
        self.failed += task.status == TaskStatus.FAILED
        if task.instance_type is not None:
            self.instances.add(task.instance_type)
        seconds = seconds_between(task.started, task.stopped)
        for name, amount in self.amounts.items():
            amount.add(getattr(task, name), seconds)
        if task.status in COMPLETED and seconds is not None:
            self.durations.append(int(seconds * _MICROSECONDS))

    def analysis(self, name: str, factor: Decimal) -> TaskAnalysis:
        most = {kind: amount.most for kind, amount in self.amounts.items()}
        gpus = most["gpus"]
        cpus, memory = (
            # What a task with GPUs needs beside them is not for its peaks to say.
            _whole(most[kind] if gpus else _times(most[f"{kind}_maximum"], factor))
            for kind in ("cpus", "memory")
        )
        return TaskAnalysis(
            name=name,
            runs=self.runs,
            attempts=self.attempts,
            failed=self.failed,
            cache_hits=self.cache_hits,
            cpus_reserved=most["cpus"],
            cpus_average=self.amounts["cpus_average"].average,
            cpus_peak=most["cpus_maximum"],
            memory_reserved=most["memory"],
            memory_average=self.amounts["memory_average"].average,
            memory_peak=most["memory_maximum"],
            gpus_reserved=gpus,
            instances_reserved=tuple(sorted(self.instances)),
            seconds=_quantiles(self.durations),
            cpus=cpus,
            memory=memory,
            instance=smallest_instance(cpus, memory, math.ceil(gpus or 0)) if cpus and memory else None,
            snippet=snippet(name, self.language, cpus, memory) if cpus and memory else None,
        )


def _times(peak: Decimal | None, factor: Decimal) -> Decimal | None:
    return None if peak is None else peak * factor


def _whole(amount: Decimal | None) -> int | None:
    return None if amount is None else max(1, math.ceil(amount))


def _quantiles(microseconds: Sequence[int]) -> Quantiles | None:
    if not microseconds:
        return None
    ordered = sorted(microseconds)
    found = (ordered[0], *(nearest_rank(ordered, share) for share in (50, 90, 95)), ordered[-1])
    return Quantiles(*(Decimal(value) / _MICROSECONDS for value in found))


def nearest_rank(ordered: Sequence[T], share: int) -> T:
    """Return a quantile by the nearest rank, so that it is a value that there was.

    :param ordered: at least one value, in ascending order.
    :param share: per cent, 1 to 100.
    """
    return ordered[math.ceil(len(ordered) * share / 100) - 1]
