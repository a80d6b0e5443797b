"""Run caches of the operators that start jobs: found or made before a job, and their hits counted after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.account.auto_cache import (
    AUTO,
    BEHAVIOR,
    UNKNOWN_CACHE,
    auto_cache_issues,
    auto_cache_request,
    member_issue,
)
from airflow_provider_omics.account.creation import ResourceCreator
from airflow_provider_omics.account.kinds import RUN_CACHE
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.runs.cache_hits import CacheHits, count_cache_hits
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.operators.base import KillableOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class OmicsAutoCacheOperator(KillableOperator):
    """Base of the operators whose runs may use a run cache.

    :param cache: ``auto`` to have the runs use one run cache for the workflow, which is found by its name or made below
        ``output_uri``, with ``CACHE_ON_FAILURE`` unless ``cache_behavior`` is given: a later try, or a redrive, goes on
        after the last task that was finished. None for ``cache_id``, or for no cache.
    """

    cache_id: str | None = None
    run_id: str | None = None
    workflow_type: str | None = None

    def __init__(self, *, cache: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cache = cache

    @property
    def unknown_cache(self) -> dict[str, str]:
        """What stands in a request for a cache that is found or made later; nothing where none is."""
        return {"cacheId": UNKNOWN_CACHE} if self.cache == AUTO and self.cache_id is None else {}

    def cache_issues(self) -> list[Issue]:
        """Return what is wrong with ``cache``."""
        return list(auto_cache_issues({name: getattr(self, name) for name in _BESIDE}))

    def cache_members(self, context: Context, operation: str, members: Mapping[str, Any]) -> dict[str, str]:
        """Return the members that name the run cache, which is found or made and said in the log; nothing without one.

        :param context: of the task, whose earlier tries may have made it.
        :param operation: API operation that they are for.
        :param members: of StartRun or of DefaultRunSetting, with the workflow's id.
        :raises OmicsRequestInvalidError: there can be none.
        :raises OmicsServiceError: the service refused it.
        """
        if self.cache != AUTO:
            return {}
        issue = member_issue(members)
        if issue is not None:
            raise OmicsRequestInvalidError(operation, [issue])
        request = auto_cache_request(members)
        creator = ResourceCreator(
            self.hook,
            RUN_CACHE,
            request,
            self.log,
            self._killed.wait,
            takes_oldest=True,
            is_retry=context["ti"].try_number > 1,
        )
        cache = creator.get_or_create().resource
        behavior = str(members.get("cacheBehavior") or BEHAVIOR)
        text = "Runs use HealthOmics %s (%s), which keeps finished tasks in %s"
        self.log.info("%s", entry(text, cache.label, behavior, request["cacheS3Location"]))
        return {"cacheId": cache.identifier, "cacheBehavior": behavior}

    def count_hits(self, run: RunSnapshot) -> CacheHits | None:
        """Count the cache hits of a run that has ended, and log them; None for one without a cache of the task's.

        Nothing is raised: how the run has ended is known.
        """
        if self.cache is None and self.cache_id is None:
            return None
        try:
            found = self.hook.send_requests(count_cache_hits(run.run_id), run.label)
        except Exception as error:
            self.log.warning("%s", entry("The cache hits of %s could not be counted: %s", run.label, error))
            return None
        self.log.info("%s", found.describe(f"HealthOmics {run.label}"))
        return found


_BESIDE = ("cache", "cache_id", "run_id", "workflow_type")
