"""Use and cost of many runs, recounted by other code from the answers of the service and the price file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from omics_service import ROLE, await_status, wdl_zip

from airflow_provider_omics.healthomics.api.calls import run_sync
from airflow_provider_omics.healthomics.api.console import LOG_GROUP
from airflow_provider_omics.local import LocalOmics, Quotas
from airflow_provider_omics.local.clock import ManualClock
from airflow_provider_omics.usage.lookup import list_runs_of_batch, read_tasks
from airflow_provider_omics.usage.manifest import manifest_stream, read_manifest
from airflow_provider_omics.usage.pricing import PriceBook, listed_prices, price_filters, read_price_file
from airflow_provider_omics.usage.run_use import RunUse

SAMPLES = 62
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


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prices") / "prices.json"
    path.write_text(json.dumps(PRICES))
    return path


@pytest.fixture(scope="module")
def server(prices: Path) -> Iterator[LocalOmics]:
    with LocalOmics(executor="simulated", clock=ManualClock(), quotas=Quotas.wide(), price_file=prices) as started:
        yield started


def setting(n: int) -> dict[str, Any]:
    """A sample of some kind: quick or slow, small or large, failing, retrying, with static or dynamic storage."""
    tags = {
        "omics-local:seconds": str([5, 47.25, 600, 7261.5, 90000][n % 5]),
        "omics-local:metrics": f"{SIZES[n % 4]} storageAverageGiB={n % 37 + 0.125}",
        "omics-local:tasks": ["align", "align align call", "a b c d e", "sort call"][n // 4 % 4],
    }
    if n % 7 == 0:
        tags["omics-local:outcome"] = ["RUN_TASK_FAILED", "OUT_OF_MEMORY_ERROR", "SERVICE_ERROR"][n % 3]
    if n % 31 == 0:
        tags["omics-local:fails-starting"] = "ASSUME_ROLE_FAILED"
    return {"runSettingId": f"sample-{n}", "runTags": tags, "parameters": {"of": n // 2}}


@pytest.fixture(scope="module")
def batches(server: LocalOmics) -> list[str]:
    """Two batches that have ended; the second finds much in the first one's cache, and is cancelled halfway."""
    omics = server.client("omics")
    server.client("s3").create_bucket(Bucket="recount")
    workflow = omics.create_workflow(name="w", engine="WDL", definitionZip=wdl_zip())["id"]
    server.advance(60)
    await_status(lambda: dict(omics.get_workflow(id=workflow)), "ACTIVE")
    cache = omics.create_run_cache(cacheS3Location="s3://recount/cache", cacheBehavior="CACHE_ALWAYS")["id"]
    storages: list[dict[str, Any]] = [{"storageType": "DYNAMIC"}, {"storageType": "STATIC", "storageCapacity": 3000}]
    made = []
    for storage, seconds in zip(storages, (200_000, 2_000), strict=True):
        settings = [setting(n) for n in range(SAMPLES)]
        request = {
            "workflowId": workflow,
            "roleArn": ROLE,
            "outputUri": "s3://recount/out",
            "cacheId": cache,
            **storage,
        }
        uri = f"recount-{storage['storageType']}.json"
        server.client("s3").put_object(Bucket="recount", Key=uri, Body=json.dumps(settings).encode())
        made.append(
            omics.start_run_batch(
                defaultRunSetting=request,
                batchRunSettings={"s3UriSettings": f"s3://recount/{uri}"},
                requestId=storage["storageType"],
            )["id"]
        )
        server.advance(seconds)
        if storage["storageType"] == "STATIC":
            omics.cancel_run_batch(batchId=made[-1])
            server.advance(4_000)
    return made


def events(logs: Any, run_id: str, uuid: str) -> list[str]:
    token, said = None, []
    while True:
        more = {"nextToken": token} if token else {}
        answer = logs.get_log_events(
            logGroupName=LOG_GROUP, logStreamName=manifest_stream(run_id, uuid), startFromHead=True, **more
        )
        said += [event["message"] for event in answer["events"]]
        if answer["nextForwardToken"] == token:
            return said
        token = answer["nextForwardToken"]


