"""Workflows between the call and ACTIVE, and those that others share."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from batch_account import ACCOUNT, ROLE, SLOW, BatchAccount, refused

from airflow_provider_omics.local.workflows.catalogue import find_workflow, share_workflow
from airflow_provider_omics.local.workflows.definitions import DefinitionOutline, LoadedDefinition

OTHER = "210987654321"
WDL = {"engine": "WDL", "definitionUri": "s3://definitions/flow.zip"}


def local_account(content: bytes = b"", **kwargs: Any) -> BatchAccount:
    local = BatchAccount(timings=replace(SLOW, workflow_creating=5), **kwargs)
    local.state.aws.ensure_bucket("definitions")
    local.state.aws.put_object("s3://definitions/flow.zip", content)
    return local


def wdl() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        opened.writestr("main.wdl", "version 1.0\nworkflow test {}\n")
    return content.getvalue()


def test_a_workflow_is_creating_until_its_time_is_over() -> None:
    local = local_account(wdl())
    seen = []
    local.state.workflow_observers.append(lambda workflow, old: seen.append((old, workflow.status)))
    answer = local.call("CreateWorkflow", **WDL)
    assert answer["status"] == "CREATING"
    local.advance(4)
    assert local.call("GetWorkflow", id=answer["id"])["status"] == "CREATING"
    with refused("ConflictException", "CREATING"):
        local.call("StartRun", workflowId=answer["id"], roleArn=ROLE, outputUri="s3://results/x")
    local.advance(1)
    assert local.call("GetWorkflow", id=answer["id"])["status"] == "ACTIVE"
    assert seen == [(None, "CREATING"), ("CREATING", "ACTIVE")]


def test_a_broken_definition_makes_a_failed_workflow_that_starts_nothing() -> None:
    local = local_account(b"no zip")
    workflow_id = local.call("CreateWorkflow", **WDL)["id"]
    local.advance(5)
    answer = local.call("GetWorkflow", id=workflow_id)
    assert answer["status"] == "FAILED"
    assert "zip archive" in answer["statusMessage"]
    assert "\n" not in answer["statusMessage"]
    with refused("ConflictException", "FAILED"):
        local.call("StartRunBatch", **local.request(workflowId=workflow_id))


def test_whatever_goes_wrong_with_a_definition_leaves_a_failed_workflow(caplog: pytest.LogCaptureFixture) -> None:
    class BrokenLoader:
        def __call__(self, _outline: DefinitionOutline) -> LoadedDefinition:
            raise AssertionError

        def kept(self, _outline: DefinitionOutline) -> LoadedDefinition | None:
            raise OSError("no space left")

    local = local_account(wdl())
    local.state.loaders = {"WDL": BrokenLoader()}
    workflow_id = local.call("CreateWorkflow", **WDL)["id"]
    local.advance(5)
    answer = local.call("GetWorkflow", id=workflow_id)
    assert (answer["status"], answer["statusMessage"]) == ("FAILED", "The local server failed: OSError: no space left")
    assert f"The definition of workflow {workflow_id} could not be read" in caplog.text


def test_the_definition_is_the_one_of_the_call() -> None:
    local = local_account(wdl())
    workflow_id = local.call("CreateWorkflow", **WDL)["id"]
    local.state.aws.put_object("s3://definitions/flow.zip", b"changed")
    local.advance(5)
    assert local.call("GetWorkflow", id=workflow_id)["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "exactly one"),
        ({"definitionZip": b"x", "definitionUri": "s3://definitions/flow.zip"}, "exactly one"),
        ({"definitionUri": "s3://definitions/missing.zip"}, "missing.zip"),
        ({"definitionUri": "https://example.org/flow.zip"}, "definitionUri"),
        ({"definitionRepository": {"connectionArn": "arn:x", "fullRepositoryId": "a/b"}}, "definitionRepository"),
        ({"definitionZip": b"x", "readmeUri": "s3://definitions/missing.md"}, "readmeUri"),
        ({"definitionZip": b"x", "tags": {"aws:x": "y"}}, "aws:"),
    ],
)
def test_what_the_call_refuses_leaves_nothing_behind(source: dict[str, Any], message: str) -> None:
    local = local_account()
    before = set(local.state.workflows)
    with refused("ValidationException", message):
        local.call("CreateWorkflow", **source)
    assert set(local.state.workflows) == before


def test_a_full_quota_refuses() -> None:
    local = local_account(wdl())
    local.state.quotas = replace(local.state.quotas, workflows=1, versions_per_workflow=0, run_groups=0, run_caches=0)
    for operation, members in (
        ("CreateWorkflow", WDL),
        ("CreateWorkflowVersion", {**WDL, "workflowId": "77", "versionName": "v1"}),
        ("CreateRunGroup", {}),
        ("CreateRunCache", {"cacheS3Location": "s3://definitions/cache"}),
    ):
        with refused("ServiceQuotaExceededException", "quota"):
            local.call(operation, **members)


class TestShared:
    def test_is_found_only_with_its_owner(self) -> None:
        local = local_account()
        share_workflow(local.state, "88", OTHER, name="theirs")
        assert local.call("GetWorkflow", id="88", workflowOwnerId=OTHER)["name"] == "theirs"
        for owner in ({}, {"workflowOwnerId": ACCOUNT}, {"workflowOwnerId": "111111111111"}):
            with refused("ResourceNotFoundException", "88"):
                local.call("GetWorkflow", id="88", **owner)
        assert find_workflow(local.state, "77", owner_id=ACCOUNT) is local.state.workflows["77"]

    def test_is_neither_listed_nor_changed_nor_exported(self) -> None:
        local = local_account()
        share_workflow(local.state, "88", OTHER, definition_zip=wdl())
        assert [item["id"] for item in local.call("ListWorkflows")["items"]] == ["77"]
        for operation in ("UpdateWorkflow", "DeleteWorkflow"):
            with refused("ResourceNotFoundException"):
                local.call(operation, id="88")
        with refused("ValidationException", "exported"):
            local.call("GetWorkflow", id="88", workflowOwnerId=OTHER, export=["DEFINITION"])

    def test_runs_with_its_owner(self) -> None:
        local = local_account()
        share_workflow(local.state, "88", OTHER)
        request = {"workflowId": "88", "roleArn": ROLE, "outputUri": "s3://results/x"}
        run = local.call("StartRun", **request, workflowOwnerId=OTHER)
        local.advance(20)
        assert local.call("GetRun", id=run["id"])["status"] == "COMPLETED"
        with refused("ResourceNotFoundException"):
            local.call("StartRun", **request)

    def test_needs_a_new_id(self) -> None:
        with pytest.raises(ValueError, match="77"):
            share_workflow(local_account().state, "77", OTHER)


def test_a_run_keeps_the_version_that_was_deleted() -> None:
    local = local_account(wdl())
    version = {"workflowId": "77", "versionName": "v1"}
    local.call("CreateWorkflowVersion", **WDL, **version)
    local.advance(5)
    run = local.call("StartRun", workflowId="77", workflowVersionName="v1", roleArn=ROLE, outputUri="s3://results/x")
    local.advance(3)
    local.call("DeleteWorkflowVersion", **version)
    local.advance(20)
    answer = local.call("GetRun", id=run["id"])
    assert (answer["status"], answer["workflowVersionName"]) == ("COMPLETED", "v1")


def test_a_deleted_cache_stays_visible_where_assumed() -> None:
    for stays in (True, False):
        local = local_account(deleted_cache_stays_visible=stays)
        cache_id = local.call("CreateRunCache", cacheS3Location="s3://definitions/cache")["id"]
        local.call("DeleteRunCache", id=cache_id)
        with refused("ResourceNotFoundException"):
            local.call("StartRun", workflowId="77", cacheId=cache_id, roleArn=ROLE, outputUri="s3://results/x")
        if stays:
            assert local.call("GetRunCache", id=cache_id)["status"] == "DELETED"
        else:
            with refused("ResourceNotFoundException", cache_id):
                local.call("GetRunCache", id=cache_id)


def test_a_run_group_with_active_runs_cannot_be_deleted() -> None:
    local = local_account()
    group = local.call("CreateRunGroup", name="group")["id"]
    local.call("StartRun", workflowId="77", runGroupId=group, roleArn=ROLE, outputUri="s3://results/x")
    for seconds in (0, 2, 10):
        local.advance(seconds)
        with refused("ConflictException", "1 active run"):
            local.call("DeleteRunGroup", id=group)
    local.advance(10)
    assert local.call("DeleteRunGroup", id=group) == {}
    with refused("ResourceNotFoundException", group):
        local.call("GetRunGroup", id=group)
