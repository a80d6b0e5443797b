"""The executor that runs what it can and simulates the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_provider_omics.local.executors.engines import ENGINES, is_runnable

if TYPE_CHECKING:
    from airflow_provider_omics.local.executors.base import Executor, RunReport
    from airflow_provider_omics.local.executors.simulated import SimulatedExecutor
    from airflow_provider_omics.local.records import Run, Workflow


class AutoExecutor:
    """Really runs workflows that have a definition and an engine, and simulates every other run, as its log says.

    :param real: takes the workflows of the engines.
    :param simulated: takes all others, Ready2Run workflows among them.
    :param engines: the API's names of the engines that are installed.
    """

    def __init__(self, real: Executor, simulated: SimulatedExecutor, engines: Sequence[str]) -> None:
        self._engines = engines
        self._real = real
        self._simulated = simulated

    def prepare(self) -> None:
        """Load in the background what the first run needs."""
        self._real.prepare()
        self._simulated.prepare()

    def launch(self, run: Run, workflow: Workflow, report: RunReport) -> None:
        """Begin a run in the executor that it is for."""
        if is_runnable(workflow, self._engines):
            self._real.launch(run, workflow, report)
            return
        self._simulated.launch(run, workflow, report, reason=f"This run is simulated: {self._why(workflow)}")

    def _why(self, workflow: Workflow) -> str:
        engine = ENGINES.get(workflow.engine)
        if engine is not None and engine.extra and workflow.engine not in self._engines:
            return (
                f"the workflow is {workflow.engine}, and {engine.tool} is not installed; install "
                f"'airflow-provider-omics[{engine.extra}]' to really run it"
            )
        kind = f"{workflow.engine} ({workflow.workflow_type})"
        languages = " and ".join(name for name in self._engines if not name.endswith("_LENIENT"))
        return f"the local server runs {languages} only, and the workflow is {kind}"

    def cancel(self, run: Run) -> bool:
        """Stop a run, whoever carries it out; only what really runs takes a while to stop."""
        self._simulated.cancel(run)
        return self._real.cancel(run)

    def close(self) -> None:
        """Stop everything."""
        self._real.close()
        self._simulated.close()
