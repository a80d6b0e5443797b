"""Use and cost of a cohort's runs, looked up at its end for the results table and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.discovery.checkpoint import CohortCheckpoint
from airflow_provider_omics.healthomics.results.table import ResultsTable
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.jobs.cohort_job import CohortJob
from airflow_provider_omics.jobs.price_source import price_book
from airflow_provider_omics.jobs.usage_collector import UsageCollector
from airflow_provider_omics.operators.cohort_input import OmicsCohortInputOperator
from airflow_provider_omics.usage.choice import UsageMode
from airflow_provider_omics.usage.columns import USAGE_COLUMNS, describe, totals
from airflow_provider_omics.usage.pricing import PriceBook

# The work is done and paid for; what it cost is not worth a task that waits for long.
_MOST_BUDGET = 300.0


class OmicsCohortUsageOperator(OmicsCohortInputOperator):
    """Base of the operator that runs a cohort: what its runs used and cost.

    The parameters are described in
    :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`.
    """

    def __init__(
        self,
        *,
        usage: str = "off",
        usage_sample_size: int | str = 100,
        usage_calls_limit: int | str = 10_000,
        price_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.usage = usage
        self.usage_sample_size: int = as_read(usage_sample_size)
        self.usage_calls_limit: int = as_read(usage_calls_limit)
        self.price_file = price_file

    def prove_prices(self) -> None:
        """Refuse a price file that is none, before anything is submitted."""
        if self.usage != UsageMode.OFF and self.price_file is not None:
            price_book(self.hook, self.price_file, "StartRunBatch")

    def add_usage(self, job: CohortJob, checkpoint: CohortCheckpoint, table: ResultsTable) -> Mapping[str, Any]:
        """Look up what runs used and cost, write it to the results table, and return the sums for the summary.

        :return: empty where nothing was looked up, or that failed, which is logged.
        """
        mode = UsageMode(self.usage)
        if mode is UsageMode.OFF:
            return {}
        retrying = replace(
            self.retrying, only_transient=True, error_budget=min(self.retrying.error_budget, _MOST_BUDGET)
        )
        try:
            return self._gathered(
                job, checkpoint, table, UsageCollector(self.hook, self.log, retrying, self.usage_calls_limit)
            )
        except Exception as error:
            if retrying.is_killed:
                self.retrying.is_killed = True
                raise
            self.log.warning("%s", entry("What the samples used and cost could not be looked up: %s", error))
            return {}

    def _gathered(
        self, job: CohortJob, checkpoint: CohortCheckpoint, table: ResultsTable, collector: UsageCollector
    ) -> Mapping[str, Any]:
        mode, prices = UsageMode(self.usage), self._prices()
        samples = [row.run_setting_id for row in table.rows()]
        uses = collector.collect(checkpoint, samples, mode, self.usage_sample_size)
        table.add_columns(USAGE_COLUMNS, {sample: use.values(prices) for sample, use in uses.items()})
        job.collector.write(table, checkpoint)
        summed = {"usage": mode.value, **totals(list(uses.values()), prices)}
        self.log.info("%s", entry(describe(summed, len(samples))))
        return summed

    def _prices(self) -> PriceBook:
        try:
            return price_book(self.hook, self.price_file, "StartRunBatch")
        except Exception as error:
            self.log.warning("%s", entry("Costs are unknown, since the prices could not be read: %s", error))
            return PriceBook((), "")
