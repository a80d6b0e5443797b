"""Policy documents of IAM: for the caller, made of the list, and for the service role that runs act with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.actions import LIST_BUCKET, PASS_ROLE
from airflow_provider_omics.healthomics.api.console import LOG_GROUP
from airflow_provider_omics.permissions.hook import HOOK_METHODS
from airflow_provider_omics.permissions.listed import PERMISSIONS

Document = dict[str, Any]

_READ_AND_WRITE = ("s3:GetObject", "s3:PutObject")


def policy_document(
    names: Iterable[str],
    options: Iterable[str] | None = None,
    *,
    bucket: str = "my-bucket",
    role: str = "OmicsServiceRole",
    account: str = "123456789012",
    region: str = "*",
    queue: str = "omics-events",
    partition: str = "aws",
) -> Document:
    """Return the policy of a caller that uses some classes, or methods of the hook.

    :param names: such as ``OmicsStartRunOperator`` or ``OmicsHook.start_run``.
    :param options: features of any of them; None for those that are used unless they are turned off.
    :param bucket: bucket of inputs, outputs and cohorts.
    :param role: name of the service role.
    :param account: account id of the caller.
    :param region: AWS Region; ``*`` for all.
    :param queue: name of the queue of events.
    :param partition: such as ``aws``, ``aws-cn`` or ``aws-us-gov``.
    :raises KeyError: one of the names is not in the list.
    :raises ValueError: none of them has one of the features.
    """
    resources = {
        "s3": f"arn:{partition}:s3:::{bucket}/*",
        LIST_BUCKET: f"arn:{partition}:s3:::{bucket}",
        PASS_ROLE: f"arn:{partition}:iam::{account}:role/{role}",
        "logs": f"arn:{partition}:logs:{region}:{account}:log-group:{LOG_GROUP}:*",
        "ecr": f"arn:{partition}:ecr:{region}:{account}:repository/*",
        "sqs": f"arn:{partition}:sqs:{region}:{account}:{queue}",
    }
    grouped: dict[str, list[str]] = {}
    for action in _actions(names, options):
        service = action.partition(":")[0]
        grouped.setdefault(action if action in resources else service, []).append(action)
    return _document(_statement(actions, resources.get(group, "*")) for group, actions in grouped.items())


def service_role_policy(bucket: str = "my-bucket", account: str = "123456789012", partition: str = "aws") -> Document:
    """Return the policy of the service role: what runs need to read inputs, write outputs and logs, and pull images.

    :param bucket: bucket of inputs and outputs.
    :param account: account id of the role.
    :param partition: such as ``aws``, ``aws-cn`` or ``aws-us-gov``.
    """
    logs = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams")
    images = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability")
    statements = [
        _statement(_READ_AND_WRITE, f"arn:{partition}:s3:::{bucket}/*"),
        _statement((LIST_BUCKET,), f"arn:{partition}:s3:::{bucket}"),
        _statement(logs, f"arn:{partition}:logs:*:{account}:log-group:{LOG_GROUP}:*"),
        _statement(images, f"arn:{partition}:ecr:*:{account}:repository/*"),
    ]
    return _document(statements)


def service_role_trust() -> Document:
    """Return the trust policy of the service role, which lets HealthOmics act with it."""
    principal = {"Service": "omics.amazonaws.com"}
    return _document([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}])


def _actions(names: Iterable[str], options: Iterable[str] | None) -> list[str]:
    known = {**PERMISSIONS, **HOOK_METHODS}
    chosen = [known[name] for name in names]
    if options is None:
        return list(dict.fromkeys(action for one in chosen for action in one.actions()))
    wanted, found = set(options), {feature.option for one in chosen for feature in one.features}
    if unknown := wanted - found:
        raise ValueError(f"{', '.join(sorted(unknown))} is no feature; there are {', '.join(sorted(found))}")
    per_class = (one.actions(wanted & {feature.option for feature in one.features}) for one in chosen)
    return list(dict.fromkeys(action for actions in per_class for action in actions))


def _statement(actions: Iterable[str], resource: str) -> Mapping[str, Any]:
    names = sorted(actions)
    statement: dict[str, Any] = {"Effect": "Allow", "Action": names, "Resource": resource}
    if PASS_ROLE in names:
        statement["Condition"] = {"StringEquals": {"iam:PassedToService": "omics.amazonaws.com"}}
    return statement


def _document(statements: Iterable[Mapping[str, Any]]) -> Document:
    return {"Version": "2012-10-17", "Statement": [dict(statement) for statement in statements]}
