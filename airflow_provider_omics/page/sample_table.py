"""Results table of a cohort in compact form: samples that are searched, filtered, sorted and shown by pages."""

from __future__ import annotations

import json
import math
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import chain, islice
from typing import Any, Literal, get_args

from airflow_provider_omics.healthomics.api import failures
from airflow_provider_omics.healthomics.api.failures import FailureAdvice, advise, advise_submission
from airflow_provider_omics.healthomics.results.table import (
    ADVICE_WITHOUT_CODE,
    NOT_STARTED,
    SampleResult,
    SampleStatus,
)

MAX_PAGE_SIZE = 200
"""Most samples of a page."""
MAX_SEARCH = 200
"""Most characters that are searched for."""

# Few, since a page of samples that are sorted somehow has as many blocks as rows to unpack.
_BLOCK_ROWS = 32
_EXAMPLES = 3
_WORST_FIRST = {
    SampleStatus.FAILED: 0,
    SampleStatus.FAILED_SUBMISSION: 1,
    SampleStatus.CANCELLED: 2,
    SampleStatus.DELETED: 3,
    SampleStatus.UNKNOWN: 4,
    SampleStatus.NOT_SUBMITTED: 5,
    SampleStatus.COMPLETED: 6,
}

Sort = Literal["input", "sample", "status", "failure_class", "start_time", "stop_time", "duration", "cost_usd"]
SORTS: tuple[Sort, ...] = get_args(Sort)
"""What samples can be sorted by; ``input`` is the order of the cohort's input."""


class NotATableError(Exception):
    """The object in S3 is no results table; the text says in what."""


@dataclass(frozen=True)
class Query:
    """Query of samples.

    :param page: from 1.
    :param size: how many samples a page has, 1 to 200.
    :param status: only samples of this status; None for all.
    :param failure_class: only samples of this failure class; None for all.
    :param reason: only samples with this code of a failure; None for all.
    :param search: part of a sample's id or its run's, in whatever case; empty for all.
    :param sort: one of :data:`SORTS`.
    :param descending: whether the last comes first.
    """

    page: int = 1
    size: int = 50
    status: SampleStatus | None = None
    failure_class: str | None = None
    reason: str | None = None
    search: str = ""
    sort: Sort = "input"
    descending: bool = False


@dataclass(frozen=True)
class Page:
    """Page of samples.

    :param rows: each by the names of the table's columns, with ``status`` and ``advice`` beside them.
    :param matched: how many samples fit the query.
    """

    rows: list[dict[str, Any]]
    matched: int


@dataclass(frozen=True)
class Outcome:
    """What samples have come to, and why.

    :param failure_class: empty for a sample that completed.
    :param reason: code of the failure; empty where there is none.
    """

    status: SampleStatus
    failure_class: str
    reason: str

    @property
    def advice(self) -> FailureAdvice | None:
        """What is known about the failure; None for a sample that completed."""
        if self.status is SampleStatus.COMPLETED:
            return None
        if self.status is SampleStatus.FAILED_SUBMISSION:
            return advise_submission(self.reason)
        if self.status is SampleStatus.FAILED:
            return advise(self.reason or None)
        return failures.NOT_SUBMITTED if self.status is SampleStatus.NOT_SUBMITTED else ADVICE_WITHOUT_CODE[self.status]

    def fits(self, query: Query) -> bool:
        """Whether a query asks for it."""
        return (
            query.status in (None, self.status)
            and query.failure_class in (None, self.failure_class)
            and query.reason in (None, self.reason)
        )


@dataclass(frozen=True)
class FailureGroup:
    """Samples that did not complete for the same reason.

    :param examples: ids of the first of them.
    """

    outcome: Outcome
    advice: FailureAdvice
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """Order of samples by one of their values; what is not known comes last, whichever way it is sorted.

    :param places: of the samples, those whose value is known in ascending order.
    :param known: how many have a value that is known.
    """

    places: array[int]
    known: int

    @classmethod
    def of(cls, values: Sequence[Any]) -> Order:
        """Sort samples by their values, of which None is not known."""
        known = [place for place, value in enumerate(values) if value is not None]
        known.sort(key=values.__getitem__)
        unknown = [place for place, value in enumerate(values) if value is None]
        return cls(array("I", (*known, *unknown)), len(known))

    def walk(self, descending: bool) -> Iterator[int]:
        """Yield the places of all samples in this order."""
        if not descending:
            return iter(self.places)
        unknown = range(self.known, len(self.places))
        return chain(map(self.places.__getitem__, reversed(range(self.known))), map(self.places.__getitem__, unknown))

    def part(self, first: int, last: int, descending: bool) -> Sequence[int]:
        """Return the places of some samples in this order."""
        if not descending:
            return self.places[first:last]
        return list(islice(self.walk(descending), first, last))


