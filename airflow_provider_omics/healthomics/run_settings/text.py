"""Opening an input as text: plain or gzipped, with or without a byte order mark."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Protocol, TextIO, cast

from airflow_provider_omics.healthomics.run_settings.issue_list import UnreadableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_GZIP = b"\x1f\x8b"
# The marks of UTF-32 begin with those of UTF-16, or are their own.
_WIDE = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
# What a program for spreadsheets writes, whatever the name of the file says.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# What people save, or are sent, in place of the file that they wanted, by how it begins.
_OTHER_FILES = {
    b"<!doctype html": "is a web page",
    b"<html": "is a web page",
    b"<?xml": "is XML",
    b"<error>": "is XML",
    b"%pdf-": "is a PDF",
    b"version https://git-lfs": "is a pointer of Git LFS to a file",
}
_FETCH = {
    "is a pointer of Git LFS to a file": "Fetch the file itself (git lfs pull) where the task reads it",
    "is a PDF": "Export its table as CSV, and give that",
}
_FETCH_ANEW = "Open it to see what was sent in its place, and fetch the file itself"
_HEAD = max(map(len, _OTHER_FILES)) + len(codecs.BOM_UTF8)
MAX_LINE = 8 * 1024 * 1024
"""The longest line that is read, in characters; settings of one run are far shorter."""


class Readable(Protocol):
    """What bytes are read from, such as a file or the body of an object in S3."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none at the end."""


def workbook(name: str) -> UnreadableError:
    """Return the error for a file of a spreadsheet program."""
    fix = "Save its sheet as CSV, in Excel as the type CSV UTF-8, and give that"
    return UnreadableError(name, "is a workbook of a spreadsheet program, or another archive, and no text", fix)


def delimiter_of(mark: str) -> str:
    r"""Return the delimiter that a text means: itself, or a tab for ``\t`` out of a form that takes no tab."""
    return mark.replace("\\t", "\t")


def is_delimiter(mark: str) -> bool:
    """Whether a character can divide the cells of a sheet."""
    return len(mark) == 1 and not mark.isalnum() and mark not in '"\r\n \0'


def is_text_encoding(name: str) -> bool:
    """Whether a name is one of Python's encodings of text."""
    try:
        "a".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def open_text(stream: Readable, name: str, *, gzipped: bool = False, encoding: str | None = None) -> TextIO:
    """Open bytes as text, decompressed if they begin as gzip does.

    A byte that is not UTF-8 becomes a lone surrogate, so that who reads the text can say where it stands.

    :param name: what messages call it.
    :param gzipped: whether its name says that it is gzipped.
    :param encoding: how its characters are written; None for UTF-8. A byte order mark of UTF-8 wins.
    :raises UnreadableError: it is not what its name says, is UTF-16 and was not said to be, is a workbook, or is empty.
    """
    source = _Source(stream, name)
    if source.head.startswith(_GZIP):
        source = _Source(gzip.GzipFile(fileobj=cast(BinaryIO, io.BufferedReader(source))), name)
    elif gzipped and source.head:
        raise UnreadableError(name, "ends in .gz and is not gzipped", "Compress it with gzip, or take .gz off its name")
    if not source.head:
        raise UnreadableError(name, "is empty", "Check what writes it, and whether it had finished")
    if source.head.startswith(_WORKBOOKS):
        raise workbook(name)
    codec = "utf-8" if encoding is None or source.head.startswith(codecs.BOM_UTF8) else codecs.lookup(encoding).name
    wide = next((wide for mark, wide in _WIDE.items() if source.head.startswith(mark)), None)
    if wide is not None and not codec.startswith(wide):
        fix = f"Save it as UTF-8; in Excel choose the type CSV UTF-8. A sheet may stay so with sheet_encoding={wide!r}"
        raise UnreadableError(name, f"is {wide.upper()} text", fix)
    _refuse_other_files(source.head, name)
    if codec == "utf-8":
        return io.TextIOWrapper(io.BufferedReader(source), encoding="utf-8-sig", errors="surrogateescape", newline="")
    return io.TextIOWrapper(io.BufferedReader(source), encoding=codec, newline="")


def _refuse_other_files(head: bytes, name: str) -> None:
    begin = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    what = next((what for start, what in _OTHER_FILES.items() if begin.startswith(start)), None)
    if what is not None:
        raise UnreadableError(name, f"{what}, and no table or JSON", _FETCH.get(what, _FETCH_ANEW))


def lines(text: TextIO, name: str, number: int = 0) -> Iterator[str]:
    """Yield the lines of a text with their ends.

    :param number: how many were read before.
    :raises UnreadableError: a line never ends.
    """
    try:
        while line := text.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise UnreadableError(
                    f"{name} line {number}",
                    f"is longer than {MAX_LINE:,} characters",
                    "Check that the file has the format that its name says",
                )
            yield line
    except UnicodeError as error:
        what = f"is not the text that sheet_encoding says, {text.encoding}: {error}"
        # Without a mark at the beginning, nobody knows which of its two bytes comes first.
        wide = text.encoding in _WIDE.values()
        fix = f"State the encoding that it has{f', such as {text.encoding}-le' if wide else ''}"
        raise UnreadableError(f"{name} after line {number}", what, fix) from None


def find_defect(text: str) -> tuple[int, str, str] | None:
    """Find the first character that no input may have: a NUL, or a byte that was not UTF-8.

    :return: where it stands in the text, what is wrong, and what to do; None for sound text.
    """
    at = text.find("\0")
    if at >= 0:
        return at, "has a NUL character", "Save it as UTF-8 text; the file is damaged, binary, or UTF-16"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            code = ord(text[error.start])
            byte = f"byte 0x{code & 0xFF:02X}"
            fix = "Save the file as UTF-8; in Excel as CSV UTF-8. Or state sheet_encoding, as 'windows-1252'"
            return error.start, f"has {byte}, which is not UTF-8", fix
    return None


class _Source(io.RawIOBase):
    """Bytes whose beginning can be looked at first, with the errors of a damaged gzip file explained."""

    def __init__(self, stream: Readable, name: str) -> None:
        self._stream = stream
        self._name = name
        self.head = b""
        # A read may return less than asked for.
        while len(self.head) < _HEAD and (more := self._read(_HEAD - len(self.head))):
            self.head += more
        self._pending = self.head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        piece = self._pending or self._read(len(view))
        self._pending = piece[len(view) :]
        size = min(len(piece), len(view))
        view[:size] = piece[:size]
        return size

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except EOFError as error:
            raise UnreadableError(
                self._name, "is a gzip file that ends too early", "Write or copy it again; it was cut off"
            ) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableError(self._name, f"is a damaged gzip file: {error}", "Write or copy it again") from error


def shown(text: str) -> str:
    """Return a text as a message quotes it, cut if it is long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
