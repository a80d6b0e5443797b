"""Operators that delete the records of old runs and batches that no task needs any more."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_omics.healthomics.api.calls import Question, Requests
from airflow_provider_omics.healthomics.pruning.deletion import prune_batch, prune_run
from airflow_provider_omics.healthomics.pruning.plan import Outcome
from airflow_provider_omics.healthomics.pruning.reading import BatchReader, RunReader
from airflow_provider_omics.operators.prune_base import OmicsPruneOperator

# Between two polls of a batch whose runs are being deleted.
_POLL_SECONDS = 5.0


class OmicsPruneRunsOperator(OmicsPruneOperator):
    """Delete the records of runs that have ended and that no task needs; outputs, logs and results tables stay.

    Returns counts: ``deletable``, ``protected`` by reason, ``unexamined``, ``deleted``, ``gone``, ``active``; and
    ``plan_only``, ``plan_uri``. At least one criterion is required. docs/pruning.md says what is protected.

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

    def deletion(self, job_id: str) -> Requests[Outcome]:
        """Return the requests that delete a run (DeleteRun)."""
        return prune_run(job_id)


class OmicsPruneRunBatchesOperator(OmicsPruneOperator):
    """Delete the records of batches that have ended and that no task needs, with those of all their runs.

    Outputs, logs and results tables stay. The service deletes the runs of one batch after the other, at the rate of
    DeleteRun; those of a batch that FAILED, and those that it could not delete, are deleted one by one.

    Returns counts: ``deletable``, ``protected`` by reason, ``unexamined``, ``deleted``, ``gone``, ``active``; and
    ``plan_only``, ``plan_uri``. At least one criterion is required. docs/pruning.md says what is protected.

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

    def deletion(self, job_id: str) -> Requests[Outcome]:
        """Return the requests that delete a batch (DeleteRunBatch, DeleteRun, DeleteBatch)."""
        return prune_batch(job_id, self._pause)

    def _pause(self) -> Question:
        def ask() -> bool:
            if self._killed.wait(_POLL_SECONDS):
                raise AirflowException("Killed: the service goes on deleting the runs of the batch")
            return False

        async def aask() -> bool:
            return ask()

        return Question("GetBatch", {}, ask, aask)
