"""The files of a definition, and the zip archive that they become: the same bytes from the same files."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from airflow_provider_omics.healthomics.requests.issues import Issue

MOST_SENT_BYTES = 4_400_000
"""Bytes of the largest archive that a request can carry."""
MOST_STORED_BYTES = 100_000_000
"""Bytes of the largest archive in S3."""
_MOST_BYTES, _MOST_FILES = 256 << 20, 20_000
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
_UNIX = 3
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError)


class DefinitionError(ValueError):
    """A definition cannot be used.

    :ivar issue: what is wrong, where, and what to do.
    """

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(f"{where}: {what}")
        self.issue = Issue(where, what, fix)


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
            line = self.files[path].content.count(b"\n", 0, error.start) + 1
            raise DefinitionError(f"{path}:{line}", f"is not UTF-8 text: {error.reason}", "Save it as UTF-8") from error

    def write_to(self, folder: Path) -> None:
        """Write all files below a folder."""
        for path, file in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a definition from this machine: a folder, one file, or a zip archive.

    Of a folder, what tools leave behind is left out: ``.git``, ``__pycache__``, ``.nextflow`` and the like.

    :raises DefinitionError: there is nothing to read, or too much.
    """
    root = Path(path)
    origin = str(root)
    if root.is_dir():
        return Bundle(origin, dict(_read_folder(root)))
    if not root.is_file():
        raise DefinitionError(origin, "there is no such file or folder", "Give the path as this worker sees it")
    if root.suffix == ".zip":
        with root.open("rb") as archive:
            return read_archive(origin, archive, root.stat().st_size)
    return Bundle(origin, {root.name: _read_file(root)})


def read_archive(origin: str, archive: BinaryIO, size: int) -> Bundle:
    """Read a definition from a zip archive.

    :param origin: its path or URI.
    :param size: bytes of the archive.
    :raises DefinitionError: it cannot be read, is too large, or holds what lies outside of it.
    """
    if size > MOST_STORED_BYTES:
        raise DefinitionError(origin, *_too_large(size, MOST_STORED_BYTES))
    try:
        with zipfile.ZipFile(io.BytesIO(archive.read())) as opened:
            infos = [info for info in opened.infolist() if not info.is_dir()]
            _check_sizes(origin, [info.file_size for info in infos])
            files = {_inner_path(origin, info.filename): _unpacked(opened, info) for info in infos}
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


def _read_folder(root: Path) -> Iterator[tuple[str, BundleFile]]:
    paths = sorted(_walk(root))
    if not paths:
        raise DefinitionError(str(root), "has no files", "Give the folder that holds the definition")
    _check_sizes(str(root), [path.stat().st_size for path in paths])
    for path in paths:
        yield path.relative_to(root).as_posix(), _read_file(path)


def _walk(root: Path) -> Iterator[Path]:
    top = root.resolve()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _JUNK_FOLDERS)
        for name in names:
            path = Path(folder, name)
            if _is_junk(name):
                continue
            where = path.relative_to(root).as_posix()
            if not path.exists():
                raise DefinitionError(where, "is a link that leads nowhere", "Remove it, or mend it")
            if not path.resolve().is_relative_to(top):
                raise DefinitionError(where, f"is a link that leads out of {root}", "Put the file itself there")
            yield path


def _is_junk(name: str) -> bool:
    return name in _JUNK_FILES or name.startswith(".nextflow.log") or name.endswith(_JUNK_SUFFIXES)


def _read_file(path: Path) -> BundleFile:
    try:
        # Not what the worker's user may do, by which one folder would be another content on another worker.
        return BundleFile(path.read_bytes(), bool(path.stat().st_mode & _OWNER_MAY_RUN))
    except OSError as error:
        raise DefinitionError(str(path), f"cannot be read: {error.strerror}", "Let the worker read it") from error


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BundleFile:
    return BundleFile(archive.read(info), bool((info.external_attr >> 16) & _OWNER_MAY_RUN))


def _inner_path(origin: str, name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts:
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
