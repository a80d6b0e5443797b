"""Nextflow workflows that are really run, with a stand-in that takes Nextflow's command line and writes its trace."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cwl_service import CwlService, await_that

from airflow_provider_omics.local import LocalOmics, Quotas, Timings
from airflow_provider_omics.local.cli import main

STAND_IN = """#!PYTHON
import argparse, json, pathlib, re, sys, time

parser = argparse.ArgumentParser()
for name in ("run", "main"):
    parser.add_argument(name)
for name in ("-c", "-params-file", "-work-dir", "-with-trace", "-ansi-log"):
    parser.add_argument(name, required=True)
given = parser.parse_args()
text = pathlib.Path(given.main).read_text()
published = pathlib.Path(re.search("publishDir '(.*)'", text)[1])
parameters = json.loads(pathlib.Path(given.params_file).read_text())
fields = re.search("fields = '(.*)'", pathlib.Path(given.c).read_text())[1].split(",")
trace = pathlib.Path(given.with_trace)
trace.write_text("\\t".join(fields) + "\\n")

def ended(name, status, code):
    row = dict(zip(fields, [name, name, status, str(code), "3", str(5 << 30), "150.0", str(1 << 30)]))
    row["name"] = name
    with trace.open("a") as file:
        file.write("\\t".join(row[field] for field in fields) + "\\n")

print("N E X T F L O W")
reads = pathlib.Path(parameters["reads"])
found = [reads] if reads.is_file() else sorted(path for path in reads.rglob("*") if path.is_file())
ended("COUNT (1)", "FAILED", 1)
ended("COUNT (1)", "COMPLETED", 0)
while not pathlib.Path(parameters.get("gate", "/")).exists():
    time.sleep(0.05)
if parameters.get("fail"):
    ended("SUM", "FAILED", 3)
    print("ERROR ~ Error executing process > 'SUM'")
    print("Tip: view the log", file=sys.stderr)
    sys.exit(1)
folder = published / "counts"
folder.mkdir(parents=True)
for path in found:
    folder.joinpath(path.name).write_text(path.read_text().upper())
if parameters.get("link"):
    folder.joinpath("link").symlink_to(parameters["link"])
ended("SUM", "CACHED", 0)
"""
WORKFLOW = "process COUNT {\n  publishDir '/mnt/workflow/pubdir'\n}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOmics]:
    programs = tmp_path_factory.mktemp("bin")
    program = programs / "nextflow"
    program.write_text(STAND_IN.replace("PYTHON", sys.executable))
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        with LocalOmics(timings=Timings.fast(), quotas=Quotas.wide(), nextflow=True) as started:
            yield started


@pytest.fixture
def service(server: LocalOmics) -> CwlService:
    return CwlService(server)


def run(service: CwlService, **parameters: Any) -> dict[str, Any]:
    given = {"reads": service.put("reads/a.txt", b"acgt"), **parameters}
    return service.run({"main.nf": WORKFLOW}, given, engine="NEXTFLOW")


def test_it_is_run_with_its_inputs_tasks_and_outputs(service: CwlService) -> None:
    ended = run(service)
    assert ended["status"] == "COMPLETED", ended.get("statusMessage")
    root = ended["runOutputUri"]
    assert service.read(f"{root}/out/counts/a.txt") == b"ACGT"
    listed = service.s3.list_objects_v2(Bucket=service.bucket, Prefix="out/")["Contents"]
    assert {item["Key"].partition(ended["id"])[2] for item in listed} == {"/logs/engine.log", "/out/counts/a.txt"}
    assert b"N E X T F L O W" in service.read(f"{root}/logs/engine.log")
    tasks = [(task["name"], task["status"], task["cpus"], task["memory"]) for task in service.tasks(ended["id"])]
    assert tasks == [
        ("COUNT (1)", "FAILED", 3, 5),
        ("COUNT (1)", "COMPLETED", 3, 5),
        ("SUM", "COMPLETED", 3, 5),
    ]
    _, *entries = [json.loads(line) for line in service.lines(f"manifest/run/{ended['id']}/{ended['uuid']}")]
    assert {(each["metrics"]["cpusMaximum"], each["metrics"]["memoryMaximumGiB"]) for each in entries} == {(1.5, 1.0)}


@pytest.mark.parametrize("end", ["", "/"])
def test_folders_are_fetched(service: CwlService, end: str) -> None:
    service.put("reads/b.txt", b"b")
    ended = run(service, reads=f"s3://{service.bucket}/reads{end}")
    assert service.read(f"{ended['runOutputUri']}/out/counts/b.txt") == b"B"


def test_its_failure_names_the_task_that_failed_last(service: CwlService) -> None:
    ended = run(service, fail=True)
    assert (ended["status"], ended["failureReason"]) == ("FAILED", "RUN_TASK_FAILED")
    assert ended["statusMessage"].endswith("(SUM) failed: FAILED: exit status 3")
    assert b"Tip: view the log" in service.read(f"{ended['runOutputUri']}/logs/engine.log")


def test_what_it_cannot_begin_with_is_told(service: CwlService) -> None:
    missing = run(service, reads=f"s3://{service.bucket}/none")
    assert (missing["status"], missing["failureReason"]) == ("FAILED", "INPUT_URI_NOT_FOUND")
    assert "Parameter reads: cannot read" in missing["statusMessage"]
    broken = service.run({"main.nf": "workflow {}"}, {}, engine="NEXTFLOW")
    assert (broken["status"], broken["failureReason"]) == ("FAILED", "WORKFLOW_RUN_FAILED")
    assert broken["statusMessage"] == "nextflow ended with exit status 1"


def test_its_outputs_are_the_run_s_own(service: CwlService, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    ended = run(service, link=str(secret))
    assert (ended["status"], ended["failureReason"]) == ("FAILED", "EXPORT_FAILED")
    assert f"'link' leads to '{secret}', which is outside of the run's folder" in ended["statusMessage"]


def test_it_can_be_cancelled(service: CwlService, tmp_path: Path) -> None:
    parameters = {"reads": service.put("reads/a.txt", b"acgt"), "gate": str(tmp_path / "gate")}
    run_id = service.start(service.workflow({"main.nf": WORKFLOW}, engine="NEXTFLOW"), parameters)
    await_that(lambda: len(service.tasks(run_id)) == 2, "the first tasks")
    service.omics.cancel_run(id=run_id)
    assert service.end(run_id)["status"] == "CANCELLED"


def test_it_is_not_used_unasked(server: LocalOmics) -> None:
    # The stand-in is on the PATH of this process, too.
    with LocalOmics(timings=Timings.fast(), quotas=Quotas.wide()) as other:
        service = CwlService(other)
        ended = service.run({"main.nf": WORKFLOW}, {}, engine="NEXTFLOW")
        assert "the local server runs CWL and WDL only" in "".join(service.lines(f"run/{ended['id']}"))


def test_without_it_the_server_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="goes with the executor auto, not simulated"):
        LocalOmics(executor="simulated", nextflow=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--nextflow", "--port", "0"]) == 2
    assert "there is no nextflow on the PATH; install it" in capsys.readouterr().err
