"""Collecting what became of a cohort: its batches, its samples, the results table in S3.

By then the work is done and paid for, so errors are put up with as they are while waiting.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.calls import Requests, T
from airflow_provider_omics.healthomics.api.counting import counted
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.retrying import Retrying, describe_error
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError, error_code
from airflow_provider_omics.healthomics.batches.snapshots import DELETED, BatchSnapshot
from airflow_provider_omics.healthomics.discovery.checkpoint import CohortAttempt, CohortCheckpoint
from airflow_provider_omics.healthomics.discovery.jobs import BATCH_API, show
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason, WaitResult
from airflow_provider_omics.healthomics.results.collection import (
    collect_batch,
    confirm_unsettled,
    count_hits,
    look_up_failures,
)
from airflow_provider_omics.healthomics.results.redrive import MOST_CAUSES
from airflow_provider_omics.healthomics.results.table import NOT_SUBMITTED, ResultsTable, SampleStatus
from airflow_provider_omics.healthomics.run_settings.cohort import entries, run_setting_digest, setting_digest
from airflow_provider_omics.jobs.kinds import poll_batch

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

Digest = Callable[[Mapping[str, Any]], str]

# How long the lists may lag behind after the end of a batch before a run counts as one whose end was not seen.
_SETTLING_PAUSES = (2.0, 5.0, 15.0, 40.0)


def cohort_uri(checkpoint: CohortCheckpoint, key: str | None = None) -> str:
    """Return where the settings of a cohort are.

    :param key: of the cohort; None for that of the checkpoint.
    """
    return f"{checkpoint.settings_place}/cohort-{key or checkpoint.cohort}.json"


@dataclass(frozen=True)
class ResultCollector:
    """Collector of what became of every sample of a cohort, which it writes down too.

    :param retrying: makes each call again while that may help.
    :param pause: sleeps so many seconds and returns whether the task was killed meanwhile.
    :param output_uri: the batch's, which samples without one of their own have.
    """

    hook: OmicsHook
    log: Log
    retrying: Retrying
    pause: Callable[[float], bool]
    output_uri: str | None

    @contextmanager
    def explained(self, batch: BatchSnapshot, next_step: str) -> Iterator[None]:
        """Turn a kill, or an error that has used up the budget, into the end of waiting for a batch.

        :param batch: the last batch of the cohort.
        :param next_step: says how its results are collected after all.
        """
        try:
            yield
        except Exception as error:
            if self.retrying.is_killed:
                raise OmicsWaitError(WaitResult(StopReason.INTERRUPTED, batch, "the task was killed")) from error
            if self.retrying.exhausted_by is None or self.retrying.exhausted_by not in (error, error.__cause__):
                raise
            lasted = f"There were nothing but errors, {self.retrying.streak()}, while the results were gathered"
            fate = f"The batch is {batch.status}, and nothing of it is lost; look at it with: {batch.command}"
            reason = f"{describe_error(error, batch.label)}\n{lasted}.\n{fate}\nWhat to do: {next_step}"
            code = error.code if isinstance(error, OmicsServiceError) else error_code(error)
            raise OmicsWaitError(WaitResult(StopReason.UNREACHABLE, batch, reason, code)) from error

    def poll(self, checkpoint: CohortCheckpoint, known: BatchSnapshot | None) -> list[BatchSnapshot]:
        """Poll every batch of the cohort, oldest first.

        :param known: a batch that was seen to end just now.
        """
        snapshots = []
        for batch in checkpoint.batches:
            if known is not None and known.batch_id == batch.batch_id:
                snapshots.append(known)
                continue
            snapshots.append(poll_batch(self.hook, batch.batch_id, self.retrying))
        return snapshots

    def collect(self, checkpoint: CohortCheckpoint, snapshots: Sequence[BatchSnapshot], lookups: int) -> ResultsTable:
        """Read what became of every sample, over all batches of the cohort, oldest first.

        :param snapshots: the batches, in the order of ``checkpoint.batches``.
        :param lookups: most failed runs to look up one by one.
        """
        table = self.retrying(partial(self._table, checkpoint))
        if len(table) != checkpoint.samples:
            found = f"{cohort_uri(checkpoint)} has {len(table):,} samples and had {checkpoint.samples:,}"
            last = snapshots[-1]
            why = last.failure_reason or "without a reason of its own"
            raise OmicsError(
                f"{found}: it was written over while {last.label} ended {last.status} ({why}), so its "
                "samples cannot be accounted for. Delete the object, keep others from writing there, and clear the task"
            )
        same = [self.same_samples(checkpoint, batch) for batch in checkpoint.batches]
        listed = False
        for seconds in (*_SETTLING_PAUSES, None):
            for snapshot, ids in zip(snapshots, same, strict=True):
                if not listed:
                    self._collect(table, snapshot, ids)
                self._perform(confirm_unsettled(table, snapshot.batch_id, limit=lookups), snapshot.label)
            active, unshown = len(table.active()), _unshown(table, checkpoint, snapshots[-1])
            if not active + unshown or seconds is None or self.pause(seconds):
                break
            listed = not unshown and active <= lookups
            self.log.info("%s runs are not shown as ended yet; looking again", f"{active + unshown:,}")
        self.retrying(partial(self._restore_deleted, table, checkpoint))
        if unshown:
            table.mark_unsubmitted_unknown(snapshots[-1].batch_id)
        # What failed is known; why is said as far as it can be found out.
        left = self._perform(look_up_failures(table, limit=lookups), "the failed runs", is_optional=True)
        if left:
            self.log.info("%s more failed runs were not looked up (failure_lookup_limit %s)", f"{left:,}", lookups)
        return table

    def count_cache_hits(self, table: ResultsTable, limit: int) -> None:
        """Count which samples took tasks from a run cache; that is left out where it cannot be found out.

        :param limit: most runs to count them of.
        """
        try:
            runs = self._perform(count_hits(table, limit=limit), "the tasks of the runs", is_optional=True)
        except OmicsServiceError as error:
            self.log.warning("%s", entry("The cache hits of the samples were not counted: %s", error))
            return
        self.log.info("%s took finished tasks from their run cache", counted(runs, "samples"))

    def write(self, table: ResultsTable, checkpoint: CohortCheckpoint) -> tuple[str, str]:
        """Write the results table to S3, in place of what is there, and return where it is as CSV and as JSONL."""
        csv_uri, jsonl_uri = f"{checkpoint.results_place}.csv", f"{checkpoint.results_place}.jsonl"
        self.retrying(lambda: self.hook.storage.write(csv_uri, table.csv_lines(), "text/csv"))
        self.retrying(lambda: self.hook.storage.write(jsonl_uri, table.jsonl_lines(), "application/x-ndjson"))
        self.log.info("The results of %s are in\n  %s\n  %s", counted(len(table), "samples"), csv_uri, jsonl_uri)
        return csv_uri, jsonl_uri

    def same_samples(self, checkpoint: CohortCheckpoint, batch: CohortAttempt) -> set[str] | None:
        """Return the samples that a batch was given with the settings that they have now; None for all."""
        if batch.cohort in (None, checkpoint.cohort):
            return None
        if batch.cohort.partition("-")[0] != checkpoint.cohort.partition("-")[0]:
            return set()
        return self._equal_samples(checkpoint, batch.cohort, setting_digest)

    def unchanged_samples(self, checkpoint: CohortCheckpoint, batch: CohortAttempt) -> set[str] | None:
        """Return the samples whose whole run setting is the one that a batch was given; None for all.

        Where it is not known what a batch was given, as without tags, that is none of them.
        """
        if batch.cohort == checkpoint.cohort:
            return None
        if batch.cohort is None:
            return set()
        return self._equal_samples(checkpoint, batch.cohort, run_setting_digest)

    def defaults_of(self, batch_id: str) -> Mapping[str, Any]:
        """Return the ``defaultRunSetting`` that GetBatch shows of a batch; empty if it shows none."""
        answer = self._perform(show(BATCH_API, batch_id), f"batch {batch_id}")
        return answer.get("defaultRunSetting") or {}

    def look_up_causes(self, table: ResultsTable) -> None:
        """Look up why samples failed before they are run again (GetRun), for up to 10,000 of them."""
        unknown = sum(row.end is SampleStatus.FAILED and row.failure_code is None for row in table.rows())
        if not unknown:
            return
        self.log.info("%s", entry("Looking up why %s more runs failed before they are run again", f"{unknown:,}"))
        self._perform(look_up_failures(table, limit=MOST_CAUSES), "the failed runs", is_optional=True)

    def _perform(self, requests: Requests[T], label: str, *, is_optional: bool = False) -> T:
        retrying = replace(self.retrying, only_transient=True) if is_optional else self.retrying
        done = self.hook.send_requests(requests, label, retrying=retrying)
        # Some errors are noted in a sample's row, which would then count as one that has not ended.
        if self.retrying.exhausted_by is not None or retrying.is_killed:
            self.retrying.is_killed = retrying.is_killed
            raise self.retrying.exhausted_by or OmicsError("the task was killed")
        return done

    def _table(self, checkpoint: CohortCheckpoint) -> ResultsTable:
        with self.hook.storage.open(cohort_uri(checkpoint)) as stream:
            default = self.output_uri
            return ResultsTable((entry["runSettingId"], entry.get("outputUri", default)) for entry in entries(stream))

    def _restore_deleted(self, table: ResultsTable, checkpoint: CohortCheckpoint) -> None:
        """Do not forget that a sample has completed because its run was deleted since: the last table has it."""
        uri = f"{checkpoint.results_place}.jsonl"
        if not table.counts().deleted or not self.hook.storage.exists(uri):
            return
        with self.hook.storage.open(uri) as lines:
            for line in lines:
                table.restore(json.loads(line))

    def _collect(self, table: ResultsTable, snapshot: BatchSnapshot, same: set[str] | None) -> None:
        status = None if snapshot.status == DELETED else snapshot.status
        requests = collect_batch(
            table, snapshot.batch_id, unchanged_ids=same, status=status, failure_reason=snapshot.failure_reason
        )
        self._perform(requests, snapshot.label)

    def _equal_samples(self, checkpoint: CohortCheckpoint, key: str, digest_of: Digest) -> set[str]:
        then, now = self._digests(checkpoint, key, digest_of), self._digests(checkpoint, checkpoint.cohort, digest_of)
        return {sample for sample, digest in now.items() if then.get(sample) == digest}

    def _digests(self, checkpoint: CohortCheckpoint, key: str, digest_of: Digest) -> dict[str, str]:
        def read() -> dict[str, str]:
            with self.hook.storage.open(cohort_uri(checkpoint, key)) as stream:
                return {entry["runSettingId"]: digest_of(entry) for entry in entries(stream)}

        try:
            return self.retrying(read)
        except OmicsServiceError as error:
            if error.code != "NoSuchKey":
                raise
            self.log.warning("The settings of an earlier batch are gone (%s); its samples cannot be compared", key)
            return {}


def _unshown(table: ResultsTable, checkpoint: CohortCheckpoint, last: BatchSnapshot) -> int:
    """Return how many samples the last batch has submitted and its list does not show."""
    if checkpoint.batches[-1].cohort != checkpoint.cohort:
        # It may have had samples that the cohort has no more.
        return 0
    shown = sum(row.batch_id == last.batch_id and row.submission_status != NOT_SUBMITTED for row in table.rows())
    return max(0, last.submitted + last.failed_submissions - shown)
