"""Finds what is wrong with WDL documents and all that they import; runs in the process that miniwdl has of its own."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow_provider_omics.healthomics.run_settings.wdl_types import load_document
from airflow_provider_omics.workflows.bundle import why_not_text

_MOST_CHECKED, _MOST_SHOWN = 50, 40
_UNEXPECTED = re.compile(
    r"Unexpected token Token\('(?P<kind>[^']*)', (?P<quote>['\"])(?P<text>.*?)(?P=quote)\) "
    r"at line \d+, column \d+\.?\s*"
    r"(?:Expected one of:\s*(?P<wanted>.*?))?(?:\s*Previous tokens:.*)?$",
    re.DOTALL,
)
_TERMINALS = {
    "$END": "the end of the file",
    "CNAME": "a name",
    "LBRACE": "{",
    "RBRACE": "}",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "COMMA": ",",
    "COLON": ":",
    "DOT": ".",
    "EQUAL": "=",
    "QMARK": "?",
    "ESCAPED_STRING": "text in quotes",
}
_WORD = re.compile(r"[A-Z]{3,}")
_OPERATORS = frozenset({"PLUS", "MINUS", "STAR", "SLASH", "PERCENT", "LESSTHAN", "MORETHAN", "BANG"})
_WORKFLOW = re.compile(r"^[ \t]*workflow\s+\w+", re.MULTILINE)


@dataclass(frozen=True)
class Problem:
    """One thing that a person has to mend.

    :param file: path in the definition.
    :param fix: what to do; empty for what is evident from the message.
    """

    file: str
    line: int
    column: int
    message: str
    fix: str = ""


def find_problems(folder: str, name: str, error: Exception) -> Iterator[list[Problem]]:
    """Yield what is wrong with a document that cannot be loaded, and with those that it imports.

    At first that is what is known already; each list takes the place of the one before.

    :param folder: of the definition.
    :param name: path of the document there.
    :param error: what miniwdl said of it, which is the first of its problems.
    """
    root = Path(folder).resolve()
    known = _Search(root)
    known.add_all(error, name)
    yield known.problems
    yield from _Search(root).search(name)


@dataclass
class _Search:
    """Reads each document once, whatever imports it how often.

    :ivar root: folder of the definition.
    """

    root: Path
    _found: list[Problem] = field(default_factory=list)
    _parsed: dict[str, Any] = field(default_factory=dict)
    # Documents of which this or an import cannot be read, so that no more can be said of them.
    _unreadable: set[str] = field(default_factory=set)

    @property
    def problems(self) -> list[Problem]:
        return list(dict.fromkeys(self._found))

    def search(self, name: str) -> Iterator[list[Problem]]:
        """Yield the problems of a document and its imports whenever there are more."""
        self._read(name, ())
        count = 0
        for path in [path for path in self._parsed if path not in self._unreadable][:_MOST_CHECKED]:
            if len(self._found) > count:
                yield self.problems
            count = len(self._found)
            self._check(path)
        if self._found:
            yield self.problems

    def _read(self, path: str, importers: tuple[str, ...]) -> bool:
        """Parse a document and its imports, and return whether all of them could be read."""
        if path in self._parsed:
            return path not in self._unreadable
        document = self._parsed[path] = self._parse(path)
        if document is None:
            self._unreadable.add(path)
            return False
        namespaces: dict[str, Any] = {}
        for each in document.imports:
            if namespaces.setdefault(each.namespace, each) is not each:
                fix = f"Give one of them another name: import {each.uri!r} as ..."
                self._tell(path, each.pos, f"a second import is called {each.namespace}", fix)
                self._unreadable.add(path)
            if not self._import(path, each, (*importers, path)):
                self._unreadable.add(path)
        return path not in self._unreadable

    def _import(self, path: str, statement: Any, importers: tuple[str, ...]) -> bool:
        uri = statement.uri
        if "://" in uri:
            fix = "Put a copy of it into the definition, and import that by its path from here"
            self._tell(path, statement.pos, f"imports {uri}, and HealthOmics imports only files of the definition", fix)
            return False
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), uri))
        if uri.startswith("/") or target.startswith(".."):
            fix = "Put a copy of it into the definition, and import that by its path from here"
            self._tell(path, statement.pos, f"imports {uri}, which lies outside of the definition", fix)
            return False
        if target in importers:
            way = " -> ".join([*importers[importers.index(target) :], target])
            self._tell(path, statement.pos, f"imports {uri}, and so itself ({way})", "Remove one of these imports")
            return False
        if not (self.root / target).is_file():
            self._tell(path, statement.pos, f"imports {uri}, and there is no such file", self._instead(path, target))
            return False
        return self._read(target, importers)

    def _instead(self, path: str, target: str) -> str:
        name = posixpath.basename(target).lower()
        like = sorted(
            found.relative_to(self.root).as_posix() for found in self.root.rglob("*.wdl") if found.name.lower() == name
        )
        if like:
            return f"Write {posixpath.relpath(like[0], posixpath.dirname(path) or '.')}"
        fix = f"Put the file into the definition, as {target}"
        # Of one file, the others beside it are not sent.
        alone = sum(1 for _ in self.root.rglob("*")) == 1
        return f"{fix}: give the folder that has both" if alone else fix

    def _parse(self, path: str) -> Any | None:
        content = (self.root / path).read_bytes()
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            line, what, fix = why_not_text(content, error)
            self._found.append(Problem(path, line, 1, what, fix))
            return None
        if text.startswith("\ufeff"):
            what = "begins with a byte order mark, which WDL does not allow"
            self._found.append(Problem(path, 1, 1, what, "Save it as UTF-8 without BOM"))
            self._unreadable.add(path)
            text = text[1:]
        if text.startswith("version https://git-lfs"):
            what = "is a pointer of Git LFS, and not the file itself"
            self._found.append(Problem(path, 1, 1, what, "Fetch it with git lfs pull"))
            return None
        if not re.sub(r"#.*", "", text).strip():
            what, fix = "has nothing but comments" if text.strip() else "is empty", "Write tasks or a workflow into it"
            self._found.append(Problem(path, 1, 1, what, fix))
            return None
        return self._parsed_text(path, text)

    def _parsed_text(self, path: str, text: str) -> Any | None:
        try:
            return import_module("WDL").parse_document(text, uri=str(self.root / path))
        except RecursionError:
            self._found.append(Problem(path, 1, 1, "is nested too deeply to be read", "Nest it less"))
        except Exception as error:  # miniwdl's own, and whatever a file can make of it
            self._add(error, path)
        return None

    def _check(self, path: str) -> None:
        """Check a document as a whole, with its imports, each of which could be read."""
        try:
            load_document(str(self.root), path)
        except Exception as error:  # miniwdl's own, and whatever a file can make of it
            self.add_all(error, path)

    def add_all(self, error: BaseException, path: str) -> None:
        for one in _causes(error):
            self._add(one, path)

    def _add(self, error: BaseException, path: str) -> None:
        pos = getattr(error, "pos", None)
        file, message = path, " ".join(str(error).split()) or type(error).__name__
        if pos is None:
            problem = Problem(file, 1, 1, f"miniwdl cannot read it: {message.replace(f'{self.root}/', '')}")
        else:
            found = Path(pos.abspath or path)
            file = found.relative_to(self.root).as_posix() if found.is_relative_to(self.root) else path
            message = message.replace(f"{self.root}/", "")
            problem = Problem(file, max(pos.line, 1), max(pos.column, 1), *plain_syntax(message))
        if "multiple workflows" in message:
            problem = self._second_workflow(problem)
        self._found.append(problem)

    def _second_workflow(self, problem: Problem) -> Problem:
        text = (self.root / problem.file).read_text(errors="replace")
        starts = [match.start() for match in _WORKFLOW.finditer(text)]
        line = text.count("\n", 0, starts[1]) + 1 if len(starts) > 1 else problem.line
        return Problem(problem.file, line, 1, "is a second workflow in one document", "Give it a file of its own")

    def _tell(self, path: str, pos: Any, what: str, fix: str) -> None:
        self._found.append(Problem(path, max(pos.line, 1), max(pos.column, 1), what, fix))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors that a person has to mend: of a file that cannot be imported, what is wrong with it."""
    several = getattr(error, "exceptions", None)
    cause = error.__cause__
    if several:
        for one in several:
            yield from _causes(one)
    elif cause is not None and (getattr(cause, "pos", None) is not None or getattr(cause, "exceptions", None)):
        yield from _causes(cause)
    else:
        yield error


def plain_syntax(message: str) -> tuple[str, str]:
    """Return what the parser says, without the names that it has for things, and what to do."""
    match = _UNEXPECTED.search(message)
    if match is None:
        return message[:500], ""
    if match["kind"] == "$END":
        fix = "Close what is open there: a brace, a parenthesis, a bracket, a quotation mark or a command"
        return "ends before this is complete", fix
    text = match["text"].replace("\\n", "\n").strip().partition("\n")[0]
    shown = f"{text[:_MOST_SHOWN]}..." if len(text) > _MOST_SHOWN else text
    wanted = sorted({_shown(name) for name in (match["wanted"] or "").replace("*", " ").split()} - {""})
    fix = f"Correct the syntax; {', '.join(wanted)} may stand there" if 0 < len(wanted) <= 8 else "Correct the syntax"
    return f"unexpected {shown!r}", fix


def _shown(terminal: str) -> str:
    if terminal in _TERMINALS:
        return _TERMINALS[terminal]
    if terminal in _OPERATORS or terminal.startswith("_"):
        return ""
    return terminal.lower() if _WORD.fullmatch(terminal) else ""
