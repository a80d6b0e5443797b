"""What GetBatch and ListRunsInBatch show of a batch and of one of its samples."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_omics.healthomics.api.payload import Payload
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, Phase, RunStatus, SubmissionStatus, classify
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot

if TYPE_CHECKING:
    from mypy_boto3_omics.type_defs import (
        GetBatchResponseTypeDef,
        RunBatchListItemTypeDef,
        StartRunBatchResponseTypeDef,
    )

DELETED = RunStatus.DELETED.value
"""The status given here to a batch that the service does not know any more; it has no word for it."""

CANCELLABLE = frozenset({BatchStatus.PENDING, BatchStatus.SUBMITTING, BatchStatus.INPROGRESS})
"""States in which CancelRunBatch is allowed."""

# No sample is submitted after the first of these, by the API's names, that GetBatch shows.
_SUBMISSIONS_OVER = ("submittedTime", "failedTime", "processedTime")


@dataclass(frozen=True)
class BatchSnapshot(Payload):
    """Snapshot of a batch. No member of an answer is guaranteed by the API, so all but the id may be missing.

    Counts of runs are eventually consistent, and final only once the batch is PROCESSED.

    :param total: how many samples it has; None while the service does not say.
    :param submitted: samples that became runs.
    :param failed_submissions: samples that could not be started, and so never became runs.
    :param pending_submissions: samples whose submission was not tried yet; None while the service does not say.
    :param completed: runs that COMPLETED.
    :param failed: runs that FAILED.
    :param cancelled: runs that were CANCELLED.
    :param deleted: runs that were deleted.
    :param failed_deletions: runs that DeleteRunBatch could not delete.
    :param submissions_ended_at: when the last sample was submitted, in seconds since the epoch; None before that, and
        where the service does not say.
    :param failure_reason: text that says why the batch itself FAILED.
    :param active_run_id: a run that goes on although the batch has ended.
    :param cancel_requested: whether the batch was asked to stop by this poll.
    :param cohort_batch_ids: ids of all batches of its cohort, oldest first, where the counts are those of the cohort;
        empty where they are its own.
    """

    KIND: ClassVar[str] = "batch"
    readers: ClassVar = {"cohort_batch_ids": tuple}

    batch_id: str
    status: str | None = None
    arn: str | None = None
    uuid: str | None = None
    name: str | None = None
    total: int | None = None
    submitted: int = 0
    failed_submissions: int = 0
    pending_submissions: int | None = None
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    deleted: int = 0
    failed_deletions: int = 0
    submissions_ended_at: float | None = None
    failure_reason: str | None = None
    active_run_id: str | None = None
    cancel_requested: bool = False
    cohort_batch_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, answer: GetBatchResponseTypeDef | StartRunBatchResponseTypeDef) -> BatchSnapshot:
        """Read the answer of GetBatch or StartRunBatch."""
        members: Mapping[str, Any] = answer
        submissions, runs = members.get("submissionSummary") or {}, members.get("runSummary") or {}
        return cls(
            batch_id=members["id"],
            status=members.get("status"),
            arn=members.get("arn"),
            uuid=members.get("uuid"),
            name=members.get("name"),
            total=members.get("totalRuns"),
            submitted=submissions.get("successfulStartSubmissionCount", 0),
            failed_submissions=submissions.get("failedStartSubmissionCount", 0),
            pending_submissions=submissions.get("pendingStartSubmissionCount"),
            completed=runs.get("completedRunCount", 0),
            failed=runs.get("failedRunCount", 0),
            cancelled=runs.get("cancelledRunCount", 0),
            deleted=runs.get("deletedRunCount", 0),
            failed_deletions=submissions.get("failedDeleteSubmissionCount", 0),
            submissions_ended_at=_first_time(members, _SUBMISSIONS_OVER),
            failure_reason=members.get("failureReason"),
        )

    @property
    def phase(self) -> Phase:
        """What the batch's status means to a waiter; one that left runs behind has not ended."""
        if self.active_run_id:
            return Phase.ACTIVE
        return Phase.DELETED if self.status == DELETED else classify(BatchStatus, self.status)

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return f"batch {self.batch_id}"

    @property
    def command(self) -> str:
        """Command of the AWS CLI that shows it."""
        return f"aws omics get-batch --batch-id {self.batch_id}"

    @property
    def not_completed(self) -> int:
        """How many samples are known to have come to something else than COMPLETED."""
        return self.failed_submissions + self.failed + self.cancelled + self.deleted

    @property
    def done(self) -> int:
        """How many samples have come to an end."""
        return self.completed + self.not_completed

    def describe(self) -> str:
        """Tell status and counts, for the log."""
        status = repr(self.status) if self.phase is Phase.UNKNOWN else self.status
        text = f"HealthOmics {self.label} is {status}"
        if self.active_run_id:
            return f"{text}, but its run {self.active_run_id} goes on"
        if not self.total or self.status in (BatchStatus.CREATING, BatchStatus.PENDING):
            return text
        failed, stopped = self.failed + self.failed_submissions, self.cancelled + self.deleted
        text = f"{text}: {self.done:,} of {self.total:,} samples done, {failed:,} failed"
        return f"{text}, {stopped:,} cancelled or deleted" if stopped else text

    @property
    def milestone(self) -> tuple[Any, ...]:
        """What has to change for the log to tell of the batch again: not each of very many samples."""
        share = 100 * self.done // self.total if self.total else 0
        return self.status, self.active_run_id, share, self.not_completed

    def as_deleted(self) -> BatchSnapshot:
        """Return the batch as it is once the service does not know it any more."""
        return replace(self, status=DELETED, active_run_id=None)


