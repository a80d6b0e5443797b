"""Real Airflow processes on PostgreSQL, for the demo and for the tests that need them."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from airflow_api import AirflowRefusedError, AirflowUnavailableError
from airflow_database import AirflowDatabase, airflow_database
from airflow_records import AirflowRecords, TaskInstance
from airflow_stacks import STACKS
from airflow_versions import Site, airflow_version
from arrivals import Arrivals
from child_processes import (
    POLL_INTERVAL,
    ChildProcess,
    ProcessError,
    check_all,
    ended_by_signals,
    free_ports,
    isolated_environment,
    stop_all,
    wait_for,
)
from redis_server import RedisServer
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

Answer = TypeVar("Answer")
#: Seconds, for a machine that does other work too.
START_TIMEOUT = 600.0
API_PATIENCE = 300.0
FORKING = [["scheduler"], ["dag-processor"]]
ABOUT_TO_RUN = (None, "restarting", "up_for_retry", "scheduled", "queued")


class DagImportError(Exception):
    """Airflow cannot import a DAG file; the text has the file and the traceback."""


class AirflowCluster:
    """Airflow's processes, each its own, in a folder that they share.

    A context manager: on entry it makes the database and starts the processes, on exit everything that it
    started is gone, whatever the reason, Ctrl-C and SIGTERM included.

    :param home: an empty folder, which becomes ``AIRFLOW_HOME``; the processes' output is in it.
    :param dags_folder: the DAG files.
    :param environment: environment variables beside Airflow's own, such as ``AIRFLOW_CONN_AWS_DEFAULT``.
    :param web: whether to bring up the web page on Airflow 2.11; Airflow 3 always has it.
    :param preload: modules that scheduler and DAG processor load when they start, so that those who are forked from
        them, such as Airflow 3's tasks, start sooner.
    :param own_server: address of a database on the user's own PostgreSQL server, on which a database is made for the
        time being; None to start a server.
    :param stack: what the processes are, and what hands tasks to those that run them: ``local`` or ``celery``.
    :ivar components: what the processes are, by name; may be changed before the start.
    :ivar processes: the processes, by name, once they are started.
    :ivar provider: a folder with another release of the provider, for processes from their next start on; None for
        that of the checkout.
    :ivar records: what Airflow keeps, once it is started.
    :ivar database: the database, once it is there.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        environment: Mapping[str, str] | None = None,
        *,
        web: bool = False,
        preload: Sequence[str] = (),
        own_server: str | None = None,
        stack: str = "local",
    ) -> None:
        (web_port,) = free_ports(1)
        self._site = Site(
            home=home,
            programs=Path(sys.executable).parent,
            web_port=web_port,
            web=web,
            password=secrets.token_urlsafe(9),
            secret=secrets.token_urlsafe(48),
        )
        self._version = airflow_version(version("apache-airflow"))
        self._stack = STACKS[stack]
        self.components = self._stack.components(self._version.components(self._site))
        self._environment = {
            **isolated_environment(self._site.programs),
            **_settings(home, dags_folder),
            **self._version.settings(self._site),
            **(environment or {}),
        }
        self._chosen = environment or {}
        self.provider: Path | None = None
        self._search_paths: dict[str, str] = {}
        self.processes: dict[str, ChildProcess] = {}
        self._arrivals = Arrivals()
        self._preload = preload
        self._own_server = own_server
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(ended_by_signals())
            log = self._site.home / "postgresql.log"
            self.database = stack.enter_context(airflow_database(self._own_server, log, self._migrate))
            self._environment |= self.database.settings
            if self._stack.has_workers:
                redis = stack.enter_context(RedisServer(self._site.home))
                by_celery = self._stack.settings(redis.url(0), redis.url(1), self._preload)
                self._environment |= {**by_celery, **self._chosen}
            # A scheduler that ends with its database is no reason to give up on a database that comes back.
            self.records = AirflowRecords(self._site.home, self.database.url, self.check_database)
            stack.callback(self.records.close)
            stack.callback(lambda: stop_all(self.processes.values()))
            self._start()
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exit.close()

    @property
    def address(self) -> str:
        """Where the web page is."""
        return self._site.address

    @property
    def login(self) -> tuple[str, str]:
        """User and password of the web page."""
        return "admin", self._site.password

    def restart(self, name: str) -> None:
        """Start a process again that was stopped or killed, and wait for its first sign of life.

        :param name: such as ``scheduler``, ``triggerer 2`` or ``worker``.
        """
        is_up = self._sign_of_life(name)
        self._start_one(name)
        alive = [*self.database.processes, self.processes[name]]
        wait_for(is_up, f"the {name} to start", START_TIMEOUT, alive)

    def restart_database(self) -> None:
        """Have PostgreSQL end all connections at once, as in a crash, and start it again.

        :raises ValueError: it is the user's own server.
        """
        if self.database.server is None:
            raise ValueError("the database is on a server that was not started here")
        self.database.server.restart()

    def names(self, component: str) -> list[str]:
        """Return the names of the processes of a component, such as ``triggerer`` and ``triggerer 2``."""
        return self._stack.names(component)

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any] | None = None) -> None:
        """Make a DAG run, as soon as Airflow knows the DAG.

        :raises DagImportError: a DAG file cannot be imported.
        """
        self.wait_for(lambda: self._knows(dag_id), f"Airflow to read the DAG {dag_id}", START_TIMEOUT)
        self._ask_once(
            lambda: self._version.trigger(self._site, self._environment, dag_id, run_id, conf or {}),
            lambda: self.records.dag_run_state(dag_id, run_id) is not None,
        )

    def wait_for_dag_run(self, dag_id: str, run_id: str, timeout: float) -> str:
        """Wait until a DAG run has ended.

        :param timeout: seconds.
        :return: ``success`` or ``failed``.
        :raises ProcessError: it did not end in time, or one of Airflow's processes ended.
        """

        def final_state() -> str | None:
            state = self.records.dag_run_state(dag_id, run_id)
            return state if state in ("success", "failed") else None

        return self.wait_for(final_state, f"the DAG run {run_id} of {dag_id} to end", timeout)

    def extra_links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str]:
        """Return the links that the web page shows on a task instance that is not mapped, by their names."""
        return self._ask(lambda: self._version.extra_links(self._site, self._environment, dag_id, run_id, task_id))

    def add_connection(self, conn_id: str, members: Mapping[str, Any]) -> None:
        """Keep a connection in Airflow's database, as a user does on the web page.

        :param members: of the connection, such as ``conn_type`` and ``login``; ``extra`` as text.
        """
        body = {"connection_id": conn_id, **members}
        self._ask_once(
            lambda: self._version.add_connection(self._site, body),
            lambda: self.records.knows_connection(conn_id),
        )

    def question(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return what a task that is not mapped asks of a person, by the API's names."""
        return self._ask(lambda: self._version.question(self._site, dag_id, run_id, task_id))

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str) -> None:
        """Answer a task that asks a person, as a user does on the web page."""
        self._ask_once(
            lambda: self._version.answer(self._site, dag_id, run_id, task_id, option),
            lambda: bool(self.question(dag_id, run_id, task_id)["response_received"]),
        )

    def mark_failed(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
        """Mark a task instance as failed, as a user does on the web page."""
        self._ask_once(
            lambda: self._version.mark_failed(self._site, dag_id, run_id, task_id, map_index),
            lambda: self.records.task_state(dag_id, run_id, task_id, map_index) == "failed",
        )

    def clear(self, dag_id: str, run_id: str, task_ids: Sequence[str]) -> None:
        """Clear tasks of a DAG run, as a user does on the web page; of mapped tasks all instances."""

        def instances() -> list[TaskInstance]:
            return [one for one in self.records.task_instances(dag_id, run_id) if one.task_id in task_ids]

        before = instances()
        self._ask_once(
            lambda: self._version.clear(self._site, self._environment, dag_id, run_id, task_ids),
            lambda: any(
                now != then and (now.state in ABOUT_TO_RUN or now.try_number != then.try_number)
                for now, then in zip(instances(), before, strict=False)
            ),
        )

    def check(self) -> None:
        """Raise ProcessError, with the end of its log, if a process has ended by itself."""
        check_all([*self.database.processes, *self.processes.values()])

    def check_database(self) -> None:
        """Raise ProcessError, with the end of its log, if the database's server has ended by itself."""
        check_all(self.database.processes)

    def wait_for(
        self,
        condition: Callable[[], Answer | None],
        what: str,
        timeout: float,
        interval: float = POLL_INTERVAL,
    ) -> Answer:
        """Wait for something while all processes that were started run; see :func:`child_processes.wait_for`."""
        alive = [*self.database.processes, *self.processes.values()]
        return wait_for(condition, what, timeout, alive, interval)

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask Airflow for something, again while it does not answer, unless one of its processes has ended."""
        retrying = Retrying(
            retry=retry_if_exception_type(AirflowUnavailableError),
            stop=stop_after_delay(API_PATIENCE),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            before_sleep=lambda _: self.check(),
            reraise=True,
        )
        return retrying(question)

    def _ask_once(self, request: Callable[[], None], is_done: Callable[[], bool]) -> None:
        """Have Airflow do something, and not again if it did so and its answer was lost.

        :param is_done: returns whether it was done.
        """
        asked = 0

        def ask() -> None:
            nonlocal asked
            asked += 1
            if asked > 1 and is_done():
                return
            try:
                request()
            except AirflowRefusedError as error:
                # What was asked for before took effect after all.
                if asked == 1 or error.status != HTTPStatus.CONFLICT:
                    raise

        self._ask(ask)

    def _start(self) -> None:
        self._write_preloader()
        self._version.prepare(self._site, self._environment)
        self._make_processes()
        for name in self.processes:
            self._start_one(name)
        self.wait_for(self._is_up, "Airflow to come up", START_TIMEOUT)

    def _start_one(self, name: str) -> None:
        environment = self.processes[name].environment
        own = self._search_paths.setdefault(name, environment.pop("PYTHONPATH", ""))
        if search := [str(path) for path in (self.provider, own) if path]:
            environment["PYTHONPATH"] = os.pathsep.join(search)
        self.processes[name].start()

    def _sign_of_life(self, name: str) -> Callable[[], bool]:
        """Return what says whether a process is up that is going to be started."""
        component, process = self.components[name], self.processes[name]
        if component.ready is not None:
            ready, said = component.ready, process.log_file.stat().st_size if process.log_file.exists() else 0
            return lambda: ready.encode() in process.log_file.read_bytes()[said:]
        if component.job_type is None:
            return lambda: self._version.web_is_up(self._site)
        job_type = component.job_type
        before = max(self.records.running_jobs()[job_type], default=0)
        return lambda: self._arrivals.has_come(self.records.running_jobs()[job_type], before)

    def _make_processes(self) -> None:
        """Make the processes; those that show logs do so on ports of their own."""
        ports = free_ports(len(self.components))
        own = {
            name: {component.log_port: str(port)} if component.log_port else {}
            for (name, component), port in zip(self.components.items(), ports, strict=True)
        }
        # Whoever reads logs asks at the port of the first of a kind.
        known = {setting: port for setting_of in reversed(own.values()) for setting, port in setting_of.items()}
        for name, component in self.components.items():
            environment = {**self._environment, **known, **own[name], **component.environment}
            command = [self._site.airflow, *component.arguments]
            log_file = self._site.home / f"{name}.log"
            process = ChildProcess(name, command, environment, log_file, last_words=component.last_words)
            self.processes[name] = process

    def _migrate(self, database: AirflowDatabase) -> None:
        """Make Airflow's tables."""
        answer = subprocess.run(
            [self._site.airflow, "db", "migrate"],
            env={**self._environment, **database.settings},
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise ProcessError(f"airflow db migrate failed:\n{answer.stderr or answer.stdout}")

    def _write_preloader(self) -> None:
        """Write a plugin that does nothing but import: Airflow loads plugins before it forks."""
        if self._preload:
            plugins = self._site.home / "plugins"
            plugins.mkdir()
            imports = f"import {', '.join(self._preload)}"
            (plugins / "preload.py").write_text(f"import sys\n\nif sys.argv[1:2] in {FORKING}:\n    {imports}\n")

    def _is_up(self) -> bool:
        wanted = Counter(component.job_type for component in self.components.values() if component.job_type)
        jobs = self.records.running_jobs()
        started = all(len(jobs[job_type]) >= count for job_type, count in wanted.items())
        started &= all(
            component.ready in self.processes[name].log_file.read_text(errors="replace")
            for name, component in self.components.items()
            if component.ready is not None
        )
        return started and self._version.web_is_up(self._site)

    def _knows(self, dag_id: str) -> bool:
        if errors := self.records.import_errors():
            raise DagImportError("\n".join(errors))
        return self.records.knows_dag(dag_id)


def _settings(home: Path, dags_folder: Path) -> dict[str, str]:
    """Return what every Airflow gets: quiet, quick, and with no secret shared with another one."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        # A task whose start a busy machine answers late must not count as failed before it has run.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
