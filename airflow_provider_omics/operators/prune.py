"""Operators that delete the records of old runs and batches that no task needs any more."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.compat import trigger_failure
from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.batches.batch_poll import BatchGoal
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason, WaitResult
from airflow_provider_omics.healthomics.pruning.deletion import begin_batch, finish_batch, prune_run
from airflow_provider_omics.healthomics.pruning.plan import Outcome, PrunePlan, with_outcomes
from airflow_provider_omics.healthomics.pruning.reading import BatchReader, PruneReader, RunReader
from airflow_provider_omics.operators.prune_base import OmicsPruneOperator
from airflow_provider_omics.operators.waiting import OmicsRequestOperator
from airflow_provider_omics.operators.xcom_keys import XCOM_BATCHES_BEING_PRUNED_KEY
from airflow_provider_omics.operators.xcoms import push_xcoms
from airflow_provider_omics.triggers.batch import OmicsBatchTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

# A trigger that waits for the deletion of batches carries their ids.
_MOST_CARRIED = 1000


class OmicsPruneRunsOperator(OmicsPruneOperator):
    """Delete the records of runs that have ended and that no task needs; outputs, logs and results tables stay.

    Returns counts: ``deletable``, ``protected`` by reason, ``unexamined``, ``deleted``, ``gone``, ``active``,
    ``kept``; and ``plan_only``, ``plan_uri``. At least one criterion is required. docs/pruning.md says what is
    protected.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteRun.html

    :param older_than: age, as a timedelta or as ISO 8601 text such as ``P30D``, counted from the end; of a batch that
        was cancelled or FAILED, from that of its last run. None for any age.
    :param status: statuses that are meant, as one or as a list, such as ``["COMPLETED", "FAILED"]``; None for all.
    :param name_pattern: pattern of the name with ``*``, ``?`` and ``[...]``, case-sensitive, such as ``nightly-*``;
        None for any name.
    :param tags: tags that have to be there, as a dict; a value of None stands for any value. None for no tags.
    :param run_group_id: id of the run group, 1 to 18 digits; None for any.
    :param workflow_id: id of the workflow, 1 to 18 digits; None for any.
    :param workflow_name: name of the workflow, which may stand for several; None for any.
    :param protect_for: time since the end, as a timedelta or as ISO 8601 text, for which everything is kept, since a
        later try of its task may look for it; what its task is known to have succeeded with is kept for a day at most.
        Default ``P7D``.
    :param include_untagged: whether what carries no tags of this provider is meant too: made by hand, by other tools,
        or by tasks with ``identity_tags=False``. Default ``False``.
    :param include_other_deployments: whether what other Airflow deployments have started is meant too, and what
        release 0.1.0 has. Default ``False``.
    :param plan_only: whether only the plan is made. Default ``True``.
    :param max_deletions: most records of one call, 1 to 100,000, the oldest first; a batch counts once, whatever its
        runs. Default ``1000``.
    :param plan_uri: ``s3://`` URI of an object that gets the plan as CSV, in place of what is there; None for none.
    :param error_budget: seconds for which errors that pass by themselves (throttling, 5xx, network) are put up with
        in a row, 0 or more. Default ``3600``.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    operation = "DeleteRun"
    noun = "runs"
    label = "run"
    statuses = ("COMPLETED", "FAILED", "CANCELLED")
    reader = RunReader

    def carry_out(self, context: Context, plan: PrunePlan, reader: PruneReader) -> dict[str, Any]:
        """Delete the runs that the plan names (DeleteRun), and return the counts."""
        summary = self.delete_each(plan, reader, prune_run)
        self.log_outcomes(summary)
        return summary


