"""Opening an input as text: plain or gzipped, with or without a byte order mark."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Protocol, TextIO, cast

from airflow_provider_omics.healthomics.run_settings.problems import UnreadableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# What a program for spreadsheets writes, whatever the name of the file says.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_HEAD = 4
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
    if source.head.startswith(_UTF_16) and not codec.startswith("utf-16"):
        fix = "Save it as UTF-8; in Excel choose the type CSV UTF-8. A sheet may stay so with sheet_encoding='utf-16'"
        raise UnreadableError(name, "is UTF-16 text", fix)
    if codec == "utf-8":
        return io.TextIOWrapper(io.BufferedReader(source), encoding="utf-8-sig", errors="surrogateescape", newline="")
    return io.TextIOWrapper(io.BufferedReader(source), encoding=codec, newline="")


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
        raise UnreadableError(f"{name} after line {number}", what, "State the encoding that it has") from None


def flaw(text: str) -> tuple[int, str, str] | None:
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
