"""Batches of one cohort: those that its task started, each for samples that the ones before had not completed.

They are found from any one of them, by its name and the tags that name its task; see
:meth:`~airflow_provider_omics.healthomics.requests.identity.JobKey.tags`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, Phase, classify
from airflow_provider_omics.healthomics.discovery.checkpoint import COHORT_TAG
from airflow_provider_omics.healthomics.discovery.jobs import BATCH_API, list_named, seconds, show
from airflow_provider_omics.healthomics.requests.identity import FINISHED_TAG, INTENT_TAG, TASK_TAG, generation_of

MOST_SIBLINGS_READ = 100
"""Most batches of one name that are read one by one, the newest first."""


@dataclass(frozen=True)
class CohortBatch:
    """Batch of a cohort.

    :param generation: its place among the batches of its task, 0 for the first.
    :param cohort: key of the file that holds the whole cohort as the task had read it then; None if not known.
    :param answer: what GetBatch shows of it.
    """

    batch_id: str
    generation: int
    cohort: str | None
    answer: Mapping[str, Any]

    @property
    def _tags(self) -> Mapping[str, str]:
        return _tags(self.answer)

    @property
    def is_active(self) -> bool:
        """Whether the batch goes on."""
        return classify(BatchStatus, self.answer.get("status")) is Phase.ACTIVE

    @property
    def is_finished(self) -> bool:
        """Whether the task has succeeded with the batch."""
        return FINISHED_TAG in self._tags

    @property
    def _life(self) -> str:
        return self._tags.get(TASK_TAG, "").partition(".")[2]

    @property
    def _order(self) -> tuple[float, int]:
        return seconds(self.answer.get("creationTime")) or 0.0, self.generation

    def ends_before(self, later: CohortBatch) -> bool:
        """Whether the next batch of the same task belongs to another cohort.

        It does if the task had succeeded before, and was cleared, or if its DAG run was deleted and created again.
        """
        is_recreated = self._life != later._life and later.generation <= self.generation
        return self.is_finished or is_recreated


@dataclass(frozen=True)
class CohortBatches:
    """Batches of a cohort.

    :param batches: oldest first; none if the batch to begin with was deleted.
    :param unread: how many batches of the same name were not read, since there are too many.
    """

    batches: tuple[CohortBatch, ...] = ()
    unread: int = 0

    @property
    def ids(self) -> list[str]:
        """The ids, oldest first."""
        return [batch.batch_id for batch in self.batches]

    @property
    def active(self) -> list[str]:
        """The ids of those that go on."""
        return [batch.batch_id for batch in self.batches if batch.is_active]

    @property
    def is_finished(self) -> bool:
        """Whether the task has succeeded with the last of them, or had before it was cleared."""
        return bool(self.batches) and self.batches[-1].is_finished


def find_cohort(batch_id: str) -> Requests[CohortBatches]:
    """Find all batches of the cohort that a batch belongs to (GetBatch, ListBatch).

    A batch without the provider's tags is taken to be the only one of its cohort.
    """
    answer = yield from show(BATCH_API, batch_id)
    if not answer:
        return CohortBatches()
    own = _read(batch_id, answer)
    task, name = _task_of(answer), answer.get("name")
    if not task or not name:
        return CohortBatches((own,))
    listed, unread = yield from list_named(BATCH_API, (name,), None)
    found = [own]
    is_older = False
    for place, other_id in enumerate(listed):
        if place >= MOST_SIBLINGS_READ:
            unread += len(listed) - place
            break
        is_older = is_older or other_id == batch_id
        other = own if other_id == batch_id else (yield from _sibling(other_id, task))
        if other is None:
            continue
        if other is not own:
            found.append(other)
        # Nothing that is older belongs to it.
        if is_older and other.generation == 0:
            break
    return CohortBatches(same_cohort(found, own), unread)


def redrives(batch_id: str) -> Requests[int]:
    """Return how many batches of its task must have come before a batch, by its tags (GetBatch)."""
    answer = yield from show(BATCH_API, batch_id)
    return _read(batch_id, answer).generation


def log_unread_siblings(found: CohortBatches, label: str, log: Log) -> None:
    """Log that there were too many batches of the same name to read each.

    :param label: what they were looked for, such as ``batch 1234567``.
    """
    if found.unread:
        log.warning(
            "%s",
            entry(
                "Of the batches named as %s or as its batches only the newest were looked at, not %s or more others; "
                "the cohort may have some among them. Give the cohort's task a batch_name that fewer have",
                label,
                f"{found.unread:,}",
            ),
        )


def _sibling(batch_id: str, task: str) -> Requests[CohortBatch | None]:
    answer = yield from show(BATCH_API, batch_id)
    return _read(batch_id, answer) if answer and _task_of(answer) == task else None


def _read(batch_id: str, answer: Mapping[str, Any]) -> CohortBatch:
    tags = _tags(answer)
    return CohortBatch(batch_id, generation_of(tags, 0), tags.get(COHORT_TAG), answer)


def _task_of(answer: Mapping[str, Any]) -> str:
    tags = _tags(answer)
    # 0.1.0 gave no tag of the task alone.
    return tags.get(TASK_TAG, "").partition(".")[0] or tags.get(INTENT_TAG, "")


def _tags(answer: Mapping[str, Any]) -> Mapping[str, str]:
    tags: Mapping[str, str] = answer.get("tags") or {}
    return tags


def same_cohort(found: Sequence[CohortBatch], own: CohortBatch) -> tuple[CohortBatch, ...]:
    """Return those of the batches of one task that belong to the same cohort as one of them, oldest first."""
    cohort: list[CohortBatch] = []
    for batch in sorted(found, key=lambda batch: batch._order):
        if cohort and cohort[-1].ends_before(batch):
            if own in cohort:
                break
            cohort.clear()
        cohort.append(batch)
    return tuple(cohort)
