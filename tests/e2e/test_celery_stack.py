"""Runs and batches under CeleryExecutor: two schedulers, two triggerers, and two workers that share no memory."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow_cluster import AirflowCluster
from omics_service import wdl_zip

from airflow_provider_omics.local import LocalOmics, Timings

pytestmark = pytest.mark.e2e

DAG_ID = "celery_stack"
DAGS = Path(__file__).with_name("celery_dags")
TIMEOUT = 900
SAMPLES = ("a", "b", "c")


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    """A server whose runs take about two seconds."""
    with LocalOmics(executor="simulated", timings=Timings(running_min=1.0, running_max=2.0)) as server:
        server.client("s3").create_bucket(Bucket="celery-results")
        yield server


@pytest.fixture(scope="module")
def celery(server: LocalOmics, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowCluster]:
    """Airflow with Redis between schedulers and workers."""
    home = tmp_path_factory.mktemp("airflow home")
    dags = home / "dags"
    shutil.copytree(DAGS, dags, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"AIRFLOW_CONN_AWS_DEFAULT": server.airflow_connection_uri()}
    with AirflowCluster(home, dags, environment, stack="celery") as airflow:
        yield airflow


def test_a_deferred_run_and_a_deferred_batch_end_well(celery: AirflowCluster, server: LocalOmics) -> None:
    omics = server.client("omics")
    workflow_id = omics.create_workflow(
        engine="WDL", definitionZip=wdl_zip(), parameterTemplate={"name": {"optional": True}}
    )["id"]
    run_id = f"test-{uuid.uuid4()}"
    celery.trigger(DAG_ID, run_id, {"workflow_id": workflow_id})

    assert celery.wait_for_dag_run(DAG_ID, run_id, TIMEOUT) == "success", celery.records.task_log(
        DAG_ID, run_id, "run"
    ) + celery.records.task_log(DAG_ID, run_id, "batch")

    runs = omics.list_runs()["items"]
    assert [run["status"] for run in runs] == ["COMPLETED"] * (1 + len(SAMPLES))
    assert celery.records.xcoms(DAG_ID, run_id, "run") in [{-1: run["id"]} for run in runs]
    assert server.journal.counts["StartRun"] == server.journal.counts["StartRunBatch"] == 1


def test_every_kind_of_process_is_there_twice_beside_its_like(celery: AirflowCluster) -> None:
    celery.check()
    for component in ("scheduler", "triggerer", "worker"):
        assert len({celery.processes[name].pid for name in celery.names(component)}) == 2
    jobs = celery.records.running_jobs()
    assert (len(jobs["SchedulerJob"]), len(jobs["TriggererJob"])) == (2, 2)
    ports = [celery.processes[name].environment[TRIGGER_PORT] for name in celery.names("triggerer")]
    ports += [celery.processes[name].environment[WORKER_PORT] for name in celery.names("worker")]
    assert len(set(ports)) == len(ports)


TRIGGER_PORT = "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT"
WORKER_PORT = "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT"
