"""Report on a cohort as one HTML page, written beside its results table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.console import run_url
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.discovery.checkpoint import CohortCheckpoint
from airflow_provider_omics.healthomics.results.table import ResultsTable
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.jobs.cohort_job import CohortJob
from airflow_provider_omics.jobs.run_usage import usage_retrying
from airflow_provider_omics.jobs.workflow_engines import WorkflowEngines
from airflow_provider_omics.operators.cohort_lineage import OmicsCohortLineageOperator
from airflow_provider_omics.report.model import Report, ReportSample, RunDetails
from airflow_provider_omics.report.page import CONTENT_TYPE, render
from airflow_provider_omics.usage.analysis import RunAnalysis
from airflow_provider_omics.usage.records import RunRecord

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_omics.hooks.omics import OmicsHook

_HEADROOM = 0.2


class OmicsCohortReportOperator(OmicsCohortLineageOperator):
    """Base of the operator that runs a cohort: the report on it.

    The parameters are described in
    :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`.
    """

    def __init__(self, *, report: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report: bool = as_read(report)

    def note_tasks(self, run: RunRecord) -> None:
        """Take a run into the report whose tasks were read."""
        if self.report:
            self._details.add(replace(run, engine=self._engines.of(run)))

    def add_report(
        self,
        context: Context,
        job: CohortJob,
        checkpoint: CohortCheckpoint,
        table: ResultsTable,
        usage: Mapping[str, Any],
    ) -> str | None:
        """Write the report, and return where it is.

        :param usage: sums of use and cost; empty if nothing was looked up.
        :return: None where none is wanted, or it could not be written, which is logged.
        """
        if not self.report:
            return None
        place, retrying = checkpoint.results_place, usage_retrying(self.retrying)
        try:
            report = Report(
                title=title_of(context),
                facts=[*task_facts(context, self.hook), *self._facts(job, checkpoint)],
                samples=[ReportSample.of_row(row) for row in table.rows()],
                details=self._details if self._details.analysis.runs else None,
                headroom=_HEADROOM,
                totals=usage,
                table_uri=f"{place}.csv",
                run_url=console_of(self.hook),
            )
            retrying(lambda: self.hook.storage.write(f"{place}.html", [render(report)], CONTENT_TYPE))
        except Exception as error:
            if retrying.is_killed:
                self.retrying.is_killed = True
                raise
            self.log.warning("%s", entry("The report on the cohort could not be written: %s", error))
            return None
        self.log.info("The report on the cohort is in\n  %s.html", place)
        return f"{place}.html"

    def _facts(self, job: CohortJob, checkpoint: CohortCheckpoint) -> Iterator[tuple[str, str]]:
        defaults = job.request["defaultRunSetting"]
        version = defaults.get("workflowVersionName")
        yield "Workflow", f"{defaults.get('workflowId')}" + (f", version {version}" if version else "")
        yield "Batches", ", ".join(batch.batch_id for batch in checkpoint.batches)

    @cached_property
    def _details(self) -> RunDetails:
        return RunDetails(RunAnalysis(_HEADROOM))

    @cached_property
    def _engines(self) -> WorkflowEngines:
        return WorkflowEngines(self.hook.send_requests, self.log)


def title_of(context: Context) -> str:
    """Return the title of a task's report: its DAG and its own id."""
    return f"{context['ti'].dag_id}: {context['ti'].task_id}"


def task_facts(context: Context, hook: OmicsHook) -> Iterator[tuple[str, str]]:
    """Yield what the head of a report says of the task that wrote it."""
    ti: Any = context["ti"]
    yield "DAG run", ti.run_id
    if ti.map_index >= 0:
        yield "Map index", str(ti.map_index)
    yield "Region", hook.conn_region_name or "unknown"


def console_of(hook: OmicsHook) -> Callable[[str], str] | None:
    """Return what gives the console's page of a run; None where there is no console."""
    if not hook.has_console:
        return None
    region, partition = hook.conn_region_name, hook.conn_partition
    return lambda run_id: run_url(region, partition, run_id)
