"""The DAGs of ``benchmarks/watching.py triggerer``: sensors that go straight to the triggerer.

``first`` has one sensor, with which the triggerer imports what it needs; ``watching`` has the others.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_omics.sensors.run import OmicsRunSensor

RUNS = Path(os.environ.get("WATCHING_BENCHMARK_RUNS", os.devnull))

first, *others = json.loads(RUNS.read_text() or '["0"]')

for dag_id, run_ids in {"first": [first], "watching": others}.items():
    with DAG(dag_id=dag_id, schedule=None, catchup=False, max_active_tasks=100_000):
        for run_id in run_ids:
            OmicsRunSensor(
                task_id=f"run_{run_id}",
                run_id=run_id,
                poke_interval=float(os.environ.get("WATCHING_BENCHMARK_DELAY", "30")),
                start_from_trigger=True,
            )
