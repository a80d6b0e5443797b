"""The outputs that a workflow's definition declares, as far as can be told without its engine: WDL and CWL."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import yaml


@dataclass(frozen=True, slots=True)
class ArrayKind:
    """An array of outputs of one kind."""

    items: Kind


@dataclass(frozen=True, slots=True)
class OtherKind:
    """An output that is no file, with a value that it may have."""

    value: Any


Kind = Literal["File", "Directory"] | ArrayKind | OtherKind

_WDL_SKIPPED = re.compile(
    r"""(?P<command>\bcommand\s*<<<.*?>>>)|(?P<comment>\#[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL,
)
_WDL_WORKFLOW = re.compile(r"\bworkflow\s+(?P<name>\w+)\s*\{")
_WDL_OUTPUT = re.compile(r"\boutput\s*\{")
_WDL_DECLARATION = re.compile(r"(?P<type>[A-Za-z]\w*(?:\s*\[[\w\s,\[\]?+]*\])?[?+]?)\s+(?P<name>[A-Za-z]\w*)\s*=(?!=)")
_WDL_VALUES: Mapping[str, Any] = {"Int": 1, "Float": 1.0, "Boolean": True, "String": "simulated"}
_CWL_VALUES: Mapping[str, Any] = {
    "int": 1,
    "long": 1,
    "float": 1.0,
    "double": 1.0,
    "boolean": True,
    "string": "simulated",
}


@dataclass(frozen=True, slots=True)
class Declarations:
    """The outputs of one workflow.

    :ivar prefix: what the summary of outputs puts before each name.
    """

    prefix: str = ""
    outputs: Mapping[str, Kind] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """Return the name that an output has in the summary."""
        return f"{self.prefix}{name}"


@lru_cache(maxsize=64)
def declared_outputs(archive: bytes | None, engine: str, main: str | None) -> Declarations:
    """Return the outputs that the main file declares; none where there is no definition, or it cannot be read.

    :param archive: the zipped definition.
    :param engine: ``WDL``, ``WDL_LENIENT`` or ``CWL``.
    :param main: path of the main file in the archive.
    """
    if archive is None or main is None:
        return Declarations()
    path, _, entry = main.partition("#")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            text = opened.read(path).decode("utf-8", errors="replace")
        return _cwl_outputs(text, entry or "main") if engine == "CWL" else _wdl_outputs(text)
    except (KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile, yaml.YAMLError):
        # It was checked when the workflow was made; what this reader cannot follow has no outputs here.
        return Declarations()


def _wdl_outputs(text: str) -> Declarations:
    plain = _WDL_SKIPPED.sub(" ", text)
    workflow = _WDL_WORKFLOW.search(plain)
    if workflow is None:
        return Declarations()
    body = _block(plain, workflow.end())
    section = next((match for match in _WDL_OUTPUT.finditer(body) if _depth(body, match.start()) == 0), None)
    declared = _WDL_DECLARATION.finditer(_block(body, section.end())) if section else iter(())
    return Declarations(f"{workflow['name']}.", {each["name"]: _wdl_kind(each["type"]) for each in declared})


def _block(text: str, start: int) -> str:
    """Return what lies between a brace that ends before ``start`` and the one that closes it."""
    depth = 1
    for match in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return text[start : match.start()]
    return text[start:]


def _depth(text: str, end: int) -> int:
    return text.count("{", 0, end) - text.count("}", 0, end)


def _wdl_kind(declared: str) -> Kind:
    outer, bracket, inner = declared.replace(" ", "").rstrip("?+").partition("[")
    if outer in ("File", "Directory"):
        return "File" if outer == "File" else "Directory"
    if outer == "Array" and bracket:
        return ArrayKind(_wdl_kind(inner.rpartition("]")[0]))
    return OtherKind(_WDL_VALUES.get(outer, {}))


def _cwl_outputs(text: str, entry: str) -> Declarations:
    document = yaml.safe_load(text)
    if "$graph" in document:
        document = next(each for each in document["$graph"] if str(each.get("id", "")).lstrip("#") == entry)
    return Declarations(outputs={name: _cwl_kind(kind) for name, kind in _cwl_members(document.get("outputs") or {})})


def _cwl_members(outputs: Any) -> Iterator[tuple[str, Any]]:
    entries = outputs.items() if isinstance(outputs, Mapping) else ((each["id"], each) for each in outputs)
    for name, about in entries:
        kind = about["type"] if isinstance(about, Mapping) and "type" in about else about
        yield str(name).lstrip("#").rpartition("/")[2], kind


def _cwl_kind(kind: Any) -> Kind:
    if isinstance(kind, list):
        return next((_cwl_kind(each) for each in kind if each != "null"), OtherKind(None))
    if isinstance(kind, Mapping):
        if kind.get("type") == "array":
            return ArrayKind(_cwl_kind(kind.get("items")))
        if kind.get("type") == "enum":
            return OtherKind(str(kind["symbols"][0]).rpartition("/")[2])
        return OtherKind({})
    plain = str(kind).removesuffix("?")
    if plain.endswith("[]"):
        return ArrayKind(_cwl_kind(plain.removesuffix("[]")))
    if plain in ("File", "stdout", "stderr"):
        return "File"
    return "Directory" if plain == "Directory" else OtherKind(_CWL_VALUES.get(plain))
