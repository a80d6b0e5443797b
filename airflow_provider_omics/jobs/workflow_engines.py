"""Engines of the workflows of runs, by which their tasks are named."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.usage.lookup import read_engine
from airflow_provider_omics.usage.records import RunRecord


class WorkflowEngines:
    """Engines of the workflows of runs that do not tell theirs, each workflow looked up once (GetWorkflow).

    :param ask: makes the requests about what the text after them names.
    """

    def __init__(self, ask: Callable[[Requests[str | None], str], str | None], log: Log) -> None:
        self._ask = ask
        self._log = log
        self._known: dict[str, str | None] = {}

    def of(self, run: RunRecord) -> str | None:
        """Return the engine of a run; None where it cannot be looked up, which is logged."""
        if run.engine is not None or run.workflow is None:
            return run.engine
        if run.workflow not in self._known:
            self._known[run.workflow] = self._read(run.workflow, run.workflow_type)
        return self._known[run.workflow]

    def _read(self, workflow: str, workflow_type: str | None) -> str | None:
        workflow_id = workflow.rpartition("/")[2]
        try:
            return self._ask(read_engine(workflow_id, workflow_type), f"workflow {workflow_id}")
        except OmicsServiceError as error:
            text = "The language of workflow %s is not known, and its tasks get no snippets: %s"
            self._log.warning("%s", entry(text, workflow, error))
            return None
