"""Whatever is wrong with run settings is said with file, row, column and remedy, and leaves no file behind."""

from __future__ import annotations

import gc
import gzip
import math
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort
from airflow_provider_omics.healthomics.run_settings.sample_sheets import SampleSheetOptions

Write = Callable[[str, str | bytes], str]
Read = Callable[..., Cohort]

NESTED = 200_000
PACKED = gzip.compress(b"id,x\n" + b"".join(b"S%d,%d\n" % (i, i * i) for i in range(1000)), mtime=0)

# (name of the file, its content, the place with {} for the file, words of the cause, words of the remedy)
SHEETS: list[tuple[str, str | bytes, str, str, str]] = [
    ("a.csv", "", "{}", "is empty", "had finished"),
    ("a.csv", b"\xef\xbb\xbf", "{}", "is empty", "Give a header"),
    ("a.csv", "\n\n,,\n", "{}", "is empty", "Give a header, and below it one row per sample"),
    ("a.csv", "id,x\n", "{}", "has a header and no rows", "one row per sample"),
    ("a.csv", "id,x\n,\n\n", "{}", "has a header and no rows", "one row per sample"),
    (
        "a.csv",
        "sample,x\nS,1\n",
        "run_setting_id_column",
        "'id' is not a column of {}",
        "Name one of its columns: sample, x",
    ),
    ("a.csv", "ID,x\nS,1\n", "run_setting_id_column", "'id' is not a column of {}", "columns: ID, x"),
    ("a.csv", "id;x\nS;1\n", "{} row 1", "one column, 'id;x', which semicolons divide", "Divide the columns by commas"),
    ("a.csv", "id\tx\nS\t1\n", "{} row 1", "which tabs divide", "or name the file .tsv"),
    ("a.csv", "id|x\nS|1\n", "{} row 1", "which bars divide", "Divide the columns by commas"),
    ("a.tsv", "id,x\nS,1\n", "{} row 1", "'id,x', which commas divide", "Divide the columns by tabs"),
    ("a.csv", "id,x,x\nS,1,2\n", "{} row 1, column 3", "'x' is the name of column 2 too", "its own name"),
    ("a.csv", "id,,x\nS,1,2\n", "{} row 1, column 2", "has no name", "Name the column, or remove it"),
    ("a.csv", "id,x,\nS,1,\n", "{} row 1, column 3", "has no name", "Name the column, or remove it"),
    ("a.csv", "id,x\u200by\nS,1\n", "{} row 1, column 2", "not seen, U+200B (zero width space)", "name anew"),
    ("a.csv", "id,x\nS\u00a01,1\n", "{} row 2, column 'id'", "not seen, U+00A0 (no-break space)", "id anew"),
    ("a.csv", "id,x\nS,1\nT,#REF!\n", "{} row 3, column 'x'", "'#REF!' is an error of the spreadsheet", "formula"),
    ("a.csv", "id,x\nS,1\n#N/A,2\n", "{} row 3, column 'id'", "'#N/A' is an error of the spreadsheet", "formula"),
    ("a.csv", b"id,\xe9\nS,1\n", "{} row 1, column 2", "has byte 0xE9, which is not UTF-8", "as CSV UTF-8"),
    ("a.csv", "id,x\nS,1\nT,1,2\n", "{} row 3, column 3", "has 3 cells, and the header has 2", "quotes around values"),
    ("a.csv", "id,x,y\nS,1,2\nT,1\n", "{} row 3, column 3", "has 2 cells, and the header has 3", "a cell for each"),
    ("a.tsv", "id\tx\nS 1\n", "{} row 2, column 2", "has 1 cells, and the header has 2", "a cell for each column"),
    ("a.csv", 'id,x\nS,1\n\nT,"1\nU,2\nV,3\n', "{} row 4", "a quote that is never closed", "Close the quote"),
    ("a.csv", 'id,x\nS,"1\nT,"2"\n', "{} row 2", "has text after a closing quote", "double a quote"),
    ("a.csv", 'id,x\nS,"' + "y\n" * 70_000, "{} row 2", "a cell of more than 131,072 characters", "file in S3"),
    ("a.csv", "id,x\n" + "y" * 9_000_000, "{} line 2", "is longer than 8,388,608 characters", "the format"),
    ("a.csv", b"id,x\nS,\xff\xfe\n", "{} row 2, column 'x'", "has byte 0xFF, which is not UTF-8", "Save the file"),
    ("a.csv", b"id,x\nS,ok\nM\xfcller,1\n", "{} row 3, column 'id'", "has byte 0xFC", "Save the file as UTF-8"),
    ("a.csv", b"id,x\nS,a\0b\n", "{} row 2, column 'x'", "has a NUL character", "binary, or UTF-16"),
    ("a.csv", "id,x\nS,1\n".encode("utf-16"), "{}", "is UTF-16 text", "choose the type CSV UTF-8"),
    ("a.csv", "id\nS\n".encode("utf-16-be"), "{} row 1, column 1", "has a NUL character", "UTF-16"),
    ("a.csv", "id,x\nS,1\n,2\n", "{} row 3, column 'id'", "has no run setting id", "the id of its sample"),
    ("a.csv", "id,x\nS,1\n  ,2\n", "{} row 3, column 'id'", "has no run setting id", "the id of its sample"),
    ("a.csv", "id,x\nS,1\nT,2\nS,3\n", "{} row 4, column 'id'", "'S' is the id of {} row 2 too", "group_rows=True"),
    ("a.csv", "id,x\nS,1\n S ,3\n", "{} row 3, column 'id'", "'S' is the id of {} row 2 too", "group_rows=True"),
    ("a.csv", f"id,x\n{'S' * 129},1\n", "{} row 2, column 'id'", "has 129 characters, more than 128", "at most 128"),
    ("a.csv", "id,x\nS\u0007T,1\n", "{} row 2, column 'id'", "not seen, U+0007 (without a name)", "id anew"),
    ("a.csv", 'id,x\n"S\nT",1\n', "{} row 2, column 'id'", "not seen, U+000A (line break)", "id anew"),
    ("a.csv", "id,x\nS," + "y" * 130_000 + "\n" + "T," + "é" * 43_000, "{} row 3", "take 258,009 bytes", "file in S3"),
    ("a.csv.gz", "id,x\nS,1\n", "{}", "ends in .gz and is not gzipped", "take .gz off its name"),
    ("a.csv.gz", PACKED[:-200], "{}", "is a gzip file that ends too early", "it was cut off"),
    ("a.csv.gz", PACKED[:3], "{}", "is a gzip file that ends too early", "it was cut off"),
    ("a.csv", PACKED[:500] + b"\0\0" + PACKED[502:], "{}", "is a damaged gzip file", "Write or copy it again"),
    ("a.csv.gz", PACKED + b"and more", "{}", "is a damaged gzip file", "Write or copy it again"),
    ("a.csv.gz", gzip.compress(b"", mtime=0), "{}", "is empty", "had finished"),
    ("a.xlsx", b"PK\3\4", "{}", "is a workbook of a spreadsheet program", "Save its sheet as CSV"),
    ("a.csv", b"PK\3\4\0", "{}", "is a workbook of a spreadsheet program", "Save its sheet as CSV"),
    ("cohort", "id,x\nS,1\n", "{}", "a suffix that does not say what it is", "one of these and .gz"),
    (
        "a.jsonl",
        '{"x": 1}\n',
        "{} line 1, column 'id'",
        "is missing",
        "name another column in run_setting_id_column: x",
    ),
    ("a.jsonl", '{"id": true}\n', "{} line 1, column 'id'", "is bool True", "Give text"),
    ("a.jsonl", '{"id": "A "}\n', "{} line 1, column 'id'", "'A ' has spaces around it", "Remove the spaces"),
]

