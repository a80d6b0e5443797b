"""Real Airflow processes and three local servers, one for each reading; runs trials side by side."""

from __future__ import annotations

import json
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from airflow_cluster import AirflowCluster
from caretaker import Caretaker
from earlier_release import RELEASE_0_1_0, unpack_release
from gates import READ_TIMEOUT, Gate
from killing import Killer, Watch
from omics_service import wdl_zip
from plan import READINGS, Trial
from strikes import RESUME, Victim
from verdict import Verdict, look_at

from airflow_provider_omics.local import (
    Assumptions,
    FaultKind,
    FaultRule,
    LocalOmics,
    OutcomeRule,
    Quotas,
    SimulatedOutcomes,
    Timings,
)

HERE = Path(__file__).parent
POLL_INTERVAL = 0.2
# Beside an outage; long enough for a busy machine: what counts is how a trial ends.
TRIAL_TIMEOUT = 1800.0
# Quick to notice a death, and slow enough that a busy machine does not look like one: a scheduler that counts as dead
# while it lives resets every task again and again, and a task without a retry that counts as dead has failed.
SETTINGS = {
    "AIRFLOW__CORE__PARALLELISM": "24",
    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "90",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "60",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "2",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
    # Airflow 2.11 has other names for the same.
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "90",
    "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "20",
}
TIMINGS = Timings(
    pending=0.2,
    starting=0.2,
    running_min=1.0,
    running_max=2.0,
    stopping=0.2,
    batch_creating=0.3,
    batch_validating=0.3,
    submissions_per_second=20,
    batch_stopping=0.2,
    run_summary_lag=0.2,
)
PRELOAD = (
    "airflow_provider_omics.operators.batch",
    "airflow_provider_omics.operators.run",
    "airflow_provider_omics.triggers.batch",
    "boto3.s3.transfer",
)
TRANSIENT = "INSTANCE_RESERVATION_FAILED"
# Shares of what earlier rules leave: 30 % of all calls, 10 %, and 5 %.
NOISE = (
    FaultRule(kind=FaultKind.THROTTLE, count=None, share=0.30),
    FaultRule(kind=FaultKind.ERROR_AFTER, count=None, share=0.10 / 0.70),
    FaultRule(kind=FaultKind.DROPPED_CONNECTION, count=None, share=0.05 / 0.60),
)


