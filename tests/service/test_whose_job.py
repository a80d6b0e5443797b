"""Whose job is it: of which deployment, of which life of a DAG run, of which request; for runs and batches alike."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from holding import HELD, after_each
from jobs import KINDS, MODES, READINGS, JobLab, dag_run, instance
from omics_errors import raises, unwrapped
from omics_service import await_status

from airflow_provider_omics.compat import dag_run_life
from airflow_provider_omics.exceptions import OmicsBatchFailedError, OmicsRequestInvalidError, OmicsRunFailedError
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind

TAGGED = pytest.mark.parametrize("tagged", [True, False], ids=["tagged", "by name"])


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


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Go on as another Airflow deployment."""
    return lambda name: monkeypatch.setenv("AIRFLOW__OMICS__NAMESPACE", name)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Return what tasks have logged since the last call, wherever Airflow's version writes it."""
    caplog.set_level(logging.INFO)

    def read() -> str:
        text = unwrapped(caplog.text + "".join(capsys.readouterr()))
        caplog.clear()
        return text

    return read


@READINGS
@KINDS
@pytest.mark.parametrize(
    ("tagged", "name"), [(True, None), (True, "shared"), (False, None)], ids=["tagged", "tagged and named", "by name"]
)
def test_two_deployments_with_the_same_ids_have_a_job_each(
    lab: JobLab, deployment: Callable[[str], None], reading: str, tagged: bool, name: str | None
) -> None:
    lab.assume(repeated_request_id=reading)
    settings: dict[str, Any] = {"identity_tags": tagged, **({"name": name} if name else {})}
    deployment("prod")
    theirs = lab.crash(seconds=600, **settings)
    deployment("test")
    for try_number in (1, 2):
        mine = lab.run(instance(try_number), **settings).result
        assert mine != theirs
    assert lab.started == 2
    assert lab.cancelled == []
    if tagged:
        assert {lab.get(theirs)["tags"]["airflow-namespace"], lab.get(mine)["tags"]["airflow-namespace"]} == {
            "prod",
            "test",
        }


@KINDS
def test_the_connection_s_namespace_wins(
    lab: JobLab, deployment: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, server: LocalOmics
) -> None:
    deployment("prod")
    theirs = lab.crash(seconds=600)
    extra = {
        "region_name": "us-east-1",
        "endpoint_url": server.endpoint_url,
        "config_kwargs": {"inject_host_prefix": False},
        "service_config": {"omics": {"namespace": "research"}},
    }
    connection = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    mine = lab.run(instance(2)).result
    assert mine != theirs
    assert lab.get(mine)["tags"]["airflow-namespace"] == "research"


@KINDS
@pytest.mark.parametrize("namespace", [7, "", "  ", "x" * 65, ["prod"]])
def test_a_namespace_that_cannot_be_one_is_refused_before_anything_is_submitted(
    lab: JobLab, monkeypatch: pytest.MonkeyPatch, server: LocalOmics, namespace: Any
) -> None:
    extra = {
        "region_name": "us-east-1",
        "endpoint_url": server.endpoint_url,
        "service_config": {"omics": {"namespace": namespace}},
    }
    connection = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    with raises(OmicsRequestInvalidError, match="namespace"):
        lab.run()
    assert lab.started == 0


@READINGS
@KINDS
@TAGGED
@MODES
def test_a_retry_after_an_upgrade_takes_over_the_job_of_0_1_0(
    lab: JobLab, reading: str, tagged: bool, deferrable: bool
) -> None:
    lab.assume(repeated_request_id=reading)
    first = lab.start_as_0_1_0_did(instance(), tagged=tagged)
    life = {"dag_run": dag_run(minutes_ago=1)}
    task = lab.run(instance(2), context=life, identity_tags=tagged, deferrable=deferrable)
    assert task.result == first
    assert lab.started == 1


@KINDS
def test_a_job_of_0_1_0_with_a_name_of_its_own_is_taken_over(lab: JobLab) -> None:
    first = lab.start_as_0_1_0_did(instance(), name="mine")
    assert lab.run(instance(2), name="mine").result == first


