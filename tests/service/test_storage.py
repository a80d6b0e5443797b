"""Objects in S3 through the hook's connection."""

from __future__ import annotations

import csv
import gzip
import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cutting_proxy import CuttingProxy, cutting_proxy
from omics_errors import raises

from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsServiceError
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.service_errors import explain
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.hooks.storage import ObjectStorage
from airflow_provider_omics.local import LocalOmics

BUCKET = "cohorts"
URI = f"s3://{BUCKET}/study/samples.csv"
PLACE = {"Bucket": BUCKET, "Key": "study/samples.csv"}


@pytest.fixture
def s3(omics_local: LocalOmics) -> Any:
    client = omics_local.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def storage(s3: Any) -> ObjectStorage:
    return OmicsHook().storage


@pytest.fixture
def upload(tmp_path: Path) -> Any:
    """Make a file to upload."""

    def make(content: bytes) -> Path:
        path = tmp_path / "content"
        path.write_bytes(content)
        return path

    return make


def content(s3: Any) -> bytes:
    return bytes(s3.get_object(**PLACE)["Body"].read())


def test_an_object_is_read_to_its_end(s3: Any, storage: ObjectStorage) -> None:
    body = random.Random(1).randbytes(3 << 20)
    s3.put_object(**PLACE, Body=body)
    with storage.open(URI) as stream:
        assert (stream.name, stream.read(10)) == (URI, body[:10])
        assert stream.read() == body[10:]
        assert stream.read() == b""


def test_an_empty_object_is_empty(s3: Any, storage: ObjectStorage) -> None:
    s3.put_object(**PLACE, Body=b"")
    assert storage.open(URI).read() == b""


def test_a_gzipped_sheet_is_read_row_by_row(s3: Any, storage: ObjectStorage) -> None:
    s3.put_object(**PLACE, Body=gzip.compress(b"sample\r\nNA12878\r\nNA12891\r\n"))
    with gzip.open(storage.open(URI), "rt", newline="") as text:
        assert list(csv.reader(text)) == [["sample"], ["NA12878"], ["NA12891"]]


@pytest.mark.parametrize("key", ["with space/ä+b%20.csv", "a//b", "x" * 1024])
def test_every_key_that_s3_takes_is_found(s3: Any, storage: ObjectStorage, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"here")
    uri = f"s3://{BUCKET}/{key}"
    assert storage.exists(uri)
    assert storage.open(uri).read() == b"here"


@pytest.fixture
def through_proxy(omics_local: LocalOmics, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make a storage whose first connections answer only so many bytes."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    with cutting_proxy(omics_local.endpoint_url) as proxy:
        extra = {**omics_local.connection_extra(), "endpoint_url": proxy.url}
        login = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(login))

        def make(*budgets: int) -> tuple[CuttingProxy, ObjectStorage]:
            proxy.budgets[:] = budgets
            return proxy, OmicsHook(config={"retries": {"total_max_attempts": 1}}).storage

        yield make


def test_reading_goes_on_where_the_connection_broke(s3: Any, through_proxy: Any) -> None:
    body = random.Random(2).randbytes(4 << 20)
    s3.put_object(**PLACE, Body=body)
    proxy, storage = through_proxy(1 << 20, 1 << 20, 5000)
    with storage.open(URI) as stream:
        assert b"".join(iter(lambda: stream.read(100_000), b"")) == body
    first, *rest = proxy.heads
    assert "Range: " not in first
    assert len(rest) == 3
    assert all("\r\nRange: bytes=" in head and "\r\nIf-Match: " in head for head in rest)


def test_a_changed_object_is_never_mixed_with_what_it_was(s3: Any, through_proxy: Any) -> None:
    s3.put_object(**PLACE, Body=b"1" * (2 << 20))
    _, storage = through_proxy(1 << 20)
    with storage.open(URI) as stream:
        assert stream.read(1) == b"1"
        s3.put_object(**PLACE, Body=b"2" * (2 << 20))
        with raises(OmicsServiceError, match="was changed while it was read") as caught:
            stream.read()
    assert (caught.value.operation, caught.value.code, caught.value.http_status) == (
        "GetObject",
        "PreconditionFailed",
        412,
    )
    assert URI in caught.value.message()


def test_a_connection_that_breaks_all_the_time_is_an_error(s3: Any, through_proxy: Any) -> None:
    s3.put_object(**PLACE, Body=b"1" * (2 << 20))
    proxy, storage = through_proxy(1 << 20, *[0] * 20)
    with storage.open(URI) as stream, raises(OmicsServiceError, match="Check the network") as caught:
        stream.read()
    assert caught.value.operation == "GetObject"
    assert caught.value.failure_class is FailureClass.TRANSIENT
    assert len(proxy.heads) < 10


def test_a_file_is_put_once_and_never_again(s3: Any, storage: ObjectStorage, upload: Any) -> None:
    assert not storage.exists(URI)
    assert storage.put_once(URI, upload(b"first")) is True
    etag = s3.head_object(**PLACE)["ETag"]
    assert storage.exists(URI)
    assert storage.put_once(URI, upload(b"second")) is False
    assert content(s3) == b"first"
    assert s3.head_object(**PLACE)["ETag"] == etag


