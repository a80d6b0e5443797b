"""JSON messages, one a line, between the server and the process of a run."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]


class MessageStream:
    """Sends from any thread, receives in one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Send a message.

        :raises OSError: the other side is gone.
        """
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            self._connection.sendall(line)

    def ask(self, message: Message) -> Message:
        """Send a message and return the next one that comes.

        :raises OSError: the other side is gone.
        """
        self.send(message)
        return next(iter(self))

    def __iter__(self) -> Iterator[Message]:
        """Yield messages until the other side is gone; a line that a killed process left unfinished is dropped."""
        with contextlib.suppress(ConnectionResetError):
            for line in self._lines:
                message = _parse(line)
                if message is not None:
                    yield message

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self._connection.close()


def _parse(line: bytes) -> Message | None:
    try:
        message: Message = json.loads(line)
    except ValueError:
        return None
    return message
