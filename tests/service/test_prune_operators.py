"""Pruning of runs and batches on the local server: what goes, what is protected, and where it stops."""

from __future__ import annotations

import json
import os
import runpy
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from examples import example_files
from omics_errors import raises
from omics_service import await_status
from prune_lab import BUCKET, NOW, BatchLab, connect, left, plan_rows, prune, set_run, tags_of
from task_runs import run_task

from airflow_provider_omics.exceptions import OmicsError, OmicsRequestInvalidError, OmicsServiceError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.prune import OmicsPruneRunBatchesOperator, OmicsPruneRunsOperator

Start = Callable[..., dict[str, Any]]
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


@pytest.fixture
def server(omics_local: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> LocalOmics:
    """Airflow's connection leads to the server, and is of the deployment "here"."""
    connect(omics_local, monkeypatch)
    return omics_local


@pytest.fixture
def aged(server: LocalOmics, omics: Any, start_run: Start) -> Callable[..., str]:
    """Start a run and have it be so many days old, COMPLETED unless something else is said."""

    def start(days: float, status: RunStatus = RunStatus.COMPLETED, **settings: Any) -> str:
        run_id = str(start_run(**settings)["id"])
        await_status(lambda: dict(omics.get_run(id=run_id)), "COMPLETED")
        set_run(server, run_id, days, status)
        return run_id

    return start


def test_only_what_no_task_needs_is_deleted(server: LocalOmics, aged: Callable[..., str]) -> None:
    finished = aged(40, tags=tags_of("finished", finished=True))
    failed = aged(40, RunStatus.FAILED, tags=tags_of("failed"))
    kept = {
        aged(2, tags=tags_of("young", finished=True)),
        aged(40, RunStatus.RUNNING, tags=tags_of("active", finished=True)),
        aged(40, tags=tags_of("elsewhere", "there", finished=True)),
        aged(40),
    }
    result = prune(plan_uri=f"s3://{BUCKET}/plan.csv")
    assert left(server) == kept
    assert result["deleted"] == 2
    assert result["protected"] == {"active": 1, "other_deployment": 1, "untagged": 1}
    rows = {row["id"]: row for row in plan_rows(server)}
    assert {run_id for run_id, row in rows.items() if row["outcome"] == "deleted"} == {finished, failed}
    assert sorted(row["verdict"] for row in rows.values()) == sorted(
        ["delete", "delete", "active", "other_deployment", "untagged"]
    )


def test_what_a_later_try_may_look_for_is_protected_until_a_time_after_its_end(
    server: LocalOmics, aged: Callable[..., str]
) -> None:
    unfinished, finished = aged(3, tags=tags_of("a")), aged(3, tags=tags_of("b", finished=True))
    assert prune(older_than=timedelta(days=1))["protected"] == {"recent": 1}
    assert left(server) == {unfinished}
    assert finished not in left(server)
    assert prune(older_than=timedelta(days=1), protect_for="P2D")["deleted"] == 1


@pytest.mark.parametrize(
    ("criteria", "chosen"),
    [
        ({"status": "FAILED"}, {"failed"}),
        ({"status": ["FAILED", "COMPLETED"], "name_pattern": "nightly-*"}, {"nightly"}),
        ({"tags": {"project": "x"}}, {"nightly"}),
        ({"tags": {"project": None}}, {"nightly", "failed"}),
        ({"older_than": "P50D"}, {"oldest"}),
    ],
)
def test_criteria_select(
    server: LocalOmics, aged: Callable[..., str], criteria: dict[str, Any], chosen: set[str]
) -> None:
    runs = {
        "nightly": aged(40, name="nightly-1", tags={"project": "x"}),
        "failed": aged(40, RunStatus.FAILED, name="weekly-1", tags={"project": "y"}),
        "oldest": aged(60, name="other"),
    }
    prune(**{"older_than": None, **criteria}, include_untagged=True)
    assert left(server) == {run_id for name, run_id in runs.items() if name not in chosen}


def test_a_workflow_and_a_run_group_select(
    server: LocalOmics, omics: Any, make_workflow: Callable[..., str], aged: Callable[..., str]
) -> None:
    group = omics.create_run_group(name="group", requestId="group")["id"]
    own = make_workflow(name="own")
    of_workflow, of_group, other = aged(40, workflowId=own), aged(40, runGroupId=group), aged(40)
    assert prune(older_than=None, workflow_name="nobody", include_untagged=True)["deletable"] == 0
    assert prune(older_than=None, workflow_name="own", include_untagged=True)["deleted"] == 1
    assert left(server) == {of_group, other}
    assert of_workflow not in left(server)
    assert prune(older_than=None, run_group_id=group, include_untagged=True)["deleted"] == 1
    assert left(server) == {other}


def test_a_dry_run_is_the_default_and_changes_nothing(
    server: LocalOmics, aged: Callable[..., str], told: Callable[[], str]
) -> None:
    run_id = aged(40, tags=tags_of("a"))
    told()
    task = OmicsPruneRunsOperator(task_id="prune", older_than="P30D", plan_uri=f"s3://{BUCKET}/plan.csv")
    result = run_task(task).result
    assert (result["plan_only"], result["deletable"], result["deleted"]) == (True, 1, 0)
    assert left(server) == {run_id}
    assert server.journal.calls("DeleteRun") == []
    assert [row["id"] for row in plan_rows(server)] == [run_id]
    log = told()
    assert "1 run would be deleted (dry run)" in log
    assert run_id in log


def test_the_bound_of_a_call_leaves_the_younger_for_the_next(server: LocalOmics, aged: Callable[..., str]) -> None:
    ids = [aged(days, tags=tags_of(str(days))) for days in (40, 60, 50)]
    first = prune(max_deletions=2)
    assert (first["deleted"], first["unexamined"]) == (2, 1)
    assert left(server) == {ids[0]}
    assert prune(max_deletions=2)["deleted"] == 1
    calls = len(server.journal.calls("DeleteRun"))
    last = prune(max_deletions=2)
    assert (last["deletable"], last["deleted"]) == (0, 0)
    assert len(server.journal.calls("DeleteRun")) == calls


@pytest.mark.usefixtures("quick_retries")
def test_the_first_lasting_error_stops_and_tells_what_is_done(server: LocalOmics, aged: Callable[..., str]) -> None:
    ids = [aged(60 - place, tags=tags_of(str(place))) for place in range(4)]
    denied = FaultRule(
        kind=FaultKind.ERROR_BEFORE,
        operation="DeleteRun",
        code="AccessDeniedException",
        http_status=403,
        skip=2,
        count=None,
    )
    server.faults.add(denied)
    with raises(OmicsServiceError, match="2 of 4 runs to be deleted are done, 2 remain; the next try goes on there"):
        prune()
    assert left(server) == set(ids[2:])
    assert len(server.journal.calls("DeleteRun")) == 3
    server.faults.clear()
    assert prune()["deleted"] == 2
    assert left(server) == set()


@pytest.mark.usefixtures("quick_retries")
def test_throttles_are_waited_out(server: LocalOmics, aged: Callable[..., str]) -> None:
    for place in range(3):
        aged(40, tags=tags_of(str(place)))
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="DeleteRun", count=4))
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="ListRuns", count=2))
    assert prune()["deleted"] == 3


