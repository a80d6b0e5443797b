"""One account in one region: everything the server knows there, behind one lock."""

from __future__ import annotations

import itertools
import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_omics.local.clock import Clock, Timeline

if TYPE_CHECKING:
    from airflow_provider_omics.local.assumptions import Assumptions
    from airflow_provider_omics.local.aws import Aws
    from airflow_provider_omics.local.executors.base import Executor
    from airflow_provider_omics.local.records import Batch, Run, RunCache, RunGroup, Workflow


@dataclass
class World:
    """State of one account and region. Whoever reads or changes it holds :attr:`lock`.

    :ivar aws: moto's S3, CloudWatch Logs and event bus of the same account and region.
    :ivar assumptions: the chosen reading of everything that AWS does not document.
    """

    region: str
    account: str
    clock: Clock
    assumptions: Assumptions
    executor: Executor
    aws: Aws
    lock: threading.RLock = field(default_factory=threading.RLock)
    runs: dict[str, Run] = field(default_factory=dict)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    run_groups: dict[str, RunGroup] = field(default_factory=dict)
    run_caches: dict[str, RunCache] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.timeline = Timeline(self.clock)
        self._ids = itertools.count(1_000_001)

    def now(self) -> datetime:
        """Return the server's time."""
        return self.timeline.now()

    def new_id(self) -> str:
        """Return an id that no resource of this world has had: digits, like the service's."""
        return str(next(self._ids))

    def new_uuid(self) -> str:
        """Return a fresh uuid."""
        return str(uuid.uuid4())

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource such as ``run/1234567``."""
        return f"arn:aws:omics:{self.region}:{self.account}:{resource}"
