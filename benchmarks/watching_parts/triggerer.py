"""A real triggerer with 1,000 deferred tasks: what it costs the triggerer, and when the tasks hear of the ends.

Before them as many tasks are deferred whose triggers do nothing but sleep, and stay there: what those cost is
Airflow's own.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import psutil
from server_process import Server, server_process

from airflow_provider_omics.local import Timings
from watching_parts import service
from watching_parts.measuring import MIB
from watching_parts.report import Bound, bounds, table

REPOSITORY = Path(__file__).parents[2]
sys.path.append(str(REPOSITORY / "scripts" / "lib"))

from airflow_cluster import AirflowCluster  # noqa: E402

DELAY = 30.0
# Long enough for all tasks to be deferred, first those that sleep, and for ten polls after that.
_SHORTEST = 720.0
_ENDS_PER_SECOND = 5.0
_SLACK = 600.0
_IDLE = 15.0
# As ``dags/watching.py`` has it.
_TASKS_OF_A_DAG = 20
_NOT_YET = (None, "deferred")
_BETWEEN_LOOKS = 1.0
# Airflow tells when a task that wants to be woken after 0.1 s is woken later than that.
_WATCHDOG_SLEEP = 0.1
_BLOCKED = re.compile(r"async thread was blocked for ([\d.]+) seconds")


@dataclass
class _Costs:
    """What the triggerer's processes have used since they were first measured.

    :ivar cpu: seconds.
    :ivar memory: bytes, at most.
    """

    pid: int
    cpu: float = 0.0
    memory: int = 0
    _began: tuple[float, int] | None = None
    _by_process: dict[int, float] = field(default_factory=dict)

    def measure(self) -> None:
        """Take note of what they use."""
        parent = psutil.Process(self.pid)
        memory = 0
        for process in (parent, *parent.children(recursive=True)):
            times = process.cpu_times()
            self._by_process[process.pid] = times.user + times.system
            memory += process.memory_full_info().uss
        cpu = sum(self._by_process.values())
        self._began = self._began or (cpu, memory)
        self.cpu = cpu - self._began[0]
        self.memory = max(self.memory, memory - self._began[1])


@dataclass
class _Watched:
    """What was seen.

    :ivar imports: what the first deferred task cost, with all that is imported for it.
    :ivar sleeping: what the tasks that sleep cost until all were deferred, how long that took, in seconds, and what
        they cost after it a second, in seconds of CPU.
    :ivar told: when each run's task was seen to go on, in seconds since the epoch.
    :ivar blocked: the longest that Airflow's watchdog was late, in seconds: for the first task, for those that sleep,
        and for those that watch.
    """

    imports: _Costs
    sleeping: tuple[_Costs, float, float]
    costs: _Costs
    seconds: float
    deferred_after: float
    resumed: dict[str, float]
    blocked: tuple[float, float, float]


def triggerer(tasks: int) -> bool:
    """Measure and print the figures; there are no bounds, but all tasks have to go on."""
    longest = _SHORTEST + tasks / _ENDS_PER_SECOND
    timings = Timings(pending=0, starting=0, running_min=_SHORTEST, running_max=longest, stopping=0)
    with server_process(timings, enforce_rates=True) as server, tempfile.TemporaryDirectory() as folder:
        watched = _watch(Path(folder), server, tasks)
        calls, ends = server.do(service.calls), server.do(service.ends)
    late = [at - ends[run_id][1] for run_id, at in watched.resumed.items()]
    print(f"\n{tasks:,} tasks deferred in a real triggerer, waiter_delay {DELAY:g} s, ", end="")
    print(f"over {watched.seconds / 60:.0f} minutes")
    table(
        ["operation", "calls", "in the busiest second", "throttled"],
        [
            [operation, *(f"{row[name]:,}" for name in ("calls", "busiest_second", "throttled"))]
            for operation, row in calls.items()
        ],
    )
    asleep, asleep_after, asleep_a_second = watched.sleeping
    return bounds(
        [
            Bound("tasks that did not go on", tasks - len(watched.resumed), 0),
            Bound("until all were deferred (s)", watched.deferred_after),
            Bound("CPU of the triggerer (s)", watched.costs.cpu, form=".1f"),
            Bound("of it what those that sleep take (s)", asleep_a_second * watched.seconds, form=".1f"),
            Bound("added memory (MiB)", watched.costs.memory / MIB, form=".1f"),
            Bound("longest block that Airflow saw (ms)", watched.blocked[2] * 1000),
            Bound("end to resumed task (s)", max(late)),
            Bound("end to resumed task, mean (s)", sum(late) / len(late)),
            Bound("as many that sleep before: until all were deferred (s)", asleep_after),
            Bound("as many that sleep before: CPU until then (s)", asleep.cpu, form=".1f"),
            Bound("as many that sleep before: added memory (MiB)", asleep.memory / MIB, form=".1f"),
            Bound("as many that sleep before: longest block (ms)", watched.blocked[1] * 1000),
            Bound("a first task before: CPU (s)", watched.imports.cpu, form=".1f"),
            Bound("a first task before: added memory (MiB)", watched.imports.memory / MIB, form=".1f"),
            Bound("a first task before: longest block (ms)", watched.blocked[0] * 1000),
        ]
    )


def _watch(folder: Path, server: Server, tasks: int) -> _Watched:
    runs, home = folder / "runs.json", folder / "airflow"
    home.mkdir()
    run_ids = [*server.do(service.start_runs, [0.0]), *server.do(service.start_usual_runs, tasks)]
    runs.write_text(json.dumps(run_ids))
    environment = {
        "AIRFLOW_CONN_AWS_DEFAULT": server.connection,
        "WATCHING_BENCHMARK_RUNS": str(runs),
        "WATCHING_BENCHMARK_DELAY": str(DELAY),
        "AIRFLOW__CORE__PARALLELISM": "1",
        "AIRFLOW__TRIGGERER__CAPACITY": str(3 * tasks),
        "AIRFLOW__TRIGGERER__BLOCKED_MAIN_THREAD_WARNING_THRESHOLD": str(_WATCHDOG_SLEEP),
    }
    with AirflowCluster(home, REPOSITORY / "benchmarks" / "dags", environment) as airflow:
        return _Watching(airflow, server, home).watch(run_ids[1:])


@dataclass
class _Watching:
    airflow: AirflowCluster
    server: Server
    home: Path

    def watch(self, run_ids: list[str]) -> _Watched:
        imports = self._new_costs()
        self.airflow.trigger("first", "benchmark")
        self.airflow.wait_for_dag_run("first", "benchmark", _SLACK)
        imports.measure()
        time.sleep(_IDLE)
        blocks = [len(self._blocks())]
        dags = range(-(-len(run_ids) // _TASKS_OF_A_DAG))
        sleeping = self._put_to_sleep([f"sleeping_{n:03}" for n in dags], len(run_ids))
        blocks.append(len(self._blocks()))
        costs, began = self._new_costs(), time.monotonic()
        self.server.do(service.forget_calls)
        dag_ids = [f"watching_{n:03}" for n in dags]
        for dag_id in dag_ids:
            self.airflow.trigger(dag_id, "benchmark")
        deferred_after, resumed = self._wait_for_all(dag_ids, set(run_ids), costs)
        return _Watched(
            imports=imports,
            sleeping=sleeping,
            costs=costs,
            seconds=time.monotonic() - began,
            deferred_after=deferred_after - began,
            resumed=resumed,
            blocked=self._longest_blocks(*blocks),
        )

    def _put_to_sleep(self, dag_ids: list[str], tasks: int) -> tuple[_Costs, float, float]:
        """Defer tasks that sleep; return what that cost, how long it took, and what they cost a second after it."""
        costs, began = self._new_costs(), time.monotonic()
        for dag_id in dag_ids:
            self.airflow.trigger(dag_id, "benchmark")

        def all_deferred() -> bool:
            costs.measure()
            instances = chain.from_iterable(
                self.airflow.records.task_instances(dag_id, "benchmark") for dag_id in dag_ids
            )
            return sum(instance.state == "deferred" for instance in instances) == tasks

        self.airflow.wait_for(all_deferred, "all tasks to sleep", _SLACK, _BETWEEN_LOOKS)
        asleep_after = time.monotonic() - began
        time.sleep(_IDLE)
        costs.measure()
        idle = self._new_costs()
        time.sleep(_IDLE)
        idle.measure()
        return costs, asleep_after, idle.cpu / _IDLE

    def _longest_blocks(self, first: int, sleeping: int) -> tuple[float, float, float]:
        blocks = self._blocks()
        parts = blocks[:first], blocks[first:sleeping], blocks[sleeping:]
        one, two, three = (max(part, default=0.0) for part in parts)
        return one, two, three

    def _new_costs(self) -> _Costs:
        costs = _Costs(self.airflow.processes["triggerer"].pid)
        costs.measure()
        return costs

    def _wait_for_all(self, dag_ids: list[str], run_ids: set[str], costs: _Costs) -> tuple[float, dict[str, float]]:
        """Wait until all tasks were deferred and have gone on; return when that was, of the second for each."""
        resumed: dict[str, float] = {}
        deferred_at: float | None = None

        def all_resumed() -> float | None:
            nonlocal deferred_at
            costs.measure()
            instances = chain.from_iterable(
                self.airflow.records.task_instances(dag_id, "benchmark") for dag_id in dag_ids
            )
            states = {instance.task_id.removeprefix("run_"): instance.state for instance in instances}
            started = {run_id for run_id, state in states.items() if state is not None}
            if deferred_at is None and started == run_ids:
                deferred_at = time.monotonic()
            now = self.server.do(service.now)
            resumed.update({run_id: now for run_id in started - resumed.keys() if states[run_id] not in _NOT_YET})
            return deferred_at if resumed.keys() == run_ids else None

        longest = _SHORTEST + len(run_ids) / _ENDS_PER_SECOND + _SLACK
        return self.airflow.wait_for(all_resumed, "all tasks to go on", longest, _BETWEEN_LOOKS), resumed

    def _blocks(self) -> list[float]:
        """Return by how much Airflow's watchdog was late, each time that it was, in seconds."""
        found: list[str] = _BLOCKED.findall((self.home / "triggerer.log").read_text(errors="replace"))
        return [float(seconds) - _WATCHDOG_SLEEP for seconds in found]
