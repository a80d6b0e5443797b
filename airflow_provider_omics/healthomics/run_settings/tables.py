"""Finding the table of a sheet that holds more than one table: where its header is, and where it ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from airflow_provider_omics.healthomics.api.spelling import meant
from airflow_provider_omics.healthomics.requests.invisible import trimmed
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.run_settings.issue_list import IssueList, UnreadableError
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation
from airflow_provider_omics.healthomics.run_settings.non_samples import SECTION
from airflow_provider_omics.healthomics.run_settings.notes import LeftOut, Notes

SKIP_REMEDY = "or set non_sample_rows='skip' to leave out rows that are no samples"
# A title, a few comments; whoever writes more has no header.
_MOST_ROWS_ABOVE = 50
_SHOWN = 60
_DELIMITER_NAMES = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
_SHOWN_SECTIONS = 12


may_be_input = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[/.~]?/|[A-Za-z]:\\\\").match
"""Match the beginning of a cell that names a place, as inputs do."""


class Line(NamedTuple):
    """A row of a sheet that is not empty.

    :param number: as a spreadsheet shows it, from 1.
    """

    number: int
    cells: list[str]


@dataclass(frozen=True)
class Layout:
    """How a sheet is laid out, as its user says.

    :param id_column: column with the ids; empty if none was named.
    :param skip: whether rows that are no samples are left out; if not, they are errors.
    :param section: the section that holds the table, without brackets; None for a sheet that is one table.
    :param delimiter: what divides its cells; None for what its name says.
    :param encoding: how its characters are written; None for UTF-8.
    :param grouped: whether a sample may have several rows, of which merged cells name it in the first.
    """

    id_column: str = ""
    skip: bool = False
    section: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    grouped: bool = False

    def leaves_out_without_id(self, cells: Iterable[str]) -> bool:
        """Whether a row with values and no id may be left out: it has no input, and is no further row of a sample."""
        return not self.grouped and not any(map(may_be_input, cells))


@dataclass
class Table:
    """One table of a sheet.

    :param header: its header, the cells without spaces around them.
    :param rows: the rows below it.
    :param padded: whether rows may be padded to the width of the widest table of the sheet.
    """

    header: Line
    rows: Iterator[Line]
    padded: bool = False


def find_table(
    lines: Iterator[Line], layout: Layout, origin: SourceLocation, notes: Notes, problems: IssueList
) -> Table:
    """Find the table with the samples.

    :param problems: takes the rows above the header, unless they are to be left out.
    :raises UnreadableError: the sheet is empty, or holds several tables and no section was named, or has no such one.
    """
    first = next(lines, None)
    if first is None:
        raise UnreadableError(origin.name, "is empty", "Give a header, and below it one row per sample")
    undivided = undivided_issue(first, layout.delimiter or ",", origin)
    if undivided is not None and SECTION.match(first.cells[0].lstrip()):
        raise UnreadableError(undivided.where, undivided.what, undivided.fix)
    if layout.section is not None:
        return _section_table(chain([first], lines), layout.section, origin)
    if section_name(first.cells) is not None:
        raise _several_tables(chain([first], lines), layout, origin)
    head = [first]
    if layout.id_column and not _names(first, layout.id_column):
        head.extend(islice(lines, _MOST_ROWS_ABOVE))
    at = next((at for at, line in enumerate(head) if _names(line, layout.id_column)), None)
    if any(section_name(line.cells) is not None for line in head[:at]):
        raise _several_tables(chain(head, lines), layout, origin)
    if at is None:
        # The reader of the table says that the column is missing, and which there are.
        return Table(first if undivided is not None else _likely_header(head, layout.id_column), iter(()))
    for line in head[:at]:
        _note_above(line, layout, origin, notes, problems)
    return Table(head[at], chain(head[at + 1 :], lines))


def _likely_header(head: Sequence[Line], id_column: str) -> Line:
    """Return the row that may be the header although it lacks the column: not a title, nor a comment above it."""
    alike = (line for line in head if meant(id_column, map(trimmed, line.cells)) is not None)
    several = (line for line in head if sum(map(bool, map(trimmed, line.cells))) > 1)
    return next(alike, None) or next(several, head[0])


def undivided_issue(line: Line, delimiter: str, origin: SourceLocation) -> Issue | None:
    """Return what is wrong with a row that another character divides; None if it is not so."""
    cell = line.cells[0]
    other = next((mark for mark in _DELIMITER_NAMES if mark != delimiter and mark in cell), None)
    if len(line.cells) > 1 or other is None:
        return None
    what = f"is one column, {cell[:_SHOWN]!r}, which {_DELIMITER_NAMES[other]} divide"
    suffix = ", or name the file .tsv" if other == "\t" else ""
    fix = f"Divide the columns by {_DELIMITER_NAMES.get(delimiter, repr(delimiter))}{suffix}"
    return Issue(origin.place([line.number]), what, f"{fix}, or set sheet_delimiter={other!r}")


def section_name(cells: Sequence[str]) -> str | None:
    """Return the name of the section that a row begins; None if it begins none."""
    name = trimmed(cells[0]) if cells else ""
    if SECTION.fullmatch(name) is None or any(map(trimmed, cells[1:])):
        return None
    return name[1:-1].strip()


def _names(line: Line, id_column: str) -> bool:
    return id_column in line.cells or id_column in map(trimmed, line.cells)


def _note_above(line: Line, layout: Layout, origin: SourceLocation, notes: Notes, problems: IssueList) -> None:
    if layout.skip:
        notes.left_out(LeftOut.ABOVE, line.number)
        return
    at, cell = next((at, cell) for at, cell in enumerate(map(trimmed, line.cells), 1) if cell)
    what = f"stands above the header, the row with the column {layout.id_column!r}: {cell[:_SHOWN]!r}"
    problems.add(Issue(f"{origin.place([line.number])}, column {at}", what, f"Remove the row, {SKIP_REMEDY}"))


def _section_table(lines: Iterable[Line], wanted: str, origin: SourceLocation) -> Table:
    plain = wanted.strip().strip("[]").strip().casefold()
    rest = iter(lines)
    seen: list[str] = []
    for line in rest:
        name = section_name(line.cells)
        if name is None:
            continue
        if name.casefold() == plain:
            return _table_of_section(rest, name, origin)
        seen.append(name)
    if not seen:
        what = f"is {wanted!r}, and {origin.name} has no sections"
        raise UnreadableError("sheet_section", what, "Leave sheet_section out")
    what = f"{wanted!r} is not a section of {origin.name}"
    raise UnreadableError("sheet_section", what, f"Name one of its sections: {_listed(seen)}")


def _table_of_section(rest: Iterator[Line], name: str, origin: SourceLocation) -> Table:
    header = next(rest, None)
    if header is None or section_name(header.cells) is not None:
        raise UnreadableError(
            "sheet_section", f"the section {name!r} of {origin.name} is empty", "Name another section"
        )
    width = len(header.cells)
    while width and not trimmed(header.cells[width - 1]):
        width -= 1
    return Table(Line(header.number, header.cells[:width]), _rows_of_section(rest, name, origin), padded=True)


def _rows_of_section(lines: Iterator[Line], name: str, origin: SourceLocation) -> Iterator[Line]:
    current: str | None = name
    for line in lines:
        begun = section_name(line.cells)
        if begun is not None and begun.casefold() == name.casefold():
            what = f"begins the section [{begun}] again"
            raise UnreadableError(origin.place([line.number]), what, "Put its rows below those of the first one")
        current = begun or current
        if current == name:
            yield line


def _several_tables(lines: Iterable[Line], layout: Layout, origin: SourceLocation) -> UnreadableError:
    sections: dict[str, Line | None] = {}
    current: str | None = None
    for line in lines:
        name = section_name(line.cells)
        if name is not None:
            current = name
            sections.setdefault(name, None)
        elif current is not None and sections[current] is None:
            sections[current] = line
    with_ids = [name for name, header in sections.items() if header is not None and _names(header, layout.id_column)]
    likely = next(iter(with_ids), None) or _likely(sections) or next(iter(sections))
    header = sections[likely]
    columns = f", whose columns are {', '.join(filter(None, map(trimmed, header.cells)))}" if header is not None else ""
    what = f"is {_kind(sections)} and holds several tables: {_listed(list(sections))}"
    return UnreadableError(origin.name, what, f"Read one of them, such as sheet_section={likely!r}{columns}")


def _likely(sections: Iterable[str]) -> str | None:
    known = ("bclconvert_data", "data", "cloud_data", "samples", "libraries")
    plain = {name.casefold(): name for name in sections}
    return next((plain[name] for name in known if name in plain), None)


def _kind(sections: Iterable[str]) -> str:
    plain = {name.casefold() for name in sections}
    if any(name.startswith(("bclconvert_", "cloud_", "dragengermline_", "dragenrna_")) for name in plain):
        return "an Illumina sample sheet (v2)"
    if "data" in plain and plain & {"header", "reads", "manifests", "settings"}:
        return "an Illumina sample sheet (v1)"
    if plain & {"gene-expression", "libraries", "vdj", "feature", "antigen-specificity"}:
        return "a configuration of 10x Genomics' cellranger multi"
    if {"header", "reads"} <= plain:
        return "an Illumina sample sheet"
    return "a sheet of sections"


def _listed(sections: Sequence[str]) -> str:
    more = ", ..." if len(sections) > _SHOWN_SECTIONS else ""
    return ", ".join(f"[{name}]" for name in sections[:_SHOWN_SECTIONS]) + more
