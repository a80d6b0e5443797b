"""Telling the rows of samples from what people write around them, or have put a mark in front of."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from airflow_provider_omics.healthomics.run_settings.notes import LeftOut
from airflow_provider_omics.healthomics.run_settings.text import shown

SECTION = re.compile(r"\[[^\[\]]+\]")
"""A header of a section, such as ``[Data]``."""

# In front of a cell that is no id: none of these begins a value.
_MARK = re.compile(r"#|//|;|--(?=.)|%|!|\*\*|/\*|<!--")
_WORDS_TAKEN_OUT = "excluded?|skip(?:ped)?|removed?|failed|ignored?|omit(?:ted)?|deleted?|cancelled|withdrawn"
# Words in front of an id.
_TAKEN_OUT = re.compile(rf"(?:{_WORDS_TAKEN_OUT}|rem|do not \w+)(?:\s*[:-])?\s+\S", re.IGNORECASE)
# The same behind it, in brackets.
_TAKEN_OUT_BEHIND = re.compile(rf".*[(\[]\s*(?:{_WORDS_TAKEN_OUT}|do not \w+)\s*[)\]]", re.IGNORECASE | re.DOTALL)
# What a spreadsheet keeps text with, or a program puts around it.
_QUOTES = frozenset("'\"`\u00b4\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb")
_SPREADSHEET_ERROR = re.compile(r"#(?:n/a|ref!|value!|name\?|div/0!|null!|num!|spill!|calc!)", re.IGNORECASE)
# ="007" keeps a spreadsheet from reading a number.
_FORMULA = re.compile(r'="|=[+-]?[A-Za-z_$][A-Za-z0-9_.$]*[(!:*/+&-]|=[+-]?\$?[A-Z]{1,3}\$?[0-9]+\s*$')
_SUMMARY = re.compile(
    r"(?:(?:grand|sub|over|overall)[\s_-]*)?totals?(?:$|\s*[:=]|\s+\d|[\s_]+(?:samples?\b|rows?\b|of\b|number\b|count\b|reads?\b))"
    r"|(?:(?:grand|sub|overall)[\s_-]*totals?|average|mean|median)\s+\w"
    r"|(?:n|no\.?|nr\.?)\s+(?:of\s+)?(?:samples?|rows?|reads?|patients?)\b"
    r"|(?:sum|count|average|mean|median|total\s+\w+|number of \w+|n)\s*[:=]"
    r"|(?:sum|summe|gesamt|anzahl|somme|suma|totale|insgesamt|average|subtotal|grand total|number of \w+)$",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"(?:note|notes|nb|n\.b\.|remark|remarks|comment|comments|legend|todo|bemerkung)\s*(?::|[.-](?:\s|$))",
    re.IGNORECASE,
)
# Of all words in the two patterns above, which are tried on ids that begin so.
_BEGINNINGS = frozenset(
    {"an", "av", "be", "co", "ge", "gr", "in", "le", "me", "n", "n ", "n.", "n:", "n=", "nb", "no", "nr", "nu", "ov"}
    | {"re", "so", "su", "to"}
)
_WORDS_OF_A_NOTE = 3
# With one column beside the id, an empty one may be the one optional input of a sample.
_COLUMNS_OF_A_SHEET = 3


class NonSample(NamedTuple):
    """Why a row is no sample.

    :param at: position of the cell that tells.
    :param what: the reason in words, with what was found.
    :param fix: what to do about it where the row may be a sample, and is never left out; empty for all others.
    """

    kind: LeftOut
    at: int
    what: str
    fix: str = ""


def spreadsheet_error(cell: str) -> bool:
    """Whether a cell holds what a spreadsheet shows where a formula has failed, such as ``#REF!``."""
    return _SPREADSHEET_ERROR.fullmatch(cell) is not None


def is_formula(cell: str) -> bool:
    """Whether a cell holds a formula of a spreadsheet in place of its result."""
    return cell[:1] == "=" and _FORMULA.match(cell) is not None


