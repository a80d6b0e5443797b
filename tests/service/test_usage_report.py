"""Reports that tasks write: on a cohort beside its results table, and on runs that are analysed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cohorts import BUCKET, MODES, CohortLab, cohort, failing
from cwl_service import CwlService
from pytest_mock import MockerFixture
from task_runs import run_task

from airflow_provider_omics.local import LocalOmics, Quotas, Timings
from airflow_provider_omics.operators.analysis import OmicsAnalyzeRunsOperator
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator

EVIL = "<script>alert(1)</script>"
HELLO = """
cwlVersion: v1.2
class: Workflow
inputs: {}
steps:
  hello:
    run: {class: CommandLineTool, baseCommand: [sleep, "0.2"], inputs: {}, outputs: {}}
    in: {}
    out: []
outputs: {}
"""


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def words(page: str) -> str:
    """The texts of a page."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


@MODES
def test_a_cohort_gets_a_report_beside_its_results(lab: CohortLab, deferrable: bool) -> None:
    failed = lab.fail([*cohort(3), failing("bad")], report=True, usage="all", deferrable=deferrable)
    xcoms = failed.ti.xcoms
    uri = xcoms["report_uri"]
    assert uri == xcoms["results_uri"].replace(".csv", ".html") == xcoms["batch_summary"]["report_uri"]
    assert f"Report: {uri}" in str(failed.error)
    shown = words(lab.read(uri))
    assert "cohort: cohort" in shown
    assert "of 4 samples, 75 %" in shown
    assert "workflow 1 RUN_TASK_FAILED 1" in shown
    assert f"Batches {xcoms['batch_id']}" in shown
    assert "Of 4 runs." in shown
    assert "Critical path" in shown
    assert f"{xcoms['batch_summary']['cpu_hours']:,.3g} vCPU h" in shown
    key = uri.removeprefix(f"s3://{BUCKET}/")
    assert lab.s3.head_object(Bucket=BUCKET, Key=key)["ContentType"] == "text/html; charset=utf-8"


def test_without_usage_a_report_says_what_is_known(lab: CohortLab) -> None:
    xcoms = lab.run(cohort(2), report="true").ti.xcoms
    shown = words(lab.read(xcoms["report_uri"]))
    assert "Completed 2 of 2 samples, 100 %" in shown
    assert "Use and cost unknown not looked up" in shown
    assert "is unknown: no tasks were looked up" in shown
    assert "How long runs took Of 2 that completed" in shown
    assert lab.calls("ListRunTasks") == 0


def test_no_report_is_written_by_default(lab: CohortLab) -> None:
    xcoms = lab.run(cohort(1)).ti.xcoms
    assert "report_uri" not in xcoms
    assert "report_uri" not in xcoms["batch_summary"]
    assert not [key for key in lab.objects() if key.endswith(".html")]


def test_a_report_that_cannot_be_written_fails_no_task(
    lab: CohortLab, mocker: MockerFixture, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    mocker.patch("airflow_provider_omics.operators.cohort_report.render", side_effect=OSError("no room"))
    xcoms = lab.run(cohort(1), report=True).ti.xcoms
    assert "report_uri" not in xcoms
    assert "The report on the cohort could not be written: no room" in capsys.readouterr().out + caplog.text
    assert xcoms["batch_summary"]["completed"] == 1


def test_an_analysis_has_a_report(lab: CohortLab) -> None:
    metrics = {"omics-local:metrics": "cpusReserved=16 memoryReservedGiB=64 cpusMaximum=3 memoryMaximumGiB=9"}
    batch_id = lab.run([{"runSettingId": "one", "runTags": metrics}, {"runSettingId": "two"}]).result
    place = {"results_uri": f"s3://{BUCKET}/analysis/table.csv", "headroom": 0}
    told = run_task(OmicsAnalyzeRunsOperator(task_id="analyse", batch_ids=batch_id, **place)).result
    assert told["report_uri"] == f"s3://{BUCKET}/analysis/table.html"
    shown = words(lab.read(told["report_uri"]))
    assert "cohort: analyse" in shown
    assert "omics.c.2xlarge 3 vCPUs, 9 GiB" in shown or "omics.m.xlarge 3 vCPUs, 9 GiB" in shown
    assert "one completed" in shown
    without = run_task(OmicsAnalyzeRunsOperator(task_id="analyse", batch_ids=batch_id, report=False, **place)).result
    assert without["report_uri"] is None


def test_a_sample_may_be_called_anything(lab: CohortLab) -> None:
    xcoms = lab.run([{"runSettingId": EVIL}], report=True, usage="all").ti.xcoms
    page = lab.read(xcoms["report_uri"])
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("operator", [OmicsStartRunBatchOperator, OmicsAnalyzeRunsOperator])
def test_a_report_is_a_link(operator: Any) -> None:
    assert [link.name for link in operator.operator_extra_links][-2:] == ["Results table", "Report"]


def test_a_run_that_was_really_run_has_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalOmics(executor="auto", timings=Timings.fast(), quotas=Quotas.wide()) as server:
        login = {"conn_type": "aws", "login": "key", "password": "secret", "extra": server.connection_extra()}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(login))
        service = CwlService(server)
        run = service.run({"main.cwl": HELLO}, {})
        assert run["status"] == "COMPLETED"
        place = f"s3://{service.bucket}/analysis"
        told = run_task(OmicsAnalyzeRunsOperator(task_id="analyse", run_ids=run["id"], results_uri=place)).result
        assert (told["runs"], told["runs_without_manifest"], told["tasks"]) == (1, 0, 1)
        shown = words(service.read(told["report_uri"]).decode())
        table = service.read(told["results_json_uri"])
    assert "ResourceRequirement:" in shown
    assert f"Run {run['id']} , 1 task that ran." in shown
    (row,) = json.loads(table)["tasks"]
    assert row["name"] == "hello"
    assert float(row["seconds_median"]) >= 0.2
    assert row["snippet"].startswith("requirements:")
