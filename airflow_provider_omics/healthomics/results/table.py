"""The results table: one row per sample of a cohort, in the order of the input, whatever became of it."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any

from airflow_provider_omics.healthomics.api import failures
from airflow_provider_omics.healthomics.api.failures import FailureAdvice, FailureClass, advise
from airflow_provider_omics.healthomics.api.statuses import Phase, RunStatus, SubmissionStatus, classify
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot

COLUMNS = (
    "run_setting_id",
    "batch_id",
    "run_id",
    "uuid",
    "arn",
    "submission_status",
    "submission_failure_reason",
    "run_status",
    "failure_code",
    "failure_class",
    "failure_message",
    "start_time",
    "stop_time",
    "output_uri",
    "run_cache_hits",
)
"""The columns of the table, in their order; names are kept from release to release, new ones come last."""

NOT_SUBMITTED = "NOT_SUBMITTED"
"""``submission_status`` of a sample that no batch tried to submit."""
NOT_STARTED = "NOT_STARTED"
"""``run_status`` of a sample that never became a run."""
UNKNOWN = "UNKNOWN"
"""``run_status`` of a run that nobody could see."""

MAX_MESSAGE = 500
"""Most characters of ``failure_message``."""
_RUN_DELETED = "The run was deleted before its end was seen"


class SampleStatus(StrEnum):
    """The final status of a sample; ``UNKNOWN`` is a run that has not ended, or whose end was not seen."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    FAILED_SUBMISSION = "failed_submissions"
    NOT_SUBMITTED = "not_submitted"
    UNKNOWN = "unknown"


ENDS = {
    Phase.SUCCEEDED: SampleStatus.COMPLETED,
    Phase.FAILED: SampleStatus.FAILED,
    Phase.CANCELLED: SampleStatus.CANCELLED,
    Phase.DELETED: SampleStatus.DELETED,
}
"""The status of a sample whose run has ended, by the phase of the run."""
ADVICE_WITHOUT_CODE = {
    SampleStatus.FAILED: advise(None),
    SampleStatus.CANCELLED: failures.CANCELLED,
    SampleStatus.DELETED: failures.DELETED,
    SampleStatus.UNKNOWN: failures.UNPROVED,
}
"""What is known about a run that did not complete, before a failure code is."""


@dataclass(slots=True)
class SampleResult:
    """One sample and what became of it. A table holds up to 100,000, so a row holds no more than texts.

    :param output_place: ``outputUri`` that the sample's run writes under, without a slash at its end.
    :param batch_id: the batch that says all the rest; None for a sample that no batch was given.
    :param submission_status: as ListRunsInBatch shows it, or ``NOT_SUBMITTED``; None where nobody can tell.
    :param run_status: as ListRuns or GetRun shows it, or ``NOT_STARTED`` or ``UNKNOWN``.
    :param failure_code: GetRun's ``failureReason``.
    :param failure_message: one line of at most 500 characters.
    :param start_time: ISO 8601 in UTC, as ``stop_time`` is.
    :param output_uri: what the run wrote, once it COMPLETED or GetRun has shown it.
    :param run_cache_hits: how many tasks of the run came out of its run cache; None where that was not counted.
    :param advice: what is known about the failure; None for a completed sample.
    """

    run_setting_id: str
    output_place: str | None = None
    batch_id: str | None = None
    run_id: str | None = None
    uuid: str | None = None
    arn: str | None = None
    submission_status: str | None = NOT_SUBMITTED
    submission_failure_reason: str | None = None
    run_status: str = NOT_STARTED
    failure_code: str | None = None
    failure_message: str | None = None
    start_time: str | None = None
    stop_time: str | None = None
    output_uri: str | None = None
    run_cache_hits: str | None = None
    advice: FailureAdvice | None = failures.NOT_SUBMITTED

    @property
    def end(self) -> SampleStatus:
        """The sample's final status."""
        if self.run_status != NOT_STARTED:
            return ENDS.get(classify(RunStatus, self.run_status), SampleStatus.UNKNOWN)
        failed = self.submission_status == SubmissionStatus.FAILED
        return SampleStatus.FAILED_SUBMISSION if failed else SampleStatus.NOT_SUBMITTED

    @property
    def completed(self) -> bool:
        """Whether the sample's run was seen as COMPLETED."""
        return self.run_status == RunStatus.COMPLETED

    @property
    def active(self) -> bool:
        """Whether the sample has a run that was not seen to end, so that GetRun may tell more."""
        return self.run_id is not None and self.end is SampleStatus.UNKNOWN

    @property
    def reason(self) -> str | None:
        """Code of why the run or its submission failed; None where there is none."""
        return self.submission_failure_reason if self.end is SampleStatus.FAILED_SUBMISSION else self.failure_code

    @property
    def is_permanent(self) -> bool:
        """Whether the sample failed for a reason that no retry mends."""
        failed = self.end in (SampleStatus.FAILED, SampleStatus.FAILED_SUBMISSION)
        return failed and self.advice is not None and self.advice.is_permanent

    @property
    def failure_class(self) -> FailureClass | None:
        """What would mend the failure; None for a completed sample."""
        return self.advice.failure_class if self.advice else None

    def apply_run(self, answer: Mapping[str, Any]) -> None:
        """Apply what ListRuns or GetRun shows of the sample's run.

        :param answer: an item of ListRuns, or the answer of GetRun.
        """
        self.run_status = sys.intern(answer.get("status") or self.run_status)
        self.arn = self.arn or answer.get("arn")
        self.start_time = _utc(answer.get("startTime")) or self.start_time
        self.stop_time = _utc(answer.get("stopTime")) or self.stop_time
        if self.run_status == NOT_STARTED:
            self.run_status = UNKNOWN
        if self.failure_code is None:
            self.advice = ADVICE_WITHOUT_CODE.get(self.end)

    def mark_deleted(self) -> None:
        """Mark the sample's run as deleted."""
        self.run_status, self.advice, self.failure_message = RunStatus.DELETED.value, failures.DELETED, _RUN_DELETED

    def run(self) -> RunSnapshot:
        """Return the sample's run, as far as the row tells of it.

        :raises ValueError: the sample never became a run.
        """
        if self.run_id is None:
            raise ValueError(f"sample {self.run_setting_id!r} has no run")
        return RunSnapshot(
            self.run_id,
            self.run_status,
            self.arn,
            self.uuid,
            output_uri=self.output_uri,
            failure_code=self.failure_code,
            status_message=self.failure_message,
        )

    def to_json(self) -> dict[str, str | None]:
        """Return the row by the names of its columns, as plain texts."""
        values = dict(zip(COLUMNS, _VALUES(self), strict=True))
        values["failure_class"] = self.advice.failure_class.value if self.advice else None
        return values


