"""Cohort tasks as Airflow's database has them, read in its web server."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_omics.compat import dag_run_life
from airflow_provider_omics.healthomics.requests.identity import DagRunLife, TaskIdentity
from airflow_provider_omics.operators.xcom_keys import XCOM_BATCH_ID_KEY
from airflow_provider_omics.page.cohort_task import CohortTask

COHORT_OPERATORS = ("OmicsStartRunBatchOperator",)
"""Classes of the tasks that the list of cohorts shows."""

_ID = re.compile(r"[0-9]{1,18}")


def find_task(identity: TaskIdentity) -> CohortTask | None:
    """Return a task instance; None if there is none of this identity."""
    with create_session() as session:
        query = select(TaskInstance).where(
            TaskInstance.dag_id == identity.dag_id,
            TaskInstance.run_id == identity.dag_run_id,
            TaskInstance.task_id == identity.task_id,
            TaskInstance.map_index == identity.map_index,
        )
        ti = session.scalars(query).first()
        # Some databases take other letters, or spaces at the end, for the same: what was permitted is this one's name.
        if ti is None or TaskIdentity.of(ti) != identity:
            return None
        dag_run = session.scalars(
            select(DagRun).where(DagRun.dag_id == identity.dag_id, DagRun.run_id == identity.dag_run_id)
        ).first()
        task = _task(ti, _life(dag_run))
        batch_id = _xcom(session, identity, XCOM_BATCH_ID_KEY)
        return replace(
            task,
            arguments=RenderedTaskInstanceFields.get_templated_fields(ti, session=session),
            batch_id=str(batch_id) if _ID.fullmatch(str(batch_id)) else None,
        )


def list_tasks(dag_ids: Collection[str], first: int, count: int) -> list[CohortTask]:
    """Return the tasks with cohorts that began last, the newest first, without arguments and batches.

    :param dag_ids: only of these DAGs.
    :param first: how many to leave out.
    :param count: most tasks.
    """
    with create_session() as session:
        query = (
            select(TaskInstance)
            .where(
                TaskInstance.dag_id.in_(dag_ids),
                TaskInstance.operator.in_(COHORT_OPERATORS),
                TaskInstance.start_date.is_not(None),
            )
            .order_by(TaskInstance.start_date.desc())
            .offset(first)
            .limit(count)
        )
        return [_task(ti, DagRunLife()) for ti in session.scalars(query)]


def _task(ti: Any, life: DagRunLife) -> CohortTask:
    state = None if ti.state is None else str(getattr(ti.state, "value", ti.state))
    return CohortTask(TaskIdentity.of(ti), state, ti.try_number, ti.operator, ti.start_date, ti.end_date, life)


def _life(dag_run: Any) -> DagRunLife:
    if dag_run is None:
        return DagRunLife()
    # What a task sees of its DAG run has no database id.
    names = ("run_after", "start_date", "logical_date", "clear_number")
    return dag_run_life({"dag_run": SimpleNamespace(**{name: getattr(dag_run, name) for name in names})})


def _xcom(session: Any, identity: TaskIdentity, key: str) -> Any:
    query = XComModel.get_many(
        run_id=identity.dag_run_id,
        key=key,
        task_ids=identity.task_id,
        dag_ids=identity.dag_id,
        map_indexes=identity.map_index,
        limit=1,
    )
    found = session.scalars(query).first()
    value = None if found is None else found.value
    # Never made into objects: whoever may write XComs chooses what is in them.
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
