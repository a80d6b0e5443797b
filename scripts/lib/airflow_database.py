"""The database of one set of Airflow processes: on a PostgreSQL server that is started for it, or on the user's own."""

from __future__ import annotations

import fcntl
import hashlib
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import psycopg2
from child_processes import ChildProcess, ProcessError
from postgres import PostgresServer, execute, postgres_version
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

TEMPLATE, DATABASE = "airflow_template", "airflow"
Migrate = Callable[[str], None]
"""Makes Airflow's tables in the database of an address."""


@dataclass(frozen=True)
class AirflowDatabase:
    """A database with Airflow's tables.

    :ivar url: its address, for SQLAlchemy.
    :ivar server: the server that was started for it; None if it is the user's own.
    """

    url: str
    server: PostgresServer | None = None

    @property
    def processes(self) -> list[ChildProcess]:
        """The server's process, if it is ours."""
        return [self.server.process] if self.server else []


def airflow_database(
    own_server: str | None, log_file: Path, migrate: Migrate
) -> AbstractContextManager[AirflowDatabase]:
    """Have a database with Airflow's tables, which is gone at the end.

    :param own_server: address of a database on the user's server; None to start a server.
    :param log_file: where the output of a server that is started goes.
    """
    return _on_new_server(log_file, migrate) if own_server is None else _on_own_server(own_server, migrate)


@contextmanager
def _on_new_server(log_file: Path, migrate: Migrate) -> Iterator[AirflowDatabase]:
    with PostgresServer(log_file, _kept_data(log_file, migrate)) as server:
        server.execute(f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}")
        yield AirflowDatabase(_for_sqlalchemy(server.url(DATABASE)), server)


@contextmanager
def _on_own_server(address: str, migrate: Migrate) -> Iterator[AirflowDatabase]:
    name = f"airflow_omics_{secrets.token_hex(4)}"
    try:
        parsed = make_url(address).set(drivername="postgresql")
    except (ArgumentError, ValueError):
        raise ProcessError("the address of the database cannot be read; write special characters as %XX") from None
    server = parsed.render_as_string(hide_password=False)
    try:
        execute(server, f"CREATE DATABASE {name}")
    except psycopg2.Error as error:
        # Of the address, this has host, port and user.
        raise ProcessError(f"no database could be made at {parsed!r}: {str(error).strip()}") from None
    try:
        database = _for_sqlalchemy(parsed.set(database=name).render_as_string(hide_password=False))
        migrate(database)
        yield AirflowDatabase(database)
    finally:
        try:
            execute(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        except psycopg2.Error as error:
            raise ProcessError(f"the database {name} could not be dropped: {str(error).strip()}") from None


def _for_sqlalchemy(address: str) -> str:
    return make_url(address).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


def _kept_data(log_file: Path, migrate: Migrate) -> Path:
    """Return a data folder with the migrated template, kept in the environment from an earlier call, or make it.

    Whoever comes while it is being made waits. It has its name only once it is whole.
    """
    kept = Path(sys.prefix) / "airflow-database"
    kept.mkdir(exist_ok=True)
    data = kept / _fingerprint()
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not data.exists():
            unfinished = kept / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            with PostgresServer(log_file) as server:
                server.execute(f"CREATE DATABASE {TEMPLATE}")
                migrate(_for_sqlalchemy(server.url(TEMPLATE)))
                server.keep_data(unfinished)
            unfinished.replace(data)
    return data


def _fingerprint() -> str:
    """Return a text that changes with whatever has tables in the database, or how they are made."""
    packages = sorted(f"{one.name}=={one.version}" for one in distributions() if one.name.startswith("apache-airflow"))
    code = b"".join(
        Path(file).read_bytes() for file in (__file__, sys.modules[PostgresServer.__module__].__file__ or "")
    )
    text = "\n".join([postgres_version(), *packages]).encode()
    return hashlib.sha256(text + code).hexdigest()[:16]
