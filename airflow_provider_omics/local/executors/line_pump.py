"""The lines that a task writes, handed on while it still runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Protocol

_BLOCK_BYTES = 65_536
_LONGEST_LINE = 200_000
_SECONDS_TO_DRAIN = 2


class LinePump:
    """A pipe whose lines are handed on while the tool still writes, as many at a time as there are.

    :param on_lines: takes the lines, without their ends.
    :param copy: file that all that is written is appended to; None for none.
    :ivar file: what the tool writes to; closed when the tool has ended.
    """

    def __init__(self, on_lines: Callable[[list[str]], None], copy: Path | None = None) -> None:
        reader, writer = os.pipe()
        self.file: IO[bytes] = os.fdopen(writer, "wb")
        self._thread = threading.Thread(target=self._pump, args=(reader, on_lines, copy), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the last line; a process that the tool has left behind may keep the pipe open, so not for ever."""
        self.file.close()
        self._thread.join(_SECONDS_TO_DRAIN)

    @staticmethod
    def _pump(reader: int, on_lines: Callable[[list[str]], None], copy: Path | None) -> None:
        with ExitStack() as stack:
            file: _Readable = stack.enter_context(os.fdopen(reader, "rb", buffering=0))
            if copy is not None:
                file = _Copying(file, stack.enter_context(copy.open("ab", buffering=0)))
            for lines in line_batches(file):
                on_lines(lines)


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes | None: ...


class _Copying:
    """Reads a file and writes all that it reads to another."""

    def __init__(self, source: _Readable, target: IO[bytes]) -> None:
        self._source = source
        self._target = target

    def read(self, size: int = -1, /) -> bytes | None:
        block = self._source.read(size)
        self._target.write(block or b"")
        return block


def line_batches(file: _Readable) -> Iterator[list[str]]:
    """Yield the lines of an unbuffered file as they come; a line that is far too long comes in parts."""
    rest = b""
    while block := file.read(_BLOCK_BYTES):
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) >= _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        if lines:
            yield [_text_of(line) for line in lines]
    if rest:
        yield [_text_of(rest)]


def _text_of(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")
