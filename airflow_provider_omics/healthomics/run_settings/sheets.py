"""Reading CSV and TSV, row by row, with everything that is wrong with a row named by row and column."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TextIO

from airflow_provider_omics.healthomics.api.spelling import advice
from airflow_provider_omics.healthomics.requests.invisible import SPACES, hidden, trimmed
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.run_settings.issue_list import IssueList, UnreadableError
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation
from airflow_provider_omics.healthomics.run_settings.non_samples import RowJudge, is_formula, spreadsheet_error
from airflow_provider_omics.healthomics.run_settings.notes import LeftOut, Notes
from airflow_provider_omics.healthomics.run_settings.tables import (
    SKIP_REMEDY,
    Layout,
    Line,
    Table,
    find_table,
    may_be_input,
    undivided_issue,
)
from airflow_provider_omics.healthomics.run_settings.text import find_defect, lines

# The line that tells Excel, which does not show it.
_NAMES_DELIMITER = re.compile(r'\ufeff?"?sep=(?P<delimiter>[^"\s]|\t)"?(?:,|(?P=delimiter))*\s*', re.IGNORECASE)
_JSON = re.compile(r'\ufeff?\s*(?:\[\s*(?:\{|$)|\{\s*(?:"|\}|$))')
_UNCLOSED = "Close the quote, or double a quote that is part of the value"


def sheet_rows(
    text: TextIO, origin: SourceLocation, delimiter: str, layout: Layout, notes: Notes, problems: IssueList
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of samples with their numbers, as a spreadsheet shows them.

    Ids, values and column names lose the spaces around them. Empty rows are passed over, and counted.

    :param layout: where the table is, and whether rows that are no samples are left out.
    :param notes: takes what was done without asking.
    :param problems: takes what is wrong with single rows.
    :raises UnreadableError: the rest of the sheet cannot be read.
    """
    first = next(lines(text, origin.name), "")
    if _JSON.match(first):
        fix = "Name it .json if it is an array, .jsonl if it has one object a line"
        raise UnreadableError(origin.name, "is JSON, and no sheet", fix)
    named = _NAMES_DELIMITER.fullmatch(first)
    if named is not None:
        delimiter = named["delimiter"]
        notes.left_out(LeftOut.DELIMITER, 1)
    rest = lines(text, origin.name, 1)
    read = _lines(rest if named else chain([first], rest), origin, delimiter, notes, before=1 if named else 0)
    table = find_table(read, replace(layout, delimiter=delimiter), origin, notes, problems)
    header = [trimmed(name) for name in table.header.cells]
    issues = list(_header_issues(header, origin, table.header.number, delimiter))
    if issues:
        problems.extend(issues)
        return
    for name, given in zip(header, table.header.cells, strict=True):
        if name != given:
            notes.removed_spaces("column name", table.header.number)
    if layout.id_column not in header:
        raise _no_id_column(layout.id_column, header, origin, table.header.number)
    yield from _Rows(header, origin, layout, notes, problems).samples(table)


class _Rows:
    """The rows below one header."""

    def __init__(
        self, header: list[str], origin: SourceLocation, layout: Layout, notes: Notes, problems: IssueList
    ) -> None:
        self._header = header
        self._origin = origin
        self._layout = layout
        self._notes = notes
        self._problems = problems
        self._id_at = header.index(layout.id_column)
        self._judge = RowJudge(header, self._id_at, layout.leaves_out_without_id)

    def samples(self, table: Table) -> Iterator[tuple[int, dict[str, str]]]:
        header, width = self._header, len(self._header)
        for number, given in table.rows:
            joined = "".join(given)
            # Of a million cells, few have anything around them.
            plain = joined.isascii() and joined.isprintable()
            cells = given if plain and " " not in joined else _stripped(given, SPACES if not plain else " ")
            if table.padded and len(cells) != width:
                cells = _fitted(cells, width)
            if self._is_no_sample(number, cells):
                continue
            if not plain or len(cells) != width or "#" in joined or "=" in joined:
                wrong = list(_row_issues(cells, header, self._origin, number))
                if wrong:
                    self._problems.extend(wrong)
                    continue
            if cells is not given and cells != given:
                self._note_spaces(number, cells, given)
            yield number, dict(zip(header, cells, strict=True))

    def _is_no_sample(self, number: int, cells: list[str]) -> bool:
        found = self._judge.judge(cells)
        if found is None:
            id_cell = cells[self._id_at] if self._id_at < len(cells) else ""
            if not self._layout.skip or id_cell or not self._layout.leaves_out_without_id(cells):
                return False
            self._notes.left_out(LeftOut.WITHOUT_ID, number)
        elif self._layout.skip and not found.fix:
            self._notes.left_out(found.kind, number)
        else:
            # A row can be longer than the header.
            column = repr(self._header[found.at]) if found.at < len(self._header) else str(found.at + 1)
            where = f"{self._origin.place([number])}, column {column}"
            self._problems.add(Issue(where, found.what, found.fix or f"Remove the row, {SKIP_REMEDY}"))
        return True

    def _note_spaces(self, number: int, cells: list[str], given: list[str]) -> None:
        for at, (cell, before) in enumerate(zip(cells, given, strict=False)):
            if cell != before:
                self._notes.removed_spaces("id" if at == self._id_at else "value", number)


