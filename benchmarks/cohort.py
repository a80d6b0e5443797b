"""What a cohort costs its task: from one CSV file to the results table, deferred, in a real Airflow.

    python benchmarks/cohort.py [samples]

The local server works in a process of its own, and so does each part of the task, as Airflow starts them: the figures
are those processes' whole CPU time and peak memory, with Airflow, the imports and the reading of the DAG. Needs what
``scripts/test`` installs.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from server_process import FAST, server_process

REPOSITORY = Path(__file__).parents[1]
sys.path.append(str(REPOSITORY / "scripts" / "lib"))

from airflow_cluster import AirflowCluster  # noqa: E402

LIST_CALLS, CPU_SECONDS, PEAK_MIB = 2_100, 60, 400
TIMEOUT = 1800
# A run in 500 fails, so that failures are looked up too.
FAILING = 0.002
TIMINGS = replace(FAST, batch_creating=0.5, batch_validating=0.5, run_summary_lag=1.0)


def write_sheet(path: Path, samples: int) -> None:
    """Write a sheet of the shape of nf-core's rnaseq, one row per sample."""
    with path.open("w") as sheet:
        sheet.write("sample,fastq_1,fastq_2,strandedness\n")
        for n in range(samples):
            place = f"s3://reads/flowcell-{n % 50}/sample-{n:06}"
            sheet.write(f"sample-{n:06},{place}_R1.fastq.gz,{place}_R2.fastq.gz,auto\n")


def run(folder: Path, connection: str, samples: int) -> list[dict[str, Any]]:
    """Run the DAG, and return the figures of each part of its task."""
    sheet, record = folder / "cohort.csv", folder / "record.jsonl"
    write_sheet(sheet, samples)
    record.touch()
    environment = {
        "AIRFLOW_CONN_AWS_DEFAULT": connection,
        "COHORT_BENCHMARK_SHEET": str(sheet),
        "COHORT_BENCHMARK_RECORD": str(record),
    }
    (home := folder / "airflow").mkdir()
    with AirflowCluster(home, REPOSITORY / "benchmarks" / "dags", environment) as airflow:
        airflow.trigger("cohort", "benchmark")
        state = airflow.wait_for_dag_run("cohort", "benchmark", TIMEOUT)
        assert state == "success", f"the DAG run ended {state}"
    return [json.loads(line) for line in record.read_text().splitlines()]


def measure(samples: int) -> bool:
    """Print the figures, and return whether they are within the bounds."""
    with server_process(TIMINGS, FAILING) as server, tempfile.TemporaryDirectory() as folder:
        server.client("s3").create_bucket(Bucket="cohort")
        began = time.monotonic()
        parts = run(Path(folder), server.connection, samples)
        return report(samples, time.monotonic() - began, parts, server.calls())


def report(samples: int, took: float, parts: list[dict[str, Any]], calls: Counter[str]) -> bool:
    """Print the figures as tables."""
    cpu, peak = sum(part["cpu"] for part in parts), max(part["peak_mib"] for part in parts)
    lists = sum(count for operation, count in calls.items() if operation.startswith("List"))
    print(f"{samples:,} samples from one CSV file, deferred: {took:.0f} s with Airflow's start and stop\n")
    print("| part of the task | CPU (s) | peak memory (MiB) |\n| --- | ---: | ---: |")
    for part in parts:
        print(f"| {part['part']} | {part['cpu']:.1f} | {part['peak_mib']:.0f} |")
    print("\n| operation | calls |\n| --- | ---: |")
    for operation, count in sorted(calls.items()):
        print(f"| {operation} | {count:,} |")
    print(f"\nlist calls {lists:,} (bound {LIST_CALLS:,}), CPU {cpu:.1f} s (bound {CPU_SECONDS}), ", end="")
    print(f"peak memory {peak:.0f} MiB (bound {PEAK_MIB})")
    return lists <= LIST_CALLS and cpu < CPU_SECONDS and peak < PEAK_MIB


if __name__ == "__main__":
    sys.exit(0 if measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000) else 1)
