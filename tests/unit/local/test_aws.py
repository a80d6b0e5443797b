"""The bridge to moto: what it writes, boto3 reads over HTTP, and the other way round."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from airflow_provider_omics.local.aws import (
    Aws,
    InvalidS3Uri,
    NoSuchBucket,
    NoSuchKey,
    S3AccessDenied,
    split_s3_uri,
)

REGION = "eu-central-1"
ACCOUNT = "123456789012"
WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(endpoint: str):
    def make(service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    return make


@pytest.fixture
def bucket(client) -> str:
    name = f"bucket-{uuid.uuid4()}"
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.fixture
def aws() -> Aws:
    return Aws(REGION, ACCOUNT)


@pytest.mark.parametrize("key", ["plain.txt", "a folder/mit Ümlaut+plus%20.txt", "deep/er/file"])
def test_objects_go_both_ways(aws: Aws, client, bucket: str, key: str) -> None:
    s3 = client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=b"from boto3")
    head = s3.head_object(Bucket=bucket, Key=key)

    assert aws.get_object(f"s3://{bucket}/{key}") == b"from boto3"
    found = aws.head(f"s3://{bucket}/{key}")
    assert found is not None
    assert (f'"{found.etag}"', found.size) == (head["ETag"], head["ContentLength"])

    written = aws.put_object(f"s3://{bucket}/new/{key}", b"from the server")
    answer = s3.get_object(Bucket=bucket, Key=f"new/{key}")
    assert answer["Body"].read() == b"from the server"
    assert answer["ETag"] == f'"{written.etag}"'


def test_a_file_is_uploaded_and_a_multipart_object_downloaded(aws: Aws, client, bucket: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 40_000)
    aws.put_object(f"s3://{bucket}/one", source)
    assert client("s3").get_object(Bucket=bucket, Key="one")["Body"].read() == source.read_bytes()

    client("s3").upload_file(str(source), bucket, "parts")
    aws.download(f"s3://{bucket}/parts", lambda: (tmp_path / "target").open("wb"))
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_keys_are_listed_by_prefix_without_deleted_ones(aws: Aws, client, bucket: str) -> None:
    s3 = client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("b/2", "b/1", "a", "b/gone"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.delete_object(Bucket=bucket, Key="b/gone")

    assert aws.list_keys(f"s3://{bucket}/b/") == ["b/1", "b/2"]
    assert aws.list_keys(f"s3://{bucket}") == ["a", "b/1", "b/2"]
    assert aws.head(f"s3://{bucket}/b/gone") is None


def test_what_is_missing_has_its_own_error(aws: Aws, bucket: str) -> None:
    with pytest.raises(NoSuchBucket, match="s3://no-such-bucket-here does not exist"):
        aws.get_object("s3://no-such-bucket-here/key")
    with pytest.raises(NoSuchKey, match=f"object s3://{bucket}/nothing does not exist"):
        aws.get_object(f"s3://{bucket}/nothing")
    assert aws.head(f"s3://{bucket}/nothing") is None
    assert aws.head("s3://no-such-bucket-here/key") is None
    with pytest.raises(NoSuchBucket):
        aws.put_object("s3://no-such-bucket-here/key", b"")


@pytest.mark.parametrize("uri", ["", "bucket/key", "https://bucket/key", "s3:/bucket/key", "s3://B_ucket/k", "s3://"])
def test_what_is_not_an_s3_uri_is_refused(uri: str) -> None:
    with pytest.raises(InvalidS3Uri, match="is not an S3 URI"):
        split_s3_uri(uri)


def test_an_uri_is_split() -> None:
    assert split_s3_uri("s3://bucket") == ("bucket", "")
    assert split_s3_uri("s3://bucket/a/b c") == ("bucket", "a/b c")


def test_a_bucket_policy_that_denies_is_obeyed(aws: Aws, client, bucket: str) -> None:
    s3 = client("s3")
    s3.put_object(Bucket=bucket, Key="secret/x", Body=b"x")
    s3.put_object(Bucket=bucket, Key="open/x", Body=b"x")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": f"arn:aws:s3:::{bucket}/secret/*",
            }
        ],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))

    assert aws.get_object(f"s3://{bucket}/open/x") == b"x"
    with pytest.raises(S3AccessDenied, match="denies s3:GetObject"):
        aws.get_object(f"s3://{bucket}/secret/x")
    with pytest.raises(S3AccessDenied, match="denies s3:PutObject"):
        aws.check_writable(f"s3://{bucket}/secret/new")


def test_log_lines_are_read_back_with_their_times(aws: Aws, client) -> None:
    stream = f"run/{uuid.uuid4()}"
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    aws.put_log_lines("/aws/omics/WorkflowLog", stream, [(long_ago, "first")])
    aws.put_log_lines("/aws/omics/WorkflowLog", stream, [(WHEN, "second"), (WHEN + timedelta(seconds=1), "third")])

    answer = client("logs").get_log_events(
        logGroupName="/aws/omics/WorkflowLog", logStreamName=stream, startFromHead=True
    )
    assert [event["message"] for event in answer["events"]] == ["first", "second", "third"]
    assert answer["events"][0]["timestamp"] == long_ago.timestamp() * 1000


def test_a_rule_sends_the_event_to_its_queue(aws: Aws, client) -> None:
    events, sqs = client("events"), client("sqs")
    url = sqs.create_queue(QueueName=f"queue-{uuid.uuid4()}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = f"rule-{uuid.uuid4()}"
    pattern = {"source": ["aws.omics"], "detail-type": ["Run Status Change"], "detail": {"status": ["FAILED"]}}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "q", "Arn": arn}])
    try:
        for status in ("RUNNING", "FAILED"):
            aws.put_event("Run Status Change", ["arn:aws:omics:x:1:run/1"], {"status": status}, WHEN)
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    finally:
        events.remove_targets(Rule=rule, Ids=["q"])
        events.delete_rule(Name=rule)

    (body,) = [json.loads(message["Body"]) for message in messages]
    assert body["source"] == "aws.omics"
    assert body["detail-type"] == "Run Status Change"
    assert body["region"] == REGION
    assert body["time"] == "2026-03-04T05:06:07Z"
    assert body["resources"] == ["arn:aws:omics:x:1:run/1"]
    assert body["detail"] == {"status": "FAILED"}
    assert not aws.has_listeners()


def test_a_broken_target_harms_nobody(aws: Aws, client, caplog: pytest.LogCaptureFixture) -> None:
    events = client("events")
    rule = f"rule-{uuid.uuid4()}"
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["aws.omics"]}))
    events.put_targets(Rule=rule, Targets=[{"Id": "gone", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:no-such-queue"}])
    try:
        aws.put_event("Run Status Change", ["arn:aws:omics:x:1:run/1"], {"status": "FAILED"}, WHEN)
    finally:
        events.remove_targets(Rule=rule, Ids=["gone"])
        events.delete_rule(Name=rule)
    assert "An EventBridge target failed" in caplog.text