# The same, without an id column: run settings by the API's names.
FILES: list[tuple[str, str | bytes, str, str, str]] = [
    ("a.csv", "s,x\nS,1\n", "run_setting_id_column", "is missing, and {} needs it", "Name one of its columns: s, x"),
    ("a.json", "", "{}", "is empty", "had finished"),
    ("a.json", " \n ", "{}", "is empty", "had finished"),
    ("a.json", "[ ]", "{}", "has no run settings", "Give at least one"),
    ("a.json", '{"runSettingId": "A"}', "{}", "is an object, not an array of run settings", "name it .jsonl"),
    ("a.json", "runSettingId: A", "{}", "begins with 'r', not with [", "Give a JSON array of run settings"),
    ("a.json", '[{"runSettingId": "A"}', "{} line 1, column 23", "the array is not closed", "Correct the JSON there"),
    ("a.json", '[\n {"runSettingId": "A"\n', "{} line 3, column 1", "Expecting ',' delimiter", "Correct the JSON"),
    (
        "a.json",
        '[\n  {"runSettingId": "A}\n]',
        "{} line 2, column 23",
        "a quote that is not closed",
        "Correct the JSON",
    ),
    ("a.json", '[{"runSettingId": "A"},\n{"x" 1}]', "{} line 2, column 6", "Expecting ':' delimiter", "Correct"),
    ("a.json", '[{"runSettingId": "A"}\n{"b": 1}]', "{} line 2, column 1", "Expecting ',' or ']'", "Correct"),
    ("a.json", '[{"runSettingId": "A"},\n]', "{} line 2, column 1", "Expecting value", "Correct the JSON there"),
    ("a.json", '[{"runSettingId": "A"}]\nx', "{} line 2, column 1", "nothing after the closing ']'", "Correct"),
    ("a.json", '["A"]', "{} entry 1", "is str 'A'", "an object with the members runSettingId, name"),
    ("a.json", '[{"runSettingId": "A"},\n\n12.5]', "{} entry 2", "is float 12.5", "an object with the members"),
    (
        "a.json",
        '[{"runSettingId": "A", "name": "a", "name": "b"}]',
        "{} entry 1",
        "has the key 'name' twice",
        "Keep one",
    ),
    ("a.json", '[{"runSettingId": "A", "priority": NaN}]', "{} entry 1", "has NaN, which is not JSON", "a number or"),
    (
        "a.json",
        '[{"runSettingId": "A", "parameters": {"x": [-Infinity]}}]',
        "{} entry 1",
        "has -Infinity",
        "a number or",
    ),
    (
        "a.json",
        '[{"runSettingId": "A", "parameters": {"x": 1e999}}]',
        "{} entry 1, parameters.x",
        "written as JSON",
        "text",
    ),
    ("a.json", "[" + "[" * NESTED + "]" * NESTED + "]", "{} line 1, column 2", "is nested too deeply", "Correct"),
    ("a.json", '[{"x": ' + "1" * 5000 + "}]", "{} line 1, column 2", "4300 digits", "Correct the JSON there"),
    (
        "a.json",
        '[{"runSettingId": "' + "A" * 20_000_000,
        "{} line 1, column 2",
        "does not end within 8,388,608",
        "Close",
    ),
    ("a.json", b'[{"runSettingId": "A"},\n{"runSettingId": "\xfc"}]', "{} line 2, column 19", "byte 0xFC", "as UTF-8"),
    ("a.json", b'[{"runSettingId": "A"},\n\0]', "{} line 2, column 1", "has a NUL character", "binary, or UTF-16"),
    ("a.json", '[{"runSettingId": "A"}]'.encode("utf-16-le"), "{} line 1, column 2", "has a NUL character", "UTF-16"),
    ("a.json.gz", gzip.compress(b'[{"runSettingId": "A"}]', mtime=0)[:-3], "{}", "ends too early", "it was cut off"),
    (
        "a.json",
        '[{"runSettingId": "A"}, {"runSettingId": "A"}]',
        "{} entry 2, runSettingId",
        "of {} entry 1 too",
        "own id",
    ),
    ("a.json", '[{"runSettingId": 5}]', "{} entry 1, runSettingId", "is int 5", "Give text"),
    ("a.json", '[{"runSettingId": "\\ud800"}]', "{} entry 1, runSettingId", "does not match the pattern", "Correct"),
    ("a.json", '[{"runSettingId": "A", "priority": "5"}]', "{} entry 1, priority", "is str '5'", "whole number"),
    (
        "a.jsonl",
        '{"runSettingId": "A"}\n{"runSettingId": "B"\n',
        "{} line 2, column 22",
        "is not JSON",
        "object a line",
    ),
    ("a.jsonl", '{"runSettingId": "A"},\n', "{} line 1, column 22", "has ',' after the object", "no comma after it"),
    ("a.jsonl", '{"runSettingId": "A"}\n[1]\n', "{} line 2", "is list [1]", "an object with the members"),
    ("a.jsonl", '[{"runSettingId": "A"}]\n', "{}", "begins with an array", "Name a JSON array .json"),
    ("a.jsonl", "[\n", "{} line 1, column 3", "is not JSON", "one complete JSON object a line"),
    ("a.jsonl", '{"a": 1, "a": 2}\n', "{} line 1", "has the key 'a' twice", "Keep one of the two"),
    ("a.jsonl", b'\n{"runSettingId": "\xfc"}\n', "{} line 2, column 19", "byte 0xFC", "Save the file as UTF-8"),
    ("a.jsonl", '{"x": ' + "1" * 5000 + "}", "{} line 1", "4300 digits", "Correct the value"),
    ("a.ndjson", "\n \n", "{}", "has no run settings", "Give at least one"),
]

