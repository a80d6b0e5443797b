"""Collecting the use of the runs of a cohort: paced, within a number of calls, and kept in S3 on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from airflow_provider_omics.healthomics.api.calls import T, one_request, or_none
from airflow_provider_omics.healthomics.api.console import LOG_GROUP
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError, error_code, explain
from airflow_provider_omics.healthomics.discovery.checkpoint import CohortCheckpoint
from airflow_provider_omics.healthomics.watcher.clock import Clock
from airflow_provider_omics.healthomics.watcher.rate_limiter import AdaptiveRateLimiter
from airflow_provider_omics.usage.choice import UsageMode, choose
from airflow_provider_omics.usage.columns import SampleUse
from airflow_provider_omics.usage.lookup import list_runs_of_batch, read_tasks
from airflow_provider_omics.usage.manifest import manifest_stream, read_manifest
from airflow_provider_omics.usage.records import RunRecord
from airflow_provider_omics.usage.run_use import DYNAMIC, RunUse

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

_RUNS_OF_A_PART = 200
_ABSENT = "ResourceNotFoundException"


class CallsUsedUp(OmicsError):
    """As many calls were made as are allowed."""


@dataclass
class UsageCollector:
    """Collector of the use of a cohort's runs.

    What was looked up is kept in S3, part by part, so that a later try of the task goes on where this one was killed.

    :param retrying: makes each call again while that may help.
    :param calls_limit: most calls.
    """

    hook: OmicsHook
    log: Log
    retrying: Retrying
    calls_limit: int
    _calls: int = field(default=0, init=False)
    _reads_logs: bool = field(default=True, init=False)

    def collect(
        self, checkpoint: CohortCheckpoint, samples: Iterable[str], mode: UsageMode, sample_size: int
    ) -> dict[str, SampleUse]:
        """Return the use of samples, as far as the number of calls lets it be looked up.

        :param samples: ids of all samples, in the order of the input.
        :raises OmicsError: the task was killed.
        :raises OmicsServiceError: a call failed for good.
        """
        chosen = choose(self._runs(checkpoint, samples), mode, sample_size, checkpoint.cohort)
        parts = _Parts(self.hook, f"{checkpoint.settings_place}/usage-{checkpoint.batches[0].batch_id}")
        uses: dict[str, SampleUse] = {}
        try:
            for sample, runs in chosen.items():
                uses[sample] = SampleUse(tuple(self._use(run, parts) for run in runs))
        except CallsUsedUp:
            left = len(chosen) - len(uses)
            self.log.warning("The use of %s samples was not looked up (usage_calls_limit)", f"{left:,}")
        finally:
            parts.write()
        return uses

    def measured(self, run: RunRecord) -> tuple[RunRecord | None, bool]:
        """Return a run with its tasks, and whether its manifest tells them, and so what they used.

        Without a manifest the service's list tells what tasks reserved and how long they took; the run is None if it
        is gone there, too.

        :raises OmicsServiceError: the log, or the list, cannot be read.
        """
        known = run if run.uuid is not None else self.run(run.run_id or "")
        if known is None:
            return None, False
        stream = manifest_stream(known.run_id or "", known.uuid or "")
        try:
            manifest = read_manifest(self._log_events(stream), known.uuid or "")
        except (ClientError, BotoCoreError) as error:
            if error_code(error) != _ABSENT:
                raise OmicsServiceError(explain(error, "GetLogEvents", f"log {LOG_GROUP} {stream}")) from error
            manifest = None
        return (manifest, True) if manifest is not None else (self._with_tasks(known), False)

    def run(self, run_id: str) -> RunRecord | None:
        """Return a run as GetRun shows it, without its tasks; None if it is gone."""
        requests = or_none(one_request("GetRun", {"id": run_id}))
        shown = self.hook.send_requests(requests, f"run {run_id}", retrying=self._paced("GetRun"))
        return None if shown is None else RunRecord.of(shown)

    def engine(self, run: RunRecord) -> str | None:
        """Return the engine of a run's workflow (GetWorkflow); None where the service does not show it.

        :raises OmicsServiceError: the service refused to show it.
        """
        members = {"id": (run.workflow or "").rpartition("/")[2]}
        if run.workflow_type is not None:
            members["type"] = run.workflow_type
        requests = or_none(one_request("GetWorkflow", members))
        shown = self.hook.send_requests(requests, f"workflow {members['id']}", retrying=self._paced("GetWorkflow"))
        return None if shown is None else shown.get("engine")

    def runs_of_batch(self, batch_id: str) -> list[tuple[str, RunRecord]] | None:
        """Return the runs of a batch, each with its sample; None if the batch is gone."""
        label = f"batch {batch_id}"
        return self.hook.send_requests(or_none(list_runs_of_batch(batch_id)), label, retrying=self._list)

    def _runs(self, checkpoint: CohortCheckpoint, samples: Iterable[str]) -> dict[str, list[RunRecord]]:
        found: dict[str, list[RunRecord]] = {sample: [] for sample in samples}
        for batch in checkpoint.batches:
            listed = self.runs_of_batch(batch.batch_id)
            if listed is None:
                self.log.warning("Batch %s is gone, and the use of its runs is not counted", batch.batch_id)
            for sample, run in listed or ():
                if sample in found:
                    found[sample].append(run)
        return {sample: runs for sample, runs in found.items() if runs}

    def _use(self, run: RunRecord, parts: _Parts) -> RunUse:
        stored = parts.stored.get(run.uuid or "")
        if stored is not None:
            return stored
        # Of a run that was deleted meanwhile the lists tell times and storage, and no tasks.
        with_tasks = self._with_tasks(run)
        if run.storage_type == DYNAMIC and run.uuid and run.started is not None:
            run_use = RunUse.of((with_tasks or run).with_manifest(self._manifest(run)))
        else:
            run_use = RunUse.of(with_tasks or run)
        parts.add(run_use)
        return run_use

    def _with_tasks(self, run: RunRecord) -> RunRecord | None:
        requests = or_none(read_tasks(run))
        return self.hook.send_requests(requests, f"run {run.run_id}", retrying=self._paced("ListRunTasks"))

    def _manifest(self, run: RunRecord) -> RunRecord | None:
        if not self._reads_logs:
            return None
        try:
            return read_manifest(self._log_events(manifest_stream(run.run_id or "", run.uuid or "")), run.uuid or "")
        except (ClientError, BotoCoreError) as error:
            if error_code(error) != _ABSENT:
                self._reads_logs = False
                text = "The use of dynamic storage is unknown, since its manifests cannot be read (GetLogEvents): %s"
                self.log.warning("%s", entry(text, error))
            return None

    def _log_events(self, stream: str) -> Iterator[str]:
        token: str | None = None
        retrying = self._paced("GetLogEvents")
        while True:
            members: dict[str, Any] = {"logGroupName": LOG_GROUP, "logStreamName": stream, "startFromHead": True}
            if token is not None:
                members["nextToken"] = token
            answer = retrying(partial(self._logs.get_log_events, **members))
            yield from (event.get("message", "") for event in answer.get("events", []))
            # The end of a stream is where a token leads to itself.
            if answer.get("nextForwardToken") in (None, token):
                return
            token = answer["nextForwardToken"]

    @cached_property
    def _logs(self) -> Any:
        return self.hook.hook_of("logs").conn

    @cached_property
    def _limiter(self) -> AdaptiveRateLimiter:
        return AdaptiveRateLimiter(Clock(), self.hook.call_rates)

    def _list(self, do: Callable[[], T]) -> T:
        # Both list operations of a batch take turns, and each has a quota of its own.
        return self._paced("ListRuns")(do)

    def _paced(self, operation: str) -> Callable[[Callable[[], T]], T]:
        def call(do: Callable[[], T]) -> T:
            if self._calls >= self.calls_limit:
                raise CallsUsedUp("the number of calls is used up")
            self._calls += 1
            if self._limiter.acquire_blocking(operation, self.retrying.sleep) is None:
                self.retrying.is_killed = True
                raise OmicsError("the task was killed")
            return self.retrying(do)

        return call


class _Parts:
    """Objects in S3 that hold what was looked up already, by this try of a task or an earlier one.

    :param place: what their names begin with.
    """

    def __init__(self, hook: OmicsHook, place: str) -> None:
        self.stored: dict[str, RunUse] = {}
        self._hook = hook
        self._place = place
        self._number = 0
        self._new: list[RunUse] = []
        while hook.storage.exists(self._uri):
            with hook.storage.open(self._uri) as lines:
                self._add_stored(json.loads(line) for line in lines)
            self._number += 1

    def add(self, use: RunUse) -> None:
        """Keep the use of a run, unless something of it may be known later."""
        if use.uuid and use.billed_seconds is not None and use.storage_gib_hours is not None:
            self._new.append(use)
        if len(self._new) >= _RUNS_OF_A_PART:
            self.write()

    def write(self) -> None:
        """Write what is not written yet."""
        if self._new:
            lines = [json.dumps(use.to_json()) + "\n" for use in self._new]
            self._hook.storage.write(self._uri, lines, "application/x-ndjson")
            self._new, self._number = [], self._number + 1

    @property
    def _uri(self) -> str:
        return f"{self._place}-{self._number:05}.jsonl"

    def _add_stored(self, saved: Iterable[Mapping[str, Any]]) -> None:
        uses: Sequence[RunUse] = [RunUse.from_json(each) for each in saved]
        self.stored.update({use.uuid: use for use in uses if use.uuid})
