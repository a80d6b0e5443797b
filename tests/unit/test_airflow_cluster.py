"""Airflow's REST API while it cannot answer: nothing is lost, nothing happens twice, and a death is named."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from airflow_api import AirflowRefusedError
from airflow_cluster import AirflowCluster
from airflow_database import AirflowDatabase
from airflow_records import AirflowRecords
from airflow_versions import TRIGGER_LOG_PORT, WORKER_LOG_PORT
from child_processes import ChildProcess, ProcessError, wait_for
from postgres import PostgresServer, execute

TABLES = """
CREATE TABLE import_error (filename text, stacktrace text);
CREATE TABLE serialized_dag (dag_id text);
CREATE TABLE dag (dag_id text);
CREATE TABLE dag_run (id serial, dag_id text, run_id text, state text, UNIQUE (dag_id, run_id));
CREATE TABLE task_instance (dag_id text, run_id text, task_id text, map_index int, state text, try_number int);
INSERT INTO serialized_dag VALUES ('dag');
INSERT INTO dag VALUES ('dag');
INSERT INTO task_instance VALUES ('dag', 'old', 'task', -1, 'success', 1);
"""
Effect = Callable[[], None]
TIMEOUT = 300


class Page:
    """An API server that answers as it is told, whatever it is asked for.

    :ivar troubles: what becomes of the next requests that change something: a status to answer with, or None for a
        connection that is cut; each with what takes effect before.
    :ivar effect: what a request does that nothing troubles.
    :ivar strange_logins: how many logins it refuses, as a server with other passwords does.
    """

    def __init__(self, port: int) -> None:
        self.troubles: list[tuple[int | None, Effect | None]] = []
        self.effect: Effect = lambda: None
        self.strange_logins = 0
        self.requests: list[tuple[str, str]] = []
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.endswith(("/auth/token", "/login")):
                    if page.strange_logins:
                        page.strange_logins -= 1
                        return self.answer(401, {"detail": "Invalid credentials"})
                    return self.answer(201, {"access_token": "token"})
                page.requests.append((self.command, self.path.rsplit("/", 1)[-1]))
                status, effect = page.troubles.pop(0) if page.troubles else (200, page.effect)
                if effect is not None:
                    effect()
                if status is None:
                    self.close_connection = True
                    self.connection.close()
                    return None
                return self.answer(status, {"detail": "said by the page"})

            do_PATCH = do_POST

            def do_GET(self) -> None:
                self.answer(200, {"logical_date": "2026-11-25T00:00:00Z"})

            def answer(self, status: int, body: dict[str, str]) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres") / "log") as started:
        yield started


@pytest.fixture
def database(server: PostgresServer) -> Iterator[str]:
    server.execute("CREATE DATABASE airflow")
    execute(server.url("airflow"), TABLES)
    yield server.url("airflow")
    server.execute("DROP DATABASE airflow WITH (FORCE)")


@pytest.fixture
def cluster(tmp_path: Path, server: PostgresServer, database: str) -> Iterator[AirflowCluster]:
    """An Airflow of which only the database is there."""
    cluster = AirflowCluster(tmp_path, tmp_path, web=True)
    cluster.database = AirflowDatabase(database.replace("postgresql", "postgresql+psycopg2", 1), server)
    cluster.records = AirflowRecords(tmp_path, cluster.database.url, cluster.check_database)
    yield cluster
    cluster.records.close()


@pytest.fixture
def page(cluster: AirflowCluster) -> Iterator[Page]:
    port = urlsplit(cluster.address).port
    assert port is not None
    page = Page(port)
    yield page
    page.server.shutdown()
    page.server.server_close()


@pytest.fixture
def make_run(database: str) -> Effect:
    return lambda: execute(database, "INSERT INTO dag_run (dag_id, run_id, state) VALUES ('dag', 'run', 'queued')")


@pytest.mark.parametrize("status", [500, 502, 503, None])
def test_a_dag_run_is_made_although_airflow_does_not_answer_at_first(
    cluster: AirflowCluster, page: Page, make_run: Effect, status: int | None
) -> None:
    page.troubles = [(status, None), (status, None)]
    page.effect = make_run

    cluster.trigger("dag", "run")

    assert page.requests == [("POST", "dagRuns")] * 3
    assert cluster.records.dag_run_ids("dag") == ["run"]


def test_a_dag_is_known_once_airflow_lists_it(cluster: AirflowCluster, database: str) -> None:
    execute(database, "INSERT INTO serialized_dag VALUES ('read')")
    assert not cluster.records.knows_dag("read")

    execute(database, "INSERT INTO dag VALUES ('read')")
    assert cluster.records.knows_dag("read")


@pytest.mark.skipif(version("apache-airflow").startswith("2."), reason="Airflow 2 has no login of its own")
def test_a_server_that_does_not_know_the_password_is_not_airflow_yet(
    cluster: AirflowCluster, page: Page, make_run: Effect
) -> None:
    page.strange_logins = 2
    page.effect = make_run

    cluster.trigger("dag", "run")

    assert (page.strange_logins, page.requests) == (0, [("POST", "dagRuns")])


@pytest.mark.parametrize("status", [500, None])
def test_a_dag_run_whose_answer_is_lost_is_not_made_again(
    cluster: AirflowCluster, page: Page, make_run: Effect, status: int | None
) -> None:
    page.troubles = [(status, make_run)]

    cluster.trigger("dag", "run")

    assert page.requests == [("POST", "dagRuns")]
    assert cluster.records.dag_run_ids("dag") == ["run"]


def test_a_conflict_with_what_was_asked_for_before_is_no_failure(cluster: AirflowCluster, page: Page) -> None:
    page.troubles = [(None, None), (409, None)]

    cluster.trigger("dag", "run")

    assert page.requests == [("POST", "dagRuns")] * 2


@pytest.mark.parametrize("status", [400, 404, 409])
def test_what_airflow_refuses_is_not_asked_for_again(cluster: AirflowCluster, page: Page, status: int) -> None:
    page.troubles = [(status, None)]

    with pytest.raises(AirflowRefusedError, match=f"answered {status}: .*said by the page"):
        cluster.trigger("dag", "run")

    assert page.requests == [("POST", "dagRuns")]


def test_a_mark_whose_answer_is_lost_is_not_set_again(cluster: AirflowCluster, page: Page, database: str) -> None:
    page.troubles = [(None, lambda: execute(database, "UPDATE task_instance SET state = 'failed'"))]

    cluster.mark_failed("dag", "old", "task")

    assert page.requests == [("PATCH", "task")]


@pytest.fixture
def dead_scheduler(cluster: AirflowCluster, tmp_path: Path) -> None:
    """A process of the cluster that has ended by itself."""
    command = [sys.executable, "-c", "raise SystemExit('no disk left')"]
    process = ChildProcess("scheduler", command, {}, tmp_path / "scheduler.log")
    process.start()
    child = psutil.Process(process.pid)
    wait_for(lambda: child.status() == psutil.STATUS_ZOMBIE, "its end", TIMEOUT)
    cluster.processes["scheduler"] = process


@pytest.mark.usefixtures("dead_scheduler")
def test_a_process_that_has_died_is_named_while_airflow_does_not_answer(cluster: AirflowCluster, page: Page) -> None:
    page.troubles = [(500, None)] * 2

    with pytest.raises(ProcessError, match=r"(?s)scheduler ended with 1.*no disk left"):
        cluster.mark_failed("dag", "old", "task")

    assert len(page.requests) == 1


@pytest.mark.usefixtures("dead_scheduler")
def test_a_process_that_has_died_is_named_while_something_else_fails(cluster: AirflowCluster) -> None:
    def condition() -> None:
        raise AirflowRefusedError("what its death makes fail says less")

    with pytest.raises(ProcessError, match=r"(?s)scheduler ended with 1.*no disk left"):
        cluster.wait_for(condition, "something else", TIMEOUT)


def test_each_process_shows_its_logs_on_a_port_of_its_own(cluster: AirflowCluster, tmp_path: Path) -> None:
    for kind in ("scheduler", "triggerer"):
        cluster.components[f"second {kind}"] = cluster.components[kind]

    cluster._make_processes()

    shown = {
        name: cluster.processes[name].environment[component.log_port]
        for name, component in cluster.components.items()
        if component.log_port
    }
    assert len(shown) == len(set(shown.values())) == 4
    assert cluster.processes["triggerer"].environment[WORKER_LOG_PORT] == shown["scheduler"]
    assert cluster.processes["scheduler"].environment[TRIGGER_LOG_PORT] == shown["triggerer"]
