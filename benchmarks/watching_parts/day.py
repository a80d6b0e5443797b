"""A day of 2,000 runs, a few hundred at a time, with throttling storms, keys that expire and connections that drop."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiobotocore.session  # noqa: F401
from server_process import Server, server_process

from airflow_provider_omics.local import Timings
from airflow_provider_omics.triggers.run import OmicsRunTrigger
from airflow_provider_omics.triggers.watchers import watcher_pool
from watching_parts import fault_schedule, service
from watching_parts.driven_time import Clients, DrivenLoop
from watching_parts.measuring import MIB, in_fresh_process, memory_now, run_measured
from watching_parts.report import Bound, bounds, table

HOUR = 3600.0
DAY = 24 * HOUR
DELAY = 60.0
# In real memory; what Python allocates is traced apart.
GROWTH_MIB, TRACED_GROWTH_MIB = 8, 1
_SHORTEST, _LONGEST = 0.5 * HOUR, 4 * HOUR
# Once the number of runs at a time has levelled off.
_LEVEL_FROM = 5
_STORM_EVERY, _STORM = 2 * HOUR, 600.0
_KEYS_LAST = HOUR
_FAILING = 0.1

_TIMINGS = Timings(pending=20, starting=60, running_min=_SHORTEST, running_max=_LONGEST, stopping=30)


@dataclass
class Day:
    """What happened.

    :ivar events: how many runs fired so many events.
    :ivar wrong: runs whose event said something else than the server.
    :ivar late: the longest from an end to its event, in seconds.
    :ivar memory: for each hour: bytes held, bytes that Python has allocated, and how many runs were watched.
    :ivar faults: how many calls each kind of fault struck.
    :ivar warned: warnings and log lines about what was not closed.
    """

    events: Counter[int]
    wrong: int
    late: float
    memory: list[tuple[int, int, int]]
    faults: dict[str, int]
    calls: dict[str, dict[str, int]]
    clients: tuple[int, int]
    watcher_pool: int
    warned: list[str]


def day(runs: int) -> bool:
    """Measure, print the figures, and return whether the bounds hold."""
    with server_process(_TIMINGS, _FAILING, by_hand=True, enforce_rates=True) as server:
        seen = in_fresh_process(_measure, server, runs)
    print(f"\n{runs:,} runs over 24 hours, waiter_delay {DELAY:g} s; ", end="")
    print(f"keys last {_KEYS_LAST / HOUR:g} h, a storm of {_STORM / 60:g} min every {_STORM_EVERY / HOUR:g} h")
    table(["operation", "calls"], [[name, f"{row['calls']:,}"] for name, row in seen.calls.items()])
    table(["fault", "calls"], [[kind, f"{count:,}"] for kind, count in seen.faults.items()])
    table(
        ["hour", "memory (MiB)", "allocated by Python (MiB)", "runs watched"],
        [
            [str(hour), f"{held / MIB:.1f}", f"{traced / MIB:.2f}", f"{watched:,}"]
            for hour, (held, traced, watched) in enumerate(seen.memory, 1)
        ],
    )
    for message in seen.warned:
        print(f"\nWARNED: {message}")
    return bounds(
        [
            Bound("runs without an event", runs - sum(seen.events.values()), 0),
            Bound("runs with more than one event", sum(seen.events.values()) - seen.events[1], 0),
            Bound("events that were wrong", seen.wrong, 0),
            Bound("growth of memory after the first hours (MiB)", _growth(seen, 0), GROWTH_MIB, ".1f"),
            Bound("growth of what Python allocated (MiB)", _growth(seen, 1), TRACED_GROWTH_MIB, ".2f"),
            Bound("clients left open", seen.clients[0] - seen.clients[1], 0),
            Bound("watchers left", seen.watchers, 0),
            Bound("warnings of what was not closed", len(seen.warned), 0),
            Bound("clients made", seen.clients[0]),
            Bound("longest from an end to its event (s)", seen.late),
        ]
    )


def _growth(seen: Day, part: int) -> float:
    """Return by how much the most of the last hours is more than the most of the first ones, in MiB."""
    hours = [memory[part] for memory in seen.memory[_LEVEL_FROM - 1 :]]
    half = len(hours) // 2
    return (max(hours[half:]) - max(hours[:half])) / MIB


def _measure(server: Server, runs: int) -> Day:
    loop = DrivenLoop(server)
    scene = _Scene(server, loop, Clients(loop))
    with _closing_noted() as warned:
        run_measured(loop, scene.play(runs))
        gc.collect()
    ends = server.do(service.ends)
    return Day(
        events=Counter(len(fired) for fired in scene.fired.values()),
        wrong=sum(ends[run_id][0] != status for run_id, fired in scene.fired.items() for status, _ in fired),
        late=max(at - ends[run_id][1] for run_id, fired in scene.fired.items() for _, at in fired),
        memory=scene.memory,
        faults=server.do(fault_schedule.struck),
        calls=server.do(service.calls),
        clients=(scene.clients.opened, scene.clients.closed),
        watcher_pool=scene.watchers,
        warned=warned,
    )


@contextmanager
def _closing_noted() -> Iterator[list[str]]:
    """Note what is said about things that nobody closed."""
    messages: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler = Handler(logging.WARNING)
    logging.getLogger("asyncio").addHandler(handler)
    with warnings.catch_warnings():
        warnings.simplefilter("always", ResourceWarning)
        warnings.showwarning = lambda message, category, *_args, **_kwargs: (
            messages.append(f"{category.__name__}: {message}") if issubclass(category, ResourceWarning) else None
        )
        yield messages
    logging.getLogger("asyncio").removeHandler(handler)


@dataclass
class _Scene:
    server: Server
    loop: DrivenLoop
    clients: Clients
    fired: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    memory: list[tuple[int, int, int]] = field(default_factory=list)
    watcher_pool: int = -1
    _waiting: int = 0
    _keys: int = 0
    _is_stormy: bool = False

    async def play(self, runs: int) -> None:
        clock = self.clients.drive()
        rng = random.Random(1)
        last_start = DAY - _LONGEST - 2 * DELAY
        starts = sorted(rng.uniform(0, last_start) for _ in range(runs))
        self._new_keys()
        disturbing = [asyncio.create_task(work) for work in (self._expire_keys(), self._storm(), self._note_memory())]
        async with asyncio.TaskGroup() as waits:
            for start in starts:
                await asyncio.sleep(max(0.0, start - self.loop.time()))
                [run_id] = self.server.do(service.start_usual_runs, 1)
                waits.create_task(self._wait(run_id, clock.now))
        await asyncio.sleep(max(0.0, DAY - self.loop.time()))
        for task in disturbing:
            task.cancel()
        await asyncio.gather(*disturbing, return_exceptions=True)
        self.watchers = watcher_pool.in_use()

    async def _wait(self, run_id: str, clock: Any) -> None:
        self._waiting += 1
        fired = self.fired.setdefault(run_id, [])
        async for event in OmicsRunTrigger(run_id=run_id, waiter_delay=DELAY, just_started=True).run():
            fired.append((event.payload["run"]["status"], clock()))
        self._waiting -= 1

    async def _expire_keys(self) -> None:
        while True:
            await asyncio.sleep(_KEYS_LAST)
            self._new_keys()

    def _new_keys(self) -> None:
        """Have the connection get new keys, and the server refuse the ones before."""
        self._keys += 1
        connection = {
            "conn_type": "aws",
            "login": f"key-{self._keys}",
            "password": "secret",
            "extra": {
                "region_name": "us-east-1",
                "endpoint_url": self.server.url,
                "config_kwargs": {"inject_host_prefix": False},
            },
        }
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(connection)
        self._change_faults()

    def _change_faults(self) -> None:
        self.server.do(fault_schedule.change, f"key-{self._keys}", storm=self._is_stormy)

    async def _storm(self) -> None:
        while True:
            await asyncio.sleep(_STORM_EVERY - _STORM)
            self._is_stormy = True
            self._change_faults()
            await asyncio.sleep(_STORM)
            self._is_stormy = False
            self._change_faults()

    async def _note_memory(self) -> None:
        tracemalloc.start()
        for hour in range(1, 25):
            await asyncio.sleep(max(0.0, hour * HOUR - 1 - self.loop.time()))
            gc.collect()
            self.memory.append((memory_now(), tracemalloc.get_traced_memory()[0], self._waiting))
