"""Where Airflow 2.11 and Airflow 3 differ for whoever runs their processes; nothing else here knows of it."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class TriggerError(Exception):
    """Airflow refused to make a DAG run."""


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

    #: Values of ``job.job_type`` whose heartbeats say that the processes are up.
    job_types: tuple[str, ...]

    @abstractmethod
    def settings(self, site: Site) -> dict[str, str]:
        """Return the environment variables that only this version needs."""

    @abstractmethod
    def components(self, site: Site) -> dict[str, list[str]]:
        """Return the arguments of ``airflow`` for each process, by its name."""

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

        :raises TriggerError: Airflow refused.
        """

    @abstractmethod
    def decode_xcom(self, stored: Any) -> Any:
        """Turn the ``value`` of a row of the table ``xcom`` into the value that was pushed."""


class Airflow3(AirflowVersion):
    """Airflow 3: tasks talk to the API server, DAG files are read by a process of their own."""

    job_types = ("SchedulerJob", "TriggererJob", "DagProcessorJob")

    def settings(self, site: Site) -> dict[str, str]:
        return {
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{site.address}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords(site)),
            "AIRFLOW__API__BASE_URL": site.address,
            "AIRFLOW__API__SECRET_KEY": site.secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": site.secret,
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        }

    def components(self, site: Site) -> dict[str, list[str]]:
        address = ["--host", "127.0.0.1", "--port", str(site.web_port)]
        return {
            "api-server": ["api-server", "--workers", "1", *address],
            "scheduler": ["scheduler"],
            "dag-processor": ["dag-processor"],
            "triggerer": ["triggerer"],
        }

    def prepare(self, site: Site, environment: Mapping[str, str]) -> None:
        self._passwords(site).write_text(json.dumps({"admin": site.password}))

    def web_is_up(self, site: Site) -> bool:
        return _answers(f"{site.address}/api/v2/version")

    def trigger(
        self, site: Site, environment: Mapping[str, str], dag_id: str, run_id: str, conf: Mapping[str, Any]
    ) -> None:
        login = {"username": "admin", "password": site.password}
        token = _post(f"{site.address}/auth/token", login)["access_token"]
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        _post(f"{site.address}/api/v2/dags/{dag_id}/dagRuns", body, token)

    def decode_xcom(self, stored: Any) -> Any:
        value = json.loads(stored)
        return json.loads(value) if isinstance(value, str) else value

    def _passwords(self, site: Site) -> Path:
        return site.home / "passwords.json"


class Airflow2(AirflowVersion):
    """Airflow 2.11: tasks and DAG files are the scheduler's, and SQLite allows one task at a time."""

    job_types = ("SchedulerJob", "TriggererJob")

    def settings(self, site: Site) -> dict[str, str]:
        return {
            "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
            "AIRFLOW__WEBSERVER__BASE_URL": site.address,
            "AIRFLOW__WEBSERVER__SECRET_KEY": site.secret,
            "AIRFLOW__SCHEDULER__PARSING_PROCESSES": "1",
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "5",
        }

    def components(self, site: Site) -> dict[str, list[str]]:
        address = ["--hostname", "127.0.0.1", "--port", str(site.web_port)]
        webserver = {"webserver": ["webserver", "--workers", "1", *address]} if site.web else {}
        return {**webserver, "scheduler": ["scheduler"], "triggerer": ["triggerer"]}

    def prepare(self, site: Site, environment: Mapping[str, str]) -> None:
        if site.web:
            user = ["--username", "admin", "--password", site.password, "--role", "Admin"]
            person = ["--firstname", "A", "--lastname", "A", "--email", "admin@localhost"]
            _run([site.airflow, "users", "create", *user, *person], environment)

    def web_is_up(self, site: Site) -> bool:
        return not site.web or _answers(f"{site.address}/health")

    def trigger(
        self, site: Site, environment: Mapping[str, str], dag_id: str, run_id: str, conf: Mapping[str, Any]
    ) -> None:
        _run([site.airflow, "dags", "trigger", "--run-id", run_id, "--conf", json.dumps(conf), dag_id], environment)

    def decode_xcom(self, stored: Any) -> Any:
        return json.loads(stored)


def airflow_version(release: str) -> AirflowVersion:
    """Return what runs a release, such as ``3.3.2``."""
    return Airflow2() if release.startswith("2.") else Airflow3()


def _run(command: list[str], environment: Mapping[str, str]) -> None:
    answer = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    if answer.returncode:
        raise TriggerError(f"{' '.join(command[1:3])} failed: {answer.stderr.strip() or answer.stdout.strip()}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _post(url: str, body: Mapping[str, Any], token: str | None = None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            parsed: dict[str, Any] = json.load(answer)
            return parsed
    except urllib.error.HTTPError as error:
        raise TriggerError(f"{url} answered {error.code}: {error.read().decode(errors='replace')}") from error
