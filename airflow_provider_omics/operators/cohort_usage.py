"""Use and cost of a cohort's runs, looked up at its end for the results table and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.discovery.checkpoint import CohortCheckpoint
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.results.collection import note_hits
from airflow_provider_omics.healthomics.results.redrive import Redrive
from airflow_provider_omics.healthomics.results.table import ResultsTable
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.jobs.cohort_job import CohortJob
from airflow_provider_omics.jobs.price_source import prices_or_none
from airflow_provider_omics.jobs.run_usage import usage_retrying
from airflow_provider_omics.jobs.usage_collector import UsageCollector
from airflow_provider_omics.operators.cohort_input import OmicsCohortInputOperator
from airflow_provider_omics.usage.choice import UsageMode
from airflow_provider_omics.usage.columns import USAGE_COLUMNS, describe, totals
from airflow_provider_omics.usage.pricing import PriceBook
from airflow_provider_omics.usage.records import RunRecord

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class OmicsCohortUsageOperator(OmicsCohortInputOperator):
    """Base of the operator that runs a cohort: what its runs used and cost.

    The parameters are described in
    :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`.
    """

    def __init__(
        self,
        *,
        usage_sample_size: int | str = 100,
        usage_calls_limit: int | str = 10_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.usage_sample_size: int = as_read(usage_sample_size)
        self.usage_calls_limit: int = as_read(usage_calls_limit)

    def affordable(self, context: Context, members: Mapping[str, Any], redrive: Redrive) -> Redrive:
        """Return a redrive, or one of no samples where it is estimated to cost too much, which is logged.

        :param members: of DefaultRunSetting.
        """
        if not redrive.samples:
            return redrive
        try:
            self.prove_cost(context, "StartRunBatch", members, len(redrive.samples))
        except OmicsRequestInvalidError as error:
            self.log.warning("%s", entry("What did not complete is not run again: %s", error))
            return replace(redrive, samples=frozenset())
        return redrive

    def note_tasks(self, run: RunRecord) -> None:
        """Do what there is to do with a run whose tasks were read."""

    def write_results(
        self, job: CohortJob, checkpoint: CohortCheckpoint, table: ResultsTable, hits_limit: int
    ) -> tuple[str, str, Mapping[str, Any]]:
        """Write the results table with what runs used and cost, and with their cache hits.

        :param hits_limit: of how many samples cache hits are counted.
        :return: where it is as CSV and as JSONL, and the sums for the summary.
        """
        if UsageMode(self.usage) is UsageMode.OFF:
            self._count_hits(job, table, hits_limit)
            return (*job.collector.write(table, checkpoint), {})
        # Looking up takes long, and a kill in the middle is to leave a table.
        job.collector.write(table, checkpoint)
        usage = self._add_usage(job, checkpoint, table, hits_limit)
        self._count_hits(job, table, hits_limit)
        return (*job.collector.write(table, checkpoint), usage)

    def _count_hits(self, job: CohortJob, table: ResultsTable, limit: int) -> None:
        if limit:
            job.collector.count_cache_hits(table, limit)

    def _add_usage(
        self, job: CohortJob, checkpoint: CohortCheckpoint, table: ResultsTable, hits_limit: int
    ) -> Mapping[str, Any]:
        """Add what runs used and cost to the table, and return the sums; empty where that failed, which is logged."""
        retrying = usage_retrying(self.retrying)
        collector = UsageCollector(self.hook, self.log, retrying, self.usage_calls_limit, self.note_tasks)
        try:
            return self._gathered(checkpoint, table, collector, hits_limit)
        except Exception as error:
            if retrying.is_killed:
                self.retrying.is_killed = True
                raise
            self.log.warning("%s", entry("What the samples used and cost could not be looked up: %s", error))
            return {}

    def _gathered(
        self, checkpoint: CohortCheckpoint, table: ResultsTable, collector: UsageCollector, hits_limit: int
    ) -> Mapping[str, Any]:
        mode = UsageMode(self.usage)
        prices = prices_or_none(self.hook, self.price_file, "StartRunBatch", self.log) or PriceBook((), "")
        samples = [row.run_setting_id for row in table.rows()]
        uses = collector.collect(checkpoint, samples, mode, self.usage_sample_size)
        table.add_columns(USAGE_COLUMNS, {sample: use.values(prices) for sample, use in uses.items()})
        if hits_limit:
            note_hits(table, {use.run_id: use.cache_hits for each in uses.values() for use in each.runs})
        summed = {"usage": mode.value, **totals(list(uses.values()), prices)}
        self.log.info("%s", entry(describe(summed, len(samples))))
        return summed
