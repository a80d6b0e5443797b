"""Watching runs in virtual time: cheap, right while lists lag and runs move, and patient."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

import pytest
from batch_account import SLOW
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import Watching, in_virtual_time, refusal

from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.healthomics.polling.engine import Waiter, WaitPolicy
from airflow_provider_omics.healthomics.polling.result import StopReason, WaitResult
from airflow_provider_omics.healthomics.runs.poll import RunPoll, with_details
from airflow_provider_omics.local.assumptions import ListOrder
from airflow_provider_omics.local.executors.outcomes import SimulatedOutcomes
from airflow_provider_omics.local.timings import Timings

LONG = Timings(pending=5, starting=5, running_min=600, running_max=1200, stopping=5)
LASTING = Timings(pending=5, starting=5, running_min=9000, running_max=9000, stopping=5)
TOGETHER = Timings(pending=1, starting=1, running_min=120, running_max=120, stopping=1)
QUIET = SimulatedOutcomes(write_logs=False)


async def watch(watching: Watching, run_ids: list[str], **policy: Any) -> dict[str, tuple[WaitResult[Any], float]]:
    watching.new_watcher()
    ends = await asyncio.gather(*(watching.wait(RunPoll(run_id), **policy) for run_id in run_ids))
    await watching.watcher.close()
    return dict(zip(run_ids, ends, strict=True))


async def begin(watching: Watching, run_ids: list[str], **policy: Any) -> list[asyncio.Task[Any]]:
    watching.new_watcher()
    return [asyncio.create_task(watching.wait(RunPoll(run_id), **policy)) for run_id in run_ids]


async def give_up(watching: Watching, waits: list[asyncio.Task[Any]]) -> None:
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await watching.watcher.close()


def stopped_at(watching: Watching, run_id: str) -> float:
    time = watching.service.state.runs[run_id].stop_time
    assert time is not None
    return time.timestamp()


def assert_right(watching: Watching, ends: dict[str, tuple[WaitResult[Any], float]], latest: float) -> None:
    for run_id, (end, at) in ends.items():
        run = watching.service.state.runs[run_id]
        assert (end.why, end.snapshot.status) == (StopReason.ENDED, run.status)
        # What the list does not say is for the task to ask.
        seen = watching.ask(with_details(end.snapshot))
        assert (seen.status, seen.uuid, seen.output_uri) == (run.status, run.uuid, run.output_root)
        assert (seen.failure_code, seen.status_message) == (run.failure_reason, run.status_message)
        assert stopped_at(watching, run_id) <= at <= stopped_at(watching, run_id) + latest


def test_one_run_costs_a_call_a_period_and_no_list() -> None:
    async def work() -> None:
        watching = Watching(timings=SLOW)
        ends = await watch(watching, watching.start_runs(1), delay=5.0)
        assert_right(watching, ends, 2 * 5)
        assert watching.counts() == {"GetRun": 4}

    in_virtual_time(work)


def test_a_thousand_runs_cost_some_pages_a_period_whatever_becomes_of_them() -> None:
    async def work() -> None:
        watching = Watching(timings=LONG)
        run_ids = watching.start_runs(1000)
        ends = await watch(watching, run_ids)
        assert_right(watching, ends, 2 * 30)
        calls = watching.counts()
        # Where pages show little, the last few are asked for one by one.
        assert calls["GetRun"] < 0.3 * len(run_ids)
        assert calls["ListRuns"] <= (1215 / 27 + 2) * 10
        assert set(calls) == {"GetRun", "ListRuns"}
        assert max(watching.busiest_second(operation) for operation in calls) <= 8

    in_virtual_time(work)


def test_waiting_costs_the_pages_of_the_active_runs() -> None:
    async def work() -> None:
        watching = Watching(timings=LASTING)
        waits = await begin(watching, watching.start_runs(500))
        await asyncio.sleep(30)
        settled = asyncio.get_running_loop().time()
        await asyncio.sleep(270)
        calls = watching.counts(since=settled)
        assert set(calls) == {"ListRuns"}
        assert calls["ListRuns"] <= 5 * (270 / 26 + 1)
        await give_up(watching, waits)

    in_virtual_time(work)


@pytest.mark.parametrize("order", list(ListOrder))
def test_ends_of_every_kind_that_come_together_cost_their_pages(order: ListOrder) -> None:
    async def work() -> None:
        outcomes = SimulatedOutcomes(failure_share=0.2, write_logs=False)
        watching = Watching(timings=TOGETHER, outcomes=outcomes, list_runs_order=order)
        run_ids = watching.start_runs(1000)
        waiting = asyncio.create_task(watch(watching, run_ids))
        await asyncio.sleep(90)
        watching.catch_up()
        for run_id in run_ids[::10]:
            if watching.service.state.runs[run_id].status == RunStatus.RUNNING:
                watching.service.call("CancelRun", id=run_id)
        before = watching.counts()
        ends = await waiting
        assert_right(watching, ends, 30 + 15)
        assert {end.snapshot.status for end, _ in ends.values()} == {"COMPLETED", "FAILED", "CANCELLED"}
        calls = watching.counts() - before
        # Twice the active runs, and the three lists of the others.
        assert calls["ListRuns"] <= 2 * 12 + 13
        assert calls["GetRun"] <= 3

    in_virtual_time(work)


@pytest.mark.parametrize(("waiting", "pages", "gets"), [(12, 4, 12), (200, 21, 200)])
def test_long_lists_of_ended_runs_are_given_up_before_they_cost_more_than_asking(
    waiting: int, pages: int, gets: int
) -> None:
    async def work() -> None:
        watching = Watching(timings=TOGETHER, outcomes=QUIET, list_runs_order=ListOrder.OLDEST_FIRST)
        watching.start_runs(4000, **{"omics-local:seconds": "1"})
        await asyncio.sleep(20)
        watching.catch_up()
        ends = await watch(watching, watching.start_runs(waiting))
        assert_right(watching, ends, 2 * 30 + waiting / 7)
        calls = watching.counts()
        assert calls["GetRun"] == gets
        active = 5 * (4 + -(-waiting // 100))
        assert calls["ListRuns"] <= active + pages

    in_virtual_time(work)


def test_old_ends_of_others_cost_nothing_where_the_newest_are_listed_first() -> None:
    async def work() -> None:
        watching = Watching(timings=TOGETHER, outcomes=QUIET, list_runs_order=ListOrder.NEWEST_FIRST)
        watching.start_runs(4000, **{"omics-local:seconds": "1"})
        await asyncio.sleep(20)
        watching.catch_up()
        ends = await watch(watching, watching.start_runs(200))
        assert_right(watching, ends, 2 * 30)
        calls = watching.counts()
        assert calls["GetRun"] == 0
        assert calls["ListRuns"] <= 5 * 6 + 2

    in_virtual_time(work)


@pytest.mark.parametrize(
    "world", [{"list_runs_lag_seconds": 1e6}, {"run_status_lag_in_list_seconds": 1e6}], ids=["no run", "no status"]
)
def test_runs_that_no_list_shows_are_asked_for_one_by_one(world: dict[str, float]) -> None:
    async def work() -> None:
        watching = Watching(timings=TOGETHER, outcomes=QUIET, **world)
        watching.start_runs(300)
        waits = await begin(watching, watching.start_runs(20))
        await asyncio.sleep(300)
        done = [wait.done() for wait in waits]
        calls = watching.counts()
        if "list_runs_lag_seconds" in world:
            assert all(done)
            # Lists that show nothing are read ever more rarely.
            assert calls["ListRuns"] <= 5 * 4 + 12
        else:
            # The list says that they go on, and nothing says otherwise.
            assert not any(done)
            assert calls["GetRun"] == 0
        await give_up(watching, waits)

    in_virtual_time(work)


@pytest.mark.parametrize(("code", "http_status"), [("AccessDeniedException", 403), ("ThrottlingException", 429)])
def test_lists_of_ended_runs_that_are_refused_end_no_wait(code: str, http_status: int) -> None:
    async def work() -> None:
        watching = Watching(timings=TOGETHER, outcomes=QUIET)

        def refuse(operation: str, members: dict[str, Any]) -> None:
            if operation == "ListRuns" and members.get("status") == "COMPLETED":
                raise refusal(code, http_status, operation)

        watching.refuse = refuse
        ends = await watch(watching, watching.start_runs(100))
        # Whoever is throttled slows down and tries again, and is then told so.
        slow = 15 if http_status == 403 else 1800
        assert_right(watching, ends, 2 * 30 + slow)
        assert watching.counts()["GetRun"] >= 100 if http_status == 403 else True

    in_virtual_time(work)


def test_a_deleted_run_is_asked_for_among_many_that_ended() -> None:
    async def work() -> None:
        watching = Watching(timings=TOGETHER, outcomes=QUIET)
        run_ids = watching.start_runs(300)
        waits = await begin(watching, run_ids)
        await asyncio.sleep(101)
        watching.catch_up()
        gone = run_ids[:3]
        for run_id in gone:
            watching.service.call("CancelRun", id=run_id)
        await asyncio.sleep(6)
        watching.catch_up()
        for run_id in gone:
            watching.service.call("DeleteRun", id=run_id)
        ends = await asyncio.gather(*waits)
        await watching.watcher.close()
        assert [end.snapshot.status for end, _ in ends] == [*["DELETED"] * 3, *["COMPLETED"] * 297]
        # Once each for those that were deleted, and for those that moved on meanwhile.
        assert 3 <= watching.counts()["GetRun"] <= 8

    in_virtual_time(work)


def test_the_creation_time_tells_an_ended_run_that_has_got_the_id_of_another() -> None:
    async def work() -> None:
        watching = Watching(timings=TOGETHER, outcomes=QUIET, run_id_reuse=True)
        run_ids = watching.start_runs(20)
        waits = await begin(watching, run_ids, delay=60.0)
        await asyncio.sleep(65)
        watching.catch_up()
        reused = run_ids[:2]
        for run_id in reused:
            watching.service.call("CancelRun", id=run_id)
        await asyncio.sleep(10)
        watching.catch_up()
        for run_id in reused:
            watching.service.call("DeleteRun", id=run_id)
        assert sorted(watching.start_runs(2, **{"omics-local:seconds": "1"})) == sorted(reused)
        ends = await asyncio.gather(*waits)
        await watching.watcher.close()
        assert [watching.service.state.runs[run_id].status for run_id in reused] == ["COMPLETED"] * 2
        assert [end.snapshot.status for end, _ in ends] == [*["DELETED"] * 2, *["COMPLETED"] * 18]

    in_virtual_time(work)


def test_the_end_of_a_run_that_was_never_seen_to_go_on_is_asked_for() -> None:
    async def work() -> None:
        watching = Watching(timings=TOGETHER, outcomes=QUIET)
        run_ids = watching.start_runs(20)
        await asyncio.sleep(1000)
        watching.catch_up()
        ends = await asyncio.gather(*await begin(watching, run_ids))
        await watching.watcher.close()
        # A list that lags behind may show another run, which has had the id before.
        assert all(end.snapshot.status == "COMPLETED" and end.snapshot.uuid for end, _ in ends)
        assert watching.counts()["GetRun"] == 20
        # Once each for the active statuses, and no list of ended runs, which would prove nothing.
        assert watching.counts()["ListRuns"] == 4

    in_virtual_time(work)


@pytest.mark.parametrize("missing", ["creationTime", "status"])
def test_an_end_that_a_list_does_not_prove_is_asked_for(missing: str) -> None:
    async def work() -> None:
        watching = Watching(timings=TOGETHER, outcomes=QUIET)
        call = watching.service.call

        def without(operation: str, **members: Any) -> Any:
            answer = call(operation, **members)
            if operation == "ListRuns":
                answer["items"] = [{key: item[key] for key in item if key != missing} for item in answer["items"]]
            return answer

        watching.service.call = without  # type: ignore[method-assign]
        ends = await watch(watching, watching.start_runs(20))
        assert_right(watching, ends, 2 * 30)
        assert all(end.snapshot.uuid is not None for end, _ in ends.values())

    in_virtual_time(work)


def test_a_log_that_cannot_be_written_to_ends_no_others_wait() -> None:
    class Broken:
        def warning(self, *_args: Any) -> None:
            raise BrokenPipeError

        info = error = warning

    async def work() -> None:
        watching = Watching(timings=LONG)
        first, second = watching.start_runs(2)
        watching.latency = lambda: 100_000.0
        watcher = watching.new_watcher()
        mute = asyncio.create_task(
            watcher.wait(
                Waiter(RunPoll(first), WaitPolicy(deadline=watching.epoch + 900), clock=watching.now), Broken()
            )
        )
        end, at = await watching.wait(RunPoll(second), deadline=watching.epoch + 800)
        assert (end.why, at - watching.epoch) == (StopReason.DEADLINE, pytest.approx(800))
        assert (await mute).why is StopReason.DEADLINE
        await watcher.close()

    in_virtual_time(work)


@settings(max_examples=25)
@given(
    count=st.integers(1, 160),
    lag=st.sampled_from([0.0, 0.0, 3.0, 40.0]),
    late=st.sampled_from([0.0, 20.0]),
    seed=st.integers(0, 1000),
)
def test_runs_that_move_while_the_pages_are_read_are_neither_lost_nor_ended_early(
    count: int, lag: float, late: float, seed: int
) -> None:
    dice = random.Random(seed)

    async def work() -> None:
        watching = Watching(
            timings=Timings(pending=3, starting=1, running_min=1, running_max=90, stopping=1),
            run_status_lag_in_list_seconds=lag,
            list_runs_lag_seconds=late,
        )
        watching.latency = lambda: dice.choice([0.01, 0.5, 3.0])
        ends = await watch(watching, watching.start_runs(count), delay=10.0)
        # Looking at each at once takes as long as the pace and the lag of the lists allow.
        assert_right(watching, ends, 2 * 10 + lag + 10 * 3.0 + count)

    in_virtual_time(work)


def test_where_runs_cannot_be_listed_they_are_looked_at_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        watching = Watching(timings=SLOW)

        def refuse(operation: str, _members: Any) -> None:
            if operation == "ListRuns":
                raise refusal("AccessDeniedException", 403, operation)

        watching.refuse = refuse
        ends = await watch(watching, watching.start_runs(60))
        assert_right(watching, ends, 2 * 30)
        assert watching.counts()["ListRuns"] == 1

    in_virtual_time(work)
    assert "looked at one by one" in caplog.text


@pytest.mark.parametrize("code", ["ThrottlingException", "ServiceUnavailable"])
def test_lists_that_are_never_answered_end_no_wait_while_get_run_is(code: str) -> None:
    async def work() -> None:
        watching = Watching(timings=LONG)

        def refuse(operation: str, _members: Any) -> None:
            if operation == "ListRuns":
                raise refusal(code, 429 if code.startswith("Throttling") else 503, operation)

        watching.refuse = refuse
        ends = await watch(watching, watching.start_runs(30), retry_timeout=300.0)
        assert {end.why for end, _ in ends.values()} == {StopReason.ENDED}
        assert_right(watching, ends, 2 * 30 + 120)

    in_virtual_time(work)


def test_an_id_that_another_run_has_got_means_that_the_run_is_gone() -> None:
    async def work() -> None:
        watching = Watching(timings=LONG, run_id_reuse=True)
        run_ids = watching.start_runs(20)
        reused = run_ids[3]
        uuid = watching.service.state.runs[reused].uuid

        async def replace() -> None:
            await asyncio.sleep(100)
            watching.catch_up()
            watching.service.call("CancelRun", id=reused)
            await asyncio.sleep(10)
            watching.catch_up()
            watching.service.call("DeleteRun", id=reused)
            assert watching.start_runs(1) == [reused]

        watching.new_watcher()
        waits = [asyncio.create_task(watching.wait(RunPoll(run_id))) for run_id in run_ids]
        replacing = asyncio.create_task(replace())
        end, at = await waits[3]
        await replacing
        assert (end.why, end.snapshot.status) == (StopReason.ENDED, "DELETED")
        assert end.snapshot.uuid in (uuid, None)
        assert at < watching.epoch + 200
        await asyncio.gather(*waits[:3], *waits[4:])
        await watching.watcher.close()

    in_virtual_time(work)


@pytest.mark.parametrize("others", [0, 20])
def test_a_run_that_has_got_an_id_is_not_gone_with_the_one_that_had_it(others: int) -> None:
    async def work() -> None:
        watching = Watching(timings=TOGETHER, outcomes=QUIET, run_id_reuse=True)
        waits = await begin(watching, watching.start_runs(others), delay=60.0)
        (run_id,) = watching.start_runs(1)
        waits.append(asyncio.create_task(watching.wait(RunPoll(run_id), delay=60.0)))
        await asyncio.sleep(65)
        watching.catch_up()
        watching.service.call("CancelRun", id=run_id)
        await asyncio.sleep(10)
        watching.catch_up()
        watching.service.call("DeleteRun", id=run_id)
        assert watching.start_runs(1) == [run_id]
        end, _ = await watching.wait(RunPoll(run_id), delay=60.0)
        assert (end.why, end.snapshot.status) == (StopReason.ENDED, "COMPLETED")
        ends = await asyncio.gather(*waits)
        assert [end.snapshot.status for end, _ in ends] == [*["COMPLETED"] * others, "DELETED"]
        await watching.watcher.close()

    in_virtual_time(work)


def test_errors_that_pass_are_told_only_when_they_last_and_end_the_wait_by_the_budget(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        watching = Watching(timings=LONG)
        broken = [False]

        def refuse(operation: str, _members: Any) -> None:
            if broken[0]:
                raise refusal("InternalServerException", 500, operation)

        watching.refuse = refuse
        watching.new_watcher()
        waits = [
            asyncio.create_task(watching.wait(RunPoll(run_id), retry_timeout=900.0))
            for run_id in watching.start_runs(20)
        ]
        await asyncio.sleep(65)
        broken[0] = True
        await asyncio.sleep(8)
        broken[0] = False
        await asyncio.sleep(60)
        assert caplog.text == ""
        broken[0] = True
        broken_at = watching.now()
        ends = await asyncio.gather(*waits)
        assert {end.why for end, _ in ends} == {StopReason.UNREACHABLE}
        assert all(broken_at + 900 <= at <= broken_at + 900 + 400 for _, at in ends)
        assert "InternalServerException" in ends[0][0].reason
        await watching.watcher.close()

    with caplog.at_level(logging.WARNING):
        in_virtual_time(work)
    assert "Still waiting: ListRuns for run" in caplog.text


def test_an_outage_between_two_answers_does_not_use_up_the_budget_of_the_next() -> None:
    async def work() -> None:
        watching = Watching(timings=Timings(pending=1, starting=1, running_min=9000, running_max=9000, stopping=1))
        outage = [False]

        def refuse(operation: str, _members: Any) -> None:
            if outage[0]:
                raise refusal("ServiceUnavailable", 503, operation)

        watching.refuse = refuse
        watching.new_watcher()
        waits = [asyncio.create_task(watching.wait(RunPoll(run_id))) for run_id in watching.start_runs(10)]
        for _ in range(6):
            outage[0] = True
            await asyncio.sleep(700)
            outage[0] = False
            await asyncio.sleep(400)
        ends = await asyncio.gather(*waits)
        assert {end.why for end, _ in ends} == {StopReason.ENDED}
        await watching.watcher.close()

    in_virtual_time(work)


def test_throttling_slows_the_watcher_down_and_fails_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        watching = Watching(timings=LONG)

        def refuse(operation: str, _members: Any) -> None:
            if 100 < watching.now() - watching.epoch < 400 and random.Random(watching.now()).random() < 0.7:
                raise refusal("ThrottlingException", 429, operation)

        watching.refuse = refuse
        ends = await watch(watching, watching.start_runs(300))
        assert {end.why for end, _ in ends.values()} == {StopReason.ENDED}
        in_storm = [at for at, _ in watching.calls if 100 < at < 400]
        assert len(in_storm) < 150

    in_virtual_time(work)


def test_looks_that_are_counted_are_all_told() -> None:
    async def work() -> None:
        watching = Watching(timings=LONG)
        ends = await watch(watching, watching.start_runs(20), max_attempts=3)
        assert {(end.why, end.reason) for end, _ in ends.values()} == {
            (StopReason.ATTEMPTS, "looked 3 times (waiter_max_attempts), and the run is RUNNING")
        }
        assert all(55 <= at - watching.epoch <= 75 for _, at in ends.values())

    in_virtual_time(work)


def test_looks_are_counted_at_their_own_pace_while_others_look_more_often() -> None:
    async def work() -> None:
        watching = Watching(timings=LONG)
        watching.new_watcher()
        (run_id,) = watching.start_runs(1)
        eager = asyncio.create_task(watching.wait(RunPoll(run_id), delay=10.0))
        end, at = await watching.wait(RunPoll(run_id), delay=60.0, max_attempts=3)
        assert (end.why, end.reason) == (
            StopReason.ATTEMPTS,
            "looked 3 times (waiter_max_attempts), and the run is RUNNING",
        )
        assert 100 <= at - watching.epoch <= 140
        assert not eager.done()
        eager.cancel()
        await asyncio.gather(eager, return_exceptions=True)
        await watching.watcher.close()

    in_virtual_time(work)


def test_a_clock_that_is_set_back_does_not_stop_the_looks() -> None:
    async def work() -> None:
        watching = Watching(timings=LONG)
        watching.new_watcher()
        waits = [asyncio.create_task(watching.wait(RunPoll(run_id))) for run_id in watching.start_runs(2)]
        await asyncio.sleep(100)
        watching.epoch -= 3600
        await asyncio.sleep(300)
        assert 2 * 9 <= watching.counts(since=100)["GetRun"] <= 2 * 12
        for waiting in waits:
            waiting.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await watching.watcher.close()

    in_virtual_time(work)


def test_those_in_the_queue_call_with_the_client_that_has_good_credentials() -> None:
    async def work() -> None:
        watching = Watching(timings=LONG)
        run_ids = watching.start_runs(60)

        def refuse(operation: str, _members: Any) -> None:
            if watching.through == 1 and watching.now() - watching.epoch > 3:
                refused.append(operation)
                raise refusal("ExpiredTokenException", 403, operation)

        refused: list[str] = []
        watching.refuse = refuse
        watching.new_watcher()
        await asyncio.gather(*(watching.watcher.ask(RunPoll(run_id).requests()) for run_id in run_ids))
        await watching.watcher.close()
        assert 1 <= len(refused) <= 5
        assert (watching.opened, watching.closed) == (2, 2)

    in_virtual_time(work)


def test_a_client_whose_credentials_were_refused_is_closed_although_everybody_leaves() -> None:
    async def work() -> None:
        watching = Watching(timings=LONG, latency=3.0)
        refused: list[str] = []

        def refuse(operation: str, _members: Any) -> None:
            if not refused:
                refused.append(operation)
                raise refusal("UnrecognizedClientException", 403, operation)

        watching.refuse = refuse
        watching.new_watcher()
        here: set[str] = set()

        async def wait(run_id: str) -> None:
            here.add(run_id)
            try:
                await watching.wait(RunPoll(run_id))
            finally:
                here.discard(run_id)
                if not here:
                    await asyncio.ensure_future(watching.watcher.close())

        waits = [asyncio.create_task(wait(run_id)) for run_id in watching.start_runs(3)]
        while len(watching.calls) < 3 or not refused:
            await asyncio.sleep(0.01)
        for waiting in waits:
            waiting.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        assert watching.opened == watching.closed == 1

    in_virtual_time(work)


def test_time_is_up_when_it_is_even_if_the_service_never_answers() -> None:
    async def work() -> None:
        watching = Watching(timings=LONG)
        watching.latency = lambda: 100_000.0
        ends = await watch(watching, watching.start_runs(20), deadline=watching.epoch + 500)
        assert {end.why for end, _ in ends.values()} == {StopReason.DEADLINE}
        assert all(at - watching.epoch == pytest.approx(500) for _, at in ends.values())

    in_virtual_time(work)


def test_the_age_of_the_last_answer_is_told_when_it_grows_old(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        watching = Watching(timings=LONG)
        run_ids = watching.start_runs(2)
        watching.latency = lambda: 0.05 if watching.now() - watching.epoch < 10 else 5000.0
        await watch(watching, run_ids, deadline=watching.epoch + 700)

    with caplog.at_level(logging.WARNING):
        in_virtual_time(work)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2 * 2
    assert all("No answer about HealthOmics run" in text for text in told)


def test_one_delay_does_not_hurry_or_hold_up_another() -> None:
    async def work() -> None:
        watching = Watching(timings=LONG)
        quick, *slow = watching.start_runs(51)
        watching.new_watcher()
        waits = [asyncio.create_task(watching.wait(RunPoll(run_id), delay=300.0)) for run_id in slow]
        waits.append(asyncio.create_task(watching.wait(RunPoll(quick), delay=5.0)))
        await asyncio.sleep(300)
        calls = watching.counts()
        assert 50 <= calls["GetRun"] <= 80
        assert calls["ListRuns"] <= 3 * 4
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await watching.watcher.close()

    in_virtual_time(work)


def test_figures_are_kept() -> None:
    figures: dict[str, float] = {}

    class Metrics:
        def count(self, name: str, operation: str) -> None:
            figures[f"{name}.{operation}"] = figures.get(f"{name}.{operation}", 0) + 1

        def gauge(self, name: str, value: float) -> None:
            figures[name] = value

    async def work() -> None:
        watching = Watching(timings=LONG)
        struck: list[str] = []

        def refuse(operation: str, _members: Any) -> None:
            if not struck:
                struck.append(operation)
                raise refusal("ThrottlingException", 429, operation)

        watching.refuse = refuse
        watching.new_watcher(metrics=Metrics())
        waits = [asyncio.create_task(watching.wait(RunPoll(run_id))) for run_id in watching.start_runs(7)]
        await asyncio.sleep(130)
        assert figures["watched"] == 7
        assert 0 <= figures["answer_age"] <= 33
        assert figures["calls.ListRuns"] == watching.counts()["ListRuns"]
        assert (figures["throttles.ListRuns"], figures["errors.ListRuns"]) == (1, 1)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await watching.watcher.close()

    in_virtual_time(work)
