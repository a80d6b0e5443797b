"""Waiting: what is decided, and that worker, triggerer and sensor come to the same end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.api.calls import Request, Requests, run_async, run_sync
from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.healthomics.polling.engine import (
    Waiter,
    WaitPolicy,
    apoll_until_done,
    poll_once,
    poll_until_done,
)
from airflow_provider_omics.healthomics.polling.result import PollAgain, StopReason, WaitResult
from airflow_provider_omics.healthomics.runs.poll import RunPoll
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot

LOG = logging.getLogger("test")
Step = RunSnapshot | Exception


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> bool:
        self.now += seconds
        return False

    async def asleep(self, seconds: float) -> None:
        self.now += seconds


class Service:
    """Answers a fixed sequence of looks, and the last of them for ever."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = list(steps)
        self.looks = 0

    def get_run(self, id: str) -> dict[str, Any]:
        step = self.steps[min(self.looks, len(self.steps) - 1)]
        self.looks += 1
        if isinstance(step, Exception):
            raise step
        return {"id": id, "status": step.status, "runOutputUri": step.output_uri}

    def ask(self, steps: Requests[RunSnapshot]) -> RunSnapshot:
        return run_sync(self, steps)

    async def aask(self, steps: Requests[RunSnapshot]) -> RunSnapshot:
        return await run_async(partial(_answer, self), steps)


async def _answer(service: Service, request: Request) -> Any:
    assert request.operation == "GetRun"
    return service.get_run(**request.members)


def run(status: str | None) -> RunSnapshot:
    return RunSnapshot("1234567", status, output_uri="s3://bucket/out")


