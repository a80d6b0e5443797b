"""How pruning ends before its time: by errors that last, kills, timeouts and failed triggers; and what it says then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout, TaskDeferred
from omics_errors import raises
from omics_service import await_status
from prune_lab import BUCKET, BatchLab, connect, left, plan_rows, set_run, tags_of
from task_runs import TaskInstance, may_execute_here, run_task

from airflow_provider_omics.exceptions import OmicsError, OmicsServiceError, OmicsWaitError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.prune import OmicsPruneRunBatchesOperator, OmicsPruneRunsOperator

PLAN = f"s3://{BUCKET}/plan.csv"
FAILED = {"error": "Trigger failure", "traceback": ["ModuleNotFoundError: No module named 'airflow_provider_omics'"]}

pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture
def server(omics_local: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> LocalOmics:
    """Airflow's connection leads to the server, and is of the deployment "here"."""
    connect(omics_local, monkeypatch)
    return omics_local


@pytest.fixture
def ids(server: LocalOmics, omics: Any, start_run: Callable[..., dict[str, Any]]) -> list[str]:
    """Three old runs, the oldest first."""
    ids = [str(start_run(tags=tags_of(str(days)))["id"]) for days in (60, 50, 40)]
    for run_id, days in zip(ids, (60, 50, 40), strict=True):
        await_status(lambda run_id=run_id: dict(omics.get_run(id=run_id)), "COMPLETED")
        set_run(server, run_id, days, RunStatus.COMPLETED)
    return ids


@pytest.fixture
def lab(server: LocalOmics, make_workflow: Callable[..., str]) -> BatchLab:
    return BatchLab(server, make_workflow())


def runs_task(**kwargs: Any) -> OmicsPruneRunsOperator:
    return OmicsPruneRunsOperator(task_id="prune", older_than="P30D", plan_only=False, plan_uri=PLAN, **kwargs)


def batches_task(**kwargs: Any) -> OmicsPruneRunBatchesOperator:
    settings: dict[str, Any] = {"older_than": "P30D", "plan_only": False, "plan_uri": PLAN, "waiter_delay": 0.01}
    return OmicsPruneRunBatchesOperator(task_id="prune", **settings, **kwargs)


def denied(operation: str, skip: int = 0, count: int | None = None) -> FaultRule:
    return FaultRule(
        kind=FaultKind.ERROR_BEFORE,
        operation=operation,
        code="AccessDeniedException",
        http_status=403,
        skip=skip,
        count=count,
    )


def once(server: LocalOmics, operation: str, act: Callable[[], object], skip: int = 0) -> None:
    """Have something happen during the next call of an operation."""
    fault = FaultRule(
        kind=FaultKind.SLOW_ANSWER, operation=operation, seconds=0, skip=skip, count=1, act=lambda _facts: act()
    )
    server.faults.add(fault)


def outcomes(server: LocalOmics) -> dict[str, str]:
    return {row["id"]: row["outcome"] for row in plan_rows(server)}


def test_throttles_while_what_is_planned_is_read_again_are_waited_out(server: LocalOmics, ids: list[str]) -> None:
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="GetRun", skip=len(ids) + 1, count=4))
    assert run_task(runs_task()).result["deleted"] == len(ids)


def test_an_error_that_lasts_while_what_is_planned_is_read_again_stops_too(server: LocalOmics, ids: list[str]) -> None:
    server.faults.add(denied("GetRun", skip=len(ids) + 1))
    with raises(OmicsServiceError, match="1 of 3 runs to be deleted are done, 2 remain") as caught:
        run_task(runs_task())
    assert f"GetRun for run {ids[1]}" in str(caught.value)
    assert left(server) == set(ids[1:])
    assert outcomes(server) == {ids[0]: "deleted", ids[1]: "", ids[2]: ""}


