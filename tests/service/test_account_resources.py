"""Run groups, run caches and configurations: one of each name, as asked for, against the local server."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from account_resources import (
    ASKED,
    CREATORS,
    KINDS,
    VPC,
    create,
    creator,
    made,
    shown,
)
from omics_errors import raises
from task_runs import run_task

from airflow_provider_omics.account.creation import ResourceCreator
from airflow_provider_omics.account.kinds import CONFIGURATION, RUN_CACHE, RUN_GROUP, ResourceKind
from airflow_provider_omics.account.resource import Resource
from airflow_provider_omics.exceptions import (
    OmicsConfigurationFailedError,
    OmicsError,
    OmicsRequestInvalidError,
)
from airflow_provider_omics.healthomics.requests.shapes import operation_model, snake_case
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import Assumptions, LocalOmics
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.assumptions import RepeatedRequestId
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.sensors.configuration import OmicsConfigurationSensor

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures, which has a bucket for caches."""
    omics_local.client("s3").create_bucket(Bucket="caches")
    return omics_local


@KINDS
def test_one_is_made_of_a_name(server: LocalOmics, account: AccountState, omics: Any, kind: ResourceKind) -> None:
    first = create(kind, tags={"team": "qc"})
    answer = shown(omics, kind, first.result)
    assert (answer["name"], answer["tags"]) == ("nightly", {"team": "qc"})
    assert first.ti.xcoms == {"resource_arn": answer["arn"], "resource_is_new": True}
    again = create(kind)
    assert again.result == first.result
    assert again.ti.xcoms["resource_is_new"] is False
    assert len(made(account, kind)) == 1


