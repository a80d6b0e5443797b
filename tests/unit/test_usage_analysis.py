"""What tasks of many runs reserved and used, and what is recommended for them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_omics.usage.analysis import COLUMNS, Quantiles, RunAnalysis, TaskAnalysis
from airflow_provider_omics.usage.languages import base_name, language_of, snippet
from airflow_provider_omics.usage.records import RunRecord


def task(name: str, seconds: int = 60, **members: Any) -> dict[str, Any]:
    metrics = {"cpusAverage": 1, "cpusMaximum": 3.5, "memoryAverageGiB": 2, "memoryMaximumGiB": 9.1}
    return {
        "name": name,
        "status": "COMPLETED",
        "cpus": 8,
        "memory": 32,
        "gpus": 0,
        "instanceType": "omics.m.2xlarge",
        "startTime": "2026-11-30T08:00:00.000Z",
        "stopTime": f"2026-11-30T08:{seconds // 60:02}:{seconds % 60:02}.000Z",
        "metrics": metrics,
        **members,
    }


def analysed(*runs: list[dict[str, Any]], headroom: float = 0.1, language: str | None = None) -> list[TaskAnalysis]:
    analysis = RunAnalysis(headroom, language)
    for tasks in runs:
        analysis.add(RunRecord.of({"id": "1", "engine": "WDL"}).with_tasks(tasks))
    assert analysis.runs == len(runs)
    return list(analysis.tasks())


def test_tasks_of_one_name_are_one_over_shards_tries_and_runs() -> None:
    align, call = analysed(
        [task("align-0-1", status="FAILED"), task("align-0-2"), task("align-1-1"), task("call")],
        [task("align-0-1"), task("call", cacheHit=True)],
    )
    assert (align.name, align.runs, align.attempts, align.failed, align.cache_hits) == ("align", 2, 4, 1, 0)
    assert (call.name, call.runs, call.attempts, call.cache_hits) == ("call", 2, 1, 1)


def test_peaks_are_those_of_one_attempt_and_never_summed() -> None:
    more = {"cpusAverage": 2, "cpusMaximum": 6, "memoryAverageGiB": 5, "memoryMaximumGiB": 20}
    (found,) = analysed([task("a"), task("a", 180, metrics=more)])
    assert (found.cpus_reserved, found.cpus_peak, found.memory_reserved, found.memory_peak) == (8, 6, 32, 20)
    # A quarter of the time with 1 vCPU, the rest with 2.
    assert (found.cpus_average, found.memory_average) == (Decimal("1.75"), Decimal("4.25"))


def test_a_recommendation_is_the_peak_and_its_headroom() -> None:
    (found,) = analysed([task("a")], headroom=0.1)
    assert (found.cpus, found.memory, found.instance) == (4, 11, "omics.m.xlarge")
    (found,) = analysed([task("a")], headroom=0.5)
    assert (found.cpus, found.memory, found.instance) == (6, 14, "omics.c.2xlarge")
    (found,) = analysed([task("a", metrics={"cpusMaximum": 0.01, "memoryMaximumGiB": 0.01})], headroom=0)
    assert (found.cpus, found.memory, found.instance) == (1, 1, "omics.c.large")


def test_what_has_gpus_keeps_what_it_reserves() -> None:
    (found,) = analysed([task("a", gpus=1, cpus=4, memory=16)])
    assert (found.cpus, found.memory, found.instance) == (4, 16, "omics.g5.xlarge")


def test_nothing_is_recommended_without_metrics() -> None:
    (found,) = analysed([task("a", metrics=None)])
    assert (found.cpus_peak, found.cpus, found.memory, found.instance, found.snippet) == (None,) * 5
    assert found.cpus_reserved == 8
    (found,) = analysed([task("a", cacheHit=True)])
    assert (found.attempts, found.cpus_reserved, found.seconds) == (0, None, None)


def test_durations_are_of_attempts_that_completed() -> None:
    tasks = [task("a", seconds) for seconds in range(100, 200)]
    (found,) = analysed([*tasks, task("a", 1, status="FAILED")])
    assert found.seconds == Quantiles(*map(Decimal, (100, 149, 189, 194, 199)))


def test_a_manifest_may_say_success_of_what_completed() -> None:
    (found,) = analysed([task("a", status="SUCCESS"), task("a", status="CANCELLED")])
    assert found.seconds is not None
    assert (found.attempts, found.failed, found.seconds.longest) == (2, 0, 60)


def test_instance_types_are_those_that_attempts_ran_on() -> None:
    (found,) = analysed([task("a"), task("a", instanceType="omics.c.large"), task("a", instanceType=None)])
    assert found.values()["instances_reserved"] == "omics.c.large omics.m.2xlarge"


def test_the_values_are_those_of_the_columns() -> None:
    (found,) = analysed([task("a")])
    values = found.values()
    assert tuple(values) == COLUMNS
    assert (values["cpus_peak"], values["seconds_median"], values["attempts"], values["cpus"]) == ("3.5", "60", 1, 4)
    (unknown,) = analysed([task("a", metrics=None, status="FAILED")])
    assert unknown.values()["seconds_p90"] is None


@pytest.mark.parametrize(
    ("name", "language", "base"),
    [
        ("align-3-1", "WDL", "align"),
        ("align", "WDL", "align"),
        ("step-two-0-1", "WDL", "step-two"),
        ("NFCORE:RNASEQ:STAR (sample 1)", "NEXTFLOW", "NFCORE:RNASEQ:STAR"),
        ("hisat2_12", "CWL", "hisat2"),
        ("align-3-1", None, "align-3-1"),
        ("-1", "WDL", "-1"),
    ],
)
def test_names_lose_what_tells_calls_apart(name: str, language: str | None, base: str) -> None:
    assert base_name(name, language) == base


@pytest.mark.parametrize(
    ("engine", "language"),
    [("WDL", "WDL"), ("WDL_LENIENT", "WDL"), ("Nextflow", "NEXTFLOW"), ("R2R", None), (None, None)],
)
def test_an_engine_has_a_language(engine: str | None, language: str | None) -> None:
    assert language_of(engine) == language


def test_snippets_are_in_the_language_of_the_workflow() -> None:
    assert snippet("a", "WDL", 4, 8) == 'runtime {\n  cpu: 4\n  memory: "8 GiB"\n}'
    text = "process {\n  withName: 'A:B' {\n    cpus = 4\n    memory = 8.GB\n  }\n}"
    assert snippet("A:B", "NEXTFLOW", 4, 8) == text
    assert snippet("a", "CWL", 4, 8) == "requirements:\n  ResourceRequirement:\n    coresMin: 4\n    ramMin: 8192"
    assert snippet("a", None, 4, 8) is None
    (found,) = analysed([task("a")], language="CWL")
    assert found.snippet is not None
    assert "ResourceRequirement" in found.snippet
