"""Messages between the server and the process of a run, of which either may be killed, and one cannot be trusted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from airflow_provider_omics.local.executors import messages
from airflow_provider_omics.local.executors.messages import MessageStream


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, MessageStream]]:
    monkeypatch.setattr(messages, "_MOST_BYTES", 1000)
    theirs, ours = socket.socketpair()
    stream = MessageStream(ours)
    yield theirs, stream
    stream.close()


def test_what_is_no_message_or_too_long_is_passed_over(ends: tuple[socket.socket, MessageStream]) -> None:
    theirs, stream = ends
    nested = b"[" * 100_000

    def write() -> None:
        with theirs:
            for line in (b'{"n": 1}', b"no JSON", b'"' + b"x" * 200_000 + b'"', nested, b'{"n": 2}'):
                theirs.sendall(line + b"\n")
            theirs.sendall(b'{"n": 3')

    writing = threading.Thread(target=write)
    writing.start()
    assert list(stream) == [{"n": 1}, {"n": 2}]
    writing.join()


def test_a_line_without_end_is_read_to_its_end(ends: tuple[socket.socket, MessageStream]) -> None:
    theirs, stream = ends
    with theirs:
        theirs.sendall(b"x" * 100_000)
    assert list(stream) == []


def test_too_long_a_message_is_not_sent(ends: tuple[socket.socket, MessageStream]) -> None:
    theirs, stream = ends
    with pytest.raises(ValueError, match=r"outputs: as JSON, that has 1,01. bytes, and at most 1,000 are taken"):
        stream.send({"outputs": "x" * 1000})
    stream.send({"outputs": "x" * 900})
    theirs.close()
