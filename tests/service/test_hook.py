"""OmicsHook: whose settings win, and that its connection works, sync and async."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import dateutil.parser
import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from omics_errors import raises
from pytest_mock import MockerFixture

from airflow_provider_omics.exceptions import OmicsServiceError
from airflow_provider_omics.healthomics.api.calls import Request, Requests, list_pages
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import LocalOmics


@pytest.fixture
def connection(omics_local: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set what the connection's extra says; nothing but the connection leads to the server."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.delenv("AWS_DISABLE_HOST_PREFIX_INJECTION")

    def set_extra(**extra: Any) -> None:
        whole = {**omics_local.connection_extra(), **extra}
        login = {"conn_type": "aws", "login": "key", "password": "secret", "extra": whole}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(login))

    set_extra()
    return set_extra


def attempts(hook: OmicsHook) -> tuple[str, int]:
    retries = hook.conn.meta.config.retries
    return retries["mode"], retries["total_max_attempts"]


@pytest.mark.usefixtures("connection")
def test_the_default_retries_also_cover_request_timeouts() -> None:
    assert attempts(OmicsHook()) == ("standard", 6)


def test_the_connection_has_the_last_word_on_retries(connection: Any) -> None:
    kept = {"inject_host_prefix": False}
    connection(config_kwargs={**kept, "retries": {"mode": "adaptive", "total_max_attempts": 3}})
    assert attempts(OmicsHook()) == ("adaptive", 3)


def test_what_the_connection_leaves_open_about_retries_keeps_its_default(connection: Any) -> None:
    connection(config_kwargs={"inject_host_prefix": False, "retries": {"total_max_attempts": 3}})
    assert attempts(OmicsHook()) == ("standard", 3)
    connection(config_kwargs={"inject_host_prefix": False, "retries": {"mode": "legacy"}})
    assert attempts(OmicsHook()) == ("legacy", 6)


@pytest.mark.usefixtures("connection")
def test_retries_of_the_environment_hold_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "4")
    assert attempts(OmicsHook()) == ("adaptive", 4)


def test_a_configuration_of_the_task_does_not_drop_the_connections(connection: Any, omics_local: LocalOmics) -> None:
    connection(config_kwargs={"inject_host_prefix": False, "read_timeout": 7, "connect_timeout": 8})
    hook = OmicsHook(config={"read_timeout": 9})
    config = hook.conn.meta.config
    assert (config.read_timeout, config.connect_timeout, config.inject_host_prefix) == (9, 8, False)
    assert attempts(hook) == ("standard", 6)
    with raises(OmicsServiceError, match="9999999"):
        hook.start_run({"workflowId": "9999999", "roleArn": "arn:aws:iam::1:role/x", "outputUri": "s3://abc/x"})
    assert len(omics_local.journal.calls("StartRun")) == 1


def test_the_endpoint_can_be_given_for_omics_alone(connection: Any, omics_local: LocalOmics) -> None:
    connection(endpoint_url=None, service_config={"omics": {"endpoint_url": omics_local.endpoint_url}})
    assert OmicsHook().conn.list_runs()["items"] == []


@pytest.mark.usefixtures("connection")
def test_the_async_client_is_configured_alike() -> None:
    async def retries() -> Any:
        async with await OmicsHook(config={"read_timeout": 9}).make_async_client() as client:
            await client.list_runs()
            return client.meta.config

    config = asyncio.run(retries())
    assert config.read_timeout == 9
    assert config.retries["mode"] == "standard"


@pytest.mark.usefixtures("connection")
def test_it_names_the_caller_to_aws() -> None:
    assert "Airflow/" in OmicsHook().conn.meta.config.user_agent_extra


def test_the_connection_can_be_tested(connection: Any, omics_local: LocalOmics) -> None:
    connection(service_config={"sts": {"endpoint_url": omics_local.endpoint_url}})
    worked, message = AwsBaseHook(client_type="sts").test_connection()
    assert worked, message
    worked, message = OmicsHook().test_connection()
    assert worked, message


def test_a_wrong_client_setting_is_told_as_such(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    connection(region_name=None)
    with raises(OmicsServiceError, match="Give region_name to the task, or to the connection"):
        OmicsHook().cancel_run("1234567")


def test_times_are_read_fast_in_both_clients_of_the_hook_and_in_no_other(
    omics_local: LocalOmics, mocker: MockerFixture
) -> None:
    omics_local.client("omics").create_run_group(name="group")
    hook, other = OmicsHook(), AwsBaseHook(client_type="omics")

    async def ask() -> Any:
        async with await hook.make_async_client() as client:
            return (await client.list_run_groups())["items"]

    slow = mocker.spy(dateutil.parser, "parse")
    fast = [hook.conn.list_run_groups()["items"], asyncio.run(ask())]
    assert slow.call_count == 0
    assert [other.conn.list_run_groups()["items"]] * 2 == fast
    assert slow.call_count == 1


def groups_named(name: str) -> Requests[list[str]]:
    found: list[str] = []

    def take(page: Mapping[str, Any]) -> None:
        found.extend(item["id"] for item in page["items"])

    yield from list_pages("ListRunGroups", take, name=name, maxResults=1)
    return found


def test_a_conversation_is_held_to_its_end(omics_local: LocalOmics) -> None:
    omics = omics_local.client("omics")
    made = {omics.create_run_group(name="mine")["id"] for _ in range(2)}
    omics.create_run_group(name="other")
    assert set(OmicsHook().send_requests(groups_named("mine"), "groups")) == made
    assert len(omics_local.journal.calls("ListRunGroups")) == 2


def one_call(operation: str, **members: Any) -> Requests[Any]:
    return (yield Request(operation, members))


@pytest.mark.usefixtures("omics_local")
def test_a_conversation_that_the_service_ends_names_the_call() -> None:
    with pytest.raises(OmicsServiceError) as caught:
        OmicsHook(region_name="us-west-2").send_requests(one_call("GetBatch", batchId="1234567"), "batch 1234567")
    assert (caught.value.operation, caught.value.code) == ("GetBatch", "ResourceNotFoundException")
    assert "GetBatch for batch 1234567 in us-west-2 with connection 'aws_default' failed" in caught.value.message()


@pytest.mark.usefixtures("omics_local")
def test_a_conversation_that_never_reaches_the_service_names_the_call() -> None:
    def steps() -> Requests[Any]:
        yield Request("ListBatch", {})
        return (yield Request("GetBatch", {"batchId": 1}))

    with raises(OmicsServiceError, match="Invalid type for parameter batchId") as caught:
        OmicsHook().send_requests(steps(), "batch 1")
    assert (caught.value.operation, caught.value.code) == ("GetBatch", "ParamValidationError")


def test_a_conversation_without_a_client_says_what_to_check(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    connection(region_name=None)
    with raises(OmicsServiceError, match=r"(?s)Connecting for batch 1 .*Give region_name to the task"):
        OmicsHook().send_requests(one_call("GetBatch", batchId="1"), "batch 1")
