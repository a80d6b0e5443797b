"""Shows a DAG run while it works: one line for each change of a run, and for each task that ends or waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from airflow_cluster import AirflowCluster
from results import runs_by_sample

FINAL_STATES = {"success", "failed", "upstream_failed", "skipped"}


class Progress:
    """Watches one DAG run and the HealthOmics runs that it starts.

    :param omics: boto3 client of HealthOmics.
    :param tell: takes each line.
    """

    def __init__(
        self, cluster: AirflowCluster, omics: Any, dag_id: str, run_id: str, tell: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._omics = omics
        self._dag_run = (dag_id, run_id)
        self._tell = tell
        self._started = time.monotonic()
        self._told: dict[str, str] = {}

    def watch(self, timeout: float) -> str:
        """Tell every change until the DAG run has ended, and return its state.

        :param timeout: seconds.
        """
        return self._cluster.wait_for(self._look, "the DAG run to end", timeout)

    def _look(self) -> str | None:
        # The state is read first, so that what changed before the end is still told.
        state = self._cluster.records.dag_run_state(*self._dag_run)
        for name, now in (*self._tasks(), *self._runs()):
            if self._told.get(name) != now:
                self._told[name] = now
                self._tell(f"{time.monotonic() - self._started:6.1f} s  {name}: {now}")
        return state if state in ("success", "failed") else None

    def _tasks(self) -> Iterator[tuple[str, str]]:
        states: dict[str, Counter[str | None]] = {}
        for instance in self._cluster.records.task_instances(*self._dag_run):
            states.setdefault(instance.task_id, Counter())[instance.state] += 1
        for task_id, counts in states.items():
            if counts.keys() <= FINAL_STATES or counts.keys() == {"deferred"}:
                yield f"task {task_id}", ", ".join(f"{count} {state}" for state, count in counts.most_common())

    def _runs(self) -> Iterator[tuple[str, str]]:
        for sample, run in runs_by_sample(self._omics).items():
            yield f"sample {sample}", f"run {run['id']} {run['status']}"
