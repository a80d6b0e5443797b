"""Which of several processes that start side by side have come up."""

from __future__ import annotations

import threading
from collections.abc import Iterable


class Arrivals:
    """Counts each new row of Airflow's table of jobs for one process only."""

    def __init__(self) -> None:
        self._counted: set[int] = set()
        self._lock = threading.Lock()

    def has_come(self, jobs: Iterable[int], after: int) -> bool:
        """Say whether there is a job that has not been counted for another process yet, and count it.

        :param jobs: ids of the running jobs of a type.
        :param after: the last id from before the process was started.
        """
        with self._lock:
            new = [job for job in sorted(jobs) if job > after and job not in self._counted]
            self._counted.update(new[:1])
            return bool(new)
