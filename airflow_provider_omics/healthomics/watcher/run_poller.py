"""Poller of single runs: one GetRun each while they are few, pages of ListRuns when they are many."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Request, run_async
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.service_errors import concerns_all_calls
from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.healthomics.polling.poll import Poll
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.healthomics.watcher.client import SharedClient
from airflow_provider_omics.healthomics.watcher.clock import Clock, for_each
from airflow_provider_omics.healthomics.watcher.poller import MAX_DIRECT_GETS, Poller
from airflow_provider_omics.healthomics.watcher.strategy import ListCostEstimate
from airflow_provider_omics.healthomics.watcher.tasks import BackgroundTasks

log = logging.getLogger(__name__)

ACTIVE_STATUSES = (RunStatus.PENDING, RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING)
"""In the order in which a run passes through them, so that one that moves on meanwhile is read twice, not never."""

ENDED_STATUSES = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)
"""Those that a list shows for ever; a deleted run is in no list."""

_SAME_TIME = 2.0
_MAX_BARREN_PAGES = 20


@dataclass(slots=True)
class _Watched:
    """State of a run that is polled.

    :ivar created_at: what tells it from another run of the same id, until the uuid does.
    """

    poll: Poll[RunSnapshot]
    snapshot: RunSnapshot = field(init=False)
    created_at: datetime | None = None

    def __post_init__(self) -> None:
        self.snapshot = self.poll.initial

    def is_other(self, created_at: datetime | None) -> bool:
        """Whether a run of the same id is not this one."""
        if self.created_at is None or created_at is None:
            return False
        return abs((created_at - self.created_at).total_seconds()) > _SAME_TIME

    def can_be(self, item: Mapping[str, Any]) -> bool:
        """Whether an item of ListRuns is this run; an end is not believed without the times that tell a reused id."""
        created_at, status = item.get("creationTime"), item.get("status")
        is_told_apart = created_at is not None and self.created_at is not None
        if status is None or (status in ENDED_STATUSES and not is_told_apart):
            return False
        return not self.is_other(created_at)

    def listed(self, item: Mapping[str, Any]) -> RunSnapshot:
        """Take over what an item of ListRuns says."""
        self.created_at = self.created_at or item.get("creationTime")
        before, status = self.snapshot, item.get("status")
        # Lists may lag behind: what was seen later in its life is not taken back. What is the same is kept, since there
        # may be very many.
        if (before.status != status or before.arn is None) and _stage(before.status) <= _stage(status):
            is_ended = status in ENDED_STATUSES
            self.snapshot = RunSnapshot(
                before.run_id,
                status,
                arn=before.arn or item.get("arn"),
                uuid=before.uuid,
                name=before.name or item.get("name"),
                # Its absence tells the task that the rest has to be asked for.
                output_uri=None if is_ended else before.output_uri,
            )
        return self.snapshot


class RunPoller(Poller[RunSnapshot]):
    """Poller of single runs.

    The lists are read in the order of a run's life, from the earliest status of a run that is due until all of them
    were seen. An end that a list shows is believed: it is never taken back, and the creation time tells a reused id.
    What a list does not say (uuid, output URI, cause of a failure) is for the task to ask. A run that is in no list,
    since it is too new or was deleted, is asked for by itself (GetRun).
    """

    def __init__(self, client: SharedClient, tasks: BackgroundTasks, clock: Clock) -> None:
        super().__init__(tasks, clock)
        self._client = client
        self._watched: dict[str, _Watched] = {}
        self._active_cost = ListCostEstimate(len(ACTIVE_STATUSES))
        self._ended_cost = ListCostEstimate(1)

    async def poll(self, due: list[str], now: float) -> None:
        """Read the lists if that is cheaper, and get those that they miss, else all that are due."""
        if self._active_cost.is_cheaper(len(due), now) and await self._poll_lists(due):
            return
        still_due = self.clock.now()
        waiting = [run_id for run_id in due if self._is_due(run_id, still_due)]
        await self.poll_each(waiting[:MAX_DIRECT_GETS])

    def forget(self, key: str) -> None:
        """Drop what is known of a run."""
        super().forget(key)
        self._watched.pop(key, None)

    def _is_due(self, run_id: str, now: float) -> bool:
        return any(subscription.is_due(now) for subscription in self.subscriptions.get(run_id, ()))

    def _known(self, run_id: str) -> _Watched:
        watched = self._watched.get(run_id)
        if watched is None:
            watched = self._watched[run_id] = _Watched(self.subscriptions[run_id][0].waiter.poll)
        return watched

    def _was_seen(self, run_id: str) -> bool:
        """Whether the creation time of a run is known, which a list's end has to have too."""
        watched = self._watched.get(run_id)
        return watched is not None and watched.created_at is not None

    async def poll_one(self, run_id: str) -> RunSnapshot:
        """Poll one run (GetRun)."""
        watched = self._known(run_id)
        answers: list[Any] = []

        async def answer(request: Request) -> Any:
            answers.append(await self._client.call(request))
            return answers[-1]

        seen = await run_async(answer, watched.poll.requests())
        found, created_at = RunSnapshot.of(answers[0]), answers[0].get("creationTime")
        # The uuid decides where it is known; a run that was only ever seen in lists has none.
        if seen.status != found.status or (not watched.snapshot.uuid and watched.is_other(created_at)):
            return self._replaced(run_id, watched, found, created_at)
        watched.created_at = watched.created_at or created_at
        watched.snapshot = seen
        return seen

    def _replaced(self, run_id: str, watched: _Watched, found: RunSnapshot, created_at: datetime | None) -> RunSnapshot:
        """Return what to publish of a run whose id another one has got: those who never saw it wait for the other."""
        subscriptions = self.subscriptions.get(run_id, ())
        watched.snapshot = watched.snapshot.as_deleted()
        newcomers = [subscription for subscription in subscriptions if subscription.waiter.seen is None]
        if not newcomers:
            return watched.snapshot
        for subscription in subscriptions:
            if subscription.waiter.seen is not None:
                subscription.publish(watched.snapshot, self.clock.now())
        self._watched[run_id] = other = _Watched(newcomers[0].waiter.poll)
        other.created_at, other.snapshot = created_at, found
        # Those whose wait has just ended do not hear of it.
        return found

    async def _poll_lists(self, due: list[str]) -> bool:
        """Poll runs by the lists, and have those that are in none of them asked for one by one.

        :return: False if the lists were not read to the end, or may not be read.
        """
        missing = dict.fromkeys(due)
        try:
            if not await self._read_active(missing):
                return False
        except Exception as error:
            # Others in the account may use up the quota of ListRuns, which GetRun does not share.
            if concerns_all_calls(error) and not await self.is_answered_alone(due):
                raise
            log.warning(
                "%s", entry("HealthOmics runs are looked at one by one, since they cannot be listed: %s", error)
            )
            self._active_cost.record_denied(self.clock.now())
            return False
        # The end of a run that was never seen to go on would not be believed.
        provable = dict.fromkeys(run_id for run_id in missing if self._was_seen(run_id))
        unproved = [run_id for run_id in missing if run_id not in provable]
        if self._ended_cost.is_cheaper(len(provable), self.clock.now()):
            try:
                await self._read_ended(provable)
            except Exception as error:
                # What GetRun says of each is as good, and so is its error.
                self.note(error)
                self._ended_cost.record_denied(self.clock.now())
        self.enqueue_get([*unproved, *provable])
        return True

    async def _read_active(self, missing: dict[str, None]) -> bool:
        """Read the lists of active runs until all were seen; False if that takes too many pages.

        :param missing: the runs to find, which loses those that are found.
        """
        pages, limit = 0, self._active_cost.page_limit(len(missing))
        # All of them are due again at the same time, so that they are read together then.
        asked_at = self.clock.now() - self._lead(missing)
        first = min(max(0, _stage(self._known(run_id).snapshot.status)) for run_id in missing)
        for status in ACTIVE_STATUSES[first:]:
            token: str | None = ""
            while token is not None and missing:
                if pages >= limit:
                    self._active_cost.record_abandoned(pages, self.clock.now())
                    return False
                token = await self._read_page(status, token, missing, asked_at)
                pages += 1
        self._active_cost.record(pages, self.clock.now())
        return True

    async def _read_ended(self, missing: dict[str, None]) -> None:
        """Read the lists of ended runs, the one first whose last page showed most, while a page may show several.

        :param missing: the runs to find, which loses those that are found.
        """
        asked_at, pages, barren = self.clock.now(), 0, 0
        tokens: dict[str, str] = dict.fromkeys(ENDED_STATUSES, "")
        finds: dict[str, int] = dict.fromkeys(ENDED_STATUSES, PAGE_SIZE)
        while tokens and len(missing) > 1:
            # Neither their order nor their length is known.
            if barren > min(len(missing) // 4, _MAX_BARREN_PAGES):
                estimate = self._ended_cost.pages(asked_at)
                self._ended_cost.record_abandoned(max(pages, estimate), asked_at)
                return
            status, before = max(tokens, key=finds.__getitem__), len(missing)
            token = await self._read_page(status, tokens.pop(status), missing, asked_at)
            if token is not None:
                tokens[status] = token
            finds[status] = before - len(missing)
            barren += not finds[status]
            pages += 1
        self._ended_cost.record(pages, asked_at)

    def _lead(self, due: Collection[str]) -> float:
        """Return by how many seconds the next reading has to begin early, for it to end in time."""
        takes = self._active_cost.pages(self.clock.now()) / self._client.rate_limiter.rate("ListRuns")
        delays = (subscription.delay for run_id in due for subscription in self.subscriptions.get(run_id, ()))
        return min(takes, min(delays, default=0.0) / 2)

    async def _read_page(self, status: str, token: str, missing: dict[str, None], asked_at: float) -> str | None:
        """Read one page of ListRuns, and publish what it shows.

        :param token: where the page begins; empty for the first.
        :return: where the next page begins; None if there is none.
        """
        more = {"startingToken": token} if token else {}
        answer = await self._client.call(Request("ListRuns", {"status": status, "maxResults": PAGE_SIZE, **more}))

        def take(item: Mapping[str, Any]) -> None:
            run_id = item.get("id", "")
            if run_id not in self.subscriptions:
                return
            watched = self._known(run_id)
            if watched.can_be(item):
                missing.pop(run_id, None)
                self.dequeue(run_id)
                self.publish(run_id, watched.listed(item), asked_at)

        await for_each(answer.get("items", ()), take)
        return answer.get("nextToken") or None


def _stage(status: str | None) -> int:
    """Return how far a status is in a run's life; -1 for one that is not known."""
    if status in ENDED_STATUSES:
        return len(ACTIVE_STATUSES)
    return next((stage for stage, active in enumerate(ACTIVE_STATUSES) if active == status), -1)
