"""Starts that are throttled: they cost nothing, so they are asked for again until they are let through."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from cohorts import CohortLab, cohort, instance, operator
from omics_errors import raises
from omics_service import await_status, wdl_zip
from task_runs import TaskInstance, run_task

from airflow_provider_omics.exceptions import OmicsError, OmicsServiceError
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.clock import ManualClock
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.run import OmicsStartRunOperator

ROLE = "arn:aws:iam::123456789012:role/omics"
MANY = 30


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def workflow_id(make_workflow: Callable[..., str]) -> str:
    return make_workflow()


class Together:
    """Pauses of many threads in the server's time, which passes only once all of them pause or have ended."""

    def __init__(self, server: LocalOmics, threads: int) -> None:
        self._server = server
        self._changed = threading.Condition()
        self._running = threads
        self._now = 0.0
        self._pausing: list[float] = []

    def pause(self, seconds: float) -> bool:
        with self._changed:
            wakes_at = self._now + seconds
            heapq.heappush(self._pausing, wakes_at)
            self._rest()
            self._changed.wait_for(lambda: self._now >= wakes_at)
        return False

    def end(self) -> None:
        with self._changed:
            self._rest()

    def _rest(self) -> None:
        self._running -= 1
        if not self._running and self._pausing:
            then = heapq.heappop(self._pausing)
            self._server.advance(then - self._now)
            self._now, self._running = then, 1
            self._changed.notify_all()


def request(operation: str, workflow_id: str, number: int) -> dict[str, Any]:
    where = {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/out"}
    if operation == "StartRun":
        return {**where, "requestId": str(number)}
    settings = {"inlineSettings": [{"runSettingId": "sample"}]}
    return {"requestId": str(number), "defaultRunSetting": where, "batchRunSettings": settings}


def start(operation: str, workflow_id: str, number: int, pause: Callable[[float], object]) -> Any:
    hook = OmicsHook()
    asks = hook.start_run if operation == "StartRun" else hook.start_run_batch
    return asks(request(operation, workflow_id, number), pause=pause)


@pytest.mark.parametrize("operation", ["StartRun", "StartRunBatch"])
def test_thirty_that_start_at_once_at_one_a_second_all_start_once(
    operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalOmics(executor="simulated", clock=ManualClock()) as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_uri())
        workflow_id = server.client("omics").create_workflow(engine="WDL", definitionZip=wdl_zip())["id"]
        server.advance(60)
        server.enforce_rates(per_second={operation: 1.0})
        together = Together(server, MANY)

        def start_one(number: int) -> Any:
            try:
                return start(operation, workflow_id, number, together.pause)
            finally:
                together.end()

        with ThreadPoolExecutor(MANY) as threads:
            jobs = list(threads.map(start_one, range(MANY)))
        calls = server.journal.calls(operation)
    assert len({job.uuid for job in jobs}) == MANY
    assert sum(call.took_effect for call in calls) == MANY
    assert len(calls) > MANY


def test_the_pauses_grow_are_spread_and_end_after_a_quarter_of_an_hour(
    server: LocalOmics, workflow_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="StartRun", count=None))
    pauses: list[float] = []
    with raises(OmicsServiceError, match=r"(?s)ThrottlingException .*Start fewer at once"):
        start("StartRun", workflow_id, 1, pauses.append)
    assert 900 <= sum(pauses) <= 945
    for number, seconds in enumerate(pauses):
        assert 0.5 <= seconds / min(2.0**number, 30.0) <= 1.5
    assert len({round(after / before, 6) for before, after in pairwise(pauses[6:])}) > 5
    # Neither looked for, since a throttled call has had no effect, nor told each time.
    assert server.journal.calls("ListRuns") == []
    assert 3 <= capsys.readouterr().out.count("StartRun is throttled") <= 16


def test_a_task_whose_start_is_throttled_can_be_killed(server: LocalOmics, workflow_id: str) -> None:
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="StartRun", count=None))
    task = OmicsStartRunOperator(
        task_id="start_run", workflow_id=workflow_id, role_arn=ROLE, output_uri="s3://results/out"
    )

    def kill() -> None:
        while not server.journal.calls("StartRun"):
            time.sleep(0.01)
        task.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with raises(OmicsError, match="ThrottlingException"):
        run_task(task, TaskInstance(max_tries=0))
    killer.join()
    assert server.journal.runs() == []


def test_a_lost_answer_among_throttled_ones_is_still_looked_for(
    server: LocalOmics, make_workflow: Callable[..., str]
) -> None:
    lab = CohortLab(server, make_workflow())
    server.change(assumptions={"repeated_request_id": "forgotten"})
    lab.fault("StartRunBatch", FaultKind.THROTTLE, count=1)
    lab.fault("StartRunBatch", FaultKind.LOST_ANSWER, count=1)
    done = run_task(operator(lab.workflow_id, cohort(1)), instance())
    assert lab.effects("StartRunBatch") == 1
    await_status(lambda: lab.omics.get_batch(batchId=done.result), "PROCESSED")
