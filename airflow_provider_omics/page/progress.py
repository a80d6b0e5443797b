"""Progress of a cohort: what GetBatch shows of its batches, asked for once for all who look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from airflow_provider_omics.healthomics.batches.cohort_poll import add_up
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot
from airflow_provider_omics.healthomics.discovery.cohort_batches import CohortBatch, find_cohort
from airflow_provider_omics.healthomics.discovery.jobs import seconds
from airflow_provider_omics.healthomics.results.summary import counts_of
from airflow_provider_omics.page.accounts import Account
from airflow_provider_omics.page.cohort_task import CohortTask

# Members of runSummary that say where the runs of a batch are that have not ended.
_UNDER_WAY = {
    "pendingRunCount": "pending",
    "startingRunCount": "starting",
    "runningRunCount": "running",
    "stoppingRunCount": "stopping",
}


class ForeignBatchError(Exception):
    """The batch that an XCom of the task names carries no tags that say that it is the task's."""


def read_progress(account: Account, task: CohortTask) -> dict[str, Any]:
    """Return the batches of a task's cohort and their counts, as JSON values (GetBatch, ListBatch).

    :param task: with a batch.
    :raises ForeignBatchError: the batch is not the task's.
    """
    batch_id = task.batch_id or ""
    found = account.send(find_cohort(batch_id))
    if not found.batches:
        return {"state": "gone", "batch_id": batch_id, "batches": []}
    key = task.key(account.hook.namespace)
    batches = [batch for batch in found.batches if key.owner(*_marks(batch.answer)) is not None]
    if batch_id not in {batch.batch_id for batch in batches}:
        raise ForeignBatchError(batch_id)
    snapshots = [_snapshot(batch.answer) for batch in batches]
    newest = snapshots[-1]
    return {
        "state": "active" if not newest.phase.is_final else "ended",
        "batch_id": newest.batch_id,
        "status": newest.status,
        "failure_reason": newest.failure_reason,
        "counts": _counts(_summed(batches, snapshots)),
        "runs": _runs(batches[-1].answer) if not newest.phase.is_final else {},
        "batches": [_shown(*pair) for pair in zip(batches, snapshots, strict=True)],
        "unread": found.unread,
    }


def _marks(answer: Mapping[str, Any]) -> tuple[Mapping[str, str], str | None, float | None]:
    return answer.get("tags") or {}, answer.get("name"), seconds(answer.get("creationTime"))


def _snapshot(answer: Any) -> BatchSnapshot:
    return BatchSnapshot.of(answer)


def _summed(batches: Sequence[CohortBatch], snapshots: Sequence[BatchSnapshot]) -> BatchSnapshot:
    cohorts = {batch.cohort for batch in batches}
    if len(snapshots) == 1 or len(cohorts) > 1 or None in cohorts or snapshots[0].total is None:
        return snapshots[-1]
    newest, summed = snapshots[-1], add_up(snapshots)
    # What the newest batch still runs has not failed.
    running = max(0, (newest.total or 0) - newest.done - (newest.pending_submissions or 0))
    return replace(summed, failed=max(newest.failed, summed.failed - running))


def _counts(snapshot: BatchSnapshot) -> dict[str, int]:
    counts = asdict(counts_of(snapshot))
    counts["under_way"] = counts.pop("unknown")
    return counts


def _runs(answer: Mapping[str, Any]) -> dict[str, int]:
    runs = answer.get("runSummary") or {}
    return {name: runs[member] for member, name in _UNDER_WAY.items() if runs.get(member)}


def _shown(batch: CohortBatch, snapshot: BatchSnapshot) -> dict[str, Any]:
    answer = batch.answer
    return {
        "batch_id": batch.batch_id,
        "redrive": batch.generation,
        "status": snapshot.status,
        "is_active": not snapshot.phase.is_final,
        "failure_reason": snapshot.failure_reason,
        "counts": _counts(snapshot),
        "created": _time(answer.get("creationTime")),
        "ended": _time(answer.get("processedTime") or answer.get("failedTime")),
    }


def _time(moment: object) -> str | None:
    return moment.isoformat(timespec="seconds") if isinstance(moment, datetime) else None
