"""What a CWL document says of its parameters, read as data: no engine is needed for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from airflow_provider_omics.workflows.bundle import DefinitionError
from airflow_provider_omics.workflows.descriptions import description

_CLASSES = ("Workflow", "CommandLineTool", "ExpressionTool")
_VERSIONS = ("v1.0", "v1.1", "v1.2")


def cwl_process(main: str, text: str, process_id: str = "main") -> dict[str, Any]:
    """Return the process that a run of a CWL document begins with.

    :param main: path of the document.
    :param process_id: of several in one document, the id of the one that is meant.
    :raises DefinitionError: it has none.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = main if mark is None else f"{main}:{mark.line + 1}:{mark.column + 1}"
        what = f"is neither YAML nor JSON: {getattr(error, 'problem', None) or error}"
        raise DefinitionError(where, what, "Correct the syntax") from error
    if not isinstance(document, dict) or "cwlVersion" not in document:
        raise DefinitionError(f"{main}:1", "has no cwlVersion", "Begin it with a line such as cwlVersion: v1.2")
    if document["cwlVersion"] not in _VERSIONS:
        where = f"{main}:{_line_of('cwlVersion', text)}"
        what = f"has cwlVersion {document['cwlVersion']!r}, which HealthOmics does not run"
        raise DefinitionError(where, what, f"Use one of {', '.join(_VERSIONS)}")
    process = (
        _entry_of_graph(main, document["$graph"], process_id, _line_of("$graph", text))
        if "$graph" in document
        else document
    )
    if process.get("class") not in _CLASSES:
        kind = process.get("class")
        what = "has no class" if kind is None else f"has class {kind!r}, which HealthOmics does not run"
        raise DefinitionError(f"{main}:{_line_of('class', text)}", what, f"Use one of {', '.join(_CLASSES)}")
    return process


def cwl_template(main: str, process: Mapping[str, Any], text: str = "") -> dict[str, dict[str, Any]]:
    """Return the parameter template of a CWL process.

    :param main: path of its document.
    :param text: its document, to tell the line of what is wrong.
    :raises DefinitionError: its inputs cannot be read.
    """
    inputs = process.get("inputs") or {}
    if isinstance(inputs, list) and all(isinstance(entry, dict) for entry in inputs):
        inputs = {str(entry.get("id", "")).lstrip("#").split("/")[-1]: entry for entry in inputs}
    if not isinstance(inputs, dict):
        what = "has inputs that are neither a map nor a list of maps"
        raise DefinitionError(f"{main}:{_line_of('inputs', text)}", what, "Write each input as a name and its type")
    return {str(name): cwl_parameter(entry) for name, entry in inputs.items()}


def cwl_parameter(entry: Any) -> dict[str, Any]:
    """Return one input of a CWL process as a parameter of a template.

    :param entry: the input as a document has it, or as cwltool has read it.
    """
    settings = entry if isinstance(entry, dict) else {"type": entry}
    kind = settings.get("type")
    optional = (
        "default" in settings
        or (isinstance(kind, str) and (kind.endswith("?") or kind == "null"))
        or (isinstance(kind, list) and "null" in kind)
    )
    described = settings.get("doc") or settings.get("label")
    text = "\n".join(map(str, described)) if isinstance(described, list) else described
    return {**description(text), "optional": optional}


def _entry_of_graph(main: str, graph: Any, process_id: str, line: int) -> dict[str, Any]:
    processes = [entry for entry in graph if isinstance(entry, dict)] if isinstance(graph, list) else []
    for process in processes:
        if str(process.get("id", "")).lstrip("#") == process_id:
            return process
    what, fix = f"has a $graph without a process of the id {process_id}", f"Give the workflow the id {process_id}"
    raise DefinitionError(f"{main}:{line}", what, fix)


def _line_of(key: str, text: str) -> int:
    lines = text.splitlines()
    names = (f"{key}:", f'"{key}":', f"'{key}':")
    return next((number for number, line in enumerate(lines, 1) if line.strip().lstrip("{ ").startswith(names)), 1)
