"""Telling of the samples of a batch that failed while the others still run."""

from __future__ import annotations

from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.healthomics.api.service_errors import error_code
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot
from airflow_provider_omics.healthomics.results.outcome import cause_of
from airflow_provider_omics.healthomics.results.summary import some_failures
from airflow_provider_omics.healthomics.results.table import SampleResult, one_line

MOST_TOLD = 20
"""How many samples are told one by one; the counts tell of all."""

_LONGEST_CAUSE = 300


@dataclass
class FailureNews:
    """Finds the samples of a batch that have failed since it was last asked, and tells each once.

    Asks the service only when there are more failures than before, and no more once so many were told.
    """

    _counted: int = 0
    _told: set[str] = field(default_factory=set)

    def poll(self, batch: BatchSnapshot) -> Requests[list[str]]:
        """Return a line for each sample that failed lately (ListRunsInBatch, ListRuns, GetRun).

        What cannot be looked up is told at the end of the batch all the same, so that an error is no more than a line.
        """
        failed = batch.failed + batch.failed_submissions
        if failed <= self._counted or len(self._told) >= MOST_TOLD:
            return []
        self._counted = failed
        try:
            rows = yield from some_failures(batch, MOST_TOLD)
        except (ClientError, BotoCoreError) as error:
            return [f"Which samples failed could not be looked up now: {error_code(error)}"]
        new = [row for row in rows if row.run_setting_id not in self._told][: MOST_TOLD - len(self._told)]
        self._told.update(row.run_setting_id for row in new)
        lines = [_line(row) for row in new]
        if len(self._told) >= MOST_TOLD:
            lines.append(f"{MOST_TOLD} failed samples were told; further ones are only counted until the end.")
        return lines


def _line(row: SampleResult) -> str:
    run = f", run {row.run_id}" if row.run_id else ""
    advice = row.advice
    kind = f" [{advice.failure_class}; who can act: {advice.owner}]" if advice else ""
    return f"- {row.run_setting_id}{run}: {one_line(cause_of(row), _LONGEST_CAUSE)}{kind}"
