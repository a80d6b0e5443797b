"""Reads a sample sheet with the columns of nf-core's rnaseq: sample, fastq_1, fastq_2."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REQUIRED_COLUMNS = ("sample", "fastq_1")
SAMPLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a sheet.

    :ivar row: line of the file, the header being 1; None if it is about the whole file.
    :ivar advice: what to do about it.
    """

    text: str
    advice: str
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        row = f"row {self.row}" if self.row is not None else ""
        column = f"column {self.column}" if self.column else ""
        where = ", ".join(filter(None, (row, column)))
        return f"{where}{': ' if where else ''}{self.text}. {self.advice}."


class SheetError(Exception):
    """A sheet that cannot be used.

    :param sheet: the file.
    :param problems: everything that is wrong with it.
    """

    def __init__(self, sheet: Path, problems: Sequence[Problem]) -> None:
        self.sheet = sheet
        self.problems = list(problems)
        super().__init__("\n".join(f"{sheet}: {problem}" for problem in self.problems))


@dataclass(frozen=True)
class Lane:
    """One row of the sheet: the reads of one sample from one lane of the sequencer.

    :ivar fastq_2: the second reads of pairs; None for single reads.
    """

    row: int
    fastq_1: Path
    fastq_2: Path | None

    @property
    def paired(self) -> bool:
        return self.fastq_2 is not None


@dataclass(frozen=True)
class Sample:
    """One sample with its lanes, in the order of the sheet; all of them are paired, or none."""

    name: str
    lanes: tuple[Lane, ...]

    @property
    def files(self) -> dict[str, list[Path]]:
        """The FASTQ files of each workflow input that the sample has."""
        files = {"fastq_1": [lane.fastq_1 for lane in self.lanes]}
        second = [lane.fastq_2 for lane in self.lanes if lane.fastq_2 is not None]
        return {**files, "fastq_2": second} if second else files


def read_samplesheet(sheet: Path) -> list[Sample]:
    """Read a sheet and check it, as far as it can be checked without reading the FASTQ files.

    :param sheet: a CSV file. Relative paths in it are looked for beside it, then in the current directory.
    :return: the samples in the order in which the sheet first names them.
    :raises SheetError: with everything that is wrong.
    """
    reader = _SheetReader(sheet)
    samples = reader.read()
    if reader.problems:
        raise SheetError(sheet, reader.problems)
    return samples


