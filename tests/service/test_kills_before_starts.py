"""Tasks that are killed before they start something: nothing that costs money is started after it."""

from __future__ import annotations

from typing import Any

import pytest
from cohorts import OUT, ROLE, CohortLab, cohort, instance, operator
from omics_errors import raises
from task_runs import TaskInstance, run_task

from airflow_provider_omics.exceptions import OmicsError
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

KINDS = pytest.mark.parametrize("kind", ["run", "batch"])
BEFORE = "killed before it started a {}; nothing was sent"


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def task(lab: CohortLab, kind: str, **kwargs: Any) -> OmicsStartRunOperator | OmicsStartRunBatchOperator:
    if kind == "batch":
        return operator(lab.workflow_id, cohort(1), **kwargs)
    arguments = {"workflow_id": lab.workflow_id, "role_arn": ROLE, "output_uri": OUT, **kwargs}
    return OmicsStartRunOperator(task_id="align", waiter_delay=0.02, **arguments)


def ends_killed(killed: OmicsStartRunOperator | OmicsStartRunBatchOperator, kind: str, message: str) -> None:
    ti = instance() if kind == "batch" else TaskInstance(task_id="align")
    with raises(OmicsError, match=message.format(kind)):
        run_task(killed, ti)


def starts(lab: CohortLab) -> int:
    return lab.calls("StartRun") + lab.calls("StartRunBatch")


@KINDS
@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
def test_a_task_killed_before_it_starts_its_job_starts_none(lab: CohortLab, kind: str, deferrable: bool) -> None:
    killed = task(lab, kind, deferrable=deferrable)
    killed.on_kill()
    ends_killed(killed, kind, BEFORE)
    assert starts(lab) == 0


@KINDS
@pytest.mark.parametrize(
    ("operation", "message", "caches"),
    [
        ("ListRunCaches", "killed before it made run cache '.*'; nothing was sent", 0),
        ("CreateRunCache", BEFORE, 1),
        ("GetRunCache", BEFORE, 1),
    ],
)
def test_a_task_killed_while_it_gets_its_cache_starts_no_job(
    lab: CohortLab, kind: str, operation: str, message: str, caches: int
) -> None:
    killed = task(lab, kind, cache="auto")
    # No fault: only what is done at the call, before it has its effect.
    lab.fault(operation, matches=lambda _: bool(killed.on_kill()))
    ends_killed(killed, kind, message)
    assert starts(lab) == 0
    assert lab.calls("CreateRunCache") == caches


@KINDS
def test_a_task_killed_while_it_waits_for_its_cache_starts_no_job(lab: CohortLab, kind: str) -> None:
    run_task(task(lab, "run", cache="auto", wait_for_completion=False), TaskInstance(task_id="before"))
    (cache,) = lab.state.run_caches.values()
    cache.status = "CREATING"
    killed, before = task(lab, kind, cache="auto"), starts(lab)
    lab.fault("ListRunCaches", matches=lambda _: bool(killed.on_kill()))
    ends_killed(killed, kind, "killed before it made run cache '.*'; nothing was sent")
    assert starts(lab) == before