@dataclass(frozen=True, slots=True)
class SampleSnapshot(Payload):
    """Snapshot of a sample of a batch: its submission, and its run where it has one.

    :param submission_status: outcome of what the batch last attempted on the sample; None before it did.
    :param submission_failure_reason: code of a failed submission.
    :param submission_failure_message: its text.
    :param run: the run, once there is one.
    :param batch: the batch, polled since it has not submitted the sample.
    :param is_listed: whether the batch shows the sample at all; one that is not submitted yet may not be shown.
    :param is_missing: whether the batch will not submit the sample any more.
    :param cohort_task: id of the task whose batches are looked for, while none of them is known; ``batch_id`` is empty
        then.
    """

    KIND: ClassVar[str] = "sample"
    readers: ClassVar = {"run": RunSnapshot.from_payload, "batch": BatchSnapshot.from_payload}

    batch_id: str
    run_setting_id: str
    submission_status: str | None = None
    submission_failure_reason: str | None = None
    submission_failure_message: str | None = None
    run: RunSnapshot | None = None
    batch: BatchSnapshot | None = None
    is_listed: bool = False
    is_missing: bool = False
    cohort_task: str | None = None

    def listed(self, item: RunBatchListItemTypeDef) -> SampleSnapshot:
        """Return the sample with what an item of ListRunsInBatch says."""
        members: Mapping[str, Any] = item
        run_id = members.get("runId")
        run = RunSnapshot(run_id, arn=members.get("runArn"), uuid=members.get("runInternalUuid")) if run_id else None
        return replace(
            self,
            submission_status=members.get("submissionStatus"),
            submission_failure_reason=members.get("submissionFailureReason"),
            submission_failure_message=members.get("submissionFailureMessage"),
            run=run,
            is_listed=True,
        )

    @property
    def label(self) -> str:
        """What to call it in a message."""
        of = f"batch {self.batch_id}" if self.batch_id else f"task {self.cohort_task!r}"
        return f"sample {self.run_setting_id!r} of {of}"

    @property
    def is_contained(self) -> bool:
        """Whether the batch has, or may yet come to show, the sample."""
        return self.is_listed or self.run is not None or not (self.is_missing or self.batch_is_gone)

    @property
    def command(self) -> str:
        """Command of the AWS CLI that shows it."""
        if not self.batch_id:
            return "aws omics list-batch"
        sample = shlex.quote(self.run_setting_id)
        return f"aws omics list-runs-in-batch --batch-id {self.batch_id} --run-setting-id {sample}"

    @property
    def status(self) -> str | None:
        """The run's status, or the submission's where there is no run."""
        return self.run.status if self.run and self.run.status else self.submission_status

    @property
    def batch_is_gone(self) -> bool:
        """Whether the service does not know the batch any more."""
        return self.batch is not None and self.batch.status == DELETED

    @property
    def phase(self) -> Phase:
        """The phase of the sample, for a wait for its run."""
        if self.batch_is_gone:
            return Phase.DELETED
        if self.is_missing or self.submission_status == SubmissionStatus.FAILED:
            return Phase.FAILED
        if self.run is not None and self.run.status is not None:
            return self.run.phase
        submission = classify(SubmissionStatus, self.submission_status)
        return submission if submission in (Phase.CANCELLED, Phase.DELETED) else Phase.ACTIVE

    def describe(self) -> str:
        """Tell the state, for the log."""
        text = f"HealthOmics {self.label}"
        if not self.batch_id:
            return f"{text} has no batch yet"
        if self.run is not None:
            return f"{text} is run {self.run.run_id}, {self.run.status or self.submission_status}"
        if self.submission_status is not None:
            return f"{text} never became a run: its submission is {self.submission_status}"
        of_batch = f"; the batch is {self.batch.status}" if self.batch else ""
        return f"{text} is not submitted yet{of_batch}"

    def as_deleted(self) -> SampleSnapshot:
        """Return the sample as it is once the service does not know its batch any more."""
        return replace(self, batch=BatchSnapshot(self.batch_id).as_deleted())


def _first_time(members: Mapping[str, Any], names: Iterable[str]) -> float | None:
    times: Iterator[datetime] = (time for name in names if (time := members.get(name)))
    return min((time.timestamp() for time in times), default=None)
