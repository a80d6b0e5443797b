"""A trigger that fails is an error of looking too: its task ends as its job does, and the job is never cancelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from call_clock import CallClock
from cohorts import CohortLab, cohort, failing, lasting, operator
from omics_errors import raises
from omics_service import await_status
from task_runs import TaskInstance

from airflow_provider_omics.compat import DEFERRAL_ERRORS
from airflow_provider_omics.exceptions import (
    OmicsBatchFailedError,
    OmicsError,
    OmicsRunFailedError,
    OmicsWaitError,
)
from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.batch import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsDeleteRunBatchOperator,
)
from airflow_provider_omics.operators.run import OmicsCancelRunOperator, OmicsStartRunOperator
from airflow_provider_omics.sensors.run import OmicsRunSensor

FAILED = {"error": "Trigger failure", "traceback": ["ModuleNotFoundError: No module named 'airflow_provider_omics'"]}
TIMED_OUT = {"error": "Trigger timeout"}
SOON, LONG = {"tags": {"omics-local:seconds": "1"}}, {"tags": {"omics-local:seconds": "600"}}
ENDINGS = pytest.mark.parametrize("retries", [0, 2], ids=["last try", "retry left"])


@pytest.fixture
def outcomes() -> SimulatedOutcomes:
    return SimulatedOutcomes()


@pytest.fixture
def omics_local_settings(
    omics_local_settings: dict[str, Any], outcomes: SimulatedOutcomes, call_clock: CallClock
) -> dict[str, Any]:
    return {**omics_local_settings, "outcomes": outcomes, "clock": call_clock}


@pytest.fixture
def server(omics_local: LocalOmics, call_clock: CallClock) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return call_clock.follow(omics_local)


def run_operator(lab: CohortLab, **kwargs: Any) -> OmicsStartRunOperator:
    return OmicsStartRunOperator(
        task_id="start_run",
        workflow_id=lab.workflow_id,
        role_arn="arn:aws:iam::123456789012:role/omics",
        output_uri="s3://cohort-results/runs",
        waiter_delay=0.02,
        deferrable=True,
        **kwargs,
    )


class Deferred:
    """A task that has deferred, and whose trigger fails."""

    def __init__(self, make: Callable[[], Any], **members: Any) -> None:
        self._make = make
        self.ti = TaskInstance(task_id=make().task_id, **members)
        self.context: Any = {"ti": self.ti, "task_instance": self.ti, "params": {}, "run_id": self.ti.run_id}
        with pytest.raises(TaskDeferred):
            self._task().execute(self.context)

    def _task(self) -> Any:
        task = self._make()
        task.render_template_fields(self.context)
        return task

    def resume(self, failure: dict[str, Any] | None = None) -> Any:
        """Resume the task as Airflow does after its trigger has failed, in a process that knows nothing of it."""
        return self._task().resume_execution("__fail__", dict(failure or FAILED), self.context)


def cancellations(server: LocalOmics) -> int:
    return len(server.journal.calls("CancelRun")) + len(server.journal.calls("CancelRunBatch"))


@ENDINGS
@pytest.mark.parametrize("failure", [FAILED, TIMED_OUT], ids=["failed", "late"])
@pytest.mark.parametrize("tagged", [True, False], ids=["tagged", "by name"])
def test_a_run_that_has_ended_ends_its_task(
    lab: CohortLab, retries: int, failure: dict[str, Any], tagged: bool
) -> None:
    task = Deferred(lambda: run_operator(lab, identity_tags=tagged), max_tries=retries)
    (run,) = lab.server.journal.runs()
    await_status(lambda: lab.omics.get_run(id=run.run_id), "COMPLETED")
    assert task.resume(failure) == run.run_id
    assert cancellations(lab.server) == 0


@ENDINGS
def test_a_run_that_has_failed_fails_its_task_with_its_cause(lab: CohortLab, retries: int) -> None:
    bad = {"tags": {"omics-local:outcome": "RUN_TASK_FAILED"}}
    task = Deferred(lambda: run_operator(lab, **bad), max_tries=retries)
    (run,) = lab.server.journal.runs()
    await_status(lambda: lab.omics.get_run(id=run.run_id), "FAILED")
    with raises(OmicsRunFailedError, match="RUN_TASK_FAILED") as caught:
        task.resume()
    assert caught.value.run_id == run.run_id
    # It is the next try that starts another.
    assert len(lab.server.journal.runs()) == 1


@ENDINGS
def test_a_batch_that_has_ended_ends_its_task(lab: CohortLab, retries: int) -> None:
    task = Deferred(lambda: operator(lab.workflow_id, cohort(3), deferrable=True), max_tries=retries)
    batch_id = task.ti.xcoms["batch_id"]
    await_status(lambda: lab.omics.get_batch(batchId=batch_id), "PROCESSED")
    assert task.resume() == batch_id
    assert lab.column(task.ti, "run_status") == ["COMPLETED"] * 3
    assert (lab.effects("StartRunBatch"), cancellations(lab.server)) == (1, 0)


def test_a_batch_without_tags_is_accounted_for_by_its_samples(lab: CohortLab) -> None:
    task = Deferred(lambda: operator(lab.workflow_id, cohort(3), deferrable=True, identity_tags=False))
    batch_id = task.ti.xcoms["batch_id"]
    await_status(lambda: lab.omics.get_batch(batchId=batch_id), "PROCESSED")
    assert task.resume() == batch_id
    assert lab.column(task.ti, "run_status") == ["COMPLETED"] * 3


@ENDINGS
def test_a_batch_that_has_failed_fails_its_task_and_submits_nothing_again(lab: CohortLab, retries: int) -> None:
    task = Deferred(lambda: operator(lab.workflow_id, [*cohort(1), failing("bad")], deferrable=True), max_tries=retries)
    await_status(lambda: lab.omics.get_batch(batchId=task.ti.xcoms["batch_id"]), "PROCESSED")
    with raises(OmicsBatchFailedError, match="bad"):
        task.resume()
    assert lab.runs_of() == Counter({"sample-0": 1, "bad": 1})


@pytest.mark.parametrize(
    "outcomes",
    [SimulatedOutcomes(rules=(OutcomeRule(pattern="flaky", outcome="SERVICE_ERROR", times=1),))],
    ids=["first run fails"],
)
def test_a_batch_whose_trigger_failed_is_still_redriven(lab: CohortLab) -> None:
    settings = [*cohort(1), {"runSettingId": "flaky"}]
    task = Deferred(lambda: operator(lab.workflow_id, settings, deferrable=True, redrive_attempts=1), max_tries=0)
    batch_id = task.ti.xcoms["batch_id"]
    await_status(lambda: lab.omics.get_batch(batchId=batch_id), "PROCESSED")
    with pytest.raises(TaskDeferred):
        task.resume()
    await_status(lambda: lab.omics.get_batch(batchId=task.ti.xcoms["batch_id"]), "PROCESSED")
    # The redrive that there was counts.
    assert task.resume() == task.ti.xcoms["batch_id"] != batch_id
    assert lab.column(task.ti, "run_status") == ["COMPLETED"] * 2
    assert lab.runs_of() == Counter({"sample-0": 1, "flaky": 2})


def test_with_no_retry_left_a_worker_waits_for_a_run_that_goes_on(lab: CohortLab) -> None:
    task = Deferred(lambda: run_operator(lab, **SOON), max_tries=0)
    (run,) = lab.server.journal.runs()
    assert task.resume() == run.run_id
    assert lab.omics.get_run(id=run.run_id)["status"] == "COMPLETED"
    assert cancellations(lab.server) == 0


def test_with_no_retry_left_a_worker_waits_for_a_batch_that_goes_on(lab: CohortLab) -> None:
    settings = [lasting("soon", 1), *cohort(1)]
    task = Deferred(lambda: operator(lab.workflow_id, settings, deferrable=True), max_tries=0)
    assert task.resume() == task.ti.xcoms["batch_id"]
    assert lab.column(task.ti, "run_status") == ["COMPLETED"] * 2
    assert (lab.effects("StartRunBatch"), cancellations(lab.server)) == (1, 0)


def test_a_worker_that_waits_on_keeps_the_execution_timeout(lab: CohortLab) -> None:
    limit = timedelta(seconds=30)
    began = datetime.now(UTC) - timedelta(seconds=26)
    task = Deferred(lambda: run_operator(lab, execution_timeout=limit, **LONG), max_tries=0, start_date=began)
    with raises(OmicsWaitError, match="time is up"):
        task.resume()
    assert cancellations(lab.server) == 1


@pytest.mark.parametrize("on_timeout", ["cancel", "detach"])
def test_a_trigger_that_is_late_is_made_up_for_by_the_task(lab: CohortLab, on_timeout: str) -> None:
    limit = timedelta(hours=1)
    task = Deferred(lambda: run_operator(lab, on_timeout=on_timeout, execution_timeout=limit, **LONG), max_tries=1)
    with pytest.raises(DEFERRAL_ERRORS, match="timeout"):
        task.resume(TIMED_OUT)
    assert cancellations(lab.server) == (on_timeout == "cancel")


def test_with_a_retry_left_the_job_is_left_to_it(lab: CohortLab) -> None:
    task = Deferred(lambda: run_operator(lab, **LONG), max_tries=1)
    with raises(OmicsError, match=r"Trigger failure.* The run goes on\. The next try takes it over"):
        task.resume()
    assert cancellations(lab.server) == 0


def test_the_job_is_looked_for_through_errors(lab: CohortLab) -> None:
    task = Deferred(lambda: run_operator(lab, waiter_max_attempts=None), max_tries=0)
    (run,) = lab.server.journal.runs()
    await_status(lambda: lab.omics.get_run(id=run.run_id), "COMPLETED")
    denied = {"code": "AccessDeniedException", "http_status": 403}
    lab.server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="ListRuns", count=2, **denied))
    assert task.resume() == run.run_id


@ENDINGS
def test_a_sensor_whose_trigger_failed_waits_on_in_the_worker(lab: CohortLab, retries: int) -> None:
    Deferred(lambda: run_operator(lab, **SOON))
    (run,) = lab.server.journal.runs()
    waits = Deferred(
        lambda: OmicsRunSensor(task_id="wait", run_id=run.run_id, deferrable=True, poke_interval=0.02),
        max_tries=retries,
    )
    assert waits.resume()["run_id"] == run.run_id


@ENDINGS
def test_a_cancellation_of_a_run_is_waited_for_in_the_worker(lab: CohortLab, retries: int) -> None:
    Deferred(lambda: run_operator(lab, **LONG))
    (run,) = lab.server.journal.runs()

    def cancel() -> OmicsCancelRunOperator:
        return OmicsCancelRunOperator(
            task_id="cancel", run_id=run.run_id, wait_for_completion=True, deferrable=True, waiter_delay=0.02
        )

    assert Deferred(cancel, max_tries=retries).resume() == run.run_id
    assert lab.omics.get_run(id=run.run_id)["status"] == "CANCELLED"


@ENDINGS
@pytest.mark.parametrize(
    ("operator_class", "status"),
    [
        (OmicsCancelRunBatchOperator, "CANCELLED"),
        (OmicsDeleteRunBatchOperator, "RUNS_DELETED"),
        (OmicsDeleteBatchOperator, None),
    ],
)
def test_what_cancels_or_deletes_a_batch_waits_on_in_the_worker(
    lab: CohortLab, operator_class: Any, status: str | None, retries: int
) -> None:
    is_cancelled = status == "CANCELLED"
    ti = lab.crash([lasting("slow", 3600)]) if is_cancelled else lab.run(cohort(1)).ti
    batch_id = ti.xcoms["batch_id"]

    def end() -> Any:
        return operator_class(
            task_id="end", batch_id=batch_id, wait_for_completion=True, deferrable=True, waiter_delay=0.02
        )

    assert Deferred(end, max_tries=retries).resume() == batch_id
    left = {batch["id"]: batch["status"] for batch in lab.omics.list_batch()["items"]}
    assert left.get(batch_id) == status


def test_a_sensor_that_waits_on_keeps_its_timeout_and_its_soft_fail(lab: CohortLab) -> None:
    Deferred(lambda: run_operator(lab, **LONG))
    (run,) = lab.server.journal.runs()

    def sensor(**kwargs: Any) -> OmicsRunSensor:
        return OmicsRunSensor(
            task_id="wait", run_id=run.run_id, deferrable=True, poke_interval=0.02, timeout=0.5, **kwargs
        )

    with pytest.raises(AirflowSensorTimeout):
        Deferred(sensor).resume()
    with pytest.raises(AirflowSkipException):
        Deferred(lambda: sensor(soft_fail=True)).resume()
