"""Operators that stop a batch of runs, or delete it or its runs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.healthomics.batches.batch_poll import BatchGoal, request_cancel
from airflow_provider_omics.healthomics.batches.deletion import (
    OmicsRunsNotDeletedError,
    UndeletedRun,
    delete_record,
    delete_runs,
    has_runs,
    undeleted_runs,
)
from airflow_provider_omics.healthomics.batches.snapshots import DELETED, BatchSnapshot
from airflow_provider_omics.healthomics.discovery.cohort_batches import find_cohort, log_unread_siblings, redrives
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason, WaitResult
from airflow_provider_omics.healthomics.requests.checks import check_batch_id
from airflow_provider_omics.healthomics.requests.literal_requests import BATCH_ID
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.links.omics import BATCH_LINKS, store_batch_links
from airflow_provider_omics.operators.waiting import OmicsRequestOperator
from airflow_provider_omics.triggers.batch import OmicsBatchTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_MOST_NAMED = 5


class _BatchOperator(OmicsRequestOperator[BatchSnapshot]):
    """Base of the operators that stop or delete a batch, or its runs, and the same of all batches of its cohort.

    :cvar operation: the API operation.
    """

    template_fields: Sequence[str] = ("batch_id", *TEMPLATED)
    id_argument = BATCH_ID
    operator_extra_links = BATCH_LINKS
    waits_for = BatchSnapshot
    operation: ClassVar[str]

    def __init__(
        self, *, batch_id: str, wait_for_completion: bool | str, whole_cohort: bool | str = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.wait_for_completion: bool = as_read(wait_for_completion)
        self.whole_cohort: bool = as_read(whole_cohort)
        self.check_literals()

    def make_request(self, context: Context) -> str:
        """Make the requests and, if wanted, wait for what they are for; return the id that was named."""
        self.check_waiting(self.operation)
        batch_id = check_batch_id(self.operation, self.batch_id)
        store_batch_links(context, self, self.hook, batch_id)
        waits, refused = self._request_all(batch_id)
        if refused is not None:
            raise refused
        return self._wait_for_each(context, batch_id, waits)

    def _request_all(self, batch_id: str) -> tuple[list[list[str]], OmicsServiceError | None]:
        """Make the request for all batches, and return what to wait for and what was refused."""
        if not self.whole_cohort:
            return self._request_each([batch_id])
        others, active, unfound = self._others(batch_id)
        for batch in active:
            # While a batch goes on, its task has need of the others; the service says what to do.
            self.request(batch)
        # The tags by which a later try finds the others go with the record.
        waits, refused = self._request_each([*others, batch_id])
        return waits, refused or unfound

    @abstractmethod
    def request(self, batch_id: str) -> BatchGoal | None:
        """Make the request for one batch, and return what to wait for; None where there is nothing to wait for."""

    @property
    def trigger_arguments(self) -> dict[str, Any]:
        """What the trigger has to know beyond the batch and what to wait for."""
        return {}

    def finish(self, context: Context, end: WaitResult[BatchSnapshot], **state: Any) -> str:
        """Return the batch's id once what was waited for has come, for the other batches of its cohort too."""
        if end.why is not StopReason.ENDED:
            raise OmicsWaitError(end)
        self.conclude(end.snapshot)
        return self._wait_for_each(context, state.get("batch_id", end.snapshot.batch_id), state.get("waits", []))

    def _others(self, batch_id: str) -> tuple[list[str], list[str], OmicsServiceError | None]:
        """Return the other batches of the cohort, newest first, those of all that go on, and what hid others."""
        try:
            found = self.hook.send_requests(
                find_cohort(batch_id), f"the other batches of the cohort of batch {batch_id}"
            )
        except OmicsServiceError as error:
            self.log.error(
                "%s",
                entry(
                    "%s is asked for batch %s alone, since other batches of its cohort could not be looked for: %s If "
                    "there are any, name each by its id; whole_cohort=False does not look for them",
                    self.operation,
                    batch_id,
                    error,
                ),
            )
            return [], [], None if self._is_first(batch_id) else error
        others = [other for other in reversed(found.ids) if other != batch_id]
        if others:
            self.log.info("The cohort of batch %s has more batches: %s", batch_id, ", ".join(others))
        log_unread_siblings(found, f"batch {batch_id}", self.log)
        return others, found.active if others else [], None

    def _is_first(self, batch_id: str) -> bool:
        """Whether nothing says that there must be other batches."""
        try:
            return self.hook.send_requests(redrives(batch_id), f"batch {batch_id}") == 0
        except OmicsServiceError:
            return True

    def _request_each(self, batch_ids: Sequence[str]) -> tuple[list[list[str]], OmicsServiceError | None]:
        """Make the request for every batch, also when it was refused for one."""
        waits: list[list[str]] = []
        refused: OmicsServiceError | None = None
        for batch_id in batch_ids:
            try:
                goal = self.request(batch_id)
            except OmicsServiceError as error:
                if len(batch_ids) > 1:
                    self.log.error(
                        "%s", entry("%s failed for batch %s of the cohort: %s", self.operation, batch_id, error)
                    )
                refused = error
            else:
                waits += [] if goal is None else [[batch_id, goal.value]]
        return waits, refused

    def _wait_for_each(self, context: Context, batch_id: str, waits: Sequence[Sequence[str]]) -> str:
        """Wait for one batch after the other, and return the id of the one that was named."""
        if not waits:
            return batch_id
        (first, goal), *rest = waits
        trigger = OmicsBatchTrigger(
            batch_id=first, target=goal, gone_is_end=True, **self.trigger_arguments, **self.waiting_arguments()
        )
        state = {"batch_id": batch_id, "waits": rest} if rest or first != batch_id else {}
        return str(self.wait(context, trigger, **state))

    @abstractmethod
    def conclude(self, snapshot: BatchSnapshot) -> None:
        """Log how it ended, or raise what explains why it is not what was asked for."""


