"""OmicsStartRunBatchOperator after a crash, a lost answer or a deletion: what was started is found again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from cohorts import MODES, CohortLab, cohort, failing, instance, lasting
from holding import HELD
from omics_errors import raises
from omics_service import await_status

from airflow_provider_omics.exceptions import OmicsServiceError
from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.jobs import result_collector
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.faults import FaultKind

READINGS = pytest.mark.parametrize("reading", ["first_answer", "conflict", "forgotten"])


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def await_end(lab: CohortLab, batch_id: str) -> None:
    await_status(lambda: lab.omics.get_batch(batchId=batch_id), "PROCESSED")


@MODES
def test_a_batch_that_goes_on_is_taken_over(lab: CohortLab, deferrable: bool) -> None:
    samples = [lasting("slow", HELD), *cohort(2)]
    died = lab.crash(samples)
    lab.held.release_after("GetBatch", 3)
    ti = instance(2)
    done = lab.run(samples, ti, deferrable=deferrable)
    assert done.result == died.xcoms["batch_id"]
    started = ("batch_id", "batch_arn")
    assert {key: ti.xcoms[key] for key in started} == {key: died.xcoms[key] for key in started}
    assert (lab.calls("StartRunBatch"), lab.server.journal.runs_created) == (1, 3)
    assert lab.column(ti, "run_status") == ["COMPLETED"] * 3


@MODES
def test_a_batch_that_ended_while_nobody_waited_is_finished(lab: CohortLab, deferrable: bool) -> None:
    died = lab.crash([*cohort(2), failing("bad")])
    await_end(lab, died.xcoms["batch_id"])
    done = lab.run([*cohort(2), {"runSettingId": "bad"}], instance(2), deferrable=deferrable)
    assert done.ti.xcoms["batch_summary"]["batch_ids"][0] == died.xcoms["batch_id"]
    assert lab.runs_of() == Counter({"sample-0": 1, "sample-1": 1, "bad": 2})


def test_a_crash_while_the_redrive_goes_on_starts_nothing_more(lab: CohortLab) -> None:
    first = lab.fail([*cohort(1), failing("bad")])
    mended = [*cohort(1), lasting("bad", HELD)]
    died = lab.crash(mended, instance(2))
    lab.held.release_after("GetBatch", 3)
    assert died.xcoms["batch_id"] != first.error.batch_id
    done = lab.run(mended, instance(3))
    assert done.ti.xcoms["batch_summary"]["batch_ids"] == [first.error.batch_id, died.xcoms["batch_id"]]
    assert lab.runs_of() == Counter({"sample-0": 1, "bad": 2})


@MODES
def test_a_batch_that_is_being_stopped_is_waited_for_and_then_finished(lab: CohortLab, deferrable: bool) -> None:
    lab.server.change(timings={"batch_stopping": HELD})
    died = lab.crash([lasting("slow", 3600), *cohort(1)])
    batch_id = died.xcoms["batch_id"]
    await_status(lambda: lab.omics.get_batch(batchId=batch_id), "INPROGRESS")
    lab.omics.cancel_run_batch(batchId=batch_id)
    lab.held.release_after("GetBatch", 3)
    done = lab.run([{"runSettingId": "slow"}, *cohort(1)], instance(2), deferrable=deferrable)
    assert lab.omics.get_batch(batchId=batch_id)["status"] == "CANCELLED"
    assert lab.column(done.ti, "run_status") == ["COMPLETED"] * 2
    assert lab.runs_of()["slow"] == 2


@READINGS
@pytest.mark.parametrize("tagged", [True, False], ids=["tagged", "by name"])
def test_a_worker_that_died_before_the_answer_came_left_one_batch(lab: CohortLab, reading: str, tagged: bool) -> None:
    lab.server.change(assumptions={"repeated_request_id": reading})
    lab.fault("StartRunBatch", FaultKind.LOST_ANSWER)
    # Nor does it come to look for the batch.
    lab.fault("ListBatch", code="AccessDeniedException", http_status=403)
    with raises(OmicsServiceError, match="ListBatch"):
        lab.run(cohort(2), instance(max_tries=1), identity_tags=tagged)
    lab.run(cohort(2), instance(2), identity_tags=tagged)
    assert lab.effects("StartRunBatch") == 1
    assert set(lab.runs_of().values()) == {1}


@READINGS
@pytest.mark.parametrize("kind", [FaultKind.LOST_ANSWER, FaultKind.ERROR_AFTER, FaultKind.DROPPED_CONNECTION])
def test_an_answer_that_gets_lost_on_its_way_does_not_start_a_second_batch(
    lab: CohortLab, reading: str, kind: FaultKind
) -> None:
    lab.server.change(assumptions={"repeated_request_id": reading})
    lab.fault("StartRunBatch", kind)
    done = lab.run(cohort(2))
    assert lab.effects("StartRunBatch") == 1
    batch = lab.omics.get_batch(batchId=done.result)
    assert (done.ti.xcoms["batch_id"], done.ti.xcoms["batch_arn"]) == (done.result, batch["arn"])


def await_failed_batch(lab: CohortLab) -> None:
    (batch,) = lab.state.batches
    await_status(lambda: lab.omics.get_batch(batchId=batch), "FAILED")


def test_runs_that_go_on_are_waited_for_where_their_batch_has_failed_before_its_lost_answer_was_looked_for(
    lab: CohortLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_collector, "_SETTLING_PAUSES", ())
    lab.fault("RunBatch.abort", skip=1)
    lab.fault("StartRunBatch", FaultKind.LOST_ANSWER, act=lambda _: await_failed_batch(lab))
    lab.held.release_after("GetRun", 3)
    failed = lab.fail([lasting("slow", HELD), *cohort(1)])
    assert lab.column(failed.ti, "run_status") == ["COMPLETED", "NOT_STARTED"]
    assert lab.effects("StartRunBatch") == 1


def test_a_failed_batch_that_its_request_id_leads_to_is_finished_once_its_runs_have_ended(
    lab: CohortLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_collector, "_SETTLING_PAUSES", ())
    lab.server.change(assumptions={"request_id_free_after_failed_batch": False})
    lab.fault("RunBatch.abort", skip=1)
    samples = [lasting("slow", HELD), *cohort(1)]
    lab.held.release_after("GetRun", 3)
    settings: dict[str, Any] = {"batch_name": "mine", "identity_tags": False}
    lab.crash(samples, **settings)
    await_failed_batch(lab)
    redriven: list[str | None] = []
    lab.on_run("sample-0", RunStatus.RUNNING, lambda state, _: redriven.extend(_ended(state)))
    done = lab.run(samples, instance(2), **settings)
    assert redriven == ["slow"]
    assert lab.column(done.ti, "run_status") == ["COMPLETED"] * 2
    assert lab.runs_of() == Counter({"slow": 1, "sample-0": 1})


def _ended(state: AccountState) -> list[str | None]:
    return [run.run_setting_id for run in state.runs.values() if run.status is RunStatus.COMPLETED]


def test_a_batch_that_fails_as_soon_as_it_is_started_is_not_redriven_as_one_of_an_earlier_try(lab: CohortLab) -> None:
    lab.fault("RunBatch.validate", count=None)

    lab.fault("StartRunBatch", FaultKind.SLOW_ANSWER, act=lambda _: await_failed_batch(lab))
    lab.fail(cohort(1), instance(2))
    assert lab.effects("StartRunBatch") == 1


@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_a_batch_that_is_not_wanted_any_more_is_cancelled_once_it_can_be(lab: CohortLab, cancel_on_kill: bool) -> None:
    lab.server.change(timings={"batch_creating": HELD})
    superseded = lab.crash([lasting("slow", 600)], parameters={"reference": "GRCh37"}).xcoms["batch_id"]
    lab.held.release_after("GetBatch", 2)
    settings: dict[str, Any] = {"parameters": {"reference": "GRCh38"}, "cancel_on_kill": cancel_on_kill}
    done = lab.run([{"runSettingId": "slow"}], instance(2), **settings)
    assert done.result != superseded
    assert lab.effects("CancelRunBatch") == (1 if cancel_on_kill else 0)
    if cancel_on_kill:
        await_status(lambda: lab.omics.get_batch(batchId=superseded), "CANCELLED")


@MODES
def test_without_durable_every_try_runs_every_sample(lab: CohortLab, deferrable: bool) -> None:
    # Each try has its own batches, also where the first tries redrive as many samples as the cohort has.
    bad = [failing("sample-0", "SERVICE_ERROR"), failing("sample-1", "SERVICE_ERROR")]
    settings: dict[str, Any] = {"durable": False, "redrive_attempts": 1, "deferrable": deferrable}
    for try_number in (1, 2):
        failed = lab.fail(bad, instance(try_number), **settings)
        assert len(failed.ti.xcoms["batch_summary"]["batch_ids"]) == 2
    lab.run(cohort(2), instance(3), **settings)
    assert lab.effects("StartRunBatch") == 5
    assert lab.runs_of() == Counter({"sample-0": 5, "sample-1": 5})
    assert lab.calls("ListBatch") == 0


@MODES
def test_without_tags_a_batch_is_found_by_its_default_name(lab: CohortLab, deferrable: bool) -> None:
    settings: dict[str, Any] = {"identity_tags": False, "deferrable": deferrable}
    first = lab.fail([*cohort(2), failing("bad")], **settings)
    done = lab.run([*cohort(2), {"runSettingId": "bad"}], instance(2), **settings)
    assert done.ti.xcoms["batch_summary"]["batch_ids"] == [first.error.batch_id, done.result]
    assert lab.runs_of() == Counter({"sample-0": 1, "sample-1": 1, "bad": 2})
    assert [lab.omics.get_batch(batchId=batch)["tags"] for batch in (first.error.batch_id, done.result)] == [{}, {}]


def test_a_batch_without_tags_and_default_name_is_found_by_its_request_id(lab: CohortLab) -> None:
    # A failed run's tags are the request's, so here the failure comes from outside of it.
    lab.fault("RunBatch.submit", code="AccessDeniedException", http_status=403)
    settings: dict[str, Any] = {"identity_tags": False, "batch_name": "mine"}
    lab.fail(cohort(3), **settings)
    done = lab.run(cohort(3), instance(2), **settings)
    assert lab.column(done.ti, "run_status") == ["COMPLETED"] * 3
    assert lab.runs_of() == Counter({"sample-0": 1, "sample-1": 1, "sample-2": 1})


@pytest.mark.parametrize("reading", ["first_answer", "forgotten"])
def test_a_batch_whose_record_was_deleted_is_replaced(lab: CohortLab, reading: str) -> None:
    lab.server.change(assumptions={"repeated_request_id": reading})
    first = lab.run(cohort(1))
    lab.omics.delete_batch(batchId=first.result)
    done = lab.run(cohort(1), instance(2))
    assert done.result != first.result
    assert lab.column(done.ti, "run_status") == ["COMPLETED"]


def test_ones_own_request_id_is_sent_as_it_is_in_every_try(lab: CohortLab) -> None:
    first = lab.run(cohort(1), request_id="mine")
    second = lab.run(cohort(1), instance(2), request_id="mine")
    assert second.result == first.result
    assert [call.request_id for call in lab.server.journal.calls("StartRunBatch")] == ["mine", "mine"]
    assert lab.calls("ListBatch") == 0
    assert lab.effects("StartRunBatch") == 1
