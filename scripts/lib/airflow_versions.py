"""Where Airflow 2.11 and Airflow 3 differ for whoever runs their processes; nothing else here knows of it."""

from __future__ import annotations

import base64
import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any

from airflow_api import AirflowRefusedError, AirflowUnavailableError, answers, ask

LINKS_PROGRAM = """
import json, sys
from airflow.models import DagBag, TaskInstance
from airflow.utils.session import create_session

dag_id, run_id, task_id = sys.argv[1:]
task = DagBag(read_dags_from_db=True).get_dag(dag_id).get_task(task_id)
with create_session() as session:
    instance = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id, task_id=task_id).one()
    print(json.dumps({name: task.get_extra_links(instance, name) for name in task.extra_links}))
"""
"""What the web page of Airflow 2.11 does to show the links of a task instance."""


@dataclass(frozen=True)
class Component:
    """One of Airflow's processes.

    :ivar arguments: of the program ``airflow``.
    :ivar job_type: how ``job.job_type`` names it once it is up; None if it has no row there.
    :ivar log_port: the setting with the port on which it shows its logs; None if it shows none.
    :ivar environment: variables of its own.
    :ivar ready: text in its output by which it says that it is up; None if it has a row, or answers.
    :ivar last_words: text in its output after which it works no more, though it may not have ended yet.
    """

    arguments: Sequence[str]
    job_type: str | None = None
    log_port: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str | None = None
    last_words: str | None = None


WORKER_LOG_PORT = "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT"
TRIGGER_LOG_PORT = "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT"
# With LocalExecutor, the scheduler is the worker too.
# Its tasks go on when it dies of an error of its own, and it waits for their ends, however long they take.
SCHEDULER = Component(
    ["scheduler"],
    "SchedulerJob",
    WORKER_LOG_PORT,
    last_words="Exception when executing SchedulerJob._run_scheduler_loop",
)
TRIGGERER = Component(["triggerer"], "TriggererJob", TRIGGER_LOG_PORT)
DAG_PROCESSOR = Component(["dag-processor"], "DagProcessorJob")


@dataclass(frozen=True)
class Site:
    """What one set of Airflow processes has to itself.

    :ivar home: ``AIRFLOW_HOME``.
    :ivar programs: the folder with the ``airflow`` program.
    :ivar web_port: of the web page, and in Airflow 3 of the API server.
    :ivar web: whether a web page is wanted; Airflow 3 has it in any case.
    :ivar password: of the user ``admin``.
    :ivar secret: signs tokens and sessions.
    """

    home: Path
    programs: Path
    web_port: int
    web: bool
    password: str
    secret: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def airflow(self) -> str:
        return str(self.programs / "airflow")


