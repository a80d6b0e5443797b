"""Permissions of the page: Airflow's own, on the DAG that a cohort belongs to, as its auth manager gives them."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from fastapi import Depends

IsLoggedIn = Depends(get_user)
"""Dependency of every address: 401 without a login."""

MAY_SEE_COHORT = [
    Depends(requires_access_dag("GET", entity)) for entity in (DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
]
"""Dependencies of every address with a ``dag_id``: 403 without permission to read the DAG's tasks and their XComs."""

MAY_SEE_LOGS = [*MAY_SEE_COHORT, Depends(requires_access_dag("GET", DagAccessEntity.TASK_LOGS))]
"""Dependencies of the addresses that show logs."""


def _readable_dags(user: GetUserDep) -> set[str]:
    manager: Any = get_auth_manager()
    return set(manager.get_authorized_dag_ids(user=user, method="GET"))


ReadableDags = Annotated[set[str], Depends(_readable_dags)]
"""Ids of the DAGs that the user may read, for an address that is about no single one."""
