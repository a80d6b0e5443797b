"""Finds CWL documents that import, run or contain themselves, which no engine reads to an end."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from urllib.parse import unquote

import yaml

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.workflows.bundle import DefinitionError

TextOf = Callable[[str], str | None]
"""Returns the text of a file of the definition by its path there; None where it has none."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_MOST_VALUES = 1_000_000
_DEEPEST = 500
# libyaml is many times faster; of what either reads, only events are taken, since composing would nest calls.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STARTS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_ENDS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
_NO_VALUE = ("", "~", "null")
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
    walk.queue(main, _Role.PROCESS)
    _finish(walk, main)


@dataclass(frozen=True)
class References:
    """What a CWL document and all that it refers to say.

    :param issues: references that lead nowhere or out of the definition, and files that cannot be read.
    :param is_closed: whether it can be given to an engine, which would then read nothing but the definition, and end.
    :param documents: paths of the files with a CWL process, without the one that was asked for.
    """

    issues: tuple[Issue, ...]
    is_closed: bool
    documents: tuple[str, ...]
    _walk: _Walk

    def place(self, text: str) -> str | None:
        """Return where a reference, or the name of a member, stands: in the only place that has it."""
        found = {
            document.place(node)
            for document in self._walk.documents()
            for node in document.nodes()
            if node.text is not None and (node.text == text or (text.startswith("#") and node.text.endswith(text)))
        }
        return found.pop() if len(found) == 1 else None

    def empty_members(self, names: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield the members of these names that have no value, each with its place."""
        for document in self._walk.documents():
            for node in document.nodes():
                for name, value in node.members().items():
                    if name in names and not value.text and not value.within and not value.is_collection:
                        yield document.place(value), name


def read_references(main: str, text_of: TextOf) -> References:
    """Follow all references of a CWL document.

    :param main: path of the document.
    :param text_of: has the files of its definition.
    """
    walk = _Walk(text_of)
    try:
        walk.queue(main, _Role.PROCESS)
        _finish(walk, main)
    except DefinitionError as error:
        walk.issues += error.issues
        walk.is_closed = False
    processes = [document.path for document in walk.documents() if "class" in document.root.members()]
    others = tuple(path for path in processes if path != main)
    return References(tuple(dict.fromkeys(walk.issues)), walk.is_closed, others, walk)


def _finish(walk: _Walk, main: str) -> None:
    try:
        walk.finish()
    except RecursionError:
        raise DefinitionError(f"{main}:1", *_TOO_DEEP) from None


class _Role(Enum):
    """What a value stands for: only a step's ``run`` is a reference, whatever else has a member of that name."""

    PROCESS = auto()
    STEPS = auto()
    STEP = auto()
    DATA = auto()

    def of_member(self, name: str | None) -> _Role:
        """Return what a member of a map stands for."""
        return _Role.STEP if self is _Role.STEPS else _MEMBERS.get((self, name), _Role.DATA)

    def of_entry(self) -> _Role:
        """Return what an entry of a list stands for: processes and steps may be listed, and lists be imported."""
        return _Role.STEP if self is _Role.STEPS else self


_MEMBERS: dict[tuple[_Role, str | None], _Role] = {
    (_Role.PROCESS, "$graph"): _Role.PROCESS,
    (_Role.PROCESS, "steps"): _Role.STEPS,
    (_Role.STEP, "run"): _Role.PROCESS,
}


@dataclass(eq=False, slots=True)
class _Node:
    """A value of a document; aliases of one value are the same node.

    :ivar text: of a scalar; None for a list or map.
    :ivar is_collection: whether it is a list or map.
    :ivar within: the entries of a list, the keys and values of a map in turn.
    """

    line: int = 1
    column: int = 1
    text: str | None = None
    is_map: bool = False
    is_collection: bool = False
    within: list[_Node] = field(default_factory=list)

    def roles(self, role: _Role) -> Iterator[tuple[_Node, _Role]]:
        """Yield the values within, each with what it stands for where this one has a role."""
        if not self.is_map:
            yield from ((each, role.of_entry()) for each in self.within)
        for key, value in zip(self.within[::2], self.within[1::2], strict=False) if self.is_map else ():
            yield key, _Role.DATA
            yield value, role.of_member(key.text)

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

    def nodes(self) -> Iterator[_Node]:
        """Yield all values that it has, each once."""
        waiting, seen = [self.root], set[int]()
        while waiting:
            node = waiting.pop()
            if id(node) not in seen:
                seen.add(id(node))
                yield node
                waiting.extend(node.within)

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
    role: _Role


_RUN = ("run", "runs", _Role.PROCESS)


class _Walk:
    """Goes once through each node, whatever refers to it how often."""

    def __init__(self, text_of: TextOf) -> None:
        self._text_of = text_of
        self.issues: list[Issue] = []
        self.is_closed = True
        self._documents: dict[str, _Document | None] = {}
        self._queued: set[tuple[str, _Role]] = set()
        self._waiting: list[tuple[_Document, _Role]] = []
        self._sizes: dict[tuple[int, _Role], int] = {}
        # The nodes that the one at hand is within, with their files.
        self._open: dict[int, str] = {}

    def queue(self, path: str, role: _Role) -> _Document | None:
        """Return a document, which is walked through by itself too; None if there is none, or it cannot be read."""
        if path not in self._documents:
            self._documents[path] = self._read(path)
        document = self._documents[path]
        if document is not None and (path, role) not in self._queued:
            self._queued.add((path, role))
            self._waiting.append((document, role))
        return document

    def documents(self) -> list[_Document]:
        """Return the documents that could be read, in the order in which they were found."""
        return [document for document in self._documents.values() if document is not None]

    def finish(self) -> None:
        """Walk through all documents that were queued, and those that they refer to.

        :raises DefinitionError: one of them does not come to an end.
        """
        while self._waiting:
            document, role = self._waiting.pop()
            self._size(document.root, document, role)

    def _read(self, path: str) -> _Document | None:
        try:
            text = self._text_of(path)
            # Tabs, which JSON may have and YAML's indentation may not, mean nothing here.
            root = None if text is None else _first_value(path, text.replace("\t", " "))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            where = f"{path}:1" if mark is None else f"{path}:{mark.line + 1}:{mark.column + 1}"
            self.issues.append(Issue(where, f"is neither YAML nor JSON: {error.problem}", "Correct the syntax"))
            return None
        except (yaml.YAMLError, UnicodeError) as error:
            self.issues.append(Issue(f"{path}:1", f"is neither YAML nor JSON: {error}", "Correct the syntax"))
            return None
        if text is not None and root is None:
            self.issues.append(Issue(f"{path}:1", "is empty", "Write a CWL process into it"))
        return None if root is None else _Document(path, root)

    def _size(self, node: _Node, document: _Document, role: _Role) -> int:
        key = id(node)
        if (key, role) in self._sizes:
            return self._sizes[key, role]
        self._open[key] = document.path
        size = 1
        for part in self._parts(node, document, role):
            if id(part.node) in self._open:
                raise DefinitionError(part.place, self._cycle(part), "Remove that reference")
            size += self._size(part.node, part.document, part.role)
        if size > _MOST_VALUES:
            what = f"comes to more than {_MOST_VALUES:,} values with all that it imports, runs and repeats"
            raise DefinitionError(document.place(node), what, "Have it refer to fewer things, or less often")
        del self._open[key]
        self._sizes[key, role] = size
        return size

    def _cycle(self, part: _Part) -> str:
        keys = list(self._open)
        files = [self._open[key] for key in keys[keys.index(id(part.node)) :]] + [part.document.path]
        way = [file for number, file in enumerate(files) if not number or file != files[number - 1]]
        return f"{part.verb} itself" + (f" ({' -> '.join(way)})" if len(way) > 1 else "")

    def _parts(self, node: _Node, document: _Document, role: _Role) -> Iterator[_Part]:
        for each, meant in node.roles(role):
            yield _Part(each, document, document.place(each), "contains an alias of", meant)
        members = node.members()
        included = members.get("$include", _NOTHING)
        if self._has_value(included, document, "$include"):
            self._path(included, document, "includes", document.expanded(included.text or ""))
        for name, verb, meant in (("$import", "imports", role), ("$mixin", "imports", role), _RUN):
            reference = members.get(name, _NOTHING)
            if (name != "run" or role is _Role.STEP) and self._has_value(reference, document, name):
                yield from self._target(reference, document, verb, meant)

    def _has_value(self, reference: _Node, document: _Document, name: str) -> bool:
        """Whether a reference leads anywhere; add an issue if it is there, and empty."""
        if reference.text in _NO_VALUE:
            fix = "Give the path of a file of the definition"
            self.issues.append(Issue(document.place(reference), f"{name} has no value", fix))
        return reference.text is not None and reference.text not in _NO_VALUE

    def _target(self, reference: _Node, document: _Document, verb: str, role: _Role) -> Iterator[_Part]:
        written, _, fragment = document.expanded(reference.text or "").partition("#")
        path = self._path(reference, document, verb, written) if written else document.path
        # What is beside an imported part is read too, and is no process for that.
        found = None if path is None else self.queue(path, role if role is _Role.PROCESS else _Role.DATA)
        if found is None:
            return
        node = found.root if verb == "imports" and not fragment else found.entry(fragment)
        if node is not None:
            yield _Part(node, found, document.place(reference), verb, role)

    def _path(self, reference: _Node, document: _Document, verb: str, written: str) -> str | None:
        """Return the path of what is referred to; None, with an issue, if the definition does not have it."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(document.path), unquote(written)))
        what = ""
        if _SCHEME.match(written):
            what = f"{verb} {written}, and HealthOmics reads only files of the definition"
        elif path.startswith(("/", "../")):
            what = f"{verb} {written}, which lies outside of the definition"
        if what:
            self.is_closed = False
            fix = "Put a copy of it into the definition, and refer to that by its path from here"
            self.issues.append(Issue(document.place(reference), what, fix))
            return None
        if self._text_of(path) is None:
            fix = f"Put the file into the definition, as {path}, or correct the path"
            self.issues.append(Issue(document.place(reference), f"{verb} {written}, and there is no such file", fix))
            return None
        return path


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
    is_map, is_collection = isinstance(event, yaml.MappingStartEvent), isinstance(event, _STARTS)
    return _Node(line, column, getattr(event, "value", None), is_map, is_collection)


def _names(node: _Node) -> set[str]:
    members = node.members()
    names = (members.get(each, _NOTHING).text for each in ("id", "name"))
    return {name.rpartition("#")[2] for name in names if name}
