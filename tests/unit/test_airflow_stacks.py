"""What Airflow's processes are on each stack, the Redis between them, and the release that an upgrade begins with."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from airflow_cluster import AirflowCluster
from airflow_stacks import STACKS, WORKER
from airflow_versions import WORKER_LOG_PORT, Airflow3, Site
from arrivals import Arrivals
from child_processes import ChildProcess, ProcessError, isolated_environment
from earlier_release import NoEarlierReleaseError, unpack_release
from redis_server import redis_program

PROGRAMS = Path(sys.executable).parent
SIGNAL = signal.SIGUSR1


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, PROGRAMS, web_port=8080, web=False, password="", secret="")


def test_local_executor_has_one_of_each(site: Site) -> None:
    single = Airflow3().components(site)
    assert STACKS["local"].components(single) == single


def test_celery_has_two_of_those_that_may_die_and_one_of_the_others(site: Site) -> None:
    assert [*STACKS["celery"].components(Airflow3().components(site))] == [
        "api-server",
        "scheduler",
        "scheduler 2",
        "dag-processor",
        "triggerer",
        "triggerer 2",
        "worker",
        "worker 2",
    ]


def test_under_celery_only_workers_show_the_logs_of_tasks(site: Site) -> None:
    components = STACKS["celery"].components(Airflow3().components(site))
    shown = [name for name, component in components.items() if component.log_port == WORKER_LOG_PORT]
    assert shown == STACKS["celery"].names(WORKER)


def test_the_stack_is_one_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="kubernetes"):
        AirflowCluster(tmp_path, tmp_path, stack="kubernetes")


def test_without_the_wheel_the_redis_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_program("no_such_package") == program


def test_without_any_redis_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProcessError, match="apt-get install redis-server"):
        redis_program("no_such_package")


def test_two_processes_that_start_side_by_side_are_up_when_there_are_two_more_jobs() -> None:
    arrivals = Arrivals()
    assert not arrivals.has_come([4, 7], after=7)
    assert arrivals.has_come([4, 8], after=7)
    assert not arrivals.has_come([4, 8], after=7)
    assert arrivals.has_come([4, 9, 8], after=7)


def test_a_program_that_was_sent_a_signal_is_waited_for_and_did_not_end_by_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = "trap 'echo finishing; exit 3' USR1; echo ready; while true; do sleep 0.05; done"
    process = ChildProcess("shell", ["sh", "-c", program], isolated_environment(PROGRAMS), log)
    process.start()
    try:
        while "ready" not in log.read_text():
            process.check()
        process.send_signal(SIGNAL)
        process.stop_after(60)
        process.check()
        assert log.read_text().splitlines() == ["ready", "finishing"]
    finally:
        process.kill()


def test_a_release_that_the_checkout_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoEarlierReleaseError, match="0000000"):
        unpack_release("0000000", tmp_path)


def test_what_is_unpacked_is_the_package_of_that_commit(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    package = checkout / "sample_package"
    package.mkdir(parents=True)
    (checkout / "pyproject.toml").write_text(PROJECT)
    git(checkout, "init", "--quiet")
    for text in ("earlier", "later"):
        (package / "__init__.py").write_text(f"STATE = {text!r}\n")
        git(checkout, "add", ".")
        git(checkout, *AUTHOR, "commit", "--quiet", "--message", text)

    content = unpack_release("HEAD~1", tmp_path / "release", checkout)

    assert (content / "sample_package" / "__init__.py").read_text() == "STATE = 'earlier'\n"


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false")
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "sample-package"
version = "1"
"""
