"""The processes of all engines of one account."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from airflow_provider_omics.local.executors.engine_processes import EngineProcesses

if TYPE_CHECKING:
    from airflow_provider_omics.local.executors.engines import Engine


class EnginePool:
    """Where engines read definitions and carry out runs; an engine is loaded when its first process is started."""

    def __init__(self) -> None:
        self._processes: dict[Engine, EngineProcesses] = {}
        self._lock = threading.Lock()
        self._closed = False

    def processes(self, engine: Engine) -> EngineProcesses:
        """Return the processes of an engine.

        :raises OSError: everything was closed.
        """
        with self._lock:
            if self._closed:
                raise OSError("the local server has ended")
            if engine not in self._processes:
                self._processes[engine] = EngineProcesses(engine.job)
            return self._processes[engine]

    def close(self) -> None:
        """Kill every process of every engine."""
        with self._lock:
            self._closed = True
            everything = list(self._processes.values())
        for processes in everything:
            processes.close()