@pytest.mark.parametrize("operation", ["ListRuns", "GetRun"])
def test_an_error_while_the_plan_is_made_says_that_nothing_was_deleted(
    server: LocalOmics, ids: list[str], operation: str
) -> None:
    server.faults.add(denied(operation))
    with raises(OmicsServiceError, match="The plan was not made, and nothing was deleted"):
        run_task(runs_task())
    assert left(server) == set(ids)


def test_throttles_of_the_look_at_the_name_of_a_workflow_are_waited_out(server: LocalOmics) -> None:
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="ListWorkflows", count=8))
    assert run_task(runs_task(workflow_name="nobody")).result["deletable"] == 0


def test_a_plan_that_cannot_be_written_a_second_time_fails_nothing(
    server: LocalOmics, ids: list[str], told: Callable[[], str]
) -> None:
    s3 = server.client("s3")

    def take_away() -> None:
        s3.delete_object(Bucket=BUCKET, Key="plan.csv")
        s3.delete_bucket(Bucket=BUCKET)

    once(server, "DeleteRun", take_away, skip=2)
    assert run_task(runs_task()).result["deleted"] == len(ids)
    assert left(server) == set()
    assert "The plan in S3 does not say what became of all" in told()


def test_a_kill_while_the_plan_is_made_ends_at_the_next_call(server: LocalOmics, ids: list[str]) -> None:
    task = runs_task()
    once(server, "GetRun", task.on_kill)
    before = len(server.journal.calls("GetRun"))
    with raises(OmicsError, match="killed while it made its plan: nothing was deleted"):
        run_task(task)
    assert len(server.journal.calls("GetRun")) == before + 1
    assert left(server) == set(ids)


def test_a_kill_while_a_workflow_is_looked_up_says_that_nothing_was_deleted(server: LocalOmics, ids: list[str]) -> None:
    task = runs_task(workflow_name="nobody")
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="ListWorkflows", count=8))
    once(server, "ListWorkflows", task.on_kill)
    with raises(OmicsError, match="killed while it made its plan: nothing was deleted"):
        run_task(task)
    assert left(server) == set(ids)


def test_a_workflow_that_may_not_be_looked_up_says_that_nothing_was_deleted(server: LocalOmics, ids: list[str]) -> None:
    server.faults.add(denied("ListWorkflows"))
    with raises(OmicsError, match=r"ListWorkflows.*\. The plan was not made, and nothing was deleted"):
        run_task(runs_task(workflow_name="nobody"))
    assert left(server) == set(ids)


def test_a_kill_ends_the_deletion_of_runs_one_by_one(lab: BatchLab) -> None:
    first, second = lab.make(50, name="a", **tags_of("a")), lab.make(40, BatchStatus.FAILED, name="b", **tags_of("b"))
    task = batches_task()
    once(lab.server, "DeleteRun", task.on_kill)
    text = (
        r"killed: 0 of 2 batches to be deleted are done, 2 remain \(the runs of 1 of these are being deleted by the "
        r"service, or are by now\); the next try goes on there"
    )
    with raises(OmicsError, match=text):
        run_task(task)
    assert lab.runs(second) == 1
    assert lab.batches == {first, second}
    await_status(lambda: lab.omics.get_batch(batchId=first), "RUNS_DELETED")
    assert lab.prune()["deleted"] == 2


def test_a_timeout_of_airflow_leaves_a_plan_that_says_what_is_done(
    server: LocalOmics, ids: list[str], told: Callable[[], str]
) -> None:
    class TimedOut(OmicsPruneRunsOperator):
        def delete_one(self, requests: Any, job_id: str, *arguments: Any) -> Any:
            if job_id == ids[2]:
                raise AirflowTaskTimeout
            return super().delete_one(requests, job_id, *arguments)

    told()
    with pytest.raises(AirflowTaskTimeout):
        run_task(TimedOut(task_id="prune", older_than="P30D", plan_only=False, plan_uri=PLAN))
    assert outcomes(server) == {ids[0]: "deleted", ids[1]: "deleted", ids[2]: ""}
    assert "Of 3 runs to be deleted, 2 deleted" in told()


