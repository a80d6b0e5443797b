"""Estimating, before runs are started, what they will cost: what a task looks up for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.jobs.price_source import prices_or_none
from airflow_provider_omics.jobs.use_reader import RunUseReader
from airflow_provider_omics.usage.estimate import CostEstimate
from airflow_provider_omics.usage.lookup import list_last_runs
from airflow_provider_omics.usage.pricing import PriceBook
from airflow_provider_omics.usage.records import RunRecord
from airflow_provider_omics.usage.run_use import DYNAMIC, READY2RUN


def estimate_cost(
    reader: RunUseReader, price_file: str | None, members: Mapping[str, Any], runs: int, count: int
) -> CostEstimate:
    """Estimate what runs will cost, from the last completed ones of their workflow version.

    Operations: GetRun where a run is run again, ListRuns, ListRunTasks, and where storage is dynamic GetRun and
    GetLogEvents.

    :param price_file: a path or an ``s3://`` URI; None for the Price List Service.
    :param members: of StartRun, which name the workflow.
    :param runs: how many are to be started.
    :param count: from how many of the last runs.
    :return: one that is not known where the service refused a call for a reason that does not pass.
    :raises OmicsServiceError: a call failed, and may not another time.
    :raises OmicsError: the task was killed.
    """
    named = _named(members)
    prices = prices_or_none(reader.hook, price_file, "ListRuns", reader.log)
    if prices is None:
        return CostEstimate(runs, *named, problem="the prices could not be read, as a warning before this says")
    try:
        return _estimate(reader, prices, members, runs, count)
    except OmicsServiceError as error:
        if error.failure_class.retry_may_help:
            raise
        problem = f"{error.operation} came to {error.code} ({error.explanation.message})"
        return CostEstimate(runs, *named, problem=problem)


def _estimate(
    reader: RunUseReader, prices: PriceBook, members: Mapping[str, Any], runs: int, count: int
) -> CostEstimate:
    given = _with_workflow_of_run(reader, members)
    workflow_id, version = _named(given)
    if workflow_id is None:
        return CostEstimate(runs, problem=f"run {members.get('runId')}, to be run again, is gone")
    known = CostEstimate(runs, workflow_id, version, price_as_of=prices.as_of)
    if given.get("workflowType") == READY2RUN:
        price = prices.usd(workflow_id)
        problem = None if price is not None else f"Ready2Run workflow {workflow_id} has no known price"
        return replace(known, list_price=price, problem=problem)
    last = reader.ask(list_last_runs(workflow_id, version, count), "runs", "ListRuns") or []
    uses = [reader.read(_with_uuid(reader, run)) for run in last]
    costs = [(use, cost) for use in uses if (cost := prices.cost(use)) is not None]
    return replace(
        known,
        costs=tuple(cost for _, cost in costs),
        considered=len(last),
        with_cache_hits=sum(bool(use.cache_hits) for use, _ in costs),
    )


def _named(members: Mapping[str, Any]) -> tuple[str | None, str | None]:
    return members.get("workflowId"), members.get("workflowVersionName")


def _with_workflow_of_run(reader: RunUseReader, members: Mapping[str, Any]) -> Mapping[str, Any]:
    run_id = members.get("runId")
    if run_id is None or members.get("workflowId") is not None:
        return members
    run = reader.run(str(run_id))
    if run is None:
        return members
    named = {"workflowId": run.workflow, "workflowVersionName": run.workflow_version, "workflowType": run.workflow_type}
    return {**named, **members}


def _with_uuid(reader: RunUseReader, run: RunRecord) -> RunRecord:
    """Return a run with the uuid by which its manifest is found, where that is needed."""
    if run.storage_type != DYNAMIC or run.run_id is None:
        return run
    return reader.run(run.run_id) or run
