"""Errors that hit all waiters of a connection at once, in virtual time: none of them ends a wait before its budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from batch_account import many
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from virtual_time import Watching, in_virtual_time, refusal

from airflow_provider_omics.healthomics.batches.batch_poll import BatchPoll
from airflow_provider_omics.healthomics.batches.sample_poll import SamplePoll
from airflow_provider_omics.healthomics.polling.result import StopReason, WaitResult
from airflow_provider_omics.healthomics.runs.poll import RunPoll
from airflow_provider_omics.local.executors.outcomes import SimulatedOutcomes
from airflow_provider_omics.local.timings import Timings

# They end while nobody can look, or soon afterwards.
HOURS = Timings(pending=5, starting=5, running_min=1200, running_max=2400, stopping=5, submissions_per_second=200)
MINUTE = 60.0
Refuse = Callable[[str, dict[str, Any]], None]


class BotocoreBug(Exception):
    """Something that nobody has thought of, such as an answer that cannot be parsed."""


def between(began: float, ended: float, error: Callable[[str], Exception]) -> Refuse:
    """Refuse every call in a span of the event loop's time."""

    def refuse(operation: str, _members: dict[str, Any]) -> None:
        if began <= asyncio.get_running_loop().time() < ended:
            raise error(operation)

    return refuse


def looks_of(watching: Watching) -> list[Any]:
    """Look at many runs, at a batch and at samples of it, all through one connection."""
    batch = watching.service.start(watching.service.put_settings(many(200)))
    runs = [RunPoll(run_id) for run_id in watching.start_runs(300)]
    samples = [SamplePoll(batch.batch_id, f"sample-{n}", clock=watching.now) for n in range(100)]
    return [*runs, BatchPoll(batch.batch_id, clock=watching.now), *samples]


async def wait_for_all(watching: Watching, looks: list[Any], **policy: Any) -> list[WaitResult[Any]]:
    watching.new_watcher()
    ends = await asyncio.gather(*(watching.wait(look, **policy) for look in looks))
    await watching.watcher.close()
    return [end for end, _ in ends]


