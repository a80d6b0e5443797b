"""Base of the operator that runs a cohort: from the first batch over redrives to the verdict."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.compat import dag_run_life, is_just_cleared, tries_before_clear
from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.retrying import call_once
from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.healthomics.batches.snapshots import DELETED, BatchSnapshot
from airflow_provider_omics.healthomics.discovery.checkpoint import CohortCheckpoint
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason, WaitResult
from airflow_provider_omics.healthomics.requests.identity import JobKey, TaskIdentity
from airflow_provider_omics.healthomics.results.outcome import BatchOutcome, OmicsBatchFailedError, Tolerance
from airflow_provider_omics.healthomics.results.redrive import Redrive, failed_samples, new_samples, note_left_out
from airflow_provider_omics.healthomics.results.table import ResultsTable, SampleStatus
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort
from airflow_provider_omics.healthomics.runs.failure import RunFailure
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.hooks.object_settings import ObjectSettings
from airflow_provider_omics.jobs.cohort_job import CohortJob
from airflow_provider_omics.jobs.cohort_paths import CohortPaths
from airflow_provider_omics.jobs.kinds import BATCH
from airflow_provider_omics.jobs.submission import IdempotentSubmitter
from airflow_provider_omics.links.omics import COHORT_LINKS, store_batch_links, store_outcome_links, store_page_link
from airflow_provider_omics.operators.cohort_report import OmicsCohortReportOperator
from airflow_provider_omics.operators.definition_types import types_uri
from airflow_provider_omics.operators.mapped_places import refuse, shared_place_issues
from airflow_provider_omics.operators.named_workflow import KeptWorkflow, naming_kept
from airflow_provider_omics.operators.xcom_keys import XCOM_BATCH_ARN_KEY, XCOM_BATCH_ID_KEY
from airflow_provider_omics.operators.xcoms import add_to_outlet_events, cohort_extra, push_xcoms, xcoms_of
from airflow_provider_omics.triggers.batch import OmicsBatchTrigger
from airflow_provider_omics.workflows.lookup import FoundWorkflow

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_MAX_FAILURE_DETAILS = 3


class OmicsCohortOperator(OmicsCohortReportOperator):
    """Base of the operator that runs a cohort: submits it, waits, redrives what failed, gathers and judges.

    The parameters are described in
    :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`.
    """

    operator_extra_links = COHORT_LINKS
    waits_for = BatchSnapshot
    job_kind = BATCH

    def __init__(
        self,
        *,
        settings_uri: str | None = None,
        results_uri: str | None = None,
        s3_kms_key_id: str | None = None,
        s3_bucket_key_enabled: bool | str | None = None,
        s3_expected_bucket_owner: str | None = None,
        tolerated_failure_count: int | str = 0,
        tolerated_failure_percentage: float | str = 0,
        fail_fast: bool | str = False,
        redrive_attempts: int | str = 0,
        retry_permanent_failures: bool | str = False,
        failure_lookup_limit: int | str = 100,
        cache_hits_limit: int | str = 100,
        runs_limit: int | str = 1000,
        asset_partitions_limit: int | str = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settings_uri = settings_uri
        self.results_uri = results_uri
        self._results_uri_before_rendering = results_uri
        self.s3_kms_key_id = s3_kms_key_id
        self.s3_bucket_key_enabled: bool | None = as_read(s3_bucket_key_enabled)
        self.s3_expected_bucket_owner = s3_expected_bucket_owner
        self.tolerated_failure_count: int = as_read(tolerated_failure_count)
        self.tolerated_failure_percentage: float = as_read(tolerated_failure_percentage)
        self.fail_fast: bool = as_read(fail_fast)
        self.redrive_attempts: int = as_read(redrive_attempts)
        self.retry_permanent_failures: bool = as_read(retry_permanent_failures)
        self.failure_lookup_limit: int = as_read(failure_lookup_limit)
        self.cache_hits_limit: int = as_read(cache_hits_limit)
        self.runs_limit: int = as_read(runs_limit)
        self.asset_partitions_limit: int = as_read(asset_partitions_limit)
        self.kept_workflow: FoundWorkflow | None = None
        self._kept: KeptWorkflow | None = None
        self._batch: BatchSnapshot | None = None

    @property
    def object_settings(self) -> ObjectSettings:
        """What the task's own requests for objects in S3 carry beyond their names."""
        return ObjectSettings.of(self)

    @contextmanager
    def submitting(self, context: Context) -> Iterator[None]:
        """Look for the batch, or start it; say where the name of a workflow that is gone comes from."""
        with naming_kept(self._kept), super().submitting(context):
            yield

    @abstractmethod
    def build_request(self) -> dict[str, Any]:
        """Return the StartRunBatch request without its ``batchRunSettings``, checked."""

    def execute(self, context: Context) -> str:
        """Submit the samples, or find where an earlier try left them, and, if wanted, wait for their end."""
        with non_retryable_errors(self):
            self.check_waiting("StartRunBatch")
            shared = self._results_uri_before_rendering
            refuse("StartRunBatch", shared_place_issues(self, "results_uri", shared, context["ti"].map_index))
            self.begin_try(context)
            self._batch = None
            job = self._job(context, is_resumed=False)
            with self.submitting(context), self._read(job) as cohort:
                checkpoint = self._submit_or_reattach(context, job, cohort)
            return str(self._advance(context, job, checkpoint, self._batch))

    def finish(self, context: Context, end: WaitResult[BatchSnapshot], **state: Any) -> str:
        """Return the batch's id, submit again what may be, or raise what explains why the cohort failed."""
        self._job_id = end.snapshot.batch_id
        if end.why is not StopReason.ENDED:
            raise OmicsWaitError(self.cancel_or_leave(end))
        checkpoint = CohortCheckpoint.from_payload(state["progress"])
        self.recall_parameters(checkpoint)
        return str(self._advance(context, self._job(context), checkpoint, end.snapshot))

    def submitter(self, context: Context) -> IdempotentSubmitter[BatchSnapshot]:
        """Return the submitter of the task's batches."""
        return self._job(context).submitter

    def wait_in_worker(self, context: Context, job: BatchSnapshot) -> str:
        """Wait in the worker for a batch whose trigger failed, unless it has ended, and finish as the trigger would."""
        self._job_id = job.batch_id
        cohort_job = self._job(context)
        paths, cleared = self._paths(cohort_job), tries_before_clear(context["ti"])
        checkpoint = cohort_job.recall(paths, self.redrive_attempts, cleared)
        if checkpoint is None:
            with self._read(cohort_job) as cohort:
                checkpoint = cohort_job.reattach(cohort_job.store(cohort, paths, self.redrive_attempts), cleared)
        return str(self._advance(context, cohort_job, checkpoint, job))

    def _job(self, context: Context, *, is_resumed: bool = True) -> CohortJob:
        key = JobKey(TaskIdentity.of(context["ti"]), "StartRunBatch", self.hook.namespace, dag_run_life(context))
        request = self.build_request()
        if self.workflow_name is not None and self.kept_workflow is None:
            place = self._paths_of(key, request).settings
            kept = KeptWorkflow(self.hook.storage, self.log, place, key, self.workflow_name, self.workflow_version_name)
            # What a resumed task has waited for is no more to be lost for an error than while it waited.
            self.kept_workflow = (self.retrying if is_resumed else call_once)(
                lambda: kept.get_or_find(lambda: self.find_workflow("StartRunBatch"))
            )
            self._kept = kept
            request = self.build_request()
        submitter = self.submitter_of(context, key, request.get("batchName"))
        late = partial(self.cache_members, context, "StartRunBatch", request["defaultRunSetting"])
        return CohortJob(submitter, request, self.retrying, self.cancel_on_kill, late)

    def _submit_or_reattach(self, context: Context, job: CohortJob, cohort: Cohort) -> CohortCheckpoint:
        earlier_tries = context["ti"].try_number - 1
        may_reattach = self.durable and self.request_id is None and bool(earlier_tries or job.record.job.is_submitted)
        if not may_reattach:
            self._prove(context, job, cohort)
        checkpoint = job.store(cohort, self._paths(job), self.redrive_attempts)
        self.keep_parameters(checkpoint)
        if not self.durable:
            # So many batches can each of them have started.
            checkpoint = replace(checkpoint, next_generation=earlier_tries * (1 + self.redrive_attempts))
        elif may_reattach:
            cleared = tries_before_clear(context["ti"])
            job.record.reset_after_clear(cleared)
            checkpoint = job.reattach(checkpoint, cleared)
            if checkpoint.batches:
                return replace(checkpoint, redrive_all=True, is_reattached=True)
            if job.record.job.epoch:
                earlier_tries -= cleared
            self._prove(context, job, cohort)
            return self._submitted(context, *job.submit_or_confirm(checkpoint, cohort, earlier_tries))
        is_first = self.request_id is None and not earlier_tries
        return self._submitted(context, *job.submit(checkpoint, cohort, is_first=is_first))

    def _prove(self, context: Context, job: CohortJob, cohort: Cohort) -> None:
        """Find out, before anything is submitted, what would go wrong later, and what it would cost."""
        self.prove_prices("StartRunBatch")
        paths, defaults = self._paths(job), job.request["defaultRunSetting"]
        self.prove(
            "StartRunBatch",
            defaults,
            cohort.count,
            lambda: paths.prove_writable(self.hook.storage, job.key, with_results=self.wait_for_completion),
            lambda: self.look_for_inputs(cohort, defaults),
        )
        self.prove_cost(context, "StartRunBatch", defaults, cohort.count)

    def _read(self, job: CohortJob) -> Cohort:
        defaults = job.request["defaultRunSetting"]
        return self.read_cohort(
            defaults,
            lambda: self._paths(job).sample_sheets,
            lambda: types_uri(self._paths(job).settings, job.key.task_name(), defaults),
        )

    def _paths(self, job: CohortJob) -> CohortPaths:
        return self._paths_of(job.key, job.request)

    def _paths_of(self, key: JobKey, request: Mapping[str, Any]) -> CohortPaths:
        default = request["defaultRunSetting"].get("outputUri")
        return CohortPaths.of(key, default, self.settings_uri, self.results_uri)

    def _submitted(self, context: Context, checkpoint: CohortCheckpoint, batch: BatchSnapshot) -> CohortCheckpoint:
        self._attach(context, batch)
        return checkpoint

    def _attach(self, context: Context, batch: BatchSnapshot) -> None:
        """Note the batch that the task now stands for, for links, XComs and kills."""
        self._batch = batch
        self.attach(context, batch)
        store_batch_links(context, self, self.hook, batch.batch_id)
        if self.do_xcom_push:
            # The page finds the batch by its XCom.
            store_page_link(context, self)
            push_xcoms(context, self.log, {XCOM_BATCH_ID_KEY: batch.batch_id, XCOM_BATCH_ARN_KEY: batch.arn})

    def _advance(
        self, context: Context, job: CohortJob, checkpoint: CohortCheckpoint, known: BatchSnapshot | None
    ) -> str:
        """Wait for the batch that goes on; once none does, collect the results and decide."""
        collector, last = job.collector, known or BatchSnapshot(checkpoint.batches[-1].batch_id)
        with self.submitting(context), collector.explained(last, self.next_step):
            snapshots = collector.poll(checkpoint, known)
            active = next((snapshot for snapshot in snapshots if not snapshot.phase.is_final), None)
            if self._batch is None:
                self._attach(context, active or snapshots[-1])
        if not self.wait_for_completion and (active is not None or not checkpoint.redrive_all):
            self.note_success(context, snapshots[-1].arn)
            return (active or snapshots[-1]).batch_id
        if active is not None:
            return self._wait_for(context, checkpoint, active)
        ended = snapshots[-1]
        if checkpoint.is_reattached and ended.status == BatchStatus.CANCELLED and not ended.cancel_requested:
            # Not a person has cancelled it, but whatever ended the try before.
            checkpoint = replace(checkpoint, redrive_all=True)
        with collector.explained(snapshots[-1], self.next_step):
            table = collector.collect(checkpoint, snapshots, self.failure_lookup_limit)
            redrive = self._to_redrive(context, job, checkpoint, table, snapshots[-1])
            redrive = self.affordable(context, job.request["defaultRunSetting"], redrive)
        if redrive.left_out:
            self.log.warning("%s", entry(redrive.describe()))
        again = redrive.samples
        if again:
            self._stop_if_killed(context, snapshots[-1])
            self.log.info("Submitting again what did not complete (number of samples: %s)", f"{len(again):,}")
            spent = replace(
                checkpoint,
                redrives_left=max(checkpoint.redrives_left - (0 if checkpoint.redrive_all else 1), 0),
                excluded=table.counts().incomplete - len(again),
            )
            # The batch that has ended is not the one to cancel if this goes wrong.
            self._job_id = None
            with self.submitting(context), collector.explained(snapshots[-1], self.next_step):
                checkpoint = self._submitted(context, *job.redrive(spent, again))
            return self._advance(context, job, checkpoint, self._batch)
        return self._finalize(context, job, checkpoint, table, snapshots[-1])

    def _wait_for(self, context: Context, checkpoint: CohortCheckpoint, batch: BatchSnapshot) -> str:
        # A batch that an earlier try left on its way is waited for as that try would have done; one that was being
        # stopped has failed already.
        stopping = batch.status == BatchStatus.STOPPING or batch.active_run_id is not None
        is_reattached = checkpoint.is_reattached and (stopping or is_just_cleared(context["ti"]))
        checkpoint = replace(checkpoint, redrive_all=checkpoint.redrive_all and stopping, is_reattached=is_reattached)
        allowed = self._tolerance.allowed(checkpoint.samples) - checkpoint.excluded
        trigger = OmicsBatchTrigger(
            batch_id=batch.batch_id,
            fail_above=max(allowed, 0) if self.fail_fast else None,
            just_started=True,
            cancel_on_kill=self.cancel_on_kill,
            cancel_on_timeout=self.cancels_at_timeout,
            **self.waiting_arguments(),
        )
        return str(self.wait(context, trigger, progress=checkpoint.to_payload()))

    def _to_redrive(
        self, context: Context, job: CohortJob, checkpoint: CohortCheckpoint, table: ResultsTable, last: BatchSnapshot
    ) -> Redrive:
        # What was added to the input, or changed in it, was never tolerated as a failure.
        new = new_samples(table)
        if checkpoint.redrive_all and not self._outcome(checkpoint, table, last).succeeded:
            # A person who clears the task may have mended what no setting shows, such as an input.
            if self.retry_permanent_failures or is_just_cleared(context["ti"]):
                return Redrive(new | failed_samples(table))
            return job.leave_out(checkpoint, table, new | failed_samples(table))
        if checkpoint.redrives_left > 0 and not checkpoint.redrive_all and not last.cancel_requested:
            return Redrive(new | failed_samples(table, transient_only=True))
        return Redrive(new)

    def _finalize(
        self, context: Context, job: CohortJob, checkpoint: CohortCheckpoint, table: ResultsTable, last: BatchSnapshot
    ) -> str:
        if not self.retry_permanent_failures:
            note_left_out(table)
        with job.collector.explained(last, self.next_step):
            hits_limit = 0 if job.request["defaultRunSetting"].get("cacheId") is None else self.cache_hits_limit
            csv_uri, jsonl_uri, usage = self.write_results(job, checkpoint, table, hits_limit)
            report_uri = self.add_report(context, job, checkpoint, table, usage)
        paths = {"results_uri": csv_uri, "results_jsonl_uri": jsonl_uri}
        outcome = replace(self._outcome(checkpoint, table, last, **paths), usage=usage, report_uri=report_uri)
        if outcome.counts.completed > self.runs_limit:
            self.log.info("XCom 'runs' is not pushed for more than %s samples (runs_limit)", f"{self.runs_limit:,}")
        self._push(context, xcoms_of(outcome, table, self.runs_limit))
        store_outcome_links(context, self, self.hook, outcome)
        self.note_cohort_lineage(job.request["defaultRunSetting"], checkpoint, table, outcome)
        if not outcome.succeeded:
            if last.cancel_requested:
                self.log.warning("The rest of batch %s was cancelled, since too many samples failed", last.batch_id)
            raise OmicsBatchFailedError(replace(outcome, failure_details=self._failure_details(outcome)))
        self.note_success(context, last.arn)
        completed = (row.run_setting_id for row in table.rows() if row.completed)
        partitions = list(islice(completed, self.asset_partitions_limit))
        add_to_outlet_events(context, self.outlets, cohort_extra(outcome), self.log, partitions)
        counts = outcome.counts
        if counts.incomplete:
            self.log.warning("%s", entry(outcome.describe()))
        self.log.info(
            "%s of %s samples of the cohort completed (tolerated failures: %s)",
            f"{counts.completed:,}",
            f"{counts.total:,}",
            f"{outcome.tolerated:,}",
        )
        return last.batch_id

    def _outcome(
        self, checkpoint: CohortCheckpoint, table: ResultsTable, last: BatchSnapshot, **paths: str
    ) -> BatchOutcome:
        return BatchOutcome.of(
            table,
            batch_ids=[batch.batch_id for batch in checkpoint.batches],
            status=None if last.status == DELETED else last.status,
            failure_reason=last.failure_reason,
            tolerance=self._tolerance,
            retries_permanent=self.retry_permanent_failures,
            **paths,
        )

    @property
    def _tolerance(self) -> Tolerance:
        return Tolerance(self.tolerated_failure_count, self.tolerated_failure_percentage)

    def _failure_details(self, outcome: BatchOutcome) -> tuple[RunFailure, ...]:
        failed = [row for row in outcome.failures if row.end is SampleStatus.FAILED][:_MAX_FAILURE_DETAILS]
        return tuple(self.explain(row.run(), task_limit=1, log_lines=5) for row in failed)

    def _push(self, context: Context, values: Mapping[str, Any]) -> None:
        if not self.do_xcom_push:
            return
        for key, value in values.items():
            if value is not None:
                context["ti"].xcom_push(key=key, value=value)
