"""Runs the smoke set: all tasks side by side, in real Airflow processes, on one server."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import smoke_rows
from airflow_cluster import AirflowCluster
from airflow_records import TaskInstance
from child_processes import ProcessError
from event_queues import EventQueueOnServer
from executor_events import ExecutorEvents
from heartbeats import age_heartbeats
from omics_service import ROLE, wdl_zip
from smoke_rows import BROKEN, SOURCES, WAITING, WATCHED_WORKFLOW, WORKFLOW, connection, queue_variable, tasks
from task_processes import supervisor_of, task_processes

from airflow_provider_omics.local import (
    LocalOmics,
    ManualClock,
    OutcomeRule,
    Quotas,
    SimulatedOutcomes,
    Timings,
)

HERE = Path(__file__).parent
IS_AIRFLOW_3 = not version("apache-airflow").startswith("2.")
TIMEOUT = 900
#: Of the server's clock, which goes on by :data:`TICK` each time that somebody looks.
LONG, TICK = 100_000.0, 0.1
ENOUGH_LOOKS = 3
LOOKS, STARTS = ("GetRun", "GetBatch"), ("StartRun", "StartRunBatch")
#: How many tasks of a source may not wait for their jobs yet when those of the next one start.
MOST_AT_ONCE = 2
KILLED = ("killed_while_deferred", "killed_in_worker")
FINAL = ("success", "failed", "skipped", "upstream_failed")
SETTINGS = {
    "AIRFLOW__CORE__PARALLELISM": "32",
    # Nothing is late here, however slow the machine is; whoever is to be late has its sign of life made older.
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "1800",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "1800",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
    # Airflow 2.11 has other names for the same. What is found twice before it was dealt with ends the next try too.
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "1800",
    "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "30",
    "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "5",
}
PRELOAD = ("airflow_provider_omics.operators.batch", "airflow_provider_omics.operators.run", "boto3.s3.transfer")


@dataclass(frozen=True)
class Seen:
    """What came of one task.

    :ivar jobs: ids of the runs or batches that it started, oldest first, with their statuses.
    :ivar starts: how many calls asked for them.
    :ivar xcoms: what it pushed, by key.
    """

    state: str | None
    try_number: int
    jobs: tuple[tuple[str, str], ...]
    starts: int
    cancels: int
    xcoms: Mapping[str, Any]
    log: str


@dataclass
class SmokeLab:
    """One Airflow and one server.

    :ivar seen: what came of each task, by source and task.
    :ivar told: which runs the DAG of each source's asset watcher was told of.
    :ivar watched_run: the run that nobody here waits for.
    """

    cluster: AirflowCluster
    server: LocalOmics
    watched_workflow: str
    run_id: str = field(default_factory=lambda: f"smoke-{uuid.uuid4()}")
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)
    told: dict[str, list[str]] = field(default_factory=dict)
    watched_run: str = ""

    def __post_init__(self) -> None:
        self._events = ExecutorEvents(self.cluster)

    def run(self) -> None:
        """Let all jobs start, end some of the tasks meanwhile, and then let the jobs end."""
        for source in SOURCES:
            self.cluster.trigger(*self._dag_run(source))
            # What all tasks did at once would take the API server longer than they wait for it.
            most = partial(self._begins, source, at_most=MOST_AT_ONCE)
            self._await(most, f"most tasks of {source} to wait for their jobs")
        self._await(self._all_wait, "all tasks to wait for their jobs")
        mark = len(self.server.journal.calls())
        for source, task_id in _all("lost"):
            self._lose(source, task_id)
        for source, task_id in _all(*KILLED):
            self.cluster.mark_failed(*self._dag_run(source), task_id)
        self._await(self._killed_are_cancelled, "the jobs of the tasks that were killed to be cancelled")
        self._await(lambda: self._lost_wait_again(mark), "the tasks whose worker was lost to wait again")
        self._end_jobs()
        self._await(self._all_ended, "all tasks to end")
        self._observe()

    def _lose(self, source: str, task_id: str) -> None:
        """Kill a task and its supervisor (SIGKILL), as the loss of their machine does."""
        titles = self.cluster.records.process_titles(*self._dag_run(source), task_id)
        for process in list(task_processes(titles)):
            supervisor = supervisor_of(process)
            if supervisor is not None:
                supervisor.kill()
            process.kill()

    def _end_jobs(self) -> None:
        """Let everything end that goes on, and a run that no task has started with it."""
        omics = self.server.client("omics")
        request = {"workflowId": self.watched_workflow, "roleArn": ROLE, "outputUri": "s3://smoke/watched"}
        self.watched_run = omics.start_run(**request, name="watched")["id"]
        self.server.advance(2 * LONG)

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        def looked() -> bool:
            self.server.advance(TICK)
            return condition()

        try:
            self.cluster.wait_for(looked, what, TIMEOUT, interval=0.3)
        except ProcessError as error:
            raise ProcessError(f"{error}\n{self._told_so_far()}") from error

    def _begins(self, source: str, at_most: int) -> bool:
        """Whether at most so many tasks of a source do not wait yet for a job at which they have looked for a while."""
        looks, beginning = self._looks(0), 0
        deferred = [one for one in self._instances(source) if one.state == "deferred"]
        still_going = {one.task_id for one in deferred if not self._events.know_end(*self._dag_run(source), one)}
        for task_id, (state, try_number) in self._states(source).items():
            if state in FINAL or try_number > 1:
                raise ProcessError(f"{task_id} of {source} was to wait, and is {state} in try {try_number}")
            jobs = self._jobs(source, task_id)
            waits = state == WAITING[task_id] and bool(jobs) and task_id not in still_going
            beginning += not waits or any(looks[job_id] < ENOUGH_LOOKS for job_id, _ in jobs)
        return beginning <= at_most

    def _all_wait(self) -> bool:
        return all(self._begins(source, at_most=0) for source in SOURCES)

    def _killed_are_cancelled(self) -> bool:
        jobs = [job for source, task_id in _all(*KILLED) for job in self._jobs(source, task_id)]
        return all(status == "CANCELLED" for _, status in jobs)

    def _lost_wait_again(self, mark: int) -> bool:
        for source, task_id in _all("lost"):
            # Each time, since a sign of life may have been on its way when the task was killed.
            age_heartbeats(self.cluster.records, *self._dag_run(source), task_id, try_number=1)
        looks = self._looks(mark)
        return all(
            self._states(source)[task_id] == ("running", 2)
            and any(looks[job_id] >= ENOUGH_LOOKS for job_id, _ in self._jobs(source, task_id))
            for source, task_id in _all("lost")
        )

    def _all_ended(self) -> bool:
        states = [state for source in SOURCES for state, _ in self._states(source).values()]
        return all(state in FINAL for state in states) and (not IS_AIRFLOW_3 or all(map(self._tell, SOURCES)))

    def _tell(self, source: str) -> bool:
        """Note what the DAG of an asset watcher was told; whether it was told anything."""
        dag_id, records = f"smoke_events_{source}", self.cluster.records
        pushed = [records.xcoms(dag_id, run_id, "tell").get(-1, []) for run_id in records.dag_run_ids(dag_id)]
        self.told[source] = [run_id for run_ids in pushed for run_id in run_ids]
        return bool(self.told[source])

    def _dag_run(self, source: str) -> tuple[str, str]:
        return f"smoke_{source}", self.run_id

    def _instances(self, source: str) -> list[TaskInstance]:
        return self.cluster.records.task_instances(*self._dag_run(source))

    def _states(self, source: str) -> dict[str, tuple[str | None, int]]:
        found: dict[str, tuple[str | None, int]] = dict.fromkeys(tasks(source), (None, 0))
        for one in self._instances(source):
            found[one.task_id] = (one.state, one.try_number)
        return found

    def _looks(self, mark: int) -> Counter[str | None]:
        calls = self.server.journal.calls()[mark:]
        return Counter(call.resource_id for call in calls if call.operation in LOOKS)

    def _jobs(self, source: str, task_id: str) -> list[tuple[str, str]]:
        """Return the runs or batches that a task started, oldest first, with their statuses."""
        found = []
        for state in self.server.accounts():
            with state.lock:
                runs = [(one.tags, one.run_id, one.status) for one in state.runs.values() if one.batch_id is None]
                batches = [(one.tags, one.batch_id, one.status) for one in state.batches.values()]
            for tags, job_id, status in (*runs, *batches):
                if (tags.get("airflow-dag-id"), tags.get("airflow-task-id")) == (f"smoke_{source}", task_id):
                    found.append((int(tags["airflow-generation"]), job_id, status))
        return [(job_id, status) for _, job_id, status in sorted(found)]

    def _observe(self) -> None:
        calls, records = self.server.journal.calls(), self.cluster.records
        starts = Counter(call.resource_id for call in calls if call.operation in STARTS)
        cancels = Counter(call.resource_id for call in calls if call.took_effect and call.operation == "CancelRun")
        for source in SOURCES:
            dag_id = f"smoke_{source}"
            for task_id, (state, try_number) in self._states(source).items():
                jobs = self._jobs(source, task_id)
                keys = records.xcom_keys(dag_id, self.run_id, task_id)
                self.seen[source, task_id] = Seen(
                    state=state,
                    try_number=try_number,
                    jobs=tuple(jobs),
                    starts=sum(starts[job_id] for job_id, _ in jobs),
                    cancels=sum(cancels[job_id] for job_id, _ in jobs),
                    xcoms={key: records.xcoms(dag_id, self.run_id, task_id, key).get(-1) for key in keys},
                    log=records.task_log(dag_id, self.run_id, task_id),
                )

    def _told_so_far(self) -> str:
        """What the tasks have come to, for whoever reads why a test failed."""
        lines = []
        for source in SOURCES:
            for task_id, state in self._states(source).items():
                lines.append(f"{source} {task_id}: {state}, jobs {self._jobs(source, task_id)}")
                if state != (WAITING[task_id], 1):
                    lines.append(self.cluster.records.task_log(*self._dag_run(source), task_id)[-3000:])
        triggerer = self.cluster.processes["triggerer"].log_tail(40)
        return "\n".join([*lines, f"asset watchers told of {self.told}", f"the triggerer's log ends:\n{triggerer}"])


def _all(*task_ids: str) -> list[tuple[str, str]]:
    """These tasks of all sources, as far as they are there."""
    return [(source, task_id) for source in SOURCES for task_id in task_ids if task_id in tasks(source)]


@contextmanager
def smoke_lab(home: Path) -> Iterator[SmokeLab]:
    """Start Airflow and the server.

    :param home: an empty folder.
    """
    with ExitStack() as stack:
        server = stack.enter_context(_new_server())
        server.client("s3").create_bucket(Bucket="smoke")
        workflows = [_workflow(server) for _ in range(2)]
        queues = {source: EventQueueOnServer(server).open() for source in SOURCES} if IS_AIRFLOW_3 else {}
        uri = server.airflow_connection_uri()
        in_file = home / "connections.json"
        in_file.write_text(json.dumps({connection(source): uri for source in ("backend", "awkward_backend")}))
        dags, places = home / "dags", [str(HERE / "secrets"), str(Path(smoke_rows.__file__).parent)]
        dags.mkdir()
        environment = {
            **SETTINGS,
            "PYTHONPATH": os.pathsep.join(places),
            f"AIRFLOW_CONN_{connection('environment').upper()}": uri,
            "AIRFLOW__SECRETS__BACKEND": "smoke_secrets.FileBackend",
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"path": str(in_file)}),
            **dict(zip((WORKFLOW, WATCHED_WORKFLOW), workflows, strict=True)),
            **{queue_variable(source): queue.url for source, queue in queues.items()},
        }
        cluster = stack.enter_context(AirflowCluster(home, dags, environment, web=True, preload=PRELOAD))
        members = {"conn_type": "aws", "login": "local", "password": "local"}
        cluster.add_connection(connection("database"), {**members, "extra": json.dumps(server.connection_extra())})
        for file in ("smoke.py", "smoke_events.py") if IS_AIRFLOW_3 else ("smoke.py",):
            shutil.copy(HERE / "dags" / file, dags)
        yield SmokeLab(cluster, server, workflows[1])


def _new_server() -> LocalOmics:
    """A server whose jobs do not end until it is told to let them."""
    timings = replace(Timings.fast(), running_min=LONG, running_max=LONG)
    return LocalOmics(
        executor="simulated",
        # A job that is older than its DAG run is not the DAG run's.
        clock=ManualClock(datetime.now(UTC)),
        timings=timings,
        quotas=Quotas.wide(),
        outcomes=SimulatedOutcomes(rules=(OutcomeRule(pattern=BROKEN, outcome="RUN_TASK_FAILED"),)),
    )


def _workflow(server: LocalOmics) -> str:
    return str(server.client("omics").create_workflow(engine="WDL", definitionZip=wdl_zip())["id"])
