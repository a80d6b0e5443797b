"""Finds CWL documents that import, run or contain themselves, which no engine reads to an end."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import yaml

from airflow_provider_omics.workflows.bundle import DefinitionError

TextOf = Callable[[str], str | None]
"""Returns the text of a file of the definition by its path there; None where it has none."""

_IMPORTS = ("$import", "$mixin")
_MOST_VALUES = 1_000_000
_DEEPEST = 500
# libyaml is many times faster; of what either reads, only events are taken, since composing would nest calls.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STARTS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_ENDS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
_TOO_DEEP = ("is nested too deeply to be read", "Give its parts files of their own, and nest them less")


def check_references(main: str, text_of: TextOf) -> None:
    """Check that a CWL document comes to an end once all that it imports, runs and repeats is put in its place.

    What cannot be read, and what is not there, is left to the engine.

    :param main: path of the document.
    :param text_of: has the files of its definition.
    :raises DefinitionError: it imports, runs or contains itself, maybe by way of others, comes to more than 1,000,000
        values, or is nested too deeply.
    """
    walk = _Walk(text_of)
    walk.queue(main)
    try:
        walk.finish()
    except RecursionError:
        raise DefinitionError(f"{main}:1", *_TOO_DEEP) from None


@dataclass(eq=False, slots=True)
class _Node:
    """A value of a document; aliases of one value are the same node.

    :ivar text: of a scalar; None for a list or map.
    :ivar within: the entries of a list, the keys and values of a map in turn.
    """

    line: int = 1
    column: int = 1
    text: str | None = None
    is_map: bool = False
    within: list[_Node] = field(default_factory=list)

    def members(self) -> dict[str, _Node]:
        """Return the values of a map by their keys; nothing for what is no map."""
        pairs = zip(self.within[::2], self.within[1::2], strict=False) if self.is_map else ()
        return {key.text: value for key, value in pairs if key.text is not None}


_NOTHING = _Node()


@dataclass(frozen=True)
class _Document:
    """One file of a definition.

    :ivar path: where it is in the definition.
    """

    path: str
    root: _Node

    def place(self, node: _Node) -> str:
        """Return file, line and column of a node."""
        return f"{self.path}:{node.line}:{node.column}"

    def entry(self, fragment: str) -> _Node | None:
        """Return the process or type of an id: the document itself, or one in its ``$graph`` or list."""
        graph = self.root.members().get("$graph")
        if not fragment:
            # Of several processes, the one called main is run.
            return self.root if graph is None else self.entry("main")
        several = self.root if graph is None else graph
        entries = [self.root] if several.is_map else several.within
        return next((each for each in entries if fragment in _names(each)), None)

    def expanded(self, reference: str) -> str:
        """Return a reference with the prefix that ``$namespaces`` declares replaced."""
        prefix, colon, rest = reference.partition(":")
        namespace = self.root.members().get("$namespaces", _NOTHING).members().get(prefix, _NOTHING)
        return f"{namespace.text}{rest}" if colon and namespace.text is not None else reference


@dataclass(frozen=True)
class _Part:
    """What stands in a node once it is expanded.

    :ivar document: the file that the node is of.
    :ivar place: where it is put.
    :ivar verb: how it gets there.
    """

    node: _Node
    document: _Document
    place: str
    verb: str


class _Walk:
    """Goes once through each node, whatever refers to it how often."""

    def __init__(self, text_of: TextOf) -> None:
        self._text_of = text_of
        self._documents: dict[str, _Document | None] = {}
        self._waiting: list[_Document] = []
        self._sizes: dict[int, int] = {}
        # The nodes that the one at hand is within, with their files.
        self._open: dict[int, str] = {}

    def queue(self, path: str) -> _Document | None:
        """Return a document, which is walked through by itself too; None if there is none, or it cannot be read."""
        if path not in self._documents:
            document = self._documents[path] = self._read(path)
            if document is not None:
                self._waiting.append(document)
        return self._documents[path]

    def finish(self) -> None:
        """Walk through all documents that were queued, and those that they refer to.

        :raises DefinitionError: one of them does not come to an end.
        """
        while self._waiting:
            document = self._waiting.pop()
            self._size(document.root, document)

    def _read(self, path: str) -> _Document | None:
        text = self._text_of(path)
        if text is None:
            return None
        try:
            # Tabs, which JSON may have and YAML's indentation may not, mean nothing here.
            root = _first_value(path, text.replace("\t", " "))
        except (yaml.YAMLError, UnicodeError):
            return None
        return None if root is None else _Document(path, root)

    def _size(self, node: _Node, document: _Document) -> int:
        key = id(node)
        if key in self._sizes:
            return self._sizes[key]
        self._open[key] = document.path
        size = 1
        for part in self._parts(node, document):
            if id(part.node) in self._open:
                raise DefinitionError(part.place, self._cycle(part), "Remove that reference")
            size += self._size(part.node, part.document)
        if size > _MOST_VALUES:
            what = f"comes to more than {_MOST_VALUES:,} values with all that it imports, runs and repeats"
            raise DefinitionError(document.place(node), what, "Have it refer to fewer things, or less often")
        del self._open[key]
        self._sizes[key] = size
        return size

    def _cycle(self, part: _Part) -> str:
        keys = list(self._open)
        files = [self._open[key] for key in keys[keys.index(id(part.node)) :]] + [part.document.path]
        way = [file for number, file in enumerate(files) if not number or file != files[number - 1]]
        return f"{part.verb} itself" + (f" ({' -> '.join(way)})" if len(way) > 1 else "")

    def _parts(self, node: _Node, document: _Document) -> Iterator[_Part]:
        for each in node.within:
            yield _Part(each, document, document.place(each), "contains an alias of")
        members = node.members()
        is_step = "in" in members or "out" in members
        for name, verb in [(each, "imports") for each in _IMPORTS] + [("run", "runs")] * is_step:
            reference = members.get(name, _NOTHING)
            if reference.text is not None:
                yield from self._target(reference, document, verb)

    def _target(self, reference: _Node, document: _Document, verb: str) -> Iterator[_Part]:
        path, _, fragment = document.expanded(reference.text or "").partition("#")
        if path:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(document.path), unquote(path)))
        found = self.queue(path or document.path)
        if found is None:
            return
        node = found.root if verb == "imports" and not fragment else found.entry(fragment)
        if node is not None:
            yield _Part(node, found, document.place(reference), verb)


def _first_value(path: str, text: str) -> _Node | None:
    """Return the first document of a YAML stream.

    :raises yaml.YAMLError: it is not YAML.
    :raises DefinitionError: it is nested too deeply.
    """
    anchors: dict[str | None, _Node] = {}
    open_nodes = [_Node()]
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.DocumentEndEvent):
            break
        if isinstance(event, _ENDS):
            open_nodes.pop()
        elif isinstance(event, yaml.AliasEvent):
            open_nodes[-1].within.append(anchors.get(event.anchor, _NOTHING))
        elif isinstance(event, (yaml.ScalarEvent, *_STARTS)):
            node = _node(event)
            anchors[event.anchor] = node
            open_nodes[-1].within.append(node)
            if isinstance(event, _STARTS):
                open_nodes.append(node)
        if len(open_nodes) > _DEEPEST:
            raise DefinitionError(f"{path}:{open_nodes[-1].line}", *_TOO_DEEP)
    return next(iter(open_nodes[0].within), None)


def _node(event: yaml.NodeEvent) -> _Node:
    mark = event.start_mark
    line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
    return _Node(line, column, getattr(event, "value", None), isinstance(event, yaml.MappingStartEvent))


def _names(node: _Node) -> set[str]:
    members = node.members()
    names = (members.get(each, _NOTHING).text for each in ("id", "name"))
    return {name.rpartition("#")[2] for name in names if name}
