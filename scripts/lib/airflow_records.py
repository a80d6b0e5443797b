"""What Airflow wrote down: its tables, read straight from SQLite, and its task logs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

LOCK_TIMEOUT = 30.0


@dataclass(frozen=True)
class TaskInstance:
    """One row of the table of task instances.

    :ivar map_index: -1 for a task that is not mapped.
    :ivar state: None until the scheduler has looked at it.
    """

    task_id: str
    map_index: int
    state: str | None
    try_number: int


class AirflowRecords:
    """Reads what Airflow keeps in its home.

    :param home: ``AIRFLOW_HOME``, with the database in it.
    """

    def __init__(self, home: Path) -> None:
        self.database = home / "airflow.db"
        self.logs = home / "logs"

    def latest_jobs(self) -> dict[str, int]:
        """Return the newest running job of each type, such as ``TriggererJob``."""
        rows = self._query("SELECT job_type, MAX(id) AS id FROM job WHERE state = 'running' GROUP BY job_type")
        return {row["job_type"]: row["id"] for row in rows}

    def import_errors(self) -> list[str]:
        """Return file and traceback of each DAG file that cannot be imported."""
        rows = self._query("SELECT filename, stacktrace FROM import_error")
        return [f"{row['filename']}:\n{row['stacktrace']}" for row in rows]

    def knows_dag(self, dag_id: str) -> bool:
        """Say whether a DAG has been read and stored."""
        return bool(self._query("SELECT 1 FROM serialized_dag WHERE dag_id = ?", dag_id))

    def dag_run_state(self, dag_id: str, run_id: str) -> str | None:
        """Return the state of a DAG run; None if there is no such run."""
        rows = self._query("SELECT state FROM dag_run WHERE dag_id = ? AND run_id = ?", dag_id, run_id)
        return rows[0]["state"] if rows else None

    def dag_run_ids(self, dag_id: str) -> list[str]:
        """Return the ids of a DAG's runs, oldest first."""
        return [row["run_id"] for row in self._query("SELECT run_id FROM dag_run WHERE dag_id = ? ORDER BY id", dag_id)]

    def asset_events(self) -> list[dict[str, Any]]:
        """Return what came with each event of an asset (Airflow 3), oldest first."""
        return [json.loads(row["extra"]) for row in self._query("SELECT extra FROM asset_event ORDER BY id")]

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return a DAG run's task instances, those of mapped tasks in the order of their map indexes."""
        rows = self._query(
            "SELECT task_id, map_index, state, try_number FROM task_instance"
            " WHERE dag_id = ? AND run_id = ? ORDER BY task_id, map_index",
            dag_id,
            run_id,
        )
        return [TaskInstance(**row) for row in rows]

    def process_titles(self, dag_id: str, run_id: str) -> list[str]:
        """Return what marks the processes of a DAG run's task instances in their titles.

        In Airflow 3 that is the id of the task instance and its try, in Airflow 2 DAG, task and DAG run.
        """
        rows = self._query("SELECT * FROM task_instance WHERE dag_id = ? AND run_id = ?", dag_id, run_id)
        return [str(UUID(row["id"])) if "id" in row else f"{dag_id} {row['task_id']} {run_id}" for row in rows]

    def task_state(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str | None:
        """Return the state of one task instance; None if there is none, or none yet."""
        for instance in self.task_instances(dag_id, run_id):
            if (instance.task_id, instance.map_index) == (task_id, map_index):
                return instance.state
        return None

    def xcoms(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> dict[int, Any]:
        """Return what a task pushed under a key, by map index."""
        rows = self._query(
            "SELECT map_index, value FROM xcom WHERE dag_id = ? AND run_id = ? AND task_id = ? AND key = ?"
            " ORDER BY map_index",
            dag_id,
            run_id,
            task_id,
            key,
        )
        return {row["map_index"]: json.loads(row["value"]) for row in rows}

    def xcom_keys(self, dag_id: str, run_id: str, task_id: str) -> set[str]:
        """Return the keys under which a task, or any instance of it, pushed something."""
        rows = self._query(
            "SELECT DISTINCT key FROM xcom WHERE dag_id = ? AND run_id = ? AND task_id = ?",
            dag_id,
            run_id,
            task_id,
        )
        return {row["key"] for row in rows}

    def task_log_files(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> list[Path]:
        """Return the log files of all tries of a task instance, the triggerer's among them."""
        folder = self.logs / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        return sorted(folder.glob("attempt=*.log*"))

    def task_log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
        """Return everything that all tries of a task instance logged."""
        files = self.task_log_files(dag_id, run_id, task_id, map_index)
        return "\n".join(path.read_text(errors="replace") for path in files)

    def _query(self, statement: str, *arguments: object) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.database, timeout=LOCK_TIMEOUT)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, arguments)]
