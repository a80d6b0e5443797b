"""The files of a folder or an archive, those that links lead to within it too, without what tools leave behind."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from airflow_provider_omics.healthomics.requests.issues import Issue

MOST_PATHS = 100_000
"""Files and folders that are looked at: links to folders can make many of few."""
_MOST_LINKS = 40
_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_JUNK_FOLDERS = frozenset(
    {
        "__MACOSX",
        "__pycache__",
        ".git",
        ".hg",
        ".idea",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".nextflow",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".venv",
        ".vscode",
        "node_modules",
    }
)
_JUNK_FILES = frozenset({".DS_Store", "Thumbs.db"})
_JUNK_SUFFIXES = (".pyc", ".pyo", ".swp", "~")


class Kind(Enum):
    """What an entry is, or what the link that it is leads to."""

    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"
    NOWHERE = "nowhere"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a folder.

    :param real: where it is once links are followed, as its tree writes that.
    """

    real: str
    kind: Kind


class Tree(Protocol):
    """Where files are read from."""

    @property
    def origin(self) -> str:
        """Where a person finds it."""

    @property
    def top(self) -> str:
        """Its own folder."""

    def names(self, folder: str) -> Iterable[str]:
        """Return the names in a folder.

        :raises OSError: it cannot be read.
        """

    def entry(self, folder: str, name: str) -> Entry:
        """Return what a name in a folder is.

        :raises OSError: it cannot be told.
        """


class TooManyPaths(Exception):
    """There is no end of files and folders."""


def walk(tree: Tree, issues: list[Issue]) -> Iterator[tuple[str, str]]:
    """Yield path and real place of each file, by way of links too, and add what is wrong with others to ``issues``.

    :raises TooManyPaths: there are more than 100,000.
    """
    waiting: list[tuple[str, tuple[str, ...]]] = [("", (tree.top,))]
    count = 0
    while waiting:
        folder, above = waiting.pop()
        for name, entry in _entries(tree, above[-1], issues):
            count += 1
            if count > MOST_PATHS:
                raise TooManyPaths
            path = posixpath.join(folder, name)
            if entry.kind is Kind.FILE:
                yield path, entry.real
            elif entry.kind is Kind.FOLDER and entry.real not in above:
                waiting.append((path, (*above, entry.real)))
            else:
                issues.append(Issue(path, *_wrong(entry.kind, tree.origin)))


def _entries(tree: Tree, folder: str, issues: list[Issue]) -> Iterator[tuple[str, Entry]]:
    names: Iterable[str] = ()
    with _told(issues):
        names = sorted(tree.names(folder))
    for name in names:
        with _told(issues):
            entry = tree.entry(folder, name)
            if not (name in _JUNK_FOLDERS if entry.kind is Kind.FOLDER else _is_junk(name)):
                yield name, entry


@contextmanager
def _told(issues: list[Issue]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        issues.append(Issue(str(error.filename), f"cannot be read: {error.strerror}", "Let the worker read it"))


def _wrong(kind: Kind, origin: str) -> tuple[str, str]:
    if kind is Kind.NOWHERE:
        return "is a link that leads nowhere", "Remove it, or mend it"
    if kind is Kind.OUTSIDE:
        return f"is a link that leads out of {origin}", "Put what it leads to there in its place"
    if kind is Kind.FOLDER:
        return "is a link to a folder that it is in", "Remove it"
    return "is neither a file nor a folder", "Remove it, or give a folder without it"


def is_junk_path(path: str) -> bool:
    """Whether a file is one that tools leave behind, or is in a folder of such files."""
    *folders, name = path.split("/")
    return _is_junk(name) or not _JUNK_FOLDERS.isdisjoint(folders)


def _is_junk(name: str) -> bool:
    return name in _JUNK_FILES or name.startswith(".nextflow.log") or name.endswith(_JUNK_SUFFIXES)


class FolderTree:
    """A folder of this machine; real places are absolute paths."""

    def __init__(self, root: Path) -> None:
        self.origin = str(root)
        self.top = os.path.realpath(root)

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder."""
        return [path.name for path in Path(folder).iterdir()]

    def entry(self, folder: str, name: str) -> Entry:
        """Return what a name in a folder is."""
        path = Path(folder) / name
        try:
            mode = path.stat().st_mode
            real = os.path.realpath(path)
        except OSError as error:
            if error.errno in _NOWHERE:
                return Entry(str(path), Kind.NOWHERE)
            raise
        if not Path(real).is_relative_to(self.top):
            return Entry(real, Kind.OUTSIDE)
        if stat.S_ISDIR(mode):
            return Entry(real, Kind.FOLDER)
        return Entry(real, Kind.FILE if stat.S_ISREG(mode) else Kind.OTHER)


class ArchiveTree:
    """An archive; real places are paths in it, of which none is a link's."""

    def __init__(
        self, origin: str, files: Collection[str], links: Mapping[str, str], folders: Iterable[str] = ()
    ) -> None:
        """Take the members of an archive.

        :param files: paths of what is no folder, links too.
        :param links: what links have in them, by their paths.
        :param folders: paths of the folders that have members of their own, maybe nothing in them.
        """
        self.origin, self.top = origin, ""
        self._files, self._links = files, links
        self._names: dict[str, set[str]] = {"": set(), **{path: set() for path in folders}}
        for path in files:
            while path:
                folder, name = posixpath.split(path)
                self._names.setdefault(folder, set()).add(name)
                path = folder

    def names(self, folder: str) -> Collection[str]:
        """Return the names in a folder."""
        return self._names[folder]

    def entry(self, folder: str, name: str) -> Entry:
        """Return what a name in a folder is."""
        real, waiting, followed = folder, [name], 0
        while waiting:
            part = waiting.pop()
            if part == ".." and not real:
                return Entry(real, Kind.OUTSIDE)
            real = self._next(real, part)
            if real in self._links:
                followed += 1
                target = self._links[real]
                if target.startswith("/"):
                    return Entry(real, Kind.OUTSIDE)
                waiting += reversed(target.split("/"))
                real = posixpath.dirname(real)
            if followed > _MOST_LINKS or self._leads_nowhere(real, is_last=not waiting):
                return Entry(real, Kind.NOWHERE)
        return Entry(real, Kind.FILE if real in self._files else Kind.FOLDER)

    def _next(self, real: str, part: str) -> str:
        if part == "..":
            return posixpath.dirname(real)
        return real if part in ("", ".") else posixpath.join(real, part)

    def _leads_nowhere(self, real: str, *, is_last: bool) -> bool:
        return real not in self._names and not (is_last and real in self._files)
