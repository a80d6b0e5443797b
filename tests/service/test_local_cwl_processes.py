"""What becomes of the processes and files of really run workflows: cancelled, timed out, stopped, killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from cwl_service import CwlService, await_that

from airflow_provider_omics.local import LocalOmics, Quotas, Timings

# The tool starts another process, which must not outlive it either.
SLEEPER = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, "echo started; sleep 600 & sleep 600", MARK]
inputs: {}
stderr: err.txt
outputs: []
"""
QUICK = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, "sleep 0.3"]
inputs: {}
outputs: []
"""


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have every temporary file of the server made here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def server(scratch: Path) -> Iterator[LocalOmics]:
    with LocalOmics(executor="cwl", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        yield started


@pytest.fixture
def service(server: LocalOmics) -> CwlService:
    return CwlService(server)


@pytest.fixture
def mark() -> Iterator[str]:
    """A word that marks the processes of one test."""
    word = f"mark-{uuid.uuid4()}"
    yield word
    for process in _marked(word):
        process.kill()


def _marked(mark: str) -> list[psutil.Process]:
    """Return the processes that carry a mark, with all that they have started."""
    shells = []
    for process in psutil.process_iter():
        try:
            if mark in process.cmdline():
                shells += [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return shells


def _start_sleeper(service: CwlService, mark: str) -> tuple[str, list[psutil.Process]]:
    """Start a run whose tool sleeps, and return the run's id and the processes once all of them are there."""
    run_id = service.start(service.workflow({"main.cwl": SLEEPER.replace("MARK", mark)}), {})
    # A shell and the two sleeps that it starts.
    await_that(lambda: len(_marked(mark)) >= 3, "the tool's processes")
    return run_id, _marked(mark)


def _are_gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() for process in processes)


def test_a_cancelled_run_s_processes_and_files_are_gone(service: CwlService, scratch: Path, mark: str) -> None:
    run_id, processes = _start_sleeper(service, mark)
    service.omics.cancel_run(id=run_id)

    assert service.end(run_id)["status"] == "CANCELLED"
    await_that(lambda: _are_gone(processes), "the end of the tool")
    await_that(lambda: not list(scratch.glob("airflow-omics-local-*/run-*")), "the end of the run's files")
    assert [task["status"] for task in service.tasks(run_id)] == ["CANCELLED"]
    assert service.s3.list_objects_v2(Bucket=service.bucket, Prefix="out")["KeyCount"] == 0


def test_a_run_that_waits_for_a_worker_can_be_cancelled(scratch: Path, mark: str) -> None:
    with LocalOmics(executor="cwl", timings=Timings.fast(), quotas=Quotas.wide()) as server:
        service = CwlService(server)
        cpus = os.cpu_count() or 1
        sleepers = [_start_sleeper(service, f"{mark}-{number}")[0] for number in range(cpus)]
        waiting = service.start(service.workflow({"main.cwl": QUICK}), {})
        await_that(lambda: service.omics.get_run(id=waiting)["status"] == "RUNNING", "RUNNING")
        service.omics.cancel_run(id=waiting)
        assert service.end(waiting)["status"] == "CANCELLED"
        for run_id in sleepers:
            service.omics.cancel_run(id=run_id)
        assert service.tasks(waiting) == []
        after = service.end(service.start(service.workflow({"main.cwl": QUICK}), {}))
        assert after["status"] == "COMPLETED"


def test_a_run_past_its_time_is_stopped(service: CwlService, server: LocalOmics, mark: str) -> None:
    # The first run loads cwltool, which is not to count.
    assert service.run({"main.cwl": QUICK}, {})["status"] == "COMPLETED"
    server.change(quotas={"run_seconds": 3})
    run_id, processes = _start_sleeper(service, mark)
    run = service.end(run_id)
    assert (run["status"], run["failureReason"]) == ("FAILED", "RUN_TIMED_OUT")
    await_that(lambda: _are_gone(processes), "the end of the tool")


def test_no_more_runs_than_cpus_are_carried_out_at_once(service: CwlService) -> None:
    workflow_id = service.workflow({"main.cwl": QUICK})
    run_ids = [service.start(workflow_id, {}) for _ in range(6)]
    assert {service.end(run_id)["status"] for run_id in run_ids} == {"COMPLETED"}
    tasks = [task for run_id in run_ids for task in service.tasks(run_id)]
    assert len(tasks) == 6
    assert _most_at_once([(task["startTime"], task["stopTime"]) for task in tasks]) <= (os.cpu_count() or 1)


def _most_at_once(spans: list[tuple[datetime, datetime]]) -> int:
    return max(sum(start <= moment < stop for start, stop in spans) for moment, _ in spans)


