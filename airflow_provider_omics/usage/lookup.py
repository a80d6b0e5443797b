"""Looking up the use of runs: which calls are made, and what follows from their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Requests, list_pages
from airflow_provider_omics.healthomics.runs.tasks import list_tasks
from airflow_provider_omics.usage.records import RunRecord


def read_tasks(run: RunRecord) -> Requests[RunRecord]:
    """Return a run with its tasks, with one call for every 100 of them (ListRunTasks).

    :param run: one that the service shows; ids of deleted runs are given to others.
    """
    return run.with_tasks((yield from list_tasks(run.run_id)))


def list_runs_of_batch(batch_id: str) -> Requests[list[tuple[str, RunRecord]]]:
    """Return the runs of a batch that the service shows, each with its sample, in the order of these.

    Operations: ListRunsInBatch, ListRuns.

    :param batch_id: of a batch that exists.
    """
    owners: dict[str, tuple[str, str | None]] = {}
    runs: dict[str, RunRecord] = {}

    def add_submissions(page: Mapping[str, Any]) -> None:
        for item in page.get("runs") or ():
            if item.get("runId") and item.get("runSettingId"):
                owners[item["runId"]] = item["runSettingId"], item.get("runInternalUuid")

    def add_runs(page: Mapping[str, Any]) -> None:
        for item in page.get("items") or ():
            if item.get("id") in owners:
                runs[item["id"]] = RunRecord.of({**item, "uuid": owners[item["id"]][1]})

    yield from list_pages("ListRunsInBatch", add_submissions, batchId=batch_id, maxItems=PAGE_SIZE)
    yield from list_pages("ListRuns", add_runs, batchId=batch_id, maxResults=PAGE_SIZE)
    return [(sample, runs[run_id]) for run_id, (sample, _) in owners.items() if run_id in runs]
