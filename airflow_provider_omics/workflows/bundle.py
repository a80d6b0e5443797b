"""The files of a definition, and the zip archive that they become: the same bytes from the same files."""

from __future__ import annotations

import codecs
import hashlib
import io
import os
import re
import stat
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.run_settings.definition_types import UNREADABLE_ZIP
from airflow_provider_omics.workflows.file_tree import (
    MOST_PATHS,
    ArchiveTree,
    FolderTree,
    TooManyPaths,
    Tree,
    is_junk_path,
    walk,
)

MOST_SENT_BYTES = 4_400_000
"""Bytes of the largest archive that a request can carry."""
MOST_STORED_BYTES = 100_000_000
"""Bytes of the largest archive in S3."""
_MOST_BYTES, _MOST_FILES, _MOST_PROBLEMS = 256 << 20, 20_000, 20
# The earliest that a zip archive can tell.
_TIME = (1980, 1, 1, 0, 0, 0)
_PLAIN, _EXECUTABLE, _OWNER_MAY_RUN = 0o100644, 0o100755, 0o100
_UNIX, _ENCRYPTED, _UTF_8 = 3, 0x1, 0x800
_LONGEST_LINK = 4096
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


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
    line, what, fix = why_not_text(content, error)
    return DefinitionError(f"{path}:{line}", what, fix)


