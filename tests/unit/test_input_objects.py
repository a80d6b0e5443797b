"""Which inputs parameters name, and what S3's answers say about them."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from airflow_provider_omics.healthomics.api.calls import Request, run_with
from airflow_provider_omics.healthomics.requests import input_objects
from airflow_provider_omics.healthomics.requests.input_objects import InputObjects, Presence, Sight, look_for_input


def refusal(code: str, status: int, operation: str = "HeadObject") -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)  # type: ignore[typeddict-item]


def look(uri: str, *answers: Any) -> tuple[Sight, list[Request]]:
    """Look for an input, with S3's answers given."""
    calls: list[Request] = []
    left = list(answers)

    def answer(call: Request) -> Any:
        calls.append(call)
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    return run_with(answer, look_for_input(uri)), calls


@pytest.mark.parametrize(
    ("uri", "answers", "presence", "asked"),
    [
        ("s3://reads/a.bam", [{}], Presence.THERE, ["HeadObject"]),
        ("s3://reads/a.bam", [{"StorageClass": "GLACIER_IR"}], Presence.THERE, ["HeadObject"]),
        ("s3://reads/a.bam", [{"StorageClass": "GLACIER"}], Presence.ARCHIVED, ["HeadObject"]),
        ("s3://reads/a.bam", [{"StorageClass": "DEEP_ARCHIVE"}], Presence.ARCHIVED, ["HeadObject"]),
        (
            "s3://reads/a.bam",
            [{"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"}],
            Presence.ARCHIVED,
            ["HeadObject"],
        ),
        (
            "s3://reads/a.bam",
            [{"StorageClass": "GLACIER", "Restore": 'ongoing-request="false", expiry-date="x"'}],
            Presence.THERE,
            ["HeadObject"],
        ),
        (
            "s3://reads/a.bam",
            [{"StorageClass": "GLACIER", "Restore": 'ongoing-request="true"'}],
            Presence.ARCHIVED,
            ["HeadObject"],
        ),
        ("s3://reads/a.bam", [refusal("403", 403)], Presence.DENIED, ["HeadObject"]),
        ("s3://reads/a.bam", [refusal("503", 503)], Presence.UNKNOWN, ["HeadObject"]),
        ("s3://reads/a.bam", [refusal("SlowDown", 503)], Presence.UNKNOWN, ["HeadObject"]),
        ("s3://reads/a.bam", [refusal("400", 400)], Presence.UNKNOWN, ["HeadObject"]),
        ("s3://reads/a.bam", [EndpointConnectionError(endpoint_url="x")], Presence.UNKNOWN, ["HeadObject"]),
        ("s3://reads/a.bam", [ReadTimeoutError(endpoint_url="x")], Presence.UNKNOWN, ["HeadObject"]),
        ("s3://reads/a.bam", [refusal("404", 404), {"KeyCount": 0}], Presence.MISSING, ["HeadObject", "ListObjectsV2"]),
        ("s3://reads/a.bam", [refusal("404", 404), {"KeyCount": 1}], Presence.THERE, ["HeadObject", "ListObjectsV2"]),
        (
            "s3://reads/a.bam",
            [refusal("404", 404), refusal("AccessDenied", 403, "ListObjectsV2")],
            Presence.DENIED,
            ["HeadObject", "ListObjectsV2"],
        ),
        (
            "s3://reads/a.bam",
            [refusal("404", 404), refusal("NoSuchBucket", 404, "ListObjectsV2")],
            Presence.MISSING,
            ["HeadObject", "ListObjectsV2"],
        ),
        ("s3://reads/run/", [{"KeyCount": 1}], Presence.THERE, ["ListObjectsV2"]),
        ("s3://reads/run/", [{"KeyCount": 0}], Presence.MISSING, ["ListObjectsV2"]),
        ("s3://reads", [{"KeyCount": 1}], Presence.THERE, ["ListObjectsV2"]),
        ("s3://reads/a_{1,2}.fq.gz", [{"KeyCount": 0}], Presence.MISSING, ["ListObjectsV2"]),
        ("s3://reads/run/", [refusal("InternalError", 500, "ListObjectsV2")], Presence.UNKNOWN, ["ListObjectsV2"]),
    ],
)
def test_only_what_s3_says_is_not_there_is_missing(
    uri: str, answers: list[Any], presence: Presence, asked: list[str]
) -> None:
    sight, calls = look(uri, *answers)
    assert sight.presence is presence
    assert [call.operation for call in calls] == asked
    assert (sight.error is not None) is (presence is Presence.UNKNOWN)
    assert presence is Presence.THERE or (uri in sight.what and sight.fix)


@pytest.mark.parametrize(
    ("uri", "prefix"),
    [
        # The index of an absent BAM does not stand for it.
        ("s3://reads/a.bam", "a.bam/"),
        ("s3://reads/run/sample1", "run/sample1"),
        ("s3://reads/v1.0/genome", "v1.0/genome"),
        ("s3://reads/run/", "run/"),
        ("s3://reads/", ""),
        ("s3://reads/run/*_R1.fq.gz", "run/"),
    ],
)
def test_what_several_objects_stand_for_is_there_with_the_first(uri: str, prefix: str) -> None:
    _, calls = look(uri, *([refusal("404", 404)] if "*" not in uri and uri[-1] != "/" else []), {"KeyCount": 1})
    assert calls[-1].members == {"Bucket": "reads", "Prefix": prefix, "MaxKeys": 1}


def test_a_mistake_of_the_code_is_no_error_of_looking() -> None:
    with pytest.raises(KeyError):
        look("s3://reads/a.bam", KeyError("x"))


def noted(*parameters: dict[str, Any]) -> list[tuple[str, str]]:
    with closing(InputObjects()) as objects:
        for given in parameters:
            objects.note(given)
        return [tuple(each) for each in objects]  # type: ignore[misc]


def test_each_input_is_noted_once_with_the_place_that_names_it_first() -> None:
    assert noted(
        {"bam": "s3://reads/1.bam", "reference": "s3://ref/hg38.fa", "min": 3, "note": "see s3://reads/1.bam"},
        {"bam": "s3://reads/2.bam", "reference": "s3://ref/hg38.fa", "pairs": [{"fastq": "s3://reads/ä.fq"}]},
    ) == [
        ("parameters.bam", "s3://reads/1.bam"),
        ("parameters.reference", "s3://ref/hg38.fa"),
        ("parameters.bam", "s3://reads/2.bam"),
        ("parameters.pairs[0].fastq", "s3://reads/ä.fq"),
    ]


@pytest.mark.parametrize("name", ["outdir", "output_uri", "out", "results_dir", "publishDir", "wf.output_path"])
def test_where_outputs_go_is_no_input(name: str) -> None:
    assert noted({name: "s3://out/x/"}) == []


@pytest.mark.parametrize("name", ["tumor_output_bam", "vep_results", "outliers", "input"])
def test_what_only_resembles_an_output_is_an_input(name: str) -> None:
    assert noted({name: "s3://reads/x"}) != []


def test_what_is_no_s3_uri_is_not_noted() -> None:
    assert noted({"a": "s3://B/x", "b": "omics://1.storage/2", "c": "https://x/y", "d": "/tmp/x"}) == []


def test_more_than_the_bound_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_objects, "MOST_OBJECTS", 2)
    with closing(InputObjects()) as objects:
        objects.note({"files": [f"s3://reads/{n % 4}" for n in range(8)]})
        assert (objects.count, objects.more, len(list(objects))) == (2, 4, 2)
