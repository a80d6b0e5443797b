"""What is planned, and that a bad end would be noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from omics_service import await_status
from plan import KINDS, READINGS, Trial, make_plan
from points import POINTS, STACKS, points_of
from verdict import active, duplicates, jobs_of

from airflow_provider_omics.local import LocalOmics

TRIAL = Trial(1, "random", "run", "worker", "plain", "first_answer", (), 1.0)
TAGS = {"airflow-run-id": TRIAL.name, "airflow-map-index": "-1", "airflow-generation": "0"}
LASTING = {"omics-local:seconds": "3600"}
FAILING = {"omics-local:outcome": "RUN_TASK_FAILED"}

Start = Callable[..., dict[str, Any]]


def told(server: LocalOmics) -> tuple[int, int]:
    """How many duplicates and how many jobs left active are found."""
    jobs = jobs_of(TRIAL, server)
    return len([*duplicates(TRIAL, jobs)]), len([*active(jobs, server)])


def test_a_seed_plans_the_same_trials_again() -> None:
    assert make_plan(7, 60) == make_plan(7, 60)
    assert make_plan(7, 60) != make_plan(8, 60)


@pytest.mark.parametrize("stack", STACKS)
def test_every_point_is_tried_with_every_kind_mode_and_reading(stack: str) -> None:
    points = points_of(stack)
    longest = max(len(POINTS[point].modes) for point in points) * len(KINDS) * len(READINGS)
    trials = [trial for trial in make_plan(7, len(points) * longest, points) if trial.strikes]
    tried = Counter((trial.point, trial.kind, trial.mode, trial.reading) for trial in trials)
    assert tried.keys() == {
        (point, kind, mode, reading)
        for point in points
        for kind in KINDS
        for mode in POINTS[point].modes
        for reading in READINGS
    }
    assert {count for (point, *_), count in tried.items() if len(POINTS[point].modes) > 1} == {1}


@pytest.mark.parametrize("stack", STACKS)
def test_a_plan_as_long_as_there_are_points_has_each_of_them(stack: str) -> None:
    points = points_of(stack)
    assert [trial.point for trial in make_plan(7, len(points), points) if trial.strikes] == list(points)


def test_an_outage_is_borne_without_a_retry_by_jobs_that_end_before_it_and_after_it() -> None:
    points = ("HealthOmics out of reach", "credentials refused")
    trials = [trial for trial in make_plan(7, 40, points, outage=600.0) if trial.strikes]
    assert {trial.shape for trial in trials} == {"once"}
    assert {trial.strikes[0].seconds for trial in trials} == {600.0}
    assert {trial.seconds > 600.0 for trial in trials} == {True, False}


def test_each_trial_has_an_undisturbed_one_to_be_compared_with() -> None:
    trials = make_plan(7, 200)
    undisturbed = {(trial.kind, trial.shape) for trial in trials if not trial.strikes}
    assert undisturbed == {(trial.kind, trial.shape) for trial in trials}


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([{}], (0, 0)),
        ([FAILING, {}], (0, 0)),
        ([{}, {}], (1, 0)),
        ([FAILING, {}, {}], (1, 0)),
        ([LASTING], (0, 1)),
    ],
    ids=["one", "a failed one that was replaced", "two", "one too many", "one that goes on"],
)
def test_runs_too_many_and_left_over_are_found(
    server: LocalOmics, omics: Any, start_run: Start, runs: list[dict[str, str]], expected: tuple[int, int]
) -> None:
    for tags in runs:
        run = start_run(tags={**TAGS, **tags})
        ends = ("RUNNING",) if tags is LASTING else ("COMPLETED", "FAILED")
        await_status(lambda run_id=run["id"]: omics.get_run(id=run_id), *ends)
    start_run(tags={**TAGS, "airflow-run-id": "another trial"})
    assert told(server) == expected


def test_a_run_that_is_being_cancelled_is_not_left_over_and_yet_one_too_many(
    server: LocalOmics, omics: Any, start_run: Start
) -> None:
    run = start_run(tags={**TAGS, **LASTING})
    await_status(lambda: omics.get_run(id=run["id"]), "RUNNING")
    omics.cancel_run(id=run["id"])
    assert told(server) == (0, 0)
    start_run(tags={**TAGS, **LASTING})
    assert told(server) == (1, 1)


def test_samples_too_many_are_found(server: LocalOmics, omics: Any, make_workflow: Callable[..., str]) -> None:
    default = {
        "roleArn": "arn:aws:iam::123456789012:role/omics",
        "workflowId": make_workflow(),
        "outputUri": "s3://out/x",
    }
    for _ in range(2):
        batch = omics.start_run_batch(
            defaultRunSetting=default, batchRunSettings={"inlineSettings": [{"runSettingId": "a"}]}, tags=TAGS
        )
        await_status(lambda batch_id=batch["id"]: omics.get_batch(batchId=batch_id), "PROCESSED")
    jobs = jobs_of(TRIAL, server)
    assert [text.split(":")[0] for text in duplicates(TRIAL, jobs)] == [
        "2 runs for sample a [-1]",
        "2 batches for [-1]",
    ]
