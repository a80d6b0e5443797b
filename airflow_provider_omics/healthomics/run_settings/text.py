"""Opening an input as text: plain or gzipped, with or without a byte order mark."""

from __future__ import annotations

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
_HEAD = 4
MAX_LINE = 8 * 1024 * 1024
"""The longest line that is read, in characters; settings of one run are far shorter."""


class Readable(Protocol):
    """What bytes are read from, such as a file or the body of an object in S3."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none at the end."""


def open_text(stream: Readable, name: str, *, gzipped: bool = False) -> TextIO:
    """Open bytes as UTF-8 text, decompressed if they begin as gzip does.

    A byte that is not UTF-8 becomes a lone surrogate, so that who reads the text can say where it stands.

    :param name: what messages call it.
    :param gzipped: whether its name says that it is gzipped.
    :raises UnreadableError: it is not what its name says, is UTF-16, or is empty.
    """
    source = _Source(stream, name)
    if source.head.startswith(_GZIP):
        source = _Source(gzip.GzipFile(fileobj=cast(BinaryIO, io.BufferedReader(source))), name)
    elif gzipped and source.head:
        raise UnreadableError(name, "ends in .gz and is not gzipped", "Compress it with gzip, or take .gz off its name")
    if source.head.startswith(_UTF_16):
        raise UnreadableError(name, "is UTF-16 text", "Save it as UTF-8; in Excel choose the type CSV UTF-8")
    if not source.head:
        raise UnreadableError(name, "is empty", "Check what writes it, and whether it had finished")
    return io.TextIOWrapper(io.BufferedReader(source), encoding="utf-8-sig", errors="surrogateescape", newline="")


def lines(text: TextIO, name: str) -> Iterator[str]:
    """Yield the lines of a text with their ends.

    :raises UnreadableError: a line never ends.
    """
    number = 0
    while line := text.readline(MAX_LINE):
        number += 1
        if len(line) == MAX_LINE:
            raise UnreadableError(
                f"{name} line {number}",
                f"is longer than {MAX_LINE:,} characters",
                "Check that the file has the format that its name says",
            )
        yield line


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
            return error.start, f"has {byte}, which is not UTF-8", "Save the file as UTF-8; in Excel as CSV UTF-8"
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