@KINDS
def test_every_member_of_the_model_is_an_argument(kind: ResourceKind) -> None:
    shape: Any = operation_model(kind.operation("Create")).input_shape
    arguments = {snake_case(name) for name in shape.members}
    assert arguments == {"name", *kind.fields}
    assert {"name", *kind.fields} <= set(CREATORS[kind.suffix].template_fields)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        (RUN_GROUP, {"max_runs": "7", "max_cpus": 100}, {"maxRuns": 7, "maxCpus": 100}),
        (RUN_CACHE, {"cache_behavior": "CACHE_ALWAYS", "description": "All"}, {"cacheBehavior": "CACHE_ALWAYS"}),
        (CONFIGURATION, {"tags": {"team": "qc"}}, {"tags": {"team": "qc", "cost": "42"}}),
    ],
    ids=lambda value: getattr(value, "suffix", None),
)
def test_what_the_api_can_change_is_changed(
    server: LocalOmics,
    omics: Any,
    kind: ResourceKind,
    changes: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    first = create(kind, tags={"cost": "42"})
    assert create(kind, **changes).result == first.result
    answer = shown(omics, kind, first.result)
    assert {name: answer[name] for name in expected} == expected
    changing = "TagResource" if kind is CONFIGURATION else kind.operation("Update")
    create(kind, **changes)
    assert len(server.journal.calls(changing)) == 1


def test_what_the_api_cannot_change_is_refused_member_by_member(server: LocalOmics, account: AccountState) -> None:
    create(CONFIGURATION, description="Ours")
    with raises(
        OmicsRequestInvalidError, match=r"vpcConfig\.subnetIds: is .*\n.*description: is 'Theirs', and"
    ) as error:
        other = {"vpcConfig": {**VPC["vpcConfig"], "subnetIds": ["subnet-09"]}}
        create(CONFIGURATION, run_configurations=other, description="Theirs")
    assert "aws omics delete-configuration --name nightly" in str(error.value)
    turned = {"vpcConfig": {name: ids[::-1] for name, ids in VPC["vpcConfig"].items()}}
    create(CONFIGURATION, run_configurations=turned)
    create(RUN_CACHE)
    with raises(OmicsRequestInvalidError, match="cache_s3_location: is 's3://caches/else', and run cache"):
        create(RUN_CACHE, cache_s3_location="s3://caches/else")
    create(RUN_CACHE, cache_s3_location="s3://caches/nightly/")


def test_several_of_one_name_are_refused(server: LocalOmics, omics: Any) -> None:
    for request_id in "12":
        omics.create_run_group(name="nightly", requestId=request_id)
    with raises(OmicsRequestInvalidError, match="2 run groups are called 'nightly'"):
        create(RUN_GROUP)


@KINDS
@pytest.mark.parametrize("fault", [FaultKind.ERROR_AFTER, FaultKind.LOST_ANSWER])
def test_an_answer_that_was_lost_makes_no_second_one(
    server: LocalOmics, account: AccountState, kind: ResourceKind, fault: FaultKind
) -> None:
    account.assumptions = Assumptions(repeated_request_id=RepeatedRequestId.FORGOTTEN)
    server.faults.add(FaultRule(kind=fault, operation=kind.operation("Create")))
    assert create(kind).result == create(kind).result
    assert len(made(account, kind)) == 1


@KINDS
def test_a_try_that_died_between_call_and_answer_has_made_the_one(
    server: LocalOmics, account: AccountState, kind: ResourceKind
) -> None:
    class WorkerDied(BaseException):
        """As a process that is gone."""

    def die(_: Any) -> None:
        raise WorkerDied

    hook = OmicsHook()
    hook.conn.meta.events.register(f"after-call.omics.{kind.operation('Create')}", lambda **_: die(None))
    with pytest.raises(WorkerDied):
        creator(kind, hook).get_or_create()
    create(kind)
    assert len(made(account, kind)) == 1


@KINDS
@pytest.mark.parametrize(
    "reading", [RepeatedRequestId.FIRST_ANSWER, RepeatedRequestId.CONFLICT], ids=["first_answer", "conflict"]
)
def test_many_who_ask_at_the_same_time_make_one(
    server: LocalOmics, account: AccountState, kind: ResourceKind, reading: RepeatedRequestId
) -> None:
    account.assumptions = Assumptions(repeated_request_id=reading)
    count = 4
    all_have_looked = threading.Barrier(count, timeout=20)
    found: list[str] = []

    class LooksFirst(ResourceCreator):
        """Has looked for it at the same time as the others."""

        def _create(self) -> Any:
            all_have_looked.wait()
            return super()._create()

    def ask() -> None:
        asked = creator(kind)
        one = LooksFirst(asked.service, kind, asked.request, asked.log, asked.pause)
        found.append(one.get_or_create().resource.identifier)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == count
    assert len(set(found)) == 1
    assert len(made(account, kind)) == 1


def test_two_who_ask_for_different_limits_at_the_same_time_make_one(server: LocalOmics, account: AccountState) -> None:
    other = creator(RUN_GROUP, maxRuns=9)
    server.faults.add(
        FaultRule(kind=FaultKind.THROTTLE, operation="CreateRunGroup", act=lambda _: other.get_or_create())
    )
    creator(RUN_GROUP).get_or_create()
    assert [group.settings["maxRuns"] for group in account.run_groups.values()] == [5]


@pytest.mark.parametrize("kind", [RUN_GROUP, RUN_CACHE], ids=lambda kind: kind.suffix)
def test_an_answer_without_its_id_is_of_what_was_asked_for(server: LocalOmics, kind: ResourceKind) -> None:
    first, hook = create(kind).result, OmicsHook()
    hook.conn.meta.events.register(
        f"after-call.omics.{kind.operation('Get')}", lambda parsed, **_: [parsed.pop("id"), None][1]
    )
    assert creator(kind, hook).get_or_create().resource.identifier == first


def test_a_request_id_that_made_one_of_another_name_is_refused(server: LocalOmics, account: AccountState) -> None:
    create(RUN_GROUP, request_id="mine")
    account.assumptions = Assumptions(repeated_request_id_other_payload=RepeatedRequestId.FIRST_ANSWER)
    with raises(OmicsError, match="is gone, or has another name. Give a request_id that was not used yet"):
        create(RUN_GROUP, name="weekly", request_id="mine")


@MODES
def test_a_configuration_is_waited_for(server: LocalOmics, account: AccountState, omics: Any, deferrable: bool) -> None:
    account.timings = replace(account.timings, configuration_creating=0.2)
    created = create(CONFIGURATION, deferrable=deferrable)
    assert created.result == "nightly"
    assert omics.get_configuration(name="nightly")["status"] == "ACTIVE"
    assert bool(created.triggers) is deferrable
    sensor = OmicsConfigurationSensor(task_id="wait", name="nightly", deferrable=deferrable, poke_interval=0.02)
    assert run_task(sensor).result["configuration_arn"] == created.ti.xcoms["resource_arn"]


@MODES
def test_a_configuration_that_fails_fails_the_task(server: LocalOmics, account: AccountState, deferrable: bool) -> None:
    account.timings = replace(account.timings, configuration_creating=60)

    def fail(_: Any) -> None:
        account.configurations["nightly"].status = "FAILED"

    server.faults.add(
        FaultRule(
            kind=FaultKind.THROTTLE,
            operation="GetConfiguration",
            act=fail,
            matches=lambda _: len(server.journal.calls("GetConfiguration")) >= 2,
        )
    )
    with raises(OmicsConfigurationFailedError, match="aws omics delete-configuration"):
        create(CONFIGURATION, deferrable=deferrable)
    sensor = OmicsConfigurationSensor(task_id="wait", name="nightly", deferrable=deferrable, poke_interval=0.02)
    with raises(OmicsConfigurationFailedError, match="configuration nightly is FAILED"):
        run_task(sensor)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (RUN_GROUP, {"max_runs": 0}, "max_runs"),
        (RUN_GROUP, {"name": None}, "name: is missing"),
        (RUN_CACHE, {"cache_s3_location": "caches"}, "cache_s3_location"),
        (CONFIGURATION, {"run_configurations": {}}, "run_configurations: has no vpcConfig"),
        (
            CONFIGURATION,
            {"run_configurations": {"vpcConfig": {"subnetIds": ["subnet-01"]}}},
            "securityGroupIds: is missing",
        ),
        (CONFIGURATION, {"name": "not good"}, "name"),
    ],
)
def test_mistakes_are_seen_when_the_dag_is_parsed(kind: ResourceKind, arguments: dict[str, Any], message: str) -> None:
    with raises(OmicsRequestInvalidError, match=message):
        asked = {snake_case(name): value for name, value in ASKED[kind.suffix].items()}
        CREATORS[kind.suffix](task_id="create", **{**asked, **arguments})


