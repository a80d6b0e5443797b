"""The types of a workflow's parameters, as its definition says: WDL, CWL, and Nextflow with a schema."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

UNREADABLE_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError)
"""What zipfile raises for an archive that is damaged, encrypted, or compressed in a way that it does not know."""
_MOST_ARCHIVE_BYTES = 20 << 20
_MOST_FILES, _MOST_FILE_BYTES, _MOST_BYTES = 5000, 4 << 20, 40 << 20
_DOWNLOAD_SECONDS, _PARSING_SECONDS = 20, 60
_READ_SUFFIXES = (".wdl", ".cwl", "nextflow_schema.json")
_NEXTFLOW = {
    "integer": "int",
    "number": "float",
    "boolean": "boolean",
    "string": "string",
    "array": "json",
    "object": "json",
}
_CWL = {
    "int": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "boolean": "boolean",
    "string": "string",
    "File": "file",
    "Directory": "directory",
    "enum": "string",
    "record": "json",
}
_WDL_TYPES = "airflow_provider_omics.healthomics.run_settings.wdl_types"
# What a parser needs of the worker's environment; no credentials.
_KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")


class DefinitionUnreadableError(Exception):
    """A definition cannot be read, or does not say the types of its parameters."""


class UnfinishedError(DefinitionUnreadableError):
    """A process took too long.

    :ivar said: what it had printed until then.
    """

    def __init__(self, what: str, said: str) -> None:
        super().__init__(what)
        self.said = said


def is_exported(setting: Mapping[str, Any]) -> bool:
    """Whether the definition of a workflow can be had: neither a shared one's nor a Ready2Run workflow's can."""
    return setting.get("workflowOwnerId") is None and setting.get("workflowType") in (None, "PRIVATE")


def is_supported(engine: str) -> bool:
    """Whether what reads the definitions of an engine is installed."""
    return not engine.startswith("WDL") or find_spec("WDL") is not None


def download(link: str) -> bytes:
    """Fetch a definition from where GetWorkflow says that it is, within 20 MiB and as many seconds for each answer.

    :raises DefinitionUnreadableError: it is larger, or the link leads nowhere that can be read.
    :raises OSError: it cannot be fetched.
    """
    if not link.startswith(("https://", "http://")):
        raise DefinitionUnreadableError("its link is no URL")
    with urllib.request.urlopen(link, timeout=_DOWNLOAD_SECONDS) as answer:
        content: bytes = answer.read(_MOST_ARCHIVE_BYTES + 1)
    if len(content) > _MOST_ARCHIVE_BYTES:
        raise DefinitionUnreadableError(f"it is larger than {_MOST_ARCHIVE_BYTES >> 20} MiB")
    return content


def definition_types(archive: bytes, engine: str, main: str | None) -> dict[str, str]:
    """Return the types of a workflow's parameters, by the names that ``parameter_types`` has for them.

    A parameter that takes values of several types is left out.

    :param archive: the zipped definition.
    :param engine: ``WDL``, ``WDL_LENIENT``, ``CWL`` or ``NEXTFLOW``.
    :param main: path of the main file in the archive, of CWL maybe with a process in it after ``#``; None for the
        only one, or the one that is named main.
    :raises DefinitionUnreadableError: it does not say.
    """
    files = read_files(archive, _READ_SUFFIXES)
    if engine == "NEXTFLOW":
        return _nextflow_types(files)
    suffix = ".cwl" if engine == "CWL" else ".wdl"
    path, entry = main or _main(files, suffix), "main"
    if suffix == ".cwl" and path not in files:
        path, _, entry = path.partition("#")
    if path not in files:
        raise DefinitionUnreadableError(f"it has no {path}")
    return _cwl_types(files[path], entry) if suffix == ".cwl" else _wdl_types(files, path)


def read_files(archive: bytes, suffixes: tuple[str, ...]) -> dict[str, bytes]:
    """Return the files of a zipped definition whose names end in one of some ways, by their names.

    :raises DefinitionUnreadableError: it is no archive, or has too many such files, or too large ones.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            wanted = [info for info in opened.infolist() if info.filename.endswith(suffixes)]
            sizes = [info.file_size for info in wanted]
            if len(sizes) > _MOST_FILES or max(sizes, default=0) > _MOST_FILE_BYTES or sum(sizes) > _MOST_BYTES:
                raise DefinitionUnreadableError("it has too many files, or too large ones")
            return {info.filename.removeprefix("./"): opened.read(info) for info in wanted}
    except UNREADABLE_ZIP as error:
        raise DefinitionUnreadableError(f"it is no zip archive that can be read: {error}") from error


