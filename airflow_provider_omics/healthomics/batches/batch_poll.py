"""Polling a batch, and cancelling it, for worker and triggerer alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Request, Requests, list_pages
from airflow_provider_omics.healthomics.api.service_errors import (
    INVALID_STATE_CODES,
    ErrorCategory,
    categorize,
    error_code,
)
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, Phase, RunStatus, classify
from airflow_provider_omics.healthomics.batches.snapshots import CANCELLABLE, DELETED, BatchSnapshot
from airflow_provider_omics.healthomics.runs.commands import cancel_run
from airflow_provider_omics.healthomics.runs.poll import get_run

if TYPE_CHECKING:
    pass

# Neither of them says that the runs have ended: the API cannot cancel a FAILED batch, and cancelling may partly fail.
_MAY_LEAVE_RUNS = frozenset({BatchStatus.FAILED, BatchStatus.CANCELLED})
# A batch may still look as it did before an accepted DeleteRunBatch.
_DELETION_OVER = frozenset({DELETED, BatchStatus.RUNS_DELETED, BatchStatus.RUNS_DELETE_FAILED})
# How long a sample or a run may be missing after the last submission; how soon it appears is not documented.
_LATE = 60.0
# How often a batch may refuse to be cancelled in a state that allows it; GetBatch may lag behind.
_MOST_REFUSALS = 5


class BatchGoal(StrEnum):
    """What a batch is waited for to come to.

    ``ENDED`` is the end of the batch and of its runs, ``DECIDED`` only that of the batch, whatever its runs do.
    """

    ENDED = "ended"
    DECIDED = "decided"
    CANCEL_REQUESTED = "cancel_requested"
    RUNS_DELETED = "runs_deleted"
    GONE = "gone"


class FailureNews(Protocol):
    """Tells of samples that failed while the batch goes on."""

    def poll(self, batch: BatchSnapshot) -> Requests[list[str]]:
        """Return a line for each sample that failed lately."""


@dataclass
class BatchPoll:
    """The poll of a batch (GetBatch), which stops it where that is wanted (CancelRunBatch, CancelRun).

    Where its runs matter, one that ended FAILED or CANCELLED is polled until its last run has ended (ListRuns,
    GetRun).

    :param cancel: whether the batch is to be cancelled as soon as it can be.
    :param fail_above: cancel it once more samples than this have come to something else than COMPLETED; None for
        never.
    :param clock: gives seconds since the epoch.
    :param failure_news: tells of samples that failed while the batch goes on; None for nobody to tell.
    """

    batch_id: str
    goal: BatchGoal = BatchGoal.ENDED
    cancel: bool = False
    fail_above: int | None = None
    clock: Callable[[], float] = time.time
    failure_news: FailureNews | None = None
    operation: str = "GetBatch"
    initial: BatchSnapshot = field(init=False)
    _requested: bool = field(default=False, init=False)
    _refusals: int = field(default=0, init=False)
    _leftovers: _Leftovers = field(init=False)
    _pace: _Pace = field(init=False)
    _news: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.initial = BatchSnapshot(self.batch_id)
        self._leftovers = _Leftovers(self.batch_id)
        self._pace = _Pace(self.clock)

    def requests(self) -> Requests[BatchSnapshot]:
        """Ask once; one call, unless the batch has to be stopped, has left runs behind, or samples of it failed."""
        snapshot = yield from get_batch(self.batch_id)
        wanted = self.cancel or (self.fail_above is not None and snapshot.not_completed > self.fail_above)
        if wanted and not self._requested and snapshot.status in CANCELLABLE:
            self._requested = yield from self._request_cancel()
        if self.goal in (BatchGoal.ENDED, BatchGoal.CANCEL_REQUESTED) and snapshot.status in _MAY_LEAVE_RUNS:
            active = yield from self._leftovers.poll(cancel=wanted, fresh=not is_overdue(snapshot, self.clock()))
            snapshot = replace(snapshot, active_run_id=active)
        if self.failure_news is not None and not snapshot.phase.is_final:
            # Once it has ended, all of them are told.
            self._news = yield from self.failure_news.poll(snapshot)
        # Also where a triggerer before this one had asked for it.
        stopped = wanted and snapshot.status in (BatchStatus.STOPPING, BatchStatus.CANCELLED)
        return replace(snapshot, cancel_requested=self._requested or stopped)

    def is_over(self, snapshot: BatchSnapshot) -> bool:
        """Whether the batch has come to the goal, or cannot any more."""
        match self.goal:
            case BatchGoal.GONE:
                return snapshot.status == DELETED
            case BatchGoal.RUNS_DELETED:
                return snapshot.status in _DELETION_OVER
            case BatchGoal.CANCEL_REQUESTED:
                asked = snapshot.cancel_requested or snapshot.active_run_id is not None
                return asked or snapshot.status == BatchStatus.STOPPING or snapshot.phase.is_final
            case _:
                return snapshot.phase.is_final

    def describe_change(self, before: BatchSnapshot | None, snapshot: BatchSnapshot) -> str | None:
        """Tell a change of status, share or failures, what remains by estimate, and what failed lately."""
        remaining, news = self._pace.remaining(snapshot), self._news
        self._news = []
        if before is not None and before.milestone == snapshot.milestone:
            return None
        text = snapshot.describe()
        if snapshot.cancel_requested and not (before and before.cancel_requested):
            text = f"{text}; it is being cancelled"
        text = f"{text}; about {remaining} remain" if remaining else text
        return "\n".join([text, *news])

    def _request_cancel(self) -> Requests[bool]:
        try:
            yield Request("CancelRunBatch", {"batchId": self.batch_id})
        except ClientError as error:
            # Its state has changed since the poll, as a rule; the next poll will show it.
            self._refusals += 1
            if error_code(error) not in INVALID_STATE_CODES or self._refusals >= _MOST_REFUSALS:
                raise
            return False
        return True


def get_batch(batch_id: str) -> Requests[BatchSnapshot]:
    """Poll a batch once (GetBatch)."""
    answer = yield Request("GetBatch", {"batchId": batch_id})
    return BatchSnapshot.of(answer)


def request_cancel(batch_id: str) -> Requests[tuple[BatchSnapshot, bool]]:
    """Poll a batch and cancel it (CancelRunBatch), or for its runs if it FAILED (CancelRun).

    Where the poll is refused, it is cancelled all the same.

    :return: the batch, and whether nothing more has to be asked for; False while it cannot be cancelled yet.
    """
    poll = BatchPoll(batch_id, BatchGoal.CANCEL_REQUESTED, cancel=True)
    try:
        snapshot = yield from poll.requests()
    except ClientError as error:
        match categorize(error):
            case ErrorCategory.NOT_FOUND:
                return poll.initial.as_deleted(), True
            case ErrorCategory.PERMANENT if error.operation_name == poll.operation:
                return (yield from _cancel_unseen(poll.initial, error)), True
        raise
    return snapshot, poll.is_over(snapshot)


def _cancel_unseen(batch: BatchSnapshot, refusal: ClientError) -> Requests[BatchSnapshot]:
    try:
        yield Request("CancelRunBatch", {"batchId": batch.batch_id})
    except ClientError as error:
        raise refusal from error
    return replace(batch, cancel_requested=True)


def is_overdue(batch: BatchSnapshot, now: float) -> bool:
    # By the service's own times, since a sensor that is rescheduled polls from a new process each time.
    ended_at = batch.submissions_ended_at
    return batch.phase.is_final if ended_at is None else now - ended_at >= _LATE


@dataclass
class _Leftovers:
    """The runs that go on after their batch has ended."""

    batch_id: str
    _suspects: list[str] = field(default_factory=list)
    _unstopped: list[str] = field(default_factory=list)
    _asked: set[str] = field(default_factory=set)

    def poll(self, *, cancel: bool, fresh: bool) -> Requests[str | None]:
        """Return a run that is still active; None once none is.

        :param cancel: whether to cancel them all.
        :param fresh: whether a run may be so new that GetRun does not show it yet.
        """
        # One run that goes on is enough to know, so the list is read again only when all of the last one have ended.
        active = yield from self._first_active(fresh)
        if active is None:
            yield from list_pages("ListRuns", self._suspect, batchId=self.batch_id, maxResults=PAGE_SIZE)
            active = yield from self._first_active(fresh)
        while cancel and self._unstopped:
            run_id = self._unstopped[-1]
            if run_id not in self._asked:
                yield from cancel_run(run_id)
                self._asked.add(run_id)
            del self._unstopped[-1]
        return active

    def _suspect(self, page: Mapping[str, Any]) -> None:
        active = [item for item in page.get("items", []) if _phase(item) is Phase.ACTIVE]
        self._suspects.extend(item["id"] for item in active)
        self._unstopped.extend(item["id"] for item in active if item["status"] != RunStatus.STOPPING)

    def _first_active(self, fresh: bool) -> Requests[str | None]:
        while self._suspects:
            # ListRuns may lag behind.
            if (yield from _is_active(self._suspects[0], fresh)):
                return self._suspects[0]
            del self._suspects[0]
        return None


def _is_active(run_id: str, fresh: bool) -> Requests[bool]:
    try:
        run = yield from get_run(run_id)
    except ClientError as error:
        if categorize(error) is ErrorCategory.NOT_FOUND:
            return fresh
        raise
    return not run.phase.is_final


def _phase(item: Mapping[str, Any]) -> Phase:
    return classify(RunStatus, item.get("status"))


@dataclass
class _Pace:
    """Estimates how long the rest of a batch takes, from how fast it went since the first poll."""

    clock: Callable[[], float]
    _began: tuple[float, int] | None = None

    def remaining(self, snapshot: BatchSnapshot) -> str | None:
        """Return the time that remains, as text; None while there is nothing to go by."""
        now = self.clock()
        if not snapshot.total or snapshot.phase.is_final:
            return None
        if self._began is None:
            self._began = (now, snapshot.done)
        then, done_then = self._began
        gained = snapshot.done - done_then
        if gained <= 0 or now <= then:
            return None
        seconds = (snapshot.total - snapshot.done) * (now - then) / gained
        return str(timedelta(seconds=round(seconds)))
