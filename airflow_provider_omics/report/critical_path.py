"""The critical path of a run by the times of its tasks, since the service does not say what waits for what."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_omics.report.timeline import Bar


@dataclass(frozen=True, slots=True)
class Step:
    """One task of the path.

    :ivar waited: seconds between the end of the task before it, or the start of the run, and its own start.
    """

    bar: Bar
    waited: float


def critical_path(bars: Sequence[Bar], start: float | None = None) -> list[Step]:
    """Return the tasks that end last, each with the one before it that ended last before it started.

    :param bars: of the tasks of one run.
    :param start: of the run, in seconds since 1970; None for that of its first task.
    """
    if not bars:
        return []
    ended = sorted(bars, key=lambda bar: bar.stop)
    stops = [bar.stop for bar in ended]
    steps: list[Step] = []
    index = len(ended) - 1
    while index >= 0:
        bar = ended[index]
        # A task of no length must not be its own predecessor.
        index = min(bisect_right(stops, bar.start), index) - 1
        before = ended[index].stop if index >= 0 else start
        steps.append(Step(bar, max(bar.start - before, 0.0) if before is not None else 0.0))
    return steps[::-1]