def test_what_is_gone_or_has_become_active_is_told_and_no_error(
    server: LocalOmics, aged: Callable[..., str], told: Callable[[], str]
) -> None:
    gone, active, plain = (aged(days, tags=tags_of(str(days))) for days in (60, 50, 40))

    def change() -> None:
        server.client("omics").delete_run(id=gone)
        set_run(server, active, 50, RunStatus.RUNNING)

    result = prune_late(OmicsPruneRunsOperator, change)
    assert {name: result[name] for name in ("deleted", "gone", "active")} == {"deleted": 1, "gone": 1, "active": 1}
    assert left(server) == {active}
    assert plain not in left(server)
    assert f"{active} has become active" in told()
    # What is active is not even asked for.
    assert [call.resource_id for call in server.journal.calls("DeleteRun")] == [gone, plain]


def prune_late(kind: type[Any], change: Callable[[], object], **kwargs: Any) -> dict[str, Any]:
    """Prune, with something that happens once the plan is made."""

    class Late(kind):  # type: ignore[misc]
        def carry_out(self, context: Any, plan: Any, reader: Any) -> Any:
            change()
            return super().carry_out(context, plan, reader)

    settings: dict[str, Any] = {"older_than": "P30D", "plan_only": False, **kwargs}
    result = run_task(Late(task_id="prune", **settings)).result
    assert isinstance(result, dict)
    return result


