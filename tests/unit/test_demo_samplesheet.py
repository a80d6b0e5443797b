from __future__ import annotations

from pathlib import Path

import pytest
from samplesheet import Problem, Sample, SheetError, read_samplesheet

HEADER = "sample,fastq_1,fastq_2,strandedness"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a_1.fq.gz", "a_2.fq.gz", "b_1.fq", "b_2.fq", "c 1.fq"):
        (tmp_path / name).write_bytes(b"@r\nA\n+\nF\n")
    return tmp_path


def write(folder: Path, *lines: str, header: str = HEADER, end: str = "\n") -> Path:
    path = folder / "sheet.csv"
    path.write_bytes(end.join([header, *lines, ""]).encode())
    return path


def problems(path: Path) -> list[Problem]:
    with pytest.raises(SheetError) as caught:
        read_samplesheet(path)
    assert all(str(path) in line for line in str(caught.value).splitlines())
    return caught.value.problems


def files(sample: Sample) -> dict[str, list[str]]:
    return {column: [path.name for path in paths] for column, paths in sample.files.items()}


def test_samples_keep_the_order_of_the_sheet_and_rows_of_one_are_lanes(folder: Path) -> None:
    rows = ["b,b_1.fq,,auto", "a,a_1.fq.gz,,auto", "b,b_2.fq,,auto"]

    samples = read_samplesheet(write(folder, *rows))

    assert [(sample.name, files(sample)) for sample in samples] == [
        ("b", {"fastq_1": ["b_1.fq", "b_2.fq"]}),
        ("a", {"fastq_1": ["a_1.fq.gz"]}),
    ]
    assert [lane.row for lane in samples[0].lanes] == [2, 4]


