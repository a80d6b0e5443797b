"""What OmicsStartRunBatchOperator costs: calls, XComs and log lines do not grow with the cohort where they must not."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from call_clock import CallClock
from cohorts import MODES, CohortLab, cohort, failing, instance, lasting

from airflow_provider_omics.local import LocalOmics, SimulatedOutcomes

LISTS = ("ListRunsInBatch", "ListRuns")


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any], call_clock: CallClock) -> dict[str, Any]:
    return {**omics_local_settings, "outcomes": SimulatedOutcomes(write_logs=False), "clock": call_clock}


@pytest.fixture
def server(omics_local: LocalOmics, call_clock: CallClock) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return call_clock.follow(omics_local)


@MODES
def test_a_large_cohort_takes_two_lists_per_100_samples_and_small_xcoms(lab: CohortLab, deferrable: bool) -> None:
    task = lab.run(cohort(1001), deferrable=deferrable)
    assert [lab.calls(operation) for operation in LISTS] == [11, 11]
    assert lab.calls("GetRun") == 1
    assert "runs" not in task.ti.xcoms
    assert task.ti.xcoms["batch_summary"]["completed"] == 1001
    assert len(json.dumps(task.ti.xcoms)) < 2500
    assert len(json.dumps(task.triggers)) < 1500
    assert lab.column(task.ti, "run_setting_id") == [f"sample-{n}" for n in range(1001)]
    # Which may be raised.
    again = lab.run(cohort(1001), instance(2), runs_limit=1001)
    assert len(again.ti.xcoms["runs"]) == 1001
    assert lab.calls("StartRunBatch") == 1


@MODES
def test_failures_are_looked_up_and_told_up_to_a_bound(lab: CohortLab, deferrable: bool) -> None:
    samples = [failing(f"bad-{n}", "OUT_OF_MEMORY_ERROR") for n in range(130)] + cohort(70)
    task = lab.fail(samples, failure_lookup_limit=20, deferrable=deferrable)
    # Beside what is told of while the batch runs.
    calls = lab.calls_after_the_wait()
    assert calls["GetRun"] == 20
    assert [calls[operation] for operation in LISTS] == [2, 2]
    codes = lab.column(task.ti, "failure_code")
    assert codes == ["OUT_OF_MEMORY_ERROR"] * 20 + [""] * 180
    assert task.ti.xcoms["batch_summary"]["failure_classes"] == {"unknown": 110, "workflow": 20}
    assert task.ti.xcoms["failed_run_setting_ids"] == [f"bad-{n}" for n in range(100)]
    assert len(task.ti.xcoms["failures"]) == 100
    assert len(json.dumps(task.ti.xcoms["failures"])) < 50_000
    assert len(task.error.message()) < 8000


def test_no_failure_is_looked_up_where_none_may_be(lab: CohortLab) -> None:
    lab.fail([failing("bad"), *cohort(1)], failure_lookup_limit=0)
    assert lab.calls("GetRun") <= 1


def test_lists_that_lag_cost_no_more_looks_than_the_bound(lab: CohortLab) -> None:
    lab.server.change(assumptions={"run_status_lag_in_list_seconds": 3.0})
    task = lab.run(cohort(60), failure_lookup_limit=25)
    # Two rounds see 25 runs each, the third the rest in the lists.
    assert task.ti.xcoms["batch_summary"]["completed"] == 60
    assert lab.calls("GetRun") <= 3 * 25 + 1


def test_only_changes_are_logged(
    lab: CohortLab, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        lab.run([lasting("slow", 1.0), *cohort(2)])
    # Airflow 3 writes a task's log to the standard output, Airflow 2 through the standard library.
    told = capsys.readouterr().out or caplog.text
    looks = re.findall(r"HealthOmics batch \d+ is [^;\[\n]+", told)
    assert lab.calls("GetBatch") > 20
    assert 3 <= len(looks) <= 8
    assert len(set(looks)) == len(looks)
    assert "3 of 3 samples of the cohort completed (tolerated failures: 0)" in told
