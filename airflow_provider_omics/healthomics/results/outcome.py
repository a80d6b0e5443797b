"""The outcome of a cohort: whether it is a success, and everything that explains why it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import islice
from typing import Any, Self

from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.failures import FailureAdvice, FailureClass, advise_batch
from airflow_provider_omics.healthomics.api.former_names import with_former_names
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, Phase, classify
from airflow_provider_omics.healthomics.results.redrive import WHAT_TO_DO, list_reasons, permanent_failures
from airflow_provider_omics.healthomics.results.table import BatchCounts, ResultsTable, SampleResult, SampleStatus
from airflow_provider_omics.healthomics.runs.failure import RunFailure

MAX_FAILURES = 100
"""Most samples that an outcome keeps, so that it stays small for XCom."""

_MOST_DESCRIBED = 5


@dataclass(frozen=True)
class Tolerance:
    """How many samples of a cohort may end otherwise than completed; the larger of the two holds.

    :param count: as a number of samples, at least 0.
    :param percentage: as a share of the cohort, 0 to 100, rounded down to whole samples.
    """

    count: int = 0
    percentage: float = 0.0

    def allowed(self, total: int) -> int:
        """Return how many of so many samples may fail."""
        # The decimal that the user typed, since 2.3 % of 1,000 is 22.999... with floats.
        share = Fraction(str(self.percentage)) * total / 100
        return max(self.count, int(share))


@dataclass(frozen=True)
class FailureGroup:
    """The samples of one failure class.

    :param owners: who can act, as texts.
    """

    failure_class: str
    count: int
    owners: tuple[str, ...]


@with_former_names({"stories": "failure_details", "is_glance": "is_summary"})
@dataclass(frozen=True)
class BatchOutcome:
    """The outcome of a cohort over all batches of a task.

    :param batch_ids: the batches, oldest first.
    :param status: the last batch's status; None if it is gone.
    :param failure_reason: the last batch's ``failureReason``.
    :param groups: the failures by class, the largest group first.
    :param failures: the first samples that did not complete, in the order of the input, at most 100.
    :param results_uri: where the whole table is as CSV, if it was written.
    :param results_jsonl_uri: where it is as JSONL.
    :param failure_details: what is known about single runs beyond the table, such as the tails of their logs.
    :param permanent: how many samples no retry runs again since it would not mend them, by the code of their failure.
    :param usage: sums of what the runs used and cost, as JSON values by their names; empty if nothing was looked up.
    :param report_uri: where the report is as HTML, if one was written.
    :param is_summary: whether this is only what GetBatch shows, with some of the failures and no groups.
    """

    batch_ids: tuple[str, ...]
    status: str | None
    failure_reason: str | None
    counts: BatchCounts
    tolerance: Tolerance
    groups: tuple[FailureGroup, ...]
    failures: tuple[SampleResult, ...]
    results_uri: str | None = None
    results_jsonl_uri: str | None = None
    failure_details: tuple[RunFailure, ...] = ()
    permanent: tuple[tuple[str, int], ...] = ()
    is_summary: bool = False
    usage: Mapping[str, Any] = field(default_factory=dict)
    report_uri: str | None = None

    @classmethod
    def of(
        cls,
        table: ResultsTable,
        *,
        batch_ids: Sequence[str],
        status: str | None,
        failure_reason: str | None = None,
        tolerance: Tolerance | None = None,
        results_uri: str | None = None,
        results_jsonl_uri: str | None = None,
        retries_permanent: bool = False,
    ) -> Self:
        """Read the outcome from a table that is complete; the class tells what the members are.

        :param batch_ids: at least one.
        :param tolerance: by default no sample may fail.
        """
        return cls(
            batch_ids=tuple(batch_ids),
            status=status,
            failure_reason=failure_reason,
            counts=table.counts(),
            tolerance=tolerance or Tolerance(),
            groups=tuple(_groups(table)),
            failures=tuple(islice((row for row in table.rows() if not row.completed), MAX_FAILURES)),
            results_uri=results_uri,
            results_jsonl_uri=results_jsonl_uri,
            permanent=() if retries_permanent else tuple(permanent_failures(table.rows()).items()),
        )

    @property
    def batch_id(self) -> str:
        """Id of the last batch."""
        return self.batch_ids[-1]

    @property
    def tolerated(self) -> int:
        """How many samples may end otherwise than completed."""
        return self.tolerance.allowed(self.counts.total)

    @property
    def succeeded(self) -> bool:
        """Whether the cohort came out well enough.

        That is when every sample COMPLETED, or the last batch is PROCESSED and no more samples than tolerated ended
        otherwise.
        """
        if self.counts.incomplete == 0:
            return True
        return self.status == BatchStatus.PROCESSED and self.counts.incomplete <= self.tolerated

    @property
    def outcome(self) -> str:
        """``completed``, ``completed_with_tolerated_failures`` or ``failed``."""
        if not self.succeeded:
            return "failed"
        return "completed_with_tolerated_failures" if self.counts.incomplete else "completed"

    @property
    def retry_may_help(self) -> bool:
        """Whether a further try of the task, which submits what did not complete, has a chance to end better.

        It has, whatever failed: somebody may mend a sample's data between two tries. It has not if the service would
        refuse the batch again, or if the runs were deleted, since nothing then tells which samples had completed.
        """
        if self.status == BatchStatus.FAILED:
            return advise_batch(self.failure_reason).failure_class is not FailureClass.INPUT
        return self.status is not None and classify(BatchStatus, self.status) is not Phase.DELETED

    @property
    def failure_classes(self) -> dict[str, int]:
        """How many samples failed by which class."""
        return {group.failure_class: group.count for group in self.groups}

    def summary(self) -> dict[str, Any]:
        """Return the outcome as JSON values of a bounded size, for XCom."""
        return {
            "status": self.status,
            "batch_id": self.batch_id,
            "batch_ids": list(self.batch_ids),
            **asdict(self.counts),
            "tolerated": self.tolerated,
            "succeeded": self.succeeded,
            "outcome": self.outcome,
            "failure_classes": self.failure_classes,
            "results_uri": self.results_uri,
            "results_jsonl_uri": self.results_jsonl_uri,
            **({} if self.report_uri is None else {"report_uri": self.report_uri}),
            **self.usage,
        }

    def describe(self) -> str:
        """Return the failure report, for the task's log and its exception."""
        return "\n".join(
            [
                self._headline(),
                *self._batch_end(),
                *self._by_class(),
                *self._first(),
                *self._where(),
                *self._what_to_do(),
            ]
        )

    def _headline(self) -> str:
        counts = self.counts
        if not counts.total:
            return f"HealthOmics batch {self.batch_id} shows no samples."
        return (
            f"HealthOmics batch {self.batch_id}: {counts.incomplete:,} of {counts.total:,} samples did not complete "
            f"(tolerated: {self.tolerated:,})."
        )

    def _batch_end(self) -> Iterator[str]:
        if self.status == BatchStatus.FAILED:
            advice = advise_batch(self.failure_reason)
            yield (
                f"The batch itself FAILED: {self.failure_reason or 'without a reason'} "
                f"[{advice.failure_class}; who can act: {advice.owner}]."
            )
        if self.is_summary and self.counts.unknown and self.status in (BatchStatus.FAILED, BatchStatus.CANCELLED):
            yield f"{self.counts.unknown:,} of its runs may go on; OmicsCancelRunBatchOperator cancels them."
        if self.status is None:
            yield "The batch does not exist any more, so nothing can be proved of samples that it did not show before."
        elif self.status not in (BatchStatus.PROCESSED, BatchStatus.FAILED):
            yield _BATCH_ENDS.get(classify(BatchStatus, self.status), _NO_END).format(status=self.status)

    def _by_class(self) -> Iterator[str]:
        ends = [f"{end.value.replace('_', ' ')}: {number:,}" for end in SampleStatus if (number := self._number(end))]
        yield f"Samples by end: {', '.join(ends) or 'none'}."
        for group in self.groups:
            yield f"- {group.count:,} of class {group.failure_class}; who can act: {'; or '.join(group.owners)}"

    def _number(self, end: SampleStatus) -> int:
        number: int = getattr(self.counts, end.value)
        return number

    def _first(self) -> Iterator[str]:
        shown = self.failures[:_MOST_DESCRIBED]
        details = {detail.run.run_id: detail for detail in self.failure_details}
        if shown:
            number = f" {len(shown)}" if len(shown) > 1 else ""
            yield "Some of them:" if self.is_summary else f"The first{number} in the order of the input:"
        advised = {self._last_advice}
        for row in shown:
            detail, advice = details.get(row.run_id or ""), row.advice
            # What is the same for many is said once.
            yield from (line for line in _lines_of(row, detail) if line != f"    What to do: {self._last_advice}")
            if detail is None and advice is not None and advice.advice not in advised:
                advised.add(advice.advice)
                yield from _advice_of(row, advice, with_owner=self.is_summary)

    def _where(self) -> Iterator[str]:
        if self.results_uri:
            yield f"All samples: {self.results_uri}"
        if self.report_uri:
            yield f"Report: {self.report_uri}"
        if len(self.batch_ids) > 1:
            yield f"Earlier batches of this cohort: {', '.join(self.batch_ids[:-1])}"

    def _what_to_do(self) -> Iterator[str]:
        if self.status == BatchStatus.FAILED:
            yield f"What to do: {self._last_advice}"
        elif self.permanent:
            reasons = list_reasons(dict(self.permanent))
            yield f"A retry does not run again what it cannot mend ({reasons})."
            yield f"What to do: {WHAT_TO_DO}."
        elif self.failures and self.results_uri:
            mend = self._last_advice or "Mend what the table of all samples tells under failure_message."
            yield f"What to do: {mend} {_THEN}"

    @property
    def _last_advice(self) -> str | None:
        """What the last line says to do about each of the first failures; None if that differs from one to another."""
        if self.status == BatchStatus.FAILED:
            return advise_batch(self.failure_reason).advice
        advices = {row.advice.advice for row in self.failures if row.advice is not None}
        return advices.pop() if len(advices) == 1 and self.results_uri and not self.permanent else None


