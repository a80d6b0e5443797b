"""Reads workflow definitions: which engine, which main file, which parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_provider_omics.healthomics.requests.shapes import check_shape, service_model
from airflow_provider_omics.local.artefacts.declarations import Declarations
from airflow_provider_omics.local.workflows.archives import DefinitionArchive
from airflow_provider_omics.local.workflows.archives import DefinitionError as DefinitionError
from airflow_provider_omics.workflows.bundle import Bundle, BundleFile
from airflow_provider_omics.workflows.bundle import DefinitionError as UnreadableError
from airflow_provider_omics.workflows.definition import engines_of, main_candidates, suffix_of
from airflow_provider_omics.workflows.nextflow import SCHEMA, nextflow_template


@dataclass(frozen=True, slots=True)
class LoadedDefinition:
    """What an engine says of a definition that it has loaded.

    :ivar main: path of the main file, with the process in it after ``#`` where the file has several.
    :ivar parameter_template: ``{name: {description, optional}}``.
    :ivar declared: its outputs.
    """

    main: str
    parameter_template: dict[str, dict[str, Any]]
    declared: Declarations = field(default_factory=Declarations)


class Loader(Protocol):
    """Loads zipped definitions as an engine does."""

    def __call__(self, outline: DefinitionOutline, /) -> LoadedDefinition:
        """Load a definition by its main file, which may take a while.

        :raises DefinitionError: with the engine's message.
        """

    def kept(self, outline: DefinitionOutline, /) -> LoadedDefinition | None:
        """Return what is known of the same definition from before, if it was loaded before."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a zipped definition says about its workflow.

    :ivar engine: WDL, WDL_LENIENT, NEXTFLOW or CWL.
    :ivar main: path of the main file inside the archive; of CWL maybe with the process in it after ``#``.
    :ivar digest: SHA-256 of the archive, in hexadecimal.
    :ivar parameter_template: ``{name: {description, optional}}``; empty if nothing says what a run may give.
    :ivar readme: text of the README inside the archive, if there is one.
    :ivar declared: its outputs, where its engine has read it.
    """

    engine: str
    main: str
    digest: str
    parameter_template: dict[str, dict[str, Any]]
    readme: str | None
    declared: Declarations


@dataclass(frozen=True, slots=True)
class DefinitionOutline:
    """What can be said of a zipped definition without its engine.

    :ivar content: digest of the names and contents of its files.
    :ivar given_template: the parameter template that came with the request or in the archive, or that was read without
        an engine's process; may be empty.
    """

    archive: bytes
    content: str
    engine: str
    main: str
    given_template: dict[str, dict[str, Any]]
    readme: str | None

    def definition(self, load: Loader | None) -> Definition:
        """Return the whole definition.

        :param load: loads it as the engine does; without it the parameters stay unknown unless they were given.
        :raises DefinitionError: the engine does not take it.
        """
        loaded = LoadedDefinition(self.main, {}) if load is None else load(self)
        return self._completed(loaded)

    def known_definition(self, load: Loader | None) -> Definition | None:
        """Return the whole definition where no engine is needed for it; None where one is.

        :param load: as of :meth:`definition`; it is only asked for what it has kept.
        """
        loaded = LoadedDefinition(self.main, {}) if load is None else load.kept(self)
        return None if loaded is None else self._completed(loaded)

    def _completed(self, loaded: LoadedDefinition) -> Definition:
        return Definition(
            engine=self.engine,
            main=loaded.main,
            digest=hashlib.sha256(self.archive).hexdigest(),
            parameter_template=self.given_template or dict(loaded.parameter_template),
            readme=self.readme,
            declared=loaded.declared,
        )


def read_outline(archive: bytes, request: Mapping[str, Any]) -> DefinitionOutline:
    """Check a zipped definition the way CreateWorkflow and CreateWorkflowVersion do before its engine sees it.

    :param archive: the zip archive.
    :param request: the members of the request, of which ``engine``, ``main``, ``parameterTemplate``,
        ``parameterTemplatePath`` and ``readmePath`` are read.
    :raises DefinitionError: the archive, its main file or its parameter template cannot be used.
    """
    files = DefinitionArchive(archive)
    if not files:
        raise DefinitionError("The definition is an empty zip archive")
    content = files.content_digest()
    engine = request.get("engine") or _guess_engine(files)
    main = _find_main(files, engine, request.get("main"))
    _check_text(main, files[_file_of(main, files)])
    # Those of CWL and WDL are left to their engines.
    generated = _nextflow_parameters(files, main) if engine == "NEXTFLOW" else {}
    return DefinitionOutline(
        archive=archive,
        content=content,
        engine=engine,
        main=main,
        given_template=_given_template(files, request) or generated,
        readme=_find_readme(files, request.get("readmePath")),
    )


def _guess_engine(files: Iterable[str]) -> str:
    engines = engines_of(files)
    if not engines:
        raise DefinitionError("The definition holds no .wdl, .nf or .cwl file")
    if len(engines) > 1:
        names = ", ".join(sorted(engines))
        raise DefinitionError(f"The definition holds files of more than one engine ({names}): give the engine")
    return engines.pop()


def _find_main(files: Mapping[str, bytes], engine: str, main: str | None) -> str:
    if main is not None:
        path = _file_of(main, files) if engine == "CWL" else main
        if path not in files:
            raise DefinitionError(f"The main file {path!r} is not in the definition")
        return main
    suffix = suffix_of(engine)
    candidates = main_candidates(files, suffix)
    if not candidates:
        raise DefinitionError(f"The definition holds no {suffix} file for the engine {engine}")
    if len(candidates) > 1:
        raise DefinitionError(
            f"The definition holds {len(candidates)} {suffix} files nearest to its root and not exactly one is named "
            f"main{suffix}: give the path of the main file"
        )
    return candidates[0]


def _file_of(main: str, files: Iterable[str]) -> str:
    """Return the file's path without the process in it that may follow."""
    return main if main in files else main.partition("#")[0]


