"""The example DAG that has a person approve what a cohort will cost, with a real scheduler and the API's answers."""

from __future__ import annotations

import uuid
from typing import Any

import airflow
import pytest
from airflow_cluster import AirflowCluster
from examples import NEED_NEWER
from executor_events import ExecutorEvents
from packaging.version import Version
from plain_cohorts import cohort_conf

from airflow_provider_omics.local import LocalOmics

DAG_ID = "example_omics_cost_approval"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        Version(airflow.__version__) < Version(NEED_NEWER[f"{DAG_ID}.py"]),
        reason="Airflow before 3.1 asks nobody",
    ),
]
TIMEOUT = 600
# Airflow 3.3 has a state of its own for tasks that wait for a person.
WAITS_FOR_A_PERSON = ("awaiting_input", "deferred")


def run_before(cluster: AirflowCluster, server: LocalOmics, conf: dict[str, Any], count: int) -> None:
    """Have runs of the workflow complete, from which its cost can be estimated."""
    omics = server.client("omics")
    request = {"workflowId": conf["workflow_id"], "roleArn": conf["role_arn"], "outputUri": conf["output_uri"]}
    ids = [omics.start_run(**request, name=f"before {number}")["id"] for number in range(count)]
    cluster.wait_for(
        lambda: all(omics.get_run(id=run_id)["status"] == "COMPLETED" for run_id in ids), "runs to complete", TIMEOUT
    )


def is_asking(cluster: AirflowCluster, events: ExecutorEvents, run_id: str) -> bool:
    """Whether the task waits for a person, and the scheduler has heard that it left its worker.

    An answer before that makes Airflow take the task that comes back for one that has died.
    """
    waiting = [
        one
        for one in cluster.records.task_instances(DAG_ID, run_id)
        if one.task_id == "approve" and one.state in WAITS_FOR_A_PERSON
    ]
    return any(events.know_end(DAG_ID, run_id, one) for one in waiting)


def test_a_cohort_is_started_once_a_person_has_approved_its_cost_and_not_if_rejected(
    cluster: AirflowCluster, cwl_server: LocalOmics
) -> None:
    conf = cohort_conf(cwl_server, "true")
    run_before(cluster, cwl_server, conf, 5)
    samples = [{"runSettingId": "liver"}, {"runSettingId": "heart"}]
    answers = {f"{answer.lower()}-{uuid.uuid4()}": answer for answer in ("Approve", "Reject")}
    for run_id in answers:
        cluster.trigger(DAG_ID, run_id, {**conf, "samples": samples})
    events = ExecutorEvents(cluster)
    for run_id, answer in answers.items():
        cluster.wait_for(lambda run_id=run_id: is_asking(cluster, events, run_id), "a question to a person", TIMEOUT)  # type: ignore[misc]
        estimate = cluster.records.xcoms(DAG_ID, run_id, "estimate")[-1]
        assert float(estimate["cost_usd"]) > 0
        question = cluster.question(DAG_ID, run_id, "approve")
        assert question["subject"] == "May this cohort be started? (2 samples)"
        assert question["body"] == estimate["text"]
        assert "2 runs will cost about" in question["body"]
        assert cluster.records.xcom_keys(DAG_ID, run_id, "cohort") == set()
        cluster.answer(DAG_ID, run_id, "approve", answer)

    approved, rejected = answers
    assert cluster.wait_for_dag_run(DAG_ID, approved, TIMEOUT) == "success"
    summary = cluster.records.xcoms(DAG_ID, approved, "cohort", "batch_summary")[-1]
    assert (summary["completed"], summary["total"]) == (2, 2)
    assert float(summary["cost_usd"]) > 0
    assert cluster.wait_for_dag_run(DAG_ID, rejected, TIMEOUT) == "success"
    assert cluster.records.task_state(DAG_ID, rejected, "cohort") == "skipped"
    assert cluster.records.xcom_keys(DAG_ID, rejected, "cohort") == set()
