"""The list of permissions has every public class, and policies are made of it."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import pytest
from test_provider_info import ROLES, public_classes

from airflow_provider_omics.healthomics.api.actions import actions_of, denied_action, permission_remedy
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.permissions import (
    HOOK_METHODS,
    PERMISSIONS,
    policy_document,
    service_role_policy,
    service_role_trust,
)

#: What waits, reads or makes clients, whatever it is asked for.
WITHOUT_CALLS_OF_THEIR_OWN = {"perform", "look_up", "poll", "send_requests", "renew"}
EVENTS = "OmicsRunEventTrigger"


def test_every_public_class_is_listed() -> None:
    public = {path.rpartition(".")[2] for role, base in ROLES.items() for path in public_classes(role, base)}
    without_events = {EVENTS} if version("apache-airflow").startswith("2.") else set()
    assert public == set(PERMISSIONS) - without_events


def test_every_method_of_the_hook_that_calls_healthomics_is_listed() -> None:
    own = {
        name
        for kind in OmicsHook.__mro__
        if kind.__module__.startswith("airflow_provider_omics.hooks")
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and not name.startswith("_") and "API_" in (member.__doc__ or "")
    }
    assert own == {name.removeprefix("OmicsHook.") for name in HOOK_METHODS}
    assert not own & WITHOUT_CALLS_OF_THEIR_OWN


@pytest.mark.parametrize("name", sorted({**PERMISSIONS, **HOOK_METHODS}))
def test_a_policy_has_what_is_used_by_default(name: str) -> None:
    listed = {**PERMISSIONS, **HOOK_METHODS}[name]
    document = policy_document([name])
    actions = [action for statement in document["Statement"] for action in statement["Action"]]
    assert sorted(actions) == sorted(set(actions))
    wanted = {action for feature in listed.features if feature.is_default for action in feature.actions}
    assert set(actions) == wanted | set(listed.required)


def test_features_are_chosen_by_their_names() -> None:
    document = policy_document(["OmicsStartRunOperator", "OmicsRunSensor"], ["identity_tags"], bucket="b", role="r")
    assert document["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["omics:GetRun", "omics:StartRun", "omics:TagResource"],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": ["iam:PassRole"],
            "Resource": "arn:aws:iam::123456789012:role/r",
            "Condition": {"StringEquals": {"iam:PassedToService": "omics.amazonaws.com"}},
        },
    ]
    with pytest.raises(ValueError, match="colour is no feature; there are "):
        policy_document(["OmicsStartRunOperator"], ["colour"])
    with pytest.raises(KeyError):
        policy_document(["OmicsPaintOperator"])


def test_resources_are_those_of_each_service() -> None:
    document = policy_document(["OmicsStartRunBatchOperator"], bucket="b", account="1" * 12, partition="aws-cn")
    resources = {action: statement["Resource"] for statement in document["Statement"] for action in statement["Action"]}
    assert resources["s3:PutObject"] == "arn:aws-cn:s3:::b/*"
    assert resources["s3:ListBucket"] == "arn:aws-cn:s3:::b"
    assert resources["logs:GetLogEvents"] == "arn:aws-cn:logs:*:111111111111:log-group:/aws/omics/WorkflowLog:*"
    assert resources["omics:ListRuns"] == "*"


def test_the_service_role_has_policies_too() -> None:
    assert service_role_trust()["Statement"][0]["Principal"] == {"Service": "omics.amazonaws.com"}
    actions = {action for statement in service_role_policy()["Statement"] for action in statement["Action"]}
    assert {"s3:GetObject", "logs:PutLogEvents", "ecr:BatchGetImage"} <= actions


@pytest.mark.parametrize(
    ("operation", "members", "actions"),
    [
        ("StartRun", {"tags": {"a": "b"}}, ("omics:StartRun", "iam:PassRole", "omics:TagResource")),
        ("StartRunBatch", {"tags": {}}, ("omics:StartRunBatch", "omics:StartRun", "iam:PassRole")),
        (
            "StartRunBatch",
            {"defaultRunSetting": {"runTags": {"a": "b"}}},
            ("omics:StartRunBatch", "omics:StartRun", "iam:PassRole", "omics:TagResource"),
        ),
        ("TagResource", {"tags": {"a": "b"}}, ("omics:TagResource",)),
        ("GetRunTask", None, ("omics:GetRunTask",)),
        ("HeadObject", None, ("s3:GetObject",)),
        ("UploadPart", None, ("s3:PutObject",)),
        ("DeleteMessageBatch", None, ("sqs:DeleteMessage",)),
        ("GetCallerIdentity", None, ()),
    ],
)
def test_a_call_needs_actions(operation: str, members: dict[str, object] | None, actions: tuple[str, ...]) -> None:
    assert actions_of(operation, members) == actions


def denial(action: str) -> str:
    return f"User: arn:aws:iam::1:user/a is not authorized to perform: {action} on resource: * because no policy"


@pytest.mark.parametrize(
    ("operation", "message", "remedy"),
    [
        ("StartRun", "No", "Let the caller use omics:StartRun and iam:PassRole for the role of the runs; docs"),
        ("StartRun", denial("iam:PassRole"), "Let the caller use iam:PassRole for the role of the runs; docs"),
        ("StartRun", denial("omics:TagResource"), "Let the caller use omics:TagResource, or do without tags"),
        ("TagResource", denial("omics:TagResource"), "Let the caller use omics:TagResource; docs"),
        (
            "HeadObject",
            "Forbidden",
            "Let the caller use s3:GetObject and s3:ListBucket there, and the bucket's KMS key",
        ),
        ("GetObject", denial("s3:ListBucket"), "Let the caller use s3:ListBucket there; without s3:ListBucket S3"),
        ("PutObject", "Access Denied", "Let the caller use s3:PutObject there, and the bucket's KMS key"),
        ("GetLogEvents", "No", "Let the caller use logs:GetLogEvents on the log group /aws/omics/WorkflowLog; docs"),
        ("ReceiveMessage", "No", "Let the caller use sqs:ReceiveMessage and sqs:DeleteMessage on the queue"),
    ],
)
def test_a_refusal_says_what_to_allow(operation: str, message: str, remedy: str) -> None:
    assert permission_remedy(operation, message).startswith(remedy)
    assert denied_action(denial("ecr:DescribeImages")) == "ecr:DescribeImages"
    assert denied_action("No") is None
