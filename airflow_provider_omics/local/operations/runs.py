"""StartRun, GetRun, ListRuns, CancelRun, DeleteRun."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from airflow_provider_omics.healthomics.api.console import engine_log_stream, run_log_stream
from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.healthomics.requests.shapes import operation_model
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.assumptions import ListOrder, TwoFilters
from airflow_provider_omics.local.errors import ResourceNotFoundException, ValidationException, error_of_code
from airflow_provider_omics.local.logs import log_stream_arn
from airflow_provider_omics.local.operations.answers import page_answer, present
from airflow_provider_omics.local.operations.registry import Answer, operation
from airflow_provider_omics.local.pagination import Reversed
from airflow_provider_omics.local.records import Run
from airflow_provider_omics.local.runs.machine import cancel_run, create_run, delete_run
from airflow_provider_omics.local.runs.status import status_at
from airflow_provider_omics.local.workflows.catalogue import is_shared
from airflow_provider_omics.local.workflows.downloads import link

_NOT_AS_REQUESTED = frozenset({"tags", "workflowVersionName", "parameters", "parametersUri"})


@operation("StartRun")
def start_run(state: AccountState, request: dict[str, Any]) -> Answer:
    """Start a run; it is PENDING in the answer."""
    run = create_run(state, request)
    return present(
        arn=run.arn,
        id=run.run_id,
        status=run.status,
        tags=run.tags,
        uuid=run.uuid,
        runOutputUri=run.output_root,
        configuration=_configuration(state, run),
        networkingMode=run.request.get("networkingMode", "RESTRICTED"),
    )


@operation("GetRun")
def get_run(state: AccountState, request: dict[str, Any]) -> Answer:
    """Describe a run."""
    run = find_run(state, request["id"])
    if state.now() < run.creation_time + timedelta(seconds=state.assumptions.get_run_lag_seconds):
        raise _not_found(run.run_id)
    answer = present(
        **{name: run.request.get(name) for name in _shown_as_requested()},
        **_parameters(run),
        arn=run.arn,
        id=run.run_id,
        uuid=run.uuid,
        status=run.status,
        batchId=run.batch_id,
        workflowVersionName=run.version_name,
        workflowUuid=run.workflow.uuid,
        digest=run.workflow.digest,
        startedBy=state.user_arn,
        creationTime=run.creation_time,
        startTime=run.start_time,
        stopTime=run.stop_time,
        failureReason=run.failure_reason,
        statusMessage=run.status_message,
        tags=run.tags,
        runOutputUri=run.output_root,
        logLocation=_log_location(state, run),
        configuration=_configuration(state, run),
        vpcConfig=run.configuration.vpc_config if run.configuration else None,
    )
    if "DEFINITION" in request.get("export", ()):
        answer["definition"] = _definition(state, run)
    return answer


@cache
def _shown_as_requested() -> frozenset[str]:
    """Return the members that GetRun shows as StartRun was given them."""
    asked, shown = operation_model("StartRun").input_shape, operation_model("GetRun").output_shape
    assert asked is not None
    assert shown is not None
    return frozenset(asked.members.keys() & shown.members.keys()) - _NOT_AS_REQUESTED


@operation("ListRuns")
def list_runs(state: AccountState, request: dict[str, Any]) -> Answer:
    """List runs, filtered by name, run group, batch and status."""
    filters = [name for name in ("name", "runGroupId", "batchId", "status") if name in request]
    if len(filters) > 1 and state.assumptions.two_filters_of_runs is TwoFilters.REFUSED:
        raise error_of_code(
            state.assumptions.two_filters_code, f"Only one filter can be given, not {', '.join(filters)}"
        )
    runs = state.runs_of_batch(request["batchId"]) if "batchId" in request else state.run_index.all()
    if state.assumptions.list_runs_order is ListOrder.NEWEST_FIRST:
        runs = Reversed(runs)
    seen_at = state.now() - timedelta(seconds=state.assumptions.run_status_lag_in_list_seconds)
    return page_answer(
        state,
        request,
        runs,
        key=lambda run: run.sequence,
        describe=lambda run: _list_item(run, seen_at),
        keep=_filter(state, request, seen_at),
    )


@operation("CancelRun")
def cancel(state: AccountState, request: dict[str, Any]) -> Answer:
    """Begin to cancel a run."""
    cancel_run(state, find_run(state, request["id"]))
    return {}


@operation("DeleteRun")
def delete(state: AccountState, request: dict[str, Any]) -> Answer:
    """Delete a run that has ended."""
    delete_run(state, find_run(state, request["id"]))
    return {}


def find_run(state: AccountState, run_id: str) -> Run:
    """Return a run.

    :raises ResourceNotFoundException: there is none of this id.
    """
    run = state.runs.get(run_id)
    if run is None:
        raise _not_found(run_id)
    return run


def _not_found(run_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Run {run_id} not found")


def _filter(state: AccountState, request: dict[str, Any], seen_at: datetime) -> Callable[[Run], bool] | None:
    name, group, status = request.get("name"), request.get("runGroupId"), request.get("status")
    lag = state.assumptions.list_runs_lag_seconds
    if name is None and group is None and status is None and not lag:
        return None
    newest = state.now() - timedelta(seconds=lag)

    def keep(run: Run) -> bool:
        return (
            (status is None or status_at(run, seen_at) == status)
            and (name is None or run.request.get("name") == name)
            and (group is None or run.request.get("runGroupId") == group)
            and run.creation_time <= newest
        )

    return keep


def _list_item(run: Run, seen_at: datetime) -> Answer:
    request = run.request
    is_old = run.stop_time is None or run.stop_time <= seen_at
    return {
        "arn": run.arn,
        "id": run.run_id,
        "status": status_at(run, seen_at),
        "workflowId": request["workflowId"],
        "batchId": run.batch_id,
        "name": request.get("name"),
        "priority": request.get("priority"),
        "storageCapacity": request.get("storageCapacity"),
        "creationTime": run.creation_time,
        "startTime": run.start_time,
        "stopTime": run.stop_time if is_old else None,
        "storageType": request["storageType"],
        "workflowVersionName": run.version_name,
        "workflowName": run.workflow.name,
    }


def _parameters(run: Run) -> Answer:
    if "parametersUri" in run.request:
        return {"parametersUri": run.parameters_link or run.request["parametersUri"]}
    return {"parameters": run.request["parameters"]}


def _configuration(state: AccountState, run: Run) -> Answer | None:
    name = run.request.get("configurationName")
    if name is None:
        return None
    uuid = {"uuid": run.configuration.uuid} if run.configuration else {}
    return {"name": name, "arn": state.arn(f"configuration/{name}"), **uuid}


def _log_location(state: AccountState, run: Run) -> Answer | None:
    if run.request["logLevel"] == "OFF" or run.status is RunStatus.PENDING:
        return None
    return {
        "engineLogStream": log_stream_arn(state, engine_log_stream(run.run_id)),
        "runLogStream": log_stream_arn(state, run_log_stream(run.run_id)),
    }


def _definition(state: AccountState, run: Run) -> str:
    if is_shared(state, run.workflow):
        raise ValidationException(f"The definition of run {run.run_id} is shared and cannot be exported")
    if run.workflow.definition_zip is None:
        raise ValidationException(f"The workflow of run {run.run_id} has no definition to export")
    return link(state, f"run/{run.run_id}/definition.zip", run.workflow.definition_zip)
