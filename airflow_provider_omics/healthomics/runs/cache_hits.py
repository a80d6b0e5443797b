"""Cache hits of a run: how many of its tasks came out of its run cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Requests, list_pages


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
    shown: list[bool] = []

    def take(page: Mapping[str, Any]) -> None:
        shown.extend(item.get("cacheHit") is True for item in page.get("items") or ())

    yield from list_pages("ListRunTasks", take, id=run_id, maxResults=PAGE_SIZE)
    return CacheHits(sum(shown), len(shown))
