"""Faults on demand, as boto3 meets them."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from omics_service import ADMIN_HEADERS, ROLE, wdl_zip

from airflow_provider_omics.local import FaultKind, FaultRule, LocalOmics, ManualClock, Timings
from airflow_provider_omics.local.faults import CallFacts

REQUEST = {"roleArn": ROLE, "outputUri": "s3://results/runs", "requestId": "same"}


@pytest.fixture
def once(server: LocalOmics) -> Any:
    """A client that tries each call once."""
    return server.client("omics", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def patient(server: LocalOmics) -> Any:
    """A client that retries, as Airflow's does."""
    return server.client("omics", config=Config(retries={"total_max_attempts": 4, "mode": "standard"}))


@pytest.fixture
def workflow_id(make_workflow: Callable[..., str]) -> str:
    return make_workflow()


def outcome(call: Callable[..., Any], **request: Any) -> str | int:
    try:
        return int(call(**request)["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except ConnectionClosedError:
        return "closed"


@pytest.mark.parametrize(
    ("kind", "told", "runs"),
    [
        (FaultKind.THROTTLE, "ThrottlingException", 0),
        (FaultKind.ERROR_BEFORE, "InternalServerException", 0),
        (FaultKind.ERROR_AFTER, "InternalServerException", 1),
        (FaultKind.DROPPED_CONNECTION, "closed", 0),
        (FaultKind.LOST_ANSWER, "closed", 1),
        (FaultKind.SLOW_ANSWER, 201, 1),
    ],
)
def test_what_the_caller_sees_and_what_was_done(
    server: LocalOmics, once: Any, workflow_id: str, kind: FaultKind, told: str | int, runs: int
) -> None:
    server.faults.add(FaultRule(kind=kind, operation="StartRun"))
    assert outcome(once.start_run, workflowId=workflow_id, **REQUEST) == told
    assert server.journal.runs_created == runs
    (call,) = server.journal.calls("StartRun")
    assert (call.fault, call.took_effect) == (kind, runs == 1)
    assert call.status == {"closed": None, 201: 201, "ThrottlingException": 429}.get(told, 500)
    # The client's next try finds what the first one did.
    assert outcome(once.start_run, workflowId=workflow_id, **REQUEST) == 201
    assert server.journal.runs_created == 1
    assert len(once.list_runs()["items"]) == 1


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind is not FaultKind.SLOW_ANSWER])
def test_boto3s_own_retries_start_one_run(server: LocalOmics, patient: Any, workflow_id: str, kind: FaultKind) -> None:
    server.faults.add(FaultRule(kind=kind, operation="StartRun", count=1))
    run = patient.start_run(workflowId=workflow_id, roleArn=ROLE, outputUri="s3://results/runs")
    assert len(server.journal.calls("StartRun")) == 2
    assert server.journal.runs_created == 1
    assert [item["id"] for item in patient.list_runs()["items"]] == [run["id"]]


@pytest.mark.parametrize("kind", FaultKind)
def test_a_struck_call_is_noted_with_what_it_was_about(server: LocalOmics, once: Any, kind: FaultKind) -> None:
    server.faults.add(FaultRule(kind=kind, count=None))
    outcome(once.start_run, workflowId="1234567", **REQUEST)
    outcome(once.get_run, id="7654321")
    outcome(once.cancel_run_batch, batchId="1111111")
    noted = [(call.operation, call.request_id, call.resource_id, call.fault) for call in server.journal.calls()]
    assert noted == [
        ("StartRun", "same", None, kind),
        ("GetRun", None, "7654321", kind),
        ("CancelRunBatch", None, "1111111", kind),
    ]


def test_a_throttled_call_is_noted_with_what_it_was_about(server: LocalOmics, once: Any) -> None:
    server.enforce_rates(per_second={"GetRun": 0})
    outcome(once.get_run, id="7654321")
    assert outcome(once.get_run, id="7654321") == "ThrottlingException"
    assert [call.resource_id for call in server.journal.calls("GetRun")] == ["7654321"] * 2


def test_an_error_of_choice(server: LocalOmics, once: Any) -> None:
    server.faults.add(
        FaultRule(kind=FaultKind.ERROR_BEFORE, operation="ListRuns", code="AccessDeniedException", http_status=403)
    )
    with pytest.raises(ClientError) as caught:
        once.list_runs()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert outcome(once.list_runs) == 200