def test_an_error_of_a_batch_tells_of_those_that_the_service_goes_on_with(lab: BatchLab) -> None:
    ids = [lab.make(days, name=str(days), **tags_of(str(days))) for days in (60, 50, 40)]
    lab.server.faults.add(denied("DeleteRunBatch", skip=1))
    with raises(OmicsServiceError, match="0 of 3 batches to be deleted are done, 3 remain .the runs of 1 of these"):
        run_task(batches_task())
    assert len(lab.server.journal.calls("DeleteRunBatch")) == 2
    await_status(lambda: lab.omics.get_batch(batchId=ids[0]), "RUNS_DELETED")
    lab.server.faults.clear()
    assert lab.prune()["deleted"] == 3


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
def test_a_wait_that_ends_early_says_what_is_done(lab: BatchLab, deferrable: bool) -> None:
    failed, processed = (
        lab.make(50, BatchStatus.FAILED, name="a", **tags_of("a")),
        lab.make(40, name="b", **tags_of("b")),
    )

    def hold() -> None:
        lab.state.batches[processed].status = BatchStatus.RUNS_DELETING
        lab.server.faults.add(denied("GetBatch"))

    task = batches_task(deferrable=deferrable, error_budget=0)
    wait_for = OmicsPruneRunBatchesOperator._wait_for

    def held(*arguments: Any) -> Any:
        hold()
        return wait_for(task, *arguments)

    task._wait_for = held  # type: ignore[method-assign]
    with raises(OmicsWaitError, match="1 of 2 batches to be deleted are done, 1 remain .the runs of 1 of these"):
        run_task(task)
    assert lab.batches == {processed}
    assert outcomes(lab.server) == {failed: "deleted", processed: ""}


class Deferred:
    """A task that has deferred and whose trigger fails, so that it is resumed by a process that knows nothing of it."""

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs
        self.ti = TaskInstance(task_id="prune")
        self.context: Any = {"ti": self.ti, "task_instance": self.ti, "params": {}, "run_id": self.ti.run_id}
        may_execute_here()
        with pytest.raises(TaskDeferred):
            batches_task(deferrable=True, **kwargs).execute(self.context)

    def resume(self) -> Any:
        return batches_task(deferrable=True, **self._kwargs).resume_execution("__fail__", dict(FAILED), self.context)


def test_a_task_whose_trigger_fails_waits_on_for_the_same_batches(lab: BatchLab, told: Callable[[], str]) -> None:
    first, second, third = (lab.make(days, name=str(days), **tags_of(str(days))) for days in (60, 50, 40))
    task = Deferred(max_deletions=2, status="PROCESSED")
    told()
    result = task.resume()
    # Neither more than one call may, nor none, though the batches are not PROCESSED any more.
    assert (result["deletable"], result["deleted"], result["unexamined"]) == (2, 2, 1)
    assert lab.batches == {third}
    assert outcomes(lab.server) == {first: "deleted", second: "deleted"}
    assert "The trigger failed" in told()
    assert len(lab.server.journal.calls("DeleteRunBatch")) == 2


def test_a_task_whose_trigger_fails_plans_nothing_anew(lab: BatchLab) -> None:
    first, second = (lab.make(days, name=str(days), **tags_of(str(days))) for days in (60, 50))
    task = Deferred(max_deletions=1, do_xcom_push=False)
    with raises(OmicsError, match=r"The trigger failed .Trigger failure.*the next try makes a new plan"):
        task.resume()
    assert lab.batches == {first, second}
    assert lab.runs(second) == 2
    await_status(lambda: lab.omics.get_batch(batchId=first), "RUNS_DELETED")
    assert run_task(batches_task(max_deletions=2)).result["deleted"] == 2
