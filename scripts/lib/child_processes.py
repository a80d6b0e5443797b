"""Child processes that leave nothing behind: each has a session of its own, and ends with all of its descendants."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import psutil
from leftovers import LEFTOVERS, sessions_of

Answer = TypeVar("Answer")
POLL_INTERVAL = 0.1
#: Bytes of what a program says once it works no more: a long traceback.
MOST_SAID = 20_000
#: Below those that Linux (32768) and macOS (49152) give to clients.
PORTS = (20_000, 32_000)


class ProcessError(Exception):
    """A process ended that should run, or something did not come about in time."""


class CrashError(ProcessError):
    """A process has said that it works no more; the text has what it said from there on."""


@dataclass
class LastWords:
    """Finds what a program says once it works no more, in what it has said since its start.

    :param log_file: its output, which grows.
    :param words: what it says.
    """

    log_file: Path
    words: bytes
    _read: int = 0
    _end: bytes = b""
    _said: bytes = b""

    def begin_anew(self) -> None:
        """Forget what was said so far, before another start."""
        self._read = self.log_file.stat().st_size if self.log_file.exists() else 0
        self._end = self._said = b""

    def said(self) -> str:
        """Return what was said from those words on, as far as it fits; empty while they were not said."""
        with contextlib.suppress(FileNotFoundError), self.log_file.open("rb") as log:
            log.seek(self._read)
            new = log.read()
            self._read += len(new)
            if self._said:
                self._said += new
            else:
                # The words may have been written in two pieces.
                heard = self._end + new
                place = heard.find(self.words)
                self._said = heard[place:] if place >= 0 else b""
                self._end = heard[-len(self.words) :]
        self._said = self._said[:MOST_SAID]
        return self._said.decode(errors="replace")


@dataclass(frozen=True)
class ProgramUser:
    """Whose a program is.

    :ivar user_id: of the user; ours if it is None.
    :ivar group_id: of the group, the only one.
    :ivar folder: where the program runs.
    """

    user_id: int | None
    group_id: int | None
    folder: Path

    def arguments(self) -> dict[str, Any]:
        """Return what :class:`subprocess.Popen` has to be told."""
        if self.user_id is None:
            return {"cwd": self.folder}
        return {"cwd": self.folder, "user": self.user_id, "group": self.group_id, "extra_groups": []}


class ChildProcess:
    """One program that runs beside us, with its output in a file.

    It ends with us, also if we are killed.

    :param name: what messages call it.
    :param command: program and arguments.
    :param environment: all of its environment variables.
    :param log_file: where its output goes; appended to when it is started again.
    :param stop_signal: asks it to end.
    :param user: whose it is, in the folder that is its own; ours if not given.
    :param last_words: text in its output after which it does its work no more, though it may not have ended yet.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_file: Path,
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        user: ProgramUser | None = None,
        last_words: str | None = None,
    ) -> None:
        self.name = name
        self.log_file = log_file
        self._command = list(command)
        self.environment = dict(environment)
        self._stop_signal = stop_signal
        self._user = user
        self._last_words = LastWords(log_file, last_words.encode()) if last_words else None
        self._process: subprocess.Popen[bytes] | None = None
        self._is_to_end = False

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
        self._is_to_end = False
        if self._last_words is not None:
            self._last_words.begin_anew()
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **(self._user.arguments() if self._user else {}),
            )
        LEFTOVERS.add_session(self._process.pid)

    def check(self) -> None:
        """Raise ProcessError, with the end of the log, if the program has ended by itself, or works no more.

        :raises ProcessError: it has; a :class:`CrashError` where what it said last tells more than the log's end.
        """
        if self._process is None or self._is_to_end:
            return
        if self._last_words is not None and (said := self._last_words.said()):
            raise CrashError(f"{self.name} works no more; {self.log_file} says:\n{said}")
        if (code := self._process.poll()) is not None:
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
            LEFTOVERS.drop_session(program.pid)

    def request_stop(self) -> None:
        """Ask the program to end; what it started is its own affair until :meth:`stop`."""
        self.send_signal(self._stop_signal)

    def send_signal(self, number: signal.Signals) -> None:
        """Send the program a signal that has it end in a way of its own."""
        if self._process is not None:
            self._is_to_end = True
            self._process.send_signal(number)

    def stop(self, grace: float = 5) -> None:
        """End the program and its descendants.

        :param grace: seconds that they have to end by themselves.
        """
        self.request_stop()
        self.stop_after(grace)

    def stop_after(self, grace: float) -> None:
        """End what is left of the program and its descendants once it has ended by itself.

        :param grace: seconds after which it is not waited for any more.
        """
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=grace)
        self.kill()

    def _session(self) -> list[psutil.Process]:
        """Return every process of the session: process groups change below us, the session does not."""
        return sessions_of([self._process.pid]) if self._process is not None else []


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


def check_all(processes: Iterable[ChildProcess]) -> None:
    """Raise ProcessError, with the end of its log, if one of the programs has ended by itself."""
    for process in processes:
        process.check()


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
    :param interval: seconds between two polls.
    :return: what the condition returned.
    :raises ProcessError: it did not come in time, or one of the programs ended.
    """
    watched = list(alive)
    deadline = time.monotonic() + timeout
    while True:
        try:
            answer = condition()
        except Exception:
            # That a program has died says more than what it makes fail.
            check_all(watched)
            raise
        if answer:
            return answer
        check_all(watched)
        if time.monotonic() > deadline:
            tails = "\n".join(f"{process.log_file} ends:\n{process.log_tail(5)}" for process in watched)
            raise ProcessError(f"waited {timeout:.0f} s for {what}\n{tails}")
        time.sleep(interval)


def free_ports(count: int) -> list[int]:
    """Return ports on the loopback address that nobody listens on, nor is given by the system to clients."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            one = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", random.randrange(*PORTS)))
                found.append(one.getsockname()[1])
    return found


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Make SIGTERM, SIGHUP and SIGINT unwind the program, so that what it started is stopped.

    SIGINT is set too since a shell starts its background jobs with it ignored; SIGHUP stays ignored if it is.
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
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, unwind)
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