ID = {"runSettingId": "A"}

# (what is given instead of a file, the place, words of the cause, words of the remedy)
GIVEN: list[tuple[Any, str, str, str]] = [
    (None, "run_settings", "is missing", "Give a list of run settings, or a path or s3:// URI"),
    (ID, "run_settings", "is dict", "Give a list of run settings"),
    (b"[]", "run_settings", "is bytes", "Give a list of run settings"),
    (iter([ID]), "run_settings", "is list_iterator", "Give a list of run settings"),
    ([], "run_settings", "has no run settings", "skip the task when there are none"),
    ("", "run_settings", "is empty text", "Give a list of run settings"),
    ("  ", "run_settings", "is empty text", "Give a list of run settings"),
    ("cohort.csv", "run_settings", "'cohort.csv' is no file here, no s3:// URI", "Give a list of run settings"),
    ("x" * 5000, "run_settings", "is no file here", "Give a list of run settings"),
    ("a\0.csv", "run_settings", "is no file here", "Give a list of run settings"),
    ("https://host/a.csv", "run_settings", "is no file here, no s3:// URI", "a path or s3:// URI"),
    (Path("/"), "run_settings", "'/' is a directory", "a path or s3:// URI of a file"),
    ("s3://bucket/cohort.XLSX", "s3://bucket/cohort.XLSX", "is a workbook", "as the type CSV UTF-8"),
    ("s3://bucket/cohort/", "s3://bucket/cohort/", "a suffix that does not say", ".json, .jsonl, .ndjson"),
    ("[{'runSettingId': 'A'}]", "run_settings line 1, column 3", "double quotes", "write {{ ... | tojson }}"),
    ('{"runSettingId": "A"}', "run_settings", "is an object, not an array", "Put the run settings into [ ]"),
    ([ID, 5], "run_settings[1]", "is int 5", "an object with the members"),
    ([ID, None], "run_settings[1]", "is NoneType None", "an object with the members"),
    ([{"name": "a"}], "run_settings[0].runSettingId", "is missing", "name in run_setting_id_column where it stands"),
    ([{"runSettingId": ""}], "run_settings[0].runSettingId", "is empty", "an id of its own"),
    ([{"runSettingId": "A\u00a0"}], "run_settings[0].runSettingId", "has spaces around it", "Remove the spaces"),
    ([{"runSettingId": ["A"]}], "run_settings[0].runSettingId", "is list ['A']", "Give text"),
    (
        [ID, ID],
        "run_settings[1].runSettingId",
        "'A' is the id of run_settings[0] too",
        "Give every run setting its own",
    ),
    ([{"run_setting_id": "A"}], "run_settings[0].run_setting_id", "is not a member", "Write it as runSettingId"),
    ([{**ID, "outputURI": "s3://bkt"}], "run_settings[0].outputURI", "is not a member", "Write it as outputUri"),
    ([{**ID, "cacheId": "1"}], "run_settings[0].cacheId", "is not a member", "to the operator as cache_id, for all"),
    ([{**ID, "cache_id": "1"}], "run_settings[0].cache_id", "is not a member", "to the operator as cache_id, for all"),
    ([{**ID, "runId": "1"}], "run_settings[0].runId", "runs nothing again", "OmicsStartRunOperator with run_id"),
    ([{**ID, "requestId": "1"}], "run_settings[0].requestId", "is not given for single runs", "Leave it out"),
    ([{**ID, "tags": {}}], "run_settings[0].tags", "is not a member", "Write it as runTags"),
    ([{**ID, "outputUriPrefixMode": "X"}], "run_settings[0].outputUriPrefixMode", "cannot be chosen", "Leave it out"),
    ([{**ID, "fastq_1": "x"}], "run_settings[0].fastq_1", "is not a member", "put it into parameters"),
    ([{**ID, 5: "x"}], "run_settings[0].5", "is not a member", "put it into parameters"),
    ([{**ID, "name": "n" * 129}], "run_settings[0].name", "has 129 characters", "at most 128"),
    ([{**ID, "priority": -1}], "run_settings[0].priority", "-1 is out of range", "Use 0 to 100000"),
    ([{**ID, "outputBucketOwnerId": "12"}], "run_settings[0].outputBucketOwnerId", "has 2 characters", "at least 12"),
    ([{**ID, "outputUri": "bucket/x"}], "run_settings[0].outputUri", "'bucket/x' is not an S3 URI", "s3://my-bucket"),
    ([{**ID, "parameters": [1]}], "run_settings[0].parameters", "is list, not an object", "Give a dict"),
    ([{**ID, "parameters": "{x}"}], "run_settings[0].parameters", "is str, not an object", "JSON object"),
    (
        [{**ID, "parameters": {"x": {1}}}],
        "run_settings[0].parameters.x",
        "cannot be written as JSON",
        "Use text, numbers",
    ),
    ([{**ID, "parameters": {"x": math.nan}}], "run_settings[0].parameters.x", "cannot be written as JSON", "Use text"),
    (
        [{**ID, "engineSettings": {"x": {1}}}],
        "run_settings[0].engineSettings.x",
        "cannot be written as JSON",
        "Use text",
    ),
    ([{**ID, "engineSettings": 5}], "run_settings[0].engineSettings", "is int, not an object", "Give a dict"),
    ([{**ID, "runTags": ["a"]}], "run_settings[0].runTags", "is list ['a']", "Give an object"),
    ([{**ID, "runTags": {"a": True}}], "run_settings[0].runTags.a", "is bool True", "Give text"),
    ([{**ID, "runTags": {"aws:a": ""}}], "run_settings[0].runTags", "begins with aws:", "Rename the tag"),
    ([{**ID, "parameters": {"x": "y" * 256_000}}], "run_settings[0].parameters", "256,009 bytes", "file in S3"),
]


