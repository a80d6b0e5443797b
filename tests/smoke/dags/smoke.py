"""For each source of a connection a DAG whose tasks all wait for their jobs at the same time."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, BaseOperator
from smoke_rows import BROKEN, SAMPLES, SOURCES, WORKFLOW, connection, tasks

from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator


def run_settings(*names: str) -> list[dict[str, str]]:
    return [{"runSettingId": name} for name in names]


for source in SOURCES:
    in_worker = {
        "aws_conn_id": connection(source),
        "workflow_id": os.environ[WORKFLOW],
        "role_arn": "arn:aws:iam::123456789012:role/omics",
        "output_uri": "s3://smoke/{{ run_id }}/{{ ti.dag_id }}-{{ ti.task_id }}",
        "deferrable": False,
        "waiter_delay": 1,
    }
    deferred = {**in_worker, "deferrable": True}
    batch = {**deferred, "run_settings": run_settings(*SAMPLES)}
    operators: dict[str, tuple[type[BaseOperator], dict[str, object]]] = {
        "lost": (OmicsStartRunOperator, {**in_worker, "retries": 1, "retry_delay": timedelta(seconds=1)}),
        "killed_in_worker": (OmicsStartRunOperator, in_worker),
        "killed_while_deferred": (OmicsStartRunOperator, deferred),
        "run": (OmicsStartRunOperator, deferred),
        "batch": (OmicsStartRunBatchOperator, batch),
        "batch_with_failure": (
            OmicsStartRunBatchOperator,
            {**deferred, "run_settings": run_settings(*SAMPLES, BROKEN)},
        ),
    }
    with DAG(dag_id=f"smoke_{source}", schedule=None, catchup=False):
        for task_id in tasks(source):
            operator, arguments = operators[task_id]
            operator(task_id=task_id, **arguments)
