"""A sheet per sample, for workflows whose input is a sheet: what they hold, and where they go."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from airflow_provider_omics.healthomics.api.spelling import advice
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.run_settings.issue_list import IssueList, UnreadableError
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation

_DIGEST_LENGTH, _ID_LENGTH = 40, 64
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class SampleSheetOptions:
    """How a sheet is made for each sample.

    :param parameter: the parameter that takes its URI.
    :param columns: the columns that it has, in their order; None for all, as they were.
    :param place: folder in S3 for the sheets.
    """

    parameter: str
    columns: Sequence[str] | None
    place: str


def sample_sheet_issues(parameter: Any, columns: Any, defaults: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield what is wrong with how sample sheets are asked for.

    :param defaults: the ``defaultRunSetting`` of the batch.
    """
    if parameter is None:
        if columns is not None:
            fix = "Name in sample_sheet_parameter the parameter that takes the sheet"
            yield Issue("sample_sheet_columns", "has no effect without sample_sheet_parameter", fix)
        return
    if not isinstance(parameter, str) or not parameter:
        fix = "Give the name of a parameter, such as input"
        yield Issue("sample_sheet_parameter", f"{parameter!r} is no name of a parameter", fix)
        return
    given = defaults.get("parameters")
    if isinstance(given, Mapping) and parameter in given:
        what = f"{parameter!r} is given in parameters for all runs too"
        yield Issue("sample_sheet_parameter", what, "Leave it out there; every sample gets a sheet of its own")
    if columns is None:
        return
    if not isinstance(columns, Sequence) or isinstance(columns, str) or not columns:
        yield Issue("sample_sheet_columns", f"{columns!r} is no list of columns", "Give a list such as ['sample']")
    elif len(set(map(str, columns))) < len(columns):
        twice = next(name for at, name in enumerate(columns) if name in columns[:at])
        yield Issue("sample_sheet_columns", f"names {twice!r} twice", "Name every column once")


class SampleSheets:
    """The sheets of the samples of one input, kept in a temporary file until they are written to S3.

    :param origin: the input; TSV becomes TSV, everything else CSV.
    """

    def __init__(self, options: SampleSheetOptions, origin: SourceLocation) -> None:
        self._options = options
        self._origin = origin
        self._tabs = origin.name.lower().removesuffix(".gz").endswith(".tsv")
        self._columns: list[str] = []
        self._file: IO[str] = tempfile.TemporaryFile("w+", prefix="omics-sample-sheets-", encoding="utf-8")  # noqa: SIM115

    @property
    def parameter(self) -> str:
        """The parameter that takes the URI of a sheet."""
        return self._options.parameter

    def choose_columns(self, known: Iterable[str]) -> list[str]:
        """Choose the columns of all sheets, and return those of the input that they lack.

        :param known: the columns of the input.
        :raises UnreadableError: a column that was asked for is not there.
        """
        there = dict.fromkeys(known)
        self._columns = list(self._options.columns or there)
        for name in self._columns:
            if name not in there:
                fix = f"{advice(name, there)}Name columns of it: {', '.join(there)}"
                raise UnreadableError("sample_sheet_columns", f"{name!r} is not a column of {self._origin.name}", fix)
        return [name for name in there if name not in self._columns]

    def add(self, run_setting_id: str, rows: Sequence[tuple[int, Mapping[str, Any]]], problems: IssueList) -> str:
        """Make the sheet of one sample, and return the URI that it will have.

        :param rows: the sample's rows with their numbers.
        :param problems: takes values that no sheet can hold.
        """
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t" if self._tabs else ",", lineterminator="\n")
        writer.writerow(self._columns)
        for number, row in rows:
            writer.writerow([self._cell(number, name, row.get(name), problems) for name in self._columns])
        content = text.getvalue()
        # A person finds a sample in the folder by its id; the digest keeps a sheet from ever being changed.
        digest = hashlib.sha256(content.encode()).hexdigest()[:_DIGEST_LENGTH]
        name = _NOT_IN_NAMES.sub("-", str(run_setting_id))[:_ID_LENGTH]
        uri = f"{self._options.place}/{name}-{digest}.{'tsv' if self._tabs else 'csv'}"
        self._file.write(json.dumps([uri, content]) + "\n")
        return uri

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Yield the URI and the content of each sheet."""
        self._file.seek(0)
        for line in self._file:
            uri, content = json.loads(line)
            yield uri, content.encode()

    @property
    def content_type(self) -> str:
        """What the sheets are."""
        return "text/tab-separated-values" if self._tabs else "text/csv"

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def _cell(self, number: int, name: str, value: Any, problems: IssueList) -> str:
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        if isinstance(value, (bool, int, float)):
            return json.dumps(value)
        where = f"{self._origin.place([number])}, column {name!r}"
        problems.add(Issue(where, f"is {type(value).__name__}, which a cell of a sheet cannot hold", "Give text"))
        return ""
