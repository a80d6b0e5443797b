"""Looking up the use of runs: which calls are made, and what follows from their answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pendulum

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Request, Requests, list_pages
from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.healthomics.runs.tasks import list_tasks
from airflow_provider_omics.usage.records import RunRecord

_MOST_PAGES = 20
_LONG_AGO = pendulum.datetime(1970, 1, 1)


def read_tasks(run: RunRecord) -> Requests[RunRecord]:
    """Return a run with its tasks, with one call for every 100 of them (ListRunTasks).

    :param run: one that the service shows; ids of deleted runs are given to others.
    """
    return run.with_tasks((yield from list_tasks(run.run_id)))


def list_runs_of_batch(batch_id: str) -> Requests[list[tuple[str, RunRecord]]]:
    """Return the runs of a batch, each with its sample, in the order of these.

    Of a run that was deleted, ListRunsInBatch alone tells: its status is None. Operations: ListRunsInBatch, ListRuns.

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
    return [(sample, runs.get(run_id) or RunRecord(run_id, uuid)) for run_id, (sample, uuid) in owners.items()]


def read_run(run_id: str) -> Requests[RunRecord]:
    """Return a run with its uuid and its storage, which no list tells together (GetRun)."""
    return RunRecord.of((yield Request("GetRun", {"id": run_id})))


def read_engine(workflow_id: str, workflow_type: str | None) -> Requests[str | None]:
    """Return the engine of a workflow (GetWorkflow).

    :param workflow_type: None for the service's default.
    """
    members = {"id": workflow_id} | ({} if workflow_type is None else {"type": workflow_type})
    engine: str | None = (yield Request("GetWorkflow", members)).get("engine")
    return engine


def list_last_runs(workflow_id: str, version: str | None, count: int) -> Requests[list[RunRecord]]:
    """Return the last completed runs of one version of a workflow, newest first (ListRuns).

    Of an account with many runs only the first 2,000 that are listed are seen.

    :param version: its name; None for the workflow itself.
    :param count: most runs.
    """
    found: list[RunRecord] = []
    times: list[datetime] = []
    pages = 0

    def take(page: Mapping[str, Any]) -> bool:
        nonlocal pages
        items = page.get("items") or ()
        pages += 1
        times.extend(item["creationTime"] for item in items if "creationTime" in item)
        found.extend(RunRecord.of(item) for item in items if _version_of(item) == (workflow_id, version))
        # In which order runs are listed is not documented.
        is_newest_first = len(times) > 1 and times[0] >= times[-1]
        return pages >= _MOST_PAGES or (is_newest_first and len(found) >= count)

    yield from list_pages("ListRuns", take, status=RunStatus.COMPLETED.value, maxResults=PAGE_SIZE)
    return sorted(found, key=lambda run: run.created or _LONG_AGO, reverse=True)[:count]


def _version_of(item: Mapping[str, Any]) -> tuple[str | None, str | None]:
    return item.get("workflowId"), item.get("workflowVersionName")
