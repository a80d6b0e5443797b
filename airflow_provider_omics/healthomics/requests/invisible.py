"""Marks that nobody sees: spaces of every kind, and characters without a width."""

from __future__ import annotations

import unicodedata
from itertools import chain

# Marks of Arabic numbers count as formatting and are seen; fillers count as letters and are not.
_SEEN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0"
_END_OF_DOS_FILE = "\x1a"


def _is_unseen(mark: str) -> bool:
    return (unicodedata.category(mark) == "Cf" and mark not in _SEEN) or mark in _FILLERS


# Looking at every character that Unicode has room for would take a quarter of a second.
_PLANES = (
    range(0x10000),
    range(0x13430, 0x13440),
    range(0x1BCA0, 0x1BCA4),
    range(0x1D173, 0x1D17B),
    range(0xE0000, 0xE0080),
)
SPACES = "".join(mark for mark in map(chr, chain(*_PLANES)) if mark.isspace() or _is_unseen(mark)) + _END_OF_DOS_FILE
"""What nobody sees around a text: spaces of every kind, line ends, marks without a width."""
_HIDDEN = frozenset(mark for mark in SPACES if not mark.isascii())


def trimmed(text: str) -> str:
    """Return a text without what nobody sees around it."""
    return text.strip(SPACES)


_CONTROLS = {"\t": "tab", "\n": "line break", "\r": "carriage return"}


def hidden(text: str, *, controls: bool = False) -> str | None:
    """Return the name of the first character that cannot be seen, or passes for a plain space; None for none.

    :param controls: whether tabs, line breaks and the like count, which no id and no URI has.
    """
    if text.isascii() and (not controls or text.isprintable()):
        return None
    mark = next((mark for mark in text if mark in _HIDDEN or (controls and unicodedata.category(mark) == "Cc")), None)
    if mark is None:
        return None
    return f"U+{ord(mark):04X} ({_CONTROLS.get(mark) or unicodedata.name(mark, 'without a name').lower()})"
