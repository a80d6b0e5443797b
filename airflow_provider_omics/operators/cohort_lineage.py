"""Lineage of a cohort, for OpenLineage: its samples' own datasets, or of a large cohort the tables that name them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.discovery.checkpoint import CohortCheckpoint
from airflow_provider_omics.healthomics.results.outcome import BatchOutcome
from airflow_provider_omics.healthomics.results.table import ResultsTable
from airflow_provider_omics.healthomics.run_settings.cohort import entries
from airflow_provider_omics.jobs.result_collector import cohort_uri
from airflow_provider_omics.lineage.datasets import Datasets
from airflow_provider_omics.lineage.lineage import Lineage
from airflow_provider_omics.operators.cohort_usage import OmicsCohortUsageOperator
from airflow_provider_omics.operators.lineage import MOST_SAMPLES


class OmicsCohortLineageOperator(OmicsCohortUsageOperator):
    """Base of the operator that runs a cohort: what OpenLineage is told of it.

    The parameters are described in
    :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`.
    """

    def note_arguments(self, inputs: Datasets) -> None:
        """Note the file of the samples, or the inputs of a short list, and those that all samples share."""
        for uri in (self.run_settings, self.parameters):
            inputs.add(uri)
        inputs.note_inputs(self.parameters)
        if isinstance(self.run_settings, (list, tuple)) and len(self.run_settings) <= MOST_SAMPLES:
            for setting in self.run_settings:
                if isinstance(setting, Mapping):
                    inputs.note_inputs(setting.get("parameters", setting))

    def note_cohort_lineage(
        self, members: Mapping[str, Any], checkpoint: CohortCheckpoint, table: ResultsTable, outcome: BatchOutcome
    ) -> None:
        """Note what the samples of a cohort that has ended have read and written; best effort.

        A GetRun for the digest of the workflow, and one object in S3 for each of at most 50 samples.

        :param members: of DefaultRunSetting.
        """
        try:
            lineage = self.new_lineage()
            if lineage is not None:
                lineage.note_workflow(members)
                lineage.note_cohort(outcome)
                if not outcome.succeeded:
                    counts = outcome.counts
                    lineage.problem = f"{counts.incomplete:,} of {counts.total:,} samples did not complete"
                self._note_samples(lineage, checkpoint, table)
        except Exception as error:
            self.log.warning("%s", entry("The lineage of the cohort is not complete: %s", error))

    def _note_samples(self, lineage: Lineage, checkpoint: CohortCheckpoint, table: ResultsTable) -> None:
        rows = list(islice(table.rows(), MOST_SAMPLES + 1))
        known = next((row for row in rows if row.run_id is not None), None)
        if known is not None:
            self.note_details(lineage, known.run_id, known.uuid)
        if len(rows) > MOST_SAMPLES:
            lineage.inputs.add(cohort_uri(checkpoint))
            return
        with self.hook.storage.open(cohort_uri(checkpoint)) as stream:
            for setting in entries(stream):
                lineage.inputs.note_inputs(setting.get("parameters"))
        self.note_outputs(lineage, [row.output_uri for row in rows if row.completed])
