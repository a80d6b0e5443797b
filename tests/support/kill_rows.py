"""What happens to tasks: the rows of the kill matrix, for the DAGs and for the tests of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

MODES = ("worker", "deferred")
JOBS = ("run", "batch")
SHAPES = ("plain", "mapped")
SAMPLES = ("a", "b")
STARTS_SLOWLY = version("apache-airflow").startswith("2.")
"""Whether a task takes long to start, as in Airflow 2.11: two processes, which load what they need anew."""
# Within it, all tasks of a row have to wait for their jobs at the same time.
_EXECUTION_TIMEOUT = 240 if STARTS_SLOWLY else 150
# A DAG run is made older than that when its tasks wait.
DAGRUN_TIMEOUT = 86_400


@dataclass(frozen=True)
class Row:
    """One way in which a task may end before its job does.

    :ivar modes: where the task can be while it waits.
    :ivar retries: of the task; a busy machine uses many up, before the task has even begun, and where the scheduler
        hears that a task has deferred only once its trigger has fired, which it takes for an end without a report.
    :ivar execution_timeout: of the task, in seconds.
    :ivar dagrun_timeout: of the DAG, in seconds.
    :ivar error_budget: of the task, in seconds.
    :ivar max_looks: ``waiter_max_attempts`` of the task.
    :ivar has_pool: whether the tasks have a pool of their own, of the name of the DAG.
    """

    name: str
    modes: Sequence[str] = MODES
    retries: int = 50
    execution_timeout: int | None = None
    dagrun_timeout: int | None = None
    error_budget: int = 3600
    max_looks: int | None = None
    has_pool: bool = False


# A retry is left unless the name says otherwise: what is cancelled then is not cancelled for want of one.
ROWS = (
    Row("triggerer_restarted", modes=("deferred",)),
    Row("triggerer_killed", modes=("deferred",)),
    Row("trigger_failed", modes=("deferred",)),
    Row("trigger_failed_last_try", modes=("deferred",), retries=0),
    Row("trigger_failed_after_end", modes=("deferred",), retries=0),
    Row("execution_timeout", execution_timeout=_EXECUTION_TIMEOUT),
    Row("dagrun_timeout", dagrun_timeout=DAGRUN_TIMEOUT),
    Row("marked_failed"),
    Row("cleared", has_pool=True),
    Row("worker_drained", modes=("worker",)),
    Row("worker_drained_last_try", modes=("worker",), retries=0),
    Row("worker_lost", modes=("worker",)),
    Row("worker_lost_last_try", modes=("worker",), retries=0),
    Row("task_failed", error_budget=2),
    Row("task_failed_last_try", retries=0, error_budget=2),
    Row("looks_used_up", max_looks=5),
    Row("looks_used_up_last_try", retries=0, max_looks=5),
    Row("succeeded_and_cleared"),
)


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix."""

    row: str
    mode: str
    job: str
    shape: str

    def __str__(self) -> str:
        return f"{self.row}-{self.mode}-{self.job}-{self.shape}"

    @property
    def task_id(self) -> str:
        return f"{self.job}_{self.shape}"


CELLS = tuple(
    Cell(row.name, mode, job, shape) for row in ROWS for mode, job, shape in itertools.product(row.modes, JOBS, SHAPES)
)


def dag_id(row: str, mode: str) -> str:
    """The DAG of a row: its tasks are the row's cells of one mode, side by side."""
    return f"kills_{row}_{mode}"


def connection(row: str, mode: str) -> str:
    """The connection to the DAG's own server."""
    return f"omics_{row}_{mode}"