class AirflowVersion(ABC):
    """One major version of Airflow."""

    #: What has to be said for the state of a task instance to be set, and not only tried.
    in_earnest: Mapping[str, Any] = MappingProxyType({})

    @abstractmethod
    def settings(self, site: Site) -> dict[str, str]:
        """Return the environment variables that only this version needs."""

    @abstractmethod
    def components(self, site: Site) -> dict[str, Component]:
        """Return the processes by their names."""

    @abstractmethod
    def prepare(self, site: Site, environment: Mapping[str, str]) -> None:
        """Make the user; the database is there already."""

    @abstractmethod
    def web_is_up(self, site: Site) -> bool:
        """Say whether the web page answers, where there is one."""

    @abstractmethod
    def trigger(
        self, site: Site, environment: Mapping[str, str], dag_id: str, run_id: str, conf: Mapping[str, Any]
    ) -> None:
        """Make a DAG run.

        :raises AirflowRefusedError: Airflow refused.
        """

    @abstractmethod
    def extra_links(
        self, site: Site, environment: Mapping[str, str], dag_id: str, run_id: str, task_id: str
    ) -> dict[str, str]:
        """Return the links of a task instance, by their names."""

    @abstractmethod
    def ask(
        self, site: Site, path: str, body: Mapping[str, Any] | None = None, method: str | None = None
    ) -> dict[str, Any]:
        """Ask the REST API as the user ``admin``: post a body, or get without one, unless another method is given.

        :param path: below the API's address, such as ``dags/one/dagRuns``.
        :raises AirflowRefusedError: Airflow refused.
        """

    def add_connection(self, site: Site, connection: Mapping[str, Any]) -> None:
        """Do what the page's form for a new connection does."""
        self.ask(site, "connections", connection)

    def question(self, site: Site, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return what a task asks of a person (Airflow 3.1 and later), and what was answered."""
        return self.ask(site, _question(dag_id, run_id, task_id))

    def answer(self, site: Site, dag_id: str, run_id: str, task_id: str, option: str) -> None:
        """Do what a button of the page's "required actions" does."""
        self.ask(site, _question(dag_id, run_id, task_id), {"chosen_options": [option]}, "PATCH")

    def mark_failed(self, site: Site, dag_id: str, run_id: str, task_id: str, map_index: int) -> None:
        """Do what the page's "mark as failed" does to a task instance.

        :param map_index: -1 for a task that is not mapped.
        """
        instance = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        if map_index >= 0:
            instance += f"/{map_index}"
        self.ask(site, instance, {"new_state": "failed", **self.in_earnest}, "PATCH")

    def clear(
        self, site: Site, environment: Mapping[str, str], dag_id: str, run_id: str, task_ids: Sequence[str]
    ) -> None:
        """Do what the page's "clear" does to tasks of a DAG run, in whatever state, and to all of their instances."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": list(task_ids), "only_failed": False}
        self.ask(site, f"dags/{dag_id}/clearTaskInstances", {**body, "reset_dag_runs": True})


class Airflow3(AirflowVersion):
    """Airflow 3: tasks talk to the API server, DAG files are read by a process of their own."""

    def settings(self, site: Site) -> dict[str, str]:
        return {
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{site.address}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords(site)),
            "AIRFLOW__API__BASE_URL": site.address,
            "AIRFLOW__API__SECRET_KEY": site.secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": site.secret,
            # So long it may take until the scheduler knows that a task has left its worker. If a deferred task has come
            # back by then, the scheduler takes it for one that has died.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            # On a busy machine the API server takes longer than the five seconds that a task would wait for it.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        }

    def components(self, site: Site) -> dict[str, Component]:
        server = Component(["api-server", "--workers", "1", "--host", "127.0.0.1", "--port", str(site.web_port)])
        return {
            "api-server": server,
            "scheduler": SCHEDULER,
            "dag-processor": DAG_PROCESSOR,
            "triggerer": TRIGGERER,
        }

    def prepare(self, site: Site, environment: Mapping[str, str]) -> None:
        self._passwords(site).write_text(json.dumps({"admin": site.password}))

    def web_is_up(self, site: Site) -> bool:
        return answers(f"{site.address}/api/v2/version")

    def trigger(
        self, site: Site, environment: Mapping[str, str], dag_id: str, run_id: str, conf: Mapping[str, Any]
    ) -> None:
        self.ask(site, f"dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf})

    def extra_links(
        self, site: Site, environment: Mapping[str, str], dag_id: str, run_id: str, task_id: str
    ) -> dict[str, str]:
        instance = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        links: dict[str, str] = self.ask(site, f"{instance}/links")["extra_links"]
        return links

    def ask(
        self, site: Site, path: str, body: Mapping[str, Any] | None = None, method: str | None = None
    ) -> dict[str, Any]:
        login = {"username": "admin", "password": site.password}
        try:
            token = ask(f"{site.address}/auth/token", None, login)["access_token"]
        except AirflowRefusedError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            # The password is the one that was written down: it is not that server yet, or one that took its port.
            raise AirflowUnavailableError(str(error), error.status) from error
        return ask(f"{site.address}/api/v2/{path}", f"Bearer {token}", body, method)

    def _passwords(self, site: Site) -> Path:
        return site.home / "passwords.json"


class Airflow2(AirflowVersion):
    """Airflow 2.11: tasks and DAG files are the scheduler's."""

    in_earnest = MappingProxyType({"dry_run": False})

    def settings(self, site: Site) -> dict[str, str]:
        return {
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth",
            "AIRFLOW__WEBSERVER__BASE_URL": site.address,
            "AIRFLOW__WEBSERVER__SECRET_KEY": site.secret,
            "AIRFLOW__SCHEDULER__PARSING_PROCESSES": "1",
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "5",
        }

    def components(self, site: Site) -> dict[str, Component]:
        address = ["--hostname", "127.0.0.1", "--port", str(site.web_port)]
        webserver = {"webserver": Component(["webserver", "--workers", "1", *address])} if site.web else {}
        return {**webserver, "scheduler": SCHEDULER, "triggerer": TRIGGERER}

    def prepare(self, site: Site, environment: Mapping[str, str]) -> None:
        if site.web:
            user = ["--username", "admin", "--password", site.password, "--role", "Admin"]
            person = ["--firstname", "A", "--lastname", "A", "--email", "admin@localhost"]
            _run([site.airflow, "users", "create", *user, *person], environment)

    def web_is_up(self, site: Site) -> bool:
        return not site.web or answers(f"{site.address}/health")

    def trigger(
        self, site: Site, environment: Mapping[str, str], dag_id: str, run_id: str, conf: Mapping[str, Any]
    ) -> None:
        if site.web:
            # Several seconds quicker than the program, which loads all of Airflow first.
            self.ask(site, f"dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "conf": conf})
            return
        _run([site.airflow, "dags", "trigger", "--run-id", run_id, "--conf", json.dumps(conf), dag_id], environment)

    def clear(
        self, site: Site, environment: Mapping[str, str], dag_id: str, run_id: str, task_ids: Sequence[str]
    ) -> None:
        # Not by the REST API, which says 200 and leaves a running task as it is.
        date = str(self.ask(site, f"dags/{dag_id}/dagRuns/{run_id}")["logical_date"])
        tasks = ["--task-regex", f"^({'|'.join(task_ids)})$", "--start-date", date, "--end-date", date]
        _run([site.airflow, "tasks", "clear", "--yes", *tasks, dag_id], environment)

    def extra_links(
        self, site: Site, environment: Mapping[str, str], dag_id: str, run_id: str, task_id: str
    ) -> dict[str, str]:
        python = str(site.programs / "python")
        said = _run([python, "-c", LINKS_PROGRAM, dag_id, run_id, task_id], environment)
        links: dict[str, str] = json.loads(said.splitlines()[-1])
        return links

    def ask(
        self, site: Site, path: str, body: Mapping[str, Any] | None = None, method: str | None = None
    ) -> dict[str, Any]:
        login = base64.b64encode(f"admin:{site.password}".encode()).decode()
        return ask(f"{site.address}/api/v1/{path}", f"Basic {login}", body, method)


def airflow_version(release: str) -> AirflowVersion:
    """Return what runs a release, such as ``3.3.2``."""
    return Airflow2() if release.startswith("2.") else Airflow3()


def _question(dag_id: str, run_id: str, task_id: str) -> str:
    return f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"


def _run(command: list[str], environment: Mapping[str, str]) -> str:
    answer = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    if answer.returncode:
        said = answer.stderr.strip() or answer.stdout.strip()
        raise AirflowRefusedError(f"{' '.join(command[1:3])} failed: {said}")
    return answer.stdout
