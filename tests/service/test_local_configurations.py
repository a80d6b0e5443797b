"""Configurations of VPC networking over HTTP, and the runs that use them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from omics_service import await_status, make_configuration, refusal

from airflow_provider_omics.local import LocalOmics

ACCOUNT = "123456789012"
VPC = {"securityGroupIds": ["sg-01"], "subnetIds": ["subnet-01"]}


def test_live_from_creation_to_deletion(server: LocalOmics, omics: Any) -> None:
    made = make_configuration(omics, "net")
    assert made["arn"] == f"arn:aws:omics:us-east-1:{ACCOUNT}:configuration/net"
    assert made["runConfigurations"]["vpcConfig"]["vpcId"].startswith("vpc-")
    assert [item["name"] for item in omics.list_configurations()["items"]] == ["net"]
    omics.tag_resource(resourceArn=made["arn"], tags={"cost": "7"})
    assert omics.get_configuration(name="net")["tags"] == {"cost": "7"}
    server.change(timings={"configuration_deleting": 3600.0})
    omics.delete_configuration(name="net")
    assert omics.get_configuration(name="net")["status"] == "DELETING"
    assert refusal(omics.delete_configuration, name="net")[:2] == ("ConflictException", 409)


def test_a_deleted_one_is_gone_and_its_name_is_free(omics: Any) -> None:
    first = make_configuration(omics, "net")
    omics.delete_configuration(name="net")
    deadline = time.monotonic() + 300
    while omics.list_configurations()["items"]:
        assert time.monotonic() < deadline
    assert refusal(omics.get_configuration, name="net")[:2] == ("ResourceNotFoundException", 404)
    assert make_configuration(omics, "net")["uuid"] != first["uuid"]


def test_a_run_keeps_what_a_deleted_one_said(omics: Any, start_run: Callable[..., dict[str, Any]]) -> None:
    made = make_configuration(omics, "net")
    run = start_run(networkingMode="VPC", configurationName="net", tags={"omics-local:seconds": "3600"})
    assert (run["networkingMode"], run["configuration"]["uuid"]) == ("VPC", made["uuid"])
    omics.delete_configuration(name="net")
    assert omics.get_run(id=run["id"])["vpcConfig"] == made["runConfigurations"]["vpcConfig"]


def test_whether_one_in_use_can_be_deleted_is_an_assumption(
    server: LocalOmics, omics: Any, start_run: Callable[..., dict[str, Any]]
) -> None:
    server.change(assumptions={"configuration_in_use_deletable": False})
    make_configuration(omics, "net")
    run = start_run(networkingMode="VPC", configurationName="net", tags={"omics-local:seconds": "3600"})
    code, status, message = refusal(omics.delete_configuration, name="net")
    assert (code, status, "1 active runs" in message) == ("ConflictException", 409, True)
    omics.cancel_run(id=run["id"])
    await_status(lambda: omics.get_run(id=run["id"]), "CANCELLED")
    omics.delete_configuration(name="net")


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"runConfigurations": {}}, "securityGroupIds"),
        ({"runConfigurations": {"vpcConfig": {**VPC, "subnetIds": []}}}, "1 to 16"),
        ({"runConfigurations": {"vpcConfig": {**VPC, "securityGroupIds": ["sg-0"] * 6}}}, "securityGroupIds"),
        ({"runConfigurations": {"vpcConfig": {**VPC, "subnetIds": ["network-1"]}}}, "subnetIds"),
        ({"name": "-net"}, "name"),
    ],
)
def test_what_does_not_fit_is_refused(omics: Any, settings: dict[str, Any], part: str) -> None:
    request = {"name": "net", "runConfigurations": {"vpcConfig": VPC}, **settings}
    code, status, message = refusal(omics.create_configuration, **request)
    assert (code, status, part in message) == ("ValidationException", 400, True)
    assert omics.list_configurations()["items"] == []


def test_names_are_unique_and_their_number_has_a_quota(server: LocalOmics, omics: Any) -> None:
    server.change(quotas={"configurations": 12})
    request = {"runConfigurations": {"vpcConfig": VPC}}
    names = [f"net-{number:02}" for number in range(12)]
    made = [omics.create_configuration(name=name, **request) for name in names]
    assert {answer["status"] for answer in made} == {"CREATING"}
    assert refusal(omics.create_configuration, name="net-00", **request)[:2] == ("ConflictException", 409)
    assert refusal(omics.create_configuration, name="more", **request)[0] == "ServiceQuotaExceededException"
    pages = list(omics.get_paginator("list_configurations").paginate())
    assert [[item["name"] for item in page["items"]] for page in pages] == [names[:10], names[10:]]
