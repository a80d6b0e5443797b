"""What StartRun checks before it answers, and the request as it holds for the run, defaults merged."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.requests.s3_uris import parse_s3_uri
from airflow_provider_omics.local.errors import (
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
    error_of_code,
)
from airflow_provider_omics.local.runs.parameters import check_parameters
from airflow_provider_omics.local.tagging import checked_tags
from airflow_provider_omics.local.workflows.catalogue import PRIVATE, READY2RUN, find_workflow

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Configuration, Run, Workflow

SERVICE_DEFINED = "SERVICE_DEFINED"
_STATIC_GIB = 1200
_NEVER_COPIED = frozenset({"requestId", "runId", "name", "roleArn", "outputUri"})


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A request that passed every check.

    :ivar request: the members as they hold for the run, without its tags.
    :ivar workflow: the workflow, or the version of it, that the run uses.
    :ivar configuration: of a run in a VPC.
    """

    request: dict[str, Any]
    tags: dict[str, str]
    workflow: Workflow
    configuration: Configuration | None


def plan_run(state: AccountState, request: dict[str, Any]) -> RunPlan:
    """Check a StartRun request and work out what it means.

    :raises ServiceError: with the code that StartRun answers.
    """
    merged = _with_copied_values(state, request)
    workflow = active_workflow(state, merged)
    check_common_fields(state, merged)
    check_parameters(state, workflow, merged)
    _check_output(merged)
    tags = checked_tags(merged.pop("tags", None), state.quotas.tags)
    _set_defaults(state, workflow, merged)
    return RunPlan(merged, tags, workflow, state.configurations.get(merged.get("configurationName", "")))


def active_workflow(state: AccountState, request: dict[str, Any]) -> Workflow:
    """Return the workflow, or its version, that a run or batch request names.

    :raises ServiceError: there is none of that id, type, owner and version, or it is not ACTIVE.
    """
    try:
        workflow = find_workflow(
            state,
            request["workflowId"],
            workflow_type=request.get("workflowType"),
            owner_id=request.get("workflowOwnerId"),
            version_name=request.get("workflowVersionName"),
        )
    except ResourceNotFoundException as error:
        raise error_of_code(state.assumptions.unknown_reference_code, error.message) from None
    if workflow.status != "ACTIVE":
        raise error_of_code(
            state.assumptions.wrong_state_code,
            f"Workflow {workflow.workflow_id} is {workflow.status}; a run needs an ACTIVE workflow",
        )
    return workflow


def check_common_fields(state: AccountState, request: dict[str, Any]) -> None:
    """Check the fields that a batch gives for all its runs at once: cache, group, network, session policy.

    :raises ServiceError: with the code that StartRun answers.
    """
    _check_cache(state, request)
    _check_group(state, request)
    _check_network(state, request)
    _check_session_policy(request)


def _with_copied_values(state: AccountState, request: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in request.items() if value is not None and name != "requestId"}
    if "runId" not in given:
        if "workflowId" not in given:
            raise ValidationException("Either workflowId or runId is required")
        return given
    if "workflowId" in given and not state.assumptions.workflow_id_with_run_id:
        raise ValidationException("workflowId and runId cannot be given together")
    earlier = state.runs.get(given["runId"])
    if earlier is None:
        raise ResourceNotFoundException(f"Run {given['runId']} not found")
    _check_rerun(state, earlier)
    return {**_copied(state, earlier, given), **given}


def _check_rerun(state: AccountState, earlier: Run) -> None:
    if earlier.request.get("workflowOwnerId") not in (None, state.account):
        raise ValidationException(f"Run {earlier.run_id} used a shared workflow; give its workflowId instead")
    is_ready2run = earlier.workflow.workflow_type == READY2RUN
    if is_ready2run and not state.assumptions.ready2run_can_be_rerun:
        raise ValidationException(f"Run {earlier.run_id} used a READY2RUN workflow and cannot be run again")


def _copied(state: AccountState, earlier: Run, given: dict[str, Any]) -> dict[str, Any]:
    left_out = set(_NEVER_COPIED)
    if "parametersUri" in earlier.request:
        # What was read out of the file is the earlier run's own.
        left_out.add("parameters")
    if given.keys() & {"parameters", "parametersUri"}:
        left_out.update(("parameters", "parametersUri"))
    if not state.assumptions.rerun_copies_cache:
        left_out.update(("cacheId", "cacheBehavior"))
    if not state.assumptions.rerun_copies_retention:
        left_out.add("retentionMode")
    copied = {name: value for name, value in earlier.request.items() if name not in left_out}
    if state.assumptions.rerun_copies_tags:
        copied["tags"] = earlier.tags
    return copied


