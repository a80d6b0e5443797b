"""Plan of pruning: what would be deleted, and what is protected and why. Pure: nothing is asked here."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from airflow_provider_omics.healthomics.pruning.candidate import PruneCandidate

_COLUMNS = ("id", "name", "status", "workflow_id", "batch_id", "created", "ended", "verdict", "until", "outcome")

# A task that does not wait for its run has succeeded with it when it has started it, and a sensor waits for the run.
_FOR_OTHERS = 24 * 3600.0


class Verdict(StrEnum):
    """Verdict on a candidate: it is deleted, or why it is protected."""

    DELETE = "delete"
    ACTIVE = "active"
    COHORT_ACTIVE = "cohort_active"
    OTHER_DEPLOYMENT = "other_deployment"
    UNTAGGED = "untagged"
    RECENT = "recent"
    COHORT_UNREAD = "cohort_unread"

    @property
    def text(self) -> str:
        """The verdict in words."""
        return _TEXTS[self]


_TEXTS = {
    Verdict.DELETE: "nothing needs it",
    Verdict.ACTIVE: "it is active",
    Verdict.COHORT_ACTIVE: "its batch, or another one of the same cohort, is active",
    Verdict.OTHER_DEPLOYMENT: "another Airflow deployment started it (include_other_deployments)",
    Verdict.UNTAGGED: "it has no tags of this provider (include_untagged)",
    Verdict.RECENT: "a task may still need it (protect_for)",
    Verdict.COHORT_UNREAD: "too many batches have its name to read all of its cohort",
}


class Outcome(StrEnum):
    """Outcome of a deletion; ``KEPT`` is what has come to be protected, or is not meant any more, since the plan."""

    DELETED = "deleted"
    GONE = "gone"
    ACTIVE = "active"
    KEPT = "kept"


@dataclass(frozen=True)
class Protection:
    """Protection of runs and batches that a task may still need.

    :param namespace: the deployment's, as it is in a tag.
    :param protect_for: seconds since the end for which everything is kept: what a task has succeeded with for a day at
        most, since only others may still poll it.
    :param include_untagged: whether what carries no tags of the provider may be deleted.
    :param include_other_deployments: whether what other deployments have started may be deleted.
    """

    namespace: str
    protect_for: float
    include_untagged: bool = False
    include_other_deployments: bool = False

    def judge(self, job: PruneCandidate, now: float) -> Verdict:
        """Return the verdict on a candidate that was read, or that is active.

        :param now: in seconds since the epoch.
        """
        owner = job.owner
        if job.is_active or owner is None:
            return Verdict.ACTIVE
        if owner.is_active:
            return Verdict.COHORT_ACTIVE
        if not owner.is_tagged and not self.include_untagged:
            return Verdict.UNTAGGED
        # Of what has lost some of its tags, the others still tell.
        if owner.namespace not in (None, self.namespace) and not self.include_other_deployments:
            return Verdict.OTHER_DEPLOYMENT
        if not owner.is_complete and not owner.is_finished:
            return Verdict.COHORT_UNREAD
        until = self.until(job)
        return Verdict.RECENT if until is None or now < until else Verdict.DELETE

    def until(self, job: PruneCandidate) -> float | None:
        """Return until when a candidate is protected by its age, in seconds since the epoch; None if not known."""
        ends = [end for end in (job.ended_at, job.owner.ended_at if job.owner else None) if end is not None]
        is_finished = job.owner is not None and job.owner.is_finished
        seconds = min(self.protect_for, _FOR_OTHERS) if is_finished else self.protect_for
        return max(ends) + seconds if ends else None


@dataclass(frozen=True)
class PlanEntry:
    """Entry of a plan.

    :param until: until when it is protected by its age, in seconds since the epoch; None where that does not matter.
    """

    job: PruneCandidate
    verdict: Verdict
    until: float | None = None


@dataclass
class PrunePlan:
    """Plan of pruning.

    :param entries: what was examined, the oldest first.
    :param unexamined: how many more meet the criteria as far as the list shows, and were left for the next time.
    :ivar outcomes: what became of those to be deleted, by their ids.
    """

    entries: Sequence[PlanEntry] = ()
    unexamined: int = 0
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def deletable(self) -> list[PruneCandidate]:
        """What would be deleted, the oldest first."""
        return [entry.job for entry in self.entries if entry.verdict is Verdict.DELETE]

    @property
    def protected(self) -> dict[str, int]:
        """How many are protected, by the reason."""
        counts = Counter(entry.verdict.value for entry in self.entries if entry.verdict is not Verdict.DELETE)
        return dict(sorted(counts.items()))

    @property
    def counts(self) -> dict[str, int]:
        """How many have which outcome."""
        counts = Counter(outcome.value for outcome in self.outcomes.values())
        return {outcome.value: counts[outcome.value] for outcome in Outcome}

    def csv_lines(self) -> Iterator[str]:
        """Yield the plan as lines of a CSV file, with its header and line ends."""
        yield _csv_line(_COLUMNS)
        for entry in self.entries:
            yield _csv_line(list(self._cells(entry).values()))

    def table(self, most: int) -> list[str]:
        """Return the first entries as lines for the log: those that would go, and those that are protected.

        :param most: most entries of each of the two.
        """
        lines: list[str] = []
        for is_deletable in (True, False):
            chosen = [entry for entry in self.entries if (entry.verdict is Verdict.DELETE) is is_deletable]
            lines += [_log_line(self._cells(entry), entry.verdict) for entry in chosen[:most]]
            if len(chosen) > most:
                lines.append(f"... and {len(chosen) - most:,} more to be {'deleted' if is_deletable else 'kept'}")
        return lines

    def _cells(self, entry: PlanEntry) -> dict[str, str]:
        job, outcome = entry.job, self.outcomes.get(entry.job.job_id)
        values = (
            job.job_id,
            job.name or "",
            job.status or "",
            job.workflow_id or "",
            job.batch_id or "",
            iso_time(job.created_at),
            iso_time(job.ended_at),
            entry.verdict.value,
            iso_time(entry.until),
            outcome.value if outcome else "",
        )
        return dict(zip(_COLUMNS, values, strict=True))


def with_outcomes(lines: Iterable[str], outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """Yield the lines of a plan's CSV file with what became of those that were being deleted when it was written.

    :param outcomes: by their ids.
    """
    yield _csv_line(_COLUMNS)
    for row in csv.DictReader(lines):
        outcome = outcomes.get(row["id"])
        yield _csv_line([*(row[name] for name in _COLUMNS[:-1]), outcome.value if outcome else row["outcome"]])


def iso_time(moment: float | None) -> str:
    """Return seconds since the epoch as text, in UTC; nothing for None."""
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _log_line(cells: Mapping[str, str], verdict: Verdict) -> str:
    until = f" until {cells['until']}" if cells["until"] else ""
    fate = "delete" if verdict is Verdict.DELETE else f"keep{until}: {verdict.text}"
    ended = cells["ended"] or "-"
    return f"{cells['id']:<8} {cells['status']:<10} ended {ended:<20} {cells['name'][:40]!r}: {fate}"
