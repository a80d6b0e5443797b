"""Turning records into run settings: as they are, row by row, by groups of rows, or by a function of the user."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.levels import WARN, level_issues
from airflow_provider_omics.healthomics.run_settings.cells import CellReader
from airflow_provider_omics.healthomics.run_settings.issue_list import IssueList, UnreadableError
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation, Unit
from airflow_provider_omics.healthomics.run_settings.notes import Notes
from airflow_provider_omics.healthomics.run_settings.sample_sheets import SampleSheetOptions, SampleSheets
from airflow_provider_omics.healthomics.run_settings.sources import Record, is_object
from airflow_provider_omics.healthomics.run_settings.tables import SKIP_REMEDY, Layout
from airflow_provider_omics.healthomics.run_settings.text import delimiter_of, is_delimiter, is_text_encoding
from airflow_provider_omics.healthomics.run_settings.types import CellError, is_text, type_issues, typed

Row = Mapping[str, Any]

# In the order in which they are named.
_OF_ROWS = ("group_rows", "build_run_setting", "sample_sheet_parameter", "parameter_types")
SKIP = "skip"
NON_SAMPLE_ROWS = ("fail", SKIP)


@dataclass(frozen=True)
class SheetOptions:
    """How rows become run settings.

    :param run_setting_id_column: column with the run setting ids; sheets need it.
    :param group_rows: make one run setting of all rows with the same id; the other columns become lists in row order.
    :param build_run_setting: makes a run setting, by the API's names, of the rows of one sample.
    :param non_sample_rows: what becomes of rows of a sheet that are no samples: ``fail`` or ``skip``.
    :param sheet_section: the section of a sheet that holds the samples.
    :param sheet_delimiter: what divides the cells of a sheet; None for what its name says.
    :param sheet_encoding: how the characters of a sheet are written; None for UTF-8.
    :param parameter_types: a type for each of some columns; the cells of all others stay text.
    :param known_parameters: returns the names of the parameters that the workflow takes; called once, for rows.
    :param defined_types: returns the types that the workflow's definition has for its parameters; called at most once,
        for sheets whose columns are parameters.
    :param duplicate_inputs: what becomes of reads that two samples are given: ``off``, ``warn`` or ``fail``.
    :param sample_sheets: makes a sheet of each sample's rows in place of parameters of its columns.
    :param notes_objects: whether the objects in S3 that the samples name are noted, for someone to look for them.
    """

    run_setting_id_column: str | None = None
    group_rows: bool = False
    build_run_setting: Callable[[list[dict[str, Any]]], Mapping[str, Any]] | None = None
    non_sample_rows: str = "fail"
    sheet_section: str | None = None
    sheet_delimiter: str | None = None
    sheet_encoding: str | None = None
    parameter_types: Mapping[str, str] | None = None
    known_parameters: Callable[[], Container[str]] = frozenset
    defined_types: Callable[[], Mapping[str, str]] = dict
    sample_sheets: SampleSheetOptions | None = None
    duplicate_inputs: str = WARN
    notes_objects: bool = False

    @property
    def is_grouped(self) -> bool:
        """Whether a sample may have several rows."""
        return self.group_rows or self.build_run_setting is not None or self.sample_sheets is not None

    @property
    def texts(self) -> frozenset[str]:
        """The columns whose type was stated to be text."""
        return frozenset(name for name, kind in (self.parameter_types or {}).items() if is_text(kind))

    @property
    def layout(self) -> Layout:
        """Where a sheet has its table, and what becomes of rows that are no samples."""
        return Layout(
            self.run_setting_id_column or "",
            self.non_sample_rows == SKIP,
            self.sheet_section,
            None if self.sheet_delimiter is None else delimiter_of(self.sheet_delimiter),
            self.sheet_encoding,
            self.is_grouped,
        )


def option_issues(options: SheetOptions) -> Iterator[Issue]:
    """Yield what is wrong with the options themselves."""
    if options.non_sample_rows not in NON_SAMPLE_ROWS:
        fix = f"Use one of {', '.join(NON_SAMPLE_ROWS)}"
        yield Issue("non_sample_rows", f"{options.non_sample_rows!r} is unknown", fix)
    yield from level_issues("duplicate_inputs", options.duplicate_inputs)
    delimiter, encoding = options.sheet_delimiter, options.sheet_encoding
    if delimiter is not None and not is_delimiter(delimiter_of(delimiter)):
        yield Issue("sheet_delimiter", f"{delimiter!r} divides no cells", "Give one character, such as ';' or '\\t'")
    if encoding is not None and not is_text_encoding(encoding):
        fix = "Use one such as utf-8, utf-16, windows-1252 or shift_jis"
        yield Issue("sheet_encoding", f"{encoding!r} is no encoding of text", fix)
    yield from type_issues(options.parameter_types)


class Sample(NamedTuple):
    """One run setting and where it comes from.

    :param numbers: the places, as :meth:`SourceLocation.place` takes them.
    :param rows: the rows of its sheet with their numbers, if it has one.
    """

    numbers: tuple[int, ...]
    setting: Mapping[str, Any]
    rows: Sequence[tuple[int, Row]] = ()


class SampleMaker:
    """Makes samples of the records of one input.

    :ivar sheets: the sheets of the samples, if each is to have one; who made this closes them.
    """

    def __init__(self, origin: SourceLocation, options: SheetOptions, notes: Notes, problems: IssueList) -> None:
        self._origin = origin
        self._options = options
        self._notes = notes
        self._problems = problems
        self._id_column = _checked_id_column(origin, options)
        _note_unused(origin, options, notes)
        stated = options.parameter_types or {}
        self._cells = CellReader(origin, stated, self._defined_types, self._id_column or "", problems)
        self.sheets = SampleSheets(options.sample_sheets, origin) if options.sample_sheets else None
        self._as_written: dict[int, Row] = {}

    def samples(self, records: Iterator[Record]) -> Iterator[Sample]:
        """Yield the samples in the order of their first record."""
        if self._id_column is None:
            yield from self._as_they_are(records)
            return
        rows = self._rows(records, self._id_column)
        if self.sheets is not None:
            yield from self._with_sheets(rows, self.sheets)
            return
        if self._options.build_run_setting is not None:
            yield from self._built(self._groups(rows), self._options.build_run_setting)
        elif self._options.group_rows:
            yield from self._grouped(rows)
        else:
            for number, run_setting_id, row in rows:
                given = {name: value for name, value in row.items() if value is not None and value != ""}
                given.pop(self._id_column, None)
                yield Sample((number,), self._setting(run_setting_id, given))
        if self._options.build_run_setting is None:
            self._cells.tell(self._notes)

    def _as_they_are(self, records: Iterator[Record]) -> Iterator[Sample]:
        for record in records:
            if is_object(record, self._origin, self._problems):
                yield Sample((record.number,), record.value)

    def _rows(self, records: Iterator[Record], id_column: str) -> Iterator[tuple[int, str, Row]]:
        for record in records:
            if not is_object(record, self._origin, self._problems):
                continue
            is_cells = self._origin.unit is Unit.ROW
            row = (self._cells.read if is_cells else self._cells.read_values)(record.number, record.value)
            run_setting_id = record.value[id_column] if is_cells else _as_text(record.value.get(id_column))
            if self.sheets is not None:
                self._as_written[record.number] = record.value
            if _is_empty(run_setting_id):
                self._problems.add(self._no_id(record, id_column))
            else:
                yield record.number, run_setting_id, row
        self._problems.extend(self._cells.closing_issues())

    def _no_id(self, record: Record, id_column: str) -> Issue:
        where = f"{self._origin.place([record.number])}, column {id_column!r}"
        if id_column in record.value:
            return Issue(where, "has no run setting id", f"Give every row the id of its sample{self._or_else(record)}")
        columns = ", ".join(map(str, record.value))
        return Issue(where, "is missing", f"Add it, or name another column in run_setting_id_column: {columns}")

    def _or_else(self, record: Record) -> str:
        layout = self._options.layout
        if self._origin.unit is not Unit.ROW:
            return ""
        if layout.grouped:
            return "; merged cells have it in their first row only"
        return f", {SKIP_REMEDY}" if not layout.skip and layout.leaves_out_without_id(record.value.values()) else ""

    def _setting(self, run_setting_id: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        parameters = {**self._fed(run_setting_id), **given} if self._id_is_parameter else given
        return {"runSettingId": run_setting_id, **({"parameters": parameters} if parameters else {})}

    def _fed(self, run_setting_id: Any) -> dict[str, Any]:
        """Return the parameter that the column with the ids is too, where the workflow takes one of its name."""
        if not self._id_is_parameter or self._id_column is None:
            return {}
        kind = self._cells.type_of(self._id_column)
        if kind is None or not isinstance(run_setting_id, str):
            return {self._id_column: run_setting_id}
        # What is wrong with it was said when its row was read.
        with suppress(CellError):
            return {self._id_column: typed(run_setting_id, kind)}
        return {}

    def _defined_types(self) -> Mapping[str, str]:
        # A function of the user gets cells as they are written, and a sheet of a sample has them so.
        if self._options.build_run_setting is not None or self.sheets is not None:
            return {}
        types = self._options.defined_types()
        # Rows of a sample become the list, each with an item.
        return {name: kind.removesuffix("[]") for name, kind in types.items()} if self._options.group_rows else types

    @cached_property
    def _id_is_parameter(self) -> bool:
        return self._id_column in self._options.known_parameters()

    def _groups(self, rows: Iterator[tuple[int, str, Row]]) -> dict[str, list[tuple[int, Row]]]:
        groups: dict[str, list[tuple[int, Row]]] = {}
        for number, run_setting_id, row in rows:
            groups.setdefault(run_setting_id, []).append((number, row))
        return groups

    def _grouped(self, rows: Iterator[tuple[int, str, Row]]) -> Iterator[Sample]:
        for run_setting_id, group in self._groups(rows).items():
            columns = dict.fromkeys(name for _, row in group for name in row if name != self._id_column)
            lists = {name: [None if _is_empty(row.get(name)) else row[name] for _, row in group] for name in columns}
            given = {name: values for name, values in lists.items() if any(value is not None for value in values)}
            yield Sample(tuple(number for number, _ in group), self._setting(run_setting_id, given))

    def _with_sheets(self, rows: Iterator[tuple[int, str, Row]], sheets: SampleSheets) -> Iterator[Sample]:
        groups = self._groups(rows)
        lacking = sheets.choose_columns(name for group in groups.values() for _, row in group for name in row)
        if lacking:
            self._notes.add(
                f"The sample sheets lack the columns {', '.join(map(repr, lacking))} (sample_sheet_columns)"
            )
        for run_setting_id, group in groups.items():
            written = [(number, self._as_written.pop(number, row)) for number, row in group]
            given = {sheets.parameter: sheets.add(run_setting_id, written, self._problems)}
            if self._options.build_run_setting is None:
                yield Sample(tuple(number for number, _ in group), self._setting(run_setting_id, given), written)
                continue
            for sample in self._built({run_setting_id: group}, self._options.build_run_setting):
                own = sample.setting.get("parameters") or {}
                parameters = {**given, **own} if isinstance(own, Mapping) else own
                yield sample._replace(setting={**sample.setting, "parameters": parameters}, rows=written)

    def _built(
        self,
        groups: Mapping[str, list[tuple[int, Row]]],
        build: Callable[[list[dict[str, Any]]], Mapping[str, Any]],
    ) -> Iterator[Sample]:
        for run_setting_id, group in groups.items():
            numbers = tuple(number for number, _ in group)
            given = [self._given(row, run_setting_id) for _, row in group]
            try:
                setting = build(given)
            except Exception as error:
                what = f"build_run_setting raised {type(error).__name__}: {error}"
                self._problems.add(Issue(self._origin.place(numbers), what, "Correct the rows, or the function"))
                continue
            if isinstance(setting, Mapping):
                given_id = setting.get("runSettingId")
                yield Sample(numbers, {**setting, "runSettingId": run_setting_id if given_id is None else given_id})
            else:
                what = f"build_run_setting returned {type(setting).__name__}"
                fix = "Return a dict by the API's names, such as {'parameters': {...}}"
                self._problems.add(Issue(self._origin.place(numbers), what, fix))

    def _given(self, row: Row, run_setting_id: str) -> dict[str, Any]:
        values = {name: "" if value is None else value for name, value in row.items()}
        return {name: run_setting_id if name == self._id_column else value for name, value in values.items()}


def rows_only_issue(given: Mapping[str, Any]) -> Issue | None:
    """Return what is wrong with run settings by the API's names, and no rows, beside arguments that only rows have.

    :param given: arguments by name.
    """
    name = next((name for name in _OF_ROWS if given.get(name)), None)
    if name is None:
        return None
    fix = f"Give run_setting_id_column, or leave {name} out if these are run settings already"
    return Issue("run_setting_id_column", f"is missing, and {name} needs it", fix)


def _checked_id_column(origin: SourceLocation, options: SheetOptions) -> str | None:
    if options.run_setting_id_column or origin.unit is Unit.ROW:
        # Without one, the first row tells which there are.
        return options.run_setting_id_column or ""
    issue = rows_only_issue({**vars(options), "sample_sheet_parameter": options.sample_sheets})
    if issue is not None:
        raise UnreadableError(issue.where, issue.what, issue.fix)
    return None


def _note_unused(origin: SourceLocation, options: SheetOptions, notes: Notes) -> None:
    """Tell of options that only sheets have where there is none; a DAG may give them to all of its cohorts."""
    given = {name: getattr(options, name) for name in ("sheet_section", "sheet_delimiter", "sheet_encoding")}
    given["non_sample_rows"] = options.non_sample_rows == SKIP
    names = [name for name, value in given.items() if value]
    if names and origin.unit is not Unit.ROW:
        what = "Without effect, since only CSV and TSV are sheets of text, and {} is none: {}"
        notes.add(what.format(origin.name, ", ".join(names)), warning=True)


def _is_empty(value: Any) -> bool:
    return value is None or value == ""


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
