"""The switch of the local server that allows only some IAM actions, and what is answered to all else."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from omics_service import ADMIN_HEADERS, ROLE, refusal

from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.access import Rules, read_policy

BUCKET = "inputs"
SAID = "User: arn:aws:iam::123456789012:user/local is not authorized to perform: "


@pytest.fixture
def s3(server: LocalOmics) -> Any:
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="there", Body=b"reads")
    return s3


def admin(server: LocalOmics, **members: Any) -> dict[str, Any]:
    body = json.dumps(members).encode() if members else None
    method = "POST" if members else "GET"
    request = urllib.request.Request(f"{server.endpoint_url}/_local/access", body, ADMIN_HEADERS, method=method)
    with urllib.request.urlopen(request) as answer:
        return dict(json.load(answer))


def test_an_operation_of_healthomics_that_is_not_allowed_is_denied(server: LocalOmics, omics: Any) -> None:
    with server.allowing(["omics:GetRun"]):
        code, status, message = refusal(omics.list_runs)
        assert (code, status) == ("AccessDeniedException", 403)
        assert message.startswith(f"{SAID}omics:ListRuns because")
        assert refusal(omics.get_run, id="1")[0] == "ResourceNotFoundException"
    assert omics.list_runs()["items"] == []


@pytest.mark.parametrize("missing", ["omics:StartRun", "iam:PassRole", "omics:TagResource"])
def test_a_start_needs_more_than_its_own_action(
    server: LocalOmics, omics: Any, start_run: Callable[..., dict[str, Any]], missing: str
) -> None:
    workflow_id = omics.get_run(id=start_run()["id"])["workflowId"]
    request = {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/runs", "requestId": missing}
    needed = {"omics:StartRun", "iam:PassRole", "omics:TagResource"}
    with server.allowing(needed - {missing}) as access:
        assert f"perform: {missing} " in refusal(omics.start_run, **request, tags={"a": "b"})[2]
        assert access.denied == {missing: 1}
    with server.allowing(needed - {"omics:TagResource"}):
        omics.start_run(**request)


CALLS: list[tuple[str, Callable[[Any], Any]]] = [
    ("s3:GetObject", lambda s3: s3.get_object(Bucket=BUCKET, Key="there")),
    ("s3:GetObject", lambda s3: s3.head_object(Bucket=BUCKET, Key="there")),
    ("s3:PutObject", lambda s3: s3.put_object(Bucket=BUCKET, Key="new", Body=b"")),
    ("s3:PutObject", lambda s3: s3.create_multipart_upload(Bucket=BUCKET, Key="new")),
    ("s3:DeleteObject", lambda s3: s3.delete_object(Bucket=BUCKET, Key="there")),
    ("s3:DeleteObject", lambda s3: s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "there"}]})),
    ("s3:ListBucket", lambda s3: s3.list_objects_v2(Bucket=BUCKET)),
    ("s3:ListBucket", lambda s3: s3.head_bucket(Bucket=BUCKET)),
    ("s3:GetBucketLocation", lambda s3: s3.get_bucket_location(Bucket=BUCKET)),
    ("s3:GetObjectTagging", lambda s3: s3.get_object_tagging(Bucket=BUCKET, Key="there")),
    ("s3:CreateBucket", lambda s3: s3.create_bucket(Bucket="another")),
    ("s3:ListAllMyBuckets", lambda s3: s3.list_buckets()),
]


@pytest.mark.parametrize(("action", "call"), CALLS)
def test_each_call_of_s3_needs_its_action(
    server: LocalOmics, s3: Any, action: str, call: Callable[[Any], object]
) -> None:
    with server.allowing(["s3:None"]), pytest.raises(ClientError) as caught:
        call(s3)
    error = caught.value.response["Error"]
    is_head = caught.value.operation_name.startswith("Head")
    assert error["Code"] == ("403" if is_head else "AccessDenied")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert is_head or error["Message"].startswith(f"{SAID}{action} on resource: arn:aws:s3:::")
    with server.allowing([action]) as access:
        call(s3)
        assert access.asked == {action: 1}


def test_an_upload_in_parts_needs_its_actions(server: LocalOmics, s3: Any) -> None:
    with server.allowing(["s3:PutObject"]):
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]
        named = {"Bucket": BUCKET, "Key": "large", "UploadId": upload}
        part = s3.upload_part(**named, PartNumber=1, Body=b"reads")
        s3.complete_multipart_upload(**named, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
        named["UploadId"] = s3.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]
        assert "s3:AbortMultipartUpload" in refusal(s3.abort_multipart_upload, **named)[2]


def test_a_copy_reads_and_writes(server: LocalOmics, s3: Any) -> None:
    request = {"Bucket": BUCKET, "Key": "copy", "CopySource": {"Bucket": BUCKET, "Key": "there"}}
    with server.allowing(["s3:PutObject"]):
        assert "s3:GetObject" in refusal(s3.copy_object, **request)[2]
    with server.allowing(["s3:PutObject", "s3:GetObject"]):
        s3.copy_object(**request)


@pytest.mark.parametrize("operation", ["get_object", "head_object"])
def test_who_may_not_list_a_bucket_is_not_told_what_it_has_not(server: LocalOmics, s3: Any, operation: str) -> None:
    call = getattr(s3, operation)
    assert refusal(call, Bucket=BUCKET, Key="missing")[1] == 404
    with server.allowing(["s3:GetObject"]) as access:
        code, status, message = refusal(call, Bucket=BUCKET, Key="missing")
        assert (code, status) == ("403" if operation == "head_object" else "AccessDenied", 403)
        assert operation == "head_object" or f"{SAID}s3:ListBucket on resource: arn:aws:s3:::{BUCKET} " in message
        assert access.denied == {"s3:ListBucket": 1}
    with server.allowing(["s3:GetObject", "s3:ListBucket"]):
        assert refusal(call, Bucket=BUCKET, Key="missing")[1] == 404


@pytest.mark.parametrize(
    ("service", "operation", "request_", "action"),
    [
        ("logs", "get_log_events", {"logGroupName": "g", "logStreamName": "s"}, "logs:GetLogEvents"),
        ("ecr", "describe_images", {"repositoryName": "reads"}, "ecr:DescribeImages"),
        ("service-quotas", "list_service_quotas", {"ServiceCode": "omics"}, "servicequotas:ListServiceQuotas"),
        ("pricing", "get_products", {"ServiceCode": "AmazonOmics"}, "pricing:GetProducts"),
        ("sqs", "receive_message", {"QueueUrl": "http://127.0.0.1/123456789012/q"}, "sqs:ReceiveMessage"),
        ("sqs", "delete_message_batch", {"QueueUrl": "http://127.0.0.1/q", "Entries": []}, "sqs:DeleteMessage"),
        ("events", "list_rules", {}, "events:ListRules"),
        ("sns", "list_topics", {}, "sns:ListTopics"),
        ("iam", "list_roles", {}, "iam:ListRoles"),
    ],
)
def test_other_services_are_denied_in_their_own_form(
    server: LocalOmics, service: str, operation: str, request_: dict[str, Any], action: str
) -> None:
    with server.allowing(["omics:*"]) as access:
        code, status, message = refusal(getattr(server.client(service), operation), **request_)
        assert access.denied == {action: 1}
    assert code in ("AccessDeniedException", "AccessDenied")
    assert status in (400, 403)
    assert message.startswith(f"{SAID}{action} because")


def test_everyone_may_ask_who_they_are(server: LocalOmics) -> None:
    with server.allowing([]):
        assert server.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_the_admin_path_changes_what_is_allowed_and_tells_what_was_asked_for(server: LocalOmics, omics: Any) -> None:
    omics.list_runs()
    assert admin(server) == {"allowed": None, "asked": {"omics:ListRuns": 1}, "denied": {}}
    statement = {"Effect": "Allow", "Action": ["omics:List*"], "Resource": "*"}
    admin(server, policy={"Version": "2012-10-17", "Statement": statement})
    omics.list_runs()
    assert refusal(omics.get_run, id="1")[0] == "AccessDeniedException"
    told = {"omics:ListRuns": 1, "omics:GetRun": 1}
    assert admin(server) == {"allowed": ["omics:List*"], "asked": told, "denied": {"omics:GetRun": 1}}
    server.reset()
    assert admin(server) == {"allowed": ["omics:List*"], "asked": {}, "denied": {}}
    assert admin(server, policy=None)["allowed"] is None
    assert refusal(omics.get_run, id="1")[0] == "ResourceNotFoundException"


@pytest.mark.parametrize("policy", ["omics:*", [1], ["StartRun"], {}, {"Statement": {"Effect": "Allow"}}], ids=str)
def test_a_policy_that_is_none_changes_nothing(server: LocalOmics, omics: Any, policy: Any) -> None:
    admin(server, policy=["omics:ListRuns"])
    with pytest.raises(urllib.error.HTTPError) as caught:
        admin(server, policy=policy)
    assert caught.value.code == 400
    assert omics.list_runs()["items"] == []
    assert admin(server)["allowed"] == ["omics:ListRuns"]


def test_a_policy_document_is_read_for_its_actions() -> None:
    only_tagged = {"StringEquals": {"aws:ResourceTag/a": "b"}}
    rules = Rules(
        {
            "Statement": [
                {"Effect": "Allow", "Action": ["omics:*", "S3:Get*"], "Resource": "*", "Condition": only_tagged},
                {"Effect": "Deny", "Action": "omics:Delete*", "Resource": "*"},
                {"Effect": "Deny", "Action": "omics:StartRun", "Resource": "*", "Condition": only_tagged},
            ]
        }
    )
    assert rules.allow("omics:StartRun")
    assert rules.allow("s3:GetObject")
    assert not rules.allow("s3:PutObject")
    assert not rules.allow("omics:DeleteRun")


def test_what_was_allowed_before_is_allowed_afterwards() -> None:
    with LocalOmics(executor="simulated", policy=(action for action in ["omics:ListRuns"])) as server:
        omics = server.client("omics")
        with server.allowing(["omics:ListBatch"]):
            assert refusal(omics.list_runs)[0] == "AccessDeniedException"
        omics.list_runs()
        assert refusal(omics.list_batch)[0] == "AccessDeniedException"


def test_a_file_of_a_policy_has_to_be_one(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    with pytest.raises(ValueError, match=r"policy\.json cannot be read: "):
        read_policy(file)
    file.write_text('"omics:*"')
    with pytest.raises(ValueError, match="neither a policy document nor a list of actions"):
        read_policy(file)
    file.write_text('["omics:*"]')
    assert read_policy(file) == ["omics:*"]
