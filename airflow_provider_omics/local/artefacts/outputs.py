"""What a simulated run leaves below its output folder: the declared outputs, their summary, the engine's log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.local.artefacts.declarations import Kind, is_array, is_other
from airflow_provider_omics.local.artefacts.streams import engine_lines

if TYPE_CHECKING:
    from airflow_provider_omics.local.records import Run

_WITH_SUMMARY = ("CWL", "WDL")
# Arrays in arrays multiply: two items each in the first two, one each in those inside of them.
_ITEMS = (2, 2)
_MOST_FILES = 1000


def leaves_objects(run: Run) -> bool:
    """Whether a run has ended in a way that leaves objects which nothing has written."""
    return run.simulation is not None and run.end_status in (RunStatus.COMPLETED, RunStatus.FAILED)


def forget_definition(run: Run) -> None:
    """Let go of the definition of a run that has ended, as nobody can ask for it again."""
    run.workflow = replace(run.workflow, definition_zip=None)


def simulated_objects(run: Run) -> Iterator[tuple[str, bytes]]:
    """Yield URI and content of what a run that has ended leaves, but for what its executor has written itself.

    A run that failed leaves its engine's log, one that was cancelled leaves nothing. No run leaves more than a
    thousand files; further ones are null in the summary.
    """
    simulation = run.simulation
    if simulation is None or not leaves_objects(run):
        return
    root = run.output_root.rstrip("/")
    for path, content in _objects(run, root):
        if path not in simulation.outcomes.outputs:
            yield f"{root}/{path}", content


def _objects(run: Run, root: str) -> Iterator[tuple[str, bytes]]:
    assert run.simulation is not None
    if _has_summary(run):
        declared = run.workflow.declared
        files = _Files(run, root)
        as_value = files.cwl_value if run.workflow.engine == "CWL" else files.wdl_value
        summary = {declared.key(name): as_value(kind, name, name) for name, kind in declared.outputs.items()}
        yield from files.written
        yield "logs/outputs.json", json.dumps(summary, indent=2).encode()
    lines = "".join(f"{text}\n" for _, text in engine_lines(run, run.simulation))
    yield "logs/engine.log", lines.encode()


def _has_summary(run: Run) -> bool:
    return run.end_status is RunStatus.COMPLETED and run.workflow.engine.startswith(_WITH_SUMMARY)


class _Files:
    """Makes up a value for each output, with a small text in place of each file.

    :ivar written: path below the run's folder and content of every file so far.
    """

    def __init__(self, run: Run, root: str) -> None:
        self._run = run
        self._root = root
        self._given = run.simulation.outcomes.outputs if run.simulation else {}
        self.written: list[tuple[str, bytes]] = []

    def wdl_value(self, kind: Kind, path: str, name: str, depth: int = 0) -> Any:
        """Return a value as the summary of a WDL run has it: files by their URIs, below a folder for each output.

        :param path: of the folder.
        :param name: of the file in it, without ``.txt``.
        :param depth: how many arrays it is in.
        """
        if is_array(kind):
            return [self.wdl_value(kind["items"], f"{path}/{n}", name, depth + 1) for n in range(_items_at(depth))]
        if is_other(kind):
            return kind["value"]
        file = f"out/{path}/{name}.txt"
        if self._write(file) is None:
            return None
        return f"{self._root}/out/{path}" if kind == "Directory" else f"{self._root}/{file}"

    def cwl_value(self, kind: Kind, path: str, name: str, depth: int = 0) -> Any:
        """Return a value as the summary of a CWL run has it: files and directories as objects.

        :param path: name of the file, without ``.txt``, or of the directory.
        :param name: of the file in the directory, without ``.txt``.
        :param depth: how many arrays it is in.
        """
        if is_array(kind):
            return [self.cwl_value(kind["items"], f"{path}_{n + 1}", name, depth + 1) for n in range(_items_at(depth))]
        if is_other(kind):
            return kind["value"]
        if kind == "Directory":
            inner = self._cwl_file(f"out/{path}/{name}.txt")
            location = f"{self._root}/out/{path}"
            return inner and {"class": kind, "location": location, "basename": path, "listing": [inner]}
        return self._cwl_file(f"out/{path}.txt")

    def _cwl_file(self, file: str) -> dict[str, Any] | None:
        content = self._write(file)
        if content is None:
            return None
        return {
            "class": "File",
            "location": f"{self._root}/{file}",
            "basename": file.rpartition("/")[2],
            "size": len(content),
        }

    def _write(self, file: str) -> bytes | None:
        if len(self.written) == _MOST_FILES:
            return None
        made_up = f"Simulated output of run {self._run.run_id}: {file.removeprefix('out/')}\n".encode()
        content = self._given.get(file, made_up)
        self.written.append((file, content))
        return content


def _items_at(depth: int) -> int:
    return _ITEMS[depth] if depth < len(_ITEMS) else 1
