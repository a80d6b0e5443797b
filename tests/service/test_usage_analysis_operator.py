"""The operator that analyses what tasks of runs reserved and used."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber
from cohorts import BUCKET, OUT, ROLE, CohortLab, cohort
from holding import HELD_RUN
from omics_errors import raises
from pytest_mock import MockerFixture
from task_runs import run_task

from airflow_provider_omics.exceptions import OmicsError, OmicsRequestInvalidError, OmicsServiceError
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.jobs import use_reader
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.analysis import OmicsAnalyzeRunsOperator

TABLE = f"s3://{BUCKET}/analysis"


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def analyse(**arguments: Any) -> dict[str, Any]:
    arguments = {"results_uri": TABLE, **arguments}
    returned: dict[str, Any] = run_task(OmicsAnalyzeRunsOperator(task_id="analyse", **arguments)).result
    return returned


def rows_of(lab: CohortLab, told: dict[str, Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(lab.read(told["results_uri"]))))


def metrics(cpus: float, memory: float) -> dict[str, str]:
    used = f"cpusAverage=1 cpusMaximum={cpus} memoryAverageGiB=1 memoryMaximumGiB={memory}"
    return {"omics-local:metrics": f"cpusReserved=16 memoryReservedGiB=64 {used}", "omics-local:tasks": "align call"}


def test_a_batch_is_analysed_task_by_task(lab: CohortLab) -> None:
    samples = [{"runSettingId": f"s{n}", "runTags": metrics(2 + n, 10 + n)} for n in range(3)]
    batch_id = lab.run(samples).result
    told = analyse(batch_ids=batch_id, headroom="0.25")
    assert told == {
        "results_uri": f"{TABLE}/analysis.csv",
        "results_json_uri": f"{TABLE}/analysis.json",
        "report_uri": f"{TABLE}/analysis.html",
        "runs": 3,
        "runs_without_manifest": 0,
        "runs_missing": 0,
        "runs_left_out": 0,
        "tasks": 2,
    }
    rows = rows_of(lab, told)
    report = json.loads(lab.read(told["results_json_uri"]))
    assert [row["name"] for row in rows] == [each["name"] for each in report["tasks"]] == ["align", "call"]
    for row in rows:
        assert (row["runs"], row["attempts"], row["cpus_reserved"], row["memory_reserved"]) == ("3", "3", "16", "64")
        assert (row["cpus_peak"], row["memory_peak"], row["cpus"], row["memory"]) == ("4", "12", "5", "15")
        assert row["instance"] == "omics.c.2xlarge"
        assert row["snippet"] == 'runtime {\n  cpu: 5\n  memory: "15 GiB"\n}'
        assert float(row["seconds_median"]) > 0


def test_runs_are_named_by_themselves_and_counted_once(lab: CohortLab) -> None:
    batch_id = lab.run(cohort(2)).result
    ids = [item["id"] for item in lab.omics.list_runs(batchId=batch_id)["items"]]
    assert analyse(run_ids=ids, batch_ids=[batch_id])["runs"] == 2
    told = analyse(run_ids=[*ids, "999999"], results_uri=f"{TABLE}/report.csv", snippet_engine="CWL")
    assert (told["runs"], told["runs_missing"], told["results_uri"]) == (2, 1, f"{TABLE}/report.csv")
    assert "ResourceRequirement" in lab.read(told["results_uri"])


def test_runs_that_are_gone_have_nothing_to_analyse(lab: CohortLab) -> None:
    with raises(OmicsError, match="There is nothing to analyse: of 1 runs"):
        analyse(run_ids="999999")


def test_what_has_no_manifest_is_known_by_the_list_of_its_tasks(
    lab: CohortLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = lab.run([{"runSettingId": "a", "runTags": {**metrics(2, 10), "omics-local:tasks": "align-0-1"}}]).result
    monkeypatch.setattr(use_reader, "manifest_stream", lambda run_id, uuid: f"manifest/run/{run_id}/of-another")
    told = analyse(batch_ids=batch_id)
    assert (told["runs"], told["runs_without_manifest"], told["runs_missing"]) == (1, 1, 0)
    (row,) = rows_of(lab, told)
    # The workflow says which language that name is of.
    assert (row["name"], row["attempts"], row["cpus_reserved"], row["memory_reserved"]) == ("align", "1", "16", "64")
    assert (row["cpus_peak"], row["memory_average"], row["cpus"], row["instance"], row["snippet"]) == ("",) * 5
    assert float(row["seconds_median"]) > 0


def test_runs_that_go_on_are_missing(lab: CohortLab) -> None:
    place = {"workflowId": lab.workflow_id, "roleArn": ROLE, "outputUri": OUT, "requestId": "held"}
    run_id = lab.omics.start_run(**place, tags=HELD_RUN)["id"]
    with raises(OmicsError, match="They go on, or were deleted"):
        analyse(run_ids=run_id)
    assert lab.calls("ListRunTasks") == 0


def test_no_more_calls_than_allowed_are_made(
    lab: CohortLab, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    batch_id = lab.run(cohort(3)).result
    told = analyse(batch_ids=batch_id, usage_calls_limit="6")
    assert told["runs"] == 2
    assert "usage_calls_limit 6): 2 runs are analysed, and not all" in capsys.readouterr().out + caplog.text


def test_of_more_runs_than_wanted_some_are_taken_by_chance_the_same_each_time(
    lab: CohortLab, told: Callable[[], str]
) -> None:
    batch_id = lab.run(cohort(6)).result
    ids = [item["id"] for item in lab.omics.list_runs(batchId=batch_id)["items"]]
    found, looked_up = [], lab.calls("GetRun")
    for given in ({"batch_ids": batch_id}, {"run_ids": ids}):
        returned = analyse(**given, analysis_runs_limit="2")
        assert (returned["runs"], returned["runs_missing"], returned["runs_left_out"]) == (2, 0, 4)
        assert "2 of 6 runs are analysed, taken by chance, the same ones each time (analysis_runs_limit)" in told()
        found.append([row["seconds_longest"] for row in rows_of(lab, returned)])
    assert found[0] == found[1]
    assert "2 of 6 runs" in lab.read(returned["report_uri"])
    assert lab.calls("GetRun") == looked_up + 2
    assert analyse(batch_ids=batch_id, analysis_runs_limit=6)["runs_left_out"] == 0


def test_a_run_of_a_batch_that_was_deleted_is_missing(lab: CohortLab) -> None:
    batch_id = lab.run(cohort(2)).result
    lab.omics.delete_run(id=lab.omics.list_runs(batchId=batch_id)["items"][0]["id"])
    returned = analyse(batch_ids=batch_id)
    assert (returned["runs"], returned["runs_missing"]) == (1, 1)


@pytest.mark.parametrize("operation", ["ListRunsInBatch", "ListRuns"])
def test_a_permission_that_is_missing_is_named(lab: CohortLab, operation: str) -> None:
    batch_id = lab.run(cohort(1)).result
    lab.deny(operation)
    with raises(OmicsServiceError, match=f"omics:{operation}"):
        analyse(batch_ids=batch_id)


def test_a_permission_for_tasks_that_is_missing_is_named(lab: CohortLab, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id = lab.run(cohort(1)).result
    monkeypatch.setattr(use_reader, "manifest_stream", lambda run_id, uuid: f"manifest/run/{run_id}/of-another")
    lab.deny("ListRunTasks")
    with raises(OmicsServiceError, match="omics:ListRunTasks"):
        analyse(batch_ids=batch_id)


def test_a_permission_for_logs_that_is_missing_is_named(lab: CohortLab, mocker: MockerFixture) -> None:
    batch_id = lab.run(cohort(1)).result
    hook_of = OmicsHook.hook_of

    def denied(hook: OmicsHook, service: str, *args: Any, **kwargs: Any) -> Any:
        made = hook_of(hook, service, *args, **kwargs)
        if service == "logs":
            stub = Stubber(made.conn)
            stub.add_client_error("get_log_events", "AccessDeniedException", "not authorized", 400)
            stub.activate()
        return made

    mocker.patch.object(OmicsHook, "hook_of", denied)
    with raises(OmicsServiceError, match="logs:GetLogEvents on the log group /aws/omics/WorkflowLog"):
        analyse(batch_ids=batch_id)


def test_the_table_is_written_before_hours_of_reading_or_not_at_all(lab: CohortLab) -> None:
    with raises(OmicsServiceError, match="NoSuchBucket"):
        analyse(run_ids="1", results_uri="s3://there-is-no-such-bucket/analysis")
    assert lab.calls("GetRun") == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "neither run_ids nor batch_ids"),
        ({"run_ids": "1", "results_uri": "report.csv"}, "results_uri"),
        ({"run_ids": "1", "headroom": -1}, "headroom"),
        ({"run_ids": "1", "analysis_runs_limit": 0}, "analysis_runs_limit"),
        ({"run_ids": "1", "s3_kms_key_id": " "}, "s3_kms_key_id"),
        ({"run_ids": "1", "s3_expected_bucket_owner": "me"}, "s3_expected_bucket_owner"),
        ({"run_ids": "1", "snippet_engine": "SNAKEMAKE"}, "snippet_engine"),
        ({"run_ids": ["1", "one"]}, r"run_ids\[1\]"),
        ({"run_ids": {"a": "1"}}, "no list of ids"),
        ({"batch_ids": ""}, "neither run_ids nor batch_ids"),
        ({"batch_ids": [None]}, r"batch_ids\[0\]"),
    ],
)
def test_wrong_arguments_are_refused(lab: CohortLab, arguments: dict[str, Any], problem: str) -> None:
    with raises(OmicsRequestInvalidError, match=problem):
        analyse(**arguments)
    assert lab.calls("GetRun") == lab.calls("ListRunsInBatch") == 0
