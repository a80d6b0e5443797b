"""Strikes the processes that all trials share, and brings them up again, as whoever runs Airflow has it done."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
from airflow_cluster import AirflowCluster
from child_processes import ProcessError, wait_for
from strikes import Victim

#: How long a Celery worker has to end by itself; a warm stop waits for its tasks.
WARM_GRACE, COLD_GRACE = 120.0, 30.0
#: How often something that does not come up is started again: it may have met a database that was not up yet.
ATTEMPTS = 5
#: Seconds that another triggerer has to take over.
TAKEOVER = 300.0
_SIGNALS = {Victim.CELERY_WARM: signal.SIGTERM, Victim.CELERY_COLD: signal.SIGQUIT}
_ROLES = {
    Victim.TRIGGERER: ("triggerer",),
    Victim.SCHEDULER: ("scheduler",),
    Victim.BOTH: ("scheduler", "triggerer"),
}


class Caretaker:
    """Whoever runs Airflow, and whatever befalls it.

    :param earlier: folder with the provider's earlier release, for those who start on it.
    :ivar revived: what Airflow's processes said that ended by themselves and were started again.
    """

    def __init__(self, cluster: AirflowCluster, earlier: Path | None = None) -> None:
        self._cluster = cluster
        self._earlier = earlier
        self._lock = threading.Lock()
        self._down: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        self._struck_at = datetime.now(UTC)
        self._is_mixed = False
        self.revived: list[str] = []

    def holder_of(self, process: psutil.Process) -> str:
        """Return the name of the process of Airflow that a process belongs to; empty if it belongs to none."""
        with contextlib.suppress(psutil.Error):
            family = {process.pid, *(parent.pid for parent in process.parents())}
            for name, candidate in self._cluster.processes.items():
                with contextlib.suppress(ProcessError):
                    if candidate.pid in family:
                        return name
        return ""

    def is_triggerer(self, name: str) -> bool:
        return name in self._cluster.names("triggerer")

    def strike(self, victim: Victim, holder: str) -> None:
        """Do it; what goes wrong is raised by :meth:`revive`.

        :param holder: the process that holds the calls of those who are struck, where it is only one that dies.
        """
        with self.errors_noted():
            self._strike(victim, holder)

    def recover(self, victim: Victim, holder: str) -> None:
        """Bring up again what was struck; of several, wait until it is up, so that never all are down."""
        with self.errors_noted():
            self._recover(victim, holder)

    def _strike(self, victim: Victim, holder: str) -> None:
        if victim is Victim.DATABASE:
            self._cluster.restart_database()
        elif victim.is_upgrade:
            self._upgrade(victim)
        elif victim in _SIGNALS:
            self._take_down(holder)
            self._cluster.processes[holder].send_signal(_SIGNALS[victim])
        else:
            self._struck_at = datetime.now(UTC)
            for name in self._names_of(victim, holder):
                self._take_down(name)
                self._cluster.processes[name].kill()

    def _recover(self, victim: Victim, holder: str) -> None:
        if victim is Victim.ONE_TRIGGERER:
            self._await_other_triggerer()
            self._bring_up(holder)
        elif victim is Victim.CELERY_WARM:
            self._later(self._bring_up_after_end, holder, WARM_GRACE)
        elif victim is Victim.CELERY_COLD:
            self._bring_up_after_end(holder, COLD_GRACE)
        elif victim is Victim.CELERY_LOST:
            self._bring_up(holder)
        elif victim.is_upgrade:
            self._bring_up_all()
        elif victim is not Victim.DATABASE:
            for name in self._names_of(victim, holder):
                self._later(self._bring_up, name)

    def prepare(self, victim: Victim | None) -> None:
        """Have Airflow run on the release that trials with this victim begin with."""
        wanted = self._earlier if victim is not None and victim.is_upgrade else None
        self.revive()
        self.join()
        if self._cluster.provider != wanted or self._is_mixed:
            for name in self._cluster.processes:
                self._stop(name)
            self._cluster.provider, self._is_mixed = wanted, False
        self._bring_up_all()

    def revive(self) -> None:
        """Start again what has ended by itself."""
        if self._errors:
            raise self._errors[0]
        for name, process in self._cluster.processes.items():
            with self._lock:
                if name in self._down:
                    continue
            try:
                process.check()
            except ProcessError as error:
                self.revived.append(str(error))
                self._take_down(name)
                process.kill()
                self._later(self._bring_up, name)

    def persist(self, act: Callable[[], None], is_done: Callable[[], bool]) -> None:
        """Do something that needs all of Airflow, again once what ended by itself meanwhile is up.

        :param act: does it; raises ProcessError when a process has ended.
        :param is_done: whether it was done though it raised.
        """
        while True:
            try:
                return act()
            except ProcessError:
                known = len(self.revived)
                self.revive()
                self.join()
                if len(self.revived) == known:
                    raise
                if is_done():
                    return None

    def join(self) -> None:
        """Wait until everything is up."""
        while self._threads:
            self._threads.pop().join()
        if self._errors:
            raise self._errors[0]

    def _later(self, act: Callable[..., None], *arguments: object) -> threading.Thread:
        """Do something beside all else; what goes wrong is raised by :meth:`revive` and :meth:`join`."""

        def run() -> None:
            with self.errors_noted():
                act(*arguments)

        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()
        return thread

    @contextlib.contextmanager
    def errors_noted(self) -> Iterator[None]:
        """Have what goes wrong inside raised by :meth:`revive` and :meth:`join`: a thread has nobody to tell."""
        try:
            yield
        except Exception as error:
            self._errors.append(error)

    def _names_of(self, victim: Victim, holder: str) -> list[str]:
        if victim.is_one_of_several:
            return [holder]
        return [name for role in _ROLES[victim] for name in self._cluster.names(role)]

    def _upgrade(self, victim: Victim) -> None:
        """Stop what is upgraded first; the rest goes on as it is until :meth:`prepare`."""
        self._cluster.provider = None
        self._is_mixed = victim is not Victim.UPGRADE
        triggerers = self._cluster.names("triggerer")
        others = [name for name in self._cluster.processes if name not in triggerers]
        first = {Victim.TRIGGERERS_FIRST: triggerers, Victim.TRIGGERERS_LAST: others}
        for name in first.get(victim, [*others, *triggerers]):
            self._stop(name)

    def _await_other_triggerer(self) -> None:
        """Wait until the triggers of a dead triggerer run in another one."""
        since = self._struck_at
        wait_for(
            lambda: not self._cluster.records.triggers_waiting(since), "the other triggerer to take over", TAKEOVER
        )

    def _take_down(self, name: str) -> None:
        with self._lock:
            self._down.add(name)

    def _stop(self, name: str) -> None:
        self._take_down(name)
        self._cluster.processes[name].stop()

    def _bring_up_all(self) -> None:
        with self._lock:
            down = sorted(self._down)
        threads = [self._later(self._bring_up, name) for name in down]
        for thread in threads:
            thread.join()

    def _bring_up_after_end(self, name: str, grace: float) -> None:
        self._cluster.processes[name].stop_after(grace)
        self._bring_up(name)

    def _bring_up(self, name: str) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._cluster.restart(name)
                break
            except ProcessError as error:
                if attempt == ATTEMPTS:
                    raise
                self.revived.append(str(error))
                self._cluster.processes[name].kill()
        with self._lock:
            self._down.discard(name)