def seconds(start: datetime, stop: datetime) -> Fraction:
    return Fraction((stop - start).days * 86400 + (stop - start).seconds) + Fraction((stop - start).microseconds, 10**6)


def recount(omics: Any, run: dict[str, Any], manifest: list[dict[str, Any]]) -> tuple[Fraction, Fraction, int]:
    """Count cost, vCPU seconds and hits of a run once more, with whole numbers and fractions."""
    usd = {each["resourceType"]: Fraction(str(each["usd"])) for each in PRICES["products"]}  # type: ignore[attr-defined]
    cost, cpus, hits = Fraction(0), Fraction(0), 0
    for page in omics.get_paginator("list_run_tasks").paginate(id=run["id"]):
        for task in page["items"]:
            if task.get("cacheHit"):
                hits += 1
            elif "startTime" in task:
                lasted = seconds(task["startTime"], task["stopTime"])
                cost += usd[task["instanceType"]] * max(lasted, Fraction(60)) / 3600
                cpus += lasted * task["cpus"]
    if "startTime" in run:
        hours = seconds(run["startTime"], run["stopTime"]) / 3600
        if run["storageType"] == "STATIC":
            asked = run["storageCapacity"]
            cost += hours * (1200 if asked <= 1200 else math.ceil(asked / 2400) * 2400) * usd["Run Storage"]
        else:
            average = Fraction(str(manifest[0]["metrics"]["storageAverageGiB"]))
            cost += hours * average * usd["Dynamic Run Storage"]
    return cost, cpus, hits


def test_a_recount_comes_to_the_same(server: LocalOmics, batches: list[str], prices: Path) -> None:
    omics, logs = server.client("omics"), server.client("logs")
    total, recounted = Fraction(0), Fraction(0)
    book = read_price_file(prices.read_text(), str(prices), "us-east-1", "StartRunBatch")
    seen = {"hits": 0, "retries": 0, "never ran": 0}
    statuses = set()
    for batch in batches:
        raw = {
            item["id"]: item
            for page in omics.get_paginator("list_runs").paginate(batchId=batch)
            for item in page["items"]
        }
        runs = run_sync(omics, list_runs_of_batch(batch))
        assert [sample for sample, _ in runs] == [f"sample-{n}" for n in range(SAMPLES)]
        for _, run in runs:
            assert run.run_id is not None
            assert run.uuid is not None
            said = events(logs, run.run_id, run.uuid)
            used = RunUse.of(run_sync(omics, read_tasks(run)).with_manifest(read_manifest(said, run.uuid)))
            cost, cpu_seconds, hits = recount(omics, raw[run.run_id], [json.loads(line) for line in said])
            counted = book.cost(used)
            assert counted is not None
            assert abs(Fraction(counted) - cost) < Fraction(1, 10**15), run
            assert used.cpu_hours is not None
            assert abs(Fraction(used.cpu_hours) - cpu_seconds / 3600) < Fraction(1, 10**15)
            assert used.cache_hits == hits
            assert used.tasks is not None
            seen["hits"] += hits
            seen["retries"] += max(0, (used.attempts or 0) + hits - used.tasks)
            seen["never ran"] += used.running_seconds == 0
            statuses.add(used.status)
            total, recounted = total + Fraction(counted), recounted + cost
    assert statuses == {"COMPLETED", "FAILED", "CANCELLED"}
    assert all(seen.values())
    assert round(total, 2) == round(recounted, 2) > 100


def test_prices_of_the_service_are_those_of_the_file(server: LocalOmics, prices: Path) -> None:
    pages = server.client("pricing").get_paginator("get_products")
    listed = pages.paginate(ServiceCode="AmazonOmics", Filters=price_filters("us-east-1"))
    book = PriceBook(listed_prices(entry for page in listed for entry in page["PriceList"]), "us-east-1")
    read = read_price_file(prices.read_text(), str(prices), "us-east-1", "StartRunBatch")
    for product in PRICES["products"]:
        kind = product["resourceType"]  # type: ignore[index]
        assert book.usd(kind) == read.usd(kind) is not None
