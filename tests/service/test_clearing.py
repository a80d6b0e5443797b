"""What becomes of the job of a task that a user clears, where Airflow keeps nothing of it: before 3.3, and from 3.4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from holding import HELD
from jobs import KINDS, MODES, READINGS, JobLab, cleared, dag_run, instance
from omics_errors import raises
from omics_service import await_status

from airflow_provider_omics.exceptions import OmicsBatchFailedError, OmicsRunFailedError, OmicsServiceError
from airflow_provider_omics.jobs import record
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind

FAILURES = (OmicsBatchFailedError, OmicsRunFailedError)


class Store:
    """Airflow's state store; a clear leaves an empty one behind."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any, *, retention: object) -> None:
        self.kept[key] = value


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def kind() -> str:
    return "run"


@pytest.fixture
def lab(server: LocalOmics, make_workflow: Callable[..., str], kind: str) -> JobLab:
    return JobLab(server, make_workflow(), kind)


@pytest.fixture(params=["no store", "store of 3.4"])
def new_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Any]]:
    """Return the context of a task that was not tried yet, or was just cleared."""
    life = dag_run(minutes_ago=1)
    if request.param == "no store":
        return lambda: {"dag_run": life}
    if record.state_store({"task_state_store": None}) is None:
        pytest.skip("Airflow has no state store before 3.3")
    monkeypatch.setattr(record, "STATE_OUTLIVES_CLEAR", False)
    return lambda: {"dag_run": life, "task_state_store": Store()}


@READINGS
@KINDS
@MODES
def test_a_task_that_is_cleared_after_its_success_runs_its_job_anew(
    lab: JobLab, new_store: Callable[[], dict[str, Any]], reading: str, deferrable: bool
) -> None:
    lab.assume(repeated_request_id=reading)
    first = lab.run(context=new_store(), deferrable=deferrable).result
    after = new_store()
    second = lab.run(cleared(2, 1), context=after, deferrable=deferrable).result
    assert second != first
    assert lab.get(first)["tags"]["airflow-finished-try"] == "1"
    # A retry of the cleared task takes over the new job, and a second clear runs another.
    assert lab.run(cleared(3, 1), context=after, deferrable=deferrable).result == second
    third = lab.run(cleared(4, 3), context=new_store(), deferrable=deferrable).result
    assert third not in (first, second)
    assert lab.started == 3


@READINGS
@KINDS
def test_a_retry_of_a_cleared_task_takes_over_the_new_job_although_its_worker_died(
    lab: JobLab, new_store: Callable[[], dict[str, Any]], reading: str
) -> None:
    lab.assume(repeated_request_id=reading)
    first = lab.run(context=new_store()).result
    after = new_store()
    second = lab.crash(cleared(2, 1), context=after, seconds=HELD)
    lab.release_once_polled()
    assert lab.run(cleared(3, 1), context=after, seconds=HELD).result == second != first
    assert lab.started == 2


@READINGS
@KINDS
def test_a_retry_after_success_that_airflow_did_not_note_takes_the_job_over(
    lab: JobLab, new_store: Callable[[], dict[str, Any]], reading: str
) -> None:
    lab.assume(repeated_request_id=reading)
    context = new_store()
    first = lab.run(context=context).result
    assert lab.run(instance(2), context=context).result == first
    # It was cleared before it had succeeded.
    assert lab.run(cleared(3, 1), context=context).result == first
    assert lab.started == 1


@READINGS
@KINDS
def test_a_task_that_is_cleared_before_its_success_goes_on_with_its_job(
    lab: JobLab, new_store: Callable[[], dict[str, Any]], reading: str
) -> None:
    lab.assume(repeated_request_id=reading)
    first = lab.crash(context=new_store(), seconds=HELD)
    lab.release_once_polled()
    assert lab.run(cleared(2, 1), context=new_store(), seconds=HELD).result == first
    assert lab.started == 1


@READINGS
@KINDS
def test_what_completed_after_its_task_had_failed_is_not_paid_for_twice(
    lab: JobLab, new_store: Callable[[], dict[str, Any]], reading: str
) -> None:
    lab.assume(repeated_request_id=reading)
    first = lab.crash(context=new_store())
    await_status(lambda: lab.get(first), "PROCESSED" if lab.is_batch else "COMPLETED")
    assert lab.run(cleared(2, 1), context=new_store()).result == first
    assert lab.started == 1


@KINDS
def test_a_task_that_failed_with_its_job_and_is_cleared_replaces_it(
    lab: JobLab, new_store: Callable[[], dict[str, Any]]
) -> None:
    with pytest.raises(FAILURES):
        lab.run(context=new_store(), outcome="SERVICE_ERROR")
    lab.run(cleared(2, 1), context=new_store())
    assert lab.started == 2


@KINDS
def test_a_task_that_does_not_wait_is_run_anew_too(lab: JobLab, new_store: Callable[[], dict[str, Any]]) -> None:
    settings: dict[str, Any] = {"wait_for_completion": False, "seconds": 600}
    first = lab.run(context=new_store(), **settings).result
    assert lab.run(cleared(2, 1), context=new_store(), **settings).result != first
    assert lab.cancelled == []


@KINDS
def test_a_task_without_tags_is_run_anew_where_the_store_tells_of_the_clear(
    lab: JobLab, new_store: Callable[[], dict[str, Any]]
) -> None:
    if "task_state_store" not in new_store():
        pytest.skip("nothing tells there")
    first = lab.run(context=new_store(), identity_tags=False).result
    after = new_store()
    second = lab.run(cleared(2, 1), context=after, identity_tags=False).result
    assert second != first
    assert lab.run(cleared(3, 1), context=after, identity_tags=False).result == second


@KINDS
def test_a_task_succeeds_also_where_that_cannot_be_noted(lab: JobLab) -> None:
    lab.fault("TagResource", code="AccessDeniedException", http_status=403, count=None)
    first = lab.run().result
    assert lab.run(cleared(2, 1)).result == first


@KINDS
def test_a_job_is_not_noted_where_airflow_keeps_that_itself(lab: JobLab) -> None:
    if record.state_store({"task_state_store": None}) is None or not record.STATE_OUTLIVES_CLEAR:
        pytest.skip("Airflow forgets it")
    context = {"task_state_store": Store()}
    first = lab.run(context=context).result
    assert lab.server.journal.calls("TagResource") == []
    assert lab.run(cleared(2, 1), context=context).result != first


@KINDS
def test_the_job_of_a_task_that_was_cleared_after_its_success_is_not_cancelled_with_it(lab: JobLab) -> None:
    lab.run(wait_for_completion=False, seconds=600)
    start = "StartRunBatch" if lab.is_batch else "StartRun"
    lab.fault(start, FaultKind.ERROR_BEFORE, code="AccessDeniedException", http_status=403, count=None)
    with raises(OmicsServiceError, match="AccessDenied"):
        # It was cleared after its first try, and has no retry left.
        lab.run(instance(2, max_tries=1), seconds=600, retries=0)
    assert lab.cancelled == []