def _check_output(request: dict[str, Any]) -> None:
    uri = request.get("outputUri")
    if uri is None:
        raise ValidationException("outputUri is required")
    if parse_s3_uri(uri) is None:
        raise ValidationException(f"outputUri {uri!r} is not an S3 URI of the form s3://bucket/prefix")


def _check_cache(state: AccountState, request: dict[str, Any]) -> None:
    cache_id = request.get("cacheId")
    if cache_id is None:
        if "cacheBehavior" in request:
            raise ValidationException("cacheBehavior needs a cacheId")
        return
    if request.get("workflowType") == READY2RUN:
        raise ValidationException("A run cache cannot be used with a READY2RUN workflow")
    cache = state.run_caches.get(cache_id)
    if cache is None or cache.status != "ACTIVE":
        raise error_of_code(state.assumptions.unknown_reference_code, f"Run cache {cache_id} not found or not ACTIVE")


def _check_group(state: AccountState, request: dict[str, Any]) -> None:
    group_id = request.get("runGroupId")
    if group_id is not None and group_id not in state.run_groups:
        raise error_of_code(state.assumptions.unknown_reference_code, f"Run group {group_id} not found")


def _check_network(state: AccountState, request: dict[str, Any]) -> None:
    vpc = request.get("networkingMode") == "VPC"
    name = request.get("configurationName")
    if vpc and name is None:
        raise ValidationException("networkingMode VPC needs a configurationName")
    if not vpc and name is not None:
        raise ValidationException("configurationName needs networkingMode VPC")
    if name is not None and not state.assumptions.any_configuration_is_active:
        _check_configuration(state, name)


def _check_configuration(state: AccountState, name: str) -> None:
    configuration = state.configurations.get(name)
    if configuration is None:
        raise error_of_code(state.assumptions.unknown_reference_code, f"Configuration {name} not found")
    if configuration.status != "ACTIVE":
        raise error_of_code(
            state.assumptions.wrong_state_code,
            f"Configuration {name} is {configuration.status}; a run needs an ACTIVE configuration",
        )


def _check_session_policy(request: dict[str, Any]) -> None:
    policy = request.get("sessionPolicy")
    if policy is None:
        return
    try:
        json.loads(policy)
    except ValueError as error:
        raise ValidationException(f"sessionPolicy is not a JSON policy document: {error}") from error


def _set_defaults(state: AccountState, workflow: Workflow, request: dict[str, Any]) -> None:
    if "parametersUri" not in request:
        request["parameters"] = request.get("parameters") or {}
    request.setdefault("workflowType", PRIVATE)
    request.setdefault("retentionMode", "RETAIN")
    request.setdefault("logLevel", "ALL")
    request.setdefault("outputUriPrefixMode", SERVICE_DEFINED)
    request.setdefault("requesterPaysEnabled", False)
    if request.get("cacheId"):
        settings = state.run_caches[request["cacheId"]].settings
        request.setdefault("cacheBehavior", settings.get("cacheBehavior", "CACHE_ON_FAILURE"))
    # The service ignores them silently for the other engines and never returns them.
    if workflow.engine != "NEXTFLOW":
        request.pop("engineSettings", None)
    _set_storage(state, workflow, request)


def _set_storage(state: AccountState, workflow: Workflow, request: dict[str, Any]) -> None:
    default = workflow.storage_type or state.assumptions.default_storage_type
    request.setdefault("storageType", default)
    if request["storageType"] == "DYNAMIC":
        request.pop("storageCapacity", None)
        return
    wanted = request.get("storageCapacity") or workflow.storage_capacity or _STATIC_GIB
    request["storageCapacity"] = math.ceil(wanted / _STATIC_GIB) * _STATIC_GIB
    if request["storageCapacity"] > state.quotas.static_storage_gib:
        raise ServiceQuotaExceededException(
            f"storageCapacity {wanted} GiB exceeds the quota of {state.quotas.static_storage_gib} GiB per run"
        )
