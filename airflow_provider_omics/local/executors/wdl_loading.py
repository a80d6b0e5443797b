"""Loads WDL definitions with miniwdl, which sees nothing but the definition's files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import WDL
from WDL.Error import ImportError as WdlImportError
from WDL.Error import MultipleValidationErrors, SourcePosition
from WDL.Tree import Document, ReadSourceResult, Task, Workflow

Target = Workflow | Task
"""What a definition is there to run: its workflow, or the one task of a file that has no workflow."""

_LONGEST_DESCRIPTION = 256
_MOST_ERRORS = 5


class UnusableWdl(Exception):
    """A definition, or what a run gives it, cannot be used; the text says where and why."""


def load_definition(folder: Path, main: str, *, lenient: bool) -> Target:
    """Load and check a definition.

    :param folder: holds the definition's files; imports from elsewhere are refused.
    :param main: path of the main file below the folder.
    :param lenient: whether to let optional values pass where others are declared, as WDL_LENIENT does.
    :raises UnusableWdl: with miniwdl's message.
    """
    root = folder.resolve()

    async def read_source(uri: str, _path: list[str], importer: Document | None) -> ReadSourceResult:
        base = Path(importer.pos.abspath).parent if importer else root
        found = _inside(root, base, uri)
        return ReadSourceResult(source_text=found.read_text(encoding="utf-8"), abspath=str(found))

    try:
        document = asyncio.run(WDL.load_async(main, check_quant=not lenient, read_source=read_source))
    except RecursionError:
        raise UnusableWdl(f"{main}: it is nested too deeply to be read") from None
    except Exception as error:
        raise UnusableWdl(explain(error, root)) from error
    target = document.workflow or (document.tasks[0] if len(document.tasks) == 1 else None)
    if target is None:
        raise UnusableWdl(f"{main} has no workflow, and {len(document.tasks)} tasks; a run needs one to begin with")
    return target


def parameter_template(target: Target) -> dict[str, dict[str, Any]]:
    """Return what a run may and must give, as CreateWorkflow's ``parameterTemplate`` has it.

    Inputs of calls are parameters only where the call cannot do without; their names have a dot.
    """
    required = {binding.name for binding in target.required_inputs}
    template = {}
    for binding in target.available_inputs:
        if binding.name in required or not ("." in binding.name or binding.name.startswith("_")):
            described = _description(target.parameter_meta.get(binding.name))
            template[binding.name] = {**described, "optional": binding.name not in required}
    return template


def explain(error: BaseException, root: Path) -> str:
    """Return an error's text with file, line and column, the file as the definition names it."""
    return " ".join("; ".join(_explanations(error, root)).split())


def _explanations(error: BaseException, root: Path) -> Iterator[str]:
    if isinstance(error, MultipleValidationErrors):
        for each in error.exceptions[:_MOST_ERRORS]:
            yield from _explanations(each, root)
        if len(error.exceptions) > _MOST_ERRORS:
            yield f"and {len(error.exceptions) - _MOST_ERRORS} more"
        return
    text = str(error) or type(error).__name__
    if isinstance(error, WdlImportError) and error.__cause__ is not None:
        text = f"{text}: {explain(error.__cause__, root)}"
    position = getattr(error, "pos", None)
    yield f"{_where(position, root)}: {text}" if position is not None else text


def _where(position: SourcePosition, root: Path) -> str:
    file = position.abspath.removeprefix(f"{root}/") or position.uri
    return f"{file} line {position.line}, column {position.column}"


def _inside(root: Path, base: Path, uri: str) -> Path:
    if "://" in uri and not uri.startswith("file://"):
        raise ValueError(
            f"{uri} is not part of the definition, and nothing is read from the network; put the file into the "
            "archive and import it by its path there"
        )
    found = (base / uri.removeprefix("file://")).resolve()
    if not found.is_relative_to(root):
        raise ValueError(f"{uri} lies outside of the definition; put the file into the archive")
    if not found.is_file():
        raise ValueError(f"the definition has no {found.relative_to(root)}")
    return found


def _description(meta: Any) -> dict[str, str]:
    if isinstance(meta, dict):
        meta = next((meta[name] for name in ("description", "help", "label") if name in meta), None)
    return {"description": " ".join(meta.split())[:_LONGEST_DESCRIPTION]} if isinstance(meta, str) and meta else {}
