"""Pictures of a report: timelines and charts, whose size is bounded, and the critical path."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from airflow_provider_omics.report import charts, figures
from airflow_provider_omics.report.critical_path import critical_path
from airflow_provider_omics.report.timeline import MOST_ROWS, Bar, State, concurrency, timeline
from airflow_provider_omics.usage.analysis import RunAnalysis
from airflow_provider_omics.usage.records import RunRecord


def bars(count: int, groups: int = 1) -> list[Bar]:
    return [Bar(f"task-{n}", n, n + 10, State.COMPLETED, f"group-{n % groups}") for n in range(count)]


def elements(picture: str) -> list[ET.Element]:
    return list(ET.fromstring(picture).iter())


def kinds(picture: str) -> list[str | None]:
    return [element.get("class") for element in elements(picture)]


def test_a_few_bars_have_a_row_each() -> None:
    picture = timeline([Bar("a", 100, 160, State.COMPLETED), Bar("b", 130, 150, State.FAILED)], "two runs")
    root, title = elements(picture)[:2]
    assert (root.get("role"), root.get("aria-label"), title.text) == ("img", "two runs", "two runs")
    assert (kinds(picture).count("completed"), kinds(picture).count("failed")) == (1, 1)
    assert "b: failed, 20 s, 30 s after the start" in picture
    assert "20 s ✕" in picture


def test_bars_are_where_their_times_are() -> None:
    picture = timeline([Bar("a", 0, 100, State.COMPLETED), Bar("b", 50, 75, State.FAILED)], "")
    first, second = (element for element in elements(picture) if element.tag == "rect")
    x, width = (float(first.get(name) or "") for name in ("x", "width"))
    assert float(second.get("x") or "") == pytest.approx(x + width / 2)
    assert float(second.get("width") or "") == pytest.approx(width / 4)


@pytest.mark.parametrize("groups", [1, 40, 1000])
def test_many_bars_are_put_together_by_group(groups: int) -> None:
    picture = timeline(bars(5000, groups), "5,000 tasks")
    assert kinds(picture).count("area") == min(groups, MOST_ROWS)
    assert len(elements(picture)) < 400
    assert len(picture) < 300_000
    assert ("941 more" in picture) is (groups == 1000)


def test_a_lane_says_how_many_failed() -> None:
    failed = Bar("x", 0, 1, State.FAILED, "group-0")
    picture = timeline([*bars(100), failed], "")
    assert "group-0: 101, of which 1 failed; at most" in picture
    assert "101, 1 ✕" in picture


def test_as_many_run_at_once_as_do() -> None:
    picture = concurrency([Bar("a", 0, 100, State.COMPLETED), Bar("b", 40, 60, State.FAILED)], "", "runs")
    assert "at most 2 runs at once" in picture
    apart = concurrency([Bar("a", 0, 10, State.COMPLETED), Bar("b", 90, 100, State.FAILED)], "", "runs")
    assert "at most 1 run at once" in apart


def test_a_hundred_thousand_runs_are_one_area() -> None:
    picture = concurrency(bars(100_000), "", "runs")
    assert kinds(picture).count("area") == 1
    assert len(picture) < 20_000


def test_a_bar_of_no_length_is_seen() -> None:
    assert 'width="2"' in timeline([Bar("a", 5, 5, State.COMPLETED)], "")


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><b onload="x', "a&b"])
def test_names_are_escaped(name: str) -> None:
    for picture in (
        timeline([Bar(name, 0, 1, State.FAILED)], name),
        timeline([Bar(name, 0, 1, State.FAILED, name)] * 100, name),
    ):
        assert "<script" not in picture
        assert "<b " not in picture
        assert name in [element.get("aria-label") for element in elements(picture)]


def test_the_critical_path_goes_back_from_the_last_end() -> None:
    first, short = Bar("first", 10, 20, State.COMPLETED), Bar("short", 20, 25, State.COMPLETED)
    long, last = Bar("long", 21, 50, State.COMPLETED), Bar("last", 52, 60, State.COMPLETED)
    steps = critical_path([last, short, first, long], start=4)
    assert [(step.bar.label, step.waited) for step in steps] == [("first", 6), ("long", 1), ("last", 2)]
    assert critical_path([]) == []


def test_the_critical_path_ends_with_tasks_of_no_length() -> None:
    same = [Bar(f"t{n}", 5, 5, State.COMPLETED) for n in range(50)]
    assert len(critical_path(same)) == 50
    assert len(critical_path(bars(5000))) == 500


def test_a_histogram_counts_every_duration() -> None:
    picture = charts.histogram([1, 1, 9, 10, 10], "five", "runs")
    counts = [int(found) for found in re.findall(r": (\d+) runs?<", picture)]
    assert sum(counts) == 5
    assert "2 runs" in picture
    assert sum(int(found) for found in re.findall(r": (\d+) runs?<", charts.histogram([7.0] * 4, "", "runs"))) == 4
    assert len(elements(charts.histogram(range(10_000), "", "runs"))) < 100


def test_durations_of_tasks_are_a_row_each() -> None:
    analysis = RunAnalysis(0)
    times = {"startTime": "2026-11-30T08:00:00Z", "stopTime": "2026-11-30T08:01:30Z", "status": "COMPLETED"}
    analysis.add(RunRecord.of({"id": "1"}).with_tasks([{"name": "<b>", **times}, {"name": "a", **times}]))
    picture = charts.task_durations(list(analysis.tasks()), "two tasks")
    assert "&lt;b&gt;: shortest 1 min 30 s, median 1 min 30 s, 95 % within 1 min 30 s" in picture
    assert kinds(picture).count("area") == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (0, "0 s"),
        (0.4216, "0.422 s"),
        (59.6, "1 min"),
        (750, "12 min 30 s"),
        (3600, "1 h"),
        (11_100, "3 h 5 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations_have_units(seconds: float | None, text: str) -> None:
    assert figures.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (0, "0 GiB"),
        (1234.5, "1,234 GiB"),
        (0.12345, "0.123 GiB"),
        (12, "12 GiB"),
        (999.6, "1,000 GiB"),
    ],
)
def test_amounts_have_units(value: float | None, text: str) -> None:
    assert figures.amount(value, "GiB") == text


def test_shares_are_never_rounded_to_all_or_nothing() -> None:
    assert [figures.share(n, 100_000) for n in (0, 1, 50_000, 99_999, 100_000)] == [
        "0 %",
        "< 0.1 %",
        "50 %",
        "> 99.9 %",
        "100 %",
    ]
    assert figures.share(0, 0) == "unknown"


@pytest.mark.parametrize(("first", "last"), [(0, 0.001), (0, 1), (0, 7200), (20_400, 22_200), (0, 10**7), (0, 10**9)])
def test_a_time_axis_has_a_few_round_marks(first: float, last: float) -> None:
    marks = list(figures.ticks(first, last))
    assert 2 <= len(marks) <= 8
    assert all(first <= mark <= last * 1.0001 for mark in marks)
