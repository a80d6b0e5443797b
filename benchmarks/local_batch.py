"""How long a large simulated run batch takes to PROCESSED, and how much memory.

    python benchmarks/local_batch.py [runs]

The clock is moved by hand, so the figures are the server's own work and no waiting.
"""

from __future__ import annotations

import resource
import sys
import time

from server_process import ROLE, settings_file

from airflow_provider_omics.local import LocalOmics, ManualClock, Quotas, Timings
from airflow_provider_omics.local.workflows.catalogue import share_workflow


def peak_mib() -> float:
    """Return the most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(runs: int) -> None:
    """Take a batch to PROCESSED and list all of its runs, and print the figures."""
    server = LocalOmics(
        executor="simulated",
        clock=ManualClock(),
        timings=Timings(submissions_per_second=2000.0),
        quotas=Quotas.wide(),
    )
    with server:
        state = server.account()
        share_workflow(state, "77", state.account, name="workflow")
        s3, omics = server.client("s3"), server.client("omics")
        s3.create_bucket(Bucket="settings")
        body = settings_file(runs)
        s3.put_object(Bucket="settings", Key="settings.json", Body=body)
        print(f"{runs} runs in a file of {len(body) / 1e6:.1f} MB; {peak_mib():.0f} MiB before the start")
        began, worked = time.perf_counter(), time.process_time()
        batch_id = omics.start_run_batch(
            defaultRunSetting={"workflowId": "77", "roleArn": ROLE, "outputUri": "s3://results/runs"},
            batchRunSettings={"s3UriSettings": "s3://settings/settings.json"},
        )["id"]
        while (batch := omics.get_batch(batchId=batch_id))["status"] != "PROCESSED":
            server.advance(1.0)
        took, worked = time.perf_counter() - began, time.process_time() - worked
        print(f"PROCESSED after {took:.1f} s, {worked:.2f} s of CPU; {batch['runSummary']}; peak {peak_mib():.0f} MiB")
        began = time.perf_counter()
        pages = omics.get_paginator("list_runs_in_batch").paginate(batchId=batch_id, PaginationConfig={"PageSize": 100})
        listed = sum(len(page["runs"]) for page in pages)
        print(f"{listed} entries listed over HTTP in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
