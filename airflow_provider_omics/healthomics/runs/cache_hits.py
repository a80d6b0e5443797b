"""Cache hits of a run: how many of its tasks came out of its run cache."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.healthomics.runs.tasks import list_tasks


@dataclass(frozen=True)
class CacheHits:
    """Cache hits of a run.

    :param hits: how many tasks came out of the cache.
    :param tasks: how many tasks it had.
    """

    hits: int
    tasks: int

    def describe(self, label: str) -> str:
        """Return them as text, for the log."""
        return f"{self.hits:,} of {self.tasks:,} tasks of {label} came out of its run cache"


def count_cache_hits(run_id: str) -> Requests[CacheHits]:
    """Count the cache hits of a run, with a call for every 100 tasks (ListRunTasks)."""
    shown = [task.get("cacheHit") is True for task in (yield from list_tasks(run_id))]
    return CacheHits(sum(shown), len(shown))
