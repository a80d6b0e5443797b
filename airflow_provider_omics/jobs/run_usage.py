"""Use and cost of one run that has ended, for the task that has waited for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.jobs.price_source import prices_or_none
from airflow_provider_omics.jobs.use_reader import RunUseReader
from airflow_provider_omics.usage.choice import UsageMode
from airflow_provider_omics.usage.columns import SampleUse, describe_use
from airflow_provider_omics.usage.pricing import PriceBook

# The work is done and paid for; what it cost is not worth a task that waits for long.
_MOST_BUDGET = 300.0


def run_usage(
    reader: RunUseReader, run: RunSnapshot, mode: UsageMode, price_file: str | None, operation: str
) -> dict[str, Any] | None:
    """Look up what a run used and cost, and log it (GetRun, ListRunTasks; GetLogEvents with dynamic storage).

    Nothing is raised: how the run has ended is known.

    :param price_file: a path or an ``s3://`` URI; None for the Price List Service.
    :param operation: the API operation that the task is about.
    :return: by the names of the columns of a results table; None where nothing was looked up, or that failed.
    """
    wanted = mode is not UsageMode.OFF and (mode is not UsageMode.FAILED or run.phase is not Phase.SUCCEEDED)
    if not wanted or run.phase is Phase.DELETED:
        return None
    try:
        record = reader.run(run.run_id)
        if record is None or (run.uuid is not None and record.uuid != run.uuid):
            # Its id may be another run's by now.
            reader.log.warning("What %s used and cost is unknown, since it is gone", run.label)
            return None
        use = SampleUse((reader.read(record),))
        prices = prices_or_none(reader.hook, price_file, operation, reader.log) or PriceBook((), "")
    except Exception as error:
        reader.log.warning("%s", entry("What %s used and cost could not be looked up: %s", run.label, error))
        return None
    found = use.to_json(prices)
    reader.log.info("%s", entry(describe_use(f"HealthOmics {run.label}", found)))
    return found


def usage_retrying(retrying: Retrying) -> Retrying:
    """Return what makes calls again, for a shorter time, where it is only use that is looked up."""
    return replace(retrying, only_transient=True, error_budget=min(retrying.error_budget, _MOST_BUDGET))
