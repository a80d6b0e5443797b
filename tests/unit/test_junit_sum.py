"""What several runs of pytest came to, in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "scripts" / "lib" / "junit_sum.py"
TESTS = {
    "test_good.py": "def test_one(): pass\ndef test_two(): pass\n",
    "test_bad.py": """
import pytest

@pytest.fixture
def broken():
    yield
    raise OSError

def test_fails(): assert False
def test_ends_badly(broken): pass
@pytest.mark.skip
def test_skipped(): pass
""",
    "test_unreadable.py": "import nothing_of_that_name\n",
    "test_aborted.py": "import os\ndef test_one(): os._exit(3)\n",
}


def run_pytest(folder: Path, name: str) -> None:
    """Run tests as scripts/test does."""
    (folder / "tests").mkdir(exist_ok=True)
    (test := folder / "tests" / name).write_text(TESTS[name])
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(folder), str(test)]
    run = folder / name
    answer = subprocess.run([*command, f"--junitxml={run.with_suffix('.xml')}"], cwd=folder, capture_output=True)
    run.with_suffix(".code").write_text(f"{answer.returncode}\n")


def line(folder: Path) -> str:
    answer = subprocess.run([sys.executable, PROGRAM, folder], env=os.environ, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], "0 passed, 0 failed\n"),
        (["test_good.py"], "2 passed, 0 failed\n"),
        (["test_bad.py"], "0 passed, 2 failed, 1 skipped\n"),
        (["test_unreadable.py"], "0 passed, 1 failed\n"),
        (["test_aborted.py"], "0 passed, 1 failed\n"),
        (["test_good.py", "test_bad.py", "test_unreadable.py"], "2 passed, 3 failed, 1 skipped\n"),
    ],
)
def test_all_runs_are_summed(tmp_path: Path, names: list[str], expected: str) -> None:
    for name in names:
        run_pytest(tmp_path, name)

    assert line(tmp_path) == expected


def test_what_is_no_test_counts_if_it_fails(tmp_path: Path) -> None:
    (tmp_path / "ruff.code").write_text("1\n")
    (tmp_path / "mypy.code").write_text("0\n")
    (tmp_path / "nothing asked for.code").write_text("5\n")

    assert line(tmp_path) == "0 passed, 1 failed\n"
