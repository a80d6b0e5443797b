"""Runs and cohorts that tell OpenLineage what they read and wrote; the environment names the workflow."""

from __future__ import annotations

import os

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

PARAMETERS = {"reads": "s3://inline/reads/a.fastq.gz", "password": "hunter2", "api_token": "s3://hunter2/hunter2"}
FAILS = {"omics-local:outcome": "RUN_TASK_FAILED"}

with DAG(dag_id="lineage", schedule=None, catchup=False) as dag:
    for mode in ("worker", "deferred"):
        common = {
            "workflow_id": os.environ["LINEAGE_WORKFLOW"],
            "role_arn": "arn:aws:iam::123456789012:role/omics",
            "output_uri": "s3://inline/out",
            "waiter_delay": 0.05,
            "deferrable": mode == "deferred",
            "trigger_rule": "all_done",
        }
        again = [{"runSettingId": f"again-{mode}", "parameters": PARAMETERS}, {"runSettingId": "a"}]
        tasks = [
            OmicsStartRunOperator(task_id=f"run_{mode}", parameters=PARAMETERS, **common),
            OmicsStartRunOperator(task_id=f"failing_run_{mode}", parameters=PARAMETERS, tags=FAILS, **common),
            OmicsStartRunBatchOperator(task_id=f"batch_{mode}", run_settings=again, redrive_attempts=1, **common),
            OmicsStartRunBatchOperator(
                task_id=f"failing_batch_{mode}", run_settings=[{"runSettingId": "x", "runTags": FAILS}], **common
            ),
        ]

if __name__ == "__main__":
    dag.test()
