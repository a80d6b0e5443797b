"""Runs that wait in PENDING for room under the concurrency quotas and the limits of their run group."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.local.assumptions import HighestPriority

if TYPE_CHECKING:
    from airflow_provider_omics.local.quotas import Quotas
    from airflow_provider_omics.local.records import Run, RunGroup

_ACTIVE = frozenset({RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING})


class _Lane(NamedTuple):
    """Runs that share every limit."""

    storage_type: str
    group_id: str | None


class RunQueue:
    """One heap per lane, so that 100,000 waiting runs cost nothing while no room is free."""

    def __init__(self) -> None:
        self._waiting: dict[_Lane, list[tuple[int, int, Run]]] = {}
        self._active: Counter[_Lane] = Counter()

    def put(self, run: Run, highest_priority: HighestPriority) -> None:
        """Have a run wait for room."""
        priority = run.request.get("priority", 0)
        if highest_priority is HighestPriority.LARGEST_NUMBER:
            priority = -priority
        heapq.heappush(self._waiting.setdefault(_lane(run), []), (priority, run.sequence, run))

    def pop(self, quotas: Quotas, run_groups: Mapping[str, RunGroup]) -> Run | None:
        """Take out the next run that has room; None when all must wait.

        The caller moves it to STARTING before it asks for another one.
        """
        lanes = [lane for lane in self._waiting if self._first(lane) and self._has_room(quotas, run_groups, lane)]
        if not lanes:
            return None
        best = min(lanes, key=lambda lane: self._waiting[lane][0][:2])
        return heapq.heappop(self._waiting[best])[2]

    def status_changed(self, run: Run, old: RunStatus | None) -> None:
        """Count a run in or out as it becomes or ceases to be active."""
        change = (run.status in _ACTIVE) - (old in _ACTIVE)
        if change:
            self._active[_lane(run)] += change

    def _first(self, lane: _Lane) -> bool:
        heap = self._waiting[lane]
        while heap and (heap[0][2].cancel_requested or heap[0][2].status is not RunStatus.PENDING):
            heapq.heappop(heap)
        return bool(heap)

    def _has_room(self, quotas: Quotas, run_groups: Mapping[str, RunGroup], lane: _Lane) -> bool:
        static = lane.storage_type == "STATIC"
        most = quotas.concurrent_static_runs if static else quotas.concurrent_dynamic_runs
        if sum(n for other, n in self._active.items() if other.storage_type == lane.storage_type) >= most:
            return False
        if lane.group_id is None or lane.group_id not in run_groups:
            return True
        max_runs = run_groups[lane.group_id].settings.get("maxRuns")
        in_group = sum(n for other, n in self._active.items() if other.group_id == lane.group_id)
        return max_runs is None or in_group < max_runs


def _lane(run: Run) -> _Lane:
    return _Lane(run.request["storageType"], run.request.get("runGroupId"))
