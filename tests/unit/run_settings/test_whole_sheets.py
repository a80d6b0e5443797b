"""Whatever the sheet: what is submitted is what a person reads, and no row is lost without a word."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort, SheetOptions, read_cohort
from airflow_provider_omics.healthomics.run_settings.notes import LeftOut
from airflow_provider_omics.healthomics.run_settings.sample_sheets import SampleSheetOptions

BELOW = "s3://bucket/sheets"
NAMES = ("alpha", "Beta", "gamma ray", "reads", "delta_x", "ёж")
SPACES = ["", "", "", " ", "  ", "\u00a0", "\u3000", "\u200b", "\ufeff", " \u2007 "]
DELIMITERS = [",", ";", "|", "\t"]
ENCODINGS: list[str | None] = [None, "utf-8-sig", "utf-16", "windows-1252"]
ENDS = ["\n", "\r\n", "\r"]

LETTERS = "abcxyzÄßéλ0123456789 ,;|\t\"'\n=+-_.:%()"
# What a person reads in a cell and what it means under its type; none of it can be taken for a place.
TYPED: dict[str, st.SearchStrategy[tuple[str, Any]]] = {
    "int": st.integers(-(2**62), 2**62).flatmap(
        lambda number: st.sampled_from([f"{number}", f"{number:+}", f"{number:+05}"]).map(lambda text: (text, number))
    ),
    "float": st.sampled_from(
        [("1.10", 1.1), ("1E5", 100000.0), (".5", 0.5), ("-3.", -3.0), ("+2e-3", 0.002), ("007", 7.0)]
    ),
    "boolean": st.sampled_from([("TRUE", True), ("no", False), ("1", True), ("F", False), ("Yes", True)]),
    "json": st.recursive(
        st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from(["", "a", 'q"', "x,y"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["k", "l"]), inner),
        max_leaves=5,
    ).map(lambda value: (json.dumps(value, ensure_ascii=False), value)),
}
NOT_SAMPLES: dict[LeftOut, list[list[str]]] = {
    LeftOut.EMPTY: [[], ["", "", ""], [" ", "\t"], ["\u00a0"]],
    LeftOut.COMMENT: [["# taken out", "x", "y"], ["//S1", "x"], ["--S2", "x", "y"], ["#"]],
    LeftOut.SECTION: [["[Data]"], ["[second batch]", "", ""]],
    LeftOut.SUMMARY: [["Total", "17", "3"], ["grand total: ", "", "5"], ["n = 12", "12"]],
    LeftOut.NOTE: [["Note: as of May", "", ""], ["NB. repeated", "x"]],
}


@dataclass(frozen=True)
class Sheet:
    """A sheet, and what a person reads in it.

    :ivar content: its bytes.
    :ivar rows: what each sample has, in order.
    :ivar others: why each other row is no sample.
    """

    content: bytes
    delimiter: str
    encoding: str | None
    types: dict[str, str]
    rows: list[tuple[str, dict[str, Any]]]
    shown: list[dict[str, str]]
    others: list[LeftOut]

    @property
    def options(self) -> dict[str, Any]:
        stated = None if self.encoding == "utf-8-sig" else self.encoding
        return {"sheet_delimiter": self.delimiter, "sheet_encoding": stated, "parameter_types": self.types}


def cell(draw: st.DrawFn, text: str, delimiter: str) -> str:
    """Write a cell as some program would."""
    text = f"{draw(st.sampled_from(SPACES))}{text}{draw(st.sampled_from(SPACES))}" if text else text
    needs_quotes = delimiter in text or any(mark in text for mark in '"\r\n')
    return '"' + text.replace('"', '""') + '"' if needs_quotes or draw(st.integers(0, 4)) == 0 else text


def words(encoding: str | None) -> st.SearchStrategy[tuple[str, Any]]:
    """Text that an encoding has, which reads the same whatever spaces are put around it."""
    text = st.text(encodable(LETTERS, encoding), min_size=1, max_size=12)
    inner = text.filter(lambda text: text[0].isalnum() and text[-1].isalnum() and not re.search(r"s3:|\w:[/\\]", text))
    return inner.map(lambda text: (text, text))


def encodable(text: str, encoding: str | None) -> str:
    return text.encode(encoding or "utf-8", "ignore").decode(encoding or "utf-8")


@st.composite
def sheets(draw: st.DrawFn, others: bool = True) -> Sheet:
    delimiter, encoding, end = map(draw, map(st.sampled_from, (DELIMITERS, ENCODINGS, ENDS)))
    names = draw(st.lists(st.sampled_from([n for n in NAMES if encodable(n, encoding) == n]), min_size=2, unique=True))
    typed = {"string": words(encoding), **TYPED}
    kinds = {name: draw(st.sampled_from(list(typed))) for name in names}
    header = ["sample", *names]
    lines, rows, shown, left = [header], [], [], []
    for number in range(draw(st.integers(1, 6))):
        if others and draw(st.booleans()):
            why = draw(st.sampled_from(list(NOT_SAMPLES)))
            lines.append(draw(st.sampled_from(NOT_SAMPLES[why])))
            left.append(why)
        sample = f"{draw(st.sampled_from(['S', '00', '1E', '1.1', 'nb-', 'total_', 'x y']))}{number}"
        texts, values = {}, {}
        for position, name in enumerate(names):
            empty = position > 0 and draw(st.integers(0, 4)) == 0
            text, value = ("", None) if empty else draw(typed[kinds[name]])
            texts[name] = text
            # Neither null nor empty text is sent, however it is written.
            if value not in (None, ""):
                values[name] = value
        rows.append((sample, values))
        shown.append({"sample": sample, **texts})
        lines.append([sample, *texts.values()])
    written = [delimiter.join(cell(draw, encodable(text, encoding), delimiter) for text in line) for line in lines]
    content = (end.join(written) + draw(st.sampled_from(["", end]))).encode(encoding or "utf-8", "ignore")
    types = {name: kind for name, kind in kinds.items() if kind != "string" or draw(st.booleans())}
    return Sheet(content, delimiter, encoding, types, rows, shown, left)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole-sheets")


def read(folder: Path, content: bytes, **options: Any) -> Cohort:
    path = folder / "sheet.csv"
    path.write_bytes(content)
    return read_cohort(str(path), SheetOptions("sample", **options), {"outputUri": "s3://bucket/results"}, no_uri)


def no_uri(uri: str) -> NoReturn:
    """Stand for S3 where nothing may be read from it."""
    raise AssertionError(f"{uri} was opened")


def same(value: Any) -> str:
    """Return a value as JSON, in which 1, 1.0 and true are three things."""
    return json.dumps(value, sort_keys=True)


MANY = settings(max_examples=150)


@given(sheet=sheets())
@MANY
def test_what_is_submitted_is_what_a_person_reads_and_all_other_rows_are_counted(folder: Path, sheet: Sheet) -> None:
    with read(folder, sheet.content, non_sample_rows="skip", **sheet.options) as cohort:
        given = [(setting["runSettingId"], setting.get("parameters", {})) for setting in cohort.settings()]
        assert same(given) == same(sheet.rows)
        assert cohort.left_out == {why: sheet.others.count(why) for why in sheet.others}


@given(sheet=sheets())
@MANY
def test_every_row_that_is_no_sample_is_refused_unless_it_is_to_be_left_out(folder: Path, sheet: Sheet) -> None:
    refused = [why for why in sheet.others if why is not LeftOut.EMPTY]
    if not refused:
        with read(folder, sheet.content, **sheet.options) as cohort:
            assert (cohort.count, sum(cohort.left_out.values())) == (len(sheet.rows), len(sheet.others))
        return
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(folder, sheet.content, **sheet.options)
    assert len(caught.value.issues) == len(refused)


@given(sheet=sheets(others=False))
@MANY
def test_a_sample_s_own_sheet_holds_what_its_rows_show(folder: Path, sheet: Sheet) -> None:
    own = SampleSheetOptions("input", None, BELOW)
    options = {**sheet.options, "parameter_types": {}}
    with read(folder, sheet.content, sample_sheets=own, **options) as cohort:
        assert cohort.sheets is not None
        written = [row for _, content in cohort.sheets for row in csv.DictReader(io.StringIO(content.decode()))]
        assert written == sheet.shown


# Anything at all, with what is not plain text more often than by chance.
ANYTHING = st.text(max_size=6) | st.sampled_from(
    ["#N/A", '="007"', "total", "Sample", "sample", "[x]", "# x", "s3://b", "/data/x", "{{ x }}/y", "\x1a", "//", "n=3"]
)


@given(
    rows=st.lists(st.tuples(ANYTHING, ANYTHING, ANYTHING), min_size=1, max_size=6),
    non_sample_rows=st.sampled_from(["fail", "skip"]),
    group=st.booleans(),
)
@settings(max_examples=400)
def test_whatever_stands_in_a_row_it_is_submitted_refused_or_counted(
    folder: Path, rows: list[tuple[str, str, str]], non_sample_rows: str, group: bool
) -> None:
    quoted = [",".join('"' + text.replace('"', '""') + '"' for text in row) for row in rows]
    content = "\n".join(["sample,x,y", *quoted]).encode("utf-8", "surrogatepass")
    numbers = list(row_numbers(rows))
    try:
        cohort = read(folder, content, non_sample_rows=non_sample_rows, group_rows=group)
    except OmicsRequestInvalidError as error:
        said = error.message()
        assert re.search(r"rows? \d+|has a header and no rows", said), said
        return
    with cohort:
        kept = dict(zip(numbers, rows, strict=True))
        submitted = list(cohort.settings())
        taken = sum(len(lists(setting)) for setting in submitted) if group else len(submitted)
        assert taken + sum(cohort.left_out.values()) == len(rows)
        if group:
            return
        for index, setting in enumerate(submitted):
            row = kept[int(cohort.place(index).rpartition(" ")[2])]
            assert bare(setting["runSettingId"]) == bare(row[0])
            cells = dict(zip("xy", row[1:], strict=True))
            given = setting.get("parameters", {})
            assert all(value in cells[name] and bare(value) == bare(cells[name]) for name, value in given.items())
            assert all(name in given for name, text in cells.items() if bare(text))


# Letters to Unicode, and nothing to the eye.
FILLERS = "\u115f\u1160\u3164\uffa0"


def row_numbers(rows: list[tuple[str, str, str]]) -> Iterator[int]:
    """Yield the numbers that a spreadsheet shows beside these rows."""
    yield from range(2, len(rows) + 2)


def lists(setting: dict[str, Any]) -> list[Any]:
    """Return the longest list of a sample, which has an item for each of its rows."""
    return max(setting.get("parameters", {"": [None]}).values(), key=len)


def bare(text: str) -> str:
    """Return the letters and digits of a text, which no rule about spaces touches."""
    return "".join(mark for mark in text if mark.isalnum() and mark not in FILLERS)