def refused(read: Read, source: Any, *args: Any, **options: Any) -> OmicsRequestInvalidError:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(source, *args, **options)
    return caught.value


def assert_only(error: OmicsRequestInvalidError, where: str, what: str, fix: str) -> None:
    places = [issue for issue in error.issues if issue.where == where]
    assert places, error.message()
    assert any(what in issue.what and fix in issue.fix for issue in places), error.message()
    assert "StartRunBatch: nothing was sent" in error.message()


@pytest.mark.parametrize(
    ("name", "content", "where", "what", "fix"), SHEETS, ids=[f"{row[0]!r} {row[3]}" for row in SHEETS]
)
def test_a_broken_sheet_is_refused_with_its_own_message(
    name: str, content: str | bytes, where: str, what: str, fix: str, write: Write, read: Read, spool_dir: Path
) -> None:
    path = write(name, content)
    error = refused(read, path, "id")
    assert_only(error, where.format(path), what.format(path), fix)
    assert error.total == 1, error.message()
    assert list(spool_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "where", "what", "fix"), FILES, ids=[f"{row[0]!r} {row[3]}" for row in FILES]
)
def test_a_broken_file_is_refused_with_its_own_message(
    name: str, content: str | bytes, where: str, what: str, fix: str, write: Write, read: Read, spool_dir: Path
) -> None:
    path = write(name, content)
    error = refused(read, path)
    assert_only(error, where.format(path), what.format(path), fix)
    assert list(spool_dir.iterdir()) == []


