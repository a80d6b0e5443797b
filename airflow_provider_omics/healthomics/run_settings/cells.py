"""Turning the cells of a sheet into the values of parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.spelling import meant
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.run_settings.issue_list import IssueList
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation
from airflow_provider_omics.healthomics.run_settings.notes import Notes
from airflow_provider_omics.healthomics.run_settings.types import CellError, looks_typed, type_issues, typed_value

_SHOWN = 10
_REMEMBERED = 1000


class CellReader:
    """Reads the rows of one sheet under the types that its user states, and notices columns that seem to want one.

    :param stated: a type for each of some columns.
    :param defined: returns the types that the workflow's definition has, for columns that nobody stated one of; called
        once there is a row. All other cells stay text.
    """

    def __init__(
        self,
        origin: SourceLocation,
        stated: Mapping[str, str],
        defined: Callable[[], Mapping[str, str]],
        id_column: str,
        problems: IssueList,
    ) -> None:
        self._origin = origin
        self._stated = stated
        self._defined = defined
        self._types: Mapping[str, str] = stated
        self._id_column = id_column
        self._problems = problems
        self._undecided: set[str] | None = None
        self._looked_typed: dict[str, set[str]] = defaultdict(set)
        self._missing: set[str] = set(stated)
        self._columns_of_first: tuple[str, ...] | None = None

    def read(self, number: int, row: Mapping[str, str]) -> Mapping[str, Any]:
        """Return a row with the values of its cells; what is wrong with them goes to the problems."""
        if self._undecided is None:
            self._problems.extend(type_issues(self._stated, row))
            defined = {name: kind for name, kind in self._defined().items() if name in row}
            self._types = {**defined, **self._stated}
            self._undecided = row.keys() - self._types.keys() - {self._id_column}
        if self._undecided:
            self._note_typed(row, self._undecided)
        if not self._types:
            return row
        values: dict[str, Any] = dict(row)
        for name, kind in self._types.items():
            if row.get(name):
                values[name] = self._typed(number, name, row[name], kind)
        return values

    def read_values(self, number: int, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a row of JSON values, those of stated types checked and text among them read as cells are."""
        if not self._stated:
            return row
        if self._columns_of_first is None:
            self._columns_of_first = tuple(map(str, row))
        self._missing.difference_update(row)
        read = {name: self._typed(number, name, row[name], kind) for name, kind in self._stated.items() if name in row}
        return {**row, **read}

    def closing_issues(self) -> Iterator[Issue]:
        """Yield the types of columns that none of the rows of JSON values has had, and that are called otherwise."""
        columns = self._columns_of_first or ()
        mistaken = {name: kind for name, kind in self._missing_types() if meant(name, columns)}
        yield from type_issues(mistaken, columns, f"any row of {self._origin.name}")

    def _missing_types(self) -> Iterator[tuple[str, str]]:
        if self._columns_of_first is not None:
            yield from ((name, kind) for name, kind in self._stated.items() if name in self._missing)

    def type_of(self, column: str) -> str | None:
        """Return the type of a column's cells; None for text."""
        return self._types.get(column)

    def tell(self, notes: Notes) -> None:
        """Tell of types from the definition, those that no row needs, and what looks typed and is sent as text."""
        defined = {name: kind for name, kind in self._types.items() if name not in self._stated and kind != "string"}
        if defined:
            named = ", ".join(f"{name!r} {kind}" for name, kind in list(defined.items())[:_SHOWN])
            more = ", ..." if len(defined) > _SHOWN else ""
            notes.add(f"Types from the workflow's definition, for columns of {self._origin.name}: {named}{more}")
        unused = [name for name, _ in self._missing_types()]
        if unused:
            named = ", ".join(map(repr, unused[:_SHOWN])) + (", ..." if len(unused) > _SHOWN else "")
            notes.add(
                f"parameter_types without effect, since no row of {self._origin.name} has them: {named}", warning=True
            )
        columns = sorted(name for name in self._undecided or () if self._looked_typed[name])
        if columns:
            more = ", ..." if len(columns) > _SHOWN else ""
            notes.add(
                f"Sent as text, although every cell looks like a number, a boolean or JSON: the columns "
                f"{', '.join(map(repr, columns[:_SHOWN]))}{more} of {self._origin.name}. Where the workflow takes "
                "something else, state it with parameter_types (int, float, boolean, json; string keeps text)",
                warning=True,
            )

    def _note_typed(self, row: Mapping[str, str], undecided: set[str]) -> None:
        other = []
        for name in undecided:
            cell, known = row.get(name), self._looked_typed[name]
            if not cell or cell in known:
                continue
            if not looks_typed(cell):
                other.append(name)
            elif len(known) < _REMEMBERED:
                known.add(cell)
        undecided.difference_update(other)

    def _typed(self, number: int, name: str, cell: Any, kind: str) -> Any:
        if cell is None or cell == "":
            return cell
        try:
            return typed_value(cell, kind)
        except CellError as error:
            where = f"{self._origin.place([number])}, column {name!r}"
            if name in self._stated:
                self._problems.add(Issue(where, f"{error.what}, and its type is {kind}", error.fix))
            else:
                fix = f"{error.fix}; or set types_from_definition=False to send text"
                what = f"{error.what}, and its type is {kind} in the workflow's definition"
                self._problems.add(Issue(where, what, fix))
            return cell
