"""Charts as SVG pictures: how long runs and tasks took, and shares."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from airflow_provider_omics.healthomics.api.counting import counted
from airflow_provider_omics.report import svg
from airflow_provider_omics.report.figures import duration, shortened
from airflow_provider_omics.usage.analysis import TaskAnalysis

_BINS = 24


def histogram(seconds: Sequence[float], label: str, noun: str) -> Markup:
    """Return how many durations there are of each length, in 24 bins.

    :param seconds: at least one duration.
    :param noun: what lasts, such as ``runs``.
    """
    last = max(max(seconds), 0.001)
    # The axis begins at 0, unless most of it would be empty.
    first = min(seconds) if min(seconds) > last / 2 else 0.0
    first = first if last - first > last / 100 else last * 0.99
    bins = [0] * _BINS
    for value in seconds:
        bins[min(int((value - first) / (last - first) * _BINS), _BINS - 1)] += 1
    most, top, bottom = max(bins), 14.0, 144.0
    width, step = (svg.RIGHT - svg.LEFT) / _BINS, (last - first) / _BINS
    parts = [
        *svg.time_axis(first, last, top, bottom),
        svg.text("label", svg.LEFT - 10, top + 5, counted(most, noun)),
        svg.text("label", svg.LEFT - 10, bottom, "0"),
    ]
    for number, count in enumerate(bins):
        if count:
            height, x = max((bottom - top) * count / most, 1.0), svg.LEFT + width * number
            between = f"{duration(first + step * number)} to {duration(first + step * (number + 1))}"
            parts.append(
                svg.rect("area", x + 1, bottom - height, width - 2, height, f"{between}: {counted(count, noun)}")
            )
    return svg.picture(bottom + 26, label, parts)


def task_durations(tasks: Sequence[TaskAnalysis], label: str) -> Markup:
    """Return for each task the span of its durations, a box from the median to 95 %, and the longest one.

    :param tasks: at least one, each with durations.
    """
    known = [(task, task.seconds) for task in tasks if task.seconds is not None]
    longest = max(max(float(seconds.longest) for _, seconds in known), 0.001)
    bottom = 8 + 22.0 * len(known)
    parts = [*svg.time_axis(0.0, longest, 4, bottom)]
    for number, (task, seconds) in enumerate(known):
        y = 8 + 22.0 * number
        places = [svg.place(float(value), longest) for value in (seconds.shortest, seconds.longest)]
        median, p95 = (svg.place(float(value), longest) for value in (seconds.median, seconds.p95))
        said = (
            f"{task.name}: shortest {duration(seconds.shortest)}, median {duration(seconds.median)}, "
            f"95 % within {duration(seconds.p95)}, longest {duration(seconds.longest)}"
        )
        parts += [
            svg.text("label", svg.LEFT - 10, y + 15, shortened(task.name, 30), task.name),
            svg.line("whisker", places[0], y + 11, places[1], y + 11),
            svg.rect("area", median, y + 4, max(p95 - median, 2.0), 14, said),
            svg.line("median", median, y + 2, median, y + 20),
            svg.text("value", svg.RIGHT + 8, y + 15, duration(seconds.median)),
        ]
    return svg.picture(bottom + 26, label, parts)


def shares(parts: Sequence[tuple[str, str, int]], label: str) -> Markup:
    """Return one bar that is divided by counts.

    :param parts: of each the class, the name and the count.
    """
    total = max(sum(count for _, _, count in parts), 1)
    x, boxes = 0.0, []
    for kind, name, count in parts:
        width = svg.WIDTH * count / total
        if count:
            boxes.append(svg.rect(kind, x, 0, max(width - 2, 1.5), 18, f"{name}: {count:,}"))
        x += width
    return svg.picture(18, label, boxes, is_stretched=True)
