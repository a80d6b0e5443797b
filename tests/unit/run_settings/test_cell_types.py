"""A cell is sent as what a person reads in it under the type that was stated, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort
from airflow_provider_omics.healthomics.run_settings.types import CellError, looks_typed, typed

Write = Callable[[str, str | bytes], str]
Read = Callable[..., Cohort]

GOOD: list[tuple[str, str, Any]] = [
    ("30", "int", 30),
    ("007", "int", 7),
    ("-3", "integer", -3),
    ("9223372036854775807", "int", 2**63 - 1),
    ("1.10", "float", 1.1),
    ("1E5", "float", 100000.0),
    ("30", "number", 30.0),
    (".5", "double", 0.5),
    ("TRUE", "boolean", True),
    ("false", "bool", False),
    ("yes", "boolean", True),
    ("0", "boolean", False),
    ("1.10", "string", "1.10"),
    ("true", "text", "true"),
    ("s3://b/1", "file", "s3://b/1"),
    ('["a", {"b": null}]', "json", ["a", {"b": None}]),
    ("1.10", "json", 1.1),
    ("[1, 2]", "int[]", [1, 2]),
    ('["1", "2"]', "int[]", [1, 2]),
    ("7", "int[]", [7]),
    ('["s3://b/1"]', "string[]", ["s3://b/1"]),
    ("s3://b/1", "File[]", ["s3://b/1"]),
]
BAD: list[tuple[str, str, str]] = [
    ("30.0", "int", "no whole number"),
    ("1E5", "int", "no whole number"),
    ("1,000", "int", "no whole number"),
    ("٣", "int", "no whole number"),
    ("1_000", "int", "no whole number"),
    ("9223372036854775808", "int", "64 bits"),
    ("9" * 5000, "int", "64 bits"),
    ("1,5", "float", "no number"),
    ("nan", "float", "no number"),
    ("1e999", "float", "no number"),
    ("maybe", "boolean", "neither true nor false"),
    ("2", "boolean", "neither true nor false"),
    ("{a: 1}", "json", "is not JSON"),
    ("NaN", "json", "which is not JSON"),
    ('{"a": 1, "a": 2}', "json", "twice"),
    ("1 2", "json", "'1 2' is no single value of JSON"),
    ("0x1F", "json", "'0x1F' is no single value of JSON"),
    ("a;b", "string[]", "is no JSON array"),
    ('["a"]', "int[]", "no whole number"),
    ("[[1]]", "int[]", "which is no int"),
    ("[1]", "string[]", "which is no string"),
]


@pytest.mark.parametrize(("cell", "kind", "value"), GOOD)
def test_a_cell_is_its_value(cell: str, kind: str, value: Any, write: Write, read: Read) -> None:
    found = typed(cell, kind)
    assert (found, type(found)) == (value, type(value))
    quoted = cell.replace('"', '""')
    (setting,) = read(write("x.csv", f'id,x\nA,"{quoted}"\n'), "id", parameter_types={"x": kind}).settings()
    assert setting["parameters"]["x"] == value


@pytest.mark.parametrize("kind", ["int", "float", "boolean", "json", "int[]"])
@pytest.mark.parametrize("word", ["NA", "n/a", "NaN", "None", "-", "unknown", "?"])
def test_a_word_for_nothing_is_to_be_left_out(word: str, kind: str, write: Write, read: Read) -> None:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(write("x.csv", f"id,x\nA,\nB,{word}\n"), "id", parameter_types={"x": kind})
    (issue,) = caught.value.issues
    assert issue.fix.startswith("Empty the cell if there is no value. If there is one: ")
    assert read(write("x.csv", "id,x\nA,\nB,\n"), "id", parameter_types={"x": kind}).count == 2


@pytest.mark.parametrize(("cell", "kind", "words"), BAD)
def test_a_cell_that_does_not_fit_is_refused(cell: str, kind: str, words: str, write: Write, read: Read) -> None:
    with pytest.raises(CellError):
        typed(cell, kind)
    quoted = cell.replace('"', '""')
    path = write("x.csv", f'id,x\nA,\nB,"{quoted}"\n')
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, "id", parameter_types={"x": kind})
    (issue,) = caught.value.issues
    assert issue.where == f"{path} row 3, column 'x'"
    assert words in issue.what
    assert issue.what.endswith(f", and its type is {kind}")
    assert issue.fix


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_whole_number_is_itself(number: int) -> None:
    assert typed(str(number), "int") == typed(str(number), "json") == number
    assert looks_typed(str(number))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_itself(number: float) -> None:
    assert typed(repr(number), "float") == number


def test_without_a_type_a_cell_is_text_and_columns_that_seem_to_want_one_are_told_once(
    write: Write, read: Read
) -> None:
    sheet = 'id,version,code,gene,flag,list,lane,reads\nA,1.10,007,1E5,true,"[1]",L1,s3://b/1\nB,2,,7,FALSE,,2,\n'
    path = write("x.csv", sheet)
    cohort = read(path, "id")
    assert [setting["parameters"] for setting in cohort.settings()] == [
        {
            "version": "1.10",
            "code": "007",
            "gene": "1E5",
            "flag": "true",
            "list": "[1]",
            "lane": "L1",
            "reads": "s3://b/1",
        },
        {"version": "2", "gene": "7", "flag": "FALSE", "lane": "2"},
    ]
    (note,) = cohort.notes
    assert note.warning
    assert "the columns 'code', 'flag', 'gene', 'list', 'version' of " in note.text
    stated = dict.fromkeys(("version", "code", "gene", "flag", "list"), "string")
    assert read(path, "id", parameter_types=stated).notes == ()


def test_cells_of_a_group_are_typed_one_by_one(write: Write, read: Read) -> None:
    path = write("x.csv", "id,n\nA,1\nA,\nA,3\n")
    (setting,) = read(path, "id", group_rows=True, parameter_types={"n": "int"}).settings()
    assert setting["parameters"] == {"n": [1, None, 3]}


@pytest.mark.parametrize(
    ("types", "words"),
    [
        ({"x": "integre"}, "parameter_types['x']: 'integre' is no type. Use one of int, float, boolean, string, json"),
        ({"y": "int"}, "parameter_types['y']: is not a column of the sheet"),
        (["x"], "parameter_types: is list. Give a dict"),
    ],
)
def test_types_that_are_none_are_refused(types: Any, words: str, write: Write, read: Read) -> None:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(write("x.csv", "id,x\nA,1\n"), "id", parameter_types=types)
    assert words in caught.value.message()


def test_rows_of_json_lines_hold_any_value(write: Write, read: Read) -> None:
    path = write("x.jsonl", '{"id": "A", "files": ["s3://b/1"], "map": {"a": [1]}, "n": 30, "ok": true}\n')
    (setting,) = read(path, "id").settings()
    assert setting["parameters"] == {"files": ["s3://b/1"], "map": {"a": [1]}, "n": 30, "ok": True}


@pytest.mark.parametrize("group_rows", [False, True])
def test_the_id_is_a_parameter_too_where_the_workflow_takes_one_of_its_name(
    group_rows: bool, write: Write, read: Read
) -> None:
    path = write("x.csv", "sample_name,bam\n 007 ,s3://b/1\n")
    bam = ["s3://b/1"] if group_rows else "s3://b/1"

    def parameters(names: set[str], **options: Any) -> Any:
        cohort = read(path, "sample_name", group_rows=group_rows, known_parameters=lambda: names, **options)
        (setting,) = cohort.settings()
        assert setting["runSettingId"] == "007"
        return setting["parameters"]

    assert parameters({"bam"}) == {"bam": bam}
    assert parameters({"bam", "sample_name"}) == {"sample_name": "007", "bam": bam}
    typed_id = parameters({"sample_name"}, parameter_types={"sample_name": "int"})
    assert typed_id == {"sample_name": 7, "bam": bam}
