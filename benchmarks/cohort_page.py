"""What the cohort's page costs Airflow's web server at 100,000 samples: time of an answer, and memory.

``python benchmarks/cohort_page.py [SAMPLES]``, in the environment that ``scripts/test`` makes. The results table has
columns of ``usage="all"``, is served by the local server in a process of its own, and read by the page's own code. What
Airflow adds to an answer, its database and permissions, is left out. Bound: 300 ms for each answer.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import psutil
from server_process import server_process

from airflow_provider_omics.healthomics.results.table import SampleStatus

SAMPLES = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
BOUND = 0.3
ROUNDS = 9
BUCKET = "cohorts"
CODES = ("RUN_TASK_FAILED", "OUT_OF_MEMORY_ERROR", "INPUT_URI_NOT_FOUND", "SERVICE_ERROR")
QUERIES: dict[str, dict[str, Any]] = {
    "first page": {},
    "page in the middle": {"page": 900},
    "failed only": {"status": SampleStatus.FAILED},
    "search": {"search": "99"},
    "search that fits none": {"search": "nothing like it"},
    "sorted by sample": {"sort": "sample", "descending": True},
    "sorted by cost": {"sort": "cost_usd", "descending": True},
    "failed, sorted by run time": {"status": SampleStatus.FAILED, "sort": "duration"},
    "200 rows, sorted": {"sort": "cost_usd", "size": 200, "page": 7},
}


def rows(count: int) -> Iterator[str]:
    for n in range(count):
        failed = n % 50 == 7
        row: dict[str, Any] = {
            "run_setting_id": f"NA{n * 7919 % count:06}",
            "batch_id": "1000001",
            "run_id": str(1_000_002 + n),
            "uuid": f"{n:08x}-5d0e-4a3c-9d3b-{n * 104729 % 2**48:012x}",
            "arn": f"arn:aws:omics:us-east-1:123456789012:run/{1_000_002 + n}",
            "submission_status": "SUCCESS",
            "run_status": "FAILED" if failed else "COMPLETED",
            "failure_code": CODES[n // 50 % 4] if failed else None,
            "failure_class": "workflow" if failed else None,
            "failure_message": f"Task align ({n}) failed: exit code 137" if failed else None,
            "start_time": f"2026-01-01T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}.000+00:00",
            "stop_time": f"2026-01-02T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n * 7 % 60:02}.000+00:00",
            "output_uri": None if failed else f"s3://results/cohort/{1_000_002 + n}",
            "running_seconds": str(n % 9000),
            "cpu_hours": str(n % 977 / 100),
            "cost_usd": str(n * 31 % 10_007 / 1000),
            "price_as_of": "2026-01-01",
        }
        yield json.dumps(row) + "\n"


def main() -> int:
    with server_process() as server:
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = server.connection
        return measure()


def measure() -> int:
    from airflow_provider_omics.healthomics.requests.identity import DagRunLife, TaskIdentity
    from airflow_provider_omics.hooks.omics import OmicsHook
    from airflow_provider_omics.page.cohort_task import CohortTask
    from airflow_provider_omics.page.cohorts import CohortReader
    from airflow_provider_omics.page.sample_table import Query

    hook = OmicsHook()
    uri = f"s3://{BUCKET}/results.csv"
    hook.hook_of("s3").conn.create_bucket(Bucket=BUCKET)
    hook.storage.write(uri.replace(".csv", ".jsonl"), rows(SAMPLES), "application/x-ndjson")
    version = hook.storage.version(uri.replace(".csv", ".jsonl"))
    assert version is not None
    arguments = {"aws_conn_id": "aws_default", "results_uri": uri, "output_uri": f"s3://{BUCKET}/out"}
    identity = TaskIdentity("cohort", "manual", "cohort")
    task = CohortTask(identity, "success", 1, "OmicsStartRunBatchOperator", None, None, DagRunLife(), arguments, "1")

    process, reader = psutil.Process(), CohortReader()
    json.dumps(reader.progress(replace(task, batch_id=None)).result())
    before, began, waited = process.memory_info().rss, time.perf_counter(), []
    while (answer := ask(partial(reader.samples, task, Query()), waited))["state"] == "reading":
        time.sleep(0.05)
    assert answer["state"] == "ready", answer
    print(f"{SAMPLES:,} samples, {version.size / 2**20:.0f} MiB as JSONL, read in {time.perf_counter() - began:.1f} s")
    show("while it is read", waited[1:])
    slowest = 0.0
    for name, query in QUERIES.items():
        took: list[float] = []
        wanted = Query(**query)
        for _ in range(ROUNDS):
            ask(partial(reader.samples, task, wanted), took)
        slowest = max(slowest, *took)
        show(name, took)
    took = []
    for _ in range(ROUNDS):
        ask(partial(reader.table, task), took)
    slowest = max(slowest, *took)
    show("counts, groups, cost", took)
    print(f"memory added: {(process.memory_info().rss - before) / 2**20:.0f} MiB; slowest: {slowest * 1000:.0f} ms")
    return 0 if slowest < BOUND else 1


def show(name: str, took: list[float]) -> None:
    print(f"{name:28} {statistics.median(took) * 1000:6.1f} ms, at most {max(took) * 1000:6.1f} ms")


def ask(what: Any, took: list[float]) -> Any:
    """Ask for an answer as the web server does, JSON and all, and note how long that took in seconds."""
    began = time.perf_counter()
    answer = what().result()
    json.dumps(answer)
    took.append(time.perf_counter() - began)
    return answer


if __name__ == "__main__":
    sys.exit(main())