def test_what_has_come_to_be_protected_since_the_plan_is_kept(server: LocalOmics, aged: Callable[..., str]) -> None:
    tags = {"project": "x"}
    ids = [aged(days, tags={**tags_of(str(days)), **tags}) for days in (60, 50, 40)]
    again, taken, plain = ids

    def change() -> None:
        omics = server.client("omics")
        omics.tag_resource(resourceArn=omics.get_run(id=taken)["arn"], tags={"project": "y"})
        # Its id was given to another run, which has ended today.
        with server.account("us-east-1").lock:
            run = server.account("us-east-1").runs[again]
            run.creation_time = run.stop_time = NOW

    result = prune_late(OmicsPruneRunsOperator, change, tags=tags)
    assert {name: result[name] for name in ("deleted", "gone", "kept")} == {"deleted": 1, "gone": 1, "kept": 1}
    assert left(server) == {again, taken}
    assert plain not in left(server)


def test_a_redrive_that_began_after_the_plan_keeps_the_runs_of_the_cohort(lab: BatchLab) -> None:
    first = lab.make(40, name="cohort", **tags_of("cohort"))
    later = {**tags_of("cohort"), "airflow-generation": "1"}

    def redrive() -> None:
        lab.make(0, BatchStatus.INPROGRESS, name="cohort", **later)

    result = prune_late(OmicsPruneRunsOperator, redrive)
    assert (result["deletable"], result["deleted"], result["active"]) == (2, 0, 2)
    assert lab.runs(first) == 2
    assert lab.server.journal.calls("DeleteRun") == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({}, "every other criterion"),
        ({"older_than": "a month"}, "older_than: is 'a month'"),
        ({"older_than": "P1D", "status": "RUNNING"}, "status: has 'RUNNING'"),
        ({"older_than": "P1D", "max_deletions": 0}, "max_deletions: is 0"),
        ({"older_than": "P1D", "plan_uri": "plan.csv"}, "plan_uri"),
        ({"workflow_id": "read-qc"}, "workflow_id: is 'read-qc'"),
        ({"tags": ["a"]}, "tags: is"),
    ],
)
@pytest.mark.parametrize("kind", [OmicsPruneRunsOperator, OmicsPruneRunBatchesOperator])
def test_what_cannot_be_meant_is_refused_when_the_dag_is_parsed(
    kind: type[OmicsPruneRunsOperator], arguments: dict[str, Any], what: str
) -> None:
    with raises(OmicsRequestInvalidError, match=what):
        kind(task_id="prune", **arguments)


