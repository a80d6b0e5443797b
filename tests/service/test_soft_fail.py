"""``soft_fail`` of sensors, in each of their modes: a bad end is skipped, a mistake is not."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)
from batch_states import Batches, ending, samples
from task_runs import TaskInstance, run_task

from airflow_provider_omics.exceptions import OmicsError
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor

AIRFLOW_2 = version("apache-airflow").startswith("2.")
WAYS = pytest.mark.parametrize(
    "way",
    [
        pytest.param({}, id="poke"),
        pytest.param(
            {"mode": "reschedule"},
            id="reschedule",
            marks=pytest.mark.skipif(AIRFLOW_2, reason="2.11 asks its database"),
        ),
        pytest.param({"deferrable": True}, id="deferred"),
    ],
)


class Rescheduled(TaskInstance):
    """A task instance that has not been rescheduled."""

    def get_first_reschedule_date(self, _context: Any) -> None:
        return None


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def batches(server: LocalOmics, make_workflow: Callable[..., str]) -> Batches:
    return Batches(server, make_workflow())


def wait(sensor: Any, **kwargs: Any) -> Any:
    """Run a sensor to its end, which may take it several processes."""
    while True:
        task = sensor(task_id="wait", poke_interval=0.02, **kwargs)
        try:
            return run_task(task, Rescheduled(task_id="wait")).result
        except AirflowRescheduleException:
            continue


def fails(sensor: Any, **kwargs: Any) -> None:
    with pytest.raises(OmicsError) as caught:
        wait(sensor, **kwargs)
    assert isinstance(caught.value, AirflowFailException)


@WAYS
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
class TestABadEnd:
    def ends(self, sensor: Any, soft: bool, **kwargs: Any) -> None:
        if not soft:
            fails(sensor, **kwargs)
            return
        with pytest.raises(AirflowSkipException):
            wait(sensor, soft_fail=True, **kwargs)

    def test_of_a_run(self, batches: Batches, way: dict[str, Any], soft: bool) -> None:
        batch_id = batches.ended([ending("sick", "SERVICE_ERROR")])
        [item] = batches.omics.list_runs_in_batch(batchId=batch_id)["runs"]
        self.ends(OmicsRunSensor, soft, run_id=item["runId"], **way)

    def test_of_a_batch(self, batches: Batches, way: dict[str, Any], soft: bool) -> None:
        batch_id = batches.ended([ending("sick", "SERVICE_ERROR")])
        self.ends(OmicsBatchSensor, soft, batch_id=batch_id, **way)

    def test_of_a_sample(self, batches: Batches, way: dict[str, Any], soft: bool) -> None:
        batch_id = batches.ended([ending("sick", "SERVICE_ERROR")])
        self.ends(OmicsBatchRunSensor, soft, batch_id=batch_id, run_setting_id="sick", **way)

    def test_of_its_submission(self, batches: Batches, way: dict[str, Any], soft: bool) -> None:
        batch_id = batches.ended([{"runSettingId": "bad", "outputUri": "file:///tmp"}, *samples(1)])
        self.ends(OmicsBatchRunSensor, soft, batch_id=batch_id, run_setting_id="bad", **way)


@WAYS
@pytest.mark.parametrize(
    "sensor",
    [
        (OmicsRunSensor, {"run_id": "{}"}, "GetRun"),
        (OmicsBatchSensor, {"batch_id": "{}"}, "GetBatch"),
        (OmicsBatchRunSensor, {"batch_id": "{}", "run_setting_id": "a"}, "ListRunsInBatch"),
    ],
    ids=["run", "batch", "sample"],
)
class TestAMistake:
    @pytest.mark.parametrize("wrong", ["cohort-1", "9999999"], ids=["no id", "not there"])
    def test_a_wrong_id(self, server: LocalOmics, way: dict[str, Any], sensor: Any, wrong: str) -> None:
        kind, arguments, _ = sensor
        fails(kind, soft_fail=True, **{name: value.format(wrong) for name, value in arguments.items()}, **way)

    def test_a_missing_permission(self, server: LocalOmics, way: dict[str, Any], sensor: Any) -> None:
        kind, arguments, operation = sensor
        denied = {"code": "AccessDeniedException", "http_status": 403, "count": None}
        server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation=operation, **denied))
        fails(kind, soft_fail=True, **{name: value.format("1234567") for name, value in arguments.items()}, **way)

    def test_a_wrong_parameter(self, server: LocalOmics, way: dict[str, Any], sensor: Any) -> None:
        kind, arguments, _ = sensor
        given = {name: value.format("1234567") for name, value in arguments.items()}
        fails(kind, soft_fail=True, error_budget=-1, **given, **way)
        assert server.journal.calls() == []


@WAYS
def test_time_is_up(batches: Batches, way: dict[str, Any]) -> None:
    batch_id = batches.in_state("INPROGRESS")
    if "mode" in way:
        # The time since the first look is Airflow's to keep.
        way = {**way, "timeout": 0}
    with pytest.raises(AirflowSkipException):
        wait(OmicsBatchSensor, batch_id=batch_id, soft_fail=True, **{"timeout": 0.2, **way})
    with pytest.raises(AirflowException):
        wait(OmicsBatchSensor, batch_id=batch_id, **{"timeout": 0.2, **way})


@pytest.mark.skipif(AIRFLOW_2, reason="only Airflow 3 has an exception of its own for it")
@pytest.mark.parametrize("soft", [False, True])
def test_time_that_is_up_before_the_trigger_says_so(batches: Batches, soft: bool) -> None:
    task = OmicsBatchSensor(task_id="wait", batch_id=batches.ended(), soft_fail=soft)
    context: Any = {"ti": TaskInstance(task_id="wait")}
    with pytest.raises(AirflowSkipException if soft else AirflowException):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context)
