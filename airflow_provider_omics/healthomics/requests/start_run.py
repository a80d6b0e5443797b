"""Building StartRun requests, and telling them apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from typing import Any

from airflow_provider_omics.healthomics.requests.checks import as_typed, unmodelled_issues
from airflow_provider_omics.healthomics.requests.coercion import coerce
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.shapes import check_request, operation_model

START_RUN_FIELDS = (
    "workflow_id",
    "workflow_type",
    "workflow_owner_id",
    "workflow_version_name",
    "run_id",
    "role_arn",
    "output_uri",
    "output_uri_prefix_mode",
    "name",
    "parameters",
    "parameters_uri",
    "requester_pays_enabled",
    "tags",
    "run_group_id",
    "priority",
    "cache_id",
    "cache_behavior",
    "storage_type",
    "storage_capacity",
    "scratch_storage_mode",
    "retention_mode",
    "log_level",
    "networking_mode",
    "configuration_name",
    "session_policy",
    "engine_settings",
    "request_id",
)
"""Members of StartRun, by the names that users type."""

NOT_COMPUTED = frozenset(
    {
        "requestId",
        "name",
        "tags",
        "runTags",
        "roleArn",
        "priority",
        "runGroupId",
        "logLevel",
        "retentionMode",
        "sessionPolicy",
        "requesterPaysEnabled",
    }
)
"""Members that do not say what is computed, so that a run or a sample stays the same when only these change."""
_NOT_COMPUTED_IN_0_1_0 = frozenset({"requestId", "name", "tags"})


def build_start_run(fields: Mapping[str, Any], extra: Any, *, reserved_tags: int = 0) -> dict[str, Any]:
    """Build a StartRun request and refuse it, with everything that is wrong at once.

    :param fields: values by their API names; None means "not sent".
    :param extra: members that this release does not name, as an object by their API names or its JSON; they win.
    :param reserved_tags: how many tags will be added later.
    :return: the request, without ``requestId`` unless it was given.
    :raises OmicsRequestInvalidError: the request has problems.

    See https://docs.aws.amazon.com/omics/latest/api/API_StartRun.html
    """
    shape = operation_model("StartRun").input_shape
    assert shape is not None
    given = {**fields, **extra_members("StartRun", "start_run_kwargs", extra)}
    request = {name: coerce(shape.members.get(name), value) for name, value in given.items() if value is not None}
    issues = list(_start_run_issues(request, reserved_tags))
    if issues:
        raise OmicsRequestInvalidError("StartRun", [as_typed(issue, shape.members) for issue in issues])
    return request


def extra_members(operation: str, where: str, extra: Any) -> Mapping[str, Any]:
    """Return members that a user gave by their API names, as an object or as its JSON.

    :param where: name of the parameter that they were given in.
    :raises OmicsRequestInvalidError: they are no object.
    """
    if isinstance(extra, str):
        with suppress(ValueError):
            extra = json.loads(extra)
    if extra is None or isinstance(extra, Mapping):
        return extra or {}
    issue = Issue(where, f"is {type(extra).__name__}, not an object", "Give a dict by the API's names")
    raise OmicsRequestInvalidError(operation, [issue])


def fingerprint(request: Mapping[str, Any]) -> str:
    """Return a digest of what a request asks to be computed; by whom, when and under what name is left out."""
    return digest_without(NOT_COMPUTED, request)


def fingerprint_of_0_1_0(request: Mapping[str, Any]) -> str:
    """Return the digest that 0.1.0 made of a StartRun request, which is part of the keys of its runs."""
    return digest_without(_NOT_COMPUTED_IN_0_1_0, request)


def digest_without(names: Container[str], members: Mapping[str, Any]) -> str:
    """Return the SHA-256 digest, in hexadecimal, of all members but some, whatever their order."""
    asked = {name: value for name, value in members.items() if name not in names}
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _start_run_issues(request: Mapping[str, Any], reserved_tags: int) -> Iterator[Issue]:
    # botocore makes a request id where there is none.
    yield from check_request("StartRun", {"requestId": "-", **request})
    yield from unmodelled_issues(request, reserved_tags)
