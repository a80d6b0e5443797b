"""Shows DAG runs while they work: one line for each change of a batch, and for each task that ends or waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_cluster import AirflowCluster

from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot

FINAL_STATES = {"success", "failed", "upstream_failed", "skipped"}
WAITING_STATES = {"deferred", "up_for_retry"}
# A poll costs the server's process time that the runs need too.
SECONDS_BETWEEN_LOOKS = 0.5


@dataclass
class Watched:
    """One DAG run and the batches that its task ``cohort`` starts.

    :ivar label: what its lines begin with.
    :ivar batches: as last seen, by their ids, oldest first.
    :ivar changed: when the last change of a task or a batch was told, in seconds, by names such as ``task gather``.
    :ivar state: of the DAG run, once it has ended.
    """

    label: str
    dag_id: str
    run_id: str
    batches: dict[str, BatchSnapshot] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)
    state: str | None = None
    reported: dict[str, str] = field(default_factory=dict)

    @property
    def is_hopeless(self) -> bool:
        """Whether there will be no batch, while the task that waits for one would do so for half an hour."""
        return self.reported.get("task cohort") == "failed" and not self.batches


class Progress:
    """Watches DAG runs and the HealthOmics batches that they start.

    :param omics: boto3 client of HealthOmics.
    :param tell: takes each line.
    """

    def __init__(self, cluster: AirflowCluster, omics: Any, tell: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._omics = omics
        self._tell = tell
        self._watched: list[Watched] = []

    def add(self, watched: Watched) -> None:
        """Watch one DAG run more."""
        self._watched.append(watched)

    def watch(self, timeout: float) -> None:
        """Tell every change until all DAG runs have ended.

        :param timeout: seconds.
        """
        started = time.monotonic()

        def all_have_ended() -> bool:
            # The states are read first, so that what changed before the end is still told.
            states = {one.dag_id: self._final_state(one) for one in self._watched}
            for one in self._watched:
                self._tell_changes(one, time.monotonic() - started)
                one.state = "failed" if one.is_hopeless else states[one.dag_id]
            return all(one.state for one in self._watched)

        self._cluster.wait_for(all_have_ended, "the DAG runs to end", timeout, interval=SECONDS_BETWEEN_LOOKS)

    def _final_state(self, watched: Watched) -> str | None:
        state = self._cluster.records.dag_run_state(watched.dag_id, watched.run_id)
        return state if state in ("success", "failed") else None

    def _tell_changes(self, watched: Watched, now: float) -> None:
        label = watched.label.ljust(max(len(one.label) for one in self._watched))
        for name, text in (*self._batches(watched), *self._tasks(watched)):
            if watched.reported.get(name) != text:
                watched.reported[name], watched.changed[name] = text, now
                self._tell(f"{now:6.1f} s  {label}  {name}: {text}")

    def _tasks(self, watched: Watched) -> Iterator[tuple[str, str]]:
        states: dict[str, Counter[str | None]] = {}
        mapped = set()
        for instance in self._cluster.records.task_instances(watched.dag_id, watched.run_id):
            states.setdefault(instance.task_id, Counter())[instance.state] += 1
            if instance.map_index >= 0:
                mapped.add(instance.task_id)
        for task_id, counts in states.items():
            if counts.keys() <= FINAL_STATES or (len(counts) == 1 and counts.keys() <= WAITING_STATES):
                text = ", ".join(f"{count} {state}" for state, count in counts.most_common())
                yield f"task {task_id}", text if task_id in mapped else text.removeprefix("1 ")

    def _batches(self, watched: Watched) -> Iterator[tuple[str, str]]:
        batches = sorted(self._omics.list_batch()["items"], key=lambda batch: batch["createdAt"])
        for batch_id in (batch["id"] for batch in batches if batch["name"].startswith(f"{watched.dag_id}.")):
            if batch_id not in watched.batches or not watched.batches[batch_id].phase.is_final:
                watched.batches[batch_id] = BatchSnapshot.of(self._omics.get_batch(batchId=batch_id))
            yield f"batch {batch_id}", _described(watched.batches[batch_id])


def _described(batch: BatchSnapshot) -> str:
    if not batch.submitted:
        return str(batch.status)
    failed = f", {batch.not_completed} failed" if batch.not_completed else ""
    return f"{batch.status}, {batch.completed} of {batch.total} samples completed{failed}"
