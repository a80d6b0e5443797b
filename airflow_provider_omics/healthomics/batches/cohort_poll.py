"""The polls of a cohort: its batches, one after the other, for waits for it or for one of its samples.

A task that submits again what failed starts another batch, so what one batch shows of a sample may not be the last
word. Worker and triggerer poll one batch at a time, and get the next poll here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol

from airflow_provider_omics.healthomics.api.calls import Question
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.service_errors import explain
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.batches.batch_poll import BatchGoal, BatchPoll, FailureNews
from airflow_provider_omics.healthomics.batches.sample_poll import SamplePoll
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot, SampleSnapshot
from airflow_provider_omics.healthomics.discovery.cohort_batches import CohortBatch, find_cohort, log_unread_siblings
from airflow_provider_omics.healthomics.discovery.cohort_search import CohortSearch, CohortTask
from airflow_provider_omics.healthomics.polling.poll import Poll, SnapshotT


class Trail(Protocol[SnapshotT]):
    """The polls, one after the other."""

    def first_poll(self) -> Poll[SnapshotT]:
        """Return the first poll."""

    def next_poll(self, poll: Poll[SnapshotT], snapshot: SnapshotT, log: Log) -> Poll[SnapshotT] | None:
        """Return the next poll after one has come to its end; None if that was all."""

    @property
    def verdict(self) -> SnapshotT:
        """What all of it came to."""


@dataclass
class _CohortTrail(Generic[SnapshotT]):
    """Base of those who follow a cohort from batch to batch.

    :param batch_id: the batch to begin with; empty for the newest of the cohort's task.
    """

    batch_id: str
    snapshots: dict[str, SnapshotT] = field(default_factory=dict, init=False)
    batches: Sequence[CohortBatch] = field(default=(), init=False)
    _queue: list[str] = field(default_factory=list, init=False)

    def next_poll(self, poll: Poll[SnapshotT], snapshot: SnapshotT, log: Log) -> Poll[SnapshotT] | None:
        """Return the next poll after one has come to its end; None if that was all."""
        if isinstance(poll, CohortSearch):
            self._take(poll, log)
        else:
            self.snapshots[self._id_of(snapshot)] = snapshot
            if self._is_last_word(snapshot):
                return None
        if self._queue:
            return self._poll_of(self._queue.pop(0))
        return None if isinstance(poll, CohortSearch) else self._search(snapshot)

    def _take(self, search: CohortSearch[SnapshotT], log: Log) -> None:
        if search.refusal is not None:
            message = explain(search.refusal, search.operation, f"the cohort of {self.label}")
            log.warning(
                "%s",
                entry(
                    "Whether the cohort of %s has other batches is not known, so it counts alone: %s",
                    self.label,
                    message.describe(),
                ),
            )
        log_unread_siblings(search.found, self.label, log)
        self.batches = search.found.batches or self.batches
        self._queue = self._wanted(search.news)
        if self._queue:
            log.info("Looking at %s of the cohort of %s", ", ".join(f"batch {one}" for one in self._queue), self.label)

    @property
    def label(self) -> str:
        """What to call what was asked for in the log."""
        return f"batch {self.batch_id}"

    @property
    def _known(self) -> set[str]:
        return {*self.snapshots, *(batch.batch_id for batch in self.batches)}

    @abstractmethod
    def _id_of(self, snapshot: SnapshotT) -> str: ...

    @abstractmethod
    def _poll_of(self, batch_id: str) -> Poll[SnapshotT]: ...

    @abstractmethod
    def _is_last_word(self, snapshot: SnapshotT) -> bool: ...

    @abstractmethod
    def _wanted(self, newest_first: list[str]) -> list[str]: ...

    @abstractmethod
    def _search(self, snapshot: SnapshotT) -> CohortSearch[SnapshotT] | None: ...


@dataclass
class SampleTrail(_CohortTrail[SampleSnapshot]):
    """Follows one sample: the newest batch that has it tells what became of it.

    :param only_submission: whether it is enough that it became a run.
    :param cohort: the task that starts the batches; None if one batch is all that is known.
    :param question: asks which state that task has.
    :param clock: gives seconds since the epoch.
    """

    run_setting_id: str
    only_submission: bool
    cohort: CohortTask | None
    question: Question | None
    clock: Callable[[], float]
    _searched: bool = field(default=False, init=False)

    def first_poll(self) -> Poll[SampleSnapshot]:
        """Return the first poll."""
        if self.cohort is None:
            return self._poll_of(self.batch_id)
        task = self.cohort.task
        mapped = f"[{task.map_index}]" if task.map_index >= 0 else ""
        initial = SampleSnapshot("", self.run_setting_id, cohort_task=f"{task.task_id}{mapped}")
        return CohortSearch(initial, self.cohort.find, (), self.question)

    @property
    def label(self) -> str:
        """What to call what was asked for in the log."""
        return super().label if self.cohort is None else f"task {self.cohort.task.task_id!r}"

    @property
    def verdict(self) -> SampleSnapshot:
        """What the newest batch that has the sample shows of it."""
        newest = self._newest_with_it
        if newest is not None:
            return self.snapshots[newest]
        if self.snapshots:
            return self.snapshots.get(self.batch_id) or next(iter(self.snapshots.values()))
        search = self.first_poll()
        return replace(search.initial, is_missing=True)

    @property
    def _newest_with_it(self) -> str | None:
        order = [batch.batch_id for batch in self.batches] or list(self.snapshots)
        shown = (batch_id for batch_id in reversed(order) if batch_id in self.snapshots)
        return next((batch_id for batch_id in shown if self.snapshots[batch_id].is_contained), None)

    def _id_of(self, snapshot: SampleSnapshot) -> str:
        return snapshot.batch_id

    def _poll_of(self, batch_id: str) -> Poll[SampleSnapshot]:
        return SamplePoll(batch_id, self.run_setting_id, only_submission=self.only_submission, clock=self.clock)

    def _is_last_word(self, snapshot: SampleSnapshot) -> bool:
        if not snapshot.is_contained:
            return False
        self._queue = []
        submitted = self.only_submission and snapshot.run is not None
        return snapshot.phase is Phase.SUCCEEDED or (
            submitted and snapshot.phase not in (Phase.CANCELLED, Phase.DELETED)
        )

    def _wanted(self, newest_first: list[str]) -> list[str]:
        # What is older than a batch with the sample tells nothing about it.
        order = [batch.batch_id for batch in self.batches]
        newest = self._newest_with_it
        since = order.index(newest) if newest in order else -1
        return [batch_id for batch_id in newest_first if order.index(batch_id) > since]

    def _search(self, snapshot: SampleSnapshot) -> CohortSearch[SampleSnapshot] | None:
        if self.cohort is not None:
            if not self.cohort.is_redriven or not any(map(_may_be_submitted_again, self.snapshots.values())):
                return None
            return CohortSearch(self.verdict, self.cohort.find, self._known, self.question)
        if self._searched:
            return None
        self._searched = True
        return CohortSearch(snapshot, lambda: find_cohort(self.batch_id), self._known)


def _may_be_submitted_again(snapshot: SampleSnapshot) -> bool:
    return snapshot.is_contained or (
        snapshot.batch is not None and snapshot.batch.phase in (Phase.FAILED, Phase.CANCELLED)
    )


@dataclass
class BatchTrail(_CohortTrail[BatchSnapshot]):
    """Follows a cohort to the end of its newest batch, and adds up what its batches came to.

    :param failure_news: makes what tells of the samples of a batch that failed while it goes on.
    """

    failure_news: Callable[[], FailureNews]

    def first_poll(self) -> Poll[BatchSnapshot]:
        """Return the first poll."""
        return self._poll_of(self.batch_id)

    @property
    def verdict(self) -> BatchSnapshot:
        """The newest batch, with the counts of all where they can be added up."""
        by_id = {batch.batch_id: batch for batch in self.batches}
        snapshots = [self.snapshots.get(batch_id) or _snapshot(batch.answer) for batch_id, batch in by_id.items()]
        if not snapshots:
            return self.snapshots[self.batch_id]
        cohorts = {batch.cohort for batch in self.batches}
        if len(snapshots) == 1 or len(cohorts) > 1 or None in cohorts or snapshots[0].total is None:
            return snapshots[-1]
        return add_up(snapshots)

    def _id_of(self, snapshot: BatchSnapshot) -> str:
        return snapshot.batch_id

    def _poll_of(self, batch_id: str) -> Poll[BatchSnapshot]:
        return BatchPoll(batch_id, BatchGoal.DECIDED, failure_news=self.failure_news())

    def _is_last_word(self, snapshot: BatchSnapshot) -> bool:
        return snapshot.phase is Phase.DELETED

    def _wanted(self, newest_first: list[str]) -> list[str]:
        order = [batch.batch_id for batch in self.batches]
        since = max((order.index(batch_id) for batch_id in self.snapshots if batch_id in order), default=-1)
        return [batch_id for batch_id in newest_first if order.index(batch_id) > since][:1]

    def _search(self, snapshot: BatchSnapshot) -> CohortSearch[BatchSnapshot] | None:
        return CohortSearch(snapshot, lambda: find_cohort(self.batch_id), self._known)


def add_up(snapshots: Sequence[BatchSnapshot]) -> BatchSnapshot:
    """Return the last batch of a cohort with the counts of the whole cohort.

    The first submitted all samples, each later one some of those that had not completed.

    :param snapshots: all batches, oldest first.
    """
    newest, total = snapshots[-1], snapshots[0].total or 0
    completed = min(total, sum(snapshot.completed for snapshot in snapshots))
    pending = newest.pending_submissions or 0
    # Those that the last batch does not have: nobody submitted them again.
    left_out = max(0, total - completed - newest.not_completed - pending)
    batch_ids = tuple(snapshot.batch_id for snapshot in snapshots)
    failed = newest.failed + left_out
    return replace(newest, total=total, completed=completed, failed=failed, cohort_batch_ids=batch_ids)


def _snapshot(answer: Any) -> BatchSnapshot:
    return BatchSnapshot.of(answer)
