"""Ends all that a run has started in one step, where the kernel can tell what that is (Landlock's scopes, Linux 6.12).

A process that forks and ends all the time is gone whenever it is about to be killed by its id. The keeper is the
process above the run: it is in a Landlock domain, and the run in another one within that. So the run can send it no
signals, and a signal from it to everybody reaches the whole run, and nobody else.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from airflow_provider_omics.local.executors.sandbox import confine_writes, landlock_version

SIGNALS = frozenset({signal.SIGCHLD, signal.SIGTERM})
"""What a keeper waits for; blocked before it is forked, so that none is lost."""

_VERSION_WITH_SCOPES = 6
_PR_SET_PDEATHSIG = 1
_INIT = 1


def can_keep() -> bool:
    """Whether the kernel keeps signals of confined processes among them."""
    return landlock_version() >= _VERSION_WITH_SCOPES


def keep(work: Callable[[], None], folder: Path) -> int:
    """Have a process below this one do something, and end all that it has started when it is done, or at SIGTERM.

    This process must have been confined to the folder, have one thread, and have blocked :data:`SIGNALS`.

    :param folder: what the process below may write to.
    :return: exit status of that process; of one that a signal has ended, the signal's number below 0.
    """
    keeper = os.getpid()
    worker = os.fork()
    if worker == 0:
        _work(work, folder, keeper)
    status = _status_of(worker)
    _end_everything()
    return status


def end_with_parent(number: signal.Signals) -> None:
    """Have the system send this process a signal when its parent dies, where the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def _work(work: Callable[[], None], folder: Path, keeper: int) -> None:
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        confine_writes(folder)
        end_with_parent(signal.SIGKILL)
        # It may have died before.
        if os.getppid() == keeper:
            work()
            status = 0
    finally:
        os._exit(status)


def _status_of(worker: int) -> int:
    """Wait for the end of a process, reaping what it leaves behind meanwhile, or for SIGTERM."""
    while signal.sigwait(SIGNALS) == signal.SIGCHLD:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == worker:
                    return os.waitstatus_to_exitcode(ended[1])
    return -signal.SIGKILL


def _end_everything() -> None:
    # Only if the kernel does refuse signals to those outside; else everybody would get this one. Init refuses those of
    # any user but root, so that it proves nothing as the parent of a process that has lost its own.
    parent = os.getppid()
    if parent == _INIT or any(_may_signal(outside) for outside in (parent, _INIT)):
        return
    with suppress(ProcessLookupError, PermissionError):
        os.kill(-1, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _may_signal(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return not isinstance(error, PermissionError)
    return True
