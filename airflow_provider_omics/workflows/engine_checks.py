"""Checks by the tools of the languages, and the parameter template that a definition's own inputs make.

miniwdl and cwltool are optional: what they read is somebody's code, so each has a process of its own.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.run_settings.definition_types import (
    DefinitionUnreadableError,
    UnfinishedError,
    start_process,
)
from airflow_provider_omics.workflows.bundle import Bundle, DefinitionError
from airflow_provider_omics.workflows.cwl import cwl_process, cwl_template
from airflow_provider_omics.workflows.cwl_messages import cwltool_issues
from airflow_provider_omics.workflows.cwl_references import References, read_references
from airflow_provider_omics.workflows.definition import Definition
from airflow_provider_omics.workflows.nextflow import SCHEMA, nextflow_template
from airflow_provider_omics.workflows.nextflow_sources import source_issues

_TOOLS = {"WDL": ("WDL", "miniwdl"), "CWL": ("cwltool", "cwltool")}
_WDL_READER = "airflow_provider_omics.workflows.wdl_reader"
_CWL_READER = "airflow_provider_omics.workflows.cwl_reader"
_EXTRA = "pip install 'airflow-provider-omics[definitions]'"
_CORRECT = "Correct it there"
_MOST_PROBLEMS, _MOST_DOCUMENTS = 20, 8


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
    issues = source_issues(definition.bundle, definition.main)[:_MOST_PROBLEMS]
    try:
        template = nextflow_template(definition.bundle, definition.main)
    except DefinitionError as error:
        return EngineReport(None, (*issues, error.issue))
    note = None if template is not None else f"{definition.main} has no {SCHEMA} beside it"
    return EngineReport(template, tuple(issues), note)


def _read_cwl(definition: Definition, *, validate: bool, is_installed: bool) -> EngineReport:
    references = read_references(definition.file, partial(_text_of, definition.bundle))
    template, issues = _cwl_template(definition, references)
    if not validate or not references.is_closed:
        return EngineReport(template, issues)
    if not is_installed:
        return EngineReport(template, issues, note=_not_checked(definition))
    if template is None:
        return EngineReport(None, issues)
    try:
        found = _validated(definition, references)
    except DefinitionUnreadableError as error:
        return EngineReport(template, issues, note=f"cwltool could not read {definition.main}: {error}")
    # What leads nowhere is told by both, and cwltool stops there.
    known = {_line_of(issue.where) for issue in issues}
    more = [issue for issue in found if not issues or (_line_of(issue.where) not in known and not _is_missing(issue))]
    return EngineReport(template, (*issues, *more)[:_MOST_PROBLEMS])


def _cwl_template(
    definition: Definition, references: References
) -> tuple[dict[str, dict[str, Any]] | None, tuple[Issue, ...]]:
    process_id = definition.main.removeprefix(definition.file).lstrip("#") or "main"
    try:
        text = definition.bundle.text(definition.file)
        process = cwl_process(definition.file, text, process_id)
        return cwl_template(definition.file, process, text), references.issues
    except DefinitionError as error:
        known = {_line_of(issue.where) for issue in error.issues}
        others = (issue for issue in references.issues if _line_of(issue.where) not in known)
        return None, (*error.issues, *others)


def _validated(definition: Definition, references: References) -> list[Issue]:
    with tempfile.TemporaryDirectory(prefix="omics-definition-") as folder:
        definition.bundle.write_to(Path(folder))
        found = _answer(_CWL_READER, definition.main, *references.documents[:_MOST_DOCUMENTS], cwd=folder)
    issues: dict[Issue, None] = {}
    for said in found:
        text = said.replace(f"file://{folder}/", "").replace(f"{folder}/", "")
        issues.update(dict.fromkeys(cwltool_issues(text, definition.file, references)))
    return list(issues)


def _is_missing(issue: Issue) -> bool:
    return any(said in issue.what for said in ("undefined reference", "No such file", "refuses it"))


def _line_of(where: str) -> str:
    """Return a place without its column."""
    return ":".join(where.split(":")[:2])


def _text_of(bundle: Bundle, path: str) -> str | None:
    return bundle.text(path) if path in bundle.files else None


def _read_wdl(definition: Definition) -> EngineReport:
    with tempfile.TemporaryDirectory(prefix="omics-definition-") as folder:
        definition.bundle.write_to(Path(folder))
        found = _answer(_WDL_READER, folder, definition.main)
    problems = [_wdl_issue(one) for one in found.get("problems", ())]
    return EngineReport(found.get("template"), tuple(problems[:_MOST_PROBLEMS]))


def _answer(module: str, *arguments: str, cwd: str | None = None) -> Any:
    """Return the last answer of a reader, which prints one in each line, each more complete than the one before.

    :raises DefinitionUnreadableError: it came to none.
    """
    what = "no reason was given"
    try:
        done = start_process(module, *arguments, cwd=cwd)
    except UnfinishedError as error:
        what, said = str(error), error.said
    else:
        what, said = (done.stderr.strip().splitlines() or [what])[-1][:300], done.stdout
    # Of what ended early, the last line may be a part of one.
    answers = said.split("\n")[:-1]
    if not answers:
        raise DefinitionUnreadableError(what)
    return json.loads(answers[-1])


def _wdl_issue(problem: dict[str, Any]) -> Issue:
    where = f"{problem['file']}:{problem['line']}:{problem['column']}"
    return Issue(where, str(problem["message"]).rstrip("."), problem["fix"] or _CORRECT)


def _not_checked(definition: Definition) -> str:
    tool = _TOOLS[definition.language][1]
    return f"{definition.main} is not checked, since {tool} is not installed ({_EXTRA})"
