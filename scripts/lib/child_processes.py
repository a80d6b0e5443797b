"""Child processes that leave nothing behind: each has a session of its own, and ends with all of its descendants."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TypeVar

import psutil

Answer = TypeVar("Answer")
POLL_INTERVAL = 0.1


class ProcessError(Exception):
    """A process ended that should run, or something did not come about in time."""


class ChildProcess:
    """One program that runs beside us, with its output in a file.

    :param name: what messages call it.
    :param command: program and arguments.
    :param environment: all of its environment variables.
    :param log_file: where its output goes; appended to when it is started again.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log_file: Path) -> None:
        self.name = name
        self.log_file = log_file
        self._command = list(command)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id, which is also the id of the session."""
        if self._process is None:
            raise ProcessError(f"{self.name} has not been started")
        return self._process.pid

    def start(self) -> None:
        """Start the program in a session of its own."""
        if self._process is not None and self._process.poll() is None:
            raise ProcessError(f"{self.name} is running already")
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise ProcessError, with the end of the log, if the program has ended."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise ProcessError(f"{self.name} ended with {code}; {self.log_file} ends:\n{self.log_tail()}")

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the program's output."""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """End the program and its descendants at once, as a crash of the machine would (SIGKILL)."""
        session = self._session()
        # First, so that nobody who checks meanwhile takes it for one that has ended by itself.
        program, self._process = self._process, None
        for process in session:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if program is not None:
            program.wait()

    def request_stop(self) -> None:
        """Ask the program to end (SIGTERM); what it started is its own affair until :meth:`stop`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, grace: float = 5) -> None:
        """End the program and its descendants.

        :param grace: seconds that they have to end by themselves.
        """
        if self._process is None:
            return
        self.request_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=grace)
        self.kill()

    def _session(self) -> list[psutil.Process]:
        """Return every process of the session: process groups change below us, the session does not."""
        if self._process is None:
            return []
        members = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
                if os.getsid(process.pid) == self._process.pid:
                    members.append(process)
        return members


def stop_all(processes: Iterable[ChildProcess], grace: float = 5) -> None:
    """End several programs, all asked at the same time; a second Ctrl-C kills them without more ado.

    :param grace: seconds that they have to end by themselves.
    """
    remaining = list(processes)
    deadline = time.monotonic() + grace
    try:
        for process in remaining:
            process.request_stop()
        for process in remaining:
            process.stop(grace=max(0.0, deadline - time.monotonic()))
    except BaseException:
        for process in remaining:
            process.kill()
        raise


def wait_for(
    condition: Callable[[], Answer | None],
    what: str,
    timeout: float,
    alive: Iterable[ChildProcess] = (),
    interval: float = POLL_INTERVAL,
) -> Answer:
    """Wait until something is there.

    :param condition: returns it, or something false while it is not there yet.
    :param what: names it in the error.
    :param timeout: seconds.
    :param alive: programs that have to run meanwhile.
    :param interval: seconds between two looks.
    :return: what the condition returned.
    :raises ProcessError: it did not come in time, or one of the programs ended.
    """
    watched = list(alive)
    deadline = time.monotonic() + timeout
    while True:
        if answer := condition():
            return answer
        for process in watched:
            process.check()
        if time.monotonic() > deadline:
            tails = "\n".join(f"{process.log_file} ends:\n{process.log_tail(5)}" for process in watched)
            raise ProcessError(f"waited {timeout:.0f} s for {what}\n{tails}")
        time.sleep(interval)


def free_ports(count: int) -> list[int]:
    """Return ports on the loopback address that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Make SIGTERM and SIGINT unwind the program, so that what it started is stopped.

    SIGINT is set too since a shell starts its background jobs with it ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def unwind(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, unwind),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def isolated_environment(program_folder: Path) -> dict[str, str]:
    """Return this process's environment without anything that points at the caller's Airflow or AWS account.

    :param program_folder: goes to the front of the PATH.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "AWS_", "PYTEST_"))}
    no_proxy = ",".join(filter(None, ["127.0.0.1,localhost", kept.get("NO_PROXY") or kept.get("no_proxy")]))
    return {
        **kept,
        "PATH": f"{program_folder}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }
