"""The database of one set of Airflow processes: on a PostgreSQL server that is started for it, or on the user's own."""

from __future__ import annotations

import fcntl
import hashlib
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import psycopg2
from child_processes import ChildProcess
from postgres import PostgresServer, connect, execute, postgres_version
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

TEMPLATE, DATABASE = "airflow_template", "airflow"
_SETTING = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_DRIVER = "psycopg2"


class OwnServerError(Exception):
    """The user's PostgreSQL server cannot be used; the text says why, without the password."""


@dataclass(frozen=True)
class AirflowDatabase:
    """A database with Airflow's tables.

    :ivar url: its address, for SQLAlchemy.
    :ivar server: the server that was started for it; None if it is the user's own.
    """

    url: str
    server: PostgresServer | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What Airflow has to be told."""
        settings = {_SETTING: self.url}
        if self.server is None:
            # asyncpg, which Airflow takes otherwise, does not know all that libpq does, such as sslmode.
            settings[f"{_SETTING}_ASYNC"] = _with_driver(self.url, "psycopg")
        return settings

    @property
    def processes(self) -> list[ChildProcess]:
        """The server's process, if it is ours."""
        return [self.server.process] if self.server else []


Migrate = Callable[[AirflowDatabase], None]
"""Makes Airflow's tables."""


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
        yield AirflowDatabase(_with_driver(server.url(DATABASE), _DRIVER), server)


def check_own_server(address: str) -> None:
    """Check whether a database can be made on the user's server.

    :raises OwnServerError: it cannot.
    """
    with _on_behalf(address) as server, closing(connect(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone() != (True,):
            raise OwnServerError(f"the role of {_shown(server)} may not make databases: ALTER ROLE ... CREATEDB")


@contextmanager
def _on_own_server(address: str, migrate: Migrate) -> Iterator[AirflowDatabase]:
    name = f"airflow_omics_{secrets.token_hex(4)}"
    with _on_behalf(address) as server:
        execute(server, f"CREATE DATABASE {name}")
    try:
        database = make_url(_with_driver(address, _DRIVER)).set(database=name).render_as_string(hide_password=False)
        own = AirflowDatabase(database)
        migrate(own)
        yield own
    finally:
        with _on_behalf(address) as server:
            execute(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def _on_behalf(address: str) -> Iterator[str]:
    """Yield the address for libpq, and say what is wrong without the password."""
    try:
        server = _with_driver(address, "")
    except (ArgumentError, ValueError):
        raise OwnServerError("its address cannot be read; special characters are written as %XX") from None
    try:
        yield server
    except psycopg2.Error as error:
        raise OwnServerError(f"{_shown(server)}: {_without_passwords(str(error).strip(), server)}") from None


def _shown(address: str) -> str:
    return make_url(address).set(query={}).render_as_string()


def _without_passwords(text: str, address: str) -> str:
    parsed = make_url(address)
    for password in filter(None, (parsed.password, parsed.query.get("password"))):
        text = text.replace(str(password), "***")
    return text


def _with_driver(address: str, driver: str) -> str:
    name = f"postgresql+{driver}" if driver else "postgresql"
    return make_url(address).set(drivername=name).render_as_string(hide_password=False)


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
                migrate(AirflowDatabase(_with_driver(server.url(TEMPLATE), _DRIVER), server))
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
