"""Links from a task to the run and its logs in the AWS console."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

from airflow_provider_omics.healthomics.console import (
    engine_log_stream,
    log_stream_url,
    run_list_url,
    run_log_stream,
    run_url,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context, TaskInstanceKey

    from airflow_provider_omics.hooks.omics import OmicsHook


class OmicsLink(BaseOperatorLink):
    """A link that is stored, as a whole address, as soon as the run is known."""

    @property
    def xcom_key(self) -> str:
        """XCom key of the address; Airflow 3 reads it itself, Airflow 2 through :meth:`get_link`."""
        return f"_link_{type(self).__name__}"

    @abstractmethod
    def url(self, region: str, partition: str, run_id: str) -> str:
        """Return the address for a run."""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the stored address, or nothing before a run is known."""
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""


class OmicsRunLink(OmicsLink):
    """The run's page in the HealthOmics console."""

    name = "HealthOmics run"

    def url(self, region: str, partition: str, run_id: str) -> str:
        return run_url(region, partition, run_id)


class OmicsRunLogLink(OmicsLink):
    """The run's log in CloudWatch."""

    name = "Run log"

    def url(self, region: str, partition: str, run_id: str) -> str:
        return log_stream_url(region, partition, run_log_stream(run_id))


class OmicsEngineLogLink(OmicsLink):
    """The log of the run's workflow engine in CloudWatch."""

    name = "Engine log"

    def url(self, region: str, partition: str, run_id: str) -> str:
        return log_stream_url(region, partition, engine_log_stream(run_id))


class OmicsRunListLink(OmicsLink):
    """The list of runs in the HealthOmics console, since the address of a batch's page is not publicly known."""

    name = "HealthOmics runs"

    def url(self, region: str, partition: str, run_id: str) -> str:
        return run_list_url(region, partition)


RUN_LINKS: tuple[OmicsLink, ...] = (OmicsRunLink(), OmicsRunLogLink(), OmicsEngineLogLink())
BATCH_LINKS: tuple[OmicsLink, ...] = (OmicsRunListLink(),)


def store_run_links(context: Context, operator: BaseOperator, hook: OmicsHook, run_id: str) -> None:
    """Store the addresses of a run's pages, so that they are there while the task waits and after it failed.

    Best effort: a run that was started must not be lost for a link.
    """
    _store(RUN_LINKS, context, operator, hook, f"run {run_id}", run_id)


def store_batch_links(context: Context, operator: BaseOperator, hook: OmicsHook, batch_id: str) -> None:
    """Store the address of the list of runs for a batch; best effort, as for runs."""
    _store(BATCH_LINKS, context, operator, hook, f"batch {batch_id}", batch_id)


def _store(
    links: tuple[OmicsLink, ...], context: Context, operator: BaseOperator, hook: OmicsHook, label: str, key: str
) -> None:
    try:
        region, partition = hook.conn_region_name, hook.conn_partition
        for link in links:
            context["ti"].xcom_push(key=link.xcom_key, value=link.url(region, partition, key))
    except Exception as error:
        operator.log.warning("The links of HealthOmics %s could not be stored: %s", label, error)
