from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from run_lab import Lab

from airflow_provider_omics.healthomics.api.statuses import RunStatus, TaskStatus
from airflow_provider_omics.local.assumptions import Assumptions, HighestPriority, RunOutputUri
from airflow_provider_omics.local.errors import ServiceError, ServiceQuotaExceededException
from airflow_provider_omics.local.quotas import Quotas
from airflow_provider_omics.local.records import Run, RunGroup
from airflow_provider_omics.local.runs.machine import cancel_run, create_run, delete_run

MakeLab = Callable[..., Lab]


def start(lab: Lab, **settings: Any) -> Run:
    return create_run(lab.state, lab.request(**settings))


def run_to(lab: Lab, status: RunStatus, **settings: Any) -> Run:
    """Return a run that has just got to a status."""
    run = start(lab, **settings)
    if status is RunStatus.PENDING:
        return run
    lab.advance(1)
    if status is RunStatus.STARTING:
        return run
    lab.advance(2)
    if status is RunStatus.RUNNING:
        return run
    if status is RunStatus.CANCELLED:
        cancel_run(lab.state, run)
    elif status is RunStatus.FAILED:
        lab.report(run).failed("RUN_TASK_FAILED", "a task failed")
    else:
        lab.report(run).completed()
    if status is not RunStatus.STOPPING:
        lab.advance(3)
    return run


def watch(lab: Lab) -> list[tuple[RunStatus | None, RunStatus]]:
    changes: list[tuple[RunStatus | None, RunStatus]] = []
    lab.state.run_observers.append(lambda run, old: changes.append((old, run.status)))
    return changes


def test_a_run_passes_every_state_to_completed(lab: Lab) -> None:
    changes = watch(lab)
    run = run_to(lab, RunStatus.COMPLETED)
    assert changes == [
        (None, RunStatus.PENDING),
        (RunStatus.PENDING, RunStatus.STARTING),
        (RunStatus.STARTING, RunStatus.RUNNING),
        (RunStatus.RUNNING, RunStatus.STOPPING),
        (RunStatus.STOPPING, RunStatus.COMPLETED),
    ]
    assert run.start_time == run.creation_time + timedelta(seconds=3)
    assert run.stop_time == run.creation_time + timedelta(seconds=6)
    assert run.failure_reason is None


def test_a_failed_run_shows_its_reason_only_at_its_end(lab: Lab) -> None:
    run = run_to(lab, RunStatus.RUNNING)
    lab.report(run).failed("OUT_OF_MEMORY_ERROR", "too big")
    assert (run.status, run.failure_reason) == (RunStatus.STOPPING, None)
    lab.advance(3)
    assert (run.status, run.failure_reason, run.status_message) == (
        RunStatus.FAILED,
        "OUT_OF_MEMORY_ERROR",
        "too big",
    )


def test_a_failing_run_takes_its_unfinished_tasks_along(lab: Lab) -> None:
    run = run_to(lab, RunStatus.RUNNING)
    report = lab.report(run)
    done, broken, cut_off = (report.task_started(name, cpus=4, memory=8) for name in "abc")
    report.task_ended(done)
    report.task_ended(broken, failure_reason="RUN_TASK_FAILED", status_message="exit 1")
    report.failed("RUN_TASK_FAILED", "b failed")
    assert run.tasks[cut_off].status is TaskStatus.STOPPING
    lab.advance(3)
    assert [run.tasks[task].status for task in (done, broken, cut_off)] == [
        TaskStatus.COMPLETED,
        TaskStatus.FAILED,
        TaskStatus.CANCELLED,
    ]
    assert run.tasks[broken].failure_reason == "RUN_TASK_FAILED"
    assert (run.tasks[done].cpus, run.tasks[done].memory) == (4, 8)
    assert run.tasks[cut_off].stop_time is not None


@pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING])
@pytest.mark.parametrize("passes_stopping", [True, False])
def test_a_run_can_be_cancelled_in_every_active_state(
    make_lab: MakeLab, status: RunStatus, passes_stopping: bool
) -> None:
    lab = make_lab(Assumptions(cancelled_passes_stopping=passes_stopping))
    run = run_to(lab, status)
    cancel_run(lab.state, run)
    assert run.status is (RunStatus.STOPPING if passes_stopping else status)
    cancel_run(lab.state, run)
    lab.advance(3)
    assert run.status is RunStatus.CANCELLED
    assert run.stop_time == lab.state.now()
    lab.advance(100)
    assert run.status is RunStatus.CANCELLED