@dataclass
class SampleTable:
    """Samples of a cohort: what is searched and sorted by as arrays, all else compressed."""

    _blocks: list[bytes] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)
    _outcomes: dict[Outcome, int] = field(default_factory=dict)
    _outcome_of: array[int] = field(default_factory=lambda: array("I"))
    _numbers: dict[str, array[float]] = field(
        default_factory=lambda: {name: array("d") for name in ("start_time", "stop_time", "cost_usd")}
    )
    _places: dict[str, int] = field(default_factory=dict)
    _examples: list[list[str]] = field(default_factory=list)
    _orders: dict[str, Order] = field(default_factory=dict)
    _tally: Counter[int] = field(default_factory=Counter)
    _cost: tuple[float | None, int] = (None, 0)
    _times: tuple[float | None, float | None] = (None, None)

    @classmethod
    def read(cls, lines: Iterable[bytes]) -> SampleTable:
        """Read the lines of a table that was written as JSONL.

        :raises NotATableError: a line is no row of a results table.
        """
        table = cls()
        block: list[bytes] = []
        for number, line in enumerate(lines, start=1):
            table._add(line, number)
            block.append(line)
            if len(block) == _BLOCK_ROWS:
                table._pack(block)
        if block:
            table._pack(block)
        table._prepare()
        return table

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        texts = sum(map(len, self._texts)) + len(self._texts) * 57
        return sum(map(len, self._blocks)) + 2 * texts + len(self) * 100

    def counts(self) -> dict[str, int]:
        """Return how many samples have which status."""
        return self._counts(lambda outcome: outcome.status.value)

    def failure_classes(self) -> dict[str, int]:
        """Return how many samples have which failure class."""
        counts = self._counts(lambda outcome: outcome.failure_class)
        return {name: number for name, number in counts.items() if name}

    @property
    def cost(self) -> tuple[float | None, int]:
        """The sum of the costs that are known in US dollars, and of how many samples they are."""
        return self._cost

    @property
    def times(self) -> tuple[float | None, float | None]:
        """When the first run began and the last one ended, in seconds since the epoch."""
        return self._times

    def failure_groups(self) -> list[FailureGroup]:
        """Return the samples that did not complete by reason, the largest group first."""
        known = list(self._outcomes)
        return [
            FailureGroup(known[number], advice, count, tuple(self._examples[number]))
            for number, count in self._tally.most_common()
            if (advice := known[number].advice) is not None
        ]

    def row(self, run_setting_id: str) -> dict[str, Any] | None:
        """Return a sample by its id; None if the table has none of this id."""
        place = self._places.get(run_setting_id)
        return None if place is None else self._rows([place])[0]

    def page(self, query: Query) -> Page:
        """Return a page of the samples that fit a query."""
        places = self._matching(query)
        order = self._orders[query.sort]
        first, last = (query.page - 1) * query.size, query.page * query.size
        if len(places) == len(self):
            shown = order.part(first, last, query.descending)
        else:
            fits = bytearray(len(self))
            for place in places:
                fits[place] = 1
            shown = list(islice((place for place in order.walk(query.descending) if fits[place]), first, last))
        return Page(self._rows(shown), len(places))

    def _counts(self, name: Callable[[Outcome], str]) -> dict[str, int]:
        counts: Counter[str] = Counter()
        known = list(self._outcomes)
        for number, count in self._tally.items():
            counts[name(known[number])] += count
        return dict(counts)

    def _matching(self, query: Query) -> Sequence[int]:
        places: Sequence[int] = range(len(self))
        wanted = {number for outcome, number in self._outcomes.items() if outcome.fits(query)}
        if len(wanted) < len(self._outcomes):
            places = [place for place, number in enumerate(self._outcome_of) if number in wanted]
        if query.search:
            part = query.search.casefold()
            places = [place for place in places if part in self._texts[place]]
        return places

    def _prepare(self) -> None:
        """Sort by everything and sum up, while the table is read and nobody waits for an answer."""
        self._tally = Counter(self._outcome_of)
        self._orders = {sort: Order.of(_keys(self, sort)) for sort in SORTS}
        starts, stops, costs = (
            [value for value in self._numbers[name] if not math.isnan(value)]
            for name in ("start_time", "stop_time", "cost_usd")
        )
        self._cost = (math.fsum(costs) if costs else None), len(costs)
        self._times = min(starts, default=None), max(stops, default=None)

    def _add(self, line: bytes, number: int) -> None:
        try:
            row = json.loads(line)
            sample = row["run_setting_id"]
            status = _status(row.get("run_status") or NOT_STARTED, row.get("submission_status"))
            if not isinstance(sample, str):
                raise TypeError
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise NotATableError(f"line {number:,} is no row of a results table") from error
        outcome = Outcome(status, str(row.get("failure_class") or ""), _reason(row, status))
        self._places[sample] = len(self._texts)
        self._texts.append(f"{sample}\n{row.get('run_id') or ''}".casefold())
        self._outcome_of.append(self._number_of(outcome, sample))
        self._numbers["start_time"].append(_seconds(row.get("start_time")))
        self._numbers["stop_time"].append(_seconds(row.get("stop_time")))
        self._numbers["cost_usd"].append(_number(row.get("cost_usd")))

    def _number_of(self, outcome: Outcome, sample: str) -> int:
        number = self._outcomes.setdefault(outcome, len(self._outcomes))
        if number == len(self._examples):
            self._examples.append([])
        if len(self._examples[number]) < _EXAMPLES:
            self._examples[number].append(sample)
        return number

    def _pack(self, block: list[bytes]) -> None:
        self._blocks.append(zlib.compress(b"\n".join(block), 1))
        block.clear()

    def _rows(self, places: Sequence[int]) -> list[dict[str, Any]]:
        blocks: dict[int, list[bytes]] = {}
        for place in places:
            number = place // _BLOCK_ROWS
            if number not in blocks:
                blocks[number] = zlib.decompress(self._blocks[number]).split(b"\n")
        return [self._shown(place, json.loads(blocks[place // _BLOCK_ROWS][place % _BLOCK_ROWS])) for place in places]

    def _outcome(self, place: int) -> Outcome:
        return list(self._outcomes)[self._outcome_of[place]]

    def _shown(self, place: int, row: dict[str, Any]) -> dict[str, Any]:
        outcome = self._outcome(place)
        seconds = self._numbers["stop_time"][place] - self._numbers["start_time"][place]
        return {
            **row,
            "number": place + 1,
            "status": outcome.status.value,
            "duration": None if math.isnan(seconds) else round(seconds, 3),
            "reason": outcome.reason,
            "advice": None if outcome.advice is None else advice_json(outcome.advice),
        }


def advice_json(advice: FailureAdvice) -> dict[str, Any]:
    """Return an advice as JSON values: who can act, and what they should do."""
    return {"owner": advice.owner.value, "advice": advice.advice, "is_permanent": advice.is_permanent}


@lru_cache(maxsize=256)
def _status(run_status: str, submission_status: str | None) -> SampleStatus:
    return SampleResult("", run_status=run_status, submission_status=submission_status).end


def _reason(row: Mapping[str, Any], status: SampleStatus) -> str:
    name = "submission_failure_reason" if status is SampleStatus.FAILED_SUBMISSION else "failure_code"
    return str(row.get(name) or "")


def _seconds(text: Any) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return math.nan


def _number(text: Any) -> float:
    try:
        number = float(text)
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _keys(table: SampleTable, sort: str) -> Sequence[Any]:
    """Return what samples are sorted by, in the order of the input; None for what is not known."""
    numbers = table._numbers
    if sort == "input":
        return range(len(table))
    if sort in numbers:
        return list(map(_known, numbers[sort]))
    if sort == "duration":
        pairs = zip(numbers["start_time"], numbers["stop_time"], strict=True)
        return [_known(stop - start) for start, stop in pairs]
    if sort == "sample":
        return table._texts
    of_outcome: list[Any] = [
        _WORST_FIRST[outcome.status] if sort == "status" else outcome.failure_class or None
        for outcome in table._outcomes
    ]
    return [of_outcome[number] for number in table._outcome_of]
