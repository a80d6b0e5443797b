"""The two kinds of job, runs and batches: how each is started, read, polled and cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from airflow_provider_omics.healthomics.api.calls import Request, Requests
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, Phase
from airflow_provider_omics.healthomics.batches.batch_poll import BatchPoll, request_cancel
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot
from airflow_provider_omics.healthomics.discovery.jobs import BATCH_API, RUN_API, EarlierJob, JobApi
from airflow_provider_omics.healthomics.polling.poll import Snapshot
from airflow_provider_omics.healthomics.runs.commands import cancel_run
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook


class JobSnapshot(Snapshot, Protocol):
    """Snapshot of a run or a batch."""

    @property
    def arn(self) -> str | None:
        """The job's ARN."""

    @property
    def uuid(self) -> str | None:
        """The job's identity for ever."""


JobT = TypeVar("JobT", bound=JobSnapshot)


@dataclass(frozen=True)
class JobKind(Generic[JobT]):
    """Kind of job.

    :param api: how jobs of the kind are listed and shown.
    :param name_member: member of the start request that is the job's name.
    :param id_of: returns a job's id.
    :param read: reads an answer that starts or shows a job.
    :param poll: returns a job that was found as it is now; what discovery has just shown is enough for a run, and not
        for a batch, whose end does not say that its runs have ended.
    :param start: starts a job, asking again while that may help; see :meth:`OmicsHook.start_run`.
    :param cancel_request: the one call that asks for a job to be cancelled, by its id.
    :param cancel: cancels a job, however it can be cancelled: False if it had ended or is gone, None if it cannot be
        cancelled yet.
    :param has_completed: whether a task must have ended well with a job.
    :param is_replaced: whether a job of an earlier try is of no use any more, so that another one is submitted.
    :param last_is_enough: whether jobs before the last one of a task do not matter.
    """

    api: JobApi
    name_member: str
    id_of: Callable[[JobT], str]
    read: Callable[[Any], JobT]
    poll: Callable[[OmicsHook, EarlierJob], JobT]
    start: Callable[..., JobT]
    cancel_request: Callable[[str], Request]
    cancel: Callable[[str], Requests[bool | None]]
    has_completed: Callable[[JobT], bool]
    is_replaced: Callable[[JobT], bool]
    last_is_enough: bool

    def snapshot(self, job: EarlierJob) -> JobT:
        """Return what discovery has shown of a job."""
        return self.read(job.answer)

    def cancel_when_possible(
        self, hook: OmicsHook, job_id: str, pauses: Iterable[float], pause: Callable[[float], object]
    ) -> bool | None:
        """Cancel a job, again after each pause while it cannot be cancelled yet.

        :param pauses: in seconds, before each attempt.
        :param pause: sleeps so many seconds, and may return True to stop.
        :return: False if it had ended or is gone, None if it could not be cancelled.
        :raises OmicsServiceError: the service refused it.
        """
        for seconds in pauses:
            if seconds and pause(seconds):
                break
            is_cancelled = hook.send_requests(self.cancel(job_id), f"{self.api.label} {job_id}")
            if is_cancelled is not None:
                return is_cancelled
        return None


def poll_batch(
    hook: OmicsHook, batch_id: str, retrying: Callable[[Callable[[], Any]], Any] | None = None
) -> BatchSnapshot:
    """Poll a batch that may be gone (GetBatch).

    :param retrying: makes each call again while that may help; None for not at all.
    """
    try:
        return hook.send_requests(BatchPoll(batch_id).requests(), f"batch {batch_id}", retrying=retrying)
    except OmicsServiceError as error:
        if error.code != "ResourceNotFoundException":
            raise
        return BatchSnapshot(batch_id).as_deleted()


def _cancel_batch(batch_id: str) -> Requests[bool | None]:
    snapshot, is_asked = yield from request_cancel(batch_id)
    return not snapshot.phase.is_final if is_asked else None


def _start_run(hook: OmicsHook, request: Mapping[str, Any], **reconciling: Any) -> RunSnapshot:
    return hook.start_run(request, **reconciling)


def _start_batch(hook: OmicsHook, request: Mapping[str, Any], **reconciling: Any) -> BatchSnapshot:
    return hook.start_run_batch(request, **reconciling)


RUN: JobKind[RunSnapshot] = JobKind(
    api=RUN_API,
    name_member="name",
    id_of=attrgetter("run_id"),
    read=RunSnapshot.of,
    poll=lambda _, job: RUN.snapshot(job),
    start=_start_run,
    cancel_request=lambda run_id: Request("CancelRun", {"id": run_id}),
    cancel=cancel_run,
    has_completed=lambda run: run.phase is Phase.SUCCEEDED,
    is_replaced=lambda run: run.phase.is_final and run.phase is not Phase.SUCCEEDED,
    last_is_enough=True,
)
BATCH: JobKind[BatchSnapshot] = JobKind(
    api=BATCH_API,
    name_member="batchName",
    id_of=attrgetter("batch_id"),
    read=BatchSnapshot.of,
    poll=lambda hook, job: poll_batch(hook, job.job_id),
    start=_start_batch,
    cancel_request=lambda batch_id: Request("CancelRunBatch", {"batchId": batch_id}),
    cancel=_cancel_batch,
    has_completed=lambda batch: batch.status == BatchStatus.PROCESSED and not batch.not_completed,
    # What of it did not complete is submitted in a batch of its own.
    is_replaced=lambda _: False,
    last_is_enough=False,
)
