"""What becomes of a batch whose task is killed, or whose time is up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from airflow_states import answer_task_states
from cohorts import CohortLab, cohort, failing, instance, lasting, operator
from holding import HELD
from omics_errors import raises
from omics_service import await_status
from pytest_mock import MockerFixture
from task_runs import run_task

from airflow_provider_omics.exceptions import OmicsBatchFailedError, OmicsError, OmicsWaitError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture(autouse=True)
def own_signal() -> Iterator[None]:
    """Leave the signal as it was."""
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def airflow_says(mocker: MockerFixture) -> Callable[[str | None], None]:
    """Have Airflow, which knows nothing of a task that no scheduler has started, tell a state of the task instance."""

    def says(state: str | None) -> None:
        answer_task_states(mocker, lambda: state)

    return says


SLOW = [lasting("slow-0", 3600), lasting("slow-1", 3600)]


def kill_once(
    task: OmicsStartRunBatchOperator, reached: Callable[[], bool], then: Callable[[], object] = bool
) -> threading.Thread:
    """Kill the task as Airflow does, by a signal in the middle of its work; the thread that does it is started.

    :param then: done once it was killed.
    """

    def take(_signal: int, _frame: object) -> None:
        task.on_kill()
        then()

    signal.signal(signal.SIGUSR1, take)

    def kill() -> None:
        deadline = time.monotonic() + 300
        while not reached() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGUSR1)

    killer = threading.Thread(target=kill)
    killer.start()
    return killer


def raises_killed() -> AbstractContextManager[pytest.ExceptionInfo[OmicsError]]:
    """Expect a task's end by a kill; a poll that it interrupts may be answered with what the kill has done already."""
    return raises((OmicsWaitError, OmicsBatchFailedError), match="the task was killed|The batch was cancelled")


def killed(
    lab: CohortLab, task: OmicsStartRunBatchOperator, status: BatchStatus, then: Callable[[], object] = bool
) -> str:
    """Run a task that is killed, and return its batch's id."""
    reached = threading.Event()
    lab.on_batch(status, lambda _state, _batch: reached.set())
    killer = kill_once(task, reached.is_set, then)
    with raises_killed() as caught:
        run_task(task, instance())
    killer.join()
    assert isinstance(caught.value, (OmicsWaitError, OmicsBatchFailedError))
    assert caught.value.batch_id is not None
    return caught.value.batch_id


@pytest.mark.parametrize(
    ("state", "cancels"),
    [
        *((state, 0) for state in ("running", "up_for_retry", "scheduled", "queued", "deferred", None)),
        *((state, 1) for state in ("failed", "success", "restarting", "removed", "deleted")),
    ],
    ids=str,
)
def test_a_killed_task_with_a_retry_left_asks_airflow_whether_its_batch_is_wanted(
    lab: CohortLab, airflow_says: Callable[[str | None], None], state: str | None, cancels: int
) -> None:
    airflow_says(state)
    task = operator(lab.workflow_id, SLOW)
    killer = kill_once(task, lambda: lab.calls("GetBatch") >= 3)
    with raises_killed():
        run_task(task, instance(max_tries=1))
    killer.join()
    assert lab.calls("CancelRunBatch") == cancels


def await_cancelled(lab: CohortLab, batch_id: str) -> None:
    await_status(lambda: lab.omics.get_batch(batchId=batch_id), "CANCELLED")
    assert {run.status for run in lab.state.runs_of_batch(batch_id)} <= {"CANCELLED", "COMPLETED"}


def test_a_killed_task_cancels_its_batch_with_one_call(lab: CohortLab) -> None:
    batch_id = killed(lab, operator(lab.workflow_id, SLOW), BatchStatus.INPROGRESS)
    await_cancelled(lab, batch_id)
    assert lab.calls("CancelRunBatch") == 1


