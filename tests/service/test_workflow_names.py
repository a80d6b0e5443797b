"""Starting runs and batches of a workflow that is known by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from cohorts import BUCKET, MODES, CohortLab, cohort, instance
from jobs import dag_run
from omics_errors import raises
from omics_service import ROLE, wdl_zip
from task_runs import TaskInstance, TaskRun, run_task

from airflow_provider_omics.exceptions import (
    OmicsBatchFailedError,
    OmicsError,
    OmicsRequestInvalidError,
    OmicsRunFailedError,
    OmicsServiceError,
)
from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.preflight import OmicsPreflightOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

FAILING = {"omics-local:outcome": "RUN_TASK_FAILED"}


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any]) -> dict[str, Any]:
    fails_once = OutcomeRule(pattern="sample-1", outcome="RUN_TASK_FAILED", times=1)
    return {**omics_local_settings, "outcomes": SimulatedOutcomes(rules=(fails_once,))}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def lab(server: LocalOmics, make_workflow: Callable[..., str]) -> CohortLab:
    return CohortLab(server, make_workflow(name="read-qc"))


def add_version(lab: CohortLab, name: str) -> None:
    lab.omics.create_workflow_version(
        workflowId=lab.workflow_id, versionName=name, definitionZip=wdl_zip(), main="main.wdl", engine="WDL"
    )
    lab.omics.get_waiter("workflow_version_active").wait(workflowId=lab.workflow_id, versionName=name)


def start(try_number: int = 1, **kwargs: Any) -> TaskRun:
    settings = {
        "workflow_name": "read-qc",
        "role_arn": ROLE,
        "output_uri": "s3://results/out",
        "waiter_delay": 0.02,
        **kwargs,
    }
    return run_task(OmicsStartRunOperator(task_id="start_run", **settings), TaskInstance(try_number=try_number))


def batch(lab: CohortLab, try_number: int = 1, **kwargs: Any) -> TaskRun:
    settings = {"workflow_name": "read-qc", "workflow_version_name": "latest", **kwargs}
    return lab.run(cohort(3), instance(try_number), workflow_id=None, **settings)


@MODES
def test_a_run_is_started_by_name(lab: CohortLab, told: Callable[[], str], deferrable: bool) -> None:
    add_version(lab, "v1")
    add_version(lab, "v2")
    plain = start(deferrable=deferrable).result
    latest = start(deferrable=deferrable, workflow_version_name="latest", name="latest").result
    older = start(deferrable=deferrable, workflow_version_name="v1", name="older").result
    runs = [lab.omics.get_run(id=run_id) for run_id in (plain, latest, older)]
    assert [run["workflowId"] for run in runs] == [lab.workflow_id] * 3
    assert [run.get("workflowVersionName") for run in runs] == [None, "v2", "v1"]
    assert f"The workflow called 'read-qc' is {lab.workflow_id}, version v2" in told()
    assert lab.calls("ListWorkflows") == 3


def test_a_retry_takes_over_the_run_of_the_first_try_although_there_is_a_newer_version(lab: CohortLab) -> None:
    add_version(lab, "v1")
    first = start(workflow_version_name="latest", wait_for_completion=False)
    add_version(lab, "v2")
    assert start(2, workflow_version_name="latest").result == first.result
    lab.omics.delete_workflow(id=lab.workflow_id)
    assert start(3, workflow_version_name="latest").result == first.result
    assert lab.effects("StartRun") == 1


def test_a_run_that_failed_is_replaced_by_one_of_the_newest_version(lab: CohortLab) -> None:
    add_version(lab, "v1")
    with raises(OmicsRunFailedError):
        start(workflow_version_name="latest", tags=FAILING)
    add_version(lab, "v2")
    second = start(2, workflow_version_name="latest")
    assert lab.omics.get_run(id=second.result)["workflowVersionName"] == "v2"
    assert lab.effects("StartRun") == 2


def status(lab: CohortLab, value: str, name: str | None = None) -> None:
    """Show the workflow, or a version of it, as it is while that has not ended."""
    workflow = lab.server.account("us-east-1").workflows[lab.workflow_id]
    (workflow if name is None else workflow.versions[name]).status = value


def test_only_active_versions_and_workflows_count(lab: CohortLab) -> None:
    add_version(lab, "v0")
    add_version(lab, "v1")
    status(lab, "FAILED", "v1")
    broken = lab.omics.create_workflow(name="read-qc", definitionZip=b"no zip")["id"]
    lab.server.account("us-east-1").workflows[broken].status = "FAILED"
    run_id = start(workflow_version_name="latest").result
    assert lab.omics.get_run(id=run_id)["workflowVersionName"] == "v0"


@pytest.mark.parametrize("way", ["CREATING", "UPDATING"])
@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("workflow", "the workflow called 'read-qc' is not ACTIVE yet: workflow {} .read-qc. is {}. Wait for it"),
        ("newest", "the latest version of 'read-qc' is not ACTIVE yet: version v2 of workflow {} is {}"),
        ("literal", "the latest version of 'read-qc' is not ACTIVE yet: version latest of workflow {} is {}"),
    ],
)
def test_what_is_on_its_way_is_an_error_that_passes_by_itself(lab: CohortLab, kind: str, wanted: str, way: str) -> None:
    for name in ("latest", "v1") if kind == "literal" else ("v1", "v2"):
        add_version(lab, name)
    one = {"workflow": None, "newest": "v2", "literal": "latest"}[kind]
    status(lab, way, one)
    with raises(OmicsError, match=wanted.format(lab.workflow_id, way)) as waits:
        start(workflow_version_name="latest")
    assert not isinstance(waits.value, AirflowFailException)
    assert lab.effects("StartRun") == 0
    status(lab, "ACTIVE", one)
    assert start(2, workflow_version_name="latest").result


def test_an_older_version_on_its_way_is_in_nobodys_way(lab: CohortLab) -> None:
    add_version(lab, "v1")
    add_version(lab, "v2")
    status(lab, "UPDATING", "v1")
    run_id = start(workflow_version_name="latest").result
    assert lab.omics.get_run(id=run_id)["workflowVersionName"] == "v2"


@pytest.mark.parametrize("way", ["CREATING", "UPDATING"])
def test_a_second_workflow_on_its_way_makes_a_name_ambiguous(
    lab: CohortLab, make_workflow: Callable[..., str], way: str
) -> None:
    make_workflow(name="read-qc")
    status(lab, way)
    with raises(OmicsRequestInvalidError, match=f"2 workflows are called 'read-qc' .{lab.workflow_id} is {way}"):
        start()


@pytest.mark.parametrize(
    ("name", "version", "wanted"),
    [
        ("read_qc", None, "no workflow is called 'read_qc'. Correct the name, the Region or the connection"),
        ("read-qc", "latest", "'latest' stands for no version: workflow .* has none that is ACTIVE"),
        ("twice", None, "2 workflows are called 'twice' .* Give workflow_id, or delete or rename all but one"),
        ("broken", None, "no workflow called 'broken' is ACTIVE: .* is FAILED. Look at its statusMessage"),
    ],
)
@pytest.mark.parametrize("kind", ["run", "batch"])
def test_names_that_stand_for_no_one_workflow_are_refused(
    lab: CohortLab, make_workflow: Callable[..., str], name: str, version: str | None, wanted: str, kind: str
) -> None:
    for _ in range(2):
        make_workflow(name="twice")
    lab.omics.create_workflow(name="broken", definitionZip=b"no zip")
    with raises(OmicsRequestInvalidError, match=wanted) as refused:
        if kind == "run":
            start(workflow_name=name, workflow_version_name=version)
        else:
            batch(lab, workflow_name=name, workflow_version_name=version)
    assert isinstance(refused.value, AirflowFailException)
    assert lab.effects("StartRun") + lab.effects("StartRunBatch") == 0


@MODES
def test_a_cohort_keeps_the_version_that_its_first_try_found(lab: CohortLab, deferrable: bool) -> None:
    add_version(lab, "v1")
    with raises(OmicsBatchFailedError):
        batch(lab, deferrable=deferrable)
    add_version(lab, "v2")
    batch(lab, 2, deferrable=deferrable)
    assert lab.effects("StartRunBatch") == 2
    found = [lab.omics.get_run(id=run_id) for run_id in lab.state.runs]
    assert {run["workflowVersionName"] for run in found} == {"v1"}
    assert len(lab.state.runs) == 4
    assert lab.calls("ListWorkflows") == 1


def versions_used(lab: CohortLab) -> list[str]:
    return [lab.omics.get_run(id=run_id)["workflowVersionName"] for run_id in lab.state.runs]


def test_a_dag_run_that_is_created_again_looks_again(lab: CohortLab, told: Callable[[], str]) -> None:
    add_version(lab, "v1")
    batch(lab, 1, context={"dag_run": dag_run(minutes_ago=60)}, tolerated_failure_count=3)
    add_version(lab, "v2")
    # By the scheduler: all but the time when it began is as it was.
    again = dag_run()
    batch(lab, 1, context={"dag_run": again})
    assert versions_used(lab) == ["v1"] * 3 + ["v2"] * 3
    add_version(lab, "v3")
    batch(lab, 2, context={"dag_run": again})
    assert lab.calls("ListWorkflows") == 2
    uri = next(line for line in told().replace("\n", " ").split() if "/run-settings/workflows/" in line)
    assert lab.s3.head_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))


def test_a_dag_run_that_is_cleared_keeps_the_version(lab: CohortLab) -> None:
    add_version(lab, "v1")
    with raises(OmicsBatchFailedError):
        batch(lab, 1, context={"dag_run": dag_run(minutes_ago=1)})
    add_version(lab, "v2")
    batch(lab, 2, context={"dag_run": dag_run(clear_number=1)})
    assert versions_used(lab) == ["v1"] * 4


def test_a_kept_workflow_that_is_gone_is_named_with_where_it_is_kept(lab: CohortLab) -> None:
    add_version(lab, "v1")
    with raises(OmicsBatchFailedError):
        batch(lab)
    lab.omics.delete_workflow(id=lab.workflow_id)
    with raises(OmicsServiceError, match="(?s)ResourceNotFound.*the name 'read-qc'.*looked up again, delete s3://"):
        batch(lab, 2)


@pytest.mark.parametrize("operator_class", [OmicsStartRunOperator, OmicsStartRunBatchOperator, OmicsPreflightOperator])
@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"workflow_id": "1"}, "workflow_name: is given together with workflow_id. Give one of them."),
        ({"workflow_owner_id": "123456789012"}, "workflow_name: cannot be looked up for a workflow of another account"),
        ({"workflow_name": ""}, "workflow_name: is ''. Give the workflow's name"),
    ],
)
def test_what_cannot_go_with_a_name_is_told_when_the_dag_is_parsed(
    operator_class: type[Any], arguments: dict[str, Any], wanted: str
) -> None:
    settings = {"workflow_name": "read-qc", "role_arn": ROLE, "output_uri": "s3://results/out", **arguments}
    if operator_class is OmicsStartRunBatchOperator:
        settings["run_settings"] = cohort(1)
    with pytest.raises(OmicsRequestInvalidError) as caught:
        operator_class(task_id="task", **settings)
    assert str(caught.value.issues[0]).startswith(wanted)


def test_a_name_may_be_a_template(lab: CohortLab) -> None:
    operator = OmicsStartRunOperator(
        task_id="start_run",
        workflow_name="{{ params.name }}",
        role_arn=ROLE,
        output_uri="s3://results/out",
        waiter_delay=0.02,
    )
    run_id = run_task(operator, params={"name": "read-qc"}).result
    assert lab.omics.get_run(id=run_id)["workflowId"] == lab.workflow_id
