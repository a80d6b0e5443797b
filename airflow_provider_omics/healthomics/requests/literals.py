"""What can be seen to be wrong with a request before its templates are rendered, without loading botocore's model.

The model takes tenths of a second, which every parse of a DAG's file would pay. So it is asked only about values that
are not evidently right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.requests.coercion import coerce
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.shapes import check_shape, snake_case

if TYPE_CHECKING:
    from botocore.model import StructureShape

Check = Callable[[Mapping[str, Any]], Iterator[Issue]]

_ID, _ACCOUNT = r"[0-9]{1,18}", r"[0-9]{12}"
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
EVIDENT: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.ASCII)
    for name, pattern in {
        "id": _ID,
        "batchId": _ID,
        "workflowId": _ID,
        "runId": _ID,
        "runGroupId": _ID,
        "cacheId": _ID,
        "workflowOwnerId": _ACCOUNT,
        "outputBucketOwnerId": _ACCOUNT,
        "roleArn": r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,64}",
        "outputUri": r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.=/-]{0,600})?",
        "name": _WORD,
        "batchName": _WORD,
        "workflowVersionName": _WORD,
        "configurationName": _WORD,
        "requestId": _WORD,
        "runSettingId": _WORD,
        "workflowType": "PRIVATE|READY2RUN",
        "cacheBehavior": "CACHE_ON_FAILURE|CACHE_ALWAYS",
        "storageType": "STATIC|DYNAMIC",
        "scratchStorageMode": "SHARED|LOCAL",
        "retentionMode": "RETAIN|REMOVE",
        "logLevel": "OFF|FATAL|ERROR|ALL",
        "networkingMode": "RESTRICTED|VPC",
        "versionName": _WORD,
        "engine": "WDL|NEXTFLOW|CWL|WDL_LENIENT",
        "main": r"[A-Za-z0-9._/-]{1,128}",
        "parameterTemplatePath": r"[A-Za-z0-9._/-]{1,128}",
        "readmePath": r"[A-Za-z0-9._/-]{1,128}",
        "description": r"[A-Za-z0-9 ,.:;()/_-]{1,256}",
        "accelerators": "GPU",
        "workflowBucketOwnerId": _ACCOUNT,
        "cacheS3Location": r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.=/-]{0,600})?",
        "cacheBucketOwnerId": _ACCOUNT,
        "outputUriPrefixMode": "SERVICE_DEFINED|NONE_WITH_OVERWRITE",
    }.items()
}
"""Text that the model allows, by the member; not all of it."""
_DOCUMENTS = ("parameters", "engineSettings")
_NUMBERS = ("priority", "storageCapacity")
_LIMITS = ("maxCpus", "maxGpus", "maxRuns", "maxDuration")
_TAGS = ("tags", "runTags")
_TAG = re.compile(r"[\w .:/=+@-]{1,128}", re.ASCII)
_TEMPLATED = object()
# Values on which it depends what other members may be.
_DECISIVE: dict[str, Any] = {"networkingMode": "VPC", "workflowType": "READY2RUN", "storageType": "DYNAMIC"}


def member_issues(structure: Callable[[], StructureShape], members: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield what is wrong with single members of a request.

    :param structure: loads the request's shape.
    :param members: values by the API's names; None means "not sent".
    """
    for name, value in members.items():
        if value is None or _is_evident(name, value):
            continue
        shape = structure().members.get(name)
        if shape is not None:
            yield from check_shape(shape, coerce(shape, value), name)


def missing_issues(request: Mapping[str, Any], required: Collection[str]) -> Iterator[Issue]:
    """Yield the members that a request needs and does not have."""
    for name in required:
        if request.get(name) is None:
            yield Issue(name, "is missing", f"Give {snake_case(name)}; the service requires it")


def certain_issues(check: Check, plain: Mapping[str, Any], templated: Collection[str]) -> list[Issue]:
    """Return what is wrong with a request whatever its templates come to, even to nothing.

    :param check: yields what is wrong with a request.
    :param plain: its members that are no templates.
    :param templated: names of those that are.
    """
    issues = list(check(plain))
    if not issues or not templated:
        return issues
    for decisive in ({}, _DECISIVE):
        filled = {**plain, **{name: decisive.get(name, _TEMPLATED) for name in templated}}
        found = set(check(filled))
        issues = [issue for issue in issues if issue in found]
    return issues


def _is_tag(text: Any) -> bool:
    return isinstance(text, str) and _TAG.fullmatch(text) is not None


def _is_evident(name: str, value: Any) -> bool:
    pattern = EVIDENT.get(name)
    if pattern is not None:
        return isinstance(value, str) and pattern.fullmatch(value) is not None
    if name in _DOCUMENTS:
        return isinstance(value, Mapping)
    if name in _TAGS:
        return isinstance(value, Mapping) and all(_is_tag(text) for entry in value.items() for text in entry)
    if name in _NUMBERS or name in _LIMITS:
        lowest = 1 if name in _LIMITS else 0
        return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= 100_000
    return isinstance(value, bool) and name == "requesterPaysEnabled"
