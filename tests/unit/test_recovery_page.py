"""The page about recovery shows every cell of the kill matrix, each with tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from kill_rows import CELLS, JOBS, ROWS, SHAPES, Cell, Row

from airflow_provider_omics.jobs.cancellation import CancelReason, Decision, decide

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "recovery.md").read_text()
TABLE = PAGE.split("## The matrix")[1].split("## What clearing does")[0]
TESTS = REPOSITORY / "tests" / "kills" / "test_kill_matrix.py"
#: Why the task of a row stops waiting; None where nothing of it is left to decide, or its job has ended.
REASONS = {
    "triggerer_restarted": CancelReason.TRIGGERER_ENDED,
    "triggerer_killed": CancelReason.TRIGGERER_ENDED,
    "trigger_failed": CancelReason.TRIGGER_FAILED,
    "trigger_failed_last_try": CancelReason.TRIGGER_FAILED,
    "trigger_failed_after_end": None,
    "execution_timeout": CancelReason.EXECUTION_TIMEOUT,
    "dagrun_timeout": CancelReason.DAG_RUN_ENDED,
    "marked_failed": CancelReason.MARKED,
    "cleared": CancelReason.CLEARED,
    "worker_drained": CancelReason.WORKER_ENDED,
    "worker_drained_last_try": CancelReason.WORKER_ENDED,
    "worker_lost": None,
    "worker_lost_last_try": None,
    "task_failed": CancelReason.POLLS_FAILED,
    "task_failed_last_try": CancelReason.POLLS_FAILED,
    "looks_used_up": CancelReason.ATTEMPTS_USED_UP,
    "looks_used_up_last_try": CancelReason.ATTEMPTS_USED_UP,
    "succeeded_and_cleared": None,
}
FATES = {Decision.CANCEL: ("cancelled",), Decision.LEAVE: ("left", "**goes on**", "waited for by a worker")}


def test_the_table_has_every_cell_of_the_matrix_once_and_no_other() -> None:
    named = re.findall(r"`(\w+)-(worker|deferred)-\*`", "\n".join(rows()))
    cells = [Cell(row, mode, job, shape) for row, mode in named for job in JOBS for shape in SHAPES]

    assert sorted(map(str, cells)) == sorted(map(str, CELLS))


def test_a_cell_stands_in_the_column_of_its_mode() -> None:
    for row in rows():
        _, worker, deferred = row.strip("| \n").split(" | ")
        assert "-deferred-" not in worker
        assert "-worker-" not in deferred


def test_the_tests_that_the_page_names_exist() -> None:
    functions = {node.name for node in ast.parse(TESTS.read_text()).body if isinstance(node, ast.FunctionDef)}
    names = re.findall(r"`(test_\w+)\[([^\]]+)\]`", PAGE)

    assert str(TESTS.relative_to(REPOSITORY)) in PAGE
    assert names
    assert {name for name, _ in names} <= functions
    assert {parameter for _, parameter in names} <= {str(cell) for cell in CELLS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_cell_says_what_the_cancellation_table_decides(row: Row) -> None:
    reason = REASONS[row.name]
    if reason is None:
        return
    for mode in row.modes:
        decision = decide(reason, retry_left=row.retries > 0, cancel_on_kill=True, on_timeout="cancel")
        assert cell(row.name, mode).startswith(FATES[decision])


def cell(row: str, mode: str) -> str:
    """What the page says of a row, in one mode."""
    line = next(line for line in rows() if f"`{row}-{mode}-*`" in line)
    _, worker, deferred = line.strip("| \n").split(" | ")
    return worker if mode == "worker" or deferred.startswith("the same") else deferred


def rows() -> list[str]:
    """The lines of the table below its head."""
    return [line for line in TABLE.splitlines() if line.startswith("| ")][2:]
