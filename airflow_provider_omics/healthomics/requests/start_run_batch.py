"""Building StartRunBatch requests, and finding what is wrong with them before they are sent.

The settings of the single runs are read and checked in :mod:`airflow_provider_omics.healthomics.run_settings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.requests.checks import (
    as_typed,
    combination_issues,
    document_issues,
    output_issues,
    parameter_issues,
    storage_issues,
    tag_issues,
)
from airflow_provider_omics.healthomics.requests.coercion import coerce
from airflow_provider_omics.healthomics.requests.input_places import input_place_issues
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.shapes import (
    check_shape,
    default_run_setting_shape,
    inline_setting_shape,
    operation_model,
    snake_case,
)
from airflow_provider_omics.healthomics.requests.start_run import NOT_COMPUTED, digest_without, extra_members

if TYPE_CHECKING:
    from botocore.model import StructureShape

START_RUN_BATCH = "StartRunBatch"

DEFAULT_RUN_SETTING_FIELDS: tuple[str, ...] = (
    "workflow_id",
    "workflow_type",
    "workflow_version_name",
    "workflow_owner_id",
    "role_arn",
    "name",
    "cache_id",
    "cache_behavior",
    "run_group_id",
    "priority",
    "parameters",
    "storage_capacity",
    "storage_type",
    "output_uri",
    "log_level",
    "run_tags",
    "retention_mode",
    "output_bucket_owner_id",
    "networking_mode",
    "configuration_name",
    "session_policy",
    "engine_settings",
    "scratch_storage_mode",
    "requester_pays_enabled",
)
"""Members of DefaultRunSetting, by the names that users type."""

# StartRun knows them and a batch does not: what, and what to do instead.
_NOT_IN_BATCH = {
    "runId": ("cannot be used in a batch, which runs nothing again", "Use OmicsStartRunOperator with run_id"),
    "requestId": ("is not given for single runs of a batch", "Leave it out, or give request_id, which is the batch's"),
    "tags": (
        "is not a member of a run setting",
        "Write it as runTags; tags of the operator are the batch's own",
    ),
    "outputUriPrefixMode": ("cannot be chosen in a batch", "Leave it out, or start single runs"),
    "parametersUri": ("cannot be used in a batch", "Give parameters, or start single runs with parameters_uri"),
}


def build_default_run_setting(fields: Mapping[str, Any], extra: Any) -> dict[str, Any]:
    """Build the settings that all runs of a batch share, and refuse them with everything that is wrong at once.

    :param fields: values by their API names; None means "not sent".
    :param extra: members that this release does not name, as an object by their API names or its JSON; they win.
    :return: the ``defaultRunSetting`` of a StartRunBatch request.
    :raises OmicsRequestInvalidError: the settings have problems.

    See https://docs.aws.amazon.com/omics/latest/api/API_DefaultRunSetting.html
    """
    members = default_run_setting_shape().members
    given = {**fields, **extra_members(START_RUN_BATCH, "default_run_setting", extra)}
    setting = {name: coerce(members.get(name), value) for name, value in given.items() if value is not None}
    issues = list(_default_issues(setting))
    if issues:
        raise OmicsRequestInvalidError(START_RUN_BATCH, [as_typed(issue, members) for issue in issues])
    return setting


def build_start_run_batch(
    default_run_setting: Mapping[str, Any],
    *,
    batch_name: Any,
    tags: Any,
    request_id: Any,
    batch_tags: Any = None,
    reserved_tags: int = 0,
) -> dict[str, Any]:
    """Build a StartRunBatch request without its ``batchRunSettings``.

    :param default_run_setting: what :func:`build_default_run_setting` returned.
    :param batch_name: name of the batch, 1 to 64 characters; None for none.
    :param tags: tags of the batch, not of its runs; None for none.
    :param request_id: id that the service knows a repeated request by; None for none.
    :param batch_tags: the same in the place of ``tags``, which may be those of all jobs; None for ``tags``.
    :param reserved_tags: how many tags will be added later.
    :raises OmicsRequestInvalidError: name, tags or request id have problems.

    See https://docs.aws.amazon.com/omics/latest/api/API_StartRunBatch.html
    """
    shape = operation_model(START_RUN_BATCH).input_shape
    assert shape is not None
    own_tags = tags if batch_tags is None else batch_tags
    given = {"batchName": batch_name, "tags": own_tags, "requestId": request_id}
    own = {name: coerce(shape.members[name], value) for name, value in given.items() if value is not None}
    issues = [issue for name, value in own.items() for issue in check_shape(shape.members[name], value, name)]
    issues.extend(tag_issues("tags", own.get("tags"), reserved_tags))
    if issues:
        typed = [as_typed(issue, shape.members) for issue in issues]
        raise OmicsRequestInvalidError(
            START_RUN_BATCH, name_tags(typed, "tags" if batch_tags is None else "batch_tags")
        )
    return {"defaultRunSetting": dict(default_run_setting), **own}


def name_tags(issues: Iterable[Issue], name: str) -> list[Issue]:
    """Return what is wrong with a batch with its tags called as the user called them: ``tags`` or ``batch_tags``."""
    of_tags = ("tags", "tags.")
    return [
        replace(issue, where=issue.where.replace("tags", name, 1)) if issue.where.startswith(of_tags) else issue
        for issue in issues
    ]


def defaults_fingerprint(default_run_setting: Mapping[str, Any]) -> str:
    """Return a digest of what the defaults ask to be computed; by whom, when and under what name is left out."""
    return digest_without(NOT_COMPUTED, default_run_setting)


def unknown_member(name: str, shape: StructureShape) -> Issue:
    """Say what to do about a member that DefaultRunSetting or InlineSetting does not have.

    :param shape: the one of the two that was asked for.
    """
    refused = _NOT_IN_BATCH.get(_spelled(name, _NOT_IN_BATCH) or "")
    if refused is not None:
        return Issue(name, *refused)
    return Issue(name, f"is not a member of {shape.name}", _advice(name, shape))


def _advice(name: str, shape: StructureShape) -> str:
    own = _spelled(name, shape.members)
    if own is not None:
        return f"Write it as {own}"
    shared = _spelled(name, default_run_setting_shape().members)
    if shared is not None:
        return f"Give it to the operator as {snake_case(shared)}, for all runs"
    if _spelled(name, inline_setting_shape().members) is not None:
        return "Give it in every one of the run_settings"
    return "Correct the name, put it into parameters, or install a newer botocore if the member is new"


def _spelled(name: str, members: Iterable[str]) -> str | None:
    """Return the member that a name means, however it was spelled: ``run_setting_id`` is ``runSettingId``."""
    plain = name.replace("_", "").lower()
    return next((member for member in members if member.lower() == plain), None)


def _default_issues(setting: Mapping[str, Any]) -> Iterator[Issue]:
    shape = default_run_setting_shape()
    known = {name: value for name, value in setting.items() if name in shape.members}
    yield from (unknown_member(name, shape) for name in setting if name not in known)
    yield from check_shape(shape, known, "")
    yield from unmodelled_default_issues(known)


def unmodelled_default_issues(known: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield what is wrong with the settings that all runs of a batch share, beyond what botocore's model says."""
    yield from output_issues(known)
    yield from parameter_issues(known.get("parameters"))
    yield from input_place_issues(known.get("parameters"))
    yield from document_issues("engineSettings", known.get("engineSettings"))
    yield from tag_issues("runTags", known.get("runTags"))
    yield from combination_issues(known)
    if known.get("workflowType") == "READY2RUN":
        yield Issue(
            "workflowType",
            "READY2RUN is not possible in a batch",
            "Start single runs with OmicsStartRunOperator, or use a private workflow",
        )
    else:
        yield from storage_issues(known)
