"""Submission of one cohort as batches: each sample once, and again what did not complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.counting import counted
from airflow_provider_omics.healthomics.api.logger import Log
from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot
from airflow_provider_omics.healthomics.discovery.checkpoint import CohortAttempt, CohortCheckpoint, attempts
from airflow_provider_omics.healthomics.requests.identity import JobKey
from airflow_provider_omics.healthomics.requests.start_run_batch import defaults_fingerprint
from airflow_provider_omics.healthomics.results.redrive import Redrive, leave_out
from airflow_provider_omics.healthomics.results.table import ResultsTable
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort, entries, select
from airflow_provider_omics.healthomics.run_settings.naming import named, named_file
from airflow_provider_omics.jobs.cohort_paths import CohortPaths
from airflow_provider_omics.jobs.kinds import poll_batch
from airflow_provider_omics.jobs.record import JobRecord
from airflow_provider_omics.jobs.result_collector import ResultCollector, cohort_uri
from airflow_provider_omics.jobs.submission import IdempotentSubmitter

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

_MOST_INLINE = 100


@dataclass(frozen=True)
class CohortJob:
    """Cohort of a task, submitted as batches.

    :param submitter: of the batches; without tags an earlier batch's samples count as unchanged.
    :param request: StartRunBatch without ``batchRunSettings``.
    :param retrying: makes calls again that collect what became of the samples.
    :param cancels_superseded: whether batches of which nothing is wanted any more are cancelled.
    :param late_defaults: returns members of ``defaultRunSetting`` that are known only when a batch is submitted; they
        win.
    """

    submitter: IdempotentSubmitter[BatchSnapshot]
    request: Mapping[str, Any]
    retrying: Retrying
    cancels_superseded: bool = True
    late_defaults: Callable[[], Mapping[str, Any]] = dict

    @property
    def hook(self) -> OmicsHook:
        """The hook."""
        return self.submitter.hook

    @property
    def key(self) -> JobKey:
        """The task's key, the same for all of its batches."""
        return self.submitter.key

    @property
    def record(self) -> JobRecord:
        """The state store's record of the last batch."""
        return self.submitter.record

    @property
    def log(self) -> Log:
        """Where the task's log goes."""
        return self.submitter.log

    @property
    def collector(self) -> ResultCollector:
        """What reads, and writes down, what became of the samples."""
        pause: Any = self.submitter.pause
        return ResultCollector(self.hook, self.log, self.retrying, pause, self._defaults.get("outputUri"))

    @property
    def _defaults(self) -> Mapping[str, Any]:
        defaults: Mapping[str, Any] = self.request["defaultRunSetting"]
        return defaults

    def store(self, cohort: Cohort, paths: CohortPaths, redrives: int) -> CohortCheckpoint:
        """Write the cohort to S3, unless it is there already, and return the checkpoint before its first batch.

        :param redrives: how many batches may follow within the try.
        """
        key = f"{defaults_fingerprint(self._defaults)[:16]}-{cohort.digest[:40]}"
        checkpoint = CohortCheckpoint(key, paths.settings, paths.results, cohort.count, redrives_left=redrives)
        uri = cohort_uri(checkpoint, key)
        # Whoever wrote the settings had written the sheets that they name.
        if cohort.sheets is not None and not self.hook.storage.exists(uri):
            self.hook.storage.put_all_once(cohort.sheets, cohort.sheets.content_type)
            self.log.info("The sheets of %s are in\n  %s", counted(cohort.count, "samples"), paths.sample_sheets)
        self.hook.storage.put_once(uri, cohort.path)
        self.log.info("The settings of %s are in\n  %s", counted(cohort.count, "samples"), uri)
        return checkpoint

    def reattach(self, checkpoint: CohortCheckpoint, tries_before_clear: int) -> CohortCheckpoint:
        """Add the batches that earlier tries of the task submitted for samples of this cohort.

        :param tries_before_clear: how many tries were over when the task was last cleared.
        """
        found = self._find_earlier(tries_before_clear)
        kept = tuple(batch for batch in found if self.collector.same_samples(checkpoint, batch) != set())
        for batch in found:
            if batch not in kept:
                # Nothing of it is wanted any more, since what all samples share was changed.
                text = "HealthOmics batch %s of an earlier try computed something else; its samples are run anew"
                self.log.info(text, batch.batch_id)
                if self.cancels_superseded:
                    self.submitter.cancel_superseded(poll_batch(self.hook, batch.batch_id))
        next_generation = max((batch.generation + 1 for batch in found), default=self.record.job.epoch)
        return replace(checkpoint, batches=kept, next_generation=next_generation)

    def recall(self, paths: CohortPaths, redrives: int, tries_before_clear: int) -> CohortCheckpoint | None:
        """Return the checkpoint of a try that lost it, by its batches and the stored cohort.

        :param redrives: how many batches could follow within the try.
        :param tries_before_clear: how many tries were over when the task was last cleared.
        :return: None where their cohort is not known, as without tags.
        """
        found = self._find_earlier(tries_before_clear)
        key = found[-1].cohort if found else None
        if key is None:
            return None
        checkpoint = CohortCheckpoint(key, paths.settings, paths.results, samples=0)
        with self.hook.storage.open(cohort_uri(checkpoint, key)) as stream:
            checkpoint = replace(checkpoint, samples=sum(1 for _ in entries(stream)))
        checkpoint = self.reattach(checkpoint, tries_before_clear)
        return replace(checkpoint, redrives_left=max(0, redrives + 1 - len(checkpoint.batches)))

    def _find_earlier(self, tries_before_clear: int) -> list[CohortAttempt]:
        jobs, _ = self.submitter.find_earlier(tries_before_clear)
        return attempts(jobs)

    def submit(
        self, checkpoint: CohortCheckpoint, cohort: Cohort, *, is_first: bool = False
    ) -> tuple[CohortCheckpoint, BatchSnapshot]:
        """Submit the whole cohort as one batch (StartRunBatch), without looking for those of earlier tries.

        :param is_first: whether no earlier try can have submitted it.
        """
        since = time.time() if is_first else None
        batch = self._submit(checkpoint, self._settings(checkpoint, cohort), cohort, checkpoint.next_generation, since)
        self._log_started(cohort, batch)
        return checkpoint.with_batch(batch.batch_id), batch

    def submit_or_confirm(
        self, checkpoint: CohortCheckpoint, cohort: Cohort, earlier_tries: int
    ) -> tuple[CohortCheckpoint, BatchSnapshot]:
        """Submit the whole cohort as one batch, in a later try that found no batch of an earlier one.

        :param earlier_tries: how many there were since the task last succeeded.
        """
        settings = self._settings(checkpoint, cohort)
        submitted = self.submitter.submit_or_confirm(
            checkpoint.next_generation,
            earlier_tries,
            lambda generation: self._submit(checkpoint, settings, cohort, generation),
            partial(self._log_started, cohort),
        )
        checkpoint = replace(checkpoint, next_generation=submitted.generation).with_batch(submitted.job.batch_id)
        is_found = submitted.is_found
        return replace(checkpoint, redrive_all=is_found, is_reattached=is_found), submitted.job

    def _settings(self, checkpoint: CohortCheckpoint, cohort: Cohort) -> dict[str, Any]:
        if cohort.count <= _MOST_INLINE:
            return self._inline(cohort)
        return {"s3UriSettings": self._store_named(checkpoint, cohort) if self._names_runs else cohort_uri(checkpoint)}

    @property
    def _names_runs(self) -> bool:
        """Whether runs that are not named are named after their samples."""
        return self._defaults.get("name") is None

    def _inline(self, part: Cohort) -> dict[str, Any]:
        name = named if self._names_runs else dict
        return {"inlineSettings": [name(setting) for setting in part.settings()]}

    def _store_named(self, checkpoint: CohortCheckpoint, part: Cohort) -> str:
        uri = f"{checkpoint.settings_place}/named-{part.digest[:40]}.json"
        with named_file(part) as path:
            self.hook.storage.put_once(uri, path)
        return uri

    def leave_out(self, checkpoint: CohortCheckpoint, table: ResultsTable, samples: frozenset[str]) -> Redrive:
        """Leave out of a redrive what failed for a reason that no retry mends, and is asked for as it was then."""
        collector, batches = self.collector, {batch.batch_id: batch for batch in checkpoint.batches}
        collector.look_up_causes(table)
        return leave_out(
            table,
            samples,
            unchanged_since=lambda batch_id: collector.unchanged_samples(checkpoint, batches[batch_id]),
            defaults_of=collector.defaults_of,
            defaults=self._defaults,
        )

    def redrive(self, checkpoint: CohortCheckpoint, wanted: Container[str]) -> tuple[CohortCheckpoint, BatchSnapshot]:
        """Submit some samples of the cohort again, in a batch of their own (StartRunBatch)."""
        with self.retrying(partial(self._choose, checkpoint, wanted)) as chosen:
            if chosen.count <= _MOST_INLINE:
                settings = self._inline(chosen)
            elif self._names_runs:
                settings = {"s3UriSettings": self.retrying(lambda: self._store_named(checkpoint, chosen))}
            else:
                chosen_uri = f"{checkpoint.settings_place}/redrive-{chosen.digest[:40]}.json"
                self.retrying(lambda: self.hook.storage.put_once(chosen_uri, chosen.path))
                settings = {"s3UriSettings": chosen_uri}
            batch = self._submit(checkpoint, settings, chosen, checkpoint.next_generation)
            self._log_started(chosen, batch)
            return checkpoint.with_batch(batch.batch_id), batch

    def _choose(self, checkpoint: CohortCheckpoint, wanted: Container[str]) -> Cohort:
        with self.hook.storage.open(cohort_uri(checkpoint)) as stream:
            return select(stream, wanted)

    def _submit(
        self,
        checkpoint: CohortCheckpoint,
        settings: Mapping[str, Any],
        part: Cohort,
        generation: int,
        since: float | None = None,
    ) -> BatchSnapshot:
        defaults = {**self._defaults, **self.late_defaults()}
        request = {**self.request, "defaultRunSetting": defaults, "batchRunSettings": settings}
        digest = f"{checkpoint.cohort} {part.digest}"
        return self.submitter.submit(generation, request, digest=digest, cohort=checkpoint.cohort, since=since)

    def _log_started(self, part: Cohort, batch: BatchSnapshot) -> None:
        known = (batch.batch_id, self.submitter.names[0], counted(part.count, "samples"))
        self.log.info("Started HealthOmics batch %s (%s) with %s", *known)
