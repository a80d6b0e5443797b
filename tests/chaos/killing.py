"""Kills the process behind one call: finds it by its end of the connection, as the server sees it."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field

import psutil
from caretaker import Caretaker
from gates import Gate
from plan import Trial
from points import REFUSALS
from strikes import RESUME, Caller, Moment, Strike, Victim
from task_processes import task_processes

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus, classify
from airflow_provider_omics.local import FaultKind, FaultRule, LocalOmics
from airflow_provider_omics.local.faults import CallFacts

_KINDS = {
    Moment.BEFORE: FaultKind.DROPPED_CONNECTION,
    Moment.UNANSWERED: FaultKind.LOST_ANSWER,
    Moment.ANSWERED: FaultKind.SLOW_ANSWER,
}
_CALLS = ("*", "s3:GET", "s3:HEAD", "s3:PUT")


@dataclass
class Watch:
    """One trial under way: its calls, and the kills that are left.

    :ivar calls: every call that its processes made, oldest first.
    :ivar kills: what was struck, as the story tells it.
    :ivar outage: what its calls meet with until its end, on the monotonic clock.
    """

    trial: Trial
    gate: Gate | None = None
    calls: list[CallFacts] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)
    next_strike: int = 0
    matched: int = 0
    outage: tuple[Strike, float] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def strike(self) -> Strike | None:
        """The kill that is due next."""
        strikes = self.trial.strikes
        return strikes[self.next_strike] if self.next_strike < len(strikes) else None

    @property
    def sits_out(self) -> bool:
        """Whether it does little but wait for the end of an outage."""
        return self.outage is not None


class Killer:
    """Follows the calls of all trials on one server and strikes where they want it."""

    def __init__(self, server: LocalOmics, caretaker: Caretaker) -> None:
        self._server = server
        self._caretaker = caretaker
        self._watches: dict[str, Watch] = {}

    def arm(self) -> None:
        """Add the rules to the server's faults: one for each moment, then those of outages."""
        for moment, kind in _KINDS.items():
            for operation in _CALLS:
                rule = FaultRule(
                    kind=kind,
                    operation=operation,
                    count=None,
                    matches=lambda facts, moment=moment: self._is_due(facts, moment),
                    act=self._act,
                )
                self._server.faults.add(rule)
        for operation in _CALLS:
            self._server.faults.add(
                FaultRule(
                    kind=FaultKind.DROPPED_CONNECTION,
                    operation=operation,
                    count=None,
                    matches=lambda facts: self._is_out(facts, Victim.UNREACHABLE),
                )
            )
            for code in REFUSALS:
                refusal = FaultRule(
                    kind=FaultKind.ERROR_BEFORE,
                    operation=operation,
                    count=None,
                    code=code,
                    http_status=403,
                    matches=lambda facts, code=code: self._is_out(facts, Victim.REFUSING, code),
                )
                self._server.faults.add(refusal)

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
        self._later(watch, strike, process, str(strike))

    def _all_ended(self, trial: Trial) -> bool:
        ended = []
        for state in self._server.accounts():
            with state.lock:
                runs = [one for one in state.runs.values() if one.tags.get("airflow-run-id") == trial.name]
                batches = [one for one in state.batches.values() if one.tags.get("airflow-run-id") == trial.name]
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
            if strike.victim.is_outage:
                watch.outage = strike, time.monotonic() + strike.seconds
                watch.kills.append(f"{strike} (call no. {len(watch.calls)})")
            return not strike.victim.is_outage

    def _is_out(self, facts: CallFacts, victim: Victim, code: str = "") -> bool:
        watch = self._watches.get(facts.access_key)
        if watch is None or watch.outage is None:
            return False
        strike, end = watch.outage
        return strike.victim is victim and strike.code == code and time.monotonic() < end

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
        return strike.caller is None or self._caller(facts) is strike.caller

    def _caller(self, facts: CallFacts) -> Caller | None:
        process = client_process(facts.peer)
        if process is None:
            return None
        triggerer = self._caretaker.is_triggerer(self._caretaker.holder_of(process))
        return Caller.TRIGGERER if triggerer else Caller.TASK

    def _has_ended(self, job_id: str | None) -> bool:
        for state in self._server.accounts():
            with state.lock:
                if job_id in state.runs:
                    return classify(RunStatus, state.runs[job_id].status).is_final
                if job_id in state.batches:
                    return classify(BatchStatus, state.batches[job_id].status).is_final
        return False

    def _act(self, facts: CallFacts) -> None:
        # Otherwise only the client would hear of it.
        with self._caretaker.errors_noted():
            self._strike(facts)

    def _strike(self, facts: CallFacts) -> None:
        watch = self._watches[facts.access_key]
        strike = watch.trial.strikes[watch.next_strike - 1]
        place = f"{strike} (call no. {len(watch.calls)})"
        if strike.victim.is_shared:
            if watch.gate is not None and self._pass(watch.gate, strike.victim, facts):
                watch.kills.append(place)
            return
        process = client_process(facts.peer)
        if process is None:
            return
        if strike.moment is Moment.ANSWERED:
            self._later(watch, strike, process, place)
        elif _kill(strike.victim, process):
            watch.kills.append(place)

    def _later(self, watch: Watch, strike: Strike, process: psutil.Process, place: str) -> None:
        """Kill once the client has got as far as the trial wants with the answer that it has."""

        def kill() -> None:
            with self._caretaker.errors_noted():
                time.sleep(strike.delay)
                if _kill(strike.victim, process):
                    watch.kills.append(place)

        threading.Thread(target=kill, daemon=True).start()

    def _pass(self, gate: Gate, victim: Victim, facts: CallFacts) -> bool:
        process = client_process(facts.peer)
        holder = self._caretaker.holder_of(process) if process is not None else ""
        if victim.is_one_of_several and not holder:
            # It is gone already; nobody is to wait for it.
            gate.leave()
            return False
        return gate.pass_through(holder if victim.is_one_of_several else "")


def client_process(peer: tuple[str, int]) -> psutil.Process | None:
    """Return the process at the client's end of a connection."""
    for connection in psutil.net_connections("tcp"):
        if connection.pid and connection.laddr and tuple(connection.laddr) == peer:
            with contextlib.suppress(psutil.NoSuchProcess):
                return psutil.Process(connection.pid)
    return None


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
