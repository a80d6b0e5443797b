"""Which processes a process has started, as Linux tells it."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_MOST_ROUNDS = 1000


def children_of(pid: int) -> set[int]:
    """Return the ids of a process's children, also of those that it has adopted; nothing where there is no /proc."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        # A process may end at any moment.
        with suppress(OSError, IndexError):
            fields = folder.joinpath("stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[1]) == pid:
                found.add(int(folder.name))
    return found


def kill_children(kept: Collection[int]) -> None:
    """Kill and reap this process's children, and what of theirs it adopts then, until there are only those kept.

    A process that makes another one at the moment it is killed may take a few rounds; after a thousand, what goes
    on like that is left alone.

    :param kept: ids of the children that stay.
    """
    for _round in range(_MOST_ROUNDS):
        strays = children_of(os.getpid()) - set(kept)
        if not strays:
            return
        for stray in strays:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(stray, signal.SIGKILL)
        for stray in strays:
            with suppress(ChildProcessError):
                os.waitpid(stray, 0)
