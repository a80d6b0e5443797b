"""What becomes of a run whose task is deferred, with a real scheduler and triggerer."""

from __future__ import annotations

import uuid

import pytest
from airflow_cluster import AirflowCluster
from cwl_service import zip_of

from airflow_provider_omics.local import LocalOmics

pytestmark = pytest.mark.e2e

DAG_ID, TASK_ID = "e2e_start_run", "run"
TIMEOUT = 600
LONGER_THAN_ANY_RUN = 3600


@pytest.fixture
def dag_run(cluster: AirflowCluster, still_server: LocalOmics) -> str:
    """The id of a DAG run whose task waits in the triggerer for a run that does not go on."""
    definition = zip_of({"main.wdl": "version 1.0\nworkflow test {}\n"})
    workflow_id = still_server.client("omics").create_workflow(engine="WDL", definitionZip=definition)["id"]
    still_server.journal.clear()
    run_id = f"test-{uuid.uuid4()}"
    cluster.trigger(DAG_ID, run_id, {"workflow_id": workflow_id})
    cluster.wait_for(
        lambda: cluster.records.task_state(DAG_ID, run_id, TASK_ID) == "deferred" and looks(still_server) > 0,
        "the task to be deferred and the triggerer to look at the run",
        TIMEOUT,
    )
    return run_id


def looks(server: LocalOmics) -> int:
    """How often the run has been looked at."""
    return server.journal.counts["GetRun"] + server.journal.counts["ListRuns"]


def started_run(server: LocalOmics) -> str:
    """The id of the only run that was started since the journal was cleared."""
    (call,) = [call for call in server.journal.calls("StartRun") if call.took_effect]
    assert call.resource_id is not None
    return call.resource_id


def test_a_run_outlives_a_triggerer_that_is_killed(
    cluster: AirflowCluster, still_server: LocalOmics, dag_run: str
) -> None:
    run_id = started_run(still_server)

    cluster.processes["triggerer"].kill()
    seen = looks(still_server)
    cluster.restart("triggerer")
    cluster.wait_for(lambda: looks(still_server) > seen, "the new triggerer to look at the run", TIMEOUT)
    still_server.advance(LONGER_THAN_ANY_RUN)

    assert cluster.wait_for_dag_run(DAG_ID, dag_run, TIMEOUT) == "success"
    assert cluster.records.xcoms(DAG_ID, dag_run, TASK_ID) == {-1: run_id}
    assert still_server.client("omics").get_run(id=run_id)["status"] == "COMPLETED"
    assert still_server.journal.runs_created == 1
    assert still_server.journal.counts["StartRun"] == 1
    assert still_server.journal.counts["CancelRun"] == 0


def test_a_deferred_task_has_its_links_and_identifiers(
    cluster: AirflowCluster, still_server: LocalOmics, dag_run: str
) -> None:
    run_id = started_run(still_server)
    run = still_server.client("omics").get_run(id=run_id)

    links = cluster.extra_links(DAG_ID, dag_run, TASK_ID)

    assert links.keys() == {"HealthOmics run", "Run log", "Engine log"}
    # AWS's console knows nothing of a run on a server of one's own.
    assert not any(links.values())
    pushed = {key: cluster.records.xcoms(DAG_ID, dag_run, TASK_ID, key) for key in IDENTIFIERS}
    assert pushed == {key: {-1: run[member]} for key, member in IDENTIFIERS.items()}

    still_server.advance(LONGER_THAN_ANY_RUN)
    assert cluster.wait_for_dag_run(DAG_ID, dag_run, TIMEOUT) == "success"


IDENTIFIERS = {"run_arn": "arn", "run_uuid": "uuid", "run_output_uri": "runOutputUri"}
