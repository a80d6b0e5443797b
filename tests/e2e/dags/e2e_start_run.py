"""Starts one run and waits for it deferred, over the connection whose server a test moves by hand."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_omics.operators.run import OmicsStartRunOperator

with DAG(dag_id="e2e_start_run", schedule=None, catchup=False):
    OmicsStartRunOperator(
        task_id="run",
        aws_conn_id="omics_by_hand",
        workflow_id="{{ dag_run.conf['workflow_id'] }}",
        role_arn="arn:aws:iam::123456789012:role/omics",
        output_uri="s3://results/runs",
        deferrable=True,
        waiter_delay=1,
    )