_BATCH_ENDS = {
    Phase.CANCELLED: "The batch was cancelled: what had not ended was stopped, what was not submitted never will be.",
    Phase.DELETED: "The runs of the batch were deleted ({status}), and of a run that is gone no end can be proved.",
}
_THEN = "A retry of the task, or a clear, then runs again only the samples that did not complete."
_NO_END = "The batch is {status}, which is not its end; its runs may go on."
_ENDS = {
    SampleStatus.FAILED_SUBMISSION: "its submission FAILED",
    SampleStatus.NOT_SUBMITTED: "it was never submitted",
    SampleStatus.UNKNOWN: "its end was not seen",
}


def _groups(table: ResultsTable) -> list[FailureGroup]:
    counts: Counter[str] = Counter()
    owners: dict[str, dict[str, None]] = {}
    for row in table.rows():
        if row.advice is not None:
            name = row.advice.failure_class.value
            counts[name] += 1
            owners.setdefault(name, {})[row.advice.owner.value] = None
    return [FailureGroup(name, count, tuple(owners[name])) for name, count in counts.most_common()]


def _lines_of(row: SampleResult, detail: RunFailure | None) -> Iterator[str]:
    run = f", run {row.run_id}" if row.run_id else ""
    yield f"- {row.run_setting_id}{run}: {cause_of(row)}"
    if detail is not None:
        yield from (f"    {line}" for line in detail.describe().splitlines())


