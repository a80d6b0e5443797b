"""The example DAG with the sensor, on a server that really runs its workflow."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from airflow_cluster import AirflowCluster
from reads import damaged, make_reads
from staging import create_workflow

from airflow_provider_omics.local import LocalOmics

pytestmark = pytest.mark.e2e

DAG_ID = "example_omics_run_sensor"
READ_QC = Path(__file__).parents[2] / "example_dags" / "workflows" / "read-qc"
TIMEOUT = 600


def run_example(cluster: AirflowCluster, server: LocalOmics, fastq: bytes) -> tuple[str, str]:
    """Run the DAG on one FASTQ file; return the id of the DAG run and the state in which it ended."""
    bucket, run_id = f"sensor-{uuid.uuid4()}", f"test-{uuid.uuid4()}"
    s3 = server.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="reads.fastq.gz", Body=fastq)
    conf = {
        "workflow_id": create_workflow(server.client("omics"), READ_QC),
        "role_arn": "arn:aws:iam::123456789012:role/omics",
        "output_uri": f"s3://{bucket}/runs",
        "parameters": {
            "sample_name": "liver",
            "fastq_1": {"class": "File", "location": f"s3://{bucket}/reads.fastq.gz"},
        },
    }
    cluster.trigger(DAG_ID, run_id, conf)
    return run_id, cluster.wait_for_dag_run(DAG_ID, run_id, TIMEOUT)


def test_the_sensor_returns_where_the_outputs_are(cluster: AirflowCluster, cwl_server: LocalOmics) -> None:
    run_id, state = run_example(cluster, cwl_server, make_reads("liver", 50).fastq_1)

    assert state == "success"
    started = cluster.records.xcoms(DAG_ID, run_id, "start")[-1]
    run = cwl_server.client("omics").get_run(id=started)
    assert run["status"] == "COMPLETED"
    waited = cluster.records.xcoms(DAG_ID, run_id, "wait")[-1]
    assert waited == {"run_id": started, "run_uuid": run["uuid"], "run_output_uri": run["runOutputUri"]}


def test_the_sensor_fails_with_the_tools_message(cluster: AirflowCluster, cwl_server: LocalOmics) -> None:
    run_id, state = run_example(cluster, cwl_server, damaged(make_reads("liver", 200).fastq_1))

    assert state == "failed"
    assert cluster.records.task_state(DAG_ID, run_id, "start") == "success"
    assert "the gzip data end too early" in cluster.records.task_log(DAG_ID, run_id, "wait")
