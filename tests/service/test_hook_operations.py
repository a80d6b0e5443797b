"""OmicsHook gets, finds, lists, cancels and waits for runs and batches alike, with one contract for errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import AirflowProviderDeprecationWarning
from batch_states import Batches, ending, samples
from holding import HELD
from omics_errors import raises
from omics_service import await_status

import airflow_provider_omics
from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsServiceError, OmicsWaitError
from airflow_provider_omics.healthomics.polling.result import StopReason
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule

pytestmark = pytest.mark.usefixtures("quick_retries")
FOREVER = {"omics-local:seconds": "100000"}
UNKNOWN = "7777777"
Start = Callable[..., dict[str, Any]]


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def batches(server: LocalOmics, make_workflow: Callable[..., str]) -> Batches:
    return Batches(server, make_workflow())


@pytest.fixture
def hook(server: LocalOmics) -> OmicsHook:
    del server
    return OmicsHook()


def deny(server: LocalOmics, operation: str, code: str = "AccessDeniedException", status: int = 403) -> None:
    kind = FaultKind.ERROR_BEFORE
    server.faults.add(FaultRule(kind=kind, operation=operation, code=code, http_status=status, count=None))


@pytest.mark.parametrize("kind", ["run", "batch"])
class TestBoth:
    def test_what_is_not_there_is_an_error_to_get_and_none_to_find(self, hook: OmicsHook, kind: str) -> None:
        with raises(OmicsServiceError, match=f"Get[A-Za-z]+ for {kind} {UNKNOWN} in us-east-1 .*failed") as caught:
            getattr(hook, f"get_{kind}")(UNKNOWN)
        assert caught.value.code == "ResourceNotFoundException"
        assert getattr(hook, f"find_{kind}")(UNKNOWN) is None
        assert getattr(hook, f"cancel_{kind}")(UNKNOWN) is False

    @pytest.mark.parametrize("verb", ["get", "find", "cancel"])
    def test_what_is_refused_is_one_error(self, server: LocalOmics, hook: OmicsHook, kind: str, verb: str) -> None:
        for operation in ("GetRun", "GetBatch", "CancelRun", "CancelRunBatch"):
            deny(server, operation)
        with raises(OmicsServiceError, match=f"for {kind} {UNKNOWN}") as caught:
            getattr(hook, f"{verb}_{kind}")(UNKNOWN)
        assert caught.value.code == "AccessDeniedException"

    def test_an_id_that_cannot_be_one_is_the_same_error(self, hook: OmicsHook, kind: str) -> None:
        with raises(OmicsServiceError, match=f"for {kind} ") as caught:
            getattr(hook, f"get_{kind}")("")
        assert caught.value.code == "ParamValidationError"

    def test_a_list_that_is_refused_is_the_same_error(self, server: LocalOmics, hook: OmicsHook, kind: str) -> None:
        for operation in ("ListRuns", "ListBatch"):
            deny(server, operation)
        listed = hook.list_runs() if kind == "run" else hook.list_batches()
        with raises(OmicsServiceError, match="AccessDeniedException"):
            next(listed)

    def test_waiting_for_what_is_not_there_ends_at_once(self, hook: OmicsHook, kind: str) -> None:
        with raises(OmicsWaitError, match=f"Stopped waiting for HealthOmics {kind} {UNKNOWN}") as caught:
            getattr(hook, f"wait_for_{kind}")(UNKNOWN)
        assert (caught.value.end.why, caught.value.code) == (StopReason.ERROR, "ResourceNotFoundException")

    @pytest.mark.parametrize("delay", [0, -1, float("inf"), float("nan")])
    def test_a_delay_without_sense_is_refused(self, hook: OmicsHook, kind: str, delay: float) -> None:
        with raises(OmicsRequestInvalidError, match="waiter_delay: is .*Give a number from 0.01 to 604800"):
            getattr(hook, f"wait_for_{kind}")(UNKNOWN, waiter_delay=delay)
        wrong = {"waiter_max_attempts": 0, "error_budget": -1}
        with raises(OmicsRequestInvalidError, match="(?s)waiter_max_attempts: is 0.*error_budget: is -1"):
            getattr(hook, f"wait_for_{kind}")(UNKNOWN, **wrong)


class TestRuns:
    def test_a_run_is_shown_and_waited_for_however_it_ends(self, hook: OmicsHook, start_run: Start) -> None:
        good, bad = start_run(), start_run(tags={"omics-local:outcome": "OUT_OF_MEMORY_ERROR"})
        seen = hook.get_run(good["id"])
        assert (seen.run_id, seen.uuid) == (good["id"], good["uuid"])
        assert hook.wait_for_run(good["id"], waiter_delay=0.02).status == "COMPLETED"
        ended = hook.wait_for_run(bad["id"], waiter_delay=0.02)
        assert (ended.status, ended.failure_code) == ("FAILED", "OUT_OF_MEMORY_ERROR")
        assert hook.find_run(bad["id"]) == ended

    def test_errors_that_pass_are_waited_out(self, server: LocalOmics, hook: OmicsHook, start_run: Start) -> None:
        run = start_run()
        kind = FaultKind.ERROR_BEFORE
        server.faults.add(
            FaultRule(kind=kind, operation="GetRun", code="InternalServerException", http_status=500, count=7)
        )
        pauses: list[float] = []
        assert hook.wait_for_run(run["id"], waiter_delay=0.02, pause=pauses.append).status == "COMPLETED"
        assert pauses

    def test_limits_end_the_wait_and_not_the_run(self, server: LocalOmics, hook: OmicsHook, start_run: Start) -> None:
        run_id = start_run(tags=FOREVER)["id"]
        with raises(OmicsWaitError, match="looked 2 times") as caught:
            hook.wait_for_run(run_id, waiter_delay=0.02, waiter_max_attempts=2)
        assert caught.value.end.why is StopReason.ATTEMPTS
        with raises(OmicsWaitError) as killed:
            hook.wait_for_run(run_id, pause=lambda _: True)
        assert killed.value.end.why is StopReason.INTERRUPTED
        deny(server, "GetRun", "InternalServerException", 500)
        with raises(OmicsWaitError, match="InternalServerException") as caught:
            hook.wait_for_run(run_id, error_budget=0, pause=lambda _: False)
        assert caught.value.end.why is StopReason.UNREACHABLE
        server.faults.clear()
        assert hook.get_run(run_id).phase.value == "active"

    def test_lists_are_read_to_their_end(self, server: LocalOmics, hook: OmicsHook, start_run: Start) -> None:
        ids = {start_run(name="mine")["id"] for _ in range(3)}
        start_run(name="other")
        assert {run.run_id for run in hook.list_runs(name="mine")} == ids
        assert len(list(hook.list_runs())) == 4
        assert list(hook.list_runs(run_group_id=UNKNOWN)) == []
        listed = hook.list_runs()
        before = len(server.journal.calls("ListRuns"))
        next(listed)
        assert len(server.journal.calls("ListRuns")) == before + 1

    def test_a_run_is_cancelled_once(self, hook: OmicsHook, omics: Any, start_run: Start) -> None:
        run_id = start_run(tags=FOREVER)["id"]
        await_status(lambda: omics.get_run(id=run_id), "RUNNING")
        assert hook.cancel_run(run_id) is True
        assert hook.wait_for_run(run_id, waiter_delay=0.02).status == "CANCELLED"
        assert hook.cancel_run(run_id) is False
        assert [run.run_id for run in hook.list_runs(status="CANCELLED")] == [run_id]


class TestBatches:
    def test_a_batch_is_shown_and_waited_for(self, hook: OmicsHook, batches: Batches) -> None:
        batch_id = batches.start([*samples(2), ending("sick", "INPUT_URI_NOT_FOUND")])
        assert hook.get_batch(batch_id).batch_id == batch_id
        ended = hook.wait_for_batch(batch_id, waiter_delay=0.02)
        assert (ended.status, ended.completed, ended.failed) == ("PROCESSED", 2, 1)
        assert hook.find_batch(batch_id) == ended

    def test_lists_are_read_to_their_end(self, server: LocalOmics, hook: OmicsHook, batches: Batches) -> None:
        server.change(timings={"batch_creating": 0.0})
        first, second = batches.ended(samples(60)), batches.ended(samples(50))
        assert {batch.batch_id for batch in hook.list_batches()} == {first, second}
        assert [batch.batch_id for batch in hook.list_batches(status="CREATING")] == []
        shown = list(hook.list_batch_samples(first))
        assert [sample.run_setting_id for sample in shown] == [f"sample-{n}" for n in range(60)]
        runs = {sample.run.run_id for sample in shown if sample.run is not None}
        assert {run.run_id for run in hook.list_runs(batch_id=first)} == runs
        assert list(hook.list_batch_samples(first, submission_status="FAILED")) == []
        before = len(server.journal.calls("ListRuns"))
        assert len({run.run_id for run in hook.list_runs()}) == 110
        assert len(server.journal.calls("ListRuns")) == before + 2

    def test_a_batch_is_cancelled_as_soon_as_it_can_be(self, hook: OmicsHook, batches: Batches) -> None:
        batches.slow(batch_creating=HELD)
        batch_id = batches.start(samples(2, runTags=FOREVER))
        seen: list[str] = []

        def let_go(_seconds: float) -> None:
            seen.append(batches.status(batch_id))
            batches.held.release()
            batches.until(batch_id, "INPROGRESS")

        assert hook.cancel_batch(batch_id, pause=let_go) is True
        assert seen == ["CREATING"]
        assert hook.wait_for_batch(batch_id, waiter_delay=0.02).status == "CANCELLED"
        assert hook.cancel_batch(batch_id) is False

    def test_a_batch_that_stays_creating_cannot_be_cancelled(self, hook: OmicsHook, batches: Batches) -> None:
        batches.slow(batch_creating=3600.0)
        batch_id = batches.start(samples(2))
        pauses: list[float] = []
        with raises(OmicsServiceError, match=f"CancelRunBatch for batch {batch_id} .*it stayed CREATING") as caught:
            hook.cancel_batch(batch_id, pause=pauses.append)
        assert sum(pauses) == 15.5
        assert "What to do: Cancel it again in a minute" in caught.value.message()


def test_explaining_a_failure_raises_nothing_where_the_connection_is_gone() -> None:
    failure = OmicsHook("no_such_connection").explain_failure(RunSnapshot("1234567", "FAILED"))
    assert failure.console_url is None
    assert "could not be looked up: AirflowNotFoundException" in failure.describe()


def test_names_of_0_1_0_are_deprecated_aliases(hook: OmicsHook, start_run: Start) -> None:
    run_id = start_run()["id"]
    with pytest.warns(AirflowProviderDeprecationWarning, match=r"OmicsHook\.look_up is now called find_run"):
        seen = hook.look_up(run_id)
    assert seen is not None
    assert seen.run_id == run_id


def test_the_package_itself_uses_no_deprecated_name() -> None:
    old = re.compile(r"\.(perform|look_up)\(|ForGoodError|[(, ]goal=(?!BatchGoal)")
    package = Path(airflow_provider_omics.__file__).parent
    used = [file for file in package.rglob("*.py") if old.search(file.read_text())]
    assert used == []
