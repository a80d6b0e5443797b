"""Have a person approve what a cohort is estimated to cost before anything of it is started. Needs Airflow 3.1.

Trigger the DAG with the samples and with where to run them::

    {
        "workflow_id": "1234567",
        "role_arn": "arn:aws:iam::123456789012:role/OmicsServiceRole",
        "output_uri": "s3://my-bucket/cohort-1",
        "samples": [
            {"runSettingId": "liver_1", "parameters": {"reads": "s3://my-bucket/liver_1.fastq.gz"}},
            {"runSettingId": "liver_2", "parameters": {"reads": "s3://my-bucket/liver_2.fastq.gz"}}
        ]
    }

1. ``samples`` hands on the samples.
2. ``estimate`` says what they will cost, from what the last runs of the same workflow version have cost;
   where there were fewer than five, it says that it does not know.
3. ``approve`` shows that to a person, under Required Actions in Airflow's interface, and waits. Rejected, or without an
   answer for two days, what comes after it does not run.
4. ``cohort`` runs the samples, and says at the end what they did cost.

All tasks use the connection ``aws_default``; ``estimate`` and ``cohort`` need ``pricing:GetProducts`` besides.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, get_current_context, task
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.cost import OmicsEstimateCostOperator

with DAG(
    dag_id="example_omics_cost_approval",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["example", "healthomics"],
    params={
        "workflow_id": Param(type="string", pattern="^[0-9]{1,18}$", description="Id of the workflow to run."),
        "role_arn": Param(type="string", pattern="^arn:.+", description="Service role that the runs act with."),
        "output_uri": Param(type="string", pattern="^s3://.+", description="Where the runs write their outputs."),
        "samples": Param(
            type="array",
            minItems=1,
            description="The samples: for each a runSettingId and the parameters of the workflow.",
        ),
    },
) as dag:

    @task
    def samples() -> list[dict[str, Any]]:
        """Return the samples."""
        return get_current_context()["params"]["samples"]

    listed = samples()

    estimate = OmicsEstimateCostOperator(
        task_id="estimate",
        workflow_id="{{ params.workflow_id }}",
        runs="{{ params.samples | length }}",
    )

    approve = ApprovalOperator(
        task_id="approve",
        subject="May this cohort be started? ({{ params.samples | length }} samples)",
        body="{{ ti.xcom_pull(task_ids='estimate')['text'] }}",
        # Whoever does not answer has not agreed.
        defaults="Reject",
        response_timeout=timedelta(days=2),
    )

    cohort = OmicsStartRunBatchOperator(
        task_id="cohort",
        workflow_id="{{ params.workflow_id }}",
        role_arn="{{ params.role_arn }}",
        output_uri="{{ params.output_uri }}",
        run_settings=listed,
        usage="all",
        deferrable=True,
        # Seconds between two looks at the batch. For hours-long runs, take a minute or more.
        waiter_delay=5,
    )

    estimate >> approve >> cohort
