"""The HealthOmics API for tasks: create run groups, run caches and configurations."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from airflow_provider_omics.account.kinds import ResourceKind
from airflow_provider_omics.account.resource import Resource
from airflow_provider_omics.healthomics.api import calls
from airflow_provider_omics.healthomics.api.start_call import submit_idempotent
from airflow_provider_omics.hooks.client import OmicsClientHook


class OmicsAccountHook(OmicsClientHook):
    """Base of :class:`~airflow_provider_omics.hooks.omics.OmicsHook`: run groups, run caches and configurations."""

    def create_resource(
        self,
        kind: ResourceKind,
        request: Mapping[str, Any],
        *,
        find: Callable[[], Resource | None] | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> Resource:
        """Create a run group, a run cache or a configuration, and ask again while that may help.

        :param kind: what it is (:mod:`airflow_provider_omics.account.kinds`). Required.
        :param request: members by their API names; ``requestId`` decides whether it is a new one. Required.
        :param find: looks for the one that a call made whose answer was lost. None, the default, for none.
        :param pause: sleeps so many seconds, and may return True to stop asking. Default ``time.sleep``.
        :raises OmicsServiceError: the service refused it.

        See https://docs.aws.amazon.com/omics/latest/api/API_CreateRunGroup.html
        """
        operation = kind.operation("Create")
        with self._explained(operation, f"{kind.name} {request.get('name')!r}"):
            read = partial(Resource.of, kind)
            call = calls.Request(operation, request)
            return submit_idempotent(self.conn, call, read, reconcile=find, sleep=pause, log=self.log)