@pytest.mark.parametrize(("given", "where", "what", "fix"), GIVEN, ids=[row[2] for row in GIVEN])
def test_a_broken_list_is_refused_with_its_own_message(
    given: Any, where: str, what: str, fix: str, read: Read, spool_dir: Path
) -> None:
    assert_only(refused(read, given), where, what, fix)
    assert list(spool_dir.iterdir()) == []


def test_no_two_kinds_of_broken_sheet_share_a_message(write: Write, read: Read) -> None:
    messages = set()
    for name, content, *_ in SHEETS:
        path = write(name, content)
        messages.add(str(refused(read, path, "id").issues[0]).replace(path, "FILE"))
    # Some rows of the table are two spellings of one mistake.
    assert len(messages) >= 40


def test_every_problem_of_a_sheet_is_said_at_once(write: Write, read: Read) -> None:
    path = write("a.csv", "id,x\nA,1\nA,2\n,3\nB\n" + "C" * 129 + ',1\nD,"x\n')
    error = refused(read, path, "id")
    assert [issue.where.removeprefix(path) for issue in error.issues] == [
        " row 3, column 'id'",
        " row 4, column 'id'",
        " row 5, column 2",
        " row 6, column 'id'",
        " row 7",
    ]


def test_every_problem_of_a_header_is_said_at_once(write: Write, read: Read) -> None:
    path = write("a.csv", "id,,x,x,\u200c x\nA,1,2,3,4\n")
    error = refused(read, path, "id")
    assert [issue.where.removeprefix(path) for issue in error.issues] == [
        " row 1, column 2",
        " row 1, column 4",
        " row 1, column 5",
    ]


