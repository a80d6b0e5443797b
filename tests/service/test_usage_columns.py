"""What a cohort's task tells of use and cost, recounted from the lists, the manifests and the price file."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from cohorts import BUCKET, MODES, ROLE, CohortLab, cohort, failing, instance
from cwl_service import await_that
from holding import HELD_RUN
from omics_errors import raises
from usage_setup import called_often, write_prices

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.api.console import LOG_GROUP
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.discovery.checkpoint import CohortAttempt, CohortCheckpoint
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.jobs import use_reader
from airflow_provider_omics.jobs.usage_collector import UsageCollector
from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.usage.choice import UsageMode
from airflow_provider_omics.usage.columns import USAGE_COLUMNS, SampleUse

PRICES = {
    "asOf": "2026-11-30",
    "products": [
        {"resourceType": "omics.c.large", "unit": "Hours", "usd": 137.7},
        {"resourceType": "Run Storage", "unit": "GiB-Hours", "usd": 19.18},
        {"resourceType": "Dynamic Run Storage", "unit": "GiB-Hours", "usd": 4110},
    ],
}
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


def recounted(lab: CohortLab, sample: str) -> Fraction:
    """Count what all runs of a sample cost, once more."""
    usd = {each["resourceType"]: Fraction(str(each["usd"])) for each in PRICES["products"]}  # type: ignore[attr-defined]
    cost = Fraction(0)
    for run in lab.state.runs.values():
        if run.run_setting_id != sample:
            continue
        assert run.start_time is not None
        assert run.stop_time is not None
        for task in lab.omics.list_run_tasks(id=run.run_id)["items"]:
            if not task.get("cacheHit"):
                lasted = (task["stopTime"] - task["startTime"]).total_seconds()
                cost += usd[task["instanceType"]] * max(Fraction(lasted), Fraction(60)) / 3600
        hours = Fraction(round((run.stop_time - run.start_time).total_seconds() * 10**6), 3600 * 10**6)
        if run.request["storageType"] == "STATIC":
            cost += usd["Run Storage"] * 1200 * hours
        else:
            stream = f"manifest/run/{run.run_id}/{run.uuid}"
            said = lab.server.client("logs").get_log_events(logGroupName=LOG_GROUP, logStreamName=stream)["events"]
            average = json.loads(said[0]["message"])["metrics"]["storageAverageGiB"]
            cost += usd["Dynamic Run Storage"] * Fraction(str(average)) * hours
    return cost


def cents(value: Any) -> int:
    return round(Fraction(value) * 100)


@MODES
def test_a_cohort_tells_what_it_used_and_cost(lab: CohortLab, price_file: str, deferrable: bool) -> None:
    samples = [
        {"runSettingId": "again"},
        {"runSettingId": "static"},
        {"runSettingId": "dynamic", "runTags": {"omics-local:metrics": "storageAverageGiB=7.25"}},
        failing("bad"),
    ]
    task = lab.run(
        samples,
        usage="all",
        price_file=price_file,
        storage_type="DYNAMIC",
        redrive_attempts=1,
        tolerated_failure_count=1,
        deferrable=deferrable,
    )
    rows = {row["run_setting_id"]: row for row in lab.rows(task.ti)}
    assert list(rows) == ["again", "static", "dynamic", "bad"]
    assert list(rows["again"])[-len(USAGE_COLUMNS) :] == list(USAGE_COLUMNS)
    for sample, row in rows.items():
        assert cents(row["cost_usd"]) == cents(recounted(lab, sample)), sample
        assert float(row["cpu_hours"]) > 0
        assert row["price_as_of"] == "2026-11-30"
    assert [row["runs"] for row in rows.values()] == ["2", "1", "1", "1"]
    assert (rows["static"]["tasks"], rows["static"]["attempts"], rows["static"]["cache_hits"]) == ("2", "2", "0")
    summary = task.ti.xcoms["batch_summary"]
    assert (summary["usage"], summary["usage_samples"], summary["price_as_of"]) == ("all", 4, "2026-11-30")
    assert cents(summary["cost_usd"]) == cents(sum(recounted(lab, sample) for sample in rows))
    assert summary["cache_hits"] == 0
    assert summary["gpu_hours"] == 0
    assert summary["cpu_hours"] > 0
    assert json.loads(json.dumps(summary)) == summary


def test_static_storage_and_the_price_list_of_the_service(lab: CohortLab) -> None:
    task = lab.run(cohort(2), usage="all", storage_type="STATIC")
    (first, second) = lab.rows(task.ti)
    # The server's invented prices: two tasks of a minute at least, and storage for the blink of an eye.
    assert float(first["cost_usd"]) == pytest.approx(2 * 0.1 / 60, rel=0.05)
    assert float(first["storage_gib_hours"]) == pytest.approx(float(first["running_seconds"]) / 3, rel=0.01)
    total = Fraction(first["cost_usd"]) + Fraction(second["cost_usd"])
    assert cents(task.ti.xcoms["batch_summary"]["cost_usd"]) == cents(total)


def test_nothing_is_looked_up_by_default(lab: CohortLab) -> None:
    task = lab.run(cohort(2))
    assert lab.calls("ListRunTasks") == 0
    assert "cost_usd" not in lab.rows(task.ti)[0]
    assert "cost_usd" not in task.ti.xcoms["batch_summary"]


def test_failed_is_of_samples_with_a_run_that_did_not_complete(lab: CohortLab, price_file: str) -> None:
    samples = [*cohort(2), {"runSettingId": "again"}, failing("bad")]
    task = lab.run(samples, usage="failed", price_file=price_file, redrive_attempts=1, tolerated_failure_count=1)
    assert lab.column(task.ti, "runs") == ["", "", "2", "1"]
    assert task.ti.xcoms["batch_summary"]["usage_samples"] == 2


def test_a_cohort_that_failed_tells_its_cost_too(lab: CohortLab, price_file: str) -> None:
    task = lab.fail([failing("bad")], usage="all", price_file=price_file, storage_type="STATIC")
    (row,) = lab.rows(task.ti)
    assert cents(row["cost_usd"]) == cents(recounted(lab, "bad"))
    assert task.error.outcome.usage["cost_usd"] == row["cost_usd"]


def test_some_samples_are_taken_by_chance_the_same_each_time(lab: CohortLab, price_file: str) -> None:
    taken = []
    for number in (1, 2):
        ti = instance(map_index=number)
        task = lab.run(
            cohort(8),
            ti,
            usage="sample",
            usage_sample_size=3,
            price_file=price_file,
            results_uri=f"s3://{BUCKET}/chance/{{{{ ti.map_index }}}}",
        )
        rows = lab.rows(task.ti)
        taken.append([row["run_setting_id"] for row in rows if row["runs"]])
        assert task.ti.xcoms["batch_summary"]["usage_samples"] == 3
    assert len(taken[0]) == 3
    assert taken[0] == taken[1]


def test_no_more_calls_are_made_than_allowed(lab: CohortLab, price_file: str, told: Callable[[], str]) -> None:
    # Two of them list the runs.
    task = lab.run(cohort(4), usage="all", usage_calls_limit=4, price_file=price_file, storage_type="STATIC")
    assert lab.calls("ListRunTasks") == 2
    assert lab.column(task.ti, "runs") == ["1", "1", "", ""]
    assert task.ti.xcoms["batch_summary"]["usage_samples"] == 2
    assert "The use of 2 samples was not looked up (usage_calls_limit)" in told()


def test_a_later_try_goes_on_where_one_was_killed(lab: CohortLab, price_file: str) -> None:
    arguments: dict[str, Any] = {"usage": "all", "price_file": price_file, "storage_type": "STATIC"}
    lab.run(cohort(4), usage_calls_limit=4, **arguments)
    assert lab.calls("ListRunTasks") == 2
    again = lab.run(cohort(4), instance(2), **arguments)
    assert len(lab.server.journal.runs()) == 4
    assert lab.calls("ListRunTasks") == 4
    assert lab.column(again.ti, "runs") == ["1"] * 4


@MODES
def test_a_later_try_and_a_redrive_take_the_same_samples(lab: CohortLab, price_file: str, deferrable: bool) -> None:
    arguments: dict[str, Any] = {"usage": "sample", "usage_sample_size": 4, "price_file": price_file}
    samples = [*cohort(5), *(failing(f"bad-{n}") for n in range(3))]
    ti = instance(max_tries=2)
    taken = []
    for number in (1, 2, 3):
        ti = instance(number, max_tries=2, xcoms=ti.xcoms)
        lab.fail(samples, ti, retry_permanent_failures=True, deferrable=deferrable, **arguments)
        rows = [row for row in lab.rows(ti) if row["runs"]]
        taken.append([row["run_setting_id"] for row in rows])
        # Each try has run again what had failed.
        for row in rows:
            assert row["runs"] == ("1" if row["run_setting_id"].startswith("sample") else str(number))
            assert cents(row["cost_usd"]) == cents(recounted(lab, row["run_setting_id"]))
        assert ti.xcoms["batch_summary"]["usage_samples"] == 4
        total = sum(recounted(lab, sample) for sample in taken[-1])
        assert cents(ti.xcoms["batch_summary"]["cost_usd"]) == cents(total)
    assert len(taken[0]) == 4
    assert taken[0] == taken[1] == taken[2]


@pytest.mark.parametrize("operation", ["ListRunTasks", "ListRuns"])
def test_use_that_cannot_be_looked_up_is_a_warning(
    lab: CohortLab, price_file: str, told: Callable[[], str], operation: str
) -> None:
    lab.fault(
        operation, count=None, code="ValidationException", http_status=400, skip=1 if operation == "ListRuns" else 0
    )
    task = lab.run(cohort(2), usage="all", price_file=price_file)
    assert lab.column(task.ti, "run_status") == ["COMPLETED"] * 2
    assert "usage" not in task.ti.xcoms["batch_summary"]
    assert "What the samples used and cost could not be looked up" in told()


def test_a_cost_without_prices_is_unknown(lab: CohortLab, tmp_path: Path, told: Callable[[], str]) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"products": []}')
    task = lab.run(cohort(1), usage="all", price_file=str(path), storage_type="STATIC")
    (row,) = lab.rows(task.ti)
    assert (row["cost_usd"], row["price_as_of"]) == ("", "")
    assert float(row["cpu_hours"]) > 0
    assert task.ti.xcoms["batch_summary"]["cost_usd"] is None
    log = told()
    assert "1 of 1 samples cost an unknown amount" in log
    assert "The settings of 1 sample are in" in log
    assert "with 1 sample " in log
    assert "The results of 1 sample are in" in log


@pytest.mark.parametrize("content", [None, "{}"])
def test_a_price_file_that_is_none_is_refused_before_anything_is_submitted(
    lab: CohortLab, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "prices.json"
    if content is not None:
        path.write_text(content)
    with raises(OmicsRequestInvalidError, match="price_file"):
        lab.run(cohort(1), usage="all", price_file=str(path))
    assert lab.calls("StartRunBatch") == 0


def test_a_price_file_may_be_in_s3(lab: CohortLab) -> None:
    lab.s3.put_object(Bucket=BUCKET, Key="prices.json", Body=json.dumps(PRICES).encode())
    task = lab.run(cohort(1), usage="all", price_file=f"s3://{BUCKET}/prices.json", storage_type="STATIC")
    assert lab.column(task.ti, "price_as_of") == ["2026-11-30"]


def collect(batch_id: str, samples: list[str], kills_at: int = -1) -> dict[str, SampleUse]:
    """Collect the use of samples as their task does, and be killed at a wait."""
    batch = CohortAttempt(batch_id, 0, None)
    place = f"s3://{BUCKET}/kept"
    checkpoint = CohortCheckpoint("key", place, f"{place}/results", len(samples), batches=(batch,))
    waits, log = itertools.count(1), logging.getLogger()
    retrying = Retrying(1.0, 0.1, lambda _: next(waits) == kills_at, log, "the use", lambda: None, clock=lambda: 0.0)
    return UsageCollector(OmicsHook(), log, retrying, 1000).collect(checkpoint, samples, UsageMode.ALL, 1)


def test_what_was_looked_up_before_a_kill_is_kept(lab: CohortLab, monkeypatch: pytest.MonkeyPatch) -> None:
    ti = lab.run(cohort(5), storage_type="STATIC").ti
    # At the usual rate each call but the first has to wait for its turn.
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", lab.server.airflow_connection_uri())
    batch_id, samples = ti.xcoms["batch_id"], [f"sample-{n}" for n in range(5)]
    with raises(OmicsError, match="the task was killed"):
        collect(batch_id, samples, kills_at=4)
    looked_up = lab.calls("ListRunTasks")
    assert 0 < looked_up < 5
    uses = collect(batch_id, samples)
    assert lab.calls("ListRunTasks") == 5
    assert list(uses) == samples
    assert all(use.total("attempts") == 2 for use in uses.values())
    collect(batch_id, samples)
    assert lab.calls("ListRunTasks") == 5


def start_batch(lab: CohortLab, settings: list[dict[str, Any]], **default: Any) -> str:
    request = {"workflowId": lab.workflow_id, "roleArn": ROLE, "outputUri": f"s3://{BUCKET}/out", **default}
    batch_id: str = lab.omics.start_run_batch(
        defaultRunSetting=request, batchRunSettings={"inlineSettings": settings}, requestId="of-this-test"
    )["id"]
    return batch_id


def test_what_a_run_that_goes_on_costs_is_unknown_until_its_end(lab: CohortLab) -> None:
    batch_id = start_batch(lab, [*cohort(1), {"runSettingId": "held", "runTags": HELD_RUN}], storageType="STATIC")

    def statuses() -> dict[str, int]:
        return dict(lab.omics.get_batch(batchId=batch_id)["runSummary"])

    await_that(lambda: statuses()["completedRunCount"] and statuses()["runningRunCount"], "one to run, one to end")
    uses = collect(batch_id, ["sample-0", "held"])
    known = {name: (use.total("running_seconds"), use.total("storage_gib_hours")) for name, use in uses.items()}
    assert known["held"] == (None, None)
    assert None not in known["sample-0"]
    lab.held.release()
    await_that(lambda: statuses()["completedRunCount"] == 2, "the end of both")
    listed = lab.calls("ListRunTasks")
    uses = collect(batch_id, ["sample-0", "held"])
    assert uses["held"].total("running_seconds") is not None
    # What was known is not looked up again.
    assert lab.calls("ListRunTasks") == listed + 1


@pytest.mark.parametrize("has_manifest", [True, False])
def test_of_a_run_that_was_deleted_the_manifest_tells_or_nobody(
    lab: CohortLab, has_manifest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = lab.run(cohort(2), storage_type="STATIC").result
    before = collect(batch_id, ["sample-0", "sample-1"])["sample-0"]
    for key in lab.objects("kept"):
        lab.s3.delete_object(Bucket=BUCKET, Key=key)
    lab.omics.delete_run(id=lab.run_of("sample-0", batch_id).run_id)
    if not has_manifest:
        monkeypatch.setattr(use_reader, "manifest_stream", lambda run_id, uuid: f"manifest/run/{run_id}/of-another")
    uses = collect(batch_id, ["sample-0", "sample-1"])
    assert len(uses["sample-0"].runs) == 1
    for name in ("running_seconds", "cpu_hours", "storage_gib_hours", "attempts"):
        # A manifest has times to the millisecond.
        expected = pytest.approx(before.total(name), abs=Decimal("0.002")) if has_manifest else None
        assert uses["sample-0"].total(name) == expected
        assert uses["sample-1"].total(name) is not None
