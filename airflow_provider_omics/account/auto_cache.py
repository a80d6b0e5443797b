"""Run caches of ``cache="auto"``: one for a workflow and a place of outputs, however many tasks ask for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from airflow_provider_omics.healthomics.requests.issues import Issue

AUTO = "auto"
BEHAVIOR = "CACHE_ON_FAILURE"
UNKNOWN_CACHE = "0"
"""Id of a cache that is found or made later, for the checks before and for telling requests apart."""
_PREFIX, _FOLDER = "airflow-auto", "run-cache"


def auto_cache_request(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the CreateRunCache request of the cache for a run or for the runs of a batch.

    :param members: ``workflowId``, ``workflowOwnerId`` and ``outputUri``, as StartRun and DefaultRunSetting have them.
    """
    workflow, owner = str(members["workflowId"]), members.get("workflowOwnerId") or ""
    place = str(members["outputUri"]).rstrip("/")
    # Never change it: caches were made under such names.
    digest = hashlib.sha256(json.dumps([workflow, owner, place]).encode()).hexdigest()
    return {
        "name": f"{_PREFIX}-{workflow}-{digest[:16]}",
        "cacheS3Location": f"{place}/{_FOLDER}",
        "cacheBehavior": BEHAVIOR,
        "description": f"Run cache of workflow {workflow}, made for cache='auto' of an Airflow task",
    }


def auto_cache_issues(plain: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield what is wrong with ``cache``, as far as the arguments beside it tell.

    :param plain: arguments that are no templates, by name.
    """
    if plain.get("cache") is None:
        return
    if plain.get("cache_id") is not None:
        yield Issue("cache", "is given together with cache_id", "Give one of them")
    if plain.get("run_id") is not None:
        what = "cannot be found for a run that is run again, whose workflow only HealthOmics knows"
        yield Issue("cache", what, "Give cache_id, or workflow_id in place of run_id")
    if plain.get("workflow_type") == "READY2RUN":
        yield Issue("cache", "cannot be used with a Ready2Run workflow", "Leave cache out")


def member_issue(members: Mapping[str, Any]) -> Issue | None:
    """Return what keeps a cache from being found for a request, all of whose members are known."""
    if members.get("cacheId") != UNKNOWN_CACHE:
        return Issue("cache", f"is given, and cacheId {members.get('cacheId')} too", "Give one of them")
    if members.get("outputUri") is None:
        return Issue("cache", "goes below output_uri, which is not given", "Give output_uri, or cache_id")
    return None


def with_unknown_cache(
    plain: Mapping[str, Any], templated: Collection[str] | None
) -> tuple[Mapping[str, Any], Collection[str] | None]:
    """Return arguments as they would be with the id of the cache that is found or made.

    :param plain: arguments that are no templates, by name.
    :param templated: names of those that are; None where not all arguments are known.
    """
    if plain.get("cache_id") is not None:
        return plain, templated
    if plain.get("cache") is not None:
        return {**plain, "cache_id": UNKNOWN_CACHE}, templated
    if templated is not None and "cache" in templated:
        return {name: value for name, value in plain.items() if name != "cache_id"}, {*templated, "cache_id"}
    return plain, templated
