"""Reading the use of runs for a task: paced, and within a number of calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pendulum
from botocore.exceptions import BotoCoreError, ClientError

from airflow_provider_omics.healthomics.api.calls import Requests, T, or_none
from airflow_provider_omics.healthomics.api.console import LOG_GROUP
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError, error_code, explain
from airflow_provider_omics.healthomics.api.statuses import RunStatus, classify
from airflow_provider_omics.healthomics.watcher.clock import Clock
from airflow_provider_omics.healthomics.watcher.rate_limiter import AdaptiveRateLimiter
from airflow_provider_omics.usage.lookup import list_runs_of_batch, read_run, read_tasks
from airflow_provider_omics.usage.manifest import manifest_stream, read_manifest
from airflow_provider_omics.usage.records import RunRecord
from airflow_provider_omics.usage.run_use import DYNAMIC, RunUse

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

_ABSENT = "ResourceNotFoundException"
# The manifest of a run is written after its end.
_LAG_ATTEMPTS, _MOST_FIRST_PAUSE, _LAG_SECONDS = 3, 5.0, 300.0


class CallsUsedUp(OmicsError):
    """As many calls were made as are allowed."""


@dataclass
class RunUseReader:
    """Reader of the use of runs.

    :param retrying: makes each call again while that may help.
    :param calls_limit: most calls; infinity, the default, for no limit.
    :param note_tasks: gets each run whose tasks :meth:`read` reads; None for nobody.
    """

    hook: OmicsHook
    log: Log
    retrying: Retrying
    calls_limit: float = math.inf
    note_tasks: Callable[[RunRecord], None] | None = None
    _calls: int = field(default=0, init=False)
    _reads_logs: bool = field(default=True, init=False)
    _waits_for_manifests: bool = field(default=True, init=False)

    def ask(self, requests: Requests[T], subject: str, operation: str) -> T | None:
        """Make requests, and return what they came to; None if the service does not know what they are about.

        :param subject: what they are about, such as ``run 1234567``.
        :param operation: API operation whose quota they count against.
        :raises CallsUsedUp: no more calls are allowed.
        :raises OmicsError: the task was killed.
        :raises OmicsServiceError: a call failed for good.
        """
        return self.hook.send_requests(or_none(requests), subject, retrying=self._paced(operation))

    def run(self, run_id: str) -> RunRecord | None:
        """Return a run as GetRun shows it, without its tasks; None if it is gone."""
        return self.ask(read_run(run_id), f"run {run_id}", "GetRun")

    def runs_of_batch(self, batch_id: str) -> list[tuple[str, RunRecord]] | None:
        """Return the runs of a batch, each with its sample; None if the batch is gone."""
        # Both list operations of a batch take turns, and each has a quota of its own.
        return self.ask(list_runs_of_batch(batch_id), f"batch {batch_id}", "ListRuns")

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
            manifest = self._manifest_in(stream, known)
        except (ClientError, BotoCoreError) as error:
            raise OmicsServiceError(explain(error, "GetLogEvents", f"log {LOG_GROUP} {stream}")) from error
        return (manifest, True) if manifest is not None else (self._with_tasks(known), False)

    def read(self, run: RunRecord) -> RunUse:
        """Return the use of a run (ListRunTasks; GetLogEvents where its storage is dynamic); raises what ``ask`` does.

        Of a run that was deleted only its manifest tells. A list that does not show the run's end may lag behind, and
        so the run is looked up by itself (GetRun).

        :param run: as a list shows it, with its uuid where its storage is dynamic.
        """
        shown = run if classify(RunStatus, run.status).is_final else self.run(run.run_id or "")
        # The service gives the ids of deleted runs to others.
        if shown is None or (run.uuid is not None and run.uuid != shown.uuid):
            return self._read_deleted(run)
        return self._read_shown(shown)

    def _read_deleted(self, run: RunRecord) -> RunUse:
        manifest = self._manifest(run) if run.uuid else None
        if manifest is not None and self.note_tasks is not None:
            self.note_tasks(manifest)
        return RunUse.of(manifest or run)

    def _read_shown(self, run: RunRecord) -> RunUse:
        # Of a run that was deleted meanwhile the lists tell times and storage, and no tasks.
        with_tasks, manifest = self._with_tasks(run), None
        if run.storage_type == DYNAMIC and run.uuid and run.started is not None:
            manifest = self._manifest(run)
        # What tasks used is in the manifest alone.
        noted = manifest or with_tasks
        if noted is not None and self.note_tasks is not None:
            self.note_tasks(noted)
        return RunUse.of((with_tasks or run).with_manifest(manifest))

    def _with_tasks(self, run: RunRecord) -> RunRecord | None:
        return self.ask(read_tasks(run), f"run {run.run_id}", "ListRunTasks")

    def _manifest(self, run: RunRecord) -> RunRecord | None:
        found = self._read_manifest(run)
        for attempt in range(_LAG_ATTEMPTS):
            if found is not None or not self._may_lag(run):
                return found
            if self.retrying.sleep(min(self.retrying.delay, _MOST_FIRST_PAUSE) * 2.0**attempt):
                self._raise_killed()
            found = self._read_manifest(run)
        # One that does not come in time says enough of how long others take.
        self._waits_for_manifests = self._waits_for_manifests and found is not None
        return found

    def _may_lag(self, run: RunRecord) -> bool:
        if not (self._waits_for_manifests and self._reads_logs) or run.stopped is None:
            return False
        return (pendulum.now("UTC") - run.stopped).total_seconds() < _LAG_SECONDS

    def _read_manifest(self, run: RunRecord) -> RunRecord | None:
        if not self._reads_logs:
            return None
        try:
            return self._manifest_in(manifest_stream(run.run_id or "", run.uuid or ""), run)
        except (ClientError, BotoCoreError) as error:
            self._reads_logs = False
            text = "The use of dynamic storage is unknown, since its manifests cannot be read (GetLogEvents): %s"
            self.log.warning("%s", entry(text, error))
            return None

    def _manifest_in(self, stream: str, run: RunRecord) -> RunRecord | None:
        """Return what a log stream has of a run; None if there is none. Errors are botocore's."""
        try:
            return read_manifest(self._log_events(stream), run.uuid or "")
        except ClientError as error:
            if error_code(error) == _ABSENT:
                return None
            raise

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

    def _raise_killed(self) -> None:
        self.retrying.is_killed = True
        raise OmicsError("the task was killed")

    def _paced(self, operation: str) -> Callable[[Callable[[], T]], T]:
        def call(do: Callable[[], T]) -> T:
            if self._calls >= self.calls_limit:
                raise CallsUsedUp("the number of calls is used up")
            self._calls += 1
            if self._limiter.acquire_blocking(operation, self.retrying.sleep) is None:
                self._raise_killed()
            return self.retrying(do)

        return call