def refused(code: str, http_status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": http_status}}
    return ClientError(answer, "GetRun")


def new_waiter(policy: WaitPolicy, clock: Clock) -> Waiter[RunSnapshot]:
    return Waiter(RunPoll("1234567"), policy, clock=clock, jitter=lambda: 0.5)


def in_worker(steps: Sequence[Step], policy: WaitPolicy) -> tuple[WaitResult[RunSnapshot], float, int]:
    clock, service = Clock(), Service(steps)
    end = poll_until_done(new_waiter(policy, clock), service.ask, clock.sleep, LOG)
    return end, clock.now, service.looks


def in_triggerer(steps: Sequence[Step], policy: WaitPolicy) -> tuple[WaitResult[RunSnapshot], float, int]:
    clock, service = Clock(), Service(steps)
    end = asyncio.run(apoll_until_done(new_waiter(policy, clock), service.aask, clock.asleep, LOG))
    return end, clock.now, service.looks


THROTTLED = refused("ThrottlingException", 429)
BROKEN = refused("InternalServerException", 500)
MISSING = refused("ResourceNotFoundException", 404)
DENIED = refused("AccessDeniedException", 403)
UNREACHABLE = EndpointConnectionError(endpoint_url="http://nowhere.invalid")

statuses = st.sampled_from([*(status.value for status in RunStatus), "ARCHIVING", None])
errors = st.sampled_from([THROTTLED, BROKEN, MISSING, DENIED, UNREACHABLE])
steps = st.lists(statuses.map(run) | errors, min_size=1, max_size=12)
policies = st.builds(
    WaitPolicy,
    delay=st.sampled_from([1.0, 30.0]),
    # Sequences that never end are cut off by one limit or the other.
    max_attempts=st.integers(1, 20),
    deadline=st.none() | st.sampled_from([999_999.0, 1_000_010.0, 1_000_200.0]),
    retry_timeout=st.sampled_from([0.0, 60.0, 900.0]),
    is_known=st.booleans(),
    not_found_grace=st.sampled_from([0.0, 60.0]),
    missing_ok=st.booleans(),
)


@given(steps=steps, policy=policies)
def test_worker_and_triggerer_come_to_the_same_end_at_the_same_time(steps: list[Step], policy: WaitPolicy) -> None:
    worker, triggerer = in_worker(steps, policy), in_triggerer(steps, policy)
    assert worker == triggerer
    assert WaitResult.from_payload(worker[0].to_payload(), RunSnapshot) == worker[0]


@given(steps=steps, attempts=st.integers(1, 20), missing_ok=st.booleans())
def test_a_sensor_that_looks_once_at_a_time_comes_to_the_same_end(
    steps: list[Step], attempts: int, missing_ok: bool
) -> None:
    # Without budgets in time, since Airflow and not the wait decides when a sensor looks again.
    policy = WaitPolicy(max_attempts=attempts, retry_timeout=10**9, missing_ok=missing_ok)
    steps = [*steps, run("COMPLETED")]
    service, wait = Service(steps), new_waiter(policy, Clock())
    end = None
    while end is None:
        end = poll_once(wait, service.ask, LOG)
    expected, _, looks = in_worker(steps, policy)
    assert (end, service.looks) == (expected, looks)


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED", "DELETED"])
def test_every_terminal_state_ends_the_wait(status: str) -> None:
    end, _, looks = in_worker([run("PENDING"), run("RUNNING"), run("STOPPING"), run(status)], WaitPolicy())
    assert (end.why, end.snapshot, looks) == (StopReason.ENDED, run(status), 4)


@pytest.mark.parametrize("error", [THROTTLED, BROKEN, UNREACHABLE, ConnectTimeoutError(endpoint_url="x")])
def test_a_passing_error_is_waited_out(error: Exception) -> None:
    end, _, _ = in_worker([run("RUNNING"), *[error] * 5, run("COMPLETED")], WaitPolicy(delay=10))
    assert end.why is StopReason.ENDED


def test_passing_errors_are_waited_out_for_as_long_as_the_budget_says() -> None:
    end, ended_at, _ = in_worker([run("RUNNING"), BROKEN], WaitPolicy(delay=30, retry_timeout=900))
    assert end.why is StopReason.UNREACHABLE
    assert "InternalServerException" in end.reason
    assert 900 < ended_at - 1_000_030 <= 900 + 300


@pytest.mark.parametrize("error", [BROKEN, THROTTLED, UNREACHABLE, DENIED], ids=["500", "429", "no network", "403"])
def test_a_delay_above_the_budget_does_not_use_it_up_at_one_stroke(error: Exception) -> None:
    steps = [run("RUNNING"), error, error, run("COMPLETED")]
    end, _, _ = in_worker(steps, WaitPolicy(delay=7200, retry_timeout=3600))
    assert end.why is StopReason.ENDED


def test_an_answer_refills_the_error_budget() -> None:
    steps = [*[BROKEN] * 3, run("RUNNING")] * 10
    end, _, _ = in_worker([*steps, run("COMPLETED")], WaitPolicy(delay=100, retry_timeout=750))
    assert end.why is StopReason.ENDED


@pytest.mark.parametrize("error", [DENIED, refused("ValidationException", 400), NoCredentialsError()])
def test_a_lasting_error_ends_the_wait_at_once_with_its_cause(error: Exception) -> None:
    end, _, looks = in_worker([error], WaitPolicy())
    assert (end.why, looks) == (StopReason.ERROR, 1)
    assert "run 1234567" in end.reason


def test_waiting_grows_longer_while_the_service_refuses() -> None:
    wait = new_waiter(WaitPolicy(delay=30), Clock())
    delays = [
        decision.seconds for decision in (wait.on_error(THROTTLED) for _ in range(6)) if isinstance(decision, PollAgain)
    ]
    assert delays == [30, 60, 120, 240, 300, 300]


def test_waiters_do_not_all_ask_at_the_same_moment() -> None:
    delays = []
    for jitter in (0.0, 1.0):
        wait = Waiter(RunPoll("1"), WaitPolicy(delay=30), clock=Clock(), jitter=lambda jitter=jitter: jitter)
        decision = wait.on_response(run("RUNNING"))
        assert isinstance(decision, PollAgain)
        delays.append(decision.seconds)
    assert delays == pytest.approx([27, 33])


def test_a_mistake_in_the_code_ends_the_wait_with_its_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    end, _, _ = in_worker([KeyError("id")], WaitPolicy())
    assert end.why is StopReason.ERROR
    assert "KeyError" in end.reason
    assert "did not come from AWS" in end.reason
    assert any(record.exc_info for record in caplog.records)


def test_a_run_that_was_only_just_started_may_be_unknown_for_a_while() -> None:
    just_started = WaitPolicy(delay=10, not_found_grace=60)
    assert in_worker([MISSING, MISSING, run("RUNNING"), run("COMPLETED")], just_started)[0].why is StopReason.ENDED
    end, ended_at, _ = in_worker([MISSING], just_started)
    assert (end.why, end.snapshot.status, ended_at > 1_000_060) == (StopReason.ENDED, "DELETED", True)
    assert in_worker([MISSING], WaitPolicy())[2] == 1


def test_a_run_that_vanishes_was_deleted() -> None:
    end, _, _ = in_worker([run("RUNNING"), MISSING], WaitPolicy())
    assert end.why is StopReason.ENDED
    assert end.snapshot.status == "DELETED"


def test_attempts_and_deadline_end_the_wait_and_say_how_the_run_is() -> None:
    end, _, looks = in_worker([run("RUNNING")], WaitPolicy(max_attempts=3))
    assert (end.why, looks) == (StopReason.ATTEMPTS, 3)
    assert "the run is RUNNING" in end.reason
    end, ended_at, _ = in_worker([run("RUNNING")], WaitPolicy(deadline=1_000_100))
    assert (end.why, ended_at) == (StopReason.DEADLINE, 1_000_100)


def test_only_changes_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        in_worker([run("PENDING"), run("PENDING"), run("RUNNING"), run("ARCHIVING"), run("COMPLETED")], WaitPolicy())
    told = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "test"]
    assert [level for level, _ in told] == ["INFO", "INFO", "WARNING"]
    assert "is PENDING" in told[0][1]
    assert "'ARCHIVING'" in told[2][1]


def test_a_killed_worker_stops_waiting() -> None:
    end = poll_until_done(new_waiter(WaitPolicy(), Clock()), Service([run("RUNNING")]).ask, lambda _: True, LOG)
    assert (end.why, end.snapshot) == (StopReason.INTERRUPTED, run("RUNNING"))


def test_an_event_of_another_release_can_be_read() -> None:
    payload = {"why": "ended", "run_id": "1", "run": {"run_id": "1", "status": "COMPLETED", "later": 1}, "later": 2}
    assert WaitResult.from_payload(payload, RunSnapshot) == WaitResult(StopReason.ENDED, RunSnapshot("1", "COMPLETED"))