@KINDS
@pytest.mark.parametrize("as_text", [False, True])
def test_members_that_this_release_does_not_name_go_through(omics: Any, kind: ResourceKind, as_text: bool) -> None:
    members = {"maxCpus": 7} if kind is RUN_GROUP else {"description": "of a later release"}
    identifier = create(kind, **{kind.extra: json.dumps(members) if as_text else members}).result
    answer = shown(omics, kind, identifier)
    assert {name: answer[name] for name in members} == members
    assert create(kind, **{kind.extra: members}).result == identifier
    other = {name: 8 if value == 7 else "another" for name, value in members.items()}
    if kind is CONFIGURATION:
        with raises(OmicsRequestInvalidError, match="description: is 'another'"):
            create(kind, **{kind.extra: other})
    else:
        create(kind, **{kind.extra: other})
        assert {name: shown(omics, kind, identifier)[name] for name in other} == other


@KINDS
@pytest.mark.parametrize("extra", [{"colour": "red"}, "colour", 3])
def test_what_the_api_has_no_member_for_is_refused(server: LocalOmics, kind: ResourceKind, extra: Any) -> None:
    with raises(OmicsRequestInvalidError, match="colour|not an object"):
        create(kind, **{kind.extra: extra})
    assert server.journal.calls(kind.operation("Create")) == []


def test_a_member_that_the_service_does_not_show_is_no_difference() -> None:
    there = Resource.of(RUN_GROUP, {"id": "1", "name": "nightly", "maxRuns": 5})
    assert list(there.differences({"name": "nightly", "maxRuns": 5, "colour": "red"})) == []
    assert list(there.differences({"maxCpus": 5})) == [("maxCpus", None, 5)]