def test_a_share_of_the_calls_is_struck_the_same_way_with_the_same_seed() -> None:
    told = []
    for _ in range(2):
        with LocalOmics(executor="simulated", seed=7) as server:
            once = server.client("omics", config=Config(retries={"total_max_attempts": 1}))
            server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="*", share=0.5, count=None))
            told.append([outcome(once.list_runs) for _ in range(20)])
    assert told[0] == told[1]
    assert set(told[0]) == {200, "ThrottlingException"}


def test_a_slow_answer_ends_when_the_server_stops(server: LocalOmics, once: Any) -> None:
    server.faults.add(FaultRule(kind=FaultKind.SLOW_ANSWER, operation="ListRuns", seconds=3600))
    caller = threading.Thread(target=outcome, args=(once.list_runs,))
    caller.start()
    deadline = time.monotonic() + 300
    while not any(armed for _, armed in server.faults.rules()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server.stop()
    caller.join(timeout=300)
    assert not caller.is_alive()


@pytest.fixture
def limited() -> Iterator[LocalOmics]:
    with LocalOmics(executor="simulated", clock=ManualClock(), timings=Timings(), enforce_rates=True) as server:
        yield server


def test_published_rates_throttle_with_429(limited: LocalOmics) -> None:
    once = limited.client("omics", config=Config(retries={"total_max_attempts": 1}))
    assert [outcome(once.list_runs) for _ in range(12)] == [200] * 10 + ["ThrottlingException"] * 2
    limited.advance(0.5)
    assert [outcome(once.list_runs) for _ in range(6)] == [200] * 5 + ["ThrottlingException"]
    limited.enforce_rates(True, {"ListRuns": 1000})
    assert [outcome(once.list_runs) for _ in range(20)] == [200] * 20
    limited.enforce_rates(False)
    assert outcome(once.list_runs) == 200
    assert limited.journal.counts["ListRuns"] == 12 + 6 + 20 + 1


def test_start_run_has_a_rate_of_its_own(limited: LocalOmics) -> None:
    once = limited.client("omics", config=Config(retries={"total_max_attempts": 1}))
    workflow_id = once.create_workflow(name="w", engine="WDL", definitionZip=wdl_zip())["id"]
    limited.advance(1)
    request = {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/runs"}
    told = [outcome(once.start_run, **request) for _ in range(7)]
    assert told == [201] * 5 + ["ThrottlingException"] * 2
    assert limited.journal.runs_created == 5


@pytest.mark.parametrize(
    ("kind", "runs"),
    [(FaultKind.DROPPED_CONNECTION, 0), (FaultKind.LOST_ANSWER, 1), (FaultKind.SLOW_ANSWER, 1)],
)
def test_a_test_acts_between_the_request_and_the_answer(
    server: LocalOmics, once: Any, workflow_id: str, kind: FaultKind, runs: int
) -> None:
    seen: list[tuple[int, str | None, str]] = []

    def act(facts: CallFacts) -> None:
        seen.append((server.journal.runs_created, facts.call.request_id, facts.members["roleArn"]))

    server.faults.add(FaultRule(kind=kind, operation="StartRun", act=act))
    told = outcome(once.start_run, workflowId=workflow_id, **REQUEST)
    assert seen == [(runs, "same", ROLE)]
    assert told == (201 if kind is FaultKind.SLOW_ANSWER else "closed")


def test_a_rule_strikes_only_the_calls_that_it_is_about(server: LocalOmics) -> None:
    clients = {
        name: server.client("omics", config=Config(retries={"total_max_attempts": 1})) for name in ("mine", "other")
    }
    for name, client in clients.items():
        client.meta.events.register("before-send", lambda request, name=name, **_: _sign_as(request, name))
    asked: list[CallFacts] = []

    def is_mine(facts: CallFacts) -> bool:
        asked.append(facts)
        return facts.access_key == "mine"

    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, count=2, skip=1, matches=is_mine))
    told = {name: [outcome(client.list_runs) for _ in range(4)] for name, client in reversed(clients.items())}
    assert told == {"other": [200] * 4, "mine": [200, "ThrottlingException", "ThrottlingException", 200]}
    # One client keeps its connection; two clients have one each.
    assert len({facts.peer for facts in asked if facts.access_key == "mine"}) == 1
    assert len({facts.peer for facts in asked}) == 2
    assert all(facts.peer[0] == "127.0.0.1" for facts in asked)


