"""The HealthOmics API for tasks: start, get, find, list, cancel and wait for runs and batches."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.exceptions import AirflowProviderDeprecationWarning

from airflow_provider_omics.healthomics.api import calls
from airflow_provider_omics.healthomics.api.console import run_url
from airflow_provider_omics.healthomics.api.retrying import call_once, refusal_note
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.api.start_call import submit_idempotent
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.batches.batch_poll import BatchPoll, get_batch, request_cancel
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot, SampleSnapshot
from airflow_provider_omics.healthomics.polling.engine import RETRY_TIMEOUT, Waiter, WaitPolicy, poll_until_done
from airflow_provider_omics.healthomics.polling.poll import Poll, SnapshotT
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.runs import commands
from airflow_provider_omics.healthomics.runs.failure import RunFailure
from airflow_provider_omics.healthomics.runs.poll import RunPoll, get_run
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.hooks.arguments import value_issues
from airflow_provider_omics.hooks.task_logs import failed_tasks
from airflow_provider_omics.hooks.workflows import OmicsWorkflowHook

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

T = TypeVar("T")

CREATING_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each attempt to cancel a batch, which is CREATING for less than that as a rule.

The first are short, since Airflow leaves a killed task alone for five seconds.
"""


class OmicsHook(OmicsWorkflowHook):
    """Talk to AWS HealthOmics over an Airflow connection of type ``aws``.

    A call that fails raises an :class:`~airflow_provider_omics.exceptions.OmicsServiceError` with cause, place and
    remedy; ``find_...`` return None for what the service does not know. Ids are those that the service gives out.

    Its own retries (standard mode, 6 attempts) give way to the connection's ``config_kwargs``, and these to
    ``config``; each is merged over the one before, so that a setting is lost only where it is set again.

    :param aws_conn_id: the Airflow connection, of type ``aws``; None uses boto3's own credential chain. The default is
        ``aws_default``.
    :param region_name: AWS Region; None, the default, takes the connection's.
    :param verify: whether, or with which CA bundle (a path), TLS certificates are checked; None, the default, is
        boto3's.
    :param config: settings for botocore's ``Config``, as one or as a dict; None, the default, for none.

    See https://docs.aws.amazon.com/omics/latest/api/API_Operations_AWS_HealthOmics.html
    """

    def start_run(
        self,
        request: Mapping[str, Any],
        *,
        find: Callable[[], RunSnapshot | None] | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> RunSnapshot:
        """Start a run (StartRun), and ask again while that may help.

        :param request: members by their API names; ``requestId`` decides whether it is a new run.
            Required.
        :param find: looks for the run that a call made whose answer was lost; without it, nothing but ``requestId``
            keeps the next call from starting a second one. None, the default, for none.
        :param pause: sleeps so many seconds, and may return True to stop asking. Default ``time.sleep``.
        :raises OmicsServiceError: the service refused it.

        See https://docs.aws.amazon.com/omics/latest/api/API_StartRun.html
        """
        with self._explained("StartRun", _source(request)):
            return submit_idempotent(
                self.conn, calls.Request("StartRun", request), RunSnapshot.of, reconcile=find, sleep=pause, log=self.log
            )

    def start_run_batch(
        self,
        request: Mapping[str, Any],
        *,
        find: Callable[[], BatchSnapshot | None] | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> BatchSnapshot:
        """Start a batch of runs (StartRunBatch), and ask again while that may help.

        :param request: members by their API names; ``requestId`` decides whether it is a new batch.
            Required.
        :param find: looks for the batch that a call made whose answer was lost; without it, nothing but
            ``requestId`` keeps the next call from starting a second one. None, the default, for none.
        :param pause: sleeps so many seconds, and may return True to stop asking. Default ``time.sleep``.
        :raises OmicsServiceError: the service refused it.

        See https://docs.aws.amazon.com/omics/latest/api/API_StartRunBatch.html
        """
        with self._explained("StartRunBatch", _source(request["defaultRunSetting"])):
            return submit_idempotent(
                self.conn,
                calls.Request("StartRunBatch", request),
                BatchSnapshot.of,
                reconcile=find,
                sleep=pause,
                log=self.log,
            )

    def get_run(self, run_id: str) -> RunSnapshot:
        """Return a run as it is now (GetRun).

        :param run_id: id of the run, 1 to 18 digits. Required.
        :raises OmicsServiceError: there is none of this id, or the service refused to show it.

        See https://docs.aws.amazon.com/omics/latest/api/API_GetRun.html
        """
        return self.send_requests(get_run(run_id), f"run {run_id}")

    def find_run(self, run_id: str) -> RunSnapshot | None:
        """Return a run as it is now, or None if the service does not know it (GetRun).

        :param run_id: id of the run, 1 to 18 digits. Required.
        :raises OmicsServiceError: the service refused to show it.

        See https://docs.aws.amazon.com/omics/latest/api/API_GetRun.html
        """
        return self.send_requests(calls.or_none(get_run(run_id)), f"run {run_id}")

    def list_runs(
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        run_group_id: str | None = None,
        batch_id: str | None = None,
    ) -> Iterator[RunSnapshot]:
        """Yield the runs of the account in the Region, page by page, as ListRuns shows them: without UUID and outputs.

        :param name: only runs of this name, 1 to 128 characters; None for any.
        :param status: only runs in this status, such as ``FAILED``; None for all.
        :param run_group_id: only runs of this run group; None for all.
        :param batch_id: only runs of this batch; None for all.
        :raises OmicsServiceError: the service refused a page.

        See https://docs.aws.amazon.com/omics/latest/api/API_ListRuns.html
        """
        members = {"name": name, "status": status, "runGroupId": run_group_id, "batchId": batch_id}
        yield from map(RunSnapshot.of, self._list("ListRuns", "items", "runs", maxResults=calls.PAGE_SIZE, **members))

    def cancel_run(self, run_id: str) -> bool:
        """Ask for a run to be cancelled (CancelRun).

        :param run_id: id of the run, 1 to 18 digits. Required.
        :return: True if it will be; False if it had ended or is gone, which is as good.
        :raises OmicsServiceError: the service refused it.

        See https://docs.aws.amazon.com/omics/latest/api/API_CancelRun.html
        """
        return self.send_requests(commands.cancel_run(run_id), f"run {run_id}")

    def delete_run(self, run_id: str) -> bool:
        """Delete a run's record (DeleteRun); its outputs and logs stay.

        :param run_id: id of the run, 1 to 18 digits. Required.
        :return: True if it was deleted; False if it was gone already.
        :raises OmicsServiceError: the service refused it, because it still runs for one.

        See https://docs.aws.amazon.com/omics/latest/api/API_DeleteRun.html
        """
        return self.send_requests(commands.delete_run(run_id), f"run {run_id}")

    def wait_for_run(
        self,
        run_id: str,
        *,
        waiter_delay: float = 30,
        waiter_max_attempts: int | None = None,
        error_budget: float = RETRY_TIMEOUT,
        pause: Callable[[float], object] = time.sleep,
    ) -> RunSnapshot:
        """Wait in this process until a run has ended, however it did (GetRun).

        :param run_id: id of the run, 1 to 18 digits. Required.
        :param waiter_delay: seconds between two polls, 0.01 to 604,800. Default ``30``.
        :param waiter_max_attempts: most polls that are answered, 1 or more; None for no limit.
        :param error_budget: seconds of nothing but errors to put up with, 0 or more: of any kind once the service has
            answered, before that only of those that pass by themselves (throttling, 5xx, network). Default ``3600``.
        :param pause: sleeps so many seconds, and returns True to stop waiting, as for a task that was killed. Default
            ``time.sleep``.
        :return: the run as it ended; its ``status`` says how.
        :raises OmicsRequestInvalidError: a parameter is out of bounds.
        :raises OmicsWaitError: waiting ended before the run had, which goes on; or there is none of this id.

        See https://docs.aws.amazon.com/omics/latest/api/API_GetRun.html
        """
        policy = WaitPolicy(waiter_delay, waiter_max_attempts, retry_timeout=error_budget)
        return self._wait(RunPoll(run_id), policy, pause)

    def get_batch(self, batch_id: str) -> BatchSnapshot:
        """Return a batch as it is now, with its counts (GetBatch).

        :param batch_id: id of the batch, 1 to 18 digits. Required.
        :raises OmicsServiceError: there is none of this id, or the service refused to show it.

        See https://docs.aws.amazon.com/omics/latest/api/API_GetBatch.html
        """
        return self.send_requests(get_batch(batch_id), f"batch {batch_id}")

    def find_batch(self, batch_id: str) -> BatchSnapshot | None:
        """Return a batch as it is now, or None if the service does not know it (GetBatch).

        :param batch_id: id of the batch, 1 to 18 digits. Required.
        :raises OmicsServiceError: the service refused to show it.

        See https://docs.aws.amazon.com/omics/latest/api/API_GetBatch.html
        """
        return self.send_requests(calls.or_none(get_batch(batch_id)), f"batch {batch_id}")

    def list_batches(
        self, *, name: str | None = None, status: str | None = None, run_group_id: str | None = None
    ) -> Iterator[BatchSnapshot]:
        """Yield the batches of the account in the Region, page by page, as ListBatch shows them: without counts.

        :param name: only batches of this name, 1 to 64 characters; None for any.
        :param status: only batches in this status, such as ``INPROGRESS``; None for all.
        :param run_group_id: only batches of this run group; None for all.
        :raises OmicsServiceError: the service refused a page.

        See https://docs.aws.amazon.com/omics/latest/api/API_ListBatch.html
        """
        members = {"name": name, "status": status, "runGroupId": run_group_id}
        items = self._list("ListBatch", "items", "batches", maxItems=calls.PAGE_SIZE, **members)
        yield from map(BatchSnapshot.of, items)

    def list_batch_samples(self, batch_id: str, *, submission_status: str | None = None) -> Iterator[SampleSnapshot]:
        """Yield the samples of a batch, page by page, each with its submission and its run's id (ListRunsInBatch).

        :param batch_id: id of the batch, 1 to 18 digits. Required.
        :param submission_status: only samples in this status, such as ``FAILED``; None for all.
        :raises OmicsServiceError: the service refused a page.

        See https://docs.aws.amazon.com/omics/latest/api/API_ListRunsInBatch.html
        """
        members = {"batchId": batch_id, "submissionStatus": submission_status, "maxItems": calls.PAGE_SIZE}
        for item in self._list("ListRunsInBatch", "runs", f"batch {batch_id}", **members):
            yield SampleSnapshot(batch_id, item["runSettingId"]).listed(item)

    def cancel_batch(self, batch_id: str, *, pause: Callable[[float], object] = time.sleep) -> bool:
        """Ask for a batch and its runs to be cancelled (CancelRunBatch, and CancelRun for one that FAILED).

        A batch that is CREATING cannot be cancelled yet: it is asked again for about 15 seconds.

        :param batch_id: id of the batch, 1 to 18 digits. Required.
        :param pause: sleeps so many seconds, and may return True to stop asking. Default ``time.sleep``.
        :return: True if it will be; False if it had ended or is gone, which is as good.
        :raises OmicsServiceError: the service refused it.

        See https://docs.aws.amazon.com/omics/latest/api/API_CancelRunBatch.html
        """
        subject = f"batch {batch_id}"
        for seconds in CREATING_PAUSES:
            if seconds and pause(seconds):
                break
            snapshot, requested = self.send_requests(request_cancel(batch_id), subject)
            if requested:
                return not snapshot.phase.is_final
        stayed = TimeoutError(f"it stayed {snapshot.status}, in which it cannot be cancelled")
        found = self._service_error(stayed, "CancelRunBatch", subject).explanation
        raise OmicsServiceError(replace(found, remedy="Cancel it again in a minute, or wait for it and cancel it then"))

    def wait_for_batch(
        self,
        batch_id: str,
        *,
        waiter_delay: float = 30,
        waiter_max_attempts: int | None = None,
        error_budget: float = RETRY_TIMEOUT,
        pause: Callable[[float], object] = time.sleep,
    ) -> BatchSnapshot:
        """Wait in this process until a batch and all of its runs have ended, however they did (GetBatch).

        :param batch_id: id of the batch, 1 to 18 digits. Required.
        :param waiter_delay: seconds between two polls, 0.01 to 604,800. Default ``30``.
        :param waiter_max_attempts: most polls that are answered, 1 or more; None for no limit.
        :param error_budget: seconds of nothing but errors to put up with, 0 or more: of any kind once the service has
            answered, before that only of those that pass by themselves (throttling, 5xx, network). Default ``3600``.
        :param pause: sleeps so many seconds, and returns True to stop waiting, as for a task that was killed. Default
            ``time.sleep``.
        :return: the batch as it ended, with its counts; its ``status`` says how.
        :raises OmicsRequestInvalidError: a parameter is out of bounds.
        :raises OmicsWaitError: waiting ended before the batch had, which goes on; or there is none of this id.

        See https://docs.aws.amazon.com/omics/latest/api/API_GetBatch.html
        """
        policy = WaitPolicy(waiter_delay, waiter_max_attempts, retry_timeout=error_budget)
        return self._wait(BatchPoll(batch_id), policy, pause)

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to a run or a batch (TagResource).

        :param arn: the run's or the batch's ARN. Required.
        :param tags: tags to add, at most 50 with those that it has. Required.
        :raises OmicsServiceError: the service refused it.

        See https://docs.aws.amazon.com/omics/latest/api/API_TagResource.html
        """
        with self._explained("TagResource", arn):
            self.conn.tag_resource(resourceArn=arn, tags=tags)

    def explain_failure(
        self,
        run: RunSnapshot,
        *,
        task_limit: int = 5,
        log_lines: int = 20,
        retrying: Callable[[Callable[[], Any]], Any] = call_once,
    ) -> RunFailure:
        """Collect what explains why a run did not complete (ListRunTasks, GetRunTask, GetLogEvents).

        Best effort: what cannot be read is said in the result, never raised.

        :param run: the run as it ended. Required.
        :param task_limit: how many failed tasks to look up, 0 to 100. Default ``5``.
        :param log_lines: how many last log lines to fetch per task, 0 to 10,000. Default ``20``.
        :param retrying: makes a call, and makes it again while that may help; ``call_once`` leaves that
            to the client. Default ``call_once``.

        See https://docs.aws.amazon.com/omics/latest/api/API_GetRunTask.html
        """
        if run.phase is Phase.DELETED:
            # Its id may be another run's by now.
            return RunFailure(run)
        url = None
        try:
            url = run_url(self.conn_region_name, self.conn_partition, run.run_id) if self.has_console else None
            tasks, more = failed_tasks(self.conn, self._logs_client, run.run_id, task_limit, log_lines, retrying)
        except Exception as error:
            note = f"The failed tasks could not be looked up: {refusal_note(error, 'ListRunTasks')}"
            return RunFailure(run, note=note, console_url=url)
        return RunFailure(run, tasks, more, console_url=url)

    def perform(self, requests: calls.Requests[T], subject: str, **kwargs: Any) -> T:
        """Do what :meth:`send_requests` does; deprecated, and removed in the next release."""
        self._warn("perform", "send_requests")
        return self.send_requests(requests, subject, **kwargs)

    def look_up(self, run_id: str) -> RunSnapshot | None:
        """Do what :meth:`find_run` does; deprecated, and removed in the next release."""
        self._warn("look_up", "find_run")
        return self.find_run(run_id)

    def _warn(self, old: str, now: str) -> None:
        text = f"OmicsHook.{old} is now called {now}; the old name will be removed in the next release"
        warnings.warn(text, AirflowProviderDeprecationWarning, stacklevel=3)

    def _list(self, operation: str, key: str, subject: str, **members: Any) -> Iterator[Any]:
        given = {name: value for name, value in members.items() if value is not None}
        while True:
            answer = self.send_requests(calls.one_request(operation, given), subject)
            yield from answer.get(key, [])
            if not answer.get("nextToken"):
                return
            given["startingToken"] = answer["nextToken"]

    def _wait(self, poll: Poll[SnapshotT], policy: WaitPolicy, pause: Callable[[float], object]) -> SnapshotT:
        given = {
            "waiter_delay": policy.delay,
            "waiter_max_attempts": policy.max_attempts,
            "error_budget": policy.retry_timeout,
        }
        if issues := [issue for name, value in given.items() for issue in value_issues(name, value)]:
            raise OmicsRequestInvalidError(poll.operation, issues)
        end = poll_until_done(Waiter(poll, policy), self.poll, lambda seconds: bool(pause(seconds)), self.log)
        if end.why is not StopReason.ENDED:
            raise OmicsWaitError(end)
        return end.snapshot

    def _logs_client(self) -> CloudWatchLogsClient:
        client: CloudWatchLogsClient = self._client_of("logs")
        return client


def _source(request: Mapping[str, Any]) -> str:
    workflow, run = request.get("workflowId"), request.get("runId")
    return f"workflow {workflow}" if workflow else f"run {run}, to be run again,"
