"""Idempotent submission of a task's jobs, runs and batches alike: one job per key and generation."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic

from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.discovery.checkpoint import COHORT_TAG
from airflow_provider_omics.healthomics.discovery.jobs import (
    Discovery,
    EarlierJob,
    find_jobs,
    find_unanswered,
    log_unread,
    names_of,
    show,
    was_created_since,
)
from airflow_provider_omics.healthomics.requests.identity import JobKey, Owner
from airflow_provider_omics.jobs.kinds import JobKind, JobT
from airflow_provider_omics.jobs.record import JobRecord
from airflow_provider_omics.jobs.rivals import Rivals

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

# How long a job that the service has just named may be not found before it counts as deleted.
_CONFIRM_PAUSES = (0.0, 1.0, 2.0, 4.0)
# A batch is CREATING for less than that as a rule.
_CANCEL_PAUSES = (0.0, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Submitted(Generic[JobT]):
    """Job that was submitted or found.

    :param generation: which job of its key it is.
    :param is_found: whether an earlier try had started it.
    """

    job: JobT
    generation: int
    is_found: bool = False


@dataclass(frozen=True)
class IdempotentSubmitter(Generic[JobT]):
    """Submitter of the jobs of one key, which finds those that earlier tries of the task submitted.

    The state store's record comes first, then the jobs of the task's names and tags. The
    generation grows only once the job before was seen to be of no use, and with it the request id.

    :param name: name that the user gave the jobs; None for the default.
    :param is_tagged: whether jobs carry the key as tags, which needs ``omics:TagResource``; without them an earlier
        job is only found if it has the default name.
    :param pause: sleeps so many seconds and returns whether the task was killed meanwhile.
    :param rivals: tries that may be submitting at the same time; None for none.
    """

    kind: JobKind[JobT]
    hook: OmicsHook
    key: JobKey
    name: str | None
    is_tagged: bool
    log: Log
    record: JobRecord
    pause: Callable[[float], object] = time.sleep
    rivals: Rivals[JobT] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names that jobs of the task can have, the one that new jobs get first."""
        return names_of(self.kind.api, self.key, self.name, tagged=self.is_tagged)

    def request_id(self, generation: int, own: str | None = None, digest: str = "") -> str:
        """Return the request id of one job, the same in every try.

        :param own: the one that the user gave, which the first job gets; None for none.
        :param digest: of what this one job computes, where the key leaves that open.
        """
        if own is None:
            return self.key.request_id(generation, digest)
        return own if generation == 0 else str(uuid.uuid5(uuid.NAMESPACE_OID, f"{own} {generation}"))

    def submit(
        self,
        generation: int,
        request: Mapping[str, Any],
        *,
        digest: str = "",
        cohort: str | None = None,
        since: float | None = None,
    ) -> JobT:
        """Submit the job of a generation, and leave it to a try that was there first if there is one.

        :param request: StartRun or StartRunBatch as the user wants it.
        :param digest: of what this one job computes, where the key leaves that open.
        :param cohort: key of a batch's cohort.
        :param since: when the submission began, where no earlier one can have been for that job.
        :raises OmicsError: the task was killed.
        :raises OmicsServiceError: the service refused it.
        """
        ours = self.key.tags(generation) if self.is_tagged else {}
        if ours and cohort is not None:
            ours[COHORT_TAG] = cohort
        tags = {**(request.get("tags") or {}), **ours}
        request_id = self.request_id(generation, request.get("requestId"), digest)
        members = {**request, self.kind.name_member: self.names[0], "requestId": request_id, "tags": tags}
        if not tags:
            del members["tags"]
        self.record.record_intent(generation)
        # Airflow lets a task go on after on_kill, which may have come at any time since the task began.
        if self.pause(0.0) is True:
            raise OmicsError(f"The task was killed before it started a {self.kind.api.label}; nothing was sent")
        job = self.kind.start(self.hook, members, find=partial(self._reconcile, generation, since), pause=self.pause)
        self.record.record_started(generation, self.kind.id_of(job), job.uuid, cohort)
        return self._without_rival(generation, job, cohort)

    def submit_or_confirm(
        self,
        generation: int,
        earlier_tries: int,
        submit: Callable[[int], JobT],
        log_started: Callable[[JobT], None],
    ) -> Submitted[JobT]:
        """Submit a job in a try that found none of an earlier one.

        Its request id may still stand for a job of an earlier try that could not be found by name and tags: that is
        taken over, or replaced if it is gone or of no use.

        :param generation: the lowest that may be free.
        :param earlier_tries: how many there were since the task last succeeded. None of them submitted more than one
            job, so that a job of a higher generation can only be this try's own.
        :param submit: submits the job of a generation.
        :param log_started: logs a job that was started now.
        """
        while generation < self.record.job.epoch + earlier_tries:
            submitted_at = time.time()
            confirmed = self._confirm(Submitted(submit(generation), generation), submitted_at, log_started)
            if confirmed is not None:
                return confirmed
            generation += 1
        job = submit(generation)
        log_started(job)
        return Submitted(job, generation)

    def find_earlier(self, tries_before_clear: int = 0) -> tuple[list[EarlierJob], tuple[EarlierJob, ...]]:
        """Find the jobs that earlier tries submitted since the task last succeeded.

        :param tries_before_clear: how many tries were over when the task was last cleared.
        :return: those of the key, oldest first, and those that the task submitted when it asked for something else.
        """
        if self.kind.last_is_enough and (recorded := self._recorded()) is not None:
            return [recorded], ()
        found = self._discover()
        has_completed = self.kind.has_completed
        self.record.reset_after_clear_by_tags(
            found.jobs, tries_before_clear, lambda job: has_completed(self.kind.snapshot(job))
        )
        last = self.record.job
        jobs = [job for job in found.jobs if job.generation >= last.epoch]
        if self.kind.last_is_enough or any(job.job_id == last.external_id for job in jobs):
            return jobs, found.others
        recorded = self._recorded()
        return jobs if recorded is None else [*jobs, recorded], found.others

    def find_active(self) -> JobT | None:
        """Return the task's job that goes on, whatever it computes; None if none does."""
        jobs, others = self.find_earlier()
        for job in (*reversed(jobs), *others):
            is_recorded = job.job_id == self.record.job.external_id
            if job.finished_try is None or is_recorded:
                snapshot = self.kind.poll(self.hook, job)
                if not snapshot.phase.is_final:
                    return snapshot
        return None

    def find_last(self, tries_before_clear: int) -> JobT | None:
        """Return the task's last job as it is now; None if there is none.

        :param tries_before_clear: how many tries were over when the task was last cleared.
        """
        jobs, _ = self.find_earlier(tries_before_clear)
        return self.kind.poll(self.hook, jobs[-1]) if jobs else self.find_active()

    def read(self, job_id: str) -> JobT | None:
        """Return a job by its id; None if it is gone."""
        answer = self._show(job_id)
        return self.kind.read(answer) if answer else None

    def cancel_superseded(self, job: JobT) -> None:
        """Cancel a job of an earlier try that computes something which is not wanted any more."""
        if job.phase.is_final or job.status == "STOPPING":
            return
        asked = self.kind.cancel_when_possible(self.hook, self.kind.id_of(job), _CANCEL_PAUSES, self.pause)
        if asked is None:
            text = "HealthOmics %s of an earlier try is not wanted any more and cannot be cancelled yet: cancel it"
            self.log.warning("%s", entry(text, job.label))
            return
        text = "Asked HealthOmics to cancel %s of an earlier try: the task asks for something else now"
        self.log.info("%s", entry(text, job.label))

    def log_reattached(self, job: JobT) -> None:
        """Log that a job is taken over."""
        self.log.info("HealthOmics %s was started for this task before and is %s", job.label, job.status)

    def _recorded(self) -> EarlierJob | None:
        """Return the job that the state store has; None if there is none, or its id is another's by now."""
        recorded = self.record.job
        if recorded.external_id is None:
            return None
        answer = self._show(recorded.external_id)
        if not answer or not recorded.is_job(answer.get("uuid")):
            return None
        if recorded.cohort is not None:
            # Without tags, the record alone tells the cohort.
            answer = {**answer, "tags": {COHORT_TAG: recorded.cohort, **(answer.get("tags") or {})}}
        return EarlierJob(recorded.external_id, recorded.generation, Owner.SAME_REQUEST, answer)

    def _show(self, job_id: str) -> Mapping[str, Any]:
        return self.hook.send_requests(show(self.kind.api, job_id), f"{self.kind.api.label} {job_id}")

    def _discover(self) -> Discovery:
        requests = find_jobs(self.kind.api, self.key, self.names, newest_is_enough=self.kind.last_is_enough)
        found = self.hook.send_requests(requests, f"{self.kind.api.label}s named {self.names[0]!r}")
        log_unread(self.kind.api, self.names, found, self.log)
        return found

    def _reconcile(self, generation: int, since: float | None) -> JobT | None:
        """Return the job that a call made whose answer was lost on its way; None if there is none."""
        job = find_unanswered(self._discover(), generation, since)
        return None if job is None else self.kind.poll(self.hook, job)

    def _without_rival(self, generation: int, job: JobT, cohort: str | None) -> JobT:
        if self.rivals is None:
            return job
        rival = self.rivals.settle(self.names, self.kind.id_of(job), generation)
        if rival is None:
            return job
        chosen = self.kind.poll(self.hook, rival)
        self.record.record_started(max(rival.generation, generation), rival.job_id, chosen.uuid, cohort)
        text = "HealthOmics %s of another try is waited for in place of %s"
        self.log.info("%s", entry(text, chosen.label, job.label))
        return chosen

    def _confirm(
        self, submitted: Submitted[JobT], submitted_at: float, log_started: Callable[[JobT], None]
    ) -> Submitted[JobT] | None:
        """Read the job that a request id stands for; None if it is gone, or of no use any more.

        :param submitted_at: when it was submitted, in seconds since the epoch.
        """
        for seconds in _CONFIRM_PAUSES:
            if self.pause(seconds):
                # The task was killed, and whoever resolves that needs to know of the job.
                return submitted
            answer = self._show(self.kind.id_of(submitted.job))
            if not answer:
                continue
            job_id, generation = self.kind.id_of(submitted.job), submitted.generation
            seen = self.kind.poll(self.hook, EarlierJob(job_id, generation, Owner.SAME_REQUEST, answer))
            if not self.is_usable(seen):
                return None
            is_found = not was_created_since(answer, submitted_at, leeway=0.0)
            (self.log_reattached if is_found else log_started)(seen)
            return Submitted(seen, generation, is_found)
        self.log.info("HealthOmics %s of an earlier try is gone; replacing it", submitted.job.label)
        return None

    def is_usable(self, job: JobT) -> bool:
        """Whether a job of an earlier try is of use still; logged if not."""
        if self.kind.is_replaced(job):
            self.log.info("HealthOmics %s of an earlier try ended %s; replacing it", job.label, job.status)
            return False
        return True
