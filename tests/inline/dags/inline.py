"""Every operator and every sensor, one after the other, on jobs that the environment names; a program, too."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Asset

from airflow_provider_omics.operators.batch import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsDeleteRunBatchOperator,
    OmicsStartRunBatchOperator,
)
from airflow_provider_omics.operators.run import OmicsCancelRunOperator, OmicsDeleteRunOperator, OmicsStartRunOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor

JOBS: dict[str, Any] = json.loads(os.environ["INLINE_JOBS"])


def note(context: Any, result: Any = None) -> None:
    """Note what a task returns and what it pushed before that."""
    ti = context["ti"]
    summary = ti.xcom_pull(task_ids=ti.task_id, key="batch_summary")
    table = ti.xcom_pull(task_ids=ti.task_id, key="results_uri")
    line = json.dumps({"task": ti.task_id, "value": result, "summary": summary, "results_uri": table})
    with Path(os.environ["INLINE_VALUES"]).open("a") as values:
        values.write(f"{line}\n")


def outlet(name: str) -> dict[str, Any]:
    """An asset that a task writes, where a DAG run of Airflow 3 is recorded."""
    if not JOBS["many"] or version("apache-airflow").startswith("2."):
        return {}
    return {"outlets": [Asset(uri=f"s3://inline/{name}", name=name)]}


def samples(*names: str) -> list[dict[str, str]]:
    return [{"runSettingId": name} for name in names]


with DAG(dag_id="inline", schedule=None, catchup=False) as dag:
    deferrable = {"deferrable": JOBS["mode"] == "deferred"}
    common = {"trigger_rule": "all_done", "post_execute": note}
    sensor = {**common, **deferrable, "poke_interval": 0.05}
    waiting = {**common, **deferrable, "waiter_delay": 0.05}
    starting = {
        **waiting,
        "workflow_id": JOBS["workflow_id"],
        "role_arn": "arn:aws:iam::123456789012:role/omics",
        "output_uri": "s3://inline/out",
    }
    # In the order in which the jobs that are there already will have ended.
    tasks = [
        OmicsRunSensor(task_id="run_sensor", run_id=JOBS["run"], **sensor),
        OmicsBatchRunSensor(
            task_id="batch_run_sensor", batch_id=JOBS["batch_of_one"], run_setting_id="control", **sensor
        ),
        OmicsBatchSensor(task_id="batch_sensor", batch_id=JOBS["batch"], **sensor),
        OmicsCancelRunOperator(task_id="cancel_run", run_id=JOBS["run_to_cancel"], wait_for_completion=True, **waiting),
        OmicsCancelRunBatchOperator(
            task_id="cancel_batch", batch_id=JOBS["batch_to_cancel"], wait_for_completion=True, **waiting
        ),
        OmicsStartRunOperator(task_id="start_run", **outlet("run"), **starting),
        OmicsStartRunBatchOperator(
            task_id="start_batch", run_settings=samples("a", "b"), **outlet("cohort"), **starting
        ),
        OmicsStartRunBatchOperator(
            task_id="redrive",
            run_settings=samples("a", JOBS["fails_once"], "beyond-the-limit"),
            redrive_attempts=1,
            asset_partitions_limit=2,
            **outlet("samples"),
            **starting,
        ),
        OmicsDeleteRunOperator(task_id="delete_run", run_id=JOBS["run"], **common),
        OmicsDeleteRunBatchOperator(task_id="delete_runs", batch_id=JOBS["batch"], wait_for_completion=True, **waiting),
        OmicsDeleteBatchOperator(task_id="delete_batch", batch_id=JOBS["batch"], **waiting),
        *(
            [
                OmicsStartRunBatchOperator(
                    task_id="many", run_settings=samples(*(f"s{number}" for number in range(JOBS["many"]))), **starting
                ),
                OmicsStartRunBatchOperator(
                    task_id="failing", run_settings=samples("a", "broken"), **outlet("nothing"), **starting
                ),
            ]
            if JOBS["many"]
            else []
        ),
    ]
    for before, after in pairwise(tasks):
        before >> after

if __name__ == "__main__":
    dag.test()
