"""The page about recovery shows every cell of the kill matrix, each with tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from kill_rows import CELLS, JOBS, SHAPES, Cell

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "recovery.md").read_text()
TABLE = PAGE.split("## The matrix")[1].split("## What clearing does")[0]
TESTS = REPOSITORY / "tests" / "kills" / "test_kill_matrix.py"


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


def rows() -> list[str]:
    """The lines of the table below its head."""
    return [line for line in TABLE.splitlines() if line.startswith("| ")][2:]
