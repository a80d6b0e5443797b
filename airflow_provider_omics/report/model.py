"""What a report shows, from the rows of a results table or from records of runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_omics.healthomics.api.failures import advise
from airflow_provider_omics.healthomics.api.statuses import RunStatus, classify
from airflow_provider_omics.healthomics.results.table import ENDS, SampleResult, SampleStatus
from airflow_provider_omics.report.timeline import Bar, State
from airflow_provider_omics.usage.analysis import COMPLETED, RunAnalysis
from airflow_provider_omics.usage.languages import base_name, language_of
from airflow_provider_omics.usage.records import RunRecord, TaskRecord

STATES = {
    SampleStatus.COMPLETED: State.COMPLETED,
    SampleStatus.FAILED: State.FAILED,
    SampleStatus.FAILED_SUBMISSION: State.FAILED,
    SampleStatus.CANCELLED: State.CANCELLED,
}
"""The state that a sample's bar has; others are unknown."""
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class ReportSample:
    """One sample, or one run that is of none, as a report shows it. What is not known is None.

    :ivar name: the sample's id; of a run without one, its own id.
    :ivar owner: who can act on its failure.
    :ivar start: seconds since 1970, as ``stop`` is.
    """

    name: str
    end: SampleStatus
    run_id: str | None = None
    failure_code: str | None = None
    failure_class: str | None = None
    owner: str | None = None
    message: str | None = None
    start: float | None = None
    stop: float | None = None

    @classmethod
    def of_row(cls, row: SampleResult) -> ReportSample:
        """Return what a row of the results table says."""
        advice = row.advice
        return cls(
            name=row.run_setting_id,
            end=row.end,
            run_id=row.run_id,
            failure_code=row.reason,
            failure_class=advice.failure_class.value if advice else None,
            owner=advice.owner.value if advice else None,
            message=row.failure_message,
            start=_seconds(row.start_time),
            stop=_seconds(row.stop_time),
        )

    @classmethod
    def of_run(cls, run: RunRecord, sample: str | None = None) -> ReportSample:
        """Return what a run says.

        :param sample: the sample that it is of; None for none.
        """
        end = ENDS.get(classify(RunStatus, run.status), SampleStatus.UNKNOWN)
        advice = advise(run.failure_code) if end is SampleStatus.FAILED else None
        return cls(
            name=sample or run.run_id or "",
            end=end,
            run_id=run.run_id,
            failure_code=run.failure_code if advice else None,
            failure_class=advice.failure_class.value if advice else None,
            owner=advice.owner.value if advice else None,
            message=run.status_message if advice else None,
            start=run.started.timestamp() if run.started else None,
            stop=run.stopped.timestamp() if run.stopped else None,
        )

    @property
    def seconds(self) -> float | None:
        """How long its run took."""
        return None if self.start is None or self.stop is None else max(self.stop - self.start, 0.0)

    @property
    def state(self) -> State:
        """The state of its bar."""
        return STATES.get(self.end, State.UNKNOWN)

    def bar(self) -> Bar | None:
        """Return its bar of a timeline; None where its times are not known."""
        return None if self.start is None or self.stop is None else Bar(self.name, self.start, self.stop, self.state)


@dataclass
class RunDetails:
    """Details of runs whose tasks were read: the analysis of all, and the one that took longest.

    :ivar language: of runs that do not say theirs; None for unknown.
    """

    analysis: RunAnalysis
    language: str | None = None
    longest: RunRecord | None = None
    _seconds: float = field(default=-1.0, init=False)

    def add(self, run: RunRecord) -> None:
        """Add a run with its tasks."""
        self.analysis.add(run)
        lasted = (run.stopped - run.started).total_seconds() if run.started and run.stopped else 0.0
        if run.tasks and lasted > self._seconds:
            self.longest, self._seconds = run, lasted

    def bars(self) -> list[Bar]:
        """Return the bars of the tasks of the longest run, in the order of their starts."""
        if self.longest is None:
            return []
        language = self.language or language_of(self.longest.engine)
        bars = (_task_bar(task, language) for task in self.longest.tasks or () if not task.cache_hit)
        return sorted((bar for bar in bars if bar is not None), key=lambda bar: (bar.start, bar.stop))


@dataclass(frozen=True, slots=True)
class Failures:
    """The samples of one failure class.

    :ivar codes: how many have which code, the most frequent first.
    :ivar examples: names of a few.
    """

    failure_class: str
    count: int
    owners: tuple[str, ...]
    codes: tuple[tuple[str, int], ...]
    examples: tuple[str, ...]


def failures_by_class(samples: Iterable[ReportSample]) -> list[Failures]:
    """Return the samples that did not complete by their failure class, the largest first."""
    groups: dict[str, list[ReportSample]] = {}
    for sample in samples:
        if sample.end is not SampleStatus.COMPLETED:
            groups.setdefault(sample.failure_class or "unknown", []).append(sample)
    found = [
        Failures(
            failure_class=name,
            count=len(members),
            owners=tuple(dict.fromkeys(sample.owner for sample in members if sample.owner)),
            codes=tuple(Counter(sample.failure_code or sample.end.value for sample in members).most_common(_EXAMPLES)),
            examples=tuple(sample.name for sample in members[:_EXAMPLES]),
        )
        for name, members in groups.items()
    ]
    return sorted(found, key=lambda group: -group.count)


@dataclass(frozen=True)
class Report:
    """A report on the samples of a cohort, or on runs.

    :ivar title: what it is about, such as the name of a task.
    :ivar facts: pairs of a name and a text, for its head.
    :ivar noun: what its rows are, such as ``samples``.
    :ivar details: None where no tasks were read.
    :ivar headroom: of the recommendations, as a share.
    :ivar totals: sums of use and cost, as ``batch_summary`` has them; empty where nothing was looked up.
    :ivar table_uri: where the table of all rows is; None if there is none.
    :ivar run_url: returns the console's page of a run; None where there is no console.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    samples: Sequence[ReportSample]
    noun: str = "samples"
    details: RunDetails | None = None
    headroom: float = 0.2
    totals: Mapping[str, Any] = field(default_factory=dict)
    table_uri: str | None = None
    run_url: Callable[[str], str] | None = None


def _task_bar(task: TaskRecord, language: str | None) -> Bar | None:
    if task.started is None or task.stopped is None:
        return None
    states = {"FAILED": State.FAILED, "CANCELLED": State.CANCELLED}
    state = State.COMPLETED if task.status in COMPLETED else states.get(task.status or "", State.UNKNOWN)
    name = task.name or task.task_id or ""
    return Bar(name, task.started.timestamp(), task.stopped.timestamp(), state, base_name(name, language))


def _seconds(time: str | None) -> float | None:
    return None if time is None else datetime.fromisoformat(time).timestamp()
