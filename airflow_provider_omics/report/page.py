"""The report as one HTML page, which asks nobody for anything: no script, and its only style is its own."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from airflow_provider_omics.healthomics.api.counting import counted
from airflow_provider_omics.healthomics.results.table import SampleStatus
from airflow_provider_omics.report import charts, figures
from airflow_provider_omics.report.critical_path import Step, critical_path
from airflow_provider_omics.report.model import STATES, Report, ReportSample, failures_by_class
from airflow_provider_omics.report.timeline import MOST_ROWS, State, concurrency, timeline
from airflow_provider_omics.usage.analysis import TaskAnalysis, nearest_rank

CONTENT_TYPE = "text/html; charset=utf-8"
MOST_SAMPLES = 500
"""Most rows of the table of samples: those that did not complete first, then those that took longest."""
MOST_TASKS = 100
"""Most names of tasks that are shown: those that took the most time together first."""
_MOST_STRIPS, _MOST_STEPS, _MOST_OF_MANY = 40, 30, 40
_LEAST_OF_A_HISTOGRAM = 5
_SHARES = (("median", 50), ("90 % within", 90), ("95 % within", 95))
_HOURS = (
    ("CPU time", "cpu_hours", "vCPU h"),
    ("Memory", "gib_hours", "GiB h"),
    ("GPU time", "gpu_hours", "GPU h"),
    ("Storage", "storage_gib_hours", "GiB h"),
)
_FOLDER = Path(__file__).parent / "templates"


def render(report: Report) -> str:
    """Return the page."""
    style = page_style()
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            made=figures.moment(time.time()),
            tiles=_tiles(report),
            **_of_samples(report),
            **_of_tasks(report),
            **_of_longest(report),
        )
    )


@cache
def page_style() -> str:
    """Return the style of the page and of its pictures, in light and in dark."""
    return "".join((_FOLDER / name).read_text("utf-8") for name in ("pictures.css", "report.css"))


@cache
def picture_style() -> str:
    """Return the style of the pictures, for another page that shows some."""
    return (_FOLDER / "pictures.css").read_text("utf-8")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("airflow_provider_omics.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        duration=figures.duration,
        amount=figures.amount,
        moment=figures.moment,
        shortened=figures.shortened,
        counted=counted,
    )
    return made


def _tiles(report: Report) -> list[tuple[str, str, str, str]]:
    """Return the key figures: of each its name, its text, its unit and a remark."""
    samples = report.samples
    completed = sum(map(_completed, samples))
    starts = [sample.start for sample in samples if sample.start is not None]
    stops = [sample.stop for sample in samples if sample.stop is not None]
    lasted = max(stops) - min(starts) if starts and stops else None
    share = figures.share(completed, len(samples))
    return [
        ("Completed", f"{completed:,}", "", f"of {counted(len(samples), report.noun)}, {share}"),
        ("Not completed", f"{len(samples) - completed:,}", "", figures.share(len(samples) - completed, len(samples))),
        ("Elapsed time", figures.duration(lasted), "", "from the first start to the last end"),
        *_use_tiles(report),
    ]


def _use_tiles(report: Report) -> Iterator[tuple[str, str, str, str]]:
    totals = report.totals
    if "usage_samples" not in totals:
        yield "Use and cost", figures.UNKNOWN, "", "not looked up"
        return
    of = f"of {counted(totals['usage_samples'], report.noun)}"
    cost, as_of = totals.get("cost_usd"), totals.get("price_as_of")
    if cost is None:
        yield "Cost", figures.UNKNOWN, "", of
    else:
        yield "Cost", f"{Decimal(cost):,.2f}", "USD", f"{of}, prices of {as_of}" if as_of else of
    for name, key, unit in _HOURS:
        yield name, figures.amount(totals.get(key)), unit, of


def _of_samples(report: Report) -> dict[str, Any]:
    samples = report.samples
    counts = [(end, sum(sample.end is end for sample in samples)) for end in SampleStatus]
    said = ", ".join(f"{_name(end)} {count:,}" for end, count in counts if count)
    parts = [(STATES.get(end, State.UNKNOWN).value, _name(end), count) for end, count in counts if count]
    return {
        "counts": parts,
        "shares": charts.shares(parts, f"{report.noun} by end: {said}"),
        "failures": failures_by_class(samples),
        "shown": _ordered(samples)[:MOST_SAMPLES],
        **_over_time(samples),
        **_durations(samples),
    }


def _over_time(samples: Sequence[ReportSample]) -> dict[str, Any]:
    bars = [bar for sample in samples if (bar := sample.bar()) is not None]
    if len(bars) < 2:
        return {"concurrency": None, "rows": None, "has_all_rows": True}
    ordered = [sample for sample in _ordered(samples) if sample.seconds is not None]
    if len(ordered) > MOST_ROWS:
        # Of both as many, or as many of one as there are too few of the other.
        bad = sum(not _completed(sample) for sample in ordered)
        most_bad = max(_MOST_OF_MANY // 2, _MOST_OF_MANY - (len(ordered) - bad))
        taken = min(bad, most_bad)
        ordered = [*ordered[:taken], *ordered[bad : bad + _MOST_OF_MANY - taken]]
    rows = sorted((bar for sample in ordered if (bar := sample.bar()) is not None), key=lambda bar: bar.start)
    return {
        "concurrency": concurrency(bars, f"how many of {len(bars):,} runs ran at once, over time", "runs"),
        "rows": timeline(rows, f"timeline of {len(rows):,} runs"),
        "has_all_rows": len(rows) == len(bars),
    }


def _durations(samples: Sequence[ReportSample]) -> dict[str, Any]:
    seconds = sorted(sample.seconds for sample in samples if _completed(sample) and sample.seconds is not None)
    label = f"durations of {len(seconds):,} runs that completed"
    return {
        "run_seconds": seconds,
        "quantiles": [(name, nearest_rank(seconds, share)) for name, share in _SHARES] if seconds else [],
        "histogram": charts.histogram(seconds, label, "runs") if len(seconds) >= _LEAST_OF_A_HISTOGRAM else None,
    }


def _of_tasks(report: Report) -> dict[str, Any]:
    tasks = [] if report.details is None else sorted(report.details.analysis.tasks(), key=_weight)
    strips = [task for task in tasks if task.seconds is not None][:_MOST_STRIPS]
    label = "durations of tasks: shortest, median, 95 % and longest, by name"
    return {
        "tasks": tasks[:MOST_TASKS],
        "tasks_in_all": len(tasks),
        "has_gpus": any(task.gpus_reserved != 0 for task in tasks),
        "has_hits": any(task.cache_hits for task in tasks),
        "strips": charts.task_durations(strips, label) if strips else None,
    }


def _of_longest(report: Report) -> dict[str, Any]:
    bars = [] if report.details is None else report.details.bars()
    run = None if report.details is None else report.details.longest
    start = run.started.timestamp() if run is not None and run.started is not None else None
    steps = critical_path(bars, start)
    shown = _longest_steps(steps)
    names = (sample.name for sample in report.samples if run is not None and sample.run_id == run.run_id != sample.name)
    return {
        "longest": run,
        "longest_name": next(names, None),
        "longest_tasks": len(bars),
        "longest_timeline": timeline(bars, f"timeline of {len(bars):,} tasks of one run") if bars else None,
        "steps": shown,
        "steps_in_all": len(steps),
        "path_seconds": sum(step.bar.seconds for step in steps),
        "path_waited": sum(step.waited for step in steps),
    }


def _ordered(samples: Sequence[ReportSample]) -> list[ReportSample]:
    """Return what did not complete, then what took longest."""
    return sorted(samples, key=lambda sample: (_completed(sample), -(sample.seconds or 0.0)))


def _longest_steps(steps: Sequence[Step]) -> list[Step]:
    kept = {id(step) for step in sorted(steps, key=lambda step: -step.bar.seconds)[:_MOST_STEPS]}
    return [step for step in steps if id(step) in kept]


def _completed(sample: ReportSample) -> bool:
    return sample.end is SampleStatus.COMPLETED


def _name(end: SampleStatus) -> str:
    return end.value.replace("_", " ")


def _weight(task: TaskAnalysis) -> tuple[bool, Decimal]:
    # By what it takes as a rule, however often it is done.
    return task.seconds is None, -(task.seconds.median * task.attempts if task.seconds else Decimal(0))
