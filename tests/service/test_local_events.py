"""Status changes, as an EventBridge rule sends them to an SQS queue."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from cwl_service import ROLE, await_that, wdl_zip, zip_of
from pytest_mock import MockerFixture

from airflow_provider_omics.local import Assumptions, LocalOmics, ManualClock


class Queue:
    """A queue that a rule for ``aws.omics`` events fills."""

    def __init__(self, server: LocalOmics, **pattern: Any) -> None:
        self._sqs, events = server.client("sqs"), server.client("events")
        name = f"queue-{uuid.uuid4()}"
        self.url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]
        events.put_rule(Name=name, EventPattern=json.dumps({"source": ["aws.omics"], **pattern}))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": attributes["QueueArn"]}])
        self.events: list[dict[str, Any]] = []

    def until(self, is_last: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Receive events until one is the last, and return them all in the order of their arrival."""
        deadline = time.monotonic() + 300
        while not any(is_last(event) for event in self.events):
            assert time.monotonic() < deadline, f"only got {self.statuses()}"
            answer = self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                self.events.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return self.events

    def statuses(self) -> list[str]:
        """Return the statuses received so far."""
        return [event["detail"]["status"] for event in self.events]


def _is(status: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event["detail"]["status"] == status


def test_a_run_s_changes_arrive_in_their_order(
    server: LocalOmics, omics: Any, start_run: Callable[..., dict[str, Any]], make_workflow: Callable[..., str]
) -> None:
    workflow_id = make_workflow(name="the workflow")
    queue = Queue(server, **{"detail-type": ["Run Status Change"]})
    started = start_run(workflowId=workflow_id, name="my run")
    events = queue.until(_is("COMPLETED"))

    assert queue.statuses() == ["PENDING", "STARTING", "RUNNING", "STOPPING", "COMPLETED"]
    event = events[-1]
    assert (event["source"], event["detail-type"]) == ("aws.omics", "Run Status Change")
    assert (event["version"], event["region"], event["resources"]) == ("0", "us-east-1", [started["arn"]])
    assert set(event) == {
        *("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"),
    }
    assert event["account"] == "123456789012"
    assert event["detail"] == {
        "omicsVersion": "1.0.0",
        "arn": started["arn"],
        "status": "COMPLETED",
        "uuid": started["uuid"],
        "runId": started["id"],
        "runName": "my run",
        "runOutputUri": started["runOutputUri"],
        "workflowId": workflow_id,
        "workflowName": "the workflow",
        "workflowUuid": omics.get_workflow(id=workflow_id)["uuid"],
    }
    stopped = omics.get_run(id=started["id"])["stopTime"]
    assert datetime.fromisoformat(event["time"]) == stopped.replace(microsecond=0)


def test_a_rule_that_asks_for_failures_gets_only_those(
    server: LocalOmics, start_run: Callable[..., dict[str, Any]]
) -> None:
    queue = Queue(server, **{"detail-type": ["Run Status Change"], "detail": {"status": ["FAILED"]}})
    start_run()
    failing = start_run(tags={"omics-local:outcome": "OUT_OF_MEMORY_ERROR"})
    (event,) = queue.until(_is("FAILED"))
    assert event["detail"]["runId"] == failing["id"]
    # The service gives no cause in events; GetRun does.
    assert "failureReason" not in event["detail"]


def test_a_task_s_changes_name_the_task_and_its_run(
    server: LocalOmics, omics: Any, start_run: Callable[..., dict[str, Any]]
) -> None:
    queue = Queue(server, **{"detail-type": ["Task Status Change"]})
    started = start_run(name="my run")
    await_that(lambda: omics.get_run(id=started["id"])["status"] == "COMPLETED", "the run's end")
    tasks = omics.list_run_tasks(id=started["id"])["items"]
    events = queue.until(lambda _: queue.statuses().count("COMPLETED") == len(tasks))

    arns = {f"arn:aws:omics:us-east-1:123456789012:task/{task['taskId']}" for task in tasks}
    assert {event["detail"]["arn"] for event in events} == arns
    assert all(event["resources"] == [event["detail"]["arn"]] for event in events)
    assert set(events[0]["detail"]) == {
        *("omicsVersion", "arn", "status", "runArn", "runUuid", "runId", "runName", "workflowId", "workflowName")
    }
    assert events[0]["detail"]["runUuid"] == started["uuid"]
    for arn in arns:
        assert [event["detail"]["status"] for event in events if event["detail"]["arn"] == arn] == [
            "RUNNING",
            "COMPLETED",
        ]


def _start_batch(omics: Any, workflow_id: str, settings: list[dict[str, Any]]) -> str:
    batch_id: str = omics.start_run_batch(
        batchName="my batch",
        defaultRunSetting={"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/runs"},
        batchRunSettings={"inlineSettings": settings},
    )["id"]
    return batch_id


def test_a_batch_s_changes_carry_its_counts_as_text(
    server: LocalOmics, omics: Any, make_workflow: Callable[..., str]
) -> None:
    workflow_id = make_workflow()
    queue = Queue(server, **{"detail-type": ["RunBatch Status Change"]})
    settings: list[dict[str, Any]] = [{"runSettingId": f"sample-{number}"} for number in range(3)]
    settings[1]["runTags"] = {"omics-local:outcome": "RUN_TASK_FAILED"}
    batch_id = _start_batch(omics, workflow_id, settings)
    events = queue.until(_is("PROCESSED"))

    assert queue.statuses() == ["CREATING", "PENDING", "SUBMITTING", "INPROGRESS", "PROCESSED"]
    batch = omics.get_batch(batchId=batch_id)
    detail = events[-1]["detail"]
    assert events[-1]["resources"] == [batch["arn"]]
    assert all(isinstance(value, str) for value in detail.values())
    assert {name: detail[name] for name in ("batchId", "batchName", "uuid", "totalRuns", "workflowId")} == {
        "batchId": batch_id,
        "batchName": "my batch",
        "uuid": batch["uuid"],
        "totalRuns": "3",
        "workflowId": workflow_id,
    }
    assert detail["workflowArn"] == f"arn:aws:omics:us-east-1:123456789012:workflow/{workflow_id}"
    assert {name: detail[name] for name in detail if name.endswith("Count")} == {
        "successfulStartSubmissionCount": "3",
        "failedStartSubmissionCount": "0",
        "pendingStartSubmissionCount": "0",
        "pendingRunCount": "0",
        "startingRunCount": "0",
        "runningRunCount": "0",
        "stoppingRunCount": "0",
        "completedRunCount": "2",
        "failedRunCount": "1",
        "cancelledRunCount": "0",
        "deletedRunCount": "0",
    }


def test_a_failed_batch_says_why(server: LocalOmics, omics: Any, make_workflow: Callable[..., str]) -> None:
    workflow_id = make_workflow()
    queue = Queue(server, **{"detail-type": ["RunBatch Status Change"]})
    _start_batch(omics, workflow_id, [{"runSettingId": "same"}, {"runSettingId": "same"}])
    detail = queue.until(_is("FAILED"))[-1]["detail"]
    assert detail["failureReason"] == "VALIDATION_EXCEPTION"
    assert detail["failureMessage"] == "Expected 2 unique runSettingIds but there were 1"


@pytest.mark.parametrize("carried", [False, True])
def test_whether_run_events_carry_the_batch_is_an_assumption(
    server: LocalOmics, omics: Any, make_workflow: Callable[..., str], carried: bool
) -> None:
    server.change(assumptions={"run_events_carry_batch_id": carried})
    workflow_id = make_workflow()
    queue = Queue(server, **{"detail-type": ["Run Status Change"]})
    batch_id = _start_batch(omics, workflow_id, [{"runSettingId": "one"}])
    detail = queue.until(_is("COMPLETED"))[-1]["detail"]
    assert detail.get("batchId") == (batch_id if carried else None)


def test_a_new_workflow_is_announced(server: LocalOmics, omics: Any) -> None:
    queue = Queue(server, **{"detail-type": ["Workflow Status Change"]})
    made = omics.create_workflow(name="good", engine="WDL", definitionZip=wdl_zip())
    queue.until(_is("ACTIVE"))
    assert queue.statuses() == ["CREATING", "ACTIVE"]
    assert queue.events[-1]["resources"] == [made["arn"]]
    assert queue.events[-1]["detail"]["workflowName"] == "good"

    omics.create_workflow(name="bad", definitionZip=zip_of({"readme.txt": "no workflow"}))
    assert queue.until(_is("FAILED"))[-1]["detail"]["workflowName"] == "bad"


@pytest.fixture
def delivered() -> Callable[..., list[tuple[str, str]]]:
    """Make runs one after the other on a server of a seed, and return (name, status) of their events as they came."""

    def deliver(seed: int, **shares: float) -> list[tuple[str, str]]:
        assumptions = Assumptions(**shares)
        with LocalOmics(executor="simulated", clock=ManualClock(), seed=seed, assumptions=assumptions) as server:
            omics, sqs = server.client("omics"), server.client("sqs")
            workflow_id = omics.create_workflow(engine="WDL", definitionZip=wdl_zip())["id"]
            server.advance(60)
            queue = Queue(server, **{"detail-type": ["Run Status Change"]})
            for number in range(6):
                request = {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/runs"}
                omics.start_run(**request, storageType="DYNAMIC", name=f"run {number}")
                server.advance(3600)
            while messages := sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10).get("Messages"):
                queue.events += [json.loads(message["Body"]) for message in messages]
            return [(event["detail"]["runName"], event["detail"]["status"]) for event in queue.events]

    return deliver


Delivered = Callable[..., list[tuple[str, str]]]
CHANGES = ["PENDING", "STARTING", "RUNNING", "STOPPING", "COMPLETED"]
SENT = [(f"run {number}", status) for number in range(6) for status in CHANGES]


def test_events_come_once_and_in_order_when_advance_returns(delivered: Delivered) -> None:
    assert delivered(0) == SENT


def test_a_share_of_events_is_lost_and_the_seed_says_which(delivered: Delivered) -> None:
    some = delivered(1, event_lost_share=0.5)
    assert 0 < len(some) < len(SENT)
    assert some == [event for event in SENT if event in some]
    assert some == delivered(1, event_lost_share=0.5)
    assert some != delivered(2, event_lost_share=0.5)
    assert delivered(1, event_lost_share=1.0) == []


def test_a_share_of_events_comes_twice(delivered: Delivered) -> None:
    assert delivered(0, event_doubled_share=1.0) == [event for event in SENT for _ in range(2)]
    some = delivered(0, event_doubled_share=0.5)
    assert list(dict.fromkeys(some)) == SENT
    assert len(SENT) < len(some) < 2 * len(SENT)


def test_a_share_of_events_comes_late_and_none_is_lost(delivered: Delivered) -> None:
    some = delivered(0, event_late_share=0.3)
    assert some != SENT
    assert sorted(some) == sorted(SENT)


def test_a_share_is_at_most_one() -> None:
    with pytest.raises(ValueError, match="event_late_share must be at most 1, not 2"):
        Assumptions(event_late_share=2.0)


def test_delivery_holds_up_no_call(
    server: LocalOmics, omics: Any, start_run: Callable[..., dict[str, Any]], mocker: MockerFixture
) -> None:
    from moto.sqs.models import SQSBackend

    queue, let_go, send = Queue(server), threading.Event(), SQSBackend.send_message
    mocker.patch.object(SQSBackend, "send_message", lambda *args, **kwargs: let_go.wait() and send(*args, **kwargs))
    try:
        run = start_run()
        await_that(lambda: omics.get_run(id=run["id"])["status"] == "COMPLETED", "the run's end")
    finally:
        let_go.set()
    queue.until(_is("COMPLETED"))
