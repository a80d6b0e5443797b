"""Redrives: which samples of a cohort a later batch runs again, and which are left out since no retry mends them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.requests.start_run import NOT_COMPUTED
from airflow_provider_omics.healthomics.results.table import (
    MAX_MESSAGE,
    ResultsTable,
    SampleResult,
    SampleStatus,
    one_line,
)

MOST_CAUSES = 10_000
"""Most failed runs whose cause is asked for before they are run again, one call each."""

_MOST_NAMED = 5
# With another role or policy, or paid for by another, an input may be found.
_ACCESS = frozenset({"roleArn", "sessionPolicy", "requesterPaysEnabled"})
# Members of the defaults that the service never fills in, so that they were taken out if they are not there any more.
_NEVER_FILLED_IN = frozenset({"name", "runTags", "runGroupId", "sessionPolicy"})


@dataclass(frozen=True)
class Redrive:
    """What a redrive runs again.

    :param samples: run setting ids.
    :param left_out: what failed and is not run again, in the order of the input.
    """

    samples: frozenset[str]
    left_out: tuple[SampleResult, ...] = ()

    def describe(self) -> str:
        """Tell which samples are not run again, why, and what to do."""
        named = [repr(row.run_setting_id) for row in self.left_out[:_MOST_NAMED]]
        more = len(self.left_out) - len(named)
        samples = ", ".join(named) + (f" and {more:,} more" if more else "")
        reasons = list_reasons(permanent_failures(self.left_out))
        return f"Not running again what a retry cannot mend ({reasons}): {samples}. {WHAT_TO_DO}"


WHAT_TO_DO = (
    "Correct their rows or the workflow, and a retry runs them; or mend their inputs and clear the task; or set "
    "retry_permanent_failures=True"
)
"""What to do about samples that a retry does not run again."""


def permanent_failures(rows: Iterable[SampleResult]) -> Counter[str]:
    """Count the samples that failed for a reason that no retry mends, by its code."""
    return Counter(row.reason or "" for row in rows if row.is_permanent)


def list_reasons(counts: Mapping[str, int]) -> str:
    """Return how many samples failed for each reason, in words."""
    return ", ".join(f"{code}: {count:,}" for code, count in counts.items())


def note_left_out(table: ResultsTable) -> None:
    """Write into the rows of samples that no retry runs again that it does not, and what to do."""
    for row in table.rows():
        if row.is_permanent and row.advice is not None:
            text = f"A retry does not run it again: {row.advice.advice}"
            message = one_line(row.failure_message, MAX_MESSAGE - len(text) - 2)
            row.failure_message = f"{message.rstrip('.')}. {text}" if message else text


def new_samples(table: ResultsTable) -> frozenset[str]:
    """Return the samples that no batch was given as they are now."""
    return frozenset(row.run_setting_id for row in table.rows() if row.batch_id is None)


def failed_samples(table: ResultsTable, *, transient_only: bool = False) -> frozenset[str]:
    """Return the samples that may be submitted again: what is known to have come to something else than COMPLETED.

    :param transient_only: only those that failed by chance.
    """
    return frozenset(
        row.run_setting_id
        for row in table.rows()
        if row.end not in (SampleStatus.COMPLETED, SampleStatus.UNKNOWN)
        and (not transient_only or row.failure_class is FailureClass.TRANSIENT)
    )


def leave_out(
    table: ResultsTable,
    samples: frozenset[str],
    unchanged_since: Callable[[str], Container[str] | None],
    defaults_of: Callable[[str], Mapping[str, Any]],
    defaults: Mapping[str, Any],
) -> Redrive:
    """Leave out of a redrive what failed for a reason that no retry mends, and is asked for as it was then.

    :param samples: what is to run again.
    :param unchanged_since: takes the id of a batch, and returns the samples whose row is the one that it was given;
        None for all.
    :param defaults_of: takes the id of a batch, and returns the ``defaultRunSetting`` that GetBatch shows.
    :param defaults: ``defaultRunSetting`` of the redrive; what it computes is what all of the batches computed.
    """
    by_batch: dict[str, list[SampleResult]] = {}
    for row in table.rows():
        if row.run_setting_id in samples and row.batch_id is not None and row.is_permanent:
            by_batch.setdefault(row.batch_id, []).append(row)
    left: set[str] = set()
    for batch_id, rows in by_batch.items():
        unchanged = unchanged_since(batch_id)
        rows = [row for row in rows if unchanged is None or row.run_setting_id in unchanged]
        changed = changed_defaults(defaults_of(batch_id), defaults) if rows else frozenset()
        left.update(row.run_setting_id for row in rows if not _may_be_mended(row, changed))
    left_out = tuple(row for row in table.rows() if row.run_setting_id in left)
    return Redrive(samples - left, left_out)


def changed_defaults(then: Mapping[str, Any], now: Mapping[str, Any]) -> frozenset[str]:
    """Return which members of a ``defaultRunSetting`` have changed, of those that do not say what is computed.

    :param then: as GetBatch shows it, which may fill in what was not sent; empty where it shows none.
    :param now: as it would be sent.
    """
    if not then:
        return frozenset()
    named = NOT_COMPUTED & (now.keys() | _NEVER_FILLED_IN)
    return frozenset(name for name in named if (then.get(name) or None) != (now.get(name) or None))


def _may_be_mended(row: SampleResult, changed: frozenset[str]) -> bool:
    # A submission that was refused may have been refused for any member of its request.
    return bool(changed if row.end is SampleStatus.FAILED_SUBMISSION else changed & _ACCESS)
