"""Candidate of pruning: what the service shows of a run or a batch, and what its task may need it for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_omics.healthomics.api.statuses import Phase


@dataclass(frozen=True)
class Ownership:
    """Ownership of a run or a batch, by the tags that the provider gives to what tasks start.

    :param is_tagged: whether it carries the tags that name its task.
    :param namespace: of the Airflow deployment, as it is in a tag; None for what carries none of the provider's tags.
    :param is_active: whether the batch, or another batch of its cohort, goes on.
    :param is_finished: whether the task is known to have ended well with it.
    :param ended_at: when the last batch of the cohort ended, in seconds since the epoch; None if not known.
    :param is_complete: whether all batches of the cohort were read.
    """

    is_tagged: bool = False
    namespace: str | None = None
    is_active: bool = False
    is_finished: bool = False
    ended_at: float | None = None
    is_complete: bool = True


@dataclass(frozen=True)
class PruneCandidate:
    """Run or batch that pruning is about. No member of an answer is guaranteed by the API.

    :param phase: what its status means to a waiter.
    :param created_at: in seconds since the epoch.
    :param ended_at: in seconds since the epoch; None if it is active, and where the list does not show it.
    :param batch_id: the batch that a run belongs to; None for none.
    :param tags: its tags; none until it was read.
    :param owner: None until that was read.
    """

    job_id: str
    phase: Phase
    status: str | None = None
    name: str | None = None
    workflow_id: str | None = None
    created_at: float | None = None
    ended_at: float | None = None
    batch_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: Ownership | None = None

    @property
    def is_active(self) -> bool:
        """Whether it goes on, or may: only the service knows the end of a status of a later release."""
        return not self.phase.is_final

    @property
    def known_end(self) -> float | None:
        """When it ended, in seconds since the epoch; of a run that does not tell, the end of its cohort."""
        if self.is_active or self.ended_at is not None or self.owner is None:
            return self.ended_at
        return self.owner.ended_at

    @property
    def order(self) -> tuple[float, float, int, str]:
        """Its place among others: the oldest end first."""
        created = self.created_at or 0.0
        return self.ended_at or created, created, len(self.job_id), self.job_id
