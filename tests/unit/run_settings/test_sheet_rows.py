"""What people leave in a sheet beside its samples: spaces, rows that are none, tables around the table."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from omics_errors import raises

from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort
from airflow_provider_omics.healthomics.run_settings.notes import LeftOut

Write = Callable[[str, str | bytes], str]
Read = Callable[..., Cohort]

HEADER = "id,reads,lane"
ROWS = "A,s3://bucket/a,L1\nB,s3://bucket/b,L2\n"


def settings(cohort: Cohort) -> list[dict[str, Any]]:
    return list(cohort.settings())


def told(cohort: Cohort) -> list[str]:
    return [note.text for note in cohort.notes]


AROUND = [
    " ",
    "\t",
    "\u00a0",
    "\u2007",
    "\u202f",
    "\u3000",
    "\u200b",
    "\ufeff",
    "\u2060",
    "\u200e",
    "\x1a",
    " \u00a0\u200b",
]


@pytest.mark.parametrize("space", AROUND, ids=ascii)
def test_what_nobody_sees_around_ids_names_and_values_is_removed_and_counted(
    space: str, write: Write, read: Read
) -> None:
    sheet = f"{space}id,reads{space}\n{space}A,{space}s3://bucket/a b{space}\nB{space},s3://bucket/b\nC,{space}\n"
    path = write("x.csv", sheet)
    cohort = read(path, "id")
    assert settings(cohort) == [
        {"runSettingId": "A", "parameters": {"reads": "s3://bucket/a b"}},
        {"runSettingId": "B", "parameters": {"reads": "s3://bucket/b"}},
        {"runSettingId": "C"},
    ]
    assert told(cohort) == [f"Removed spaces around 2 column names, 2 ids, 2 values; the first: {path} row 1"] or (
        # A byte order mark at the very beginning belongs to the encoding.
        space[0] == "\ufeff"
    )


def test_names_that_are_the_same_without_spaces_are_given_twice(write: Write, read: Read) -> None:
    with raises(OmicsRequestInvalidError, match="column 3: 'x' is the name of column 2 too"):
        read(write("x.csv", "id,x,x \nA,1,2\n"), "id")


# (the row below the samples, why it is none, words of the message)
NON_SAMPLES: list[tuple[str, LeftOut, str]] = [
    ("#C,s3://bucket/c,3", LeftOut.COMMENT, "column 'id': is commented out: '#C'"),
    ("# C,s3://bucket/c,3", LeftOut.COMMENT, "is commented out: '# C'"),
    (" #C,s3://bucket/c,3", LeftOut.COMMENT, "is commented out: '#C'"),
    ('"#C","s3://bucket/c",3', LeftOut.COMMENT, "is commented out: '#C'"),
    ("//C,s3://bucket/c,3", LeftOut.COMMENT, "is commented out: '//C'"),
    (";C,s3://bucket/c,3", LeftOut.COMMENT, "is commented out: ';C'"),
    ("--C,s3://bucket/c,3", LeftOut.COMMENT, "is commented out: '--C'"),
    ("%C,s3://bucket/c,3", LeftOut.COMMENT, "is commented out: '%C'"),
    ("!C,s3://bucket/c,3", LeftOut.COMMENT, "is commented out: '!C'"),
    ("*C,s3://bucket/c,3", LeftOut.COMMENT, "begins with '*', as a row does that was taken out: '*C'"),
    ("(C),s3://bucket/c,3", LeftOut.COMMENT, "begins with '(', as a row does that was taken out"),
    ("~C~,s3://bucket/c,3", LeftOut.COMMENT, "begins with '~', as a row does that was taken out"),
    ("C (excluded),s3://bucket/c,3", LeftOut.COMMENT, "is marked as taken out: 'C (excluded)'"),
    ("C[FAILED],s3://bucket/c,3", LeftOut.COMMENT, "is marked as taken out: 'C[FAILED]'"),
    ("do not process C,s3://bucket/c,3", LeftOut.COMMENT, "is marked as taken out: 'do not process C'"),
    ("# everything below failed QC", LeftOut.COMMENT, "is commented out"),
    ("----,----,----", LeftOut.COMMENT, "is commented out"),
    ("[Data],,", LeftOut.SECTION, "is a section header: '[Data]'"),
    ("[Data]", LeftOut.SECTION, "is a section header: '[Data]'"),
    ("id,reads,lane", LeftOut.HEADER, "repeats the header: 'id'"),
    ("ID,Reads,Lane", LeftOut.HEADER, "repeats the header: 'ID'"),
    ("id,bam,bai", LeftOut.HEADER, "repeats the header: 'id'"),
    ("lane,id,reads", LeftOut.HEADER, "repeats the header: 'lane, id, reads'"),
    ("Total,,2", LeftOut.SUMMARY, "is a total or another summary: 'Total'"),
    ("TOTAL: 2,,", LeftOut.SUMMARY, "is a total or another summary"),
    ("Total samples,2,", LeftOut.SUMMARY, "is a total or another summary"),
    ("Grand total,,2", LeftOut.SUMMARY, "is a total or another summary"),
    ("sum,0,2", LeftOut.SUMMARY, "is a total or another summary"),
    ("n = 2,,", LeftOut.SUMMARY, "is a total or another summary"),
    ("Note: B is a repeat,,", LeftOut.NOTE, "is a note: 'Note: B is a repeat'"),
    ("Gesamt:,2,", LeftOut.NOTE, "is a note: 'Gesamt:'"),
    ("Approved by:,Dr. X,2024-05-01", LeftOut.NOTE, "is a note: 'Approved by:'"),
    ("exported by the LIMS on Monday", LeftOut.NOTE, "has nothing but 'exported by the LIMS on Monday'"),
    (",,checked by hand", LeftOut.NOTE, "column 'lane': has nothing but 'checked by hand'"),
    ("C,,", LeftOut.NOTE, "has nothing but 'C'"),
]


@pytest.mark.parametrize(("row", "kind", "words"), NON_SAMPLES, ids=[row[0] for row in NON_SAMPLES])
@pytest.mark.parametrize("below", [True, False], ids=["below", "between"])
def test_a_row_that_is_no_sample_is_refused_or_left_out_and_counted(
    row: str, kind: LeftOut, words: str, below: bool, write: Write, read: Read
) -> None:
    lines = [HEADER, *ROWS.splitlines()]
    lines.insert(3 if below else 2, row)
    number = 4 if below else 3
    path = write("x.csv", "\n".join(lines) + "\n")
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, "id")
    (issue,) = caught.value.issues
    assert str(issue).startswith(f"{path} row {number}, column ")
    assert words in str(issue)
    assert "Remove the row, or set non_sample_rows='skip'" in issue.fix
    cohort = read(path, "id", non_sample_rows="skip")
    assert [setting["runSettingId"] for setting in settings(cohort)] == ["A", "B"]
    assert cohort.left_out == {kind: 1}
    assert told(cohort) == [f"Left out 1 row of {path}: 1 {kind.value} (row {number})"]
    assert [note.warning for note in cohort.notes] == [True]


@pytest.mark.parametrize(
    "row",
    ["Total_RNA_1,s3://bucket/c,3", "totalRNA,s3://bucket/c,3", "_C,s3://bucket/c,3", "sumo,s3://bucket/c,3",
     "Notes1,s3://bucket/c,3", "C (repeat),s3://bucket/c,3", "C(2),s3://bucket/c,3",
     "5-C,s3://bucket/c,3", "Zähler,s3://bucket/c,3", "C,s3://bucket/lane,", "NOTCH1,s3://bucket/c,"],
)  # fmt: skip
def test_a_sample_is_a_sample(row: str, write: Write, read: Read) -> None:
    for skip in ("fail", "skip"):
        cohort = read(write("x.csv", f"{HEADER}\n{ROWS}{row}\n"), "id", non_sample_rows=skip)
        assert (cohort.count, cohort.notes, cohort.left_out) == (3, (), {})


def test_a_mark_counts_in_the_first_cell_too(write: Write, read: Read) -> None:
    path = write("x.csv", "reads,id\ns3://bucket/a,A\n#s3://bucket/b,B\n")
    with raises(OmicsRequestInvalidError, match=r"row 3, column 'reads': is commented out: '#s3://bucket/b'"):
        read(path, "id")
    assert read(path, "id", non_sample_rows="skip").left_out == {LeftOut.COMMENT: 1}


def test_a_row_without_id_is_left_out_only_if_it_has_no_input(write: Write, read: Read) -> None:
    path = write("x.csv", f"{HEADER}\n{ROWS},checked,by hand\n")
    with raises(OmicsRequestInvalidError, match="has no run setting id"):
        read(path, "id")
    assert read(path, "id", non_sample_rows="skip").left_out == {LeftOut.WITHOUT_ID: 1}
    with raises(OmicsRequestInvalidError, match="row 4, column 'id': has no run setting id"):
        read(write("y.csv", f"{HEADER}\n{ROWS},s3://bucket/c,3\n"), "id", non_sample_rows="skip")


@pytest.mark.parametrize("row", [",s3://bucket/c,", ",s3://bucket/c,3"])
def test_reads_without_an_id_are_never_left_out(row: str, write: Write, read: Read) -> None:
    path = write("x.csv", f"{HEADER}\n{ROWS}{row}\n")
    for skip in ("fail", "skip"):
        with pytest.raises(OmicsRequestInvalidError) as caught:
            read(path, "id", non_sample_rows=skip)
        (issue,) = caught.value.issues
        assert issue.where == f"{path} row 4, column 'id'"
        # The way that leaves rows out would not leave out this one.
        assert issue.fix == "Give every row the id of its sample"


@pytest.mark.parametrize("row", [",,L2", ",checked,L2"])
@pytest.mark.parametrize(
    "grouped", [{"group_rows": True}, {"build_run_setting": lambda _rows: {}}], ids=["rows", "own"]
)
def test_further_rows_of_a_merged_cell_are_never_left_out(
    row: str, grouped: dict[str, Any], write: Write, read: Read
) -> None:
    path = write("x.csv", f"{HEADER}\n{ROWS}{row}\n")
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, "id", non_sample_rows="skip", **grouped)
    (issue,) = caught.value.issues
    assert issue.where == f"{path} row 4, column 'id'"
    assert issue.fix == "Give every row the id of its sample; merged cells have it in their first row only"


@pytest.mark.parametrize("sample", ["'007", "'C'", "\u2018C\u2019", "\u201cC\u201d", "`C`"])
def test_a_quoted_id_is_refused_and_never_left_out(sample: str, write: Write, read: Read) -> None:
    path = write("x.csv", f"{HEADER}\n{ROWS}{sample},s3://bucket/c,3\n")
    for skip in ("fail", "skip"):
        with pytest.raises(OmicsRequestInvalidError) as caught:
            read(path, "id", non_sample_rows=skip)
        (issue,) = caught.value.issues
        assert (issue.where, issue.what) == (f"{path} row 4, column 'id'", f"has a quote in front: {sample!r}")
        assert "Write the id without it" in issue.fix


def test_rows_above_the_header_are_refused_or_left_out(write: Write, read: Read) -> None:
    path = write("x.csv", f"Run 17,,\n,,\n# by LIMS\nsep=;\n{HEADER}\n{ROWS}")
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, "id")
    assert [issue.where.removeprefix(path) for issue in caught.value.issues] == [
        " row 1, column 1",
        " row 3, column 1",
        " row 4, column 1",
    ]
    assert "stands above the header, the row with the column 'id': 'Run 17'" in caught.value.message()
    cohort = read(path, "id", non_sample_rows="skip")
    assert cohort.count == 2
    assert cohort.left_out == {LeftOut.EMPTY: 1, LeftOut.ABOVE: 3}
    assert told(cohort) == [f"Left out 4 rows of {path}: 1 empty; 3 above the header (row 1, 3, 4)"]


@pytest.mark.parametrize(
    "words",
    [
        "total",
        "subtotal",
        "sub-total 5",
        "grand total",
        "overall total",
        "sum",
        "sum: 4",
        "summe",
        "gesamt",
        "anzahl",
        "somme",
        "suma",
        "totale",
        "insgesamt",
        "average",
        "count: 3",
        "mean = 5",
        "median: 1",
        "number of samples",
        "n = 3",
        "N: 3",
        "n=3",
        "total reads",
        "note: x",
        "notes. x",
        "nb: x",
        "NB. x",
        "N.B. - x",
        "remark: x",
        "comments: x",
        "legend: x",
        "todo: x",
        "bemerkung: x",
    ],
)
def test_every_summary_and_note_is_known_by_its_first_words(words: str, write: Write, read: Read) -> None:
    path = write("x.csv", f'{HEADER}\n{ROWS}"{words}",s3://bucket/x,1\n')
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, "id")
    (issue,) = caught.value.issues
    assert re.search("is a total or another summary|is a note", issue.what), issue.what


@pytest.mark.parametrize(
    "sample", ["NB-01", "note-3", "total_1", "n12", "Summer1", "average_joe", "legend.v2", "sum-159"]
)
def test_ids_that_begin_like_summaries_and_notes_are_samples(sample: str, write: Write, read: Read) -> None:
    cohort = read(write("x.csv", f"{HEADER}\n{sample},s3://bucket/x,1\n"), "id")
    assert [setting["runSettingId"] for setting in settings(cohort)] == [sample]


def test_many_rows_are_counted_and_the_first_named(write: Write, read: Read) -> None:
    path = write("x.csv", HEADER + "\n" + "".join(f"#S{n},s3://bucket/{n},1\n" for n in range(7)) + ROWS)
    cohort = read(path, "id", non_sample_rows="skip")
    assert told(cohort) == [f"Left out 7 rows of {path}: 7 commented out (row 2, 3, 4, 5, 6, ...)"]


def test_an_unknown_way_is_refused(read: Read) -> None:
    with raises(OmicsRequestInvalidError, match=r"non_sample_rows: 'ignore' is unknown. Use one of fail, skip"):
        read([{"runSettingId": "A"}], non_sample_rows="ignore")


@pytest.mark.parametrize(
    ("options", "where", "fix"),
    [
        ({"sheet_delimiter": ";;"}, "sheet_delimiter", "Give one character"),
        ({"sheet_delimiter": '"'}, "sheet_delimiter", "Give one character"),
        ({"sheet_encoding": "utf-99"}, "sheet_encoding", "Use one such as utf-8, utf-16, windows-1252"),
        ({"sheet_encoding": "base64"}, "sheet_encoding", "Use one such as utf-8, utf-16, windows-1252"),
    ],
)
def test_a_delimiter_or_an_encoding_that_is_none_is_refused(
    options: dict[str, str], where: str, fix: str, write: Write, read: Read
) -> None:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(write("x.csv", f"{HEADER}\n{ROWS}"), "id", **options)
    (issue,) = caught.value.issues
    assert issue.where == where
    assert fix in issue.fix


def test_bytes_that_are_not_the_stated_encoding_are_refused_with_the_line_before(write: Write, read: Read) -> None:
    path = write("x.csv", b"id,x\nS,\x81\xff\n")
    with raises(OmicsRequestInvalidError, match="is not the text that sheet_encoding says, shift_jis"):
        read(path, "id", sheet_encoding="shift_jis")


def test_a_mark_of_utf_8_wins_over_the_stated_encoding(write: Write, read: Read) -> None:
    path = write("x.csv", "\ufeffid,x\nS,Zo\u00eb\n".encode())
    (setting,) = settings(read(path, "id", sheet_encoding="windows-1252"))
    assert setting["parameters"] == {"x": "Zo\u00eb"}


V1 = """[Header],,,,
IEMFileVersion,4,,,
Workflow,GenerateFASTQ,,,