class Harness:
    """Runs trials; a context manager that has everything up while it is entered.

    :param trials: all that are going to be run.
    :param home: an empty folder for Airflow.
    :param seed: seeds the noise.
    :param noise: whether calls are throttled, fail after their effect, and lose their connection.
    :param stack: what Airflow is made of; ``local`` or ``celery``.
    """

    def __init__(self, trials: Sequence[Trial], home: Path, *, seed: int, noise: bool, stack: str = "local") -> None:
        self._trials = trials
        self._home = home
        self._seed = seed
        self._noise = noise
        self._stack = stack
        self._exit = ExitStack()
        self.watches: dict[str, Watch] = {}

    def __enter__(self) -> Harness:
        with ExitStack() as stack:
            self.servers = {reading: stack.enter_context(self._server(reading)) for reading in READINGS}
            self._workflows = {reading: _make_workflow(server) for reading, server in self.servers.items()}
            any_server = self.servers[READINGS[0]]
            any_server.client("s3").create_bucket(Bucket="chaos-results")
            dags = self._home / "dags"
            shutil.copytree(HERE / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
            settings = {**SETTINGS, **self._connections()}
            self.cluster = AirflowCluster(self._home, dags, settings, preload=PRELOAD, stack=self._stack)
            earlier = self._earlier_release()
            self.cluster.provider = earlier
            stack.enter_context(self.cluster)
            self.caretaker = Caretaker(self.cluster, earlier)
            stack.callback(self.caretaker.join)
            self._killers = {reading: Killer(server, self.caretaker) for reading, server in self.servers.items()}
            for reading, killer in self._killers.items():
                killer.arm()
                for rule in NOISE if self._noise else ():
                    self.servers[reading].faults.add(rule)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def run(self, at_once: int, tell: Callable[[str], None]) -> list[Verdict]:
        """Run all trials and return what became of each, in their order.

        :param at_once: how many run side by side.
        :param tell: told one line for each that has ended.
        """
        verdicts: dict[str, Verdict] = {}
        for victim, wave in self._waves(at_once):
            for verdict in self._run_wave(victim, wave, at_once):
                verdicts[verdict.trial.name] = verdict
                tell(f"[{len(verdicts)}/{len(self._trials)}] {verdict.line()}")
        return [verdicts[trial.name] for trial in self._trials]

    def _waves(self, at_once: int) -> Iterator[tuple[Victim | None, list[Trial]]]:
        """Yield trials that run side by side, and what strikes all of them; those on an earlier release come first."""
        for victim in (one for one in Victim if one.is_shared):
            together = [trial for trial in self._trials if trial.shared_victim is victim]
            yield from ((victim, together[first : first + at_once]) for first in range(0, len(together), at_once))
        others = [trial for trial in self._trials if trial.shared_victim is None]
        # These do little but wait.
        yield None, sorted(others, key=lambda trial: not trial.has_outage)

    def _run_wave(self, victim: Victim | None, wave: Sequence[Trial], at_once: int) -> Iterator[Verdict]:
        self.caretaker.prepare(victim)
        gate = self._gate(victim, len(wave))
        waiting = deque(wave)
        running: dict[str, tuple[Watch, float]] = {}
        while waiting or running:
            busy = sum(not watch.sits_out for watch, _ in running.values())
            while waiting and busy < at_once:
                watch = self._start(waiting.popleft(), gate)
                running[watch.trial.name] = (watch, time.monotonic())
                busy += 1
            time.sleep(POLL_INTERVAL)
            self.caretaker.revive()
            for name, (watch, since) in list(running.items()):
                if watch.strike is not None and watch.strike.operations == RESUME:
                    titles = self.cluster.records.process_titles(watch.trial.dag_id, name)
                    self._killers[watch.trial.reading].strike_resumed(watch, titles)
                state = self.cluster.records.dag_run_state(watch.trial.dag_id, name)
                late = time.monotonic() - since > TRIAL_TIMEOUT + watch.trial.outage
                if state not in ("success", "failed") and not late:
                    continue
                del running[name]
                if gate is not None and watch.strike is not None:
                    gate.leave()
                seconds = time.monotonic() - since
                yield look_at(watch, self.servers[watch.trial.reading], self.cluster.records, state or "none", seconds)
        if gate is not None:
            gate.join()
        self.caretaker.join()

    def _gate(self, victim: Victim | None, trials: int) -> Gate | None:
        if victim is None:
            return None
        strike = partial(self.caretaker.strike, victim)
        return Gate(trials, strike, partial(self.caretaker.recover, victim))

    def _start(self, trial: Trial, gate: Gate | None) -> Watch:
        watch = self.watches[trial.name] = Watch(trial, gate)
        self._killers[trial.reading].watch(watch)
        conf = {
            "connection": trial.connection,
            "workflow_id": self._workflows[trial.reading],
            "seconds": str(trial.seconds),
        }
        self.caretaker.persist(
            lambda: self.cluster.trigger(trial.dag_id, trial.name, conf),
            lambda: self.cluster.records.dag_run_state(trial.dag_id, trial.name) is not None,
        )
        return watch

    def _earlier_release(self) -> Path | None:
        """Return where the release is that trials of an upgrade begin with; None without such trials."""
        if not any(trial.shared_victim is not None and trial.shared_victim.is_upgrade for trial in self._trials):
            return None
        return unpack_release(RELEASE_0_1_0, self._home / "earlier release")

    @contextmanager
    def _server(self, reading: str) -> Iterator[LocalOmics]:
        flaky = [trial for trial in self._trials if trial.shape == "flaky"]
        rules = tuple(OutcomeRule(pattern=f"{trial.name}-flaky", outcome=TRANSIENT, times=1) for trial in flaky)
        with LocalOmics(
            executor="simulated",
            seed=self._seed,
            assumptions=replace(Assumptions(), repeated_request_id=reading),
            timings=TIMINGS,
            quotas=Quotas.wide(),
            outcomes=SimulatedOutcomes(rules=rules, write_logs=False),
        ) as server:
            yield server

    def _connections(self) -> dict[str, str]:
        return {f"AIRFLOW_CONN_{trial.connection.upper()}": self._connection(trial) for trial in self._trials}

    def _connection(self, trial: Trial) -> str:
        extra = self.servers[trial.reading].connection_extra()
        # A call that is held waits for the other trials.
        extra["config_kwargs"] |= {"read_timeout": READ_TIMEOUT}
        # Its own access key, by which the servers know whose call it is.
        return f"aws://{trial.connection}:local@/?{urlencode({'__extra__': json.dumps(extra)})}"


def _make_workflow(server: LocalOmics) -> str:
    template = {name: {"optional": True} for name in ("n", "name")}
    made = server.client("omics").create_workflow(engine="WDL", definitionZip=wdl_zip(), parameterTemplate=template)
    return str(made["id"])
