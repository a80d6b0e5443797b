"""Cancelling a batch, deleting its runs, and deleting a batch, against the local server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from batch_states import FOR_EVER, LONG, STATES, Batches, samples
from botocore.exceptions import ClientError
from holding import HELD
from omics_errors import raises
from task_runs import TaskRun, run_task

from airflow_provider_omics.exceptions import (
    OmicsRequestInvalidError,
    OmicsRunsNotDeletedError,
    OmicsServiceError,
    OmicsWaitError,
)
from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.local import Assumptions, LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.batch import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsDeleteRunBatchOperator,
)
from airflow_provider_omics.triggers.batch import OmicsBatchTrigger

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
EITHER_CODE = pytest.mark.parametrize(
    "assumptions",
    [Assumptions(), Assumptions(wrong_state_code="ValidationException")],
    ids=["conflict", "validation"],
)
ENDED = ["CANCELLED", "PROCESSED", "RUNS_DELETING", "RUNS_DELETED", "RUNS_DELETE_FAILED"]


@pytest.fixture
def assumptions() -> Assumptions:
    return Assumptions()


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any], assumptions: Assumptions) -> dict[str, Any]:
    return {**omics_local_settings, "assumptions": assumptions}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def batches(server: LocalOmics, make_workflow: Callable[..., str]) -> Batches:
    return Batches(server, make_workflow())


def run(operator: Any, batch_id: Any, **kwargs: Any) -> TaskRun:
    return run_task(operator(task_id="task", batch_id=batch_id, waiter_delay=0.02, **kwargs))


def cancel(batch_id: Any, **kwargs: Any) -> TaskRun:
    return run(OmicsCancelRunBatchOperator, batch_id, **kwargs)


def delete_runs(batch_id: Any, **kwargs: Any) -> TaskRun:
    return run(OmicsDeleteRunBatchOperator, batch_id, **kwargs)


def delete_batch(batch_id: Any, **kwargs: Any) -> TaskRun:
    return run(OmicsDeleteBatchOperator, batch_id, **kwargs)


ALL = pytest.mark.parametrize("task", [cancel, delete_runs, delete_batch])


@ALL
def test_what_cannot_be_a_batch_id_is_refused_before_any_call(server: LocalOmics, task: Callable[[Any], Any]) -> None:
    with raises(OmicsRequestInvalidError, match="batch_id: 'cohort-1'"):
        task("cohort-1")
    assert server.journal.calls() == []


@pytest.mark.parametrize(
    ("task", "operation"),
    [(cancel, "CancelRunBatch"), (delete_runs, "DeleteRunBatch"), (delete_batch, "DeleteBatch")],
)
def test_a_refusal_names_the_permission_that_is_missing(
    server: LocalOmics, batches: Batches, task: Callable[[Any], Any], operation: str
) -> None:
    batch_id = batches.in_state("INPROGRESS")
    denied = {"code": "AccessDeniedException", "http_status": 403, "count": None}
    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation=operation, **denied))
    with raises(OmicsServiceError, match=f"omics:{operation}") as caught:
        task(batch_id)
    assert isinstance(caught.value, AirflowFailException)


class TestCancel:
    @pytest.mark.parametrize("status", ["PENDING", "SUBMITTING", "INPROGRESS"])
    def test_it_neither_waits_nor_defers_where_it_need_not(
        self, server: LocalOmics, batches: Batches, status: str
    ) -> None:
        batch_id = batches.in_state(status)
        task = cancel(batch_id, deferrable=True)
        assert (task.result, task.triggers) == (batch_id, [])
        assert len(server.journal.calls("CancelRunBatch")) == 1
        batches.until(batch_id, "CANCELLED")

    @MODES
    @pytest.mark.parametrize("wait", [False, True])
    def test_a_batch_that_is_being_created_is_cancelled_as_soon_as_it_can_be(
        self, server: LocalOmics, batches: Batches, deferrable: bool, wait: bool
    ) -> None:
        batches.slow(batch_creating=HELD)
        batch_id = batches.start(runTags=LONG)
        batches.held.release_after("GetBatch")
        task = cancel(batch_id, deferrable=deferrable, wait_for_completion=wait)
        assert task.result == batch_id
        assert len(task.triggers) == int(deferrable)
        assert [call.error for call in server.journal.calls("CancelRunBatch")] == [None]
        assert batches.status(batch_id) == "CANCELLED" or not wait
        batches.until(batch_id, "CANCELLED")

    @MODES
    def test_it_can_wait_for_the_end(self, batches: Batches, deferrable: bool) -> None:
        batch_id = batches.in_state("INPROGRESS")
        assert cancel(batch_id, deferrable=deferrable, wait_for_completion=True).result == batch_id
        assert batches.status(batch_id) == "CANCELLED"
        assert batches.run_statuses(batch_id) == ["CANCELLED"] * 3

    @MODES
    def test_a_batch_that_is_being_cancelled_is_not_asked_again(
        self, server: LocalOmics, batches: Batches, deferrable: bool
    ) -> None:
        batch_id = batches.in_state("STOPPING")
        task = cancel(batch_id, deferrable=deferrable)
        assert (task.result, task.triggers) == (batch_id, [])
        assert len(server.journal.calls("CancelRunBatch")) == 1

    @MODES
    @pytest.mark.parametrize("wait", [False, True])
    def test_the_runs_of_a_failed_batch_are_cancelled_one_by_one(
        self, server: LocalOmics, batches: Batches, deferrable: bool, wait: bool
    ) -> None:
        batch_id = batches.in_state("FAILED")
        task = cancel(batch_id, deferrable=deferrable, wait_for_completion=wait)
        assert task.result == batch_id
        assert len(task.triggers) == int(deferrable and wait)
        assert len(server.journal.calls("CancelRun")) == 2
        assert server.journal.calls("CancelRunBatch") == []
        if wait:
            assert batches.run_statuses(batch_id) == ["CANCELLED"] * 2

    @pytest.mark.parametrize("assumptions", [Assumptions(get_run_lag_seconds=FOR_EVER)])
    def test_also_runs_so_new_that_they_cannot_be_looked_at(self, batches: Batches) -> None:
        batch_id = batches.in_state("FAILED")
        cancel(batch_id)
        runs = {run["id"] for run in batches.omics.list_runs(batchId=batch_id)["items"]}
        cancelled = {call.resource_id for call in batches.server.journal.calls("CancelRun") if call.took_effect}
        assert cancelled == runs

    @MODES
    def test_runs_that_go_on_after_their_batch_was_cancelled_are_cancelled_one_by_one(
        self, server: LocalOmics, batches: Batches, deferrable: bool
    ) -> None:
        batch_id = batches.in_state("INPROGRESS")
        state = server.account("us-east-1")
        # Cancelling is not atomic and may partly fail; nothing says that the batch waits for what goes on.
        with state.lock:
            state.batches[batch_id].status = BatchStatus.CANCELLED
        assert cancel(batch_id, deferrable=deferrable, wait_for_completion=True).result == batch_id
        assert batches.run_statuses(batch_id) == ["CANCELLED"] * 3
        assert len(server.journal.calls("CancelRun")) == 3

    @MODES
    @pytest.mark.parametrize("status", ENDED)
    def test_a_batch_that_has_ended_is_cancelled_enough(
        self, server: LocalOmics, batches: Batches, deferrable: bool, status: str
    ) -> None:
        batch_id = batches.in_state(status)
        server.journal.clear()
        task = cancel(batch_id, deferrable=deferrable, wait_for_completion=True)
        assert (task.result, task.triggers) == (batch_id, [])
        assert server.journal.calls("CancelRunBatch") == []
        assert batches.status(batch_id) == status

    @MODES
    def test_a_batch_that_failed_without_runs_is_cancelled_enough(self, batches: Batches, deferrable: bool) -> None:
        batches.fail("RunBatch.validate")
        batch_id = batches.start()
        batches.until(batch_id, "FAILED")
        assert cancel(batch_id, deferrable=deferrable, wait_for_completion=True).triggers == []

    @MODES
    def test_a_batch_that_is_gone_is_cancelled_enough(self, server: LocalOmics, deferrable: bool) -> None:
        assert cancel("9999999", deferrable=deferrable, wait_for_completion=True).result == "9999999"

    @MODES
    def test_a_batch_deleted_while_it_is_waited_for_has_ended(
        self, server: LocalOmics, batches: Batches, deferrable: bool
    ) -> None:
        batch_id = batches.in_state("STOPPING")
        batches.after("GetBatch", lambda: server.account("us-east-1").batches.pop(batch_id, None))
        assert cancel(batch_id, deferrable=deferrable, wait_for_completion=True).result == batch_id

    @EITHER_CODE
    @MODES
    def test_a_batch_that_ends_between_look_and_call_is_cancelled_enough(
        self, server: LocalOmics, batches: Batches, deferrable: bool
    ) -> None:
        batch_id = batches.in_state("INPROGRESS")

        ended: list[bool] = []

        def end_once() -> None:
            if not ended:
                ended.append(True)
                batches.omics.cancel_run_batch(batchId=batch_id)
                batches.until(batch_id, "CANCELLED")

        batches.after("GetBatch", end_once)
        assert cancel(batch_id, deferrable=deferrable, wait_for_completion=True).result == batch_id
        assert [call.error is None for call in server.journal.calls("CancelRunBatch")] == [True, False]

    @EITHER_CODE
    def test_a_refusal_that_lasts_ends_the_task(self, server: LocalOmics, batches: Batches) -> None:
        batch_id = batches.in_state("INPROGRESS")
        code = batches.server.assumptions.wrong_state_code
        refused = FaultRule(
            kind=FaultKind.ERROR_BEFORE, operation="CancelRunBatch", count=None, code=code, http_status=409
        )
        server.faults.add(refused)
        with raises(OmicsWaitError, match="CancelRunBatch") as caught:
            cancel(batch_id)
        assert caught.value.code == code

    def test_a_deferred_cancellation_gives_up_when_it_has_looked_often_enough(self, batches: Batches) -> None:
        batch_id = batches.in_state("CREATING")
        with raises(OmicsWaitError, match=r"looked 3 times .* the batch is CREATING"):
            cancel(batch_id, deferrable=True, waiter_max_attempts=3)


class TestDeleteRuns:
    @MODES
    @pytest.mark.parametrize("status", ["PROCESSED", "CANCELLED"])
    def test_it_waits_until_the_runs_are_deleted(self, batches: Batches, deferrable: bool, status: str) -> None:
        batch_id = batches.in_state(status)
        task = delete_runs(batch_id, deferrable=deferrable)
        assert task.result == batch_id
        assert batches.status(batch_id) == "RUNS_DELETED"
        assert batches.run_statuses(batch_id) == []

    def test_it_need_not_wait(self, server: LocalOmics, batches: Batches) -> None:
        batch_id = batches.in_state("PROCESSED")
        batches.slow(submissions_per_second=1 / FOR_EVER)
        task = delete_runs(batch_id, deferrable=True, wait_for_completion=False)
        assert (task.result, task.triggers) == (batch_id, [])
        assert batches.status(batch_id) == "RUNS_DELETING"

    @EITHER_CODE
    @MODES
    def test_a_deletion_that_is_under_way_is_waited_for(self, batches: Batches, deferrable: bool) -> None:
        batch_id = batches.ended()
        batches.slow(submissions_per_second=1 / HELD)
        batches.omics.delete_run_batch(batchId=batch_id)
        batches.held.release_after("GetBatch", 2)
        assert delete_runs(batch_id, deferrable=deferrable).result == batch_id
        assert batches.status(batch_id) == "RUNS_DELETED"

    @EITHER_CODE
    def test_runs_that_are_deleted_are_deleted_enough(self, batches: Batches) -> None:
        batch_id = batches.in_state("RUNS_DELETED")
        task = delete_runs(batch_id, deferrable=True)
        assert (task.result, task.triggers) == (batch_id, [])

    @MODES
    def test_runs_that_could_not_be_deleted_are_counted_and_named(self, batches: Batches, deferrable: bool) -> None:
        batch_id = batches.ended(samples(4))
        batches.fail("RunBatch.delete", count=3, code="ThrottlingException")
        with raises(OmicsRunsNotDeletedError, match="3 of its runs could not be deleted") as caught:
            delete_runs(batch_id, deferrable=deferrable)
        assert [run.run_setting_id for run in caught.value.undeleted] == ["sample-0", "sample-1", "sample-2"]
        assert f"run {caught.value.undeleted[0].run_id}: ThrottlingException" in caught.value.message()
        # The service would refuse another try.
        assert isinstance(caught.value, AirflowFailException)

    @EITHER_CODE
    @pytest.mark.parametrize(
        ("status", "remedy", "is_final"),
        [
            ("CREATING", "cancel it with OmicsCancelRunBatchOperator", False),
            ("PENDING", "cancel it with OmicsCancelRunBatchOperator", False),
            ("SUBMITTING", "cancel it with OmicsCancelRunBatchOperator", False),
            ("INPROGRESS", "cancel it with OmicsCancelRunBatchOperator", False),
            ("STOPPING", "wait for its end first", False),
            ("FAILED", "delete its runs one by one with OmicsDeleteRunOperator", True),
            ("RUNS_DELETE_FAILED", "delete its runs one by one with OmicsDeleteRunOperator", True),
        ],
    )
    def test_every_other_state_is_an_error_that_says_which_and_what_to_do(
        self, batches: Batches, status: str, remedy: str, is_final: bool
    ) -> None:
        batch_id = batches.in_state(status)
        with raises(OmicsServiceError, match=rf"The batch is {status}\. .*{remedy}") as caught:
            delete_runs(batch_id)
        assert isinstance(caught.value, AirflowFailException) is is_final
        assert caught.value.operation == "DeleteRunBatch"

    def test_a_batch_whose_record_is_gone_but_not_its_runs_is_an_error(self, batches: Batches) -> None:
        batch_id = batches.ended()
        batches.omics.delete_batch(batchId=batch_id)
        with raises(OmicsServiceError, match="record is gone, but not its runs"):
            delete_runs(batch_id)

    def test_a_batch_that_is_gone_with_its_runs_is_deleted_enough(self, batches: Batches) -> None:
        batch_id = batches.in_state("RUNS_DELETED")
        batches.omics.delete_batch(batchId=batch_id)
        assert delete_runs(batch_id).result == batch_id

    @MODES
    @pytest.mark.parametrize("left", [True, False])
    def test_a_record_that_vanishes_meanwhile_proves_nothing_but_a_list_without_runs_does(
        self, server: LocalOmics, batches: Batches, deferrable: bool, left: bool
    ) -> None:
        batch_id = batches.ended()
        state = server.account("us-east-1")

        def vanish() -> None:
            batch = state.batches.pop(batch_id, None)
            for run in list(state.runs_of_batch(batch_id)) if batch and not left else ():
                state.forget_run(run)

        batches.slow(submissions_per_second=1 / FOR_EVER)
        batches.after("DeleteRunBatch", vanish)
        if left:
            with pytest.raises(OmicsRunsNotDeletedError):
                delete_runs(batch_id, deferrable=deferrable)
        else:
            assert delete_runs(batch_id, deferrable=deferrable).result == batch_id

    @EITHER_CODE
    def test_a_batch_that_ends_between_refusal_and_look_is_asked_again(
        self, server: LocalOmics, batches: Batches
    ) -> None:
        batch_id = batches.in_state("INPROGRESS")

        def end() -> None:
            if batches.status(batch_id) == "INPROGRESS":
                batches.omics.cancel_run_batch(batchId=batch_id)
                batches.until(batch_id, "CANCELLED")

        batches.after("DeleteRunBatch", end)
        assert delete_runs(batch_id).result == batch_id
        assert [call.error is None for call in server.journal.calls("DeleteRunBatch")] == [False, True]


class TestDeleteBatch:
    @MODES
    @pytest.mark.parametrize("status", ["PROCESSED", "FAILED", "CANCELLED", "RUNS_DELETE_FAILED", "RUNS_DELETED"])
    def test_the_record_goes_and_the_runs_stay(
        self, server: LocalOmics, batches: Batches, deferrable: bool, status: str
    ) -> None:
        batch_id = batches.in_state(status)
        runs = batches.run_statuses(batch_id)
        task = delete_batch(batch_id, deferrable=deferrable)
        assert task.result == batch_id
        assert len(task.triggers) == int(deferrable)
        assert batch_id not in server.account("us-east-1").batches
        assert len(batches.run_statuses(batch_id)) == len(runs)
        # Asked for again, it is gone already.
        assert delete_batch(batch_id, deferrable=deferrable).triggers == []

    def test_it_need_not_wait(self, server: LocalOmics, batches: Batches) -> None:
        batch_id = batches.in_state("PROCESSED")
        server.journal.clear()
        assert delete_batch(batch_id, wait_for_completion=False).result == batch_id
        # The first tells by the batch's tags that it has no siblings.
        assert [call.operation for call in server.journal.calls()] == ["GetBatch", "DeleteBatch"]
        other = batches.ended()
        server.journal.clear()
        delete_batch(other, wait_for_completion=False, whole_cohort=False)
        assert [call.operation for call in server.journal.calls()] == ["DeleteBatch"]

    @EITHER_CODE
    @pytest.mark.parametrize(
        ("status", "remedy"),
        [
            ("CREATING", "cancel it with OmicsCancelRunBatchOperator"),
            ("PENDING", "cancel it with OmicsCancelRunBatchOperator"),
            ("SUBMITTING", "cancel it with OmicsCancelRunBatchOperator"),
            ("INPROGRESS", "cancel it with OmicsCancelRunBatchOperator"),
            ("STOPPING", "wait for its end first"),
            ("RUNS_DELETING", "Wait until its runs are deleted"),
        ],
    )
    def test_every_other_state_is_an_error_that_says_which_and_what_to_do(
        self, batches: Batches, status: str, remedy: str
    ) -> None:
        batch_id = batches.in_state(status)
        with raises(OmicsServiceError, match=rf"The batch is {status}\. .*{remedy}") as caught:
            delete_batch(batch_id)
        # The state changes by itself, so that another try has a chance.
        assert not isinstance(caught.value, AirflowFailException)
        assert batches.status(batch_id) == status


def test_every_state_of_a_batch_is_tried() -> None:
    tried = {"CREATING", "PENDING", "SUBMITTING", "INPROGRESS", "STOPPING", "FAILED", *ENDED}
    assert tried == set(STATES)


@pytest.mark.parametrize("status", ["INPROGRESS", "FAILED"])
def test_killing_a_deferred_task_stops_its_batch_or_what_is_left_of_it(batches: Batches, status: str) -> None:
    batch_id = batches.in_state(status)
    trigger = OmicsBatchTrigger(batch_id=batch_id, cancel_on_kill=True)
    asyncio.run(trigger.on_kill())
    if status == "INPROGRESS":
        batches.until(batch_id, "CANCELLED")
    assert len(batches.server.journal.calls("CancelRun")) == (2 if status == "FAILED" else 0)


def test_killing_a_deferred_task_waits_out_the_creation_of_its_batch(batches: Batches) -> None:
    batches.slow(batch_creating=HELD)
    batch_id = batches.start(runTags=LONG)
    batches.held.release_after("GetBatch")
    asyncio.run(OmicsBatchTrigger(batch_id=batch_id, cancel_on_kill=True).on_kill())
    batches.until(batch_id, "CANCELLED")


def test_a_batch_that_may_not_be_looked_at_is_cancelled_all_the_same(batches: Batches) -> None:
    batch_id = batches.in_state("INPROGRESS")
    refusal = FaultRule(
        kind=FaultKind.ERROR_BEFORE, operation="GetBatch", code="AccessDeniedException", http_status=403, count=None
    )
    batches.server.faults.add(refusal)
    asyncio.run(OmicsBatchTrigger(batch_id=batch_id, cancel_on_kill=True).on_kill())
    batches.server.faults.clear()
    batches.until(batch_id, "CANCELLED")


def test_a_batch_that_may_neither_be_looked_at_nor_cancelled_tells_of_the_look(batches: Batches) -> None:
    batch_id = batches.in_state("INPROGRESS")
    for operation in ("GetBatch", "CancelRunBatch"):
        refusal = FaultRule(
            kind=FaultKind.ERROR_BEFORE, operation=operation, code="AccessDeniedException", http_status=403, count=None
        )
        batches.server.faults.add(refusal)
    with pytest.raises(ClientError, match=r"AccessDeniedException.* GetBatch"):
        asyncio.run(OmicsBatchTrigger(batch_id=batch_id, cancel_on_kill=True).on_kill())
