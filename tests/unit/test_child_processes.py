"""Programs that the harness starts end with everything that they started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import leftovers
import psutil
import pytest
from child_processes import (
    ChildProcess,
    CrashError,
    LastWords,
    ProcessError,
    free_ports,
    isolated_environment,
    stop_all,
    wait_for,
)
from leftovers import began

PATIENT = "import time; time.sleep(600)"
# A child in a process group of its own, which ignores a polite request, as Airflow's task processes are.
PARENT = f"""
import os, subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PATIENT}"],
    preexec_fn=lambda: os.setpgid(0, 0),
)
print(child.pid, flush=True)
{PATIENT}
"""
TIMEOUT = 300


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], ChildProcess]]:
    """Make a program out of Python code."""
    made: list[ChildProcess] = []

    def make(code: str) -> ChildProcess:
        log = tmp_path / f"{len(made)}.log"
        made.append(ChildProcess("program", [sys.executable, "-c", code], os.environ, log))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def pid_of_child(parent: ChildProcess) -> int:
    return int(wait_for(lambda: parent.log_file.read_text().strip(), "the child", TIMEOUT, [parent]))


def has_ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("end", [lambda it: it.stop(grace=1), lambda it: it.kill(), lambda it: stop_all([it], 1)])
def test_descendants_end_with_the_program(
    program: Callable[[str], ChildProcess], end: Callable[[ChildProcess], None]
) -> None:
    parent = program(PARENT)
    parent.start()
    pid, child = parent.pid, pid_of_child(parent)

    end(parent)

    assert has_ended(pid)
    wait_for(lambda: has_ended(child), "the child to end", TIMEOUT)


def test_descendants_end_although_the_program_has_ended_before(program: Callable[[str], ChildProcess]) -> None:
    parent = program(PARENT)
    parent.start()
    child = pid_of_child(parent)
    psutil.Process(parent.pid).kill()

    stop_all([parent])

    wait_for(lambda: has_ended(child), "the child to end", TIMEOUT)


# Like a scheduler that met an error, and waits for its tasks before it ends.
HANGING = f"""
import sys, time
print("up", "wo" * 3, sep="\\n", flush=True)
print("before: I am do", end="", flush=True)
time.sleep(0.2)
print("ne\\nof this", flush=True)
{PATIENT}
"""


def test_a_program_that_works_no_more_is_noticed_before_it_ends(tmp_path: Path) -> None:
    one = ChildProcess(
        "scheduler", [sys.executable, "-c", HANGING], os.environ, tmp_path / "log", last_words="I am done"
    )
    try:
        one.start()
        with pytest.raises(CrashError, match=r"^scheduler works no more; .*log says:\nI am done"):
            wait_for(lambda: False, "its last words", TIMEOUT, [one])
        wait_for(lambda: "of this" in one.log_file.read_text(), "the rest", TIMEOUT)
        with pytest.raises(CrashError, match=r"says:\nI am done\nof this\n$"):
            one.check()

        one.kill()
        one.check()
    finally:
        one.kill()


def test_what_a_program_said_before_its_last_start_counts_no_more(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("I am done\n")
    said = LastWords(tmp_path / "log", b"I am done")

    assert said.said()
    said.begin_anew()
    assert not said.said()
    with (tmp_path / "log").open("a") as log:
        log.write("up\nI am")
        log.flush()
        assert not said.said()
        log.write(" done of that\n")
    assert said.said() == "I am done of that\n"


def test_a_program_that_ends_is_noticed_with_what_it_said(program: Callable[[str], ChildProcess]) -> None:
    short = program("import sys; sys.exit('no disk left')")
    short.start()

    with pytest.raises(ProcessError, match=r"(?s)program ended with 1.*no disk left"):
        wait_for(lambda: None, "something else", TIMEOUT, [short])


def test_waiting_ends_with_what_was_waited_for(program: Callable[[str], ChildProcess]) -> None:
    with pytest.raises(ProcessError, match="waited 0 s for the moon"):
        wait_for(lambda: None, "the moon", 0.2)


def test_a_killed_program_can_be_started_again_but_a_running_one_cannot(
    program: Callable[[str], ChildProcess],
) -> None:
    one = program(PATIENT)
    one.start()
    with pytest.raises(ProcessError, match="running already"):
        one.start()
    before = one.pid

    one.kill()
    one.start()

    assert one.pid != before
    one.check()


def test_the_callers_airflow_and_account_stay_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("NO_PROXY", "intranet")
    monkeypatch.setenv("UNRELATED", "kept")

    environment = isolated_environment(tmp_path)

    assert [name for name in environment if name.startswith(("AIRFLOW", "AWS_"))] == ["AWS_EC2_METADATA_DISABLED"]
    assert environment["NO_PROXY"] == environment["no_proxy"] == "127.0.0.1,localhost,intranet"
    assert environment["UNRELATED"] == "kept"
    assert environment["PATH"].split(os.pathsep)[0] == str(tmp_path)


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_session_whose_id_went_to_another_process_is_left_alone(
    program: Callable[[str], ChildProcess], is_ours: bool
) -> None:
    other = program(PATIENT)
    other.start()
    beginning = began(other.pid) if is_ours else began(other.pid) - 1

    watched = f"+session {other.pid} {beginning}\n"
    subprocess.run([sys.executable, leftovers.__file__], input=watched, text=True, check=True)

    if is_ours:
        wait_for(lambda: has_ended(other.pid), "the session to be killed", TIMEOUT)
    else:
        assert not has_ended(other.pid)
