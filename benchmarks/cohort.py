"""What a cohort costs its task: from one CSV file to the results table, deferred, in a real Airflow.

    python benchmarks/cohort.py [samples]
    python benchmarks/cohort.py against 6143b54 [samples]

The second compares with the code of a commit: the same sheet of ten columns, read alone (the least of five times)
and as a whole task (once each).

The local server works in a process of its own, and so does each part of the task, as Airflow starts them: the figures
are those processes' whole CPU time and peak memory, with Airflow, the imports and the reading of the DAG. Needs what
``scripts/test`` installs.
"""

from __future__ import annotations

import json
import os
import subprocess
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
# How much more CPU than at another commit a cohort may take.
MOST_CPU = 1.2
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


def write_wide_sheet(path: Path, samples: int) -> None:
    """Write a sheet of ten columns, as a laboratory's system would."""
    with path.open("w") as sheet:
        sheet.write("sample,fastq_1,fastq_2,strandedness,lane,library,platform,sex,age,reference\n")
        for n in range(samples):
            place = f"s3://reads/flowcell-{n % 50}/sample-{n:06}"
            sheet.write(
                f"sample-{n:06},{place}_R1.fastq.gz,{place}_R2.fastq.gz,auto,{n % 8 + 1},lib-{n % 997},illumina,"
                f"{'MF'[n % 2]},{n % 90},s3://refs/hg38.fa\n"
            )


def run(folder: Path, connection: str, sheet: Path, code: Path = REPOSITORY) -> list[dict[str, Any]]:
    """Run the DAG, and return the figures of each part of its task.

    :param code: the checkout whose provider it runs with.
    """
    record = folder / "record.jsonl"
    record.touch()
    environment = {
        "AIRFLOW_CONN_AWS_DEFAULT": connection,
        "COHORT_BENCHMARK_SHEET": str(sheet),
        "COHORT_BENCHMARK_RECORD": str(record),
        "PYTHONPATH": str(code),
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
        sheet = Path(folder) / "cohort.csv"
        write_sheet(sheet, samples)
        parts = run(Path(folder), server.connection, sheet)
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


_READ = """
import json, resource, sys
from airflow_provider_omics.healthomics.run_settings.cohort import SheetOptions, read_cohort
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
began = cpu()
read_cohort(sys.argv[1], SheetOptions("sample"), {"outputUri": "s3://cohort/runs"}, None).close()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"part": "reading alone", "cpu": cpu() - began, "peak_mib": peak}))
"""


def read_alone(sheet: Path, code: Path) -> dict[str, Any]:
    """Read a sheet in a process of its own, without Airflow, and return the figures."""
    environment = {**os.environ, "PYTHONPATH": str(code)}
    command = [sys.executable, "-c", _READ, str(sheet)]
    answer = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=code).stdout
    figures: dict[str, Any] = json.loads(answer)
    return figures


def whole_task(sheet: Path, code: Path) -> dict[str, Any]:
    """Run the DAG against a server of its own, and return the figures of all parts together."""
    with server_process(TIMINGS, FAILING) as server, tempfile.TemporaryDirectory() as folder:
        server.client("s3").create_bucket(Bucket="cohort")
        parts = run(Path(folder), server.connection, sheet, code)
    assert {part["code"] for part in parts} == {str(code)}, "the task ran with another checkout's code"
    cpu, peak = sum(part["cpu"] for part in parts), max(part["peak_mib"] for part in parts)
    return {"part": "whole task", "cpu": cpu, "peak_mib": peak}


def against(commit: str, samples: int) -> bool:
    """Print the figures of a commit beside those of this code, and return whether they are within the bounds."""
    with tempfile.TemporaryDirectory() as folder:
        old, sheet = Path(folder) / "code", Path(folder) / "wide.csv"
        old.mkdir()
        write_wide_sheet(sheet, samples)
        archive = subprocess.run(["git", "archive", commit], check=True, capture_output=True, cwd=REPOSITORY).stdout
        subprocess.run(["tar", "x"], input=archive, check=True, cwd=old)
        reads = [(read_alone(sheet, old), read_alone(sheet, REPOSITORY)) for _ in range(5)]
        # What else the machine does can only add.
        then, now = (min(figures, key=lambda each: each["cpu"]) for figures in zip(*reads, strict=True))
        pairs = [(then, now), (whole_task(sheet, old), whole_task(sheet, REPOSITORY))]
    print(f"{samples:,} samples of 10 columns, beside {commit}\n")
    print("| part | CPU (s), then | CPU (s), now | ratio | peak memory (MiB), then | now |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for then, now in pairs:
        ratio = now["cpu"] / then["cpu"]
        row = f"{then['cpu']:.1f} | {now['cpu']:.1f} | {ratio:.2f} | {then['peak_mib']:.0f} | {now['peak_mib']:.0f}"
        print(f"| {now['part']} | {row} |")
    print(f"\nbounds: {MOST_CPU} times the CPU, {PEAK_MIB} MiB")
    return all(now["cpu"] <= MOST_CPU * then["cpu"] and now["peak_mib"] < PEAK_MIB for then, now in pairs)


def main(arguments: list[str]) -> bool:
    """Do what the command line says."""
    if arguments[:1] == ["against"]:
        return against(arguments[1], int(arguments[2]) if len(arguments) > 2 else 100_000)
    return measure(int(arguments[0]) if arguments else 100_000)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
