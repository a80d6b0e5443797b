"""Run groups, run caches and configurations that tests ask for by one name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from task_runs import TaskRun, run_task

from airflow_provider_omics.account.creation import ResourceCreator
from airflow_provider_omics.account.kinds import CONFIGURATION, RUN_CACHE, RUN_GROUP, ResourceKind
from airflow_provider_omics.healthomics.requests.shapes import snake_case
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.operators.account import (
    OmicsCreateConfigurationOperator,
    OmicsCreateRunCacheOperator,
    OmicsCreateRunGroupOperator,
    OmicsDeleteConfigurationOperator,
    OmicsDeleteRunCacheOperator,
    OmicsDeleteRunGroupOperator,
)

VPC = {"vpcConfig": {"securityGroupIds": ["sg-1", "sg-2"], "subnetIds": ["subnet-01", "subnet-02"]}}
ASKED: dict[str, dict[str, Any]] = {
    "RunGroup": {"name": "nightly", "maxRuns": 5},
    "RunCache": {"name": "nightly", "cacheS3Location": "s3://caches/nightly"},
    "Configuration": {"name": "nightly", "runConfigurations": VPC},
}
KINDS = pytest.mark.parametrize("kind", [RUN_GROUP, RUN_CACHE, CONFIGURATION], ids=lambda kind: kind.suffix)
CREATORS: dict[str, Callable[..., Any]] = {
    "RunGroup": OmicsCreateRunGroupOperator,
    "RunCache": OmicsCreateRunCacheOperator,
    "Configuration": OmicsCreateConfigurationOperator,
}
DELETERS: dict[str, Callable[..., Any]] = {
    "RunGroup": OmicsDeleteRunGroupOperator,
    "RunCache": OmicsDeleteRunCacheOperator,
    "Configuration": OmicsDeleteConfigurationOperator,
}


def operator(kind: ResourceKind, **kwargs: Any) -> Any:
    asked = {snake_case(name): value for name, value in ASKED[kind.suffix].items()}
    waiting = {"waiter_delay": 0.02} if kind is CONFIGURATION else {}
    return CREATORS[kind.suffix](task_id="create", **{**asked, **waiting, **kwargs})


def create(kind: ResourceKind, **kwargs: Any) -> TaskRun:
    return run_task(operator(kind, **kwargs))


def delete(kind: ResourceKind, identifier: str) -> TaskRun:
    return run_task(DELETERS[kind.suffix](task_id="delete", **{kind.argument: identifier}))


def kept(account: AccountState, kind: ResourceKind) -> dict[str, Any]:
    stores: dict[str, Any] = {
        "RunGroup": account.run_groups,
        "RunCache": account.run_caches,
        "Configuration": account.configurations,
    }
    store: dict[str, Any] = stores[kind.suffix]
    return store


def made(account: AccountState, kind: ResourceKind) -> list[Any]:
    return list(kept(account, kind).values())


def shown(omics: Any, kind: ResourceKind, identifier: str) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(omics, f"get_{snake_case(kind.suffix[0].lower() + kind.suffix[1:])}")(
        **{kind.identifier: identifier}
    )
    return answer


def creator(kind: ResourceKind, hook: OmicsHook | None = None, **changes: Any) -> ResourceCreator:
    hook = hook or OmicsHook()
    return ResourceCreator(hook, kind, {**ASKED[kind.suffix], **changes}, logging.getLogger(__name__), lambda _: False)
