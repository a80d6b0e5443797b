"""Starts that get no answer, are interrupted, or fail before the task knows its job."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby
from types import FrameType
from typing import Any

import pytest
from airflow.exceptions import AirflowTaskTimeout
from cohorts import CohortLab, instance, lasting
from holding import HELD
from omics_errors import raises
from omics_service import await_status
from task_runs import TaskInstance, run_task

from airflow_provider_omics.exceptions import OmicsError, OmicsServiceError
from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.run import OmicsStartRunOperator

ROLE = "arn:aws:iam::123456789012:role/omics"
LONG = {"tags": {"omics-local:seconds": "600"}}
SLOW = [lasting("slow", 600)]
DENIED = {"code": "AccessDeniedException", "http_status": 403}


@pytest.fixture
def outcomes() -> SimulatedOutcomes:
    return SimulatedOutcomes()


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any], outcomes: SimulatedOutcomes) -> dict[str, Any]:
    return {**omics_local_settings, "outcomes": outcomes}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def workflow_id(make_workflow: Callable[..., str]) -> str:
    return make_workflow()


@pytest.fixture
def lab(server: LocalOmics, workflow_id: str) -> CohortLab:
    return CohortLab(server, workflow_id)


def run_operator(workflow_id: str, **kwargs: Any) -> OmicsStartRunOperator:
    arguments: dict[str, Any] = {"role_arn": ROLE, "output_uri": "s3://results/out", "waiter_delay": 0.02, **kwargs}
    return OmicsStartRunOperator(task_id="start_run", workflow_id=workflow_id, **arguments)


def fault(server: LocalOmics, operation: str, kind: FaultKind, **more: Any) -> None:
    server.faults.add(FaultRule(kind=kind, operation=operation, **more))


def test_there_are_as_many_attempts_as_the_connection_allows(server: LocalOmics, workflow_id: str) -> None:
    fault(server, "StartRun", FaultKind.ERROR_BEFORE, count=None, code="InternalServerException", http_status=500)
    three = {"retries": {"total_max_attempts": 3}}
    with raises(OmicsServiceError, match=r"StartRun .*InternalServerException"):
        run_task(run_operator(workflow_id, botocore_config=three), TaskInstance(max_tries=1))
    assert len(server.journal.calls("StartRun")) == 3
    # Each may have had its effect, and is looked behind.
    asked = [call.operation for call in server.journal.calls() if call.operation in ("StartRun", "ListRuns")]
    assert [operation for operation, _ in groupby(asked)] == ["StartRun", "ListRuns"] * 3


@pytest.mark.parametrize("kind", [FaultKind.LOST_ANSWER, FaultKind.ERROR_AFTER])
def test_a_run_is_found_also_where_no_attempt_is_left(server: LocalOmics, workflow_id: str, kind: FaultKind) -> None:
    server.change(assumptions={"repeated_request_id": "forgotten"})
    fault(server, "StartRun", kind, count=None)
    task = run_task(run_operator(workflow_id, botocore_config={"retries": {"total_max_attempts": 1}}))
    assert [run.run_id for run in server.journal.runs()] == [task.result]


def test_a_run_that_cannot_be_looked_for_is_asked_for_with_the_same_request_id(
    server: LocalOmics, workflow_id: str
) -> None:
    fault(server, "StartRun", FaultKind.ERROR_AFTER)
    task = run_task(run_operator(workflow_id, name="mine", identity_tags=False))
    assert [run.run_id for run in server.journal.runs()] == [task.result]
    assert len({call.request_id for call in server.journal.calls("StartRun")}) == 1


def test_a_refused_start_is_neither_repeated_nor_looked_for(server: LocalOmics, workflow_id: str) -> None:
    fault(server, "StartRun", FaultKind.ERROR_BEFORE, count=None, **DENIED)
    with raises(OmicsServiceError, match="AccessDenied"):
        run_task(run_operator(workflow_id), TaskInstance(max_tries=1))
    assert len(server.journal.calls("StartRun")) == 1
    assert server.journal.calls("ListRuns") == []


@pytest.mark.parametrize("max_tries", [1, 2], ids=["last try", "retry left"])
def test_a_try_that_cannot_read_its_samples_leaves_the_batch_of_an_earlier_one(lab: CohortLab, max_tries: int) -> None:
    lab.crash(SLOW)
    (batch,) = lab.omics.list_batch()["items"]
    await_status(lambda: lab.omics.get_batch(batchId=batch["id"]), "INPROGRESS")
    with raises(OmicsError, match=r"s3://cohort-results/gone\.csv"):
        lab.run("s3://cohort-results/gone.csv", instance(2, max_tries=max_tries), run_setting_id_column="sample")
    assert lab.server.journal.calls("CancelRunBatch") == []


def test_a_batch_that_cannot_be_looked_for_is_left_by_the_last_try_too(lab: CohortLab) -> None:
    lab.crash(SLOW)
    (batch,) = lab.omics.list_batch()["items"]
    await_status(lambda: lab.omics.get_batch(batchId=batch["id"]), "INPROGRESS")
    lab.fault("ListBatch", **DENIED)
    with raises(OmicsServiceError, match="ListBatch"):
        lab.run(SLOW, instance(2, max_tries=1))
    assert lab.server.journal.calls("CancelRunBatch") == []


@pytest.mark.parametrize(
    "outcomes",
    [
        SimulatedOutcomes(
            rules=(
                OutcomeRule(pattern="flaky", outcome="SERVICE_ERROR", times=1),
                OutcomeRule(pattern="flaky", seconds=HELD),
            )
        )
    ],
    ids=["first run fails"],
)
def test_a_redrive_whose_batch_cannot_be_looked_for_goes_on(lab: CohortLab) -> None:
    lab.fault("StartRunBatch", FaultKind.LOST_ANSWER, skip=1)
    lab.fault("ListBatch", **DENIED)
    with raises(OmicsServiceError, match="ListBatch"):
        lab.run([{"runSettingId": "flaky"}], redrive_attempts=1)
    first, second = sorted(lab.omics.list_batch()["items"], key=lambda batch: batch["createdAt"])
    assert first["status"] == "PROCESSED"
    assert lab.server.journal.calls("CancelRunBatch") == []
    lab.held.release()
    await_status(lambda: lab.omics.get_batch(batchId=second["id"]), "PROCESSED")


@pytest.fixture
def time_out_once() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Raise Airflow's timeout into the main thread, as Airflow does, once something has come to be."""
    before = signal.getsignal(signal.SIGUSR1)

    def time_out(_signal: int, _frame: FrameType | None) -> None:
        raise AirflowTaskTimeout("Timeout")

    def interrupt(has_come: Callable[[], object]) -> None:
        deadline = time.monotonic() + 300
        while not has_come() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, time_out)
    with ThreadPoolExecutor(1) as pool:

        def later(has_come: Callable[[], object]) -> None:
            pool.submit(interrupt, has_come)

        yield later
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(("on_timeout", "cancels"), [("cancel", 1), ("detach", 0)])
@pytest.mark.parametrize("meanwhile", ["starting", "waiting"])
def test_the_timeout_leaves_no_run_that_nobody_wants(
    server: LocalOmics,
    workflow_id: str,
    time_out_once: Callable[[Callable[[], object]], None],
    meanwhile: str,
    on_timeout: str,
    cancels: int,
) -> None:
    if meanwhile == "starting":
        fault(server, "StartRun", FaultKind.SLOW_ANSWER, seconds=30)
    # Airflow's clock may be ahead of the operator's: it is the exception that tells.
    operator = run_operator(workflow_id, execution_timeout=timedelta(hours=1), on_timeout=on_timeout, **LONG)
    journal = server.journal
    time_out_once(journal.runs if meanwhile == "starting" else lambda: journal.calls("GetRun"))
    with pytest.raises(AirflowTaskTimeout):
        run_task(operator, TaskInstance(max_tries=1))
    operator.on_kill()
    (run,) = journal.runs()
    assert [call.resource_id for call in journal.calls("CancelRun")] == [run.run_id] * cancels