def test_a_criterion_that_comes_to_nothing_deletes_nothing(server: LocalOmics, aged: Callable[..., str]) -> None:
    run_id = aged(40, tags=tags_of("a"))
    with raises(OmicsRequestInvalidError, match="every other criterion"):
        prune(older_than=None, name_pattern="{{ '' }}")
    # Beside another criterion, too: what it was to leave out would go.
    with raises(OmicsRequestInvalidError, match="name_pattern: is empty"):
        prune(older_than="P30D", name_pattern="{{ '' }}")
    with raises(OmicsRequestInvalidError, match="older_than: is empty"):
        prune(older_than="{{ '' }}", status="COMPLETED")
    with raises(OmicsRequestInvalidError, match="older_than: is empty"):
        prune(older_than="{{ none }}", status="COMPLETED")
    # As an upstream task's None does, and one of a mapped task's arguments.
    task = OmicsPruneRunsOperator(task_id="prune", older_than="P30D", workflow_id="1234567", plan_only=False)
    task.workflow_id = None
    with raises(OmicsRequestInvalidError, match="workflow_id: is empty"):
        task.execute({})
    mapped = OmicsPruneRunsOperator(
        task_id="prune", older_than="P30D", workflow_id=None, plan_only=False, _airflow_from_mapped=True
    )
    with raises(OmicsRequestInvalidError, match="workflow_id: is empty"):
        mapped.execute({})
    assert left(server) == {run_id}


@pytest.fixture
def lab(server: LocalOmics, make_workflow: Callable[..., str]) -> BatchLab:
    return BatchLab(server, make_workflow())


@MODES
def test_a_batch_goes_with_its_runs(lab: BatchLab, deferrable: bool) -> None:
    processed = lab.make(40, name="a", **tags_of("a"))
    cancelled = lab.make(40, BatchStatus.CANCELLED, name="b", **tags_of("b", finished=True))
    failed = lab.make(40, BatchStatus.FAILED, name="c", **tags_of("c"))
    kept = {
        lab.make(3, name="young", **tags_of("d")),
        lab.make(40, BatchStatus.INPROGRESS, name="active", **tags_of("e")),
        lab.make(40, name="hand-made"),
        lab.make(40, name="elsewhere", **tags_of("f", "there")),
    }
    result = lab.prune(deferrable=deferrable, plan_uri=f"s3://{BUCKET}/plan.csv")
    assert lab.batches == kept
    outcomes = {row["id"]: row["outcome"] for row in plan_rows(lab.server)}
    assert outcomes == {
        **dict.fromkeys(kept - {min(kept, key=int)}, ""),
        processed: "deleted",
        **dict.fromkeys((cancelled, failed), "deleted"),
    }
    assert [lab.runs(gone) for gone in (processed, cancelled, failed)] == [0, 0, 0]
    assert all(lab.runs(batch_id) == 2 for batch_id in kept)
    assert result["deleted"] == 3
    assert result["protected"] == {"active": 1, "other_deployment": 1, "untagged": 1}
    assert lab.prune()["deletable"] == 0


def test_a_batch_of_a_cohort_that_goes_on_is_protected_however_old_it_is(lab: BatchLab) -> None:
    first = lab.make(40, name="cohort", **tags_of("cohort"))
    later = {**tags_of("cohort"), "airflow-generation": "1"}
    second = lab.make(0, BatchStatus.INPROGRESS, name="cohort", **later)
    assert lab.prune(older_than="P10D")["protected"] == {"cohort_active": 1}
    runs = prune(older_than="P10D")
    assert runs["protected"] == {"cohort_active": 2}
    assert lab.batches == {first, second}
    with lab.state.lock:
        lab.state.batches[second].status = BatchStatus.PROCESSED
        lab.state.batches[second].processed_time = NOW
    assert lab.prune(older_than="P10D")["protected"] == {"recent": 1}
    assert lab.prune(older_than="P10D", protect_for="PT0S")["deleted"] == 1
    assert lab.batches == {second}


def test_an_active_run_of_a_failed_batch_keeps_the_batch(lab: BatchLab) -> None:
    batch_id = lab.make(40, BatchStatus.FAILED, **tags_of("a"))
    with lab.state.lock:
        active = next(run for run in lab.state.runs.values() if run.batch_id == batch_id)
        active.status, active.stop_time = RunStatus.RUNNING, None
    assert lab.prune()["protected"] == {"cohort_active": 1}
    assert prune()["protected"] == {"active": 1, "cohort_active": 1}
    assert lab.runs(batch_id) == 2
    assert lab.batches == {batch_id}


