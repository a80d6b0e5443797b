"""IAM actions of API calls: what the caller of an operation has to be allowed, and what a refusal says it is not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.console import LOG_GROUP

TAG_RESOURCE, PASS_ROLE, LIST_BUCKET = "omics:TagResource", "iam:PassRole", "s3:ListBucket"

# Operations of HealthOmics that are not here have an action of their own name.
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "StartRun": ("omics:StartRun", PASS_ROLE),
    "StartRunBatch": ("omics:StartRunBatch", "omics:StartRun", PASS_ROLE),
    "GetObject": ("s3:GetObject",),
    "HeadObject": ("s3:GetObject",),
    "ListObjectsV2": (LIST_BUCKET,),
    "HeadBucket": (LIST_BUCKET,),
    "PutObject": ("s3:PutObject",),
    "CreateMultipartUpload": ("s3:PutObject",),
    "UploadPart": ("s3:PutObject",),
    "CompleteMultipartUpload": ("s3:PutObject",),
    "AbortMultipartUpload": ("s3:AbortMultipartUpload",),
    "DeleteObject": ("s3:DeleteObject",),
    "GetLogEvents": ("logs:GetLogEvents",),
    "FilterLogEvents": ("logs:FilterLogEvents",),
    "GetProducts": ("pricing:GetProducts",),
    "ListServiceQuotas": ("servicequotas:ListServiceQuotas",),
    "DescribeImages": ("ecr:DescribeImages",),
    "GetRepositoryPolicy": ("ecr:GetRepositoryPolicy",),
    "ReceiveMessage": ("sqs:ReceiveMessage",),
    "DeleteMessage": ("sqs:DeleteMessage",),
    "DeleteMessageBatch": ("sqs:DeleteMessage",),
    # Everyone may call it.
    "GetCallerIdentity": (),
}
_OBJECTS = {
    PASS_ROLE: "for the role of the runs",
    "logs:GetLogEvents": f"on the log group {LOG_GROUP}",
}
_NAMED = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)")
_NOT_THERE = "without s3:ListBucket S3 answers this also for an object that does not exist"
_POLICIES = "docs/reference/permissions.md has the policies"


def actions_of(operation: str, members: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Return the IAM actions that a call needs.

    :param operation: API operation, such as ``StartRun``.
    :param members: the request, by the API's names, which says whether something is tagged; None where it is not known.
    """
    actions = _ACTIONS.get(operation, (f"omics:{operation}",))
    return (*actions, TAG_RESOURCE) if operation != "TagResource" and _has_tags(members or {}) else actions


def denied_action(message: str) -> str | None:
    """Return the IAM action that the message of a refusal names; None if it names none."""
    found = _NAMED.search(message)
    return None if found is None else found[1]


def permission_remedy(operation: str, message: str) -> str:
    """Return what to do about a call that was denied.

    :param operation: API operation, such as ``StartRun``.
    :param message: the text of the refusal.
    """
    named = denied_action(message)
    actions = actions_of(operation) if named is None else (named,)
    needed = " and ".join(map(_with_object, actions))
    if actions[0].startswith("s3:"):
        return f"Let the caller use {_in_s3(needed, operation, named)}"
    if actions[0].startswith("sqs:"):
        return "Let the caller use sqs:ReceiveMessage and sqs:DeleteMessage on the queue"
    if named == TAG_RESOURCE and operation != "TagResource":
        needed += ", or do without tags (no tags of your own, identity_tags=False where there is one)"
    return f"Let the caller use {needed}; {_POLICIES}"


def _has_tags(members: Mapping[str, Any]) -> bool:
    shared = members.get("defaultRunSetting") or {}
    return bool(members.get("tags") or shared.get("runTags"))


def _with_object(action: str) -> str:
    return f"{action} {_OBJECTS[action]}" if action in _OBJECTS else action


def _in_s3(needed: str, operation: str, named: str | None) -> str:
    if named == LIST_BUCKET and operation in ("GetObject", "HeadObject"):
        return f"{needed} there; {_NOT_THERE}"
    if operation in ("GetObject", "HeadObject") and named is None:
        needed = f"{needed} and {LIST_BUCKET}"
        return f"{needed} there, and the bucket's KMS key if it has one; {_NOT_THERE}"
    return f"{needed} there, and the bucket's KMS key if it has one"
