"""Checkpoint and attempts of a cohort: one batch after the other, each for what those before did not complete.

They are found again by name and tags, so that no try of the task submits a sample that another has submitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from airflow_provider_omics.healthomics.discovery.jobs import EarlierJob
from airflow_provider_omics.healthomics.requests.identity import TAG_COUNT

COHORT_TAG = "airflow-cohort"
"""Tag of a batch that names the cohort that its task had read; see :attr:`CohortAttempt.cohort`."""

BATCH_TAG_COUNT = TAG_COUNT + 1
"""How many tags the provider gives a batch."""

# By these keys Airflow's database has members of a checkpoint that are called something else here.
_STORED = {"excluded": "given_up", "redrive_all": "retry_all", "is_reattached": "adopted"}


@dataclass(frozen=True)
class CohortAttempt:
    """Attempt of a cohort: one batch of a task.

    :param generation: its place among the task's batches, 0 for the first.
    :param cohort: key of the file that holds the whole cohort as the task had read it then; None if that is not known.
    """

    batch_id: str
    generation: int
    cohort: str | None


@dataclass(frozen=True)
class CohortCheckpoint:
    """Checkpoint of a task's cohort: small, and all of it JSON, so that a deferred task can keep it.

    :param cohort: key of the file that holds the cohort.
    :param settings_place: folder in S3 of the cohort's files.
    :param results_place: where the results table goes, without its suffix.
    :param samples: how many samples the cohort has.
    :param next_generation: of the next batch, if there has to be one.
    :param batches: the batches that have a say about the cohort, oldest first.
    :param redrives_left: how many batches may follow for samples that failed by chance.
    :param excluded: how many samples the last batch left out, since submitting them again would not help.
    :param redrive_all: whether samples that failed for any reason are to be submitted again, since an earlier try of
        the task has reported their failure.
    :param is_reattached: whether the last batch was started by an earlier try, and may be being stopped as that was.
    """

    cohort: str
    settings_place: str
    results_place: str
    samples: int
    next_generation: int = 0
    batches: tuple[CohortAttempt, ...] = ()
    redrives_left: int = 0
    excluded: int = 0
    redrive_all: bool = False
    is_reattached: bool = False

    def with_batch(self, batch_id: str) -> CohortCheckpoint:
        """Return the checkpoint once another batch was started."""
        batch = CohortAttempt(batch_id, self.next_generation, self.cohort)
        return replace(
            self,
            batches=(*self.batches, batch),
            next_generation=self.next_generation + 1,
            redrive_all=False,
            is_reattached=False,
        )

    def to_payload(self) -> dict[str, Any]:
        """Return the checkpoint as JSON values."""
        batches = [[batch.batch_id, batch.generation, batch.cohort] for batch in self.batches]
        return {**{_STORED.get(name, name): value for name, value in vars(self).items()}, "batches": batches}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> CohortCheckpoint:
        """Read what :meth:`to_payload` wrote, in this release or another."""
        stored = {member.name: _STORED.get(member.name, member.name) for member in fields(cls)}
        known = {name: payload[key] for name, key in stored.items() if key in payload}
        return cls(**{**known, "batches": tuple(CohortAttempt(*batch) for batch in payload["batches"])})


def attempts(jobs: Iterable[EarlierJob]) -> list[CohortAttempt]:
    """Return batches that were found as attempts of their cohort, in the same order."""
    return [CohortAttempt(job.job_id, job.generation, job.tags.get(COHORT_TAG)) for job in jobs]
