"""One DAG for each way of starting a job; what a trial wants of it comes with the DAG run."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

COMMON = {
    "task_id": "job",
    "aws_conn_id": "{{ dag_run.conf['connection'] }}",
    "workflow_id": "{{ dag_run.conf['workflow_id'] }}",
    "role_arn": "arn:aws:iam::123456789012:role/omics",
    "output_uri": "s3://chaos-results/{{ run_id }}",
    "waiter_delay": 0.5,
    "retries": 9,
    "retry_delay": timedelta(seconds=1),
}
SECONDS = {"omics-local:seconds": "{{ dag_run.conf['seconds'] }}"}
SAMPLES = [
    {"runSettingId": "{{ run_id }}-{{ ti.map_index }}-" + name, "parameters": {"name": name}, "runTags": SECONDS}
    for name in ("a", "b", "c")
]

for mode in ("worker", "deferred"):
    deferred = {"deferrable": mode == "deferred"}
    with DAG(dag_id=f"chaos_run_{mode}_plain", schedule=None, catchup=False, max_active_runs=64):
        OmicsStartRunOperator(tags=SECONDS, **COMMON, **deferred)
    with DAG(dag_id=f"chaos_run_{mode}_mapped", schedule=None, catchup=False, max_active_runs=64):
        OmicsStartRunOperator.partial(tags=SECONDS, **COMMON, **deferred).expand(parameters=[{"n": 1}, {"n": 2}])
    # The server fails the first run of this name, so that a later try has a run to replace.
    with DAG(dag_id=f"chaos_run_{mode}_flaky", schedule=None, catchup=False, max_active_runs=64):
        OmicsStartRunOperator(tags=SECONDS, name="{{ run_id }}-flaky", **COMMON, **deferred)
    # An outage has to be borne without a retry.
    with DAG(dag_id=f"chaos_run_{mode}_once", schedule=None, catchup=False, max_active_runs=64):
        OmicsStartRunOperator(tags=SECONDS, **{**COMMON, "retries": 0}, **deferred)
    with DAG(dag_id=f"chaos_batch_{mode}_once", schedule=None, catchup=False, max_active_runs=64):
        OmicsStartRunBatchOperator(run_settings=SAMPLES, **{**COMMON, "retries": 0}, **deferred)
    with DAG(dag_id=f"chaos_batch_{mode}_plain", schedule=None, catchup=False, max_active_runs=64):
        OmicsStartRunBatchOperator(run_settings=SAMPLES, **COMMON, **deferred)
    with DAG(dag_id=f"chaos_batch_{mode}_mapped", schedule=None, catchup=False, max_active_runs=64):
        OmicsStartRunBatchOperator.partial(run_settings=SAMPLES, **COMMON, **deferred).expand(priority=[1, 2])
    # The server fails the first run of one of its samples by chance, so that the task starts a second batch.
    with DAG(dag_id=f"chaos_batch_{mode}_flaky", schedule=None, catchup=False, max_active_runs=64):
        flaky = {"runSettingId": "{{ run_id }}-flaky", "parameters": {"name": "flaky"}, "runTags": SECONDS}
        OmicsStartRunBatchOperator(run_settings=[*SAMPLES, flaky], redrive_attempts=1, **COMMON, **deferred)
