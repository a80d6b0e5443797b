"""A task that starts a job, driven through everything that can interrupt it, in time that passes only when it is moved.

One process of the task at a time asks the local server over HTTP. Each of its calls, and each look into Airflow's state
store, is a moment at which it can die; nothing of it does anything after that. Or it stands still, until Airflow counts
it as lost and tries the task again; then it goes on, beside the next try, as if nothing had happened.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, TaskDeferred
from botocore.exceptions import ClientError
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from task_runs import TaskInstance

from airflow_provider_omics.healthomics.polling.result import StopReason, WaitResult
from airflow_provider_omics.hooks.storage import ObjectStorage
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule

RETRIES = 100
#: Seconds without a sign of life.
LOST_AFTER = 300.0


class Kept(Enum):
    """What Airflow keeps of a task instance from try to try.

    NOTHING: it has no state store (before 3.3).
    UNTIL_CLEARED: a state store that a clear empties (from 3.4).
    FOR_EVER: a state store that outlives a clear (3.3).
    """

    NOTHING = "nothing"
    UNTIL_CLEARED = "until cleared"
    FOR_EVER = "for ever"


# A list that lags can hide a job whose id the service has forgotten: then nothing tells of it, and nobody can know.
SERVICES = [("first_answer", 0), ("conflict", 0), ("forgotten", 0), ("first_answer", 4), ("conflict", 4)]
FAULTS = (
    FaultKind.LOST_ANSWER,
    FaultKind.ERROR_AFTER,
    FaultKind.ERROR_BEFORE,
    FaultKind.DROPPED_CONNECTION,
    FaultKind.THROTTLE,
)
_run_ids = itertools.count()


class Killed(BaseException):
    """The process is no more."""


@dataclass(frozen=True)
class Kind:
    """What tells runs from batches.

    :ivar make: makes the operator.
    :ivar jobs: the jobs that the server was ever asked for, oldest first: id, and whether somebody pays for it.
    :ivar notes_success: whether a job is marked as one with which its task has succeeded.
    :ivar cancel: cancels a job as the trigger does when a user clears its task.
    :ivar view: the job as a trigger sees it.
    """

    start: str
    make: Callable[[], Any]
    jobs: Callable[[], dict[str, bool]]
    notes_success: Callable[[str], bool]
    cancel: Callable[[str], object]
    snapshot: Callable[[str], Any]


@dataclass
class Bench:
    """What all examples share: the server, its clients, and who is using them.

    :ivar anew: empties the server and makes what the task needs.
    :ivar kept: what the Airflow under test can be told to keep.
    :ivar keep: tells it.
    :ivar alive: called at each call and look, before and after; raises when the process is to die.
    """

    server: LocalOmics
    kind: Kind
    omics: Any
    storage: ObjectStorage
    anew: Callable[[], object]
    kept: Sequence[Kept]
    keep: Callable[[Kept], object]
    alive: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        events = self.omics.meta.events
        events.register("before-send.omics", lambda **_: self.alive())
        events.register("response-received.omics", lambda **_: self.alive())


class VirtualEvent:
    """An event for whose waiters only the server's time passes."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        self._advance = advance
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float = 0.0) -> bool:
        self._advance(seconds)
        return self._is_set


class Process:
    """One process of the task.

    :param dies_at: at which of its calls and looks it dies, 0 for the first; None lets it live.
    :param stands_at: at which of them it stands still until it is woken; None for never.
    :ivar counts: whether Airflow takes its try for the task's last one.
    """

    def __init__(self, dies_at: int | None, stands_at: int | None = None) -> None:
        self.dies_at = dies_at
        self.counts = True
        self.stands = threading.Event()
        self.woken = threading.Event()
        self._stands_at = stands_at

    def alive(self) -> None:
        if self._stands_at is not None:
            if self._stands_at <= 0:
                self._stands_at = None
                self.stands.set()
                self.woken.wait()
            else:
                self._stands_at -= 1
        if self.dies_at is None:
            return
        if self.dies_at <= 0:
            raise Killed
        self.dies_at -= 1


class Refused(Exception):
    """Airflow does not know the try that asks."""

    error = SimpleNamespace(detail={"status_code": 404})


@dataclass
class Store:
    """Airflow's state store, as JSON."""

    kept: dict[str, str] = field(default_factory=dict)

    def notes_success(self) -> bool:
        return any((json.loads(kept) or {}).get("finished_try") is not None for kept in self.kept.values())


