"""OmicsStartRunOperator against the local server, in the worker and deferred."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from omics_errors import raises
from omics_service import make_configuration, wdl_zip
from task_runs import TaskInstance, TaskRun, run_task

from airflow_provider_omics.exceptions import (
    OmicsRequestInvalidError,
    OmicsRunFailedError,
    OmicsServiceError,
    OmicsWaitError,
)
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.statuses import RunStatus, TaskStatus
from airflow_provider_omics.healthomics.requests.identity import JobKey, TaskIdentity
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.jobs.kinds import RUN
from airflow_provider_omics.jobs.record import JobRecord
from airflow_provider_omics.jobs.run_job import RunJob
from airflow_provider_omics.jobs.submission import IdempotentSubmitter
from airflow_provider_omics.local import Assumptions, LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.local.assumptions import LogStreamForm, RepeatedRequestId
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.local.records import Run, Task
from airflow_provider_omics.local.runs.machine import cancel_run
from airflow_provider_omics.local.workflows.catalogue import share_workflow
from airflow_provider_omics.operators.run import OmicsStartRunOperator

ROLE = "arn:aws:iam::123456789012:role/omics"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


@pytest.fixture
def assumptions() -> Assumptions:
    return Assumptions()


@pytest.fixture
def outcomes() -> SimulatedOutcomes:
    return SimulatedOutcomes()


@pytest.fixture
def omics_local_settings(
    omics_local_settings: dict[str, Any], assumptions: Assumptions, outcomes: SimulatedOutcomes
) -> dict[str, Any]:
    return {**omics_local_settings, "assumptions": assumptions, "outcomes": outcomes}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def workflow_id(make_workflow: Callable[..., str]) -> str:
    return make_workflow()


def start(workflow_id: str | None, ti: TaskInstance | None = None, **kwargs: Any) -> TaskRun:
    arguments = {"role_arn": ROLE, "output_uri": "s3://results/out", "waiter_delay": 0.02, **kwargs}
    operator = OmicsStartRunOperator(task_id="start_run", workflow_id=workflow_id, **arguments)
    return run_task(operator, ti)


def runs(server: LocalOmics) -> list[Any]:
    return list(server.client("omics").list_runs()["items"])


@MODES
def test_a_run_completes_and_its_facts_are_pushed(server: LocalOmics, workflow_id: str, deferrable: bool) -> None:
    task = start(workflow_id, deferrable=deferrable, parameters={"sample": "NA12878"}, name="NA12878")
    run = server.client("omics").get_run(id=task.result)
    assert run["status"] == "COMPLETED"
    assert run["name"] == "NA12878"
    assert run["parameters"] == {"sample": "NA12878"}
    assert task.ti.xcoms["run_arn"] == run["arn"]
    assert task.ti.xcoms["run_uuid"] == run["uuid"]
    assert task.ti.xcoms["run_output_uri"] == run["runOutputUri"]
    assert bool(task.triggers) is deferrable


def test_every_field_reaches_the_service(server: LocalOmics, workflow_id: str) -> None:
    omics = server.client("omics")
    group = omics.create_run_group(name="cohort", maxRuns=5, requestId="g")["id"]
    server.client("s3").create_bucket(Bucket="cache")
    cache = omics.create_run_cache(cacheS3Location="s3://cache/here", requestId="c")["id"]
    make_configuration(omics, "my-network")
    task = start(
        workflow_id,
        wait_for_completion=False,
        name="everything",
        run_group_id=group,
        priority="7",
        cache_id=cache,
        cache_behavior="CACHE_ALWAYS",
        storage_type="STATIC",
        storage_capacity=2400,
        scratch_storage_mode="LOCAL",
        retention_mode="REMOVE",
        log_level="ALL",
        networking_mode="VPC",
        configuration_name="my-network",
        session_policy='{"Version": "2012-10-17"}',
        tags={"project": "atlas"},
        request_id="my-own-id",
    )
    run = omics.get_run(id=task.result)
    expected = {
        "name": "everything",
        "runGroupId": group,
        "priority": 7,
        "cacheId": cache,
        "cacheBehavior": "CACHE_ALWAYS",
        "storageType": "STATIC",
        "storageCapacity": 2400,
        "scratchStorageMode": "LOCAL",
        "retentionMode": "REMOVE",
        "logLevel": "ALL",
        "networkingMode": "VPC",
        "sessionPolicy": '{"Version": "2012-10-17"}',
    }
    assert {key: run.get(key) for key in expected} == expected
    assert run["configuration"]["name"] == "my-network"
    assert run["tags"]["project"] == "atlas"
    assert run["tags"]["airflow-dag-id"] == "cohort"
    assert [call.request_id for call in server.journal.calls("StartRun")] == ["my-own-id"]


def test_version_and_engine_settings_reach_the_service(server: LocalOmics, make_workflow: Callable[..., str]) -> None:
    workflow_id = make_workflow(engine="NEXTFLOW", main="main.wdl")
    omics = server.client("omics")
    omics.create_workflow_version(
        workflowId=workflow_id, versionName="v2", definitionZip=wdl_zip(), main="main.wdl", engine="NEXTFLOW"
    )
    omics.get_waiter("workflow_version_active").wait(workflowId=workflow_id, versionName="v2")
    task = start(workflow_id, workflow_version_name="v2", engine_settings={"syntaxVersion": "v2"})
    run = omics.get_run(id=task.result)
    assert (run["workflowVersionName"], run["engineSettings"]) == ("v2", {"syntaxVersion": "v2"})


def test_a_shared_workflow_is_started_by_its_owners_id(server: LocalOmics) -> None:
    state = server.account("us-east-1")
    with state.lock:
        share_workflow(state, "7777777", "210987654321")
    task = start("7777777", workflow_owner_id="210987654321", wait_for_completion=False)
    assert server.client("omics").get_run(id=task.result)["workflowId"] == "7777777"
    with raises(OmicsServiceError, match=r"a shared\s+one workflow_owner_id"):
        start("7777777", TaskInstance(run_id="other"))


def test_without_waiting_the_id_comes_back_at_once(server: LocalOmics, workflow_id: str) -> None:
    task = start(workflow_id, wait_for_completion=False, deferrable=True)
    assert task.triggers == []
    assert server.journal.calls("GetRun") == []


def test_a_run_is_run_again(server: LocalOmics, workflow_id: str) -> None:
    first = start(workflow_id, parameters={"sample": "NA12878"})
    again = start(None, TaskInstance(run_id="again"), run_id=first.result)
    assert again.result != first.result
    assert server.client("omics").get_run(id=again.result)["parameters"] == {"sample": "NA12878"}


def test_a_ready2run_workflow_is_started(server: LocalOmics) -> None:
    omics = server.client("omics")
    ready = "9500764"
    template = omics.get_workflow(id=ready, type="READY2RUN")["parameterTemplate"]
    inputs = {name: "s3://data/in" for name, parameter in template.items() if not parameter.get("optional")}
    task = start(ready, workflow_type="READY2RUN", parameters=inputs, wait_for_completion=False)
    assert omics.get_run(id=task.result)["workflowType"] == "READY2RUN"
    with raises(OmicsServiceError, match="workflow_type READY2RUN"):
        start(ready, TaskInstance(run_id="other"), parameters=inputs)


def test_templates_are_rendered_before_anything_is_checked(server: LocalOmics, workflow_id: str) -> None:
    operator = OmicsStartRunOperator(
        task_id="start_run",
        workflow_id="{{ params.workflow }}",
        role_arn=ROLE,
        output_uri="s3://results/{{ run_id }}",
        parameters={"sample": "{{ params.sample }}"},
        priority="{{ params.priority }}",
        waiter_delay=0.02,
    )
    task = run_task(operator, params={"workflow": workflow_id, "sample": "NA12878", "priority": 3})
    run = server.client("omics").get_run(id=task.result)
    assert (run["parameters"], run["priority"]) == ({"sample": "NA12878"}, 3)
    with raises(OmicsRequestInvalidError, match="fewer than 1"):
        run_task(
            OmicsStartRunOperator(task_id="bad", workflow_id="{{ params.none }}", role_arn=ROLE, output_uri="s3://abc")
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"role_arn": None},
        {"output_uri": "results/out"},
        {"workflow_id": None},
        {"run_id": "7654321"},
        {"storage_type": "ELASTIC"},
        {"parameters": {"x": "y" * 256_000}},
        {"name": "n" * 129},
        {"start_run_kwargs": {"noSuchMember": 1}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_bad_input_is_refused_before_any_call_and_not_retried(
    server: LocalOmics, workflow_id: str, wrong: dict[str, Any]
) -> None:
    before = len(server.journal.calls())
    arguments = {"workflow_id": workflow_id, **wrong}
    with pytest.raises(OmicsRequestInvalidError) as caught:
        start(**arguments)
    assert isinstance(caught.value, AirflowFailException)
    assert len(server.journal.calls()) == before


# (code, HTTP status, whether Airflow may retry, words of the remedy)
REFUSALS = [
    ("ValidationException", 400, False, "Correct the value"),
    ("ServiceQuotaExceededException", 402, True, "retention_mode REMOVE"),
    ("AccessDeniedException", 403, False, "omics:StartRun"),
    ("ResourceNotFoundException", 404, False, "account and Region"),
    ("ConflictException", 409, True, "look at it first"),
    ("InternalServerException", 500, True, "Try again"),
]


@pytest.mark.parametrize(("code", "http_status", "retried", "remedy"), REFUSALS, ids=lambda value: str(value)[:24])
def test_a_refusal_of_the_service_names_cause_and_remedy(
    server: LocalOmics, workflow_id: str, code: str, http_status: int, retried: bool, remedy: str
) -> None:
    rule = FaultRule(kind=FaultKind.ERROR_BEFORE, operation="StartRun", count=None, code=code, http_status=http_status)
    server.faults.add(rule)
    with pytest.raises(OmicsServiceError) as caught:
        start(workflow_id, botocore_config={"retries": {"total_max_attempts": 1}})
    assert (caught.value.code, caught.value.http_status, caught.value.operation) == (code, http_status, "StartRun")
    assert isinstance(caught.value, AirflowFailException) is not retried
    assert remedy in caught.value.message()
    assert f"workflow {workflow_id}" in caught.value.message()


@MODES
def test_a_failed_run_fails_the_task_with_the_whole_story(
    server: LocalOmics, workflow_id: str, deferrable: bool
) -> None:
    with pytest.raises(OmicsRunFailedError) as caught:
        start(workflow_id, deferrable=deferrable, tags={"omics-local:outcome": "RUN_TASK_FAILED"})
    error = caught.value
    assert isinstance(error, AirflowFailException)
    assert (error.status, error.failure_code, error.failure_class) == (
        "FAILED",
        "RUN_TASK_FAILED",
        FailureClass.WORKFLOW,
    )
    [task] = error.failed_tasks
    assert task.log_tail[-1].startswith("Simulated failure of task")
    for part in (error.run_id, "RUN_TASK_FAILED", task.task_id, task.log_tail[-1]):
        assert part in error.message()


@MODES
@pytest.mark.parametrize(
    ("code", "retried"), [("SERVICE_ERROR", True), ("INPUT_URI_NOT_FOUND", False), ("NEW_CODE", True)]
)
def test_only_a_failure_that_a_retry_can_mend_is_retried(
    server: LocalOmics, workflow_id: str, deferrable: bool, code: str, retried: bool
) -> None:
    with pytest.raises(OmicsRunFailedError) as caught:
        start(workflow_id, deferrable=deferrable, tags={"omics-local:outcome": code})
    assert isinstance(caught.value, AirflowFailException) is not retried


def test_a_failed_run_is_told_also_where_its_logs_cannot_be_read(server: LocalOmics, workflow_id: str) -> None:
    rule = FaultRule(
        kind=FaultKind.ERROR_BEFORE, operation="ListRunTasks", count=None, code="AccessDeniedException", http_status=403
    )
    server.faults.add(rule)
    with raises(OmicsRunFailedError, match="failed tasks could not be looked up: AccessDeniedException"):
        start(workflow_id, tags={"omics-local:outcome": "RUN_TASK_FAILED"})


@MODES
def test_a_run_cancelled_by_somebody_else_fails_the_task(
    server: LocalOmics, workflow_id: str, deferrable: bool
) -> None:
    state = server.account("us-east-1")

    def cancel(run: Run, _old: RunStatus | None) -> None:
        if run.status is RunStatus.RUNNING:
            cancel_run(state, run)

    state.run_observers.append(cancel)
    with raises(OmicsRunFailedError, match="ended CANCELLED") as caught:
        start(workflow_id, deferrable=deferrable)
    assert caught.value.status == "CANCELLED"


def test_a_second_try_takes_over_the_run_of_the_first(server: LocalOmics, workflow_id: str) -> None:
    first = start(workflow_id, TaskInstance(try_number=1), wait_for_completion=False)
    second = start(workflow_id, TaskInstance(try_number=2))
    assert second.result == first.result
    assert second.ti.xcoms == first.ti.xcoms
    assert len(runs(server)) == 1


def test_a_failed_run_is_replaced_by_the_next_try_and_only_once(server: LocalOmics, workflow_id: str) -> None:
    failing = {"tags": {"omics-local:outcome": "SERVICE_ERROR"}}
    with pytest.raises(OmicsRunFailedError):
        start(workflow_id, TaskInstance(try_number=1), **failing)
    second = start(workflow_id, TaskInstance(try_number=2), wait_for_completion=False)
    third = start(workflow_id, TaskInstance(try_number=3))
    assert third.result == second.result
    assert len(runs(server)) == 2


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize(
    "own", [{"request_id": "mine"}, {"start_run_kwargs": {"requestId": "mine"}}], ids=["parameter", "member"]
)
def test_ones_own_request_id_is_sent_as_it_is_in_every_try(
    server: LocalOmics, workflow_id: str, own: dict[str, Any], durable: bool
) -> None:
    failing = {"tags": {"omics-local:outcome": "SERVICE_ERROR"}, "durable": durable, **own}
    for try_number in (1, 2):
        with pytest.raises(OmicsRunFailedError):
            start(workflow_id, TaskInstance(try_number=try_number), **failing)
    assert [call.request_id for call in server.journal.calls("StartRun")] == ["mine", "mine"]
    assert len(runs(server)) == 1


def test_another_request_of_the_same_task_is_another_run(server: LocalOmics, workflow_id: str) -> None:
    first = start(workflow_id, parameters={"sample": "A"})
    second = start(workflow_id, TaskInstance(try_number=2), parameters={"sample": "B"})
    assert second.result != first.result


@pytest.mark.parametrize("kind", [FaultKind.LOST_ANSWER, FaultKind.ERROR_AFTER, FaultKind.DROPPED_CONNECTION])
@pytest.mark.parametrize(
    "assumptions",
    [Assumptions(repeated_request_id=reading) for reading in RepeatedRequestId],
    ids=list(RepeatedRequestId),
)
def test_an_answer_that_gets_lost_does_not_start_a_second_run(
    server: LocalOmics, workflow_id: str, kind: FaultKind
) -> None:
    server.faults.add(FaultRule(kind=kind, operation="StartRun"))
    task = start(workflow_id)
    assert [run["id"] for run in runs(server)] == [task.result]


@MODES
def test_the_number_of_looks_can_be_limited(server: LocalOmics, workflow_id: str, deferrable: bool) -> None:
    long = {"waiter_max_attempts": 2, "tags": {"omics-local:seconds": "3600"}}
    with raises(OmicsWaitError, match="looked 2 times") as caught:
        start(workflow_id, TaskInstance(max_tries=1), deferrable=deferrable, **long)
    assert not isinstance(caught.value, AirflowFailException)
    assert server.journal.calls("CancelRun") == []


@MODES
def test_a_run_that_no_retry_will_want_is_cancelled(server: LocalOmics, workflow_id: str, deferrable: bool) -> None:
    long = {"waiter_max_attempts": 2, "tags": {"omics-local:seconds": "3600"}}
    with pytest.raises(OmicsWaitError) as caught:
        start(workflow_id, TaskInstance(max_tries=0), deferrable=deferrable, **long)
    assert [call.resource_id for call in server.journal.calls("CancelRun")] == [caught.value.run_id]


def test_a_run_of_another_dag_run_is_never_taken_over(server: LocalOmics, workflow_id: str) -> None:
    other = start(workflow_id, TaskInstance(run_id="monday"), name="same-name", wait_for_completion=False)
    mine = start(workflow_id, TaskInstance(run_id="tuesday", try_number=2), name="same-name")
    assert mine.result != other.result


def test_each_map_index_has_its_own_run(server: LocalOmics, workflow_id: str) -> None:
    results = {start(workflow_id, TaskInstance(map_index=index)).result for index in range(3)}
    assert len(results) == 3
    assert {run["name"].split("[")[1][:2] for run in runs(server)} == {"0]", "1]", "2]"}


@pytest.mark.parametrize(
    "outcomes",
    [SimulatedOutcomes(rules=(OutcomeRule(pattern="*", outcome="SERVICE_ERROR", times=1),))],
    ids=["first run fails"],
)
@pytest.mark.parametrize(
    "arguments",
    [{"durable": False}, {"identity_tags": False}, {"identity_tags": False, "name": "mine"}],
    ids=["not durable", "no tags", "no tags and an own name"],
)
def test_a_failed_run_is_replaced_also_where_it_is_hard_to_find(
    server: LocalOmics, workflow_id: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(OmicsRunFailedError):
        start(workflow_id, TaskInstance(try_number=1), **arguments)
    second = start(workflow_id, TaskInstance(try_number=2), **arguments)
    assert server.client("omics").get_run(id=second.result)["status"] == "COMPLETED"
    assert len(runs(server)) == 2


def test_a_run_whose_record_was_deleted_is_replaced(server: LocalOmics, workflow_id: str) -> None:
    first = start(workflow_id)
    server.client("omics").delete_run(id=first.result)
    second = start(workflow_id, TaskInstance(try_number=2))
    assert second.result != first.result
    assert server.journal.runs_created == 2


def test_one_try_never_starts_more_runs_than_its_earlier_tries_could_have(server: LocalOmics, workflow_id: str) -> None:
    # The service shows no run at all, as if each were gone the moment that it was started.
    missing = {"code": "ResourceNotFoundException", "http_status": 404}
    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="GetRun", count=None, **missing))
    intent = JobKey(TaskIdentity("cohort", "monday", "start_run"), "fingerprint")
    pauses: list[float] = []
    log = logging.getLogger("test")
    record = JobRecord({"ti": TaskInstance()}, intent.key, log)
    submitter = IdempotentSubmitter(
        RUN, OmicsHook(), intent, None, is_tagged=True, log=log, record=record, pause=pauses.append
    )
    request = {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/out"}
    for try_number in (1, 2, 3):
        RunJob(submitter, request).get_or_submit(try_number=try_number)
        assert server.journal.runs_created == try_number
    assert sum(pauses) < 60


def test_without_durable_every_try_starts_a_run(server: LocalOmics, workflow_id: str) -> None:
    first = start(workflow_id, TaskInstance(try_number=1), durable=False)
    second = start(workflow_id, TaskInstance(try_number=2), durable=False)
    assert second.result != first.result
    assert server.journal.calls("ListRuns") == []


def test_identity_tags_can_be_left_out(server: LocalOmics, workflow_id: str) -> None:
    task = start(workflow_id, identity_tags=False, tags={"project": "atlas"})
    assert server.client("omics").get_run(id=task.result)["tags"] == {"project": "atlas"}


def test_a_retry_policy_decides_instead_of_the_provider(workflow_id: str) -> None:
    operator = OmicsStartRunOperator(
        task_id="start_run",
        workflow_id=workflow_id,
        role_arn=ROLE,
        output_uri="s3://results/out",
        tags={"omics-local:outcome": "RUN_TASK_FAILED"},
        waiter_delay=0.02,
    )
    # Airflow 3.3 has it as a parameter; other versions as nothing at all.
    object.__setattr__(operator, "retry_policy", object())
    with pytest.raises(OmicsRunFailedError) as caught:
        run_task(operator)
    assert not isinstance(caught.value, AirflowFailException)


def test_without_xcom_push_nothing_is_pushed(server: LocalOmics, workflow_id: str) -> None:
    assert start(workflow_id, do_xcom_push=False).ti.xcoms == {}


def test_links_that_cannot_be_stored_do_not_lose_the_run(server: LocalOmics, workflow_id: str) -> None:
    class Forgetful(TaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            if key.startswith("_link"):
                raise ConnectionError("no database")
            super().xcom_push(key, value)

    task = start(workflow_id, Forgetful())
    assert task.ti.xcoms["run_output_uri"]
    assert len(runs(server)) == 1


@pytest.mark.parametrize(
    "wrong", [{"waiter_delay": 0}, {"waiter_delay": "soon"}, {"waiter_max_attempts": 0}, {"waiter_max_attempts": "few"}]
)
def test_waiting_that_cannot_work_is_refused_before_the_start(
    server: LocalOmics, workflow_id: str, wrong: dict[str, Any]
) -> None:
    with raises(OmicsRequestInvalidError, match=next(iter(wrong))):
        start(workflow_id, **wrong)
    assert server.journal.calls("StartRun") == []


def test_a_task_killed_while_it_starts_its_run_cancels_it(server: LocalOmics, workflow_id: str) -> None:
    operator = OmicsStartRunOperator(
        task_id="start_run", workflow_id=workflow_id, role_arn=ROLE, output_uri="s3://results/out", deferrable=True
    )
    # No fault: only what is done at the call, before it has its effect.
    server.faults.add(
        FaultRule(kind=FaultKind.THROTTLE, operation="StartRun", matches=lambda _: bool(operator.on_kill()))
    )
    with raises(OmicsWaitError, match="killed"):
        run_task(operator)
    assert len(server.journal.calls("CancelRun")) == 1


@MODES
def test_credentials_that_expire_are_waited_out(server: LocalOmics, workflow_id: str, deferrable: bool) -> None:
    server.faults.add(
        FaultRule(
            kind=FaultKind.ERROR_BEFORE, operation="GetRun", count=2, code="ExpiredTokenException", http_status=403
        )
    )
    assert start(workflow_id, deferrable=deferrable).result


@pytest.mark.parametrize("assumptions", [Assumptions(task_log_stream=LogStreamForm.ARN)], ids=["arn"])
def test_the_log_of_a_failed_task_is_found_also_by_its_arn(workflow_id: str) -> None:
    with raises(OmicsRunFailedError, match="Simulated failure of task"):
        start(workflow_id, tags={"omics-local:outcome": "RUN_TASK_FAILED"})


def test_many_failed_tasks_are_cut_and_long_lines_too(server: LocalOmics, workflow_id: str) -> None:
    failed = start(workflow_id, wait_for_completion=False, tags={"omics-local:seconds": "3600"}).result
    state = server.account("us-east-1")
    with state.lock:
        run = state.runs[failed]
        for number in range(7):
            run.tasks[str(number + 1)] = Task(
                str(number + 1), "align", TaskStatus.FAILED, state.now(), status_message="x" * 5000
            )
    failure = OmicsHook().explain_failure(OmicsHook().get_run(failed))
    assert (len(failure.failed_tasks), failure.more_failed_tasks) == (5, True)
    told = "\n".join(failure.describe().splitlines())
    assert "More tasks failed" in told
    assert len(told) < 5 * 700


@MODES
def test_the_missing_permission_is_named(server: LocalOmics, workflow_id: str, deferrable: bool) -> None:
    denied = {"code": "AccessDeniedException", "http_status": 403}
    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="GetRun", count=None, **denied))
    with raises(OmicsWaitError, match="omics:GetRun") as caught:
        start(workflow_id, deferrable=deferrable, error_budget=0)
    assert caught.value.code == "AccessDeniedException"
    with raises(OmicsServiceError, match="omics:GetRun"):
        start(workflow_id, TaskInstance(try_number=2), deferrable=deferrable)
