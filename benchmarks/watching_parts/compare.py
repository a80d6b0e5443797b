"""1,000 deferred runs, ours beside the amazon provider's way, each in a process of its own against the same server."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Imported before measuring begins, as a triggerer has it.
import aiobotocore.session  # noqa: F401
import airflow.sdk.execution_time.supervisor  # noqa: F401
from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger
from airflow.triggers.base import BaseTrigger
from server_process import Server, server_process

from airflow_provider_omics.local import LocalOmics, Timings
from airflow_provider_omics.triggers.run import OmicsRunTrigger
from watching_parts import service
from watching_parts.measuring import MIB, MeasuredLoop, Meter, Usage, in_fresh_process, run_measured
from watching_parts.report import Bound, bounds, table

DELAY, POLLS = 10, 10
TIMES_LESS, LONGEST_BLOCK = 50, 0.1
# Seconds beyond the delay and of CPU, 10^6 bytes, and calls, where all end at once.
_LAST_EVENT, _CPU, _ADDED_MB, _CALLS = 15, 3, 20, 100
_RUNNING = 3600.0
# Long after the start, and long before the end.
_UNTIL_RUNNING, _UNTIL_ENDED = 60.0, 7200.0
_BETWEEN_COUNTS = 0.5


class AmazonRunHook(AwsGenericHook[Any]):
    """The amazon provider's hook, for the service that it has none for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "omics"
        super().__init__(*args, **kwargs)


class AmazonRunTrigger(AwsBaseWaiterTrigger):
    """The amazon provider's waiter trigger with botocore's own waiter for runs, as users write it today."""

    aws_hook_class = AmazonRunHook

    def __init__(self, *, run_id: str, waiter_delay: int) -> None:
        super().__init__(
            serialized_fields={"run_id": run_id},
            waiter_name="run_completed",
            waiter_args={"id": run_id},
            failure_message=f"Failure while waiting for run {run_id}",
            status_message=f"Run {run_id} not ready yet",
            status_queries=["status"],
            return_key="run_id",
            return_value=run_id,
            waiter_delay=waiter_delay,
            waiter_max_attempts=100_000,
        )


TRIGGERS: dict[str, Callable[..., BaseTrigger]] = {"amazon": AmazonRunTrigger, "ours": OmicsRunTrigger}


@dataclass
class Side:
    """What one way costs.

    :ivar waiting: while all runs go on.
    :ivar whole: until the last event, after all have ended at once.
    :ivar calls: while all runs go on, and until the last event.
    :ivar seconds: how long the waiting took, and the ends after it.
    """

    waiting: Usage
    whole: Usage
    calls: tuple[int, int]
    seconds: tuple[float, float]


def compare(runs: int) -> bool:
    """Measure both over many polls, print the figures, and return whether the bounds hold."""
    amazon, ours = _both(runs, POLLS)
    return bounds(
        [
            Bound("CPU while waiting (s)", ours.waiting.cpu, amazon.waiting.cpu / TIMES_LESS, ".2f"),
            Bound("added memory (MiB)", ours.whole.memory / MIB, amazon.whole.memory / MIB / TIMES_LESS, ".1f"),
            Bound("calls while waiting", ours.calls[0], amazon.calls[0] / TIMES_LESS),
            Bound("longest block (ms)", ours.whole.blocks.longest * 1000, LONGEST_BLOCK * 1000),
        ]
    )


def ends(runs: int) -> bool:
    """Measure both where all runs end after the first poll, print the figures, and return whether the bounds hold."""
    _, ours = _both(runs, 1)
    return bounds(
        [
            Bound("from the end to the last event (s)", ours.seconds[1], DELAY + _LAST_EVENT, ".1f"),
            Bound("CPU (s)", ours.whole.cpu, _CPU, ".2f"),
            Bound("added memory (MB)", ours.whole.memory / 1e6, _ADDED_MB, ".1f"),
            Bound("calls", ours.calls[1], _CALLS),
            Bound("longest block (ms)", ours.whole.blocks.longest * 1000, LONGEST_BLOCK * 1000),
        ]
    )


def _both(runs: int, polls: int) -> tuple[Side, Side]:
    with server_process(_TIMINGS, by_hand=True) as server:
        sides = {name: in_fresh_process(_measure, name, server, runs, polls) for name in TRIGGERS}
    amazon, ours = sides["amazon"], sides["ours"]
    print(f"\n{runs:,} deferred runs, waiter_delay {DELAY} s, polls of each: {polls}; then all end at once")
    table(
        ["", "amazon's, waiting", "ours, waiting", "amazon's, to the last event", "ours, to the last event"],
        zip(_ROWS, _column(amazon, 0), _column(ours, 0), _column(amazon, 1), _column(ours, 1), strict=True),
    )
    return amazon, ours


_TIMINGS = Timings(pending=0, starting=0, running_min=_RUNNING, running_max=_RUNNING, stopping=0)
_ROWS = (
    "time (s)",
    "CPU (s)",
    "added memory (MiB)",
    "calls",
    "longest block of the event loop (ms)",
    "longest work without a break (ms of CPU)",
)


def _column(side: Side, part: int) -> list[str]:
    usage = (side.waiting, side.whole)[part]
    return [
        f"{sum(side.seconds[: part + 1]):.0f}",
        f"{usage.cpu:.2f}",
        f"{usage.memory / MIB:.1f}",
        f"{side.calls[part]:,}",
        f"{usage.blocks.longest * 1000:.0f}",
        f"{usage.blocks.busy * 1000:.0f}",
    ]


def _measure(name: str, server: Server, runs: int, polls: int) -> Side:
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = server.connection
    run_ids = server.do(service.start_runs, [_RUNNING] * runs)
    server.do(LocalOmics.advance, _UNTIL_RUNNING)
    server.do(service.forget_calls)
    meter, loop = Meter(), MeasuredLoop()

    async def work() -> Side:
        began = time.monotonic()
        waits = [
            asyncio.create_task(last_event(TRIGGERS[name](run_id=run_id, waiter_delay=DELAY))) for run_id in run_ids
        ]
        await _polled(name, server, runs, polls)
        waiting, calls, waited = meter.usage(loop.blocks), _calls(server), time.monotonic()
        await asyncio.to_thread(server.do, LocalOmics.advance, _UNTIL_ENDED)
        events = await asyncio.gather(*waits)
        assert [event["status"] for event in events] == ["success"] * runs
        seconds = waited - began, time.monotonic() - waited
        return Side(waiting, meter.usage(loop.blocks), (calls, _calls(server)), seconds)

    return run_measured(loop, work())


async def _polled(name: str, server: Server, runs: int, polls: int) -> None:
    """Wait until every run was polled so many times."""
    if name == "ours":
        await asyncio.sleep(DELAY * polls)
        return
    while await asyncio.to_thread(_calls, server) < runs * polls:
        await asyncio.sleep(_BETWEEN_COUNTS)


def _calls(server: Server) -> int:
    return sum(server.calls().values())


async def last_event(trigger: BaseTrigger) -> dict[str, Any]:
    """Run a trigger to its end, and return what its last event says."""
    payload: dict[str, Any] = {}
    async for event in trigger.run():
        payload = event.payload
    return payload
