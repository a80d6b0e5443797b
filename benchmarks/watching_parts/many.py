"""10,000 deferred runs and 10,000 sensors for samples of one batch, on one event loop, at the published quotas."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

# Imported before measuring begins, as a triggerer has them.
import aiobotocore.session  # noqa: F401
import airflow.sdk.execution_time.supervisor  # noqa: F401
from airflow.triggers.base import BaseTrigger
from server_process import Server, sample_names, server_process

from airflow_provider_omics.healthomics.watcher.watcher import Clock
from airflow_provider_omics.local import LocalOmics, Timings
from airflow_provider_omics.triggers.batch import OmicsBatchRunTrigger
from airflow_provider_omics.triggers.run import OmicsRunTrigger
from watching_parts import service
from watching_parts.driven_time import Clients, DrivenLoop
from watching_parts.measuring import Meter, Usage, in_fresh_process, run_measured
from watching_parts.report import Bound, bounds, table

DELAY = 60.0
# Of 10^6 bytes.
ADDED_MB, CALLS_PER_SECOND, PERIODS = 120, 8, 2
# StartRun is allowed 5 times a second, so no more than that can end for long: runs and samples half of them each. The
# batch is being submitted at that rate, too.
_ENDS_PER_SECOND = 2.5
_SHORTEST = 300.0
_UNTIL_RUNNING = 10.0

# As many as Airflow's triggerer starts at once.
_AT_ONCE = 50


@dataclass
class Watched:
    """What became of many waits.

    :ivar seconds: how long the longest took.
    :ivar late: for each kind, the most and the mean of the seconds from an end to its event.
    :ivar access_keys: with which calls were signed.
    """

    usage: Usage
    seconds: float
    calls: dict[str, dict[str, int]]
    late: dict[str, tuple[float, float]]
    access_keys: set[str]
    clients: tuple[int, int]


def many(count: int, *, assume_role: bool = False) -> bool:
    """Measure, print the figures, and return whether the bounds hold."""
    timings = Timings(pending=1, starting=1, running_min=_SHORTEST, running_max=_longest(count))
    with server_process(timings, by_hand=True, enforce_rates=True) as server:
        watched = in_fresh_process(_measure, server, count, assume_role)
    print(f"\n{count:,} deferred runs and {count:,} sample sensors, waiter_delay {DELAY:g} s, over ", end="")
    print(f"{watched.seconds / 60:.0f} minutes; {watched.usage.cpu:.0f} s of CPU")
    table(
        ["operation", "calls", "in the busiest second", "throttled"],
        [
            [operation, *(f"{row[name]:,}" for name in ("calls", "busiest_second", "throttled"))]
            for operation, row in watched.calls.items()
        ],
    )
    good = bounds(
        [
            Bound("added memory (MB)", watched.usage.memory / 1e6, ADDED_MB),
            Bound("calls of one operation in a second", _most(watched, "busiest_second"), CALLS_PER_SECOND),
            Bound("throttled", _most(watched, "throttled"), 0),
            *(Bound(f"end to event, {kind} (s)", most, PERIODS * DELAY) for kind, (most, _) in watched.late.items()),
            *(Bound(f"end to event, {kind}, mean (s)", mean) for kind, (_, mean) in watched.late.items()),
            Bound("clients left open", watched.clients[0] - watched.clients[1], 0),
            Bound("longest block (ms)", watched.usage.blocks.longest * 1000),
            Bound("longest work without a break (ms of CPU)", watched.usage.blocks.busy * 1000),
        ]
    )
    print(f"\nsigned with keys of {'the assumed role' if 'local' not in watched.access_keys else 'the connection'}")
    return good and assume_role == ("local" not in watched.access_keys)


def _longest(count: int) -> float:
    return _SHORTEST + count / _ENDS_PER_SECOND


def _most(watched: Watched, name: str) -> int:
    return max(row[name] for row in watched.calls.values())


def _measure(server: Server, count: int, assume_role: bool) -> Watched:
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = _assuming_role(server) if assume_role else server.connection
    rng = random.Random(0)
    run_ids = server.do(service.start_runs, [rng.uniform(_SHORTEST, _longest(count)) for _ in range(count)])
    server.do(LocalOmics.advance, _UNTIL_RUNNING)
    batch_id = server.do(service.start_batch, count)
    server.do(service.forget_calls)
    server.do(service.note_access_keys)
    meter, loop = Meter(), DrivenLoop(server)
    clients = Clients(loop)
    clock = clients.drive()
    waits: Iterator[tuple[str, BaseTrigger]] = chain(
        ((run_id, OmicsRunTrigger(run_id=run_id, waiter_delay=DELAY)) for run_id in run_ids),
        (
            (sample, OmicsBatchRunTrigger(batch_id=batch_id, run_setting_id=sample, waiter_delay=DELAY))
            for sample in sample_names(count)
        ),
    )
    seen = run_measured(loop, _watch(waits, clock))
    usage = meter.usage(loop.blocks)
    ends, samples = server.do(service.ends), server.do(service.samples_of, batch_id)
    late = {
        "runs": [seen[run_id] - ends[run_id][1] for run_id in run_ids],
        "samples": [seen[sample] - ends[run_id][1] for sample, run_id in samples.items()],
    }
    assert min(map(min, late.values())) >= 0
    return Watched(
        usage=usage,
        seconds=loop.time(),
        calls=server.do(service.calls),
        late={kind: (max(each), sum(each) / count) for kind, each in late.items()},
        access_keys=server.do(service.access_keys),
        clients=(clients.opened, clients.closed),
    )


async def _watch(waits: Iterator[tuple[str, BaseTrigger]], clock: Clock) -> dict[str, float]:
    """Return when each trigger has fired."""
    seen: dict[str, float] = {}

    async def wait(name: str, trigger: BaseTrigger) -> None:
        async for event in trigger.run():
            assert name not in seen
            assert event.payload["status"] == "success"
            seen[name] = clock.now()

    async with asyncio.TaskGroup() as group:
        for n, (name, trigger) in enumerate(waits, 1):
            group.create_task(wait(name, trigger))
            if n % _AT_ONCE == 0:
                await asyncio.sleep(0)
    return seen


def _assuming_role(server: Server) -> str:
    connection: dict[str, Any] = {
        "conn_type": "aws",
        "login": "local",
        "password": "local",
        "extra": {
            "region_name": "us-east-1",
            "endpoint_url": server.url,
            "config_kwargs": {"inject_host_prefix": False},
            "service_config": {"sts": {"endpoint_url": server.url}},
            "role_arn": "arn:aws:iam::123456789012:role/airflow",
        },
    }
    return json.dumps(connection)