def test_the_first_hundred_problems_are_listed_and_all_are_counted(read: Read) -> None:
    error = refused(read, [{"runSettingId": f"{i} "} for i in range(1234)])
    assert (len(error.issues), error.total) == (100, 1234)
    assert "1,234 problems, the first 100:" in error.message()
    assert error.message().count("\n- ") == 100
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_the_count_survives_what_airflow_does_with_the_error(read: Read) -> None:
    class Task:
        retry_policy = None

    error = refused(read, [{"runSettingId": f"{i} "} for i in range(101)])
    with pytest.raises(OmicsRequestInvalidError) as caught, non_retryable_errors(Task()):  # type: ignore[arg-type]
        raise error
    assert "101 problems, the first 100:" in caught.value.message()


def test_more_than_a_batch_takes_is_refused_without_reading_on(read: Read, spool_dir: Path) -> None:
    class Endless(list[Any]):
        def __iter__(self) -> Any:
            return ({"runSettingId": str(number)} for number in range(10**9))

    error = refused(read, Endless())
    assert_only(error, "run_settings", "has more than 100,000 run settings", "Split the cohort into batches")
    assert list(spool_dir.iterdir()) == []


def test_an_output_place_missing_everywhere_is_one_problem_not_one_per_sample(read: Read) -> None:
    given = [{"runSettingId": str(number)} for number in range(500)]
    given[0]["outputUri"] = "s3://bucket/own"
    error = refused(read, given, defaults={})
    (issue,) = error.issues
    assert issue.where == "output_uri"
    assert "499 run settings have no outputUri either, the first: run_settings[1]" in issue.what
    assert "Give output_uri for all runs" in issue.fix
    given = [{**setting, "outputUri": "s3://bucket/own"} for setting in given]
    assert read(given, defaults={}).count == 500


def test_parameters_are_measured_together_with_the_defaults(read: Read) -> None:
    defaults = {"outputUri": "s3://bucket/o", "parameters": {"x": "y" * 200_000, "own": "default"}}
    fits = 256_000 - len('{"x": "", "own": ""}') - 200_000
    assert read([{**ID, "parameters": {"own": "z" * fits}}], defaults=defaults).count == 1
    error = refused(read, [{**ID, "parameters": {"own": "z" * (fits + 1)}}], defaults=defaults)
    assert_only(error, "run_settings[0].parameters", "256,001 bytes", "file in S3")


