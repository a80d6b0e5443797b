"""Operations on run groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.statuses import Phase, RunStatus, classify
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.errors import (
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
)
from airflow_provider_omics.local.operations.answers import page_answer, present
from airflow_provider_omics.local.operations.registry import Answer, operation
from airflow_provider_omics.local.records import RunGroup
from airflow_provider_omics.local.runs.machine import start_waiting_runs
from airflow_provider_omics.local.tagging import checked_tags

_SETTINGS = ("name", "maxCpus", "maxGpus", "maxRuns", "maxDuration")


@operation("CreateRunGroup")
def create_run_group(state: AccountState, request: dict[str, Any]) -> Answer:
    """Make a run group; its limits are 1 to 100000 each, ``maxDuration`` in minutes."""
    tags = checked_tags(request.get("tags"), state.quotas.tags)
    if len(state.run_groups) >= state.quotas.run_groups:
        raise ServiceQuotaExceededException(f"The account has {len(state.run_groups)} run groups, its quota")
    group_id = state.new_id()
    group = RunGroup(
        group_id=group_id,
        arn=state.arn(f"runGroup/{group_id}"),
        creation_time=state.now(),
        settings=_settings(request),
        tags=tags,
    )
    state.run_groups[group_id] = group
    return {"arn": group.arn, "id": group.group_id, "tags": group.tags}


@operation("GetRunGroup")
def get_run_group(state: AccountState, request: dict[str, Any]) -> Answer:
    """Describe one run group."""
    group = _find(state, request["id"])
    return {**_describe(group), "tags": group.tags}


@operation("ListRunGroups")
def list_run_groups(state: AccountState, request: dict[str, Any]) -> Answer:
    """List run groups, all or those of one name."""
    name = request.get("name")
    return page_answer(
        state,
        request,
        list(state.run_groups.values()),
        key=lambda group: int(group.group_id),
        describe=_describe,
        keep=lambda group: name in (None, group.settings.get("name")),
    )


@operation("UpdateRunGroup")
def update_run_group(state: AccountState, request: dict[str, Any]) -> Answer:
    """Change the settings that the request names; runs that are active already keep their place."""
    _find(state, request["id"]).settings.update(_settings(request))
    start_waiting_runs(state)
    return {}


@operation("DeleteRunGroup")
def delete_run_group(state: AccountState, request: dict[str, Any]) -> Answer:
    """Delete a run group that has no active runs."""
    group = _find(state, request["id"])
    active = sum(
        run.request.get("runGroupId") == group.group_id and classify(RunStatus, run.status) is Phase.ACTIVE
        for run in state.runs.values()
    )
    if active:
        raise ConflictException(f"Run group {group.group_id} has {active} active runs; cancel them or let them end")
    del state.run_groups[group.group_id]
    return {}


def _find(state: AccountState, group_id: str) -> RunGroup:
    if group_id not in state.run_groups:
        raise ResourceNotFoundException(f"Run group {group_id} not found")
    return state.run_groups[group_id]


def _settings(request: Mapping[str, Any]) -> dict[str, Any]:
    return {name: request[name] for name in _SETTINGS if request.get(name) is not None}


def _describe(group: RunGroup) -> Answer:
    return present(arn=group.arn, id=group.group_id, creationTime=group.creation_time, **group.settings)
