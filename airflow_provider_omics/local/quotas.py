"""What an account may hold and how often it may call: the published defaults."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from airflow_provider_omics.local.assumptions import Assumptions
from airflow_provider_omics.local.errors import ThrottlingException

_ROWS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (10, ("GetRun", "ListRuns", "CancelRun", "DeleteRun", "GetRunTask", "ListRunTasks")),
    (10, ("CreateRunGroup", "GetRunGroup", "ListRunGroups", "UpdateRunGroup", "DeleteRunGroup")),
    (10, ("CreateRunCache", "GetRunCache", "ListRunCaches", "UpdateRunCache", "DeleteRunCache")),
    (5, ("CreateWorkflow",)),
    (10, ("GetWorkflow", "ListWorkflows", "UpdateWorkflow", "DeleteWorkflow")),
    (5, ("TagResource", "UntagResource", "ListTagsForResource")),
    (1, ("StartRunBatch",)),
    (1, ("CreateConfiguration",)),
    (10, ("GetBatch", "CancelRunBatch", "ListRunsInBatch")),
)


_ROUNDING, _SLOWEST_RATE = 1e-6, 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Quotas:
    """Resource quotas of an account and region; the defaults are the published ones.

    :param run_seconds: longest time in RUNNING, in seconds.
    :param static_storage_gib: most static storage of one run, in GiB.
    """

    stored_runs: int = 100_000
    concurrent_dynamic_runs: int = 50
    concurrent_static_runs: int = 10
    run_seconds: float = 604_800.0
    static_storage_gib: int = 9_600
    workflows: int = 1_000
    versions_per_workflow: int = 1_000
    run_groups: int = 1_000
    run_caches: int = 1_000
    configurations: int = 10
    parameter_bytes: int = 256_000
    tags: int = 50
    runs_per_batch: int = 100_000
    inline_run_settings: int = 100
    run_settings_file_bytes: int = 6 * 1024**3

    @classmethod
    def wide(cls) -> Quotas:
        """Return quotas that let a test of 100,000 runs through without queueing."""
        many = 10_000_000
        return cls(stored_runs=many, concurrent_dynamic_runs=many, concurrent_static_runs=many)


@dataclass
class _Bucket:
    tokens: float
    filled_at: datetime


@dataclass
class RateLimiter:
    """One token bucket per operation, or per row of the quota table; asks nothing while it is switched off.

    :param now: tells the server's time.
    :param overrides: calls per second by operation, in place of the published ones.
    """

    now: Callable[[], datetime]
    assumptions: Callable[[], Assumptions]
    enforced: bool = False
    overrides: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    _buckets: dict[str, _Bucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, enforced: bool, overrides: Mapping[str, float]) -> None:
        """Switch throttling on or off; every bucket is full afterwards.

        :param overrides: calls per second by operation, in place of the published ones.
        """
        with self._lock:
            self.enforced, self.overrides = enforced, overrides
            self._buckets.clear()

    def take(self, operation: str) -> None:
        """Count one call.

        :raises ThrottlingException: the operation was called more often than its rate allows.
        """
        if self.seconds_to_wait(operation):
            rate, _ = self._rate(operation)
            raise ThrottlingException(f"Rate exceeded: {operation} allows {rate:g} calls per second")

    def seconds_to_wait(self, operation: str) -> float:
        """Count one call that can wait, if it need not.

        :return: 0 if the call may be made and was counted, else the seconds until there is room for one.
        """
        if not self.enforced:
            return 0.0
        rate, name = self._rate(operation)
        if rate is None:
            return 0.0
        with self._lock:
            return self._seconds_to_token(name, rate)

    def _seconds_to_token(self, name: str, rate: float) -> float:
        burst = max(1.0, rate * self.assumptions().burst_seconds)
        now = self.now()
        bucket = self._buckets.setdefault(name, _Bucket(burst, now))
        # What runs late on the timeline asks for an earlier time than a call did meanwhile.
        elapsed = max(0.0, (now - bucket.filled_at).total_seconds())
        bucket.tokens = min(burst, bucket.tokens + elapsed * rate)
        bucket.filled_at = max(bucket.filled_at, now)
        # Rounding must not make someone wait who has waited for exactly as long as was said.
        if bucket.tokens < 1 - _ROUNDING:
            return (1 - bucket.tokens) / max(rate, _SLOWEST_RATE)
        bucket.tokens -= 1
        return 0.0

    def _rate(self, operation: str) -> tuple[float | None, str]:
        if operation in self.overrides:
            return self.overrides[operation], operation
        if operation == "StartRun":
            return self.assumptions().start_run_per_second, operation
        for rate, operations in _ROWS:
            if operation in operations:
                shared = self.assumptions().operations_of_a_row_share_rate
                return rate, operations[0] if shared else operation
        return self.assumptions().unlisted_operations_per_second, operation
