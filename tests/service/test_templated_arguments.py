"""Arguments that only this provider reads, computed when the task runs; in the worker and deferred."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException
from cohorts import BUCKET, OUT, cohort, failing
from task_runs import InstanceWithUpstream, TaskInstance, run_task

from airflow_provider_omics.exceptions import OmicsBatchFailedError, OmicsRequestInvalidError
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsCancelRunOperator, OmicsStartRunOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor

ROLE = "arn:aws:iam::123456789012:role/omics"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
NATIVE = pytest.mark.parametrize("native", [False, True], ids=["text", "native"])


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture(autouse=True)
def dag(request: pytest.FixtureRequest) -> Iterator[DAG]:
    """The DAG of the tasks that a test makes."""
    native = getattr(request.node, "callspec", None) and request.node.callspec.params.get("native", False)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with DAG("dag", schedule=None, start_date=start, render_template_as_native_obj=bool(native)) as dag:
        yield dag


def start_run(workflow_id: str, **arguments: Any) -> OmicsStartRunOperator:
    required = {"role_arn": ROLE, "output_uri": "s3://results/out", "waiter_delay": 0.02}
    return OmicsStartRunOperator(task_id="task", workflow_id=workflow_id, **{**required, **arguments})


@NATIVE
@MODES
def test_a_run_is_waited_for_as_templates_say(
    server: LocalOmics, make_workflow: Callable[..., str], deferrable: bool, native: bool
) -> None:
    task = start_run(
        make_workflow(),
        deferrable=deferrable,
        waiter_delay="{{ params.delay }}",
        waiter_max_attempts="{{ params.attempts }}",
        error_budget="{{ params.budget }}",
        cancel_on_kill="{{ params.cancel }}",
        on_timeout="{{ params.on_timeout }}",
        durable="{{ params.durable }}",
        identity_tags="{{ params.tags }}",
    )
    values = {"delay": 0.02, "attempts": None, "budget": "60", "cancel": False, "on_timeout": "detach"}
    done = run_task(task, params={**values, "durable": True, "tags": False})
    run = server.client("omics").get_run(id=done.result)
    assert (run["status"], run["tags"]) == ("COMPLETED", {})
    for _, stored in done.triggers:
        assert (stored["waiter_delay"], stored["waiter_max_attempts"], stored["error_budget"]) == (0.02, None, 60)
        assert (stored["cancel_on_kill"], stored["cancel_on_timeout"]) == (False, False)
    assert bool(done.triggers) == deferrable


@pytest.mark.parametrize("returned", ["false", False])
def test_an_upstream_task_says_whether_to_wait(
    server: LocalOmics, make_workflow: Callable[..., str], returned: Any
) -> None:
    server.client("omics")
    upstream = OmicsCancelRunOperator(task_id="upstream", run_id="1")
    task = start_run(make_workflow(), wait_for_completion=upstream.output, waiter_delay=600)
    assert task.upstream_task_ids == {"upstream"}
    ti = InstanceWithUpstream()
    ti.returned, ti.task = returned, task
    # It would look again only after ten minutes.
    assert run_task(task, ti, expanded_ti_count=None).result


@NATIVE
@MODES
@pytest.mark.parametrize("tolerated", [0, 1])
def test_a_cohort_tolerates_what_a_template_says(
    server: LocalOmics, make_workflow: Callable[..., str], deferrable: bool, native: bool, tolerated: int
) -> None:
    server.client("s3").create_bucket(Bucket=BUCKET)
    task = OmicsStartRunBatchOperator(
        task_id="cohort",
        workflow_id=make_workflow(),
        role_arn=ROLE,
        output_uri=OUT,
        run_settings=[*cohort(3), failing("bad")],
        waiter_delay="{{ params.delay }}",
        tolerated_failure_count="{{ params.tolerated }}",
        tolerated_failure_percentage="{{ params.percentage }}",
        fail_fast="{{ params.fast }}",
        redrive_attempts="{{ params.redrives }}",
        retry_permanent_failures="{{ params.permanent }}",
        failure_lookup_limit="{{ params.lookups }}",
        runs_limit="{{ params.limit }}",
        group_rows="{{ params.no }}",
        validate_parameters="{{ params.no }}",
        non_sample_rows="{{ params.rows }}",
        parameter_types="{{ params.types }}",
        deferrable=deferrable,
    )
    values = {"delay": "0.02", "percentage": 0.0, "fast": "false", "redrives": 0, "permanent": "True", "lookups": "7"}
    params = {**values, "tolerated": tolerated, "limit": 2, "no": False, "rows": "skip", "types": {}}
    ti = TaskInstance(task_id="cohort")
    if not tolerated:
        with pytest.raises(OmicsBatchFailedError):
            run_task(task, ti, params=params)
    else:
        run_task(task, ti, params=params)
        assert ti.xcoms["batch_summary"]["completed"] == 3
    # Three samples completed, more than the limit.
    assert "runs" not in ti.xcoms


@MODES
def test_sensors_read_what_templates_come_to(
    server: LocalOmics, make_workflow: Callable[..., str], deferrable: bool
) -> None:
    settings = [*cohort(3), failing("bad")]
    defaults = {"workflowId": make_workflow(), "roleArn": ROLE, "outputUri": OUT}
    batch_id = server.client("omics").start_run_batch(
        defaultRunSetting=defaults, batchRunSettings={"inlineSettings": settings}
    )["id"]
    common: dict[str, Any] = {"batch_id": batch_id, "poke_interval": 0.02, "deferrable": deferrable}
    whole = OmicsBatchSensor(
        task_id="whole", tolerated_failure_percentage="{{ params.share }}", error_budget="{{ 60 }}", **common
    )
    assert run_task(whole, params={"share": "25.0"}).result["completed"] == 3
    one = OmicsBatchRunSensor(task_id="one", run_setting_id="bad", target="{{ params.target }}", **common)
    assert run_task(one, params={"target": "submitted"}).result["run_setting_id"] == "bad"


@NATIVE
@MODES
@pytest.mark.parametrize(
    ("argument", "value", "told"),
    [
        ("waiter_delay", "soon", "waiter_delay: is 'soon'. Give a number from 0.01 to 604800."),
        ("waiter_delay", 0, "waiter_delay: is .*0.*. Give a number from 0.01 to 604800."),
        ("waiter_max_attempts", "1.5", "waiter_max_attempts: is .*1.5.*. Give a whole number, 1 or more, or None."),
        ("durable", "perhaps", "durable: is 'perhaps'. Give true or false."),
        ("wait_for_completion", None, "wait_for_completion: is .*None.*. Give true or false."),
        ("on_timeout", "stop", "on_timeout: is 'stop'. Use one of cancel, detach."),
    ],
)
def test_what_cannot_be_read_fails_the_task_before_anything_is_sent(
    server: LocalOmics, deferrable: bool, native: bool, argument: str, value: Any, told: str
) -> None:
    task = start_run("1234567", deferrable=deferrable, **{argument: "{{ params.value }}"})
    with pytest.raises(AirflowFailException, match=told) as caught:
        run_task(task, params={"value": value})
    assert isinstance(caught.value, OmicsRequestInvalidError)
    assert not server.journal.calls()


def test_a_sensor_with_templates_for_numbers_goes_to_a_worker_first() -> None:
    arguments: dict[str, Any] = {"batch_id": "1", "start_from_trigger": True}
    assert OmicsBatchSensor(task_id="plain", tolerated_failure_count="2", **arguments).start_from_trigger
    assert not OmicsBatchSensor(task_id="one", error_budget="{{ 5 }}", **arguments).start_from_trigger
    upstream = OmicsCancelRunOperator(task_id="upstream", run_id="1")
    sensor = OmicsBatchSensor(task_id="two", tolerated_failure_count=upstream.output, **arguments)
    assert (sensor.start_from_trigger, sensor.deferrable) == (False, True)
    assert sensor.upstream_task_ids == {"upstream"}
