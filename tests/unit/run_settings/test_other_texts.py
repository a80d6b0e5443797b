"""What stands where other samples have S3 URIs: rows that are no samples, names of files, words for nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from airflow_provider_omics.healthomics.requests.input_objects import InputObjects
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort
from airflow_provider_omics.healthomics.run_settings.sample_sheets import SampleSheetOptions

Write = Callable[[str, str | bytes], str]
Read = Callable[..., Cohort]

HEADER = "sample,bam,note\n"
SAMPLES = [f"S{number},s3://reads/{number}.bam,x\n" for number in range(12)]


def sheet(row: str, at: int) -> str:
    return HEADER + "".join([*SAMPLES[:at], f"{row}\n", *SAMPLES[at:]])


@pytest.mark.parametrize("at", [0, 2, 7, 12])
@pytest.mark.parametrize(
    "row",
    [
        "Signed by,Dr. X,",
        "Cardio,5,",
        "Mean,3.5,2",
        "Date,2024-05-01,",
        "string,file,string",
        "required,required,optional",
        "Identifier of the sample,S3 URI of its BAM,remarks",
        "SAMPLE ID,BAM,NOTE",
        "NA,NA,NA",
    ],
)
@pytest.mark.parametrize("rows", ["fail", "skip"])
def test_a_row_without_an_object_is_no_sample_if_it_has_a_text_in_its_place(
    row: str, at: int, rows: str, write: Write, read: Read
) -> None:
    path = write("s.csv", sheet(row, at))
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, "sample", non_sample_rows=rows)
    (issue,) = caught.value.issues
    assert issue.where == f"{path} row {at + 2}, column 'bam'"
    assert issue.what.startswith(f"{row.split(',')[1]!r} is no S3 URI, as others have there")
    assert "remove the row if it is no sample" in issue.fix
    assert "parameter_types={'bam': 'string'}" in issue.fix
    # What it says works.
    assert read(path, "sample", non_sample_rows=rows, parameter_types={"bam": "string"}).count == 13


def test_a_row_of_the_sheet_of_a_sample_is_judged_as_well(write: Write, read: Read) -> None:
    path = write("s.csv", sheet("S99,see mail,", 7))
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, "sample", sample_sheets=SampleSheetOptions("input", None, "s3://results/sheets"))
    assert [issue.where for issue in caught.value.issues] == [f"{path} row 9, column 'bam'"]


def test_samples_with_other_inputs_need_no_object(write: Write, read: Read) -> None:
    text = "sample,bam,accession\n" + "A,s3://reads/a.bam,\nB,,SRR1\nC,s3://reads/c.bam,\nD,,SRR2\n"
    cohort = read(write("s.csv", text), "sample")
    assert (cohort.count, cohort.notes) == (4, ())


def test_where_most_name_no_object_those_that_do_are_told(write: Write, read: Read) -> None:
    text = "sample,input\n" + "".join(f"S{n},SRR{n}\n" for n in range(9)) + "T,s3://reads/t.bam\n"
    cohort = read(write("s.csv", text), "sample")
    (note,) = cohort.notes
    assert note.warning
    assert "where others have one; the first: 'SRR0'" in note.text
    assert "parameter_types={'input': 'string'}" in note.text
    assert read(write("s.csv", text), "sample", parameter_types={"input": "string"}).notes == ()


@pytest.mark.parametrize("word", ["NA", "-", "n/a", "none", "to follow"])
def test_a_word_for_nothing_is_told_with_its_place(word: str, write: Write, read: Read) -> None:
    rows = [f"S{n},s3://reads/{n}_1.fq.gz,{f's3://reads/{n}_2.fq.gz' if n != 8 else word}\n" for n in range(12)]
    path = write("s.csv", "sample,fastq_1,fastq_2\n" + "".join(rows))
    (note,) = read(path, "sample").notes
    assert note.warning
    assert note.text.startswith(f"1 value is no S3 URI where others have one; the first: {word!r} in {path} row 10")
    assert "Empty the cell if there is no file" in note.text
    assert (
        read(write("s.csv", "sample,fastq_1,fastq_2\n" + "".join(rows).replace(f",{word}", ",")), "sample").notes == ()
    )


def test_lists_and_members_of_api_names_are_judged_as_well(read: Read) -> None:
    settings = [{"runSettingId": f"S{n}", "parameters": {"bam": f"s3://reads/{n}.bam"}} for n in range(9)]
    settings[5]["parameters"] = {"bam": "see mail"}
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(json.dumps(settings))
    (issue,) = caught.value.issues
    assert issue.where == "run_settings[5].parameters.bam"
    assert issue.fix == "Write the URI, or remove the item if it is no sample"


def test_each_of_several_uris_in_a_cell_is_an_input() -> None:
    objects = InputObjects()
    objects.note({"reads": "s3://reads/a_1.fq.gz;s3://reads/a_2.fq.gz", "bam": "s3://reads/a;b.bam"})
    uris = [found.uri for found in objects]
    objects.close()
    assert uris == ["s3://reads/a_1.fq.gz", "s3://reads/a_2.fq.gz", "s3://reads/a;b.bam"]
