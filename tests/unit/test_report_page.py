"""The page of a report: what is on it, that it asks nobody for anything, and that all can read it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_omics.healthomics.api.failures import advise
from airflow_provider_omics.healthomics.results.table import ResultsTable, SampleResult, SampleStatus
from airflow_provider_omics.report.model import Report, ReportSample, RunDetails, failures_by_class
from airflow_provider_omics.report.page import page_style, picture_style, render
from airflow_provider_omics.usage.analysis import RunAnalysis
from airflow_provider_omics.usage.records import RunRecord

EVIL = "<script>alert('x')</script>"
T0 = 1_796_000_000.0


class Page(HTMLParser):
    """The tags of a page, with their attributes and their texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def sample(n: int, end: SampleStatus = SampleStatus.COMPLETED, **members: Any) -> ReportSample:
    return ReportSample(f"s-{n}", end, str(n), start=T0 + n, stop=T0 + n + 600, **members)


def failed(n: int, code: str = "OUT_OF_MEMORY_ERROR", **members: Any) -> ReportSample:
    advice = advise(code)
    known = {"failure_code": code, "failure_class": advice.failure_class.value, "owner": advice.owner.value}
    return sample(n, SampleStatus.FAILED, **known, **members)


def tasks(count: int, names: int) -> RunRecord:
    record = RunRecord.of(
        {"id": "1", "engine": "WDL", "startTime": "2026-11-30T08:00:00Z", "stopTime": "2026-11-30T09:00:00Z"}
    )
    return record.with_tasks(
        {
            "name": f"{EVIL if n % names == 0 else f'step{n % names}'}-{n // names}-1",
            "status": "COMPLETED",
            "cpus": 4,
            "memory": 16,
            "gpus": 0,
            "instanceType": "omics.m.xlarge",
            "startTime": f"2026-11-30T08:{n * 50 // count:02}:00Z",
            "stopTime": f"2026-11-30T08:{n * 50 // count + 2:02}:30Z",
            "metrics": {"cpusAverage": 1, "cpusMaximum": 2, "memoryAverageGiB": 3, "memoryMaximumGiB": 5.5},
        }
        for n in range(count)
    )


def details(count: int = 20, names: int = 4) -> RunDetails:
    made = RunDetails(RunAnalysis(0.2))
    made.add(tasks(count, names))
    return made


def full(samples: int = 12) -> Report:
    rows = [sample(n) for n in range(2, samples)]
    evil = ReportSample(EVIL, SampleStatus.FAILED, "0", EVIL, EVIL, EVIL, EVIL, T0, T0 + 5)
    totals = {"usage_samples": samples, "cpu_hours": 12.5, "gib_hours": 50, "gpu_hours": 0, "storage_gib_hours": None}
    return Report(
        title=EVIL,
        facts=[(EVIL, EVIL)],
        samples=[evil, failed(1), *rows],
        details=details(),
        totals={**totals, "cost_usd": "4.206", "price_as_of": "2026-11-30"},
        table_uri=f"s3://bucket/{EVIL}.csv",
        run_url=lambda run_id: f"https://us-east-1.console.aws.amazon.com/omics/home#/runs/{run_id}",
    )


