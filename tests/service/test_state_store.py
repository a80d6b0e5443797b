"""What a task keeps in Airflow's state store (3.3 and later), and what it does with it; the store is Airflow's side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook
from omics_service import await_status
from pytest_mock import MockerFixture
from task_runs import TaskInstance, TaskRun, run_task

from airflow_provider_omics.healthomics.polling.result import StopReason, WaitResult
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.run import OmicsStartRunOperator

context_module = pytest.importorskip("airflow.sdk.execution_time.context")
if not hasattr(context_module, "NEVER_EXPIRE"):
    pytest.skip("Airflow has no state store before 3.3", allow_module_level=True)

KEY = "airflow-provider-omics"
LONG = {"tags": {"omics-local:seconds": "600"}, "wait_for_completion": False}


@dataclass
class Store:
    """Keeps JSON, as Airflow does."""

    kept: dict[str, str] = field(default_factory=dict)
    is_broken: bool = False

    def get(self, key: str) -> Any:
        self._check()
        return json.loads(self.kept[key]) if key in self.kept else None

    def set(self, key: str, value: Any, *, retention: timedelta | None) -> None:
        self._check()
        assert retention is not None
        self.kept[key] = json.dumps(value)

    def _check(self) -> None:
        if self.is_broken:
            raise RuntimeError("the API server is away")


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def workflow_id(make_workflow: Callable[..., str]) -> str:
    return make_workflow()


@pytest.fixture
def start(workflow_id: str) -> Callable[..., TaskRun]:
    """Run one try of a task that keeps its state in a store."""

    def run(store: Store, ti: TaskInstance, retries: int = 2, **kwargs: Any) -> TaskRun:
        ti.task = OmicsStartRunOperator(  # type: ignore[attr-defined]
            task_id="start_run",
            workflow_id=workflow_id,
            role_arn="arn:aws:iam::123456789012:role/omics",
            output_uri="s3://results/out",
            waiter_delay=0.02,
            retries=retries,
            **kwargs,
        )
        return run_task(ti.task, ti, task_state_store=store)  # type: ignore[attr-defined]

    return run


def test_a_resumed_task_that_is_killed_asks_the_supervisor_for_no_connection(
    server: LocalOmics, workflow_id: str, mocker: MockerFixture
) -> None:
    answer = server.client("omics").start_run(
        workflowId=workflow_id, roleArn="arn:aws:iam::123456789012:role/omics", outputUri="s3://results/out"
    )
    task = OmicsStartRunOperator(
        task_id="start_run",
        workflow_id=workflow_id,
        role_arn="arn:aws:iam::123456789012:role/omics",
        output_uri="s3://results/out",
    )
    end = WaitResult(StopReason.ENDED, RunSnapshot(answer["id"], "COMPLETED", output_uri="s3://results/out"))

    class KillingStore(Store):
        def get(self, key: str) -> Any:
            task.on_kill()
            return super().get(key)

    asked = mocker.spy(BaseHook, "get_connection")
    context: Any = {"ti": TaskInstance(), "task_state_store": KillingStore()}
    assert task.resume_execution("execute_complete", {"event": end.to_payload()}, context) == answer["id"]
    assert not asked.called
    assert not server.journal.calls("CancelRun")


def test_the_job_is_kept_with_its_identity(server: LocalOmics, start: Callable[..., TaskRun]) -> None:
    store = Store()
    task = start(store, TaskInstance(max_tries=2))
    (run,) = server.journal.runs()
    kept = store.get(KEY)
    assert (kept["job_id"], kept["uuid"], kept["finished_try"]) == (task.result, run.uuid, 1)


def test_a_run_is_found_by_its_id_where_its_name_is_not_listed(
    server: LocalOmics, start: Callable[..., TaskRun]
) -> None:
    store = Store()
    first = start(store, TaskInstance(max_tries=2), name="mine", identity_tags=False, **LONG)
    second = start(store, TaskInstance(try_number=2, max_tries=2), name="mine", identity_tags=False, **LONG)
    assert second.result == first.result
    assert server.journal.calls("ListRuns") == []
    assert len(server.journal.calls("StartRun")) == 1


def test_a_task_that_is_cleared_after_its_success_runs_its_job_anew(
    server: LocalOmics, start: Callable[..., TaskRun]
) -> None:
    store = Store()
    first = start(store, TaskInstance(max_tries=2))
    # At a clear, Airflow allows two more tries than there were.
    cleared = start(store, TaskInstance(try_number=2, max_tries=3))
    assert cleared.result != first.result
    # A retry of the cleared task takes over the new run.
    again = start(store, TaskInstance(try_number=3, max_tries=3))
    assert again.result == cleared.result
    assert len(server.journal.runs()) == 2


def test_a_task_that_asks_for_something_else_cancels_the_run_that_it_left(
    server: LocalOmics, start: Callable[..., TaskRun]
) -> None:
    store = Store()
    first = start(store, TaskInstance(max_tries=2), parameters={"sample": "A"}, **LONG)
    second = start(store, TaskInstance(try_number=2, max_tries=2), parameters={"sample": "B"}, **LONG)
    assert second.result != first.result
    assert [call.resource_id for call in server.journal.calls("CancelRun")] == [first.result]
    await_status(lambda: server.client("omics").get_run(id=first.result), "CANCELLED")


def test_a_run_that_was_left_goes_on_where_nothing_is_to_be_cancelled(
    server: LocalOmics, start: Callable[..., TaskRun]
) -> None:
    store = Store()
    settings = {"cancel_on_kill": False, **LONG}
    start(store, TaskInstance(max_tries=2), parameters={"sample": "A"}, **settings)
    start(store, TaskInstance(try_number=2, max_tries=2), parameters={"sample": "B"}, **settings)
    assert server.journal.calls("CancelRun") == []


def test_a_store_that_does_not_answer_fails_no_task(server: LocalOmics, start: Callable[..., TaskRun]) -> None:
    store = Store(is_broken=True)
    first = start(store, TaskInstance(max_tries=2), wait_for_completion=False)
    second = start(store, TaskInstance(try_number=2, max_tries=2))
    assert second.result == first.result
    assert len(server.journal.runs()) == 1