ERRORS: dict[str, Callable[[str], Exception]] = {
    "denied": lambda operation: refusal("AccessDeniedException", 403, operation),
    "rotated": lambda operation: refusal("UnrecognizedClientException", 403, operation),
    "storm": lambda operation: refusal("ServiceUnavailableException", 503, operation),
    "throttled": lambda operation: refusal("ThrottlingException", 429, operation),
    "no credentials": lambda _operation: NoCredentialsError(),
    "no network": lambda _operation: EndpointConnectionError(endpoint_url="https://omics"),
    "bug": lambda _operation: BotocoreBug("an answer that nobody understands"),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("began", [0.0, 5 * MINUTE], ids=["before the first answer", "after good answers"])
def test_half_an_hour_of_errors_ends_no_wait(error: Callable[[str], Exception], began: float) -> None:
    async def work() -> None:
        watching = Watching(timings=HOURS, outcomes=SimulatedOutcomes(write_logs=False))
        watching.refuse = between(began, began + 30 * MINUTE, error)
        # Jobs that a task has started: the service has answered about them.
        ends = await wait_for_all(watching, looks_of(watching), is_known=True)
        assert {end.why for end in ends} == {StopReason.ENDED}
        assert {end.snapshot.status for end in ends} == {"COMPLETED", "PROCESSED"}

    in_virtual_time(work)


def test_a_rotation_of_keys_is_over_with_the_next_client(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        watching = Watching(timings=HOURS, outcomes=SimulatedOutcomes(write_logs=False))

        def refuse(operation: str, _members: dict[str, Any]) -> None:
            # The old keys are off at once; the connection has the new ones ten minutes later.
            now = asyncio.get_running_loop().time()
            has_new_keys = now >= 15 * MINUTE and watching.through > 1 and made_at[watching.through] >= 15 * MINUTE
            if now >= 5 * MINUTE and not has_new_keys:
                raise refusal("UnrecognizedClientException", 403, operation)

        made_at: dict[int, float] = {}
        watching.refuse = refuse
        watching.refuse_client = lambda number: made_at.update({number: asyncio.get_running_loop().time()})
        ends = await wait_for_all(watching, looks_of(watching))
        assert {end.why for end in ends} == {StopReason.ENDED}
        # One a minute at most, whoever waits.
        assert watching.opened <= 13
        assert watching.closed == watching.opened

    in_virtual_time(work)


@pytest.mark.parametrize("error", [NoCredentialsError(), KeyError("a bug"), TimeoutError("no supervisor")], ids=repr)
def test_a_client_that_cannot_be_built_for_half_an_hour_ends_no_wait(error: Exception) -> None:
    async def work() -> None:
        watching = Watching(timings=HOURS, outcomes=SimulatedOutcomes(write_logs=False))

        def refuse_client(_number: int) -> None:
            if asyncio.get_running_loop().time() < 30 * MINUTE:
                raise error

        watching.refuse_client = refuse_client
        ends = await wait_for_all(watching, looks_of(watching), is_known=True)
        assert {end.why for end in ends} == {StopReason.ENDED}
        # Not one for each of 400 waiters.
        assert watching.opened <= 3 * 30 * MINUTE / 10

    in_virtual_time(work)


def test_before_the_first_answer_a_client_without_credentials_ends_the_wait_at_once() -> None:
    async def work() -> None:
        watching = Watching(timings=HOURS)

        def refuse_client(_number: int) -> None:
            raise NoCredentialsError

        watching.refuse_client = refuse_client
        [end] = await wait_for_all(watching, [RunPoll(watching.start_runs(1)[0])])
        assert (end.why, end.error_code) == (StopReason.ERROR, "NoCredentialsError")

    in_virtual_time(work)


@pytest.mark.parametrize("delay", [30.0, 7200.0])
def test_errors_that_last_end_every_wait_once_the_budget_is_over_and_not_before(delay: float) -> None:
    async def work() -> None:
        watching = Watching(timings=Timings(pending=5, starting=5, running_min=90_000, running_max=90_000))
        began = 5 * MINUTE
        watching.refuse = between(began, float("inf"), ERRORS["denied"])
        watching.new_watcher()
        looks = [RunPoll(run_id) for run_id in watching.start_runs(50)]
        ends = await asyncio.gather(*(watching.wait(look, delay=delay) for look in looks))
        await watching.watcher.close()
        first = 0.0 if delay < began else delay * 0.75
        for end, at in ends:
            assert end.why is StopReason.UNREACHABLE
            assert watching.epoch + max(began, first) + 3600 <= at <= watching.epoch + max(began, delay) + 3600 + 600
            assert f"aws omics get-run --id {end.snapshot.run_id}" in end.reason
        failed = [at for at, operation in watching.calls if operation == "GetRun" and at >= began]
        # A dozen looks at each, not one for each of the others' looks.
        assert 8 * len(looks) <= len(failed) <= 25 * len(looks)

    in_virtual_time(work)


def test_a_wait_of_two_hours_that_fails_once_looks_again_soon() -> None:
    async def work() -> None:
        watching = Watching(timings=Timings(pending=5, starting=5, running_min=7500, running_max=7500))
        watching.refuse = between(7000, 7210, ERRORS["denied"])
        watching.new_watcher()
        end, at = await watching.wait(RunPoll(watching.start_runs(1)[0]), delay=7200.0)
        await watching.watcher.close()
        assert end.why is StopReason.ENDED
        # The look of two hours failed; one that was had soon afterwards was answered, and the next one is usual.
        assert [round(then) for then, _ in watching.calls if 7000 < then < 7400][1] <= 7240
        assert at <= watching.epoch + 2 * 7200 + 300

    in_virtual_time(work)