def test_a_page_asks_nobody_for_anything() -> None:
    text = render(full())
    page = Page(text)
    (policy,) = (meta["content"] for meta in page.of("meta") if "http-equiv" in meta)
    digest = base64.b64encode(hashlib.sha256(page_style().encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f"<style>{page_style()}</style>" in text
    assert {"script", "link", "img", "iframe", "object", "use", "image"}.isdisjoint(tag for tag, _ in page.tags)
    for tag, attributes in page.tags:
        assert {"src", "srcset", "style", "onclick", "onload", "xlink:href"}.isdisjoint(attributes), tag
        assert tag == "a" or "href" not in attributes
    assert "url(" not in text
    assert "@import" not in text


def test_what_comes_from_outside_is_escaped() -> None:
    text = render(full())
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 10
    assert not Page(text).of("script")


def test_a_page_can_be_read_by_all() -> None:
    text = render(full())
    page = Page(text)
    assert page.of("html") == [{"lang": "en"}]
    assert re.search("<title>.+: HealthOmics report</title>", text)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.of("svg")
    for svg in page.of("svg"):
        assert svg["role"] == "img"
        assert svg["aria-label"]
    assert len(page.of("table")) == len(page.of("caption")) == 4
    assert all(th.get("scope") in ("col", "row") for th in page.of("th"))
    assert all(div.get("tabindex") == "0" and div.get("aria-label") for div in page.of("div") if "role" in div)


def _channel(value: int) -> float:
    share = value / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def _luminance(colour: str) -> float:
    red, green, blue = (_channel(int(colour[place : place + 2], 16)) for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_have_contrast(scheme: int) -> None:
    colours = dict(
        re.findall(r"--(\w+): (#[0-9a-f]{6})", re.findall(r":root \{(.+?)\}", picture_style(), re.S)[scheme])
    )
    for words in ("ink", "quiet", "link", "failed", "cancelled", "unknown", "completed", "active"):
        assert _contrast(colours[words], colours["page"]) >= 4.5, words
    for words in ("ink", "quiet"):
        assert _contrast(colours[words], colours["panel"]) >= 4.5, words
    assert _contrast(colours["area"], colours["page"]) >= 3


def test_figures_have_units() -> None:
    texts = " ".join(Page(render(full())).texts)
    for shown in ("12.5", "vCPU h", "50", "GiB h", "4.21", "USD", "of 12 samples, prices of 2026-11-30", "10 min"):
        assert shown in texts, shown
    assert "3 vCPUs, 7 GiB" in texts
    assert 'runtime {\n  cpu: 3\n  memory: "7 GiB"\n}' in texts


def test_what_is_not_known_is_unknown_and_never_0() -> None:
    rows = [ReportSample("a", SampleStatus.COMPLETED, "1"), ReportSample("b", SampleStatus.NOT_SUBMITTED)]
    page = Page(render(Report("cohort", [], rows)))
    assert page.texts.count("unknown") >= 5
    assert "What tasks reserved, used and how long they took is unknown: no tasks were looked up." in [
        text.strip() for text in page.texts
    ]
    assert {"0 s", "0", "0.00"}.isdisjoint(text.strip() for text in page.texts)


def test_tasks_without_metrics_have_unknown_use() -> None:
    made = RunDetails(RunAnalysis(0.2))
    item = {"name": "a", "status": "COMPLETED", "cpus": 4, "startTime": "2026-11-30T08:00:00Z"}
    made.add(RunRecord.of({"id": "1"}).with_tasks([item]))
    text = render(Report("cohort", [], [sample(1)], details=made))
    assert '4 / <span class="not">unknown</span>' in text
    assert "How to set what is recommended" not in text


def test_an_empty_report_is_one_too() -> None:
    text = render(Report("cohort", [], []))
    assert "Unknown: no run is known to have completed." in text


def test_ten_thousand_samples_are_a_small_page() -> None:
    rows = [failed(n, message="x" * 500) if n % 10 == 0 else sample(n) for n in range(10_000)]
    text = render(Report("cohort", [], rows, details=details(), table_uri="s3://bucket/results.csv"))
    page = Page(text)
    assert len(text) < 1_000_000
    assert sum(tag in ("rect", "path", "line", "text") for tag, _ in page.tags) < 1500
    assert "Shown are 500 of 10,000" in text
    assert text.count('class="failed"') == 1 + 1 + 20
    assert "1,000" in text


def test_five_thousand_tasks_are_a_small_page() -> None:
    text = render(Report("run", [], [sample(1)], noun="runs", details=details(5000, 150)))
    assert len(text) < 1_000_000
    assert sum(tag in ("rect", "path", "line", "text") for tag, _ in Page(text).tags) < 1500
    assert "Shown are 100 of 150 tasks" in text
    assert "5,000 tasks that ran" in text
    assert "Critical path" in text


def test_failures_are_grouped_by_what_would_mend_them() -> None:
    rows = [failed(1), failed(2, "SERVICE_ERROR"), failed(3), failed(4, "RUN_TASK_FAILED"), sample(5)]
    (first, second) = failures_by_class(rows)
    assert (first.failure_class, first.count, second.failure_class) == ("workflow", 3, "transient")
    assert first.codes == (("OUT_OF_MEMORY_ERROR", 2), ("RUN_TASK_FAILED", 1))
    assert first.examples == ("s-1", "s-3", "s-4")


def test_a_row_of_the_results_table_is_a_sample() -> None:
    (row,) = ResultsTable([("a", None)]).rows()
    row.submission_status, row.run_id, row.run_status = "SUCCESS", "7", "FAILED"
    row.start_time, row.stop_time = "2026-11-30T08:00:00.000+00:00", "2026-11-30T08:01:00.500+00:00"
    row.failure_code, row.advice, row.failure_message = "SERVICE_ERROR", advise("SERVICE_ERROR"), "oh"
    made = ReportSample.of_row(row)
    assert (made.name, made.end, made.seconds, made.failure_class) == ("a", SampleStatus.FAILED, 60.5, "transient")
    unknown = ReportSample.of_row(SampleResult("b"))
    assert (unknown.seconds, unknown.bar(), unknown.end) == (None, None, SampleStatus.NOT_SUBMITTED)


def test_the_run_that_took_longest_is_shown() -> None:
    made = RunDetails(RunAnalysis(0.2))
    for run_id, stop in (("1", "08:10"), ("2", "08:30"), ("3", "08:20")):
        times = {"startTime": "2026-11-30T08:00:00Z", "stopTime": f"2026-11-30T{stop}:00Z"}
        made.add(RunRecord.of({"id": run_id, **times}).with_tasks([{"name": "a", "status": "COMPLETED", **times}]))
    assert made.longest is not None
    assert made.longest.run_id == "2"
    (bar,) = made.bars()
    assert (bar.label, bar.seconds) == ("a", 1800)
