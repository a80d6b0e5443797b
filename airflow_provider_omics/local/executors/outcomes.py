"""How simulated runs end and what they leave, as a user sets it, and what that comes to for one run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

COMPLETED = "COMPLETED"

RESERVED = ("cpusReserved", "memoryReservedGiB", "gpusReserved")
METRICS = (
    *RESERVED,
    "cpusAverage",
    "cpusMaximum",
    "memoryAverageGiB",
    "memoryMaximumGiB",
    "storageAverageGiB",
    "storageMaximumGiB",
)
"""What can be set of a simulated run's use, by the names that the run manifest has for it."""

_NO_METRICS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeRule:
    """How runs whose name or run setting id matches a pattern end.

    :param pattern: shell pattern such as ``sample-1*``, matched with case.
    :param outcome: ``COMPLETED`` or a failure code such as ``OUT_OF_MEMORY_ERROR``.
    :param seconds: time in RUNNING, at least 0; None for the usual one.
    :param times: how many runs it holds for, so that a later try ends otherwise; None for all.
    """

    pattern: str
    outcome: str = COMPLETED
    seconds: float | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedOutcomes:
    """How simulated runs end, and what they leave.

    A run's own tags go first: ``omics-local:outcome`` (``COMPLETED`` or a failure code) and
    ``omics-local:seconds`` (time in RUNNING). Then the first rule that matches, then chance. With the tag
    ``omics-local:fails-starting`` a run fails with the code that is its value before it gets to RUNNING.

    Other tags say what a run does meanwhile: ``omics-local:tasks`` (how many tasks, 0 to 1000, or their names with
    spaces between), ``omics-local:image`` (the container image of its tasks) and ``omics-local:metrics`` (what each
    task reserves and uses, such as ``cpusReserved=8 memoryMaximumGiB=11.5``; with ``:NAME`` after it, one task's).

    :param failure_share: part of the runs that fail by chance, 0 to 1.
    :param failure_reasons: failure codes with their weights, among which chance picks.
    :param rules: forced outcomes.
    :param tasks: names of a run's tasks, which run one after the other.
    :param metrics: what each task reserves and uses, by the names of the run manifest: ``cpusReserved`` (default 1),
        ``memoryReservedGiB`` (2), ``gpusReserved`` (0), ``cpusAverage``, ``cpusMaximum``, ``memoryAverageGiB``,
        ``memoryMaximumGiB``, and of the run ``storageAverageGiB`` and ``storageMaximumGiB``; chance gives the others.
    :param outputs: objects that a completed run writes: path below ``runOutputUri`` and content.
    :param write_logs: whether runs and tasks have lines and a manifest in CloudWatch Logs; they are written when
        somebody reads there.
    :raises ValueError: a share or a metric is out of its bounds, or there is no metric of that name.
    """

    failure_share: float = 0.0
    failure_reasons: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({"RUN_TASK_FAILED": 1.0}))
    rules: tuple[OutcomeRule, ...] = ()
    tasks: tuple[str, ...] = ("prepare", "analyse")
    metrics: Mapping[str, float] = field(default_factory=lambda: _NO_METRICS)
    outputs: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    write_logs: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.failure_share <= 1:
            raise ValueError(f"failure_share must be 0 to 1, not {self.failure_share}")
        for name, value in self.metrics.items():
            if name not in METRICS:
                raise ValueError(f"metrics has {name!r}, which is none of {', '.join(METRICS)}")
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"metrics has {name}={value}; give a number of at least 0")


@dataclass(slots=True)
class Simulation:
    """What is going to happen in one run.

    :ivar seed: of everything that chance decides later.
    :ivar fails_at: index of the task that fails; None when no task does.
    :ivar has_metrics: whether the run's tags say what its tasks reserve and use.
    :ivar cache_keys: what its tasks can be found by in a run cache, by their ids; None where it uses no cache.
    :ivar reason: why the run is simulated, for its log; None where that needs no word.
    """

    outcomes: SimulatedOutcomes
    seed: str
    outcome: str
    seconds: float
    tasks: tuple[str, ...]
    fails_at: int | None
    has_metrics: bool = False
    reason: str | None = None
    cache_keys: dict[str, str] | None = None
