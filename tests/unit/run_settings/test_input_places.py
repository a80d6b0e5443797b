"""Places that samples name as inputs: what HealthOmics cannot read is refused, with its row and column."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from omics_errors import raises

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.input_places import Gravity, input_place_notes, judge_place
from airflow_provider_omics.healthomics.requests.start_run import build_start_run
from airflow_provider_omics.healthomics.requests.start_run_batch import build_default_run_setting
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort

Write = Callable[[str, str | bytes], str]
Read = Callable[..., Cohort]

REFUSED = [
    "s3://Reads/1.bam",
    "s3://my_bucket/1.bam",
    "s3:///1.bam",
    "s3://reads..old/1.bam",
    "s3://10.0.0.1/1.bam",
    "s3:/reads/1.bam",
    "s3:reads/1.bam",
    "S3://reads/1.bam",
    "s3a://reads/1.bam",
    "s3n://reads/1.bam",
    "s3://reads /1.bam",
    f"s3://reads/{'k' * 1025}",
    f"s3://reads/{'ü' * 600}",
    "s3://reads/1.bam ",
    "s3://reads/1\u200b.bam",
    "s3://reads/{{ params.sample }}.bam",
    "s3://{{ params.bucket }}/1.bam",
    "s3://reads/{sample}.bam",
    "s3://reads/${SAMPLE}.bam",
    "s3://<bucket>/1.bam",
    "s3://reads/$(basename x).bam",
    "s3://reads/%(sample)s.bam",
    "{{ params.bucket }}/1.bam",
    "${BUCKET}/1.bam",
    "<bucket>/1.bam",
    "{{ params.bam }}",
    "gs://reads/1.bam",
    "GS://reads/1.bam",
    "az://reads/1.bam",
    "abfss://reads@account/1.bam",
    "hdfs://reads/1.bam",
    "dx://project:/1.bam",
    "sftp://host/1.bam",
    "https://{{ host }}/1.bam",
    "arn:aws:s3:::reads/1.bam",
]
SOUND = [
    "s3://reads/1.bam",
    "s3://reads",
    "s3://reads/",
    "s3://reads/a b/1.bam",
    "s3://reads/lane_{1,2}_R{1,2}.fastq.gz",
    "s3://reads/*.bam",
    "s3://123456789012-abc-s3alias/123456789012/sequenceStore/1/readSet/2/x.fastq.gz",
    "illumina",
    "NA12878",
    "./.",
    "0/1",
    "/",
    "<NON_REF>",
    "@RG\\tID:1",
    "awk '{print $1}'",
    "{sample}",
    "docker://image:1",
    "S3: treated",
    "s3:",
    "123456789012.dkr.ecr.us-east-1.amazonaws.com/bwa:1",
    "chr1:100-200",
    "s3",
    "",
]
TOLD = ["omics://1.storage.us-east-1.amazonaws.com/2/readSet/3", "https://x.org/1.bam", "http://x.org", "ftp://x.org/1"]
TOLD += ["https://reads.s3.us-east-1.amazonaws.com/1.bam", "arn:aws:s3:us-east-1:1:accesspoint/a/object/1.bam"]
LOCAL = ["/data/1.bam", "./1.bam", "../reads/1.bam", "~/1.bam", "C:\\reads\\1.bam", "C:/reads/1.bam", "\\\\nas\\1.bam"]
LOCAL += ["file:///data/1.bam", "~user/1.bam", "$HOME/1.bam", "$PWD/1.bam", "%USERPROFILE%\\1.bam", "%DATA%/1.bam"]
REFUSED += [
    "s3//reads/1.bam",
    "s3 ://reads/1.bam",
    "'s3://reads/1.bam'",
    '"s3://reads/1.bam"',
    "\u201cs3://reads/1.bam\u201d",
]
REFUSED += [
    "<s3://reads/1.bam>",
    "(s3://reads/1.bam)",
    "s3://reads/1\t.bam",
    "s3://reads/1\n.bam",
    "s3://reads/$SAMPLE.bam",
]
REFUSED += ["https://s3.console.aws.amazon.com/s3/object/reads?prefix=1.bam"]
REFUSED += ["https://us-east-1.console.aws.amazon.com/s3/object/reads?region=us-east-1&prefix=1.bam"]
# Names of files, where others have S3 URIs.
REFUSED += ["reads/1.bam", "1.fastq.gz", "run_7/../1.bam", "S1_R1.fq"]


@pytest.mark.parametrize("value", REFUSED)
def test_a_place_that_cannot_be_read_is_refused_with_row_and_column(write: Write, read: Read, value: str) -> None:
    rows = [{"sample": f"S{n}", "bam": f"s3://reads/{n}.bam", "x": "y"} for n in range(20)]
    rows[12]["bam"] = value
    path = write("s.jsonl", "\n".join(map(json.dumps, rows)))
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, "sample")
    (issue,) = caught.value.issues
    assert issue.where == f"{path} line 13, column 'bam'"
    assert issue.fix


@pytest.mark.parametrize("value", SOUND)
def test_what_is_sound_or_no_place_passes_silently(read: Read, value: str) -> None:
    settings = [{"runSettingId": f"S{n}", "parameters": {"bam": f"s3://reads/{n}.bam", "x": value}} for n in range(9)]
    cohort = read(settings, duplicate_inputs="off")
    assert [note for note in cohort.notes if note.warning] == []
    assert cohort.count == 9


@pytest.mark.parametrize("value", TOLD)
def test_what_some_workflows_can_read_is_told_once_with_a_count(read: Read, value: str) -> None:
    settings: list[dict[str, Any]] = [{"runSettingId": f"S{n}", "parameters": {"bam": value}} for n in range(9)]
    (note,) = read(settings).notes
    assert note.warning
    assert note.text.startswith("9 values are ")
    assert "the first: run_settings[0].parameters.bam" in note.text


@pytest.mark.parametrize("between", [";", ", ", " ", "|"])
def test_several_uris_in_one_cell_are_told(read: Read, between: str) -> None:
    cells = [between.join([f"s3://reads/{n}_1.fq.gz", f"s3://reads/{n}_2.fq.gz"]) for n in range(9)]
    (note,) = read([{"runSettingId": f"S{n}", "parameters": {"reads": cell}} for n, cell in enumerate(cells)]).notes
    assert note.warning
    assert note.text.startswith("9 values are several S3 URIs in one; the first: run_settings[0].parameters.reads")
    assert "parameter_types such as 'string[]'" in note.text


def test_a_url_of_s3_is_told_with_the_uri_that_it_stands_for(read: Read) -> None:
    url = "https://reads.s3.eu-central-1.amazonaws.com/run%207/a%2B1.bam?X-Amz-Signature=0"
    (note,) = read([{"runSettingId": "A", "parameters": {"bam": url}}]).notes
    assert note.text.endswith("as in s3://reads/run 7/a+1.bam")


@pytest.mark.parametrize("value", LOCAL)
def test_a_local_path_is_refused_where_others_have_s3_and_told_elsewhere(write: Write, read: Read, value: str) -> None:
    rows = [{"sample": f"S{n}", "bam": f"s3://reads/{n}.bam"} for n in range(20)]
    rows[12]["bam"] = value
    path = write("s.jsonl", "\n".join(map(json.dumps, rows)))
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, "sample")
    (issue,) = caught.value.issues
    assert issue.where == f"{path} line 13, column 'bam'"
    assert "others have S3 URIs there" in issue.what
    (note,) = read(write("t.jsonl", "\n".join(json.dumps({**row, "bam": value}) for row in rows)), "sample").notes
    assert note.text.startswith("20 values are local paths; the first: ")


def test_every_place_is_told_at_once_with_the_row_of_its_lane(write: Write, read: Read) -> None:
    sheet = "sample,fastq_1,fastq_2\nA,s3://reads/1,gs://x/1\nA,s3://Reads/2,s3://reads/2\nB,/data/3,s3://reads/3\n"
    path = write("s.csv", sheet)
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(path, "sample", group_rows=True)
    assert [issue.where for issue in caught.value.issues] == [
        f"{path} row 3, column 'fastq_1'",
        f"{path} row 2, column 'fastq_2'",
        f"{path} row 4, column 'fastq_1'",
    ]


def test_places_deep_in_a_run_setting_are_looked_at(read: Read) -> None:
    pairs = [{"fastq_1": "s3://reads/1"}, {"fastq_1": "s3://reads/{x}"}]
    with raises(OmicsRequestInvalidError, match=r"run_settings\[0\].parameters.pairs\[1\].fastq_1"):
        read([{"runSettingId": "A", "parameters": {"pairs": pairs}}])


def test_parameters_of_all_runs_and_of_single_runs_are_looked_at() -> None:
    defaults = {"workflowId": "1", "roleArn": "arn:aws:iam::1:role/x", "parameters": {"ref": "s3://Ref/x.fa"}}
    with raises(OmicsRequestInvalidError, match=r"parameters.ref: 's3://Ref/x.fa' is not an S3 URI.*s3://ref/x"):
        build_default_run_setting(defaults, None)
    run = {**defaults, "outputUri": "s3://out/{{ ds }}", "parameters": {"bam": "gs://a/b"}}
    with pytest.raises(OmicsRequestInvalidError) as caught:
        build_start_run(run, None)
    assert [issue.where for issue in caught.value.issues] == ["output_uri", "parameters.bam"]
    notes = list(input_place_notes({"a": "omics://1/x", "b": ["https://x.org/1", "https://x.org/2"]}))
    assert [note.split(".")[0] for note in notes] == [
        "1 value is a omics:// URI; the first: parameters",
        "2 values are https:// URIs; the first: parameters",
    ]


def test_a_url_of_s3_is_told_with_its_s3_uri() -> None:
    for url in ("https://reads.s3.us-east-1.amazonaws.com/a/1.bam", "https://s3.us-east-1.amazonaws.com/reads/a/1.bam"):
        found = judge_place(url)
        assert found is not None
        assert found.gravity is Gravity.TOLD
        assert found.fix.endswith("s3://reads/a/1.bam")


READS = "sample,fastq_1,fastq_2,reference\n"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("A,s3://reads/1_1.fq.gz,s3://reads/1_2.fq.gz,\nB,s3://reads/1_1.fq.gz,s3://reads/2_2.fq.gz,\n", "row 3"),
        ("A,s3://reads/1_1.fq.gz,s3://reads/1_1.fq.gz,\n", "column 'fastq_2'"),
        ("A,s3://reads/one,s3://reads/two,\nB,s3://reads/three,s3://reads/two,\n", "row 3"),
    ],
)
def test_the_same_reads_twice_are_told_or_refused(write: Write, read: Read, rows: str, told: str) -> None:
    path = write("s.csv", READS + rows)
    (note,) = read(path, "sample").notes
    assert "The same reads are given twice" in note.text
    assert told in note.text
    assert note.warning
    with raises(OmicsRequestInvalidError, match=f"{told}.*is in .* too"):
        read(path, "sample", duplicate_inputs="fail")
    assert read(path, "sample", duplicate_inputs="off").notes == ()


def test_what_samples_share_is_no_read(write: Write, read: Read) -> None:
    rows = "".join(f"S{n},s3://reads/{n}_1,s3://reads/{n}_2,s3://refs/{n % 3}.fa\n" for n in range(30))
    shared = [{"runSettingId": f"S{n}", "parameters": {"vep": "s3://cache/x.bin"}} for n in range(30)]
    assert read(write("s.csv", READS + rows), "sample", duplicate_inputs="fail").notes == ()
    assert read(shared, duplicate_inputs="fail").notes == ()


def test_rows_of_a_sample_that_are_the_same_are_told(write: Write, read: Read) -> None:
    path = write("s.csv", READS + "A,s3://reads/1_1.fq.gz,s3://reads/1_2.fq.gz,\n" * 2)
    with raises(OmicsRequestInvalidError, match="row 2, column 'fastq_1' too") as caught:
        read(path, "sample", group_rows=True, duplicate_inputs="fail")
    assert [issue.where for issue in caught.value.issues] == [
        f"{path} row 3, column 'fastq_1'",
        f"{path} row 3, column 'fastq_2'",
    ]


def test_an_unknown_level_is_refused(read: Read) -> None:
    with raises(OmicsRequestInvalidError, match="duplicate_inputs: 'maybe' is unknown"):
        read([{"runSettingId": "A"}], duplicate_inputs="maybe")