def test_tags_are_counted_together_with_the_defaults(read: Read) -> None:
    defaults = {"outputUri": "s3://bucket/o", "runTags": {f"t{number}": "" for number in range(48)}}
    assert read([{**ID, "runTags": {"t0": "", "a": "", "b": ""}}], defaults=defaults).count == 1
    error = refused(read, [{**ID, "runTags": {"a": "", "b": "", "c": ""}}], defaults=defaults)
    assert_only(error, "run_settings[0].runTags", "has 51 tags; at most 50", "Use fewer tags")


def raising(rows: list[dict[str, str]]) -> Mapping[str, Any]:
    raise KeyError("fastq_3")


@pytest.mark.parametrize(
    ("build", "where", "what", "fix"),
    [
        (raising, "{} rows 2 and 4", "build_run_setting raised KeyError: 'fastq_3'", "Correct the rows"),
        (lambda rows: None, "{} rows 2 and 4", "build_run_setting returned NoneType", "Return a dict"),
        (lambda rows: [1], "{} row 3", "build_run_setting returned list", "Return a dict"),
        (lambda rows: {"parameter": {}}, "{} rows 2 and 4, parameter", "is not a member", "Correct the name"),
        (lambda rows: {"runSettingId": "X"}, "{} row 3, runSettingId", "'X' is the id of {} row 2 too", "its own id"),
        (lambda rows: {"runSettingId": " X"}, "{} row 3, runSettingId", "' X' has spaces", "Remove the spaces"),
        (lambda rows: {"parameters": {"x": {1}}}, "{} row 3, parameters.x", "cannot be written as JSON", "Use text"),
    ],
)
def test_what_a_function_does_wrong_names_the_rows(
    build: Callable[..., Any], where: str, what: str, fix: str, write: Write, read: Read
) -> None:
    path = write("a.csv", "id,x\nA,1\nB,2\nA,3\n")
    error = refused(read, path, "id", build_run_setting=build)
    assert_only(error, where.format(path), what.format(path), fix)


def test_many_rows_of_one_sample_are_named_by_the_first_of_them(write: Write, read: Read) -> None:
    path = write("a.csv", "id,x\n" + "A,1\n" * 1500)
    error = refused(read, path, "id", build_run_setting=raising)
    assert error.issues[0].where == f"{path} rows 2, 3, 4, 5, 6 and 1,495 more"


@pytest.mark.parametrize("options", [{"group_rows": True}, {"build_run_setting": raising}])
def test_grouping_needs_a_column_to_group_by(options: dict[str, Any], read: Read) -> None:
    error = refused(read, [ID], **options)
    assert_only(error, "run_setting_id_column", f"is missing, and {next(iter(options))} needs it", "leave")


def test_a_file_that_may_not_be_read_says_so(read: Read, mocker: Any, write: Write) -> None:
    path = write("a.csv", "id\nA\n")
    # Tests may run as root, whom no permission stops.
    mocker.patch.object(Path, "open", side_effect=PermissionError(13, "Permission denied"))
    assert_only(refused(read, path, "id"), path, "may not be read", "permission to read it")


def test_an_error_on_the_way_to_s3_is_passed_on(read: Read, spool_dir: Path) -> None:
    def open_uri(uri: str) -> Any:
        raise ConnectionError("no route")

    with pytest.raises(ConnectionError, match="no route"):
        read("s3://bucket/a.csv", "id", open_uri=open_uri)
    assert list(spool_dir.iterdir()) == []


@pytest.mark.parametrize("text", ["id,x\nS,gs://bucket/a\n", "id,x\nS,1\nT\n"], ids=["problem", "unreadable"])
def test_a_cohort_that_is_refused_leaves_no_file_open(write: Write, read: Read, text: str) -> None:
    path = write("a.csv", text)
    # What other tests have left is told of now.
    gc.collect()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(OmicsRequestInvalidError) as caught:
            read(path, "id", notes_objects=True, sample_sheets=SampleSheetOptions("input", None, "s3://bucket/sheets"))
        del caught
        gc.collect()
    assert [str(warning.message) for warning in told] == []
