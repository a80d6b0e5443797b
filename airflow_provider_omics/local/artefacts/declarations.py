"""The outputs that a workflow's definition declares, as far as can be told without its engine: WDL and CWL."""

from __future__ import annotations

import io
import logging
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArrayKind:
    """An array of outputs of one kind."""

    items: Kind


@dataclass(frozen=True, slots=True)
class OtherKind:
    """An output that is no file, with a value that it may have."""

    value: Any


Kind = Literal["File", "Directory"] | ArrayKind | OtherKind

# Longer files are left unread: YAML takes a second for each 100 kB.
_MOST_BYTES = 1 << 20
# None of these looks at a character more than a few times, however the text goes on.
_WDL_SKIPPED = re.compile(
    r"""(?P<command>\bcommand\s*<<<.*?(?:>>>|\Z))|(?P<comment>\#[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL,
)
_WDL_WORKFLOW = re.compile(r"\bworkflow\s+(?P<name>\w+)\s*\{")
_WDL_OUTPUT = re.compile(r"\boutput\s*\{")
_WDL_TOKEN = re.compile(r"\w+|[=!<>]=|[^\w\s]")
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


def declared_outputs(archive: bytes | None, engine: str, main: str | None) -> Declarations:
    """Return the outputs that the main file declares; none where there is no definition, or it cannot be read.

    :param archive: the zipped definition.
    :param engine: ``WDL``, ``WDL_LENIENT`` or ``CWL``.
    :param main: path of the main file in the archive; files of more than 1 MiB are not read.
    """
    if archive is None or main is None:
        return Declarations()
    path, _, entry = main.partition("#")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            if opened.getinfo(path).file_size > _MOST_BYTES:
                return Declarations()
            text = opened.read(path).decode("utf-8", errors="replace")
        return _cwl_outputs(text, entry or "main") if engine == "CWL" else _wdl_outputs(text)
    except Exception:
        # It was checked when the workflow was made; what this reader cannot follow has no outputs here.
        log.debug("The outputs that %s declares cannot be told", main, exc_info=True)
        return Declarations()


def _wdl_outputs(text: str) -> Declarations:
    plain = _WDL_SKIPPED.sub(" ", text)
    workflow = _WDL_WORKFLOW.search(plain)
    if workflow is None:
        return Declarations()
    body = _block(plain, workflow.end())
    section = _wdl_section(body)
    return Declarations(f"{workflow['name']}.", {name: _wdl_kind(kind) for kind, name in _wdl_declarations(section)})


def _wdl_section(body: str) -> str:
    """Return what is in the outputs section of a workflow, and not of what is inside of it."""
    depth = at = 0
    for match in _WDL_OUTPUT.finditer(body):
        depth += body.count("{", at, match.start()) - body.count("}", at, match.start())
        at = match.start()
        if depth == 0:
            return _block(body, match.end())
    return ""


def _wdl_declarations(section: str) -> Iterator[tuple[str, str]]:
    """Yield type and name of each declaration: what stands before a ``=``, after the expression before it."""
    before: list[str] = []
    for token in _WDL_TOKEN.findall(section):
        if token != "=":
            before.append(token)
            continue
        name = before.pop() if before else ""
        declared = _wdl_type(before)
        if name.isidentifier() and declared:
            yield declared, name
        before = []


def _wdl_type(tokens: list[str]) -> str:
    """Return the type at the end of these tokens, such as ``Array[File]+``; empty where there is none."""
    depth = 0
    for place in range(len(tokens) - 1, -1, -1):
        token = tokens[place]
        depth += (token == "]") - (token == "[")
        if depth < 0:
            return ""
        if depth == 0 and token not in ("?", "+", "["):
            return "".join(tokens[place:]) if token.isidentifier() else ""
    return ""


def _block(text: str, start: int) -> str:
    """Return what lies between a brace that ends before ``start`` and the one that closes it."""
    depth = 1
    for match in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return text[start : match.start()]
    return text[start:]


def _wdl_kind(declared: str) -> Kind:
    outer, bracket, inner = declared.rstrip("?+").partition("[")
    if outer in ("File", "Directory"):
        return "File" if outer == "File" else "Directory"
    if outer == "Array" and bracket:
        return ArrayKind(_wdl_kind(inner.rpartition("]")[0]))
    return OtherKind(_WDL_VALUES.get(outer, {}))


def _cwl_outputs(text: str, entry: str) -> Declarations:
    document = yaml.safe_load(text)
    if "$graph" in document:
        document = next((each for each in document["$graph"] if _name(each.get("id")) == entry), {})
    return Declarations(outputs={name: _cwl_kind(kind) for name, kind in _cwl_members(document.get("outputs") or {})})


def _cwl_members(outputs: Any) -> Iterator[tuple[str, Any]]:
    entries = outputs.items() if isinstance(outputs, Mapping) else ((each["id"], each) for each in outputs)
    for name, about in entries:
        kind = about["type"] if isinstance(about, Mapping) and "type" in about else about
        yield _name(name).rpartition("/")[2], kind


def _name(identifier: Any) -> str:
    """Return what an identifier such as ``file.cwl#main/bam`` names within its file."""
    # Anything else may be a list that YAML's aliases make larger than any memory, once it is text.
    return identifier.rpartition("#")[2] if isinstance(identifier, str) else ""


def _cwl_kind(kind: Any) -> Kind:
    if isinstance(kind, list):
        return next((_cwl_kind(each) for each in kind if each != "null"), OtherKind(None))
    if isinstance(kind, Mapping):
        if kind.get("type") == "array":
            return ArrayKind(_cwl_kind(kind.get("items")))
        if kind.get("type") == "enum":
            return OtherKind(next((_name(each).rpartition("/")[2] for each in kind.get("symbols") or ()), None))
        return OtherKind({})
    plain = str(kind).removesuffix("?")
    if plain.endswith("[]"):
        return ArrayKind(_cwl_kind(plain.removesuffix("[]")))
    if plain in ("File", "stdout", "stderr"):
        return "File"
    return "Directory" if plain == "Directory" else OtherKind(_CWL_VALUES.get(plain))
