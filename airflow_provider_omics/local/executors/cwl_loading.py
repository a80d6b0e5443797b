"""Loads CWL definitions with cwltool's own loader, which sees nothing but the definition's files."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cwltool.context import LoadingContext
from cwltool.errors import GraphTargetMissingException
from cwltool.load_tool import fetch_document, load_tool, make_tool, resolve_and_validate_document
from cwltool.process import Process, shortname
from cwltool.workflow import default_make_tool
from ruamel.yaml.comments import CommentedMap
from schema_salad.exceptions import ValidationException
from schema_salad.fetcher import DefaultFetcher
from schema_salad.ref_resolver import uri_file_path

from airflow_provider_omics.local.executors.cwl_tasks import LocalTool
from airflow_provider_omics.local.workflows.archives import DefinitionArchive
from airflow_provider_omics.workflows.bundle import DefinitionError
from airflow_provider_omics.workflows.cwl import cwl_parameter
from airflow_provider_omics.workflows.cwl_references import check_references

LOGGERS = ("cwltool", "salad", "rdflib")
"""Names of the loggers that say what is wrong with a definition."""


def preload() -> None:
    """Have cwltool read the schema of every CWL version, so that forked processes need not."""
    take_loggers(logging.NullHandler())
    with tempfile.TemporaryDirectory() as directory:
        for version in ("v1.0", "v1.1", "v1.2"):
            document = Path(directory, f"{version}.cwl")
            document.write_text(
                f"cwlVersion: {version}\nclass: CommandLineTool\nbaseCommand: 'true'\ninputs: []\noutputs: []\n"
            )
            load_tool(document.as_uri(), _loading_context(Path(directory)))


def take_loggers(handler: logging.Handler) -> None:
    """Have one handler get all that cwltool logs."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False


def load_definition(archive: Path, folder: Path, main: str) -> tuple[Process, str]:
    """Unpack a definition and load its main process.

    :param archive: the zipped definition.
    :param folder: where it is unpacked to; becomes the working directory, since cwltool names files as seen from there.
    :param main: path of the main file in the archive, maybe with the process in it after ``#``.
    :return: the process, and ``main`` with the process that was taken where the file has several and no ``#main``.
    :raises Exception: with cwltool's message.
    """
    DefinitionArchive(archive.read_bytes()).extract(folder)
    os.chdir(folder)
    path, mark, fragment = _split_main(folder, main)
    try:
        check_references(path, partial(_text_of, folder))
    except DefinitionError as error:
        raise ValidationException(str(error.issue)) from None
    uri = f"{(folder / path).as_uri()}{mark}{fragment}"
    context, document, uri = fetch_document(uri, _loading_context(folder))
    if not isinstance(document, Mapping):
        raise ValidationException("The document has no map with a cwlVersion at its top")
    entry = None if mark else _entry(document)
    if entry is not None:
        uri, main = f"{uri}#{entry}", f"{main}#{entry}"
    context, uri = resolve_and_validate_document(context, document, uri)
    try:
        return make_tool(uri, context), main
    except GraphTargetMissingException as error:
        raise GraphTargetMissingException(f"{error}; name it in main, as {path}#id") from None


def parameter_template(process: Process) -> dict[str, dict[str, Any]]:
    """Return what a run may and must give, as CreateWorkflow's ``parameterTemplate`` has it."""
    return {shortname(declared["id"]): cwl_parameter(declared) for declared in process.tool["inputs"]}


class _DefinitionFetcher(DefaultFetcher):
    """Fetches documents of one definition, and CWL's own schemas, which cwltool has.

    :param root: the definition's folder, resolved.
    """

    def __init__(self, cache: Any, session: Any, *, root: Path) -> None:
        super().__init__(cache, session)
        self._root = root

    def fetch_text(self, url: str, content_types: list[str] | None = None) -> str:
        if not isinstance(self.cache.get(url), str):
            self._check(url)
        return super().fetch_text(url, content_types)

    def check_exists(self, url: str) -> bool:
        if url in self.cache:
            return True
        self._check(url)
        return super().check_exists(url)

    def _check(self, url: str) -> None:
        if urlsplit(url).scheme != "file":
            raise ValidationException(
                f"{url} is not part of the definition, and nothing is read from the network; put the file into the "
                "archive and name it by its path there"
            )
        path = Path(uri_file_path(url.partition("#")[0])).resolve()
        if not path.is_relative_to(self._root):
            raise ValidationException(
                f"{self._named(path)} lies outside of the definition; put the file into the archive and name it by "
                "its path there"
            )

    def _named(self, path: Path) -> str:
        """Name a file as the definition did: one near the definition by the way from there."""
        scratch = self._root.parents[1]
        return os.path.relpath(path, self._root) if path.is_relative_to(scratch) else str(path)


def _loading_context(root: Path) -> LoadingContext:
    context = LoadingContext()
    context.construct_tool_object = _make_tool
    context.relax_path_checks = True
    context.fetcher_constructor = partial(_DefinitionFetcher, root=root.resolve())
    return context


def _make_tool(toolpath_object: CommentedMap, loadingContext: LoadingContext) -> Process:
    if toolpath_object.get("class") == "CommandLineTool":
        return LocalTool(toolpath_object, loadingContext)
    return default_make_tool(toolpath_object, loadingContext)


def _split_main(folder: Path, main: str) -> tuple[str, str, str]:
    return (main, "", "") if (folder / main).is_file() else main.partition("#")


def _text_of(folder: Path, name: str) -> str | None:
    path = Path(os.path.realpath(folder / name))
    if not path.is_relative_to(os.path.realpath(folder)):
        return None
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return None


def _entry(document: Mapping[str, Any]) -> str | None:
    """Return the id of the only process in a packed file that no step of the others runs, unless one is ``main``."""
    processes = [process for process in document.get("$graph", ()) if isinstance(process, Mapping)]
    ids = {_fragment(process.get("id")) for process in processes}
    called = {_fragment(step.get("run")) for process in processes for step in _steps(process)}
    entries = sorted(ids - called - {""})
    return entries[0] if len(entries) == 1 and "main" not in ids else None


def _steps(process: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    steps = process.get("steps") or []
    listed = steps.values() if isinstance(steps, Mapping) else steps
    return [step for step in listed if isinstance(step, Mapping)]


def _fragment(reference: Any) -> str:
    return reference.rpartition("#")[2] if isinstance(reference, str) else ""
