"""Operators that stop a batch of runs, or delete it or its runs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_omics.exceptions import failing_fast
from airflow_provider_omics.healthomics.batch_deletion import (
    UndeletedRun,
    delete_record,
    delete_runs,
    has_runs,
    undeleted_runs,
)
from airflow_provider_omics.healthomics.batch_looks import BatchGoal, request_cancel
from airflow_provider_omics.healthomics.batch_requests import check_batch_id
from airflow_provider_omics.healthomics.batch_views import DELETED, BatchView
from airflow_provider_omics.healthomics.exceptions import (
    OmicsRunsNotDeletedError,
    OmicsServiceError,
    OmicsWaitError,
)
from airflow_provider_omics.healthomics.statuses import BatchStatus
from airflow_provider_omics.healthomics.waiting import Stop, WaitEnd
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.links.omics import BATCH_LINKS, store_batch_links
from airflow_provider_omics.operators.waiting import OmicsWaitingOperator
from airflow_provider_omics.triggers.batch import OmicsBatchTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_TOLD_RUNS = 5


class _BatchOperator(OmicsWaitingOperator[BatchView]):
    """Base of the operators that stop or delete a batch, or its runs.

    :cvar operation: the API operation.
    """

    template_fields: Sequence[str] = ("batch_id", *TEMPLATED)
    operator_extra_links = BATCH_LINKS
    waits_for = BatchView
    operation: ClassVar[str]

    def __init__(self, *, batch_id: str, wait_for_completion: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.wait_for_completion = wait_for_completion

    def execute(self, context: Context) -> str:
        """Check the parameters and make the request."""
        with failing_fast(self):
            self.check_waiting(self.operation)
            batch_id = check_batch_id(self.operation, self.batch_id)
            store_batch_links(context, self, self.hook, batch_id)
            return self.request(context, batch_id)

    @abstractmethod
    def request(self, context: Context, batch_id: str) -> str:
        """Make the request and, if wanted, wait for what it is for."""

    def wait_for(self, context: Context, batch_id: str, goal: BatchGoal, **arguments: Any) -> str:
        """Wait until the batch has come to a goal."""
        trigger = OmicsBatchTrigger(
            batch_id=batch_id,
            goal=goal.value,
            gone_is_end=True,
            **arguments,
            **self.waiting_arguments(),
        )
        return str(self.wait(context, trigger))

    def finish(self, context: Context, end: WaitEnd[BatchView], **state: Any) -> str:
        """Return the batch's id once what was waited for has come."""
        if end.why is not Stop.ENDED:
            raise OmicsWaitError(end)
        self.conclude(end.view)
        return end.view.batch_id

    @abstractmethod
    def conclude(self, view: BatchView) -> None:
        """Tell how it ended, or raise what explains why it is not what was asked for."""

    def on_kill(self) -> None:
        """Stop waiting; what was requested goes on."""
        self._killed.set()


class OmicsCancelRunBatchOperator(_BatchOperator):
    """Cancel a batch and its runs; a batch that has ended or is gone is cancelled enough.

    A batch that is CREATING cannot be cancelled yet, so that is waited out, deferred where ``deferrable`` is set. The
    runs of a batch that FAILED, or that go on after it was CANCELLED, are cancelled one by one.

    Returns the batch's id. The connection parameters are described in
    :mod:`airflow_provider_omics.hooks.parameters`.

    See https://docs.aws.amazon.com/omics/latest/api/API_CancelRunBatch.html

    :param batch_id: id of the batch (templated).
    :param wait_for_completion: whether to wait until the batch and its runs have ended.
    """

    operation = "CancelRunBatch"

    def __init__(self, *, batch_id: str, wait_for_completion: bool = False, **kwargs: Any) -> None:
        super().__init__(batch_id=batch_id, wait_for_completion=wait_for_completion, **kwargs)

    def request(self, context: Context, batch_id: str) -> str:
        """Ask for the cancellation as soon as the batch allows it and, if wanted, wait for the end."""
        view, requested = self.hook.perform(request_cancel(batch_id), f"batch {batch_id}")
        goal = BatchGoal.ENDED if self.wait_for_completion else BatchGoal.CANCEL_REQUESTED
        if requested and (view.phase.is_final or not self.wait_for_completion):
            self.conclude(view)
            return batch_id
        self.log.info("%s; waiting %s", view.describe(), "for its end" if requested else "until it can be cancelled")
        return self.wait_for(context, batch_id, goal, cancel=True)

    def conclude(self, view: BatchView) -> None:
        """Tell what there was to cancel."""
        if view.active_run_id:
            told = f"ended {view.status}; asked for those of its runs that go on to be cancelled"
        elif view.status == DELETED:
            told = "is gone; nothing to cancel"
        elif view.phase.is_final:
            told = f"has ended {view.status}; nothing is left to cancel"
        else:
            told = "is being cancelled"
        self.log.info("HealthOmics %s %s", view.label, told)


