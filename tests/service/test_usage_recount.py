"""Use and cost of more than 500 runs, as the tasks of cohorts tell them, and recounted by other code."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import usage_recount
from call_clock import CallClock
from cohorts import CohortLab, instance
from omics_service import await_status, wdl_zip
from usage_recount import Recount, differences, total
from usage_setup import called_often, write_prices

from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.local import LocalOmics, OutcomeRule, Quotas, SimulatedOutcomes
from airflow_provider_omics.local.records import Run
from airflow_provider_omics.local.runs.machine import ACTIVE, cancel_run
from airflow_provider_omics.usage.pricing import PriceBook, listed_prices, price_filters, read_price_file

PRICES = {
    "asOf": "2026-11-30",
    "products": [
        {"resourceType": "omics.c.large", "unit": "Hours", "usd": 0.1377},
        {"resourceType": "omics.c.2xlarge", "unit": "Hours", "usd": 0.5508},
        {"resourceType": "omics.r.xlarge", "unit": "Hours", "usd": 0.4131},
        {"resourceType": "omics.g5.xlarge", "unit": "Hours", "usd": 1.6767},
        {"resourceType": "Run Storage", "unit": "GiB-Hours", "usd": 0.0001918},
        {"resourceType": "Dynamic Run Storage", "unit": "GiB-Hours", "usd": 0.0004110},
    ],
}
SIZES = [
    "cpusReserved=2 memoryReservedGiB=4",
    "cpusReserved=8 memoryReservedGiB=16",
    "cpusReserved=4 memoryReservedGiB=30",
    "cpusReserved=4 memoryReservedGiB=16 gpusReserved=1",
]
#: No price is known of its instance.
WITHOUT_PRICE = "cpusReserved=32 memoryReservedGiB=128"
COHORTS: dict[str, tuple[int, dict[str, Any]]] = {
    "dynamic": (170, {"storage_type": "DYNAMIC"}),
    "default": (85, {"storage_type": "STATIC"}),
    "rounded-up": (85, {"storage_type": "STATIC", "storage_capacity": 1201}),
    "two-steps": (80, {"storage_type": "STATIC", "storage_capacity": 3000}),
    "three-steps": (80, {"storage_type": "STATIC", "storage_capacity": 4801}),
}
AGAIN = 4
SECONDS_PER_CALL = 5_000.0


class LongCalls(CallClock):
    """A clock on which a task that takes a day has ended after a few polls."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=SECONDS_PER_CALL * self._journal.counts.total())


@dataclass
class Told:
    """What the task of a cohort told."""

    table: str
    summary: dict[str, Any]


