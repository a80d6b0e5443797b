"""The executor that really runs CWL workflows, on this machine and without containers."""

from __future__ import annotations

import logging
import os
import queue
import threading
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.statuses import RunStatus, classify
from airflow_provider_omics.local.executors.cwl_run import CwlRun
from airflow_provider_omics.local.executors.engine_processes import EngineProcesses
from airflow_provider_omics.local.executors.manifest import manifest_entries

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.executors.base import RunReport
    from airflow_provider_omics.local.records import Run, Workflow

log = logging.getLogger(__name__)

_SECONDS_TO_END = 10


class CwlExecutor:
    """Runs a workflow's definition with cwltool, each run in a process group of its own.

    :param state: has the S3 and the logs that runs use; when a run of its has ended, the manifest is written.
    :param workers: most runs at a time, at least 1; others wait. None: one for each CPU.
    """

    def __init__(self, state: AccountState, *, workers: int | None = None) -> None:
        self._state = state
        self._workers = workers or os.cpu_count() or 1
        self._processes = EngineProcesses()
        self._waiting: queue.SimpleQueue[CwlRun | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._runs: dict[str, CwlRun] = {}
        state.run_observers.append(self._run_changed)

    def prepare(self) -> None:
        """Load cwltool now, in the background, so that the first run need not wait for it."""
        self._processes.prepare()

    def launch(self, run: Run, workflow: Workflow, report: RunReport) -> None:
        """Queue a run; a thread takes it up as soon as one is free."""
        carried = CwlRun(run, workflow, report, self._state)
        with self._lock:
            self._runs[run.uuid] = carried
            if len(self._threads) < self._workers:
                thread = threading.Thread(target=self._work, name="omics-cwl", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._waiting.put(carried)

    def cancel(self, run: Run) -> None:
        """Kill a run's process group, or take it out of the queue."""
        carried = self._runs.get(run.uuid)
        if carried is not None:
            carried.cancel()

    def close(self) -> None:
        """Kill every run and end the threads and the fork server; do not hold the account's lock meanwhile."""
        with self._lock:
            threads, self._threads = self._threads, []
        for carried in list(self._runs.values()):
            carried.cancel()
        for _thread in threads:
            self._waiting.put(None)
        self._processes.close()
        for thread in threads:
            thread.join(_SECONDS_TO_END)

    def _work(self) -> None:
        while (carried := self._waiting.get()) is not None:
            try:
                carried.carry_out(self._processes)
            except Exception:
                # The other runs still need this thread.
                log.exception("Run %s could not be reported", carried.run.run_id)

    def _run_changed(self, run: Run, _previous: RunStatus | None) -> None:
        if run.uuid in self._runs and classify(RunStatus, run.status).is_final:
            carried = self._runs.pop(run.uuid)
            carried.logs.manifest(manifest_entries(run, carried.digests))
