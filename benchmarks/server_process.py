"""A local HealthOmics server in a process of its own, so that what a benchmark measures is the client's alone."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, Concatenate, ParamSpec, TypeVar

from airflow_provider_omics.local import LocalOmics, ManualClock, Quotas, SimulatedOutcomes, Timings
from airflow_provider_omics.local.workflows.catalogue import share_workflow

P = ParamSpec("P")
T = TypeVar("T")

ROLE = "arn:aws:iam::123456789012:role/omics"
WORKFLOW = "77"

# 100,000 runs are PROCESSED within half a minute.
FAST = replace(Timings.fast(), submissions_per_second=5000.0, running_min=1.0, running_max=3.0)


@dataclass(frozen=True)
class Server:
    """Where the server is; another process may be given it, as long as one at a time asks it for something.

    :param connection: an Airflow ``aws`` connection to it, for an ``AIRFLOW_CONN_...`` variable.
    """

    url: str
    connection: str
    _pipe: Connection

    def calls(self) -> Counter[str]:
        """Return how often each operation was called."""
        return self.do(_count_calls)

    def do(self, work: Callable[Concatenate[LocalOmics, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Have something done in the server's process, and return what that returned.

        :param work: a function of a module, which gets the server first.
        """
        self._pipe.send((work, args, kwargs))
        done: T = self._pipe.recv()
        return done

    def client(self, service: str) -> Any:
        """Return a boto3 client of the server."""
        import boto3
        from botocore.config import Config

        session: Any = boto3.Session("local", "local", region_name="us-east-1")
        return session.client(service, endpoint_url=self.url, config=Config(inject_host_prefix=False))


@contextmanager
def server_process(
    timings: Timings = FAST, failure_share: float = 0.0, *, by_hand: bool = False, enforce_rates: bool = False
) -> Iterator[Server]:
    """Run a server with simulated runs, wide quotas and the workflow 77, which takes any parameters.

    :param failure_share: part of the runs that fail, 0 to 1.
    :param by_hand: whether its clock stands still until ``LocalOmics.advance``.
    :param enforce_rates: throttle calls at the published rates; how many runs there may be stays wide.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, timings, failure_share, by_hand, enforce_rates))
    process.start()
    try:
        url, connection = ours.recv()
        yield Server(url, connection, ours)
    finally:
        ours.send(None)
        process.join()


def sample_names(count: int) -> list[str]:
    """Return the run setting ids of a settings file."""
    return [f"sample-{n:06}" for n in range(count)]


def settings_file(runs: int) -> bytes:
    """Return a settings file with two reads, a name and a tag per run."""
    return json.dumps(
        [
            {
                "runSettingId": name,
                "name": name,
                "parameters": {"fastq_1": f"s3://reads/{n}_1.fastq.gz", "fastq_2": f"s3://reads/{n}_2.fastq.gz"},
                "runTags": {"sample": str(n)},
            }
            for n, name in enumerate(sample_names(runs))
        ]
    ).encode()


def _count_calls(server: LocalOmics) -> Counter[str]:
    return Counter(call.operation for call in server.journal.calls())


def _serve(pipe: Connection, timings: Timings, failure_share: float, by_hand: bool, enforce_rates: bool) -> None:
    server = LocalOmics(
        executor="simulated",
        clock=ManualClock() if by_hand else None,
        timings=timings,
        quotas=Quotas.wide(),
        outcomes=SimulatedOutcomes(failure_share=failure_share),
        enforce_rates=enforce_rates,
    )
    with server:
        share_workflow(server.account(), WORKFLOW, server.account().account, name="workflow")
        pipe.send((server.endpoint_url, server.airflow_connection_uri()))
        while (wanted := pipe.recv()) is not None:
            work, args, kwargs = wanted
            pipe.send(work(server, *args, **kwargs))