def setting(cohort: str, n: int) -> dict[str, Any]:
    """A sample of some kind: quick or slow, small or large, failing, retrying, or cancelled at some moment."""
    tags = {
        "omics-local:seconds": str([5, 47.25, 600, 7261.5, 90000.125][n % 5]),
        "omics-local:metrics": f"{SIZES[n % 4]} storageAverageGiB={n % 37 + 0.125}",
        "omics-local:tasks": ["align", "align align call", "a b c d e", "sort call"][n // 4 % 4],
    }
    if n % 7 == 0:
        tags["omics-local:outcome"] = ["RUN_TASK_FAILED", "OUT_OF_MEMORY_ERROR", "WORKFLOW_RUN_FAILED"][n % 3]
    if n % 31 == 0:
        tags["omics-local:fails-starting"] = "ASSUME_ROLE_FAILED"
    name = "again" if n < AGAIN else "stopped" if n % 11 == 5 else "sample"
    parameters = {"of": n if n % 2 else f"{cohort}-{n}"}
    return {"runSettingId": f"{name}-{cohort}-{n}", "runTags": {} if n < AGAIN else tags, "parameters": parameters}


@pytest.fixture(scope="module")
def price_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_prices(tmp_path_factory.mktemp("prices"), PRICES)


@pytest.fixture(scope="module")
def server(price_file: str) -> Iterator[LocalOmics]:
    clock = LongCalls()
    rules = tuple(
        OutcomeRule(pattern=f"again-{cohort}-{n}", outcome="SERVICE_ERROR", times=1)
        for cohort in COHORTS
        for n in range(AGAIN)
    )
    with LocalOmics(
        executor="simulated",
        clock=clock,
        quotas=Quotas.wide(),
        price_file=Path(price_file),
        outcomes=SimulatedOutcomes(rules=rules),
    ) as started:
        yield clock.follow(started)


@pytest.fixture(scope="module")
def lab(server: LocalOmics) -> Iterator[CohortLab]:
    """Cohorts whose samples called ``stopped`` are cancelled: before they run, at once, or in the middle."""
    omics = server.client("omics")
    workflow = omics.create_workflow(name="w", engine="WDL", definitionZip=wdl_zip())["id"]
    await_status(lambda: dict(omics.get_workflow(id=workflow)), "ACTIVE")
    lab = CohortLab(server, workflow)
    stopped_at = [RunStatus.STARTING, RunStatus.RUNNING]

    def cancel(run: Run) -> None:
        if run.status in ACTIVE:
            cancel_run(lab.state, run)

    def stop(run: Run, _old: RunStatus | None) -> None:
        kind, _, number = (run.run_setting_id or "").rpartition("-")
        if kind.startswith("stopped") and run.status is stopped_at[int(number) % 2]:
            lab.state.timeline.after([0.0, 0.5, 70.25][int(number) % 3], lambda: cancel(run))

    lab.state.run_observers.append(stop)
    with pytest.MonkeyPatch.context() as patch:
        called_often(server, patch)
        yield lab


@pytest.fixture(scope="module")
def told(lab: CohortLab, price_file: str) -> dict[str, Told]:
    """What the tasks told of five cohorts, of which the later ones find some tasks of the earlier ones in the cache."""
    cache = lab.omics.create_run_cache(cacheS3Location="s3://cohort-results/cache", cacheBehavior="CACHE_ALWAYS")["id"]
    return {
        cohort: run(lab, [setting(cohort, n) for n in range(count)], cohort, price_file, cache_id=cache, **storage)
        for cohort, (count, storage) in COHORTS.items()
    }


def run(lab: CohortLab, settings: list[dict[str, Any]], cohort: str, price_file: str, **arguments: Any) -> Told:
    task = lab.run(
        settings,
        instance(run_id=cohort),
        usage="all",
        price_file=price_file,
        waiter_delay=0.01,
        redrive_attempts=1,
        tolerated_failure_percentage=100,
        cache_hits_limit=0,
        **arguments,
    )
    summary = task.ti.xcoms["batch_summary"]
    return Told(lab.read(summary["results_uri"]), summary)


def test_a_recount_of_500_runs_comes_to_the_same(lab: CohortLab, told: dict[str, Told], price_file: str) -> None:
    counter = Recount(lab.server.endpoint_url, Path(price_file).read_text())
    sums = []
    for cohort, (count, _) in COHORTS.items():
        counted = counter.samples(told[cohort].summary["batch_ids"])
        assert len(counted) == count
        assert differences(told[cohort].table, told[cohort].summary, counted) == []
        sums.append(total(counted.values(), ["cost_usd"]))
    samples = sum(count for count, _ in COHORTS.values())
    assert counter.seen["runs"] == samples + AGAIN * len(COHORTS)
    assert all(counter.seen.values())
    assert counter.statuses.keys() == {"COMPLETED", "FAILED", "CANCELLED"}
    # The service shows multiples of 1,200 GiB.
    assert counter.storages.keys() == {
        ("DYNAMIC", None), ("STATIC", 1200), ("STATIC", 2400), ("STATIC", 3600), ("STATIC", 6000)
    }  # fmt: skip
    everything = total(sums, ["cost_usd"])["cost_usd"]
    assert everything is not None
    assert everything > 100


def test_what_has_no_price_is_unknown_in_its_row_and_in_the_sum(lab: CohortLab, price_file: str) -> None:
    settings = [
        {"runSettingId": "known", "runTags": {"omics-local:metrics": SIZES[0]}},
        {"runSettingId": "unknown", "runTags": {"omics-local:metrics": WITHOUT_PRICE}},
        {"runSettingId": "no-tasks", "runTags": {"omics-local:tasks": "0"}},
    ]
    task = run(lab, settings, "no-price", price_file, storage_type="STATIC")
    counted = Recount(lab.server.endpoint_url, Path(price_file).read_text()).samples(task.summary["batch_ids"])
    assert {sample: figures["cost_usd"] is None for sample, figures in counted.items()} == {
        "known": False,
        "unknown": True,
        "no-tasks": False,
    }
    assert differences(task.table, task.summary, counted) == []
    assert task.summary["cost_usd"] is None


def test_a_recount_finds_what_differs(lab: CohortLab, told: dict[str, Told], price_file: str) -> None:
    other = json.loads(json.dumps(PRICES).replace("0.0001918", "0.0001919"))
    wrong = Recount(lab.server.endpoint_url, json.dumps(other)).samples(told["default"].summary["batch_ids"])
    found = differences(told["default"].table, told["default"].summary, wrong)
    assert len(found) > COHORTS["default"][0] / 4
    assert found[-1].startswith("85 samples cost ")
    assert [each for each in found if "cost" not in each] == []


def test_the_recount_uses_nothing_of_the_package() -> None:
    tree = ast.parse(Path(usage_recount.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {
        "__future__", "boto3", "collections.abc", "csv", "datetime", "decimal", "io", "json", "typing"
    }  # fmt: skip


def test_prices_of_the_service_are_those_of_the_file(server: LocalOmics, price_file: str) -> None:
    pages = server.client("pricing").get_paginator("get_products")
    listed = pages.paginate(ServiceCode="AmazonOmics", Filters=price_filters("us-east-1"))
    book = PriceBook(listed_prices(entry for page in listed for entry in page["PriceList"]), "us-east-1")
    read = read_price_file(Path(price_file).read_text(), price_file, "us-east-1", "StartRunBatch")
    for product in PRICES["products"]:
        assert book.usd(product["resourceType"]) == read.usd(product["resourceType"]) == Decimal(str(product["usd"]))  # type: ignore[index]
