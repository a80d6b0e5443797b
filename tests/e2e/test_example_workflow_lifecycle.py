"""The example DAG that makes a workflow of a folder, on a server that really runs its workflow."""

from __future__ import annotations

import shutil
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow_cluster import AirflowCluster
from reads import make_reads

from airflow_provider_omics.local import LocalOmics

pytestmark = pytest.mark.e2e

DAG_ID = "example_omics_workflow_lifecycle"
READ_QC = Path(__file__).parents[2] / "example_dags" / "workflows" / "read-qc"
TIMEOUT = 600
TASKS = ("workflow", "version", "group", "check", "results", "prune_batches")


def test_new_content_makes_a_version_and_old_ones_and_their_records_are_deleted(
    cluster: AirflowCluster, cwl_server: LocalOmics, tmp_path: Path
) -> None:
    bucket, name = f"lifecycle-{uuid.uuid4()}", f"read-qc-{uuid.uuid4()}"
    s3, omics = cwl_server.client("s3"), cwl_server.client("omics")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="liver.fastq.gz", Body=make_reads("liver", 20).fastq_1)
    s3.put_object(Bucket=bucket, Key="cohort.csv", Body=f"sample,fastq_1\nliver,s3://{bucket}/liver.fastq.gz\n")
    folder = Path(shutil.copytree(READ_QC, tmp_path / "read-qc"))
    conf = {
        "definition": str(folder),
        "workflow_name": name,
        "role_arn": "arn:aws:iam::123456789012:role/omics",
        "output_uri": f"s3://{bucket}/runs",
        "sheet": f"s3://{bucket}/cohort.csv",
        "keep": 1,
    }
    tables: list[str] = []

    def run() -> dict[str, Any]:
        """Run the DAG, and return what its tasks returned."""
        run_id = f"test-{uuid.uuid4()}"
        cluster.trigger(DAG_ID, run_id, conf)
        assert cluster.wait_for_dag_run(DAG_ID, run_id, TIMEOUT) == "success"
        returned = {task: cluster.records.xcoms(DAG_ID, run_id, task)[-1] for task in TASKS}
        assert returned["results"]["outcome"] == "completed"
        # Images outside of ECR cannot be proved.
        assert {(found["kind"], found["verdict"]) for found in returned["check"]} == {("images", "unknown")}
        tables.append(returned["results"]["results_uri"].removeprefix(f"s3://{bucket}/"))
        return returned

    def versions(workflow_id: str) -> list[str]:
        return [one["versionName"] for one in omics.list_workflow_versions(workflowId=workflow_id)["items"]]

    def runs() -> list[dict[str, Any]]:
        listed = [one for one in omics.list_runs()["items"] if one["workflowId"] == workflow_id]
        return [omics.get_run(id=one["id"]) for one in listed]

    made = run()
    workflow_id, first, group_id = made["workflow"], made["version"], made["group"]
    assert versions(workflow_id) == [first]

    again = run()
    assert (again["workflow"], again["version"], again["group"]) == (workflow_id, first, group_id)
    assert versions(workflow_id) == [first]
    assert [one["id"] for one in omics.list_workflows(name=name)["items"]] == [workflow_id]
    assert [one["id"] for one in omics.list_run_groups(name=name)["items"]] == [group_id]
    assert [one["workflowVersionName"] for one in runs()] == [first, first]
    assert {(one["runGroupId"], one["cacheBehavior"]) for one in runs()} == {(group_id, "CACHE_ON_FAILURE")}
    (cache_id,) = {one["cacheId"] for one in runs()}
    assert omics.get_run_cache(id=cache_id)["cacheS3Uri"] == f"s3://{bucket}/runs/run-cache"
    assert (again["prune_batches"]["plan_only"], again["prune_batches"]["deletable"]) == (True, 0)

    make_older(cwl_server, runs(), timedelta(days=100))
    (folder / "measure.py").write_text(f"{(folder / 'measure.py').read_text()}\n# It is another version.\n")
    conf["plan_only"] = "false"
    changed = run()
    second = changed["version"]
    assert (changed["workflow"], changed["group"], second != first) == (workflow_id, group_id, True)
    assert versions(workflow_id) == [second]
    assert changed["prune_batches"]["deleted"] == 2
    assert [(one["workflowVersionName"], one["cacheId"]) for one in runs()] == [(second, cache_id)]
    # What the cohorts before came to is there still.
    assert len(set(tables)) == 3
    assert all(s3.head_object(Bucket=bucket, Key=table) for table in tables)


def make_older(server: LocalOmics, shown: list[dict[str, Any]], age: timedelta) -> None:
    """Have runs that have ended, and their batches, be older than they are."""
    account = server.account()
    with account.lock:
        runs = [account.runs[run["id"]] for run in shown]
        for one in (*runs, *(account.batches[run["batchId"]] for run in shown)):
            for name in ("creation_time", "submitted_time", "processed_time", "start_time", "stop_time"):
                if getattr(one, name, None) is not None:
                    setattr(one, name, getattr(one, name) - age)
