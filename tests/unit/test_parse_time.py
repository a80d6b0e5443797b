"""What is said of a task's arguments when its DAG is parsed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.literal_requests import (
    DEFAULT_RUN_SETTING_REQUIRED,
    START_RUN_REQUIRED,
)
from airflow_provider_omics.healthomics.requests.literals import EVIDENT
from airflow_provider_omics.healthomics.requests.shapes import (
    check_shape,
    default_run_setting_shape,
    inline_setting_shape,
    operation_model,
)
from airflow_provider_omics.operators.base import OmicsBaseOperator
from airflow_provider_omics.operators.batch import OmicsCancelRunBatchOperator, OmicsStartRunBatchOperator
from airflow_provider_omics.operators.cost import OmicsEstimateCostOperator
from airflow_provider_omics.operators.run import OmicsCancelRunOperator, OmicsDeleteRunOperator, OmicsStartRunOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor

ROLE = "arn:aws:iam::123456789012:role/omics"
RUN: dict[str, Any] = {"workflow_id": "1234567", "role_arn": ROLE, "output_uri": "s3://results/out"}
NO_ID = "is no id. Give the id, which is a number, and neither a name nor an ARN."
BATCH: dict[str, Any] = {**RUN, "run_settings": "s3://sheets/cohort.csv"}
ROWS: dict[str, Any] = {**RUN, "run_settings": [{"runSettingId": "a", "parameters": {"n": "1"}}]}
TYPES_OF_NO_ROWS = "run_setting_id_column: is missing, and parameter_types needs it. Give run_setting_id_column, or"


def told(operator_class: type[OmicsBaseOperator], **arguments: Any) -> list[str]:
    """What is said while a task is made."""
    try:
        operator_class(task_id="task", **arguments)
    except OmicsRequestInvalidError as error:
        return [str(issue) for issue in error.issues]
    return []


@pytest.mark.parametrize(
    ("operator_class", "arguments", "beginning"),
    [
        (OmicsStartRunOperator, {**RUN, "role_arn": None}, "role_arn: is missing. Give role_arn"),
        (OmicsStartRunOperator, {**RUN, "role_arn": ""}, "role_arn: has 0 characters"),
        (
            OmicsStartRunOperator,
            {**RUN, "role_arn": "OmicsRole"},
            "role_arn: 'OmicsRole' is no ARN. Give the ARN, such as arn:aws:iam::123456789012:role/OmicsRole, and not "
            "the name.",
        ),
        (OmicsStartRunOperator, {**RUN, "output_uri": None}, "output_uri: is missing"),
        (OmicsStartRunOperator, {**RUN, "output_uri": "results/out"}, "output_uri: 'results/out' is not an S3 URI"),
        (OmicsStartRunOperator, {**RUN, "workflow_id": None}, "workflow_id: neither workflow_id nor run_id is given"),
        (OmicsStartRunOperator, {**RUN, "run_id": "1"}, "workflow_id: both workflow_id 1234567 and run_id 1"),
        (OmicsStartRunOperator, {**RUN, "workflow_id": "hello"}, f"workflow_id: 'hello' {NO_ID}"),
        (OmicsStartRunOperator, {**RUN, "storage_type": "dynamic"}, "storage_type: 'dynamic' is not a value"),
        (OmicsStartRunOperator, {**RUN, "log_level": "DEBUG"}, "log_level: 'DEBUG' is not a value"),
        (OmicsStartRunOperator, {**RUN, "retention_mode": "KEEP"}, "retention_mode: 'KEEP' is not a value"),
        (OmicsStartRunOperator, {**RUN, "workflow_type": "SHARED"}, "workflow_type: 'SHARED' is not a value"),
        (OmicsStartRunOperator, {**RUN, "cache_id": "1", "cache_behavior": "ON"}, "cache_behavior: 'ON' is not"),
        (OmicsStartRunOperator, {**RUN, "cache_behavior": "CACHE_ALWAYS"}, "cache_behavior: has no effect without"),
        (OmicsStartRunOperator, {**RUN, "networking_mode": "VPC"}, "configuration_name: is missing"),
        (OmicsStartRunOperator, {**RUN, "priority": -1}, "priority: -1 is out of range. Use 0 to 100000"),
        (OmicsStartRunOperator, {**RUN, "priority": "high"}, "priority: is str 'high'. Give a whole number"),
        (OmicsStartRunOperator, {**RUN, "storage_capacity": "12_3"}, "storage_capacity: is str '12_3'"),
        (OmicsStartRunOperator, {**RUN, "parameters": ["x"]}, "parameters: is list, not an object"),
        (OmicsStartRunOperator, {**RUN, "tags": {"n": 1.5, "x": None}}, "tags.x: is NoneType"),
        (OmicsStartRunOperator, {**RUN, "requester_pays_enabled": "y"}, "requester_pays_enabled: is str 'y'"),
        (OmicsStartRunOperator, {**RUN, "waiter_delay": 0}, "waiter_delay: is 0. Give a number from 0.01 to 604800"),
        (OmicsStartRunBatchOperator, {**BATCH, "waiter_delay": "inf"}, "waiter_delay: is 'inf'. Give a number from"),
        (OmicsStartRunOperator, {**RUN, "on_timeout": "stop"}, "on_timeout: is 'stop'. Use one of cancel, detach"),
        (OmicsStartRunBatchOperator, {**BATCH, "run_settings": []}, "run_settings: has no run settings. Give 1 to"),
        (OmicsStartRunBatchOperator, {**BATCH, "run_settings": None}, "run_settings: is missing. Give 1 to"),
        (OmicsStartRunBatchOperator, {**BATCH, "role_arn": None}, "role_arn: is missing"),
        (OmicsStartRunBatchOperator, {**BATCH, "workflow_id": None}, "workflow_id: is missing"),
        (OmicsStartRunBatchOperator, {**BATCH, "workflow_type": "READY2RUN"}, "workflow_type: READY2RUN is not"),
        (OmicsStartRunBatchOperator, {**BATCH, "batch_name": "x" * 65}, "batch_name: has 65 characters"),
        (OmicsStartRunBatchOperator, {**BATCH, "tags": {"aws:x": "y"}}, "tags: 'aws:x' begins with aws:"),
        (OmicsStartRunBatchOperator, {**BATCH, "batch_tags": {"aws:x": "y"}}, "batch_tags: 'aws:x' begins with aws:"),
        (OmicsStartRunBatchOperator, {**BATCH, "batch_tags": {"x": None}}, "batch_tags.x: is NoneType"),
        (OmicsStartRunBatchOperator, {**BATCH, "tolerated_failure_percentage": 101}, "tolerated_failure_percentage:"),
        (OmicsCancelRunOperator, {"run_id": "x"}, f"run_id: 'x' {NO_ID}"),
        (OmicsDeleteRunOperator, {"run_id": None}, "run_id: is missing"),
        (OmicsCancelRunBatchOperator, {"batch_id": "1 2"}, f"batch_id: '1 2' {NO_ID}"),
        (OmicsRunSensor, {"run_id": "arn:aws:omics"}, f"run_id: 'arn:aws:omics' {NO_ID}"),
        (OmicsBatchSensor, {"batch_id": "x"}, f"batch_id: 'x' {NO_ID}"),
        (
            OmicsStartRunBatchOperator,
            {**BATCH, "results_uri": "results.csv"},
            "results_uri: 'results.csv' is not an S3",
        ),
        (OmicsStartRunBatchOperator, {**ROWS, "parameter_types": {"n": "int"}}, TYPES_OF_NO_ROWS),
        (
            OmicsStartRunBatchOperator,
            {**ROWS, "run_settings": "s3://sheets/a.jsonl.gz", "parameter_types": '{"n": "int"}'},
            TYPES_OF_NO_ROWS,
        ),
        (
            OmicsStartRunBatchOperator,
            {**ROWS, "group_rows": "True"},
            "run_setting_id_column: is missing, and group_rows",
        ),
        (
            OmicsStartRunBatchOperator,
            {**ROWS, "build_run_setting": dict},
            "run_setting_id_column: is missing, and build_run_setting needs it",
        ),
        (
            OmicsStartRunBatchOperator,
            {**BATCH, "run_setting_id_column": "id", "sample_sheet_columns": ["id"]},
            "sample_sheet_columns: has no effect without sample_sheet_parameter",
        ),
        (
            OmicsBatchRunSensor,
            {"batch_id": "1", "run_setting_id": "a", "cohort_map_index": 3},
            "cohort_task_id: is missing, and cohort_map_index",
        ),
        (
            OmicsBatchRunSensor,
            {"batch_id": "1", "run_setting_id": "a", "cohort_batch_name": "b"},
            "cohort_task_id: is missing, and cohort_map_index",
        ),
        (OmicsEstimateCostOperator, {"workflow_id": "1", "run_id": "2"}, "workflow_id: is given together with run_id"),
        (OmicsBatchRunSensor, {"batch_id": "1", "run_setting_id": ""}, "run_setting_id: has 0 characters"),
        (OmicsBatchRunSensor, {"batch_id": "1", "run_setting_id": "a", "target": "done"}, "target: is 'done'. Use"),
    ],
)
def test_what_is_wrong_is_said(operator_class: type[OmicsBaseOperator], arguments: Any, beginning: str) -> None:
    (issue,) = told(operator_class, **arguments)
    assert issue.startswith(beginning)


def test_everything_is_said_at_once_and_names_the_task() -> None:
    with pytest.raises(ValueError, match="OmicsStartRunOperator 'align'") as caught:
        OmicsStartRunOperator(task_id="align", workflow_id="x", role_arn="y", log_level="z", durable="perhaps")
    assert isinstance(caught.value, OmicsRequestInvalidError)
    named = {issue.where for issue in caught.value.issues}
    assert named == {"workflow_id", "role_arn", "log_level", "durable", "output_uri"}


@pytest.mark.parametrize(
    ("operator_class", "arguments"),
    [
        (OmicsStartRunOperator, RUN),
        (OmicsStartRunOperator, {**RUN, "workflow_id": 1234567, "priority": "5", "tags": '{"a": "b"}'}),
        (OmicsStartRunOperator, {**RUN, "role_arn": "{{ var.value.role }}", "log_level": "{{ params.level }}"}),
        (OmicsStartRunOperator, {**RUN, "workflow_id": "{{ params.workflow or '' }}", "run_id": "{{ params.run }}"}),
        (OmicsStartRunOperator, {**RUN, "run_id": "{{ params.run }}"}),
        (OmicsStartRunOperator, {**RUN, "cache_behavior": "CACHE_ALWAYS", "cache_id": "{% if 1 %}1{% endif %}"}),
        (OmicsStartRunOperator, {**RUN, "networking_mode": "{{ params.mode }}", "configuration_name": "x"}),
        (OmicsStartRunOperator, {"start_run_kwargs": {"workflowId": "1", "roleArn": ROLE, "outputUri": "s3://abc"}}),
        (OmicsStartRunOperator, {"start_run_kwargs": "{{ params.request }}"}),
        (OmicsStartRunOperator, {**RUN, "parameters": {"x": ["{{ params.x }}"]}, "durable": "{{ params.x }}"}),
        (OmicsStartRunOperator, {**RUN, "waiter_delay": "30", "cancel_on_kill": "False"}),
        (OmicsStartRunBatchOperator, {**BATCH, "output_uri": None, "run_settings": [{"runSettingId": "a"}]}),
        (OmicsStartRunBatchOperator, {**BATCH, "run_settings": "{{ params.sheet }}"}),
        (OmicsStartRunBatchOperator, {**BATCH, "run_settings": "{{ params.x }}.json", "parameter_types": {"n": "int"}}),
        (OmicsStartRunBatchOperator, {**BATCH, "parameter_types": {"n": "int"}}),
        (OmicsStartRunBatchOperator, {**ROWS, "parameter_types": {}, "group_rows": "False"}),
        (OmicsStartRunBatchOperator, {**ROWS, "parameter_types": "{{ params.types }}", "group_rows": "{{ 0 }}"}),
        (OmicsStartRunBatchOperator, {**ROWS, "run_setting_id_column": "id", "parameter_types": {"n": "int"}}),
        (OmicsStartRunBatchOperator, {**ROWS, "run_setting_id_column": "{{ ds }}", "group_rows": True}),
        (OmicsBatchRunSensor, {"batch_id": "{{ params.batch }}", "run_setting_id": "a", "target": "{{ params.x }}"}),
    ],
)
def test_what_may_be_right_is_left_alone(operator_class: type[OmicsBaseOperator], arguments: Any) -> None:
    assert told(operator_class, **arguments) == []


def test_what_another_task_returns_is_not_judged() -> None:
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        other = OmicsCancelRunOperator(task_id="other", run_id="1")
        task = OmicsStartRunOperator(
            task_id="task",
            **{**RUN, "role_arn": other.output, "parameters": {"x": [other.output]}, "waiter_delay": other.output},
        )
        batch = OmicsStartRunBatchOperator(task_id="batch", **{**BATCH, "run_settings": other.output})
    assert task.upstream_task_ids == batch.upstream_task_ids == {"other"}


def test_defaults_of_the_dag_count() -> None:
    defaults = {"role_arn": ROLE, "output_uri": "s3://results/out", "waiter_delay": "often"}
    with (
        DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args=defaults),
        pytest.raises(OmicsRequestInvalidError) as caught,
    ):
        OmicsStartRunOperator(task_id="task", workflow_id="1")
    assert [issue.where for issue in caught.value.issues] == ["waiter_delay"]


@pytest.mark.parametrize(
    ("own", "sent"),
    [
        ({}, {"cost": "42"}),
        ({"batch_tags": None}, {"cost": "42"}),
        ({"batch_tags": {"cohort": "a"}}, {"cohort": "a"}),
        ({"batch_tags": '{"cohort": "a"}'}, {"cohort": "a"}),
        ({"batch_tags": {}}, {}),
        ({"tags": {"cost": "7"}}, {"cost": "7"}),
    ],
)
def test_tags_of_all_tasks_are_those_of_the_run_or_of_the_batch(own: dict[str, Any], sent: dict[str, str]) -> None:
    defaults = {"role_arn": ROLE, "output_uri": "s3://results/out", "workflow_id": "1", "tags": {"cost": "42"}}
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args=defaults):
        run = OmicsStartRunOperator(task_id="run")
        batch = OmicsStartRunBatchOperator(task_id="batch", run_settings=[{"runSettingId": "a"}], **own)
    assert run.tags == {"cost": "42"}
    request = batch.build_request()
    assert request["tags"] == sent
    assert "runTags" not in request["defaultRunSetting"]


@pytest.mark.parametrize("name", ["log_level", "role_arn", "workflow_id", "waiter_delay"])
def test_a_mapped_task_is_judged_by_what_it_is_given(name: str) -> None:
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        with pytest.raises(OmicsRequestInvalidError) as caught:
            OmicsStartRunOperator.partial(task_id="task", **{name: "wrong"})
        assert [issue.where for issue in caught.value.issues] == [name]
        mapped = OmicsStartRunOperator.partial(task_id="task", log_level="ALL", name="{{ ds }}").expand(
            workflow_id=["1", "2"]
        )
    # It is made anew when it runs, where its task can be failed without a retry.
    assert mapped.unmap({"workflow_id": "wrong"}).workflow_id == "wrong"


def test_airflow_maps_over_no_xcom_but_what_a_task_returns() -> None:
    """Why the pages have a task between a cohort and what is mapped over its ``runs``."""
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        samples = OmicsStartRunBatchOperator(task_id="cohort", **BATCH)
        report = OmicsStartRunOperator.partial(task_id="report", **RUN)
        with pytest.raises(ValueError, match="cannot map over XCom with custom key 'runs'"):
            report.expand(parameters=samples.output["runs"])


def test_evidently_right_is_only_what_the_model_allows() -> None:
    shapes = {**default_run_setting_shape().members, **inline_setting_shape().members}
    for operation in (
        "CreateRunCache",
        "CreateWorkflow",
        "CreateWorkflowVersion",
        "StartRun",
        "StartRunBatch",
        "GetRun",
        "GetBatch",
    ):
        shape: Any = operation_model(operation).input_shape
        shapes.update(shape.members)
    for name, pattern in EVIDENT.items():
        shape = shapes[name]
        if shape.enum:
            assert set(pattern.pattern.split("|")) <= set(shape.enum), name
            continue
        texts = [text for text in _CANDIDATES if pattern.fullmatch(text)]
        assert texts, name
        for text in texts:
            assert list(check_shape(shape, text, name)) == [], (name, text)


_CANDIDATES = (
    "1",
    "9" * 18,
    "1" * 12,
    "a",
    "a" * 64,
    "A-b_c.9",
    ROLE,
    f"arn:aws-us-gov:iam::123456789012:role/service-role/{'r' * 51}",
    "s3://abc",
    f"s3://{'b' * 63}/{'k' * 600}",
)


def test_what_is_required_is_what_the_model_requires() -> None:
    shape: Any = operation_model("StartRun").input_shape
    # botocore makes the request id, and some releases of it know no output URI that is required.
    assert set(shape.required_members) <= {"requestId", *START_RUN_REQUIRED}
    assert set(default_run_setting_shape().required_members) == set(DEFAULT_RUN_SETTING_REQUIRED)


def test_a_dag_that_is_right_loads_no_model() -> None:
    program = f"""
from airflow_provider_omics.healthomics.requests.shapes import service_model
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator
from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor
from airflow_provider_omics.sensors.workflow import OmicsWorkflowSensor
OmicsCreateWorkflowOperator(task_id="create", name="read-qc", definition="/dags/read-qc", main="main.cwl", engine="CWL",
                            parameter_template_path="template.json", description="Counts reads.", tags={{"team": "qc"}})
OmicsWorkflowSensor(task_id="wait", workflow_id="1", version_name="1.0")
OmicsStartRunOperator(task_id="run", storage_type="DYNAMIC", parameters={{"x": "1E5"}}, tags={{}}, **{RUN!r})
OmicsStartRunBatchOperator(task_id="batch", log_level="ALL", retention_mode="REMOVE", priority=5, **{BATCH!r})
OmicsBatchRunSensor(task_id="sample", batch_id="1", run_setting_id="control")
assert not service_model.cache_info().misses
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Whatever is said is said without a connection."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)
    return refuse
