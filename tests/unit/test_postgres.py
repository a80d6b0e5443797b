"""The PostgreSQL servers under the Airflows that the scripts start."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg2
import pytest
from airflow_database import OwnServerError, airflow_database, check_own_server
from airflow_records import AirflowRecords
from child_processes import ProcessError, wait_for
from postgres import PostgresServer, connect, execute

LIBRARY = Path(__file__).parents[2] / "scripts" / "lib"
TIMEOUT = 300
HOLDER = """
import signal, sys, time
from pathlib import Path
# As under nohup, whoever runs the tests may have it ignored, and that is handed down.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from child_processes import ended_by_signals
from postgres import PostgresServer
with ended_by_signals(), PostgresServer(Path(sys.argv[1])) as server:
    print(server.process.pid, server.url().split("host=")[1].split("&")[0], flush=True)
    time.sleep(6000)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres") / "log") as started:
        yield started


def databases(server: PostgresServer) -> set[str]:
    with contextlib.closing(connect(server.url())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor.fetchall()}


def socket_folder(server: PostgresServer) -> Path:
    return Path(server.url().split("host=")[1].split("&")[0])


def has_ended(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def test_servers_side_by_side_know_nothing_of_each_other_and_leave_nothing(tmp_path: Path) -> None:
    with PostgresServer(tmp_path / "one.log") as one, PostgresServer(tmp_path / "two.log") as two:
        one.execute("CREATE DATABASE mine")
        folders, pids = [socket_folder(one), socket_folder(two)], [one.process.pid, two.process.pid]
        backends = [child.pid for pid in pids for child in psutil.Process(pid).children()]
        assert "mine" in databases(one)
        assert "mine" not in databases(two)

    assert [folder for folder in folders if folder.exists()] == []
    assert len(backends) >= 2
    wait_for(lambda: all(map(has_ended, [*pids, *backends])), "the servers to be gone", TIMEOUT)


def test_a_server_begins_with_the_data_that_another_kept(tmp_path: Path) -> None:
    with PostgresServer(tmp_path / "one.log") as one:
        one.execute("CREATE DATABASE template")
        execute(one.url("template"), "CREATE TABLE kept AS SELECT 7 AS seven")
        one.keep_data(tmp_path / "kept")
    with PostgresServer(tmp_path / "two.log", tmp_path / "kept") as two:
        two.execute("CREATE DATABASE copy TEMPLATE template")
        with contextlib.closing(connect(two.url("copy"))) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT seven FROM kept")
            assert cursor.fetchall() == [(7,)]


def test_records_are_read_although_the_server_restarts(server: PostgresServer, tmp_path: Path) -> None:
    server.execute("CREATE DATABASE restarted")
    database = server.url("restarted")
    execute(database, "CREATE TABLE dag_run (dag_id text, run_id text, state text)")
    execute(database, "INSERT INTO dag_run VALUES ('dag', 'run', 'success')")
    records = AirflowRecords(tmp_path, database.replace("postgresql", "postgresql+psycopg2", 1))
    assert records.dag_run_state("dag", "run") == "success"

    server.restart()
    assert records.dag_run_state("dag", "run") == "success"

    server.process.stop(grace=30)
    with ThreadPoolExecutor(1) as thread:
        read = thread.submit(records.dag_run_state, "dag", "run")
        server.start()
        assert read.result() == "success"
    records.close()


def test_whoever_reads_all_the_time_does_not_notice_restarts(server: PostgresServer, tmp_path: Path) -> None:
    server.execute("CREATE DATABASE restarting")
    database = server.url("restarting")
    execute(database, "CREATE TABLE dag_run (dag_id text, run_id text, state text)")
    execute(database, "INSERT INTO dag_run VALUES ('dag', 'run', 'success')")
    records = AirflowRecords(tmp_path, database.replace("postgresql", "postgresql+psycopg2", 1))
    is_over = threading.Event()

    def read() -> set[str | None]:
        states = set()
        while not is_over.is_set():
            states.add(records.dag_run_state("dag", "run"))
        return states

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(read) for _ in range(4)]
        try:
            for _ in range(5):
                server.restart()
        finally:
            is_over.set()
        assert [reader.result() for reader in readers] == [{"success"}] * 4
    records.close()