class RowJudge:
    """Decides whether rows below a header are samples.

    :param header: names of the columns.
    :param id_at: position of the column with the ids.
    :param may_go: whether a row with these values and no id may be left out.
    """

    def __init__(self, header: Sequence[str], id_at: int, may_go: Callable[[Sequence[str]], bool]) -> None:
        self._may_go = may_go
        self._width = len(header)
        self._id_at = id_at
        self._id_name = _plain(header[id_at])
        self._names = frozenset(map(_plain, header))
        self._name_lengths = frozenset(map(len, self._names))

    def judge(self, cells: Sequence[str]) -> NonSample | None:
        """Return why a row is no sample; None if it may be one.

        :param cells: its cells, without spaces around them, of which at least one is not empty.
        """
        id_cell = cells[self._id_at] if self._id_at < len(cells) else ""
        filled = len(cells) - cells.count("")
        if filled > 1 and self._is_ordinary(id_cell) and (not self._id_at or not _MARK.match(cells[0])):
            return None
        at = next(position for position, cell in enumerate(cells) if cell)
        if filled == 1:
            return self._lonely(at, cells)
        return self._marked(at, cells[at]) or self._unlike_an_id(id_cell) or self._repeated(cells)

    def _is_ordinary(self, id_cell: str) -> bool:
        first = id_cell[:1]
        if not (first.isalnum() or first == "_"):
            return False
        if id_cell[:2].lower() in _BEGINNINGS and (_SUMMARY.match(id_cell) or _NOTE.match(id_cell)):
            return False
        if " " in id_cell and _TAKEN_OUT.match(id_cell):
            return False
        last = id_cell[-1]
        if last == ":" or (last in ")]" and _TAKEN_OUT_BEHIND.match(id_cell)):
            return False
        may_be_name = len(id_cell) in self._name_lengths or not id_cell.isascii()
        return not (may_be_name and _plain(id_cell) in self._names)

    def _marked(self, at: int, cell: str) -> NonSample | None:
        if _MARK.match(cell) and not spreadsheet_error(cell):
            return NonSample(LeftOut.COMMENT, at, f"is commented out: {shown(cell)}")
        return None

    def _unlike_an_id(self, cell: str) -> NonSample | None:
        if not cell:
            return None
        if spreadsheet_error(cell) or is_formula(cell):
            return None
        if SECTION.fullmatch(cell):
            return NonSample(LeftOut.SECTION, self._id_at, f"is a section header: {shown(cell)}")
        if _SUMMARY.match(cell):
            return NonSample(LeftOut.SUMMARY, self._id_at, f"is a total or another summary: {shown(cell)}")
        if _NOTE.match(cell) or cell[-1] == ":":
            return NonSample(LeftOut.NOTE, self._id_at, f"is a note: {shown(cell)}")
        if _TAKEN_OUT.match(cell) or _TAKEN_OUT_BEHIND.fullmatch(cell):
            return NonSample(LeftOut.COMMENT, self._id_at, f"is marked as taken out: {shown(cell)}")
        if _plain(cell) == self._id_name:
            return NonSample(LeftOut.HEADER, self._id_at, f"repeats the header: {shown(cell)}")
        if cell[0] in _QUOTES:
            fix = "Write the id without it; an apostrophe in front is how spreadsheets keep text"
            return NonSample(LeftOut.COMMENT, self._id_at, f"has a quote in front: {shown(cell)}", fix)
        if not (cell[0].isalnum() or cell[0] == "_"):
            what = f"begins with {cell[0]!r}, as a row does that was taken out: {shown(cell)}"
            return NonSample(LeftOut.COMMENT, self._id_at, what)
        return None

    def _repeated(self, cells: Sequence[str]) -> NonSample | None:
        if all(_plain(cell) in self._names for cell in cells if cell):
            return NonSample(LeftOut.HEADER, 0, f"repeats the header: {shown(', '.join(cells))}")
        return None

    def _lonely(self, at: int, cells: Sequence[str]) -> NonSample | None:
        cell = cells[at]
        found = self._marked(at, cell) or self._unlike_an_id(cell)
        if found is not None:
            return found._replace(at=at)
        if self._width == 1 or (at != self._id_at and not self._may_go(cells)):
            return None
        if len(cell.split()) >= _WORDS_OF_A_NOTE or cell[-1] in ":.!?" or self._width >= _COLUMNS_OF_A_SHEET:
            return NonSample(LeftOut.NOTE, at, f"has nothing but {shown(cell)}")
        return None


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ")
