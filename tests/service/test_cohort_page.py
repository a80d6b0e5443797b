"""What the cohort's page shows of cohorts on the local server, and how often it asks for that."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from cohorts import BUCKET, OUT, CohortLab, cohort, failing, instance, lasting, operator
from holding import HELD
from page_viewer import Viewer, page_task
from task_runs import TaskInstance

from airflow_provider_omics.healthomics.requests.s3_uris import split_object_uri
from airflow_provider_omics.healthomics.results.table import SampleStatus
from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.page.cohort_task import CohortTask
from airflow_provider_omics.page.cohorts import describe_task
from airflow_provider_omics.page.problems import FORGOTTEN, Problem
from airflow_provider_omics.page.sample_table import Query

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any]) -> dict[str, Any]:
    names = ("passing-0", "passing-1", "held-*")
    once = [OutcomeRule(pattern=name, outcome="SERVICE_ERROR", times=1) for name in names]
    rules = (*once, OutcomeRule(pattern="held-*", seconds=HELD))
    return {**omics_local_settings, "outcomes": SimulatedOutcomes(rules=rules)}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    return omics_local


@pytest.fixture
def viewer() -> Viewer:
    return Viewer()


def ended(lab: CohortLab, settings: Any, ti: TaskInstance | None = None, **kwargs: Any) -> CohortTask:
    """Run a cohort to its end, of which nothing is tolerated less than all."""
    ti = ti or instance()
    lab.run(settings, ti, tolerated_failure_percentage=100, **kwargs)
    return page_task(ti, ti.task)  # type: ignore[attr-defined]


def running(lab: CohortLab, settings: Any) -> CohortTask:
    """Run a cohort until its task waits."""
    ti = lab.crash(settings)
    return page_task(ti, operator(lab.workflow_id, settings), "deferred")


def test_a_cohort_that_ended_is_shown_with_its_samples_and_who_can_act(lab: CohortLab, viewer: Viewer) -> None:
    task = ended(lab, [*cohort(3), failing(SCRIPT), failing("b", "OUT_OF_MEMORY_ERROR")])

    progress = viewer.see("progress", task)
    assert (progress["state"], progress["status"]) == ("ended", "PROCESSED")
    assert progress["counts"]["completed"] == 3
    assert progress["counts"]["failed"] == 2
    table = viewer.see("table", task)
    assert table["counts"] == {"completed": 3, "failed": 2}
    assert table["uri"] == f"{OUT}/airflow-batches/{table['uri'].split('/')[-2]}/results.csv"
    assert {(group["reason"], group["owner"]) for group in table["groups"]} == {
        ("RUN_TASK_FAILED", "the author of the workflow, or whoever provides the input data"),
        ("OUT_OF_MEMORY_ERROR", "the author of the workflow"),
    }
    samples = viewer.see("samples", task, Query(status=SampleStatus.FAILED))
    assert [row["run_setting_id"] for row in samples["rows"]] == [SCRIPT, "b"]
    assert samples["matched"] == 2
    # Nothing of AWS is linked from a server of one's own.
    assert [row["links"] for row in samples["rows"]] == [{}, {}]


def test_the_log_of_a_failed_sample_is_shown_and_of_no_other_run(lab: CohortLab, viewer: Viewer) -> None:
    task = ended(lab, [failing(SCRIPT), *cohort(1)])
    log = viewer.see("log", task, SCRIPT)
    assert log["tasks"]
    assert log["tasks"][0]["log"]
    assert viewer.see("log", task, "no such sample")["state"] == "unknown_sample"
    # The run is deleted, and its id is given to another run.
    row = viewer.see("samples", task, Query(search=SCRIPT))["rows"][0]
    state = lab.state
    state.runs[row["run_id"]].uuid = "00000000-0000-4000-8000-000000000000"
    assert Viewer().see("log", task, SCRIPT) == {**_table_part(viewer, task), "state": "gone", "tasks": []}


def _table_part(viewer: Viewer, task: CohortTask) -> dict[str, Any]:
    table = viewer.see("table", task)
    return {name: table[name] for name in ("uri", "link", "written", "total")}


def test_a_hundred_viewers_of_a_running_cohort_are_one_call(lab: CohortLab, viewer: Viewer) -> None:
    task = running(lab, [lasting("a", HELD), *cohort(2)])
    calls = lab.server.journal.counts
    batches, lists, total = calls["GetBatch"], calls["ListBatch"], calls.total()

    with ThreadPoolExecutor(100) as crowd:
        seen = list(crowd.map(lambda _: viewer.see("progress", task), range(100)))

    assert {answer["state"] for answer in seen} == {"active"}
    assert seen[0]["counts"]["total"] == 3
    calls = lab.server.journal.counts
    assert (calls["GetBatch"] - batches, calls["ListBatch"] - lists) == (1, 1)
    assert calls.total() - total == 2
    assert viewer.see("table", task)["state"] == "missing"
    lab.held.release()


def test_before_its_batch_a_task_is_waited_for_and_one_without_a_batch_is_no_cohort(viewer: Viewer) -> None:
    begun = replace(page_task(instance(), operator("1", cohort(1)), "running"), arguments=None)
    assert viewer.see("progress", begun) == {"state": "waiting"}
    assert viewer.see("samples", begun, Query()) == {"state": "waiting"}
    done = page_task(instance(), operator("1", cohort(1)))
    assert viewer.see("progress", done)["problem"]["code"] == "NotACohort"


def test_redrives_are_shown_and_their_counts_are_the_cohorts(lab: CohortLab, viewer: Viewer) -> None:
    settings = [*cohort(3), {"runSettingId": "passing-0"}, {"runSettingId": "passing-1"}]
    task = ended(lab, settings, redrive_attempts=1)
    progress = viewer.see("progress", task)
    assert [(batch["redrive"], batch["counts"]["total"]) for batch in progress["batches"]] == [(0, 5), (1, 2)]
    assert progress["counts"]["completed"] == progress["counts"]["total"] == 5
    assert viewer.see("table", task)["counts"] == {"completed": 5}


def test_what_a_redrive_still_runs_has_not_failed(lab: CohortLab, viewer: Viewer) -> None:
    settings = [*cohort(2), {"runSettingId": "held-0"}]
    lab.fail(settings)
    again = lab.crash(settings, instance(try_number=2))
    progress = viewer.see("progress", page_task(again, operator(lab.workflow_id, settings), "deferred"))
    assert [batch["counts"]["total"] for batch in progress["batches"]] == [3, 1]
    assert (progress["counts"]["completed"], progress["counts"]["failed"]) == (2, 0)
    lab.held.release()


def test_a_batch_of_another_task_is_not_shown_whatever_the_xcom_says(lab: CohortLab, viewer: Viewer) -> None:
    other = ended(lab, cohort(2), instance(dag_id="secret"))
    task = ended(lab, cohort(1))
    forged = replace(task, batch_id=other.batch_id)
    answer = viewer.see("progress", forged)
    assert answer["problem"]["code"] == "ForeignBatch"
    assert set(answer) == {"state", "problem"}


def test_a_table_is_that_of_the_arguments_and_not_of_an_xcom(lab: CohortLab, viewer: Viewer) -> None:
    task = ended(lab, cohort(1), results_uri=f"s3://{BUCKET}/mine/table.csv")
    assert viewer.see("table", task)["uri"] == f"s3://{BUCKET}/mine/table.csv"
    forgotten = replace(task, arguments=None)
    assert viewer.see("table", forgotten)["problem"] == FORGOTTEN.to_json()
    nowhere = replace(task, arguments={**(task.arguments or {}), "results_uri": None, "output_uri": None})
    assert viewer.see("table", nowhere)["problem"]["code"] == "NoResultsPlace"


def test_a_report_is_shown_where_the_task_has_written_one(lab: CohortLab, viewer: Viewer) -> None:
    without = ended(lab, cohort(1))
    assert viewer.see("table", without)["report"] is None
    assert viewer.see("report", without)["problem"]["code"] == "NoReport"

    ti = instance(run_id="with a report")
    task = ended(lab, cohort(2), ti, report=True)
    shown = viewer.see("table", task)["report"]
    assert shown["uri"] == ti.xcoms["report_uri"]
    # Nothing of AWS is linked from a server of one's own.
    assert shown["link"] is None
    answer = viewer.see("report", task)
    assert answer["html"] == lab.read(ti.xcoms["report_uri"])
    assert "sample-1" in answer["html"]
    assert viewer.see("progress", task)["places"] == {"outputs": {"uri": OUT, "link": None}, "runs": None}


def test_who_may_not_read_the_report_sees_everything_else(lab: CohortLab, viewer: Viewer) -> None:
    task = ended(lab, cohort(1), report=True)
    # Whether the table is there is asked first.
    lab.fault("s3:HEAD", skip=1, count=None, code="AccessDenied", http_status=403)
    table = viewer.see("table", task)
    assert (table["report"], table["counts"]) == (None, {"completed": 1})
    assert viewer.see("report", task)["problem"]["code"] in ("403", "AccessDenied")


def test_what_aws_refuses_is_said_with_what_to_do_and_asked_for_no_more_often(lab: CohortLab, viewer: Viewer) -> None:
    task = ended(lab, cohort(1))
    lab.deny("GetBatch")
    before = lab.calls("GetBatch")
    for _ in range(3):
        problem = viewer.see("progress", task)["problem"]
    assert problem["code"] == "AccessDeniedException"
    assert "omics:GetBatch" in problem["remedy"]
    assert lab.calls("GetBatch") == before + 1


def test_a_table_that_is_gone_or_none_or_in_no_bucket_is_said_to_be_so(lab: CohortLab, viewer: Viewer) -> None:
    task = ended(lab, cohort(1))
    uri = viewer.see("table", task)["uri"].replace(".csv", ".jsonl")
    bucket, key = split_object_uri(uri, operation="GetObject")
    lab.s3.put_object(Bucket=bucket, Key=key, Body=b"not a table\n")
    assert Viewer().see("table", task)["problem"]["code"] == "NotATable"
    lab.s3.delete_object(Bucket=bucket, Key=key)
    assert Viewer().see("samples", task, Query())["state"] == "missing"
    elsewhere = replace(task, arguments={**(task.arguments or {}), "results_uri": "s3://no-such-bucket/x"})
    assert Viewer().see("table", elsewhere)["state"] == "missing"


def test_a_connection_that_is_gone_is_a_problem_and_none_that_shows_credentials(lab: CohortLab, viewer: Viewer) -> None:
    task = ended(lab, cohort(1))
    lost = replace(task, arguments={**(task.arguments or {}), "aws_conn_id": "no_such_connection"})
    problem = viewer.see("table", lost)["problem"]
    assert "no_such_connection" in problem["what"]
    assert "aws_conn_id" in problem["remedy"]
    told = Problem("X", "key AKIAIOSFODNN7EXAMPLE at https://me:secret@host/x", "none").to_json()
    assert told["what"] == "key *** at https://***@host/x"


def test_the_command_that_runs_again_is_the_tasks_and_safe_for_a_shell() -> None:
    ti = instance(run_id="it's 1", map_index=3)
    shown = describe_task(page_task(ti, operator("1", cohort(1))))
    assert """"dag_run_id": "it'"'"'s 1", "task_ids": [["cohort", 3]]}'""" in shown["clear"]
    assert "/api/v2/dags/cohort/clearTaskInstances" in shown["clear"]
    assert shown["airflow_path"] == "dags/cohort/runs/it%27s%201/tasks/cohort/mapped/3"
