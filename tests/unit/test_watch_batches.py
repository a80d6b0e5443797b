"""Watching batches and their samples in virtual time: one answer for all, lists only when something has changed."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from batch_account import SLOW, many
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import Watching, in_virtual_time, refusal

from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.healthomics.batches.batch_poll import BatchGoal, BatchPoll
from airflow_provider_omics.healthomics.batches.sample_poll import SamplePoll
from airflow_provider_omics.healthomics.polling.result import StopReason, WaitResult
from airflow_provider_omics.healthomics.runs.poll import with_details
from airflow_provider_omics.local.assumptions import UnsubmittedRuns
from airflow_provider_omics.local.executors.outcomes import SimulatedOutcomes
from airflow_provider_omics.local.records import Batch, Run
from airflow_provider_omics.local.timings import Timings

BIG = Timings(
    pending=5, starting=5, running_min=300, running_max=900, stopping=5, submissions_per_second=200, run_summary_lag=5
)
QUIET = SimulatedOutcomes(write_logs=False)


async def watch_samples(watching: Watching, batch: Batch, keys: list[str], **policy: Any) -> dict[str, Any]:
    watching.new_watcher()
    looks = [SamplePoll(batch.batch_id, key, clock=watching.now) for key in keys]
    ends = await asyncio.gather(*(watching.wait(look, **policy) for look in looks))
    await watching.watcher.close()
    return dict(zip(keys, ends, strict=True))


def run_of(watching: Watching, batch: Batch, key: str) -> Run:
    [run] = [run for run in watching.service.state.runs_of_batch(batch.batch_id) if run.run_setting_id == key]
    return run


def assert_right(
    watching: Watching, batch: Batch, ends: dict[str, tuple[WaitResult[Any], float]], latest: float
) -> None:
    runs = {run.run_setting_id: run for run in watching.service.state.runs_of_batch(batch.batch_id)}
    for key, (end, at) in ends.items():
        run = runs[key]
        assert run.stop_time is not None
        stopped_at = run.stop_time.timestamp()
        assert end.why is StopReason.ENDED
        seen = end.snapshot.run
        assert (end.snapshot.run_setting_id, seen.run_id, seen.status, seen.uuid) == (
            key,
            run.run_id,
            run.status,
            run.uuid,
        )
        # What the list does not say is for the task to ask.
        seen = watching.ask(with_details(seen))
        assert (seen.failure_code, seen.output_uri) == (run.failure_reason, run.output_root)
        assert stopped_at <= at <= stopped_at + latest


def test_nothing_is_kept_of_samples_whose_waiters_leave_during_a_poll() -> None:
    async def work() -> None:
        watching = Watching(timings=BIG, latency=3.0)
        batch = watching.service.start(many(40))
        watcher = watching.new_watcher()
        keys = [f"sample-{number}" for number in range(40)]
        waits = [
            asyncio.create_task(watching.wait(SamplePoll(batch.batch_id, key, clock=watching.now))) for key in keys
        ]
        for leaves_after, wait in enumerate(waits[:-1]):
            asyncio.get_running_loop().call_later(0.4 * leaves_after, wait.cancel)
        await asyncio.sleep(60)
        [poller] = watcher._samples.values()
        assert list(poller._samples) == list(poller.subscriptions) == keys[-1:]
        waits[-1].cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await watcher.close()

    in_virtual_time(work)


def test_lists_that_are_never_answered_end_no_wait_while_get_run_is() -> None:
    async def work() -> None:
        watching = Watching(timings=BIG)
        batch = watching.service.start(many(40))

        def refuse(operation: str, _members: Any) -> None:
            if operation == "ListRuns":
                raise refusal("ThrottlingException", 429, operation)

        watching.refuse = refuse
        keys = [f"sample-{number}" for number in range(40)]
        ends = await watch_samples(watching, batch, keys, retry_timeout=200.0)
        assert {end.why for end, _ in ends.values()} == {StopReason.ENDED}
        assert_right(watching, batch, ends, 2 * 30 + 120)

    in_virtual_time(work)


def test_many_who_wait_for_a_batch_cost_one_call_a_period() -> None:
    async def work() -> None:
        watching = Watching(timings=BIG)
        batch = watching.service.start(many(10))
        watching.new_watcher()
        looks = [BatchPoll(batch.batch_id, clock=watching.now) for _ in range(200)]
        ends = await asyncio.gather(*map(watching.wait, looks))
        await watching.watcher.close()
        assert {(end.why, end.snapshot.status) for end, _ in ends} == {(StopReason.ENDED, "PROCESSED")}
        took = max(at for _, at in ends) - watching.epoch
        assert watching.counts() == {"GetBatch": watching.counts()["GetBatch"]}
        assert watching.counts()["GetBatch"] <= took / 27 + 2

    in_virtual_time(work)


def test_those_who_come_at_different_times_soon_share_the_answers() -> None:
    async def work() -> None:
        watching = Watching(timings=Timings(running_min=5000, running_max=5000))
        batch = watching.service.start(many(2))
        watching.new_watcher()

        async def come(after: float) -> Any:
            await asyncio.sleep(after)
            return await watching.wait(BatchPoll(batch.batch_id, clock=watching.now))

        waits = [asyncio.create_task(come(2.0 * n)) for n in range(30)]
        await asyncio.sleep(1000)
        settled = len(watching.calls)
        await asyncio.sleep(3000)
        assert len(watching.calls) - settled <= 3000 / 27 + 1
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await watching.watcher.close()

    in_virtual_time(work)


def test_a_batch_is_cancelled_through_the_watcher_too() -> None:
    async def work() -> None:
        watching = Watching(timings=SLOW)
        batch = watching.service.start()
        watching.new_watcher()
        look = BatchPoll(batch.batch_id, BatchGoal.ENDED, cancel=True, clock=watching.now)
        end, _ = await watching.wait(look, delay=2.0)
        assert (end.why, end.snapshot.status, end.snapshot.cancel_requested) == (
            StopReason.ENDED,
            BatchStatus.CANCELLED,
            True,
        )
        assert watching.counts()["CancelRunBatch"] == 1
        await watching.watcher.close()

    in_virtual_time(work)


def test_a_few_samples_of_a_huge_batch_are_looked_at_alone() -> None:
    async def work() -> None:
        watching = Watching(timings=BIG, outcomes=QUIET)
        batch = watching.service.start(watching.service.put_settings(many(3000)))
        ends = await watch_samples(watching, batch, ["sample-7", "sample-2999"])
        assert_right(watching, batch, ends, 2 * 30)
        calls = watching.counts()
        assert calls["ListRuns"] == 0
        assert calls["ListRunsInBatch"] <= 4
        assert calls["GetRun"] <= 2 * (920 / 27 + 2)

    in_virtual_time(work)


def test_all_samples_of_a_batch_are_read_together_and_each_end_is_seen_in_time() -> None:
    async def work() -> None:
        watching = Watching(timings=BIG, outcomes=QUIET)
        batch = watching.service.start(watching.service.put_settings(many(2000)))
        ends = await watch_samples(watching, batch, [f"sample-{n}" for n in range(2000)])
        assert_right(watching, batch, ends, 2 * 30)
        calls = watching.counts()
        assert calls["GetRun"] <= 2000
        assert calls["ListRuns"] <= 20 * (930 / 27 + 2)
        assert calls["ListRunsInBatch"] <= 20 * 3
        assert max(watching.busiest_second(operation) for operation in calls) <= 8

    in_virtual_time(work)


def test_a_flood_of_ends_costs_the_pages_of_the_list() -> None:
    async def work() -> None:
        watching = Watching(
            timings=Timings(running_min=100, running_max=110, submissions_per_second=2000, run_summary_lag=5),
            outcomes=SimulatedOutcomes(failure_share=0.005, write_logs=False),
        )
        batch = watching.service.start(watching.service.put_settings(many(2000)))
        ends = await watch_samples(watching, batch, [f"sample-{n}" for n in range(2000)])
        assert_right(watching, batch, ends, 2 * 30)
        assert {end.snapshot.status for end, _ in ends.values()} == {"COMPLETED", "FAILED"}
        calls = watching.counts()
        assert calls["GetRun"] < 40
        assert calls["ListRuns"] <= 20 * 4

    in_virtual_time(work)


def test_while_nothing_ends_only_the_batch_is_looked_at() -> None:
    async def work() -> None:
        watching = Watching(timings=Timings(running_min=5000, running_max=5000, submissions_per_second=1000))
        batch = watching.service.start(watching.service.put_settings(many(500)))
        waiting = asyncio.create_task(watch_samples(watching, batch, [f"sample-{n}" for n in range(500)]))
        await asyncio.sleep(200)
        settled = watching.now() - watching.epoch
        await asyncio.sleep(1200)
        calls = watching.counts(since=settled)
        # Once in four periods the list is read all the same: counts may lag.
        assert calls["ListRuns"] <= 5 * (1200 / 108 + 1)
        assert calls["GetBatch"] <= 1200 / 27 + 1
        assert set(calls) <= {"ListRuns", "GetBatch"}
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await watching.watcher.close()

    in_virtual_time(work)


@settings(max_examples=25)
@given(
    count=st.integers(3, 250),
    waited=st.integers(1, 250),
    lag=st.sampled_from([0.0, 3.0, 40.0]),
    late=st.sampled_from([0.0, 15.0]),
    unsubmitted=st.sampled_from(list(UnsubmittedRuns)),
    slow=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_samples_that_move_while_the_lists_are_read_are_neither_lost_nor_ended_early(
    count: int, waited: int, lag: float, late: float, unsubmitted: UnsubmittedRuns, slow: bool, seed: int
) -> None:
    dice = random.Random(seed)

    async def work() -> None:
        watching = Watching(
            timings=Timings(
                pending=3,
                starting=1,
                running_min=1,
                running_max=90,
                stopping=1,
                submissions_per_second=5 if slow else 500,
                run_summary_lag=lag,
            ),
            outcomes=SimulatedOutcomes(failure_share=0.1, write_logs=False),
            runs_in_batch_lag_seconds=late,
            run_status_lag_in_list_seconds=lag,
            runs_in_batch_before_submission=unsubmitted,
        )
        watching.latency = lambda: dice.choice([0.01, 0.5, 3.0])
        batch = watching.service.start(watching.service.put_settings(many(count)))
        keys = [f"sample-{n}" for n in range(count)][-waited:]
        ends = await watch_samples(watching, batch, keys, delay=10.0)
        assert_right(watching, batch, ends, 2 * 10 + lag + late + 40 * 3.0 + count)

    in_virtual_time(work)


def test_samples_that_never_became_runs_end_with_the_cause() -> None:
    async def work() -> None:
        watching = Watching(timings=SLOW)
        bad = {f"bad-{n}": {"runSettingId": f"bad-{n}", "outputUri": "file:///tmp"} for n in range(4)}
        batch = watching.service.start([*bad.values(), *many(4)])
        ends = await watch_samples(watching, batch, [*bad, "not there", "nor this"])
        for key in bad:
            snapshot = ends[key][0].snapshot
            assert (snapshot.submission_status, snapshot.submission_failure_reason) == ("FAILED", "ValidationException")
        for key in ("not there", "nor this"):
            assert ends[key][0].snapshot.is_missing

    in_virtual_time(work)


def test_samples_are_looked_at_alone_where_they_cannot_be_listed(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        watching = Watching(timings=SLOW)

        def refuse(operation: str, _members: Any) -> None:
            if operation == "ListRuns":
                raise refusal("AccessDeniedException", 403, operation)

        watching.refuse = refuse
        batch = watching.service.start(watching.service.put_settings(many(120)))
        ends = await watch_samples(watching, batch, [f"sample-{n}" for n in range(120)])
        assert_right(watching, batch, ends, 2 * 30 + 120)

    in_virtual_time(work)
    assert caplog.text.count("looked at one by one") == 1


def test_a_batch_that_is_not_there_is_told_to_each_of_its_samples() -> None:
    async def work() -> None:
        watching = Watching(timings=SLOW)
        watching.new_watcher()
        waits = [watching.wait(SamplePoll("4040404", f"sample-{n}", clock=watching.now)) for n in range(5)]
        ends = await asyncio.gather(*waits)
        assert {end.why for end, _ in ends} == {StopReason.ERROR}
        assert all("4040404" in end.reason for end, _ in ends)
        await watching.watcher.close()

    in_virtual_time(work)


def test_a_flood_that_the_batch_does_not_count_yet_is_seen_in_the_list() -> None:
    async def work() -> None:
        watching = Watching(
            timings=Timings(running_min=100, running_max=110, submissions_per_second=2000, run_summary_lag=5000),
            outcomes=QUIET,
        )
        lasting = {"runSettingId": "lasting", "runTags": {"omics-local:seconds": "3000"}}
        batch = watching.service.start(watching.service.put_settings([*many(400), lasting]))
        ends = await watch_samples(watching, batch, [f"sample-{n}" for n in range(400)])
        # Counts that lag tell of an end only when the list is read all the same, once in four periods.
        assert_right(watching, batch, ends, 5 * 30)
        assert watching.counts()["GetRun"] < 40

    in_virtual_time(work)


def test_a_run_that_is_in_no_list_any_more_was_deleted() -> None:
    async def work() -> None:
        watching = Watching(timings=BIG, outcomes=QUIET)
        batch = watching.service.start(many(90))
        watching.new_watcher()
        looks = [SamplePoll(batch.batch_id, f"sample-{n}", clock=watching.now) for n in range(90)]
        waits = [asyncio.create_task(watching.wait(look)) for look in looks]
        await asyncio.sleep(100)
        watching.catch_up()
        run_id = run_of(watching, batch, "sample-5").run_id
        watching.service.call("CancelRun", id=run_id)
        await asyncio.sleep(6)
        watching.catch_up()
        watching.service.call("DeleteRun", id=run_id)
        end, at = await waits[5]
        assert (end.why, end.snapshot.run.status) == (StopReason.ENDED, "DELETED")
        assert at - watching.epoch < 106 + 5 * 30
        assert not any(wait.done() for wait in waits[:5])
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await watching.watcher.close()

    in_virtual_time(work)
