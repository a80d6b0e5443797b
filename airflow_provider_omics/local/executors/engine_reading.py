"""Reads definitions for CreateWorkflow as their engines do: in processes of their own, within a bound of time."""

from __future__ import annotations

import logging
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.local.artefacts.declarations import Declarations
from airflow_provider_omics.local.executors.engines import READERS, Engine
from airflow_provider_omics.local.workflows.definitions import DefinitionError, LoadedDefinition, Loader

if TYPE_CHECKING:
    from airflow_provider_omics.local.executors.engine_pool import EnginePool
    from airflow_provider_omics.local.executors.engine_processes import EngineProcess
    from airflow_provider_omics.local.workflows.definitions import DefinitionOutline

log = logging.getLogger(__name__)

LONGEST_SECONDS = 120.0
"""Longest time, in real seconds, that reading one definition may take."""

_MOST_KEPT = 256
# What was read, by engine, main file and content: tests make the same workflow on server after server, and loading an
# engine takes seconds.
_kept: dict[tuple[str, str, str], LoadedDefinition] = {}


def engine_readers(pool: EnginePool) -> dict[str, Loader]:
    """Return what reads definitions, by the API's names of the engines.

    Where an engine is not installed, its definitions are not checked and their parameters stay unknown.

    :param pool: where the engines are loaded.
    """
    return {
        name: EngineReader(pool, name) if engine.is_installed() else _UncheckedReader(engine)
        for name, engine in READERS.items()
    }


class EngineReader:
    """Has an engine read definitions; may be called from several threads at once.

    :param pool: where the engine is loaded, with the first call if it is not yet.
    :param name: the API's name of the engine. Its job reads the definition where the order that it gets has no
        ``parameters``; it says ``reading`` when it begins, and at last ``read`` or ``failed``.
    :param seconds: longest time for one definition, in real seconds, more than 0; loading the engine does not count.
    """

    def __init__(self, pool: EnginePool, name: str, seconds: float = LONGEST_SECONDS) -> None:
        self._pool = pool
        self._name = name
        self._engine = READERS[name]
        self._seconds = seconds

    def __call__(self, outline: DefinitionOutline) -> LoadedDefinition:
        """Load a definition and return what it says.

        :raises DefinitionError: with the engine's message, or because it took too long.
        """
        key = self._key(outline)
        loaded = _kept.get(key)
        if loaded is None:
            loaded = self._load(outline)
            if len(_kept) >= _MOST_KEPT:
                _kept.clear()
            _kept[key] = loaded
        return loaded

    def kept(self, outline: DefinitionOutline) -> LoadedDefinition | None:
        """Return what a definition says if it was loaded before, by whichever server of this process."""
        return _kept.get(self._key(outline))

    def _key(self, outline: DefinitionOutline) -> tuple[str, str, str]:
        return self._name, outline.main, outline.content

    def _load(self, outline: DefinitionOutline) -> LoadedDefinition:
        try:
            process = self._pool.processes(self._engine).start()
        except OSError as error:
            raise DefinitionError(
                f"{self._engine.tool} could not be started to read the definition: {error}"
            ) from error
        try:
            process.directory.joinpath("definition.zip").write_bytes(outline.archive)
            process.send({"directory": str(process.directory), "main": outline.main, "engine": self._name})
            return self._answer(process)
        finally:
            process.close()

    def _answer(self, process: EngineProcess) -> LoadedDefinition:
        killing = threading.Timer(self._seconds, process.kill)
        try:
            for message in process.messages():
                if "reading" in message:
                    killing.start()
                if "read" in message:
                    return _loaded(message["read"])
                if "failed" in message:
                    raise DefinitionError(message["failed"])
        finally:
            killing.cancel()
        raise DefinitionError(
            f"{self._engine.tool} did not get to the end of the definition within {self._seconds:g} seconds"
        )


class _UncheckedReader:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, outline: DefinitionOutline) -> LoadedDefinition:
        _warn_unchecked(self._engine)
        return LoadedDefinition(outline.main, {})

    def kept(self, outline: DefinitionOutline) -> LoadedDefinition:
        return self(outline)


@cache
def _warn_unchecked(engine: Engine) -> None:
    log.warning(
        "%s definitions are not checked, and %s runs are simulated, since %s is not installed: "
        "pip install 'airflow-provider-omics[%s]'",
        engine.language,
        engine.language,
        engine.tool,
        engine.extra,
    )


def _loaded(read: dict[str, Any]) -> LoadedDefinition:
    declared = Declarations(**read["declared"])
    return LoadedDefinition(main=read["main"], parameter_template=read["parameters"], declared=declared)
