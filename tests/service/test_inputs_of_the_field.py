"""Sheets and parameter files of the shapes of the field go in right, or are refused with row, column and remedy."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cohorts import MODES, CohortLab, instance, operator
from omics_errors import unwrapped
from omics_service import cwl_without_inputs
from task_runs import TaskRun, run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.run import OmicsStartRunOperator

INPUTS = Path(__file__).parents[1] / "data" / "inputs"
EXPECTED = ".expected.json"
NAMES = sorted(path.name.removesuffix(EXPECTED) for path in INPUTS.glob(f"*{EXPECTED}"))

Call = dict[str, Any]


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def make_workflow(make_workflow: Callable[..., str]) -> Callable[..., str]:
    """Make workflows that say nothing of types, as quickly as that can be read."""
    return partial(make_workflow, **cwl_without_inputs())


class Field:
    """Makes the calls of one input."""

    def __init__(self, lab: CohortLab, make_workflow: Callable[..., str], name: str, deferrable: bool) -> None:
        self.lab = lab
        self.make_workflow = make_workflow
        self.path = INPUTS / name
        self.deferrable = deferrable

    def task(self, call: Call) -> Any:
        template = call.get("template")
        workflow_id = self.make_workflow(parameterTemplate=template) if template else self.lab.workflow_id
        options = {**call["arguments"], "deferrable": self.deferrable}
        if call.get("operator") != "run":
            return operator(workflow_id, str(self.path), **options)
        task = operator(workflow_id, str(self.path))
        common = {"role_arn": task.role_arn, "output_uri": task.output_uri, "waiter_delay": 0.02}
        text = self.path.read_text(encoding="utf-8-sig")
        return OmicsStartRunOperator(task_id="run", workflow_id=workflow_id, parameters=text, **{**common, **options})

    def run(self, call: Call, number: int) -> TaskRun:
        task = self.task(call)
        return run_task(task, instance(task_id=task.task_id, run_id=f"call-{number}"))

    def submitted(self, call: Call, task: TaskRun) -> Any:
        if call.get("operator") == "run":
            return self.lab.state.runs[task.result].request["parameters"]
        shared = set(call["arguments"].get("parameters", ()))
        return [
            {"runSettingId": run.run_setting_id, **_parameters(run.request.get("parameters"), shared)}
            for run in self.lab.state.runs_of_batch(task.result)
        ]

    def sheets(self, call: Call, task: TaskRun) -> dict[str, list[str]]:
        parameter = call["arguments"]["sample_sheet_parameter"]
        runs = self.lab.state.runs_of_batch(task.result)
        return {
            str(run.run_setting_id): self.lab.read(run.request["parameters"][parameter]).splitlines() for run in runs
        }


def _parameters(given: dict[str, Any] | None, shared: set[str]) -> dict[str, Any]:
    own = {name: value for name, value in (given or {}).items() if name not in shared}
    return {"parameters": own} if own else {}


@MODES
@pytest.mark.parametrize("name", NAMES)
def test_an_input_of_the_field_is_submitted_as_it_is_read_or_refused_with_its_place(
    server: LocalOmics,
    make_workflow: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    name: str,
    deferrable: bool,
) -> None:
    calls: list[Call] = json.loads((INPUTS / f"{name}{EXPECTED}").read_text(encoding="utf-8"))["calls"]
    field = Field(CohortLab(server, make_workflow()), make_workflow, name, deferrable)
    assert calls
    caplog.set_level(logging.INFO)
    for number, call in enumerate(calls):
        capsys.readouterr()
        caplog.clear()
        if "refused" in call:
            before = field.lab.calls("StartRun") + field.lab.calls("StartRunBatch")
            with pytest.raises(OmicsRequestInvalidError) as caught:
                field.run(call, number)
            message = caught.value.message()
            assert [part for part in call["refused"] if part not in message] == [], message
            assert field.lab.calls("StartRun") + field.lab.calls("StartRunBatch") == before
            continue
        task = field.run(call, number)
        if "submitted" in call:
            assert typed(field.submitted(call, task)) == typed(call["submitted"])
        if "sheets" in call:
            assert field.sheets(call, task) == call["sheets"]
        log = unwrapped(capsys.readouterr().out + caplog.text)
        assert [part for part in call.get("told", ()) if part not in log] == [], log
        assert "submitted" in call or "sheets" in call


def typed(value: Any) -> str:
    """Return a value as JSON, in which 1, 1.0 and true are three things."""
    return json.dumps(value, sort_keys=True)


def test_the_list_names_every_input() -> None:
    listed = (INPUTS / "README.md").read_text(encoding="utf-8")
    assert len(NAMES) >= 60
    assert [name for name in NAMES if f"| `{name}` |" not in listed] == []
    files = {path.name for path in INPUTS.iterdir()} - {"README.md"}
    assert files == {*NAMES, *(f"{name}{EXPECTED}" for name in NAMES)}
