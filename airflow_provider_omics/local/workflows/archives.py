"""Zip archives of definitions: read and unpacked within bounds, whatever they hold."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path, PurePosixPath

MOST_FILES = 10_000
MOST_BYTES = 256 << 20
MOST_BYTES_OF_TEXT = 8 << 20
"""Of a file that the server reads itself: the main file, the parameter template, the README."""

_ENTRY_SIGNATURE = b"PK\x01\x02"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BLOCK_BYTES = 1 << 16
_LONGEST_NAME = 255
_LONGEST_PATH = 1024
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    OverflowError,
    ValueError,
    struct.error,
)


class DefinitionError(ValueError):
    """A definition cannot be used; the text becomes the workflow's ``statusMessage``."""


class DefinitionArchive(Mapping[str, bytes]):
    """A zip archive whose members have been checked: their number, their sizes, their names, and what they are.

    It maps the names of its files, as the archive has them and in its order, to their contents. These are read when
    they are asked for, so that memory stays small, and are at most 8 MiB each.

    :param content: the archive.
    :raises DefinitionError: it is no zip archive, holds more than 10,000 members, 10,000 folders or 256 MiB, or a
        member that is encrypted, a link or a device, lies outside of the archive, or is there twice.
    """

    def __init__(self, content: bytes) -> None:
        if len(content) > MOST_BYTES:
            raise DefinitionError(f"The definition is larger than {MOST_BYTES >> 20} MiB")
        # Not parsed before it is counted, since every entry becomes an object.
        if content.count(_ENTRY_SIGNATURE) > MOST_FILES:
            raise DefinitionError(f"The definition holds more than {MOST_FILES:,} files; leave out what is not needed")
        self._content = content
        with self._opened() as archive:
            _check_members(archive.infolist())
            self._members = {info.filename: info for info in archive.infolist() if not info.is_dir()}

    def __getitem__(self, name: str) -> bytes:
        """Return the content of a file.

        :raises DefinitionError: it has more than 8 MiB, or is damaged.
        """
        if self._members[name].file_size > MOST_BYTES_OF_TEXT:
            raise DefinitionError(f"The file {name!r} is larger than {MOST_BYTES_OF_TEXT >> 20} MiB")
        with self._opened() as archive:
            return archive.read(name)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the files."""
        return iter(self._members)

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self._members)

    def content_digest(self) -> str:
        """Read every file to its end and return the SHA-256 of names and contents, in hexadecimal.

        It is the same for archives that were made of the same files at different times.

        :raises DefinitionError: one of them is damaged.
        """
        digest = hashlib.sha256()
        with self._opened() as archive:
            for info in sorted(archive.infolist(), key=lambda info: info.filename):
                digest.update(f"{info.filename!r} {info.file_size}\n".encode())
                with archive.open(info) as file:
                    while block := file.read(_BLOCK_BYTES):
                        digest.update(block)
        return digest.hexdigest()

    def extract(self, folder: Path) -> None:
        """Write every file below a folder, with the permissions that it has in the archive.

        :param folder: a directory that is made, and that nobody else writes to meanwhile.
        :raises DefinitionError: a file is damaged, or cannot be written.
        """
        with self._opened() as archive:
            folder.mkdir(parents=True)
            for info in archive.infolist():
                path = Path(archive.extract(info, folder))
                mode = stat.S_IMODE(info.external_attr >> 16) & 0o777
                if mode and path.is_file():
                    path.chmod(mode | stat.S_IRUSR | stat.S_IWUSR)

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(io.BytesIO(self._content)) as archive:
                yield archive
        except DefinitionError:
            raise
        except _UNREADABLE as error:
            raise DefinitionError(f"The definition is not a zip archive that can be read: {error}") from error


def _check_members(members: Iterable[zipfile.ZipInfo]) -> None:
    total = 0
    files: set[str] = set()
    folders: set[str] = set()
    for info in members:
        _check_kind(info)
        path = _path_of(info.filename)
        total += info.file_size
        if total > MOST_BYTES:
            raise DefinitionError(
                f"The definition holds more than {MOST_BYTES >> 20} MiB when it is unpacked; give data as parameters "
                "with s3:// URIs"
            )
        if path in files:
            raise DefinitionError(f"The definition holds {info.filename!r} twice")
        (folders if info.is_dir() else files).add(path)
    _check_tree(files, folders)


def _check_tree(files: Set[str], folders: Set[str]) -> None:
    number, previous = 0, ""
    # In this order, what has the same folders stands together, so that those need not be kept.
    for path in sorted([*files, *folders], key=lambda path: path.replace("/", "\0")):
        if previous in files and f"{path}/".startswith(f"{previous}/"):
            raise DefinitionError(f"The definition holds {previous!r} as a file and as a folder")
        parts = path.split("/")
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(previous.split("/"), parts, strict=False))
        number += len(parts) - (path in files) - len(list(shared))
        previous = path
    if number > MOST_FILES:
        raise DefinitionError(f"The definition holds more than {MOST_FILES:,} folders; nest them less")


def _check_kind(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise DefinitionError(f"The definition holds {info.filename!r}, which is a link; put the file itself there")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DefinitionError(f"The definition holds {info.filename!r}, which is neither a file nor a folder")
    if info.compress_type not in _METHODS:
        raise DefinitionError(
            f"The definition holds {info.filename!r}, which is compressed in a way that is not read; use deflate"
        )
    if info.flag_bits & 1:
        raise DefinitionError(f"The definition holds {info.filename!r}, which is encrypted; leave it unencrypted")


def _path_of(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or name[1:2] == ":":
        raise DefinitionError(f"The definition holds {name!r}, which lies outside of the archive")
    if len(name.encode(errors="replace")) > _LONGEST_PATH or any(
        len(part.encode(errors="replace")) > _LONGEST_NAME for part in path.parts
    ):
        raise DefinitionError(f"The definition holds {name[:80]!r}..., whose name is too long")
    if not path.parts:
        raise DefinitionError(f"The definition holds {name!r}, which names no file")
    return str(path)