def _stripped(cells: list[str], spaces: str) -> list[str]:
    return [cell.strip(spaces) for cell in cells]


def _fitted(cells: list[str], width: int) -> list[str]:
    if len(cells) > width and not any(cells[width:]):
        return cells[:width]
    return cells + [""] * (width - len(cells))


def _lines(text: Iterable[str], origin: SourceLocation, delimiter: str, notes: Notes, before: int) -> Iterator[Line]:
    number = before
    try:
        for cells in csv.reader(text, delimiter=delimiter, strict=True):
            number += 1
            if _is_plain_start(cells) or (any(map(str.strip, cells)) and any(map(trimmed, cells))):
                yield Line(number, cells)
            else:
                notes.left_out(LeftOut.EMPTY, number)
    except csv.Error as error:
        raise _unreadable(error, origin.place([number + 1])) from error


def _is_plain_start(cells: list[str]) -> bool:
    first = cells[0] if cells else ""
    return first[:1].isalnum() and first.isascii()


def _no_id_column(id_column: str, header: list[str], origin: SourceLocation, number: int) -> UnreadableError:
    if len(header) == 1 and id_column in header[0].split():
        what = f"is one column, {header[0]!r}, which spaces divide"
        return UnreadableError(origin.place([number]), what, "Divide the columns by commas, or by tabs in a .tsv file")
    what = f"{id_column!r} is not a column of {origin.name}" if id_column else f"is missing, and {origin.name} needs it"
    fix = (
        f"{advice(id_column, header)}Name one of its columns: {', '.join(header)}. If its first row is a sample "
        "already, put a row with the names of the columns above it"
    )
    return UnreadableError("run_setting_id_column", what, fix)


def _unreadable(error: csv.Error, place: str) -> UnreadableError:
    message = str(error)
    if "end of data" in message:
        return UnreadableError(place, "has a quote that is never closed", _UNCLOSED)
    if "field limit" in message:
        what = f"has a cell of more than {csv.field_size_limit():,} characters, or a quote that is never closed"
        return UnreadableError(place, what, f"{_UNCLOSED}; put long values into a file in S3 and pass its URI")
    return UnreadableError(place, "has text after a closing quote", _UNCLOSED)


def _header_issues(header: list[str], origin: SourceLocation, number: int, delimiter: str) -> Iterator[Issue]:
    undivided = undivided_issue(Line(number, header), delimiter, origin)
    if undivided is not None:
        yield undivided
        return
    seen: dict[str, int] = {}
    for position, name in enumerate(header, 1):
        where = f"{origin.place([number])}, column {position}"
        found = find_defect(name)
        if found is not None:
            yield Issue(where, *found[1:])
        elif not name:
            yield Issue(where, "has no name", "Name the column, or remove it")
        elif hidden(name):
            yield Issue(where, f"{name!r} has a character that is not seen, {hidden(name)}", "Write the name anew")
        elif may_be_input(name):
            fix = "Put a row with the names of the columns above the samples"
            yield Issue(where, f"{name!r} is a value and no name of a column", fix)
        elif name in seen:
            yield Issue(where, f"{name!r} is the name of column {seen[name]} too", "Give every column its own name")
        seen.setdefault(name, position)


def _row_issues(cells: list[str], header: list[str], origin: SourceLocation, number: int) -> Iterator[Issue]:
    if len(cells) != len(header):
        surplus = len(cells) > len(header)
        fix = "Put quotes around values that hold the delimiter, or remove the last cells"
        yield Issue(
            f"{origin.place([number])}, column {min(len(cells), len(header)) + 1}",
            f"has {len(cells)} cells, and the header has {len(header)}",
            fix if surplus else "Give every row a cell for each column, an empty one where there is no value",
        )
        return
    for name, cell in zip(header, cells, strict=True):
        where = f"{origin.place([number])}, column {name!r}"
        found = find_defect(cell)
        if found is not None:
            yield Issue(where, *found[1:])
        elif spreadsheet_error(cell):
            yield Issue(where, f"{cell!r} is an error of the spreadsheet", "Correct the formula, or empty the cell")
        elif is_formula(cell):
            yield Issue(
                where, f"{cell!r} is a formula of a spreadsheet", "Write its result, as the spreadsheet shows it"
            )
