"""Signs of life of tasks, made older, so that one whose worker is lost counts as lost whatever the limit is."""

from __future__ import annotations

from importlib.metadata import version

from airflow_records import AirflowRecords
from sqlalchemy import text

_OF_TRY = "dag_id = :dag AND run_id = :run AND task_id = :task AND try_number = :try"
_AGE = (
    "UPDATE job SET latest_heartbeat = latest_heartbeat - interval '1 day' WHERE id IN"
    f" (SELECT job_id FROM task_instance WHERE {_OF_TRY})"
    if version("apache-airflow").startswith("2.")
    else f"UPDATE task_instance SET last_heartbeat_at = last_heartbeat_at - interval '1 day' WHERE {_OF_TRY}"
)


def age_heartbeats(records: AirflowRecords, dag_id: str, run_id: str, task_id: str, try_number: int) -> None:
    """Make the last sign of life of one try of a task, of all its mapped instances, a day older."""
    row = {"dag": dag_id, "run": run_id, "task": task_id, "try": try_number}
    with records.transaction() as database:
        database.execute(text(_AGE), row)
