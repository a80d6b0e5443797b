"""What a task instance remembers from try to try, where Airflow lets it (3.3 and later)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from airflow_provider_omics.compat import state_store
from airflow_provider_omics.healthomics.waiting import Log

_KEY = "airflow-provider-omics"


@dataclass(frozen=True)
class Remembered:
    """The last job of a task instance.

    :param intent: key of the intent that it was started for.
    :param generation: which job of the intent it is.
    :param asked: whether the job was asked for, or was just about to be.
    :param job_id: id of the run or batch; None if no answer was seen.
    :param uuid: the job's identity for ever.
    :param cohort: key of a batch's cohort.
    :param finished_try: the try of the task that ended well with it; None if none has yet.
    :param from_generation: jobs of lower generations belong to the time before the user cleared the task.
    """

    intent: str
    generation: int = 0
    asked: bool = False
    job_id: str | None = None
    uuid: str | None = None
    cohort: str | None = None
    finished_try: int | None = None
    from_generation: int = 0

    def is_job(self, uuid: str | None) -> bool:
        """Whether a job of the remembered id is the one remembered; the service gives ids of deleted jobs to others.

        :param uuid: of the job that the service shows under the id; None if it does not show one.
        """
        return self.uuid is None or uuid in (None, self.uuid)


class Memory:
    """Keeps what a task instance has to know of its job.

    Best effort: without it jobs are found by name and tags, so an error here never fails a task.

    :param context: the task's context.
    :param intent: key of the intent; what is remembered of another one is not told. None for the last, whatever it is.
    :param is_on: whether anything is to be remembered.
    :param former: the key that the intent had in 0.1.0; None if it has always been the same.
    :ivar job: the last job of the intent.
    :ivar left: the job of another intent, which an earlier try had before the task asked for something else.
    """

    def __init__(
        self,
        context: Mapping[str, Any],
        intent: str | None,
        log: Log,
        *,
        is_on: bool = True,
        former: str | None = None,
    ) -> None:
        self._store = state_store(context) if is_on else None
        self._log = log
        self._ti = context["ti"]
        kept = self._read()
        intent = intent or (kept.intent if kept is not None else "")
        is_same = kept is not None and kept.intent in (intent, former)
        self.job = replace(kept, intent=intent) if kept is not None and is_same else Remembered(intent)
        self.left = None if is_same else kept

    def forget_finished(self, tries_before_clear: int) -> None:
        """Leave the job behind if its task had succeeded, and was cleared by a user since.

        :param tries_before_clear: how many tries were over when the task was last cleared.
        """
        finished = self.job.finished_try
        if finished is not None and finished <= tries_before_clear:
            self._log.info("The task was cleared after it had succeeded, so its job is run anew")
            generation = self.job.generation + 1
            self._keep(Remembered(self.job.intent, generation, from_generation=generation))

    def intend(self, generation: int) -> None:
        """Note that a job is about to be asked for."""
        self._keep(replace(self.job, generation=generation, asked=True, job_id=None, uuid=None, finished_try=None))

    def started(self, generation: int, job_id: str, uuid: str | None, cohort: str | None = None) -> None:
        """Note the job that there is."""
        job = replace(self.job, generation=generation, asked=True, finished_try=None)
        self._keep(replace(job, job_id=job_id, uuid=uuid, cohort=cohort))

    def finished(self) -> None:
        """Note that the task ends well with this try."""
        if self.job.intent:
            self._keep(replace(self.job, finished_try=self._ti.try_number))

    def _read(self) -> Remembered | None:
        if self._store is None:
            return None
        try:
            kept = self._store[0].get(_KEY)
        except Exception as error:
            self._log.warning("What earlier tries left in Airflow's state store could not be read: %s", error)
            return None
        if not isinstance(kept, Mapping) or "intent" not in kept:
            return None
        return Remembered(**{member.name: kept[member.name] for member in fields(Remembered) if member.name in kept})

    def _keep(self, job: Remembered) -> None:
        changed, self.job = job != self.job, job
        if self._store is None or not changed:
            return
        store, for_ever = self._store
        try:
            store.set(_KEY, asdict(job), retention=for_ever)
        except Exception as error:
            self._log.warning("Airflow's state store could not be written: %s", error)
