"""What Airflow wrote down: its tables, read straight from PostgreSQL, and its task logs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

#: Seconds that a server has to come up again.
PATIENCE = 120.0
_OF_RUN = "WHERE dag_id = :dag_id AND run_id = :run_id"
# Airflow 3.4 gives each try of a task a row and what it pushed to that row; the last try is in the working set.
_XCOMS = f"SELECT map_index, key, value FROM xcom {_OF_RUN} AND task_id = :task_id"
_XCOMS_OF_TRIES = (
    "SELECT region_index AS map_index, key, value FROM xcom_v2 JOIN task_instance AS ti ON ti.id = task_instance_id"
    f" {_OF_RUN} AND task_id = :task_id AND working_set"
)


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
    """Reads what Airflow keeps in its database and its home; a restart of the server is waited for.

    :param home: ``AIRFLOW_HOME``.
    :param database: its address.
    :param check: called while the server does not answer; raises if there is no use in waiting.
    """

    def __init__(self, home: Path, database: str, check: Callable[[], None] = lambda: None) -> None:
        self.logs = home / "logs"
        self._check = check
        # For the engine, not for each query: to set it back asks a server that may have gone since, and its error then
        # is the driver's.
        self._engine = create_engine(database, pool_pre_ping=True, future=True, isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def running_jobs(self) -> dict[str, list[int]]:
        """Return the running jobs of each type, such as ``TriggererJob``; one that was killed counts for a while."""
        jobs: dict[str, list[int]] = defaultdict(list)
        for row in self._query("SELECT job_type, id FROM job WHERE state = 'running' ORDER BY id"):
            jobs[row["job_type"]].append(row["id"])
        return jobs

    def triggers_waiting(self, since: datetime) -> int:
        """Return how many triggers are with no triggerer that has shown a sign of life.

        :param since: signs of life from then on count.
        """
        (row,) = self._query(
            "SELECT count(*) AS waiting FROM trigger LEFT JOIN job ON job.id = trigger.triggerer_id"
            " WHERE job.latest_heartbeat IS NULL OR job.latest_heartbeat < :since",
            since=since,
        )
        return int(row["waiting"])

    def import_errors(self) -> list[str]:
        """Return file and traceback of each DAG file that cannot be imported."""
        rows = self._query("SELECT filename, stacktrace FROM import_error")
        return [f"{row['filename']}:\n{row['stacktrace']}" for row in rows]

    def knows_dag(self, dag_id: str) -> bool:
        """Say whether a DAG has been read and stored, so that a run of it can be made."""
        # Airflow 2.11 may store what it read a while before it lists the DAG.
        query = "SELECT 1 FROM serialized_dag JOIN dag USING (dag_id) WHERE dag_id = :dag_id"
        return bool(self._query(query, dag_id=dag_id))

    def knows_connection(self, conn_id: str) -> bool:
        """Say whether the database has a connection."""
        return bool(self._query("SELECT 1 FROM connection WHERE conn_id = :conn_id", conn_id=conn_id))

    def dag_run_state(self, dag_id: str, run_id: str) -> str | None:
        """Return the state of a DAG run; None if there is no such run."""
        rows = self._query(f"SELECT state FROM dag_run {_OF_RUN}", dag_id=dag_id, run_id=run_id)
        return rows[0]["state"] if rows else None

    def dag_run_ids(self, dag_id: str) -> list[str]:
        """Return the ids of a DAG's runs, oldest first."""
        rows = self._query("SELECT run_id FROM dag_run WHERE dag_id = :dag_id ORDER BY id", dag_id=dag_id)
        return [row["run_id"] for row in rows]

    def asset_events(self) -> list[dict[str, Any]]:
        """Return what came with each event of an asset (Airflow 3), oldest first."""
        return [_loaded(row["extra"]) for row in self._query("SELECT extra FROM asset_event ORDER BY id")]

    def asset_events_of(self, dag_id: str, run_id: str, task_id: str) -> list[tuple[dict[str, Any], str | None]]:
        """Return what came with each event of a task's assets, oldest first, with its partition key."""
        [found] = self._query("SELECT to_regclass('asset_event') IS NOT NULL AS is_asset")
        table = "asset_event" if found["is_asset"] else "dataset_event"
        of_task = "source_dag_id = :dag_id AND source_run_id = :run_id AND source_task_id = :task_id"
        statement = f"SELECT * FROM {table} WHERE {of_task} ORDER BY id"
        rows = self._query(statement, dag_id=dag_id, run_id=run_id, task_id=task_id)
        return [(_loaded(row["extra"]), row.get("partition_key")) for row in rows]

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return a DAG run's task instances, those of mapped tasks in the order of their map indexes."""
        instances = [
            TaskInstance(row["task_id"], _map_index(row), row["state"], row["try_number"])
            for row in self._last_tries(dag_id, run_id)
        ]
        return sorted(instances, key=lambda instance: (instance.task_id, instance.map_index))

    def process_titles(self, dag_id: str, run_id: str, task_id: str | None = None) -> list[str]:
        """Return what marks the processes of a DAG run's task instances in their titles.

        In Airflow 3 that is the id of the task instance and its try, in Airflow 2 DAG, task and DAG run.

        :param task_id: of the only task whose processes are looked for; None for all.
        """
        rows = [row for row in self._last_tries(dag_id, run_id) if task_id in (None, row["task_id"])]
        return [str(UUID(str(row["id"]))) if "id" in row else f"{dag_id} {row['task_id']} {run_id}" for row in rows]

    def task_state(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str | None:
        """Return the state of one task instance; None if there is none, or none yet."""
        for instance in self.task_instances(dag_id, run_id):
            if (instance.task_id, instance.map_index) == (task_id, map_index):
                return instance.state
        return None

    def xcoms(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> dict[int, Any]:
        """Return what a task pushed under a key, by map index."""
        rows = self._xcoms(dag_id, run_id, task_id)
        return {row["map_index"]: _loaded(row["value"]) for row in rows if row["key"] == key}

    def xcom_keys(self, dag_id: str, run_id: str, task_id: str) -> set[str]:
        """Return the keys under which a task, or any instance of it, pushed something."""
        return {row["key"] for row in self._xcoms(dag_id, run_id, task_id)}

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

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Change what Airflow keeps, all at once."""
        with self._engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            yield connection

    def _last_tries(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the rows of a DAG run's task instances, without those that Airflow 3.4 keeps of earlier tries."""
        rows = self._query(f"SELECT * FROM task_instance {_OF_RUN}", dag_id=dag_id, run_id=run_id)
        return [row for row in rows if row.get("working_set", True)]

    def _xcoms(self, dag_id: str, run_id: str, task_id: str) -> list[dict[str, Any]]:
        [found] = self._query("SELECT to_regclass('xcom_v2') IS NOT NULL AS is_of_tries")
        statement = _XCOMS_OF_TRIES if found["is_of_tries"] else _XCOMS
        rows = self._query(statement, dag_id=dag_id, run_id=run_id, task_id=task_id)
        return sorted(rows, key=lambda row: int(row["map_index"]))

    def _query(self, statement: str, **values: object) -> list[dict[str, Any]]:
        retrying = Retrying(
            retry=retry_if_exception(_is_of_connection),
            stop=stop_after_delay(PATIENCE),
            wait=wait_fixed(0.2),
            before_sleep=lambda _: self._check(),
            reraise=True,
        )
        rows: list[dict[str, Any]] = retrying(self._query_once, statement, values)
        return rows

    def _query_once(self, statement: str, values: dict[str, object]) -> list[dict[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]


def _is_of_connection(error: BaseException) -> bool:
    """Whether the server could not be asked, or went away while it was: the driver then has an error of no kind."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (OperationalError, InterfaceError))


def _map_index(row: dict[str, Any]) -> int:
    """Return the map index of a task instance, which Airflow 3.4 keeps under another name."""
    return int(row["region_index"] if "region_index" in row else row["map_index"])


def _loaded(value: Any) -> Any:
    """Return what a column holds as JSON, which is bytes in Airflow 2.11 and comes parsed in Airflow 3."""
    return json.loads(bytes(value)) if isinstance(value, (bytes, memoryview)) else value
