"""What the task of one run tells of its use and cost, whatever came of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from omics_errors import raises
from task_runs import TaskInstance, TaskRun, run_task
from usage_setup import called_often, write_prices

from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsRunFailedError
from airflow_provider_omics.healthomics.api.console import LOG_GROUP
from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.local.records import Run
from airflow_provider_omics.local.runs.machine import cancel_run
from airflow_provider_omics.operators.run import OmicsStartRunOperator
from airflow_provider_omics.sensors.run import OmicsRunSensor

ROLE = "arn:aws:iam::123456789012:role/omics"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
USD = {"omics.c.large": 137.7, "Run Storage": 19.18, "Dynamic Run Storage": 4110}
PRICES = {
    "asOf": "2026-11-30",
    "products": [{"resourceType": kind, "unit": "Hours", "usd": usd} for kind, usd in USD.items()],
}


@pytest.fixture
def server(omics_local: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> LocalOmics:
    """Airflow's connection leads to the server, which may be called often."""
    return called_often(omics_local, monkeypatch)


@pytest.fixture
def workflow_id(server: LocalOmics, make_workflow: Callable[..., str]) -> str:
    return make_workflow()


@pytest.fixture
def price_file(tmp_path: Path) -> str:
    return write_prices(tmp_path, PRICES)


def start(workflow_id: str, ti: TaskInstance | None = None, **kwargs: Any) -> TaskRun:
    arguments = {"role_arn": ROLE, "output_uri": "s3://results/out", "waiter_delay": 0.02, "usage": "all", **kwargs}
    return run_task(OmicsStartRunOperator(task_id="start_run", workflow_id=workflow_id, **arguments), ti)


def recounted(server: LocalOmics, run_id: str) -> Fraction:
    """Count what a run cost, once more."""
    omics = server.client("omics")
    run = omics.get_run(id=run_id)
    usd = {kind: Fraction(str(price)) for kind, price in USD.items()}
    cost = Fraction(0)
    for task in omics.list_run_tasks(id=run_id)["items"]:
        if "startTime" in task:
            lasted = Fraction((task["stopTime"] - task["startTime"]).total_seconds())
            cost += usd[task["instanceType"]] * max(lasted, Fraction(60)) / 3600
    if "startTime" not in run:
        return cost
    hours = Fraction(round((run["stopTime"] - run["startTime"]).total_seconds() * 10**6), 3600 * 10**6)
    if run["storageType"] == "STATIC":
        return cost + usd["Run Storage"] * 1200 * hours
    stream = f"manifest/run/{run_id}/{run['uuid']}"
    said = server.client("logs").get_log_events(logGroupName=LOG_GROUP, logStreamName=stream)["events"]
    return cost + usd["Dynamic Run Storage"] * hours * Fraction(
        str(json.loads(said[0]["message"])["metrics"]["storageAverageGiB"])
    )


def cents(value: Any) -> int:
    return round(Fraction(value) * 100)


@MODES
@pytest.mark.parametrize("storage_type", ["STATIC", "DYNAMIC"])
def test_a_run_tells_what_it_used_and_cost(
    server: LocalOmics, workflow_id: str, price_file: str, deferrable: bool, storage_type: str, told: Callable[[], str]
) -> None:
    task = start(workflow_id, price_file=price_file, deferrable=deferrable, storage_type=storage_type)
    used = task.ti.xcoms["run_usage"]
    assert cents(used["cost_usd"]) == cents(recounted(server, task.result)) > 0
    assert (used["price_as_of"], used["tasks"], used["attempts"], used["cache_hits"]) == ("2026-11-30", 2, 2, 0)
    assert used["cpu_hours"] > 0
    assert used["running_seconds"] > 0
    assert f"HealthOmics run {task.result} cost " in told()


@MODES
def test_a_run_that_failed_tells_it_too(
    server: LocalOmics, workflow_id: str, price_file: str, deferrable: bool
) -> None:
    ti = TaskInstance()
    with raises(OmicsRunFailedError) as caught:
        start(
            workflow_id,
            ti,
            price_file=price_file,
            deferrable=deferrable,
            storage_type="STATIC",
            usage="failed",
            tags={"omics-local:outcome": "RUN_TASK_FAILED"},
        )
    assert cents(ti.xcoms["run_usage"]["cost_usd"]) == cents(recounted(server, caught.value.run_id)) > 0


