"""Links from a task to runs, logs and results in the AWS console; none where an endpoint is not AWS's own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

from airflow_provider_omics.compat import HAS_COHORT_PAGE
from airflow_provider_omics.healthomics.api.console import (
    engine_log_stream,
    log_stream_url,
    object_url,
    run_list_url,
    run_log_stream,
    run_url,
)
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.requests.identity import TaskIdentity
from airflow_provider_omics.healthomics.requests.s3_uris import parse_s3_uri
from airflow_provider_omics.healthomics.results.table import SampleStatus
from airflow_provider_omics.links.cohort_page import page_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context, TaskInstanceKey

    from airflow_provider_omics.healthomics.results.outcome import BatchOutcome
    from airflow_provider_omics.hooks.omics import OmicsHook


class OmicsLink(BaseOperatorLink):
    """A link that is stored, as a whole address, as soon as the run is known."""

    @property
    def xcom_key(self) -> str:
        """XCom key of the address; Airflow 3 reads it itself, Airflow 2 through :meth:`get_link`."""
        return f"_link_{type(self).__name__}"

    @abstractmethod
    def url(self, region: str, partition: str, key: str) -> str:
        """Return the address for the id of a run or a batch, or for a URI."""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the stored address, or nothing before a run is known."""
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""


class OmicsRunLink(OmicsLink):
    """The run's page in the HealthOmics console."""

    name = "HealthOmics run"

    def url(self, region: str, partition: str, key: str) -> str:
        return run_url(region, partition, key)


class OmicsRunLogLink(OmicsLink):
    """The run's log in CloudWatch."""

    name = "Run log"

    def url(self, region: str, partition: str, key: str) -> str:
        return log_stream_url(region, partition, run_log_stream(key))


class OmicsEngineLogLink(OmicsLink):
    """The log of the run's workflow engine in CloudWatch."""

    name = "Engine log"

    def url(self, region: str, partition: str, key: str) -> str:
        return log_stream_url(region, partition, engine_log_stream(key))


class OmicsRunListLink(OmicsLink):
    """The list of runs in the HealthOmics console, since the address of a batch's page is not publicly known."""

    name = "HealthOmics runs"

    def url(self, region: str, partition: str, key: str) -> str:
        return run_list_url(region, partition)


class OmicsResultsLink(OmicsLink):
    """The results table of a cohort in the S3 console."""

    name = "Results table"

    def url(self, region: str, partition: str, key: str) -> str:
        place = parse_s3_uri(key)
        return "" if place is None else object_url(region, partition, place.bucket, place.key)


class OmicsReportLink(OmicsResultsLink):
    """The report on a cohort, or on runs, in the S3 console."""

    name = "Report"


class OmicsFailedRunLogLink(OmicsLink):
    """The log in CloudWatch of the first run of a cohort that failed, in the order of the input."""

    name = "Log of the first failed run"

    def url(self, region: str, partition: str, key: str) -> str:
        return log_stream_url(region, partition, run_log_stream(key))


class OmicsCohortPageLink(OmicsLink):
    """The cohort's page in Airflow's own web server, from Airflow 3.1 on."""

    name = "Cohort page"

    def url(self, region: str, partition: str, key: str) -> str:
        return key


RUN_LINKS: tuple[OmicsLink, ...] = (OmicsRunLink(), OmicsRunLogLink(), OmicsEngineLogLink())
BATCH_LINKS: tuple[OmicsLink, ...] = (OmicsRunListLink(),)
BATCH_SENSOR_LINKS: tuple[OmicsLink, ...] = (*BATCH_LINKS, OmicsFailedRunLogLink())
# Where Airflow has no place for the page, the report says the same once the cohort has ended.
COHORT_LINKS: tuple[OmicsLink, ...] = (
    *((OmicsCohortPageLink(),) if HAS_COHORT_PAGE else ()),
    *BATCH_SENSOR_LINKS,
    OmicsResultsLink(),
    OmicsReportLink(),
)
ANALYSIS_LINKS: tuple[OmicsLink, ...] = (OmicsResultsLink(), OmicsReportLink())


def store_run_links(context: Context, operator: BaseOperator, hook: OmicsHook, run_id: str) -> None:
    """Store the addresses of a run's pages, so that they are there while the task waits and after it failed.

    Best effort: a run that was started must not be lost for a link.
    """
    _store([(link, run_id) for link in RUN_LINKS], context, operator, hook, f"run {run_id}")


def store_batch_links(context: Context, operator: BaseOperator, hook: OmicsHook, batch_id: str) -> None:
    """Store the address of the list of runs for a batch; best effort, as for runs."""
    _store([(link, batch_id) for link in BATCH_LINKS], context, operator, hook, f"batch {batch_id}")


def store_page_link(context: Context, operator: BaseOperator) -> None:
    """Store the address of the cohort's page in Airflow, where there is such a page; best effort, as for runs."""
    if not HAS_COHORT_PAGE:
        return
    try:
        ti = context["ti"]
        ti.xcom_push(key=OmicsCohortPageLink().xcom_key, value=page_path(TaskIdentity.of(ti)))
    except Exception as error:
        operator.log.warning("%s", entry("The link to the cohort's page could not be stored: %s", error))


def store_outcome_links(context: Context, operator: BaseOperator, hook: OmicsHook, outcome: BatchOutcome) -> None:
    """Store the addresses of a batch's results table and of its first failed run's log; best effort, as for runs."""
    keys: list[tuple[OmicsLink, str]] = []
    if outcome.results_uri is not None:
        keys.append((OmicsResultsLink(), outcome.results_uri))
    if outcome.report_uri is not None:
        keys.append((OmicsReportLink(), outcome.report_uri))
    failed = next((row.run_id for row in outcome.failures if row.end is SampleStatus.FAILED and row.run_id), None)
    if failed is not None:
        keys.append((OmicsFailedRunLogLink(), failed))
    _store(keys, context, operator, hook, f"batch {outcome.batch_id}")


def store_analysis_links(
    context: Context, operator: BaseOperator, hook: OmicsHook, results_uri: str, report_uri: str | None
) -> None:
    """Store the addresses of an analysis's table and report; best effort, as for runs."""
    keys: list[tuple[OmicsLink, str]] = [(OmicsResultsLink(), results_uri)]
    if report_uri is not None:
        keys.append((OmicsReportLink(), report_uri))
    _store(keys, context, operator, hook, "runs")


def _store(
    keys: Iterable[tuple[OmicsLink, str]], context: Context, operator: BaseOperator, hook: OmicsHook, label: str
) -> None:
    try:
        if not hook.has_console:
            return
        region, partition = hook.conn_region_name, hook.conn_partition
        for link, key in keys:
            context["ti"].xcom_push(key=link.xcom_key, value=link.url(region, partition, key))
    except Exception as error:
        operator.log.warning("%s", entry("The links of HealthOmics %s could not be stored: %s", label, error))
