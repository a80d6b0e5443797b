"""An auth manager with a permission on each DAG, as those of real deployments have, which the simple one has not."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

SECRET = "e2e_secret"
TRUSTED = "admin"


class PerDagAuthManager(SimpleAuthManager):
    """Lets only ``admin`` see DAGs whose ids begin with ``e2e_secret``, and ``ulf`` no logs and no XComs of any DAG."""

    def is_authorized_dag(self, *, user: Any, access_entity: Any = None, details: Any = None, **given: Any) -> bool:
        if details is not None and (details.id or "").startswith(SECRET) and user.username != TRUSTED:
            return False
        if user.username == "ulf" and access_entity is not None and access_entity.name in ("TASK_LOGS", "XCOM"):
            return False
        return bool(super().is_authorized_dag(user=user, access_entity=access_entity, details=details, **given))
