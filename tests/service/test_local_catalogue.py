"""Workflows, versions, run groups, run caches and tags over HTTP."""

from __future__ import annotations

import io
import urllib.request
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from omics_service import ROLE, await_status, refusal, wdl_zip

from airflow_provider_omics.local import LocalOmics

ACCOUNT = "123456789012"
CWL = b"cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: echo\ninputs: {text: string}\noutputs: []\n"


def zipped(**files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.cwl", text)
    return content.getvalue()


@pytest.fixture
def bucket(server: LocalOmics) -> str:
    server.client("s3").create_bucket(Bucket="definitions")
    return "definitions"


class TestWorkflows:
    def test_a_zip_becomes_an_active_workflow(self, omics: Any) -> None:
        made = omics.create_workflow(
            name="echo",
            description="says it",
            definitionZip=zipped(main=CWL),
            tags={"team": "a"},
            storageType="DYNAMIC",
        )
        assert made["status"] == "CREATING"
        omics.get_waiter("workflow_active").wait(id=made["id"])
        got = omics.get_workflow(id=made["id"])
        for member in ("id", "arn", "uuid", "tags"):
            assert got[member] == made[member]
        expected = {
            "name": "echo",
            "description": "says it",
            "status": "ACTIVE",
            "type": "PRIVATE",
            "engine": "CWL",
            "main": "main.cwl",
            "storageType": "DYNAMIC",
            "parameterTemplate": {"text": {"optional": False}},
        }
        assert {member: got[member] for member in expected} == expected
        assert len(got["digest"]) == 64
        assert abs(got["creationTime"] - datetime.now(UTC)) < timedelta(minutes=1)

    def test_an_object_in_s3_becomes_one_too(self, server: LocalOmics, omics: Any, bucket: str) -> None:
        server.client("s3").put_object(Bucket=bucket, Key="a/flow.zip", Body=zipped(main=CWL))
        made = omics.create_workflow(definitionUri=f"s3://{bucket}/a/flow.zip")
        assert await_status(lambda: omics.get_workflow(id=made["id"]), "ACTIVE")["engine"] == "CWL"

    def test_a_broken_definition_fails_and_says_why(self, omics: Any) -> None:
        made = omics.create_workflow(definitionZip=zipped(a=CWL, b=CWL))
        got = await_status(lambda: omics.get_workflow(id=made["id"]), "FAILED")
        assert "main.cwl" in got["statusMessage"]

    def test_definition_and_readme_can_be_fetched(self, omics: Any, make_workflow: Callable[..., str]) -> None:
        workflow_id = make_workflow(readmeMarkdown="# Über")
        plain = omics.get_workflow(id=workflow_id)
        assert "definition" not in plain
        assert "readme" not in plain
        got = omics.get_workflow(id=workflow_id, export=["DEFINITION", "README"])
        with urllib.request.urlopen(got["definition"]) as answer, zipfile.ZipFile(io.BytesIO(answer.read())) as archive:
            assert archive.namelist() == ["main.wdl"]
        with urllib.request.urlopen(got["readme"]) as answer:
            assert answer.read().decode() == "# Über"

    def test_update_changes_what_it_names(self, omics: Any, make_workflow: Callable[..., str]) -> None:
        workflow_id = make_workflow(description="old", storageType="STATIC", storageCapacity=2400)
        omics.update_workflow(id=workflow_id, name="new", storageType="DYNAMIC", readmeMarkdown="# New")
        got = omics.get_workflow(id=workflow_id)
        assert (got["name"], got["description"]) == ("new", "old")
        assert (got["storageType"], got["storageCapacity"]) == ("DYNAMIC", 2400)

    def test_delete_removes_it_with_its_versions(self, omics: Any, make_workflow: Callable[..., str]) -> None:
        workflow_id = make_workflow()
        omics.create_workflow_version(workflowId=workflow_id, versionName="v1", definitionZip=wdl_zip())
        omics.delete_workflow(id=workflow_id)
        for call, request in (
            (omics.get_workflow, {"id": workflow_id}),
            (omics.delete_workflow, {"id": workflow_id}),
            (omics.get_workflow_version, {"workflowId": workflow_id, "versionName": "v1"}),
            (omics.list_workflow_versions, {"workflowId": workflow_id}),
        ):
            assert refusal(call, **request) == ("ResourceNotFoundException", 404, f"Workflow {workflow_id} not found")
        assert omics.list_workflows()["items"] == []

    def test_lists_filter_by_name_and_page(self, omics: Any, make_workflow: Callable[..., str]) -> None:
        ids = [make_workflow(name=name) for name in ("a", "b", "a")]
        assert [item["id"] for item in omics.list_workflows(name="a")["items"]] == [ids[0], ids[2]]
        pages = omics.get_paginator("list_workflows").paginate(PaginationConfig={"PageSize": 2})
        assert [[item["id"] for item in page["items"]] for page in pages] == [ids[:2], ids[2:]]

    def test_ready2run_workflows_need_their_type(self, omics: Any, make_workflow: Callable[..., str]) -> None:
        own = make_workflow()
        names = {item["id"]: item["name"] for item in omics.list_workflows(type="READY2RUN")["items"]}
        assert own not in names
        assert names["9500764"].startswith("GATK-BP")
        assert names["1830181"].startswith("ESMFold")
        got = omics.get_workflow(id="9500764", type="READY2RUN")
        assert (got["type"], got["status"]) == ("READY2RUN", "ACTIVE")
        assert got["arn"] == "arn:aws:omics:us-east-1::workflow/9500764"
        assert refusal(omics.get_workflow, id="9500764")[0] == "ResourceNotFoundException"
        assert refusal(omics.get_workflow, id=own, type="READY2RUN")[0] == "ResourceNotFoundException"
        code, _, message = refusal(omics.get_workflow, id="9500764", type="READY2RUN", export=["DEFINITION"])
        assert (code, "exported" in message) == ("ValidationException", True)

    def test_a_repeated_request_id_makes_one_workflow(self, server: LocalOmics, omics: Any) -> None:
        request = {"name": "once", "definitionZip": wdl_zip(), "requestId": "same"}
        assert omics.create_workflow(**request)["id"] == omics.create_workflow(**request)["id"]
        assert len(omics.list_workflows()["items"]) == 1
        assert refusal(omics.create_workflow, **{**request, "name": "other"})[:2] == ("ConflictException", 409)


class TestVersions:
    def test_a_version_inherits_nothing(self, omics: Any, make_workflow: Callable[..., str]) -> None:
        workflow_id = make_workflow(description="of the workflow", storageType="DYNAMIC")
        made = omics.create_workflow_version(
            workflowId=workflow_id, versionName="1.0-rc_1", definitionZip=zipped(main=CWL), tags={"v": "1"}
        )
        assert made["arn"] == f"arn:aws:omics:us-east-1:{ACCOUNT}:workflow/{workflow_id}/version/1.0-rc_1"
        omics.get_waiter("workflow_version_active").wait(workflowId=workflow_id, versionName="1.0-rc_1")
        got = omics.get_workflow_version(workflowId=workflow_id, versionName="1.0-rc_1")
        for member in ("workflowId", "versionName", "arn", "uuid", "tags"):
            assert got[member] == made[member]
        assert (got["engine"], got["type"]) == ("CWL", "PRIVATE")
        assert not {"description", "storageType"} & set(got)
        assert omics.get_workflow(id=workflow_id)["engine"] == "WDL"

    def test_update_list_and_delete(self, omics: Any, make_workflow: Callable[..., str]) -> None:
        workflow_id = make_workflow()
        for name in ("v1", "v2", "v3"):
            omics.create_workflow_version(workflowId=workflow_id, versionName=name, definitionZip=wdl_zip())
        omics.update_workflow_version(workflowId=workflow_id, versionName="v2", description="second")
        omics.delete_workflow_version(workflowId=workflow_id, versionName="v1")
        pages = omics.get_paginator("list_workflow_versions").paginate(
            workflowId=workflow_id, PaginationConfig={"PageSize": 1}
        )
        items = [item for page in pages for item in page["items"]]
        assert [(item["versionName"], item.get("description")) for item in items] == [("v2", "second"), ("v3", None)]
        gone = {"workflowId": workflow_id, "versionName": "v1"}
        assert refusal(omics.get_workflow_version, **gone)[0] == "ResourceNotFoundException"
        assert refusal(omics.delete_workflow_version, **gone)[0] == "ResourceNotFoundException"

    @pytest.mark.parametrize("name", ["-v1", ".v1", "v 1", "v/1", "v" * 65])
    def test_bad_names_are_refused(self, omics: Any, make_workflow: Callable[..., str], name: str) -> None:
        request = {"workflowId": make_workflow(), "versionName": name, "definitionZip": wdl_zip()}
        code, status, message = refusal(omics.create_workflow_version, **request)
        assert (code, status) == ("ValidationException", 400)
        assert "versionName" in message

    def test_a_second_version_of_a_name_conflicts(self, omics: Any, make_workflow: Callable[..., str]) -> None:
        request = {"workflowId": make_workflow(), "versionName": "v1", "definitionZip": wdl_zip()}
        omics.create_workflow_version(**request)
        assert refusal(omics.create_workflow_version, **request)[:2] == ("ConflictException", 409)

    def test_runs_use_the_workflow_unless_they_name_a_version(
        self, omics: Any, make_workflow: Callable[..., str], start_run: Callable[..., dict[str, Any]]
    ) -> None:
        workflow_id = make_workflow()
        made = omics.create_workflow_version(workflowId=workflow_id, versionName="v1", definitionZip=wdl_zip())
        version = {"workflowId": workflow_id, "versionName": "v1"}
        await_status(lambda: omics.get_workflow_version(**version), "ACTIVE")
        plain = omics.get_run(id=start_run(workflowId=workflow_id)["id"])
        pinned = omics.get_run(id=start_run(workflowId=workflow_id, workflowVersionName="v1")["id"])
        assert "workflowVersionName" not in plain
        assert (pinned["workflowVersionName"], pinned["workflowUuid"]) == ("v1", made["uuid"])


class TestRunGroups:
    def test_live_from_creation_to_deletion(self, omics: Any) -> None:
        made = omics.create_run_group(name="group", maxCpus=100, maxRuns=1, maxDuration=60, tags={"a": "b"})
        omics.update_run_group(id=made["id"], maxRuns=100000, maxGpus=5)
        got = omics.get_run_group(id=made["id"])
        limits = {"maxCpus": 100, "maxRuns": 100000, "maxDuration": 60, "maxGpus": 5, "name": "group"}
        assert {member: got[member] for member in limits} == limits
        assert (got["arn"], got["tags"]) == (made["arn"], {"a": "b"})
        other = omics.create_run_group()["id"]
        assert [item["id"] for item in omics.list_run_groups()["items"]] == [made["id"], other]
        assert [item["id"] for item in omics.list_run_groups(name="group")["items"]] == [made["id"]]
        omics.delete_run_group(id=made["id"])
        assert refusal(omics.get_run_group, id=made["id"])[:2] == ("ResourceNotFoundException", 404)

    @pytest.mark.parametrize("limits", [{"maxRuns": 0}, {"maxCpus": 100001}, {"maxDuration": 0}, {"maxGpus": -1}])
    def test_limits_out_of_range_are_refused(self, server: LocalOmics, limits: dict[str, int]) -> None:
        from botocore.config import Config

        # botocore checks the lower bound itself; what other clients send must be refused as well.
        omics = server.client("omics", config=Config(parameter_validation=False))
        code, _, message = refusal(omics.create_run_group, requestId="r", **limits)
        assert code == "ValidationException"
        assert next(iter(limits)) in message

    def test_one_with_active_runs_cannot_be_deleted(
        self, server: LocalOmics, omics: Any, start_run: Callable[..., dict[str, Any]]
    ) -> None:
        group = omics.create_run_group(maxRuns=1)["id"]
        server.change(timings={"running_min": 3600.0, "running_max": 3600.0})
        run = start_run(runGroupId=group)["id"]
        assert refusal(omics.delete_run_group, id=group)[:2] == ("ConflictException", 409)
        omics.cancel_run(id=run)
        await_status(lambda: omics.get_run(id=run), "CANCELLED")
        omics.delete_run_group(id=group)


class TestRunCaches:
    def test_live_from_creation_to_deletion(self, omics: Any, bucket: str) -> None:
        made = omics.create_run_cache(cacheS3Location=f"s3://{bucket}/cache", name="cache", tags={"a": "b"})
        assert made["status"] == "ACTIVE"
        omics.update_run_cache(id=made["id"], cacheBehavior="CACHE_ALWAYS", description="all of it")
        got = omics.get_run_cache(id=made["id"])
        assert (got["name"], got["description"]) == ("cache", "all of it")
        assert (got["cacheBehavior"], got["cacheS3Uri"]) == ("CACHE_ALWAYS", f"s3://{bucket}/cache")
        other = omics.create_run_cache(cacheS3Location=f"s3://{bucket}")["id"]
        items = omics.list_run_caches()["items"]
        assert [(item["id"], item["cacheBehavior"]) for item in items] == [
            (made["id"], "CACHE_ALWAYS"),
            (other, "CACHE_ON_FAILURE"),
        ]
        omics.delete_run_cache(id=made["id"])
        assert refusal(omics.get_run_cache, id=made["id"])[:2] == ("ResourceNotFoundException", 404)

    @pytest.mark.parametrize("location", ["https://bucket/key", "s3://no-such-bucket-here/x", "bucket/key"])
    def test_a_place_that_cannot_be_used_is_refused(self, omics: Any, location: str) -> None:
        code, _, message = refusal(omics.create_run_cache, cacheS3Location=location)
        assert code == "ValidationException"
        assert "cacheS3Location" in message

    def test_runs_take_the_behaviour_of_the_cache(
        self, omics: Any, bucket: str, start_run: Callable[..., dict[str, Any]]
    ) -> None:
        cache = omics.create_run_cache(cacheS3Location=f"s3://{bucket}", cacheBehavior="CACHE_ALWAYS")["id"]
        run = omics.get_run(id=start_run(cacheId=cache)["id"])
        assert (run["cacheId"], run["cacheBehavior"]) == (cache, "CACHE_ALWAYS")


class TestTags:
    @pytest.fixture
    def arns(
        self, omics: Any, bucket: str, make_workflow: Callable[..., str], start_run: Callable[..., dict[str, Any]]
    ) -> dict[str, str]:
        workflow_id = make_workflow()
        batch = omics.start_run_batch(
            defaultRunSetting={"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/x"},
            batchRunSettings={"inlineSettings": [{"runSettingId": "a"}]},
        )
        return {
            "run": start_run(workflowId=workflow_id)["arn"],
            "batch": batch["arn"],
            "workflow": omics.get_workflow(id=workflow_id)["arn"],
            "version": omics.create_workflow_version(
                workflowId=workflow_id, versionName="v.1", definitionZip=wdl_zip()
            )["arn"],
            "group": omics.create_run_group()["arn"],
            "cache": omics.create_run_cache(cacheS3Location=f"s3://{bucket}")["arn"],
        }

    def test_every_resource_can_be_tagged(self, omics: Any, arns: dict[str, str]) -> None:
        for kind, arn in arns.items():
            assert omics.list_tags_for_resource(resourceArn=arn)["tags"] == {}
            omics.tag_resource(resourceArn=arn, tags={"kind": kind, "empty": "", "Ü/=": "é"})
            omics.tag_resource(resourceArn=arn, tags={"kind": "changed"})
            omics.untag_resource(resourceArn=arn, tagKeys=["empty", "Ü/=", "never there"])
            assert omics.list_tags_for_resource(resourceArn=arn)["tags"] == {"kind": "changed"}
        run_id = arns["run"].rsplit("/", 1)[1]
        assert omics.get_run(id=run_id)["tags"] == {"kind": "changed"}

    def test_the_rules_hold_for_all_tags_together(self, omics: Any, arns: dict[str, str]) -> None:
        arn = arns["group"]
        omics.tag_resource(resourceArn=arn, tags={f"k{n}": "v" for n in range(50)})
        omics.tag_resource(resourceArn=arn, tags={"k0": "again"})
        for tags in ({"k50": "v"}, {"AWS:x": "v"}):
            assert refusal(omics.tag_resource, resourceArn=arn, tags=tags)[:2] == ("ValidationException", 400)
        assert len(omics.list_tags_for_resource(resourceArn=arn)["tags"]) == 50

    @pytest.mark.parametrize(
        ("arn", "code"),
        [
            (f"arn:aws:omics:us-east-1:{ACCOUNT}:run/999", "ResourceNotFoundException"),
            (f"arn:aws:omics:eu-west-1:{ACCOUNT}:runGroup/1", "ResourceNotFoundException"),
            (f"arn:aws:omics:us-east-1:{ACCOUNT}:task/1", "ValidationException"),
            (f"arn:aws:omics:us-east-1:{ACCOUNT}:run/1/version/v1", "ValidationException"),
            (f"arn:aws:s3:::{ACCOUNT}", "ValidationException"),
        ],
    )
    def test_other_arns_are_refused(self, omics: Any, arn: str, code: str) -> None:
        assert refusal(omics.list_tags_for_resource, resourceArn=arn)[0] == code
        assert refusal(omics.tag_resource, resourceArn=arn, tags={"a": "b"})[0] == code
        assert refusal(omics.untag_resource, resourceArn=arn, tagKeys=["a"])[0] == code

    def test_resources_of_another_region_are_not_found(self, server: LocalOmics, arns: dict[str, str]) -> None:
        elsewhere = server.client("omics", "eu-west-1")
        for arn in arns.values():
            assert refusal(elsewhere.list_tags_for_resource, resourceArn=arn)[0] == "ResourceNotFoundException"
