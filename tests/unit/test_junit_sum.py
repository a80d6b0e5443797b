"""What several runs of pytest came to, in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PROGRAM = REPOSITORY / "scripts" / "lib" / "junit_sum.py"
#: Leaves what scripts/test does: a run with two tests that pass, and one in which no test was asked for.
SCRIPTS_TEST = """#!/usr/bin/env bash
echo "$*" >>tests-were-run
echo '<testsuites><testsuite tests="2" failures="0" errors="0" skipped="0"/></testsuites>' >"$TEST_RESULTS/$$.xml"
echo 0 >"$TEST_RESULTS/$$.code"
echo 5 >"$TEST_RESULTS/$$-none.code"
echo "===== 3000 deselected in 1.00s ====="
"""
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


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which the program of CI is real, and all that it runs passes at once."""
    for name in (".ci/run", "scripts/lib/python.sh", "scripts/lib/junit_sum.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    for name in ("scripts/test", "scripts/demo", "python", "ruff", "mypy"):
        (tmp_path / name).write_text(SCRIPTS_TEST if name == "scripts/test" else "#!/usr/bin/env bash\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "scripts/lib/virtual_environment.py").write_text(f"print({str(tmp_path / 'python')!r})")
    return tmp_path


def run_ci(checkout: Path) -> tuple[int, str]:
    """Run what CI runs; return its exit code and its last line."""
    environment = {"PATH": os.defpath, "PYTHON": sys.executable, "HOME": str(checkout), "TMPDIR": str(checkout)}
    answer = subprocess.run([checkout / ".ci/run"], env=environment, capture_output=True, text=True)
    return answer.returncode, answer.stdout.splitlines()[-1]


def test_ci_ends_with_the_sum_of_all_its_runs(checkout: Path) -> None:
    code, last = run_ci(checkout)
    runs = len((checkout / "tests-were-run").read_text().splitlines())
    assert runs > 1
    assert (code, last) == (0, f"{2 * runs} passed, 0 failed")


def test_a_step_of_ci_that_is_no_test_counts_if_it_fails(checkout: Path) -> None:
    (checkout / "ruff").write_text("#!/usr/bin/env bash\n[[ $1 != format ]]\n")
    code, last = run_ci(checkout)
    assert code == 1
    assert last.endswith(" passed, 1 failed")


def test_what_fails_beside_the_smoke_sets_counts_too(checkout: Path) -> None:
    (checkout / "mypy").write_text("#!/usr/bin/env bash\nexit 3\n")
    code, last = run_ci(checkout)
    assert code == 1
    assert last.endswith(" passed, 1 failed")