def why_not_text(content: bytes, error: UnicodeDecodeError) -> tuple[int, str, str]:
    """Return the line where a file is not UTF-8, what is wrong there, and what to do."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return 1, "is UTF-16 text", "Save it as UTF-8"
    line = content.count(b"\n", 0, error.start) + 1
    return line, f"is not UTF-8 text: {error.reason}", "Save it as UTF-8"


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a definition from this machine: a folder, one file, or a zip archive.

    What tools leave behind is left out: ``.git``, ``__pycache__``, ``.nextflow`` and the like. Links to files and
    folders stand for what they lead to, which must be in the folder or archive too.

    :raises DefinitionError: there is nothing to read, or too much, or a link leads elsewhere, or nowhere.
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
    """Read a definition from a zip archive, as from the folder that it is an archive of.

    :param origin: its path or URI.
    :param size: bytes of the archive.
    :raises DefinitionError: it cannot be read, is too large, or holds what lies outside of it.
    """
    if size > MOST_STORED_BYTES:
        raise DefinitionError(origin, *_too_large(size, MOST_STORED_BYTES))
    try:
        with zipfile.ZipFile(io.BytesIO(archive.read())) as opened:
            files = _read_zip(origin, opened)
    except DefinitionError:
        raise
    except UNREADABLE_ZIP as error:
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
    tree = FolderTree(root)
    return _files_of(tree, lambda real: Path(real).stat().st_size, lambda real: _read_file(Path(real)))


def _files_of(tree: Tree, size_of: Callable[[str], int], read: Callable[[str], BundleFile]) -> dict[str, BundleFile]:
    issues: list[Issue] = []
    try:
        found = sorted(walk(tree, issues))
    except TooManyPaths:
        what = f"has more than {MOST_PATHS:,} files and folders, with those that links lead to"
        raise DefinitionError(tree.origin, what, "Give the folder of the definition alone") from None
    if not found and not issues:
        raise DefinitionError(tree.origin, "has no files", "Give the folder that holds the definition")
    try:
        _check_sizes(tree.origin, [size_of(real) for _, real in found])
    except DefinitionError as error:
        raise DefinitionError.of([*issues, *error.issues][-_MOST_PROBLEMS:]) from None
    files: dict[str, BundleFile] = {}
    # What several paths lead to is kept once.
    known: dict[str, BundleFile] = {}
    for path, real in found:
        try:
            files[path] = known[real] = known.get(real) or read(real)
        except DefinitionError as error:
            issues += error.issues
    if issues:
        raise DefinitionError.of(issues[:_MOST_PROBLEMS])
    return files


def _not_there(root: Path, place: str) -> tuple[str, str]:
    if root.exists():
        return "is neither a file nor a folder", "Give a folder, a file or a zip archive"
    if "://" in place:
        fix = "Give a path that this worker has or an s3:// URI, or a Git repository as definition_repository"
        return "is no S3 URI, and no path of this worker", fix
    if place.startswith("~"):
        return "there is no such file or folder", "Write the path out: ~ stands for no folder here"
    return "there is no such file or folder", "Give the path as this worker sees it"


def _read_file(path: Path) -> BundleFile:
    try:
        # Not what the worker's user may do, by which one folder would be another content on another worker.
        return BundleFile(path.read_bytes(), bool(path.stat().st_mode & _OWNER_MAY_RUN))
    except OSError as error:
        raise DefinitionError(str(path), f"cannot be read: {error.strerror}", "Let the worker read it") from error


def _read_zip(origin: str, archive: zipfile.ZipFile) -> dict[str, BundleFile]:
    members: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for info in archive.infolist():
        name = _name_of(info).replace("\\", "/")
        if info.is_dir():
            folders.add(PurePosixPath(name).as_posix())
            continue
        path = _inner_path(origin, name)
        if _content_of(members.setdefault(path, info)) != _content_of(info) and not is_junk_path(path):
            what = f"holds {path!r} twice, with different content"
            raise DefinitionError(origin, what, "Zip the definition's folder again, into a new archive")
    _check_folders(origin, {path for path in members if not is_junk_path(path)})
    links = {path: _target(archive, info) for path, info in members.items() if _is_link(info)}
    return _files_of(
        ArchiveTree(origin, members.keys(), links, folders),
        lambda real: members[real].file_size,
        lambda real: _member(origin, archive, members[real]),
    )


def _content_of(info: zipfile.ZipInfo) -> tuple[int, int, bool, bool]:
    return info.CRC, info.file_size, _is_link(info), _may_run(info)


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _may_run(info: zipfile.ZipInfo) -> bool:
    return bool(info.external_attr >> 16 & _OWNER_MAY_RUN)


def _target(archive: zipfile.ZipFile, link: zipfile.ZipInfo) -> str:
    with archive.open(link) as opened:
        # What is longer leads nowhere on any system, and neither does what is no text.
        return opened.read(_LONGEST_LINK).decode(errors="replace")


def _member(origin: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BundleFile:
    if info.flag_bits & _ENCRYPTED:
        raise DefinitionError(origin, f"holds {_name_of(info)!r} encrypted", "Make it again, without a password")
    return BundleFile(archive.read(info), _may_run(info))


def _name_of(info: zipfile.ZipInfo) -> str:
    """Return the name of a file in an archive: of Info-ZIP's too, which is UTF-8 and is not marked as such."""
    if info.flag_bits & _UTF_8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _inner_path(origin: str, name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or _DRIVE.match(name):
        what = f"holds {name!r}, which lies outside of the archive"
        raise DefinitionError(origin, what, "Zip the definition's folder from inside of it")
    return path.as_posix()


def _check_folders(origin: str, files: Collection[str]) -> None:
    for path in files:
        folder = next((str(parent) for parent in PurePosixPath(path).parents if str(parent) in files), None)
        if folder is not None:
            what = f"holds {folder!r} as a file, and as the folder of {path!r}"
            raise DefinitionError(origin, what, "Rename one of them, and zip the definition's folder again")


def _check_sizes(origin: str, sizes: list[int]) -> None:
    if len(sizes) > _MOST_FILES:
        what = f"has {len(sizes):,} files, more than {_MOST_FILES:,}"
        raise DefinitionError(origin, what, "Give the folder of the definition alone")
    if sum(sizes) > _MOST_BYTES:
        raise DefinitionError(origin, *_too_large(sum(sizes), _MOST_BYTES))


def _too_large(size: int, most: int) -> tuple[str, str]:
    return f"takes {size:,} bytes, more than {most:,}", "Leave out what is no part of the definition, such as data"