@READINGS
@KINDS
@TAGGED
def test_a_dag_run_that_is_created_again_starts_a_job_of_its_own(lab: JobLab, reading: str, tagged: bool) -> None:
    lab.assume(repeated_request_id=reading)
    old = lab.crash(context={"dag_run": dag_run(minutes_ago=60)}, seconds=600, identity_tags=tagged)
    # By the scheduler: all but the time when it began is as it was.
    again = {"dag_run": dag_run()}
    mine = lab.run(context=again, identity_tags=tagged).result
    assert mine != old
    if tagged:
        assert lab.run(instance(2), context=again).result == mine
    assert (lab.started, lab.cancelled) == (2, [])


@READINGS
@KINDS
def test_a_later_try_of_a_dag_run_that_is_created_again_finds_no_job_of_the_old_one(lab: JobLab, reading: str) -> None:
    lab.assume(repeated_request_id=reading)
    old = lab.crash(context={"dag_run": dag_run(minutes_ago=60)}, seconds=600)
    # The first try ended before it started anything.
    assert lab.run(instance(2), context={"dag_run": dag_run()}).result != old
    assert (lab.started, lab.cancelled) == (2, [])


@READINGS
@KINDS
@pytest.mark.parametrize("fault", [FaultKind.LOST_ANSWER, FaultKind.ERROR_BEFORE])
def test_a_lost_answer_is_not_looked_for_among_jobs_of_the_old_dag_run(
    lab: JobLab, reading: str, fault: FaultKind
) -> None:
    lab.assume(repeated_request_id=reading)
    old = lab.crash(context={"dag_run": dag_run(minutes_ago=60)}, seconds=600)
    lab.fault("StartRunBatch" if lab.is_batch else "StartRun", fault)
    assert lab.run(context={"dag_run": dag_run()}).result != old
    assert lab.started == 2


@READINGS
@KINDS
@TAGGED
def test_clocks_that_differ_by_minutes_make_no_second_job(lab: JobLab, reading: str, tagged: bool) -> None:
    lab.assume(repeated_request_id=reading)
    # Airflow's clock is ahead, so the job is older than its DAG run by the clocks.
    ahead = {"dag_run": dag_run(minutes_ago=-5)}
    first = lab.crash(context=ahead, identity_tags=tagged)
    assert lab.run(instance(2), context=ahead, identity_tags=tagged).result == first
    assert lab.started == 1


@KINDS
def test_a_dag_run_that_was_cleared_goes_on_with_its_job(lab: JobLab) -> None:
    first = lab.crash(context={"dag_run": dag_run(minutes_ago=60)}, seconds=HELD)
    lab.release_once_polled()
    cleared = {"dag_run": dag_run(clear_number=1)}
    assert lab.run(instance(2), context=cleared).result == first
    assert lab.started == 1


@KINDS
def test_started_is_told_only_of_a_job_that_was_started_now(lab: JobLab, log: Callable[[], str]) -> None:
    # Nothing but the request id leads to it.
    hidden: dict[str, Any] = {"name": "mine", "identity_tags": False, "seconds": HELD}
    first = lab.crash(**hidden)
    lab.release_once_polled()
    assert f"Started HealthOmics {'batch' if lab.is_batch else 'run'} {first}" in log()
    assert lab.run(instance(2), **hidden).result == first
    told = log()
    assert "Started HealthOmics" not in told
    assert f"{first} was started for this task before" in told


@READINGS
@KINDS
@MODES
def test_an_adopted_job_that_a_person_cancels_is_not_started_again(lab: JobLab, reading: str, deferrable: bool) -> None:
    lab.assume(repeated_request_id=reading)
    first = lab.crash(seconds=600)
    await_status(lambda: lab.get(first), "INPROGRESS" if lab.is_batch else "RUNNING")
    counts = lab.server.journal.counts
    # It is found with one look, and waited for with all others.
    enough = counts[lab.looks] + 4
    after_each(lab.server, lab.looks, lambda: counts[lab.looks] == enough and lab.cancel(first))
    with pytest.raises((OmicsRunFailedError, OmicsBatchFailedError)):
        lab.run(instance(2), deferrable=deferrable)
    assert lab.started == 1