def test_a_stopped_server_leaves_nothing_behind(scratch: Path, mark: str) -> None:
    with LocalOmics(executor="cwl", timings=Timings.fast(), quotas=Quotas.wide()) as server:
        _, processes = _start_sleeper(CwlService(server), mark)
        forking = _fork_servers()
        assert len(forking) == 1
    assert _are_gone([*processes, *forking])
    assert list(scratch.glob("airflow-omics-local-*")) == []


def _fork_servers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "fork_server" in " ".join(child.cmdline())]


def test_a_run_whose_process_dies_fails_and_the_next_one_runs(service: CwlService, mark: str) -> None:
    run_id, processes = _start_sleeper(service, mark)
    engine = processes[0].parent()
    assert engine is not None
    engine.kill()
    run = service.end(run_id)
    assert (run["status"], run["failureReason"]) == ("FAILED", "SERVICE_ERROR")
    assert "exit code -9" in run["statusMessage"]
    await_that(lambda: _are_gone(processes), "the end of the tool")
    assert service.run({"main.cwl": QUICK}, {})["status"] == "COMPLETED"


def test_when_the_fork_server_dies_the_next_run_gets_a_new_one(service: CwlService) -> None:
    assert service.run({"main.cwl": QUICK}, {})["status"] == "COMPLETED"
    (fork_server,) = _fork_servers()
    fork_server.kill()
    await_that(lambda: fork_server.status() == psutil.STATUS_ZOMBIE, "the end of the fork server")
    assert service.run({"main.cwl": QUICK}, {})["status"] == "COMPLETED"


HOST = """
import sys
sys.path[:0] = {paths!r}
from cwl_service import CwlService
from test_local_cwl_processes import SLEEPER
from airflow_provider_omics.local import LocalOmics, Quotas, Timings

server = LocalOmics(executor="cwl", timings=Timings.fast(), quotas=Quotas.wide()).start()
service = CwlService(server)
service.start(service.workflow({{"main.cwl": SLEEPER.replace("MARK", {mark!r})}}), {{}})
print("started", flush=True)
{then}
"""


@pytest.fixture
def host(scratch: Path, mark: str) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start a server in a process of its own, which starts a run and then does what it is told."""
    started: list[subprocess.Popen[str]] = []

    def start(then: str) -> subprocess.Popen[str]:
        paths = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]
        code = HOST.format(paths=paths, mark=mark, then=then)
        # In a script without the usual guard of __main__, which must not be run again for every run.
        script = scratch / "host.py"
        script.write_text(code)
        process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_is_killed_leaves_nothing_behind(
    host: Callable[[str], Any], scratch: Path, mark: str, number: signal.Signals
) -> None:
    process = host("import time; time.sleep(600)")
    await_that(lambda: len(_marked(mark)) >= 3, "the tool's processes")
    processes = _marked(mark)
    process.send_signal(number)
    process.wait()
    await_that(lambda: _are_gone(processes), "the end of the tool")
    await_that(lambda: not list(scratch.glob("airflow-omics-local-*")), "the end of the files")


def test_a_host_that_ends_without_stopping_the_server_ends_at_once(
    host: Callable[[str], Any], scratch: Path, mark: str
) -> None:
    process = host("")
    assert process.wait(timeout=300) == 0
    await_that(lambda: not _marked(mark), "the end of the tool")
    await_that(lambda: not list(scratch.glob("airflow-omics-local-*")), "the end of the files")


def test_a_run_s_process_holds_no_socket_of_the_server(service: CwlService, mark: str) -> None:
    port = int(service.server.endpoint_url.rpartition(":")[2])
    _, processes = _start_sleeper(service, mark)
    engine = processes[0].parent()
    assert engine is not None
    family = [engine, *processes, *([engine.parent()] if engine.parent() else [])]
    ports = {
        connection.laddr.port
        for process in family
        for connection in process.net_connections(kind="inet")
        if connection.laddr
    }
    assert port not in ports


def test_without_node_a_workflow_without_expressions_runs(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = scratch / "bin"
    programs.mkdir()
    for name in ("sh", "sleep"):
        program = shutil.which(name)
        assert program is not None
        programs.joinpath(name).symlink_to(program)
    monkeypatch.setenv("PATH", str(programs))
    assert shutil.which("node") is None
    with LocalOmics(executor="cwl", timings=Timings.fast(), quotas=Quotas.wide()) as server:
        run = CwlService(server).run({"main.cwl": QUICK}, {})
    assert run["status"] == "COMPLETED", run.get("statusMessage")


def test_files_that_a_tool_has_locked_are_removed_too(service: CwlService, scratch: Path) -> None:
    main = QUICK.replace("sleep 0.3", "mkdir -p locked/inside; touch locked/inside/file; chmod -R a-w locked")
    assert service.run({"main.cwl": main}, {})["status"] == "COMPLETED"
    assert list(scratch.glob("airflow-omics-local-*/run-*")) == []
