"""The part of a batch that all its runs share is refused before anything is sent, with member, cause and remedy."""

from __future__ import annotations

from typing import Any

import pytest
from omics_errors import raises

from airflow_provider_omics.healthomics.requests.checks import check_batch_id
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.shapes import (
    api_name,
    check_request,
    default_run_setting_shape,
    inline_setting_shape,
    snake_case,
)
from airflow_provider_omics.healthomics.requests.start_run_batch import (
    DEFAULT_RUN_SETTING_FIELDS,
    build_default_run_setting,
    build_start_run_batch,
    defaults_fingerprint,
    unknown_member,
)

GOOD: dict[str, Any] = {"workflowId": "1234567", "roleArn": "arn:aws:iam::123456789012:role/omics"}

# (what is changed in good settings, the member that is named, words of the message, words of the remedy)
BAD: list[tuple[dict[str, Any], str, str, str]] = [
    ({"workflowId": None}, "workflow_id", "is missing", "requires"),
    ({"workflowId": "wf-1"}, "workflow_id", "is no id", "Give the id"),
    ({"roleArn": None}, "role_arn", "is missing", "requires"),
    ({"roleArn": "omics-role"}, "role_arn", "is no ARN", "Give the ARN"),
    ({"workflowType": "READY2RUN"}, "workflow_type", "not possible in a batch", "OmicsStartRunOperator"),
    ({"workflowType": "PUBLIC"}, "workflow_type", "'PUBLIC'", "PRIVATE, READY2RUN"),
    ({"workflowVersionName": "-1"}, "workflow_version_name", "pattern", "Correct"),
    ({"workflowOwnerId": "1"}, "workflow_owner_id", "[0-9]{12}", "Correct"),
    ({"outputUri": "bucket/x"}, "output_uri", "not an S3 URI", "s3://my-bucket"),
    ({"outputBucketOwnerId": "1"}, "output_bucket_owner_id", "has 1 characters", "at least 12"),
    ({"storageType": "DYNAMIC", "storageCapacity": 1200}, "storage_capacity", "no meaning", "storage_capacity out"),
    ({"storageCapacity": "plenty"}, "storage_capacity", "'plenty'", "whole number"),
    ({"cacheBehavior": "CACHE_ALWAYS"}, "cache_behavior", "without a run cache", "cache_id"),
    ({"networkingMode": "VPC"}, "configuration_name", "needs it", "ACTIVE configuration"),
    ({"configurationName": "net"}, "configuration_name", "without networking_mode VPC", "networking_mode to VPC"),
    ({"runTags": {f"t{i}": "" for i in range(51)}}, "run_tags", "51 tags; at most 50", "fewer tags"),
    ({"runTags": {"AWS:x": ""}}, "run_tags", "begins with aws:", "Rename"),
    ({"runTags": {"x": True}}, "run_tags.x", "bool True", "text"),
    ({"runTags": ["x"]}, "run_tags", "list ['x']", "object"),
    ({"parameters": "not json"}, "parameters", "is str", "JSON object"),
    ({"parameters": {"x": "y" * 256_000}}, "parameters", "256,009 bytes", "file in S3"),
    ({"engineSettings": {"x": {1}}}, "engine_settings", "cannot be written as JSON", "Use text"),
    ({"logLevel": "DEBUG"}, "log_level", "'DEBUG'", "OFF, FATAL, ERROR, ALL"),
    ({"scratchStorageMode": "FAST"}, "scratch_storage_mode", "'FAST'", "LOCAL, SHARED"),
    ({"runId": "1"}, "runId", "runs nothing again", "OmicsStartRunOperator with run_id"),
    ({"requestId": "1"}, "requestId", "single runs of a batch", "give request_id"),
    ({"tags": {"a": "b"}}, "tags", "not a member", "Write it as runTags"),
    ({"outputUriPrefixMode": "X"}, "outputUriPrefixMode", "cannot be chosen in a batch", "Leave it out"),
    ({"runSettingId": "A"}, "runSettingId", "not a member of DefaultRunSetting", "every one of the run_settings"),
    ({"workflow_id": "1"}, "workflow_id", "not a member of DefaultRunSetting", "Write it as workflowId"),
    ({"brandNew": 1}, "brandNew", "not a member of DefaultRunSetting", "newer botocore"),
]


def issues_of(build: Any, *args: Any, **options: Any) -> dict[str, list[str]]:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        build(*args, **options)
    assert caught.value.message().startswith("StartRunBatch: nothing was sent")
    found: dict[str, list[str]] = {}
    for issue in caught.value.issues:
        found.setdefault(issue.where, []).append(f"{issue.what}. {issue.fix}")
    return found


@pytest.mark.parametrize(("changes", "where", "what", "fix"), BAD, ids=lambda value: str(value)[:40])
def test_bad_defaults_are_refused_with_place_cause_and_remedy(
    changes: dict[str, Any], where: str, what: str, fix: str
) -> None:
    found = issues_of(build_default_run_setting, {**GOOD, **changes}, None)
    assert any(what in text and fix in text for text in found[where]), found
    assert len(found) == 1, found