@KINDS
@MODES
def test_a_job_that_was_being_stopped_when_it_was_found_is_replaced(lab: JobLab, deferrable: bool) -> None:
    lab.server.change(timings={"stopping": HELD, "batch_stopping": HELD})
    first = lab.crash(seconds=600)
    await_status(lambda: lab.get(first), "INPROGRESS" if lab.is_batch else "RUNNING")
    lab.cancel(first)
    lab.release_once_polled()
    assert lab.run(instance(2), deferrable=deferrable, seconds=0.05).result != first
    assert lab.started == 2


UNRELATED: list[dict[str, Any]] = [
    {"role_arn": "arn:aws:iam::123456789012:role/other"},
    {"priority": 7},
    {"log_level": "ALL"},
    {"retention_mode": "REMOVE"},
    {"session_policy": '{"Version": "2012-10-17"}'},
    {"run_group_id": "any"},
]


@KINDS
@pytest.mark.parametrize("changed", UNRELATED, ids=lambda changed: next(iter(changed)))
def test_what_is_not_computed_makes_no_other_job(lab: JobLab, changed: dict[str, Any]) -> None:
    if "run_group_id" in changed:
        changed = {"run_group_id": lab.omics.create_run_group(name="group", requestId="g")["id"]}
    first = lab.crash(seconds=HELD)
    lab.release_once_polled()
    assert lab.run(instance(2), **changed).result == first
    assert lab.started == 1


@READINGS
@pytest.mark.parametrize("name", [None, "mine"])
def test_a_request_that_differs_from_try_to_try_leaves_no_run_behind(
    lab: JobLab, log: Callable[[], str], reading: str, name: str | None
) -> None:
    lab.assume(repeated_request_id=reading)
    own = {"name": name} if name else {}
    request: dict[str, Any] = {"parameters": {"try": "{{ ti.try_number }}"}, **own}
    first = lab.crash(seconds=600, **request)
    second = lab.run(instance(2), **request).result
    assert second != first
    assert lab.cancelled == [first]
    assert f"Asked HealthOmics to cancel run {first} of an earlier try" in log()
    await_status(lambda: lab.get(first), "CANCELLED")


def test_nothing_is_cancelled_of_another_dag_run_or_task_or_sample(lab: JobLab) -> None:
    others = [
        lab.crash(instance(**members), seconds=600, name="shared", parameters={"sample": "A"})
        for members in ({"run_id": "other"}, {"dag_id": "other"}, {"map_index": 1}, {"task_id": "other"})
    ]
    lab.run(instance(2), name="shared", parameters={"sample": "B"})
    assert lab.cancelled == []
    assert {lab.get(other)["status"] for other in others}.isdisjoint({"STOPPING", "CANCELLED"})


def test_a_run_that_was_left_goes_on_where_nothing_is_to_be_cancelled(lab: JobLab) -> None:
    lab.crash(seconds=600, parameters={"sample": "A"})
    lab.run(instance(2), parameters={"sample": "B"}, cancel_on_kill=False)
    assert lab.cancelled == []


@KINDS
def test_a_job_is_found_behind_more_than_100_of_its_name(lab: JobLab) -> None:
    life = {"dag_run": dag_run(minutes_ago=1)}
    first = lab.crash(context=life, name="shared", seconds=600)
    for index in range(101):
        lab.crash(instance(map_index=index), context=life, name="shared", seconds=600)
    assert lab.run(instance(2), context=life, name="shared", wait_for_completion=False).result == first


@KINDS
def test_jobs_that_are_older_than_the_dag_run_are_not_looked_at(lab: JobLab) -> None:
    lab.crash(instance(run_id="other"), name="shared", seconds=600)
    get = "GetBatch" if lab.is_batch else "GetRun"
    before = lab.server.journal.counts[get]
    later = dag_run(minutes_ago=-24 * 60)
    lab.run(instance(2), context={"dag_run": later}, name="shared", wait_for_completion=False)
    looked_at = [call.resource_id for call in lab.server.journal.calls(get)][before:]
    assert len(set(looked_at)) <= 1


def test_two_lives_of_a_dag_run_differ_only_in_what_airflow_makes_anew() -> None:
    first = dag_run()
    assert dag_run_life({"dag_run": first}) == dag_run_life({"dag_run": replace(first)})
    assert dag_run_life({}).key == ""
    triggered = replace(first, run_after=datetime(2026, 2, 1, tzinfo=UTC))
    assert dag_run_life({"dag_run": triggered}).key != dag_run_life({"dag_run": first}).key
