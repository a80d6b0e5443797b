"""What runs will cost, told before they are started, and refused where that is too much."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cohorts import CohortLab, cohort, failing, instance
from omics_errors import raises
from omics_service import wdl_zip
from task_runs import TaskInstance, run_task
from usage_setup import called_often, write_prices

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.cost import OmicsEstimateCostOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

ROLE = "arn:aws:iam::123456789012:role/omics"
PRICES = {
    "asOf": "2026-11-30",
    "products": [
        {"resourceType": "omics.c.large", "unit": "Hours", "usd": 30},
        {"resourceType": "Run Storage", "unit": "GiB-Hours", "usd": 0},
        {"resourceType": "Dynamic Run Storage", "unit": "GiB-Hours", "usd": 0},
    ],
}
# A run has two tasks, each billed for a minute: 1 USD.
RULES = (OutcomeRule(pattern="again", outcome="SERVICE_ERROR", times=1),)


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any]) -> dict[str, Any]:
    return {**omics_local_settings, "outcomes": SimulatedOutcomes(rules=RULES)}


@pytest.fixture
def server(omics_local: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> LocalOmics:
    """Airflow's connection leads to the server, which may be called often."""
    return called_often(omics_local, monkeypatch)


@pytest.fixture
def price_file(tmp_path: Path) -> str:
    return write_prices(tmp_path, PRICES)


def start(lab: CohortLab, ti: TaskInstance | None = None, **kwargs: Any) -> TaskInstance:
    ti = ti or TaskInstance(run_id="next")
    arguments = {"role_arn": ROLE, "output_uri": "s3://results/out", "waiter_delay": 0.02, **kwargs}
    arguments.setdefault("workflow_id", lab.workflow_id)
    run_task(OmicsStartRunOperator(task_id="start_run", **arguments), ti)
    return ti


def test_a_run_is_estimated_from_the_last_ones_and_refused_above_the_limit(
    lab: CohortLab, price_file: str, told: Callable[[], str]
) -> None:
    lab.run(cohort(6), storage_type="DYNAMIC")
    ti = start(lab, max_cost_usd=1.5, price_file=price_file)
    estimate = ti.xcoms["cost_estimate"]
    assert (estimate["cost_usd"], estimate["based_on_runs"], estimate["runs"]) == ("1", 6, 1)
    assert estimate["workflow_id"] == lab.workflow_id
    assert "1 run will cost about 1.00 USD (the median of the last 6 runs" in told()
    started = lab.calls("StartRun")
    with raises(OmicsRequestInvalidError, match="max_cost_usd: is 0.50 USD, and 1 run will cost about 1.00 USD"):
        start(lab, TaskInstance(run_id="refused"), max_cost_usd=0.5, price_file=price_file)
    assert lab.calls("StartRun") == started


def test_of_an_unknown_cost_nothing_is_started_unless_that_is_wanted(
    lab: CohortLab, price_file: str, told: Callable[[], str]
) -> None:
    with raises(OmicsRequestInvalidError, match="0 completed runs of workflow .* were found, and it takes 5"):
        start(lab, max_cost_usd=100, price_file=price_file)
    assert lab.calls("StartRun") == 0
    ti = start(lab, max_cost_usd="100", unknown_cost="start", price_file=price_file)
    assert ti.xcoms["cost_estimate"]["cost_usd"] is None
    assert "What 1 run will cost is unknown" in told()


def test_only_runs_of_the_same_version_that_completed_count(lab: CohortLab, price_file: str) -> None:
    lab.run([*cohort(5), failing("bad")], tolerated_failure_count=1)
    omics = lab.omics
    other = omics.create_workflow_version(
        workflowId=lab.workflow_id, versionName="v2", definitionZip=wdl_zip(), requestId="v2"
    )["versionName"]
    operator = OmicsEstimateCostOperator(
        task_id="estimate", workflow_id=lab.workflow_id, runs="{{ 400 }}", price_file=price_file
    )
    found = run_task(operator).result
    assert (found["cost_usd"], found["based_on_runs"]) == ("400", 5)
    operator = OmicsEstimateCostOperator(
        task_id="estimate", workflow_id=lab.workflow_id, workflow_version_name=other, price_file=price_file
    )
    assert run_task(operator).result["cost_usd"] is None


def test_a_run_again_is_estimated_as_its_workflow(lab: CohortLab, price_file: str) -> None:
    lab.run(cohort(5))
    run_id = lab.omics.list_runs()["items"][0]["id"]
    ti = start(lab, workflow_id=None, run_id=run_id, estimate_runs=5, price_file=price_file)
    assert ti.xcoms["cost_estimate"]["cost_usd"] == "1"


def test_a_cohort_is_estimated_by_its_samples_and_a_redrive_by_those_that_are_run_again(
    lab: CohortLab, price_file: str, told: Callable[[], str]
) -> None:
    lab.run(cohort(5), instance(run_id="first"))
    samples = [*cohort(3), {"runSettingId": "again"}]
    with raises(OmicsRequestInvalidError, match="4 runs will cost about 4.00 USD"):
        lab.run(samples, instance(run_id="second"), max_cost_usd=3.99, price_file=price_file)
    assert lab.calls("StartRunBatch") == 1
    task = lab.run(samples, instance(run_id="second"), max_cost_usd=4, price_file=price_file, redrive_attempts=1)
    assert lab.column(task.ti, "run_status") == ["COMPLETED"] * 4
    assert "4 runs will cost about 4.00 USD" in told()
    assert task.ti.xcoms["cost_estimate"]["runs"] == 1
    assert lab.calls("StartRunBatch") == 3


