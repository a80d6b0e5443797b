"""Cohorts of a workflow that runs one command without inputs, for example DAGs."""

from __future__ import annotations

import uuid
from typing import Any

from cwl_service import ROLE, zip_of

from airflow_provider_omics.local import LocalOmics


def cohort_conf(server: LocalOmics, command: str) -> dict[str, Any]:
    """Make a workflow of one command, and a bucket, and return what an example DAG is given to run it."""
    text = f"cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: '{command}'\ninputs: []\noutputs: []\n"
    workflow = server.client("omics").create_workflow(engine="CWL", definitionZip=zip_of({"main.cwl": text}))
    bucket = f"cohorts-{uuid.uuid4()}"
    server.client("s3").create_bucket(Bucket=bucket)
    return {"workflow_id": workflow["id"], "role_arn": ROLE, "output_uri": f"s3://{bucket}/runs"}