def test_everything_wrong_is_said_at_once() -> None:
    found = issues_of(build_default_run_setting, {"outputUri": "x", "name": "n" * 129}, {"runId": "1"})
    assert set(found) == {"workflow_id", "role_arn", "output_uri", "name", "runId"}


def test_rendered_text_gets_its_type_back_and_none_is_not_sent() -> None:
    fields = {"workflowId": 1234567, "roleArn": GOOD["roleArn"], "priority": "5", "parameters": '{"a": [1]}'}
    assert build_default_run_setting({**fields, "runTags": {"lane": 7}, "name": None}, None) == {
        **GOOD,
        "priority": 5,
        "parameters": {"a": [1]},
        "runTags": {"lane": "7"},
    }


@pytest.mark.parametrize("extra", [{"logLevel": "ALL", "name": None}, '{"logLevel": "ALL", "name": null}'])
def test_members_of_default_run_setting_win_and_may_be_json(extra: Any) -> None:
    assert build_default_run_setting({**GOOD, "logLevel": "OFF", "name": "n"}, extra) == {**GOOD, "logLevel": "ALL"}


@pytest.mark.parametrize("extra", ["not json", ["logLevel"], 7])
def test_default_run_setting_must_be_an_object(extra: Any) -> None:
    assert set(issues_of(build_default_run_setting, GOOD, extra)) == {"default_run_setting"}


def test_every_member_that_botocore_knows_has_its_field() -> None:
    members = default_run_setting_shape().members
    assert {snake_case(member) for member in members} == set(DEFAULT_RUN_SETTING_FIELDS)
    assert {api_name(field) for field in DEFAULT_RUN_SETTING_FIELDS} == set(members)
    assert len(set(DEFAULT_RUN_SETTING_FIELDS)) == len(DEFAULT_RUN_SETTING_FIELDS)


def test_a_whole_request_is_what_botocore_takes() -> None:
    defaults = build_default_run_setting(GOOD, None)
    request = build_start_run_batch(defaults, batch_name="b" * 64, tags={"t": 1}, request_id="r")
    assert request == {"defaultRunSetting": GOOD, "batchName": "b" * 64, "tags": {"t": "1"}, "requestId": "r"}
    settings = {"batchRunSettings": {"inlineSettings": [{"runSettingId": "A"}]}}
    assert check_request("StartRunBatch", {**request, **settings}) == []
    bare = build_start_run_batch(defaults, batch_name=None, tags=None, request_id=None)
    assert bare == {"defaultRunSetting": GOOD}


@pytest.mark.parametrize(
    ("given", "where", "what"),
    [
        ({"batch_name": "b" * 65}, "batch_name", "65 characters, more than 64"),
        ({"batch_name": ""}, "batch_name", "has 0 characters"),
        ({"batch_name": "a\nb"}, "batch_name", "pattern"),
        ({"tags": {f"t{i}": "" for i in range(45)}}, "tags", "45 tags, and the provider adds 6; at most 50"),
        ({"tags": {"aws:t": ""}}, "tags", "begins with aws:"),
        ({"tags": "t"}, "tags", "str 't'"),
        ({"request_id": "r" * 129}, "request_id", "129 characters"),
    ],
)
def test_what_is_wrong_with_the_batch_itself_is_named_as_typed(given: dict[str, Any], where: str, what: str) -> None:
    options = {"batch_name": None, "tags": None, "request_id": None, **given}
    found = issues_of(build_start_run_batch, GOOD, **options, reserved_tags=6)
    assert what in found[where][0]
    assert len(found) == 1


def test_the_fingerprint_follows_what_is_computed() -> None:
    defaults = {**GOOD, "parameters": {"a": 1, "b": 2}, "name": "n", "runTags": {"t": "1"}}
    same = defaults_fingerprint(defaults)
    assert defaults_fingerprint({"parameters": {"b": 2, "a": 1}, **GOOD}) == same
    assert defaults_fingerprint({**defaults, "requesterPaysEnabled": True}) == same
    assert defaults_fingerprint({**defaults, "workflowVersionName": "v2"}) != same
    assert defaults_fingerprint({**defaults, "parameters": {"a": 1}}) != same
    assert len(same) == 64


@pytest.mark.parametrize(
    "operation", ["CancelRunBatch", "GetBatch", "DeleteBatch", "DeleteRunBatch", "ListRunsInBatch"]
)
def test_a_batch_id_is_checked_for_every_operation_that_takes_one(operation: str) -> None:
    assert check_batch_id(operation, 7654321) == "7654321"
    for wrong in ("", "batch-1", "1" * 19, None, {"id": "1"}):
        with raises(OmicsRequestInvalidError, match=f"{operation}: nothing was sent") as caught:
            check_batch_id(operation, wrong)
        assert {issue.where for issue in caught.value.issues} == {"batch_id"}


def test_each_member_that_only_all_runs_share_is_sent_to_the_operator() -> None:
    shared = set(default_run_setting_shape().members) - set(inline_setting_shape().members)
    assert "cacheId" in shared
    for member in shared:
        issue = unknown_member(member, inline_setting_shape())
        assert issue.fix == f"Give it to the operator as {snake_case(member)}, for all runs"
