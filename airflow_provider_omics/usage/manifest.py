"""The run manifest, which HealthOmics writes to CloudWatch Logs after the end of a run: the run, then its tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_omics.usage.records import RunRecord


def manifest_stream(run_id: str, uuid: str) -> str:
    """Return the name of the log stream of a run's manifest."""
    return f"manifest/run/{run_id}/{uuid}"


def read_manifest(messages: Iterable[str], uuid: str) -> RunRecord | None:
    """Read the log events of a manifest; None where the run is not among them.

    An entry that is there twice, as after a log event that was delivered again, counts once.

    :param messages: what the events say; those that are no JSON objects are passed over.
    :param uuid: of the run.
    """
    entries: dict[str, Mapping[str, Any]] = {}
    for message in messages:
        entry = _read(message)
        if entry is not None:
            entries[str(entry.get("uuid") or entry.get("arn"))] = entry
    run = next((entry for entry in entries.values() if _kind(entry) == "run" and entry.get("uuid") == uuid), None)
    if run is None:
        return None
    return RunRecord.of(run).with_tasks(entry for entry in entries.values() if _kind(entry) == "task")


def _read(message: str) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(message)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _kind(entry: Mapping[str, Any]) -> str:
    return str(entry.get("arn")).rpartition(":")[2].partition("/")[0]
