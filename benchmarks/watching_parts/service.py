"""What the benchmarks have done in the server's process: runs to wait for, and what became of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from server_process import ROLE, WORKFLOW, settings_file

from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.executors.simulation import SECONDS_TAG
from airflow_provider_omics.local.faults import CallFacts, FaultKind, FaultRule
from airflow_provider_omics.local.operations.registry import handlers

_access_keys: set[str] = set()
REQUEST = {"workflowId": WORKFLOW, "roleArn": ROLE, "outputUri": "s3://results/runs"}


def start_runs(server: LocalOmics, seconds: Sequence[float]) -> list[str]:
    """Start runs without HTTP, which is not what is measured.

    :param seconds: how long each is RUNNING.
    """
    state, start_run = server.account(), handlers()["StartRun"]
    with state.lock:
        first = len(state.runs)
        return [
            start_run(state, {**REQUEST, "requestId": f"run-{first + n}", "tags": {SECONDS_TAG: str(running)}})["id"]
            for n, running in enumerate(seconds)
        ]


def start_usual_runs(server: LocalOmics, count: int) -> list[str]:
    """Start runs that take as long, and fail as often, as the server has it."""
    state, start_run = server.account(), handlers()["StartRun"]
    with state.lock:
        first = len(state.runs)
        return [
            start_run(state, {**REQUEST, "requestId": f"run-{n}", "name": f"run-{n}"})["id"]
            for n in range(first, first + count)
        ]


def start_batch(server: LocalOmics, samples: int) -> str:
    """Start a batch, whose runs take as long as the server's timings say, and return its id."""
    s3, omics = server.client("s3"), server.client("omics")
    s3.create_bucket(Bucket="settings")
    s3.put_object(Bucket="settings", Key="settings.json", Body=settings_file(samples))
    batch_id: str = omics.start_run_batch(
        defaultRunSetting=REQUEST, batchRunSettings={"s3UriSettings": "s3://settings/settings.json"}
    )["id"]
    return batch_id


def samples_of(server: LocalOmics, batch_id: str) -> dict[str, str]:
    """Return the run id of each sample of a batch."""
    entries = server.account().batches[batch_id].entries
    return {entry.run_setting_id: entry.run_id or "" for entry in entries}


def now(server: LocalOmics) -> float:
    """Return the server's time, in seconds since the epoch."""
    return server.clock.now().timestamp()


def forget_calls(server: LocalOmics) -> None:
    """Begin to count calls anew."""
    server.journal.clear()


def note_access_keys(server: LocalOmics) -> None:
    """Begin to note with which access keys calls are signed."""
    _access_keys.clear()

    def note(facts: CallFacts) -> bool:
        _access_keys.add(facts.access_key)
        return False

    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, matches=note))


def access_keys(_server: LocalOmics) -> set[str]:
    """Return the access keys that were noted."""
    return _access_keys


def ends(server: LocalOmics) -> dict[str, tuple[str, float]]:
    """Return the status of each run that has ended, and when it did, in seconds since the epoch."""
    state = server.account()
    with state.lock:
        return {
            run.run_id: (run.status.value, run.stop_time.timestamp()) for run in state.runs.values() if run.stop_time
        }


def calls(server: LocalOmics) -> dict[str, dict[str, Any]]:
    """Return for each operation how often it was called, throttled, and called within the busiest second."""
    times: dict[str, list[float]] = {}
    throttled: dict[str, int] = {}
    for call in server.journal.calls():
        times.setdefault(call.operation, []).append(call.time.timestamp())
        throttled[call.operation] = throttled.get(call.operation, 0) + (call.error == "ThrottlingException")
    return {
        operation: {
            "calls": len(called),
            "throttled": throttled[operation],
            "busiest_second": _busiest_second(sorted(called)),
        }
        for operation, called in sorted(times.items())
    }


def _busiest_second(called: list[float]) -> int:
    return max(bisect_left(called, at + 1.0, lo=n) - n for n, at in enumerate(called))
