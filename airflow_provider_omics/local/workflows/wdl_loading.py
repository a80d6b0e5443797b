"""Loads WDL definitions with miniwdl, which sees nothing but the definition's files."""

from __future__ import annotations

import itertools
import os
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

import WDL
from WDL.Error import ImportError as WdlImportError
from WDL.Error import MultipleValidationErrors, SourcePosition
from WDL.Tree import Document, ReadSourceResult, Task, Workflow

from airflow_provider_omics.healthomics.run_settings.wdl_types import entry_of
from airflow_provider_omics.local.workflows.archives import DefinitionError

Target = Workflow | Task
"""What a definition is there to run: its workflow, or the one task of a file that has no workflow."""

_MOST_ERRORS = 5
_MOST_LOADS = 1000


def load_definition(files: Mapping[str, bytes], root: Path, main: str, *, lenient: bool) -> Target:
    """Load and check a definition.

    :param files: the definition's files by their paths; imports from elsewhere are refused.
    :param root: absolute path of the folder that paths in the definition are relative to; it need not exist to load.
    :param main: path of the main file.
    :param lenient: whether to let optional values pass where others are declared, as WDL_LENIENT does.
    :raises DefinitionError: with miniwdl's message, and the file, line and column.
    :raises MemoryError: there is not enough memory for it.
    """
    loads, imports = itertools.count(1), _Imports()

    async def read_source(uri: str, _path: list[str], importer: Document | None) -> ReadSourceResult:
        if next(loads) > _MOST_LOADS:
            raise ValueError(f"the definition imports more than {_MOST_LOADS} files, counted each time")
        path = _inside(root, Path(importer.pos.abspath).parent if importer else root, uri)
        name = path.relative_to(root).as_posix()
        if name not in files:
            raise ValueError(f"the definition has no file {name}")
        if importer is not None:
            imports.add(Path(importer.pos.abspath), path)
        return ReadSourceResult(source_text=files[name].decode("utf-8"), abspath=str(path))

    try:
        document = _result(WDL.load_async(main, check_quant=not lenient, read_source=read_source))
    except MemoryError:
        raise
    except RecursionError:
        raise DefinitionError(f"{main}: it is nested too deeply to be read") from None
    except Exception as error:
        raise DefinitionError(explain(error, root)) from error
    target: Target | None = entry_of(document)
    if target is None:
        raise DefinitionError(f"{main} has no workflow, and {len(document.tasks)} tasks; a run needs one to begin with")
    return target


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


class _Imports:
    """Which file has imported which, in the order of reading."""

    def __init__(self) -> None:
        self._importers: dict[Path, set[Path]] = {}

    def add(self, importer: Path, imported: Path) -> None:
        """Note an import.

        :raises ValueError: the file has imported the importer, so that there would be no end.
        """
        self._importers.setdefault(imported, set()).add(importer)
        found, wanted = {importer}, [importer]
        while wanted:
            new = self._importers.get(wanted.pop(), set()) - found
            found |= new
            wanted += new
        if imported in found:
            raise ValueError(f"circular imports: {imported.name} imports itself, or a file that imports it")


def _inside(root: Path, base: Path, uri: str) -> Path:
    if "://" in uri and not uri.startswith("file://"):
        raise ValueError(
            f"{uri} is not part of the definition, and nothing is read from the network; put the file into the "
            "archive and import it by its path there"
        )
    found = Path(os.path.normpath(base / uri.removeprefix("file://")))
    if not found.is_relative_to(root):
        raise ValueError(f"{uri} lies outside of the definition; put the file into the archive")
    return found


def _result(loading: Coroutine[Any, Any, Document]) -> Document:
    """Return what a coroutine that waits for nothing returns; a loop of events may run in this thread already."""
    try:
        loading.send(None)
    except StopIteration as end:
        document: Document = end.value
        return document
    raise RuntimeError("miniwdl waits for something while it loads a definition")
