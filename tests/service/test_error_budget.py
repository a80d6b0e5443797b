"""An error of looking is no end of wanting: what is put up with, for how long, and what becomes of the job."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pytest
from aiobotocore.session import AioSession
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from botocore.exceptions import NoCredentialsError
from call_clock import CallClock
from cohorts import MODES, CohortLab, cohort, instance, lasting
from holding import HELD
from omics_errors import raises
from pytest_mock import MockerFixture
from task_runs import TaskInstance, fire, load_trigger, run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsWaitError
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.batch import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsDeleteRunBatchOperator,
)
from airflow_provider_omics.operators.run import OmicsCancelRunOperator, OmicsStartRunOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor

pytestmark = pytest.mark.usefixtures("quick_retries")
SOON = {"tags": {"omics-local:seconds": "1"}}
LONG = {"tags": {"omics-local:seconds": "600"}}
DENIED = {"code": "AccessDeniedException", "http_status": 403}
STORM = {"code": "ServiceUnavailableException", "http_status": 503}
#: What lasts by its nature, and what passes.
ERRORS = pytest.mark.parametrize(
    "error",
    [
        DENIED,
        {"code": "UnrecognizedClientException", "http_status": 403},
        {"code": "ValidationException", "http_status": 400},
        {"code": "NobodyHasHeardOfThisException", "http_status": 418},
        STORM,
    ],
    ids=lambda error: error["code"],
)


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any], call_clock: CallClock) -> dict[str, Any]:
    return {**omics_local_settings, "clock": call_clock}


@pytest.fixture
def server(omics_local: LocalOmics, call_clock: CallClock) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return call_clock.follow(omics_local)


@pytest.fixture
def workflow_id(make_workflow: Callable[..., str]) -> str:
    return make_workflow()


@pytest.fixture
def lab(server: LocalOmics, workflow_id: str) -> CohortLab:
    return CohortLab(server, workflow_id)


def refuse(server: LocalOmics, operation: str, error: dict[str, Any], **more: Any) -> None:
    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation=operation, **{**error, **more}))


def start_run(workflow_id: str, **kwargs: Any) -> OmicsStartRunOperator:
    arguments: dict[str, Any] = {"output_uri": "s3://results/out", "waiter_delay": 0.02, **kwargs}
    return OmicsStartRunOperator(
        task_id="start_run", workflow_id=workflow_id, role_arn="arn:aws:iam::123456789012:role/omics", **arguments
    )


def cancellations(server: LocalOmics) -> int:
    return len(server.journal.calls("CancelRun")) + len(server.journal.calls("CancelRunBatch"))


@MODES
@ERRORS
@pytest.mark.parametrize("skip", [0, 2], ids=["at the first look", "after good answers"])
def test_a_refused_look_at_a_run_with_no_retry_left_is_put_up_with(
    server: LocalOmics, workflow_id: str, deferrable: bool, error: dict[str, Any], skip: int
) -> None:
    refuse(server, "GetRun", error, skip=skip, count=3)
    refuse(server, "ListRuns", error, skip=skip, count=3)
    task = run_task(start_run(workflow_id, deferrable=deferrable, **SOON), TaskInstance(max_tries=0))
    assert [run.run_id for run in server.journal.runs()] == [task.result]
    assert any(call.fault for call in server.journal.calls("GetRun"))
    assert cancellations(server) == 0


@MODES
@ERRORS
@pytest.mark.parametrize("skip", [0, 2], ids=["at the first look", "after good answers"])
def test_a_refused_look_at_a_batch_with_no_retry_left_is_put_up_with(
    lab: CohortLab, deferrable: bool, error: dict[str, Any], skip: int
) -> None:
    # The worker looks once before it waits.
    refuse(lab.server, "GetBatch", error, skip=skip + 1, count=3)
    done = lab.run([lasting("soon", 1)], instance(max_tries=0), deferrable=deferrable)
    assert lab.column(done.ti, "run_status") == ["COMPLETED"]
    assert any(call.fault for call in lab.server.journal.calls("GetBatch"))
    assert cancellations(lab.server) == 0


@MODES
def test_when_the_budget_is_over_the_task_fails_says_where_its_run_is_and_leaves_it(
    server: LocalOmics, workflow_id: str, deferrable: bool
) -> None:
    refuse(server, "GetRun", DENIED, skip=2, count=None)
    refuse(server, "ListRuns", DENIED, skip=2, count=None)
    began = time.monotonic()
    with pytest.raises(OmicsWaitError) as caught:
        run_task(start_run(workflow_id, deferrable=deferrable, error_budget=0.5, **LONG), TaskInstance(max_tries=0))
    assert time.monotonic() - began > 0.5
    run_id, told = caught.value.run_id, caught.value.message()
    assert not isinstance(caught.value, AirflowFailException)
    assert caught.value.code == "AccessDeniedException"
    for words in (
        f"run {run_id}",
        f"aws omics get-run --id {run_id}",
        "omics:GetRun",
        "(error_budget)",
        "was not cancelled",
        "Clear the task",
    ):
        assert words in told
    assert len([call for call in server.journal.calls("GetRun") if call.fault]) >= 4
    assert cancellations(server) == 0
    assert server.client("omics").list_runs()["items"][0]["status"] in ("PENDING", "STARTING", "RUNNING")


@MODES
def test_when_the_budget_is_over_a_batch_goes_on_and_the_next_try_takes_it_over(
    lab: CohortLab, deferrable: bool
) -> None:
    refuse(lab.server, "GetBatch", DENIED, skip=2, count=None)
    settings = [lasting("slow", HELD)]
    with pytest.raises(OmicsWaitError) as caught:
        lab.run(settings, instance(max_tries=1), deferrable=deferrable, error_budget=0.5)
    assert f"aws omics get-batch --batch-id {caught.value.batch_id}" in caught.value.message()
    assert "The next try takes it over" in caught.value.message()
    lab.server.faults.clear()
    lab.held.release_after("GetBatch", 3)
    done = lab.run(settings, instance(2, max_tries=1), deferrable=deferrable)
    assert done.result == caught.value.batch_id
    assert (lab.effects("StartRunBatch"), cancellations(lab.server)) == (1, 0)


@MODES
@pytest.mark.parametrize("error", [DENIED, STORM], ids=["denied", "storm"])
def test_when_the_budget_is_over_a_batch_with_no_retry_left_goes_on(
    lab: CohortLab, error: dict[str, Any], deferrable: bool
) -> None:
    refuse(lab.server, "GetBatch", error, skip=2, count=None)
    with pytest.raises(OmicsWaitError) as caught:
        lab.run([lasting("slow", 600)], instance(max_tries=0), deferrable=deferrable, error_budget=0.5)
    assert cancellations(lab.server) == 0
    assert caught.value.code == error["code"]
    assert "was not cancelled" in caught.value.message()


@MODES
def test_without_a_budget_the_first_error_ends_the_task_and_leaves_the_run(
    server: LocalOmics, workflow_id: str, deferrable: bool
) -> None:
    refuse(server, "GetRun", DENIED, count=1)
    with raises(OmicsWaitError, match="omics:GetRun"):
        run_task(start_run(workflow_id, deferrable=deferrable, error_budget=0, **LONG), TaskInstance(max_tries=0))
    assert cancellations(server) == 0


@pytest.mark.parametrize("budget", [-1, float("nan"), "long", True, None])
def test_a_budget_that_is_none_is_refused_before_anything_is_sent(
    server: LocalOmics, workflow_id: str, budget: Any
) -> None:
    with raises(OmicsRequestInvalidError, match="error_budget"):
        run_task(start_run(workflow_id, error_budget=budget))
    with raises(OmicsRequestInvalidError, match="error_budget"):
        run_task(OmicsRunSensor(task_id="wait", run_id="1000001", error_budget=budget, start_from_trigger=True))
    assert not server.journal.calls("StartRun")


@MODES
def test_a_delay_above_the_budget_cannot_use_it_up_at_one_stroke(
    server: LocalOmics, workflow_id: str, deferrable: bool
) -> None:
    # Looked at once in two hours it would not end within this test; a failed look is had again within the budget.
    refuse(server, "GetRun", DENIED, count=2)
    run = start_run(workflow_id, deferrable=deferrable, waiter_delay=7200, error_budget=6)
    assert run_task(run, TaskInstance(max_tries=0)).result == server.journal.runs()[0].run_id
    assert len(server.journal.calls("GetRun")) == 3


def test_failed_looks_are_not_counted_as_attempts(server: LocalOmics, workflow_id: str) -> None:
    refuse(server, "GetRun", DENIED, skip=1, count=5)
    with raises(OmicsWaitError, match="looked 3 times"):
        run_task(start_run(workflow_id, waiter_max_attempts=3, **LONG), TaskInstance(max_tries=1))
    assert len([call for call in server.journal.calls("GetRun") if not call.fault]) == 3


def test_a_triggerer_that_finds_no_credentials_for_a_while_ends_no_wait(
    server: LocalOmics, workflow_id: str, mocker: MockerFixture
) -> None:
    make, calls = AioSession.create_client, []

    def without_credentials(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) <= 2:
            raise NoCredentialsError()
        return make(*args, **kwargs)

    mocker.patch.object(AioSession, "create_client", without_credentials)
    # A client that could not be made is not made again for ten seconds, whoever waits.
    mocker.patch("airflow_provider_omics.healthomics.watcher.client._BETWEEN_CLIENTS", 0.05)
    task = run_task(start_run(workflow_id, deferrable=True, **SOON), TaskInstance(max_tries=0))
    assert server.client("omics").get_run(id=task.result)["status"] == "COMPLETED"
    assert len(calls) == 3
    assert cancellations(server) == 0


@MODES
def test_a_connection_that_is_gone_ends_no_job(
    server: LocalOmics, workflow_id: str, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = server.airflow_connection_uri()
    monkeypatch.setenv("AIRFLOW_CONN_OMICS_MINE", uri)
    mine: dict[str, Any] = {"aws_conn_id": "omics_mine", "error_budget": 0.5, **LONG}
    ti = TaskInstance(max_tries=0)
    full: Any = {"ti": ti, "task_instance": ti, "params": {}, "run_id": ti.run_id}
    with pytest.raises(TaskDeferred) as deferred:
        start_run(workflow_id, deferrable=True, **mine).execute(full)
    monkeypatch.delenv("AIRFLOW_CONN_OMICS_MINE")
    event = fire(load_trigger(*deferred.value.trigger.serialize())).payload
    assert (event["why"], event["error_code"]) == ("unreachable", "AirflowNotFoundException")
    with raises(OmicsWaitError, match=r"(?s) aws omics get-run.*correct aws_conn_id"):
        start_run(workflow_id, deferrable=deferrable, **mine).execute_complete(full, event)
    assert cancellations(server) == 0


SENSORS = pytest.mark.parametrize("kind", ["run", "batch", "sample"])


def sensor(lab: CohortLab, kind: str, **kwargs: Any) -> Any:
    match kind:
        case "run":
            request = {"workflowId": lab.workflow_id, "outputUri": "s3://results/out", "requestId": "one"}
            run = lab.omics.start_run(roleArn="arn:aws:iam::123456789012:role/omics", **request, **SOON)
            return OmicsRunSensor(task_id="wait", run_id=run["id"], poke_interval=0.02, **kwargs)
        case "batch":
            batch_id = lab.crash([lasting("soon", 1)]).xcoms["batch_id"]
            return OmicsBatchSensor(task_id="wait", batch_id=batch_id, poke_interval=0.02, **kwargs)
    batch_id = lab.crash([lasting("soon", 1), *cohort(1)]).xcoms["batch_id"]
    return OmicsBatchRunSensor(task_id="wait", batch_id=batch_id, run_setting_id="soon", poke_interval=0.02, **kwargs)


@SENSORS
@MODES
def test_a_sensor_that_was_answered_puts_up_with_what_lasts(lab: CohortLab, kind: str, deferrable: bool) -> None:
    waits = sensor(lab, kind, deferrable=deferrable)
    for operation in ("GetRun", "GetBatch", "ListRunsInBatch"):
        # What it needs for its first look is answered.
        refuse(lab.server, operation, DENIED, skip=1, count=2)
    assert run_task(waits, TaskInstance(task_id="wait", max_tries=0)).result
    assert any(call.fault for call in lab.server.journal.calls())


@pytest.mark.parametrize(
    "how", [{}, {"deferrable": True}, {"start_from_trigger": True}], ids=["poke", "defer", "start"]
)
def test_a_sensor_that_was_never_answered_fails_at_once_for_what_lasts(
    lab: CohortLab, how: dict[str, Any], workflow_id: str
) -> None:
    refuse(lab.server, "GetRun", DENIED, count=None)
    refuse(lab.server, "ListRuns", DENIED, count=None)
    waits = OmicsRunSensor(task_id="wait", run_id="1000009", poke_interval=0.02, **how)
    if how.get("start_from_trigger"):
        stored = waits.start_trigger_args
        event = fire(load_trigger(stored.trigger_cls, stored.trigger_kwargs)).payload
        assert (event["why"], event["error_code"]) == ("error", "AccessDeniedException")
    else:
        with raises(OmicsWaitError, match="omics:GetRun"):
            run_task(waits, TaskInstance(task_id="wait"))


class Rescheduled(TaskInstance):
    """A task instance that has been rescheduled, or not yet."""

    def __init__(self, first: datetime | None) -> None:
        super().__init__(task_id="wait")
        self._first = first

    def get_first_reschedule_date(self, _context: Any) -> datetime | None:
        return self._first


@pytest.mark.skipif(version("apache-airflow").startswith("2."), reason="2.11 asks its database")
def test_a_sensor_that_was_rescheduled_puts_up_with_what_lasts(lab: CohortLab) -> None:
    waits = sensor(lab, "run", mode="reschedule")
    refuse(lab.server, "GetRun", DENIED, count=2)
    with raises(OmicsWaitError, match="omics:GetRun"):
        run_task(waits, Rescheduled(None))
    # Each look is another process's.
    again = OmicsRunSensor(task_id="wait", run_id=waits.run_id, poke_interval=0.02, mode="reschedule")
    with pytest.raises(AirflowRescheduleException):
        run_task(again, Rescheduled(datetime.now(UTC)))


@MODES
def test_a_cancellation_that_is_waited_for_puts_up_with_what_lasts(
    server: LocalOmics, workflow_id: str, deferrable: bool
) -> None:
    server.change(timings={"stopping": 0.5})
    run = run_task(start_run(workflow_id, wait_for_completion=False, **LONG)).result
    refuse(server, "GetRun", DENIED, count=2)
    operator = OmicsCancelRunOperator(
        task_id="cancel", run_id=run, wait_for_completion=True, deferrable=deferrable, waiter_delay=0.02
    )
    assert run_task(operator).result == run
    assert any(call.fault for call in server.journal.calls("GetRun"))


@MODES
@pytest.mark.parametrize(
    "operator_class", [OmicsCancelRunBatchOperator, OmicsDeleteRunBatchOperator, OmicsDeleteBatchOperator]
)
def test_what_cancels_or_deletes_a_batch_puts_up_with_what_lasts(
    lab: CohortLab, operator_class: Any, deferrable: bool
) -> None:
    is_cancelled = operator_class is OmicsCancelRunBatchOperator
    ti = lab.crash([lasting("slow", 600)]) if is_cancelled else lab.run(cohort(1)).ti
    batch_id = ti.xcoms["batch_id"]
    # A batch is looked at before it is asked to stop.
    refuse(lab.server, "GetBatch", DENIED, skip=int(is_cancelled), count=2)
    operator = operator_class(
        task_id="end",
        batch_id=batch_id,
        whole_cohort=False,
        wait_for_completion=True,
        deferrable=deferrable,
        waiter_delay=0.02,
    )
    assert run_task(operator).result == batch_id
    assert len([call for call in lab.server.journal.calls("GetBatch") if call.fault]) == 2
