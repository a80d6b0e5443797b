"""Counting what was done to an input without asking, so that the log can tell it in a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from airflow_provider_omics.healthomics.api.counting import counted
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation

_SHOWN = 5


@dataclass(frozen=True)
class Note:
    """One line for the log.

    :param text: what was found and done, with its places.
    :param warning: whether somebody should look at it.
    """

    text: str
    warning: bool = False


class LeftOut(Enum):
    """Why a row is no sample."""

    EMPTY = "empty"
    COMMENT = "commented out"
    SECTION = "a section header"
    HEADER = "a repeated header"
    SUMMARY = "a total or another summary"
    NOTE = "a note"
    WITHOUT_ID = "without an id"
    ABOVE = "above the header"
    DELIMITER = "naming the delimiter"


@dataclass
class _Count:
    total: int
    first: list[int]

    def add(self, number: int) -> None:
        self.total += 1
        if len(self.first) < _SHOWN:
            self.first.append(number)


class Notes:
    """What was done to one input: spaces removed, rows left out, and whatever else its reader has to tell."""

    def __init__(self, origin: SourceLocation) -> None:
        self._origin = origin
        self._spaces: dict[str, _Count] = {}
        self._left_out: dict[LeftOut, _Count] = {}
        self._others: list[Note] = []

    def removed_spaces(self, what: str, number: int) -> None:
        """Count an id, a value or a column name that had spaces around it.

        :param what: its kind, in the singular.
        :param number: its row.
        """
        self._spaces.setdefault(what, _Count(0, [])).add(number)

    def left_out(self, why: LeftOut, number: int) -> None:
        """Count a row that is no sample."""
        self._left_out.setdefault(why, _Count(0, [])).add(number)

    def add(self, text: str, *, warning: bool = False) -> None:
        """Add a line of another kind."""
        self._others.append(Note(text, warning))

    @property
    def rows_left_out(self) -> Mapping[LeftOut, int]:
        """How many rows were left out, by reason."""
        return {why: count.total for why, count in self._left_out.items()}

    def lines(self) -> Iterator[Note]:
        """Yield what the log should tell."""
        if self._spaces:
            kinds = ", ".join(counted(count.total, f"{what}s") for what, count in self._spaces.items())
            first = min(number for count in self._spaces.values() for number in count.first)
            yield Note(f"Removed spaces around {kinds}; the first: {self._origin.place([first])}")
        if self._left_out:
            total = sum(count.total for count in self._left_out.values())
            kinds = "; ".join(f"{count.total:,} {why.value}{self._rows(why)}" for why, count in self._left_out.items())
            lost = self._left_out.keys() - {LeftOut.EMPTY, LeftOut.DELIMITER}
            yield Note(f"Left out {counted(total, 'rows')} of {self._origin.name}: {kinds}", warning=bool(lost))
        yield from self._others

    def _rows(self, why: LeftOut) -> str:
        count = self._left_out[why]
        if why is LeftOut.EMPTY:
            return ""
        more = ", ..." if count.total > len(count.first) else ""
        return f" (row {', '.join(map(str, count.first))}{more})"