def _sign_as(request: Any, access_key: str) -> None:
    signature = request.headers["Authorization"].decode()
    request.headers["Authorization"] = signature.replace("Credential=local/", f"Credential={access_key}/").encode()


@pytest.fixture
def storage(server: LocalOmics) -> Any:
    """An S3 client that tries each call once, with a bucket."""
    client = server.client("s3", config=Config(retries={"total_max_attempts": 1}))
    client.create_bucket(Bucket="results")
    return client


@pytest.mark.parametrize(
    ("kind", "told", "is_there"),
    [
        (FaultKind.THROTTLE, "SlowDown", False),
        (FaultKind.ERROR_BEFORE, "InternalServerException", False),
        (FaultKind.ERROR_AFTER, "InternalServerException", True),
        (FaultKind.DROPPED_CONNECTION, "closed", False),
        (FaultKind.LOST_ANSWER, "closed", True),
        (FaultKind.SLOW_ANSWER, 200, True),
    ],
)
def test_calls_of_s3_fail_as_those_of_healthomics(
    server: LocalOmics, storage: Any, kind: FaultKind, told: str | int, is_there: bool
) -> None:
    paths: list[str | None] = []
    rule = FaultRule(kind=kind, operation="s3:PUT", act=lambda facts: paths.append(facts.call.resource_id))
    server.faults.add(rule)
    assert outcome(storage.put_object, Bucket="results", Key="table.csv", Body=b"a") == told
    assert paths == ["/results/table.csv"]
    listed = storage.list_objects_v2(Bucket="results").get("Contents", [])
    assert [item["Key"] for item in listed] == (["table.csv"] if is_there else [])
    # Once means once.
    assert outcome(storage.put_object, Bucket="results", Key="table.csv", Body=b"b") == 200
    assert storage.get_object(Bucket="results", Key="table.csv")["Body"].read() == b"b"


def test_a_rule_for_every_operation_leaves_s3_alone(server: LocalOmics, once: Any, storage: Any) -> None:
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, count=None))
    assert outcome(once.list_runs) == "ThrottlingException"
    assert outcome(storage.put_object, Bucket="results", Key="table.csv", Body=b"a") == 200


def test_what_acts_on_clients_is_given_in_python_only(server: LocalOmics) -> None:
    with pytest.raises(TypeError, match="act must be a function"):
        FaultRule(kind=FaultKind.THROTTLE, act="kill")  # type: ignore[arg-type]
    # A rule with functions is listed like any other, without them.
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="GetRun", act=threading.Event().wait))
    request = urllib.request.Request(f"{server.endpoint_url}/_local/faults", headers=ADMIN_HEADERS)
    with urllib.request.urlopen(request) as answer:
        (listed,) = json.load(answer)
    assert (listed["operation"], listed["struck"]) == ("GetRun", 0)
    assert "act" not in listed


@pytest.mark.parametrize(
    ("kind", "told", "left"),
    [
        (FaultKind.THROTTLE, "ThrottlingException", 1),
        (FaultKind.ERROR_BEFORE, "AccessDenied", 1),
        (FaultKind.ERROR_AFTER, "AccessDenied", 0),
        (FaultKind.DROPPED_CONNECTION, "closed", 1),
        (FaultKind.LOST_ANSWER, "closed", 0),
    ],
)
def test_calls_of_sqs_fail_as_those_of_healthomics(server: LocalOmics, kind: FaultKind, told: str, left: int) -> None:
    sqs = server.client("sqs", config=Config(retries={"total_max_attempts": 1}))
    url = sqs.create_queue(QueueName=f"faults-{kind}")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="a")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    server.faults.add(FaultRule(kind=kind, operation="sqs:DeleteMessage", code="AccessDenied", http_status=403))
    delete = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    assert outcome(sqs.delete_message, **delete) == told
    counted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counted)["Attributes"]
    assert sum(map(int, counts.values())) == left
    # Once means once.
    assert outcome(sqs.delete_message, **delete) == 200
