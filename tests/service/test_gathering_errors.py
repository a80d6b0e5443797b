"""Results are gathered with the patience of waiting: by then the work is done and paid for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from cohorts import MODES, CohortLab, cohort, failing, instance, operator
from omics_errors import raises, unwrapped
from task_runs import TaskInstance, run_task

from airflow_provider_omics.exceptions import OmicsBatchFailedError, OmicsRunFailedError, OmicsWaitError
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.run import OmicsStartRunOperator

DENIED = {"code": "AccessDeniedException", "http_status": 403}
STORM = {"code": "ServiceUnavailableException", "http_status": 503}
# As many as the client's own retries do not outlast.
PAST_THE_CLIENT = 7


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def workflow_id(make_workflow: Callable[..., str]) -> str:
    return make_workflow()


@pytest.fixture
def lab(server: LocalOmics, workflow_id: str) -> CohortLab:
    return CohortLab(server, workflow_id)


@MODES
@pytest.mark.parametrize("operation", ["ListRunsInBatch", "ListRuns"])
@pytest.mark.parametrize(
    "error",
    [DENIED, {"code": "ExpiredTokenException", "http_status": 403}, STORM],
    ids=lambda error: error["code"],
)
def test_an_error_while_results_are_listed_is_put_up_with(
    lab: CohortLab, deferrable: bool, operation: str, error: dict[str, Any]
) -> None:
    lab.fault(operation, count=PAST_THE_CLIENT, **error)
    # One attempt for each call, so that the storm outlasts what a client puts up with.
    once = {"retries": {"total_max_attempts": 1}}
    done = lab.run(cohort(3), instance(max_tries=0), deferrable=deferrable, botocore_config=once)
    assert lab.column(done.ti, "run_status") == ["COMPLETED"] * 3
    assert sum(bool(call.fault) for call in lab.server.journal.calls(operation)) == PAST_THE_CLIENT
    assert lab.calls("CancelRunBatch") == 0


@MODES
def test_a_large_batch_is_neither_cancelled_nor_lost_for_errors_of_every_call(lab: CohortLab, deferrable: bool) -> None:
    lab.fault("GetBatch", skip=2, count=2, **DENIED)
    lab.fault("ListRunsInBatch", skip=9, count=2, **DENIED)
    lab.fault("ListRuns", skip=14, count=2, **DENIED)
    done = lab.run(cohort(2000), instance(max_tries=0), deferrable=deferrable)
    assert done.ti.xcoms["batch_summary"]["completed"] == 2000
    # Only what was refused is asked for again, not all the pages before it.
    assert (lab.calls("ListRunsInBatch"), lab.calls("ListRuns")) == (22, 22)
    assert (lab.effects("StartRunBatch"), lab.calls("CancelRunBatch")) == (1, 0)


@MODES
@pytest.mark.parametrize("operation", ["PUT", "GET"])
def test_an_error_of_s3_while_results_are_gathered_is_put_up_with(
    lab: CohortLab, deferrable: bool, operation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Both places are proved and the cohort is written before the batch starts; it is read when the batch has ended.
    skip = 3 if operation == "PUT" else 0
    lab.fault(f"s3:{operation}", skip=skip, count=2, code="AccessDenied", http_status=403)
    done = lab.run(cohort(2), instance(max_tries=0), deferrable=deferrable)
    assert lab.column(done.ti, "run_status") == ["COMPLETED"] * 2
    assert unwrapped(capsys.readouterr().out).count("trying again") == 2


@MODES
def test_when_the_budget_is_over_the_task_says_how_its_results_are_gathered_after_all(
    lab: CohortLab, deferrable: bool
) -> None:
    lab.deny("ListRuns")
    with pytest.raises(OmicsWaitError) as caught:
        lab.run(cohort(2), instance(max_tries=0), deferrable=deferrable, error_budget=0.5)
    told, batch_id = caught.value.message(), caught.value.batch_id
    assert not isinstance(caught.value, AirflowFailException)
    assert caught.value.code == "AccessDeniedException"
    for words in ("ListRuns", "omics:ListRuns", "(error_budget)", "nothing of it is lost", "Clear the task", batch_id):
        assert words in told
    lab.server.faults.clear()
    # What a clear does is what the next try does.
    done = lab.run(cohort(2), instance(2, max_tries=1), deferrable=deferrable)
    assert done.result == batch_id
    assert lab.runs_of() == Counter({"sample-0": 1, "sample-1": 1})


def test_a_task_that_gathers_with_errors_can_be_killed(lab: CohortLab) -> None:
    task = operator(lab.workflow_id, cohort(2))
    lab.fault("ListRuns", count=None, code="AccessDeniedException", http_status=403, act=lambda _: task.on_kill())
    with raises(OmicsWaitError, match="was killed"):
        run_task(task, instance(max_tries=1))
    assert lab.calls("ListRuns") == 1


def test_a_cause_that_may_not_be_looked_up_is_noted_at_once(lab: CohortLab) -> None:
    lab.deny("GetRun")
    failed = lab.fail([*cohort(1), failing("bad")], instance(max_tries=0))
    assert "AccessDeniedException" in lab.column(failed.ti, "failure_message")[1]


def test_a_cause_is_looked_up_through_a_storm(lab: CohortLab) -> None:
    lab.fault("GetRun", count=PAST_THE_CLIENT, **STORM)
    failed = lab.fail([*cohort(1), failing("bad")], botocore_config={"retries": {"total_max_attempts": 1}})
    assert lab.column(failed.ti, "failure_code")[1] == "RUN_TASK_FAILED"
    assert isinstance(failed.error, OmicsBatchFailedError)


def test_a_redrive_is_chosen_and_stored_through_errors(lab: CohortLab) -> None:
    def refuse_reading(*_: Any) -> None:
        lab.fault("s3:GET", count=1, code="AccessDenied", http_status=403)

    first = lab.fail([*cohort(1), failing("bad")])
    refuse_reading()
    done = lab.run([*cohort(1), {"runSettingId": "bad"}], instance(2))
    assert done.ti.xcoms["batch_summary"]["batch_ids"] == [first.error.batch_id, done.result]
    assert lab.runs_of() == Counter({"sample-0": 1, "bad": 2})


def test_the_story_of_a_failed_run_is_collected_through_a_storm(server: LocalOmics, workflow_id: str) -> None:
    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="ListRunTasks", count=PAST_THE_CLIENT, **STORM))
    task = OmicsStartRunOperator(
        task_id="start_run",
        workflow_id=workflow_id,
        role_arn="arn:aws:iam::123456789012:role/omics",
        output_uri="s3://results/out",
        tags={"omics-local:outcome": "RUN_TASK_FAILED"},
        waiter_delay=0.02,
        botocore_config={"retries": {"total_max_attempts": 1}},
    )
    with pytest.raises(OmicsRunFailedError) as caught:
        run_task(task, TaskInstance(max_tries=0))
    assert "could not be looked up" not in caught.value.message()
    assert len(server.journal.calls("ListRunTasks")) == PAST_THE_CLIENT + 1
