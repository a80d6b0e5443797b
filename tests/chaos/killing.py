"""Kills the process behind one call: finds it by its end of the connection, as the server sees it."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import psutil
from airflow_cluster import AirflowCluster
from child_processes import ProcessError
from plan import RESUME, Moment, Strike, Trial, Victim
from task_processes import task_processes

from airflow_provider_omics.healthomics.statuses import BatchStatus, RunStatus, classify
from airflow_provider_omics.local import FaultKind, FaultRule, LocalOmics
from airflow_provider_omics.local.faults import CallFacts

# How long a wave waits for its last trial before it strikes without it.
GATE_TIMEOUT = 40.0
_KINDS = {
    Moment.BEFORE: FaultKind.DROPPED_CONNECTION,
    Moment.UNANSWERED: FaultKind.LOST_ANSWER,
    Moment.ANSWERED: FaultKind.SLOW_ANSWER,
}


@dataclass
class Gate:
    """Where trials meet that die of the same kill; who comes last opens it.

    :param expected: how many trials come.
    """

    expected: int
    arrived: int = 0
    _open: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def pass_through(self, kill: Callable[[], None]) -> bool:
        """Wait for the others, have the last one kill, and return afterwards; False for who comes too late."""
        with self._changed:
            if self._open:
                return False
            self.arrived += 1
            self._changed.wait_for(lambda: self._open or self.arrived >= self.expected, GATE_TIMEOUT)
            if not self._open:
                kill()
                self._open = True
                self._changed.notify_all()
            return True

    def leave(self) -> None:
        """Say that a trial has ended without being struck."""
        with self._changed:
            self.expected -= 1
            self._changed.notify_all()


@dataclass
class Watch:
    """One trial under way: its calls, and the kills that are left.

    :ivar calls: every call that its processes made, oldest first.
    :ivar kills: what was killed, as the story tells it.
    """

    trial: Trial
    gate: Gate | None = None
    calls: list[CallFacts] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)
    next_strike: int = 0
    matched: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def strike(self) -> Strike | None:
        """The kill that is due next."""
        strikes = self.trial.strikes
        return strikes[self.next_strike] if self.next_strike < len(strikes) else None


class Killer:
    """Follows the calls of all trials on one server and strikes where they want it.

    :param restart: brings a shared process up again after its death; called in a thread.
    """

    def __init__(self, server: LocalOmics, cluster: AirflowCluster, restart: Callable[[str], None]) -> None:
        self._server = server
        self._cluster = cluster
        self._restart = restart
        self._watches: dict[str, Watch] = {}

    def arm(self) -> None:
        """Add the rules to the server's faults; one for each moment."""
        for moment, kind in _KINDS.items():
            for operation in ("*", "s3:GET", "s3:HEAD", "s3:PUT"):
                rule = FaultRule(
                    kind=kind,
                    operation=operation,
                    count=None,
                    matches=lambda facts, moment=moment: self._is_due(facts, moment),
                    act=self._act,
                )
                self._server.faults.add(rule)

    def watch(self, watch: Watch) -> None:
        """Follow the calls of a trial from now on."""
        self._watches[watch.trial.connection] = watch

    def strike_resumed(self, watch: Watch, titles: Collection[str]) -> None:
        """Strike a deferred task that has come back to a worker after the end of its job, if that is wanted.

        :param titles: what the titles of its processes end in.
        """
        with watch.lock:
            strike = watch.strike
            if strike is None or strike.operations != RESUME or not self._all_ended(watch.trial):
                return
            process = next(task_processes(titles), None)
            if process is None:
                return
            watch.next_strike += 1
        threading.Thread(target=_kill_later, args=(watch, strike, process, str(strike)), daemon=True).start()

    def _all_ended(self, trial: Trial) -> bool:
        ended = []
        for world in self._server.worlds():
            with world.lock:
                runs = [one for one in world.runs.values() if one.tags.get("airflow-run-id") == trial.name]
                batches = [one for one in world.batches.values() if one.tags.get("airflow-run-id") == trial.name]
                ended += [classify(RunStatus, run.status).is_final for run in runs]
                ended += [classify(BatchStatus, batch.status).is_final for batch in batches]
        return bool(ended) and all(ended)

    def _is_due(self, facts: CallFacts, moment: Moment) -> bool:
        watch = self._watches.get(facts.access_key)
        if watch is None:
            return False
        with watch.lock:
            if moment is Moment.BEFORE:
                # This rule is asked first, of every call.
                watch.calls.append(facts)
            strike = watch.strike
            if strike is None or strike.moment is not moment or not self._fits(strike, facts):
                return False
            watch.matched += 1
            if watch.matched < strike.nth:
                return False
            watch.next_strike, watch.matched = watch.next_strike + 1, 0
            return True

    def _fits(self, strike: Strike, facts: CallFacts) -> bool:
        call = facts.call
        if strike.operations and call.operation not in strike.operations:
            return False
        if strike.text and strike.text not in (call.resource_id or ""):
            return False
        tags = facts.members.get("tags") or {}
        if strike.generation is not None and tags.get("airflow-generation") != str(strike.generation):
            return False
        if strike.ended and not self._has_ended(call.resource_id):
            return False
        process = client_process(facts.peer)
        return process is not None and (strike.victim is Victim.SCHEDULER or self._is_of(strike.victim, process))

    def _is_of(self, victim: Victim, process: psutil.Process) -> bool:
        try:
            triggerer = self._cluster.processes["triggerer"].pid
            in_triggerer = triggerer in [parent.pid for parent in process.parents()]
        except (ProcessError, psutil.NoSuchProcess):
            return False
        return in_triggerer is (victim is Victim.TRIGGERER)

    def _has_ended(self, job_id: str | None) -> bool:
        for world in self._server.worlds():
            with world.lock:
                if job_id in world.runs:
                    return classify(RunStatus, world.runs[job_id].status).is_final
                if job_id in world.batches:
                    return classify(BatchStatus, world.batches[job_id].status).is_final
        return False

    def _act(self, facts: CallFacts) -> None:
        watch = self._watches[facts.access_key]
        strike = watch.trial.strikes[watch.next_strike - 1]
        place = f"{strike} (call no. {len(watch.calls)})"
        if strike.victim.is_shared:
            if watch.gate is not None and watch.gate.pass_through(lambda: self._kill_shared(strike.victim)):
                watch.kills.append(place)
            return
        process = client_process(facts.peer)
        if process is None:
            return
        if strike.moment is Moment.ANSWERED:
            threading.Thread(target=_kill_later, args=(watch, strike, process, place), daemon=True).start()
        elif _kill(strike.victim, process):
            watch.kills.append(place)

    def _kill_shared(self, victim: Victim) -> None:
        self._cluster.processes[victim.value].kill()
        self._restart(victim.value)


def client_process(peer: tuple[str, int]) -> psutil.Process | None:
    """Return the process at the client's end of a connection."""
    for connection in psutil.net_connections("tcp"):
        if connection.pid and connection.laddr and tuple(connection.laddr) == peer:
            with contextlib.suppress(psutil.NoSuchProcess):
                return psutil.Process(connection.pid)
    return None


def _kill_later(watch: Watch, strike: Strike, process: psutil.Process, place: str) -> None:
    # The delay is the trial's own: how far the client gets with the answer that it has.
    time.sleep(strike.delay)
    if _kill(strike.victim, process):
        watch.kills.append(place)


def _kill(victim: Victim, process: psutil.Process) -> bool:
    """Kill a task's process, and its supervisor where that is wanted; False if the task had ended by then."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # The supervisor first: it would tell Airflow of the task's death.
        supervisor = process.parent() if victim is Victim.WORKER else None
        if supervisor is not None:
            supervisor.send_signal(signal.SIGKILL)
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return False
    return True