@MODES
def test_a_run_that_was_cancelled_tells_it_too(
    server: LocalOmics, workflow_id: str, price_file: str, deferrable: bool
) -> None:
    def cancel(run: Run, _old: RunStatus | None) -> None:
        if run.status is RunStatus.RUNNING:
            cancel_run(state, run)

    state = server.account("us-east-1")
    state.run_observers.append(cancel)
    ti = TaskInstance()
    with raises(OmicsRunFailedError, match="CANCELLED") as caught:
        start(workflow_id, ti, price_file=price_file, deferrable=deferrable)
    assert cents(ti.xcoms["run_usage"]["cost_usd"]) == cents(recounted(server, caught.value.run_id))


@pytest.mark.parametrize(("usage", "is_told"), [("off", False), ("failed", False), ("sample", True), ("all", True)])
def test_use_is_looked_up_where_it_is_asked_for(
    server: LocalOmics, workflow_id: str, price_file: str, usage: str, is_told: bool
) -> None:
    task = start(workflow_id, usage=usage, price_file=price_file)
    assert ("run_usage" in task.ti.xcoms) is is_told
    assert bool(server.journal.counts["ListRunTasks"]) is is_told


def test_what_cannot_be_looked_up_does_not_fail_a_run_that_completed(
    server: LocalOmics, workflow_id: str, price_file: str, told: Callable[[], str]
) -> None:
    denied: dict[str, Any] = {"code": "AccessDeniedException", "http_status": 403}
    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="ListRunTasks", count=None, **denied))
    task = start(workflow_id, price_file=price_file)
    assert "run_usage" not in task.ti.xcoms
    assert f"What run {task.result} used and cost could not be looked up" in told()


def test_a_cost_without_a_price_is_unknown(
    server: LocalOmics, workflow_id: str, tmp_path: Path, told: Callable[[], str]
) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"products": []}')
    task = start(workflow_id, price_file=str(path))
    assert task.ti.xcoms["run_usage"]["cost_usd"] is None
    assert "cost an unknown amount" in told()


def test_a_ready2run_workflow_costs_its_price(server: LocalOmics, tmp_path: Path) -> None:
    ready = server.client("omics").list_workflows(type="READY2RUN")["items"][0]["id"]
    path = tmp_path / "prices.json"
    task = None
    for products, cost in (
        ([{"resourceType": ready, "unit": "Run", "usd": 12.5}], "12.5"),
        ([{"resourceType": "another", "unit": "Run", "usd": 12.5}], None),
    ):
        path.write_text(json.dumps({"products": products}))
        task = start(ready, TaskInstance(run_id=str(cost)), workflow_type="READY2RUN", price_file=str(path))
        assert task.ti.xcoms["run_usage"]["cost_usd"] == cost


def test_a_price_file_that_is_none_is_refused_before_anything_is_submitted(
    server: LocalOmics, workflow_id: str, tmp_path: Path
) -> None:
    with raises(OmicsRequestInvalidError, match="price_file"):
        start(workflow_id, price_file=str(tmp_path / "none.json"))
    assert server.journal.counts["StartRun"] == 0


@MODES
@pytest.mark.parametrize("outcome", ["COMPLETED", "RUN_TASK_FAILED"])
def test_a_sensor_tells_it_of_any_run(
    server: LocalOmics, workflow_id: str, price_file: str, deferrable: bool, outcome: str
) -> None:
    tags = {} if outcome == "COMPLETED" else {"omics-local:outcome": outcome}
    run = start(workflow_id, wait_for_completion=False, storage_type="STATIC", tags=tags)
    ti = TaskInstance(task_id="wait")
    sensor = OmicsRunSensor(
        task_id="wait",
        run_id=run.result,
        poke_interval=0.02,
        deferrable=deferrable,
        usage="all",
        price_file=price_file,
    )
    try:
        run_task(sensor, ti)
    except OmicsRunFailedError:
        assert outcome != "COMPLETED"
    assert cents(ti.xcoms["run_usage"]["cost_usd"]) == cents(recounted(server, run.result)) > 0
    assert "run_usage" not in run.ti.xcoms
