"""Run batches over HTTP, with the sync and the async client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from omics_service import ROLE, await_status

from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule

TERMINAL = ("PROCESSED", "FAILED", "CANCELLED", "RUNS_DELETED", "RUNS_DELETE_FAILED")
StartBatch = Callable[..., str]


@pytest.fixture
def start_batch(omics: Any, make_workflow: Callable[..., str]) -> StartBatch:
    """Start a batch, with run settings as a list or as the URI of a file, and return its id."""
    workflow_id = make_workflow()

    def start(settings: Any, *, defaults: dict[str, Any] | None = None, **members: Any) -> str:
        kind = "s3UriSettings" if isinstance(settings, str) else "inlineSettings"
        answer = omics.start_run_batch(
            defaultRunSetting={
                "workflowId": workflow_id,
                "roleArn": ROLE,
                "outputUri": "s3://results/runs",
                **(defaults or {}),
            },
            batchRunSettings={kind: settings},
            **members,
        )
        assert answer["status"] == "CREATING"
        batch_id: str = answer["id"]
        return batch_id

    return start


@pytest.fixture
def put_settings(server: LocalOmics) -> Callable[[Any], str]:
    """Write run settings to S3 and return their URI."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket="settings")

    def put(settings: Any) -> str:
        body = settings if isinstance(settings, bytes) else json.dumps(settings).encode()
        s3.put_object(Bucket="settings", Key="cohort/settings.json", Body=body)
        return "s3://settings/cohort/settings.json"

    return put


def many(count: int) -> list[dict[str, Any]]:
    return [{"runSettingId": f"sample-{n}"} for n in range(count)]


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_a_file_of_settings_becomes_runs(
    omics: Any, start_batch: StartBatch, put_settings: Callable[[Any], str]
) -> None:
    batch_id = start_batch(put_settings(many(250)), batchName="cohort", tags={"a": "b"})
    got = await_status(lambda: omics.get_batch(batchId=batch_id), *TERMINAL)
    assert (got["status"], got["name"], got["tags"], got["totalRuns"]) == ("PROCESSED", "cohort", {"a": "b"}, 250)
    assert got["runSummary"]["completedRunCount"] == 250
    assert got["creationTime"] < got["submittedTime"] <= got["processedTime"]
    runs = [
        item for page in omics.get_paginator("list_runs_in_batch").paginate(batchId=batch_id) for item in page["runs"]
    ]
    assert [item["runSettingId"] for item in runs] == [f"sample-{n}" for n in range(250)]
    listed = [item for page in omics.get_paginator("list_runs").paginate(batchId=batch_id) for item in page["items"]]
    assert {item["id"] for item in listed} == {item["runId"] for item in runs}
    assert {item["batchId"] for item in listed} == {batch_id}


def test_failed_submissions_are_only_in_the_batchs_own_list(omics: Any, start_batch: StartBatch) -> None:
    settings = [*many(2), {"runSettingId": "bad", "outputUri": "file:///tmp"}]
    batch_id = start_batch(settings)
    got = await_status(lambda: omics.get_batch(batchId=batch_id), *TERMINAL)
    assert got["submissionSummary"] == {
        "successfulStartSubmissionCount": 2,
        "failedStartSubmissionCount": 1,
        "pendingStartSubmissionCount": 0,
    }
    assert got["runSummary"]["failedRunCount"] == 0
    failed = omics.list_runs_in_batch(batchId=batch_id, submissionStatus="FAILED")["runs"]
    assert [item["runSettingId"] for item in failed] == ["bad"]
    assert failed[0]["submissionFailureReason"] == "ValidationException"
    assert len(omics.list_runs(batchId=batch_id)["items"]) == 2


def test_cancel_then_delete_runs_then_delete_the_batch(server: LocalOmics, omics: Any, start_batch: StartBatch) -> None:
    server.change(timings={"running_min": 3600.0, "running_max": 3600.0})
    batch_id = start_batch(many(3))
    await_status(lambda: omics.get_batch(batchId=batch_id), "INPROGRESS")
    assert refusal(omics.delete_batch, batchId=batch_id) == ("ConflictException", 409)
    omics.cancel_run_batch(batchId=batch_id)
    assert refusal(omics.cancel_run_batch, batchId=batch_id) == ("ConflictException", 409)
    got = await_status(lambda: omics.get_batch(batchId=batch_id), *TERMINAL)
    assert (got["status"], got["runSummary"]["cancelledRunCount"]) == ("CANCELLED", 3)
    omics.delete_run_batch(batchId=batch_id)
    got = await_status(lambda: omics.get_batch(batchId=batch_id), "RUNS_DELETED", "RUNS_DELETE_FAILED")
    assert (got["status"], got["submissionSummary"]["successfulDeleteSubmissionCount"]) == ("RUNS_DELETED", 3)
    assert omics.list_runs(batchId=batch_id)["items"] == []
    omics.delete_batch(batchId=batch_id)
    assert refusal(omics.get_batch, batchId=batch_id) == ("ResourceNotFoundException", 404)
    assert omics.list_batch()["items"] == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (b"not JSON", "Invalid JSON"),
        ([*many(2), *many(1)], "Expected 3 unique runSettingIds but there were 2"),
    ],
)
def test_a_file_that_cannot_be_used_fails_the_batch(
    omics: Any, start_batch: StartBatch, put_settings: Callable[[Any], str], settings: Any, reason: str
) -> None:
    batch_id = start_batch(put_settings(settings))
    got = await_status(lambda: omics.get_batch(batchId=batch_id), *TERMINAL)
    assert got["status"] == "FAILED"
    assert reason in got["failureReason"]
    assert refusal(omics.cancel_run_batch, batchId=batch_id) == ("ConflictException", 409)
    omics.delete_batch(batchId=batch_id)