class OmicsCancelRunBatchOperator(_BatchOperator):
    """Cancel a batch and its runs; a batch that has ended or is gone is cancelled enough.

    A batch that is CREATING cannot be cancelled yet, so that is waited out, deferred where ``deferrable`` is set. The
    runs of a batch that FAILED, or that go on after it was CANCELLED, are cancelled one by one.

    Returns the batch's id.

    See https://docs.aws.amazon.com/omics/latest/api/API_CancelRunBatch.html

    :param batch_id: id of the batch (templated). Required.
    :param wait_for_completion: whether to wait until the batch and its runs have ended. Default ``False``.
    :param whole_cohort: whether all batches of its cohort are cancelled: its task starts another one for samples that
        failed. They are found by the tags that the provider gives a batch (``identity_tags`` of
        :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`), among at most 100 of its name
        (ListBatch). False for this batch alone. Default ``True``.
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

    operation = "CancelRunBatch"

    def __init__(self, *, batch_id: str, wait_for_completion: bool | str = False, **kwargs: Any) -> None:
        super().__init__(batch_id=batch_id, wait_for_completion=wait_for_completion, **kwargs)

    @property
    def trigger_arguments(self) -> dict[str, Any]:
        """What the trigger has to know beyond the batch and what to wait for."""
        return {"cancel": True}

    def _request_all(self, batch_id: str) -> tuple[list[list[str]], OmicsServiceError | None]:
        # Nothing comes before the cancellation that was asked for.
        waits, refused = self._request_each([batch_id])
        if not self.whole_cohort:
            return waits, refused
        others, _, unfound = self._others(batch_id)
        more, also_refused = self._request_each(others)
        return waits + more, refused or also_refused or unfound

    def request(self, batch_id: str) -> BatchGoal | None:
        """Ask for the cancellation, and return what to wait for."""
        snapshot, requested = self.hook.send_requests(request_cancel(batch_id), f"batch {batch_id}")
        goal = BatchGoal.ENDED if self.wait_for_completion else BatchGoal.CANCEL_REQUESTED
        if requested and (snapshot.phase.is_final or not self.wait_for_completion):
            self.conclude(snapshot)
            return None
        self.log.info(
            "%s",
            entry("%s; waiting %s", snapshot.describe(), "for its end" if requested else "until it can be cancelled"),
        )
        return goal

    def conclude(self, snapshot: BatchSnapshot) -> None:
        """Log what there was to cancel."""
        if snapshot.active_run_id:
            text = f"ended {snapshot.status}; asked for those of its runs that go on to be cancelled"
        elif snapshot.status == DELETED:
            text = "is gone; nothing to cancel"
        elif snapshot.phase.is_final:
            text = f"has ended {snapshot.status}; nothing is left to cancel"
        else:
            text = "is being cancelled"
        self.log.info("%s", entry("HealthOmics %s %s", snapshot.label, text))


class OmicsDeleteRunBatchOperator(_BatchOperator):
    """Delete the records of all runs of a batch that is PROCESSED or CANCELLED; outputs, logs and the batch stay.

    In any other state the task fails and says what to do. Like most operators of the Amazon provider that delete
    something, it waits until the deletion is done: the service deletes run by run, may fail for some of them, and does
    not try again.

    Returns the batch's id.

    Fails with an :class:`~airflow_provider_omics.exceptions.OmicsRunsNotDeletedError` if some stay.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteRunBatch.html

    :param batch_id: id of the batch (templated). Required.
    :param wait_for_completion: whether to wait until the batch is RUNS_DELETED, and to fail if it does not get there.
        Default ``True``.
    :param whole_cohort: whether the runs of all batches of its cohort are deleted: its task starts another one for
        samples that failed. They are found by the tags that the provider gives a batch (``identity_tags`` of
        :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`), among at most 100 of its name
        (ListBatch). False for this batch alone. Default ``True``.
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

    operation = "DeleteRunBatch"

    def __init__(self, *, batch_id: str, wait_for_completion: bool | str = True, **kwargs: Any) -> None:
        super().__init__(batch_id=batch_id, wait_for_completion=wait_for_completion, **kwargs)

    def request(self, batch_id: str) -> BatchGoal | None:
        """Ask for the deletion, and return what to wait for."""
        snapshot = self.hook.send_requests(delete_runs(batch_id), f"batch {batch_id}")
        if snapshot.status != BatchStatus.RUNS_DELETING:
            self.log.info("HealthOmics %s is %s; it has no runs to delete", snapshot.label, snapshot.status)
            return None
        self.log.info("The runs of HealthOmics %s are being deleted", snapshot.label)
        return BatchGoal.RUNS_DELETED if self.wait_for_completion else None

    def conclude(self, snapshot: BatchSnapshot) -> None:
        """Log that the runs are deleted, or fail if not all of them are."""
        # One who deletes the batch before its last state is seen has not deleted its runs.
        is_gone = snapshot.status == DELETED and not self.hook.send_requests(
            has_runs(snapshot.batch_id), snapshot.label
        )
        if not is_gone and snapshot.status != BatchStatus.RUNS_DELETED:
            raise OmicsRunsNotDeletedError(snapshot, self._undeleted(snapshot))
        self.log.info("The runs of HealthOmics %s are deleted", snapshot.label)

    def _undeleted(self, snapshot: BatchSnapshot) -> tuple[UndeletedRun, ...]:
        try:
            return self.hook.send_requests(undeleted_runs(snapshot.batch_id, _MOST_NAMED), snapshot.label)
        except OmicsServiceError as error:
            self.log.warning(
                "%s", entry("What kept runs of HealthOmics %s could not be looked up: %s", snapshot.label, error)
            )
            return ()


class OmicsDeleteBatchOperator(_BatchOperator):
    """Delete the record of a batch that has ended; its runs stay. A batch that is gone is deleted enough.

    While the batch has not ended, or its runs are being deleted, the task fails and says what to do.

    Returns the batch's id.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteBatch.html

    :param batch_id: id of the batch (templated). Required.
    :param wait_for_completion: whether to wait until the service does not show the batch any more. Default ``True``.
    :param whole_cohort: whether all batches of its cohort are deleted: its task starts another one for samples that
        failed. They are found by the tags that the provider gives a batch (``identity_tags`` of
        :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`), among at most 100 of its name
        (ListBatch). False for this batch alone. Default ``True``.
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

    operation = "DeleteBatch"

    def __init__(self, *, batch_id: str, wait_for_completion: bool | str = True, **kwargs: Any) -> None:
        super().__init__(batch_id=batch_id, wait_for_completion=wait_for_completion, **kwargs)

    def request(self, batch_id: str) -> BatchGoal | None:
        """Ask for the deletion, and return what to wait for."""
        if not self.hook.send_requests(delete_record(batch_id), f"batch {batch_id}"):
            self.log.info("HealthOmics batch %s was gone already", batch_id)
            return None
        self.log.info("Asked HealthOmics to delete batch %s", batch_id)
        return BatchGoal.GONE if self.wait_for_completion else None

    def conclude(self, snapshot: BatchSnapshot) -> None:
        """Log that the batch is deleted."""
        self.log.info("HealthOmics %s is deleted", snapshot.label)
