"""What the policy of an ECR repository lets HealthOmics do, as far as that can be seen without IAM."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

HEALTHOMICS = "omics.amazonaws.com"
PULLING = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
"""What HealthOmics needs to pull an image."""


class Access(Enum):
    """Whether HealthOmics may pull."""

    ALLOWED = "allowed"
    CONDITIONAL = "only under conditions"
    DENIED = "not allowed"


def access_of(policy_text: str) -> Access:
    """Judge the text of a repository's policy.

    :raises ValueError: it is not a policy.
    """
    policy = json.loads(policy_text)
    statements = [one for one in _several(policy.get("Statement")) if _is_about_us(one)]
    accesses = [_access(action, statements) for action in PULLING]
    return next((one for one in (Access.DENIED, Access.CONDITIONAL) if one in accesses), Access.ALLOWED)


def _access(action: str, statements: Iterable[Mapping[str, Any]]) -> Access:
    held = [one for one in statements if _has_action(one, action)]
    if any("NotPrincipal" in one or "NotAction" in one for one in statements):
        return Access.CONDITIONAL
    denied = [one for one in held if one.get("Effect") == "Deny"]
    allowed = [one for one in held if one.get("Effect") == "Allow"]
    if not allowed or any(not one.get("Condition") for one in denied):
        return Access.DENIED
    if denied or all(one.get("Condition") for one in allowed):
        return Access.CONDITIONAL
    return Access.ALLOWED


def _is_about_us(statement: Mapping[str, Any]) -> bool:
    if "NotPrincipal" in statement:
        return True
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        return HEALTHOMICS in _several(principal.get("Service")) or "*" in _several(principal.get("AWS"))
    return principal == "*"


def _has_action(statement: Mapping[str, Any], action: str) -> bool:
    return any(fnmatchcase(action.lower(), str(one).lower()) for one in _several(statement.get("Action")))


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