def test_what_is_wrong_for_all_runs_is_refused_at_once(server: LocalOmics, omics: Any, start_batch: StartBatch) -> None:
    for settings, defaults in (
        (many(101), {}),
        (many(1), {"workflowId": "999"}),
        (many(1), {"workflowId": "9500764", "workflowType": "READY2RUN"}),
        (many(1), {"logLevel": "LOUD"}),
        ("s3://no-such-bucket-here/a.json", {}),
    ):
        code, status = refusal(start_batch, settings=settings, defaults=defaults)
        assert (code, status) in (("ValidationException", 400), ("ResourceNotFoundException", 404))
    assert omics.list_batch()["items"] == []
    assert server.journal.runs_created == 0


class TestRequestIds:
    def test_the_same_id_starts_one_batch(self, server: LocalOmics, omics: Any, start_batch: StartBatch) -> None:
        batch_id = start_batch(many(2), requestId="same")
        assert start_batch(many(2), requestId="same") == batch_id
        await_status(lambda: omics.get_batch(batchId=batch_id), *TERMINAL)
        assert start_batch(many(2), requestId="same") == batch_id
        assert server.journal.runs_created == 2

    @pytest.mark.parametrize("free", [True, False])
    def test_a_failed_batch_frees_its_id_where_assumed(
        self, server: LocalOmics, omics: Any, start_batch: StartBatch, free: bool
    ) -> None:
        server.change(assumptions={"request_id_free_after_failed_batch": free})
        server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="RunBatch.validate"))
        first = start_batch(many(2), requestId="same")
        await_status(lambda: omics.get_batch(batchId=first), "FAILED")
        if free:
            second = start_batch(many(2), requestId="same")
            assert second != first
            assert await_status(lambda: omics.get_batch(batchId=second), *TERMINAL)["status"] == "PROCESSED"
        else:
            assert start_batch(many(2), requestId="same") == first


def test_the_async_client_sees_the_same(server: LocalOmics, omics: Any, start_batch: StartBatch) -> None:
    batch_id = start_batch(many(5), tags={"a": "b"})

    async def follow() -> tuple[dict[str, Any], list[str]]:
        session = get_session()
        async with session.create_client(
            "omics",
            region_name="us-east-1",
            endpoint_url=server.endpoint_url,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=AioConfig(inject_host_prefix=False),
        ) as client:
            async with asyncio.timeout(300):
                while (got := await client.get_batch(batchId=batch_id))["status"] not in TERMINAL:
                    await asyncio.sleep(0.01)
            pages = client.get_paginator("list_runs_in_batch").paginate(
                batchId=batch_id, PaginationConfig={"PageSize": 2}
            )
            return got, [item["runSettingId"] async for page in pages for item in page["runs"]]

    got, ids = asyncio.run(follow())
    got.pop("ResponseMetadata")
    expected = omics.get_batch(batchId=batch_id)
    expected.pop("ResponseMetadata")
    assert got == expected
    assert ids == [f"sample-{n}" for n in range(5)]


def test_every_state_of_a_batch_is_an_event(server: LocalOmics, omics: Any, start_batch: StartBatch) -> None:
    sqs, events = server.client("sqs"), server.client("events")
    queue = sqs.create_queue(QueueName="batch-events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.omics"], "detail-type": ["RunBatch Status Change"]}
    events.put_rule(Name="batches", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="batches", Targets=[{"Id": "queue", "Arn": arn}])
    batch_id = start_batch([*many(2), {"runSettingId": "bad", "outputUri": "file:///tmp"}], batchName="cohort")
    await_status(lambda: omics.get_batch(batchId=batch_id), *TERMINAL)
    server.account().events.drain()
    details = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            details.append(json.loads(message["Body"])["detail"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    # The service promises no order.
    by_status = {detail["status"]: detail for detail in details}
    assert sorted(by_status) == ["CREATING", "INPROGRESS", "PENDING", "PROCESSED", "SUBMITTING"]
    assert len(details) == 5
    last = by_status["PROCESSED"]
    expected = {
        "batchId": batch_id,
        "batchName": "cohort",
        "totalRuns": "3",
        "successfulStartSubmissionCount": "2",
        "failedStartSubmissionCount": "1",
        "pendingStartSubmissionCount": "0",
        "completedRunCount": "2",
        "runningRunCount": "0",
    }
    assert {member: last[member] for member in expected} == expected
