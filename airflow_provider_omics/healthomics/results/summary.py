"""The outcome of a batch from its counters and a few more calls, without a results table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Request, Requests
from airflow_provider_omics.healthomics.api.service_errors import error_code
from airflow_provider_omics.healthomics.api.statuses import RunStatus, SubmissionStatus
from airflow_provider_omics.healthomics.batches.snapshots import DELETED, BatchSnapshot
from airflow_provider_omics.healthomics.results.collection import confirm_unsettled
from airflow_provider_omics.healthomics.results.merging import BatchMerge
from airflow_provider_omics.healthomics.results.outcome import BatchOutcome, Tolerance
from airflow_provider_omics.healthomics.results.table import BatchCounts, ResultsTable, SampleResult

_TWO_FILTERS = "ValidationException"


def counts_of(snapshot: BatchSnapshot) -> BatchCounts:
    """Return the counts of samples by their status, as GetBatch shows them."""
    pending = snapshot.pending_submissions or 0
    total = max(
        snapshot.total or 0, snapshot.done + pending, snapshot.submitted + snapshot.failed_submissions + pending
    )
    return BatchCounts(
        total,
        completed=snapshot.completed,
        failed=snapshot.failed,
        cancelled=snapshot.cancelled,
        deleted=snapshot.deleted,
        failed_submissions=snapshot.failed_submissions,
        not_submitted=pending,
        unknown=total - snapshot.done - pending,
    )


def summarize(snapshot: BatchSnapshot, tolerance: Tolerance, failures: tuple[SampleResult, ...] = ()) -> BatchOutcome:
    """Return the outcome of a batch without its results table.

    :param failures: a few samples that did not complete.
    """
    return BatchOutcome(
        batch_ids=snapshot.cohort_batch_ids or (snapshot.batch_id,),
        status=None if snapshot.status == DELETED else snapshot.status,
        failure_reason=snapshot.failure_reason,
        counts=counts_of(snapshot),
        tolerance=tolerance,
        groups=(),
        failures=failures,
        is_summary=True,
    )


def sample_failures(snapshot: BatchSnapshot, limit: int) -> Requests[tuple[SampleResult, ...]]:
    """Look up some samples that did not complete, failed submissions first, with their causes.

    Operations: ListRunsInBatch, ListRuns, GetRun.

    :param limit: most samples, 1 to 100; a failed run takes two calls.
    """
    items: list[Mapping[str, Any]] = []
    if snapshot.failed_submissions:
        items += yield from _in_batch(snapshot, submissionStatus=SubmissionStatus.FAILED.value, maxItems=limit)
    run_ids = (yield from _failed_runs(snapshot, limit - len(items))) if snapshot.failed else []
    for run_id in run_ids:
        items += yield from _in_batch(snapshot, runId=run_id, maxItems=1)
    table = ResultsTable((item["runSettingId"], None) for item in items)
    BatchMerge(table, snapshot.batch_id, status=snapshot.status).add_submissions(items)
    yield from confirm_unsettled(table, limit=limit)
    return tuple(table.rows())


def _in_batch(snapshot: BatchSnapshot, **members: Any) -> Requests[list[Mapping[str, Any]]]:
    answer = yield Request("ListRunsInBatch", {"batchId": snapshot.batch_id, **members})
    return [item for item in answer.get("runs", []) if item.get("runSettingId")]


def _failed_runs(snapshot: BatchSnapshot, limit: int) -> Requests[list[str]]:
    if limit <= 0:
        return []
    members = {"batchId": snapshot.batch_id, "maxResults": limit}
    try:
        answer = yield Request("ListRuns", {**members, "status": RunStatus.FAILED.value})
    except ClientError as error:
        # Whether the service takes two filters is not documented.
        if error_code(error) != _TWO_FILTERS:
            raise
        answer = yield Request("ListRuns", {**members, "maxResults": PAGE_SIZE})
    items = (item for item in answer.get("items", []) if item.get("status") == RunStatus.FAILED)
    return [item["id"] for item in items][:limit]
