"""Bad input is refused with the member, what is wrong with it, and what to do, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from omics_errors import raises

from airflow_provider_omics.healthomics.requests.checks import check_run_id
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.shapes import api_name, operation_model, snake_case
from airflow_provider_omics.healthomics.requests.start_run import build_start_run
from airflow_provider_omics.operators.run import START_RUN_FIELDS

GOOD: dict[str, Any] = {
    "workflowId": "1234567",
    "roleArn": "arn:aws:iam::123456789012:role/omics",
    "outputUri": "s3://bucket/results",
}

# (what is changed in a good request, the member that is named, words of the message, words of the remedy)
BAD: list[tuple[dict[str, Any], str, str, str]] = [
    ({"roleArn": None}, "role_arn", "is missing", "requires"),
    ({"roleArn": "omics-role"}, "role_arn", "is no ARN", "Give the ARN"),
    ({"roleArn": "arn:" + "x" * 125}, "role_arn", "129 characters", "at most 128"),
    ({"outputUri": None}, "output_uri", "is missing", "requires"),
    ({"outputUri": "bucket/results"}, "output_uri", "not an S3 URI", "s3://my-bucket"),
    ({"outputUri": "https://bucket.s3.amazonaws.com/x"}, "output_uri", "not an S3 URI", "s3://my-bucket"),
    ({"outputUri": "s3://b/results"}, "output_uri", "not an S3 URI", "s3://my-bucket"),
    ({"outputUri": "s3://My_Bucket/x"}, "output_uri", "not an S3 URI", "s3://my-bucket"),
    ({"outputUri": "s3://"}, "output_uri", "not an S3 URI", "s3://my-bucket"),
    ({"outputUri": "s3://bkt/" + "x" * 742}, "output_uri", "751 characters", "at most 750"),
    ({"workflowId": None}, "workflow_id", "neither workflow_id nor run_id", "Give workflow_id"),
    ({"runId": "7654321"}, "workflow_id", "both workflow_id 1234567 and run_id 7654321", "run an earlier run again"),
    ({"workflowId": "wf-1"}, "workflow_id", "is no id", "Give the id"),
    ({"workflowId": ""}, "workflow_id", "0 characters", "at least 1"),
    ({"workflowId": "1" * 19}, "workflow_id", "19 characters", "at most 18"),
    ({"workflowType": "PUBLIC"}, "workflow_type", "'PUBLIC'", "PRIVATE, READY2RUN"),
    ({"workflowOwnerId": "12345"}, "workflow_owner_id", "[0-9]{12}", "Correct"),
    ({"workflowId": None, "runId": "1", "workflowOwnerId": "123456789012"}, "run_id", "shared workflow", "workflow_id"),
    ({"workflowVersionName": "-v1"}, "workflow_version_name", "pattern", "Correct"),
    ({"name": "n" * 129}, "name", "129 characters", "at most 128"),
    ({"name": "two\nlines"}, "name", "pattern", "Correct"),
    ({"storageType": "ELASTIC"}, "storage_type", "'ELASTIC'", "STATIC, DYNAMIC"),
    ({"storageType": "static"}, "storage_type", "'static'", "STATIC, DYNAMIC"),
    ({"storageCapacity": 100_001}, "storage_capacity", "out of range", "0 to 100000"),
    ({"storageCapacity": "plenty"}, "storage_capacity", "'plenty'", "whole number"),
    ({"storageCapacity": True}, "storage_capacity", "bool True", "whole number"),
    ({"storageType": "DYNAMIC", "storageCapacity": 1200}, "storage_capacity", "no meaning", "storage_capacity out"),
    ({"workflowType": "READY2RUN", "storageType": "STATIC"}, "storage_type", "Ready2Run", "storage_type out"),
    ({"workflowType": "READY2RUN", "cacheId": "1"}, "cache_id", "Ready2Run", "cache_id out"),
    ({"priority": -1}, "priority", "out of range", "0 to 100000"),
    ({"cacheBehavior": "CACHE_ALWAYS"}, "cache_behavior", "without a run cache", "cache_id"),
    ({"cacheId": "1", "cacheBehavior": "NEVER"}, "cache_behavior", "'NEVER'", "CACHE_ON_FAILURE"),
    ({"logLevel": "DEBUG"}, "log_level", "'DEBUG'", "OFF, FATAL, ERROR, ALL"),
    ({"retentionMode": "KEEP"}, "retention_mode", "'KEEP'", "RETAIN, REMOVE"),
    ({"networkingMode": "VPC"}, "configuration_name", "needs it", "ACTIVE configuration"),
    ({"configurationName": "net"}, "configuration_name", "without networking_mode VPC", "networking_mode to VPC"),
    ({"sessionPolicy": "x" * 2049}, "session_policy", "2049 characters", "at most 2048"),
    ({"tags": {f"t{i}": "" for i in range(45)}}, "tags", "45 tags, and the provider adds 6", "fewer tags"),
    ({"tags": {"aws:owner": "me"}}, "tags", "aws:", "Rename"),
    ({"tags": {"t": "x" * 257}}, "tags.t", "257 characters", "at most 256"),
    ({"tags": {"t": True}}, "tags.t", "bool True", "text"),
    ({"engineSettings": {"x": object()}}, "engine_settings", "cannot be written as JSON", "text, numbers"),
    ({"priority": "--5"}, "priority", "'--5'", "whole number"),
    ({"tags": ["t"]}, "tags", "list ['t']", "object"),
    ({"parameters": {"x": "y" * 256_000}}, "parameters", "256,009 bytes", "give parameters_uri instead"),
    ({"parameters": "not json"}, "parameters", "is str", "JSON object"),
    ({"parameters": ["a"]}, "parameters", "is list", "JSON object"),
    ({"parameters": {"x": object()}}, "parameters", "cannot be written as JSON", "text, numbers"),
    ({"parameters": {"x": float("nan")}}, "parameters", "cannot be written as JSON", "text, numbers"),
    ({"requestId": "r" * 129}, "request_id", "129 characters", "at most 128"),
    ({"outputURI": "s3://b"}, "outputURI", "not a member", "newer botocore"),
]


def build(changes: dict[str, Any]) -> dict[str, Any]:
    return build_start_run({**GOOD, **changes}, None, reserved_tags=6)


@pytest.mark.parametrize(("changes", "where", "what", "fix"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_is_refused_with_place_cause_and_remedy(
    changes: dict[str, Any], where: str, what: str, fix: str
) -> None:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        build(changes)
    issues = [issue for issue in caught.value.issues if issue.where == where]
    assert issues, [str(issue) for issue in caught.value.issues]
    assert any(what in issue.what and fix in issue.fix for issue in issues), [str(issue) for issue in issues]
    assert "nothing was sent" in caught.value.message()


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        build({"roleArn": None, "outputUri": "x", "storageType": "?", "name": "n" * 129})
    assert {issue.where for issue in caught.value.issues} == {"role_arn", "output_uri", "storage_type", "name"}


def test_the_limits_themselves_are_allowed() -> None:
    request = build(
        {
            "name": "n" * 128,
            "parameters": {"x": "y" * (256_000 - len('{"x": ""}'))},
            "storageCapacity": 100_000,
            "priority": 0,
            "tags": {f"t{i}": "x" * 256 for i in range(44)},
        }
    )
    assert request["name"] == "n" * 128


def test_none_is_not_sent() -> None:
    assert build({"priority": None, "tags": None}) == GOOD


def test_text_that_templates_render_to_gets_its_type_back() -> None:
    rendered = {"priority": "5", "storageCapacity": " 1200 ", "parameters": '{"a": [1]}', "tags": '{"t": "1"}'}
    request = build(rendered)
    assert (request["priority"], request["storageCapacity"]) == (5, 1200)
    assert (request["parameters"], request["tags"]) == ({"a": [1]}, {"t": "1"})


def test_objects_that_native_templates_render_to_get_their_type_back() -> None:
    rendered = {
        "workflowId": 1234567,
        "workflowVersionName": 1.5,
        "tags": {"lane": 7},
        "sessionPolicy": {"Version": "2012-10-17"},
        "parameters": {"pair": ("a", "b"), 1: range(2)},
    }
    request = build(rendered)
    assert (request["workflowId"], request["workflowVersionName"], request["tags"]) == ("1234567", "1.5", {"lane": "7"})
    assert request["sessionPolicy"] == '{"Version": "2012-10-17"}'
    assert request["parameters"] == {"pair": ["a", "b"], "1": [0, 1]}


@pytest.mark.parametrize("extra", ["not json", ["logLevel"], 7])
def test_extra_members_must_be_an_object(extra: Any) -> None:
    with raises(OmicsRequestInvalidError, match="start_run_kwargs"):
        build_start_run(GOOD, extra)


def test_extra_members_may_be_json_and_none_is_not_sent() -> None:
    assert build_start_run(GOOD, '{"logLevel": "ALL", "name": null}') == {**GOOD, "logLevel": "ALL"}


def test_members_of_a_later_release_are_refused_only_if_botocore_does_not_know_them() -> None:
    assert build_start_run(GOOD, {"logLevel": "ALL"})["logLevel"] == "ALL"
    with raises(OmicsRequestInvalidError, match="brandNew"):
        build_start_run(GOOD, {"brandNew": 1})


def test_the_operator_takes_every_member_that_botocore_knows() -> None:
    shape = operation_model("StartRun").input_shape
    assert shape is not None
    assert {snake_case(member) for member in shape.members} <= set(START_RUN_FIELDS)
    assert {api_name(snake_case(member)) for member in shape.members} == set(shape.members)


@pytest.mark.parametrize("run_id", ["", "run-1", "1" * 19, None, {"id": "1"}])
def test_what_cannot_be_a_run_id_is_refused(run_id: Any) -> None:
    with pytest.raises(OmicsRequestInvalidError):
        check_run_id("GetRun", run_id)


def test_a_run_id_that_was_rendered_to_a_number_is_taken() -> None:
    assert check_run_id("GetRun", 1234567) == "1234567"
