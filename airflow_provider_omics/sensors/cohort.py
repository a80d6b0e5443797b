"""What a sensor knows of the task that starts a cohort's batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.compat import dag_run_life
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.spelling import advice
from airflow_provider_omics.healthomics.discovery.cohort_search import CohortTask
from airflow_provider_omics.healthomics.discovery.jobs import BATCH_API, names_of
from airflow_provider_omics.healthomics.requests.identity import JobKey, TaskIdentity
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.operators.cohort_base import OmicsCohortOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context


def waited_for_cohort(batch_id: Any) -> str | None:
    """Return the id of the task whose end a sensor waits for before it starts, since it takes the batch's id from it.

    :param batch_id: the sensor's argument, not rendered.
    """
    task = getattr(batch_id, "operator", None)
    return task.task_id if isinstance(task, OmicsCohortOperator) and task.wait_for_completion else None


def tell_waited_for_cohort(sensor: BaseOperator, cohort: str | None) -> None:
    """Warn of a sensor that could not begin before the whole cohort was done.

    :param cohort: what :func:`waited_for_cohort` returned.
    """
    if cohort is not None:
        sensor.log.warning(
            "%s",
            entry(
                "Task %s has waited for all of the cohort of task %s before it looked, since its batch_id is that "
                "task's output. To look while the cohort goes on, use OmicsBatchRunSensor with cohort_task_id=%r",
                sensor.task_id,
                cohort,
                cohort,
            ),
        )


@dataclass(frozen=True)
class CohortArguments:
    """How a sensor names the task that starts a cohort's batches, as its user gave it."""

    task_id: Any
    map_index: Any
    batch_name: Any


def find_cohort_task(
    sensor: BaseOperator, named: CohortArguments, namespace: str, context: Context
) -> tuple[CohortTask | None, list[Issue]]:
    """Return the task that starts the batches, and what is wrong with how it was named."""
    task_id, issues = str(named.task_id), []
    try:
        map_index = int(named.map_index)
    except ValueError:
        map_index = -1
        issues.append(Issue("cohort_map_index", f"is {named.map_index!r}", "Give a whole number, -1 or more"))
    dag = sensor.dag if sensor.has_dag() else None  # type: ignore[no-untyped-call]
    if dag is not None and not dag.has_task(task_id):
        issues.append(Issue("cohort_task_id", f"{task_id!r} is no task of DAG {dag.dag_id!r}", _remedy(task_id, dag)))
    cohort: Any = None if issues or dag is None else dag.get_task(task_id)
    kind = getattr(cohort, "operator_class", type(cohort))
    if cohort is not None and not (isinstance(kind, type) and issubclass(kind, OmicsCohortOperator)):
        issues.append(Issue("cohort_task_id", f"{task_id!r} starts no batch", "Name an OmicsStartRunBatchOperator"))
    if issues:
        return None, issues
    ti = context["ti"]
    task = TaskIdentity(ti.dag_id, ti.run_id, task_id, map_index)
    life = dag_run_life(context)
    key = JobKey(task, "StartRunBatch", namespace, life)
    name = named.batch_name or _batch_name(sensor, cohort, context)
    default = (*names_of(BATCH_API, key, None, tagged=True), *names_of(BATCH_API, key, None, tagged=False))
    names = (name,) if name else tuple(dict.fromkeys(default))
    return CohortTask(task, namespace, life, names, _is_redriven(cohort)), []


def _batch_name(sensor: BaseOperator, cohort: Any, context: Context) -> str | None:
    name = _argument(cohort, "batch_name")
    return None if name is None else str(sensor.render_template(name, context))


def _is_redriven(cohort: Any) -> bool:
    # Of a task that cannot be seen, anything is possible.
    return cohort is None or bool(_argument(cohort, "retries") or _argument(cohort, "redrive_attempts"))


def _argument(task: Any, name: str) -> Any:
    given = getattr(task, "partial_kwargs", None)
    return getattr(task, name, None) if given is None else given.get(name, getattr(task, name, None))


def _remedy(task_id: str, dag: Any) -> str:
    likely = advice(task_id, [task.task_id for task in dag.tasks])
    return f"{likely}Name the task that starts the batch, with the task groups that it is in"