@dataclass
class StoreOfTry:
    """The state store as one try sees it."""

    store: Store
    process: Process

    def get(self, key: str) -> Any:
        self._ask()
        return json.loads(self.store.kept[key]) if key in self.store.kept else None

    def set(self, key: str, value: Any, *, retention: timedelta | None) -> None:
        self._ask()
        self.store.kept[key] = json.dumps(value)

    def _ask(self) -> None:
        self.process.alive()
        if not self.process.counts:
            raise Refused


class SubmissionMachine(RuleBasedStateMachine):
    """One task instance, whatever happens to it: exactly one job is paid for each time that its job is wanted.

    A job that a user's clear has cancelled is not paid for, and nor is one that failed; one more is wanted when a task
    that has succeeded is cleared, and in each life of the DAG run. A try that dies after it has noted its success, and
    before Airflow has heard of it, counts as one that has succeeded.
    """

    bench: Bench

    def __init__(self) -> None:
        super().__init__()
        self.local = threading.local()
        self.lost: tuple[threading.Thread, Process] | None = None
        self.bench.alive = lambda: getattr(self.local, "process", Process(None)).alive()
        self.bench.anew()
        self.run_id = f"run-{next(_run_ids)}"
        self.before: set[str] = set(self.bench.kind.jobs())
        self.store: Store | None = None

    @initialize(data=st.data(), service=st.sampled_from(SERVICES))
    def begin(self, data: st.DataObject, service: tuple[str, int]) -> None:
        self.begin_with(data.draw(st.sampled_from(self.bench.kept)), service)

    def begin_with(self, kept: Kept, service: tuple[str, int]) -> None:
        """Begin with what Airflow keeps, and how the service reads a repeated request id and lists what is new."""
        self.kept = kept
        self.bench.keep(kept)
        self.service(service)
        self._begin_life()

    def _begin_life(self) -> None:
        self._bury()
        now = self.bench.server.clock.now()
        self.dag_run = SimpleNamespace(id=next(_run_ids), run_after=now, start_date=now, clear_number=0)
        self._empty_store()
        self.try_number, self.max_tries, self.state, self.job_id = 0, RETRIES, "queued", ""
        self.before = set(self.bench.kind.jobs())

    def _empty_store(self) -> None:
        self.store = None if self.kept is Kept.NOTHING else Store()

    @rule(service=st.sampled_from(SERVICES))
    def service(self, service: tuple[str, int]) -> None:
        """The service reads a repeated request id, and lists what is new, in another way."""
        reading, lag = service
        self.bench.server.change(assumptions={"repeated_request_id": reading, "list_runs_lag_seconds": float(lag)})
        self.forgets = reading == "forgotten"

    @rule(seconds=st.sampled_from([0.5, 5.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.bench.server.advance(seconds)

    @precondition(lambda self: self.state == "queued")
    @rule(dies_at=st.none() | st.integers(0, 14), faults=st.lists(st.sampled_from(FAULTS), max_size=2))
    def try_it(self, dies_at: int | None, faults: list[FaultKind]) -> None:
        """Airflow tries the task; it starts or finds its job, dies, or fails. The next starts go wrong."""
        for kind in faults:
            self.bench.server.faults.add(FaultRule(kind=kind, operation=self.bench.kind.start))
        self.try_number += 1
        self._run(Process(dies_at), lambda operator, context: operator.execute(context))

    @precondition(lambda self: self.state == "queued" and self.lost is None)
    @rule(stands_at=st.integers(0, 14))
    def try_counts_as_lost(self, stands_at: int) -> None:
        """Airflow tries the task, and hears nothing of the process for so long that it will try again."""
        self.try_number += 1
        process = Process(None, stands_at)
        thread = threading.Thread(target=self._run_in_thread, args=(process,), daemon=True)
        thread.start()
        while thread.is_alive() and not process.stands.wait(0.002):
            pass
        if process.stands.is_set():
            process.counts, self.lost, self.state = False, (thread, process), "queued"
            self.bench.server.advance(LOST_AFTER)

    @precondition(lambda self: self.lost is not None)
    @rule(dies_at=st.none() | st.integers(0, 6))
    def lost_try_goes_on(self, dies_at: int | None) -> None:
        """The process goes on where it stood, until it ends or is killed; Airflow takes nothing from it."""
        # One that dies between a call that the service takes for a new one and its look behind leaves two jobs.
        self._wake(None if self.forgets else dies_at)

    def _run_in_thread(self, process: Process) -> None:
        safeguard = getattr(sys.modules[BaseOperator.__module__], "ExecutorSafeguard", None)
        if isinstance(sentinel := getattr(safeguard, "_sentinel", None), threading.local):
            # Airflow 2.11 makes it for the thread that imports it alone.
            sentinel.callers = {}
        self._run(process, lambda operator, context: operator.execute(context))

    def _wake(self, dies_at: int | None) -> None:
        assert self.lost is not None
        (thread, process), self.lost = self.lost, None
        process.dies_at = dies_at
        process.woken.set()
        thread.join()

    def _bury(self) -> None:
        if self.lost is not None:
            self._wake(0)

    @precondition(lambda self: self.state == "waiting")
    @rule(dies_at=st.none() | st.integers(0, 14))
    def job_ends(self, dies_at: int | None) -> None:
        """The job ends, and the task goes on."""
        self.bench.server.advance(120)
        payload = WaitResult(StopReason.ENDED, self.bench.kind.snapshot(self.job_id)).to_payload()
        kwargs = {**self.resume, "event": json.loads(json.dumps(payload))}
        self._run(
            Process(dies_at), lambda operator, context: operator.resume_execution("execute_complete", kwargs, context)
        )

    @precondition(lambda self: self.state == "waiting")
    @rule()
    def try_is_lost(self) -> None:
        """Airflow loses the try, and nobody is told."""
        self.state = "queued"

    @rule()
    def user_clears(self) -> None:
        """A user clears the task: what waits for its job cancels it, and one that has succeeded is to run anew."""
        self._bury()
        if self.state == "waiting":
            # A batch that is CREATING cannot be cancelled yet.
            self.bench.server.advance(3)
            with suppress(ClientError):
                # It may have been cancelled before, and be over.
                self.bench.kind.cancel(self.job_id)
        if self.state == "succeeded" or self._has_noted_success():
            self.before = set(self.bench.kind.jobs())
        if self.kept is Kept.UNTIL_CLEARED:
            self._empty_store()
        self.max_tries = self.try_number + RETRIES
        self.state = "queued"

    @precondition(lambda self: self.state != "waiting")
    @rule()
    def dag_run_is_created_again(self) -> None:
        """The DAG run is deleted and created again with the same id: another intent."""
        self._begin_life()

    @invariant()
    def at_most_one_is_paid_for(self) -> None:
        assert len(self._paid()) <= 1, self._paid()

    def teardown(self) -> None:
        if self.try_number == 0 and not hasattr(self, "dag_run"):
            return
        self.bench.server.faults.clear()
        for _ in range(20):
            if self.state == "succeeded":
                break
            self.bench.server.advance(10)
            self.try_it(None, []) if self.state == "queued" else self.job_ends(None)
        assert self.state == "succeeded"
        assert len(self._paid()) == 1, self._paid()

    def _paid(self) -> list[str]:
        return [job_id for job_id, is_paid in self.bench.kind.jobs().items() if is_paid and job_id not in self.before]

    def _has_noted_success(self) -> bool:
        if self.kept is Kept.FOR_EVER and self.store is not None:
            return self.store.notes_success()
        return any(self.bench.kind.notes_success(job_id) for job_id in self._paid())

    def _run(self, process: Process, act: Callable[[Any, dict[str, Any]], Any]) -> None:
        operator = self._operator()
        ti = TaskInstance(
            task_id=operator.task_id,
            run_id=self.run_id,
            try_number=self.try_number,
            max_tries=self.max_tries,
            start_date=self.bench.server.clock.now(),
        )
        ti.task = operator  # type: ignore[attr-defined]
        context: dict[str, Any] = {"ti": ti, "task_instance": ti, "params": {}, "run_id": self.run_id}
        context["dag_run"] = self.dag_run
        if self.store is not None:
            context["task_state_store"] = StoreOfTry(self.store, process)
        operator.render_template_fields(context)
        self.local.process = process
        self.state = "queued"
        state, resume = "queued", None
        try:
            act(operator, context)
        except TaskDeferred as deferred:
            state, resume = "waiting", json.loads(json.dumps(deferred.kwargs or {}))
        except (Killed, Exception) as error:
            # A try that fails is tried again.
            self.error = error
        else:
            state = "succeeded"
        finally:
            self.local.process = Process(None)
        if process.counts:
            self.state, self.job_id = state, operator._job_id or ""
            self.resume = resume or {}

    def _operator(self) -> BaseOperator:
        operator = self.bench.kind.make()
        hook = operator.hook
        hook.__dict__["conn"] = self.bench.omics
        hook.__dict__["storage"] = self.bench.storage
        operator._killed = VirtualEvent(self.bench.server.advance)
        return operator
