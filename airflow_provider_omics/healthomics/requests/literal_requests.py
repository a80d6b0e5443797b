"""Requests of which the DAG's file says some members, and templates the others."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_omics.healthomics.requests.checks import as_typed, tag_issues, unmodelled_issues
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.literals import certain_issues, member_issues, missing_issues
from airflow_provider_omics.healthomics.requests.s3_uris import place_issues
from airflow_provider_omics.healthomics.requests.shapes import (
    api_name,
    default_run_setting_shape,
    inline_setting_shape,
    operation_model,
)
from airflow_provider_omics.healthomics.requests.start_run import extra_members
from airflow_provider_omics.healthomics.requests.start_run_batch import (
    DEFAULT_RUN_SETTING_FIELDS,
    START_RUN_BATCH,
    name_tags,
    unmodelled_default_issues,
)

if TYPE_CHECKING:
    from botocore.model import StructureShape

RUN_ID, BATCH_ID = ("GetRun", "id", "run_id"), ("GetBatch", "batchId", "batch_id")
"""An API operation, its member that is an id, and the argument that this is."""
START_RUN_REQUIRED = ("roleArn", "outputUri")
DEFAULT_RUN_SETTING_REQUIRED = ("workflowId", "roleArn")
_OBJECTS = ("parameters", "engineSettings", "tags", "runTags")
_PLACES = ("settings_uri", "results_uri")
_BATCH_FIELDS = ("batch_name", "request_id")


def id_issues(operation: str, member: str, name: str, plain: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield what is wrong with the id that an operation needs, if it is no template.

    :param operation: API operation.
    :param member: the id's name in the API.
    :param name: its name as the user typed it.
    :param plain: arguments that are no templates, by name.
    """
    if name in plain:
        members = {member: plain[name]}
        issues = (*missing_issues(members, members), *member_issues(lambda: _input_shape(operation), members))
        yield from (replace(issue, where=name) for issue in issues)


def sample_issues(plain: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield what is wrong with a ``run_setting_id``, if it is no template.

    :param plain: arguments that are no templates, by name.
    """
    if "run_setting_id" in plain:
        members = {"runSettingId": plain["run_setting_id"]}
        issues = (*missing_issues(members, members), *member_issues(inline_setting_shape, members))
        yield from (replace(issue, where="run_setting_id") for issue in issues)


def start_run_issues(
    fields: Iterable[str], plain: Mapping[str, Any], templated: Collection[str] | None
) -> Iterator[Issue]:
    """Yield what is wrong with a StartRun request whatever its templates come to.

    :param fields: the arguments that are members of the request.
    :param plain: arguments that are no templates, by name.
    :param templated: names of those that are; None where not all arguments are known.
    """

    def check(request: Mapping[str, Any]) -> Iterator[Issue]:
        yield from missing_issues(request, START_RUN_REQUIRED)
        yield from unmodelled_issues(request)

    request, is_whole = _request("StartRun", "start_run_kwargs", fields, plain, templated)
    issues = list(member_issues(lambda: _input_shape("StartRun"), request))
    if is_whole:
        issues += certain_issues(check, request, _api_names(templated))
    yield from (as_typed(issue, _input_shape("StartRun").members) for issue in issues)


def start_run_batch_issues(plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterator[Issue]:
    """Yield what is wrong with a StartRunBatch request whatever its templates come to.

    :param plain: arguments that are no templates, by name.
    :param templated: names of those that are; None where not all arguments are known.
    """

    def check(request: Mapping[str, Any]) -> Iterator[Issue]:
        yield from missing_issues(request, DEFAULT_RUN_SETTING_REQUIRED)
        yield from unmodelled_default_issues(request)

    if "run_settings" in plain and not plain["run_settings"]:
        what = "is missing" if plain["run_settings"] is None else "has no run settings"
        yield Issue("run_settings", what, "Give 1 to 100,000 of them, or the path or URI of their file")
    for name in _PLACES:
        if isinstance(plain.get(name), str):
            yield from place_issues(name, plain[name])
    request, is_whole = _request(START_RUN_BATCH, "default_run_setting", DEFAULT_RUN_SETTING_FIELDS, plain, templated)
    issues = list(member_issues(default_run_setting_shape, request))
    if is_whole:
        issues += certain_issues(check, request, _api_names(templated))
    yield from (as_typed(issue, default_run_setting_shape().members) for issue in issues)
    has_own_tags = plain.get("batch_tags") is not None or "batch_tags" in (templated or ())
    tags = "batch_tags" if has_own_tags else "tags"
    batch = {**_members(_BATCH_FIELDS, plain), **_members(("tags",), {"tags": plain.get(tags)})}
    own = (*member_issues(lambda: _input_shape(START_RUN_BATCH), batch), *tag_issues("tags", batch.get("tags")))
    yield from name_tags((as_typed(issue, _input_shape(START_RUN_BATCH).members) for issue in own), tags)


def _request(
    operation: str, more: str, fields: Iterable[str], plain: Mapping[str, Any], templated: Collection[str] | None
) -> tuple[dict[str, Any], bool]:
    """Return the members that are known, and whether all others are known to be templates."""
    request = _members(fields, plain)
    with suppress(OmicsRequestInvalidError):
        request.update(extra_members(operation, more, plain.get(more)))
    return request, templated is not None and more not in templated


def _members(fields: Iterable[str], plain: Mapping[str, Any]) -> dict[str, Any]:
    members = {api_name(name): plain[name] for name in fields if plain.get(name) is not None}
    for name in _OBJECTS:
        if isinstance(members.get(name), str):
            with suppress(ValueError):
                members[name] = json.loads(members[name])
    return members


def _api_names(fields: Collection[str] | None) -> list[str]:
    return [api_name(name) for name in fields or ()]


def _input_shape(operation: str) -> StructureShape:
    return cast("StructureShape", operation_model(operation).input_shape)