class OmicsDeleteRunBatchOperator(_BatchOperator):
    """Delete the records of all runs of a batch that is PROCESSED or CANCELLED; outputs, logs and the batch stay.

    In any other state the task fails and says what to do. Like most operators of the Amazon provider that delete
    something, it waits until the deletion is done: the service deletes run by run, may fail for some of them, and does
    not try again.

    Returns the batch's id. The connection parameters are described in
    :mod:`airflow_provider_omics.hooks.parameters`.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteRunBatch.html

    :param batch_id: id of the batch (templated).
    :param wait_for_completion: whether to wait until the batch is RUNS_DELETED, and to fail if it does not get there.
    """

    operation = "DeleteRunBatch"

    def __init__(self, *, batch_id: str, wait_for_completion: bool = True, **kwargs: Any) -> None:
        super().__init__(batch_id=batch_id, wait_for_completion=wait_for_completion, **kwargs)

    def request(self, context: Context, batch_id: str) -> str:
        """Ask for the deletion and, if wanted, wait until it is done."""
        view = self.hook.perform(delete_runs(batch_id), f"batch {batch_id}")
        if view.status != BatchStatus.RUNS_DELETING:
            self.log.info("HealthOmics %s is %s; it has no runs to delete", view.label, view.status)
            return batch_id
        self.log.info("The runs of HealthOmics %s are being deleted", view.label)
        if not self.wait_for_completion:
            return batch_id
        return self.wait_for(context, batch_id, BatchGoal.RUNS_DELETED)

    def conclude(self, view: BatchView) -> None:
        """Tell that the runs are deleted, or fail if not all of them are."""
        # One who deletes the batch before its last state is seen has not deleted its runs.
        gone = view.status == DELETED and not self.hook.perform(has_runs(view.batch_id), view.label)
        if not gone and view.status != BatchStatus.RUNS_DELETED:
            raise OmicsRunsNotDeletedError(view, self._undeleted(view))
        self.log.info("The runs of HealthOmics %s are deleted", view.label)

    def _undeleted(self, view: BatchView) -> tuple[UndeletedRun, ...]:
        try:
            return self.hook.perform(undeleted_runs(view.batch_id, _TOLD_RUNS), view.label)
        except OmicsServiceError as error:
            self.log.warning("What kept runs of HealthOmics %s could not be looked up: %s", view.label, error)
            return ()


class OmicsDeleteBatchOperator(_BatchOperator):
    """Delete the record of a batch that has ended; its runs stay. A batch that is gone is deleted enough.

    While the batch has not ended, or its runs are being deleted, the task fails and says what to do.

    Returns the batch's id. The connection parameters are described in
    :mod:`airflow_provider_omics.hooks.parameters`.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteBatch.html

    :param batch_id: id of the batch (templated).
    :param wait_for_completion: whether to wait until the service does not show the batch any more.
    """

    operation = "DeleteBatch"

    def __init__(self, *, batch_id: str, wait_for_completion: bool = True, **kwargs: Any) -> None:
        super().__init__(batch_id=batch_id, wait_for_completion=wait_for_completion, **kwargs)

    def request(self, context: Context, batch_id: str) -> str:
        """Ask for the deletion and, if wanted, wait until it is done."""
        if not self.hook.perform(delete_record(batch_id), f"batch {batch_id}"):
            self.log.info("HealthOmics batch %s was gone already", batch_id)
            return batch_id
        self.log.info("Asked HealthOmics to delete batch %s", batch_id)
        if not self.wait_for_completion:
            return batch_id
        return self.wait_for(context, batch_id, BatchGoal.GONE)

    def conclude(self, view: BatchView) -> None:
        """Tell that the batch is deleted."""
        self.log.info("HealthOmics %s is deleted", view.label)
