"""The example DAG that a run's end starts, with a real scheduler and triggerer."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import airflow
import pytest
from airflow_cluster import AirflowCluster
from cwl_service import ROLE, zip_of
from event_queues import EventQueueOnServer
from examples import NEED_AIRFLOW_3

from airflow_provider_omics.local import LocalOmics

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(airflow.__version__ < "3", reason=NEED_AIRFLOW_3["example_omics_events.py"]),
]

DAG_ID = "example_omics_events"
TIMEOUT = 600
LONGER_THAN_ANY_RUN = 3600


@pytest.fixture
def queue(cluster: AirflowCluster, event_queue: EventQueueOnServer) -> Iterator[EventQueueOnServer]:
    """The queue, filled while the test runs; what is received and not deleted is shown again after two seconds."""
    event_queue.keep_hidden(seconds=2)
    yield event_queue.open()
    event_queue.close()


def end_runs(server: LocalOmics, count: int) -> set[str]:
    """Start runs with boto3 alone, and let them end; return their ids."""
    omics = server.client("omics")
    workflow_id = omics.create_workflow(
        engine="WDL", definitionZip=zip_of({"main.wdl": "version 1.0\nworkflow test {}\n"})
    )["id"]
    server.advance(LONGER_THAN_ANY_RUN)
    request = {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/runs", "storageType": "DYNAMIC"}
    ids = {omics.start_run(**request, name=f"run {uuid.uuid4()}")["id"] for _ in range(count)}
    server.advance(LONGER_THAN_ANY_RUN)
    return ids


def listed(cluster: AirflowCluster) -> list[dict[str, Any]]:
    """The runs that all DAG runs of the example have listed."""
    runs = [cluster.records.xcoms(DAG_ID, run_id, "list_runs") for run_id in cluster.records.dag_run_ids(DAG_ID)]
    return [run for pushed in runs for run in pushed.get(-1, [])]


def await_listed(cluster: AirflowCluster, ids: set[str]) -> None:
    cluster.wait_for(
        lambda: {run["id"] for run in listed(cluster)} >= ids, f"a DAG run for each of {len(ids)} runs", TIMEOUT
    )


def test_a_run_that_nobody_waits_for_starts_the_dag(
    cluster: AirflowCluster, still_server: LocalOmics, queue: EventQueueOnServer
) -> None:
    (run_id,) = end_runs(still_server, 1)
    await_listed(cluster, {run_id})

    run = still_server.client("omics").get_run(id=run_id)
    (found,) = [found for found in listed(cluster) if found["id"] == run_id]
    assert (found["name"], found["status"]) == (run["name"], "COMPLETED")
    (dag_run_id,) = [
        dag_run_id
        for dag_run_id in cluster.records.dag_run_ids(DAG_ID)
        if found in cluster.records.xcoms(DAG_ID, dag_run_id, "list_runs").get(-1, [])
    ]
    assert cluster.wait_for_dag_run(DAG_ID, dag_run_id, TIMEOUT) == "success"
    assert f"Run {run_id} ({run['name']}) ended COMPLETED" in cluster.records.task_log(DAG_ID, dag_run_id, "report", 0)
    cluster.wait_for(lambda: queue.held == 0, "the messages to be deleted", TIMEOUT)


def test_a_triggerer_that_is_killed_loses_no_event(
    cluster: AirflowCluster, still_server: LocalOmics, queue: EventQueueOnServer
) -> None:
    # Some events find the triggerer at work, and some find none.
    during = end_runs(still_server, 2)
    cluster.wait_for(lambda: queue.received > 0, "the triggerer to receive events", TIMEOUT, interval=0.01)
    cluster.processes["triggerer"].kill()
    meanwhile = end_runs(still_server, 2)
    assert queue.held > 0
    cluster.restart("triggerer")

    events = lambda: {event["payload"]["id"] for event in cluster.records.asset_events()}  # noqa: E731
    cluster.wait_for(lambda: events() >= during | meanwhile, "Airflow to store an event of each run", TIMEOUT)
    cluster.wait_for(lambda: queue.held == 0, "the messages to be deleted", TIMEOUT)
    # Airflow lets an event that comes while it makes a DAG run wait for the event after it.
    for dag_run_id in cluster.records.dag_run_ids(DAG_ID):
        assert cluster.wait_for_dag_run(DAG_ID, dag_run_id, TIMEOUT) == "success"
    end_runs(still_server, 1)
    await_listed(cluster, during | meanwhile)
