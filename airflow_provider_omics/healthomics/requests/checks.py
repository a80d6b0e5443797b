"""Finding what is wrong with a request before it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.requests.coercion import coerce, read_json
from airflow_provider_omics.healthomics.requests.input_places import input_place_issues
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.s3_uris import object_uri_issues, place_issues
from airflow_provider_omics.healthomics.requests.shapes import (
    check_request,
    check_shape,
    inline_setting_shape,
    operation_model,
    snake_case,
)

if TYPE_CHECKING:
    from botocore.model import Shape

MAX_PARAMETERS_BYTES = 256_000
MAX_TAGS = 50
_LIST = "ListRunsInBatch"


def check_sample(batch_id: Any, run_setting_id: Any, more: Sequence[Issue] = ()) -> tuple[str, str]:
    """Return the ids of a batch and of one of its samples, which the service can have given out and been given.

    :param more: what else is wrong, to be told together.
    :raises OmicsRequestInvalidError: one of them cannot be right.
    """
    shape = operation_model(_LIST).input_shape
    assert shape is not None
    batch = coerce(shape.members["batchId"], batch_id)
    # The filter has no bounds of its own.
    own = inline_setting_shape().members["runSettingId"]
    sample = coerce(own, run_setting_id)
    issues = [as_typed(issue, shape.members) for issue in check_request(_LIST, {"batchId": batch})]
    issues.extend(check_shape(own, sample, "run_setting_id"))
    if issues or more:
        raise OmicsRequestInvalidError(_LIST, [*issues, *more])
    return str(batch), str(sample)


def as_typed(issue: Issue, members: Mapping[str, Shape]) -> Issue:
    """Name a member as the user typed it, ``output_uri`` for ``outputUri``."""
    name = issue.where.partition(".")[0].partition(" ")[0].partition("[")[0]
    typed = snake_case(name) if name in members else name
    return replace(issue, where=typed + issue.where[len(name) :])


def check_run_id(operation: str, run_id: Any) -> str:
    """Return a run id that the service can have given out.

    :param operation: API operation that it is for, such as ``CancelRun``.
    :raises OmicsRequestInvalidError: it cannot be one.
    """
    return check_id(operation, "id", "run_id", run_id)


def check_id(operation: str, member: str, typed: str, value: Any) -> str:
    """Return an id that the service can have given out.

    :param member: the only required member of the operation.
    :param typed: its name as the user typed it.
    :raises OmicsRequestInvalidError: it cannot be one.
    """
    shape = operation_model(operation).input_shape
    assert shape is not None
    text = coerce(shape.members[member], value)
    issues = check_request(operation, {member: text})
    if issues:
        raise OmicsRequestInvalidError(operation, [replace(issue, where=typed) for issue in issues])
    return str(text)


def unmodelled_issues(request: Mapping[str, Any], reserved_tags: int = 0) -> Iterator[Issue]:
    """Yield what is wrong with a StartRun request beyond what botocore's model says.

    :param reserved_tags: how many tags will be added later.
    """
    yield from _source_issues(request)
    yield from output_issues(request)
    yield from parameter_issues(
        request.get("parameters"), "Put them into a JSON file in S3 and give parameters_uri instead"
    )
    yield from input_place_issues(request.get("parameters"))
    yield from _parameters_uri_issues(request)
    yield from document_issues("engineSettings", request.get("engineSettings"))
    yield from tag_issues("tags", request.get("tags"), reserved_tags)
    yield from storage_issues(request)
    yield from combination_issues(request)


def _source_issues(request: Mapping[str, Any]) -> Iterator[Issue]:
    workflow, run = request.get("workflowId"), request.get("runId")
    if workflow is None and run is None:
        yield Issue(
            "workflowId",
            "neither workflow_id nor run_id is given",
            "Give workflow_id, or run_id to run a run again",
        )
    if workflow is not None and run is not None:
        yield Issue(
            "workflowId",
            f"both workflow_id {workflow} and run_id {run} are given",
            "Give workflow_id for a new run, or run_id to run an earlier run again",
        )
    if run is not None and request.get("workflowOwnerId") is not None:
        yield Issue("runId", "a run of a shared workflow cannot be run again", "Start a new run with workflow_id")


def output_issues(request: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield what is wrong with ``outputUri`` beyond what the model says."""
    uri = request.get("outputUri")
    if isinstance(uri, str) and uri:
        yield from place_issues("outputUri", uri)


