"""Whatever run settings are written, in whatever form, reading gives them back in their order."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omics_errors import raises

from airflow_provider_omics.healthomics.requests.invisible import SPACES, trimmed
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings.cohort import (
    Cohort,
    SheetOptions,
    entries,
    read_cohort,
    select,
)
from airflow_provider_omics.healthomics.run_settings.issue_list import UnreadableError
from airflow_provider_omics.healthomics.run_settings.json_array import array_entries

DEFAULTS = {"outputUri": "s3://bucket/results"}
BUCKET = "s3://bucket/cohort"

unseen = "".join(sorted({mark for mark in SPACES if mark != " "}))
printable = st.characters(exclude_categories=("C",), exclude_characters=unseen)
names = st.text(printable, min_size=1, max_size=20)
ids = st.text(printable, min_size=1, max_size=128).filter(lambda text: text == text.strip())
# What begins as a place does is judged as one.
texts = st.text().filter(lambda text: not trimmed(text).casefold().startswith("s3"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
run_settings = st.lists(
    st.fixed_dictionaries(
        {"runSettingId": ids},
        optional={
            "name": names,
            "outputUri": st.sampled_from(["s3://bucket/a", "s3://other-bucket/b/c"]),
            "priority": st.integers(0, 100_000),
            "parameters": st.dictionaries(st.text(), json_values, max_size=5),
            "runTags": st.dictionaries(
                st.text("abc:-é", min_size=1).filter(lambda key: not key.startswith("aws:")),
                st.text(max_size=9),
                max_size=50,
            ),
            "outputBucketOwnerId": st.just("123456789012"),
            "engineSettings": st.dictionaries(st.text(), json_values, max_size=3),
        },
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda setting: setting["runSettingId"],
)


def read_back(source: Any, *, content: bytes = b"", **options: Any) -> list[dict[str, Any]]:
    with read_cohort(source, SheetOptions(**options), DEFAULTS, lambda uri: io.BytesIO(content)) as cohort:
        found = list(cohort.settings())
        assert_whole(cohort, found)
    return found


def assert_whole(cohort: Cohort, found: list[dict[str, Any]]) -> None:
    content = cohort.path.read_bytes()
    assert (cohort.count, cohort.size) == (len(found), len(content))
    assert json.loads(content) == found
    assert content.isascii()
    # One entry a line, between the brackets.
    assert content.count(b"\n") == len(found) + 2


@given(run_settings)
def test_lists(written: list[dict[str, Any]]) -> None:
    assert read_back(written) == written
    assert read_back(tuple(written)) == written
    assert read_back(json.dumps(written)) == written


@given(run_settings, st.sampled_from([None, 1, "\t"]), st.booleans(), st.booleans(), st.booleans())
def test_json_files(
    written: list[dict[str, Any]], indent: int | str | None, ascii_only: bool, packed: bool, mark: bool
) -> None:
    text = json.dumps(written, indent=indent, ensure_ascii=ascii_only).encode("utf-8-sig" if mark else "utf-8")
    content = gzip.compress(text) if packed else text
    assert read_back(f"{BUCKET}.json", content=content) == written


@given(run_settings, st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans(), st.booleans())
def test_json_lines(written: list[dict[str, Any]], end: str, ascii_only: bool, packed: bool) -> None:
    text = "".join(json.dumps(setting, ensure_ascii=ascii_only) + end for setting in written).encode()
    content = gzip.compress(text) if packed else text
    assert read_back(f"{BUCKET}.jsonl{'.gz' if packed else ''}", content=content) == written


# A name that begins as a place does is taken for a value in a sheet without a header.
columns_of_a_sheet = names.filter(lambda name: trimmed(name) == name and name != "id" and not {*"/\\"} & {*name})
# What ends with a colon is the beginning of a note.
ids_of_a_sheet = ids.filter(lambda text: not text.endswith(":"))
cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=30).filter(
    lambda cell: not trimmed(cell).startswith("#")
)


@given(
    st.lists(columns_of_a_sheet, min_size=1, max_size=5, unique=True),
    st.lists(ids_of_a_sheet.map(lambda text: f"S{text}"), min_size=1, max_size=12, unique=True),
    st.sampled_from([("csv", ","), ("tsv", "\t")]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.data(),
)
def test_sheets(
    columns: list[str], samples: list[str], form: tuple[str, str], end: str, packed: bool, data: st.DataObject
) -> None:
    suffix, delimiter = form
    rows = [
        {
            "id": sample,
            **data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(columns, cells))),
            columns[0]: "of every sample",
        }
        for sample in samples
    ]
    buffer = io.StringIO()
    # Python's writer leaves a carriage return without quotes, where it ends the line.
    minimal = not any("\r" in cell for row in rows for cell in row.values()) and data.draw(st.booleans())
    writer = csv.DictWriter(
        buffer,
        ["id", *columns],
        delimiter=delimiter,
        lineterminator=end,
        restval="",
        quoting=csv.QUOTE_MINIMAL if minimal else csv.QUOTE_ALL,
    )
    writer.writeheader()
    writer.writerows(rows)
    text = buffer.getvalue().encode()
    found = read_back(f"{BUCKET}.{suffix}", content=gzip.compress(text) if packed else text, run_setting_id_column="id")
    written = [{name: trimmed(value) for name, value in row.items() if name != "id" and trimmed(value)} for row in rows]
    assert [setting["runSettingId"] for setting in found] == samples
    assert [setting.get("parameters", {}) for setting in found] == written


@given(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=30))
def test_grouped_rows_keep_the_order_of_samples_and_of_rows(samples: list[str]) -> None:
    rows = [{"id": sample, "row": number} for number, sample in enumerate(samples)]
    found = read_back(rows, run_setting_id_column="id", group_rows=True)
    assert [setting["runSettingId"] for setting in found] == list(dict.fromkeys(samples))
    for setting in found:
        assert setting["parameters"]["row"] == [
            number for number, sample in enumerate(samples) if sample == setting["runSettingId"]
        ]


@given(run_settings, st.data())
def test_a_selection_keeps_the_order(written: list[dict[str, Any]], data: st.DataObject) -> None:
    all_ids = [setting["runSettingId"] for setting in written]
    wanted = data.draw(st.sets(st.sampled_from([*all_ids, "is in no batch"])))
    with read_cohort(written, SheetOptions(), DEFAULTS, open) as cohort, cohort.path.open("rb") as stream:
        with select(stream, wanted) as chosen:
            found = list(chosen.settings())
            assert_whole(chosen, found)
        assert not chosen.path.exists()
    assert found == [setting for setting in written if setting["runSettingId"] in wanted]


@given(run_settings)
def test_the_same_settings_make_the_same_file(written: list[dict[str, Any]]) -> None:
    with (
        read_cohort(written, SheetOptions(), DEFAULTS, open) as first,
        read_cohort(json.dumps(written, indent=2), SheetOptions(), DEFAULTS, open) as second,
        first.path.open("rb") as stream,
        select(stream, {setting["runSettingId"] for setting in written}) as third,
    ):
        assert first.path != second.path
        assert first.digest == second.digest == third.digest
        assert first.path.read_bytes() == second.path.read_bytes() == third.path.read_bytes()


@settings(max_examples=300)
@given(
    st.lists(json_values, max_size=6),
    st.sampled_from([None, 0, 2]),
    st.sampled_from([(",", ":"), (" , ", "\n:\t")]),
    st.booleans(),
    st.integers(1, 70),
)
def test_an_array_in_pieces_is_the_array(
    values: list[Any], indent: int | None, separators: tuple[str, str], ascii_only: bool, chunk: int
) -> None:
    text = json.dumps(values, indent=indent, separators=separators, ensure_ascii=ascii_only)
    if not text.isprintable() and any("\ud800" <= char <= "\udfff" for char in text):
        text = json.dumps(values, indent=indent, separators=separators)
    found = [entry.value for entry in array_entries(io.StringIO(f" {text}\n"), "x", chunk)]
    assert found == json.loads(text)


@settings(max_examples=300)
@given(st.lists(json_values, min_size=1, max_size=4), st.data(), st.integers(1, 40))
def test_an_array_that_was_cut_off_or_changed_is_read_or_refused_as_python_does(
    values: list[Any], data: st.DataObject, chunk: int
) -> None:
    text = json.dumps(values)
    at = data.draw(st.integers(1, len(text) - 1))
    text = text[:at] + data.draw(
        st.sampled_from(["", text[at + 1 :], "}" + text[at:], '"' + text[at:], "," + text[at:]])
    )
    try:
        expected = json.loads(text)
    except json.JSONDecodeError:
        with raises(OmicsRequestInvalidError, match="cohort file"):
            list(entries(io.BytesIO(text.encode())))
        return
    found = [entry.value for entry in array_entries(io.StringIO(text), "x", chunk)]
    assert found == expected


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 10_000])
def test_the_place_of_an_error_does_not_depend_on_the_pieces(chunk: int) -> None:
    text = '[\n  {"a": "é\\n", "b": [1,\n 2]},\n\n  {"c" 5}\n' + " " * 100 + "]"
    with pytest.raises(UnreadableError, match="x line 5, column 8: is not JSON: Expecting ':' delimiter"):
        list(array_entries(io.StringIO(text), "x", chunk))


def test_files_are_removed_when_they_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cohort = read_cohort([{"runSettingId": "A"}], SheetOptions(), DEFAULTS, open)
    assert list(tmp_path.iterdir()) == [cohort.path]
    cohort.close()
    cohort.close()
    assert list(tmp_path.iterdir()) == []
    with raises(OmicsRequestInvalidError, match="cohort file"):
        select(io.BytesIO(b'[{"runSettingId": "A"},'), {"A"})
    assert list(tmp_path.iterdir()) == []
