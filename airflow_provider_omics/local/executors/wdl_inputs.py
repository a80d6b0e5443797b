"""Turns run parameters into a WDL workflow's inputs, and has every object in S3 that they name copied here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import WDL
from WDL import Env, Type, Value
from WDL.Error import InputError
from WDL.Tree import Decl

from airflow_provider_omics.local.executors.messages import Message
from airflow_provider_omics.local.workflows.archives import DefinitionError
from airflow_provider_omics.local.workflows.wdl_loading import Target


def bind_inputs(
    target: Target, parameters: Mapping[str, Any], folder: Path, ask: Callable[[Message], Message]
) -> Env.Bindings[Value.Base]:
    """Return the inputs with a local path in place of everything in S3.

    :param target: the loaded definition; the types of its inputs say which texts are files.
    :param parameters: the run's parameters; the workflow's name may stand before theirs.
    :param folder: directory that takes the files, in one directory for each prefix that they come from, so that
        an index stays beside what it belongs to.
    :param ask: asks the server for ``{"fetch": uri, "to": path, ...}``; it answers whether that is there, or ends
        the run when it has to be.
    :raises DefinitionError: a parameter is unknown or missing, or has a value of another type.
    """
    declared = {binding.name: binding.value for binding in target.available_inputs}
    stager = _Stager(folder, ask)
    prefix = f"{target.name}."
    given = {name.removeprefix(prefix): value for name, value in parameters.items()}
    values = {**_defaults_in_s3(declared, given), **given}
    localised = {
        name: stager.localise(name, value, declared[name].type) if name in declared else value
        for name, value in values.items()
    }
    try:
        return WDL.values_from_json(localised, target.available_inputs, target.required_inputs)
    except InputError as error:
        raise DefinitionError(f"The parameters do not fit {target.name}: {error}") from error


def _defaults_in_s3(declared: Mapping[str, Decl], given: Mapping[str, Any]) -> dict[str, str]:
    """Return the files in S3 that are defaults of inputs which the run does not give."""
    found = {}
    for name, decl in declared.items():
        literal = decl.expr.literal if decl.expr is not None and name not in given else None
        is_path = isinstance(decl.type, (Type.File, Type.Directory))
        if is_path and isinstance(literal, Value.String) and literal.value.startswith("s3://"):
            found[name] = literal.value
    return found


class _Stager:
    def __init__(self, folder: Path, ask: Callable[[Message], Message]) -> None:
        self._folder = folder
        self._ask = ask
        self._prefixes: dict[str, int] = {}
        self._fetched: dict[tuple[str, str], str] = {}

    def localise(self, where: str, value: Any, kind: Type.Base) -> Any:
        if isinstance(value, list):
            return [self.localise(f"{where}[{i}]", item, _item_type(kind, i)) for i, item in enumerate(value)]
        if isinstance(value, dict):
            return self._members(where, value, kind)
        if value is not None and isinstance(kind, (Type.File, Type.Directory)):
            return self._fetch(where, value, "File" if isinstance(kind, Type.File) else "Directory")
        return value

    def _members(self, where: str, value: dict[str, Any], kind: Type.Base) -> dict[str, Any]:
        members = {}
        for name, inner in value.items():
            key = name
            if isinstance(kind, Type.Map):
                key = self.localise(f"{where} key", name, kind.item_type[0])
            members[key] = self.localise(f"{where}.{name}", inner, _member_type(kind, name))
        return members

    def _fetch(self, where: str, uri: Any, kind: str) -> str:
        key = (kind, str(uri).rstrip("/"))
        if key not in self._fetched:
            source = PurePosixPath(key[1])
            number = self._prefixes.setdefault(str(source.parent), len(self._prefixes))
            target = self._folder / str(number) / source.name
            self._ask({"fetch": uri, "parameter": where, "class": kind, "to": str(target)})
            self._fetched[key] = str(target)
        return self._fetched[key]


def _item_type(kind: Type.Base, index: int) -> Type.Base:
    if isinstance(kind, Type.Array):
        return kind.item_type
    if isinstance(kind, Type.Pair) and index < 2:
        return (kind.left_type, kind.right_type)[index]
    return Type.Any()


def _member_type(kind: Type.Base, name: str) -> Type.Base:
    if isinstance(kind, Type.Map):
        return kind.item_type[1]
    if isinstance(kind, Type.Pair):
        return {"left": kind.left_type, "right": kind.right_type}.get(name, Type.Any())
    if isinstance(kind, Type.StructInstance) and kind.members:
        return kind.members.get(name, Type.Any())
    return Type.Any()