def test_cancelling_tells_the_executor_and_ends_the_tasks(lab: Lab) -> None:
    run = run_to(lab, RunStatus.RUNNING)
    report = lab.report(run)
    task = report.task_started("align")
    cancel_run(lab.state, run)
    assert lab.state.executor.cancelled == [run.run_id]  # type: ignore[attr-defined]
    report.task_ended(task)
    report.completed()
    report.failed("RUN_TASK_FAILED", "killed")
    late = report.task_started("late")
    lab.advance(3)
    assert run.status is RunStatus.CANCELLED
    assert run.failure_reason is None
    assert run.tasks[task].status is TaskStatus.CANCELLED
    assert late not in run.tasks


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED])
@pytest.mark.parametrize("code", ["ConflictException", "ValidationException"])
def test_an_ended_run_cannot_be_cancelled(make_lab: MakeLab, status: RunStatus, code: str) -> None:
    lab = make_lab(Assumptions(wrong_state_code=code))
    run = run_to(lab, status)
    with pytest.raises(ServiceError, match=rf"is {status} and cannot be cancelled") as caught:
        cancel_run(lab.state, run)
    assert caught.value.code == code
    assert run.status is status


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED])
def test_an_ended_run_can_be_deleted(lab: Lab, status: RunStatus) -> None:
    run = run_to(lab, status)
    changes = watch(lab)
    delete_run(lab.state, run)
    assert run.run_id not in lab.state.runs
    assert list(lab.state.run_index.all()) == []
    assert changes == [(status, RunStatus.DELETED)]


@pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING])
def test_an_active_run_cannot_be_deleted(lab: Lab, status: RunStatus) -> None:
    run = run_to(lab, status)
    with pytest.raises(ServiceError, match="cannot be deleted"):
        delete_run(lab.state, run)
    assert lab.state.runs[run.run_id] is run


def test_a_failed_run_cannot_be_deleted_where_the_guide_is_right(make_lab: MakeLab) -> None:
    lab = make_lab(Assumptions(failed_run_deletable=False))
    run = run_to(lab, RunStatus.FAILED)
    with pytest.raises(ServiceError, match="FAILED and cannot be deleted"):
        delete_run(lab.state, run)


def test_a_deleted_run_can_stay_visible_for_a_while(make_lab: MakeLab) -> None:
    lab = make_lab(Assumptions(deleted_run_visible_seconds=10))
    run = run_to(lab, RunStatus.COMPLETED)
    delete_run(lab.state, run)
    assert lab.state.runs[run.run_id].status is RunStatus.DELETED
    lab.advance(10)
    assert run.run_id not in lab.state.runs


@pytest.mark.parametrize("reuse", [True, False])
def test_ids_of_deleted_runs_come_back_only_if_assumed(make_lab: MakeLab, reuse: bool) -> None:
    lab = make_lab(Assumptions(run_id_reuse=reuse))
    first = run_to(lab, RunStatus.COMPLETED)
    delete_run(lab.state, first)
    second = start(lab)
    assert (second.run_id == first.run_id) is reuse
    assert second.uuid != first.uuid


@pytest.mark.parametrize(("storage", "most"), [("DYNAMIC", 2), ("STATIC", 1)])
def test_runs_over_the_concurrency_quota_wait_in_pending(make_lab: MakeLab, storage: str, most: int) -> None:
    lab = make_lab(quotas=Quotas(concurrent_dynamic_runs=2, concurrent_static_runs=1))
    runs = [start(lab, storageType=storage) for _ in range(3)]
    other = start(lab, storageType="STATIC" if storage == "DYNAMIC" else "DYNAMIC")
    lab.advance(3)
    assert [run.status for run in runs].count(RunStatus.RUNNING) == most
    assert [run.status for run in runs].count(RunStatus.PENDING) == 3 - most
    assert other.status is RunStatus.RUNNING
    lab.report(runs[0]).completed()
    lab.advance(2)
    assert [run.status for run in runs].count(RunStatus.PENDING) == 3 - most
    lab.advance(1)
    assert runs[most].status is RunStatus.STARTING


def test_a_run_group_limits_its_own_runs_only(lab: Lab) -> None:
    lab.state.run_groups["7"] = RunGroup("7", "arn", lab.state.now(), {"maxRuns": 1})
    grouped = [start(lab, runGroupId="7") for _ in range(2)]
    free = start(lab)
    lab.advance(3)
    assert [run.status for run in [*grouped, free]] == [
        RunStatus.RUNNING,
        RunStatus.PENDING,
        RunStatus.RUNNING,
    ]
    cancel_run(lab.state, grouped[0])
    lab.advance(3)
    assert grouped[1].status is RunStatus.STARTING


def test_a_cancelled_waiting_run_never_starts(make_lab: MakeLab) -> None:
    lab = make_lab(quotas=Quotas(concurrent_static_runs=1))
    running, waiting, last = (start(lab) for _ in range(3))
    lab.advance(3)
    cancel_run(lab.state, waiting)
    lab.advance(3)
    assert waiting.status is RunStatus.CANCELLED
    assert waiting.start_time is None
    lab.report(running).completed()
    lab.advance(3)
    assert last.status is RunStatus.STARTING


