"""Reading JSON strictly, and a JSON array entry by entry, in memory that does not grow with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO

from airflow_provider_omics.healthomics.run_settings.issue_list import UnreadableError
from airflow_provider_omics.healthomics.run_settings.text import MAX_LINE, find_defect

CHUNK = 256 * 1024
_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r"[^\s,\]]*")
# The decoder may point so far before the end of a text that only continues beyond it: half a surrogate pair.
_CUT = 16
_SAID = {
    "Unterminated string starting at": "a quote that is not closed",
    "Invalid control character at": "a line break or tab within quotes, or a quote that is not closed",
}


class Fault(NamedTuple):
    """What a JSON text may not contain although it can be read."""

    what: str
    fix: str


class Entry(NamedTuple):
    """One value of an array.

    :param faults: why it cannot be used.
    """

    value: Any
    faults: tuple[Fault, ...]


class StrictDecoder:
    """Decodes JSON values, and says what RFC 8259 or common sense forbids: NaN, Infinity, a key given twice."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=self._constant)

    def decode(self, text: str, at: int) -> tuple[Entry, int]:
        """Decode the value that begins at a position, and return it with the position after it.

        :raises json.JSONDecodeError: there is no value.
        :raises ValueError: Python cannot hold the value.
        """
        self._faults.clear()
        try:
            value, end = self._decoder.raw_decode(text, at)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        return Entry(value, tuple(self._faults)), end

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in members if keys.count(key) > 1)
            self._faults.append(Fault(f"has the key {twice!r} twice", "Keep one of the two"))
        return members

    def _constant(self, name: str) -> None:
        self._faults.append(Fault(f"has {name}, which is not JSON", "Give a number or text, or leave it out"))


def said(error: json.JSONDecodeError) -> str:
    """Return what the decoder says, where its own words would not help."""
    return _SAID.get(error.msg, error.msg)


def array_entries(text: TextIO, name: str, chunk: int = CHUNK) -> Iterator[Entry]:
    """Yield the entries of a JSON array.

    :param text: holds the array and nothing else.
    :param name: what messages call it.
    :param chunk: how many characters to read at a time.
    :raises UnreadableError: it is something else, with line and column.
    """
    window = _Window(text, name, chunk)
    opening = window.peek()
    if opening != "[":
        raise _not_an_array(name, opening)
    window.step()
    mark = "," if window.peek() != "]" else window.step()
    while mark == ",":
        yield window.value()
        mark = window.peek()
        if not mark:
            raise window.syntax_error("the array is not closed; it may have been cut off")
        if mark not in ("]", ","):
            raise window.syntax_error("Expecting ',' or ']'")
        window.step()
    if window.peek():
        raise window.syntax_error("Expecting nothing after the closing ']'")


def _not_an_array(name: str, opening: str) -> UnreadableError:
    if not opening:
        return UnreadableError(name, "is empty", "Check what writes it, and whether it had finished")
    if opening == "{":
        return UnreadableError(
            name,
            "is an object, not an array of run settings",
            "Put the run settings into [ ], without anything around it; if it has one object a line, name it .jsonl",
        )
    fix = "Give a JSON array of run settings; the name of a sheet ends in .csv or .tsv"
    return UnreadableError(name, f"begins with {opening!r}, not with [", fix)


class _Window:
    """The part of a text that is being decoded."""

    def __init__(self, source: TextIO, name: str, chunk: int) -> None:
        self._source = source
        self._name = name
        self._chunk = chunk
        self._text = ""
        self._at = 0
        self._line = 1
        self._column = 1
        self._decoder = StrictDecoder()

    def peek(self) -> str:
        """Return the next character that is not space, without going beyond it; none at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def step(self) -> str:
        """Go beyond one character, and return it."""
        self._at += 1
        return self._text[self._at - 1]

    def value(self) -> Entry:
        """Decode the next value, reading as much as it takes."""
        if self.peek() not in ("{", "[", '"'):
            self._read_token()
        while True:
            try:
                entry, self._at = self._decoder.decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._is_cut(error) or not self._more():
                    raise self.syntax_error(said(error), error.pos) from error
            except ValueError as error:
                raise self.syntax_error(str(error)) from error
            else:
                return entry

    def syntax_error(self, message: str, at: int | None = None) -> UnreadableError:
        """Return an error that names the line and column of a position, by default the current one."""
        line, column = self._position(self._at if at is None else at)
        return UnreadableError(
            f"{self._name} line {line}, column {column}", f"is not JSON: {message}", "Correct the JSON there"
        )

    def _read_token(self) -> None:
        # A number is complete only with the character after it: 1 may become 1.5.
        while True:
            match = _TOKEN.match(self._text, self._at)
            assert match is not None
            if match.end() < len(self._text) or not self._more():
                return

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or error.pos > len(self._text) - _CUT

    def _more(self) -> bool:
        """Read on, and drop what lies behind; False at the end."""
        kept = len(self._text) - self._at
        if kept > MAX_LINE:
            line, column = self._position(self._at)
            raise UnreadableError(
                f"{self._name} line {line}, column {column}",
                f"begins an entry that does not end within {MAX_LINE:,} characters",
                "Close its quotes and brackets",
            )
        # Doubling what is read keeps the work of decoding a long entry again and again in proportion to its length.
        piece = self._source.read(max(self._chunk, kept))
        if not piece:
            return False
        self._line, self._column = self._position(self._at)
        self._text, self._at = self._text[self._at :] + piece, 0
        self._refuse_defect(piece, kept)
        return True

    def _refuse_defect(self, piece: str, offset: int) -> None:
        found = find_defect(piece)
        if found is not None:
            at, what, fix = found
            line, column = self._position(offset + at)
            raise UnreadableError(f"{self._name} line {line}, column {column}", what, fix)

    def _position(self, at: int) -> tuple[int, int]:
        breaks = self._text.count("\n", 0, at)
        if not breaks:
            return self._line, self._column + at
        return self._line + breaks, at - self._text.rfind("\n", 0, at)
