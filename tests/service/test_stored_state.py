"""What tasks left with Airflow when they deferred, in this release and before: it outlives the upgrade of the provider.

Each file in ``stored`` has what one release stored: for each task that deferred its trigger as it stands in Airflow's
database, the method and the arguments to go on with, and the event that the trigger fired. Those in
``stored/asset_watchers`` have the triggers that watch assets. The file of a release is never changed again; what the
next release stores is in ``unreleased.json``, which gets its name then.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import AirflowProviderDeprecationWarning
from airflow.triggers.base import BaseTrigger
from asset_watchers import HAS_ASSET_WATCHERS, stored_watchers
from cohorts import BUCKET, CohortLab, cohort, instance, operator
from task_runs import TaskInstance, fire, load_trigger, run_task

import airflow_provider_omics.triggers
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.account import OmicsCreateConfigurationOperator
from airflow_provider_omics.operators.batch import OmicsDeleteBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator
from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor
from airflow_provider_omics.triggers.batch import OmicsBatchTrigger

FILES = sorted(Path(__file__).with_name("stored").glob("*.json"))
LATEST = json.loads(Path(__file__).with_name("stored").joinpath("unreleased.json").read_text())
STORED = [
    pytest.param(stored, id=f"{path.stem} {stored['task']}")
    for path in FILES
    for stored in json.loads(path.read_text())
]
LATEST_BATCH = next(stored for stored in LATEST if stored["task"] == "OmicsStartRunBatchOperator")
VPC = {"vpcConfig": {"securityGroupIds": ["sg-1"], "subnetIds": ["subnet-01"]}}
RUN, BATCH, SAMPLES = "1000002", "1000005", 2


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def lab(server: LocalOmics, make_workflow: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> CohortLab:
    """A service in which the tasks that were stored have started their run and their batch."""
    # What a trigger stores of its cohort has the namespace in it.
    monkeypatch.setenv("AIRFLOW__OMICS__NAMESPACE", "stored")
    lab = CohortLab(server, make_workflow())
    assert run_task(start_run(lab)).result == RUN
    lab.crash(cohort(SAMPLES))
    # Last, since everything before has the ids that were stored.
    lab.omics.create_configuration(name="private", runConfigurations=VPC)
    return lab


def start_run(lab: CohortLab) -> OmicsStartRunOperator:
    return OmicsStartRunOperator(
        task_id="start_run",
        workflow_id=lab.workflow_id,
        role_arn="arn:aws:iam::123456789012:role/omics",
        output_uri=f"s3://{BUCKET}/runs",
        waiter_delay=0.02,
    )


def task_of(name: str, lab: CohortLab) -> tuple[Any, TaskInstance]:
    """The task that had deferred, as the DAG file has it after the upgrade."""
    wait = TaskInstance(task_id="wait")
    match name:
        case "OmicsStartRunOperator":
            return start_run(lab), TaskInstance()
        case "OmicsRunSensor":
            return OmicsRunSensor(task_id="wait", run_id=RUN), wait
        case "OmicsStartRunBatchOperator":
            return operator(lab.workflow_id, cohort(SAMPLES)), instance()
        case "OmicsBatchSensor":
            return OmicsBatchSensor(task_id="wait", batch_id=BATCH), wait
        case "OmicsBatchRunSensor":
            return OmicsBatchRunSensor(task_id="wait", batch_id=BATCH, run_setting_id="sample-1"), wait
        case "OmicsBatchRunSensor beside the cohort":
            return OmicsBatchRunSensor(task_id="wait", cohort_task_id="cohort", run_setting_id="sample-1"), wait
        case "OmicsCreateWorkflowOperator":
            return OmicsCreateWorkflowOperator(task_id="wait", name="workflow", definition="s3://flows/flow.zip"), wait
        case "OmicsCreateConfigurationOperator":
            return OmicsCreateConfigurationOperator(task_id="wait", name="private", run_configurations=VPC), wait
        case "OmicsDeleteBatchOperator":
            return OmicsDeleteBatchOperator(task_id="wait", batch_id=BATCH), wait
    raise AssertionError(name)


def resume(stored: dict[str, Any], lab: CohortLab, event: Any) -> TaskInstance:
    task, ti = task_of(stored["task"], lab)
    context: Any = {"ti": ti, "task_instance": ti, "params": {}, "run_id": ti.run_id}
    task.render_template_fields(context)
    task.resume_execution(stored["method"], {**(stored["kwargs"] or {}), "event": event}, context)
    return ti


def was_done(stored: dict[str, Any], lab: CohortLab, ti: TaskInstance) -> None:
    """Check that nothing was started anew, and that a cohort was finished."""
    assert (lab.effects("StartRun"), lab.effects("StartRunBatch")) == (1, 1)
    if stored["task"] == "OmicsStartRunBatchOperator":
        assert lab.column(ti, "run_status") == ["COMPLETED"] * SAMPLES
        assert ti.xcoms["batch_summary"]["batch_ids"] == [BATCH]


@pytest.mark.parametrize("stored", STORED)
def test_a_trigger_that_was_stored_goes_on_and_its_task_is_finished(lab: CohortLab, stored: dict[str, Any]) -> None:
    if stored["task"] == "OmicsDeleteBatchOperator":
        fire(load_trigger(LATEST_BATCH["classpath"], LATEST_BATCH["arguments"]))
        lab.omics.delete_batch(batchId=BATCH)
    event = fire(load_trigger(stored["classpath"], stored["arguments"]))
    was_done(stored, lab, resume(stored, lab, event.payload))


@pytest.mark.parametrize("stored", LATEST, ids=lambda stored: stored["task"])
def test_the_event_brings_back_all_that_finishing_needs(lab: CohortLab, stored: dict[str, Any]) -> None:
    fire(load_trigger(LATEST_BATCH["classpath"], LATEST_BATCH["arguments"]))
    if stored["task"] == "OmicsDeleteBatchOperator":
        lab.omics.delete_batch(batchId=BATCH)
    event = fire(load_trigger(stored["classpath"], stored["arguments"]))
    was_done(stored, lab, resume({**stored, "kwargs": None}, lab, event.payload))


@pytest.mark.parametrize("stored", STORED)
def test_an_event_that_was_stored_finishes_its_task(lab: CohortLab, stored: dict[str, Any]) -> None:
    fire(load_trigger(LATEST_BATCH["classpath"], LATEST_BATCH["arguments"]))
    was_done(stored, lab, resume(stored, lab, stored["event"]))


def test_the_goal_of_0_1_0_is_the_target() -> None:
    with pytest.warns(AirflowProviderDeprecationWarning, match="goal of OmicsBatchTrigger is now called target"):
        trigger = OmicsBatchTrigger(batch_id=BATCH, goal="gone")
    arguments = trigger.serialize()[1]
    assert (arguments["target"], "goal" in arguments) == ("gone", False)


def test_every_trigger_and_every_argument_is_among_the_stored() -> None:
    kept: dict[str, dict[str, Any]] = {}
    for stored in [*LATEST, *(stored_watchers() if HAS_ASSET_WATCHERS else ())]:
        kept.setdefault(stored["classpath"], {}).update(stored["arguments"])
    made = {}
    for module in pkgutil.iter_modules(airflow_provider_omics.triggers.__path__, "airflow_provider_omics.triggers."):
        if module.name.endswith(".events") and not HAS_ASSET_WATCHERS:
            continue
        for name, member in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(member, BaseTrigger) and member.__module__ == module.name and not inspect.isabstract(member):
                classpath = f"{module.name}.{name}"
                arguments = kept.get(classpath)
                assert arguments, f"no stored sample of {classpath}"
                made[classpath] = set(load_trigger(classpath, arguments).serialize()[1])
    assert {classpath: set(arguments) for classpath, arguments in kept.items()} == made
