"""Whatever is interrupted, lost, throttled, cleared or created again: one job is paid for each time it is wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cohorts import BUCKET, ROLE, cohort
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from submission_machine import RETRIES, Bench, Kept, Kind, SubmissionMachine

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot
from airflow_provider_omics.healthomics.requests.identity import FINISHED_TAG
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.jobs import record
from airflow_provider_omics.local import LocalOmics, ManualClock, Quotas, SimulatedOutcomes, Timings
from airflow_provider_omics.local.workflows.catalogue import share_workflow
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

WORKFLOW = "77"
#: More calls and looks than a try has until it waits for its job.
MOMENTS = range(16)
KEPT = list(Kept) if record.state_store({"task_state_store": None}) is not None else [Kept.NOTHING]
#: What Airflow keeps, and what the service does with an id that it has seen; only where it forgets the id at once
#: does more count.
ACCOUNTS = [*((kept, "forgotten") for kept in KEPT), (KEPT[0], "first_answer"), (KEPT[-1], "conflict")]
UNPAID_RUNS = (RunStatus.CANCELLED, RunStatus.FAILED)
UNPAID_BATCHES = (BatchStatus.CANCELLED, BatchStatus.STOPPING, BatchStatus.FAILED)


@pytest.fixture
def omics_local_settings() -> dict[str, Any]:
    timings = Timings(run_summary_lag=0, running_min=10, running_max=10, submissions_per_second=100)
    outcomes = SimulatedOutcomes(write_logs=False)
    clock = ManualClock(datetime.now(UTC))
    return {"executor": "simulated", "timings": timings, "quotas": Quotas.wide(), "outcomes": outcomes, "clock": clock}


@pytest.fixture
def server(omics_local: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> LocalOmics:
    """Airflow's connection leads to the server, whose time is everybody's."""
    monkeypatch.setattr(time, "time", lambda: omics_local.clock.now().timestamp())
    return omics_local


def common() -> dict[str, Any]:
    place = {"workflow_id": WORKFLOW, "role_arn": ROLE, "output_uri": f"s3://{BUCKET}/out"}
    # Pauses pass in the time of the server, which a budget of errors does not count.
    return {"task_id": "start", **place, "deferrable": True, "retries": RETRIES, "error_budget": 0}


def kind_of(name: str, server: LocalOmics, omics: Any) -> Kind:
    if name == "run":
        return Kind(
            "StartRun",
            lambda: OmicsStartRunOperator(**common()),
            lambda: {
                run.run_id: run.status not in UNPAID_RUNS and not run.cancel_requested
                for run in server.account().runs.values()
            },
            lambda job_id: FINISHED_TAG in server.account().runs[job_id].tags,
            lambda job_id: omics.cancel_run(id=job_id),
            lambda job_id: RunSnapshot.of(omics.get_run(id=job_id)),
        )
    samples = cohort(2)
    return Kind(
        "StartRunBatch",
        lambda: OmicsStartRunBatchOperator(run_settings=samples, **common()),
        lambda: {batch.batch_id: batch.status not in UNPAID_BATCHES for batch in server.account().batches.values()},
        lambda job_id: FINISHED_TAG in server.account().batches[job_id].tags,
        lambda job_id: omics.cancel_run_batch(batchId=job_id),
        lambda job_id: BatchSnapshot.of(omics.get_batch(batchId=job_id)),
    )


@pytest.fixture
def make_bench(server: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Bench]:
    """Make what all examples of a kind of job share."""

    def make(kind: str) -> Bench:
        looking, s3, hook = server.client("omics"), server.client("s3"), OmicsHook()

        def anew() -> None:
            server.reset()
            s3.create_bucket(Bucket=BUCKET)
            share_workflow(server.account(), WORKFLOW, server.account().account)

        def keep(kept: Kept) -> None:
            monkeypatch.setattr(record, "STATE_OUTLIVES_CLEAR", kept is Kept.FOR_EVER)

        return Bench(server, kind_of(kind, server, looking), hook.conn, hook.storage, anew, KEPT, keep)

    return make


@pytest.mark.parametrize(("kind", "examples"), [("run", 80), ("batch", 40)])
def test_one_job_is_paid_for_each_time_that_it_is_wanted(
    make_bench: Callable[[str], Bench], kind: str, examples: int, request: pytest.FixtureRequest
) -> None:
    more = request.config.getoption("--more-examples")
    at_random = more > 1
    machine = type("Machine", (SubmissionMachine,), {"bench": make_bench(kind)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples * more,
            stateful_step_count=25,
            deadline=None,
            derandomize=not at_random,
            database=None,
            # To shrink what was found takes minutes.
            phases=[Phase.generate, Phase.shrink] if at_random else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture(params=["run", "batch"])
def machine(request: pytest.FixtureRequest, make_bench: Callable[[str], Bench]) -> type[SubmissionMachine]:
    return type("Machine", (SubmissionMachine,), {"bench": make_bench(request.param)})


def begin(machine: type[SubmissionMachine], kept: Kept, reading: str) -> SubmissionMachine:
    """A task that was never tried, on a service that reads a repeated request id in one way."""
    task = machine()
    task.begin_with(kept, (reading, 0))
    return task


@pytest.mark.parametrize(
    ("kept", "reading", "is_over"),
    [(*account, False) for account in ACCOUNTS] + [(kept, "forgotten", True) for kept in KEPT],
)
def test_a_first_try_that_is_alive_starts_nothing_beside_the_next(
    machine: type[SubmissionMachine], kept: Kept, reading: str, is_over: bool
) -> None:
    stood = 0
    for moment in MOMENTS:
        task = begin(machine, kept, reading)
        task.try_counts_as_lost(stands_at=moment)
        if task.lost is None:
            break
        stood += 1
        task.try_it(dies_at=None, faults=[])
        if is_over and task.state == "waiting":
            task.job_ends(dies_at=None)

        task.lost_try_goes_on(dies_at=None)

        task.at_most_one_is_paid_for()
        task.teardown()
    assert stood >= 2, "it stands still at each call until it waits"


@pytest.mark.parametrize(("kept", "reading"), ACCOUNTS)
def test_a_later_try_that_is_alive_starts_nothing_beside_the_next(
    machine: type[SubmissionMachine], kept: Kept, reading: str
) -> None:
    stood = 0
    for moment in MOMENTS:
        task = begin(machine, kept, reading)
        task.try_it(dies_at=None, faults=[])
        task.user_clears()
        task.time_passes(30)
        task.try_counts_as_lost(stands_at=moment)
        if task.lost is None:
            break
        stood += 1
        task.try_it(dies_at=None, faults=[])

        task.lost_try_goes_on(dies_at=None)

        task.at_most_one_is_paid_for()
        task.teardown()
    assert stood >= 2, "it stands still at each call until it waits"


@pytest.mark.parametrize(("kept", "reading"), ACCOUNTS)
def test_two_tries_that_are_alive_leave_one_job(machine: type[SubmissionMachine], kept: Kept, reading: str) -> None:
    for moment in MOMENTS:
        task = begin(machine, kept, reading)
        task.try_counts_as_lost(stands_at=moment)
        first, task.lost = task.lost, None
        if first is None:
            break
        task.try_counts_as_lost(stands_at=moment)
        second, task.lost = task.lost, None
        task.try_it(dies_at=None, faults=[])
        for lost in (second, first):
            if lost is not None:
                task.lost = lost
                task.lost_try_goes_on(dies_at=None)

        task.at_most_one_is_paid_for()
        task.teardown()