def test_a_killed_task_cancels_also_a_batch_that_it_took_over(lab: CohortLab) -> None:
    died = lab.crash(SLOW)
    task = operator(lab.workflow_id, SLOW, waiter_delay=0.1)
    await_status(lambda: lab.omics.get_batch(batchId=died.xcoms["batch_id"]), "INPROGRESS")
    before = lab.calls("GetBatch")
    killer = kill_once(task, lambda: lab.calls("GetBatch") >= before + 6)
    with raises_killed():
        run_task(task, instance(2))
    killer.join()
    await_cancelled(lab, died.xcoms["batch_id"])
    assert (lab.calls("StartRunBatch"), lab.calls("CancelRunBatch")) == (1, 1)


def test_a_batch_that_is_creating_is_cancelled_as_soon_as_it_can_be(lab: CohortLab) -> None:
    lab.server.change(timings={"batch_creating": HELD})
    batch_id = killed(lab, operator(lab.workflow_id, SLOW), BatchStatus.CREATING, lab.held.release)
    await_cancelled(lab, batch_id)
    assert lab.effects("CancelRunBatch") == 1


def test_a_batch_that_failed_has_its_runs_cancelled_one_by_one(lab: CohortLab) -> None:
    lab.fault("RunBatch.abort", skip=1)
    batch_id = killed(lab, operator(lab.workflow_id, SLOW, waiter_delay=0.3), BatchStatus.FAILED)
    [run] = lab.state.runs_of_batch(batch_id)
    await_status(lambda: lab.omics.get_run(id=run.run_id), "CANCELLED")


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
def test_a_task_killed_while_it_starts_its_batch_cancels_it(lab: CohortLab, deferrable: bool) -> None:
    task = operator(lab.workflow_id, SLOW, deferrable=deferrable)
    # No fault: only what is done at the call, before it has its effect.
    lab.fault("StartRunBatch", matches=lambda _: bool(task.on_kill()))
    with raises(OmicsWaitError, match="the task was killed") as caught:
        run_task(task, instance())
    assert caught.value.batch_id
    await_cancelled(lab, caught.value.batch_id)


def test_a_task_killed_while_it_gathers_its_results_submits_nothing_again(lab: CohortLab) -> None:
    reached, is_killed = threading.Event(), threading.Event()

    def be_killed(_facts: object) -> None:
        reached.set()
        is_killed.wait(300)

    lab.fault("ListRunsInBatch", FaultKind.SLOW_ANSWER, act=be_killed)
    task = operator(lab.workflow_id, [failing("passing", "SERVICE_ERROR")], redrive_attempts=1)
    killer = kill_once(task, reached.is_set, is_killed.set)
    with raises(OmicsWaitError, match="the task was killed"):
        run_task(task, instance())
    killer.join()
    assert lab.calls("StartRunBatch") == 1


def test_cancelling_on_a_kill_can_be_switched_off(lab: CohortLab) -> None:
    batch_id = killed(lab, operator(lab.workflow_id, cohort(2), cancel_on_kill=False), BatchStatus.SUBMITTING)
    await_status(lambda: lab.omics.get_batch(batchId=batch_id), "PROCESSED")
    assert lab.calls("CancelRunBatch") == 0
    # The next try finds it as it is.
    assert lab.run(cohort(2), instance(2)).result == batch_id


def test_a_deferred_batch_is_cancelled_when_time_is_up(lab: CohortLab) -> None:
    settings: dict[str, Any] = {"deferrable": True, "execution_timeout": timedelta(seconds=1.5)}
    with raises(OmicsWaitError, match=r"time is up and the batch is \w+; it is being cancelled") as caught:
        lab.run(SLOW, **settings)
    assert caught.value.batch_id
    await_cancelled(lab, caught.value.batch_id)
    assert lab.calls("CancelRunBatch") == 1
    # The samples are not lost: the next try runs what was cancelled.
    again = [{"runSettingId": setting["runSettingId"]} for setting in SLOW]
    assert lab.column(lab.run(again, instance(2)).ti, "run_status") == ["COMPLETED"] * 2


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
def test_the_number_of_looks_can_be_limited(lab: CohortLab, deferrable: bool) -> None:
    with raises(OmicsWaitError, match="looked 2 times") as caught:
        lab.run(SLOW, deferrable=deferrable, waiter_max_attempts=2, ti=instance(max_tries=1))
    assert caught.value.batch_id
    assert lab.calls("CancelRunBatch") == 0
