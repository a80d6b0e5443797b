"""One row of the kill matrix under way: a DAG run with all jobs and shapes, and the server that it has to itself."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import psutil
from airflow_cluster import AirflowCluster
from airflow_records import TaskInstance
from executor_events import ExecutorEvents
from heartbeats import age_heartbeats
from kill_rows import SAMPLES, Row, dag_id
from omics_service import wdl_zip
from sqlalchemy import text
from task_processes import task_processes

from airflow_provider_omics.local import FaultKind, FaultRule, LocalOmics, ManualClock, Quotas, Timings

#: Of the server's clock, which goes on by :data:`TICK` each time that somebody looks.
LONG, TICK = 100_000.0, 0.1
INDEXES = {"run_plain": (-1,), "run_mapped": (0,), "batch_plain": (-1,), "batch_mapped": (0,)}
TASKS = tuple(INDEXES)
INSTANCES = sum(map(len, INDEXES.values()))
WAITING = {"worker": "running", "deferred": "deferred"}
LOOKS = ("GetRun", "GetBatch")
ENOUGH_LOOKS = 3

Key = tuple[str, int]
"""A task instance: its task and its map index."""


@dataclass(frozen=True)
class Job:
    """A run, or a batch with its runs.

    :ivar status: of the run or of all of the batch; COMPLETED for a batch whose runs are.
    """

    job_id: str
    status: str


@dataclass(frozen=True)
class Seen:
    """What a row came to for one task instance.

    :ivar jobs: statuses of the jobs that it started, oldest first.
    :ivar starts: how many calls started each of them, or asked for it again.
    :ivar cancels: how many calls cancelled each of them.
    :ivar retried: whether the task had another try after that in which its row began.
    :ivar returned: which of the jobs the task returned, 0 for the oldest; None if it returned nothing.
    """

    jobs: tuple[str, ...]
    starts: tuple[int, ...]
    cancels: tuple[int, ...]
    state: str | None
    retried: bool
    returned: int | None


@dataclass
class Scene:
    """A row in one mode.

    :ivar story: what was done and seen, for whoever reads why a test failed.
    :ivar stuck: what was waited for in vain.
    """

    row: Row
    mode: str
    cluster: AirflowCluster
    executor_events: ExecutorEvents
    server: LocalOmics
    run_id: str
    story: list[str] = field(default_factory=list)
    stuck: str | None = None
    seen: dict[Key, Seen] = field(default_factory=dict)
    has_begun: bool = False
    _mark: int = 0
    _begun_in: dict[Key, int] = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)

    @property
    def dag_id(self) -> str:
        return dag_id(self.row.name, self.mode)

    @staticmethod
    def new_server() -> LocalOmics:
        """A server whose jobs do not end until it is told to let them."""
        timings = replace(Timings.fast(), running_min=LONG, running_max=LONG)
        # A job that is older than its DAG run is not the DAG run's.
        clock = ManualClock(datetime.now(UTC))
        return LocalOmics(executor="simulated", clock=clock, timings=timings, quotas=Quotas.wide())

    def trigger(self) -> None:
        if self.row.has_pool:
            self.set_slots(INSTANCES)
        if self.row.max_looks is not None:
            self.hold_back_looks()
        if self.cluster.records.dag_run_state(self.dag_id, self.run_id) is None:
            self.cluster.trigger(self.dag_id, self.run_id, {"workflow_id": self._workflow_id})

    def mark_failed(self) -> None:
        for instance in self.instances:
            if instance.state != "failed":
                self.cluster.mark_failed(self.dag_id, self.run_id, instance.task_id, instance.map_index)

    def set_slots(self, slots: int) -> None:
        """Say how many of the tasks may run at the same time, in a pool of their own."""
        row = {"pool": self.dag_id, "slots": slots}
        with self.cluster.records.transaction() as database:
            database.execute(text("DELETE FROM slot_pool WHERE pool = :pool"), row)
            insert = "INSERT INTO slot_pool (pool, slots, include_deferred) VALUES (:pool, :slots, false)"
            database.execute(text(insert), row)
        self.note(f"{slots} slots")

    def grow_older(self, seconds: int) -> None:
        """Make the DAG run one that began so many seconds earlier."""
        row = {"dag": self.dag_id, "run": self.run_id, "seconds": seconds}
        update = "UPDATE dag_run SET start_date = start_date - make_interval(secs => :seconds)"
        with self.cluster.records.transaction() as database:
            database.execute(text(f"{update} WHERE dag_id = :dag AND run_id = :run"), row)
        self.note(f"grew {seconds} s older")

    def clear(self) -> None:
        self.cluster.clear(self.dag_id, self.run_id, TASKS)

    def processes(self) -> list[psutil.Process]:
        """The processes in which the tasks' code runs."""
        return list(task_processes(self.cluster.records.process_titles(self.dag_id, self.run_id)))

    def lose_trigger_class(self) -> None:
        """Make the triggers ones that the triggerer cannot load, as after its roll-back to an older release."""
        row = {"dag": self.dag_id, "run": self.run_id, "path": "airflow_provider_omics.triggers.of_a_newer_release.Run"}
        update = "UPDATE trigger SET classpath = :path WHERE id IN"
        mine = "SELECT trigger_id FROM task_instance WHERE dag_id = :dag AND run_id = :run"
        with self.cluster.records.transaction() as database:
            database.execute(text(f"{update} ({mine})"), row)
        self.note("triggers lost their class")

    def hold_back_looks(self) -> None:
        """Let all looks fail for a while until the row begins: those do not count for ``waiter_max_attempts``."""
        for operation in LOOKS:
            refusal = FaultRule(
                kind=FaultKind.ERROR_BEFORE,
                operation=operation,
                count=None,
                code="InternalServerException",
                http_status=500,
                matches=lambda _: not self.has_begun,
            )
            self.server.faults.add(refusal)

    def refuse_looks(self) -> None:
        """Make the service refuse to show the jobs that there are, for good, or until :meth:`relent`."""
        self._refused = {job.job_id for jobs in self.jobs().values() for job in jobs}
        for operation in LOOKS:
            refusal = FaultRule(
                kind=FaultKind.ERROR_BEFORE,
                operation=operation,
                count=None,
                code="AccessDeniedException",
                http_status=403,
                matches=lambda facts: facts.call.resource_id in self._refused,
            )
            self.server.faults.add(refusal)
        self.note("looks are refused")

    def relent(self) -> bool:
        """Show the jobs of the tasks that have failed for it again; False while some have not."""
        jobs = self.jobs()
        for one in self.instances:
            if one.state == "up_for_retry":
                self._refused -= {job.job_id for job in jobs[one.task_id, one.map_index]}
        return not self._refused

    def end_jobs(self) -> None:
        """Let the jobs that there are end."""
        self.server.advance(2 * LONG)
        self.note("time goes on")

    def begin(self) -> None:
        """Note that all tasks wait for their jobs, each in its first try as a rule.

        Airflow on a busy machine fails tries that it could not even start; what counts is what comes after this one.
        """
        self.note("all wait")
        self._begun_in = {(one.task_id, one.map_index): one.try_number for one in self.instances}
        self.has_begun = True
        self.mark()

    def counts_as_lost(self) -> bool:
        """Make the signs of life of the tries in which the row began older; whether Airflow gave them all up."""
        at_it = [one for one in self.instances if one.state == "running" and not self._is_retried(one)]
        for one in at_it:
            # Each time, since a sign of life may have been on its way when the worker was killed.
            age_heartbeats(self.cluster.records, self.dag_id, self.run_id, one.task_id, one.try_number)
        return not at_it

    def _is_retried(self, instance: TaskInstance) -> bool:
        return instance.try_number > self._begun_in.get((instance.task_id, instance.map_index), 1)

    def mark(self) -> None:
        """Forget the looks so far."""
        self._mark = len(self.server.journal.calls())

    def note(self, what: str) -> None:
        instances = ", ".join(f"{one.task_id}[{one.map_index}] {one.state} {one.try_number}" for one in self.instances)
        self.story.append(f"{time.strftime('%H:%M:%S')} {what}; tasks: {instances}; jobs: {self.jobs()}")

    @property
    def instances(self) -> Sequence[TaskInstance]:
        return self.cluster.records.task_instances(self.dag_id, self.run_id)

    def waits(self, *, retried: bool = False, state: str | None = None) -> bool:
        """Whether every task instance waits for a job that goes on, and has looked at it for a while since the mark.

        :param retried: whether in the try in which its row began or in a later one.
        :param state: of a task that waits; None for that of the mode.
        """
        instances, waiting = self.instances, state or WAITING[self.mode]
        has_right_try = [one for one in instances if not self.has_begun or self._is_retried(one) is retried]
        at_it = [one for one in has_right_try if one.state == waiting]
        looks = self._looks()
        jobs = self.jobs()
        last = [jobs[key][-1] for key in self.keys() if jobs.get(key)]
        going = [job for job in last if job.status == "RUNNING" and looks[job.job_id] >= ENOUGH_LOOKS]
        return len(at_it) == len(going) == INSTANCES and self._have_left_workers(at_it)

    def looks_in_vain(self) -> bool:
        """Whether every task instance has a job and waits for it, without an answer so far."""
        instances, jobs = self.instances, self.jobs()
        at_it = [one for one in instances if one.state == WAITING[self.mode] and jobs.get((one.task_id, one.map_index))]
        return len(at_it) == INSTANCES and self._have_left_workers(at_it)

    def _have_left_workers(self, instances: Sequence[TaskInstance]) -> bool:
        deferred = [one for one in instances if one.state == "deferred"]
        return all(self.executor_events.know_end(self.dag_id, self.run_id, one) for one in deferred)

    def in_state(self, *states: str) -> bool:
        """Whether every task instance is in one of these states."""
        instances = self.instances
        return len(instances) == INSTANCES and all(one.state in states for one in instances)

    def in_try(self, number: int) -> bool:
        """Whether every task instance is in this try or a later one."""
        instances = self.instances
        return len(instances) == INSTANCES and all(one.try_number >= number for one in instances)

    def all_jobs(self, *statuses: str) -> bool:
        """Whether every task instance has exactly the jobs of these statuses."""
        jobs = self.jobs()
        return all([job.status for job in jobs.get(key, ())] == list(statuses) for key in self.keys())

    def first_jobs_are_cancelled(self) -> bool:
        """Whether the first job of every task instance is cancelled, whatever came after it."""
        jobs = self.jobs()
        return all(jobs.get(key) and jobs[key][0].status == "CANCELLED" for key in self.keys())

    def end_jobs_until_all_is_over(self) -> bool:
        """Let the jobs that there are end, once each has been looked at; whether the DAG run has ended."""
        going = [job for jobs in self.jobs().values() for job in jobs if job.status == "RUNNING"]
        looks = self._looks()
        if going and all(looks[job.job_id] >= ENOUGH_LOOKS for job in going):
            self.end_jobs()
        return self.ended()

    def _looks(self) -> Counter[str | None]:
        """How often each job was looked at since the mark."""
        calls = self.server.journal.calls()[self._mark :]
        return Counter(call.resource_id for call in calls if call.operation in LOOKS)

    def ended(self) -> bool:
        return self.cluster.records.dag_run_state(self.dag_id, self.run_id) in ("success", "failed")

    def keys(self) -> Iterator[Key]:
        """The task instances that there are to be."""
        for task_id, indexes in INDEXES.items():
            yield from ((task_id, index) for index in indexes)

    def jobs(self) -> Mapping[Key, Sequence[Job]]:
        """The jobs of each task instance, oldest first."""
        found: dict[Key, list[tuple[int, Job]]] = defaultdict(list)
        for account in self.server.accounts():
            with account.lock:
                of_batch = defaultdict(list)
                for run in account.runs.values():
                    of_batch[run.batch_id].append(run.status)
                alone = [(run.tags, run.run_id, run.status) for run in account.runs.values() if run.batch_id is None]
                batches = [
                    (batch.tags, batch.batch_id, _status(batch.status, of_batch[batch.batch_id]))
                    for batch in account.batches.values()
                ]
            for tags, job_id, status in (*alone, *batches):
                key = (tags["airflow-task-id"], int(tags["airflow-map-index"]))
                found[key].append((int(tags["airflow-generation"]), Job(job_id, status)))
        return {key: [job for _, job in sorted(jobs, key=lambda one: one[0])] for key, jobs in found.items()}

    def observe(self) -> None:
        """Keep what the row came to."""
        self.note("over")
        calls = self.server.journal.calls()
        starts = Counter(call.resource_id for call in calls if call.operation in ("StartRun", "StartRunBatch"))
        cancels = Counter(
            call.resource_id for call in calls if call.took_effect and call.operation in ("CancelRun", "CancelRunBatch")
        )
        jobs = self.jobs()
        for one in self.instances:
            key = (one.task_id, one.map_index)
            mine = jobs.get(key, ())
            ids = [job.job_id for job in mine]
            returned = self.cluster.records.xcoms(self.dag_id, self.run_id, one.task_id).get(one.map_index)
            self.seen[key] = Seen(
                jobs=tuple(job.status for job in mine),
                starts=tuple(starts[job_id] for job_id in ids),
                cancels=tuple(cancels[job_id] for job_id in ids),
                state=one.state,
                retried=self._is_retried(one),
                returned=ids.index(returned) if returned in ids else None,
            )

    def log(self) -> str:
        """What the tasks logged in all of their tries."""
        logs = (
            self.cluster.records.task_log(self.dag_id, self.run_id, task_id, index) for task_id, index in self.keys()
        )
        return "\n\n".join(logs)

    @cached_property
    def _workflow_id(self) -> str:
        answer = self.server.client("omics").create_workflow(engine="WDL", definitionZip=wdl_zip())
        return str(answer["id"])


def _status(batch: str, runs: Sequence[str]) -> str:
    """Return one word for a batch if its runs agree with it, and all that is to be said if they do not."""
    of_all = set(runs) if len(runs) == len(SAMPLES) else {f"{len(runs)} runs"}
    match batch, *of_all:
        case "INPROGRESS", "RUNNING":
            return "RUNNING"
        case "PROCESSED", "COMPLETED":
            return "COMPLETED"
        case "CANCELLED", "CANCELLED":
            return "CANCELLED"
    return f"{batch} with {sorted(runs)}"