def test_reading_ends_if_there_is_no_use_in_waiting(tmp_path: Path) -> None:
    def check() -> None:
        raise ProcessError("PostgreSQL ended with 1")

    records = AirflowRecords(tmp_path, f"postgresql+psycopg2://airflow@/airflow?host={tmp_path}", check)

    with pytest.raises(ProcessError, match="PostgreSQL ended with 1"):
        records.dag_run_state("dag", "run")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_server_ends_with_the_script_that_started_it(tmp_path: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "log")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        pid, folder = script.stdout.readline().split()
        assert Path(folder).is_dir()
        script.send_signal(number)

    wait_for(lambda: has_ended(int(pid)), "the server to end", TIMEOUT)
    wait_for(lambda: not Path(folder).exists(), "its folder to go", TIMEOUT)


def test_the_path_of_the_socket_is_short_whatever_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    with PostgresServer(tmp_path / "log") as server:
        assert len(f"{socket_folder(server)}/.s.PGSQL.5432") < 107
        assert "postgres" in databases(server)


def test_settings_of_the_caller_for_postgresql_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"PGPORT": "1", "PGHOST": "nowhere.invalid", "PGUSER": "nobody", "PGDATABASE": "none", "PGDATA": "/none"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    with PostgresServer(tmp_path / "log") as server:
        assert "postgres" in databases(server)


def test_what_does_not_start_is_named_with_what_it_said(tmp_path: Path) -> None:
    empty = tmp_path / "not a data folder"
    empty.mkdir()

    with pytest.raises(ProcessError, match=r"(?s)PostgreSQL ended with \d+.*postgresql\.conf.*: No such file"):
        PostgresServer(tmp_path / "log", empty).__enter__()


def test_a_database_on_a_server_of_ones_own_is_dropped_at_the_end(server: PostgresServer, tmp_path: Path) -> None:
    before = databases(server)
    migrated: list[str] = []

    own = airflow_database(server.url(), tmp_path / "log", lambda database: migrated.append(database.url))
    with own as database:
        assert migrated == [database.url]
        assert database.server is None
        execute(database.url.replace("+psycopg2", ""), "CREATE TABLE mine ()")
        (made,) = databases(server) - before
        assert f"/{made}?" in database.url

    assert databases(server) == before


def test_a_database_on_a_server_of_ones_own_is_dropped_if_its_tables_cannot_be_made(
    server: PostgresServer, tmp_path: Path
) -> None:
    before = databases(server)

    def fail(_: object) -> None:
        raise ProcessError("airflow db migrate failed")

    with pytest.raises(ProcessError, match="db migrate"):
        airflow_database(server.url(), tmp_path / "log", fail).__enter__()

    assert databases(server) == before


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://me:s3cr%2Ft@127.0.0.1:1/postgres", "127.0.0.1.*Connection refused"),
        ("postgresql://me@127.0.0.1:1/postgres?password=s3cr%2Ft", "Connection refused"),
        ("postgresql://me:s3cr/t@127.0.0.1:1/postgres", "127.0.0.1.*Connection refused"),
        ("postgresql://me:s3cr/t", "cannot be read"),
    ],
)
def test_a_server_of_ones_own_that_cannot_be_used_is_told_without_the_password(address: str, said: str) -> None:
    with pytest.raises(OwnServerError, match=said) as caught:
        check_own_server(address)

    assert "s3cr" not in str(caught.value)


def test_a_role_that_may_not_make_databases_is_told_what_it_lacks(server: PostgresServer) -> None:
    execute(server.url(), "CREATE ROLE reader LOGIN")
    address = server.url().replace("airflow@", "reader@")

    with pytest.raises(OwnServerError, match=r"reader.*CREATEDB"):
        check_own_server(address)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(address, "CREATE DATABASE mine")