def test_a_pair_has_both_files(folder: Path) -> None:
    (sample,) = read_samplesheet(write(folder, "a,a_1.fq.gz,a_2.fq.gz,auto"))

    assert files(sample) == {"fastq_1": ["a_1.fq.gz"], "fastq_2": ["a_2.fq.gz"]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_spreadsheet_programs_write_is_read(folder: Path, end: str, mark: str) -> None:
    path = write(folder, '"a", "a_1.fq.gz",', "", ",,,", 'c,"c 1.fq",,', header=mark + HEADER, end=end)

    assert [files(sample) for sample in read_samplesheet(path)] == [
        {"fastq_1": ["a_1.fq.gz"]},
        {"fastq_1": ["c 1.fq"]},
    ]


def test_columns_may_be_in_any_order_and_fastq_2_may_be_missing(folder: Path) -> None:
    (sample,) = read_samplesheet(write(folder, "x,a_1.fq.gz,a", header="note,fastq_1,sample"))

    assert (sample.name, files(sample)) == ("a", {"fastq_1": ["a_1.fq.gz"]})


def test_paths_are_beside_the_sheet_or_in_the_current_directory_or_absolute(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("here")
    (here / "own.fq").write_bytes(b"")
    (here / "b_1.fq").write_bytes(b"")
    monkeypatch.chdir(here)

    samples = read_samplesheet(write(folder, "a,own.fq", "b,b_1.fq", f"c,{folder / 'b_2.fq'}"))

    assert [sample.lanes[0].fastq_1.resolve() for sample in samples] == [
        here / "own.fq",
        folder / "b_1.fq",
        folder / "b_2.fq",
    ]


@pytest.mark.parametrize(
    ("row", "column", "text", "advice"),
    [
        (",a_1.fq.gz,", "sample", "no name", "Give it one"),
        ("my sample,a_1.fq.gz,", "sample", "'my sample' holds a space", "Write my_sample"),
        ("a/b,a_1.fq.gz,", "sample", "'a/b' cannot be used", "letters, digits"),
        ("a,,", "fastq_1", "no FASTQ file", "Give its path"),
        ("a,,a_2.fq.gz", "fastq_1", "no FASTQ file", "Give its path"),
        ("a,none.fq,", "fastq_1", "no file none.fq beside the sheet", "Correct the path"),
        ("a,a_1.fq.gz,none.fq", "fastq_2", "no file none.fq", "Correct the path"),
        ("a,.,", "fastq_1", "is not a file", "FASTQ file"),
        ("a,s3://bucket/a.fq,", "fastq_1", "is not on this machine", "Fetch it"),
        ("a,a_1.fq.gz,a_1.fq.gz", "fastq_2", "a_1.fq.gz is in row 2, column fastq_1 already", "once"),
        ("a,a_1.fq.gz,,auto,more", None, "5 values for 4 columns", "Remove a comma"),
        ('a,"a_1.fq.gz,', None, "is not CSV", "quote"),
    ],
)
def test_a_bad_row_is_named_with_its_column_and_the_fix(
    folder: Path, row: str, column: str | None, text: str, advice: str
) -> None:
    (problem,) = problems(write(folder, row))

    assert (problem.row, problem.column) == (2, column)
    assert text in problem.text
    assert advice in problem.advice


@pytest.mark.parametrize(
    ("content", "row", "text", "advice"),
    [
        ("", None, "is empty", "one row for each sample"),
        ("\n\n", None, "is empty", "one row for each sample"),
        (f"{HEADER}\n,,\n", None, "a header and no samples", "one row for each sample"),
        ("sample,fastq_2\na,b\n", 1, "no column fastq_1", "it names sample,fastq_2"),
        ("a,b_1.fq,\n", 1, "no column sample and no column fastq_1", "the first line"),
        ("sample;fastq_1;fastq_2\na;b;\n", 1, "no column sample", "separated by semicolons"),
        ("sample\tfastq_1\na\tb\n", 1, "no column sample", "separated by tabs"),
        ("sample,fastq_1,sample\na,b_1.fq,b\n", 1, "is there twice", "Remove one"),
    ],
)
def test_a_file_that_is_no_sheet_is_explained(
    folder: Path, content: str, row: int | None, text: str, advice: str
) -> None:
    path = folder / "sheet.csv"
    path.write_text(content)

    (problem,) = problems(path)

    assert problem.row == row
    assert text in problem.text
    assert advice.lower() in problem.advice.lower()


def test_a_file_in_another_encoding_is_explained(folder: Path) -> None:
    path = folder / "sheet.csv"
    path.write_bytes(f"{HEADER}\na,a_1.fq.gz,\n".encode("utf-16"))

    (problem,) = problems(path)

    assert "UTF-8" in problem.text
    assert "UTF-8" in problem.advice


def test_a_sheet_that_is_not_there_is_explained(folder: Path) -> None:
    (problem,) = problems(folder / "none.csv")

    assert "No such file" in problem.text


def test_a_sample_is_paired_or_it_is_not(folder: Path) -> None:
    (problem,) = problems(write(folder, "a,a_1.fq.gz,a_2.fq.gz", "b,b_1.fq,", "a,b_2.fq,"))

    assert (problem.row, problem.column) == (4, "fastq_2")
    assert "sample a has single reads here and pairs in row 2" in problem.text


def test_a_file_may_not_be_two_lanes_of_a_sample_but_belong_to_two_samples(folder: Path) -> None:
    assert len(read_samplesheet(write(folder, "a,b_1.fq,", "b,b_1.fq,"))) == 2

    (folder / "same.fq").symlink_to("b_1.fq")
    (problem,) = problems(write(folder, "a,b_1.fq,", "a,same.fq,"))
    assert (problem.row, problem.column) == (3, "fastq_1")


def test_every_problem_is_told_at_once_in_plain_sentences(folder: Path) -> None:
    path = write(folder, "a b,a_1.fq.gz,", "c,none.fq,")

    with pytest.raises(SheetError) as caught:
        read_samplesheet(path)

    assert str(caught.value).splitlines() == [
        f"{path}: row 2, column sample: the sample name 'a b' holds a space. Write a_b.",
        f"{path}: row 3, column fastq_1: there is no file none.fq beside the sheet or in the current directory."
        " Correct the path.",
    ]
