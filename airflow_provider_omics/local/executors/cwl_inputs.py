"""Turns run parameters into a CWL job order, and has every object in S3 that they name copied to this machine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, cast

from cwltool.process import Process
from schema_salad.ref_resolver import Loader

from airflow_provider_omics.local.executors.cwl_secondary import (
    SecondaryPattern,
    patterns_of,
    patterns_of_steps,
    siblings_of,
)
from airflow_provider_omics.local.executors.messages import Message
from airflow_provider_omics.local.runs.parameters import REQUIREMENTS

_CLASSES = ("File", "Directory")
_REQUIREMENTS_OF_CWLTOOL = "https://w3id.org/cwl/cwl#requirements"


def job_order(
    process: Process, parameters: dict[str, Any], inputs: Path, ask: Callable[[Message], Message]
) -> dict[str, Any]:
    """Return the parameters with a local file in place of everything in S3.

    :param process: the loaded definition; its input types say which plain strings are files.
    :param parameters: the run's parameters.
    :param inputs: directory that takes the files, one directory for each.
    :param ask: asks the server for ``{"fetch": uri, "to": path, ...}``; it answers whether that is there, or ends
        the run when it has to be.
    """
    inputs_schema = cast("list[dict[str, Any]]", process.inputs_record_schema["fields"])
    fields = {field["name"]: field for field in inputs_schema}
    stager = _Stager(process, parameters, inputs, ask)
    order = {}
    for name, value in parameters.items():
        if name == REQUIREMENTS:
            order[_REQUIREMENTS_OF_CWLTOOL] = value
            continue
        field = fields.get(name, {})
        order[name] = stager.parameter(name, value, field)
    return order


class _Stager:
    def __init__(
        self, process: Process, parameters: Mapping[str, Any], inputs: Path, ask: Callable[[Message], Message]
    ) -> None:
        self._process = process
        self._parameters = parameters
        self._patterns_of_steps = patterns_of_steps(process)
        self._wanted_by_steps: list[SecondaryPattern] = []
        self._named_types = process.schemaDefs
        self._prefixes = Loader(cast("dict[str, Any]", process.metadata.get("$namespaces") or {}))
        self._inputs = inputs
        self._ask = ask
        self._numbers = itertools.count()

    def parameter(self, name: str, value: Any, declared: Mapping[str, Any]) -> Any:
        """Return the value of one parameter with local files in it."""
        self._wanted_by_steps = self._patterns_of_steps.get(name, [])
        return self.localise(name, value, declared.get("type"), declared)

    def localise(self, where: str, value: Any, kind: Any, declared: Mapping[str, Any]) -> Any:
        kinds = list(self._alternatives(kind))
        if isinstance(value, list):
            items = [item for each in kinds if isinstance(each, dict) for item in _as_list(each.get("items"))]
            return [self.localise(f"{where}[{i}]", item, items, declared) for i, item in enumerate(value)]
        if isinstance(value, dict):
            if value.get("class") in _CLASSES:
                return self._object(where, value, declared)
            return self._record(where, value, kinds)
        if isinstance(value, str) and (wanted := _class_of_text(value, kinds)):
            return self._object(where, {"class": wanted, "location": value, **_declared_format(declared)}, declared)
        return value

    def _record(self, where: str, value: dict[str, Any], kinds: list[Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for each in kinds:
            if isinstance(each, dict):
                fields |= {last_part(field["name"]): field for field in each.get("fields") or []}
        return {
            name: self.localise(f"{where}.{name}", inner, fields.get(name, {}).get("type"), fields.get(name, {}))
            for name, inner in value.items()
        }

    def _object(self, where: str, value: dict[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
        """Fetch a File or Directory into a directory of its own, with what belongs beside it."""
        uri = value.get("location") or value.get("path")
        folder = self._inputs / str(next(self._numbers))
        if uri is None:
            return self._literal(where, value)
        local = self._fetch(where, uri, value["class"], folder, value.get("basename"))
        found = {key: inner for key, inner in value.items() if key not in ("path", "location", "listing")}
        found["location"] = local.as_uri()
        if isinstance(found.get("format"), str):
            found["format"] = self._prefixes.expand_url(found["format"], "")
        if "secondaryFiles" in value:
            found["secondaryFiles"] = [
                self._beside(f"{where}.secondaryFiles[{i}]", other, folder)
                for i, other in enumerate(value["secondaryFiles"] or [])
            ]
        elif siblings := self._fetch_siblings(where, str(uri), folder, declared):
            found["secondaryFiles"] = siblings
        return found

    def _literal(self, where: str, value: dict[str, Any]) -> dict[str, Any]:
        listing = value.get("listing")
        if not isinstance(listing, list):
            return value
        members = [self.localise(f"{where}.listing[{i}]", each, None, {}) for i, each in enumerate(listing)]
        return {**value, "listing": members}

    def _beside(self, where: str, value: Any, folder: Path) -> dict[str, Any]:
        if isinstance(value, str):
            value = {"class": "File", "location": value}
        uri = value.get("location") or value.get("path")
        local = self._fetch(where, uri, value.get("class", "File"), folder, value.get("basename"))
        return {"class": value.get("class", "File"), "location": local.as_uri()}

    def _fetch(self, where: str, uri: Any, kind: str, folder: Path, name: str | None) -> Path:
        target = folder / PurePosixPath(name or str(uri).rstrip("/")).name
        self._ask({"fetch": uri, "parameter": where, "class": kind, "to": str(target)})
        return target

    def _fetch_siblings(self, where: str, uri: str, folder: Path, declared: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Fetch what belongs beside a file, as far as it is there, and return that; cwltool says what it misses."""
        patterns = [*patterns_of(declared, self._process), *self._wanted_by_steps]
        found: dict[str, dict[str, Any]] = {}
        for kind, other, name in siblings_of(uri, patterns, self._parameters):
            target = folder / name
            message = {"fetch": other, "parameter": where, "class": kind, "to": str(target), "optional": True}
            if other not in (uri, *found) and self._ask(message)["found"]:
                found[other] = {"class": kind, "location": target.as_uri()}
        return list(found.values())

    def _alternatives(self, kind: Any) -> Iterator[Any]:
        for each in _as_list(kind):
            if isinstance(each, str) and each in self._named_types:
                yield self._named_types[each]
            elif isinstance(each, dict) and isinstance(each.get("type"), (list, dict)):
                yield from self._alternatives(each["type"])
            else:
                yield each


def _class_of_text(text: str, kinds: Iterable[Any]) -> str | None:
    """Which class a plain string stands for: what the type asks for, unless it may as well be text."""
    names = [last_part(each) for each in kinds if isinstance(each, str)]
    wanted = next((name for name in names if name in _CLASSES), None)
    if wanted is None or (not text.startswith("s3://") and "string" in names):
        return None
    return wanted


def _declared_format(declared: Mapping[str, Any]) -> dict[str, str]:
    """Return the format that an input wants, or the first of several, as that of a file that nothing is said of."""
    formats = [each for each in _as_list(declared.get("format")) if isinstance(each, str) and "$" not in each]
    return {"format": formats[0]} if formats else {}


def last_part(name: str) -> str:
    """Return what a type, field or symbol is called, without the definition's and the file's names before it."""
    return name.replace("#", ".").replace("/", ".").split(".")[-1]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