def test_a_run_of_a_failed_batch_that_has_become_active_keeps_the_batch(lab: BatchLab) -> None:
    batch_id = lab.make(40, BatchStatus.FAILED, **tags_of("a"))

    def activate(_facts: object) -> None:
        run = next(run for run in lab.state.runs.values() if run.batch_id == batch_id)
        run.status, run.stop_time = RunStatus.RUNNING, None

    # ListRuns is called for the plan, right before the deletion, and for it.
    lab.server.faults.add(FaultRule(kind=FaultKind.SLOW_ANSWER, operation="ListRuns", skip=1, seconds=0, act=activate))
    result = lab.prune()
    assert (result["deleted"], result["active"]) == (0, 1)
    assert len(left(lab.server)) == 1
    assert lab.batches == {batch_id}


@pytest.mark.parametrize("status", [BatchStatus.CANCELLED, BatchStatus.FAILED])
def test_a_batch_without_an_end_of_its_own_has_ended_with_its_last_run(lab: BatchLab, status: BatchStatus) -> None:
    batch_id = lab.make(40, status, **tags_of("a"))
    # Of a cohort that was submitted weeks ago, the first sample has completed early, and the last one yesterday.
    with lab.state.lock:
        last = next(run for run in lab.state.runs.values() if run.batch_id == batch_id)
        last.stop_time = NOW - timedelta(days=1)
    assert lab.prune()["deletable"] == 0
    assert lab.prune(older_than=None, status=status)["protected"] == {"recent": 1}
    assert prune()["protected"] == {"recent": 1}
    assert lab.runs(batch_id) == 2
    assert lab.prune(older_than="PT12H", protect_for="PT12H")["deleted"] == 1


def test_a_redrive_that_began_after_the_plan_keeps_the_batches_before(lab: BatchLab) -> None:
    first = lab.make(40, name="cohort", **tags_of("cohort"))
    later = {**tags_of("cohort"), "airflow-generation": "1"}

    def redrive() -> None:
        lab.make(0, BatchStatus.INPROGRESS, name="cohort", **later)

    result = prune_late(OmicsPruneRunBatchesOperator, redrive)
    assert (result["deletable"], result["deleted"], result["active"]) == (1, 0, 1)
    assert lab.runs(first) == 2


def test_a_deferred_task_waits_without_a_worker_until_all_runs_are_deleted(lab: BatchLab) -> None:
    ids = [lab.make(days, name=str(days), **tags_of(str(days))) for days in (60, 50, 40)]
    task = OmicsPruneRunBatchesOperator(
        task_id="prune", older_than="P30D", plan_only=False, deferrable=True, waiter_delay=0.01
    )
    done = run_task(task)
    # As a rule the service deletes in the order in which it was asked.
    path, arguments = done.triggers[0]
    assert path.endswith("OmicsBatchTrigger")
    assert (arguments["batch_id"], arguments["target"]) == (ids[-1], "runs_deleted")
    assert arguments["resume_state"]["batch_ids"] == ids
    assert (done.result["deletable"], done.result["deleted"]) == (3, 3)
    assert lab.batches == set()


def test_a_batch_that_is_not_through_with_its_runs_is_waited_for_again(lab: BatchLab) -> None:
    ids = [lab.make(days, name=str(days), **tags_of(str(days))) for days in (60, 50)]
    task = OmicsPruneRunBatchesOperator(
        task_id="prune", older_than="P30D", plan_only=False, deferrable=True, waiter_delay=0.01
    )

    def let_go(_facts: object) -> None:
        lab.state.batches[ids[0]].status = BatchStatus.RUNS_DELETED

    # While the record of the second one is deleted, the first one gets there.
    lab.server.faults.add(FaultRule(kind=FaultKind.SLOW_ANSWER, operation="DeleteBatch", seconds=0, act=let_go))
    carry_out = task.carry_out

    def carry_out_and_hold(*arguments: Any) -> Any:
        try:
            return carry_out(*arguments)
        finally:
            for batch_id in ids:
                await_status(lambda batch_id=batch_id: lab.omics.get_batch(batchId=batch_id), "RUNS_DELETED")
            lab.state.batches[ids[0]].status = BatchStatus.RUNS_DELETING

    task.carry_out = carry_out_and_hold  # type: ignore[method-assign]
    done = run_task(task)
    assert [arguments["batch_id"] for _, arguments in done.triggers] == [ids[1], ids[0]]
    assert done.result["deleted"] == 2


