"""The page about sheets is true: its calls are made, and do what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cohorts import MODES, OUT, CohortLab, instance
from task_runs import TaskRun, run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sheets.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?P<before>[^\n]*)\n\n```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
FILE = re.compile(r"`([\w.-]+)`:")


@dataclass
class Example:
    """One call, the files that it reads, and what the page says of it."""

    title: str
    code: str
    files: dict[str, str]
    said: list[tuple[str, str]] = field(default_factory=list)


def examples() -> Iterator[Example]:
    for section in PAGE.split("\n## ")[1:]:
        files: dict[str, str] = {}
        example: Example | None = None
        for block in BLOCK.finditer(section):
            name = FILE.fullmatch(block["before"])
            if block["kind"] == "python":
                if example is not None:
                    yield example
                example = Example(section.splitlines()[0], block["text"], dict(files))
            elif name is not None:
                files[name[1]] = block["text"]
            else:
                assert example is not None, block["text"]
                example.said.append((block["before"], block["text"]))
        assert example is not None, section
        yield example


EXAMPLES = list(examples())


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def call(example: Example, lab: CohortLab, deferrable: bool) -> TaskRun:
    """Make the call with the names that the page has defined above, in the test's account."""
    made: list[OmicsStartRunBatchOperator] = []

    class Recorded(OmicsStartRunBatchOperator):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            made.append(self)

    names: dict[str, Any] = {}
    opening = BLOCK.search(PAGE)
    assert opening is not None
    exec(opening["text"], names)
    own = {"workflow_id": lab.workflow_id, "output_uri": OUT, "deferrable": deferrable, "waiter_delay": 0.02}
    names |= {"OmicsStartRunBatchOperator": Recorded, "common": {**names["common"], **own}}
    exec(example.code, names)
    (task,) = made
    return run_task(task, instance(task_id="cohort"))


def submitted(lab: CohortLab, task: TaskRun) -> list[dict[str, Any]]:
    runs = lab.state.runs_of_batch(task.result)
    return [{"runSettingId": run.run_setting_id, "parameters": run.request["parameters"]} for run in runs]


@MODES
@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{number} {each.title}" for number, each in enumerate(EXAMPLES)])
def test_an_example_of_the_page_does_what_the_page_says(
    lab: CohortLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: Example, deferrable: bool
) -> None:
    for name, text in example.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert example.said
    for heading, text in example.said:
        if heading == "Refused:":
            with pytest.raises(OmicsRequestInvalidError) as caught:
                call(example, lab, deferrable)
            message = caught.value.message()
            assert [line for line in text.splitlines() if line not in message] == [], message
        elif heading == "Submitted:":
            given = submitted(lab, call(example, lab, deferrable))
            assert json.dumps(given, sort_keys=True) == json.dumps(json.loads(text), sort_keys=True)
        else:
            assert heading == "The sheet of `P1`:"
            (run,) = submitted(lab, call(example, lab, deferrable))
            assert run["runSettingId"] == "P1"
            assert lab.read(run["parameters"]["input"]) == text


def test_the_readme_leads_to_the_page() -> None:
    assert "(docs/sheets.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
