"""One DAG for each row of the kill matrix and each mode: a run and a batch, plain and mapped, side by side."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG
from kill_rows import ROWS, SAMPLES, connection, dag_id

from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

RUN_SETTINGS = [{"runSettingId": name, "parameters": {"name": name}} for name in SAMPLES]
INSTANCES = [{"name": "first"}]


def seconds(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(seconds=number)


for row in ROWS:
    for mode in row.modes:
        common = {
            "aws_conn_id": connection(row.name, mode),
            "workflow_id": "{{ dag_run.conf['workflow_id'] }}",
            "role_arn": "arn:aws:iam::123456789012:role/omics",
            "output_uri": "s3://kills/{{ run_id }}/{{ ti.task_id }}-{{ ti.map_index }}",
            "deferrable": mode == "deferred",
            "waiter_delay": 1,
            "waiter_max_attempts": row.max_looks,
            "error_budget": row.error_budget,
            "retries": row.retries,
            "retry_delay": timedelta(seconds=2),
            "execution_timeout": seconds(row.execution_timeout),
            "pool": dag_id(row.name, mode) if row.has_pool else "default_pool",
        }
        batch = {**common, "run_settings": RUN_SETTINGS}
        with DAG(
            dag_id=dag_id(row.name, mode),
            schedule=None,
            catchup=False,
            dagrun_timeout=seconds(row.dagrun_timeout),
        ):
            OmicsStartRunOperator(task_id="run_plain", **common)
            OmicsStartRunOperator.partial(task_id="run_mapped", **common).expand(parameters=INSTANCES)
            OmicsStartRunBatchOperator(task_id="batch_plain", **batch)
            OmicsStartRunBatchOperator.partial(task_id="batch_mapped", **batch).expand(parameters=INSTANCES)
