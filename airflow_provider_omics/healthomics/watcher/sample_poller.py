"""Poller of the samples of one batch: GetBatch says when its lists are worth reading, for all of them at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Request, run_async
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.service_errors import concerns_all_calls
from airflow_provider_omics.healthomics.api.statuses import RunStatus, classify
from airflow_provider_omics.healthomics.batches.sample_poll import SamplePoll
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot, SampleSnapshot
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.healthomics.watcher.batch_cache import BatchCache
from airflow_provider_omics.healthomics.watcher.client import SharedClient
from airflow_provider_omics.healthomics.watcher.clock import Clock, for_each
from airflow_provider_omics.healthomics.watcher.poller import Poller
from airflow_provider_omics.healthomics.watcher.strategy import DENIAL_TTL, ListFreshness, page_count
from airflow_provider_omics.healthomics.watcher.subscription import Subscription
from airflow_provider_omics.healthomics.watcher.tasks import BackgroundTasks

log = logging.getLogger(__name__)

_FEW = 2
# Of the time between two polls: how old the batch may be for those who wait for its samples.
_AS_NEW = 0.25


class SamplePoller(Poller[SampleSnapshot]):
    """Watches samples of one batch.

    GetBatch says when its lists are worth reading. An end that a list shows is believed: it is never taken back, and
    the list of a batch cannot hold the run of another. What a list does not say, the output URI and the cause of a
    failure, is for the task to ask.
    """

    def __init__(
        self, batch_id: str, client: SharedClient, batches: BatchCache, tasks: BackgroundTasks, clock: Clock
    ) -> None:
        super().__init__(tasks, clock)
        self.batch_id = batch_id
        self._client = client
        self._batches = batches
        self._samples: dict[str, SamplePoll] = {}
        self._submissions = ListFreshness()
        self._ends = ListFreshness()
        self._period = 0.0
        self._refused_at = float("-inf")

    def subscribe(self, subscription: Subscription[SampleSnapshot]) -> None:
        """Add a subscription, and keep the batch in the cache from the first on."""
        if not self.subscriptions:
            self._batches.pin(self.batch_id)
        super().subscribe(subscription)

    def unsubscribe(self, subscription: Subscription[SampleSnapshot]) -> None:
        """Let one go."""
        super().unsubscribe(subscription)
        if not self.subscriptions:
            self._batches.unpin(self.batch_id)

    def forget(self, key: str) -> None:
        """Forget about a sample."""
        super().forget(key)
        self._samples.pop(key, None)

    async def poll(self, due: list[str], now: float) -> None:
        """Poll the batch, read the lists that have changed since, and poll alone what these leave open."""
        self._period = min(subscription.delay for key in due for subscription in self.subscriptions.get(key, ()))
        if len(due) <= _FEW or now - self._refused_at < DENIAL_TTL:
            self.enqueue_get(due)
        else:
            await self._poll_together(due)

    async def poll_one(self, key: str) -> SampleSnapshot:
        """Poll one sample (ListRunsInBatch, GetRun)."""
        return await run_async(self._answer, self._poll_of(key).requests())

    async def _poll_together(self, keys: list[str]) -> None:
        batch = await self._get_batch(self._period * _AS_NEW)
        if batch is None:
            self.enqueue_get(keys)
            return
        try:
            await self._poll_submissions(batch, [key for key in keys if self._run_of(key) is None])
            await self._poll_runs(batch, [key for key in keys if self._run_of(key) is not None])
        except Exception as error:
            # Others in the account may use up the quota of the lists, which GetRun does not share.
            started = (key for key in keys if self._run_of(key) is not None)
            if concerns_all_calls(error) and not await self.is_answered_alone(started):
                raise
            log.warning(
                "%s",
                entry(
                    "The samples of HealthOmics batch %s are looked at one by one, since they cannot be listed: %s",
                    self.batch_id,
                    error,
                ),
            )
            self._refused_at = self.clock.now()
            self.enqueue_get(keys)

    async def _get_batch(self, max_age: float) -> BatchSnapshot | None:
        """Return the batch; None if the service does not show it, which its samples alone can explain."""
        try:
            return BatchSnapshot.of((await self._batches.get(self.batch_id, max_age)).members)  # type: ignore[arg-type]
        except Exception as error:
            if concerns_all_calls(error):
                raise
            return None

    async def _poll_submissions(self, batch: BatchSnapshot, unknown: list[str]) -> None:
        """Find the runs of samples that are not known to have one (ListRunsInBatch)."""
        if not unknown:
            return
        now, tried = self.clock.now(), batch.submitted + batch.failed_submissions
        if self._submissions.is_needed(tried, now, self._period):
            if len(unknown) <= page_count(tried):
                self.enqueue_get(unknown)
                return
            found = await self._read("ListRunsInBatch", "runs", self._take_submission, maxItems=PAGE_SIZE)
            self._submissions.record(tried, found, now)
        await for_each(unknown, lambda key: self._publish_submission(key, batch, now))

    def _take_submission(self, item: Mapping[str, Any]) -> bool:
        key = item.get("runSettingId", "")
        if key in self.subscriptions and self._poll_of(key).known.run is None:
            self._poll_of(key).listed(item)  # type: ignore[arg-type]
        return item.get("submissionStatus") is not None

    def _publish_submission(self, key: str, batch: BatchSnapshot, asked_at: float) -> None:
        poll = self._poll_of(key)
        if poll.known.run is not None or poll.known.submission_status is not None:
            self.publish(key, poll.known, asked_at)
            return
        snapshot = poll.unsubmitted(batch)
        if snapshot.is_missing:
            # It may only have been late for the list.
            self.enqueue_get([key])
        else:
            self.publish(key, snapshot, asked_at)

    async def _poll_runs(self, batch: BatchSnapshot, known: list[str]) -> None:
        """Find the runs that have moved on since the last reading (ListRuns of the batch)."""
        if not known:
            return
        now, ended = self.clock.now(), batch.completed + batch.failed + batch.cancelled
        if not self._ends.is_needed(ended, now, self._period):
            await for_each(known, lambda key: self._touch(key, now))
            return
        if len(known) <= page_count(batch.submitted):
            self.enqueue_get(known)
            return
        # Of all of them, not of those alone that are due, so that the next reading is for all of them too.
        keys = {run.run_id: key for key in self.subscriptions if not self.is_queued(key) and (run := self._run_of(key))}

        def take(item: Mapping[str, Any]) -> bool:
            key = keys.pop(item.get("id", ""), None)
            run = None if key is None or key not in self.subscriptions else self._run_of(key)
            if key is not None and run is not None:
                seen = replace(run, status=item.get("status"), name=item.get("name"))
                self.publish(key, replace(self._poll_of(key).known, run=seen), now)
            return classify(RunStatus, item.get("status")).is_final

        found = await self._read("ListRuns", "items", take, maxResults=PAGE_SIZE)
        self._ends.record(ended, found, now)
        # In no list: deleted, or so new that lists do not show it.
        self.enqueue_get(keys.values())

    async def _read(
        self, operation: str, member: str, take: Callable[[Mapping[str, Any]], bool], **members: Any
    ) -> int:
        """Read a list of the batch to its end.

        :param take: gets each item, and says whether it is one that the batch counts.
        :return: how many are.
        """
        found = 0
        token: str | None = None

        def count(item: Mapping[str, Any]) -> None:
            nonlocal found
            found += take(item)

        while True:
            more = {"startingToken": token} if token else {}
            answer = await self._client.call(Request(operation, {"batchId": self.batch_id, **members, **more}))
            await for_each(answer.get(member, ()), count)
            token = answer.get("nextToken")
            if not token:
                return found

    async def _answer(self, call: Request) -> Any:
        if call.operation == "GetBatch":
            return (await self._batches.get(self.batch_id, self._period * _AS_NEW)).members
        return await self._client.call(call)

    def _touch(self, key: str, asked_at: float) -> None:
        """Say that nothing has happened."""
        if self.is_queued(key):
            return
        for subscription in self.subscriptions.get(key, ()):
            subscription.touch(self._poll_of(key).known, asked_at)

    def _poll_of(self, key: str) -> SamplePoll:
        poll = self._samples.get(key)
        if poll is None:
            poll = SamplePoll(self.batch_id, key, clock=self.clock.now)
            # Not for those who have left while something was asked for.
            if key in self.subscriptions:
                self._samples[key] = poll
        return poll

    def _run_of(self, key: str) -> RunSnapshot | None:
        return self._poll_of(key).known.run
