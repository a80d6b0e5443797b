"""Rival tries of a task, which start its job at the same time, since Airflow counts one as lost that is alive."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from airflow_provider_omics.compat import heartbeat_timeout
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.discovery.jobs import EarlierJob, find_jobs, seconds
from airflow_provider_omics.healthomics.requests.identity import INTENT_TAG, JobKey, Owner
from airflow_provider_omics.jobs.kinds import JobKind, JobT

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

# A new job may be missing from the list for a while.
_PAUSES = (0.0, 1.0, 2.0, 4.0)
_REPLACED = (Phase.FAILED, Phase.CANCELLED, Phase.DELETED)
# Of a name that many tasks share.
_MOST_READ = 25


@dataclass(frozen=True)
class Rivals(Generic[JobT]):
    """Rival tries of a task, which may be starting its job too.

    All tries submit the same job with the same request id, which is enough as long as the service remembers the id. So
    a try that may have a rival reads the list after its start, and where there are two jobs, both tries choose the same
    one: the later of two generations, and of one generation the job that was created first. The other is cancelled.

    :param kind: what the jobs are.
    :param began: when this try began, in seconds since the epoch; None if not known.
    :param is_later: whether there was a try before this one.
    :param cancels: whether the job that does not count is cancelled, or only logged.
    :param pause: sleeps so many seconds and returns whether the task was killed meanwhile.
    """

    hook: OmicsHook
    kind: JobKind[JobT]
    key: JobKey
    began: float | None
    is_later: bool
    cancels: bool
    log: Log
    pause: Callable[[float], object]

    @classmethod
    def of(cls, context: Mapping[str, Any], **members: Any) -> Rivals[JobT]:
        """Read from the context of a task which try this is, and since when."""
        ti = context["ti"]
        began = ti.start_date.timestamp() if getattr(ti, "start_date", None) else None
        return cls(began=began, is_later=ti.try_number > 1, **members)

    def settle(self, names: Sequence[str], job_id: str, generation: int) -> EarlierJob | None:
        """Read whether a job that was started just now is the only one, and leave one.

        Best effort: the job has been started, and must not be lost for an error of reading.

        :param names: names that jobs of the task can have.
        :return: the job that counts in its place; None if it counts itself.
        """
        if not self._may_be_there():
            return None
        try:
            rivals = self._rivals(names, job_id, generation)
            best = min(rivals, key=_rank, default=None)
            if best is None:
                return None
            unlisted = {job_id} - {job.job_id for job in rivals}
            active = {job.job_id for job in rivals if not self._phase(job).is_final}
            for loser in sorted((unlisted | active) - {best.job_id}):
                self._cancel_superseded(loser)
        except OmicsServiceError as error:
            self.log.warning("%s", entry("Whether another try has started the same could not be found out: %s", error))
            return None
        return None if best.job_id == job_id else best

    def _may_be_there(self) -> bool:
        """Whether this may be a later try while an earlier one is alive, or one that counts as lost by now."""
        return self.is_later or (self.began is not None and time.time() - self.began >= heartbeat_timeout() / 2)

    def _rivals(self, names: Sequence[str], job_id: str, generation: int) -> list[EarlierJob]:
        """Return the job that was started now, once the list shows it, and those that may count in its place."""
        jobs: Sequence[EarlierJob] = ()
        for pause in _PAUSES:
            # Also where the task was killed meanwhile: a try that counts as lost is.
            if pause and self.pause(pause):
                break
            requests = find_jobs(self.kind.api, self.key, names, since=self.began, most=_MOST_READ)
            jobs = self.hook.send_requests(requests, f"{self.kind.api.label}s named {names[0]!r}").jobs
            if any(job.job_id == job_id for job in jobs):
                break
        return [job for job in jobs if job.job_id == job_id or self._may_count(job, generation)]

    def _may_count(self, job: EarlierJob, generation: int) -> bool:
        if job.owner is not Owner.SAME_REQUEST or INTENT_TAG not in job.tags:
            return False
        # That a later one was wanted is enough: it was seen then that the earlier ones are not.
        is_replaced = self._phase(job) in _REPLACED or job.answer.get("status") == "STOPPING"
        return job.generation > generation or (job.generation == generation and not is_replaced)

    def _cancel_superseded(self, job_id: str) -> None:
        label = f"{self.kind.api.label} {job_id}"
        if not self.cancels:
            self.log.warning("Two tries have started the same, and HealthOmics %s is not wanted: cancel it", label)
            return
        self.kind.cancel_when_possible(self.hook, job_id, _PAUSES, self.pause)
        self.log.info("Asked HealthOmics to cancel %s: another try has started the same", label)

    def _phase(self, job: EarlierJob) -> Phase:
        return self.kind.snapshot(job).phase


def _rank(job: EarlierJob) -> tuple[int, float, int, str]:
    return -job.generation, seconds(job.answer.get("creationTime")) or 0.0, len(job.job_id), job.job_id
