"""Start a HealthOmics run in one task and wait for it in another.

Useful when something is to happen between the two, or when the run is started by somebody else: a sensor needs
nothing but the run's id. Trigger the DAG with the arguments of the run::

    {
        "workflow_id": "1234567",
        "role_arn": "arn:aws:iam::123456789012:role/OmicsServiceRole",
        "output_uri": "s3://my-bucket/read-qc",
        "parameters": {"sample_name": "liver_2",
                       "fastq_1": {"class": "File", "location": "s3://my-bucket/liver_2.fastq.gz"}}
    }

The sensor waits in the triggerer, fails at once if the run does not end COMPLETED, and gives up after a day.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_omics.operators.run import OmicsStartRunOperator
from airflow_provider_omics.sensors.run import OmicsRunSensor

with DAG(
    dag_id="example_omics_run_sensor",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["example", "healthomics"],
    params={
        "workflow_id": Param(type="string", pattern="^[0-9]{1,18}$", description="Id of the workflow."),
        "role_arn": Param(type="string", pattern="^arn:.+", description="Service role that the run acts with."),
        "output_uri": Param(type="string", pattern="^s3://.+", description="Where the run writes its outputs."),
        "parameters": Param(type="object", description="The workflow's inputs."),
    },
) as dag:
    start = OmicsStartRunOperator(
        task_id="start",
        workflow_id="{{ params.workflow_id }}",
        role_arn="{{ params.role_arn }}",
        output_uri="{{ params.output_uri }}",
        parameters="{{ params.parameters | tojson }}",
        storage_type="DYNAMIC",
        wait_for_completion=False,
    )

    OmicsRunSensor(
        task_id="wait",
        run_id=start.output,
        deferrable=True,
        # Short, as the example's runs are; for hours-long runs, take a minute or more.
        poke_interval=timedelta(seconds=5),
        timeout=timedelta(days=1),
    )
