"""Readers of definitions that do not come to an end: what they knew of a broken definition until then refuses it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator
from airflow_provider_omics.workflows import cwl_reader, engine_checks, wdl_problems, wdl_reader

WDL = 'version 1.0\nimport "a.wdl"\nworkflow w {\n  Int a = b\n}\n'
CWL = "cwlVersion: v1.2\nclass: CommandLineTool\ninputs: {x: strng}\noutputs: {}\n"
PROBLEM = {"file": "main.wdl", "line": 4, "column": 11, "message": "Unknown identifier b", "fix": ""}
SAID = (
    "main.cwl:1:1: Object `main.cwl` is not valid because\nERROR Tool definition failed validation:\nmain.cwl:3:9: bad"
)
ANSWERS: dict[str, tuple[str, Any, str]] = {
    "WDL": (WDL, {"problems": [PROBLEM]}, "main.wdl:4:11: Unknown identifier b. Correct it there."),
    "CWL": (CWL, [SAID], "main.cwl:3:9: bad. Correct it there."),
}


class StoppedError(BaseException):
    """The process is ended from outside."""


def operator(folder: Path, language: str) -> OmicsCreateWorkflowOperator:
    folder.mkdir()
    (folder / f"main.{language.lower()}").write_text(ANSWERS[language][0])
    return OmicsCreateWorkflowOperator(task_id="create", name="w", definition=folder)


def stop_after(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the time limit strike once a reader has printed this."""

    def run(command: list[str], *, timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout, output.encode() or None)

    monkeypatch.setattr(subprocess, "run", run)


@pytest.mark.parametrize("language", ANSWERS)
def test_what_was_known_when_the_time_was_up_refuses_the_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    _, answer, wanted = ANSWERS[language]
    operation = operator(tmp_path / "flow", language)
    less = {"problems": []} if language == "WDL" else []
    stop_after("".join(f"{json.dumps(each)}\n" for each in (less, answer)) + '{"probl', monkeypatch)
    with pytest.raises(OmicsRequestInvalidError) as caught:
        operation.creation()
    assert [str(issue) for issue in caught.value.issues] == [wanted]


@pytest.mark.parametrize("language", ANSWERS)
@pytest.mark.parametrize("output", ["", '{"probl'])
def test_a_definition_of_which_nothing_was_known_in_time_is_only_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, output: str
) -> None:
    operation = operator(tmp_path / "flow", language)
    stop_after(output, monkeypatch)
    assert any("it takes longer than 60 seconds to read" in note for note in operation.creation().notes)


@pytest.mark.parametrize("language", ANSWERS)
def test_what_was_known_when_the_process_was_killed_refuses_the_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    _, answer, wanted = ANSWERS[language]
    operation = operator(tmp_path / "flow", language)
    (tmp_path / "killed_reader.py").write_text(
        f"import os, signal\nprint({json.dumps(answer)!r}, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(engine_checks, f"_{language}_READER", "killed_reader")
    with pytest.raises(OmicsRequestInvalidError) as caught:
        operation.creation()
    assert [str(issue) for issue in caught.value.issues] == [wanted]


def test_the_verdict_on_the_main_wdl_file_is_printed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "main.wdl").write_text(WDL)
    (tmp_path / "a.wdl").write_text("version 1.0\ntask a { command {} }\n")

    def stop(*_: str) -> None:
        raise StoppedError

    monkeypatch.setattr(wdl_problems, "load_document", stop)
    with pytest.raises(StoppedError):
        wdl_reader.main(str(tmp_path), "main.wdl")
    (line,) = capfd.readouterr().out.splitlines()
    assert json.loads(line)["problems"] == [PROBLEM]


def test_the_verdict_on_the_main_cwl_file_is_printed_first(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def said_of(path: str) -> str | None:
        if path == "b.cwl":
            raise StoppedError
        return f"{path} is bad" if path != "sound.cwl" else None

    monkeypatch.setattr("socket.socket.connect", None)
    monkeypatch.setattr(cwl_reader, "_said_of", said_of)
    cwl_reader.main("sound.cwl", "b.cwl")
    assert capfd.readouterr().out == "[]\n"
    with pytest.raises(StoppedError):
        cwl_reader.main("main.cwl", "sound.cwl", "a.cwl", "b.cwl")
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert (lines[0], lines[-1]) == (["main.cwl is bad"], ["main.cwl is bad", "a.cwl is bad"])