@pytest.mark.parametrize(
    ("highest", "first"), [(HighestPriority.LARGEST_NUMBER, 9), (HighestPriority.SMALLEST_NUMBER, 1)]
)
def test_the_waiting_run_with_the_highest_priority_goes_first(
    make_lab: MakeLab, highest: HighestPriority, first: int
) -> None:
    lab = make_lab(Assumptions(highest_priority=highest), quotas=Quotas(concurrent_static_runs=1))
    running = start(lab)
    lab.advance(1)
    waiting = [start(lab, priority=priority) for priority in (5, 9, 1, 9, 1)]
    lab.advance(2)
    lab.report(running).completed()
    lab.advance(3)
    started = [run for run in waiting if run.status is RunStatus.STARTING]
    expected = next(run for run in waiting if run.request["priority"] == first)
    assert started == [expected]


def test_a_full_store_of_retained_runs_takes_no_more(make_lab: MakeLab) -> None:
    lab = make_lab(quotas=Quotas(stored_runs=2))
    run_to(lab, RunStatus.COMPLETED)
    run_to(lab, RunStatus.COMPLETED)
    with pytest.raises(ServiceQuotaExceededException, match="2 stored runs"):
        start(lab)
    assert len(lab.state.runs) == 2


def test_a_full_store_drops_the_oldest_removable_run(make_lab: MakeLab) -> None:
    lab = make_lab(quotas=Quotas(stored_runs=3))
    kept = run_to(lab, RunStatus.COMPLETED)
    oldest = run_to(lab, RunStatus.COMPLETED, retentionMode="REMOVE")
    active = start(lab, retentionMode="REMOVE")
    newest = start(lab, retentionMode="REMOVE")
    assert oldest.run_id not in lab.state.runs
    assert {kept.run_id, active.run_id, newest.run_id} == set(lab.state.runs)
    with pytest.raises(ServiceQuotaExceededException):
        start(lab)


def test_a_run_that_takes_too_long_times_out(make_lab: MakeLab) -> None:
    lab = make_lab(quotas=Quotas(run_seconds=100))
    run = run_to(lab, RunStatus.RUNNING)
    lab.advance(99)
    assert run.status is RunStatus.RUNNING
    lab.advance(4)
    assert (run.status, run.failure_reason) == (RunStatus.FAILED, "RUN_TIMED_OUT")
    assert lab.state.executor.cancelled == [run.run_id]  # type: ignore[attr-defined]


def test_a_run_group_can_shorten_the_time(lab: Lab) -> None:
    lab.state.run_groups["7"] = RunGroup("7", "arn", lab.state.now(), {"maxDuration": 2})
    run = run_to(lab, RunStatus.RUNNING, runGroupId="7")
    lab.advance(123)
    assert (run.status, run.failure_reason) == (RunStatus.FAILED, "RUN_TIMED_OUT")


@pytest.mark.parametrize("passes_stopping", [True, False])
def test_a_run_can_fail_before_it_runs(make_lab: MakeLab, passes_stopping: bool) -> None:
    lab = make_lab(Assumptions(failure_before_running_passes_stopping=passes_stopping))
    changes = watch(lab)
    run = start(lab, tags={"omics-local:fails-starting": "ASSUME_ROLE_FAILED"})
    lab.advance(6)
    assert (run.status, run.failure_reason, run.start_time) == (RunStatus.FAILED, "ASSUME_ROLE_FAILED", None)
    assert ((RunStatus.STARTING, RunStatus.STOPPING) in changes) is passes_stopping
    assert RunStatus.RUNNING not in [new for _, new in changes]


@pytest.mark.parametrize(
    ("form", "tail"), [(RunOutputUri.RUN_ID, "{id}"), (RunOutputUri.RUN_ID_AND_UUID, "{id}/{uuid}")]
)
def test_the_output_uri_has_the_assumed_form(make_lab: MakeLab, form: RunOutputUri, tail: str) -> None:
    lab = make_lab(Assumptions(run_output_uri=form))
    run = start(lab, outputUri="s3://results/runs/")
    assert run.output_root == "s3://results/runs/" + tail.format(id=run.run_id, uuid=run.uuid)


def test_task_changes_are_told(lab: Lab) -> None:
    changes: list[tuple[str, TaskStatus | None, TaskStatus]] = []
    lab.state.task_observers.append(lambda run, task, old: changes.append((task.name, old, task.status)))
    run = run_to(lab, RunStatus.RUNNING)
    lab.report(run).task_ended(lab.report(run).task_started("align"))
    assert changes == [
        ("align", None, TaskStatus.RUNNING),
        ("align", TaskStatus.RUNNING, TaskStatus.COMPLETED),
    ]
