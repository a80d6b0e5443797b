"""What a simulated run leaves below its output folder: the declared outputs, their summary, the engine's log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.local.artefacts.declarations import (
    ArrayKind,
    Kind,
    OtherKind,
    declared_outputs,
)
from airflow_provider_omics.local.artefacts.streams import engine_lines

if TYPE_CHECKING:
    from airflow_provider_omics.local.records import Run

_WITH_SUMMARY = ("CWL", "WDL")
_ITEMS = 2


def simulated_objects(run: Run) -> Iterator[tuple[str, bytes]]:
    """Yield URI and content of what a run that has ended leaves, but for what its executor has written itself.

    A run that failed leaves its engine's log, one that was cancelled leaves nothing.
    """
    simulation = run.simulation
    if simulation is None or run.end_status not in (RunStatus.COMPLETED, RunStatus.FAILED):
        return
    root = run.output_root.rstrip("/")
    for path, content in _objects(run, root):
        if path not in simulation.outcomes.outputs:
            yield f"{root}/{path}", content


def _objects(run: Run, root: str) -> Iterator[tuple[str, bytes]]:
    assert run.simulation is not None
    if run.end_status is RunStatus.COMPLETED and run.workflow.engine.startswith(_WITH_SUMMARY):
        declared = declared_outputs(run.workflow.definition_zip, run.workflow.engine, run.workflow.main)
        files = _Files(run, root)
        as_value = files.cwl_value if run.workflow.engine == "CWL" else files.wdl_value
        summary = {declared.key(name): as_value(kind, name, name) for name, kind in declared.outputs.items()}
        yield from files.written
        yield "logs/outputs.json", json.dumps(summary, indent=2).encode()
    lines = "".join(f"{text}\n" for _, text in engine_lines(run, run.simulation))
    yield "logs/engine.log", lines.encode()


class _Files:
    """Makes up a value for each output, with a small text in place of each file.

    :ivar written: path below the run's folder and content of every file so far.
    """

    def __init__(self, run: Run, root: str) -> None:
        self._run = run
        self._root = root
        self._given = run.simulation.outcomes.outputs if run.simulation else {}
        self.written: list[tuple[str, bytes]] = []

    def wdl_value(self, kind: Kind, path: str, name: str) -> Any:
        """Return a value as the summary of a WDL run has it: files by their URIs, below a folder for each output."""
        if isinstance(kind, ArrayKind):
            return [self.wdl_value(kind.items, f"{path}/{n}", name) for n in range(_ITEMS)]
        if isinstance(kind, OtherKind):
            return kind.value
        file = f"out/{path}/{name}.txt"
        self._write(file)
        return f"{self._root}/out/{path}" if kind == "Directory" else f"{self._root}/{file}"

    def cwl_value(self, kind: Kind, path: str, name: str) -> Any:
        """Return a value as the summary of a CWL run has it: files and directories as objects."""
        if isinstance(kind, ArrayKind):
            return [self.cwl_value(kind.items, f"{path}_{n}", name) for n in range(1, _ITEMS + 1)]
        if isinstance(kind, OtherKind):
            return kind.value
        if kind == "Directory":
            inner = self._cwl_file(f"out/{path}/{name}.txt")
            return {"class": kind, "location": f"{self._root}/out/{path}", "basename": path, "listing": [inner]}
        return self._cwl_file(f"out/{path}.txt")

    def _cwl_file(self, file: str) -> dict[str, Any]:
        basename = file.rpartition("/")[2]
        return {
            "class": "File",
            "location": f"{self._root}/{file}",
            "basename": basename,
            "size": len(self._write(file)),
        }

    def _write(self, file: str) -> bytes:
        made_up = f"Simulated output of run {self._run.run_id}: {file.removeprefix('out/')}\n".encode()
        content = self._given.get(file, made_up)
        self.written.append((file, content))
        return content
