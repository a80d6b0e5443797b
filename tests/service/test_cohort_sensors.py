"""Sensors beside and after a cohort whose task submits again what failed: every batch of it tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import DAG, AirflowFailException
from airflow_states import answer_task_states
from cohorts import MODES, OUT, ROLE, CohortLab, cohort, instance, lasting
from omics_errors import raises, unwrapped
from pytest_mock import MockerFixture
from task_runs import TaskInstance, TaskRun, may_execute_here, run_task

from airflow_provider_omics.exceptions import (
    OmicsBatchFailedError,
    OmicsRequestInvalidError,
    OmicsRunFailedError,
    OmicsSampleFailedError,
    OmicsWaitError,
)
from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor

Says = Callable[..., None]
REQUIRED: dict[str, Any] = {"workflow_id": "1", "role_arn": ROLE, "output_uri": OUT, "run_settings": "cohort.csv"}


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any]) -> dict[str, Any]:
    """The run of sample-1 fails once."""
    once = OutcomeRule(pattern="sample-1", outcome="RUN_TASK_FAILED", times=1)
    return {**omics_local_settings, "outcomes": SimulatedOutcomes(rules=(once,))}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def airflow_says(mocker: MockerFixture) -> Says:
    """Have Airflow tell one state of the cohort's task after the other; what can be called happens before that."""

    def says(*story: Any) -> None:
        told: Iterator[Any] = iter(story)
        last: list[str | None] = [None]

        def answer() -> str | None:
            for one in told:
                if callable(one):
                    may_execute_here()
                    one()
                    continue
                last[0] = one
                break
            return last[0]

        answer_task_states(mocker, answer)

    return says


class FirstLook(TaskInstance):
    """A task instance that has not been rescheduled."""

    def get_first_reschedule_date(self, _context: Any) -> None:
        return None


def wait_for_sample(sample: str, ti: TaskInstance | None = None, **kwargs: Any) -> TaskRun:
    task = OmicsBatchRunSensor(task_id="wait", run_setting_id=sample, poke_interval=0.02, **kwargs)
    return run_task(task, ti)


def age(lab: CohortLab, batch_id: str) -> None:
    """Have a batch's submissions be over for longer than its samples may be late."""
    with lab.state.lock:
        batch = lab.state.batches[batch_id]
        for name in ("submitted_time", "processed_time"):
            if getattr(batch, name) is not None:
                setattr(batch, name, getattr(batch, name) - timedelta(minutes=2))


def redriven(lab: CohortLab, **kwargs: Any) -> list[str]:
    """Return the batches of a cohort whose first one failed for sample-1 and whose second one mended that."""
    ti = instance()
    lab.fail(cohort(3), ti, **kwargs)
    ti.try_number += 1
    lab.run(cohort(3), ti, **kwargs)
    batch_ids: list[str] = ti.xcoms["batch_summary"]["batch_ids"]
    assert len(batch_ids) == 2
    for batch_id in batch_ids:
        age(lab, batch_id)
    return batch_ids


