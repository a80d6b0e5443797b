"""One account in one region: everything the server knows there, behind one lock."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus, TaskStatus
from airflow_provider_omics.local.artefacts.unread import UnreadArtefacts
from airflow_provider_omics.local.assumptions import Assumptions
from airflow_provider_omics.local.background import Background
from airflow_provider_omics.local.clock import Clock, Timeline
from airflow_provider_omics.local.delivery import Event, EventDelivery
from airflow_provider_omics.local.executors.engine_pool import EnginePool
from airflow_provider_omics.local.faults import FaultPlan
from airflow_provider_omics.local.journal import Journal
from airflow_provider_omics.local.quotas import Quotas, RateLimiter
from airflow_provider_omics.local.request_ids import RequestIds
from airflow_provider_omics.local.runs.index import RunIndex
from airflow_provider_omics.local.runs.queue import RunQueue
from airflow_provider_omics.local.timings import Timings

if TYPE_CHECKING:
    from airflow_provider_omics.local.aws import Aws
    from airflow_provider_omics.local.executors.base import Executor
    from airflow_provider_omics.local.records import Batch, Configuration, Run, RunCache, RunGroup, Task, Workflow
    from airflow_provider_omics.local.workflows.definitions import Loader

RunObserver = Callable[["Run", RunStatus | None], None]
TaskObserver = Callable[["Run", "Task", TaskStatus | None], None]
BatchObserver = Callable[["Batch", BatchStatus | None], None]
WorkflowObserver = Callable[["Workflow", str | None], None]


@dataclass
class AccountState:
    """State of one account and region. Whoever reads or changes it holds :attr:`lock`.

    Observers are called with the lock held, after the change, with the status before it (None: it is new).

    :ivar make_executor: makes what carries out the runs; called once, at the end of the set-up.
    :ivar aws: moto's S3, CloudWatch Logs and event bus of the same account and region.
    :ivar assumptions: the chosen reading of everything that AWS does not document.
    :ivar loaders: what loads definitions as an engine does, by the engine's name.
    :ivar engine_pool: the processes in which engines read definitions and carry out runs.
    :ivar background: does what takes a while, such as reading definitions.
    :ivar endpoint_url: where the server answers; empty while there is none.
    :ivar events: takes events to the event bus; :meth:`EventDelivery.put` is called with the lock held.
    :ivar ended: whether the server has forgotten it, so that nothing is left to be waited for.
    :ivar changed: notified when something new is due, for the thread that runs the timeline, and when a workflow's
        status has changed.
    """

    region: str
    account: str
    clock: Clock
    assumptions: Assumptions
    make_executor: Callable[[AccountState], Executor]
    aws: Aws
    timings: Timings = field(default_factory=Timings)
    quotas: Quotas = field(default_factory=Quotas)
    journal: Journal = field(default_factory=Journal)
    faults: FaultPlan = field(default_factory=FaultPlan)
    endpoint_url: str = ""
    loaders: Mapping[str, Loader] = field(default_factory=dict)
    engine_pool: EnginePool = field(default_factory=EnginePool)
    background: Background = field(default_factory=Background)
    lock: threading.RLock = field(default_factory=threading.RLock)
    runs: dict[str, Run] = field(default_factory=dict)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    run_groups: dict[str, RunGroup] = field(default_factory=dict)
    run_caches: dict[str, RunCache] = field(default_factory=dict)
    configurations: dict[str, Configuration] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    run_observers: list[RunObserver] = field(default_factory=list)
    task_observers: list[TaskObserver] = field(default_factory=list)
    batch_observers: list[BatchObserver] = field(default_factory=list)
    workflow_observers: list[WorkflowObserver] = field(default_factory=list)
    ended: bool = False

    def __post_init__(self) -> None:
        self.changed = threading.Condition(self.lock)
        self.timeline = Timeline(self.clock, on_added=self._wake)
        self.rates = RateLimiter(self.now, lambda: self.assumptions)
        self.request_ids = RequestIds(self.now, lambda: self.assumptions, self.runs, self.batches)
        self.events = EventDelivery(self._put_on_bus, lambda: self.assumptions, self.faults.seed)
        self.run_index = RunIndex()
        self.run_queue = RunQueue()
        self._ids = itertools.count(1_000_001)
        self._free_run_ids: list[str] = []
        self.unread = UnreadArtefacts(self.aws, self.user_arn)
        self.executor = self.make_executor(self)

    @property
    def user_arn(self) -> str:
        """Who starts every run here."""
        return user_arn(self.account)

    def now(self) -> datetime:
        """Return the server's time."""
        return self.timeline.now()

    def new_id(self) -> str:
        """Return an id that no resource of this account has had: digits, like the service's."""
        return str(next(self._ids))

    def new_run_id(self) -> str:
        """Return an id for a run: that of a deleted run where the assumptions reuse them, else a new one."""
        if self.assumptions.run_id_reuse and self._free_run_ids:
            return self._free_run_ids.pop(0)
        return self.new_id()

    def new_uuid(self) -> str:
        """Return a fresh uuid."""
        return str(uuid.uuid4())

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource such as ``run/1234567``."""
        return f"arn:aws:omics:{self.region}:{self.account}:{resource}"

    def add_run(self, run: Run) -> None:
        """Store a new run."""
        self.runs[run.run_id] = run
        self.run_index.add(run)
        self.unread.add(run)
        self.journal.add_run(run)

    def forget_run(self, run: Run) -> None:
        """Drop a run's metadata; its id may come back as another run's."""
        if self.runs.get(run.run_id) is not run:
            # It went before, and its id may be another run's by now.
            return
        del self.runs[run.run_id]
        self.run_index.remove(run)
        self.unread.forget(run)
        self._free_run_ids.append(run.run_id)

    def runs_of_batch(self, batch_id: str) -> Sequence[Run]:
        """Return the runs of a batch that still exist, in the order of their creation; do not change it."""
        return self.run_index.of_batch(batch_id)

    def _put_on_bus(self, event: Event) -> None:
        self.aws.put_event(event.detail_type, event.resources, event.detail, event.when)

    def _wake(self) -> None:
        # A condition wants its lock held; a test without threads may add to the timeline without it.
        with self.lock:
            self.changed.notify_all()


def user_arn(account: str) -> str:
    """Return the ARN of the only caller of an account.

    :param account: account id.
    """
    return f"arn:aws:iam::{account}:user/local"
