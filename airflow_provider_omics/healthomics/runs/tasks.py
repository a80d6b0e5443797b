"""Tasks of a run, as the service lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Requests, list_items


def list_tasks(run_id: str | None) -> Requests[list[Mapping[str, Any]]]:
    """Return the tasks of a run, with a call for every 100 of them (ListRunTasks).

    :param run_id: of a run that the service shows; ids of deleted runs are given to others.
    """
    return (yield from list_items("ListRunTasks", "items", id=run_id, maxResults=PAGE_SIZE))
