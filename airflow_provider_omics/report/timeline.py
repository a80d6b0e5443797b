"""Timelines as SVG pictures, whose size is bounded however many bars there would be."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from markupsafe import Markup

from airflow_provider_omics.healthomics.api.counting import counted
from airflow_provider_omics.report import svg
from airflow_provider_omics.report.figures import duration, shortened

MOST_ROWS = 60
"""Most bars, or lanes, of a timeline."""
_MOST_STEPS = 240
_ROW, _AREA = 20.0, 130.0
_LABEL_CHARACTERS = 30


class State(StrEnum):
    """State of what a bar shows; it is the class of the bar's colour, too."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ACTIVE = "active"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a timeline: a run or a task.

    :ivar start: seconds since 1970, as ``stop`` is.
    :ivar group: what it is shown under where there are too many bars for a row each; empty for none.
    """

    label: str
    start: float
    stop: float
    state: State
    group: str = ""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(self.stop - self.start, 0.0)


def timeline(bars: Sequence[Bar], label: str) -> Markup:
    """Return a timeline with a row for each bar; above 60, one for each group, whose height is how many run at once.

    :param bars: at least one; their order is that of the rows.
    :param label: says in words what the picture shows.
    """
    if len(bars) <= MOST_ROWS:
        return _rows(bars, label)
    groups: defaultdict[str, list[Bar]] = defaultdict(list)
    for bar in bars:
        groups[bar.group].append(bar)
    return _lanes(groups, label)


def concurrency(bars: Sequence[Bar], label: str, noun: str) -> Markup:
    """Return an area whose height is how many bars run at once, in at most 240 steps.

    :param bars: at least one.
    :param noun: what a bar is, such as ``runs``.
    """
    begin, span = _extent(bars)
    steps = _at_once(bars, begin, span)
    most, top, bottom = max(steps), 14.0, 14.0 + _AREA
    parts = [
        *svg.time_axis(0.0, span, top, bottom),
        svg.path("area", _area(steps, most, top, bottom), f"at most {counted(most, noun)} at once"),
        svg.line("grid", svg.LEFT, top, svg.RIGHT, top),
        svg.text("label", svg.LEFT - 10, top + 5, counted(most, noun)),
        svg.text("label", svg.LEFT - 10, bottom, "0"),
    ]
    return svg.picture(bottom + 26, label, parts)


def _rows(bars: Sequence[Bar], label: str) -> Markup:
    begin, span = _extent(bars)
    bottom = 8 + _ROW * len(bars)
    return svg.picture(bottom + 26, label, [*svg.time_axis(0.0, span, 4, bottom), *_bars(bars, begin, span)])


def _bars(bars: Sequence[Bar], begin: float, span: float) -> Iterator[str]:
    for number, bar in enumerate(bars):
        y = 8 + _ROW * number
        x, width = svg.place(bar.start - begin, span), max((svg.RIGHT - svg.LEFT) * bar.seconds / span, 2.0)
        lasted = duration(bar.seconds)
        title = f"{bar.label}: {bar.state.value}, {lasted}, {duration(bar.start - begin)} after the start"
        yield svg.text("label", svg.LEFT - 10, y + 13, shortened(bar.label, _LABEL_CHARACTERS), bar.label)
        yield svg.rect(bar.state.value, min(x, svg.RIGHT - 2), y + 3, width, _ROW - 6, title)
        yield svg.text(
            "value", svg.RIGHT + 8, y + 13, lasted if bar.state is State.COMPLETED else f"{lasted} {_mark(bar)}"
        )


def _mark(bar: Bar) -> str:
    # Not by colour alone.
    return {State.FAILED: "✕", State.CANCELLED: "■", State.ACTIVE: "→"}.get(bar.state, "?")


def _lanes(groups: dict[str, list[Bar]], label: str) -> Markup:
    begin, span = _extent([bar for bars in groups.values() for bar in bars])
    ordered = sorted(groups.items(), key=lambda item: min(bar.start for bar in item[1]))
    if len(ordered) > MOST_ROWS:
        rest = [bar for _, bars in ordered[MOST_ROWS - 1 :] for bar in bars]
        ordered = [*ordered[: MOST_ROWS - 1], (f"{len(ordered) - MOST_ROWS + 1:,} more", rest)]
    height = 30.0
    bottom = 8 + height * len(ordered)
    parts = [*svg.time_axis(0.0, span, 4, bottom)]
    for number, (name, bars) in enumerate(ordered):
        top = 8 + height * number
        steps = _at_once(bars, begin, span)
        failed = sum(bar.state is State.FAILED for bar in bars)
        said = f"{name}: {len(bars):,}, of which {failed:,} failed; at most {max(steps):,} at once"
        parts += [
            svg.text("label", svg.LEFT - 10, top + 19, shortened(name, _LABEL_CHARACTERS), name),
            svg.path("area", _area(steps, max(steps), top + 3, top + height - 3), said),
            svg.text("value", svg.RIGHT + 8, top + 19, f"{len(bars):,}" + (f", {failed:,} ✕" if failed else "")),
        ]
    return svg.picture(bottom + 26, label, parts)


def _extent(bars: Sequence[Bar]) -> tuple[float, float]:
    begin = min(bar.start for bar in bars)
    return begin, max(max(bar.stop for bar in bars) - begin, 0.001)


def _at_once(bars: Sequence[Bar], begin: float, span: float) -> list[int]:
    """Return for each step of the time axis how many bars touch it."""
    changes = [0] * (_MOST_STEPS + 1)
    edges = [begin + span * step / _MOST_STEPS for step in range(1, _MOST_STEPS)]
    for bar in bars:
        changes[bisect_left(edges, bar.start)] += 1
        changes[bisect_left(edges, max(bar.stop, bar.start)) + 1] -= 1
    return list(accumulate(changes[:-1]))


def _area(steps: Sequence[int], most: int, top: float, bottom: float) -> Iterator[tuple[float, float]]:
    yield svg.LEFT, bottom
    before = 0
    for number, count in enumerate(steps):
        if count != before:
            x = svg.place(number, len(steps))
            yield x, bottom - (bottom - top) * before / most
            yield x, bottom - (bottom - top) * count / most
            before = count
    yield svg.RIGHT, bottom - (bottom - top) * before / most
    yield svg.RIGHT, bottom
