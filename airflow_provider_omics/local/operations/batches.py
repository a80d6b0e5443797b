"""Operations on run batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.assumptions import (
    Check,
    ListOrder,
    RunsInBatchOrder,
    TwoFilters,
    UnsubmittedRuns,
)
from airflow_provider_omics.local.aws import S3Error
from airflow_provider_omics.local.batches import counts as batch_counts
from airflow_provider_omics.local.batches.machine import (
    NO_READY2RUN,
    cancel_batch,
    delete_batch,
    delete_runs,
    start_batch,
)
from airflow_provider_omics.local.batches.settings import BatchFailure, check_unique, entries_of_list
from airflow_provider_omics.local.errors import (
    ResourceNotFoundException,
    ValidationException,
    error_of_code,
)
from airflow_provider_omics.local.operations.answers import page_answer, present
from airflow_provider_omics.local.operations.registry import Answer, operation
from airflow_provider_omics.local.pagination import Reversed, paginate
from airflow_provider_omics.local.records import Batch, BatchEntry
from airflow_provider_omics.local.runs.request import active_workflow, check_common_fields
from airflow_provider_omics.local.tagging import checked_tags
from airflow_provider_omics.local.workflows.catalogue import READY2RUN

_SETTINGS_UNREAD = frozenset({BatchStatus.CREATING, BatchStatus.PENDING})


@operation("StartRunBatch")
def start_run_batch(state: AccountState, request: dict[str, Any]) -> Answer:
    """Check what all runs have in common and make a batch, CREATING at first."""
    defaults = request["defaultRunSetting"]
    _check_defaults(state, defaults)
    tags = checked_tags(request.get("tags"), state.quotas.tags)
    etag = _check_settings(state, request["batchRunSettings"])
    batch = start_batch(state, request, tags, etag)
    return {
        "id": batch.batch_id,
        "arn": batch.arn,
        "status": batch.status,
        "uuid": batch.uuid,
        "tags": batch.tags,
    }


@operation("GetBatch")
def get_batch(state: AccountState, request: dict[str, Any]) -> Answer:
    """Describe one batch with its counts."""
    batch = _find(state, request)
    has_counts = batch.total_runs is not None and (
        state.assumptions.counts_before_validation or batch.status not in _SETTINGS_UNREAD
    )
    return present(
        id=batch.batch_id,
        arn=batch.arn,
        uuid=batch.uuid,
        name=batch.name,
        status=batch.status,
        tags=batch.tags,
        totalRuns=batch.total_runs if has_counts else None,
        defaultRunSetting=batch.request["defaultRunSetting"],
        submissionSummary=dict(batch.submission_counts) if has_counts else None,
        runSummary=batch_counts.run_summary(state, batch) if has_counts else None,
        creationTime=batch.creation_time,
        submittedTime=batch.submitted_time,
        processedTime=batch.processed_time,
        failedTime=batch.failed_time,
        failureReason=batch.failure_reason,
    )


@operation("ListBatch")
def list_batch(state: AccountState, request: dict[str, Any]) -> Answer:
    """List batches: all, or those of one status, name or run group."""
    _check_filters(state, request, ("status", "name", "runGroupId"))
    batches = list(state.batches.values())
    newest_first = state.assumptions.list_batches_order is ListOrder.NEWEST_FIRST
    return page_answer(
        state,
        request,
        Reversed(batches) if newest_first else batches,
        key=lambda batch: int(batch.batch_id),
        describe=_list_item,
        keep=_batch_filter(request),
    )


@operation("ListRunsInBatch")
def list_runs_in_batch(state: AccountState, request: dict[str, Any]) -> Answer:
    """List what became of the run settings of a batch, in their order unless the assumptions say otherwise."""
    _check_filters(state, request, ("submissionStatus", "runSettingId", "runId"))
    batch = _find(state, request)
    order = state.assumptions.runs_in_batch_order
    is_known = _known_filter(state)
    page, token = paginate(
        _candidates(batch, request, order),
        # Numbers that neither rise nor fall are no mark of a place in the list.
        (lambda at: batch.entries[at].run_setting_id) if order is RunsInBatchOrder.SHUFFLED else (lambda at: at),
        request.get("startingToken"),
        request.get("maxItems") or state.assumptions.runs_in_batch_page_size,
        _entry_filter(state, batch, request, is_known),
    )
    items = [_run_item(entry, is_known(entry)) for entry in (batch.entries[at] for at in page)]
    return present(runs=items, nextToken=token)


@operation("CancelRunBatch")
def cancel_run_batch(state: AccountState, request: dict[str, Any]) -> Answer:
    """Begin to cancel every run of a batch."""
    cancel_batch(state, _find(state, request))
    return {}


@operation("DeleteRunBatch")
def delete_run_batch(state: AccountState, request: dict[str, Any]) -> Answer:
    """Begin to delete every run of a batch."""
    delete_runs(state, _find(state, request))
    return {}


@operation("DeleteBatch")
def delete(state: AccountState, request: dict[str, Any]) -> Answer:
    """Delete a batch; its runs stay."""
    delete_batch(state, _find(state, request))
    return {}


def _check_defaults(state: AccountState, defaults: dict[str, Any]) -> None:
    if defaults.get("workflowType") == READY2RUN and state.assumptions.ready2run_in_batch is Check.IN_THE_CALL:
        raise ValidationException(NO_READY2RUN)
    active_workflow(state, defaults)
    if "cacheBehavior" in defaults and "cacheId" not in defaults:
        raise ValidationException("cacheBehavior needs a cacheId")
    if state.assumptions.missing_cache_or_group_in_batch is Check.IN_THE_CALL:
        # A copy, since the check fills in what the cache gives.
        check_common_fields(state, dict(defaults))


def _check_settings(state: AccountState, settings: Mapping[str, Any]) -> str | None:
    if len(settings) != 1:
        raise ValidationException("batchRunSettings needs exactly one of inlineSettings and s3UriSettings")
    if "s3UriSettings" in settings:
        return _etag(state, settings["s3UriSettings"])
    inline = settings["inlineSettings"]
    if len(inline) > state.quotas.inline_run_settings:
        raise error_of_code(
            state.assumptions.too_many_inline_settings_code,
            f"{len(inline)} inlineSettings are more than {state.quotas.inline_run_settings}; use s3UriSettings",
        )
    if state.assumptions.unique_inline_settings is Check.IN_THE_CALL:
        try:
            check_unique(entries_of_list(inline))
        except BatchFailure as failure:
            raise ValidationException(str(failure)) from failure
    return None


def _etag(state: AccountState, uri: str) -> str:
    try:
        head = state.aws.head(uri)
    except S3Error as error:
        raise ValidationException(f"s3UriSettings cannot be read: {error}") from error
    if head is None:
        raise ValidationException(f"s3UriSettings cannot be read: {uri} does not exist")
    if head.size > state.quotas.run_settings_file_bytes:
        raise ValidationException(f"{uri} has {head.size} bytes; the limit is {state.quotas.run_settings_file_bytes}")
    return head.etag


def _find(state: AccountState, request: Mapping[str, Any]) -> Batch:
    batch_id = request["batchId"]
    if batch_id not in state.batches:
        raise ResourceNotFoundException(f"Batch {batch_id} not found")
    return state.batches[batch_id]


def _check_filters(state: AccountState, request: Mapping[str, Any], filters: tuple[str, ...]) -> None:
    given = [name for name in filters if request.get(name) is not None]
    if len(given) > 1 and state.assumptions.two_filters_of_batches is TwoFilters.REFUSED:
        raise error_of_code(
            state.assumptions.two_filters_code, f"Only one filter per call is supported, not {' and '.join(given)}"
        )


def _batch_filter(request: Mapping[str, Any]) -> Callable[[Batch], bool]:
    status, name, group_id = (request.get(member) for member in ("status", "name", "runGroupId"))

    def keep(batch: Batch) -> bool:
        return (
            status in (None, batch.status)
            and name in (None, batch.name)
            and group_id in (None, batch.request["defaultRunSetting"].get("runGroupId"))
        )

    return keep


def _candidates(batch: Batch, request: Mapping[str, Any], order: RunsInBatchOrder) -> Sequence[int]:
    run_setting_id = request.get("runSettingId")
    if run_setting_id is not None:
        at = batch.positions.get(run_setting_id)
        return () if at is None else (at,)
    if order is RunsInBatchOrder.SHUFFLED:
        return _shuffled(batch)
    positions = range(len(batch.entries))
    return positions[::-1] if order is RunsInBatchOrder.NEWEST_FIRST else positions


def _shuffled(batch: Batch) -> list[int]:
    if len(batch.shuffled) != len(batch.entries):
        digests = [hashlib.blake2b(entry.run_setting_id.encode()).digest() for entry in batch.entries]
        batch.shuffled = sorted(range(len(digests)), key=digests.__getitem__)
    return batch.shuffled


def _known_filter(state: AccountState) -> Callable[[BatchEntry], bool]:
    newest = state.now() - timedelta(seconds=state.assumptions.runs_in_batch_lag_seconds)
    return lambda entry: entry.submitted_at is not None and entry.submitted_at <= newest


def _entry_filter(
    state: AccountState, batch: Batch, request: Mapping[str, Any], is_known: Callable[[BatchEntry], bool]
) -> Callable[[int], bool]:
    hidden = state.assumptions.runs_in_batch_before_submission is UnsubmittedRuns.HIDDEN
    status, run_id = request.get("submissionStatus"), request.get("runId")

    def keep(at: int) -> bool:
        entry = batch.entries[at]
        if not is_known(entry):
            return not hidden and status is run_id is None
        return status in (None, entry.submission_status) and run_id in (None, entry.run_id)

    return keep


def _list_item(batch: Batch) -> Answer:
    return present(
        id=batch.batch_id,
        name=batch.name,
        status=batch.status,
        createdAt=batch.creation_time,
        totalRuns=batch.total_runs,
        workflowId=batch.request["defaultRunSetting"]["workflowId"],
    )


def _run_item(entry: BatchEntry, is_known: bool) -> Answer:
    if not is_known:
        return {"runSettingId": entry.run_setting_id}
    return present(
        runSettingId=entry.run_setting_id,
        runId=entry.run_id,
        runInternalUuid=entry.run_uuid,
        runArn=entry.run_arn,
        submissionStatus=entry.submission_status,
        submissionFailureReason=entry.failure_reason,
        submissionFailureMessage=entry.failure_message,
    )
