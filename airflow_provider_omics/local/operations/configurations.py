"""Operations on configurations: the VPC networking that runs can ask for by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow_provider_omics.healthomics.api.statuses import Phase, RunStatus, classify
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.errors import (
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
    error_of_code,
)
from airflow_provider_omics.local.operations.answers import page_answer, present
from airflow_provider_omics.local.operations.registry import Answer, operation
from airflow_provider_omics.local.records import Configuration
from airflow_provider_omics.local.tagging import checked_tags

CREATING, ACTIVE, DELETING = "CREATING", "ACTIVE", "DELETING"
_LARGEST_PAGE = 10


@operation("CreateConfiguration")
def create_configuration(state: AccountState, request: dict[str, Any]) -> Answer:
    """Make a configuration, CREATING at first; it has 1 to 5 security groups and 1 to 16 subnets."""
    name = request["name"]
    tags = checked_tags(request.get("tags"), state.quotas.tags)
    vpc_config = _vpc_config(state, request["runConfigurations"])
    if name in state.configurations:
        raise ConflictException(f"Configuration {name} exists already; choose another name, or delete it first")
    if len(state.configurations) >= state.quotas.configurations:
        raise ServiceQuotaExceededException(f"The account has {len(state.configurations)} configurations, its quota")
    configuration = Configuration(
        name=name,
        uuid=state.new_uuid(),
        arn=state.arn(f"configuration/{name}"),
        status=CREATING,
        creation_time=state.now(),
        vpc_config=vpc_config,
        sequence=int(state.new_id()),
        description=request.get("description"),
        tags=tags,
    )
    state.configurations[name] = configuration
    state.timeline.after(state.timings.configuration_creating, partial(_set_status, configuration, ACTIVE))
    return _describe(configuration)


@operation("GetConfiguration")
def get_configuration(state: AccountState, request: dict[str, Any]) -> Answer:
    """Describe one configuration."""
    return _describe(_find(state, request["name"]))


@operation("ListConfigurations")
def list_configurations(state: AccountState, request: dict[str, Any]) -> Answer:
    """List configurations, at most 10 on a page."""
    size = request.get("maxResults") or min(_LARGEST_PAGE, state.assumptions.list_page_size)
    return page_answer(
        state,
        {**request, "maxResults": size},
        list(state.configurations.values()),
        key=lambda configuration: configuration.sequence,
        describe=_describe,
    )


@operation("DeleteConfiguration")
def delete_configuration(state: AccountState, request: dict[str, Any]) -> Answer:
    """Begin to delete a configuration; runs that were started with it keep what it said."""
    configuration = _find(state, request["name"])
    if configuration.status != ACTIVE:
        raise error_of_code(
            state.assumptions.wrong_state_code,
            f"Configuration {configuration.name} is {configuration.status} and cannot be deleted",
        )
    if not state.assumptions.configuration_in_use_deletable:
        _check_unused(state, configuration)
    _set_status(configuration, DELETING)
    state.timeline.after(state.timings.configuration_deleting, partial(_forget, state, configuration))
    return {}


def _vpc_config(state: AccountState, run_configurations: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = run_configurations.get("vpcConfig") or {}
    for member, most in (("securityGroupIds", 5), ("subnetIds", 16)):
        if not given.get(member):
            raise ValidationException(f"runConfigurations.vpcConfig.{member} is empty; give 1 to {most} ids")
    return {**given, "vpcId": _vpc_id(state, given.get("vpcOwnerAccountId", state.account))}


def _vpc_id(state: AccountState, owner: str) -> str:
    # There are no subnets here to look it up by: each account has one VPC in each region.
    return f"vpc-{hashlib.sha256(f'{owner}:{state.region}'.encode()).hexdigest()[:17]}"


def _check_unused(state: AccountState, configuration: Configuration) -> None:
    active = sum(
        run.configuration is configuration and classify(RunStatus, run.status) is Phase.ACTIVE
        for run in state.runs.values()
    )
    if active:
        raise ConflictException(
            f"Configuration {configuration.name} is used by {active} active runs; cancel them or let them end"
        )


def _find(state: AccountState, name: str) -> Configuration:
    if name not in state.configurations:
        raise ResourceNotFoundException(f"Configuration {name} not found")
    return state.configurations[name]


def _set_status(configuration: Configuration, status: str) -> None:
    configuration.status = status


def _forget(state: AccountState, configuration: Configuration) -> None:
    if state.configurations.get(configuration.name) is configuration:
        del state.configurations[configuration.name]


def _describe(configuration: Configuration) -> Answer:
    # A list's items have fewer members; what their shape does not have is left out on the way.
    return present(
        arn=configuration.arn,
        uuid=configuration.uuid,
        name=configuration.name,
        description=configuration.description,
        runConfigurations={"vpcConfig": configuration.vpc_config},
        status=configuration.status,
        creationTime=configuration.creation_time,
        tags=configuration.tags,
    )
