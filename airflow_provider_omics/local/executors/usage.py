"""What a command has used of processors and memory, as the system says when it has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.local.records import TaskUse

_GIB = 1 << 30
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Usage:
    """Takes the use of one process, with all that it started and waited for, at the moment at which it is waited for.

    The system keeps no course of it: the average memory is taken to be the most that any process of it had, and the
    most vCPUs to be the average.

    :param process: has just been started, and nobody waits for it yet.
    """

    def __init__(self, process: subprocess.Popen[Any]) -> None:
        self._process = process
        self._began = time.monotonic()
        self._figures: dict[str, float] | None = None
        # Popen waits here, whoever calls it; its own way throws the use away.
        process._try_wait = self._try_wait  # type: ignore[attr-defined]

    def figures(self) -> dict[str, float] | None:
        """Return vCPUs and GiB, once somebody has waited for the process; None before, or where that went past."""
        return self._figures

    def _try_wait(self, flags: int) -> tuple[int, int]:
        try:
            pid, status, used = os.wait4(self._process.pid, flags)
        except ChildProcessError:
            # As Popen does it: somebody else has waited for it, and took its status.
            return self._process.pid, 0
        if pid == self._process.pid:
            seconds = max(time.monotonic() - self._began, 1e-6)
            cpus = (used.ru_utime + used.ru_stime) / seconds
            self._figures = {"cpus": round(cpus, 3), "memory": round(used.ru_maxrss * _MAXRSS_UNIT / _GIB, 6)}
        return pid, status


def task_use(figures: Mapping[str, float] | None) -> TaskUse | None:
    """Return what the figures of a task say."""
    if figures is None:
        return None
    cpus, memory = figures["cpus"], figures["memory"]
    return TaskUse(cpus_average=cpus, cpus_maximum=cpus, memory_average=memory, memory_maximum=memory)
