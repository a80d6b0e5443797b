"""Use and cost of the runs of batches, counted once more: from the service's lists, run manifests and a price file.

Nothing of the package is used here, so that no mistake of it can be made twice.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import boto3

HOURS = ("cpu_hours", "gib_hours", "gpu_hours", "storage_gib_hours")
COUNTS = ("tasks", "attempts", "cache_hits", "runs")
COLUMNS = ("queued_seconds", "starting_seconds", "running_seconds", "task_seconds", *HOURS, *COUNTS, "cost_usd")
LOG_GROUP = "/aws/omics/WorkflowLog"
AN_HOUR, A_MINUTE = Decimal(3600), Decimal(60)
#: What the results table leaves out of a number.
LEAST = Decimal("0.000001")

Figures = dict[str, Decimal | None]


class Recount:
    """Recount of the samples of batches.

    :param endpoint: address of the server.
    :param prices: text of a price file.
    """

    def __init__(self, endpoint: str, prices: str, region: str = "us-east-1") -> None:
        session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name=region)
        config = boto3.session.Config(inject_host_prefix=False)
        self.omics = session.client("omics", endpoint_url=endpoint, config=config)
        self.logs = session.client("logs", endpoint_url=endpoint)
        products = json.loads(prices, parse_float=Decimal)["products"]
        self.usd = {product["resourceType"]: Decimal(product["usd"]) for product in products}
        self.seen = {"runs": 0, "retries": 0, "hits": 0, "never ran": 0, "shorter than a minute": 0}
        self.statuses: dict[str, int] = {}
        self.storages: dict[tuple[str, int | None], int] = {}

    def samples(self, batch_ids: Iterable[str]) -> dict[str, Figures]:
        """Count each sample over all of its runs."""
        found: dict[str, list[Figures]] = {}
        for batch_id in batch_ids:
            shown = {run["id"]: run for run in self._all("list_runs", "items", batchId=batch_id)}
            for entry in self._all("list_runs_in_batch", "runs", batchId=batch_id):
                if entry.get("runId"):
                    figures = self.run(shown[entry["runId"]], entry["runInternalUuid"])
                    found.setdefault(entry["runSettingId"], []).append(figures)
        return {sample: total(runs, COLUMNS) for sample, runs in found.items()}

    def run(self, run: Mapping[str, Any], uuid: str) -> Figures:
        """Count one run.

        :param run: of ListRuns.
        """
        tasks = list(self._all("list_run_tasks", "items", id=run["id"]))
        hits = [task for task in tasks if task.get("cacheHit")]
        ran = [task for task in tasks if not task.get("cacheHit") and "startTime" in task]
        started = "startTime" in run
        self._note(run, tasks, hits, ran)
        lasted = [seconds(task["startTime"], task["stopTime"]) for task in ran]
        gib = self._storage_gib(run, uuid) if started else Decimal(0)
        running = seconds(run["startTime"], run["stopTime"]) if started else Decimal(0)
        first = min((task["startTime"] for task in ran), default=None)
        of_storage = {"STATIC": "Run Storage", "DYNAMIC": "Dynamic Run Storage"}[run["storageType"]]
        prices = [self.usd.get(task["instanceType"]) for task in ran]
        billed = [max(each, A_MINUTE) for each in lasted]
        cost = None
        if None not in prices and gib is not None:
            on_tasks = sum(
                (usd * each for usd, each in zip(prices, billed, strict=True) if usd is not None), Decimal(0)
            )
            cost = (on_tasks + gib * running * self.usd[of_storage]) / AN_HOUR
        return {
            "queued_seconds": seconds(run["creationTime"], run["startTime"]) if started else None,
            "starting_seconds": seconds(run["startTime"], first) if started and first is not None else None,
            "running_seconds": running,
            "task_seconds": sum(lasted, Decimal(0)),
            **{
                f"{name}_hours": hours(ran, lasted, member)
                for name, member in (("cpu", "cpus"), ("gib", "memory"), ("gpu", "gpus"))
            },
            "storage_gib_hours": None if gib is None else gib * running / AN_HOUR,
            "tasks": Decimal(len({task["name"] for task in tasks})),
            "attempts": Decimal(len(ran)),
            "cache_hits": Decimal(len(hits)),
            "runs": Decimal(1),
            "cost_usd": cost,
        }

    def _storage_gib(self, run: Mapping[str, Any], uuid: str) -> Decimal | None:
        if run["storageType"] == "STATIC":
            asked = run.get("storageCapacity") or 0
            return Decimal(1200 if asked <= 1200 else -(-asked // 2400) * 2400)
        stream = {"logGroupName": LOG_GROUP, "logStreamName": f"manifest/run/{run['id']}/{uuid}"}
        events = self.logs.get_log_events(**stream, startFromHead=True)["events"]
        entry = json.loads(events[0]["message"], parse_float=Decimal)
        assert entry["uuid"] == uuid
        average = entry["metrics"].get("storageAverageGiB")
        return None if average is None else Decimal(average)

    def _all(self, operation: str, key: str, **members: Any) -> Iterator[dict[str, Any]]:
        for page in self.omics.get_paginator(operation).paginate(**members):
            yield from page[key]

    def _note(self, run: Mapping[str, Any], tasks: list[Any], hits: list[Any], ran: list[Any]) -> None:
        self.seen["runs"] += 1
        self.seen["hits"] += len(hits)
        self.seen["retries"] += len(tasks) - len({task["name"] for task in tasks})
        self.seen["never ran"] += "startTime" not in run
        self.seen["shorter than a minute"] += sum(
            seconds(task["startTime"], task["stopTime"]) < A_MINUTE for task in ran
        )
        self.statuses[run["status"]] = self.statuses.get(run["status"], 0) + 1
        storage = run["storageType"], run.get("storageCapacity") if run["storageType"] == "STATIC" else None
        self.storages[storage] = self.storages.get(storage, 0) + 1


def seconds(start: datetime, stop: datetime) -> Decimal:
    """Return the time between two moments, with no fraction lost."""
    between = stop - start
    return Decimal(between.days * 86_400 + between.seconds) + Decimal(between.microseconds) / 1_000_000


def hours(ran: list[Any], lasted: list[Decimal], member: str) -> Decimal:
    """Return how many hours of something tasks have reserved."""
    return (
        sum((Decimal(str(task[member])) * each for task, each in zip(ran, lasted, strict=True)), Decimal(0)) / AN_HOUR
    )


def total(figures: Iterable[Figures], names: Iterable[str]) -> Figures:
    """Sum figures up; what is not known of one is not known of all."""
    every = list(figures)
    sums: Figures = {}
    for name in names:
        known = [each[name] for each in every if each[name] is not None]
        sums[name] = sum((each for each in known if each is not None), Decimal(0)) if len(known) == len(every) else None
    return sums


def cents(amount: Decimal | str | None) -> int | None:
    """Return US dollars as whole cents; None for what is not known."""
    if amount is None or amount == "":
        return None
    return int((Decimal(amount) * 100).to_integral_value(ROUND_HALF_EVEN))


def differences(table: str, summary: Mapping[str, Any], counted: Mapping[str, Figures]) -> list[str]:
    """Compare a results table and the summary of its cohort with a recount, and return what differs.

    Money is compared to the cent, as whoever reads a bill does, and to what the table leaves out; all else is compared
    to what the table leaves out.

    :param table: the results table, as CSV.
    :param summary: ``batch_summary``.
    """
    rows = {row["run_setting_id"]: row for row in csv.DictReader(io.StringIO(table))}
    found = [f"{sample} has no row" for sample in counted.keys() - rows.keys()]
    found += [
        f"{sample} has a row of use and no run" for sample in rows if rows[sample]["runs"] and sample not in counted
    ]
    for sample, figures in counted.items():
        found += [
            f"{sample}: {name} is {rows[sample][name]!r}, and counted {figures[name]}"
            for name in COLUMNS
            if not same(rows[sample][name], figures[name])
        ]
        if cents(rows[sample]["cost_usd"]) != cents(figures["cost_usd"]):
            found.append(f"{sample} costs {rows[sample]['cost_usd']!r} USD, and counted {figures['cost_usd']}")
    sums = total(counted.values(), COLUMNS)
    found += [
        f"all: {name} is {summary[name]!r}, and counted {sums[name]}"
        for name in (*HOURS, "cache_hits", "cost_usd")
        if not same(summary[name], sums[name])
    ]
    if cents(summary["cost_usd"]) != cents(sums["cost_usd"]) or summary["usage_samples"] != len(counted):
        found.append(f"{summary['usage_samples']} samples cost {summary['cost_usd']}, and counted {sums['cost_usd']}")
    return found


def same(shown: Any, counted: Decimal | None) -> bool:
    """Whether what is shown is what was counted, and both unknown or neither."""
    if counted is None or shown in (None, ""):
        return counted is None and shown in (None, "")
    return abs(Decimal(str(shown)) - counted) <= LEAST
