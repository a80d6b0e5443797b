"""What later tries of OmicsStartRunBatchOperator submit: what did not complete, and nothing that did."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from cohorts import BUCKET, MODES, CohortLab, cohort, failing, instance, lasting, operator
from holding import HELD
from omics_service import wdl_zip
from task_runs import run_task

from airflow_provider_omics.exceptions import OmicsBatchFailedError
from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.batches.machine import cancel_batch
from airflow_provider_omics.local.records import Batch, Run


@pytest.fixture
def outcomes() -> SimulatedOutcomes:
    """Runs of sample-1 and sample-3 fail once, those of stubborn-* twice."""
    return SimulatedOutcomes(
        rules=(
            OutcomeRule(pattern="sample-1", outcome="RUN_TASK_FAILED", times=1),
            OutcomeRule(pattern="sample-3", outcome="OUT_OF_MEMORY_ERROR", times=1),
            OutcomeRule(pattern="stubborn-0", outcome="WORKFLOW_RUN_FAILED", times=2),
            OutcomeRule(pattern="passing-0", outcome="SERVICE_ERROR", times=1),
            OutcomeRule(pattern="passing-1", outcome="SERVICE_ERROR", times=2),
            OutcomeRule(pattern="many-*", outcome="RUN_TASK_FAILED", times=101),
        )
    )


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any], outcomes: SimulatedOutcomes) -> dict[str, Any]:
    return {**omics_local_settings, "outcomes": outcomes}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def batches(lab: CohortLab) -> list[Batch]:
    """Return every batch, oldest first."""
    return sorted(lab.state.batches.values(), key=lambda batch: batch.creation_time)


def samples_of(batch: Batch) -> list[str]:
    return [entry.run_setting_id for entry in batch.entries]


def named(*samples: str, **settings: Any) -> list[dict[str, Any]]:
    return [{"runSettingId": sample, **settings} for sample in samples]


@MODES
def test_a_later_try_submits_what_failed_and_keeps_every_setting(lab: CohortLab, deferrable: bool) -> None:
    group = lab.omics.create_run_group(name="cohort", maxRuns=50, requestId="g")["id"]
    cache = lab.omics.create_run_cache(cacheS3Location=f"s3://{BUCKET}/cache", requestId="c")["id"]
    lab.omics.create_workflow_version(
        workflowId=lab.workflow_id, versionName="v2", definitionZip=wdl_zip(), main="main.wdl", engine="WDL"
    )
    lab.omics.get_waiter("workflow_version_active").wait(workflowId=lab.workflow_id, versionName="v2")
    arguments = {
        "workflow_version_name": "v2",
        "run_group_id": group,
        "cache_id": cache,
        "cache_behavior": "CACHE_ALWAYS",
        "parameters": {"reference": "GRCh38"},
        "run_tags": {"project": "atlas"},
        "tags": {"cost": "42"},
        "deferrable": deferrable,
    }
    samples = [{**setting, "parameters": {"bam": f"s3://in/{n}"}} for n, setting in enumerate(cohort(5))]
    failed = lab.fail(samples, **arguments)
    assert failed.ti.xcoms["failed_run_setting_ids"] == ["sample-1", "sample-3"]
    done = lab.run(samples, instance(2), **arguments)

    first, second = batches(lab)
    assert samples_of(second) == ["sample-1", "sample-3"]
    assert lab.runs_of() == Counter({f"sample-{n}": 1 for n in range(5)} | {"sample-1": 2, "sample-3": 2})
    assert done.result == second.batch_id
    assert second.request["requestId"] != first.request["requestId"]
    assert second.request["defaultRunSetting"] == first.request["defaultRunSetting"]
    assert second.name == first.name
    # Where Airflow keeps nothing, the task has noted its success.
    assert {**first.tags, "airflow-generation": "1", "airflow-finished-try": "2"} == second.tags
    assert second.tags["cost"] == "42"
    runs = {run.run_setting_id: run for run in lab.state.runs_of_batch(second.batch_id)}
    assert runs["sample-3"].request["parameters"] == {"reference": "GRCh38", "bam": "s3://in/3"}
    assert runs["sample-3"].tags == {"project": "atlas"}

    summary = done.ti.xcoms["batch_summary"]
    assert summary["batch_ids"] == [first.batch_id, second.batch_id]
    assert (summary["completed"], summary["succeeded"]) == (5, True)
    table = lab.rows(done.ti)
    assert [row["run_setting_id"] for row in table] == [f"sample-{n}" for n in range(5)]
    assert [row["batch_id"] for row in table] == [second.batch_id if n in (1, 3) else first.batch_id for n in range(5)]
    for row in table:
        assert lab.state.runs[row["run_id"]].output_root == row["output_uri"]
    assert done.ti.xcoms["batch_id"] == second.batch_id
    assert done.ti.xcoms["batch_arn"] == second.arn


@MODES
def test_a_try_may_have_the_operator_of_the_one_before(lab: CohortLab, deferrable: bool) -> None:
    task, first = (
        operator(lab.workflow_id, [failing("bad", "SERVICE_ERROR"), *cohort(2)], deferrable=deferrable),
        instance(),
    )
    with pytest.raises(OmicsBatchFailedError):
        run_task(task, first)
    second = instance(2)
    with pytest.raises(OmicsBatchFailedError):
        run_task(task, second)
    # The second sample fails once.
    assert lab.runs_of() == {"bad": 2, "sample-0": 1, "sample-1": 2}
    assert lab.column(second, "run_status") == ["FAILED", "COMPLETED", "COMPLETED"]


def test_a_third_try_submits_only_what_is_still_missing(lab: CohortLab) -> None:
    samples = named("sample-0", "sample-1", "stubborn-0")
    assert lab.fail(samples).error.counts.failed == 2
    second = lab.fail(samples, instance(2))
    assert (second.error.counts.completed, second.error.counts.failed) == (2, 1)
    assert "Earlier batches of this cohort: " + batches(lab)[0].batch_id in second.error.message()
    third = lab.run(samples, instance(3))
    assert [samples_of(batch) for batch in batches(lab)] == [
        ["sample-0", "sample-1", "stubborn-0"],
        ["sample-1", "stubborn-0"],
        ["stubborn-0"],
    ]
    assert len({batch.request["requestId"] for batch in batches(lab)}) == 3
    assert third.ti.xcoms["batch_summary"]["batch_ids"] == [batch.batch_id for batch in batches(lab)]


@MODES
def test_a_cohort_that_completed_is_not_run_again(lab: CohortLab, deferrable: bool) -> None:
    first = lab.run(cohort(1), deferrable=deferrable)
    again = lab.run(cohort(1), instance(2), deferrable=deferrable)
    assert again.result == first.result
    assert again.ti.xcoms == first.ti.xcoms
    assert lab.calls("StartRunBatch") == 1


def test_failures_that_are_tolerated_are_not_run_again(lab: CohortLab) -> None:
    samples = [*cohort(1), failing("bad")]
    first = lab.run(samples, tolerated_failure_count=1)
    again = lab.run(samples, instance(2), tolerated_failure_count=1)
    assert again.result == first.result
    assert lab.calls("StartRunBatch") == 1


@MODES
def test_more_than_100_failures_go_through_s3_again(lab: CohortLab, deferrable: bool) -> None:
    samples = named(*(f"many-{n}" for n in range(110)))
    failed = lab.fail(samples, deferrable=deferrable)
    assert failed.error.counts.failed == 101
    assert (len(failed.ti.xcoms["failed_run_setting_ids"]), len(failed.ti.xcoms["failures"])) == (100, 100)
    done = lab.run(samples, instance(2), deferrable=deferrable)
    assert done.ti.xcoms["batch_summary"]["completed"] == 110
    first, second = batches(lab)
    assert len(samples_of(second)) == 101
    uri = second.request["batchRunSettings"]["s3UriSettings"]
    assert uri != first.request["batchRunSettings"]["s3UriSettings"]
    assert [entry["runSettingId"] for entry in json.loads(lab.read(uri))] == samples_of(second)
    assert sum(lab.runs_of().values()) == 211


@MODES
def test_failures_by_chance_are_submitted_again_within_the_try(lab: CohortLab, deferrable: bool) -> None:
    samples = named("sample-0", "passing-0", "passing-1")
    task = lab.run(samples, redrive_attempts=2, deferrable=deferrable)
    assert [samples_of(batch) for batch in batches(lab)] == [
        ["sample-0", "passing-0", "passing-1"],
        ["passing-0", "passing-1"],
        ["passing-1"],
    ]
    assert lab.column(task.ti, "run_status") == ["COMPLETED"] * 3
    assert task.ti.xcoms["batch_summary"]["batch_ids"] == [batch.batch_id for batch in batches(lab)]
    assert len(task.triggers) == (3 if deferrable else 0)


@MODES
def test_redrives_within_a_try_are_bounded_and_leave_other_failures_alone(lab: CohortLab, deferrable: bool) -> None:
    samples = named("passing-0", "passing-1", "sample-1")
    failed = lab.fail(samples, redrive_attempts=1, deferrable=deferrable)
    assert [samples_of(batch) for batch in batches(lab)] == [
        ["passing-0", "passing-1", "sample-1"],
        ["passing-0", "passing-1"],
    ]
    assert lab.column(failed.ti, "run_status") == ["COMPLETED", "FAILED", "FAILED"]
    assert lab.column(failed.ti, "failure_code") == ["", "SERVICE_ERROR", "RUN_TASK_FAILED"]
    # This try has told of every failure, so the next one submits them all.
    done = lab.run(samples, instance(2), redrive_attempts=1, deferrable=deferrable)
    assert samples_of(batches(lab)[2]) == ["passing-1", "sample-1"]
    assert lab.column(done.ti, "run_status") == ["COMPLETED"] * 3


def test_a_batch_that_fails_by_chance_is_started_again_within_the_try(lab: CohortLab) -> None:
    lab.fault("RunBatch.abort", skip=1)
    task = lab.run(named("sample-0", "sample-2", "sample-4"), redrive_attempts=1)
    assert samples_of(batches(lab)[1]) == ["sample-2", "sample-4"]
    assert lab.column(task.ti, "run_status") == ["COMPLETED"] * 3
    assert set(lab.runs_of().values()) == {1}


def test_an_edited_input_runs_what_is_new_changed_or_failed(lab: CohortLab) -> None:
    first = [{**setting, "parameters": {"bam": f"s3://in/{setting['runSettingId']}"}} for setting in cohort(5)]
    lab.fail(first)
    edited = [
        {"runSettingId": "added", "parameters": {"bam": "s3://in/added"}},
        {**first[4], "name": "renamed, which computes the same"},
        {**first[2], "parameters": {"bam": "s3://in/corrected"}},
        first[1],
        first[0],
    ]
    done = lab.run(edited, instance(2))
    second = batches(lab)[1]
    assert samples_of(second) == ["added", "sample-2", "sample-1"]
    table = lab.rows(done.ti)
    assert [row["run_setting_id"] for row in table] == ["added", "sample-4", "sample-2", "sample-1", "sample-0"]
    assert [row["run_status"] for row in table] == ["COMPLETED"] * 5
    assert [row["batch_id"] == second.batch_id for row in table] == [True, False, True, True, False]
    # With its first settings again, sample-2 has run already, as the first batch shows; sample-3 has not completed.
    lab.run(first, instance(3))
    assert samples_of(batches(lab)[2]) == ["sample-3"]


def test_a_sample_that_is_added_is_run_also_where_so_many_failures_are_tolerated(lab: CohortLab) -> None:
    lab.run(cohort(1), tolerated_failure_count=1)
    done = lab.run(named("sample-0", "added"), instance(2), tolerated_failure_count=1)
    assert lab.column(done.ti, "run_status") == ["COMPLETED"] * 2
    assert lab.runs_of() == Counter({"sample-0": 1, "added": 1})


def test_a_sample_that_is_added_while_the_first_batch_goes_on_is_run(lab: CohortLab) -> None:
    going_on = lasting("sample-0", HELD)
    lab.crash([going_on])
    lab.held.release_after("GetBatch", 3)
    done = lab.run([*named("added"), going_on], instance(2))
    assert lab.column(done.ti, "run_status") == ["COMPLETED"] * 2
    assert lab.runs_of() == Counter({"sample-0": 1, "added": 1})


def test_a_setting_of_all_samples_that_is_changed_runs_them_all_again(lab: CohortLab) -> None:
    lab.run(named("a", "b"), parameters={"reference": "GRCh37"})
    done = lab.run(named("a", "b"), instance(2), parameters={"reference": "GRCh38"})
    assert lab.runs_of() == Counter({"a": 2, "b": 2})
    assert done.ti.xcoms["batch_summary"]["batch_ids"] == [batches(lab)[1].batch_id]
    assert batches(lab)[1].tags["airflow-generation"] == "1"


def test_names_and_tags_of_runs_may_change_without_a_new_run(lab: CohortLab) -> None:
    lab.run(cohort(1), name="first", run_tags={"batch": "1"})
    lab.run(cohort(1), instance(2), name="second", run_tags={"batch": "2"})
    assert lab.runs_of() == Counter({"sample-0": 1})


@MODES
def test_a_batch_that_somebody_cancelled_is_finished_by_the_next_try(lab: CohortLab, deferrable: bool) -> None:
    lab.server.change(timings={"submissions_per_second": 20.0})
    stop = iter([True])

    def cancel_once(state: AccountState, run: Run) -> None:
        if next(stop, False):
            cancel_batch(state, state.batches[run.batch_id or ""])

    lab.on_run("sample-0", RunStatus.COMPLETED, cancel_once)
    failed = lab.fail(cohort(8), deferrable=deferrable)
    completed = failed.error.counts.completed
    assert (failed.error.status, 1 <= completed < 8) == ("CANCELLED", True)
    done = lab.run(cohort(8), instance(2), deferrable=deferrable, tolerated_failure_count=2)
    assert done.ti.xcoms["batch_summary"]["completed"] >= 6
    assert len(samples_of(batches(lab)[1])) == 8 - completed
    assert lab.runs_of()["sample-0"] == 1


def test_own_request_ids_differ_from_batch_to_batch(lab: CohortLab) -> None:
    lab.run(named("passing-0"), request_id="mine", redrive_attempts=1)
    ids = [batch.request["requestId"] for batch in batches(lab)]
    assert ids[0] == "mine"
    assert len(set(ids)) == 2


def test_mapped_indexes_and_dag_runs_of_one_batch_name_never_mix(lab: CohortLab) -> None:
    lab.run(cohort(1), instance(task_id="another"), batch_name="shared")
    every = [{"map_index": 0}, {"map_index": 1}, {"run_id": "tuesday", "map_index": 0}, {"dag_id": "other"}]
    firsts = [lab.fail([failing("bad")], instance(**members), batch_name="shared") for members in every]
    seconds = [lab.run(named("bad"), instance(2, **members), batch_name="shared") for members in every]
    for first, second in zip(firsts, seconds, strict=True):
        assert second.ti.xcoms["batch_summary"]["batch_ids"] == [first.error.batch_id, second.result]
    assert lab.runs_of() == Counter({"sample-0": 1, "bad": 8})
    assert {batch.name for batch in batches(lab)} == {"shared"}
