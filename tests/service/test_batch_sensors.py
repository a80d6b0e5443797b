"""OmicsBatchSensor and OmicsBatchRunSensor against the local server, in each of their modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from batch_states import LONG, Batches, ending, minutes_ago, samples
from holding import HELD
from omics_errors import raises
from task_runs import TaskInstance, fire, load_trigger, run_task

from airflow_provider_omics.exceptions import (
    OmicsBatchFailedError,
    OmicsRequestInvalidError,
    OmicsRunFailedError,
    OmicsSampleFailedError,
    OmicsWaitError,
)
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.local import Assumptions, LocalOmics
from airflow_provider_omics.local.assumptions import CancelledUnsubmitted, TwoFilters, UnsubmittedRuns
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
BAD_SUBMISSION = {"runSettingId": "bad", "outputUri": "file:///tmp"}


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
def batches(server: LocalOmics, make_workflow: Callable[..., str]) -> Batches:
    return Batches(server, make_workflow())


def wait_for_batch(batch_id: Any, **kwargs: Any) -> Any:
    return run_task(OmicsBatchSensor(task_id="wait", batch_id=batch_id, poke_interval=0.02, **kwargs))


def wait_for_sample(batch_id: Any, sample: Any, **kwargs: Any) -> Any:
    return run_task(
        OmicsBatchRunSensor(task_id="wait", batch_id=batch_id, run_setting_id=sample, poke_interval=0.02, **kwargs)
    )


def run_of(batches: Batches, batch_id: str, sample: str) -> dict[str, Any]:
    [item] = batches.omics.list_runs_in_batch(batchId=batch_id, runSettingId=sample)["runs"]
    return dict(item)


class TestBatch:
    @MODES
    def test_it_waits_from_creation_to_the_end_and_returns_the_counts(self, batches: Batches, deferrable: bool) -> None:
        batches.slow(batch_creating=HELD, run_summary_lag=5.0)
        batch_id = batches.start()
        batches.held.release_after("GetBatch", 2)
        assert batches.status(batch_id) == "CREATING"
        task = wait_for_batch(batch_id, deferrable=deferrable)
        assert task.result == {
            "batch_id": batch_id,
            "batch_ids": [batch_id],
            "status": "PROCESSED",
            "total": 3,
            "completed": 3,
            "failed": 0,
            "cancelled": 0,
            "deleted": 0,
            "failed_submissions": 0,
            "not_submitted": 0,
            "unknown": 0,
            "tolerated": 0,
            "succeeded": True,
            "outcome": "completed",
            "failure_classes": {},
            "results_uri": None,
            "results_jsonl_uri": None,
        }

    @MODES
    @pytest.mark.parametrize(
        ("settings", "tolerated", "succeeds"),
        [
            ([ending("a", "OUT_OF_MEMORY_ERROR"), *samples(3)], {}, False),
            ([ending("a", "OUT_OF_MEMORY_ERROR"), *samples(3)], {"tolerated_failure_count": 1}, True),
            ([ending("a", "OUT_OF_MEMORY_ERROR"), *samples(3)], {"tolerated_failure_percentage": 25}, True),
            ([BAD_SUBMISSION, *samples(3)], {}, False),
            ([BAD_SUBMISSION, *samples(3)], {"tolerated_failure_percentage": 25.5}, True),
            ([ending("a", "SERVICE_ERROR"), BAD_SUBMISSION, *samples(2)], {"tolerated_failure_count": 1}, False),
        ],
    )
    def test_processed_is_success_only_within_the_tolerance(
        self, batches: Batches, deferrable: bool, settings: Any, tolerated: dict[str, Any], succeeds: bool
    ) -> None:
        batches.slow(run_summary_lag=5.0)
        batch_id = batches.start(settings)
        if succeeds:
            assert wait_for_batch(batch_id, deferrable=deferrable, **tolerated).result["completed"] == 3
            return
        with pytest.raises(OmicsBatchFailedError) as caught:
            wait_for_batch(batch_id, deferrable=deferrable, **tolerated)
        assert caught.value.status == "PROCESSED"
        assert caught.value.counts.incomplete > 0
        # Looking at the same batch again would show the same.
        assert isinstance(caught.value, AirflowFailException)

    @pytest.mark.parametrize(
        "assumptions",
        [Assumptions(), Assumptions(two_filters_of_runs=TwoFilters.REFUSED)],
        ids=["two filters", "one filter"],
    )
    def test_the_failure_names_samples_causes_and_who_can_act(self, batches: Batches) -> None:
        batch_id = batches.ended([ending("sick", "INPUT_URI_NOT_FOUND"), BAD_SUBMISSION, *samples(2)])
        with pytest.raises(OmicsBatchFailedError) as caught:
            wait_for_batch(batch_id)
        story = caught.value.message()
        assert "2 of 4 samples did not complete (tolerated: 0)" in story
        assert "bad: its submission FAILED: ValidationException" in story
        assert f"sick, run {run_of(batches, batch_id, 'sick')['runId']}: FAILED: INPUT_URI_NOT_FOUND" in story
        assert story.count("Who can act: whoever provides the input data") == 2
        assert {row.run_setting_id for row in caught.value.failures} == {"bad", "sick"}

    def test_failures_that_cannot_be_looked_up_are_still_counted(self, server: LocalOmics, batches: Batches) -> None:
        batch_id = batches.ended([ending("sick", "SERVICE_ERROR"), *samples(2)])
        denied = {"code": "AccessDeniedException", "http_status": 403, "count": None}
        server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="ListRuns", **denied))
        with raises(OmicsBatchFailedError, match="1 of 3 samples did not complete") as caught:
            wait_for_batch(batch_id)
        assert caught.value.failures == ()

    def test_the_look_at_failures_is_bounded(self, server: LocalOmics, batches: Batches) -> None:
        batch_id = batches.ended([ending(f"sick-{n}", "SERVICE_ERROR") for n in range(40)])
        server.journal.clear()
        with raises(OmicsBatchFailedError, match="40 of 40"):
            wait_for_batch(batch_id)
        # One look, one for the tags, which name no cohort, and what tells the failures.
        assert len(server.journal.calls()) == 1 + 1 + 1 + 2 * 5

    @MODES
    def test_a_batch_that_failed_before_any_run_tells_its_own_reason(self, batches: Batches, deferrable: bool) -> None:
        batch_id = batches.start([*samples(2), *samples(1)])
        with raises(OmicsBatchFailedError, match="Expected 3 unique runSettingIds but there were 2") as caught:
            wait_for_batch(batch_id, deferrable=deferrable, tolerated_failure_percentage=100)
        assert "input; who can act: whoever provides the input data" in caught.value.message()
        assert caught.value.status == "FAILED"

    def test_a_batch_whose_settings_could_not_be_read_shows_no_samples(
        self, server: LocalOmics, batches: Batches
    ) -> None:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="settings")
        s3.put_object(Bucket="settings", Key="cohort.json", Body=b"not JSON")
        batch_id = batches.start("s3://settings/cohort.json")
        with raises(OmicsBatchFailedError, match=f"batch {batch_id} shows no samples") as caught:
            wait_for_batch(batch_id, tolerated_failure_percentage=100)
        assert "Invalid JSON" in caught.value.message()

    @MODES
    def test_a_batch_that_failed_with_runs_is_not_waited_for(self, batches: Batches, deferrable: bool) -> None:
        batch_id = batches.in_state("FAILED")
        with raises(OmicsBatchFailedError, match="2 of its runs may go on; OmicsCancelRunBatchOperator"):
            wait_for_batch(batch_id, deferrable=deferrable)
        assert "COMPLETED" not in batches.run_statuses(batch_id)

    @MODES
    @pytest.mark.parametrize("status", ["CANCELLED", "RUNS_DELETING", "RUNS_DELETED", "RUNS_DELETE_FAILED"])
    def test_every_other_end_is_a_failure_whatever_is_tolerated(
        self, batches: Batches, deferrable: bool, status: str
    ) -> None:
        batch_id = batches.in_state(status)
        with pytest.raises(OmicsBatchFailedError) as caught:
            wait_for_batch(batch_id, deferrable=deferrable, tolerated_failure_percentage=100)
        assert caught.value.status == status
        assert "was cancelled" in caught.value.message() or f"were deleted ({status})" in caught.value.message()

    @MODES
    def test_a_batch_deleted_while_it_is_watched_is_said_so(
        self, server: LocalOmics, batches: Batches, deferrable: bool
    ) -> None:
        batch_id = batches.in_state("INPROGRESS")
        batches.after("GetBatch", lambda: server.account("us-east-1").batches.pop(batch_id, None))
        with raises(OmicsBatchFailedError, match="does not exist any more") as caught:
            wait_for_batch(batch_id, deferrable=deferrable)
        assert caught.value.status is None

    @MODES
    def test_a_batch_that_is_not_there_is_an_error_and_not_a_long_wait(
        self, server: LocalOmics, deferrable: bool
    ) -> None:
        with raises(OmicsWaitError, match="Batch 9999999 not found"):
            wait_for_batch("9999999", deferrable=deferrable)

    @MODES
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({"batch_id": "batch-1"}, "batch_id"),
            ({"batch_id": "1", "tolerated_failure_count": -1}, "tolerated_failure_count"),
            ({"batch_id": "1", "tolerated_failure_percentage": 101}, "tolerated_failure_percentage"),
        ],
    )
    def test_what_cannot_be_right_is_refused_before_any_call(
        self, server: LocalOmics, deferrable: bool, arguments: dict[str, Any], told: str
    ) -> None:
        with raises(OmicsRequestInvalidError, match=f"- {told}"):
            wait_for_batch(**arguments, deferrable=deferrable)
        assert server.journal.calls() == []

    def test_a_wrong_tolerance_never_gets_to_the_triggerer(self) -> None:
        assert OmicsBatchSensor(
            task_id="wait", batch_id="1", tolerated_failure_count=1, start_from_trigger=True
        ).start_from_trigger
        with raises(OmicsRequestInvalidError, match="tolerated_failure_count: is -1"):
            OmicsBatchSensor(task_id="wait", batch_id="1", tolerated_failure_count=-1, start_from_trigger=True)

    def test_it_can_start_in_the_triggerer(self, batches: Batches) -> None:
        batch_id = batches.ended()
        operator = OmicsBatchSensor(task_id="wait", batch_id=batch_id, start_from_trigger=True)
        arguments = operator.start_trigger_args
        assert arguments is not None
        event = fire(load_trigger(arguments.trigger_cls, arguments.trigger_kwargs or {}))
        context: Any = {"ti": wait_for_batch(batch_id).ti}
        assert getattr(operator, arguments.next_method)(context, event.payload)["completed"] == 3

    @MODES
    def test_its_timeout_says_what_the_batch_is_doing(self, batches: Batches, deferrable: bool) -> None:
        batch_id = batches.in_state("INPROGRESS")
        with pytest.raises(AirflowSensorTimeout):
            wait_for_batch(batch_id, deferrable=deferrable, timeout=0.2)
        with pytest.raises(AirflowSkipException):
            wait_for_batch(batch_id, deferrable=deferrable, timeout=0.2, soft_fail=True)


class TestSample:
    @MODES
    def test_it_returns_as_soon_as_the_sample_is_done_whatever_the_others_do(
        self, batches: Batches, deferrable: bool
    ) -> None:
        batches.slow(batch_creating=HELD)
        others = samples(2, runTags=LONG)
        batch_id = batches.start([*others, {"runSettingId": "control"}])
        batches.held.release_after("GetBatch", 2)
        assert batches.status(batch_id) == "CREATING"
        task = wait_for_sample(batch_id, "control", deferrable=deferrable)
        run = run_of(batches, batch_id, "control")
        assert task.result == {
            "batch_id": batch_id,
            "run_setting_id": "control",
            "run_id": run["runId"],
            "run_uuid": run["runInternalUuid"],
            "run_output_uri": f"s3://results/runs/{run['runId']}",
        }
        assert batches.status(batch_id) == "INPROGRESS"

    @MODES
    @pytest.mark.parametrize("settings", [LONG, {"omics-local:outcome": "SERVICE_ERROR"}])
    def test_its_submission_can_be_enough(self, batches: Batches, deferrable: bool, settings: dict[str, str]) -> None:
        batch_id = batches.start(samples(1, runTags=settings))
        result = wait_for_sample(batch_id, "sample-0", target="submitted", deferrable=deferrable).result
        assert result["run_id"] == run_of(batches, batch_id, "sample-0")["runId"]
        assert result["run_output_uri"] == f"s3://results/runs/{result['run_id']}"

    @MODES
    def test_a_failed_run_fails_it_with_the_whole_story(self, batches: Batches, deferrable: bool) -> None:
        batch_id = batches.start([ending("sick", "OUT_OF_MEMORY_ERROR"), *samples(1, runTags=LONG)])
        with raises(OmicsRunFailedError, match="OUT_OF_MEMORY_ERROR") as caught:
            wait_for_sample(batch_id, "sick", deferrable=deferrable)
        assert f"sample 'sick' of batch {batch_id}" in caught.value.message()
        assert caught.value.failed_tasks
        assert isinstance(caught.value, AirflowFailException)

    @MODES
    @pytest.mark.parametrize("target", ["completed", "submitted"])
    def test_a_failed_submission_fails_it_with_code_class_owner_and_advice(
        self, batches: Batches, deferrable: bool, target: str
    ) -> None:
        batch_id = batches.start([BAD_SUBMISSION, *samples(1, runTags=LONG)])
        with pytest.raises(OmicsSampleFailedError) as caught:
            wait_for_sample(batch_id, "bad", target=target, deferrable=deferrable)
        assert caught.value.failure_code == "ValidationException"
        assert caught.value.failure_class is FailureClass.INPUT
        story = caught.value.message()
        assert f"sample 'bad' of batch {batch_id} could not be submitted: ValidationException: " in story
        assert "who can act: whoever provides the input data" in story
        assert "Correct what the message names" in story

    @pytest.mark.parametrize(
        "assumptions",
        [
            Assumptions(runs_in_batch_before_submission=reading)
            for reading in (UnsubmittedRuns.HIDDEN, UnsubmittedRuns.LISTED_WITHOUT_STATUS)
        ],
        ids=["hidden", "listed"],
    )
    @MODES
    def test_a_sample_that_is_not_submitted_yet_is_waited_for(self, batches: Batches, deferrable: bool) -> None:
        batches.slow(submissions_per_second=1 / HELD)
        batch_id = batches.start(samples(8))
        batches.until(batch_id, "SUBMITTING")
        batches.held.release_after("GetBatch", 2)
        result = wait_for_sample(batch_id, "sample-7", deferrable=deferrable).result
        assert result["run_id"] == run_of(batches, batch_id, "sample-7")["runId"]

    @MODES
    @pytest.mark.parametrize("status", ["PROCESSED", "INPROGRESS"])
    def test_a_sample_that_is_not_in_the_batch_is_an_error_once_submissions_are_over(
        self, server: LocalOmics, batches: Batches, deferrable: bool, status: str
    ) -> None:
        batch_id = batches.in_state(status)
        minutes_ago(server, batch_id, "submitted_time")
        with raises(OmicsSampleFailedError, match=r"'SAMPLE-1' of .* is not in the batch") as caught:
            wait_for_sample(batch_id, "SAMPLE-1", deferrable=deferrable)
        assert "counts case" in caught.value.message()

    def test_a_rescheduled_sensor_is_patient_once_and_not_anew_in_each_process(
        self, server: LocalOmics, batches: Batches
    ) -> None:
        batch_id = batches.in_state("INPROGRESS")

        def poke() -> bool:
            # Each poke is a new process, so nothing is kept from one to the next.
            operator = OmicsBatchRunSensor(task_id="wait", batch_id=batch_id, run_setting_id="nobody")
            context: Any = {"ti": TaskInstance()}
            return bool(operator.poke(context))

        assert [poke(), poke()] == [False, False]
        minutes_ago(server, batch_id, "submitted_time")
        with raises(OmicsSampleFailedError, match="is not in the batch"):
            poke()

    @MODES
    def test_a_sample_of_a_batch_that_failed_tells_the_batchs_reason(
        self, server: LocalOmics, batches: Batches, deferrable: bool
    ) -> None:
        batch_id = batches.in_state("FAILED")
        minutes_ago(server, batch_id, "failed_time")
        with raises(OmicsSampleFailedError, match="the batch itself FAILED: A transient error") as caught:
            wait_for_sample(batch_id, "sample-2", deferrable=deferrable)
        assert caught.value.failure_class is FailureClass.TRANSIENT

    @pytest.mark.parametrize(
        "assumptions", [Assumptions(cancelled_before_submission=reading) for reading in CancelledUnsubmitted]
    )
    @MODES
    def test_a_sample_that_was_cancelled_before_it_became_a_run_fails(self, batches: Batches, deferrable: bool) -> None:
        batch_id = batches.in_state("SUBMITTING")
        batches.omics.cancel_run_batch(batchId=batch_id)
        with raises(OmicsSampleFailedError, match=r"cancelled before|before the batch was cancelled"):
            wait_for_sample(batch_id, "sample-2", deferrable=deferrable)

    @MODES
    @pytest.mark.parametrize("target", ["completed", "submitted"])
    @pytest.mark.parametrize("status", ["CANCELLED", "RUNS_DELETED"])
    def test_a_cancelled_or_deleted_sample_fails(
        self, batches: Batches, deferrable: bool, target: str, status: str
    ) -> None:
        batch_id = batches.in_state(status)
        with raises(OmicsRunFailedError, match=r"ended (CANCELLED|DELETED)"):
            wait_for_sample(batch_id, "sample-0", target=target, deferrable=deferrable)

    @pytest.mark.parametrize("assumptions", [Assumptions(run_id_reuse=True)])
    @MODES
    def test_a_run_id_that_was_given_to_another_run_is_not_mistaken_for_the_samples(
        self, batches: Batches, start_run: Callable[..., dict[str, Any]], deferrable: bool
    ) -> None:
        batch_id = batches.ended(samples(1))
        run = run_of(batches, batch_id, "sample-0")
        batches.omics.delete_run(id=run["runId"])
        other = start_run(tags={"omics-local:outcome": "OUT_OF_MEMORY_ERROR"})
        assert other["id"] == run["runId"]
        assert other["uuid"] != run["runInternalUuid"]
        with raises(OmicsRunFailedError, match="ended DELETED") as caught:
            wait_for_sample(batch_id, "sample-0", deferrable=deferrable)
        assert caught.value.failure.run.uuid == run["runInternalUuid"]
        assert caught.value.failed_tasks == ()

    @MODES
    def test_the_sample_of_a_batch_that_is_gone_is_an_error(self, batches: Batches, deferrable: bool) -> None:
        batch_id = batches.ended()
        batches.omics.delete_batch(batchId=batch_id)
        with raises(OmicsWaitError, match=f"Batch {batch_id} not found"):
            wait_for_sample(batch_id, "sample-0", deferrable=deferrable)

    @MODES
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({"batch_id": "batch-1", "sample": "a"}, ["batch_id"]),
            ({"batch_id": "1", "sample": ""}, ["run_setting_id"]),
            ({"batch_id": "1", "sample": None}, ["run_setting_id"]),
            ({"batch_id": "1", "sample": "a" * 129}, ["run_setting_id"]),
            ({"batch_id": "1", "sample": "a", "target": "done"}, ["target"]),
            ({"batch_id": "b", "sample": "", "target": "done"}, ["batch_id", "run_setting_id", "target"]),
        ],
    )
    def test_what_cannot_be_right_is_refused_at_once_before_any_call(
        self, server: LocalOmics, deferrable: bool, arguments: dict[str, Any], told: list[str]
    ) -> None:
        with pytest.raises(OmicsRequestInvalidError) as caught:
            wait_for_sample(**arguments, deferrable=deferrable)
        assert [issue.where for issue in caught.value.issues] == told
        assert server.journal.calls() == []

    def test_it_can_start_in_the_triggerer_and_links_its_run_all_the_same(self, batches: Batches) -> None:
        batch_id = batches.ended()
        operator = OmicsBatchRunSensor(
            task_id="wait", batch_id=batch_id, run_setting_id="sample-0", start_from_trigger=True
        )
        arguments = operator.start_trigger_args
        assert arguments is not None
        event = fire(load_trigger(arguments.trigger_cls, arguments.trigger_kwargs or {}))
        ti = TaskInstance()
        context: Any = {"ti": ti}
        result = getattr(operator, arguments.next_method)(context, event.payload)
        assert result["run_setting_id"] == "sample-0"
