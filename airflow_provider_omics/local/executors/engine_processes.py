"""The server's side of the processes in which runs are carried out."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_omics.local.executors.messages import Message, MessageStream
from airflow_provider_omics.local.executors.trees import remove_tree

_SECONDS_TO_END = 10
_KEPT_PREFIXES = ("LC_", "PYTHON")
_KEPT = frozenset(
    {
        *("HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "JAVA_HOME"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    }
)


class EngineProcess:
    """A process group that carries out one run.

    :ivar directory: for the run's files; removed by :meth:`close`.
    """

    def __init__(self, key: str, stream: MessageStream, owner: EngineProcesses, directory: Path) -> None:
        self.directory = directory
        self._key = key
        self._stream = stream
        self._owner = owner

    def send(self, message: Message) -> None:
        """Send a message to the process; nothing happens when it is gone."""
        with contextlib.suppress(OSError):
            self._stream.send(message)

    def messages(self) -> Iterator[Message]:
        """Yield what the process says; the last is ``{"exit": code}``, once its whole group is gone."""
        return iter(self._stream)

    def kill(self) -> None:
        """Kill the process and all that it started; it may have ended already."""
        self._owner.kill(self._key)

    def end(self) -> None:
        """Kill the process and all that it has started, and wait until they are gone."""
        self.kill()
        with contextlib.suppress(OSError, ValueError):
            for _message in self._stream:
                pass

    def close(self) -> None:
        """Kill the process and all that it has started, wait until they are gone, and remove the run's files."""
        self.end()
        self._stream.close()
        remove_tree(self.directory)


class EngineProcesses:
    """Starts processes of one engine through a fork server, which is started with the first of them.

    :param job: name of the module beside this one that carries a run out.
    """

    def __init__(self, job: str) -> None:
        self._job = job
        self._scratch: Path | None = None
        self._left: list[Path] = []
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._closed = False

    def prepare(self) -> None:
        """Start the fork server now, so that the first run need not wait for it (about 2 s of loading)."""
        with self._lock:
            self._ensure_server()

    def start(self) -> EngineProcess:
        """Start the process of a run.

        :raises OSError: the fork server cannot be started, or everything was closed.
        """
        key = str(uuid.uuid4())
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                control = self._ensure_server()
                # Without links in it, as the kernel and the engine name what lies in it.
                directory = Path(tempfile.mkdtemp(prefix="run-", dir=self._ensure_scratch())).resolve()
                socket.send_fds(control, [_line({"start": key, "folder": str(directory)})], [theirs.fileno()])
            except OSError:
                ours.close()
                self._drop_server()
                raise
        return EngineProcess(key, MessageStream(ours), self, directory)

    def kill(self, key: str) -> None:
        """Kill one process group by its key; an unknown key is no error."""
        with self._lock, contextlib.suppress(OSError):
            if self._control is not None:
                self._control.sendall(_line({"kill": key}))

    def close(self) -> None:
        """Kill every process, end the fork server and remove the scratch directory."""
        with self._lock:
            self._closed = True
            self._drop_server()
            left, self._left = self._left, []
        for scratch in left:
            remove_tree(scratch)

    def _ensure_scratch(self) -> Path:
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="airflow-omics-local-"))
        return self._scratch

    def _ensure_server(self) -> socket.socket:
        if self._closed:
            raise OSError("the executor was closed")
        if self._server is not None and self._server.poll() is not None:
            self._drop_server()
        if self._control is None:
            self._control, theirs = socket.socketpair()
            with theirs:
                self._server = subprocess.Popen(
                    [sys.executable, "-m", f"{__package__}.fork_server", self._job, str(self._ensure_scratch())],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    env=_environment(),
                    start_new_session=True,
                )
        return self._control

    def _drop_server(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._server is not None:
            try:
                self._server.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        # A fork server that was killed leaves its directory behind; the next one gets its own.
        if self._scratch is not None:
            self._left.append(self._scratch)
        self._control = self._server = self._scratch = None


def _environment() -> dict[str, str]:
    """Return what engines and tools need of the server's environment, and none of its secrets."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT_PREFIXES) or name in _KEPT}
    # Definitions call python3; last on the path is one that is certainly there.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    return {**kept, "PATH": path}


def _line(order: dict[str, str]) -> bytes:
    return json.dumps(order).encode() + b"\n"
