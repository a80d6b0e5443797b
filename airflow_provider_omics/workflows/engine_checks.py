"""Checks by the tools of the languages, and the parameter template that a definition's own inputs make.

miniwdl and cwltool are optional: what they read is somebody's code, so each has a process of its own.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.run_settings.definition_types import DefinitionUnreadableError, start_process
from airflow_provider_omics.workflows.bundle import Bundle, DefinitionError
from airflow_provider_omics.workflows.cwl import cwl_process, cwl_template
from airflow_provider_omics.workflows.cwl_references import check_references
from airflow_provider_omics.workflows.definition import Definition
from airflow_provider_omics.workflows.nextflow import SCHEMA, nextflow_template

_TOOLS = {"WDL": ("WDL", "miniwdl"), "CWL": ("cwltool", "cwltool")}
_WDL_READER = "airflow_provider_omics.workflows.wdl_reader"
_VALIDATE = ("--validate", "--skip-schemas", "--disable-js-validation", "--disable-color")
_EXTRA = "pip install 'airflow-provider-omics[definitions]'"
_CORRECT = "Correct it there"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PLACE = re.compile(r"(?P<place>(?P<file>[^\s:]+):(?P<line>\d+):(?P<column>\d+)):(?P<rest>.*)")
_CONTEXT = ("checking ", "while ", "Source ", "tried ")
_MOST_PROBLEMS = 20


@dataclass(frozen=True)
class EngineReport:
    """What a language's tool says of a definition.

    :param template: the parameter template that its inputs make; None where it is not known.
    :param issues: what is wrong with it.
    :param note: why it was not checked, or why there is no template; None if it was, and there is.
    """

    template: dict[str, dict[str, Any]] | None
    issues: tuple[Issue, ...] = ()
    note: str | None = None


def read_with_engine(definition: Definition, *, validate: bool = True) -> EngineReport:
    """Read a definition with the tool of its language, where that is installed.

    :param validate: whether CWL is validated by cwltool, which takes a second or two, and not only read.
    """
    if definition.language == "NEXTFLOW":
        return _read_nextflow(definition)
    is_installed = find_spec(_TOOLS[definition.language][0]) is not None
    if definition.language == "CWL":
        return _read_cwl(definition, validate=validate, is_installed=is_installed)
    if not is_installed:
        return EngineReport(None, note=f"{_not_checked(definition)}, and has no template made of it")
    try:
        return _read_wdl(definition)
    except DefinitionUnreadableError as error:
        return EngineReport(None, note=f"miniwdl could not read {definition.main}: {error}")


def _read_nextflow(definition: Definition) -> EngineReport:
    try:
        template = nextflow_template(definition.bundle, definition.main)
    except DefinitionError as error:
        return EngineReport(None, (error.issue,))
    return EngineReport(template, note=None if template is not None else f"{definition.main} has no {SCHEMA} beside it")


def _read_cwl(definition: Definition, *, validate: bool, is_installed: bool) -> EngineReport:
    main = definition.main
    try:
        check_references(definition.file, partial(_text_of, definition.bundle))
        process_id = main.removeprefix(definition.file).lstrip("#") or "main"
        process = cwl_process(definition.file, definition.bundle.text(definition.file), process_id)
        template = cwl_template(definition.file, process)
    except DefinitionError as error:
        return EngineReport(None, (error.issue,))
    if not validate:
        return EngineReport(template)
    if not is_installed:
        return EngineReport(template, note=_not_checked(definition))
    with tempfile.TemporaryDirectory(prefix="omics-definition-") as folder:
        definition.bundle.write_to(Path(folder))
        try:
            done = start_process("cwltool.main", *_VALIDATE, main, cwd=folder)
        except DefinitionUnreadableError as error:
            return EngineReport(template, note=f"cwltool could not read {main}: {error}")
    text = f"{done.stdout}{done.stderr}".replace(f"file://{folder}/", "")
    return EngineReport(template, () if done.returncode == 0 else tuple(cwltool_issues(text, definition.file)))


def _text_of(bundle: Bundle, path: str) -> str | None:
    return bundle.text(path) if path in bundle.files else None


def _read_wdl(definition: Definition) -> EngineReport:
    with tempfile.TemporaryDirectory(prefix="omics-definition-") as folder:
        definition.bundle.write_to(Path(folder))
        done = start_process(_WDL_READER, folder, definition.main)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        raise DefinitionUnreadableError(last[0][:300])
    found = json.loads(done.stdout)
    problems = [_wdl_issue(one) for one in found.get("problems", ())]
    return EngineReport(found.get("template"), tuple(problems[:_MOST_PROBLEMS]))


def _wdl_issue(problem: dict[str, Any]) -> Issue:
    where = f"{problem['file']}:{problem['line']}:{problem['column']}"
    message = str(problem["message"]).rstrip(".")
    if "Failed to import" in message:
        return Issue(where, message, "Put the file into the definition, with its path from the importing file")
    if "no workflow" in message:
        return Issue(where, message, "Give main, the path of the file that has the workflow")
    return Issue(where, message, _CORRECT)


def cwltool_issues(output: str, main: str) -> Iterator[Issue]:
    """Yield what cwltool says of a document that is not valid, each with the innermost place that it names."""
    where, context, texts, count = f"{main}:1", True, list[str](), 0
    lines = _ANSI.sub("", output).partition("failed validation:")[2].splitlines()
    for line in (*lines, f"{main}:0:0: end"):
        match = _PLACE.match(line.strip())
        text = (match["rest"] if match else line).strip()
        if match or context:
            if texts and count < _MOST_PROBLEMS:
                yield Issue(where, " ".join(texts).rstrip("."), _CORRECT)
                count += 1
            where, texts = (match["place"] if match else where), []
        context = text.startswith(_CONTEXT)
        if text and not context:
            texts.append(text)
    if not count:
        last = [line.strip() for line in _ANSI.sub("", output).splitlines() if line.strip()][-1:]
        yield Issue(main, f"cwltool refuses it: {' '.join(last)[:500]}", _CORRECT)


def _not_checked(definition: Definition) -> str:
    tool = _TOOLS[definition.language][1]
    return f"{definition.main} is not checked, since {tool} is not installed ({_EXTRA})"
