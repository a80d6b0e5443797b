"""OmicsRunSensor against the local server: poking, rescheduled, deferred, and started in the triggerer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import airflow
import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from holding import HELD_RUN, Holding
from omics_errors import raises
from pytest_mock import MockerFixture
from task_runs import fire, load_trigger, run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsRunFailedError, OmicsWaitError
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.sensors.run import OmicsRunSensor

NEVER_FAIL = pytest.mark.skipif(airflow.__version__ < "3", reason="Airflow 2 has no never_fail")
RENDERS = airflow.__version__ >= "3.3"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def capture(mocker: MockerFixture) -> Callable[[Any], list[str]]:
    """Keep the errors that tasks of a class log; Airflow's logger differs from version to version."""

    def keep(task_class: Any) -> list[str]:
        told: list[str] = []
        log = mocker.patch.object(task_class, "log", new_callable=mocker.PropertyMock).return_value
        log.error.side_effect = lambda event, *args: told.append(event % args)
        return told

    return keep


def sensor(run_id: Any, **kwargs: Any) -> OmicsRunSensor:
    return OmicsRunSensor(task_id="wait", run_id=run_id, poke_interval=0.02, **kwargs)


@MODES
def test_it_returns_the_run_and_where_its_outputs_are(
    start_run: Callable[..., dict[str, Any]], deferrable: bool
) -> None:
    run = start_run()
    task = run_task(sensor(run["id"], deferrable=deferrable))
    assert task.result == {"run_id": run["id"], "run_uuid": run["uuid"], "run_output_uri": run["runOutputUri"]}


@MODES
def test_a_failed_run_fails_it_at_once_with_the_cause(
    start_run: Callable[..., dict[str, Any]], deferrable: bool
) -> None:
    run = start_run(tags={"omics-local:outcome": "SERVICE_ERROR"})
    with raises(OmicsRunFailedError, match="SERVICE_ERROR") as caught:
        run_task(sensor(run["id"], deferrable=deferrable))
    # Looking at the same run again would show the same.
    assert isinstance(caught.value, AirflowFailException)


@MODES
@pytest.mark.parametrize("softly", [{"soft_fail": True}, pytest.param({"never_fail": True}, marks=NEVER_FAIL)])
def test_a_skip_tells_the_cause(
    start_run: Callable[..., dict[str, Any]],
    deferrable: bool,
    softly: dict[str, bool],
    capture: Callable[[Any], list[str]],
) -> None:
    run = start_run(tags={"omics-local:outcome": "SERVICE_ERROR"})
    operator = sensor(run["id"], deferrable=deferrable, **softly)
    told = capture(type(operator))
    with pytest.raises(AirflowSkipException):
        run_task(operator)
    assert any("SERVICE_ERROR" in line for line in told)


@MODES
def test_a_run_that_is_not_there_is_an_error_and_not_a_long_wait(server: LocalOmics, deferrable: bool) -> None:
    with raises(OmicsWaitError, match="Run 9999999 not found"):
        run_task(sensor("9999999", deferrable=deferrable))


@MODES
def test_what_cannot_be_a_run_id_is_refused_before_any_call(server: LocalOmics, deferrable: bool) -> None:
    with pytest.raises(OmicsRequestInvalidError):
        run_task(sensor("{{ params.none }}", deferrable=deferrable))
    assert server.journal.calls() == []


@MODES
def test_passing_errors_are_waited_out(
    server: LocalOmics, start_run: Callable[..., dict[str, Any]], deferrable: bool
) -> None:
    run = start_run()
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="GetRun", count=2))
    server.faults.add(FaultRule(kind=FaultKind.DROPPED_CONNECTION, operation="GetRun", count=2))
    config = {"retries": {"total_max_attempts": 1}}
    task = run_task(sensor(run["id"], deferrable=deferrable, botocore_config=config))
    assert task.result["run_id"] == run["id"]
    assert len(server.journal.calls("GetRun")) > 4


def test_the_timeout_holds_while_poking(start_run: Callable[..., dict[str, Any]]) -> None:
    run = start_run(tags={"omics-local:seconds": "3600"})
    with pytest.raises(AirflowException, match="time is up and the run is"):
        run_task(sensor(run["id"], timeout=0.1))
    with pytest.raises(AirflowSkipException):
        run_task(sensor(run["id"], timeout=0.1, soft_fail=True))


@pytest.mark.parametrize("execution_timeout", [None, timedelta(seconds=1000)])
def test_its_timeouts_hold_while_deferred(
    omics_local: LocalOmics, start_run: Callable[..., dict[str, Any]], execution_timeout: timedelta | None
) -> None:
    limit = 1234 if execution_timeout is None else 1000
    before = time.time()
    held = Holding(omics_local)
    run = start_run(tags=HELD_RUN)
    held.release_after("GetRun", 2)
    task = run_task(sensor(run["id"], deferrable=True, timeout=1234, execution_timeout=execution_timeout))
    [(_, arguments)] = task.triggers
    assert before + limit <= arguments["deadline"] <= time.time() + limit
    # Airflow's own timeout only steps in where the trigger did not.
    assert task.timeouts[0] > timedelta(seconds=limit)


def test_a_timeout_while_deferred_says_which_run_and_what_it_is_doing(
    start_run: Callable[..., dict[str, Any]],
) -> None:
    run = start_run(tags={"omics-local:seconds": "3600"})
    with raises(OmicsWaitError, match=f"{run['id']}: time is up and the run is") as caught:
        run_task(sensor(run["id"], deferrable=True, timeout=0.3))
    assert isinstance(caught.value, AirflowSensorTimeout)
    with pytest.raises(AirflowSkipException):
        run_task(sensor(run["id"], deferrable=True, timeout=0.3, soft_fail=True))


def test_it_can_start_in_the_triggerer(start_run: Callable[..., dict[str, Any]]) -> None:
    run = start_run()
    operator = sensor(run["id"], start_from_trigger=True, timeout=1234)
    assert operator.start_from_trigger
    arguments = operator.start_trigger_args
    assert arguments is not None
    assert arguments.timeout == timedelta(seconds=1234)
    event = fire(load_trigger(arguments.trigger_cls, arguments.trigger_kwargs or {}))
    context: Any = {"ti": run_task(sensor(run["id"])).ti}
    result = getattr(operator, arguments.next_method)(context, event.payload)
    assert result == {"run_id": run["id"], "run_uuid": run["uuid"], "run_output_uri": run["runOutputUri"]}


@pytest.mark.parametrize(
    ("template", "starts"),
    [
        ("1234567", True),
        ("{{ params.run_id }}", RENDERS),
        ("{% if params.run_id %}1{% endif %}", RENDERS),
        ("{{ ti.xcom_pull('start_run') }}", False),
    ],
)
def test_it_only_starts_in_a_triggerer_that_can_render_its_arguments(template: str, starts: bool) -> None:
    operator = sensor(template, start_from_trigger=True)
    assert operator.start_from_trigger is starts
    assert operator.deferrable


def test_the_output_of_a_task_is_read_in_a_worker() -> None:
    with DAG("cohort", schedule=None):
        first = sensor("1234567")
        second = OmicsRunSensor(task_id="second", run_id=first.output["run_id"], start_from_trigger=True)
    assert not second.start_from_trigger
    assert second.upstream_task_ids == {"wait"}