def _check_text(main: str, content: bytes) -> None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DefinitionError(f"The main file {main!r} is not UTF-8 text: {error}") from error
    if not text.strip():
        raise DefinitionError(f"The main file {main!r} is empty")


def _nextflow_parameters(files: Mapping[str, bytes], main: str) -> dict[str, dict[str, Any]]:
    schemas = {name: BundleFile(files[name]) for name in files if name.endswith(SCHEMA)}
    try:
        return nextflow_template(Bundle("the definition", schemas), main) or {}
    except (UnreadableError, AttributeError, TypeError, RecursionError) as error:
        raise DefinitionError(f"The parameters cannot be read from the {SCHEMA}: {error}") from error


def _given_template(files: Mapping[str, bytes], request: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    if request.get("parameterTemplate"):
        return dict(request["parameterTemplate"])
    path = request.get("parameterTemplatePath")
    if path is None:
        return {}
    if path not in files:
        raise DefinitionError(f"The parameter template {path!r} is not in the definition")
    shape = service_model().shape_for("WorkflowParameterTemplate")
    try:
        template = json.loads(files[path])
        issue = next(iter(check_shape(shape, template, path)), None)
    except RecursionError:
        raise DefinitionError(f"The parameter template {path!r} is nested too deeply to be read") from None
    except ValueError as error:
        raise DefinitionError(f"The parameter template {path!r} is not JSON: {error}") from error
    if issue is not None:
        raise DefinitionError(f"The parameter template is not valid: {issue}")
    return dict(template)


def _find_readme(files: Mapping[str, bytes], path: str | None) -> str | None:
    content = files.get(path or "README.md")
    if content is None and path is not None:
        raise DefinitionError(f"The README {path!r} is not in the definition")
    return None if content is None else content.decode("utf-8", errors="replace")