@pytest.mark.parametrize("size", [10, 40 << 20], ids=["in one request", "in parts"])
def test_of_two_writers_at_once_one_wins(omics_local: LocalOmics, s3: Any, upload: Any, size: int) -> None:
    both_looked = threading.Barrier(2)

    def make_client() -> Any:
        client = omics_local.client("s3")
        client.meta.events.register("after-call.s3.HeadObject", lambda **_: both_looked.wait(timeout=300))
        return client

    def tell(error: Exception, operation: str, uri: str) -> OmicsServiceError:
        return OmicsServiceError(explain(error, operation, uri))

    path = upload(b"a" * size)
    writers = [ObjectStorage(make_client, tell) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        wrote = list(pool.map(lambda writer: writer.put_once(URI, path), writers))
    assert sorted(wrote) == [False, True]
    assert content(s3) == b"a" * size


def test_a_large_file_is_uploaded_in_parts(s3: Any, storage: ObjectStorage, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    assert storage.exists(URI) is False
    storage.put_once(URI, path)
    assert s3.head_object(**PLACE)["ContentLength"] == 100 << 20
    assert s3.head_object(**PLACE)["ETag"].strip('"').endswith("-7")


def test_lines_replace_what_was_there(s3: Any, storage: ObjectStorage) -> None:
    storage.write(URI, (f"row {n}\n" for n in range(3)), "text/csv")
    storage.write(URI, [b"bytes\n", "ümlaut\n"], "text/csv; charset=utf-8")
    assert content(s3).decode() == "bytes\nümlaut\n"
    assert s3.head_object(**PLACE)["ContentType"] == "text/csv; charset=utf-8"


def test_lines_that_end_in_an_error_leave_the_object_alone(s3: Any, storage: ObjectStorage) -> None:
    def lines() -> Iterator[str]:
        yield "half\n"
        raise RuntimeError("no more")

    storage.write(URI, ["whole\n"], "text/csv")
    with pytest.raises(RuntimeError, match="no more"):
        storage.write(URI, lines(), "text/csv")
    assert content(s3) == b"whole\n"


@pytest.mark.parametrize(
    ("uri", "code", "told"),
    [
        (URI, "NoSuchKey", "(?s)GetObject for s3://cohorts/study/samples.csv .*case-sensitive"),
        ("s3://no-such-bucket/key", "NoSuchBucket", "(?s)GetObject for s3://no-such-bucket/key .*bucket's name"),
    ],
)
def test_what_is_not_there_cannot_be_read(storage: ObjectStorage, uri: str, code: str, told: str) -> None:
    with raises(OmicsServiceError, match=told) as caught:
        storage.open(uri)
    assert (caught.value.operation, caught.value.code) == ("GetObject", code)
    assert caught.value.failure_class is FailureClass.INPUT


def test_what_is_not_there_does_not_exist(storage: ObjectStorage) -> None:
    assert not storage.exists(URI)
    assert not storage.exists("s3://no-such-bucket/key")


def test_a_bucket_that_is_not_there_takes_nothing(storage: ObjectStorage, upload: Any) -> None:
    with raises(OmicsServiceError, match="make the bucket") as caught:
        storage.put_once("s3://no-such-bucket/key", upload(b"1"))
    assert caught.value.operation == "PutObject"
    with raises(OmicsServiceError, match="make the bucket"):
        storage.write("s3://no-such-bucket/key", ["1"], "text/csv")


@pytest.mark.parametrize("method", ["open", "exists", "put_once", "write"])
def test_a_denied_object_says_which_permission_is_missing(
    s3: Any, storage: ObjectStorage, upload: Any, method: str
) -> None:
    s3.put_object(**PLACE, Body=b"1")
    arn = f"arn:aws:s3:::{BUCKET}/*"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": arn}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    more: dict[str, tuple[Any, ...]] = {"put_once": (upload(b"2"),), "write": (["2"], "text/csv")}
    missing = "s3:PutObject there" if method == "write" else "s3:GetObject and s3:ListBucket"
    with raises(OmicsServiceError, match=missing) as caught:
        getattr(storage, method)(URI, *more.get(method, ()))
    assert (caught.value.http_status, caught.value.failure_class) == (403, FailureClass.PERMISSION)
    assert "with connection 'aws_default'" in caught.value.message()


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("", "'' is not an S3 URI"),
        ("samples.csv", "is not an S3 URI"),
        ("s3:/cohorts/samples.csv", "is not an S3 URI"),
        ("S3://cohorts/samples.csv", "is not an S3 URI"),
        ("https://cohorts.s3.amazonaws.com/samples.csv", "is not an S3 URI"),
        ("s3://Cohorts/samples.csv", "is not an S3 URI"),
        ("s3://cohorts", "names no object"),
        ("s3://cohorts/study/", "names no object"),
        ("s3://cohorts/" + "ä" * 513, "has 1026 bytes; S3 takes 1024"),
        (None, "None is not an S3 URI"),
    ],
)
def test_a_uri_that_names_no_object_is_refused_before_any_call(storage: ObjectStorage, uri: Any, problem: str) -> None:
    for call in (
        storage.open,
        storage.exists,
        lambda u: storage.put_once(u, Path("x")),
        lambda u: storage.write(u, [], ""),
    ):
        with raises(OmicsRequestInvalidError, match=problem) as caught:
            call(uri)
        assert "Give " in caught.value.message()


def test_the_region_of_the_hook_holds_for_s3_too(s3: Any, through_proxy: Any) -> None:
    proxy, _ = through_proxy()
    assert not OmicsHook(region_name="eu-west-1").storage.exists(URI)
    assert "/eu-west-1/s3/aws4_request" in proxy.heads[0]
