"""The executor that really runs workflows with their engines, on this machine and without containers."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.statuses import RunStatus, classify
from airflow_provider_omics.local.executors.engine_processes import EngineProcess
from airflow_provider_omics.local.executors.engine_run import EngineRun
from airflow_provider_omics.local.executors.engines import CWLTOOL, ENGINES, is_runnable
from airflow_provider_omics.local.executors.staging import RunFailure

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.executors.base import RunReport
    from airflow_provider_omics.local.records import Run, Workflow

log = logging.getLogger(__name__)

_SECONDS_TO_END = 10


class EngineExecutor:
    """Runs a workflow's definition with the engine for its language, each run in a process group of its own.

    :param state: has the S3 and the logs that runs use.
    :param engines: the API's names of the engines that may be used; runs of other workflows fail.
    :param workers: most runs at a time, at least 1; others wait. None: one for each CPU.
    """

    def __init__(self, state: AccountState, engines: Collection[str], *, workers: int | None = None) -> None:
        self._state = state
        self._engines = engines
        self._workers = workers or os.cpu_count() or 1
        self._pool = state.engine_pool
        self._waiting: queue.SimpleQueue[EngineRun | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._runs: dict[str, EngineRun] = {}
        state.run_observers.append(self._run_changed)

    def prepare(self) -> None:
        """Load cwltool now, in the background, so that the first run need not wait for it."""
        self._pool.processes(CWLTOOL).prepare()

    def launch(self, run: Run, workflow: Workflow, report: RunReport) -> None:
        """Queue a run; a thread takes it up as soon as one is free."""
        carried = EngineRun(run, workflow, report, self._state)
        with self._lock:
            self._runs[run.uuid] = carried
            if len(self._threads) < self._workers:
                thread = threading.Thread(target=self._work, name="omics-engine", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._waiting.put(carried)

    def cancel(self, run: Run) -> bool:
        """Kill a run's process group, or take it out of the queue."""
        carried = self._runs.get(run.uuid)
        return carried is not None and carried.cancel()

    def close(self) -> None:
        """Kill every run and end the threads and the fork servers; do not hold the account's lock meanwhile."""
        with self._lock:
            threads, self._threads = self._threads, []
        for carried in list(self._runs.values()):
            carried.cancel()
        for _thread in threads:
            self._waiting.put(None)
        self._pool.close()
        for thread in threads:
            thread.join(_SECONDS_TO_END)

    def _work(self) -> None:
        while (carried := self._waiting.get()) is not None:
            try:
                carried.carry_out(self._start_process)
            except Exception:
                # The other runs still need this thread.
                log.exception("Run %s could not be reported", carried.run.run_id)

    def _start_process(self, workflow: Workflow) -> EngineProcess:
        """Start the process of a run.

        :raises RunFailure: there is no engine for the workflow.
        """
        if not is_runnable(workflow, self._engines):
            raise RunFailure(
                "WORKFLOW_RUN_FAILED",
                f"The executor runs {' and '.join(self._engines)} definitions, and the workflow is {workflow.engine} "
                f"({workflow.workflow_type}); start the server with the executor auto or simulated",
            )
        return self._pool.processes(ENGINES[workflow.engine]).start()

    def _run_changed(self, run: Run, _previous: RunStatus | None) -> None:
        if run.uuid in self._runs and classify(RunStatus, run.status).is_final:
            del self._runs[run.uuid]
