"""Arguments that do nothing beside others, which the log tells and nothing refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from cohorts import CohortLab, cohort
from task_runs import TaskInstance, run_task
from usage_setup import called_often

from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.preflight import OmicsPreflightOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator
from airflow_provider_omics.operators.without_effect import without_effect
from airflow_provider_omics.sensors.run import OmicsRunSensor

ROLE = "arn:aws:iam::123456789012:role/omics"
RUN: dict[str, Any] = {"task_id": "run", "workflow_id": "1", "role_arn": ROLE, "output_uri": "s3://results/out"}
COHORT: dict[str, Any] = {**RUN, "run_settings": [{"runSettingId": "a"}]}
NOT_AWAITED = "they are for the end of the job, which this task does not wait for (wait_for_completion)"
NO_COST = "no cost is looked up or estimated"


@pytest.fixture
def server(omics_local: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> LocalOmics:
    """Airflow's connection leads to the server."""
    return called_often(omics_local, monkeypatch)


def test_what_is_for_the_end_is_told_where_nobody_waits_for_it(lab: CohortLab, told: Callable[[], str]) -> None:
    lab.run(cohort(2), wait_for_completion=False, fail_fast=True, redrive_attempts=2, report=True)
    line = f"Without effect in this task: fail_fast, redrive_attempts, report; {NOT_AWAITED}"
    assert line in " ".join(told().split())


def test_a_sensor_tells_of_prices_that_nothing_is_for(lab: CohortLab, told: Callable[[], str]) -> None:
    batch_id = lab.run(cohort(1)).result
    (run,) = lab.state.runs_of_batch(batch_id)
    run_task(OmicsRunSensor(task_id="wait", run_id=run.run_id, price_file="s3://results/prices.json"), TaskInstance())
    assert f"Without effect in this task: price_file; {NO_COST}" in " ".join(told().split())


@pytest.mark.parametrize(
    ("task", "names"),
    [
        (OmicsStartRunOperator(**RUN, price_file="p.json"), ["price_file"]),
        (OmicsStartRunOperator(**RUN, price_file="p.json", usage="all"), []),
        (OmicsStartRunOperator(**RUN, price_file="p.json", max_cost_usd=0), []),
        (OmicsStartRunOperator(**RUN, usage="all", wait_for_completion=False), ["usage"]),
        (OmicsStartRunOperator(**RUN, check_inputs_timeout=60), ["check_inputs_timeout"]),
        (OmicsStartRunOperator(**RUN, check_inputs_timeout=60, check_inputs="warn"), []),
        (OmicsStartRunBatchOperator(**COHORT), []),
        (OmicsStartRunBatchOperator(**COHORT, wait_for_completion=False), []),
        (OmicsStartRunBatchOperator(**COHORT, tolerated_failure_count=1, fail_fast=True), []),
        (OmicsStartRunBatchOperator(**COHORT, usage="all", usage_sample_size=5), ["usage_sample_size"]),
        (OmicsStartRunBatchOperator(**COHORT, usage="sample", usage_sample_size=5), []),
        (
            OmicsStartRunBatchOperator(
                **COHORT, results_uri="s3://results/b", price_file="p", wait_for_completion=False
            ),
            ["results_uri", "price_file"],
        ),
        (OmicsPreflightOperator(task_id="preflight", check_inputs_timeout=1), ["check_inputs_timeout"]),
    ],
)
def test_only_what_was_given_and_does_nothing_is_told(task: Any, names: list[str]) -> None:
    lines = [line.removeprefix("Without effect in this task: ").partition(";")[0] for line in without_effect(task)]
    assert [name for line in lines for name in line.split(", ")] == names


def test_what_a_dag_gives_to_all_of_its_tasks_is_refused_of_none() -> None:
    defaults = {"check_inputs_timeout": 60, "price_file": "p.json", "redrive_attempts": 2, "sheet_delimiter": ";"}
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args=defaults):
        task = OmicsStartRunBatchOperator(**COHORT, wait_for_completion=False)
    assert len([*without_effect(task)]) == 3
