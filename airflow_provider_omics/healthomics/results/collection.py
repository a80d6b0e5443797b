"""Filling the results table from the API: which calls are made, and what their answers and errors mean."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Request, Requests, list_pages, or_none
from airflow_provider_omics.healthomics.api.service_errors import ErrorCategory, categorize, explain, is_from_aws
from airflow_provider_omics.healthomics.results.merging import BatchMerge
from airflow_provider_omics.healthomics.results.table import ResultsTable, SampleResult, SampleStatus, one_line
from airflow_provider_omics.healthomics.runs.cache_hits import count_cache_hits


def collect_batch(
    table: ResultsTable,
    batch_id: str,
    *,
    unchanged_ids: Container[str] | None = None,
    status: str | None = None,
    failure_reason: str | None = None,
) -> Requests[bool]:
    """Take a batch into the table, with two list calls for every 100 samples of the batch.

    The batches of a cohort are to be collected oldest first; :class:`~.merging.BatchMerge` tells how they merge.
    Operations: ListRunsInBatch, ListRuns.

    :param unchanged_ids: ids of the samples that the batch was given with the settings that they have now; None for
        all.
    :param status: the batch's status as GetBatch last showed it; None if the batch is gone.
    :param failure_reason: ``failureReason`` of GetBatch.
    :return: whether the batch still exists; if not, its samples are ``UNKNOWN``.
    """
    merge = BatchMerge(table, batch_id, unchanged_ids=unchanged_ids, status=status, failure_reason=failure_reason)
    exists = yield from _list_if_there(
        "ListRunsInBatch",
        lambda page: merge.add_submissions(page.get("runs") or ()),
        batchId=batch_id,
        maxItems=PAGE_SIZE,
    )
    if not exists:
        merge.mark_lost()
    if merge.has_runs:
        yield from _list_if_there(
            "ListRuns",
            lambda page: merge.add_runs(page.get("items") or ()),
            batchId=batch_id,
            maxResults=PAGE_SIZE,
        )
    merge.finish()
    return exists


def confirm_unsettled(table: ResultsTable, batch_id: str | None = None, *, limit: int = 100) -> Requests[int]:
    """Look up runs that the lists showed as active, or not at all, since lists may lag behind.

    A run that is gone, or whose id belongs to another run by now, counts as deleted. A run that could not be looked
    up stays active, with the cause in its row. Operation: GetRun.

    :param batch_id: only rows of this batch.
    :param limit: most calls.
    :return: how many runs were still not seen to end; ``table.active`` has them.
    """
    for row in table.active(batch_id)[:limit]:
        answer = yield from _get_run(row)
        if isinstance(answer, Mapping):
            row.failure_message = None
            table.explain(row, answer)
        elif answer is None:
            row.mark_deleted()
        else:
            row.failure_message = one_line(_not_looked_up(row, answer))
    return len(table.active(batch_id))


def look_up_failures(table: ResultsTable, *, limit: int = 100) -> Requests[int]:
    """Look up why runs failed, the first of the input first, and the form of output URIs.

    An error of a GetRun never ends the task: its cause is noted in the row. Operation: GetRun.

    :param limit: most failed runs to look up; one completed run may be looked up besides.
    :return: how many failed runs were not looked up.
    """
    failed = [row for row in table.rows() if row.end is SampleStatus.FAILED and row.failure_code is None]
    for row in failed[:limit]:
        answer = yield from _get_run(row)
        if isinstance(answer, Mapping):
            table.explain(row, answer)
        elif answer is None:
            row.failure_message = "The run was deleted before the cause of its failure was looked up"
        else:
            row.failure_message = one_line(_not_looked_up(row, answer))
    if not table.knows_form:
        yield from _learn_form(table)
    return max(0, len(failed) - limit)


def count_hits(table: ResultsTable, *, limit: int = 100) -> Requests[int]:
    """Count the cache hits of runs that have ended, the first of the input first. Operation: ListRunTasks.

    :param limit: most runs to count them of, those whose hits are known among them.
    :return: how many of these runs had any.
    """
    ended = [row for row in table.rows() if row.end in _WITH_TASKS][:limit]
    for row in ended:
        if row.run_cache_hits is None:
            found = yield from or_none(count_cache_hits(str(row.run_id)))
            row.run_cache_hits = None if found is None else str(found.hits)
    return sum(row.run_cache_hits not in (None, "0") for row in ended)


def note_hits(table: ResultsTable, hits: Mapping[str, int | None]) -> None:
    """Note the cache hits of runs whose tasks were listed for something else.

    :param hits: by the id of the run; None where they are not known.
    """
    for row in table.rows():
        known = hits.get(row.run_id or "")
        if known is not None and row.end in _WITH_TASKS:
            row.run_cache_hits = str(known)


_WITH_TASKS = (SampleStatus.COMPLETED, SampleStatus.FAILED, SampleStatus.CANCELLED)


def _learn_form(table: ResultsTable) -> Requests[None]:
    row = next((row for row in table.rows() if row.completed and row.output_place), None)
    if row is not None:
        answer = yield from _get_run(row)
        if isinstance(answer, Mapping):
            table.explain(row, answer)


def _get_run(row: SampleResult) -> Requests[Mapping[str, Any] | Exception | None]:
    """Ask for a row's run; None if it is gone, an error of the service or the way to it as it is."""
    try:
        answer: Mapping[str, Any] = yield Request("GetRun", {"id": row.run_id})
    except Exception as error:
        if categorize(error) is ErrorCategory.NOT_FOUND:
            return None
        if not is_from_aws(error):
            raise
        return error
    # The service gives the ids of deleted runs to others.
    is_other = _differ(answer.get("uuid"), row.uuid) or _differ(answer.get("batchId"), row.batch_id)
    return None if is_other else answer


def _differ(shown: str | None, expected: str | None) -> bool:
    return bool(shown and expected and shown != expected)


def _list_if_there(operation: str, take: Callable[[Mapping[str, Any]], None], **members: Any) -> Requests[bool]:
    try:
        yield from list_pages(operation, take, **members)
    except Exception as error:
        if categorize(error) is not ErrorCategory.NOT_FOUND:
            raise
        return False
    return True


def _not_looked_up(row: SampleResult, error: Exception) -> str:
    return f"Not looked up: {explain(error, 'GetRun', f'run {row.run_id}').describe()}"
