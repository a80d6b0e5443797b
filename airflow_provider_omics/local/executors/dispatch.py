"""The executor that runs what it can and simulates the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_omics.local.executors.cwl_run import is_runnable
from airflow_provider_omics.local.executors.run_logs import RunLogs

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.executors.base import Executor, RunReport
    from airflow_provider_omics.local.records import Run, Workflow


class AutoExecutor:
    """Really runs CWL workflows that have a definition, and simulates every other run, as its log says.

    :param real: takes the CWL workflows.
    :param simulated: takes WDL, Nextflow and Ready2Run workflows.
    """

    def __init__(self, state: AccountState, real: Executor, simulated: Executor) -> None:
        self._real = real
        self._simulated = simulated
        self._state = state

    def prepare(self) -> None:
        """Load in the background what the first run needs."""
        self._real.prepare()
        self._simulated.prepare()

    def launch(self, run: Run, workflow: Workflow, report: RunReport) -> None:
        """Begin a run in the executor that it is for."""
        if is_runnable(workflow):
            self._real.launch(run, workflow, report)
            return
        RunLogs(self._state, run).run_line(
            f"This run is simulated: the local server runs CWL only, and the workflow is {workflow.engine}"
            f" ({workflow.workflow_type})"
        )
        self._simulated.launch(run, workflow, report)

    def cancel(self, run: Run) -> None:
        """Stop a run, whoever carries it out."""
        self._real.cancel(run)
        self._simulated.cancel(run)

    def close(self) -> None:
        """Stop everything."""
        self._real.close()
        self._simulated.close()
