"""What Airflow's scheduler has heard from its executor.

A task that comes back from the triggerer before the scheduler has heard that it left its worker counts as dead.
"""

from __future__ import annotations

from airflow_cluster import AirflowCluster
from airflow_records import TaskInstance

_HEARD = "Received executor event with state success for task instance "


class ExecutorEvents:
    """Which tries of tasks have left their workers, as the scheduler has heard; read from its log as that grows."""

    def __init__(self, cluster: AirflowCluster) -> None:
        self._cluster = cluster
        self._offset = 0
        self._heard: list[str] = []

    def know_end(self, dag_id: str, run_id: str, instance: TaskInstance) -> bool:
        """Whether the scheduler has heard that the last try of a task instance left its worker."""
        self._read_on()
        by_names = (
            f"TaskInstanceKey(dag_id='{dag_id}', task_id='{instance.task_id}', run_id='{run_id}',"
            f" try_number={instance.try_number}, map_index={instance.map_index})"
        )
        # Airflow 3.4 names the task instance by its id, of which each try has one.
        by_id = self._cluster.records.process_titles(dag_id, run_id, instance.task_id)
        return any(line.startswith((by_names, *by_id)) for line in self._heard)

    def _read_on(self) -> None:
        log = self._cluster.processes["scheduler"].log_file
        with log.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            _, marker, rest = line.partition(_HEARD)
            if marker:
                self._heard.append(rest)
