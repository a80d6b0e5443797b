"""Tasks whose trigger has read in a list that the run has ended: they ask for what no list says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from holding import HELD_RUN, Holding
from pytest_mock import MockerFixture
from task_runs import TaskRun, run_task

from airflow_provider_omics.exceptions import OmicsRunFailedError
from airflow_provider_omics.healthomics.runs.poll import get_run
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.healthomics.watcher.run_poller import RunPoller
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.run import OmicsStartRunOperator
from airflow_provider_omics.sensors.run import OmicsRunSensor

ROLE = "arn:aws:iam::123456789012:role/omics"
FAILS = {"omics-local:outcome": "RUN_TASK_FAILED"}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def held(server: LocalOmics) -> Holding:
    return Holding(server)


@pytest.fixture(autouse=True)
def listed(mocker: MockerFixture) -> list[RunSnapshot]:
    """Have ends told by the watcher as a list tells them, and return them."""
    ends: list[RunSnapshot] = []
    poll_one = RunPoller.poll_one

    async def poll_by_list(poller: RunPoller, run_id: str) -> RunSnapshot:
        seen = await poll_one(poller, run_id)
        if not seen.phase.is_final:
            return seen
        ends.append(replace(seen, uuid=None, output_uri=None, failure_code=None, status_message=None))
        return ends[-1]

    mocker.patch.object(RunPoller, "poll_one", poll_by_list)
    return ends


@pytest.fixture
def start(make_workflow: Callable[..., str]) -> Callable[..., TaskRun]:
    arguments = {"role_arn": ROLE, "output_uri": "s3://results/out", "waiter_delay": 0.02, "deferrable": True}
    workflow_id = make_workflow()

    def start_run(**kwargs: Any) -> TaskRun:
        return run_task(OmicsStartRunOperator(task_id="start_run", workflow_id=workflow_id, **arguments, **kwargs))

    return start_run


def sense(held: Holding, run_id: str, **kwargs: Any) -> Any:
    """Wait for a run that is held until it was polled by the sensor and then by its trigger."""
    held.release_after("GetRun", 2)
    return run_task(OmicsRunSensor(task_id="wait", run_id=run_id, deferrable=True, poke_interval=0.02, **kwargs)).result


def test_a_completed_run_has_its_uuid_and_outputs(
    server: LocalOmics,
    start: Callable[..., TaskRun],
    start_run: Callable[..., dict[str, Any]],
    held: Holding,
    listed: list[RunSnapshot],
    told: Callable[[], str],
) -> None:
    task = start()
    run = server.client("omics").get_run(id=task.result)
    assert f"COMPLETED; its outputs are in {run['runOutputUri']}" in told()
    assert (task.ti.xcoms["run_uuid"], task.ti.xcoms["run_output_uri"]) == (run["uuid"], run["runOutputUri"])
    run = start_run(tags=HELD_RUN)
    assert sense(held, run["id"]) == {
        "run_id": run["id"],
        "run_uuid": run["uuid"],
        "run_output_uri": run["runOutputUri"],
    }
    assert len(listed) == 2


def test_a_failed_run_has_its_cause(
    server: LocalOmics,
    start: Callable[..., TaskRun],
    start_run: Callable[..., dict[str, Any]],
    held: Holding,
    listed: list[RunSnapshot],
) -> None:
    slow = {**FAILS, **HELD_RUN}
    for fail in (lambda: start(tags=FAILS), lambda: sense(held, start_run(tags=slow)["id"])):
        with pytest.raises(OmicsRunFailedError) as caught:
            fail()
        failed = server.client("omics").get_run(id=caught.value.run_id)
        assert (caught.value.status, caught.value.failure_code) == ("FAILED", "RUN_TASK_FAILED")
        assert failed["statusMessage"] in caught.value.message()
        assert "Simulated failure of task" in caught.value.message()
    assert len(listed) == 2


def test_a_completed_run_that_may_not_be_looked_up_has_completed_all_the_same(
    server: LocalOmics, start: Callable[..., TaskRun], listed: list[RunSnapshot], told: Callable[[], str]
) -> None:
    fault = {"code": "AccessDeniedException", "http_status": 403, "count": None}
    server.faults.add(
        FaultRule(kind=FaultKind.ERROR_BEFORE, operation="GetRun", matches=lambda _: bool(listed), **fault)
    )
    assert start().result == listed[0].run_id
    assert "could not be looked up" in told()


def deny(server: LocalOmics, listed: list[RunSnapshot], operation: str = "GetRun", **fault: Any) -> None:
    """Refuse an operation from when an end was listed on."""
    fault = {"code": "AccessDeniedException", "http_status": 403, "count": None, **fault}
    server.faults.add(
        FaultRule(kind=FaultKind.ERROR_BEFORE, operation=operation, matches=lambda _: bool(listed), **fault)
    )


def test_no_worker_waits_for_the_outputs_of_a_completed_run(
    server: LocalOmics, start: Callable[..., TaskRun], listed: list[RunSnapshot], told: Callable[[], str]
) -> None:
    deny(server, listed, code="InternalServerException", http_status=500)
    assert start(botocore_config={"retries": {"total_max_attempts": 1}}).result == listed[0].run_id
    text = told()
    assert "trying again" not in text
    assert f"run {listed[0].run_id} COMPLETED" in text
    assert "outputs are in None" not in text


def test_an_error_of_any_kind_fails_no_task_whose_run_has_completed(
    start: Callable[..., TaskRun], listed: list[RunSnapshot], mocker: MockerFixture
) -> None:
    mocker.patch("airflow_provider_omics.operators.run_details.with_details", side_effect=KeyError("id"))
    assert start().result == listed[0].run_id


def test_a_failed_run_that_may_not_be_looked_up_says_so(
    server: LocalOmics,
    start: Callable[..., TaskRun],
    start_run: Callable[..., dict[str, Any]],
    held: Holding,
    listed: list[RunSnapshot],
) -> None:
    slow = start_run(tags={**FAILS, **HELD_RUN})["id"]
    deny(server, listed)
    for fail in (lambda: sense(held, slow), lambda: start(tags=FAILS)):
        with pytest.raises(OmicsRunFailedError) as caught:
            fail()
        assert (caught.value.status, caught.value.failure_code) == ("FAILED", None)
        assert "Its failure code could not be looked up: AccessDeniedException (GetRun)" in caught.value.message()
        assert "Simulated failure of task" in caught.value.message()
        listed.clear()


def test_a_sensor_of_a_completed_run_that_may_not_be_looked_up_succeeds(
    server: LocalOmics, start_run: Callable[..., dict[str, Any]], held: Holding, listed: list[RunSnapshot]
) -> None:
    run_id = start_run(tags=HELD_RUN)["id"]
    deny(server, listed)
    assert sense(held, run_id, error_budget=0.5) == {"run_id": run_id, "run_uuid": None, "run_output_uri": None}


def test_a_get_run_that_lags_behind_the_list_is_asked_again(
    server: LocalOmics, start: Callable[..., TaskRun], listed: list[RunSnapshot], mocker: MockerFixture
) -> None:
    late: list[str] = []

    def lagging(run_id: str) -> Any:
        seen = yield from get_run(run_id)
        if len(late) < 2:
            late.append(run_id)
            return replace(seen, status="STOPPING", failure_code=None)
        return seen

    mocker.patch("airflow_provider_omics.healthomics.runs.poll.get_run", lagging)
    mocker.patch.object(RunPoller, "poll_one", lambda _, run_id: listed_end(listed, run_id))
    with pytest.raises(OmicsRunFailedError) as caught:
        start(tags=FAILS)
    assert (len(late), caught.value.failure_code) == (2, "RUN_TASK_FAILED")


async def listed_end(listed: list[RunSnapshot], run_id: str) -> RunSnapshot:
    await asyncio.sleep(1)
    listed.append(RunSnapshot(run_id, "FAILED"))
    return listed[-1]
