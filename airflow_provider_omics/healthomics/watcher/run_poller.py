"""Watching single runs: one by one while they are few, by the lists of active runs when they are many."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Request, run_async
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.service_errors import concerns_all_calls
from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.healthomics.runs.poll import RunPoll
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.healthomics.watcher.client import SharedClient
from airflow_provider_omics.healthomics.watcher.clock import Clock, for_each
from airflow_provider_omics.healthomics.watcher.poller import MAX_DIRECT_GETS, Poller
from airflow_provider_omics.healthomics.watcher.strategy import ListCostEstimate
from airflow_provider_omics.healthomics.watcher.tasks import BackgroundTasks

log = logging.getLogger(__name__)

ACTIVE_STATUSES = (RunStatus.PENDING, RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING)
"""In the order in which a run passes through them, so that one that moves on meanwhile is read twice, not never."""

_SAME_TIME = 2.0


@dataclass(slots=True)
class _Watched:
    """What is known of a run.

    :ivar created_at: what tells it from another run of the same id, until the uuid does.
    """

    poll: RunPoll
    snapshot: RunSnapshot = field(init=False)
    created_at: datetime | None = None

    def __post_init__(self) -> None:
        self.snapshot = self.poll.initial

    def is_other(self, created_at: datetime | None) -> bool:
        """Whether a run of the same id is not this one."""
        if self.created_at is None or created_at is None:
            return False
        return abs((created_at - self.created_at).total_seconds()) > _SAME_TIME

    def listed(self, item: Mapping[str, Any]) -> RunSnapshot:
        """Take over what an item of ListRuns says."""
        self.created_at = self.created_at or item.get("creationTime")
        before, status = self.snapshot, item.get("status")
        # Lists may lag behind: what was seen later in its life is not taken back.
        if _place(before.status) <= _place(status):
            self.snapshot = RunSnapshot(
                before.run_id,
                status,
                arn=before.arn or item.get("arn"),
                uuid=before.uuid,
                name=before.name or item.get("name"),
                output_uri=before.output_uri,
            )
        return self.snapshot


class RunPoller(Poller[RunSnapshot]):
    """Watches single runs.

    A list can only show that a run goes on. Whatever has become of one that is in none of the lists is for GetRun to
    say, so nothing that lags, moves or is on another page can end a wait.
    """

    def __init__(self, client: SharedClient, tasks: BackgroundTasks, clock: Clock) -> None:
        super().__init__(tasks, clock)
        self._client = client
        self._watched: dict[str, _Watched] = {}
        self._cost = ListCostEstimate(len(ACTIVE_STATUSES))

    async def poll(self, due: list[str], now: float) -> None:
        """Read the lists if that is cheaper, and look alone at those that they miss, else at all that are due."""
        if self._cost.is_cheaper(len(due), now):
            seen = await self._read_lists(due)
            if seen is not None:
                self.enqueue_get(run_id for run_id in due if run_id not in seen)
                return
        still_due = self.clock.now()
        waiting = [run_id for run_id in due if self._is_due(run_id, still_due)]
        await self.poll_each(waiting[:MAX_DIRECT_GETS])

    def forget(self, key: str) -> None:
        """Forget about a run."""
        super().forget(key)
        self._watched.pop(key, None)

    def _is_due(self, run_id: str, now: float) -> bool:
        return any(subscription.is_due(now) for subscription in self.subscriptions.get(run_id, ()))

    def _known(self, run_id: str) -> _Watched:
        watched = self._watched.get(run_id)
        if watched is None:
            watched = self._watched[run_id] = _Watched(RunPoll(run_id))
        return watched

    async def poll_one(self, run_id: str) -> RunSnapshot:
        """Look at one run (GetRun)."""
        watched = self._known(run_id)
        created: list[datetime | None] = []

        async def answer(call: Request) -> Any:
            answered = await self._client.call(call)
            created.append(answered.get("creationTime"))
            return answered

        seen = await run_async(answer, watched.poll.requests())
        # The uuid decides where it is known; a run that was only ever seen in lists has none.
        if not watched.snapshot.uuid and watched.is_other(created[0]):
            seen = watched.snapshot.as_deleted()
        watched.created_at = watched.created_at or created[0]
        watched.snapshot = seen
        return seen

    async def _read_lists(self, due: list[str]) -> set[str] | None:
        """Tell what the lists of active runs show.

        :return: the watched runs that they showed; None if they were not read to the end.
        """
        seen: set[str] = set()
        pages, most = 0, self._cost.page_limit(len(due))
        # All of them are due again at the same time, so that they are read together then.
        asked_at = self.clock.now() - self._lead(due)
        try:
            for status in ACTIVE_STATUSES:
                token: str | None = None
                while True:
                    if pages >= most:
                        self._cost.record_abandoned(pages, self.clock.now())
                        return None
                    token = await self._read_page(status, token, seen, asked_at)
                    pages += 1
                    if token is None:
                        break
        except Exception as error:
            if concerns_all_calls(error):
                raise
            log.warning(
                "%s", entry("HealthOmics runs are looked at one by one, since they cannot be listed: %s", error)
            )
            self._cost.record_denied(self.clock.now())
            return None
        self._cost.record(pages, self.clock.now())
        return seen

    def _lead(self, due: list[str]) -> float:
        """Return by how many seconds the next reading has to begin early, for it to end in time."""
        takes = self._cost.pages(self.clock.now()) / self._client.rate_limiter.rate("ListRuns")
        delays = (subscription.delay for run_id in due for subscription in self.subscriptions.get(run_id, ()))
        return min(takes, min(delays, default=0.0) / 2)

    async def _read_page(self, status: str, token: str | None, seen: set[str], asked_at: float) -> str | None:
        more = {"startingToken": token} if token else {}
        answer = await self._client.call(Request("ListRuns", {"status": status, "maxResults": PAGE_SIZE, **more}))

        def take(item: Mapping[str, Any]) -> None:
            run_id = item.get("id", "")
            if run_id not in self.subscriptions:
                return
            watched = self._known(run_id)
            if not watched.is_other(item.get("creationTime")):
                seen.add(run_id)
                self.dequeue(run_id)
                self.publish(run_id, watched.listed(item), asked_at)

        await for_each(answer.get("items", ()), take)
        next_token: str | None = answer.get("nextToken") or None
        return next_token


def _place(status: str | None) -> int:
    try:
        return ACTIVE_STATUSES.index(RunStatus(status or ""))
    except ValueError:
        return -1
