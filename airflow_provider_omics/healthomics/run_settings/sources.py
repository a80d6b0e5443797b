"""Finding out what run settings are given as, and reading them one by one."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, TextIO

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.shapes import check_shape, inline_setting_shape
from airflow_provider_omics.healthomics.run_settings.files import find_file, opened
from airflow_provider_omics.healthomics.run_settings.issue_list import IssueList, UnreadableError
from airflow_provider_omics.healthomics.run_settings.json_array import Entry, StrictDecoder, array_entries, said
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation, Unit
from airflow_provider_omics.healthomics.run_settings.notes import Notes
from airflow_provider_omics.healthomics.run_settings.sheets import sheet_rows
from airflow_provider_omics.healthomics.run_settings.tables import Layout
from airflow_provider_omics.healthomics.run_settings.text import find_defect, lines, open_text, workbook

PARAMETER = "run_settings"
_SHOWN = 100
_WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_SUFFIXES = {
    ".json": Unit.ENTRY,
    ".jsonl": Unit.LINE,
    ".ndjson": Unit.LINE,
    ".csv": Unit.ROW,
    ".tsv": Unit.ROW,
}
_JSON = tuple(suffix for suffix, unit in _SUFFIXES.items() if unit is not Unit.ROW)
_KINDS = (
    "Give a list of run settings, or a path or s3:// URI of a file whose name ends in "
    f"{', '.join(_SUFFIXES)}, or one of these and .gz"
)


class Record(NamedTuple):
    """One row, line, entry or item.

    :param number: what :meth:`SourceLocation.place` takes.
    """

    number: int
    value: Any


@dataclass(frozen=True)
class Source:
    """An input and the way to read it.

    :param origin: how messages name it.
    :param rendered: whether templates may have changed the types of its values.
    :param read: yields its records; what was done to it goes to the notes, what is wrong with single records to the
        problems.
    """

    origin: SourceLocation
    rendered: bool
    read: Callable[[Layout, Notes, IssueList], Iterator[Record]]


def find_source(given: Any, open_uri: Callable[[str], BinaryIO]) -> Source:
    """Find out what run settings are given as.

    :param given: a sequence of objects, the JSON text of one, a path, or an ``s3://`` URI.
    :param open_uri: opens an ``s3://`` URI.
    :raises UnreadableError: it is none of these.
    """
    if isinstance(given, os.PathLike):
        # Airflow's own paths to objects in S3 are paths too.
        return _named_source(os.fsdecode(given), open_uri)
    if isinstance(given, str):
        return _text_source(given.strip(), open_uri)
    if isinstance(given, Sequence) and not isinstance(given, (bytes, bytearray)):
        origin = SourceLocation(PARAMETER, Unit.ITEM)
        return Source(origin, True, lambda *_: (Record(number, value) for number, value in enumerate(given)))
    what = "is missing" if given is None else f"is {type(given).__name__}"
    raise UnreadableError(PARAMETER, what, _KINDS)


def is_known_as_json(given: Any) -> bool:
    """Whether it can be seen, without reading anything, that run settings are objects of JSON and no sheet.

    :param given: as :func:`find_source` takes it; no template.
    """
    if isinstance(given, os.PathLike):
        given = os.fsdecode(given)
    if isinstance(given, str):
        return given.strip().startswith(("[", "{")) or _suffix_of(given.strip()) in _JSON
    return isinstance(given, Sequence) and not isinstance(given, (bytes, bytearray))


def _text_source(given: str, open_uri: Callable[[str], BinaryIO]) -> Source:
    if given.startswith(("[", "{")):
        return _inline_source(given)
    if not given:
        raise UnreadableError(PARAMETER, "is empty text", _KINDS)
    return _named_source(given, open_uri)


def _named_source(name: str, open_uri: Callable[[str], BinaryIO]) -> Source:
    return _file_source(name, find_file(name, PARAMETER, "no JSON list", _KINDS, open_uri))


def _inline_source(given: str) -> Source:
    def read(_layout: Layout, _notes: Notes, problems: IssueList) -> Iterator[Record]:
        try:
            for number, entry in enumerate(array_entries(io.StringIO(given), PARAMETER)):
                yield from _sound(Record(number, entry), origin, problems)
        except UnreadableError as error:
            # Airflow renders a list as Python would print it, not as JSON.
            fix = f"{error.issue.fix}. In a template write {{{{ ... | tojson }}}}, or pass the upstream task's output"
            raise UnreadableError(error.issue.where, error.issue.what, fix) from error

    origin = SourceLocation(PARAMETER, Unit.ITEM)
    return Source(origin, True, read)


def _suffix_of(name: str) -> str | None:
    plain = name.lower().removesuffix(".gz")
    return next((suffix for suffix in _SUFFIXES if plain.endswith(suffix)), None)


def _file_source(name: str, open_binary: Callable[[], BinaryIO]) -> Source:
    suffix, plain = _suffix_of(name), name.lower().removesuffix(".gz")
    if suffix is None and plain.endswith(_WORKBOOKS):
        raise workbook(name)
    if suffix is None:
        raise UnreadableError(name, "has a suffix that does not say what it is", _KINDS)
    origin = SourceLocation(name, _SUFFIXES[suffix])
    gzipped = name.lower().endswith(".gz")

    def read(layout: Layout, notes: Notes, problems: IssueList) -> Iterator[Record]:
        with opened(name, open_binary) as stream:
            encoding = layout.encoding if origin.unit is Unit.ROW else None
            text = open_text(stream, name, gzipped=gzipped, encoding=encoding)
            if suffix == ".json":
                yield from _array_records(text, origin, problems)
            elif origin.unit is Unit.LINE:
                yield from _line_records(text, origin, problems)
            else:
                delimiter = layout.delimiter or ("\t" if suffix == ".tsv" else ",")
                for number, row in sheet_rows(text, origin, delimiter, layout, notes, problems):
                    yield Record(number, row)

    return Source(origin, False, read)


def _array_records(text: TextIO, origin: SourceLocation, problems: IssueList) -> Iterator[Record]:
    for number, entry in enumerate(array_entries(text, origin.name), 1):
        yield from _sound(Record(number, entry), origin, problems)


def _line_records(text: TextIO, origin: SourceLocation, problems: IssueList) -> Iterator[Record]:
    decoder = StrictDecoder()
    for number, line in enumerate(lines(text, origin.name), 1):
        if not line or line.isspace():
            continue
        try:
            entry = _line_entry(decoder, line, origin.place([number]))
        except UnreadableError as error:
            problems.add(error.issue)
            continue
        if number == 1 and isinstance(entry.value, list):
            raise UnreadableError(origin.name, "begins with an array, not an object", "Name a JSON array .json")
        yield from _sound(Record(number, entry), origin, problems)


def _line_entry(decoder: StrictDecoder, line: str, place: str) -> Entry:
    found = find_defect(line)
    if found is not None:
        raise UnreadableError(f"{place}, column {found[0] + 1}", *found[1:])
    begin = len(line) - len(line.lstrip())
    try:
        entry, end = decoder.decode(line, begin)
    except json.JSONDecodeError as error:
        what = f"is not JSON: {said(error)}"
        raise UnreadableError(
            f"{place}, column {error.pos + 1}", what, "Give one complete JSON object a line"
        ) from None
    except ValueError as error:
        raise UnreadableError(place, f"is not JSON: {error}", "Correct the value") from None
    rest = line[end:].strip()
    if rest:
        raise UnreadableError(
            f"{place}, column {line.index(rest, end) + 1}",
            f"has {rest[:_SHOWN]!r} after the object",
            "Give one complete JSON object a line, with no comma after it",
        )
    return entry


def _sound(record: Record, origin: SourceLocation, problems: IssueList) -> Iterator[Record]:
    """Yield the record of a decoded entry, unless the entry has faults."""
    entry: Entry = record.value
    for fault in entry.faults:
        problems.add(Issue(origin.place([record.number]), fault.what, fault.fix))
    if not entry.faults:
        yield Record(record.number, entry.value)


def is_object(record: Record, origin: SourceLocation, problems: IssueList) -> bool:
    """Whether a record is an object; if not, say so."""
    if type(record.value) is dict or isinstance(record.value, Mapping):
        return True
    problems.extend(check_shape(inline_setting_shape(), record.value, origin.place([record.number])))
    return False
