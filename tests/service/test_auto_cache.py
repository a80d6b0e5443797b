"""Runs with cache="auto": one cache for a workflow, and later tries that go on after the last finished task."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from cohorts import BUCKET, MODES, OUT, ROLE, CohortLab, cohort, instance
from omics_errors import raises
from task_runs import TaskInstance, TaskRun, run_task

from airflow_provider_omics.account.auto_cache import auto_cache_request
from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsRunFailedError, OmicsServiceError
from airflow_provider_omics.local import Assumptions, LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.local.assumptions import RepeatedRequestId
from airflow_provider_omics.local.faults import FaultKind
from airflow_provider_omics.local.records import RunCache
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any]) -> dict[str, Any]:
    """Runs of sample-1, sample-3 and single fail once, after their tasks or at one of them."""
    rules = (
        OutcomeRule(pattern="sample-1", outcome="SERVICE_ERROR", times=1),
        OutcomeRule(pattern="sample-3", outcome="RUN_TASK_FAILED", times=1),
        OutcomeRule(pattern="single", outcome="SERVICE_ERROR", times=1),
    )
    return {**omics_local_settings, "outcomes": SimulatedOutcomes(rules=rules, tasks=("trim", "align", "count"))}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def start(lab: CohortLab, ti: TaskInstance | None = None, **kwargs: Any) -> TaskRun:
    arguments = {"workflow_id": lab.workflow_id, "output_uri": OUT, "waiter_delay": 0.02, "cache": "auto", **kwargs}
    return run_task(OmicsStartRunOperator(task_id="align", role_arn=ROLE, **arguments), ti)


def caches(lab: CohortLab) -> list[RunCache]:
    return list(lab.state.run_caches.values())


def tasks(lab: CohortLab, run_id: str, **wanted: Any) -> list[str]:
    """Names of the tasks of a run that have these members."""
    shown = lab.omics.list_run_tasks(id=run_id)["items"]
    return sorted(one["name"] for one in shown if all(one.get(name) == value for name, value in wanted.items()))


@MODES
def test_a_later_try_of_a_cohort_does_not_run_finished_tasks_again(lab: CohortLab, deferrable: bool) -> None:
    arguments: dict[str, Any] = {"cache": "auto", "deferrable": deferrable}
    samples = [{**setting, "parameters": {"n": n}} for n, setting in enumerate(cohort(5))]
    lab.fail(samples, **arguments)
    done = lab.run(samples, instance(2), **arguments)

    (cache,) = caches(lab)
    assert cache.settings["cacheS3Location"] == f"{OUT}/run-cache"
    assert lab.runs_of() == {f"sample-{n}": 1 if n in (0, 2, 4) else 2 for n in range(5)}
    hits = dict.fromkeys((f"sample-{n}" for n in range(5)), 0)
    for sample in ("sample-1", "sample-3"):
        first, second = (run for run in lab.server.journal.runs() if run.run_setting_id == sample)
        finished = tasks(lab, first.run_id, status="COMPLETED")
        assert tasks(lab, second.run_id, cacheHit=True) == finished
        assert tasks(lab, second.run_id) == ["align", "count", "trim"]
        hits[sample] = len(finished)
    assert hits["sample-1"] == 3
    assert {row["run_setting_id"]: row["run_cache_hits"] for row in lab.rows(done.ti)} == {
        sample: str(count) for sample, count in hits.items()
    }
    for batch in lab.state.batches.values():
        defaults = batch.request["defaultRunSetting"]
        assert (defaults["cacheId"], defaults["cacheBehavior"]) == (cache.cache_id, "CACHE_ON_FAILURE")


@pytest.mark.parametrize(("usage", "calls"), [("off", 3), ("all", 4), ("failed", 4)])
def test_the_tasks_of_a_run_are_listed_once_for_usage_and_cache_hits(lab: CohortLab, usage: str, calls: int) -> None:
    done = lab.run(cohort(3), cache="auto", usage=usage, redrive_attempts=1)
    # Of the sample that failed first, usage has both runs. Listed twice, there would be 7 calls with "all".
    assert lab.calls("ListRunTasks") == calls
    assert lab.column(done.ti, "run_cache_hits") == ["0", "3", "0"]


def test_cache_hits_that_are_not_wanted_are_not_taken_from_the_usage_either(lab: CohortLab) -> None:
    done = lab.run(cohort(1), cache="auto", usage="all", cache_hits_limit=0)
    assert lab.column(done.ti, "run_cache_hits") == [""]
    assert lab.column(lab.run(cohort(1), instance(run_id="b"), usage="all").ti, "run_cache_hits") == [""]


def test_a_redrive_within_a_try_goes_on_from_the_cache(lab: CohortLab) -> None:
    done = lab.run(cohort(2), cache="auto", redrive_attempts=1, cache_hits_limit=1)
    assert lab.column(done.ti, "run_cache_hits") == ["0", ""]
    second = list(lab.server.journal.runs())[-1]
    assert tasks(lab, second.run_id, cacheHit=True) == ["align", "count", "trim"]
    assert len(caches(lab)) == 1


@MODES
def test_a_later_try_of_a_run_goes_on_from_the_cache(lab: CohortLab, deferrable: bool) -> None:
    ti = TaskInstance(task_id="align")
    with raises(OmicsRunFailedError):
        start(lab, ti, name="single", deferrable=deferrable)
    assert ti.xcoms["run_cache_hits"] == 0
    done = start(lab, TaskInstance(task_id="align", try_number=2), name="single", deferrable=deferrable)
    assert done.ti.xcoms["run_cache_hits"] == 3
    assert len(caches(lab)) == 1


def test_a_run_of_a_named_workflow_uses_the_cache_of_its_id(lab: CohortLab) -> None:
    lab.omics.update_workflow(id=lab.workflow_id, name="read-qc")
    start(lab, workflow_id=None, workflow_name="read-qc", cache_behavior="CACHE_ALWAYS")
    again = start(lab, TaskInstance(task_id="align", run_id="later"), cache_behavior="CACHE_ALWAYS")
    assert again.ti.xcoms["run_cache_hits"] == 3
    assert len(caches(lab)) == 1


def test_runs_without_a_cache_have_none_counted(lab: CohortLab) -> None:
    assert "run_cache_hits" not in start(lab, cache=None).ti.xcoms
    assert lab.column(lab.run(cohort(1)).ti, "run_cache_hits") == [""]
    assert lab.calls("ListRunTasks") == 0
    assert caches(lab) == []


def test_hits_that_cannot_be_counted_fail_nothing(lab: CohortLab) -> None:
    lab.deny("ListRunTasks")
    assert lab.column(lab.run(cohort(1), cache="auto").ti, "run_cache_hits") == [""]
    assert "run_cache_hits" not in start(lab).ti.xcoms


def test_a_try_takes_over_a_run_whatever_became_of_its_cache(lab: CohortLab) -> None:
    held = {"omics-local:seconds": "0.5"}
    first = start(lab, wait_for_completion=False, tags=held)
    lab.omics.delete_run_cache(id=caches(lab)[0].cache_id)
    again = start(lab, TaskInstance(task_id="align", try_number=2), tags=held)
    assert again.result == first.result
    assert lab.effects("StartRun") == 1


@pytest.mark.parametrize("reading", [RepeatedRequestId.FIRST_ANSWER, RepeatedRequestId.CONFLICT])
def test_many_mapped_tasks_make_one_cache(lab: CohortLab, reading: RepeatedRequestId) -> None:
    lab.state.assumptions = Assumptions(repeated_request_id=reading)
    lab.fault("CreateRunCache", FaultKind.LOST_ANSWER)
    failed: list[BaseException] = []

    def one(index: int) -> None:
        try:
            start(lab, TaskInstance(task_id="align", map_index=index), wait_for_completion=False)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    (cache,) = caches(lab)
    assert {run.request["cacheId"] for run in lab.state.runs.values()} == {cache.cache_id}
    assert lab.effects("StartRun") == 6


def test_a_later_try_looks_again_for_the_cache_that_it_may_have_made(
    lab: CohortLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_omics.healthomics.api.creation.LATE_PAUSES", (0.01,))
    lab.state.assumptions = Assumptions(repeated_request_id=RepeatedRequestId.FORGOTTEN)
    start(lab, wait_for_completion=False)
    hidden = dict(lab.state.run_caches)
    lab.state.run_caches.clear()

    def show(_: object) -> bool:
        # It is not there when the cache is looked for first.
        if lab.calls("ListRunCaches") > listed:
            lab.state.run_caches.update(hidden)
        return False

    listed = lab.calls("ListRunCaches")
    lab.fault("ListRunCaches", matches=show)
    start(lab, TaskInstance(task_id="align", map_index=1, try_number=2), wait_for_completion=False)
    lab.state.run_caches.clear()
    listed = lab.calls("ListRunCaches")
    lab.run(cohort(1), instance(2), cache="auto")
    assert lab.effects("CreateRunCache") == 1


def test_another_workflow_owner_or_place_has_another_cache() -> None:
    asked = {"workflowId": "1", "outputUri": f"s3://{BUCKET}/out"}
    others = ({"workflowId": "2"}, {"workflowOwnerId": "1" * 12}, {"outputUri": f"s3://{BUCKET}"})
    names = {auto_cache_request({**asked, **other})["name"] for other in ({}, *others)}
    assert len(names) == 4
    assert auto_cache_request({**asked, "outputUri": f"s3://{BUCKET}/out/"}) == auto_cache_request(asked)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cache": "mine"}, "cache: is 'mine'. Use one of auto, or None"),
        ({"cache": "auto", "cache_id": "1"}, "cache: is given together with cache_id"),
        ({"cache": "auto", "workflow_type": "READY2RUN"}, "cache: cannot be used with a Ready2Run workflow"),
    ],
)
def test_mistakes_are_seen_when_the_dag_is_parsed(arguments: dict[str, Any], message: str) -> None:
    shared = {"workflow_id": "1", "role_arn": ROLE, "output_uri": OUT}
    for operator, own in ((OmicsStartRunOperator, {}), (OmicsStartRunBatchOperator, {"run_settings": cohort(1)})):
        with raises(OmicsRequestInvalidError, match=message):
            operator(task_id="start", **shared, **own, **arguments)  # type: ignore[operator]


def test_a_cache_needs_a_workflow_and_a_place(lab: CohortLab) -> None:
    with raises(OmicsRequestInvalidError, match="cache: cannot be found for a run that is run again"):
        start(lab, workflow_id=None, run_id="1")
    with raises(OmicsRequestInvalidError, match="cache: goes below output_uri, which is not given"):
        lab.run(cohort(1, outputUri=OUT), output_uri=None, settings_uri=OUT, results_uri=OUT, cache="auto")
    with raises(OmicsRequestInvalidError, match="cache: is given, and cacheId 5 too"):
        start(lab, start_run_kwargs={"cacheId": "5"})
    assert lab.calls("CreateRunCache") == 0


def test_a_cache_that_failed_is_to_be_deleted_and_none_is_submitted(lab: CohortLab) -> None:
    start(lab, wait_for_completion=False)
    (cache,) = caches(lab)
    cache.status = "FAILED"
    with raises(OmicsRequestInvalidError, match=f"stands for HealthOmics run cache {cache.cache_id}") as refusal:
        start(lab, TaskInstance(task_id="align", map_index=1))
    assert f"Delete it (aws omics delete-run-cache --id {cache.cache_id}) and clear the task" in str(refusal.value)
    assert lab.effects("StartRun") == 1


def test_a_cache_that_is_being_created_is_waited_for(lab: CohortLab) -> None:
    start(lab, wait_for_completion=False)
    (cache,) = caches(lab)
    cache.status = "CREATING"

    def create(_: object) -> bool:
        cache.status = "ACTIVE" if lab.calls("ListRunCaches") > listed else "CREATING"
        return False

    listed = lab.calls("ListRunCaches")
    lab.fault("ListRunCaches", matches=create)
    start(lab, TaskInstance(task_id="align", map_index=1), wait_for_completion=False)
    assert [run.request["cacheId"] for run in lab.state.runs.values()] == [cache.cache_id] * 2
    assert caches(lab) == [cache]


@pytest.mark.parametrize("operation", ["ListRunCaches", "CreateRunCache"])
def test_a_permission_that_is_missing_for_the_cache_is_named(lab: CohortLab, operation: str) -> None:
    lab.deny(operation)
    with raises(OmicsServiceError, match=f"omics:{operation}"):
        start(lab)
    with raises(OmicsServiceError, match=f"omics:{operation}"):
        lab.run(cohort(1), cache="auto")
    assert lab.calls("StartRun") == lab.calls("StartRunBatch") == 0