def parameter_issues(
    parameters: Any, fix: str = "Put long lists into a file in S3 and pass its URI"
) -> Iterator[Issue]:
    """Yield what is wrong with a run's parameters: their form and their size.

    :param fix: what to do about too large ones.
    """
    issues = list(document_issues("parameters", parameters))
    yield from issues
    if parameters is None or issues:
        return
    size = len(json.dumps(parameters).encode())
    if size > MAX_PARAMETERS_BYTES:
        yield Issue(
            "parameters",
            f"take {size:,} bytes as JSON, more than {MAX_PARAMETERS_BYTES:,}",
            fix,
        )


def _parameters_uri_issues(request: Mapping[str, Any]) -> Iterator[Issue]:
    uri = request.get("parametersUri")
    if uri is None:
        return
    if request.get("parameters") is not None:
        yield Issue(
            "parametersUri",
            f"both parameters and parameters_uri {uri} are given",
            "Give parameters, or put all of them into the file that parameters_uri names",
        )
    if any(object_uri_issues("parametersUri", uri)):
        fix = "Give a JSON file such as s3://my-bucket/run/parameters.json"
        yield Issue("parametersUri", f"{uri!r} is not the S3 URI of an object", fix)


def document_issues(where: str, value: Any) -> Iterator[Issue]:
    """Yield what keeps a value from being sent as a JSON object."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        what = f"is {type(value).__name__}, not an object{_why_not_json(value)}"
        yield Issue(where, what, "Give a dict, or text that is a JSON object")
        return
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        yield Issue(where, f"cannot be written as JSON: {error}", "Use text, numbers, lists and dicts only")


def _why_not_json(value: Any) -> str:
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return ""
    try:
        read_json(value)
    except json.JSONDecodeError as error:
        return f"; it is not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
    except ValueError as error:
        return f"; {error}"
    return ""


def tag_issues(where: str, tags: Any, reserved: int = 0) -> Iterator[Issue]:
    """Yield what is wrong with the number and the names of tags.

    :param reserved: how many tags will be added later.
    """
    if not isinstance(tags, Mapping):
        return
    if len(tags) + reserved > MAX_TAGS:
        ours = f", and the provider adds {reserved}" if reserved else ""
        yield Issue(where, f"has {len(tags)} tags{ours}; at most {MAX_TAGS} are possible", "Use fewer tags")
    for key in tags:
        if str(key).lower().startswith("aws:"):
            yield Issue(where, f"{key!r} begins with aws:, which AWS keeps for itself", "Rename the tag")


def storage_issues(request: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield settings of storage that have no meaning together, or with the type of workflow."""
    storage, capacity = request.get("storageType"), request.get("storageCapacity")
    if storage == "DYNAMIC" and capacity is not None:
        yield Issue(
            "storageCapacity",
            f"{capacity} has no meaning with storage_type DYNAMIC, which grows as needed",
            "Leave storage_capacity out, or use storage_type STATIC",
        )
    if request.get("workflowType") == "READY2RUN":
        for member in ("storageType", "storageCapacity", "cacheId"):
            if request.get(member) is not None:
                yield Issue(member, "cannot be chosen for a Ready2Run workflow", f"Leave {snake_case(member)} out")


def combination_issues(request: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield settings of cache and network that need each other, and a role that is none."""
    role = request.get("roleArn")
    if isinstance(role, str) and ":iam:" in role and ":role/" not in role:
        fix = "Give the ARN of a role, such as arn:aws:iam::123456789012:role/OmicsRole"
        yield Issue("roleArn", f"{role!r} is not a role", fix)
    if request.get("cacheBehavior") is not None and request.get("cacheId") is None and request.get("runId") is None:
        yield Issue("cacheBehavior", "has no effect without a run cache", "Give cache_id too, or leave it out")
    vpc, configuration = request.get("networkingMode") == "VPC", request.get("configurationName")
    if vpc and configuration is None:
        yield Issue(
            "configurationName",
            "is missing, and networking_mode VPC needs it",
            "Name an ACTIVE configuration",
        )
    if configuration is not None and not vpc and request.get("runId") is None:
        yield Issue("configurationName", "has no effect without networking_mode VPC", "Set networking_mode to VPC")


def check_batch_id(operation: str, batch_id: Any) -> str:
    """Return a batch id that the service can have given out.

    :param operation: API operation that it is for, such as ``CancelRunBatch``.
    :raises OmicsRequestInvalidError: it cannot be one.
    """
    return check_id(operation, "batchId", "batch_id", batch_id)
