"""The page of permissions, made of the package's own list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_omics.permissions import (
    HOOK_METHODS,
    PERMISSIONS,
    Feature,
    Permissions,
    policy_document,
    service_role_policy,
    service_role_trust,
)

_INTRODUCTION = """\
# Permissions

What the caller, that is the user or role of the connection, has to be allowed by IAM, for each operator, sensor and
trigger: what it cannot do without, and what its features need. The list is in the package
(`airflow_provider_omics.permissions`), and the tests run each of them against the [local
server](../local-server.md#permissions) while that allows no more than is listed, and with one action less. Written by
`tests/unit/test_permissions_page.py`; `WRITE_PERMISSIONS=1` writes it anew.

An error of a call that was denied names the action that is missing. A **bold** feature is used unless it is turned
off; without a permission of one that is *needed*, the task fails, and names it.

A policy for what you use, in Python; without `options` it has what is used by default:

```python
import json
from airflow_provider_omics.permissions import policy_document

names = ["OmicsStartRunOperator", "OmicsRunSensor"]
options = ["identity_tags", "wait_for_completion", "durable", "cancel_on_kill", "failure details"]
document = policy_document(names, options, bucket="my-bucket", role="OmicsServiceRole", account="123456789012")
print(json.dumps(document, indent=2))
```

List operations of HealthOmics have no resources, so that their statement needs `"Resource": "*"`; others can be
narrowed, such as to `arn:aws:omics:*:123456789012:run/*`. Buckets whose objects are encrypted with a KMS key need
`kms:Decrypt` to be read and `kms:GenerateDataKey` to be written. A connection with `role_arn` needs `sts:AssumeRole`
on that role.
"""
_ALL = "## One policy for runs and cohorts\n\nFor runs and cohorts with all that is used by default:\n"
_ROLE = "## The service role\n\nWhat the runs act with (`role_arn`). Its trust policy lets HealthOmics assume it:\n"
_ROLE_POLICY = "Its policy; with images of other accounts, or inputs in other buckets, name those too:\n"
STARTING = ("OmicsStartRunOperator", "OmicsStartRunBatchOperator")


def page() -> str:
    """Return the page."""
    return "\n".join(_lines())


def as_json(document: Mapping[str, Any]) -> str:
    """Return a policy as a block of the page."""
    return f"```json\n{json.dumps(document, indent=2)}\n```\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION
    for title, end in (("Operators", "Operator"), ("Sensors", "Sensor"), ("Triggers", "Trigger")):
        yield f"## {title}\n"
        for name, listed in PERMISSIONS.items():
            if name.endswith(end):
                yield from _entry(name, listed)
    yield "## Methods of the hook\n"
    yield "| method | actions | features |\n| --- | --- | --- |"
    for name, listed in HOOK_METHODS.items():
        more = "; ".join(f"{feature.option}: {_codes(feature.actions)}" for feature in listed.features)
        yield f"| `{name}` | {_codes(listed.required)} | {more} |"
    yield f"\n{_ALL}"
    yield as_json(policy_document(STARTING))
    yield _ROLE
    yield as_json(service_role_trust())
    yield _ROLE_POLICY
    yield as_json(service_role_policy())


def _entry(name: str, listed: Permissions) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"Always: {_codes(listed.required) or 'nothing; each feature has its own'}\n"
    if listed.features:
        yield "| feature | actions | for | without |\n| --- | --- | --- | --- |"
        yield from map(_row, listed.features)
        yield ""


def _row(feature: Feature) -> str:
    shown = f"`{feature.option}`" if "_" in feature.option or feature.option.islower() else feature.option
    shown = shown if " " not in feature.option else feature.option
    shown = f"**{shown}**" if feature.is_default else shown
    needed = ", *needed*" if feature.fails else ""
    return f"| {shown}{needed} | {_codes(feature.actions)} | {feature.purpose} | {feature.without} |"


def _codes(actions: Iterable[str]) -> str:
    return ", ".join(f"`{action}`" for action in actions)
