"""Search for the batches of a cohort while its task goes on, for worker and triggerer alike."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import Question, Requests
from airflow_provider_omics.healthomics.api.service_errors import ErrorCategory, categorize
from airflow_provider_omics.healthomics.discovery.checkpoint import COHORT_TAG
from airflow_provider_omics.healthomics.discovery.cohort_batches import (
    MOST_SIBLINGS_READ,
    CohortBatch,
    CohortBatches,
    same_cohort,
)
from airflow_provider_omics.healthomics.discovery.jobs import BATCH_API, EarlierJob, find_jobs
from airflow_provider_omics.healthomics.polling.poll import SnapshotT
from airflow_provider_omics.healthomics.requests.identity import DagRunLife, JobKey, TaskIdentity

_OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


@dataclass(frozen=True)
class CohortTask:
    """Task whose batches are searched for: small, and all of it JSON as a payload.

    :param names: names that its batches can have.
    :param is_redriven: whether the task may start another batch for samples that failed.
    """

    task: TaskIdentity
    namespace: str
    dag_run: DagRunLife
    names: tuple[str, ...]
    is_redriven: bool = True

    @property
    def key(self) -> JobKey:
        """The idempotency key of its batches."""
        return JobKey(self.task, "StartRunBatch", self.namespace, self.dag_run)

    def to_payload(self) -> dict[str, Any]:
        """Return the task as JSON values."""
        return {**asdict(self), "task": self.task.to_payload(), "names": list(self.names)}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> CohortTask:
        """Read what :meth:`to_payload` wrote."""
        task, life = TaskIdentity.from_payload(payload["task"]), DagRunLife(**payload["dag_run"])
        return cls(task, payload["namespace"], life, tuple(payload["names"]), payload["is_redriven"])

    def find(self) -> Requests[CohortBatches]:
        """Find the batches that the task has started since it last succeeded (ListBatch, GetBatch)."""
        found = yield from find_jobs(BATCH_API, self.key, self.names, most=MOST_SIBLINGS_READ)
        batches = tuple(map(_batch, found.jobs))
        return CohortBatches(same_cohort(batches, batches[-1]) if batches else (), found.unread)


def _batch(job: EarlierJob) -> CohortBatch:
    return CohortBatch(job.job_id, job.generation, job.tags.get(COHORT_TAG), job.answer)


@dataclass
class CohortSearch(Generic[SnapshotT]):
    """Search for batches of a cohort that are not known yet, until there is one or its task has ended.

    :param initial: the snapshot of what is waited for before the first answer.
    :param find: finds all batches of the cohort.
    :param known: ids of the batches that are known.
    :param question: asks which state the cohort's task has, and is answered with None where that cannot be known; None
        for batches that are all there will be.
    """

    initial: SnapshotT
    find: Callable[[], Requests[CohortBatches]]
    known: Container[str] = ()
    question: Question | None = None
    operation: str = "ListBatch"
    found: CohortBatches = field(default_factory=CohortBatches, init=False)
    refusal: ClientError | None = field(default=None, init=False)
    is_task_over: bool = field(default=False, init=False)

    @property
    def news(self) -> list[str]:
        """Ids of the batches that were not known, newest first."""
        return [batch_id for batch_id in reversed(self.found.ids) if batch_id not in self.known]

    def requests(self) -> Requests[SnapshotT]:
        """Ask once; what is found after the task has ended is all there will be."""
        state = None if self.question is None else (yield self.question)
        self.is_task_over = self.question is None or state in _OVER
        try:
            found = yield from self.find()
        except ClientError as error:
            if self.question is not None or categorize(error) is not ErrorCategory.PERMANENT:
                raise
            self.refusal = error
            found = CohortBatches()
        # One that its task had succeeded with before it was cleared is of no interest to those who wait beside it.
        is_stale = found.is_finished and state is not None and state != "success"
        self.found = CohortBatches(unread=found.unread) if is_stale else found
        return self.initial

    def is_over(self, _snapshot: SnapshotT) -> bool:
        """Whether there is another batch, or will not be one."""
        return self.is_task_over or bool(self.news)

    def describe_change(self, before: SnapshotT | None, snapshot: SnapshotT) -> str | None:
        """Return what is waited for, once."""
        return f"{snapshot.describe()}; waiting for a batch of its cohort's task" if before is None else None
