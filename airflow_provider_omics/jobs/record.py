"""Record of a task's job in Airflow's state store (3.3 and later): intent before the start, id after it, success."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_omics.compat import STATE_OUTLIVES_CLEAR, is_of_earlier_try, state_store
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.discovery.jobs import EarlierJob

_KEY = "airflow-provider-omics"
# By these keys the state store has it, whatever the members are called here.
_STORED = {
    "key": "intent",
    "generation": "generation",
    "is_submitted": "asked",
    "external_id": "job_id",
    "uuid": "uuid",
    "cohort": "cohort",
    "finished_try": "finished_try",
    "epoch": "from_generation",
}


@dataclass(frozen=True)
class RecordedJob:
    """The last job of a task instance.

    :param key: the idempotency key that it was started with (:attr:`JobKey.key`).
    :param generation: which job of the key it is.
    :param is_submitted: whether the job was submitted, or was just about to be.
    :param external_id: id of the run or batch; None if no answer was seen.
    :param uuid: the job's identity for ever.
    :param cohort: key of a batch's cohort.
    :param finished_try: the try of the task that ended well with it; None if none has yet.
    :param epoch: first generation since the user cleared the task; jobs of lower ones belong to the time before.
    """

    key: str
    generation: int = 0
    is_submitted: bool = False
    external_id: str | None = None
    uuid: str | None = None
    cohort: str | None = None
    finished_try: int | None = None
    epoch: int = 0

    def is_job(self, uuid: str | None) -> bool:
        """Whether a job of the recorded id is the one recorded; the service gives ids of deleted jobs to others.

        :param uuid: of the job that the service shows under the id; None if it does not show one.
        """
        return self.uuid is None or uuid in (None, self.uuid)

    def to_payload(self) -> dict[str, Any]:
        """Return the job as the state store keeps it, as JSON values."""
        return {stored: getattr(self, name) for name, stored in _STORED.items()}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> RecordedJob:
        """Read what :meth:`to_payload` wrote, in this release or another."""
        return cls(**{name: payload[stored] for name, stored in _STORED.items() if stored in payload})


class JobRecord:
    """Record of a task instance's job.

    Best effort: without it jobs are found by name and tags, so an error here never fails a task.

    :param context: the task's context.
    :param key: idempotency key of the job; the record of another one counts as previous. None for the last, whatever
        it is.
    :param is_on: whether anything is to be recorded.
    :param former: the key that the job had in 0.1.0; None if it has always been the same.
    :ivar job: the last job of the key.
    :ivar is_blank: whether it is certain that the task has kept nothing, or nothing since it was cleared.
    :ivar previous: the job of another key, which an earlier try had before the task asked for something else.
    """

    def __init__(
        self,
        context: Mapping[str, Any],
        key: str | None,
        log: Log,
        *,
        is_on: bool = True,
        former: str | None = None,
    ) -> None:
        self._store = state_store(context) if is_on else None
        self._log = log
        self._ti = context["ti"]
        self.is_blank = False
        kept = self._read()
        key = key or (kept.key if kept is not None else "")
        is_same = kept is not None and kept.key in (key, former)
        self.job = replace(kept, key=key) if kept is not None and is_same else RecordedJob(key)
        self.previous = None if is_same else kept

    @property
    def outlives_clear(self) -> bool:
        """Whether what is kept is still there after the task has succeeded and a user has cleared it."""
        emptied = conf.getboolean("state_store", "clear_on_success", fallback=False)
        return self._store is not None and STATE_OUTLIVES_CLEAR and not emptied

    def reset_after_clear(self, tries_before_clear: int) -> None:
        """Begin a new epoch if the task had succeeded with its job, and was cleared by a user since.

        :param tries_before_clear: how many tries were over when the task was last cleared.
        """
        finished = self.job.finished_try
        if finished is not None and finished <= tries_before_clear:
            self._reset(self.job.generation + 1)

    def reset_after_clear_by_tags(
        self, jobs: Sequence[EarlierJob], tries_before_clear: int, has_completed: Callable[[EarlierJob], bool]
    ) -> None:
        """Begin a new epoch if the task had succeeded before a user cleared it, by the tags of its jobs.

        A job that has no such tag, because it has none at all or is of a release that gave none, is taken to be one of
        them if it has completed, and if the state store shows that this is the first poll of it since the clear.

        :param jobs: the jobs that were found, oldest first.
        :param tries_before_clear: how many tries were over when the task was last cleared.
        """
        if not tries_before_clear:
            return
        for job in reversed(jobs):
            noted = job.finished_try
            is_finished = noted is not None and noted <= tries_before_clear
            if is_finished or (self.is_blank and noted is None and not job.is_noted_on_success and has_completed(job)):
                if job.generation >= self.job.epoch:
                    self._reset(job.generation + 1)
                return

    def _reset(self, generation: int) -> None:
        self._log.info("The task was cleared after it had succeeded, so its job is run anew")
        self._write(RecordedJob(self.job.key, generation, epoch=generation))

    def record_intent(self, generation: int) -> None:
        """Record that a job is about to be submitted (write-ahead).

        :raises OmicsError: another try of the task has begun, so it is not to be submitted here.
        """
        job = replace(
            self.job, generation=generation, is_submitted=True, external_id=None, uuid=None, finished_try=None
        )
        # Also where nothing has changed: only Airflow's answer tells whether this try still counts.
        if not self._write(job, always=True):
            raise OmicsError(
                "Airflow counts this try of the task as over, and takes nothing from it any more, so nothing is "
                "started here; the next try does that"
            )

    def record_started(self, generation: int, job_id: str, uuid: str | None, cohort: str | None = None) -> None:
        """Record the job that there is."""
        job = replace(self.job, generation=generation, is_submitted=True, finished_try=None)
        self._write(replace(job, external_id=job_id, uuid=uuid, cohort=cohort))

    def record_done(self) -> None:
        """Record that the task ends well with this try."""
        if self.job.key:
            self._write(replace(self.job, finished_try=self._ti.try_number))

    def _read(self) -> RecordedJob | None:
        if self._store is None:
            return None
        try:
            kept = self._store[0].get(_KEY)
        except Exception as error:
            self._log.warning(
                "%s", entry("What earlier tries left in Airflow's state store could not be read: %s", error)
            )
            return None
        if not isinstance(kept, Mapping) or "intent" not in kept:
            self.is_blank = True
            return None
        return RecordedJob.from_payload(kept)

    def _write(self, job: RecordedJob, *, always: bool = False) -> bool:
        """Write what is known of the job.

        :return: False if Airflow takes nothing from this try, since it counts as over.
        """
        changed, self.job = job != self.job, job
        if self._store is None or not (changed or always):
            return True
        store, for_ever = self._store
        try:
            store.set(_KEY, job.to_payload(), retention=for_ever)
        except Exception as error:
            self._log.warning("%s", entry("Airflow's state store could not be written: %s", error))
            return not is_of_earlier_try(error)
        return True
