"""The example DAG that makes a workflow of a folder, on a server that really runs its workflow."""

from __future__ import annotations

import shutil
import uuid
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


def test_new_content_makes_a_version_and_old_ones_are_deleted(
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

    def run() -> tuple[str, str, Any]:
        """Run the DAG, and return the workflow's id, the version's name and what the results are."""
        run_id = f"test-{uuid.uuid4()}"
        cluster.trigger(DAG_ID, run_id, conf)
        assert cluster.wait_for_dag_run(DAG_ID, run_id, TIMEOUT) == "success"
        workflow, version, results = (
            cluster.records.xcoms(DAG_ID, run_id, task)[-1] for task in ("workflow", "version", "results")
        )
        return workflow, version, results

    def versions(workflow_id: str) -> list[str]:
        return [one["versionName"] for one in omics.list_workflow_versions(workflowId=workflow_id)["items"]]

    workflow_id, first, results = run()
    assert results["outcome"] == "completed"
    assert s3.head_object(Bucket=bucket, Key=results["results_uri"].removeprefix(f"s3://{bucket}/"))
    assert versions(workflow_id) == [first]

    assert run()[:2] == (workflow_id, first)
    assert versions(workflow_id) == [first]
    assert [one["id"] for one in omics.list_workflows(name=name)["items"]] == [workflow_id]

    original = (folder / "measure.py").read_text()
    (folder / "measure.py").write_text(f"{original}\n# It reads the same, and is another version.\n")
    conf["keep"] = 2
    again, second, _ = run()
    assert (again, second != first) == (workflow_id, True)
    assert versions(workflow_id) == [first, second]

    (folder / "measure.py").write_text(original)
    conf["keep"] = 1
    assert run()[:2] == (workflow_id, first)
    assert versions(workflow_id) == [first]
    runs = [omics.get_run(id=one["id"]) for one in omics.list_runs()["items"]]
    used = [one["workflowVersionName"] for one in runs if one["workflowId"] == workflow_id]
    assert sorted(used) == sorted([first, first, second, first])
