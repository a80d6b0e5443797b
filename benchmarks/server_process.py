"""A local HealthOmics server in a process of its own, so that what a benchmark measures is the client's alone."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from airflow_provider_omics.local import LocalOmics, Quotas, SimulatedOutcomes, Timings
from airflow_provider_omics.local.workflows.catalogue import share_workflow

ROLE = "arn:aws:iam::123456789012:role/omics"
WORKFLOW = "77"

# 100,000 runs are PROCESSED within half a minute.
FAST = replace(Timings.fast(), submissions_per_second=5000.0, running_min=1.0, running_max=3.0)


@dataclass(frozen=True)
class Server:
    """Where the server is.

    :param connection: an Airflow ``aws`` connection to it, for an ``AIRFLOW_CONN_...`` variable.
    """

    url: str
    connection: str
    _pipe: Connection

    def calls(self) -> Counter[str]:
        """Return how often each operation was called."""
        self._pipe.send("calls")
        counted: Counter[str] = self._pipe.recv()
        return counted

    def client(self, service: str) -> Any:
        """Return a boto3 client of the server."""
        import boto3
        from botocore.config import Config

        session = boto3.Session("local", "local", region_name="us-east-1")
        return session.client(service, endpoint_url=self.url, config=Config(inject_host_prefix=False))


@contextmanager
def server_process(timings: Timings = FAST, failure_share: float = 0.0) -> Iterator[Server]:
    """Run a server with simulated runs, wide quotas and the workflow 77, which takes any parameters.

    :param failure_share: part of the runs that fail, 0 to 1.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, timings, failure_share))
    process.start()
    try:
        yield Server(*ours.recv(), ours)
    finally:
        ours.send("stop")
        process.join()


def settings_file(runs: int) -> bytes:
    """Return a settings file with two reads, a name and a tag per run."""
    return json.dumps(
        [
            {
                "runSettingId": f"sample-{n:06}",
                "name": f"sample-{n:06}",
                "parameters": {"fastq_1": f"s3://reads/{n}_1.fastq.gz", "fastq_2": f"s3://reads/{n}_2.fastq.gz"},
                "runTags": {"sample": str(n)},
            }
            for n in range(runs)
        ]
    ).encode()


def _serve(pipe: Connection, timings: Timings, failure_share: float) -> None:
    server = LocalOmics(
        executor="simulated",
        timings=timings,
        quotas=Quotas.wide(),
        outcomes=SimulatedOutcomes(write_logs=False, failure_share=failure_share),
    )
    with server:
        share_workflow(server.world(), WORKFLOW, server.world().account, name="workflow")
        pipe.send((server.endpoint_url, server.airflow_connection_uri()))
        while pipe.recv() == "calls":
            pipe.send(Counter(call.operation for call in server.journal.calls()))
