"""Parameters of the page's addresses: a task instance, and a query of samples; nothing else comes from the browser."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query

from airflow_provider_omics.healthomics.requests.identity import TaskIdentity
from airflow_provider_omics.healthomics.results.table import SampleStatus
from airflow_provider_omics.page import sample_table

Name = Annotated[str, Path(max_length=250)]


def _task(dag_id: Name, run_id: Name, task_id: Name, map_index: Annotated[int, Path(ge=-1)]) -> TaskIdentity:
    return TaskIdentity(dag_id, run_id, task_id, map_index)


def _samples(
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    size: Annotated[int, Query(ge=1, le=sample_table.MAX_PAGE_SIZE)] = 50,
    status: SampleStatus | None = None,
    failure_class: Annotated[str | None, Query(max_length=50)] = None,
    reason: Annotated[str | None, Query(max_length=200)] = None,
    search: Annotated[str, Query(max_length=sample_table.MAX_SEARCH)] = "",
    sort: sample_table.Sort = "input",
    descending: bool = False,
) -> sample_table.Query:
    return sample_table.Query(page, size, status, failure_class, reason, search.strip(), sort, descending)


TaskFromPath = Annotated[TaskIdentity, Depends(_task)]
SamplesQuery = Annotated[sample_table.Query, Depends(_samples)]
