"""What listing a large batch costs the process that asks: ListRuns and ListRunsInBatch through the hook.

    python benchmarks/list_runs.py [runs]

On 2 cores, Python 3.12, botocore 1.43.117, 1,000 pages of 100: ListRuns takes 4.2 s of CPU, ListRunsInBatch 1.8 s.
With botocore's own reader of times ListRuns takes 25.9 s.
"""

from __future__ import annotations

import os
import sys
import time

from server_process import ROLE, WORKFLOW, Server, server_process, settings_file

from airflow_provider_omics.hooks.omics import OmicsHook


def main(runs: int) -> None:
    """List a batch in both ways and print what it cost."""
    with server_process() as server:
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = server.connection
        batch_id = _processed_batch(server, runs)
        client = OmicsHook().conn
        client.get_batch(batchId=batch_id)
        for name, key in (("list_runs", "items"), ("list_runs_in_batch", "runs")):
            began, worked = time.perf_counter(), time.process_time()
            pages = client.get_paginator(name).paginate(batchId=batch_id, PaginationConfig={"PageSize": 100})
            lengths = [len(page[key]) for page in pages]
            worked, took = time.process_time() - worked, time.perf_counter() - began
            print(f"{name}: {sum(lengths)} in {len(lengths)} pages, {worked:.2f} s of CPU, {took:.2f} s in all")


def _processed_batch(server: Server, runs: int) -> str:
    s3, omics = server.client("s3"), server.client("omics")
    s3.create_bucket(Bucket="settings")
    s3.put_object(Bucket="settings", Key="settings.json", Body=settings_file(runs))
    batch_id: str = omics.start_run_batch(
        defaultRunSetting={"workflowId": WORKFLOW, "roleArn": ROLE, "outputUri": "s3://results/runs"},
        batchRunSettings={"s3UriSettings": "s3://settings/settings.json"},
    )["id"]
    while omics.get_batch(batchId=batch_id)["status"] != "PROCESSED":
        time.sleep(0.5)
    return batch_id


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
