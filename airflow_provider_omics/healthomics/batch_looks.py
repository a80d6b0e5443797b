"""Looking at a batch or at one of its samples, and cancelling a batch, for worker and triggerer alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.batch_views import CANCELLABLE, DELETED, BatchView, SampleView
from airflow_provider_omics.healthomics.calls import Call, Steps, list_pages
from airflow_provider_omics.healthomics.looks import cancel_run, look_at_run
from airflow_provider_omics.healthomics.service_errors import WRONG_STATE_CODES, Nature, error_code, nature
from airflow_provider_omics.healthomics.statuses import BatchStatus, Phase, RunStatus, classify
from airflow_provider_omics.healthomics.waiting import tell_changes

PAGE = 100
"""Most entries of a page of any list operation."""

# Neither of them says that the runs have ended: the API cannot cancel a FAILED batch, and cancelling may partly fail.
_MAY_LEAVE_RUNS = frozenset({BatchStatus.FAILED, BatchStatus.CANCELLED})
# How long a sample may be missing after the last submission; how soon it appears is not documented.
_LATE = 60.0


class BatchGoal(StrEnum):
    """What a batch is waited for to come to."""

    ENDED = "ended"
    CANCEL_REQUESTED = "cancel_requested"
    RUNS_DELETED = "runs_deleted"
    GONE = "gone"


@dataclass
class BatchLook:
    """Looks at a batch (GetBatch), and stops it where that is wanted (CancelRunBatch, CancelRun).

    A batch that ended FAILED or CANCELLED is looked at until its last run has ended (ListRuns, GetRun).

    :param cancel: whether the batch is to be cancelled as soon as it can be.
    :param fail_above: cancel it once more samples than this have come to something else than COMPLETED; None for
        never.
    """

    batch_id: str
    goal: BatchGoal = BatchGoal.ENDED
    cancel: bool = False
    fail_above: int | None = None
    clock: Callable[[], float] = time.monotonic
    operation: str = "GetBatch"
    unseen: BatchView = field(init=False)
    _requested: bool = field(default=False, init=False)
    _leftovers: _Leftovers = field(init=False)
    _pace: _Pace = field(init=False)

    def __post_init__(self) -> None:
        self.unseen = BatchView(self.batch_id)
        self._leftovers = _Leftovers(self.batch_id)
        self._pace = _Pace(self.clock)

    def steps(self) -> Steps[BatchView]:
        """Ask once; one call, unless the batch has to be stopped or has left runs behind."""
        view = yield from look_at_batch(self.batch_id)
        wanted = self.cancel or (self.fail_above is not None and view.not_completed > self.fail_above)
        if wanted and not self._requested and view.status in CANCELLABLE:
            self._requested = yield from _request_cancel(self.batch_id)
        if self.goal is not BatchGoal.RUNS_DELETED and view.status in _MAY_LEAVE_RUNS:
            active = yield from self._leftovers.look(cancel=wanted)
            view = replace(view, active_run_id=active)
        return replace(view, cancel_requested=self._requested)

    def is_over(self, view: BatchView) -> bool:
        """Whether the batch has come to the goal, or cannot any more."""
        match self.goal:
            case BatchGoal.GONE:
                return view.status == DELETED
            case BatchGoal.RUNS_DELETED:
                return view.phase.is_final and view.status != BatchStatus.RUNS_DELETING
            case BatchGoal.CANCEL_REQUESTED:
                asked = view.cancel_requested or view.active_run_id is not None
                return asked or view.status == BatchStatus.STOPPING or view.phase.is_final
            case _:
                return view.phase.is_final

    def tell(self, before: BatchView | None, view: BatchView) -> str | None:
        """Tell a change of status, share or failures, with an estimate of what remains."""
        remaining = self._pace.remaining(view)
        told = tell_changes(before, view)
        if told and view.cancel_requested and not (before and before.cancel_requested):
            told = f"{told}; it is being cancelled"
        return f"{told}; about {remaining} remain" if told and remaining else told


def look_at_batch(batch_id: str) -> Steps[BatchView]:
    """Look at a batch once (GetBatch)."""
    answer = yield Call("GetBatch", {"batchId": batch_id})
    return BatchView.of(answer)


def _request_cancel(batch_id: str) -> Steps[bool]:
    try:
        yield Call("CancelRunBatch", {"batchId": batch_id})
    except ClientError as error:
        # Its state has changed since it was looked at; the next look will show it.
        if error_code(error) not in WRONG_STATE_CODES:
            raise
        return False
    return True


@dataclass
class _Leftovers:
    """The runs that go on after their batch has ended."""

    batch_id: str
    _suspects: list[str] = field(default_factory=list)
    _asked: set[str] = field(default_factory=set)

    def look(self, *, cancel: bool) -> Steps[str | None]:
        """Return a run that is still active; None once none is.

        :param cancel: whether to cancel them all.
        """
        # One run that goes on is enough to know, so the list is read again only when all of the last one have ended.
        active = yield from self._first_active()
        if active is None:
            yield from list_pages("ListRuns", self._suspect, batchId=self.batch_id, maxResults=PAGE)
            active = yield from self._first_active()
        for run_id in self._suspects if cancel else ():
            if run_id not in self._asked:
                yield from cancel_run(run_id)
                self._asked.add(run_id)
        return active

    def _suspect(self, page: Mapping[str, Any]) -> None:
        self._suspects.extend(item["id"] for item in page.get("items", []) if _phase(item) is Phase.ACTIVE)

    def _first_active(self) -> Steps[str | None]:
        while self._suspects:
            # ListRuns may lag behind.
            if (yield from _is_active(self._suspects[0])):
                return self._suspects[0]
            del self._suspects[0]
        return None


def _is_active(run_id: str) -> Steps[bool]:
    try:
        run = yield from look_at_run(run_id)
    except ClientError as error:
        if nature(error) is Nature.MISSING:
            return False
        raise
    return not run.phase.is_final


def _phase(item: Mapping[str, Any]) -> Phase:
    return classify(RunStatus, item.get("status"))


@dataclass
class _Pace:
    """Estimates how long the rest of a batch takes, from how fast it went since the first look."""

    clock: Callable[[], float]
    _began: tuple[float, int] | None = None

    def remaining(self, view: BatchView) -> str | None:
        """Return the time that remains, as text; None while there is nothing to go by."""
        now = self.clock()
        if not view.total or view.phase.is_final:
            return None
        if self._began is None:
            self._began = (now, view.done)
        then, done_then = self._began
        gained = view.done - done_then
        if gained <= 0 or now <= then:
            return None
        seconds = (view.total - view.done) * (now - then) / gained
        return str(timedelta(seconds=round(seconds)))


@dataclass
class SampleLook:
    """Looks at one sample of a batch: its submission (ListRunsInBatch), then its run (GetRun).

    :param only_submission: whether the outcome of the submission is enough.
    """

    batch_id: str
    run_setting_id: str
    only_submission: bool = False
    clock: Callable[[], float] = time.monotonic
    operation: str = "ListRunsInBatch"
    unseen: SampleView = field(init=False)
    _known: SampleView | None = field(default=None, init=False)
    _missing_since: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.unseen = SampleView(self.batch_id, self.run_setting_id)

    def steps(self) -> Steps[SampleView]:
        """Ask once: one call, and a second while the sample is not submitted yet."""
        view = self._known
        if view is None or view.run is None:
            view = yield from self._look_at_submission()
            self._known = view
        if view.run is None or self.is_over(view):
            return view
        return (yield from self._look_at_run(view))

    def is_over(self, view: SampleView) -> bool:
        """Whether submission or run have ended, however they did."""
        return view.phase.is_final or (self.only_submission and view.run is not None)

    def tell(self, before: SampleView | None, view: SampleView) -> str | None:
        """Tell a change of status."""
        return tell_changes(before, view)

    def _look_at_submission(self) -> Steps[SampleView]:
        answer = yield Call(
            "ListRunsInBatch", {"batchId": self.batch_id, "runSettingId": self.run_setting_id, "maxItems": 1}
        )
        for item in answer.get("runs", []):
            if item.get("runSettingId") == self.run_setting_id and item.get("submissionStatus"):
                return self.unseen.submitted(item)
        batch = yield from look_at_batch(self.batch_id)
        return replace(self.unseen, is_missing=self._is_overdue(batch))

    def _is_overdue(self, batch: BatchView) -> bool:
        if not batch.is_submitted:
            self._missing_since = None
            return False
        now = self.clock()
        self._missing_since = now if self._missing_since is None else self._missing_since
        return now - self._missing_since >= _LATE

    def _look_at_run(self, view: SampleView) -> Steps[SampleView]:
        assert view.run is not None
        try:
            run = yield from look_at_run(view.run.run_id)
        except ClientError as error:
            if nature(error) is not Nature.MISSING:
                raise
            return replace(view, run=view.run.gone())
        # The service gives ids of deleted runs to others.
        other = view.run.uuid and run.uuid and run.uuid != view.run.uuid
        return replace(view, run=view.run.gone() if other else run)
