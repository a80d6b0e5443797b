"""Runs in the order of their creation, all of them and by batch, so that lists of 100,000 stay cheap."""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_omics.local.records import Run


class RunIndex:
    """Keeps runs sorted by ``sequence``, which it gives to each run that is added."""

    def __init__(self) -> None:
        self._sequence = itertools.count(1)
        self._all: list[Run] = []
        self._by_batch: dict[str, list[Run]] = {}
        self._removable: list[tuple[int, Run]] = []

    def add(self, run: Run) -> None:
        """Append a new run."""
        run.sequence = next(self._sequence)
        self._all.append(run)
        if run.batch_id is not None:
            self._by_batch.setdefault(run.batch_id, []).append(run)

    def remove(self, run: Run) -> None:
        """Take out a run that was added."""
        _remove(self._all, run)
        if run.batch_id is not None:
            _remove(self._by_batch[run.batch_id], run)
            if not self._by_batch[run.batch_id]:
                del self._by_batch[run.batch_id]

    def mark_removable(self, run: Run) -> None:
        """Note that a run may be dropped when the store is full."""
        heapq.heappush(self._removable, (run.sequence, run))

    def oldest_removable(self) -> Run | None:
        """Return the oldest run that may be dropped and still exists."""
        while self._removable:
            run = heapq.heappop(self._removable)[1]
            if self._is_stored(run):
                return run
        return None

    def all(self) -> Sequence[Run]:
        """Return every run, oldest first."""
        return self._all

    def of_batch(self, batch_id: str) -> Sequence[Run]:
        """Return the runs of one batch, oldest first."""
        return self._by_batch.get(batch_id, [])

    def _is_stored(self, run: Run) -> bool:
        place = _place(self._all, run)
        return place < len(self._all) and self._all[place] is run


def _remove(runs: list[Run], run: Run) -> None:
    del runs[_place(runs, run)]


def _place(runs: list[Run], run: Run) -> int:
    return bisect_left(runs, run.sequence, key=lambda other: other.sequence)
