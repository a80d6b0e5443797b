"""A run and a batch, waited for deferred, and what they need from the DAG run."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

COMMON = {
    "workflow_id": "{{ dag_run.conf['workflow_id'] }}",
    "role_arn": "arn:aws:iam::123456789012:role/omics",
    "output_uri": "s3://celery-results/{{ run_id }}",
    "deferrable": True,
    "waiter_delay": 0.5,
}

with DAG(dag_id="celery_stack", schedule=None, catchup=False):
    OmicsStartRunOperator(task_id="run", **COMMON)
    OmicsStartRunBatchOperator(
        task_id="batch",
        run_settings=[{"runSettingId": name, "parameters": {"name": name}} for name in ("a", "b", "c")],
        **COMMON,
    )
