"""What DAGs with render_template_as_native_obj make of the arguments of operators and sensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from task_runs import InstanceWithUpstream, TaskInstance, run_task

from airflow_provider_omics.hooks.arguments import ARGUMENTS
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.base import OmicsBaseOperator
from airflow_provider_omics.operators.batch import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsDeleteRunBatchOperator,
    OmicsStartRunBatchOperator,
)
from airflow_provider_omics.operators.run import (
    OmicsCancelRunOperator,
    OmicsDeleteRunOperator,
    OmicsStartRunOperator,
)
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor

ROLE = "arn:aws:iam::123456789012:role/omics"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
RUN: dict[str, Any] = {"workflow_id": "1234567", "role_arn": ROLE, "output_uri": "s3://results/out"}
REQUIRED: dict[type[OmicsBaseOperator], dict[str, Any]] = {
    OmicsStartRunOperator: RUN,
    OmicsCancelRunOperator: {"run_id": "1"},
    OmicsDeleteRunOperator: {"run_id": "1"},
    OmicsStartRunBatchOperator: {**RUN, "run_settings": "s3://sheets/cohort.csv"},
    OmicsCancelRunBatchOperator: {"batch_id": "1"},
    OmicsDeleteRunBatchOperator: {"batch_id": "1"},
    OmicsDeleteBatchOperator: {"batch_id": "1"},
    OmicsRunSensor: {"run_id": "1"},
    OmicsBatchSensor: {"batch_id": "1"},
    OmicsBatchRunSensor: {"batch_id": "1", "run_setting_id": "control"},
}
# What Python would read as something else, or refuse, or what Jinja would shorten.
LITERALS = (
    "1E5",
    "12_3",
    "0x1F",
    "1.10",
    "007",
    "None",
    "True",
    "[1]",
    "{'a': 1}",
    "(1)",
    "'x'",
    " 1",
    "a}}",
    "line\n",
)


@pytest.fixture
def native_dag() -> Iterator[DAG]:
    """A DAG with native rendering, whose tasks are made in its context."""
    with DAG(
        "native", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), render_template_as_native_obj=True
    ) as dag:
        yield dag


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def context(ti: TaskInstance, dag: DAG | None = None) -> Any:
    facts = {"dag": dag, "dag_run": SimpleNamespace(conf={}), "run_id": ti.run_id, "expanded_ti_count": 1}
    return {"ti": ti, "task_instance": ti, "params": {}, **facts}


@pytest.mark.parametrize("operator_class", REQUIRED, ids=lambda one: one.__name__)
@pytest.mark.parametrize("literal", LITERALS)
def test_text_without_a_mark_stays_as_it_was_written(
    native_dag: DAG, operator_class: type[OmicsBaseOperator], literal: str
) -> None:
    task = operator_class(task_id="task", dag=native_dag, **REQUIRED[operator_class])
    fields = [field for field in operator_class.template_fields if field not in ARGUMENTS]
    for field in fields:
        setattr(task, field, {literal: [literal, (literal, {"deep": literal})], "set": {literal}})
    task.render_template_fields(context(TaskInstance()))
    for field in fields:
        assert getattr(task, field) == {literal: [literal, (literal, {"deep": literal})], "set": {literal}}, field
        setattr(task, field, literal)
    task.render_template_fields(context(TaskInstance()))
    assert {getattr(task, field) for field in fields} == {literal}


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("{{ 5 }}", 5),
        ("{{ [1, 'a'] }}", [1, "a"]),
        ("{% if true %}1E5{% endif %}", 100000.0),
        ("{# a comment #}007", "007"),
        ("{{ none }}", None),
    ],
)
def test_text_with_a_mark_renders_as_airflow_does(native_dag: DAG, template: str, rendered: Any) -> None:
    task = OmicsStartRunOperator(task_id="task", dag=native_dag, parameters={"x": template, "y": "1E5"}, **RUN)
    task.render_template_fields(context(TaskInstance()))
    assert task.parameters == {"x": rendered, "y": "1E5"}


def test_marks_of_the_dag_count() -> None:
    marks = {"variable_start_string": "<<", "variable_end_string": ">>"}
    with DAG("own_marks", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), jinja_environment_kwargs=marks):
        task = OmicsStartRunOperator(task_id="task", name="<<run_id>>-{{run_id}}", **RUN)
    task.render_template_fields(context(TaskInstance(run_id="monday")))
    assert task.name == "monday-{{run_id}}"


@pytest.mark.parametrize("expanded", ["expand", "expand_kwargs", "partial"])
def test_text_of_mapped_tasks_stays_as_it_was_written(native_dag: DAG, expanded: str) -> None:
    partial = OmicsStartRunOperator.partial(
        task_id="task",
        role_arn=ROLE,
        output_uri="s3://results/out",
        **({"workflow_version_name": "1.10", "name": "{{ 1 + 1 }}"} if expanded == "partial" else {}),
    )
    parameters = {"sample": "1E5", "n": "{{ 1 + 1 }}"}
    if expanded == "expand_kwargs":
        mapped = partial.expand_kwargs([{"workflow_id": "007", "parameters": parameters}])
    else:
        mapped = partial.expand(workflow_id=["007"], parameters=[parameters])
    unmapped = context(InstanceWithUpstream(map_index=0), native_dag)
    mapped.render_template_fields(unmapped)
    task = unmapped["task"]
    assert (task.workflow_id, task.parameters) == ("007", {"sample": "1E5", "n": 2})
    assert (task.workflow_version_name, task.name) == (("1.10", 2) if expanded == "partial" else (None, None))


def test_what_an_upstream_task_returned_is_no_template(native_dag: DAG) -> None:
    upstream = OmicsRunSensor(task_id="upstream", run_id="1")
    task = OmicsStartRunOperator(
        task_id="task",
        name=upstream.output,
        parameters={"x": upstream.output, "y": ["1E5", upstream.output]},
        **RUN,
    )
    ti = InstanceWithUpstream()
    ti.returned, ti.task = "1.10", task
    task.render_template_fields(context(ti))
    assert (task.name, task.parameters) == ("1.10", {"x": "1.10", "y": ["1E5", "1.10"]})
    assert task.upstream_task_ids == {"upstream"}


@MODES
def test_a_run_gets_the_parameters_as_they_were_written(
    server: LocalOmics, native_dag: DAG, make_workflow: Callable[..., str], deferrable: bool
) -> None:
    parameters = {literal.strip(): literal for literal in LITERALS}
    task = OmicsStartRunOperator(
        task_id="task",
        workflow_id=make_workflow(),
        role_arn=ROLE,
        output_uri="s3://results/out",
        name="1E5",
        parameters={**parameters, "count": "{{ 1 + 1 }}"},
        tags={"version": "1.10"},
        waiter_delay=0.02,
        deferrable=deferrable,
    )
    run = server.client("omics").get_run(id=run_task(task).result)
    assert run["parameters"] == {**parameters, "count": 2}
    assert (run["name"], run["tags"]["version"]) == ("1E5", "1.10")


@MODES
def test_a_batch_gets_the_samples_as_they_were_written(
    server: LocalOmics, native_dag: DAG, make_workflow: Callable[..., str], deferrable: bool
) -> None:
    server.client("s3").create_bucket(Bucket="results")
    task = OmicsStartRunBatchOperator(
        task_id="task",
        workflow_id=make_workflow(),
        role_arn=ROLE,
        output_uri="s3://results/out",
        run_settings=[{"runSettingId": "1E5", "parameters": {"version": "1.10", "n": "{{ 1 + 1 }}"}}],
        waiter_delay=0.02,
        deferrable=deferrable,
    )
    done = run_task(task)
    assert [one["run_setting_id"] for one in done.ti.xcoms["runs"]] == ["1E5"]
    run = server.client("omics").get_run(id=done.ti.xcoms["runs"][0]["run_id"])
    assert run["parameters"] == {"version": "1.10", "n": 2}