[Reads],,,,
151,,,,
[Settings],,,,
[Data],,,,
Sample_ID,Sample_Name,index,index2,
S1,one,ACGT,TTTT,
S2,two,GGGG,,
"""
V2 = """[Header]
FileFormatVersion,2
RunName,run

[Reads]
Read1Cycles,151

[BCLConvert_Settings]
AdapterRead1,CTGTCTC
[BCLConvert_Data]
Lane,Sample_ID,Index
1,S1,ACGT
2,S2,GGGG

[Cloud_Data]
Sample_ID,ProjectName
S1,alpha
S2,beta
"""
TENX = """[gene-expression]
reference,/refs/GRCh38
[libraries]
fastq_id,fastqs,feature_types
gex,s3://bucket/gex/,Gene Expression
vdj,s3://bucket/vdj/,VDJ-T
"""


@pytest.mark.parametrize(
    ("content", "column", "kind", "section", "ids"),
    [
        (V1, "Sample_ID", "an Illumina sample sheet (v1)", "Data", ["S1", "S2"]),
        (V2, "Sample_ID", "an Illumina sample sheet (v2)", "BCLConvert_Data", ["S1", "S2"]),
        (TENX, "fastq_id", "cellranger multi", "libraries", ["gex", "vdj"]),
    ],
    ids=["v1", "v2", "10x"],
)
def test_a_sheet_of_several_tables_is_named_and_read_by_section(
    content: str, column: str, kind: str, section: str, ids: list[str], write: Write, read: Read
) -> None:
    path = write("SampleSheet.csv", content)
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, column)
    (issue,) = caught.value.issues
    assert issue.where == path
    assert kind in issue.what
    assert f"[{section}]" in issue.what
    assert f"sheet_section={section!r}, whose columns are " in issue.fix
    for name in (section, section.upper(), f"[{section}]"):
        assert [setting["runSettingId"] for setting in settings(read(path, column, sheet_section=name))] == ids


def test_rows_of_a_section_keep_the_numbers_of_the_sheet_and_end_with_it(write: Write, read: Read) -> None:
    path = write("v2.csv", V2)
    cohort = read(path, "Sample_ID", sheet_section="cloud_data")
    assert [setting["parameters"] for setting in settings(cohort)] == [
        {"ProjectName": "alpha"},
        {"ProjectName": "beta"},
    ]
    assert cohort.place(0) == f"{path} row 17"
    assert settings(read(write("v1.csv", V1), "Sample_ID", sheet_section="Data"))[1] == {
        "runSettingId": "S2",
        "parameters": {"Sample_Name": "two", "index": "GGGG"},
    }


@pytest.mark.parametrize(
    ("content", "section", "words"),
    [
        (V2, "Data", "'Data' is not a section of {}. Name one of its sections: [Header], [Reads]"),
        (f"{HEADER}\n{ROWS}", "Data", "is 'Data', and {} has no sections. Leave sheet_section out"),
        ("[Data]\n[Header]\nid\n", "Data", "the section 'Data' of {} is empty"),
    ],
)
def test_a_section_that_is_not_there_is_refused(
    content: str, section: str, words: str, write: Write, read: Read
) -> None:
    path = write("x.csv", content)
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, "id", sheet_section=section)
    assert f"sheet_section: {words.format(path)}" in caught.value.message()
