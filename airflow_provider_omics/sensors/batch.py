"""Sensors for batches of runs, and for one of their samples."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.batches.batch_poll import BatchGoal
from airflow_provider_omics.healthomics.batches.sample_failure import OmicsSampleFailedError, SampleFailure
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot, SampleSnapshot
from airflow_provider_omics.healthomics.polling.result import WaitResult
from airflow_provider_omics.healthomics.requests.checks import check_batch_id, check_sample
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.literal_requests import BATCH_ID, id_issues, sample_issues
from airflow_provider_omics.healthomics.results.outcome import OmicsBatchFailedError, Tolerance
from airflow_provider_omics.healthomics.results.summary import sample_failures, summarize
from airflow_provider_omics.healthomics.results.table import SampleResult
from airflow_provider_omics.healthomics.runs.failure import OmicsRunFailedError
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.links.omics import (
    BATCH_LINKS,
    BATCH_SENSOR_LINKS,
    RUN_LINKS,
    store_batch_links,
    store_outcome_links,
    store_run_links,
)
from airflow_provider_omics.operators.xcom_keys import run_result
from airflow_provider_omics.sensors.cohort import (
    CohortArguments,
    find_cohort_task,
    tell_waited_for_cohort,
    waited_for_cohort,
)
from airflow_provider_omics.sensors.waiting import OmicsWaitingSensor
from airflow_provider_omics.triggers.batch import OmicsBatchRunTrigger, OmicsBatchTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_TOLD_FAILURES = 5
_ONE_OF_TWO = Issue(
    "batch_id",
    "and cohort_task_id exclude each other, and one of them is needed",
    "Give cohort_task_id to wait beside the task that starts the batch, batch_id for any other batch",
)
_OF_COHORT_TASK = Issue(
    "cohort_task_id",
    "is missing, and cohort_map_index and cohort_batch_name only say which of its batches is meant",
    "Give cohort_task_id in place of batch_id, or leave them out",
)


class OmicsBatchSensor(OmicsWaitingSensor[BatchSnapshot]):
    """Wait until a batch is PROCESSED, whoever started it; fail at once if it ends otherwise.

    PROCESSED only says that every run has ended, so the sensor also fails if more samples than tolerated did not
    complete: submissions that failed, and runs that failed or were cancelled or deleted. A batch that ended FAILED or
    CANCELLED is not waited for any longer, even if runs of it go on. Where the task that started the batch has started
    others for samples that failed, their newest is waited for too, and counts are those of the whole cohort; if its
    samples were changed meanwhile, they are those of the newest batch.

    Returns a dict of the same members as the XCom ``batch_summary`` of
    :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`: ``batch_id``, ``batch_ids``,
    ``status``, the counts of :class:`~airflow_provider_omics.healthomics.results.table.BatchCounts`, ``outcome``;
    ``failure_classes`` is empty and the places of the results are None, since a sensor writes no table.

    Fails with an :class:`~airflow_provider_omics.exceptions.OmicsBatchFailedError`,
    and with an :class:`~airflow_provider_omics.exceptions.OmicsSensorTimeoutError` once its ``timeout`` is over.

    See https://docs.aws.amazon.com/omics/latest/api/API_GetBatch.html

    :param batch_id: id of the batch (templated). Required.
    :param tolerated_failure_count: how many samples may end otherwise than COMPLETED, 0 or more. Default ``0``.
    :param tolerated_failure_percentage: the same as a share of the samples, 0 to 100; the larger of the two holds.
        Default ``0``.
    :param whole_cohort: whether the other batches of its cohort count too. They are found by the tags that the provider
        gives a batch (``identity_tags`` of
        :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`), among at most 100 of its name
        (ListBatch); if that is refused, the batch counts alone, with a warning. False for this batch alone. Default
        ``True``.
    :param deferrable: whether to wait in the triggerer, without a worker; the default is Airflow's ``[operators]
        default_deferrable``.
    :param start_from_trigger: whether to go to the triggerer straight from the scheduler, without a worker first. The
        sensor defers from a worker all the same where the triggerer could not know its arguments: when it is mapped,
        when a template pulls an XCom, when a number is a template, and before Airflow 3.3 with any template. Default
        ``False``.
    :param error_budget: seconds for which errors of polling are put up with before the sensor fails, 0 or more: errors
        of any kind once the service has answered, before that only those that pass by themselves (throttling, 5xx,
        network). A deferred sensor polls again after at most 5 minutes, and after a twelfth of the budget; one in mode
        ``reschedule``, which polls from a new process each time, puts up with them until its ``timeout``. Default
        ``3600``.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    template_fields: Sequence[str] = ("batch_id", *TEMPLATED)
    id_argument = BATCH_ID
    operator_extra_links = BATCH_SENSOR_LINKS
    waits_for = BatchSnapshot
    trigger_class = OmicsBatchTrigger

    def __init__(
        self,
        *,
        batch_id: str,
        tolerated_failure_count: int | str = 0,
        tolerated_failure_percentage: float | str = 0,
        whole_cohort: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.whole_cohort: bool = as_read(whole_cohort)
        self._cohort_before = waited_for_cohort(batch_id)
        self.tolerated_failure_count: int = as_read(tolerated_failure_count)
        self.tolerated_failure_percentage: float = as_read(tolerated_failure_percentage)
        self.start_in_triggerer()

    def trigger_arguments(self) -> dict[str, Any]:
        """Return which batch the trigger waits for."""
        return {"batch_id": self.batch_id, "target": BatchGoal.DECIDED.value, "whole_cohort": self.whole_cohort}

    def checked_arguments(self, context: Context) -> dict[str, Any]:
        """Return which batch the trigger waits for, checked."""
        issues = list(self.own_issues())
        if issues:
            raise OmicsRequestInvalidError("GetBatch", issues)
        tell_waited_for_cohort(self, self._cohort_before)
        return {**self.trigger_arguments(), "batch_id": check_batch_id("GetBatch", self.batch_id)}

    def store_links(self, context: Context, arguments: dict[str, Any]) -> None:
        """Store the link to the runs."""
        store_batch_links(context, self, self.hook, arguments["batch_id"])

    def result(self, snapshot: BatchSnapshot) -> dict[str, Any]:
        """Return how the batch ended, with its counts."""
        tolerance = Tolerance(self.tolerated_failure_count, self.tolerated_failure_percentage)
        outcome = summarize(snapshot, tolerance)
        # A batch that says nothing of its samples proves nothing.
        if snapshot.phase is not Phase.SETTLED or not outcome.counts.total or not outcome.succeeded:
            raise OmicsBatchFailedError(replace(outcome, failures=self._failures(snapshot)))
        self.log.info(
            "HealthOmics %s is %s: %s of %s samples COMPLETED (tolerated failures: %s)",
            snapshot.label,
            snapshot.status,
            outcome.counts.completed,
            outcome.counts.total,
            outcome.tolerated,
        )
        return outcome.summary()

    def _finish(self, context: Context, end: WaitResult[BatchSnapshot]) -> dict[str, Any]:
        try:
            return super()._finish(context, end)
        except OmicsBatchFailedError as error:
            store_outcome_links(context, self, self.hook, error.outcome)
            raise

    def _failures(self, snapshot: BatchSnapshot) -> tuple[SampleResult, ...]:
        try:
            retrying = replace(self.retrying, only_transient=True)
            return self.hook.send_requests(sample_failures(snapshot, _TOLD_FAILURES), snapshot.label, retrying=retrying)
        except OmicsServiceError as error:
            self.log.warning(
                "%s", entry("The failures of HealthOmics %s could not be looked up: %s", snapshot.label, error)
            )
            return ()


class OmicsBatchRunSensor(OmicsWaitingSensor[SampleSnapshot]):
    """Wait until one sample of a batch has COMPLETED, or was submitted; fail at once, with the cause, if it will not.

    It does not wait for the rest of the batch. A sample that the batch does not show is waited for until the batch has
    submitted its samples, and for a minute more.

    Give it either ``batch_id`` or, to wait beside the cohort's task and not after it, ``cohort_task_id``: then it finds
    the batch of that task in its own DAG run as soon as there is one. Where a task has started several batches, since
    it submits again what failed, the newest that has the sample tells what became of it. With ``cohort_task_id``, a
    sample that failed is waited for while the task may submit it again: until the task has ended, if it has ``retries``
    or ``redrive_attempts``. Where Airflow does not tell the task's state, that is until the sensor's ``timeout``.

    Returns ``{"batch_id": ..., "run_setting_id": ..., "run_id": ..., "run_uuid": ..., "run_output_uri": ...}``;
    the last is None for a run that has COMPLETED, but could not be looked up any more within ``error_budget``.
    With ``cohort_task_id`` it defers from a worker, whatever ``start_from_trigger`` says.

    Fails with an :class:`~airflow_provider_omics.exceptions.OmicsSampleFailedError` for a sample that
    did not become a run, with an :class:`~airflow_provider_omics.exceptions.OmicsRunFailedError` for one
    whose run did not complete, and with an :class:`~airflow_provider_omics.exceptions.OmicsSensorTimeoutError`
    once its ``timeout`` is over.

    See https://docs.aws.amazon.com/omics/latest/api/API_ListRunsInBatch.html

    :param run_setting_id: the sample, as the batch's run settings name it (templated). Required.
    :param batch_id: id of the batch (templated); None with ``cohort_task_id``. ``cohort.output["batch_id"]`` makes the
        sensor wait for all of the cohort.
    :param target: ``completed`` to wait until its run has COMPLETED, ``submitted`` until it has become a run; then
        ``run_output_uri`` is None if the service does not show it yet. Default ``completed``.
    :param cohort_task_id: id of the :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator` in this
        DAG whose batch has the sample, with its groups (templated); None with ``batch_id``. Its connection has to lead
        to the same account and namespace.
    :param cohort_map_index: which of its instances, if that task is mapped; -1 for one that is not (templated). Default
        ``-1``.
    :param cohort_batch_name: the task's ``batch_name``, where it has one that a template makes of the task itself
        (templated); None to take it from the task.
    :param whole_cohort: with ``batch_id``, whether a sample that the batch does not have, or that failed in it, is
        looked for in the other batches of its cohort. They are found by the tags that the provider gives a batch
        (``identity_tags`` of :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`), among at
        most 100 of its name (ListBatch); if that is refused, the batch counts alone, with a warning. False for this
        batch alone. Default ``True``.
    :param deferrable: whether to wait in the triggerer, without a worker; the default is Airflow's ``[operators]
        default_deferrable``.
    :param start_from_trigger: whether to go to the triggerer straight from the scheduler, without a worker first. The
        sensor defers from a worker all the same where the triggerer could not know its arguments: when it is mapped,
        when a template pulls an XCom, when a number is a template, and before Airflow 3.3 with any template. Default
        ``False``.
    :param error_budget: seconds for which errors of polling are put up with before the sensor fails, 0 or more: errors
        of any kind once the service has answered, before that only those that pass by themselves (throttling, 5xx,
        network). A deferred sensor polls again after at most 5 minutes, and after a twelfth of the budget; one in mode
        ``reschedule``, which polls from a new process each time, puts up with them until its ``timeout``. Default
        ``3600``.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    template_fields: Sequence[str] = (
        "batch_id",
        "run_setting_id",
        "cohort_task_id",
        "cohort_map_index",
        "cohort_batch_name",
        *TEMPLATED,
    )
    operator_extra_links = (*BATCH_LINKS, *RUN_LINKS)
    waits_for = SampleSnapshot
    trigger_class = OmicsBatchRunTrigger

    def __init__(
        self,
        *,
        run_setting_id: str,
        batch_id: str | None = None,
        target: str = "completed",
        cohort_task_id: str | None = None,
        cohort_map_index: int | str = -1,
        cohort_batch_name: str | None = None,
        whole_cohort: bool | str = True,
        **kwargs: Any,
    ) -> None:
        if (batch_id is None) == (cohort_task_id is None):
            raise OmicsRequestInvalidError("ListRunsInBatch", [_ONE_OF_TWO])
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.run_setting_id = run_setting_id
        self.target = target
        self.cohort_task_id = cohort_task_id
        self.cohort_map_index = cohort_map_index
        self.cohort_batch_name = cohort_batch_name
        self.whole_cohort: bool = as_read(whole_cohort)
        self._cohort_before = waited_for_cohort(batch_id)
        # Only a worker knows the DAG run.
        self.start_from_trigger = self.start_from_trigger and cohort_task_id is None
        self.start_in_triggerer()

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with the ids of the batch and the sample that are no templates."""
        del templated
        says_which = plain.get("cohort_map_index", -1) != -1 or plain.get("cohort_batch_name") is not None
        if says_which and plain.get("cohort_task_id", "") is None:
            yield _OF_COHORT_TASK
        if plain.get("batch_id") is not None:
            yield from id_issues(*BATCH_ID, plain)
        yield from sample_issues(plain)

    def trigger_arguments(self) -> dict[str, Any]:
        """Return which sample the trigger waits for, and what for."""
        return {
            "batch_id": self.batch_id,
            "run_setting_id": self.run_setting_id,
            "target": self.target,
            "whole_cohort": self.whole_cohort,
        }

    def checked_arguments(self, context: Context) -> dict[str, Any]:
        """Return which sample the trigger waits for, and what for, checked."""
        issues, cohort = list(self.own_issues()), None
        if self.cohort_task_id is not None:
            named = CohortArguments(self.cohort_task_id, self.cohort_map_index, self.cohort_batch_name)
            cohort, more = find_cohort_task(self, named, self.hook.namespace, context)
            issues += more
        # What the batch will be is not known, but its id can be one.
        known = self.batch_id if self.cohort_task_id is None else "0"
        batch_id, sample = check_sample(known, self.run_setting_id, issues)
        arguments = {**self.trigger_arguments(), "run_setting_id": sample}
        if cohort is not None:
            return {**arguments, "batch_id": None, "cohort": cohort.to_payload()}
        tell_waited_for_cohort(self, self._cohort_before)
        return {**arguments, "batch_id": batch_id}

    def store_links(self, context: Context, arguments: dict[str, Any]) -> None:
        """Store the link to the runs of the batch, if it is known."""
        if arguments["batch_id"] is not None:
            store_batch_links(context, self, self.hook, arguments["batch_id"])

    def store_links_of(self, context: Context, snapshot: SampleSnapshot) -> None:
        """Store the links to the sample's run and its logs."""
        if snapshot.batch_id:
            store_batch_links(context, self, self.hook, snapshot.batch_id)
        # The service gives ids of deleted runs to others.
        if snapshot.run is not None and snapshot.phase is not Phase.DELETED:
            store_run_links(context, self, self.hook, snapshot.run.run_id)

    def result(self, snapshot: SampleSnapshot) -> dict[str, Any]:
        """Return the sample's run and where its outputs are, or will be."""
        run = snapshot.run
        if run is None or snapshot.batch_is_gone:
            raise OmicsSampleFailedError(SampleFailure(snapshot))
        details = self.look_up_details(run)
        # What becomes of the run later is no matter of its submission.
        submitted = self.target == "submitted" and snapshot.phase not in (Phase.CANCELLED, Phase.DELETED)
        if snapshot.phase is not Phase.SUCCEEDED and not submitted:
            raise OmicsRunFailedError(replace(self.explain(details), sample=snapshot.label))
        outputs = details.run.output_uri
        self.log.info("%s", entry(snapshot.describe() + (f"; its outputs are in {outputs}" if outputs else "")))
        return {"batch_id": snapshot.batch_id, "run_setting_id": snapshot.run_setting_id, **run_result(details.run)}
