"""Operations on run caches."""

from __future__ import annotations

from typing import Any

from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.aws import S3Error
from airflow_provider_omics.local.errors import (
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
)
from airflow_provider_omics.local.operations.answers import page_answer, present
from airflow_provider_omics.local.operations.registry import Answer, operation
from airflow_provider_omics.local.records import RunCache
from airflow_provider_omics.local.tagging import checked_tags

ACTIVE, DELETED = "ACTIVE", "DELETED"
_CHANGEABLE = ("cacheBehavior", "description", "name")


@operation("CreateRunCache")
def create_run_cache(state: AccountState, request: dict[str, Any]) -> Answer:
    """Make a run cache at a place in S3 that exists; ``cacheBehavior`` is CACHE_ON_FAILURE if not given."""
    tags = checked_tags(request.get("tags"), state.quotas.tags)
    _check_location(state, request["cacheS3Location"])
    active = sum(cache.status == ACTIVE for cache in state.run_caches.values())
    if active >= state.quotas.run_caches:
        raise ServiceQuotaExceededException(f"The account has {active} run caches, its quota")
    cache_id = state.new_id()
    cache = RunCache(
        cache_id=cache_id,
        uuid=state.new_uuid(),
        arn=state.arn(f"runCache/{cache_id}"),
        status=ACTIVE,
        creation_time=state.now(),
        settings={
            "cacheBehavior": "CACHE_ON_FAILURE",
            **{name: value for name, value in request.items() if name not in ("tags", "requestId")},
        },
        tags=tags,
    )
    state.run_caches[cache_id] = cache
    return {"arn": cache.arn, "id": cache.cache_id, "status": cache.status, "tags": cache.tags}


@operation("GetRunCache")
def get_run_cache(state: AccountState, request: dict[str, Any]) -> Answer:
    """Describe one run cache."""
    cache = _find(state, request["id"])
    details = {name: cache.settings.get(name) for name in ("description", "cacheBucketOwnerId")}
    return {**_describe(cache), **present(**details), "tags": cache.tags}


@operation("ListRunCaches")
def list_run_caches(state: AccountState, request: dict[str, Any]) -> Answer:
    """List run caches."""
    caches = list(state.run_caches.values())
    return page_answer(state, request, caches, key=lambda cache: int(cache.cache_id), describe=_describe)


@operation("UpdateRunCache")
def update_run_cache(state: AccountState, request: dict[str, Any]) -> Answer:
    """Change name, description or behaviour; runs that were started already keep theirs."""
    cache = _find(state, request["id"])
    cache.settings.update({name: request[name] for name in _CHANGEABLE if request.get(name) is not None})
    return {}


@operation("DeleteRunCache")
def delete_run_cache(state: AccountState, request: dict[str, Any]) -> Answer:
    """Delete a run cache; what it stored stays in S3."""
    cache = _find(state, request["id"])
    cache.status = DELETED
    if not state.assumptions.deleted_cache_stays_visible:
        del state.run_caches[cache.cache_id]
    return {}


def _check_location(state: AccountState, uri: str) -> None:
    try:
        state.aws.check_writable(uri)
    except S3Error as error:
        raise ValidationException(f"cacheS3Location cannot be used: {error}") from error


def _find(state: AccountState, cache_id: str) -> RunCache:
    if cache_id not in state.run_caches:
        raise ResourceNotFoundException(f"Run cache {cache_id} not found")
    return state.run_caches[cache_id]


def _describe(cache: RunCache) -> Answer:
    return present(
        arn=cache.arn,
        id=cache.cache_id,
        name=cache.settings.get("name"),
        status=cache.status,
        cacheBehavior=cache.settings["cacheBehavior"],
        cacheS3Uri=cache.settings["cacheS3Location"],
        creationTime=cache.creation_time,
    )
