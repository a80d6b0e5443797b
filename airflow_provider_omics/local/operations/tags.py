"""Operations on the tags of resources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.errors import ResourceNotFoundException, ValidationException
from airflow_provider_omics.local.operations.registry import Answer, operation
from airflow_provider_omics.local.records import Batch, Configuration, Run, RunCache, RunGroup, Workflow
from airflow_provider_omics.local.tagging import checked_tags

Tagged = Run | Batch | Workflow | RunGroup | RunCache | Configuration

_ARN = re.compile(
    r"arn:(?P<partition>[^:]+):omics:(?P<region>[^:]+):(?P<account>\d{12}):"
    r"(?P<kind>run|runBatch|workflow|runGroup|runCache|configuration)/(?P<id>[\w.-]+)(?:/version/(?P<version>[^/]+))?"
)


@operation("TagResource")
def tag_resource(state: AccountState, request: dict[str, Any]) -> Answer:
    """Add tags to a resource, or change their values."""
    resource = _find(state, request["resourceArn"])
    resource.tags = checked_tags({**resource.tags, **request["tags"]}, state.quotas.tags)
    return {}


@operation("UntagResource")
def untag_resource(state: AccountState, request: dict[str, Any]) -> Answer:
    """Take tags from a resource; keys that it does not have are no error."""
    resource = _find(state, request["resourceArn"])
    resource.tags = {key: value for key, value in resource.tags.items() if key not in request["tagKeys"]}
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(state: AccountState, request: dict[str, Any]) -> Answer:
    """Return the tags of a resource."""
    return {"tags": _find(state, request["resourceArn"]).tags}


def _find(state: AccountState, arn: str) -> Tagged:
    match = _ARN.fullmatch(arn)
    if match is None or (match["version"] and match["kind"] != "workflow"):
        raise ValidationException(
            f"{arn} is not the ARN of a run, run batch, workflow, workflow version, run group, run cache or "
            "configuration"
        )
    resource = _by_kind(state, match["kind"]).get(match["id"])
    if match["version"] and isinstance(resource, Workflow):
        resource = resource.versions.get(match["version"])
    # Comparing whole ARNs also sorts out other regions and accounts, and workflows of other owners.
    if resource is None or resource.arn != arn:
        raise ResourceNotFoundException(f"Resource {arn} not found")
    return resource


def _by_kind(state: AccountState, kind: str) -> Mapping[str, Tagged]:
    stores: dict[str, Mapping[str, Tagged]] = {
        "run": state.runs,
        "runBatch": state.batches,
        "workflow": state.workflows,
        "runGroup": state.run_groups,
        "runCache": state.run_caches,
        "configuration": state.configurations,
    }
    return stores[kind]
