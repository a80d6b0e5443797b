"""The DAGs of ``benchmarks/watching.py triggerer``: sensors that go straight to the triggerer.

``first`` has one sensor, with which the triggerer imports what it needs; ``watching_000`` and so on have the others.
``sleeping_000`` and so on have as many whose triggers do nothing but sleep.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG
from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync

from airflow_provider_omics.sensors.run import OmicsRunSensor

RUNS = Path(os.environ.get("WATCHING_BENCHMARK_RUNS", os.devnull))

# Airflow gives the whole DAG to each trigger that starts without a worker, so the DAGs are small.
TASKS = 20


def in_dags(first: str, *others: str) -> dict[str, list[str]]:
    """Return the runs that each DAG waits for."""
    parts = [others[n : n + TASKS] for n in range(0, len(others), TASKS)]
    return {"first": [first], **{f"watching_{n:03}": list(part) for n, part in enumerate(parts)}}


NEVER = "2100-01-01T00:00:00+00:00"

for dag_id, run_ids in in_dags(*json.loads(RUNS.read_text() or '["0"]')).items():
    with DAG(dag_id=dag_id, schedule=None, catchup=False, max_active_tasks=100_000):
        for run_id in run_ids:
            OmicsRunSensor(
                task_id=f"run_{run_id}",
                run_id=run_id,
                poke_interval=float(os.environ.get("WATCHING_BENCHMARK_DELAY", "30")),
                start_from_trigger=True,
            )
    if dag_id == "first":
        continue
    with DAG(dag_id=dag_id.replace("watching", "sleeping"), schedule=None, catchup=False, max_active_tasks=100_000):
        for run_id in run_ids:
            DateTimeSensorAsync(task_id=f"sleep_{run_id}", target_time=NEVER, start_from_trigger=True)
