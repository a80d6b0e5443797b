"""What a person sees who made a mistake: the end of the task's log names the cause, the place and the remedy.

``WRITE_MISTAKES=1`` writes what was seen into docs/mistakes.md, which is compared with it otherwise.
"""

from __future__ import annotations

import json
import os
import re
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mistakes import MISTAKES, Mistake, MistakeLab
from omics_errors import unwrapped
from pytest_mock import MockerFixture
from task_runs import run_task

import airflow_provider_omics
from airflow_provider_omics.healthomics.api.wrapping import LIMIT
from airflow_provider_omics.local import LocalOmics, Quotas, Timings
from airflow_provider_omics.operators.base import OmicsBaseOperator

PACKAGE = Path(airflow_provider_omics.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "mistakes.md"
LAST_LINES, LAST_OF_ALL = 15, 5
# Of the first line, which has the class with its module in front of it where Airflow writes no JSON.
WIDTH = 115
FAILED, BROKEN = "ERROR - Task failed with exception", "Broken DAG: [cohort.py]"
WRITTEN: dict[str, list[str]] = {}
# What differs from try to try, or from machine to machine.
NORMAL = [
    (re.compile(pattern), normal)
    for pattern, normal in (
        (r"AWS request id: .+", "AWS request id: ..."),
        (r"\b10000\d\d\b", "1234567"),
        (r"(start_run|cohort)-[0-9a-f]{8}\b", r"\1-1a2b3c4d"),
        (r"\b[0-9a-f]{16}-[0-9a-f]{40}\b", "0123456789abcdef"),
        (r"(?<=airflow-batches/)[^ ]+?/results", "cohort/results"),
        (r'File "[^"]*/(airflow_provider_omics/[^"]+)", line \d+', r'File "\1", line ...'),
        (r"botocore \d+\.\d+\.\d+", "botocore 1.44.0"),
        (r"Use one of ap-[a-z0-9, \n-]+", "Use one of ap-northeast-1, ..."),
        (r"is (PENDING|STARTING|RUNNING|not seen yet)\b", "is RUNNING"),
        # Which of a run's tasks fails is drawn by lot.
        (r"\b(prepare|analyse|report)\b", "analyse"),
    )
]
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
EVERY = pytest.mark.parametrize("name", MISTAKES)
INTRODUCTION = """\
# Mistakes, and what their tasks say

What the log of a task ends with, at most its last 15 lines, for mistakes that are easily made: the cause, the place,
and last what to do. A deferred task says the same as one that waits in the worker. What is found when the DAG is
parsed is shown as its import error ("Broken DAG"). Written by
`tests/service/test_mistakes.py` from tasks run against the local server; `WRITE_MISTAKES=1` writes it anew.
"""


@pytest.fixture(scope="module")
def shared_server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="simulated", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        yield started


@pytest.fixture(scope="module", autouse=True)
def written_page() -> Iterator[None]:
    yield
    if len(WRITTEN) == len(MISTAKES):
        write_page()


@pytest.fixture
def lab(shared_server: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> MistakeLab:
    """Only connections lead to the server, so that a task without one is as lost as it would be with AWS."""
    shared_server.reset()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", shared_server.airflow_connection_uri())

    def connect(name: str, **members: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(members))

    return MistakeLab(shared_server, connect)


class TaskLog:
    """The log of a task, as lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.begun = False

    def _tell(self, level: str, event: str, args: tuple[Any, ...]) -> None:
        if "cannot be called outside" in event:
            return  # These tests do so.
        self.lines.extend(f"{level} - {event % args if args else event}".splitlines())

    def debug(self, event: str, *args: Any, **_options: Any) -> None: ...

    def info(self, event: str, *args: Any) -> None:
        self._tell("INFO", event, args)

    def warning(self, event: str, *args: Any) -> None:
        self._tell("WARNING", event, args)

    def error(self, event: str, *args: Any) -> None:
        self._tell("ERROR", event, args)

    def exception(self, event: str, *args: Any) -> None:
        self._tell("ERROR", event, args)

    def failed(self, error: BaseException) -> None:
        """Tell the error as Airflow does, without Airflow's own frames."""
        told = traceback.TracebackException.from_exception(error)
        told.stack[:] = [frame for frame in told.stack if Path(frame.filename).is_relative_to(PACKAGE)]
        # How far a run had come before is chance.
        self.lines = [FAILED if self.begun else BROKEN]
        self.lines.extend("".join(told.format()).splitlines())


def seen(mistake: Mistake, lab: MistakeLab, mocker: MockerFixture, *, deferrable: bool) -> list[str]:
    """Make the mistake and return the last lines of the task's log."""
    log = TaskLog()

    def make_and_run() -> None:
        task = mistake.make(lab)
        if mistake.has_modes:
            # As a new process would make it again.
            task._BaseOperator__init_kwargs["deferrable"] = task.deferrable = deferrable
        log.begun = True
        run_task(task)

    mocker.patch.object(OmicsBaseOperator, "log", log)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it is, is what is looked at
        make_and_run()
    log.failed(caught.value)
    return log.lines[-LAST_LINES:]


def message(lines: list[str]) -> list[str]:
    """Return what comes after the frames of a traceback."""
    named = [number for number, line in enumerate(lines) if line.startswith("airflow_provider_omics.exceptions.")]
    return lines[named[-1] if named else 0 :]


@EVERY
@MODES
def test_the_end_of_the_log_names_cause_place_and_remedy(
    name: str, lab: MistakeLab, mocker: MockerFixture, deferrable: bool
) -> None:
    mistake = MISTAKES[name]
    lines = seen(mistake, lab, mocker, deferrable=deferrable)
    text = unwrapped("\n".join(lines))
    for part in (mistake.cause, mistake.place, mistake.remedy):
        assert part in text
    assert mistake.remedy in unwrapped("\n".join(lines[-LAST_OF_ALL:]))
    assert "please report" not in text
    first, *more = message(lines)
    assert len(first) <= WIDTH
    assert [line for line in more if len(line) > LIMIT and len(line.lstrip(" -").split()) > 1] == []
    told = _normal("\n".join(lines)).split("\n")
    if os.environ.get("WRITE_MISTAKES"):
        WRITTEN.setdefault(name, told)
    else:
        assert told == page()[name]


def test_the_page_has_every_mistake() -> None:
    assert list(page()) == list(MISTAKES)
    assert len(MISTAKES) >= 46


@cache
def page() -> dict[str, list[str]]:
    """The lines of the page by the name of their mistake."""
    sections = re.findall(r'<a id="(.+?)"></a>\n.*?\n```text\n(.*?)\n```\n', PAGE.read_text(), flags=re.DOTALL)
    return {name: text.split("\n") for name, text in sections}


def _normal(text: str) -> str:
    for pattern, normal in NORMAL:
        text = pattern.sub(normal, text)
    return text


def write_page() -> None:
    """Write what the tests have seen into the page."""
    table = ["| mistake | place | cause |", "| --- | --- | --- |"]
    sections: list[str] = []
    for name, mistake in MISTAKES.items():
        table.append(f"| [{mistake.title}](#{name}) | {mistake.place} | {mistake.cause} |")
        sections += [f'<a id="{name}"></a>', f"## {mistake.title}", "", "```text", *WRITTEN[name], "```", ""]
    PAGE.write_text("\n".join([INTRODUCTION, *table, "", *sections]))