def test_a_redrive_that_costs_too_much_is_left_out_and_the_table_is_written(
    lab: CohortLab, price_file: str, tmp_path: Path, told: Callable[[], str]
) -> None:
    lab.run(cohort(5), instance(run_id="first"))
    ti = instance(run_id="second", max_tries=1)
    arguments: dict[str, Any] = {"max_cost_usd": 2, "price_file": price_file}
    lab.fail([*cohort(1), {"runSettingId": "again"}], ti, **arguments)
    Path(price_file).write_text(json.dumps(PRICES).replace(": 30", ": 3000"))
    lab.fail(
        [*cohort(1), {"runSettingId": "again"}], instance(2, run_id="second", max_tries=1, xcoms=ti.xcoms), **arguments
    )
    assert "What did not complete is not run again" in told()
    assert lab.calls("StartRunBatch") == 2
    assert lab.column(ti, "run_status") == ["COMPLETED", "FAILED"]


def test_a_try_that_takes_over_a_run_estimates_nothing(lab: CohortLab, price_file: str) -> None:
    lab.run(cohort(5))
    start(lab, max_cost_usd=5, price_file=price_file)
    ti = start(lab, TaskInstance(run_id="next", try_number=2), max_cost_usd=0.01, price_file=price_file)
    assert "cost_estimate" not in ti.xcoms
    assert lab.calls("StartRun") == 1


def test_a_refused_look_up_is_an_unknown_cost(lab: CohortLab, price_file: str) -> None:
    denied: dict[str, Any] = {"code": "AccessDeniedException", "http_status": 403}
    lab.server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="ListRuns", count=None, **denied))
    with raises(OmicsRequestInvalidError, match="ListRuns came to AccessDeniedException"):
        start(lab, max_cost_usd=5, price_file=price_file)
    assert lab.calls("StartRun") == 0


def test_a_ready2run_workflow_costs_its_list_price(lab: CohortLab, tmp_path: Path) -> None:
    ready = lab.omics.list_workflows(type="READY2RUN")["items"][0]["id"]
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"products": [{"resourceType": ready, "unit": "Run", "usd": 12.5}]}))
    operator = OmicsEstimateCostOperator(
        task_id="estimate", workflow_id=ready, workflow_type="READY2RUN", runs=2, price_file=str(path)
    )
    assert run_task(operator).result["cost_usd"] == "25"
    path.write_text('{"products": []}')
    assert "has no known price" in run_task(operator).result["text"]


def test_runs_that_cost_differently_give_a_median_and_a_band(lab: CohortLab, price_file: str) -> None:
    for number, tasks in enumerate(("a", "a b", "a b c", "a b c d", "a b c d e f")):
        lab.run([{"runSettingId": "one", "runTags": {"omics-local:tasks": tasks}}], instance(run_id=f"run-{number}"))
    operator = OmicsEstimateCostOperator(
        task_id="estimate", workflow_id=lab.workflow_id, runs=10, price_file=price_file
    )
    found = run_task(operator).result
    assert Decimal(found["cost_usd"]) == 10 * statistics.median([Decimal(n) / 2 for n in (1, 2, 3, 4, 6)])
    assert Decimal(found["cost_usd_low"]) == Decimal("7")
    assert Decimal(found["cost_usd_high"]) == Decimal("26")


def test_runs_that_failed_say_nothing_of_the_next_ones(lab: CohortLab, price_file: str) -> None:
    lab.run([failing(f"bad-{n}") for n in range(6)], tolerated_failure_count=6)
    with raises(OmicsRequestInvalidError, match="0 completed runs of workflow .* were found, and it takes 5"):
        start(lab, max_cost_usd=100, price_file=price_file)


@pytest.mark.parametrize("limit", [math.nan, "nan", -1, "-0.01", True, "plenty", "1 EUR"])
def test_a_limit_that_is_no_amount_is_refused_when_the_dag_is_parsed(limit: Any) -> None:
    with raises(OmicsRequestInvalidError, match="max_cost_usd: is .* Give a number, 0 or more, or None"):
        OmicsStartRunOperator(task_id="run", workflow_id="1", role_arn=ROLE, output_uri="s3://b/o", max_cost_usd=limit)


def test_a_limit_of_nothing_is_one(lab: CohortLab, price_file: str) -> None:
    lab.run(cohort(5))
    with raises(OmicsRequestInvalidError, match="max_cost_usd: is 0.00 USD, and 1 run will cost about 1.00 USD"):
        start(lab, max_cost_usd=0, price_file=price_file)
    assert lab.calls("StartRun") == 0


def test_bad_arguments_are_found_when_the_dag_is_parsed() -> None:
    with raises(OmicsRequestInvalidError, match="workflow_id: is missing"):
        OmicsEstimateCostOperator(task_id="estimate")
    with raises(OmicsRequestInvalidError, match="unknown_cost"):
        OmicsStartRunOperator(
            task_id="run", workflow_id="1", role_arn=ROLE, output_uri="s3://b/o", unknown_cost="maybe", max_cost_usd=1
        )
    with raises(OmicsRequestInvalidError, match="max_cost_usd"):
        OmicsStartRunOperator(task_id="run", workflow_id="1", role_arn=ROLE, output_uri="s3://b/o", max_cost_usd=-1)
