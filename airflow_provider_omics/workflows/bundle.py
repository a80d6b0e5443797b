"""The files of a definition, and the zip archive that they become: the same bytes from the same files."""

from __future__ import annotations

import codecs
import hashlib
import io
import os
import posixpath
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from airflow_provider_omics.healthomics.requests.issues import Issue

MOST_SENT_BYTES = 4_400_000
"""Bytes of the largest archive that a request can carry."""
MOST_STORED_BYTES = 100_000_000
"""Bytes of the largest archive in S3."""
_MOST_BYTES, _MOST_FILES, _MOST_PROBLEMS = 256 << 20, 20_000, 20
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
# The earliest that a zip archive can tell.
_TIME = (1980, 1, 1, 0, 0, 0)
_PLAIN, _EXECUTABLE, _OWNER_MAY_RUN = 0o100644, 0o100755, 0o100
_UNIX, _ENCRYPTED, _UTF_8 = 3, 0x1, 0x800
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError)


class DefinitionError(ValueError):
    """A definition cannot be used.

    :ivar issue: what is wrong, where, and what to do.
    :ivar issues: the same, and whatever else is wrong.
    """

    def __init__(self, where: str, what: str, fix: str, more: Iterable[Issue] = ()) -> None:
        super().__init__(f"{where}: {what}")
        self.issue = Issue(where, what, fix)
        self.issues = (self.issue, *more)

    @classmethod
    def of(cls, issues: Sequence[Issue]) -> DefinitionError:
        """Return the error of several issues."""
        first, *more = issues
        return cls(first.where, first.what, first.fix, more)


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of a definition.

    :param is_executable: whether it may be run, as a script in the ``bin`` of a Nextflow pipeline must be.
    """

    content: bytes
    is_executable: bool = False


@dataclass(frozen=True)
class Bundle:
    """The files of a definition.

    :param origin: where a person finds it: a folder, a file, or the URI of an archive.
    :param files: by their paths in the archive, with slashes.
    """

    origin: str
    files: Mapping[str, BundleFile]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of paths, contents and what may be run, in hexadecimal; not of the archive's own bytes."""
        total = hashlib.sha256()
        for path in sorted(self.files):
            file = self.files[path]
            content = hashlib.sha256(file.content).hexdigest()
            total.update(f"{path}\0{int(file.is_executable)}\0{content}\n".encode())
        return total.hexdigest()

    @cached_property
    def archive(self) -> bytes:
        """The zip archive: paths in order, with fixed times and modes."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(self.files):
                info = zipfile.ZipInfo(path, _TIME)
                info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, _UNIX
                info.external_attr = (_EXECUTABLE if self.files[path].is_executable else _PLAIN) << 16
                archive.writestr(info, self.files[path].content)
        return packed.getvalue()

    def text(self, path: str) -> str:
        """Return a file as text.

        :raises DefinitionError: it is not UTF-8.
        """
        try:
            return self.files[path].content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise not_text(path, self.files[path].content, error) from error

    def write_to(self, folder: Path) -> None:
        """Write all files below a folder."""
        for path, file in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)


def not_text(path: str, content: bytes, error: UnicodeDecodeError) -> DefinitionError:
    """Return the error of a file that is not UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return DefinitionError(f"{path}:1", "is UTF-16 text", "Save it as UTF-8")
    line = content.count(b"\n", 0, error.start) + 1
    return DefinitionError(f"{path}:{line}", f"is not UTF-8 text: {error.reason}", "Save it as UTF-8")


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a definition from this machine: a folder, one file, or a zip archive.

    What tools leave behind is left out: ``.git``, ``__pycache__``, ``.nextflow`` and the like. Links stand for what
    they lead to, which must be in the folder or archive too.

    :raises DefinitionError: there is nothing to read, or too much, or a link leads elsewhere.
    """
    root, origin = Path(path), os.fspath(path)
    if root.is_dir():
        return Bundle(origin, _read_folder(root))
    if not root.is_file():
        raise DefinitionError(origin, *_not_there(root, origin))
    if root.suffix.lower() == ".zip":
        with root.open("rb") as archive:
            return read_archive(origin, archive, root.stat().st_size)
    return Bundle(origin, {root.name: _read_file(root)})


def read_archive(origin: str, archive: BinaryIO, size: int) -> Bundle:
    """Read a definition from a zip archive, without what is left out of a folder.

    :param origin: its path or URI.
    :param size: bytes of the archive.
    :raises DefinitionError: it cannot be read, is too large, or holds what lies outside of it.
    """
    if size > MOST_STORED_BYTES:
        raise DefinitionError(origin, *_too_large(size, MOST_STORED_BYTES))
    try:
        with zipfile.ZipFile(io.BytesIO(archive.read())) as opened:
            infos = [info for info in opened.infolist() if not info.is_dir() and not _is_junk_path(info.filename)]
            _check_sizes(origin, [info.file_size for info in infos])
            files = _unpacked(origin, opened, infos)
            _check_folders(origin, files)
    except DefinitionError:
        raise
    except _UNREADABLE as error:
        what = f"is no zip archive that can be read: {error}"
        raise DefinitionError(origin, what, "Make it again, without a password, with zip or with Python") from error
    return Bundle(origin, files)


def size_issues(bundle: Bundle) -> Iterator[Issue]:
    """Yield what is wrong with the size of an archive that is sent with the request."""
    size = len(bundle.archive)
    if size > MOST_SENT_BYTES:
        what, _ = _too_large(size, MOST_SENT_BYTES)
        largest = sorted(bundle.files, key=lambda path: -len(bundle.files[path].content))[:3]
        fix = f"Upload the zip to S3 and give its s3:// URI, or leave out large files such as {', '.join(largest)}"
        yield Issue(bundle.origin, f"{what} when zipped", fix)


def _read_folder(root: Path) -> dict[str, BundleFile]:
    issues: list[Issue] = []
    paths = sorted(_walk(root, issues))
    if not paths and not issues:
        raise DefinitionError(str(root), "has no files", "Give the folder that holds the definition")
    if not issues:
        _check_sizes(str(root), [path.stat().st_size for path in paths])
    files = {}
    for path in paths:
        try:
            files[path.relative_to(root).as_posix()] = _read_file(path)
        except DefinitionError as error:
            issues += error.issues
    if issues:
        raise DefinitionError.of(issues[:_MOST_PROBLEMS])
    return files


def _walk(root: Path, issues: list[Issue]) -> Iterator[Path]:
    """Yield the files below a folder, by way of links too, and add what is wrong with others to ``issues``."""
    top = root.resolve()

    def refuse(error: OSError) -> None:
        issues.append(Issue(error.filename, f"cannot be read: {error.strerror}", "Let the worker read it"))

    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        wanted = [Path(folder, name) for name in sorted(names) if not _is_junk(name)]
        inner = [Path(folder, name) for name in sorted(folders) if name not in _JUNK_FOLDERS]
        found = {path: _entry_issue(path, root, top) for path in (*wanted, *inner)}
        issues.extend(issue for issue in found.values() if issue is not None)
        folders[:] = [path.name for path in inner if found[path] is None]
        yield from (path for path in wanted if found[path] is None)


def _entry_issue(path: Path, root: Path, top: Path) -> Issue | None:
    """Return what is wrong with an entry of a folder, besides what it holds."""
    where = path.relative_to(root).as_posix()
    if not path.exists():
        return Issue(where, "is a link that leads nowhere", "Remove it, or mend it")
    real = path.resolve()
    if not real.is_relative_to(top):
        return Issue(where, f"is a link that leads out of {root}", "Put what it leads to there in its place")
    if path.is_dir():
        above = {parent.resolve() for parent in path.parents if parent.is_relative_to(root)}
        return Issue(where, "is a link to a folder that it is in", "Remove it") if real in above else None
    if not path.is_file():
        return Issue(where, "is neither a file nor a folder", "Remove it, or give a folder without it")
    return None


def _not_there(root: Path, place: str) -> tuple[str, str]:
    if root.exists():
        return "is neither a file nor a folder", "Give a folder, a file or a zip archive"
    if "://" in place:
        fix = "Give a path that this worker has or an s3:// URI, or a Git repository as definition_repository"
        return "is no S3 URI, and no path of this worker", fix
    if place.startswith("~"):
        return "there is no such file or folder", "Write the path out: ~ stands for no folder here"
    return "there is no such file or folder", "Give the path as this worker sees it"


def _is_junk_path(path: str) -> bool:
    *folders, name = path.replace("\\", "/").split("/")
    return _is_junk(name) or not _JUNK_FOLDERS.isdisjoint(folders)


def _is_junk(name: str) -> bool:
    return name in _JUNK_FILES or name.startswith(".nextflow.log") or name.endswith(_JUNK_SUFFIXES)


def _read_file(path: Path) -> BundleFile:
    try:
        # Not what the worker's user may do, by which one folder would be another content on another worker.
        return BundleFile(path.read_bytes(), bool(path.stat().st_mode & _OWNER_MAY_RUN))
    except OSError as error:
        raise DefinitionError(str(path), f"cannot be read: {error.strerror}", "Let the worker read it") from error


def _unpacked(origin: str, archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> dict[str, BundleFile]:
    files: dict[str, BundleFile] = {}
    links: dict[str, str] = {}
    for info in infos:
        if info.flag_bits & _ENCRYPTED:
            raise DefinitionError(origin, f"holds {info.filename!r} encrypted", "Make it again, without a password")
        path, mode = _inner_path(origin, _name_of(info)), info.external_attr >> 16
        file = BundleFile(archive.read(info), bool(mode & _OWNER_MAY_RUN))
        if files.setdefault(path, file) != file:
            what = f"holds {path!r} twice, with different content"
            raise DefinitionError(origin, what, "Zip the definition's folder again, into a new archive")
        if stat.S_ISLNK(mode):
            links[path] = posixpath.normpath(posixpath.join(posixpath.dirname(path), file.content.decode()))
    return {path: _linked(origin, path, files, links) for path in files}


def _linked(origin: str, path: str, files: Mapping[str, BundleFile], links: Mapping[str, str]) -> BundleFile:
    """Return a file, or of a link what it leads to, as for the links of a folder."""
    seen, target = {path}, path
    while target in links:
        target = links[target]
        if target in seen or target not in files:
            what = f"holds {path!r}, a link that leads to no file of it"
            raise DefinitionError(origin, what, "Zip the files themselves: zip without its option -y")
        seen.add(target)
    return files[target]


def _name_of(info: zipfile.ZipInfo) -> str:
    """Return the name of a file in an archive: of Info-ZIP's too, which is UTF-8 and is not marked as such."""
    if info.flag_bits & _UTF_8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _inner_path(origin: str, name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or _DRIVE.match(name):
        what = f"holds {name!r}, which lies outside of the archive"
        raise DefinitionError(origin, what, "Zip the definition's folder from inside of it")
    return path.as_posix()


def _check_folders(origin: str, files: Mapping[str, BundleFile]) -> None:
    for path in files:
        folder = next((str(parent) for parent in PurePosixPath(path).parents if str(parent) in files), None)
        if folder is not None:
            what = f"holds {folder!r} as a file, and as the folder of {path!r}"
            raise DefinitionError(origin, what, "Rename one of them, and zip the definition's folder again")


def _check_sizes(origin: str, sizes: list[int]) -> None:
    if not sizes:
        raise DefinitionError(origin, "has no files", "Put the definition into it")
    if len(sizes) > _MOST_FILES:
        what = f"has {len(sizes):,} files, more than {_MOST_FILES:,}"
        raise DefinitionError(origin, what, "Give the folder of the definition alone")
    if sum(sizes) > _MOST_BYTES:
        raise DefinitionError(origin, *_too_large(sum(sizes), _MOST_BYTES))


def _too_large(size: int, most: int) -> tuple[str, str]:
    return f"takes {size:,} bytes, more than {most:,}", "Leave out what is no part of the definition, such as data"
