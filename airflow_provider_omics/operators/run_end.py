"""Operators that stop a run, or delete its record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason, WaitResult
from airflow_provider_omics.healthomics.requests.checks import check_run_id
from airflow_provider_omics.healthomics.requests.literal_requests import RUN_ID
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.operators.base import OmicsBaseOperator
from airflow_provider_omics.operators.waiting import OmicsRequestOperator
from airflow_provider_omics.triggers.run import OmicsRunTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class OmicsCancelRunOperator(OmicsRequestOperator[RunSnapshot]):
    """Cancel a run; a run that has ended or is gone is cancelled enough.

    Returns the run's id.

    See https://docs.aws.amazon.com/omics/latest/api/API_CancelRun.html

    :param run_id: id of the run (templated). Required.
    :param wait_for_completion: whether to wait until the run has ended. Default ``False``.
    :param deferrable: whether to wait in the triggerer, without a worker; the default is Airflow's ``[operators]
        default_deferrable``.
    :param waiter_delay: seconds between two polls, 0.01 to 604,800. Default ``30``.
    :param waiter_max_attempts: most polls that are answered before the task fails, 1 or more; None for no limit but
        ``execution_timeout``.
    :param error_budget: seconds for which errors of polling are put up with before the task fails, 0 or more: errors of
        any kind once the service has answered, before that only those that pass by themselves (throttling, 5xx,
        network). A poll that fails is repeated after at most 5 minutes, and after a twelfth of the budget. Default
        ``3600``.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    template_fields: Sequence[str] = ("run_id", *TEMPLATED)
    id_argument = RUN_ID
    waits_for = RunSnapshot

    def __init__(self, *, run_id: str, wait_for_completion: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_id = run_id
        self.wait_for_completion: bool = as_read(wait_for_completion)
        self.check_literals()

    def make_request(self, context: Context) -> str:
        """Ask for the cancellation and, if wanted, wait for the end; return the run's id."""
        self.check_waiting("CancelRun")
        run_id = check_run_id("CancelRun", self.run_id)
        if not self.hook.cancel_run(run_id):
            self.log.info("HealthOmics run %s has ended or is gone; nothing to cancel", run_id)
            return run_id
        self.log.info("Asked HealthOmics to cancel run %s", run_id)
        if not self.wait_for_completion:
            return run_id
        trigger = OmicsRunTrigger(
            run_id=run_id,
            gone_is_end=True,
            **self.waiting_arguments(),
        )
        return str(self.wait(context, trigger))

    def finish(self, context: Context, end: WaitResult[RunSnapshot], **state: Any) -> str:
        """Return the run's id once the run has ended, however it did."""
        if end.why is not StopReason.ENDED:
            raise OmicsWaitError(end)
        self.log.info("HealthOmics run %s ended %s", end.snapshot.run_id, end.snapshot.status)
        return end.snapshot.run_id


class OmicsDeleteRunOperator(OmicsBaseOperator):
    """Delete the record of a run that has ended; its outputs and logs stay. A run that is gone is deleted enough.

    Returns the run's id.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteRun.html

    :param run_id: id of the run (templated). Required.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    template_fields: Sequence[str] = ("run_id", *TEMPLATED)
    id_argument = RUN_ID

    def __init__(self, *, run_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_id = run_id
        self.check_literals()

    def execute(self, context: Context) -> str:
        """Delete the run."""
        with non_retryable_errors(self):
            run_id = check_run_id("DeleteRun", self.run_id)
            deleted = self.hook.delete_run(run_id)
        self.log.info("HealthOmics run %s %s", run_id, "was deleted" if deleted else "was gone already")
        return run_id
