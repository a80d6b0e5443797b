"""Types that are stated for the rows of a list, of JSON or of JSONL, and options that only sheets have."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort

Read = Callable[..., Cohort]
Write = Callable[[str, str | bytes], str]

TYPES = {"depth": "int", "share": "float", "dedup": "boolean", "panels": "string[]", "trim": "json", "lot": "string"}
TEXTS = {"depth": "30", "share": "1", "dedup": "yes", "panels": '["a", "b"]', "trim": '{"min": 3}', "lot": "007"}
VALUES = {"depth": 30, "share": 1.0, "dedup": True, "panels": ["a", "b"], "trim": {"min": 3}, "lot": "007"}


@pytest.mark.parametrize("row", [TEXTS, VALUES, {**VALUES, "panels": ("a", "b"), "share": 1}], ids=repr)
@pytest.mark.parametrize("name", [None, "rows.json", "rows.jsonl"])
def test_text_of_rows_is_read_as_cells_are_and_typed_values_stay(
    row: dict[str, Any], name: str | None, write: Write, read: Read
) -> None:
    given: list[dict[str, Any]] = [{"id": "A", **row}, {"id": "B", "depth": "", "share": None}]
    text = "\n".join(map(json.dumps, given)) if name == "rows.jsonl" else json.dumps(given)
    settings = list(read(given if name is None else write(name, text), "id", parameter_types=TYPES).settings())
    assert settings == [{"runSettingId": "A", "parameters": VALUES}, {"runSettingId": "B"}]
    assert [type(value) for value in settings[0]["parameters"].values()] == [type(value) for value in VALUES.values()]


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("int", "thirty", "'thirty' is no whole number, and its type is int"),
        ("int", 3.5, "'3.5' is no whole number"),
        ("int", True, "'true' is no whole number"),
        ("float", "0,5", "'0,5' is no number"),
        ("boolean", 2, "'2' is neither true nor false"),
        ("string", 7, "'7' is int, and its type is string. Give string values"),
        ("int", [1], "'[1]' is list, and its type is int"),
        ("int[]", ["a"], "'a' is no whole number"),
        ("int[]", [None], "'None' is NoneType"),
        ("json", "{", "is not JSON"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(kind: str, value: Any, words: str, read: Read) -> None:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read([{"id": "A", "n": value}], "id", parameter_types={"n": kind})
    assert words in caught.value.message()
    assert "run_settings[0], column 'n'" in caught.value.message()


def test_one_value_is_a_list_of_one(read: Read) -> None:
    (setting,) = read([{"id": "A", "n": 5}], "id", parameter_types={"n": "int[]"}).settings()
    assert setting["parameters"] == {"n": [5]}


def test_rows_of_a_sample_are_typed_one_by_one(read: Read) -> None:
    rows = [{"id": "A", "n": "1"}, {"id": "A", "n": None}, {"id": "A", "n": 3}]
    (setting,) = read(rows, "id", group_rows=True, parameter_types={"n": "int"}).settings()
    assert setting["parameters"] == {"n": [1, None, 3]}

    def build(given: list[dict[str, Any]]) -> dict[str, Any]:
        return {"parameters": {"n": [row["n"] for row in given]}}

    (setting,) = read(rows, "id", build_run_setting=build, parameter_types={"n": "int"}).settings()
    assert setting["parameters"] == {"n": [1, "", 3]}


def test_a_type_of_what_rows_need_not_have_is_told_and_refuses_nothing(read: Read) -> None:
    (note,) = read([{"id": "A"}, {"id": "B"}], "id", parameter_types={"share": "float"}).notes
    assert note.warning
    assert note.text == "parameter_types without effect, since no row of run_settings has them: 'share'"


def test_a_type_of_a_column_that_is_called_otherwise_is_refused(read: Read) -> None:
    rows = [{"id": "A", "depth": "1"}, {"id": "B", "share": "1"}]
    assert read(rows, "id", parameter_types={"share": "float"}).count == 2
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(rows, "id", parameter_types={"depht": "int"})
    (issue,) = caught.value.issues
    assert str(issue).startswith("parameter_types['depht']: is not a column of any row of run_settings.")
    assert "'depth'" in issue.fix


@pytest.mark.parametrize("name", [None, "settings.json", "settings.jsonl"])
def test_types_for_run_settings_by_the_names_of_the_api_are_refused(name: str | None, write: Write, read: Read) -> None:
    settings = [{"runSettingId": "A", "parameters": {"n": "1"}}]
    text = json.dumps(settings[0] if name == "settings.jsonl" else settings)
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(settings if name is None else write(name, text), parameter_types={"n": "int"})
    (issue,) = caught.value.issues
    assert str(issue) == (
        "run_setting_id_column: is missing, and parameter_types needs it. Give run_setting_id_column, or leave "
        "parameter_types out if these are run settings already."
    )


def test_options_of_sheets_are_told_where_there_is_none(write: Write, read: Read) -> None:
    options = {"sheet_delimiter": ";", "sheet_encoding": "utf-16", "non_sample_rows": "skip"}
    (note,) = read([{"id": "A", "n": 1}], "id", **options).notes
    assert note.warning
    assert note.text == (
        "Without effect, since only CSV and TSV are sheets of text, and run_settings is none: "
        "sheet_delimiter, sheet_encoding, non_sample_rows"
    )
    path = write("x.csv", "id;n\nA;a\n".encode("utf-16"))
    assert read(path, "id", **options).notes == ()
