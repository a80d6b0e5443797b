from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from run_lab import Lab

from airflow_provider_omics.healthomics.api.statuses import RunStatus, TaskStatus
from airflow_provider_omics.local.executors.outcomes import OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.local.executors.simulated import SimulatedExecutor
from airflow_provider_omics.local.quotas import Quotas
from airflow_provider_omics.local.records import Run
from airflow_provider_omics.local.runs.machine import cancel_run, create_run
from airflow_provider_omics.local.timings import Timings

TIMINGS = Timings(pending=0, starting=0, running_min=10, running_max=20, stopping=0)


@pytest.fixture
def simulate(make_lab: Callable[..., Lab]) -> Callable[..., Lab]:
    def make(seed: int = 0, **outcomes: Any) -> Lab:
        chosen = SimulatedOutcomes(**{"write_logs": False, **outcomes})
        executor = partial(SimulatedExecutor, outcomes=chosen, seed=seed)
        return make_lab(executor=executor, timings=TIMINGS, quotas=Quotas.wide())

    return make


def finish(lab: Lab, *requests: dict[str, Any]) -> list[Run]:
    workflow_id = lab.add_workflow()
    runs = [create_run(lab.state, lab.request(workflowId=workflow_id, **request)) for request in requests]
    lab.advance(1000)
    return runs


def seconds(run: Run) -> float:
    assert run.start_time is not None
    assert run.stop_time is not None
    return (run.stop_time - run.start_time).total_seconds()


def test_a_run_takes_a_time_in_range_and_runs_its_tasks_in_turn(simulate: Callable[..., Lab]) -> None:
    (run,) = finish(simulate(tasks=("a", "b")), {"name": "x"})
    assert run.status is RunStatus.COMPLETED
    assert 10 <= seconds(run) <= 20
    first, second = run.tasks.values()
    assert (first.name, second.name) == ("a", "b")
    assert first.stop_time == second.start_time
    assert {first.status, second.status} == {TaskStatus.COMPLETED}


def test_the_same_seed_and_names_give_the_same_runs(simulate: Callable[..., Lab]) -> None:
    requests = [{"name": f"sample-{n}"} for n in range(50)]
    reasons = {"RUN_TASK_FAILED": 2.0, "SERVICE_ERROR": 1.0}
    told = []
    for seed, order in [(1, requests), (1, requests[::-1]), (2, requests)]:
        runs = finish(simulate(seed, failure_share=0.5, failure_reasons=reasons), *order)
        told.append({run.request["name"]: (run.status, run.failure_reason, seconds(run)) for run in runs})
    assert told[0] == told[1]
    assert told[0] != told[2]
    assert len({value[1] for value in told[0].values()}) == 3


def test_a_share_of_the_runs_fails(simulate: Callable[..., Lab]) -> None:
    runs = finish(simulate(failure_share=0.25), *[{"name": str(n)} for n in range(400)])
    counts = Counter(run.status for run in runs)
    assert counts.keys() == {RunStatus.COMPLETED, RunStatus.FAILED}
    assert 70 < counts[RunStatus.FAILED] < 130


def test_another_run_of_the_same_name_has_dice_of_its_own(simulate: Callable[..., Lab]) -> None:
    runs = finish(simulate(), *[{"name": "again"}] * 3)
    assert len({seconds(run) for run in runs}) == 3


def test_a_failed_task_gives_the_run_its_reason(simulate: Callable[..., Lab]) -> None:
    (run,) = finish(simulate(failure_share=1, failure_reasons={"OUT_OF_MEMORY_ERROR": 1.0}), {"name": "x"})
    assert (run.status, run.failure_reason) == (RunStatus.FAILED, "OUT_OF_MEMORY_ERROR")
    (failed,) = [task for task in run.tasks.values() if task.status is TaskStatus.FAILED]
    assert failed.failure_reason == "OUT_OF_MEMORY_ERROR"
    assert failed.task_id in (run.status_message or "")


def test_a_failure_of_the_run_itself_has_no_failed_task(simulate: Callable[..., Lab]) -> None:
    (run,) = finish(simulate(failure_share=1, failure_reasons={"EXPORT_FAILED": 1.0}), {"name": "x"})
    assert run.failure_reason == "EXPORT_FAILED"
    assert {task.status for task in run.tasks.values()} == {TaskStatus.COMPLETED}


def test_rules_force_outcomes_a_number_of_times(simulate: Callable[..., Lab]) -> None:
    rules = (
        OutcomeRule(pattern="bad-*", outcome="SERVICE_ERROR", seconds=1, times=1),
        OutcomeRule(pattern="*-always", outcome="IMPORT_FAILED"),
    )
    names = ["bad-1", "bad-1", "bad-always", "good"]
    runs = finish(simulate(rules=rules), *[{"name": name} for name in names])
    assert [run.failure_reason for run in runs] == ["SERVICE_ERROR", None, "IMPORT_FAILED", None]
    assert seconds(runs[0]) == 1


def test_a_runs_own_tags_go_before_every_rule(simulate: Callable[..., Lab]) -> None:
    rules = (OutcomeRule(pattern="*", outcome="SERVICE_ERROR"),)
    runs = finish(
        simulate(rules=rules),
        {"name": "a", "tags": {"omics-local:outcome": "COMPLETED", "omics-local:seconds": "2.5"}},
        {"name": "b", "tags": {"omics-local:outcome": "RUN_TASK_FAILED", "omics-local:seconds": "soon"}},
    )
    assert [run.failure_reason for run in runs] == [None, "RUN_TASK_FAILED"]
    assert seconds(runs[0]) == 2.5
    # The run's task that fails may be any of them.
    assert 0 < seconds(runs[1]) <= 20


def test_a_cancelled_run_makes_no_further_tasks(simulate: Callable[..., Lab]) -> None:
    lab = simulate(tasks=("a", "b", "c"))
    run = create_run(lab.state, lab.request(name="x"))
    lab.advance(1)
    assert [task.name for task in run.tasks.values()] == ["a"]
    cancel_run(lab.state, run)
    lab.advance(1000)
    assert run.status is RunStatus.CANCELLED
    assert [(task.name, task.status) for task in run.tasks.values()] == [("a", TaskStatus.CANCELLED)]


def test_a_run_without_tasks_still_takes_its_time(simulate: Callable[..., Lab]) -> None:
    (run,) = finish(simulate(tasks=()), {"name": "x"})
    assert (run.status, run.tasks) == (RunStatus.COMPLETED, {})
    assert 10 <= seconds(run) <= 20


def test_outputs_are_written_when_a_run_completes(simulate: Callable[..., Lab]) -> None:
    lab = simulate(outputs={"logs/outputs.json": b"{}"})
    lab.state.aws.ensure_bucket("results")
    (run,) = finish(lab, {"name": "x"})
    assert lab.state.aws.get_object(f"{run.output_root}/logs/outputs.json") == b"{}"


def test_outputs_that_cannot_be_written_fail_the_run(simulate: Callable[..., Lab]) -> None:
    (run,) = finish(simulate(outputs={"x": b""}), {"name": "x"})
    assert (run.status, run.failure_reason) == (RunStatus.FAILED, "EXPORT_FAILED")
    assert "s3://results" in (run.status_message or "")


def test_a_share_outside_of_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        SimulatedOutcomes(failure_share=1.5)
