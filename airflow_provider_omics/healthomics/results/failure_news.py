"""Progress messages about samples of a batch that failed while the others still run."""

from __future__ import annotations

from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from airflow_provider_omics.healthomics.api.calls import Requests, failed_operation
from airflow_provider_omics.healthomics.api.service_errors import explain
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot
from airflow_provider_omics.healthomics.results.outcome import cause_of
from airflow_provider_omics.healthomics.results.summary import sample_failures
from airflow_provider_omics.healthomics.results.table import SampleResult, one_line

MAX_NEWS = 20
"""How many samples get a message of their own; the counts cover all."""

_MAX_CAUSE = 300


@dataclass
class FailureNews:
    """Reports each sample of a batch once that has failed since the last poll.

    Asks the service only when there are more failures than before, and no more once :data:`MAX_NEWS` were reported.
    """

    _counted: int = 0
    _reported: set[str] = field(default_factory=set)

    def poll(self, batch: BatchSnapshot) -> Requests[list[str]]:
        """Return a line for each sample that failed lately (ListRunsInBatch, ListRuns, GetRun).

        What cannot be looked up is reported at the end of the batch, so that an error is no more than a line.
        """
        failed = batch.failed + batch.failed_submissions
        if failed <= self._counted or len(self._reported) >= MAX_NEWS:
            return []
        self._counted = failed
        try:
            rows = yield from sample_failures(batch, MAX_NEWS)
        except (ClientError, BotoCoreError) as error:
            why = explain(error, failed_operation(error) or "ListRunsInBatch", batch.label).describe()
            return [f"Which samples failed could not be looked up now: {one_line(why, _MAX_CAUSE)}"]
        new = [row for row in rows if row.run_setting_id not in self._reported][: MAX_NEWS - len(self._reported)]
        self._reported.update(row.run_setting_id for row in new)
        lines = [_line(row) for row in new]
        if len(self._reported) >= MAX_NEWS:
            lines.append(f"{MAX_NEWS} failed samples were told; further ones are only counted until the end.")
        return lines


def _line(row: SampleResult) -> str:
    run = f", run {row.run_id}" if row.run_id else ""
    advice = row.advice
    kind = f" [{advice.failure_class}; who can act: {advice.owner}]" if advice else ""
    return f"- {row.run_setting_id}{run}: {one_line(cause_of(row), _MAX_CAUSE)}{kind}"
