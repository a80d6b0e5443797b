"""A process that has an engine loaded and forks itself for every run or reading, so that these start in milliseconds.

It is started as ``python -m`` by :mod:`~airflow_provider_omics.local.executors.engine_processes`, with a socket as
its standard input, and ends when that socket closes: whatever becomes of the server, nothing keeps running.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import selectors
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from airflow_provider_omics.local.executors.descendants import kill_children
from airflow_provider_omics.local.executors.keeper import SIGNALS, can_keep, end_with_parent, keep
from airflow_provider_omics.local.executors.read_only import make_read_only, namespaces_allowed
from airflow_provider_omics.local.executors.sandbox import confine_writes
from airflow_provider_omics.local.executors.trees import remove_tree

Work = Callable[[socket.socket], None]

_MOST_CONNECTIONS_AT_ONCE = 64
_PR_SET_CHILD_SUBREAPER = 36
# A keeper ends the run before itself.
_END = signal.SIGTERM if can_keep() else signal.SIGKILL


@dataclass
class _Child:
    key: str
    connection: socket.socket


class ForkServer:
    """Starts and kills process groups as its control socket says.

    :param control: carries lines ``{"start": key, "folder": path}``, each with one connection, and ``{"kill": key}``.
    :param work: what a forked process does with its connection.
    """

    def __init__(self, control: socket.socket, work: Work) -> None:
        self._control = control
        self._work = work
        self._children: dict[int, _Child] = {}
        self._connections: list[socket.socket] = []
        self._buffer = b""

    def serve(self) -> None:
        """Serve until the control socket closes or SIGTERM comes, then kill what still runs."""
        wake_reader, wake_writer = socket.socketpair()
        wake_reader.setblocking(False)
        wake_writer.setblocking(False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(wake_writer.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(wake_reader, selectors.EVENT_READ)
            wanted = True
            while wanted:
                ready = [key.fileobj for key, _ in selector.select()]
                if wake_reader in ready:
                    wanted = signal.SIGTERM not in wake_reader.recv(4096)
                    self._reap()
                if self._control in ready:
                    wanted = self._receive() and wanted
        for pid in list(self._children):
            self._end(pid)
            self._ended(pid, os.waitpid(pid, 0)[1])

    def _receive(self) -> bool:
        data, handles, _flags, _address = socket.recv_fds(self._control, 65536, _MOST_CONNECTIONS_AT_ONCE)
        self._connections += [socket.socket(fileno=handle) for handle in handles]
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
        return bool(data)

    def _obey(self, order: dict[str, str]) -> None:
        if "start" in order:
            self._start(order["start"], Path(order["folder"]))
            return
        for pid, child in list(self._children.items()):
            if child.key == order["kill"]:
                self._end(pid)

    def _start(self, key: str, folder: Path) -> None:
        connection = self._connections.pop(0)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._be_child(connection, folder)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        # Both sides do this, since either may be the first to rely on it.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        self._children[pid] = _Child(key, connection)

    def _be_child(self, connection: socket.socket, folder: Path) -> None:
        status = 1
        try:
            os.setpgid(0, 0)
            end_with_parent(_END)
            # Daemons of the run stay below it while it lives, and come to the fork server when it ends.
            _adopt_orphans()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for other in (self._control, *self._connections, *(kid.connection for kid in self._children.values())):
                other.close()
            null = os.open(os.devnull, os.O_RDWR)
            for handle in (0, 1, 2):
                os.dup2(null, handle)
            _stay_in(folder)
            if can_keep():
                status = keep(partial(self._work, connection), folder)
            else:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                self._work(connection)
                status = 0
        finally:
            _exit(status)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] in self._children:
                    self._ended(*ended)

    def _ended(self, pid: int, status: int) -> None:
        # The tools that the run started are in its group and must not outlive it.
        self._kill(pid)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-pid, 0)
        child = self._children.pop(pid)
        # Those in sessions of their own, whom the run's end has made children of this process.
        kill_children(self._children)
        note = json.dumps({"exit": os.waitstatus_to_exitcode(status)}).encode()
        with contextlib.suppress(OSError), child.connection:
            child.connection.send(b"\n" + note + b"\n", socket.MSG_DONTWAIT)

    def _end(self, pid: int) -> None:
        if can_keep():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, _END)
        else:
            self._kill(pid)

    @staticmethod
    def _kill(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _adopt_orphans() -> None:
    """Become the parent of what a killed run leaves behind, where the system can do that, so as to reap it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _exit(status: int) -> NoReturn:
    if status < 0:
        # As the process below has ended, which the run's message says.
        os.kill(os.getpid(), -status)
    os._exit(status & 0xFF)


def _stay_in(folder: Path) -> None:
    """Have everything that a run makes lie in its folder, and nothing that it does change what lies elsewhere."""
    home, temporary = folder / "home", folder / "tmp"
    for each in (home, temporary):
        each.mkdir()
    os.environ.update(HOME=str(home), TMPDIR=str(temporary))
    tempfile.tempdir = None
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    make_read_only(folder)
    confine_writes(folder)
    # The system forgets this when a process gets other rights.
    end_with_parent(_END)


def main() -> None:
    """Serve on standard input; the arguments are the module of the job, and the directory to remove at the end."""
    job = import_module(f"{__package__}.{sys.argv[1]}")
    _adopt_orphans()
    namespaces_allowed()
    with socket.socket(fileno=os.dup(0)) as control:
        job.preload()
        gc.freeze()
        ForkServer(control, job.run).serve()
    remove_tree(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
