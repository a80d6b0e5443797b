"""Running one cohort as batches: submit each sample once, gather what came of it, submit again what failed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, Phase
from airflow_provider_omics.healthomics.batches.batch_poll import request_cancel
from airflow_provider_omics.healthomics.batches.snapshots import DELETED, BatchSnapshot
from airflow_provider_omics.healthomics.discovery.jobs import (
    BATCH,
    Discovery,
    EarlierJob,
    find_jobs,
    names_of,
    show,
    tell_unread,
    unanswered,
    was_created_since,
)
from airflow_provider_omics.healthomics.discovery.lineage import COHORT_TAG, CohortAttempt, Progress, chained
from airflow_provider_omics.healthomics.requests.identity import JobKey
from airflow_provider_omics.healthomics.requests.start_run_batch import defaults_fingerprint
from airflow_provider_omics.healthomics.results.redrive import Redrive, leave_out
from airflow_provider_omics.healthomics.results.table import ResultsTable
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort, entries, select
from airflow_provider_omics.healthomics.run_settings.naming import named, named_file
from airflow_provider_omics.jobs.cohort_paths import CohortPaths
from airflow_provider_omics.jobs.record import JobRecord
from airflow_provider_omics.jobs.result_collector import ResultCollector, cohort_uri, poll_batch
from airflow_provider_omics.jobs.rivals import Rivals

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

_MOST_INLINE = 100
# How long a batch that StartRunBatch has just named may be not found before it counts as deleted.
_APPEARING_PAUSES = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class CohortJob:
    """Makes the calls that a cohort needs.

    :param intent: the task.
    :param request: StartRunBatch without ``batchRunSettings``.
    :param tagged: whether batches carry the intent as tags, which needs ``omics:TagResource``; without them an earlier
        batch is only found if it has the default name, and its samples count as unchanged.
    :param record: what earlier tries left to know.
    :param pause: sleeps so many seconds and returns whether the task was killed meanwhile.
    :param retrying: makes calls again that gather what became of the samples.
    :param rivals: tries that may be starting a batch at the same time; None for none.
    """

    hook: OmicsHook
    intent: JobKey
    request: Mapping[str, Any]
    tagged: bool
    log: Log
    record: JobRecord
    pause: Callable[[float], bool]
    retrying: Retrying
    rivals: Rivals | None = None

    @property
    def gathering(self) -> ResultCollector:
        """What reads, and writes down, what became of the samples."""
        return ResultCollector(self.hook, self.log, self.retrying, self.pause, self._defaults.get("outputUri"))

    @property
    def name(self) -> str:
        """Name of every batch of the task."""
        return self._names[0]

    @property
    def _names(self) -> tuple[str, ...]:
        return names_of(BATCH, self.intent, self.request.get("batchName"), tagged=self.tagged)

    @property
    def _defaults(self) -> Mapping[str, Any]:
        defaults: Mapping[str, Any] = self.request["defaultRunSetting"]
        return defaults

    def store(self, cohort: Cohort, places: CohortPaths, redrives: int) -> Progress:
        """Write the cohort to S3, unless it is there already, and return the progress before its first batch.

        :param redrives: how many batches may follow within the try.
        """
        key = f"{defaults_fingerprint(self._defaults)[:16]}-{cohort.digest[:40]}"
        progress = Progress(key, places.settings, places.results, cohort.count, redrives_left=redrives)
        uri = cohort_uri(progress, key)
        # Whoever wrote the settings had written the sheets that they name.
        if cohort.sheets is not None and not self.hook.storage.exists(uri):
            self.hook.storage.put_all_once(cohort.sheets, cohort.sheets.content_type)
            self.log.info("The sheets of %s samples are in\n  %s", f"{cohort.count:,}", places.sample_sheets)
        self.hook.storage.put_once(uri, cohort.path)
        self.log.info("The settings of %s samples are in\n  %s", f"{cohort.count:,}", uri)
        return progress

    def adopt(self, progress: Progress, tries_before_clear: int) -> Progress:
        """Add the batches that earlier tries of the task started for samples of this cohort.

        :param tries_before_clear: how many tries were over when the task was last cleared.
        """
        found = self._found(tries_before_clear)
        kept = tuple(batch for batch in found if self.gathering.same_samples(progress, batch) != set())
        for batch in found:
            if batch not in kept:
                self._cancel_superseded(batch)
        next_generation = max((batch.generation + 1 for batch in found), default=self.record.job.epoch)
        return replace(progress, batches=kept, next_generation=next_generation)

    def _cancel_superseded(self, batch: CohortAttempt) -> None:
        # Nothing of it is wanted any more, since what all samples share was changed.
        label = f"batch {batch.batch_id}"
        self.log.info("HealthOmics %s of an earlier try computed something else; its samples are run anew", label)
        if not self._poll(batch.batch_id).phase.is_final:
            self.hook.send_requests(request_cancel(batch.batch_id), label)
            self.log.info("Asked HealthOmics to cancel %s", label)

    def find_active(self) -> str | None:
        """Return the task's batch that goes on; None if none does."""
        found = self._found(may_be_finished=False)
        snapshots = (self._poll(batch.batch_id) for batch in reversed(found))
        return next((snapshot.batch_id for snapshot in snapshots if not snapshot.phase.is_final), None)

    def find_last(self, tries_before_clear: int) -> BatchSnapshot | None:
        """Return the task's last batch; None if there is none.

        :param tries_before_clear: how many tries were over when the task was last cleared.
        """
        found = self._found(tries_before_clear)
        return self._poll(found[-1].batch_id) if found else None

    def recall(self, places: CohortPaths, redrives: int, tries_before_clear: int) -> Progress | None:
        """Return the progress of a try that lost it, by what its batches and the stored cohort tell.

        :param redrives: how many batches could follow within the try.
        :param tries_before_clear: how many tries were over when the task was last cleared.
        :return: None where they do not tell the cohort, as without tags.
        """
        found = self._found(tries_before_clear)
        key = found[-1].cohort if found else None
        if key is None:
            return None
        progress = Progress(key, places.settings, places.results, samples=0)
        with self.hook.storage.open(cohort_uri(progress, key)) as stream:
            progress = replace(progress, samples=sum(1 for _ in entries(stream)))
        progress = self.adopt(progress, tries_before_clear)
        return replace(progress, redrives_left=max(0, redrives + 1 - len(progress.batches)))

    def _found(self, tries_before_clear: int = 0, *, may_be_finished: bool = True) -> list[CohortAttempt]:
        discovered = self._discover()
        self.record.reset_after_clear_by_tags(discovered.jobs, tries_before_clear, _has_completed)
        job = self.record.job
        if not may_be_finished:
            discovered = replace(discovered, jobs=tuple(each for each in discovered.jobs if each.finished_try is None))
        found = [batch for batch in chained(discovered) if batch.generation >= job.epoch]
        if job.external_id is None or any(batch.batch_id == job.external_id for batch in found):
            return found
        seen = self._poll(job.external_id)
        if seen.status == DELETED or not job.is_job(seen.uuid):
            return found
        return [*found, CohortAttempt(job.external_id, job.generation, job.cohort)]

    def _discover(self) -> Discovery:
        found = self.hook.send_requests(find_jobs(BATCH, self.intent, self._names), f"batches named {self.name!r}")
        tell_unread(BATCH, self._names, found, self.log)
        return found

    def start(self, progress: Progress, cohort: Cohort, *, is_first: bool = False) -> tuple[Progress, BatchSnapshot]:
        """Submit the whole cohort as one batch (StartRunBatch).

        :param is_first: whether no earlier try can have submitted it.
        """
        started, batch = self._start(progress, cohort, since=time.time() if is_first else None)
        self._log_started(batch, cohort)
        return started, batch

    def _start(self, progress: Progress, cohort: Cohort, since: float | None) -> tuple[Progress, BatchSnapshot]:
        if cohort.count <= _MOST_INLINE:
            settings = self._inline(cohort)
        elif self._names_runs:
            settings = {"s3UriSettings": self._store_named(progress, cohort)}
        else:
            settings = {"s3UriSettings": cohort_uri(progress)}
        return self._submit(progress, settings, cohort, since)

    @property
    def _names_runs(self) -> bool:
        """Whether runs that are not named are named after their samples."""
        return self._defaults.get("name") is None

    def _inline(self, part: Cohort) -> dict[str, Any]:
        name = named if self._names_runs else dict
        return {"inlineSettings": [name(setting) for setting in part.settings()]}

    def _store_named(self, progress: Progress, part: Cohort) -> str:
        uri = f"{progress.settings_place}/named-{part.digest[:40]}.json"
        with named_file(part) as path:
            self.hook.storage.put_once(uri, path)
        return uri

    def start_again(self, progress: Progress, cohort: Cohort, earlier_tries: int) -> tuple[Progress, BatchSnapshot]:
        """Submit the whole cohort as one batch, in a later try that found no batch of an earlier one.

        Its request id may still stand for a batch that could not be found by name and tags: that is taken over, or
        replaced if it is gone.
        """
        # A batch of a higher generation can only be this try's own.
        while progress.next_generation - self.record.job.epoch < earlier_tries:
            asked_at = time.time()
            started, batch = self._start(progress, cohort, since=None)
            answer = self._seen(batch)
            if answer is None:
                return started, batch
            if answer:
                return self._started_or_found(started, cohort, answer, asked_at)
            self.log.info("HealthOmics batch %s of an earlier try is gone; replacing it", batch.batch_id)
            progress = replace(progress, next_generation=started.next_generation)
        return self.start(progress, cohort)

    def _started_or_found(
        self, progress: Progress, cohort: Cohort, answer: Mapping[str, Any], asked_at: float
    ) -> tuple[Progress, BatchSnapshot]:
        shown: Any = answer
        batch = BatchSnapshot.of(shown)
        if was_created_since(answer, asked_at, leeway=0.0):
            self._log_started(batch, cohort)
        else:
            self.log.info("HealthOmics %s was started for this task before and is %s", batch.label, batch.status)
        return replace(progress, retry_all=batch.phase.is_final), batch

    def _log_started(self, batch: BatchSnapshot, part: Cohort) -> None:
        self.log.info("Started HealthOmics batch %s (%s) with %s samples", batch.batch_id, self.name, f"{part.count:,}")

    def leave_out(self, progress: Progress, table: ResultsTable, samples: frozenset[str]) -> Redrive:
        """Leave out of a redrive what failed for a reason that no retry mends, and is asked for as it was then."""
        gathering, batches = self.gathering, {batch.batch_id: batch for batch in progress.batches}
        gathering.look_up_causes(table)
        return leave_out(
            table,
            samples,
            unchanged_since=lambda batch_id: gathering.unchanged_samples(progress, batches[batch_id]),
            defaults_of=gathering.defaults_of,
            defaults=self._defaults,
        )

    def redrive(self, progress: Progress, wanted: Container[str]) -> tuple[Progress, BatchSnapshot]:
        """Submit some samples of the cohort again, in a batch of their own (StartRunBatch)."""
        with self.retrying(partial(self._choose, progress, wanted)) as chosen:
            if chosen.count <= _MOST_INLINE:
                settings = self._inline(chosen)
            elif self._names_runs:
                settings = {"s3UriSettings": self.retrying(lambda: self._store_named(progress, chosen))}
            else:
                chosen_uri = f"{progress.settings_place}/redrive-{chosen.digest[:40]}.json"
                self.retrying(lambda: self.hook.storage.put_once(chosen_uri, chosen.path))
                settings = {"s3UriSettings": chosen_uri}
            started, batch = self._submit(progress, settings, chosen, None)
            self._log_started(batch, chosen)
            return started, batch

    def _choose(self, progress: Progress, wanted: Container[str]) -> Cohort:
        with self.hook.storage.open(cohort_uri(progress)) as stream:
            return select(stream, wanted)

    def _poll(self, batch_id: str) -> BatchSnapshot:
        return poll_batch(self.hook, batch_id)

    def _seen(self, batch: BatchSnapshot) -> Mapping[str, Any] | None:
        """Look at a batch that may not be shown yet; empty if it is gone, None if the task was killed meanwhile."""
        for seconds in (*_APPEARING_PAUSES, None):
            answer = self.hook.send_requests(show(BATCH, batch.batch_id), batch.label)
            if answer or seconds is None:
                return answer
            if self.pause(seconds):
                return None
        return {}

    def _submit(
        self, progress: Progress, settings: Mapping[str, Any], part: Cohort, since: float | None
    ) -> tuple[Progress, BatchSnapshot]:
        generation = progress.next_generation
        request = {
            **self.request,
            "batchName": self.name,
            "requestId": self._request_id(generation, f"{progress.cohort} {part.digest}"),
            "tags": {**(self.request.get("tags") or {}), **self._tags(progress, generation)},
            "batchRunSettings": settings,
        }
        if not request["tags"]:
            del request["tags"]
        self.record.record_intent(generation)
        find = partial(self._reconcile, generation, since)
        batch = self.hook.start_run_batch(request, find=find, pause=self.pause)
        self.record.record_started(generation, batch.batch_id, batch.uuid, progress.cohort)
        batch = self._without_rival(progress, batch)
        return progress.followed_by(batch.batch_id), batch

    def _without_rival(self, progress: Progress, batch: BatchSnapshot) -> BatchSnapshot:
        """Leave the samples to a try that was there first, if there is one."""
        generation = progress.next_generation
        rival = self.rivals.settle(self._names, batch.batch_id, generation) if self.rivals is not None else None
        if rival is None:
            return batch
        chosen = self._poll(rival.job_id)
        self.record.record_started(max(rival.generation, generation), chosen.batch_id, chosen.uuid, progress.cohort)
        told = (chosen.batch_id, batch.batch_id)
        self.log.info("%s", entry("HealthOmics batch %s of another try is waited for in place of batch %s", *told))
        return chosen

    def _reconcile(self, generation: int, since: float | None) -> BatchSnapshot | None:
        """Return the batch that a call made whose answer was lost on its way; None if there is none."""
        job = unanswered(self._discover(), generation, since)
        return None if job is None else self._poll(job.job_id)

    def _request_id(self, generation: int, asked: str) -> str:
        own = self.request.get("requestId")
        if own is None:
            return self.intent.request_id(generation, asked)
        return str(own) if generation == 0 else str(uuid.uuid5(uuid.NAMESPACE_OID, f"{own} {generation}"))

    def _tags(self, progress: Progress, generation: int) -> dict[str, str]:
        return {**self.intent.tags(generation), COHORT_TAG: progress.cohort} if self.tagged else {}


def phase_of(job: EarlierJob) -> Phase:
    """Return what the status of a batch means."""
    answer: Any = job.answer
    return BatchSnapshot.of(answer).phase


def _has_completed(job: EarlierJob) -> bool:
    answer: Any = job.answer
    batch = BatchSnapshot.of(answer)
    return batch.status == BatchStatus.PROCESSED and not batch.not_completed