class TestAfterTheCohort:
    @MODES
    @pytest.mark.parametrize("named", [0, 1], ids=["first", "last"])
    @pytest.mark.parametrize(("sample", "tells"), [("sample-0", 0), ("sample-1", 1)])
    def test_the_newest_batch_that_has_the_sample_tells(
        self, lab: CohortLab, deferrable: bool, named: int, sample: str, tells: int
    ) -> None:
        batch_ids = redriven(lab)
        result = wait_for_sample(sample, batch_id=batch_ids[named], deferrable=deferrable).result
        assert (result["batch_id"], result["run_id"]) == (
            batch_ids[tells],
            lab.run_of(sample, batch_ids[tells]).run_id,
        )

    def test_a_batch_that_has_the_sample_is_enough(self, lab: CohortLab) -> None:
        batch_ids = redriven(lab)
        listed = lab.calls("ListBatch")
        wait_for_sample("sample-1", batch_id=batch_ids[1])
        assert lab.calls("ListBatch") == listed

    @MODES
    def test_one_batch_alone_where_that_is_asked_for(self, lab: CohortLab, deferrable: bool) -> None:
        batch_ids = redriven(lab)
        with raises(OmicsSampleFailedError, match="is not in the batch"):
            wait_for_sample("sample-0", batch_id=batch_ids[1], deferrable=deferrable, whole_cohort=False)
        with pytest.raises(OmicsRunFailedError):
            wait_for_sample("sample-1", batch_id=batch_ids[0], deferrable=deferrable, whole_cohort=False)

    @MODES
    def test_a_refused_lookup_changes_nothing_for_one_batch(self, lab: CohortLab, deferrable: bool) -> None:
        batch_ids = redriven(lab)
        lab.deny("ListBatch")
        with raises(OmicsSampleFailedError, match="is not in the batch"):
            wait_for_sample("sample-0", batch_id=batch_ids[1], deferrable=deferrable)
        sensor = OmicsBatchSensor(task_id="wait", batch_id=batch_ids[1], poke_interval=0.02, deferrable=deferrable)
        assert run_task(sensor).result["total"] == 1

    @MODES
    @pytest.mark.parametrize("named", [0, 1], ids=["first", "last"])
    def test_counts_are_those_of_the_cohort(self, lab: CohortLab, deferrable: bool, named: int) -> None:
        batch_ids = redriven(lab)
        sensor = OmicsBatchSensor(task_id="wait", batch_id=batch_ids[named], poke_interval=0.02, deferrable=deferrable)
        result = run_task(sensor).result
        assert (result["batch_id"], result["total"], result["completed"]) == (batch_ids[1], 3, 3)
        assert result["batch_ids"] == batch_ids
        alone = OmicsBatchSensor(task_id="wait", batch_id=batch_ids[1], poke_interval=0.02, whole_cohort=False)
        result = run_task(alone).result
        assert (result["batch_ids"], result["total"]) == ([batch_ids[1]], 1)

    def test_what_no_batch_completed_fails_the_cohort(self, lab: CohortLab) -> None:
        ti = instance()
        bad = {"runSettingId": "bad", "runTags": {"omics-local:outcome": "INPUT_URI_NOT_FOUND"}}
        lab.fail([*cohort(3), bad], ti)
        ti.try_number += 1
        lab.fail([*cohort(3), bad], ti)
        assert len(ti.xcoms["batch_summary"]["batch_ids"]) == 2
        with raises(OmicsBatchFailedError, match="1 of 4 samples did not complete"):
            run_task(OmicsBatchSensor(task_id="wait", batch_id=ti.xcoms["batch_id"], poke_interval=0.02))