class OmicsPruneRunBatchesOperator(OmicsPruneOperator, OmicsRequestOperator[BatchSnapshot]):
    """Delete the records of batches that have ended and that no task needs, with those of all their runs.

    Outputs, logs and results tables stay. The service deletes the runs of one batch after the other, at the rate of
    DeleteRun; those of a batch that FAILED, and those that it could not delete, are deleted one by one. Where the wait
    for the service is deferred, at most 1,000 batches are deleted, whose ids the trigger carries.

    Returns counts: ``deletable``, ``protected`` by reason, ``unexamined``, ``deleted``, ``gone``, ``active``,
    ``kept``; and ``plan_only``, ``plan_uri``. Pushes ``batches_being_pruned`` before its wait is deferred. At least one
    criterion is required. docs/pruning.md says what is protected.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteRunBatch.html

    :param older_than: age, as a timedelta or as ISO 8601 text such as ``P30D``, counted from the end; of a batch that
        was cancelled or FAILED, from that of its last run. None for any age.
    :param status: statuses that are meant, as one or as a list, such as ``["COMPLETED", "FAILED"]``; None for all.
    :param name_pattern: pattern of the name with ``*``, ``?`` and ``[...]``, case-sensitive, such as ``nightly-*``;
        None for any name.
    :param tags: tags that have to be there, as a dict; a value of None stands for any value. None for no tags.
    :param run_group_id: id of the run group, 1 to 18 digits; None for any.
    :param workflow_id: id of the workflow, 1 to 18 digits; None for any.
    :param workflow_name: name of the workflow, which may stand for several; None for any.
    :param protect_for: time since the end, as a timedelta or as ISO 8601 text, for which everything is kept, since a
        later try of its task may look for it; what its task is known to have succeeded with is kept for a day at most.
        Default ``P7D``.
    :param include_untagged: whether what carries no tags of this provider is meant too: made by hand, by other tools,
        or by tasks with ``identity_tags=False``. Default ``False``.
    :param include_other_deployments: whether what other Airflow deployments have started is meant too, and what
        release 0.1.0 has. Default ``False``.
    :param plan_only: whether only the plan is made. Default ``True``.
    :param max_deletions: most records of one call, 1 to 100,000, the oldest first; a batch counts once, whatever its
        runs. Default ``1000``.
    :param plan_uri: ``s3://`` URI of an object that gets the plan as CSV, in place of what is there; None for none.
    :param error_budget: seconds for which errors that pass by themselves (throttling, 5xx, network) are put up with
        in a row, 0 or more. Default ``3600``.
    :param deferrable: whether to wait in the triggerer, without a worker; the default is Airflow's ``[operators]
        default_deferrable``.
    :param waiter_delay: seconds between two polls, 0.01 to 604,800. Default ``30``.
    :param waiter_max_attempts: most polls that are answered before the task fails, 1 or more; None for no limit but
        ``execution_timeout``.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    operation = "DeleteRunBatch"
    noun = "batches"
    label = "batch"
    statuses = ("PROCESSED", "FAILED", "CANCELLED", "RUNS_DELETED", "RUNS_DELETE_FAILED")
    reader = BatchReader

    waits_for = BatchSnapshot

    @property
    def most_deletions(self) -> int:
        """How many batches may be deleted: where the wait is deferred, it carries their ids."""
        return min(self.max_deletions, _MOST_CARRIED) if self.deferrable else self.max_deletions

    def carry_out(self, context: Context, plan: PrunePlan, reader: PruneReader) -> dict[str, Any]:
        """Ask for the runs of each batch to be deleted, wait for that, delete the records, and return the counts."""
        summary = self.delete_each(plan, reader, begin_batch)
        going_on = [job.job_id for job in plan.deletable if job.job_id not in plan.outcomes]
        return self._wait_for(context, going_on, summary)

    def finish(
        self, context: Context, end: WaitResult[BatchSnapshot], *, batch_ids: Sequence[str] = (), **state: Any
    ) -> dict[str, Any]:
        """Delete the records of the batches whose runs are deleted, and wait for the others.

        :param batch_ids: those whose runs were being deleted.
        :param state: has the counts so far.
        """
        summary: dict[str, Any] = state["summary"]
        if end.why is not StopReason.ENDED:
            self.log_outcomes(summary)
            raise OmicsWaitError(replace(end, reason=f"{end.reason}. {self.progress_of(summary, len(batch_ids))}"))
        outcomes: dict[str, Outcome] = {}
        try:
            for batch_id in batch_ids:
                outcome = self.delete_one(finish_batch(batch_id), batch_id, summary, len(batch_ids) - len(outcomes))
                if outcome is not None:
                    outcomes[batch_id] = outcome
        except BaseException:
            self.log_outcomes(summary)
            raise
        finally:
            self._note(outcomes)
        return self._wait_for(context, [one for one in batch_ids if one not in outcomes], summary)

    def _wait_for(self, context: Context, batch_ids: Sequence[str], summary: dict[str, Any]) -> dict[str, Any]:
        if not batch_ids:
            self.log_outcomes(summary)
            return summary
        self.log.info("The runs of %s are being deleted", self.count(len(batch_ids)))
        # The service takes them one after the other, at one rate for all.
        trigger = OmicsBatchTrigger(
            batch_id=batch_ids[-1], target=BatchGoal.RUNS_DELETED, gone_is_end=True, **self.waiting_arguments()
        )
        state = {"batch_ids": list(batch_ids), "summary": summary}
        if self.deferrable and self.do_xcom_push:
            # All that is left of a task whose trigger fails.
            push_xcoms(context, self.log, {XCOM_BATCHES_BEING_PRUNED_KEY: state})
        done: dict[str, Any] = self.wait(context, trigger, **state)
        return done

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the trigger has fired; where it failed, wait in the worker for the same batches."""
        failure = trigger_failure(next_method, next_kwargs)
        if failure is None:
            return super().resume_execution(next_method, next_kwargs, context)
        with non_retryable_errors(self):
            # A new plan would delete more than one call may.
            state = context["ti"].xcom_pull(
                task_ids=self.task_id, key=XCOM_BATCHES_BEING_PRUNED_KEY, map_indexes=context["ti"].map_index
            )
            if not state:
                raise OmicsError(
                    f"The trigger failed ({failure}), and which batches it waited for is not known. The service goes "
                    "on deleting their runs; the next try makes a new plan and deletes their records"
                )
            self.log.warning("%s", entry("The trigger failed (%s); waiting on in this worker", failure))
            self.deferrable = False
            self._logged_at = time.monotonic()
            return self._wait_for(context, state["batch_ids"], state["summary"])

    def _note(self, outcomes: Mapping[str, Outcome]) -> None:
        """Write what became of batches into the plan in S3."""
        if self.plan_uri and outcomes:
            self.note_outcomes(lambda: self._rewrite(str(self.plan_uri), outcomes))

    def _rewrite(self, plan_uri: str, outcomes: Mapping[str, Outcome]) -> None:
        with self.hook.storage.open(plan_uri) as stream:
            lines = stream.read().decode().splitlines(keepends=True)
        self.hook.storage.write(plan_uri, with_outcomes(lines, outcomes), "text/csv")
