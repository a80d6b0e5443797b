"""Start one HealthOmics run per sample, wait for all of them without holding a worker, and gather one table.

The workflow is the read QC in ``workflows/read-qc``: it counts the reads of one sample and rates their quality.
Trigger the DAG with the samples and with where to run them::

    {
        "workflow_id": "1234567",
        "role_arn": "arn:aws:iam::123456789012:role/OmicsServiceRole",
        "output_uri": "s3://my-bucket/read-qc",
        "samples": [
            {"sample": "liver_1", "fastq_1": "s3://my-bucket/liver_1_R1.fastq.gz",
             "fastq_2": "s3://my-bucket/liver_1_R2.fastq.gz"},
            {"sample": "liver_2", "fastq_1": "s3://my-bucket/liver_2.fastq.gz"}
        ]
    }

1. ``plan`` makes the arguments of one run out of each sample.
2. ``read_qc`` starts the runs and waits deferred: however long they take, no worker is held.
3. ``gather`` runs when all have ended, whatever became of them, and writes a table to S3: one row per sample, in the
   order of the input. A sample that failed has a row that says so.
4. ``all_completed`` fails the DAG run if a sample failed, so that somebody notices.

All tasks use the connection ``aws_default``.
"""

from __future__ import annotations

import json
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, Param, get_current_context, task

from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.operators.run import OmicsStartRunOperator

SAMPLE = {
    "type": "object",
    "required": ["sample", "fastq_1"],
    "properties": {
        "sample": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": 100},
        "fastq_1": {"type": "string", "pattern": "^s3://"},
        "fastq_2": {"type": "string", "pattern": "^s3://"},
    },
}


def inputs(sample: dict[str, str]) -> dict[str, Any]:
    """Return the workflow's inputs for a sample, as CWL writes them."""
    reads = [name for name in ("fastq_1", "fastq_2") if name in sample]
    files = {name: {"class": "File", "location": sample[name]} for name in reads}
    return {"sample_name": sample["sample"], **files}


def result(index: int) -> dict[str, Any]:
    """Return how the run of one sample ended."""
    ti = get_current_context()["ti"]
    # It is pushed as soon as the run has started, so that it is there for runs that failed as well.
    run_arn = ti.xcom_pull(task_ids="read_qc", map_indexes=index, key="run_arn")
    if run_arn is None:
        return {"status": "NOT STARTED"}
    run = OmicsHook().get_run(run_arn.rpartition("/")[2])
    row = {"run_id": run.run_id, "status": run.status, "output_uri": run.output_uri}
    if run.status != "COMPLETED":
        return {**row, "failure": f"{run.failure_code}: {run.status_message}"}
    return {**row, **figures(run.output_uri)}


def figures(output_uri: str) -> dict[str, Any]:
    """Return the figures of a run: its outputs.json names the file that holds them."""
    s3 = S3Hook()
    outputs = json.loads(s3.read_key(f"{output_uri}/logs/outputs.json"))
    return json.loads(s3.read_key(outputs["figures"]["location"]))


with DAG(
    dag_id="example_omics_run",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["example", "healthomics"],
    params={
        "workflow_id": Param(type="string", pattern="^[0-9]{1,18}$", description="Id of the read QC workflow."),
        "role_arn": Param(type="string", pattern="^arn:.+", description="Service role that the runs act with."),
        "output_uri": Param(type="string", pattern="^s3://.+", description="Where the runs write their outputs."),
        "samples": Param(
            type="array",
            minItems=1,
            items=SAMPLE,
            description="What to run on: for each sample its name and its FASTQ files in S3, one or a pair.",
        ),
    },
) as dag:

    @task
    def plan() -> list[dict[str, Any]]:
        """Return, for each sample, the arguments in which its run differs from the others."""
        return [
            {"name": f"read-qc-{sample['sample']}", "parameters": inputs(sample)}
            for sample in get_current_context()["params"]["samples"]
        ]

    read_qc = OmicsStartRunOperator.partial(
        task_id="read_qc",
        workflow_id="{{ params.workflow_id }}",
        role_arn="{{ params.role_arn }}",
        output_uri="{{ params.output_uri }}",
        storage_type="DYNAMIC",
        tags={"project": "read-qc"},
        deferrable=True,
        # Seconds between two looks at a run. These runs are short; for hours-long ones, take a minute or more.
        waiter_delay=5,
        map_index_template="{{ task.parameters['sample_name'] }}",
    ).expand_kwargs(plan())

    @task(trigger_rule="all_done")
    def gather() -> str:
        """Write one row per sample to S3: how its run ended and, if it completed, the figures it came to.

        Returns where the table is. The table itself grows with the samples, so it stays out of XCom.
        """
        context = get_current_context()
        samples = context["params"]["samples"]
        rows = [{"sample": sample["sample"], **result(index)} for index, sample in enumerate(samples)]
        table = f"{context['params']['output_uri'].rstrip('/')}/tables/{context['run_id']}.json"
        S3Hook().load_string(json.dumps(rows, indent=1), key=table, replace=True)
        return table

    @task
    def all_completed(table: str) -> None:
        """Fail if a sample has no figures."""
        rows = json.loads(S3Hook().read_key(table))
        failed = [row["sample"] for row in rows if row["status"] != "COMPLETED"]
        if failed:
            raise AirflowFailException(f"{len(failed)} of {len(rows)} samples failed: {', '.join(failed)}")

    table = gather()
    read_qc >> table
    all_completed(table)
