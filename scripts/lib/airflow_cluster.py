"""Real Airflow processes on SQLite, for the demo and for the tests that need them."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from airflow_records import AirflowRecords
from airflow_versions import Site, airflow_version
from child_processes import (
    POLL_INTERVAL,
    ChildProcess,
    ProcessError,
    ended_by_signals,
    free_ports,
    isolated_environment,
    stop_all,
    wait_for,
)

Answer = TypeVar("Answer")
START_TIMEOUT = 180.0
FORKING = [["scheduler"], ["dag-processor"]]
JOB_TYPES = {"scheduler": "SchedulerJob", "triggerer": "TriggererJob", "dag-processor": "DagProcessorJob"}


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
    :param tasks_apart: whether Airflow 3 gets an API server that only tasks use. If they share one, a user's request
            that waits for SQLite's lock keeps the request that holds it from ending, until the lock's timeout.
    :param preload: modules that scheduler and DAG processor load when they start, so that those who are forked from
        them, such as Airflow 3's tasks, start sooner.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        environment: Mapping[str, str] | None = None,
        *,
        web: bool = False,
        tasks_apart: bool = False,
        preload: Sequence[str] = (),
    ) -> None:
        web_port, tasks_port, *log_ports = free_ports(4)
        self._site = Site(
            home=home,
            programs=Path(sys.executable).parent,
            web_port=web_port,
            web=web,
            password=secrets.token_urlsafe(9),
            secret=secrets.token_urlsafe(48),
            tasks_port=tasks_port if tasks_apart else None,
        )
        self._version = airflow_version(version("apache-airflow"))
        self._environment = {
            **isolated_environment(self._site.programs),
            **_settings(home, dags_folder, log_ports),
            **self._version.settings(self._site),
            **(environment or {}),
        }
        self.processes = {
            name: ChildProcess(name, [self._site.airflow, *arguments], self._environment, home / f"{name}.log")
            for name, arguments in self._version.components(self._site).items()
        }
        self.records = AirflowRecords(home)
        self._preload = preload
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(ended_by_signals())
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
        """Start a process again that was stopped or killed, and wait for its first heartbeat.

        :param name: ``scheduler``, ``triggerer``, or in Airflow 3 ``dag-processor``.
        """
        job_type = JOB_TYPES[name]
        before = self.records.latest_jobs().get(job_type, 0)
        self.processes[name].start()
        self.wait_for(
            lambda: self.records.latest_jobs().get(job_type, 0) > before, f"the {name} to start", START_TIMEOUT
        )

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any] | None = None) -> None:
        """Make a DAG run, as soon as Airflow knows the DAG.

        :raises DagImportError: a DAG file cannot be imported.
        """
        self.wait_for(lambda: self._knows(dag_id), f"Airflow to read the DAG {dag_id}", START_TIMEOUT)
        self._version.trigger(self._site, self._environment, dag_id, run_id, conf or {})

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
        return self._version.extra_links(self._site, self._environment, dag_id, run_id, task_id)

    def mark_failed(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
        """Mark a task instance as failed, as a user does on the web page."""
        self._version.mark_failed(self._site, dag_id, run_id, task_id, map_index)

    def clear(self, dag_id: str, run_id: str, task_ids: Sequence[str]) -> None:
        """Clear tasks of a DAG run, as a user does on the web page; of mapped tasks all instances."""
        self._version.clear(self._site, self._environment, dag_id, run_id, task_ids)

    def wait_for(
        self,
        condition: Callable[[], Answer | None],
        what: str,
        timeout: float,
        interval: float = POLL_INTERVAL,
    ) -> Answer:
        """Wait for something while all processes that were started run; see :func:`child_processes.wait_for`."""
        return wait_for(condition, what, timeout, self.processes.values(), interval)

    def _start(self) -> None:
        self._make_database()
        self._write_preloader()
        self._version.prepare(self._site, self._environment)
        for process in self.processes.values():
            process.start()
        self.wait_for(self._is_up, "Airflow to come up", START_TIMEOUT)

    def _make_database(self) -> None:
        """Copy the database that an earlier call made with the same installation, or make it and keep a copy."""
        database = self.records.database
        template = Path(sys.prefix) / "empty-airflow.db"
        if template.exists():
            shutil.copyfile(template, database)
            return
        answer = subprocess.run(
            [self._site.airflow, "db", "migrate"],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise ProcessError(f"airflow db migrate failed:\n{answer.stderr or answer.stdout}")
        with closing(sqlite3.connect(database)) as connection:
            # Several processes share the file; in SQLite's default mode a writer and the readers block each other.
            connection.execute("PRAGMA journal_mode=WAL")
            # One file, so that it can be copied.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        unfinished = template.with_name(f"{template.name}.{os.getpid()}")
        shutil.copyfile(database, unfinished)
        unfinished.replace(template)

    def _write_preloader(self) -> None:
        """Write a plugin that does nothing but import: Airflow loads plugins before it forks."""
        if self._preload:
            plugins = self.records.database.with_name("plugins")
            plugins.mkdir()
            imports = f"import {', '.join(self._preload)}"
            (plugins / "preload.py").write_text(f"import sys\n\nif sys.argv[1:2] in {FORKING}:\n    {imports}\n")

    def _is_up(self) -> bool:
        started = self.records.latest_jobs().keys() >= set(self._version.job_types)
        return started and self._version.web_is_up(self._site)

    def _knows(self, dag_id: str) -> bool:
        if errors := self.records.import_errors():
            raise DagImportError("\n".join(errors))
        return self.records.knows_dag(dag_id)


def _settings(home: Path, dags_folder: Path, log_ports: list[int]) -> dict[str, str]:
    """Return what every Airflow gets: quiet, quick, and with no port or secret shared with another one."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(log_ports[0]),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(log_ports[1]),
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