def _advice_of(row: SampleResult, advice: FailureAdvice, *, with_owner: bool) -> Iterator[str]:
    if with_owner:
        yield f"    Who can act: {advice.owner}"
    if advice.advice not in (row.failure_message or ""):
        yield f"    What to do: {advice.advice}"


def cause_of(row: SampleResult) -> str:
    """Return how a sample ended, and why, as one text."""
    code = row.failure_code if row.run_id else row.submission_failure_reason
    return ": ".join(part for part in (_ENDS.get(row.end, row.run_status), code, row.failure_message) if part)


class OmicsBatchFailedError(OmicsError):
    """More samples of a cohort than are tolerated did not complete, or their batch did not end as it should.

    :ivar outcome: counts, failures and their details.
    """

    def __init__(self, outcome: BatchOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        return self.outcome.describe()

    @property
    def batch_id(self) -> str:
        """Id of the last batch."""
        return self.outcome.batch_id

    @property
    def status(self) -> str | None:
        """Status of the last batch; None if it is gone."""
        return self.outcome.status

    @property
    def counts(self) -> BatchCounts:
        """How many samples came to what."""
        return self.outcome.counts

    @property
    def failure_classes(self) -> dict[str, int]:
        """How many samples failed by which class."""
        return self.outcome.failure_classes

    @property
    def failures(self) -> tuple[SampleResult, ...]:
        """The first samples that did not complete, at most 100."""
        return self.outcome.failures
