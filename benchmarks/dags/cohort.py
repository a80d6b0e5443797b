"""The DAG of ``benchmarks/cohort.py``: one deferred batch, whose task writes down what each of its processes used."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG

import airflow_provider_omics
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator

RECORD = Path(os.environ.get("COHORT_BENCHMARK_RECORD", os.devnull))


@contextmanager
def recorded(part: str) -> Iterator[None]:
    """Write down the CPU time and the peak memory of this process, imports and Airflow's own work included."""
    try:
        yield
    finally:
        used = resource.getrusage(resource.RUSAGE_SELF)
        figures = {
            "part": part,
            "cpu": used.ru_utime + used.ru_stime,
            "peak_mib": used.ru_maxrss / 1024,
            "code": str(Path(airflow_provider_omics.__file__).parents[1]),
        }
        with RECORD.open("a") as record:
            record.write(json.dumps(figures) + "\n")


class RecordedOperator(OmicsStartRunBatchOperator):
    """The operator, with figures."""

    def execute(self, context: Any) -> str:
        with recorded("submitting"):
            return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None, **state: Any) -> Any:
        with recorded("gathering"):
            return super().execute_complete(context, event, **state)


with DAG(dag_id="cohort", schedule=None, catchup=False):
    RecordedOperator(
        task_id="cohort",
        workflow_id="77",
        role_arn="arn:aws:iam::123456789012:role/omics",
        output_uri="s3://cohort/runs",
        run_settings=os.environ.get("COHORT_BENCHMARK_SHEET", "cohort.csv"),
        run_setting_id_column="sample",
        tolerated_failure_percentage=1,
        deferrable=True,
        waiter_delay=5,
    )
