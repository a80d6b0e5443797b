"""Cancelling and deleting runs, and killing a task, against the local server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow_states import answer_task_states
from omics_errors import raises
from pytest_mock import MockerFixture
from task_runs import TaskInstance, run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsServiceError, OmicsWaitError
from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.local import Assumptions, LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.run import (
    OmicsCancelRunOperator,
    OmicsDeleteRunOperator,
    OmicsStartRunOperator,
)
from airflow_provider_omics.triggers import base
from airflow_provider_omics.triggers.run import OmicsRunTrigger

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


@pytest.fixture
def assumptions() -> Assumptions:
    return Assumptions()


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any], assumptions: Assumptions) -> dict[str, Any]:
    return {**omics_local_settings, "assumptions": assumptions}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def long_run(start_run: Callable[..., dict[str, Any]]) -> str:
    """A run that would take a minute."""
    return str(start_run(tags={"omics-local:seconds": "3600"})["id"])


@pytest.fixture
def ended_run(start_run: Callable[..., dict[str, Any]], omics: Any, await_end: Callable[[str], str]) -> str:
    run_id = str(start_run()["id"])
    assert await_end(run_id) == "COMPLETED"
    return run_id


@pytest.fixture
def await_end(server: LocalOmics, omics: Any) -> Callable[[str], str]:
    """Wait until a run has ended and return how."""

    def wait(run_id: str) -> str:
        ended = threading.Event()
        account = server.account("us-east-1")
        final = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)

        def note(run: Any, _old: Any) -> None:
            if run.run_id == run_id and run.status in final:
                ended.set()

        with account.lock:
            account.run_observers.append(note)
            if account.runs[run_id].status in final:
                ended.set()
        assert ended.wait(30)
        return str(omics.get_run(id=run_id)["status"])

    return wait


def cancel(run_id: Any, **kwargs: Any) -> Any:
    return run_task(OmicsCancelRunOperator(task_id="cancel", run_id=run_id, waiter_delay=0.02, **kwargs)).result


def delete(run_id: Any) -> Any:
    return run_task(OmicsDeleteRunOperator(task_id="delete", run_id=run_id)).result


@MODES
def test_cancelling_can_wait_for_the_end(omics: Any, long_run: str, deferrable: bool) -> None:
    assert cancel(long_run, wait_for_completion=True, deferrable=deferrable) == long_run
    assert omics.get_run(id=long_run)["status"] == "CANCELLED"


def test_cancelling_does_not_wait_unless_asked_to(
    server: LocalOmics, long_run: str, await_end: Callable[[str], str]
) -> None:
    assert cancel(long_run) == long_run
    assert server.journal.calls("GetRun") == []
    assert await_end(long_run) == "CANCELLED"


@MODES
@pytest.mark.parametrize(
    "assumptions",
    [Assumptions(), Assumptions(wrong_state_code="ValidationException")],
    ids=["conflict", "validation"],
)
def test_a_run_that_has_ended_is_cancelled_enough(omics: Any, ended_run: str, deferrable: bool) -> None:
    assert cancel(ended_run, wait_for_completion=True, deferrable=deferrable) == ended_run
    assert omics.get_run(id=ended_run)["status"] == "COMPLETED"


def test_a_run_that_is_gone_is_cancelled_and_deleted_enough(server: LocalOmics) -> None:
    assert cancel("9999999", wait_for_completion=True) == "9999999"
    assert delete("9999999") == "9999999"


def test_deleting_twice_is_no_error(omics: Any, ended_run: str) -> None:
    assert delete(ended_run) == ended_run
    assert ended_run not in [run["id"] for run in omics.list_runs()["items"]]
    assert delete(ended_run) == ended_run


def test_a_run_that_is_active_cannot_be_deleted_and_the_task_says_why(long_run: str) -> None:
    with raises(OmicsServiceError, match="cancel it and wait for its end first") as caught:
        delete(long_run)
    assert caught.value.code == "ConflictException"


@pytest.mark.parametrize("task", [cancel, delete])
def test_what_cannot_be_a_run_id_is_refused_before_any_call(server: LocalOmics, task: Callable[[Any], Any]) -> None:
    with raises(OmicsRequestInvalidError, match="run-1"):
        task("run-1")
    assert server.journal.calls() == []


@pytest.mark.parametrize(("task", "operation"), [(cancel, "CancelRun"), (delete, "DeleteRun")])
def test_a_refusal_names_the_permission_that_is_missing(
    server: LocalOmics, long_run: str, task: Callable[[Any], Any], operation: str
) -> None:
    server.faults.add(
        FaultRule(
            kind=FaultKind.ERROR_BEFORE,
            operation=operation,
            count=None,
            code="AccessDeniedException",
            http_status=403,
        )
    )
    with raises(OmicsServiceError, match=f"omics:{operation}") as caught:
        task(long_run)
    assert isinstance(caught.value, AirflowFailException)


def start_long(workflow_id: str, **kwargs: Any) -> OmicsStartRunOperator:
    return OmicsStartRunOperator(
        task_id="start_run",
        workflow_id=workflow_id,
        role_arn="arn:aws:iam::123456789012:role/omics",
        output_uri="s3://results/out",
        tags={"omics-local:seconds": "3600"},
        waiter_delay=0.02,
        **kwargs,
    )


@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_a_killed_worker_cancels_its_run_if_it_is_to_and_never_ends_well(
    server: LocalOmics, make_workflow: Callable[..., str], cancel_on_kill: bool
) -> None:
    operator = start_long(make_workflow(), cancel_on_kill=cancel_on_kill)
    killer = threading.Thread(target=operator.on_kill)

    def kill(run: Any, _old: Any) -> None:
        if run.status is RunStatus.RUNNING:
            killer.start()

    server.account("us-east-1").run_observers.append(kill)
    with raises(OmicsWaitError, match="killed") as caught:
        run_task(operator)
    killer.join()
    cancels = server.journal.calls("CancelRun")
    assert len(cancels) == (1 if cancel_on_kill else 0)
    assert not isinstance(caught.value, AirflowFailException)


def test_killing_a_task_before_its_run_started_asks_nothing(server: LocalOmics) -> None:
    start_long("1234567").on_kill()
    assert server.journal.calls() == []


@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_killing_a_deferred_task_cancels_its_run_once(
    server: LocalOmics, long_run: str, await_end: Callable[[str], str], cancel_on_kill: bool
) -> None:
    asyncio.run(OmicsRunTrigger(run_id=long_run, cancel_on_kill=cancel_on_kill).on_kill())
    if cancel_on_kill:
        assert await_end(long_run) == "CANCELLED"
        asyncio.run(OmicsRunTrigger(run_id=long_run, cancel_on_kill=True).on_kill())
    assert len(server.journal.calls("CancelRun")) == (2 if cancel_on_kill else 0)


def test_a_kill_gets_through_although_the_triggerer_cancels_again_and_again(
    server: LocalOmics, long_run: str, await_end: Callable[[str], str]
) -> None:
    async def kill() -> None:
        killing = asyncio.create_task(OmicsRunTrigger(run_id=long_run, cancel_on_kill=True).on_kill())
        await asyncio.sleep(0)  # lets it begin
        while not killing.done():
            killing.cancel()
            await asyncio.wait({killing}, timeout=0.01)
        await killing

    asyncio.run(kill())
    assert await_end(long_run) == "CANCELLED"
    assert len(server.journal.calls("CancelRun")) == 1


@pytest.mark.parametrize(("state", "cancels"), [("deferred", 0), ("failed", 1), (None, 1), ("deleted", 1)], ids=str)
def test_a_trigger_that_another_triggerer_has_taken_over_cancels_nothing(
    server: LocalOmics, long_run: str, mocker: MockerFixture, state: str | None, cancels: int
) -> None:
    ti: Any = TaskInstance()
    answer_task_states(mocker, lambda: state)
    trigger = OmicsRunTrigger(run_id=long_run, cancel_on_kill=True)
    trigger.task_instance = ti
    asyncio.run(trigger.on_kill())
    assert len(server.journal.calls("CancelRun")) == cancels


def test_a_kill_that_takes_longer_than_the_triggerer_waits_goes_on_without_the_trigger(
    server: LocalOmics, long_run: str, await_end: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_SECONDS_FOR_A_KILL", 0.05)
    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="CancelRun", http_status=503, count=1))

    async def kill() -> None:
        await OmicsRunTrigger(run_id=long_run, cancel_on_kill=True).on_kill()
        assert server.account("us-east-1").runs[long_run].status is not RunStatus.CANCELLED
        assert await asyncio.to_thread(await_end, long_run) == "CANCELLED"

    asyncio.run(kill())
    assert len(server.journal.calls("CancelRun")) == 2


def test_a_kill_is_told_as_one_although_the_trigger_is_just_connecting(server: LocalOmics, long_run: str) -> None:
    async def kill() -> None:
        waiting = asyncio.create_task(anext(OmicsRunTrigger(run_id=long_run, cancel_on_kill=True).run()))
        await asyncio.sleep(0.001)
        # Airflow asks for on_kill only where the error that comes out says the same.
        waiting.cancel("a user did it")
        await waiting

    with pytest.raises(asyncio.CancelledError, match="a user did it"):
        asyncio.run(kill())
    assert not server.journal.calls("GetRun")


def test_a_deferred_task_cancels_its_run_when_its_time_is_up(
    server: LocalOmics, make_workflow: Callable[..., str], await_end: Callable[[str], str]
) -> None:
    operator = start_long(make_workflow(), deferrable=True, execution_timeout=timedelta(seconds=30))
    # Before Airflow 2 would time the resumed task out, and with time to resume it.
    began = datetime.now(UTC) - timedelta(seconds=27)
    with raises(OmicsWaitError, match="being cancelled") as caught:
        run_task(operator, TaskInstance(start_date=began))
    assert len(server.journal.calls("CancelRun")) == 1
    assert await_end(caught.value.run_id) == "CANCELLED"


def test_a_run_that_the_trigger_could_not_cancel_in_time_is_cancelled_by_the_task(
    server: LocalOmics, make_workflow: Callable[..., str], await_end: Callable[[str], str]
) -> None:
    denied = {"code": "AccessDeniedException", "http_status": 403, "count": 1}
    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="CancelRun", **denied))
    operator = start_long(make_workflow(), deferrable=True, execution_timeout=timedelta(seconds=30))
    began = datetime.now(UTC) - timedelta(seconds=27)
    with raises(OmicsWaitError, match="cancelling it failed") as caught:
        run_task(operator, TaskInstance(start_date=began))
    assert await_end(caught.value.run_id) == "CANCELLED"


def test_a_deferred_task_that_leaves_its_run_alone_still_ends_in_time(
    server: LocalOmics, make_workflow: Callable[..., str]
) -> None:
    timeout = timedelta(seconds=30)
    operator = start_long(make_workflow(), deferrable=True, execution_timeout=timeout, cancel_on_kill=False)
    with raises(OmicsWaitError, match="time is up"):
        run_task(operator, TaskInstance(start_date=datetime.now(UTC) - timeout))
    assert server.journal.calls("CancelRun") == []
