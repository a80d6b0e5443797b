"""Files that are no sheets, sheets of other characters and marks, and headers that are not where they were expected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort
from airflow_provider_omics.healthomics.run_settings.notes import LeftOut

Write = Callable[[str, str | bytes], str]
Read = Callable[..., Cohort]

SHEET = "id,bam\nA,s3://bucket/a\n"


def refused(read: Read, path: str, id_column: str = "id", **options: object) -> Issue:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, id_column, **options)
    (issue,) = caught.value.issues
    return issue


def ids(cohort: Cohort) -> list[str]:
    return [setting["runSettingId"] for setting in cohort.settings()]


@pytest.mark.parametrize(
    ("content", "what", "fix"),
    [
        ("<!DOCTYPE html>\n<html><title>Sign in</title></html>", "is a web page", "fetch the file itself"),
        ("\ufeff\n<HTML>", "is a web page", "fetch the file itself"),
        ('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "is XML", "fetch the file itself"),
        ("<Error><Code>NoSuchKey</Code></Error>", "is XML", "fetch the file itself"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "is a PDF", "Export its table as CSV"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS", "git lfs pull"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_what_came_in_place_of_a_file_is_named(
    name: str, content: str | bytes, what: str, fix: str, write: Write, read: Read
) -> None:
    path = write(name, content)
    issue = refused(read, path)
    assert issue.where == path
    assert issue.what.startswith(what)
    assert fix in issue.fix


@pytest.mark.parametrize("content", ['[{"id": "A"}]', '{"id": "A"}\n', '\ufeff[{\n"id": "A"}\n]', "[\n  {}]", "{\n}"])
def test_json_is_no_sheet(content: str, write: Write, read: Read) -> None:
    issue = refused(read, write("a.csv", content))
    assert issue.what == "is JSON, and no sheet"
    assert issue.fix == "Name it .json if it is an array, .jsonl if it has one object a line"


def test_a_sheet_is_no_json(write: Write, read: Read) -> None:
    assert "the name of a sheet ends in .csv or .tsv" in refused(read, write("a.json", SHEET)).fix


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_the_remedy_for_wide_characters_is_right(encoding: str, write: Write, read: Read) -> None:
    path = write("a.csv", SHEET.encode(encoding))
    issue = refused(read, path)
    assert issue.what == f"is {encoding.upper()} text"
    assert issue.fix.endswith(f"sheet_encoding={encoding!r}")
    assert ids(read(path, "id", sheet_encoding=encoding)) == ["A"]


def test_wide_characters_without_a_mark_need_the_order_of_their_bytes(write: Write, read: Read) -> None:
    path = write("a.csv", SHEET.encode("utf-16-le"))
    assert refused(read, path, sheet_encoding="utf-16").fix == "State the encoding that it has, such as utf-16-le"
    assert ids(read(path, "id", sheet_encoding="utf-16-le")) == ["A"]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "sep=;;;", "SEP=;,,", "\ufeffsep=;;"])
def test_a_first_line_may_name_the_delimiter_and_be_padded(first: str, write: Write, read: Read) -> None:
    cohort = read(write("a.csv", f"{first}\r\nid;bam\r\nA;s3://bucket/a\r\n"), "id")
    assert (ids(cohort), cohort.left_out) == (["A"], {LeftOut.DELIMITER: 1})


def test_a_form_that_takes_no_tab_can_name_it(write: Write, read: Read) -> None:
    assert ids(read(write("a.csv", SHEET.replace(",", "\t")), "id", sheet_delimiter=r"\t")) == ["A"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_columns_that_spaces_divide_are_said_to_be_one(name: str, write: Write, read: Read) -> None:
    path = write(name, "id   bam\nA   s3://bucket/a\n")
    issue = refused(read, path)
    assert (issue.where, issue.what) == (f"{path} row 1", "is one column, 'id   bam', which spaces divide")


def test_a_header_below_comments_is_the_one_that_is_named(write: Write, read: Read) -> None:
    path = write("a.tsv", "# exported on Monday\n# by the LIMS\n#sample\tbam\nA\ts3://bucket/a\n")
    issue = refused(read, path, "sample")
    assert "Did you mean '#sample'? If not: Name one of its columns: #sample, bam." in issue.fix
    assert ids(read(path, "#sample", non_sample_rows="skip")) == ["A"]
    path = write("b.csv", "Cohort of spring,\n,\nname,bam\nA,s3://bucket/a\n")
    assert "Name one of its columns: name, bam." in refused(read, path, "id").fix


def test_a_header_that_another_mark_divides_is_the_one_that_is_named(write: Write, read: Read) -> None:
    issue = refused(read, write("a.csv", "id;share;bam\nA;0,5;s3://bucket/a\n"), sheet_delimiter=",")
    assert issue.what == "is one column, 'id;share;bam', which semicolons divide"


def test_a_section_that_begins_again_is_refused_since_its_rows_would_be_lost(write: Write, read: Read) -> None:
    again = "[Header]\nDate,1\n[Data]\nid,index\nA,AC\n[Settings]\nAdapter,CT\n[data]\nid,index\nB,GT\n"
    path = write("a.csv", again)
    issue = refused(read, path, sheet_section="Data")
    assert (issue.where, issue.what) == (f"{path} row 8", "begins the section [data] again")
    once = again.replace("[data]\nid,index\n", "").replace("B,GT\n", "")
    path = write("b.csv", once.replace("A,AC\n", "A,AC\nB,GT\n"))
    assert ids(read(path, "id", sheet_section="Data")) == ["A", "B"]
