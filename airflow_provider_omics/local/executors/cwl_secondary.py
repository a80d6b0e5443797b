"""Finds which objects in S3 belong beside a File parameter: what ``secondaryFiles`` of a CWL definition ask for."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from cwl_utils.expression import do_eval
from cwltool.builder import substitute
from cwltool.process import Process, shortname
from cwltool.utils import aslist
from cwltool.workflow import Workflow


class Sibling(NamedTuple):
    """What belongs beside a File.

    :ivar kind: ``File`` or ``Directory``.
    :ivar name: what it is called here, which may be another name than in its URI.
    """

    kind: str
    uri: str
    name: str


class SecondaryPattern(NamedTuple):
    """One entry of ``secondaryFiles``.

    :ivar text: a suffix, with a caret for each extension to take away, or an expression.
    :ivar requirements: what the process that has it requires, such as JavaScript in expressions.
    """

    text: str
    requirements: Sequence[Any]

    @property
    def is_expression(self) -> bool:
        """Whether it has to be evaluated."""
        return "$(" in self.text or "${" in self.text


def patterns_of(declared: Mapping[str, Any], process: Process) -> list[SecondaryPattern]:
    """Return the patterns of one declared input or field, in its order.

    :param declared: the input, with ``secondaryFiles``.
    :param process: the process that it belongs to.
    """
    entries = [
        each.get("pattern") if isinstance(each, Mapping) else each for each in aslist(declared.get("secondaryFiles"))
    ]
    return [SecondaryPattern(text, process.requirements) for text in entries if isinstance(text, str)]


def patterns_of_steps(process: Process) -> dict[str, list[SecondaryPattern]]:
    """Return what tools of a workflow's steps ask for beside files of the workflow's own inputs, by their names.

    An engine looks beside files of the workflow's inputs only, so that what a step's tool declares has to be part of
    the input already.
    """
    found: dict[str, list[SecondaryPattern]] = {}
    for name, pattern in _of_steps(process):
        found.setdefault(name, []).append(pattern)
    return found


def siblings_of(uri: str, patterns: Sequence[SecondaryPattern], parameters: Mapping[str, Any]) -> Iterator[Sibling]:
    """Yield everything that belongs beside a File.

    :param uri: the File's.
    :param patterns: from :func:`patterns_of` and :func:`patterns_of_steps`.
    :param parameters: the run's parameters, which an expression may read as ``inputs``.
    """
    for pattern in patterns:
        if not pattern.is_expression:
            found = substitute(uri, pattern.text)
            yield Sibling("File", found, posixpath.basename(found))
            continue
        for each in aslist(_evaluate(pattern, uri, parameters)):
            yield from _place(uri, each)


def _of_steps(process: Process) -> Iterator[tuple[str, SecondaryPattern]]:
    if not isinstance(process, Workflow):
        return
    for step in process.steps:
        tool = step.embedded_tool
        inner = patterns_of_steps(tool)
        fields = {field["name"]: field for field in cast("list[dict[str, Any]]", tool.inputs_record_schema["fields"])}
        for given in step.tool["inputs"]:
            name = shortname(given["id"])
            patterns = [*patterns_of(fields.get(name, {}), tool), *inner.get(name, [])]
            for source in aslist(given.get("source")):
                yield from ((shortname(source), each) for each in patterns if _is_input(process, source))


def _is_input(process: Process, source: str) -> bool:
    return any(declared["id"] == source for declared in process.tool["inputs"])


def _evaluate(pattern: SecondaryPattern, uri: str, parameters: Mapping[str, Any]) -> Any:
    name = posixpath.basename(uri)
    root, extension = posixpath.splitext(name)
    file = {"class": "File", "location": uri, "path": uri, "basename": name, "nameroot": root, "nameext": extension}
    try:
        return do_eval(
            pattern.text, cast("Any", dict(parameters)), list(pattern.requirements), None, None, {}, cast("Any", file)
        )
    except Exception:
        # The engine evaluates it again, with all that it may read, and says what is wrong.
        return None


def _place(uri: str, named: Any) -> Iterator[Sibling]:
    if isinstance(named, str):
        named = {"class": "File", "location": named}
    if not isinstance(named, Mapping):
        return
    location = named.get("location") or named.get("path") or named.get("basename")
    if isinstance(location, str):
        found = location if "://" in location else f"{posixpath.dirname(uri)}/{location}"
        name = posixpath.basename(str(named.get("basename") or found))
        yield Sibling(str(named.get("class", "File")), found, name)
