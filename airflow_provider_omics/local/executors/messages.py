"""JSON messages, one a line, between the server and the process of a run."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]

_MOST_BYTES = 128 << 20
_BLOCK_BYTES = 1 << 16


class MessageStream:
    """Sends from any thread, receives in one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Send a message.

        :raises OSError: the other side is gone.
        :raises ValueError: it has more than 128 MiB.
        """
        line = json.dumps(message).encode() + b"\n"
        if len(line) > _MOST_BYTES:
            raise ValueError(
                f"{', '.join(message)}: as JSON, that has {len(line):,} bytes, and at most {_MOST_BYTES:,} are taken; "
                "write it to a file"
            )
        with self._lock:
            self._connection.sendall(line)

    def ask(self, message: Message) -> Message:
        """Send a message and return the next one that comes.

        :raises OSError: the other side is gone.
        """
        self.send(message)
        return next(iter(self))

    def __iter__(self) -> Iterator[Message]:
        """Yield messages until the other side is gone.

        A line that a killed process left unfinished, that is no message, or that is too long, is dropped.
        """
        with contextlib.suppress(ConnectionResetError):
            while line := self._lines.readline(_MOST_BYTES):
                message = None if self._is_cut(line) else _parse(line)
                if message is not None:
                    yield message

    def _is_cut(self, line: bytes) -> bool:
        """Whether a line is longer than what was read of it; the rest of it is passed over."""
        is_cut = len(line) == _MOST_BYTES and not line.endswith(b"\n")
        while is_cut and (rest := self._lines.readline(_BLOCK_BYTES)) and not rest.endswith(b"\n"):
            continue
        return is_cut

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self._connection.close()


def _parse(line: bytes) -> Message | None:
    try:
        message: Message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message
