"""Runs that do something without end, be it processes, folders, lines or names, harm themselves and nothing else."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from cwl_service import CwlService, await_that

from airflow_provider_omics.local import LocalOmics, Quotas, Timings
from airflow_provider_omics.local.executors import run_logs
from airflow_provider_omics.local.executors.keeper import can_keep

ENGINES = ["CWL", "WDL"]
# Each forks, ends and is another process within a millisecond, in a session of its own; for 20 seconds at most.
HOPPERS = """
import os, signal, time
end = time.monotonic() + 20
for number in range(4):
    if os.fork() == 0:
        null = os.open("/dev/null", os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            os.setsid()
        os._exit(0)
"""
DEEP = "import os\nfor _ in range(1200):\n    os.mkdir('d')\n    os.chdir('d')\n"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def server(scratch: Path) -> Iterator[LocalOmics]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(scratch))
        patch.setenv("TMPDIR", str(scratch))
        with LocalOmics(executor="auto", timings=Timings.fast(), quotas=Quotas.wide()) as started:
            yield started


@pytest.fixture
def service(server: LocalOmics, scratch: Path) -> Iterator[CwlService]:
    """The server, which has to run a sound workflow after each test, and to keep nothing of any run."""
    service = CwlService(server)
    yield service
    assert service.run(definition("CWL", "echo sound"), {})["status"] == "COMPLETED"
    await_that(lambda: not list(scratch.glob("airflow-omics-local-*/run-*")), "the end of all files")


def definition(engine: str, script: str, shell: str = "sh", **members: Any) -> dict[str, str | bytes]:
    """Return a definition with one task, which runs a script."""
    if engine == "CWL":
        tool = {"cwlVersion": "v1.2", "class": "CommandLineTool", "inputs": {}, "outputs": {}}
        return {"main.cwl": json.dumps({**tool, "baseCommand": [shell, "-c", script], **members})}
    pytest.importorskip("WDL", reason="needs miniwdl")
    return {"main.wdl": f"version 1.0\ntask t {{ command <<<\n{shell} - <<'END'\n{script}\nEND\n>>> output {{}} }}\n"}


def processes_of(server: LocalOmics) -> list[psutil.Process]:
    """Return what fork servers have below them."""
    ours = psutil.Process(os.getpid()).children()
    forking = [one for one in ours if "fork_server" in " ".join(one.cmdline())]
    return [child for one in forking for child in one.children(recursive=True)]


@pytest.mark.skipif(not can_keep(), reason="this kernel's Landlock knows nothing of signals")
@pytest.mark.parametrize("engine", ENGINES)
def test_processes_that_fork_and_end_all_the_time_end_with_their_run(
    service: CwlService, server: LocalOmics, engine: str
) -> None:
    run = service.run(definition(engine, HOPPERS, "python3"), {}, engine=engine)
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    assert [processes_of(server) for _ in range(3)] == [[]] * 3


@pytest.mark.skipif(not can_keep(), reason="this kernel's Landlock knows nothing of signals")
def test_processes_that_fork_and_end_all_the_time_end_when_their_run_is_cancelled(
    service: CwlService, server: LocalOmics
) -> None:
    workflow_id = service.workflow(
        definition("CWL", f"{HOPPERS}\nprint('hopping', flush=True)\ntime.sleep(60)", "python3")
    )
    run_id = service.start(workflow_id, {})
    await_that(lambda: "hopping" in str([service.lines(each) for each in service.streams(run_id)]), "the processes")
    service.omics.cancel_run(id=run_id)
    assert service.end(run_id)["status"] == "CANCELLED"
    assert [processes_of(server) for _ in range(3)] == [[]] * 3


def test_folders_that_are_nested_without_end_fail_their_run_and_are_removed(service: CwlService) -> None:
    run = service.run(definition("CWL", DEEP, "python3"), {})
    assert run["status"] == "FAILED"
    assert "What the run has made is nested too deeply to be read; have fewer folders" in run["statusMessage"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("stream", [1, 2])
def test_lines_without_end_are_kept_up_to_a_bound(
    service: CwlService, monkeypatch: pytest.MonkeyPatch, engine: str, stream: int
) -> None:
    monkeypatch.setattr(run_logs, "MOST_LINES", 1000)
    run = service.run(definition(engine, f"seq 1 100000 >&{stream}"), {}, engine=engine)
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    (task,) = service.tasks(run["id"])
    *lines, last = service.all_lines(task["logStream"])
    assert lines == [str(number + 1) for number in range(len(lines))]
    assert 500 < len(lines) < 50_000
    assert last == "(The run has written more than 1,000 lines or 64 MiB; no more are kept)"
    assert service.lines(f"run/{run['id']}")[-1] == "The run completed"


@pytest.mark.parametrize(
    ("depth", "status", "why"),
    [
        (200, "COMPLETED", None),
        (900, "FAILED", "EXPORT_FAILED"),
        (5000, "FAILED", "WORKFLOW_RUN_FAILED"),
    ],
)
def test_values_that_are_nested_without_end_fail_their_run(
    service: CwlService, depth: int, status: str, why: str | None
) -> None:
    main = {
        "cwlVersion": "v1.2",
        "class": "ExpressionTool",
        "requirements": {"InlineJavascriptRequirement": {}},
        "inputs": {},
        "outputs": {"out": "Any"},
        "expression": f"${{var o = []; for (var i = 0; i < {depth}; i++) o = [o]; return {{'out': o}}}}",
    }
    run = service.run({"main.cwl": json.dumps(main)}, {})
    assert (run["status"], run.get("failureReason")) == (status, why)


NAMES = {
    "a\\001b": "a\001b",
    "a\\nb": "a\nb",
    " ": " ",
    "a b%%2F..%%2Fc": "a b%2F..%2Fc",
    "a'\\042&<": "a'\"&<",
    "a\\\\b": "a\\b",
}


@pytest.mark.parametrize("name", NAMES)
def test_objects_of_any_name_leave_the_bucket_readable(service: CwlService, name: str) -> None:
    outputs = {"o": {"type": "File[]", "outputBinding": {"glob": "*"}}}
    script = 'printf x > "$(printf "$0")"'
    run = service.run(definition("CWL", script, outputs=outputs, arguments=[name]), {})
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    listed = service.s3.list_objects_v2(Bucket=service.bucket, Prefix=f"out/{run['id']}/out/")["Contents"]
    assert [item["Key"].rpartition("/out/")[2] for item in listed] == [NAMES[name]]


@pytest.mark.parametrize("engine", ENGINES)
def test_names_that_are_no_text_fail_their_run(service: CwlService, engine: str) -> None:
    outputs = {"o": {"type": "File[]", "outputBinding": {"glob": "*"}}}
    files = definition(engine, "echo x > \"$(printf 'a\\377')\"", outputs=outputs)
    if engine == "WDL":
        files = {"main.wdl": str(files["main.wdl"]).replace("output {}", 'output { Array[File] o = glob("a*") }')}
    run = service.run(files, {}, engine=engine)
    assert run["status"] == "FAILED"
    assert run["failureReason"] != "SERVICE_ERROR", run["statusMessage"]