def _main(files: Mapping[str, bytes], suffix: str) -> str:
    found = sorted(name for name in files if name.endswith(suffix))
    named = [name for name in found if PurePosixPath(name).stem == "main"]
    only = found if len(found) == 1 else named
    if len(only) != 1:
        raise DefinitionUnreadableError(f"it has {len(found)} {suffix} files, and does not say which is the main one")
    return only[0]


def _nextflow_types(files: Mapping[str, bytes]) -> dict[str, str]:
    schemas = sorted(
        (name for name in files if name.endswith("nextflow_schema.json")), key=lambda name: name.count("/")
    )
    if not schemas:
        raise DefinitionUnreadableError("it has no nextflow_schema.json")
    groups = schema_groups(json.loads(files[schemas[0]]))
    members = [item for group in groups for item in (group.get("properties") or {}).items()]
    return {name: _NEXTFLOW[about["type"]] for name, about in members if str(about.get("type")) in _NEXTFLOW}


def schema_groups(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the parts of a ``nextflow_schema.json`` that may define parameters: itself, and its groups."""
    groups = (schema.get(name) for name in ("definitions", "$defs"))
    # A list in their place is a mistake, also an empty one.
    return [schema, *(group for named in groups if named is not None for group in named.values())]


def _cwl_types(main: bytes, entry: str) -> dict[str, str]:
    document = yaml.safe_load(main)
    if "$graph" in document:
        processes = [each for each in document["$graph"] if str(each.get("id", "")).lstrip("#") == entry]
        document = processes[0] if processes else {}
    inputs = document.get("inputs") or {}
    if isinstance(inputs, list):
        inputs = {str(entry["id"]).lstrip("#").rpartition("/")[2]: entry for entry in inputs}
    given = {name: entry.get("type") if isinstance(entry, Mapping) else entry for name, entry in inputs.items()}
    types = {str(name): _cwl_type(kind) for name, kind in given.items()}
    return {name: kind for name, kind in types.items() if kind is not None}


def _cwl_type(kind: Any) -> str | None:
    if isinstance(kind, list):
        others = [each for each in kind if each != "null"]
        return _cwl_type(others[0]) if len(others) == 1 else None
    if isinstance(kind, Mapping):
        if kind.get("type") == "array":
            return _cwl_array(_cwl_type(kind.get("items")))
        return _cwl_type(kind.get("type"))
    if not isinstance(kind, str):
        return None
    plain = kind.removesuffix("?")
    return _cwl_array(_cwl_type(plain.removesuffix("[]"))) if plain.endswith("[]") else _CWL.get(plain)


def _cwl_array(item: str | None) -> str | None:
    if item is None:
        return None
    return "json" if item == "json" or item.endswith("[]") else f"{item}[]"


def _wdl_types(files: Mapping[str, bytes], main: str) -> dict[str, str]:
    """Have a process of its own read WDL: it is somebody's code, of any size."""
    with tempfile.TemporaryDirectory(prefix="omics-definition-") as folder:
        for name, content in _inside(files, Path(folder).resolve()):
            name.parent.mkdir(parents=True, exist_ok=True)
            name.write_bytes(content)
        done = start_process(_WDL_TYPES, folder, main)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        raise DefinitionUnreadableError(f"miniwdl cannot read it: {last[0][:300]}")
    types: dict[str, str] = json.loads(done.stdout)
    return types


def start_process(module: str, *arguments: str, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a module in a process of its own, without credentials, to its end.

    :param cwd: the folder that it works in; None for this process's.
    :raises UnfinishedError: it takes too long.
    """
    environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    # What a definition has must not be taken for a module of Python's.
    command = [sys.executable, *(["-P"] if cwd else []), "-m", module, *arguments]
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, timeout=_PARSING_SECONDS, check=False, text=True, cwd=cwd
        )
    except subprocess.TimeoutExpired as error:
        # Bytes, also where text was asked for.
        said = error.output.decode(errors="replace") if isinstance(error.output, bytes) else error.output or ""
        raise UnfinishedError(f"it takes longer than {_PARSING_SECONDS} seconds to read", said) from error


def _inside(files: Mapping[str, bytes], folder: Path) -> Iterator[tuple[Path, bytes]]:
    for name, content in files.items():
        path = (folder / name).resolve()
        if not path.is_relative_to(folder):
            raise DefinitionUnreadableError(f"it has {name!r}, which lies outside of the archive")
        yield path, content