class TestBesideTheCohort:
    @MODES
    def test_it_waits_for_the_batch_and_not_for_the_rest_of_it(
        self, lab: CohortLab, airflow_says: Says, told: Callable[[], str], deferrable: bool
    ) -> None:
        def start() -> None:
            lab.crash([*cohort(1), lasting("slow", 3600)])

        airflow_says(None, "scheduled", start, "deferred")
        done = wait_for_sample("sample-0", cohort_task_id="cohort", deferrable=deferrable)
        [batch_id] = lab.state.batches
        assert (done.result["batch_id"], done.result["run_setting_id"]) == (batch_id, "sample-0")
        assert lab.omics.get_batch(batchId=batch_id)["status"] == "INPROGRESS"
        announced = "Waiting in the triggerer for HealthOmics sample 'sample-0' of task 'cohort', without a worker"
        assert (announced in told()) == deferrable

    @MODES
    @pytest.mark.parametrize(
        "named", [{}, {"batch_name": "nightly"}, {"identity_tags": False}], ids=["tags", "own name", "default name"]
    )
    def test_it_follows_the_sample_into_the_next_batch(
        self, lab: CohortLab, airflow_says: Says, deferrable: bool, named: dict[str, Any]
    ) -> None:
        ti = instance()
        lab.fail(cohort(3), ti, **named)

        def retry() -> None:
            ti.try_number = 2
            lab.run(cohort(3), ti, **named)

        airflow_says("up_for_retry", "queued", retry, "running", "success")
        more = {"cohort_batch_name": named["batch_name"]} if "batch_name" in named else {}
        result = wait_for_sample("sample-1", cohort_task_id="cohort", deferrable=deferrable, **more).result
        assert result["batch_id"] == ti.xcoms["batch_id"]

    @MODES
    def test_a_failure_is_told_once_the_task_has_ended(
        self, lab: CohortLab, airflow_says: Says, deferrable: bool
    ) -> None:
        lab.fail(cohort(3))
        airflow_says("running", "up_for_retry", "failed")
        with raises(OmicsRunFailedError, match="'sample-1'") as caught:
            wait_for_sample("sample-1", cohort_task_id="cohort", deferrable=deferrable)
        assert isinstance(caught.value, AirflowFailException)

    @MODES
    def test_a_failure_is_told_at_once_where_the_task_is_not_tried_again(
        self, lab: CohortLab, airflow_says: Says, deferrable: bool
    ) -> None:
        lab.fail(cohort(3))
        airflow_says("running")
        with DAG("cohort", schedule=None) as dag:
            OmicsStartRunBatchOperator(task_id="cohort", **REQUIRED)
        with raises(OmicsRunFailedError, match="'sample-1'"):
            wait_for_sample("sample-1", cohort_task_id="cohort", deferrable=deferrable, dag=dag)

    @MODES
    def test_a_task_that_ends_without_a_batch_ends_the_waiting(
        self, lab: CohortLab, airflow_says: Says, deferrable: bool
    ) -> None:
        airflow_says("running", "upstream_failed")
        with raises(OmicsSampleFailedError, match="of task 'cohort' is in no batch") as caught:
            wait_for_sample("sample-0", cohort_task_id="cohort", deferrable=deferrable)
        assert "See the log of that task" in caught.value.message()

    @MODES
    def test_a_sample_that_the_cohort_does_not_have_fails_while_the_task_goes_on(
        self, lab: CohortLab, airflow_says: Says, deferrable: bool
    ) -> None:
        for batch_id in redriven(lab):
            assert lab.omics.get_batch(batchId=batch_id)["status"] == "PROCESSED"
        airflow_says("success")
        with raises(OmicsSampleFailedError, match="is not in the batch"):
            wait_for_sample("other", cohort_task_id="cohort", deferrable=deferrable)

    @MODES
    def test_the_batch_of_a_task_that_was_cleared_after_its_success_is_not_taken(
        self, lab: CohortLab, airflow_says: Says, deferrable: bool
    ) -> None:
        ti = instance()
        before = lab.run(cohort(1), ti).result

        def again() -> None:
            ti.try_number, ti.max_tries = 2, 1
            lab.run(cohort(1), ti)

        airflow_says("running", "running", again, "success")
        result = wait_for_sample("sample-0", cohort_task_id="cohort", deferrable=deferrable).result
        assert result["batch_id"] == ti.xcoms["batch_id"] != before

    @pytest.mark.skipif(version("apache-airflow").startswith("2."), reason="2.11 asks its database")
    def test_mode_reschedule_looks_once_each_time(self, lab: CohortLab, airflow_says: Says) -> None:
        airflow_says("running", "success")
        with pytest.raises(AirflowRescheduleException):
            wait_for_sample("sample-0", FirstLook(task_id="wait"), cohort_task_id="cohort", mode="reschedule")
        lab.run(cohort(1))
        done = wait_for_sample("sample-0", FirstLook(task_id="wait"), cohort_task_id="cohort", mode="reschedule")
        assert done.result["run_id"]

    @MODES
    def test_time_is_up_while_there_is_no_batch(self, lab: CohortLab, airflow_says: Says, deferrable: bool) -> None:
        airflow_says("queued")
        with pytest.raises(OmicsWaitError if deferrable else Exception, match=r"time|[Tt]ime"):
            wait_for_sample("sample-0", cohort_task_id="cohort", deferrable=deferrable, timeout=0.3)


class TestHowItIsNamed:
    @pytest.mark.parametrize("given", [{}, {"batch_id": "1", "cohort_task_id": "cohort"}], ids=["neither", "both"])
    def test_either_a_batch_or_a_task(self, given: dict[str, Any]) -> None:
        with raises(OmicsRequestInvalidError, match="cohort_task_id"):
            OmicsBatchRunSensor(task_id="wait", run_setting_id="a", **given)

    def test_a_task_that_the_dag_does_not_have(self, lab: CohortLab) -> None:
        with DAG("cohort", schedule=None) as dag:
            OmicsStartRunBatchOperator(task_id="the_cohort", **REQUIRED)
        with raises(OmicsRequestInvalidError, match=r"'the-cohort' is no task.*Did you mean 'the_cohort'"):
            wait_for_sample("a", cohort_task_id="the-cohort", dag=dag)
        assert lab.calls("ListBatch") == 0

    @pytest.mark.parametrize("waits", [True, False])
    def test_a_sensor_that_waits_for_all_of_the_cohort_says_so(
        self, lab: CohortLab, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, waits: bool
    ) -> None:
        batch_id = lab.run(cohort(1)).result
        with DAG("cohort", schedule=None):
            task = OmicsStartRunBatchOperator(task_id="cohort", wait_for_completion=waits, **REQUIRED)
            sensor = OmicsBatchRunSensor(task_id="wait", batch_id=task.output, run_setting_id="sample-0")
        sensor.batch_id = batch_id
        ti = TaskInstance(task_id="wait")
        with caplog.at_level("WARNING"):
            assert sensor.poke({"ti": ti}).is_done  # type: ignore[typeddict-item]
        told = unwrapped(capsys.readouterr().out + caplog.text)
        assert ("cohort_task_id='cohort'" in told) is waits
