"""Runs of the local server as boto3 sees them."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from omics_service import ROLE, await_status, make_configuration, wdl_zip

from airflow_provider_omics.local import (
    Assumptions,
    LocalOmics,
    ManualClock,
    OutcomeRule,
    Quotas,
    SimulatedOutcomes,
    Timings,
)
from airflow_provider_omics.local.assumptions import LogStreamForm, RepeatedRequestId, TwoFilters

Start = Callable[..., dict[str, Any]]


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def still() -> Iterator[LocalOmics]:
    """A server whose clock the test moves: seconds in PENDING 1, STARTING 2, RUNNING 10, STOPPING 3."""
    timings = Timings(pending=1, starting=2, running_min=10, running_max=10, stopping=3)
    with LocalOmics(executor="simulated", clock=ManualClock(), timings=timings, quotas=Quotas.wide()) as server:
        yield server


@pytest.fixture
def start_still(still: LocalOmics) -> Start:
    omics = still.client("omics")
    workflow_id = omics.create_workflow(name="still", engine="WDL", definitionZip=wdl_zip())["id"]
    still.advance(0)

    def start(**settings: Any) -> dict[str, Any]:
        request = {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/runs", **settings}
        answer: dict[str, Any] = omics.start_run(**request)
        return answer

    return start


def test_start_run_answers_what_the_api_answers(start_run: Start) -> None:
    answer = start_run(name="sample-1", tags={"owner": "lab"})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert answer["status"] == "PENDING"
    assert answer["arn"] == f"arn:aws:omics:us-east-1:123456789012:run/{answer['id']}"
    assert answer["runOutputUri"] == f"s3://results/runs/{answer['id']}"
    assert answer["tags"] == {"owner": "lab"}
    assert answer["networkingMode"] == "RESTRICTED"
    assert "configuration" not in answer


def test_a_run_passes_its_states_and_its_fields_appear_in_time(still: LocalOmics, start_still: Start) -> None:
    omics = still.client("omics")
    run_id = start_still(name="x")["id"]
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    seen = []
    for seconds in (0, 1, 2, 10, 3):
        still.advance(seconds)
        run = omics.get_run(id=run_id)
        seen.append((run["status"], "logLocation" in run, "startTime" in run, "stopTime" in run))
    assert seen == [
        ("PENDING", False, False, False),
        ("STARTING", True, False, False),
        ("RUNNING", True, True, False),
        ("STOPPING", True, True, False),
        ("COMPLETED", True, True, True),
    ]
    assert run["creationTime"] == begin
    assert run["startTime"] == begin + timedelta(seconds=3)
    assert run["stopTime"] == begin + timedelta(seconds=16)


def test_get_run_returns_what_was_asked_for(omics: Any, start_run: Start) -> None:
    network = make_configuration(omics, "my-vpc")
    asked = {
        "name": "ünïcode name",
        "parameters": {"reads": ["s3://b/1.fq", None, 1.5, {"deep": True}]},
        "priority": 7,
        "storageType": "DYNAMIC",
        "logLevel": "ERROR",
        "retentionMode": "REMOVE",
        "scratchStorageMode": "LOCAL",
        "sessionPolicy": json.dumps({"Version": "2012-10-17", "Statement": []}),
        "networkingMode": "VPC",
        "configurationName": "my-vpc",
        "tags": {"a": ""},
    }
    started = start_run(**asked)
    run = omics.get_run(id=started["id"])
    expected = {**asked, "configuration": run["configuration"]}
    del expected["configurationName"]
    assert {name: run[name] for name in expected} == expected
    assert run["configuration"] == {"name": "my-vpc", "arn": network["arn"], "uuid": network["uuid"]}
    assert run["vpcConfig"] == network["runConfigurations"]["vpcConfig"]
    assert run["uuid"] == started["uuid"]
    for absent in ("engineSettings", "batchId", "failureReason", "runId", "storageCapacity", "definition"):
        assert absent not in run


def test_the_default_values_that_were_not_asked_for_stay_away(omics: Any, start_run: Start) -> None:
    run = omics.get_run(id=start_run()["id"])
    for absent in ("scratchStorageMode", "networkingMode", "configuration", "name", "cacheId", "runGroupId"):
        assert absent not in run
    assert (run["storageType"], run["storageCapacity"]) == ("STATIC", 1200)


def test_the_definition_can_be_exported(omics: Any, start_run: Start) -> None:
    run = omics.get_run(id=start_run()["id"], export=["DEFINITION"])
    with urllib.request.urlopen(run["definition"]) as response:
        archive = zipfile.ZipFile(io.BytesIO(response.read()))
    assert archive.namelist() == ["main.wdl"]


def test_a_failed_run_names_its_tasks_and_its_logs() -> None:
    rules = (OutcomeRule(pattern="bad", outcome="OUT_OF_MEMORY_ERROR"),)
    outcomes = SimulatedOutcomes(rules=rules)
    with LocalOmics(executor="simulated", timings=Timings.fast(), outcomes=outcomes) as server:
        omics, logs = server.client("omics"), server.client("logs")
        workflow_id = omics.create_workflow(name="w", engine="WDL", definitionZip=wdl_zip())["id"]
        await_status(lambda: omics.get_workflow(id=workflow_id), "ACTIVE")
        request = {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/runs", "name": "bad"}
        run_id = omics.start_run(**request)["id"]
        run = await_status(lambda: omics.get_run(id=run_id), "FAILED", "COMPLETED")
        assert (run["status"], run["failureReason"]) == ("FAILED", "OUT_OF_MEMORY_ERROR")
        (failed,) = omics.list_run_tasks(id=run_id, status="FAILED")["items"]
        assert "failureReason" not in failed
        task = omics.get_run_task(id=run_id, taskId=failed["taskId"])
        assert task["failureReason"] == "OUT_OF_MEMORY_ERROR"
        assert task["logStream"] == f"run/{run_id}/task/{failed['taskId']}"
        group = "/aws/omics/WorkflowLog"
        events = logs.get_log_events(logGroupName=group, logStreamName=task["logStream"])["events"]
        assert any("OUT_OF_MEMORY_ERROR" in event["message"] for event in events)
        assert run["logLocation"]["runLogStream"].endswith(f":log-group:{group}:log-stream:run/{run_id}")
        assert run["logLocation"]["engineLogStream"].endswith(f":log-stream:run/{run_id}/engine")


def test_a_run_without_logs_says_nothing_of_them(omics: Any, start_run: Start) -> None:
    run_id = start_run(logLevel="OFF")["id"]
    run = await_status(lambda: omics.get_run(id=run_id), "COMPLETED")
    assert "logLocation" not in run
    task = omics.list_run_tasks(id=run_id)["items"][0]
    assert "logStream" not in omics.get_run_task(id=run_id, taskId=task["taskId"])


def test_tasks_are_listed_in_pages(omics: Any, start_run: Start) -> None:
    run_id = start_run()["id"]
    await_status(lambda: omics.get_run(id=run_id), "COMPLETED")
    pages = list(omics.get_paginator("list_run_tasks").paginate(id=run_id, PaginationConfig={"PageSize": 1}))
    assert [[task["name"] for task in page["items"]] for page in pages] == [["prepare"], ["analyse"]]
    assert omics.list_run_tasks(id=run_id, status="FAILED")["items"] == []
    assert refused(omics.get_run_task, id=run_id, taskId="404") == ("ResourceNotFoundException", 404)


def test_a_run_is_cancelled_and_then_deleted(still: LocalOmics, start_still: Start) -> None:
    omics = still.client("omics")
    run_id = start_still()["id"]
    still.advance(5)
    assert refused(omics.delete_run, id=run_id) == ("ConflictException", 409)
    answer = omics.cancel_run(id=run_id)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert omics.get_run(id=run_id)["status"] == "STOPPING"
    still.advance(3)
    assert omics.get_run(id=run_id)["status"] == "CANCELLED"
    assert refused(omics.cancel_run, id=run_id) == ("ConflictException", 409)
    assert omics.delete_run(id=run_id)["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert refused(omics.get_run, id=run_id) == ("ResourceNotFoundException", 404)
    assert refused(omics.delete_run, id=run_id) == ("ResourceNotFoundException", 404)
    assert omics.list_runs()["items"] == []


def test_boto3s_own_waiters_work(omics: Any, start_run: Start) -> None:
    run_id = start_run()["id"]
    omics.get_waiter("run_completed").wait(id=run_id, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert omics.get_run(id=run_id)["status"] == "COMPLETED"


def test_a_run_can_be_started_again_by_its_id(omics: Any, start_run: Start) -> None:
    first = start_run(name="first", parameters={"x": 1}, priority=5)["id"]
    second = omics.start_run(runId=first, roleArn=ROLE, outputUri="s3://results/again", priority=6)["id"]
    run = omics.get_run(id=second)
    assert (run["runId"], run["parameters"], run["priority"]) == (first, {"x": 1}, 6)
    assert run["workflowId"] == omics.get_run(id=first)["workflowId"]


class TestListRuns:
    def test_filters(self, still: LocalOmics, start_still: Start) -> None:
        omics = still.client("omics")
        group = omics.create_run_group(name="g")["id"]
        early = start_still(name="a", runGroupId=group)["id"]
        still.advance(4)
        late = start_still(name="b")["id"]
        also_a = start_still(name="a")["id"]

        def ids(**filters: Any) -> list[str]:
            return [run["id"] for run in omics.list_runs(**filters)["items"]]

        assert ids() == [also_a, late, early]
        assert ids(status="PENDING") == [also_a, late]
        assert ids(name="a") == [also_a, early]
        assert ids(runGroupId=group) == [early]
        assert ids(name="a", status="RUNNING") == [early]
        assert ids(batchId="1") == []

    def test_items_have_what_the_list_has(self, omics: Any, start_run: Start) -> None:
        start_run(name="x", tags={"a": "b"}, priority=3, storageType="STATIC", storageCapacity=2400)
        (item,) = omics.list_runs(name="x")["items"]
        assert (item["name"], item["priority"], item["storageCapacity"]) == ("x", 3, 2400)
        assert item["workflowName"] == "workflow"
        assert not item.keys() & {"uuid", "tags", "failureReason", "statusMessage"}

    @pytest.mark.parametrize("size", [1, 7, 100])
    def test_pages_hold_every_run_once(self, omics: Any, start_run: Start, size: int) -> None:
        started = [start_run(name=str(number))["id"] for number in range(23)]
        pages = list(omics.get_paginator("list_runs").paginate(PaginationConfig={"PageSize": size}))
        assert [run["id"] for page in pages for run in page["items"]] == started[::-1]
        assert len(pages) == -(-23 // size)
        assert "nextToken" not in pages[-1]

    def test_runs_that_change_or_go_between_pages_move_no_other(self, still: LocalOmics, start_still: Start) -> None:
        omics = still.client("omics")
        early = [start_still()["id"] for _ in range(4)]
        still.advance(16)
        late = [start_still()["id"] for _ in range(6)]
        page = omics.list_runs(status="PENDING", maxResults=3)
        for run_id in early:
            omics.delete_run(id=run_id)
        omics.cancel_run(id=late[-1])
        more = omics.list_runs(status="PENDING", maxResults=3, startingToken=page["nextToken"])
        listed = [run["id"] for run in page["items"] + more["items"]]
        assert listed == late[::-1]

    def test_a_foreign_token_is_refused(self, omics: Any) -> None:
        assert refused(omics.list_runs, startingToken="nonsense") == ("ValidationException", 400)

    def test_two_filters_can_be_refused(self) -> None:
        assumptions = Assumptions(two_filters_of_runs=TwoFilters.REFUSED)
        with LocalOmics(executor="simulated", assumptions=assumptions) as server:
            omics = server.client("omics")
            assert refused(omics.list_runs, name="a", status="FAILED") == ("ValidationException", 400)
            assert omics.list_runs(name="a")["items"] == []


class TestRequestIds:
    def test_a_repeated_request_id_starts_nothing_and_answers_the_same(
        self, server: LocalOmics, start_run: Start
    ) -> None:
        first, second = (start_run(requestId="once", name="x") for _ in range(2))
        assert (first["id"], first["uuid"]) == (second["id"], second["uuid"])
        assert server.journal.runs_created == 1
        assert [call.took_effect for call in server.journal.calls("StartRun")] == [True, False]
        assert [call.resource_id for call in server.journal.calls("StartRun")] == [first["id"]] * 2

    def test_another_payload_is_a_conflict(self, start_run: Start) -> None:
        start_run(requestId="once", name="x")
        assert refused(start_run, requestId="once", name="y") == ("ConflictException", 409)

    @pytest.mark.parametrize("reading", [RepeatedRequestId.CONFLICT, RepeatedRequestId.FORGOTTEN])
    def test_other_readings_can_be_chosen_while_it_runs(
        self, server: LocalOmics, start_run: Start, reading: RepeatedRequestId
    ) -> None:
        server.change(assumptions={"repeated_request_id": reading})
        start_run(requestId="once")
        if reading is RepeatedRequestId.CONFLICT:
            assert refused(start_run, requestId="once") == ("ConflictException", 409)
        else:
            start_run(requestId="once")
        assert server.journal.runs_created == (1 if reading is RepeatedRequestId.CONFLICT else 2)

    def test_botocore_fills_an_id_of_its_own(self, server: LocalOmics, start_run: Start) -> None:
        start_run()
        start_run()
        ids = [call.request_id for call in server.journal.calls("StartRun")]
        assert len(set(ids)) == 2


def test_get_run_and_list_runs_can_lag_behind_start_run(still: LocalOmics, start_still: Start) -> None:
    still.change(assumptions={"get_run_lag_seconds": 2.0, "list_runs_lag_seconds": 4.0})
    omics = still.client("omics")
    run_id = start_still()["id"]
    assert refused(omics.get_run, id=run_id) == ("ResourceNotFoundException", 404)
    still.advance(2)
    assert omics.get_run(id=run_id)["id"] == run_id
    assert omics.list_runs()["items"] == []
    still.advance(2)
    assert [run["id"] for run in omics.list_runs()["items"]] == [run_id]


def test_the_status_in_list_runs_can_lag_behind_get_run(still: LocalOmics, start_still: Start) -> None:
    still.change(assumptions={"run_status_lag_in_list_seconds": 5.0})
    omics = still.client("omics")
    run_id = start_still()["id"]
    seen = []
    for _ in range(22):
        (listed,) = omics.list_runs()["items"]
        assert [item["id"] for item in omics.list_runs(status=listed["status"])["items"]] == [run_id]
        assert ("stopTime" in listed) is (listed["status"] == "COMPLETED")
        seen.append((omics.get_run(id=run_id)["status"], listed["status"]))
        still.advance(1)
    own, late = zip(*seen, strict=True)
    assert own[-1] == late[-1] == "COMPLETED"
    assert late[5:] == own[:-5]
    assert set(late[:5]) == {"PENDING"}


def test_the_log_stream_of_a_task_can_be_an_arn(server: LocalOmics, omics: Any, start_run: Start) -> None:
    server.change(assumptions={"task_log_stream": LogStreamForm.ARN})
    run_id = start_run()["id"]
    await_status(lambda: omics.get_run(id=run_id), "COMPLETED")
    task_id = omics.list_run_tasks(id=run_id)["items"][0]["taskId"]
    task = omics.get_run_task(id=run_id, taskId=task_id)
    assert task["logStream"].startswith("arn:aws:logs:us-east-1:123456789012:log-group:/aws/omics/WorkflowLog:")


@pytest.mark.parametrize(
    ("request_", "code", "status"),
    [
        ({"workflowId": "404"}, "ResourceNotFoundException", 404),
        ({"parameters": {"x": "a" * 256_001}}, "ValidationException", 400),
        ({"name": "n" * 129}, "ValidationException", 400),
        ({"storageType": "FAST"}, "ValidationException", 400),
        ({"outputUri": "https://results"}, "ValidationException", 400),
        ({"storageType": "STATIC", "storageCapacity": 20_000}, "ServiceQuotaExceededException", 402),
    ],
)
def test_wrong_requests_answer_the_apis_errors(
    start_run: Start, request_: dict[str, Any], code: str, status: int
) -> None:
    assert refused(start_run, **request_) == (code, status)


def test_a_full_store_answers_402(server: LocalOmics, start_run: Start) -> None:
    start_run()
    server.change(quotas={"stored_runs": 1})
    assert refused(start_run) == ("ServiceQuotaExceededException", 402)
