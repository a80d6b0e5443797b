"""Listing and reading of what may be pruned: runs and batches, each the oldest first and no more than is needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Requests, list_pages
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus, classify
from airflow_provider_omics.healthomics.discovery.cohort_batches import CohortBatch, find_cohort
from airflow_provider_omics.healthomics.discovery.jobs import BATCH_API, RUN_API, JobApi, seconds, show
from airflow_provider_omics.healthomics.pruning.candidate import Ownership, PruneCandidate
from airflow_provider_omics.healthomics.pruning.criteria import PruneCriteria
from airflow_provider_omics.healthomics.pruning.deletion import runs_of
from airflow_provider_omics.healthomics.pruning.plan import Outcome, PlanEntry, Protection, PrunePlan, Verdict
from airflow_provider_omics.healthomics.requests.identity import FINISHED_TAG, INTENT_TAG, NAMESPACE_TAG

Progress = Callable[[str, int], object]

# Runs may end long after what the service notes of the batch: cancelling one has no time, and what a FAILED one has
# started goes on, as does a run that could not be cancelled.
_WITH_LATER_RUNS = (BatchStatus.CANCELLED, BatchStatus.FAILED, BatchStatus.RUNS_DELETE_FAILED)

# What tells when a batch ended.
_ENDS = ("processedTime", "failedTime")

# How old what is known of a cohort may be when one of its runs is deleted: of 70 runs, at the default rate.
_COHORT_SECONDS = 10.0
# An id may be given to another one after a deletion; answers may have whole seconds.
_SAME_SECONDS = 1.0
_GOES_ON = (Verdict.ACTIVE, Verdict.COHORT_ACTIVE)


@dataclass
class PruneReader(ABC):
    """Reader of the runs, or of the batches, that may be pruned.

    :cvar api: how they are listed and shown.
    :cvar is_read_each_time: whether each is read with a cohort of its own before its deletion.
    :param criteria: which are meant.
    :param protection: which of them are protected.
    :param now: in seconds since the epoch.
    :param progress: is told what was done, and how many times by now.
    """

    api: ClassVar[JobApi]
    is_read_each_time: ClassVar[bool] = False
    criteria: PruneCriteria
    protection: Protection
    now: float
    progress: Progress
    _cohorts: dict[str, Ownership | None] = field(default_factory=dict, init=False)
    _ends: dict[str, float | None] = field(default_factory=dict, init=False)
    _confirmed_at: float = field(default=float("-inf"), init=False)

    def plan(self, most: int) -> Requests[PrunePlan]:
        """List what is meant, and read it one by one, the oldest first, until there is enough to delete.

        :param most: most that may be deleted.
        """
        listed = yield from self._list()
        plan_entries: list[PlanEntry] = []
        deletable = 0
        for place, job in enumerate(listed):
            if deletable == most:
                return PrunePlan(plan_entries, len(listed) - place)
            read = job if job.is_active and not self.criteria.tags else (yield from self.read(job))
            self.progress(f"examined of {len(listed):,}", place + 1)
            if read is None or not self.criteria.matches(read, self.now):
                continue
            verdict = self.protection.judge(read, self.now)
            deletable += verdict is Verdict.DELETE
            until = self.protection.until(read) if verdict is Verdict.RECENT else None
            plan_entries.append(PlanEntry(read, verdict, until))
        return PrunePlan(plan_entries)

    def confirm(self, job: PruneCandidate, now: float) -> Requests[Outcome | None]:
        """Read a candidate of the plan once more, right before its deletion, and return what keeps it; None if nothing.

        :param now: in seconds since the epoch.
        """
        if now - self._confirmed_at >= _COHORT_SECONDS or self.is_read_each_time:
            self._cohorts.clear()
            self._confirmed_at = now
        read = yield from self.read_again(job)
        if read is None or _is_another(job, read):
            return Outcome.GONE
        verdict = self.protection.judge(read, now)
        if verdict in _GOES_ON:
            return Outcome.ACTIVE
        return None if verdict is Verdict.DELETE and self.criteria.matches(read, now) else Outcome.KEPT

    @abstractmethod
    def read(self, job: PruneCandidate) -> Requests[PruneCandidate | None]:
        """Return a candidate with its tags and who owns it; None if it is gone."""

    def read_again(self, job: PruneCandidate) -> Requests[PruneCandidate | None]:
        """Return a candidate as it is now, whatever the list showed of it; None if it is gone."""
        return (yield from self.read(job))

    @abstractmethod
    def is_prunable(self, job: PruneCandidate) -> bool:
        """Whether something of it is there that is not being deleted already."""

    @abstractmethod
    def candidate(self, item: Mapping[str, Any]) -> PruneCandidate:
        """Read an item of the list."""

    def _list(self) -> Requests[list[PruneCandidate]]:
        found: dict[str, PruneCandidate] = {}
        count = 0

        def take(page: Mapping[str, Any]) -> None:
            nonlocal count
            items = page.get("items") or ()
            count += len(items)
            self.progress("listed", count)
            for job in map(self.candidate, items):
                if job.job_id and self.is_prunable(job) and self.criteria.may_match(job, self.now):
                    found[job.job_id] = job

        members = {self.api.page_size: PAGE_SIZE, **self.criteria.listed_by}
        yield from list_pages(self.api.list_operation, take, **members)
        return sorted(found.values(), key=lambda job: job.order)

    def cohort(self, batch_id: str) -> Requests[Ownership | None]:
        """Return who owns a batch and the others of its cohort; None if it is gone."""
        if batch_id not in self._cohorts:
            found = yield from find_cohort(batch_id)
            own = next((batch for batch in found.batches if batch.batch_id == batch_id), None)
            self._cohorts[batch_id] = None
            if own is not None:
                is_active = False
                for batch in found.batches:
                    is_active = (yield from self._goes_on(batch)) or is_active
                ends = [end for batch in found.batches if (end := self._ends[batch.batch_id]) is not None]
                self._cohorts[batch_id] = replace(
                    owner_by_tags(_tags(own.answer)),
                    is_active=is_active,
                    is_finished=own.is_finished or found.is_finished,
                    ended_at=max(ends, default=None),
                    is_complete=not found.unread,
                )
        return self._cohorts[batch_id]

    def _goes_on(self, batch: CohortBatch) -> Requests[bool]:
        """Return whether a batch, or a run of it, goes on, and keep when it ended."""
        self._ends[batch.batch_id] = _end_of(batch.answer)
        status = batch.answer.get("status")
        if not classify(BatchStatus, status).is_final:
            return True
        is_noted = any(batch.answer.get(name) is not None for name in _ENDS)
        if is_noted and status not in _WITH_LATER_RUNS:
            return False
        runs = yield from runs_of(batch.batch_id)
        ends = [self._ends[batch.batch_id], *(seconds(run.get("stopTime")) for run in runs)]
        self._ends[batch.batch_id] = max((end for end in ends if end is not None), default=None)
        return any(not classify(RunStatus, run.get("status")).is_final for run in runs)


class RunReader(PruneReader):
    """Reader of the runs that may be pruned (ListRuns, GetRun, and GetBatch for those of batches)."""

    api = RUN_API

    def candidate(self, item: Mapping[str, Any]) -> PruneCandidate:
        """Read an item of ListRuns, or the answer of GetRun."""
        status = item.get("status")
        return PruneCandidate(
            job_id=str(item.get("id") or ""),
            phase=classify(RunStatus, status),
            status=status,
            name=item.get("name"),
            workflow_id=item.get("workflowId"),
            created_at=seconds(item.get("creationTime")),
            ended_at=seconds(item.get("stopTime")),
            batch_id=item.get("batchId"),
            tags=_tags(item),
        )

    def is_prunable(self, job: PruneCandidate) -> bool:
        """Whether it is there still: the service may list runs that were deleted."""
        return job.status != RunStatus.DELETED

    def read(self, job: PruneCandidate) -> Requests[PruneCandidate | None]:
        """Return a run with its tags and its owner; of a batch's run, the owner is the batch's."""
        batch = (yield from self.cohort(job.batch_id)) if job.batch_id else None
        if batch is not None and not self.criteria.tags:
            return replace(job, owner=batch)
        return (yield from self._show(job, batch))

    def read_again(self, job: PruneCandidate) -> Requests[PruneCandidate | None]:
        """Return a run as GetRun shows it now, with its owner."""
        return (yield from self._show(job, (yield from self.cohort(job.batch_id)) if job.batch_id else None))

    def _show(self, job: PruneCandidate, batch: Ownership | None) -> Requests[PruneCandidate | None]:
        answer = yield from show(RUN_API, job.job_id)
        if not answer:
            return None
        read = self.candidate(answer)
        return replace(read, job_id=job.job_id, owner=batch or owner_by_tags(read.tags))


class BatchReader(PruneReader):
    """Reader of the batches that may be pruned (ListBatch, GetBatch)."""

    api = BATCH_API
    is_read_each_time = True

    def candidate(self, item: Mapping[str, Any]) -> PruneCandidate:
        """Read an item of ListBatch, or the answer of GetBatch."""
        status = item.get("status")
        return PruneCandidate(
            job_id=str(item.get("id") or ""),
            phase=classify(BatchStatus, status),
            status=status,
            name=item.get("name"),
            workflow_id=item.get("workflowId") or (item.get("defaultRunSetting") or {}).get("workflowId"),
            created_at=seconds(item.get("createdAt") or item.get("creationTime")),
            ended_at=_end_of(item),
            tags=_tags(item),
        )

    def is_prunable(self, job: PruneCandidate) -> bool:
        """Whether it is not being deleted already."""
        return job.status != BatchStatus.RUNS_DELETING

    def read(self, job: PruneCandidate) -> Requests[PruneCandidate | None]:
        """Return a batch with its tags and its owner."""
        answer = yield from show(BATCH_API, job.job_id)
        if not answer:
            return None
        owner = yield from self.cohort(job.job_id)
        if owner is None:
            return None
        read = self.candidate(answer)
        return replace(read, job_id=job.job_id, owner=owner, ended_at=self._ends[job.job_id])


def owner_by_tags(tags: Mapping[str, str]) -> Ownership:
    """Return who owns a run or a batch, by its tags alone."""
    if INTENT_TAG not in tags:
        return Ownership(namespace=tags.get(NAMESPACE_TAG))
    return Ownership(is_tagged=True, namespace=tags.get(NAMESPACE_TAG, ""), is_finished=FINISHED_TAG in tags)


def _is_another(job: PruneCandidate, read: PruneCandidate) -> bool:
    """Whether an id has been given to another one."""
    if job.created_at is None or read.created_at is None:
        return False
    return abs(read.created_at - job.created_at) > _SAME_SECONDS


def _tags(answer: Mapping[str, Any]) -> Mapping[str, str]:
    tags: Mapping[str, str] = answer.get("tags") or {}
    return tags


def _end_of(answer: Mapping[str, Any]) -> float | None:
    """Return when a batch ended, or else when it was last submitted to, or created."""
    for names in (_ENDS, ("submittedTime",), ("creationTime",)):
        times = [moment for name in names if (moment := seconds(answer.get(name))) is not None]
        if times:
            return max(times)
    return None
