"""Breaking messages into lines that Airflow's log page shows whole; it cuts longer ones off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

LIMIT = 96
"""Most characters of a line, unless it is one word: what Airflow 3.3 shows of an error in a window 1400 pixels wide."""
LOG_LIMIT = 80
"""Most characters of the first line of a log's entry, which has time and level in front of it."""

_LONGEST_SPAN = 100
# A reader copies these, so that a space in them is the last place to break at.
_SPAN = re.compile(
    r"""(?<![\w'])'(?=\S)[^'\n]*'(?!\w) | "[^"\n]*" | \{[^{}\n]*\} | \[[^\[\]\n]*\]
    | aws\ [a-z]+\ [a-z-]+(?:\ --[a-z-]+\ [^\s,;]+)*""",
    re.VERBOSE,
)
_SPACE = re.compile(r" +")
_SENTENCE_END = re.compile(r"""[.?!]["')\]]?$""")
_SENTENCE_BEGIN = re.compile(r"""["'(\[]?[A-Z]""")
# Words that are read together with the next one.
_CLINGING_TEXT = (
    "- a an and as at batch be by for from has have if in is its no not of on or run since than that the to was when "
    "which while who whose with"
)
_CLINGING = frozenset(_CLINGING_TEXT.split())
# The kinds of places to break at, the best first, each with the least share of the line that is to be before it.
_SENTENCE, _CAUSE, _CLAUSE, _COMMA, _WORD, _SPACED, _QUOTED = range(7)
_LEAST_SHARES = {_SENTENCE: 0.25, _CAUSE: 0.3, _CLAUSE: 0.4, _COMMA: 0.6, _WORD: 0.5, _SPACED: 0.0, _QUOTED: 0.0}


def wrap(text: str, first: int = LIMIT, limit: int = LIMIT) -> str:
    """Return a text in lines of at most so many characters, none of its words changed.

    A line that is too long is broken where a sentence ends, then after "failed:", then between clauses, then after a
    comma, then between words; what follows is indented by two more than the line. Lines that quote a log or a table
    (``| ...``) stay.

    :param first: limit of the first line, which may have something in front of it.
    """
    lines = text.split("\n")
    return "\n".join(chain(_broken(lines[0], first, limit), *(_broken(line, limit, limit) for line in lines[1:])))


def _broken(line: str, room: int, limit: int) -> Iterator[str]:
    words = line.lstrip(" ")
    if words.startswith("|"):
        yield line
        return
    indent = " " * (len(line) - len(words) + 2)
    while len(line) > room and (gap := _gap(line, room)) is not None:
        begin, end = gap
        yield line[:begin]
        line, room = indent + line[end:], limit
    yield line


def _gap(line: str, room: int) -> tuple[int, int] | None:
    """Return the spaces to break a line at; None if it is one word."""
    spans = [match.span() for match in _SPAN.finditer(line) if len(match[0]) <= _LONGEST_SPAN]
    start = len(line) - len(line.lstrip(" ").removeprefix("- "))
    gaps = [match.span() for match in _SPACE.finditer(line.rstrip(" "), start)]
    fitting = [(_kind(line, gap, spans), gap) for gap in gaps if gap[0] <= room]
    for kind, share in _LEAST_SHARES.items():
        best = [gap for found, gap in fitting if found <= kind and gap[0] >= share * room]
        if best:
            return best[-1]
    return gaps[0] if gaps else None


def _kind(line: str, gap: tuple[int, int], spans: list[tuple[int, int]]) -> int:
    begin, end = gap
    if any(opened < begin < closed for opened, closed in spans):
        return _QUOTED
    before, after = line[:begin], line[end:]
    if _SENTENCE_END.search(before) and _SENTENCE_BEGIN.match(after):
        return _SENTENCE
    if before.endswith("failed:"):
        return _CAUSE
    if before.endswith((":", ";")) or after.startswith("["):
        return _CLAUSE
    if before.endswith(","):
        return _COMMA
    # Such as "run 1234567" and "connection 'aws_default'".
    is_together = before[before.rfind(" ") + 1 :] in _CLINGING or after[0].isdigit() or after[0] in "'\""
    return _SPACED if is_together else _WORD