_VALUES = attrgetter(*COLUMNS)


@dataclass(frozen=True)
class BatchCounts:
    """Counts of samples by their status; all but the total add up to the total."""

    total: int
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    deleted: int = 0
    failed_submissions: int = 0
    not_submitted: int = 0
    unknown: int = 0

    @property
    def incomplete(self) -> int:
        """How many samples did not complete, for whatever reason."""
        return self.total - self.completed


class ResultsTable:
    """The rows of a cohort.

    :param samples: id of each run setting, unique, and the ``outputUri`` that its run writes under, in the order of
        the input.
    """

    def __init__(self, samples: Iterable[tuple[str, str | None]]) -> None:
        places: dict[str | None, str | None] = {None: None}
        self._rows = {
            sample: SampleResult(sample, places.setdefault(place, place.rstrip("/") if place else None))
            for sample, place in samples
        }
        self._uuid_in_uri: bool | None = None
        self._batches: dict[str, int] = {}
        self._more_columns: tuple[str, ...] = ()
        self._more_values: Mapping[str, Mapping[str, str | None]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, run_setting_id: str | None) -> SampleResult | None:
        """Return a sample's row; None for an id that is not in the cohort."""
        return self._rows.get(run_setting_id) if run_setting_id else None

    def rows(self) -> Iterator[SampleResult]:
        """Yield every row, in the order of the input."""
        return iter(self._rows.values())

    def active(self, batch_id: str | None = None) -> list[SampleResult]:
        """Return the rows whose run was not seen to end, in the order of the input.

        :param batch_id: only those of this batch.
        """
        return [row for row in self.rows() if batch_id in (None, row.batch_id) and row.active]

    def counts(self) -> BatchCounts:
        """Return the counts of samples by their status."""
        ends = Counter(row.end for row in self.rows())
        return BatchCounts(len(self), **{end.value: number for end, number in ends.items()})

    def order_of(self, batch_id: str) -> int:
        """Return a batch's place among the batches of the cohort, which it gets when it is first asked for."""
        return self._batches.setdefault(batch_id, len(self._batches))

    def restore(self, saved: Mapping[str, str | None]) -> None:
        """Take over from an earlier table that a run had completed, which was deleted since.

        :param saved: a row by the names of its columns.
        """
        row = self.get(saved.get("run_setting_id"))
        if row is None or row.end is not SampleStatus.DELETED or saved.get("run_status") != RunStatus.COMPLETED:
            return
        # Ids of deleted runs are given to others; the uuid tells them apart.
        if row.uuid is not None and row.uuid == saved.get("uuid"):
            row.run_status, row.advice, row.failure_message = RunStatus.COMPLETED.value, None, None
            row.start_time, row.stop_time = saved.get("start_time"), saved.get("stop_time")
            row.output_uri, row.run_cache_hits = saved.get("output_uri"), saved.get("run_cache_hits")

    def mark_unsubmitted_unknown(self, batch_id: str) -> None:
        """Mark samples as unknown that a batch does not list, and that may have been submitted all the same."""
        message = f"Batch {batch_id} counts more submissions than it lists, so the sample may have been submitted"
        for row in self.rows():
            if row.batch_id == batch_id and row.submission_status == NOT_SUBMITTED:
                row.submission_status, row.run_status = None, UNKNOWN
                row.advice, row.failure_message = failures.UNPROVED, message

    def replace(self, row: SampleResult) -> None:
        """Replace the sample's row.

        :raises KeyError: the sample is not in the cohort.
        """
        if row.run_setting_id not in self._rows:
            raise KeyError(row.run_setting_id)
        self._rows[row.run_setting_id] = row

    def apply_run(self, row: SampleResult, answer: Mapping[str, Any]) -> None:
        """Apply what ListRuns shows of a sample's run; a run that completed gets its output URI."""
        row.apply_run(answer)
        if row.completed:
            row.failure_message = None
            row.output_uri = row.output_uri or self._output_uri(row)

    def explain(self, row: SampleResult, answer: Mapping[str, Any]) -> None:
        """Apply what GetRun shows of a sample's run: its end, the cause of its failure and its output URI.

        The first output URI that is seen tells the form of all others, which is not documented.

        :param answer: the answer of GetRun about the row's run, and no other.
        """
        shown: Any = {"id": row.run_id, **answer}
        run = RunSnapshot.of(shown)
        row.uuid = row.uuid or run.uuid
        row.output_uri = run.output_uri or row.output_uri
        self.apply_run(row, answer)
        if row.end is SampleStatus.FAILED:
            row.failure_code, row.advice = run.failure_code, advise(run.failure_code)
            row.failure_message = one_line(run.status_message)
        if run.output_uri:
            self._learn_form(row, run.output_uri)

    @property
    def knows_form(self) -> bool:
        """Whether the form of output URIs is known, or not needed since none is shown."""
        return self._uuid_in_uri is not None

    def add_columns(self, names: Iterable[str], values: Mapping[str, Mapping[str, str | None]]) -> None:
        """Add columns after all others, in place of those that were added before.

        :param values: by sample and name; what is missing is empty.
        """
        self._more_columns, self._more_values = tuple(names), values

    def _more(self, row: SampleResult) -> dict[str, str | None]:
        values = self._more_values.get(row.run_setting_id, {})
        return {name: values.get(name) for name in self._more_columns}

    def csv_lines(self) -> Iterator[str]:
        """Yield the table as CSV (RFC 4180), line by line, with a line of names; what is missing is empty."""
        writer = csv.writer(_Echo())
        yield writer.writerow((*COLUMNS, *self._more_columns))
        for row in self.rows():
            yield writer.writerow((*_VALUES(row), *self._more(row).values()))

    def jsonl_lines(self) -> Iterator[str]:
        """Yield the table as lines of JSON objects by the columns' names; what is missing is null."""
        encode = json.JSONEncoder(ensure_ascii=False).encode
        for row in self.rows():
            yield encode({**row.to_json(), **self._more(row)}) + "\n"

    def _output_uri(self, row: SampleResult) -> str | None:
        if row.output_place is None or row.run_id is None:
            return None
        # Every form that is documented begins like this.
        prefix = f"{row.output_place}/{row.run_id}"
        return f"{prefix}/{row.uuid}" if self._uuid_in_uri and row.uuid else prefix

    def _learn_form(self, shown: SampleResult, uri: str) -> None:
        if self._uuid_in_uri is not None or shown.output_place is None:
            return
        prefix, uri = f"{shown.output_place}/{shown.run_id}", uri.rstrip("/")
        self._uuid_in_uri = shown.uuid is not None and uri == f"{prefix}/{shown.uuid}"
        if self._uuid_in_uri:
            for row in self.rows():
                if row is not shown and row.completed:
                    row.output_uri = self._output_uri(row) or row.output_uri


class _Echo:
    """A file that hands each written line back, since csv writes only to files."""

    def write(self, line: str) -> str:
        return line


def one_line(text: str | None, longest: int = MAX_MESSAGE) -> str | None:
    """Return a message as one line.

    :param longest: most characters.
    """
    line = " ".join((text or "").split())
    return (line if len(line) <= longest else f"{line[: longest - 4]} ...") or None


def _utc(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat(timespec="milliseconds") if time else None
