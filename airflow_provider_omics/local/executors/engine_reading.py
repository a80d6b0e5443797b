"""Reads definitions for CreateWorkflow as their engines do: in processes of their own, within a bound of time."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
import zipfile
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.local.executors.engines import ENGINES, Engine
from airflow_provider_omics.local.workflows.definitions import DefinitionError, LoadedDefinition, Loader

if TYPE_CHECKING:
    from airflow_provider_omics.local.executors.engine_pool import EnginePool
    from airflow_provider_omics.local.executors.engine_processes import EngineProcess

log = logging.getLogger(__name__)

LONGEST_SECONDS = 120.0
"""Longest time, in real seconds, that reading one definition may take."""

_BLOCK_BYTES = 1 << 16
_MOST_KEPT = 256
# What was read, by content: tests make the same workflow on server after server, and loading an engine takes seconds.
_kept: dict[str, LoadedDefinition] = {}


def engine_readers(pool: EnginePool) -> dict[str, Loader]:
    """Return what reads definitions, by the API's names of the engines.

    Where an engine is not installed, its definitions are not checked and their parameters stay unknown.

    :param pool: where the engines are loaded.
    """
    return {
        name: EngineReader(pool, name) if engine.is_installed() else _UncheckedReader(engine)
        for name, engine in ENGINES.items()
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
        self._engine = ENGINES[name]
        self._seconds = seconds

    def __call__(self, archive: bytes, main: str) -> LoadedDefinition:
        """Load a definition and return what it says.

        :param archive: the zipped definition.
        :param main: path of the main file, maybe with the process in it after ``#``.
        :raises DefinitionError: with the engine's message, or because it took too long.
        """
        key = _key(self._name, archive, main)
        loaded = _kept.get(key)
        if loaded is None:
            loaded = self._load(archive, main)
            if len(_kept) >= _MOST_KEPT:
                _kept.clear()
            _kept[key] = loaded
        return loaded

    def kept(self, archive: bytes, main: str) -> LoadedDefinition | None:
        """Return what a definition says if it was loaded before, by whichever server of this process."""
        return _kept.get(_key(self._name, archive, main))

    def _load(self, archive: bytes, main: str) -> LoadedDefinition:
        try:
            process = self._pool.processes(self._engine).start()
        except OSError as error:
            raise DefinitionError(
                f"{self._engine.tool} could not be started to read the definition: {error}"
            ) from error
        try:
            process.directory.joinpath("definition.zip").write_bytes(archive)
            process.send({"directory": str(process.directory), "main": main, "engine": self._name})
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

    def __call__(self, _archive: bytes, main: str) -> LoadedDefinition:
        _warn_unchecked(self._engine)
        return LoadedDefinition(main, {})

    def kept(self, archive: bytes, main: str) -> LoadedDefinition:
        return self(archive, main)


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
    return LoadedDefinition(main=read["main"], parameter_template=read["parameters"])


def _key(engine: str, archive: bytes, main: str) -> str:
    digest = hashlib.sha256(f"{engine} {main!r}\n".encode())
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for info in sorted(opened.infolist(), key=lambda info: info.filename):
            digest.update(f"{info.filename!r} {info.file_size}\n".encode())
            with opened.open(info) as file:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
    return digest.hexdigest()
