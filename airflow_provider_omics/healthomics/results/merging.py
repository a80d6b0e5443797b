"""The merge of one batch into the results table: its rows, and which rows of earlier batches stay."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Mapping
from typing import Any

from airflow_provider_omics.healthomics.api import failures
from airflow_provider_omics.healthomics.api.failures import FailureAdvice, advise_batch, advise_submission
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, Phase, SubmissionStatus, classify
from airflow_provider_omics.healthomics.results.table import (
    NOT_STARTED,
    NOT_SUBMITTED,
    UNKNOWN,
    ResultsTable,
    SampleResult,
    one_line,
)


class BatchMerge:
    """The merge of one batch into a results table.

    The batches of a cohort are merged oldest first, and may be merged again in any order. A sample that completed stays
    as it is, whatever a later batch says. Otherwise a later batch replaces the sample's row as soon as it tried to
    submit the sample, and leaves it alone if it did not: what the earlier batch says is then still what the sample
    came to.

    :param batch_id: the batch.
    :param unchanged_ids: ids of the samples that the batch was given with the settings that they have now; None for
        all. The batch has no say about others.
    :param status: the batch's status as GetBatch last showed it; None if nobody can tell.
    :param failure_reason: ``failureReason`` of GetBatch.
    """

    def __init__(
        self,
        table: ResultsTable,
        batch_id: str,
        *,
        unchanged_ids: Container[str] | None = None,
        status: str | None = None,
        failure_reason: str | None = None,
    ) -> None:
        self._table = table
        self._batch_id = batch_id
        self._order = table.order_of(batch_id)
        self._unchanged_ids = unchanged_ids
        self._runs_deleted = classify(BatchStatus, status) is Phase.DELETED
        self._unsubmitted = _why_not_submitted(batch_id, status, failure_reason)
        # None for an id that two samples of the batch had one after the other: only GetRun tells whose it is now.
        self._by_run: dict[str, SampleResult | None] = {}
        for row in self._owned_rows():
            if row.batch_id in (None, batch_id) and row.submission_status == NOT_SUBMITTED:
                self._mark_unsubmitted(row)

    @property
    def has_runs(self) -> bool:
        """Whether the batch was seen to have started a run of the cohort."""
        return bool(self._by_run)

    def add_submissions(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Add submissions.

        :param items: ``runs`` of a page of ListRunsInBatch, in any order.
        """
        for item in items:
            row = self._table.get(item.get("runSettingId"))
            if row is not None and self._owns(row):
                self._add_submission(row, item)

    def add_runs(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Add runs, once all submissions were added.

        :param items: ``items`` of a page of ListRuns with this ``batchId``, in any order.
        """
        for item in items:
            row = self._by_run.get(item.get("id") or "")
            if row is not None and not row.completed and item.get("batchId") in (None, self._batch_id):
                self._table.apply_run(row, item)

    def finish(self) -> None:
        """Finish the merge: mark runs that were not listed as deleted, where the batch says so."""
        for row in self._table.active(self._batch_id):
            if row.run_status == UNKNOWN and self._is_deleted(row):
                row.mark_deleted()

    def mark_lost(self) -> None:
        """Mark the batch as lost, so that nothing can be proved of samples that it was not seen to submit."""
        message = f"Batch {self._batch_id} does not exist any more, so what became of the sample cannot be told"
        for row in self._owned_rows():
            if row.batch_id != self._batch_id or row.submission_status == NOT_SUBMITTED:
                lost = self._new_row(row, run_status=UNKNOWN, advice=failures.UNPROVED)
                lost.failure_message = message
                self._table.replace(lost)

    def _owned_rows(self) -> list[SampleResult]:
        return [row for row in self._table.rows() if self._owns(row)]

    def _owns(self, row: SampleResult) -> bool:
        is_given = self._unchanged_ids is None or row.run_setting_id in self._unchanged_ids
        is_newest = row.batch_id is None or self._table.order_of(row.batch_id) <= self._order
        return is_given and is_newest and not row.completed

    def _add_submission(self, row: SampleResult, item: Mapping[str, Any]) -> None:
        status, run_id = item.get("submissionStatus"), item.get("runId") or None
        if status is None and run_id is None:
            if row.submission_status == NOT_SUBMITTED:
                self._mark_unsubmitted(row)
            return
        known = row.batch_id == self._batch_id and row.run_id == run_id is not None
        added = row if known else self._new_row(row, UNKNOWN, failures.UNPROVED)
        added.submission_status = sys.intern(status) if status else None
        added.submission_failure_reason = item.get("submissionFailureReason")
        added.uuid = item.get("runInternalUuid") or added.uuid
        added.arn = item.get("runArn") or added.arn
        added.run_id = run_id
        if not known:
            self._settle_submission(added, item.get("submissionFailureMessage"))
            self._table.replace(added)
        if run_id is not None:
            self._by_run[run_id] = added if self._by_run.get(run_id, added) is added else None

    def _settle_submission(self, row: SampleResult, message: str | None) -> None:
        if row.submission_status == SubmissionStatus.FAILED:
            row.run_status, row.advice = NOT_STARTED, advise_submission(row.submission_failure_reason)
            row.failure_message = one_line(message)
        elif row.run_id is None and row.submission_status == SubmissionStatus.CANCEL_SUCCESS:
            row.run_status, row.advice = NOT_STARTED, failures.CANCELLED
            row.failure_message = _cancelled(self._batch_id)
        elif row.run_id is None and self._is_deleted(row):
            row.mark_deleted()

    def _is_deleted(self, row: SampleResult) -> bool:
        return self._runs_deleted or row.submission_status == SubmissionStatus.DELETE_SUCCESS

    def _mark_unsubmitted(self, row: SampleResult) -> None:
        row.batch_id = self._batch_id
        row.advice, row.failure_message = self._unsubmitted

    def _new_row(self, row: SampleResult, run_status: str, advice: FailureAdvice) -> SampleResult:
        return SampleResult(
            row.run_setting_id,
            row.output_place,
            self._batch_id,
            submission_status=None,
            run_status=run_status,
            advice=advice,
        )


def _why_not_submitted(batch_id: str, status: str | None, reason: str | None) -> tuple[FailureAdvice, str]:
    if status == BatchStatus.FAILED:
        message = one_line(f"Batch {batch_id} failed: {reason or 'without a reason'}")
        return advise_batch(reason), message or ""
    if status in (BatchStatus.CANCELLED, BatchStatus.STOPPING) or classify(BatchStatus, status) is Phase.DELETED:
        return failures.CANCELLED, _cancelled(batch_id)
    return failures.NOT_SUBMITTED, f"Batch {batch_id} ({status or 'status unknown'}) shows no submission of the sample"


def _cancelled(batch_id: str) -> str:
    return f"Batch {batch_id} was cancelled before the sample was submitted"