class _SheetReader:
    def __init__(self, sheet: Path) -> None:
        self.sheet = sheet
        self.problems: list[Problem] = []
        self._given: dict[tuple[str, Path], tuple[int, str]] = {}

    def read(self) -> list[Sample]:
        lanes: dict[str, list[Lane]] = {}
        for row, cells in self._rows():
            if (entry := self._entry(row, cells)) is not None:
                lanes.setdefault(entry[0], []).append(entry[1])
        for name, of_sample in lanes.items():
            self._check_layout(name, of_sample)
        return [Sample(name, tuple(of_sample)) for name, of_sample in lanes.items()]

    def _rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Give each row that is not blank, with the number of its line."""
        lines = csv.reader(self._text().splitlines(), strict=True, skipinitialspace=True)
        header: list[str] = []
        found = False
        try:
            for values in lines:
                values = [value.strip() for value in values]
                if not any(values):
                    continue
                if not header:
                    header = self._header(values)
                    if not header:
                        return
                    continue
                found = True
                if cells := self._cells(lines.line_num, header, values):
                    yield lines.line_num, cells
        except csv.Error as error:
            self._add(f"the line is not CSV ({error})", "Look for a quote that is not closed", lines.line_num)
            return
        if not found and not self.problems:
            what = "has a header and no samples" if header else "is empty"
            self._add(f"the file {what}", "Give one row for each sample: sample,fastq_1,fastq_2")

    def _text(self) -> str:
        try:
            return self.sheet.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            self._add("the file is not text in UTF-8", "Save it as CSV (UTF-8)")
        except OSError as error:
            self._add(f"the file cannot be read ({error.strerror})", "Check the path given to --samplesheet")
        return ""

    def _header(self, values: list[str]) -> list[str]:
        missing = [column for column in REQUIRED_COLUMNS if column not in values]
        if missing:
            other = next((name for name, mark in (("semicolons", ";"), ("tabs", "\t")) if mark in values[0]), None)
            advice = (
                f"The columns are separated by {other}; save it with commas"
                if other
                else f"The first line has to name the columns sample,fastq_1,fastq_2; it names {','.join(values)}"
            )
            self._add(f"there is no column {' and no column '.join(missing)}", advice, 1)
            return []
        doubled = {value for value in values if value and values.count(value) > 1}
        for column in sorted(doubled):
            self._add("the column is there twice", "Remove one of the two", 1, column)
        return [] if doubled else values

    def _cells(self, row: int, header: list[str], values: list[str]) -> dict[str, str]:
        if len(values) > len(header):
            self._add(
                f"there are {len(values)} values for {len(header)} columns",
                "Remove a comma, or put quotes around a value that holds one",
                row,
            )
            return {}
        return dict(zip(header, values + [""] * (len(header) - len(values)), strict=True))

    def _entry(self, row: int, cells: dict[str, str]) -> tuple[str, Lane] | None:
        before = len(self.problems)
        name = cells["sample"]
        self._check_name(row, name)
        files: dict[str, Path] = {}
        for column in ("fastq_1", "fastq_2"):
            value = cells.get(column, "")
            if (value or column == "fastq_1") and (path := self._fastq(row, column, value)):
                self._check_given_once(row, column, name, path)
                files[column] = path
        if len(self.problems) > before:
            return None
        return name, Lane(row, files["fastq_1"], files.get("fastq_2"))

    def _check_name(self, row: int, name: str) -> None:
        if not name:
            self._add("the sample has no name", "Give it one", row, "sample")
        elif re.search(r"\s", name):
            better = re.sub(r"\s+", "_", name)
            self._add(f"the sample name {name!r} holds a space", f"Write {better}", row, "sample")
        elif not SAMPLE_NAME.fullmatch(name):
            self._add(
                f"the sample name {name!r} cannot be used for a file",
                "Use letters, digits, dots, hyphens and underscores, at most 100, beginning with a letter or digit",
                row,
                "sample",
            )

    def _fastq(self, row: int, column: str, value: str) -> Path | None:
        if not value:
            self._add("there is no FASTQ file", "Give its path", row, column)
            return None
        if "://" in value:
            self._add(f"{value} is not on this machine", "Fetch it, and give the path of the copy", row, column)
            return None
        path = self._resolve(value)
        if path is None:
            places = "" if Path(value).is_absolute() else " beside the sheet or in the current directory"
            self._add(f"there is no file {value}{places}", "Correct the path", row, column)
        elif not path.is_file():
            self._add(f"{value} is not a file", "Give the path of a FASTQ file, plain or gzipped", row, column)
        elif not os.access(path, os.R_OK):
            self._add(f"{value} cannot be read", "Give yourself the permission to read it", row, column)
        else:
            return path
        return None

    def _check_given_once(self, row: int, column: str, name: str, path: Path) -> None:
        place = (row, column)
        earlier = self._given.setdefault((name, path.resolve()), place)
        if earlier != place:
            text = f"{path.name} is in row {earlier[0]}, column {earlier[1]} already"
            self._add(text, "Give each file of a sample once", row, column)

    def _resolve(self, value: str) -> Path | None:
        given = Path(value).expanduser() if value.startswith("~/") else Path(value)
        for path in (self.sheet.parent / given, Path.cwd() / given):
            if path.exists():
                return path
        return None

    def _check_layout(self, name: str, lanes: list[Lane]) -> None:
        for lane in lanes[1:]:
            if lane.paired != lanes[0].paired:
                has = {True: "pairs", False: "single reads"}
                self._add(
                    f"sample {name} has {has[lane.paired]} here and {has[lanes[0].paired]} in row {lanes[0].row}",
                    "Give all rows of a sample a fastq_2, or none; or name the samples differently",
                    lane.row,
                    "fastq_2",
                )

    def _add(self, text: str, advice: str, row: int | None = None, column: str | None = None) -> None:
        self.problems.append(Problem(text, advice, row, column))