def test_a_task_that_may_defer_deletes_no_more_batches_than_its_trigger_carries() -> None:
    for deferrable, most in ((True, 1000), (False, 5000)):
        task = OmicsPruneRunBatchesOperator(
            task_id="prune", older_than="P30D", max_deletions=5000, deferrable=deferrable
        )
        assert task.most_deletions == most


@pytest.mark.parametrize("kind", [OmicsPruneRunsOperator, OmicsPruneRunBatchesOperator])
def test_airflows_own_dry_run_can_be_called(kind: type[OmicsPruneRunsOperator]) -> None:
    # It is what "airflow tasks test --dry-run" calls.
    kind(task_id="prune", older_than="P30D").dry_run()


@pytest.mark.usefixtures("quick_retries")
def test_the_first_lasting_error_of_batches_stops_too(lab: BatchLab) -> None:
    first, second = (lab.make(days, name=str(days), **tags_of(str(days))) for days in (50, 40))
    denied = FaultRule(
        kind=FaultKind.ERROR_BEFORE,
        operation="DeleteBatch",
        code="AccessDeniedException",
        http_status=403,
        skip=1,
        count=None,
    )
    lab.server.faults.add(denied)
    with raises(OmicsServiceError, match="1 of 2 batches to be deleted are done, 1 remain"):
        lab.prune()
    assert lab.batches == {second}
    assert first not in lab.batches
    lab.server.faults.clear()
    # Its runs are gone: only the record is left to delete.
    assert lab.prune()["deleted"] == 1
    assert lab.batches == set()


def test_a_kill_stops_before_the_next_deletion_and_the_next_try_goes_on(
    server: LocalOmics, aged: Callable[..., str]
) -> None:
    ids = [aged(days, tags=tags_of(str(days))) for days in (60, 50, 40)]
    task = OmicsPruneRunsOperator(task_id="prune", older_than="P30D", plan_only=False)
    killing = FaultRule(kind=FaultKind.SLOW_ANSWER, operation="DeleteRun", seconds=0, act=lambda _facts: task.on_kill())
    server.faults.add(killing)
    with raises(OmicsError, match="The task was killed: 1 of 3 runs to be deleted are done"):
        run_task(task)
    assert left(server) == set(ids[1:])
    assert prune()["deleted"] == 2


def test_calls_keep_to_the_rate_of_the_connection(server: LocalOmics, aged: Callable[..., str]) -> None:
    for place in range(3):
        aged(40, tags=tags_of(str(place)))
    connection = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    connection["extra"]["service_config"]["omics"]["calls_per_second"] = {"DeleteRun": 10, "*": 1e6}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        began = time.monotonic()
        assert prune()["deleted"] == 3
        # The first is made at once.
        assert time.monotonic() - began >= 0.2


def test_the_example_prunes_what_its_parameters_say(server: LocalOmics, aged: Callable[..., str]) -> None:
    run_id = aged(100, tags=tags_of("a"))
    (example,) = (path for path in example_files() if path.stem == "example_omics_prune_runs")
    params = {"older_than": "P90D", "plan_only": "true", "plans": f"s3://{BUCKET}/plans"}
    for plan_only, remaining in (("true", {run_id}), ("false", set())):
        dag = runpy.run_path(str(example))["dag"]
        results = [
            run_task(dag.get_task(name), params={**params, "plan_only": plan_only}).result
            for name in ("batches", "runs")
        ]
        assert [result["plan_only"] for result in results] == [plan_only == "true"] * 2
        assert left(server) == remaining
        assert results[1]["plan_uri"].endswith("-runs.csv")
