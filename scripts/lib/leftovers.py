"""Processes and folders of a program that was killed (SIGKILL): a process beside it ends and removes them.

As a program it is that process: it reads what there is from its standard input, which ends when the program does.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import psutil


class Leftovers:
    """What has to be gone when this program is, however that ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watcher: subprocess.Popen[str] | None = None

    def add_session(self, session_id: int) -> None:
        """Have all processes of a session killed.

        :param session_id: of a session whose leader lives.
        """
        self._tell(f"+session {session_id} {began(session_id)}")

    def drop_session(self, session_id: int) -> None:
        """Leave a session alone: its processes are gone."""
        self._tell(f"-session {session_id}")

    def add_folder(self, folder: Path) -> None:
        """Have a folder removed."""
        self._tell(f"+folder {folder}")

    def drop_folder(self, folder: Path) -> None:
        """Leave a folder alone: it is gone."""
        self._tell(f"-folder {folder}")

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._watcher is None:
                self._watcher = subprocess.Popen(
                    [sys.executable, "-B", __file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    start_new_session=True,
                )
                atexit.register(self._close)
            pipe = self._watcher.stdin
            if pipe is not None and not pipe.closed:
                # Without the watcher everything works but this.
                with contextlib.suppress(BrokenPipeError):
                    print(line, file=pipe, flush=True)

    def _close(self) -> None:
        with self._lock:
            if self._watcher is not None and self._watcher.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._watcher.stdin.close()
                # It does not end before a child that has the pipe too, which is no reason for us to stay.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._watcher.wait(30)


LEFTOVERS = Leftovers()


def began(process_id: int) -> float:
    """Return when a process began, which tells it from a later one of the same id; 0 if it is gone."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(process_id).create_time()
    return 0.0


def sessions_of(session_ids: Iterable[int]) -> list[psutil.Process]:
    """Return every process of the sessions."""
    wanted, members = set(session_ids), []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getsid(process.pid) in wanted:
                members.append(process)
    return members


def main() -> None:
    """Read until the program is gone, then end and remove what it left behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: dict[int, float] = {}
    folders: set[str] = set()
    for line in sys.stdin:
        kind, _, name = line.rstrip("\n").partition(" ")
        match kind:
            case "+session":
                session_id, _, beginning = name.partition(" ")
                sessions[int(session_id)] = float(beginning)
            case "-session":
                sessions.pop(int(name), None)
            case "+folder":
                folders.add(name)
            case "-folder":
                folders.discard(name)
    # The system gives the id of a session that is gone to another process; as long as anybody is in it, it does not.
    ours = [session_id for session_id, beginning in sessions.items() if began(session_id) in (beginning, 0.0)]
    for process in sessions_of(ours) if ours else ():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
