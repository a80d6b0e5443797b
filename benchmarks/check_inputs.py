"""What looking for the inputs of a cohort in S3 costs its task (``check_inputs``).

    python benchmarks/check_inputs.py [objects]

Every sample has two reads of its own. The local server works in a process of its own, and so does the check:
its memory is counted from before it makes its client. Ends with 1 if a bound is broken.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import closing

from server_process import server_process
from watching_parts.measuring import MIB, in_fresh_process, memory_now, memory_peak

from airflow_provider_omics.healthomics.requests.input_objects import InputObjects
from airflow_provider_omics.hooks.input_check import look_for_inputs
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import LocalOmics

SECONDS, ADDED_MIB = 120, 50
BUCKET = "reads"


def uris(count: int) -> list[str]:
    """Return the URIs of the reads."""
    return [f"s3://{BUCKET}/flowcell-{n % 50}/sample-{n // 2:06}_R{n % 2 + 1}.fastq.gz" for n in range(count)]


def fill(server: LocalOmics, count: int) -> None:
    """Put the reads into S3, and leave the last of them out."""
    aws = server.account().aws
    aws.ensure_bucket(BUCKET)
    for uri in uris(count)[:-1]:
        aws.put_object(uri, b"")


def check(connection: str, count: int) -> tuple[float, float, float, int, int]:
    """Check the reads; return seconds, seconds of CPU, added memory in bytes, objects looked for, and problems."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    (log := logging.getLogger("benchmark")).setLevel(logging.INFO)
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection
    before, began, worked = memory_now(), time.perf_counter(), time.process_time()
    with closing(InputObjects()) as objects:
        for n, uri in enumerate(uris(count)):
            objects.note({"fastq": uri}, lambda path, n=n: f"cohort.csv row {n // 2 + 2}, {path}")  # type: ignore[misc]
        client = OmicsHook().client_for_many_looks()
        report = look_for_inputs(client, objects, seconds=3600, log=log, is_killed=lambda: False)
    took, cpu = time.perf_counter() - began, time.process_time() - worked
    return took, cpu, memory_peak() - before, report.looked, report.problems


def measure(count: int) -> bool:
    """Print the figures, and return whether they are within the bounds."""
    with server_process() as server:
        print(f"Putting {count:,} objects into S3", flush=True)
        server.do(fill, count)
        print("Looking for them", flush=True)
        took, cpu, memory, looked, problems = in_fresh_process(check, server.connection, count)
    print(f"{looked:,} objects in {took:.1f} s (bound {SECONDS}), {cpu:.1f} s of CPU, {problems} missing, ", end="")
    print(f"{memory / MIB:.1f} MiB added (bound {ADDED_MIB})")
    return (looked, problems) == (count, 1) and took < SECONDS and memory < ADDED_MIB * MIB


if __name__ == "__main__":
    sys.exit(0 if measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000) else 1)
