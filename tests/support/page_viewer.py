"""What the cohort's page shows of tasks that were run here, without Airflow's database."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from task_runs import TaskInstance

from airflow_provider_omics.healthomics.requests.identity import DagRunLife, TaskIdentity
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.page.cohort_task import CohortTask
from airflow_provider_omics.page.cohorts import CohortReader
from airflow_provider_omics.page.problems import problem_of


def page_task(ti: TaskInstance, operator: OmicsStartRunBatchOperator, state: str = "success") -> CohortTask:
    """Return what Airflow's database would have of a task."""
    arguments = {name: getattr(operator, name) for name in operator.template_fields}
    return CohortTask(
        TaskIdentity.of(ti),
        state,
        ti.try_number,
        type(operator).__name__,
        ti.start_date,
        None if state == "deferred" else datetime.now(UTC),
        DagRunLife(),
        json.loads(json.dumps(arguments, default=str)),
        ti.xcoms.get("batch_id"),
    )


class Viewer:
    """Somebody who looks at a cohort's page, in a web server of their own."""

    def __init__(self) -> None:
        self.reader = CohortReader()

    def see(self, what: str, task: CohortTask, *arguments: Any) -> dict[str, Any]:
        """Return what the page shows, once the table was read."""
        for _ in range(6_000):
            try:
                answer: dict[str, Any] = getattr(self.reader, what)(task, *arguments).result(timeout=60)
            except Exception as error:
                return {"state": "problem", "problem": problem_of(error).to_json()}
            assert json.loads(json.dumps(answer)) == answer
            if answer["state"] != "reading":
                return answer
            time.sleep(0.01)
        raise AssertionError("the table is being read for ever")
