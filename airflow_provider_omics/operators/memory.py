"""What a task instance remembers from try to try, where Airflow lets it (3.3 and later)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_omics.compat import STATE_OUTLIVES_CLEAR, is_of_earlier_try, state_store
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.discovery.jobs import EarlierJob

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
    :ivar is_blank: whether the store tells for sure that the task has kept nothing, or nothing since it was cleared.
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
        self.is_blank = False
        kept = self._read()
        intent = intent or (kept.intent if kept is not None else "")
        is_same = kept is not None and kept.intent in (intent, former)
        self.job = replace(kept, intent=intent) if kept is not None and is_same else Remembered(intent)
        self.left = None if is_same else kept

    @property
    def outlives_clear(self) -> bool:
        """Whether what is kept is still there after the task has succeeded and a user has cleared it."""
        emptied = conf.getboolean("state_store", "clear_on_success", fallback=False)
        return self._store is not None and STATE_OUTLIVES_CLEAR and not emptied

    def forget_finished(self, tries_before_clear: int) -> None:
        """Leave the job behind if its task had succeeded, and was cleared by a user since.

        :param tries_before_clear: how many tries were over when the task was last cleared.
        """
        finished = self.job.finished_try
        if finished is not None and finished <= tries_before_clear:
            self.begin_anew(self.job.generation + 1)

    def begin_anew(self, generation: int) -> None:
        """Leave all jobs below a generation behind, since the task had succeeded with the last of them."""
        self._log.info("The task was cleared after it had succeeded, so its job is run anew")
        self._keep(Remembered(self.job.intent, generation, from_generation=generation))

    def intend(self, generation: int) -> None:
        """Note that a job is about to be asked for.

        :raises OmicsError: another try of the task has begun, so it is not to be asked for here.
        """
        job = replace(self.job, generation=generation, asked=True, job_id=None, uuid=None, finished_try=None)
        # Also where nothing has changed: only Airflow's answer tells whether this try still counts.
        if not self._keep(job, always=True):
            raise OmicsError(
                "Airflow counts this try of the task as over, and takes nothing from it any more, so nothing is "
                "started here; the next try does that"
            )

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
            self._log.warning(
                "%s", entry("What earlier tries left in Airflow's state store could not be read: %s", error)
            )
            return None
        if not isinstance(kept, Mapping) or "intent" not in kept:
            self.is_blank = True
            return None
        return Remembered(**{member.name: kept[member.name] for member in fields(Remembered) if member.name in kept})

    def _keep(self, job: Remembered, *, always: bool = False) -> bool:
        """Keep what is known of the job.

        :return: False if Airflow takes nothing from this try, since it counts as over.
        """
        changed, self.job = job != self.job, job
        if self._store is None or not (changed or always):
            return True
        store, for_ever = self._store
        try:
            store.set(_KEY, asdict(job), retention=for_ever)
        except Exception as error:
            self._log.warning("%s", entry("Airflow's state store could not be written: %s", error))
            return not is_of_earlier_try(error)
        return True


def forget_finished(
    memory: Memory, jobs: Sequence[EarlierJob], tries_before_clear: int, has_completed: Callable[[EarlierJob], bool]
) -> None:
    """Leave the jobs behind with which the task had succeeded before a user cleared it, as their tags tell.

    A job that has no such tag, because it has none at all or is of a release that gave none, is taken to be one of
    them if it has completed, and if the state store tells that this is the first look at it since the clear.

    :param jobs: the jobs that were found, oldest first.
    :param tries_before_clear: how many tries were over when the task was last cleared.
    """
    if not tries_before_clear:
        return
    for job in reversed(jobs):
        noted = job.finished_try
        is_finished = noted is not None and noted <= tries_before_clear
        if is_finished or (memory.is_blank and noted is None and not job.may_tell and has_completed(job)):
            if job.generation >= memory.job.from_generation:
                memory.begin_anew(job.generation + 1)
            return
