"""What the smoke set tries on each Airflow version: tasks, and where their connection comes from."""

from __future__ import annotations

SOURCES = ("database", "environment", "backend", "awkward_backend")
"""Where a connection is: Airflow's database, ``AIRFLOW_CONN_...``, and two kinds of secrets backends."""
WAITING = {"run": "deferred", "batch": "deferred", "batch_with_failure": "deferred"} | {
    "killed_while_deferred": "deferred",
    "killed_in_worker": "running",
    "lost": "running",
}
"""The tasks of a DAG, and the state in which each waits for its job."""
_OF_AWKWARD_BACKEND = ("run", "killed_while_deferred")
"""What asks for the connection on an event loop, and asks it in a way of its own."""
SAMPLES = ("a", "b", "c")
BROKEN = "broken"
WORKFLOW, WATCHED_WORKFLOW = "SMOKE_WORKFLOW", "SMOKE_WATCHED_WORKFLOW"
"""Environment variables with the workflow of the tasks, and with that of the run that nobody waits for."""


def tasks(source: str) -> tuple[str, ...]:
    """The tasks of the DAG of a source."""
    return _OF_AWKWARD_BACKEND if source == "awkward_backend" else tuple(WAITING)


def connection(source: str) -> str:
    """The connection from a source."""
    return f"omics_from_{source}"


def queue_variable(source: str) -> str:
    """The environment variable with the queue that the asset watcher of a source reads."""
    return f"SMOKE_QUEUE_{source.upper()}"
