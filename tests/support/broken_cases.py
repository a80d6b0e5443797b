"""Broken definitions, and what is said of them before any call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from task_runs import run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator

WDL = "version 1.0\nworkflow w {\n  input {\n    String name\n    Int? count\n  }\n}\n"
CWL = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: echo\ninputs:\n  name: string\n  n: int?\noutputs: {}\n"
FLOW = """\
cwlVersion: v1.2
class: Workflow
inputs:
  name: string
outputs: []
steps:
  say:
    run: say.cwl
    in:
      name: {source}
    out: []
"""
NF = "workflow { }\n"
SCHEMA = '{"$defs": {"io": {"required": ["input"], "properties": {"input": {"description": "sheet"}, "x": {}}}}}'
Files = Mapping[str, str | bytes]
Case = tuple[Files, dict[str, Any], str]
"""Files, arguments, and what is said of them."""
Cases = Mapping[str, Case]


@contextmanager
def network_refused() -> Iterator[None]:
    """What is refused is refused without a call."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was used")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.socket.connect", refuse)
        yield


def write(folder: Path, files: Files) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def told(place: Any, **kwargs: Any) -> list[str]:
    """What is said of a definition."""
    settings = {"definition": place, **kwargs}
    with pytest.raises(OmicsRequestInvalidError) as caught:
        run_task(OmicsCreateWorkflowOperator(task_id="create", name="broken", **settings))
    return [str(issue) for issue in caught.value.issues]


def check_told(tmp_path: Path, case: Case) -> None:
    """Check that a definition is refused for one thing."""
    files, settings, wanted = case
    (issue,) = told(write(tmp_path / "flow", files), **settings)
    assert wanted in issue
    assert len(issue) < 900
