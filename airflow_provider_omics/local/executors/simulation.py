"""What one simulated run does, and what its tasks reserve and use: all of it follows from a seed and the run's tags."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_omics.local.executors.outcomes import METRICS, Simulation
from airflow_provider_omics.local.records import StorageUse, TaskUse

if TYPE_CHECKING:
    from airflow_provider_omics.local.records import Run, Task

log = logging.getLogger(__name__)

OUTCOME_TAG = "omics-local:outcome"
SECONDS_TAG = "omics-local:seconds"
TASKS_TAG = "omics-local:tasks"
METRICS_TAG = "omics-local:metrics"
IMAGE_TAG = "omics-local:image"

_MOST_TASKS = 1000


class Reserved(NamedTuple):
    """What a task reserves."""

    cpus: int
    memory: int
    gpus: int


def seconds_of(run: Run, otherwise: float) -> float:
    """Return how long the run's tag says that it runs."""
    if SECONDS_TAG not in run.tags:
        return otherwise
    value = _number(run.tags[SECONDS_TAG])
    if value is None:
        log.warning("Tag %s of run %s is not a number of seconds", SECONDS_TAG, run.run_id)
        return otherwise
    return value


def tasks_of(run: Run, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the tasks that the run's tag asks for: as many as it says, or those that it names."""
    text = run.tags.get(TASKS_TAG)
    if text is None:
        return otherwise
    words = text.split()
    if len(words) != 1 or not words[0].isdigit():
        return tuple(words[:_MOST_TASKS])
    return tuple(f"task-{n}" for n in range(1, min(int(words[0]), _MOST_TASKS) + 1))


def has_metrics(run: Run) -> bool:
    """Whether a run's tags say what its tasks reserve and use."""
    return any(key.startswith(METRICS_TAG) for key in run.tags)


def reserved_by(run: Run, simulation: Simulation, name: str) -> Reserved:
    """Return what a task of a run reserves."""
    return reserved_in(_metrics_of(run, simulation, name))


def reserved_in(metrics: Mapping[str, float]) -> Reserved:
    """Return what metrics say of what is reserved: at least 1 vCPU and 1 GiB."""
    return Reserved(
        cpus=max(1, math.ceil(metrics.get("cpusReserved", 1))),
        memory=max(1, math.ceil(metrics.get("memoryReservedGiB", 2))),
        gpus=math.ceil(metrics.get("gpusReserved", 0)),
    )


def simulated_use(run: Run, simulation: Simulation, task: Task) -> TaskUse:
    """Return what a task that has ended used; the same for the same seed, names and tags."""
    rng = random.Random(f"{simulation.seed}:{task.name}")
    given = _metrics_of(run, simulation, task.name)
    cpus = _average_and_maximum(rng, given.get("cpusAverage"), given.get("cpusMaximum"), task.cpus)
    # Who ran out of memory had all of it.
    full = task.memory if task.failure_reason == "OUT_OF_MEMORY_ERROR" else None
    memory = _average_and_maximum(rng, given.get("memoryAverageGiB"), given.get("memoryMaximumGiB", full), task.memory)
    return TaskUse(*cpus, *memory)


def simulated_storage(run: Run, simulation: Simulation) -> StorageUse:
    """Return what a run that has ended used of its storage."""
    rng = random.Random(f"{simulation.seed}:storage")
    given = _metrics_of(run, simulation, "")
    capacity = run.request.get("storageCapacity") or 100
    full = capacity if run.failure_reason == "FILE_SYSTEM_OUT_OF_SPACE" else None
    average, maximum = _average_and_maximum(
        rng, given.get("storageAverageGiB"), given.get("storageMaximumGiB", full), capacity
    )
    return StorageUse(average, maximum)


def _average_and_maximum(
    rng: random.Random, average: float | None, maximum: float | None, reserved: float
) -> tuple[float, float]:
    most, share = reserved * rng.uniform(0.3, 0.95), rng.uniform(0.4, 0.9)
    if maximum is None:
        maximum = most if average is None else max(most, average)
    return round(maximum * share if average is None else average, 3), round(maximum, 3)


def _metrics_of(run: Run, simulation: Simulation, name: str) -> Mapping[str, float]:
    if not simulation.has_metrics:
        return simulation.outcomes.metrics
    tags = [run.tags[key] for key in (METRICS_TAG, f"{METRICS_TAG}:{name}") if key in run.tags]
    return {**simulation.outcomes.metrics, **{key: value for text in tags for key, value in _read(run, text)}}


def _read(run: Run, text: str) -> Iterator[tuple[str, float]]:
    for word in text.split():
        name, _, number = word.partition("=")
        value = _number(number)
        if name not in METRICS or value is None:
            log.warning("Tag %s of run %s has %r, which is no metric with a number", METRICS_TAG, run.run_id, word)
        else:
            yield name, value


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return max(0.0, value) if math.isfinite(value) else None
