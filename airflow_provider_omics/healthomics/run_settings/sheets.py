"""Reading CSV and TSV, row by row, with everything that is wrong with a row named by row and column."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import TextIO

from airflow_provider_omics.healthomics.model import Issue
from airflow_provider_omics.healthomics.run_settings.places import Origin
from airflow_provider_omics.healthomics.run_settings.problems import Problems, UnreadableError
from airflow_provider_omics.healthomics.run_settings.text import flaw, lines

_OTHER_DELIMITERS = {",": ";\t|", "\t": ",;|"}
_DELIMITER_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
_UNCLOSED = "Close the quote, or double a quote that is part of the value"


def sheet_rows(
    text: TextIO, origin: Origin, delimiter: str, problems: Problems
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows below the header with their numbers, as a spreadsheet shows them: the header is row 1.

    Empty rows, and rows whose cells are all empty, are passed over.

    :param problems: takes what is wrong with single rows.
    :raises UnreadableError: the rest of the sheet cannot be read.
    """
    records = _records(text, origin, delimiter)
    number, header = next(records, (0, []))
    if not header:
        raise UnreadableError(origin.name, "is empty", "Give a header, and below it one row per sample")
    issues = list(_header_issues(header, origin, number, delimiter))
    if issues:
        problems.extend(issues)
        return
    for number, cells in records:
        wrong = list(_row_issues(cells, header, origin, number))
        if wrong:
            problems.extend(wrong)
        else:
            yield number, dict(zip(header, cells, strict=True))


def _records(text: TextIO, origin: Origin, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    number = 0
    try:
        for cells in csv.reader(lines(text, origin.name), delimiter=delimiter, strict=True):
            number += 1
            if any(cell and not cell.isspace() for cell in cells):
                yield number, cells
    except csv.Error as error:
        raise _unreadable(error, origin.place([number + 1])) from error


def _unreadable(error: csv.Error, place: str) -> UnreadableError:
    message = str(error)
    if "end of data" in message:
        return UnreadableError(place, "has a quote that is never closed", _UNCLOSED)
    if "field limit" in message:
        what = f"has a cell of more than {csv.field_size_limit():,} characters, or a quote that is never closed"
        return UnreadableError(place, what, f"{_UNCLOSED}; put long values into a file in S3 and pass its URI")
    return UnreadableError(place, "has text after a closing quote", _UNCLOSED)


def _header_issues(header: list[str], origin: Origin, number: int, delimiter: str) -> Iterator[Issue]:
    place = origin.place([number])
    other = next((mark for mark in _OTHER_DELIMITERS[delimiter] if mark in header[0]), None)
    if len(header) == 1 and other:
        what = f"is one column, {header[0]!r}, which {_DELIMITER_NAMES[other]} divide"
        fix = f"Divide the columns by {_DELIMITER_NAMES[delimiter]}"
        yield Issue(place, what, f"{fix}, or name the file .tsv" if other == "\t" else fix)
        return
    seen: dict[str, int] = {}
    for position, name in enumerate(header, 1):
        where = f"{place}, column {position}"
        found = flaw(name)
        if found is not None:
            yield Issue(where, *found[1:])
        elif not name.strip():
            yield Issue(where, "has no name", "Name the column, or remove it")
        elif name != name.strip():
            yield Issue(where, f"{name!r} has spaces around it", "Remove the spaces from the column's name")
        elif name in seen:
            yield Issue(where, f"{name!r} is the name of column {seen[name]} too", "Give every column its own name")
        seen.setdefault(name, position)


def _row_issues(cells: list[str], header: list[str], origin: Origin, number: int) -> Iterator[Issue]:
    if len(cells) != len(header):
        surplus = len(cells) > len(header)
        fix = "Put quotes around values that hold the delimiter, or remove the last cells"
        yield Issue(
            f"{origin.place([number])}, column {min(len(cells), len(header)) + 1}",
            f"has {len(cells)} cells, and the header has {len(header)}",
            fix if surplus else "Give every row a cell for each column, an empty one where there is no value",
        )
        return
    if flaw("".join(cells)) is None:
        return
    for name, cell in zip(header, cells, strict=True):
        found = flaw(cell)
        if found is not None:
            yield Issue(f"{origin.place([number])}, column {name!r}", *found[1:])
