"""The processes of task instances, found by their titles."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

import psutil


def task_processes(titles: Collection[str]) -> Iterator[psutil.Process]:
    """Find the processes in which the code of task instances runs, on every Airflow version.

    :param titles: what marks them, from :meth:`AirflowRecords.process_titles`.
    """
    for process in psutil.process_iter(["cmdline"]):
        title = " ".join(process.info["cmdline"] or ()).strip()
        if any(title.endswith(f" -- {one}") or f"runner: {one}" in title for one in titles):
            yield process


def supervisor_of(process: psutil.Process) -> psutil.Process | None:
    """Return the process that looks after a task's; None if the task has ended.

    In Airflow 3 it is the worker itself, in Airflow 2.11 ``airflow tasks run --local`` in the worker. It is the one
    that a machine's init asks to end when the machine is drained, and it passes that on to the task.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.parent()
    return None
