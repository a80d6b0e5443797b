"""Two DAGs with a cohort each, over a connection that a test makes; one of them is not for everybody."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator

for dag_id in ("e2e_cohort", "e2e_secret_cohort"):
    with DAG(dag_id=dag_id, schedule=None, catchup=False):
        OmicsStartRunBatchOperator(
            task_id="cohort",
            aws_conn_id="omics_page",
            workflow_id="{{ dag_run.conf['workflow_id'] }}",
            role_arn="arn:aws:iam::123456789012:role/omics",
            output_uri=f"s3://cohorts/{dag_id}",
            run_settings="{{ dag_run.conf['run_settings'] }}",
            tolerated_failure_percentage=100,
            report=True,
            waiter_delay=0.5,
        )
