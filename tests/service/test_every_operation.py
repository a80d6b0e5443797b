"""Every operation that the server serves, through every client; and a clear error for every other one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import Shape
from omics_clients import CheckedClient, open_client
from omics_service import ROLE, await_status, wdl_zip

from airflow_provider_omics.healthomics.requests.shapes import operation_model, service_model
from airflow_provider_omics.local import LocalOmics, Quotas, Timings
from airflow_provider_omics.local.http.service import OmicsService
from airflow_provider_omics.local.operations.registry import HANDLERS

# Runs, run tasks, workflows, workflow versions, run groups, run caches, configurations, tags and run batches.
SERVED = frozenset(
    {
        "StartRun",
        "GetRun",
        "ListRuns",
        "CancelRun",
        "DeleteRun",
        "ListRunTasks",
        "GetRunTask",
        "CreateWorkflow",
        "GetWorkflow",
        "ListWorkflows",
        "UpdateWorkflow",
        "DeleteWorkflow",
        "CreateWorkflowVersion",
        "GetWorkflowVersion",
        "ListWorkflowVersions",
        "UpdateWorkflowVersion",
        "DeleteWorkflowVersion",
        "CreateRunGroup",
        "GetRunGroup",
        "ListRunGroups",
        "UpdateRunGroup",
        "DeleteRunGroup",
        "CreateRunCache",
        "GetRunCache",
        "ListRunCaches",
        "UpdateRunCache",
        "DeleteRunCache",
        "CreateConfiguration",
        "GetConfiguration",
        "ListConfigurations",
        "DeleteConfiguration",
        "TagResource",
        "UntagResource",
        "ListTagsForResource",
        "StartRunBatch",
        "GetBatch",
        "ListBatch",
        "ListRunsInBatch",
        "CancelRunBatch",
        "DeleteRunBatch",
        "DeleteBatch",
    }
)
OUTSIDE = sorted(set(service_model().operation_names) - SERVED)
FOREVER = {"omics-local:seconds": "100000"}
# What waits for a status lets the other one call meanwhile.
AT_ONCE = {"boto3": 1, "aiobotocore": 1, "awscli": 2}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="simulated", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        started.client("s3").create_bucket(Bucket="everything")
        yield started


@pytest.fixture(scope="module")
def omics(server: LocalOmics) -> Any:
    """What the stories make ready and wait with, so that the client under test makes each call once."""
    return server.client("omics")


@pytest.fixture(scope="module")
def workflow_id(omics: Any) -> str:
    made: str = omics.create_workflow(name="shared", engine="WDL", definitionZip=wdl_zip())["id"]
    await_status(lambda: omics.get_workflow(id=made), "ACTIVE")
    return made


def test_every_operation_has_a_handler_and_no_other_one() -> None:
    OmicsService()
    assert set(HANDLERS) == SERVED
    assert set(service_model().operation_names) > SERVED


class Story:
    """The calls of one kind of resource in an order that makes sense.

    :param call: the client under test.
    :param kind: its name, for names that no other client uses.
    """

    def __init__(self, call: CheckedClient, kind: str, omics: Any, workflow_id: str) -> None:
        self.call, self.kind, self.omics, self.workflow_id = call, kind, omics, workflow_id

    def workflows(self) -> None:
        name = f"workflow of {self.kind}"
        made = self.call("CreateWorkflow", name=name, engine="WDL", definitionZip=wdl_zip(), tags={"a": "b"})
        assert (made["status"], made["tags"]) == ("CREATING", {"a": "b"})
        await_status(lambda: self.omics.get_workflow(id=made["id"]), "ACTIVE")
        self.call("UpdateWorkflow", id=made["id"], description="changed")
        got = self.call("GetWorkflow", id=made["id"], export=["DEFINITION"])
        assert (got["name"], got["description"], got["main"]) == (name, "changed", "main.wdl")
        assert got["definition"].startswith("http")
        listed = self.call("ListWorkflows", name=name, type="PRIVATE")["items"]
        assert [(item["id"], item["status"]) for item in listed] == [(made["id"], "ACTIVE")]
        assert self.call("DeleteWorkflow", id=made["id"]) == {}
        assert self.omics.list_workflows(name=name)["items"] == []

    def workflow_versions(self) -> None:
        workflow_id = self.omics.create_workflow(name=f"versions of {self.kind}", definitionZip=wdl_zip())["id"]
        version = {"workflowId": workflow_id, "versionName": "v1.0"}
        made = self.call("CreateWorkflowVersion", **version, definitionZip=wdl_zip())
        assert made["arn"].endswith(f"workflow/{workflow_id}/version/v1.0")
        await_status(lambda: self.omics.get_workflow_version(**version), "ACTIVE")
        self.call("UpdateWorkflowVersion", **version, description="changed")
        got = self.call("GetWorkflowVersion", **version)
        assert (got["versionName"], got["uuid"], got["engine"]) == ("v1.0", made["uuid"], "WDL")
        listed = self.call("ListWorkflowVersions", workflowId=workflow_id)["items"]
        assert [(item["versionName"], item["description"]) for item in listed] == [("v1.0", "changed")]
        assert self.call("DeleteWorkflowVersion", **version) == {}
        assert self.omics.list_workflow_versions(workflowId=workflow_id)["items"] == []

    def run_groups(self) -> None:
        name = f"group of {self.kind}"
        made = self.call("CreateRunGroup", name=name, maxRuns=3)
        self.call("UpdateRunGroup", id=made["id"], maxRuns=4, maxCpus=5)
        got = self.call("GetRunGroup", id=made["id"])
        assert (got["name"], got["maxRuns"], got["maxCpus"], got["arn"]) == (name, 4, 5, made["arn"])
        assert [item["id"] for item in self.call("ListRunGroups", name=name)["items"]] == [made["id"]]
        assert self.call("DeleteRunGroup", id=made["id"]) == {}
        assert self.omics.list_run_groups(name=name)["items"] == []

    def run_caches(self) -> None:
        made = self.call("CreateRunCache", cacheS3Location=f"s3://everything/{self.kind}", name="cache")
        assert made["status"] == "ACTIVE"
        self.call("UpdateRunCache", id=made["id"], cacheBehavior="CACHE_ALWAYS")
        got = self.call("GetRunCache", id=made["id"])
        assert (got["cacheBehavior"], got["cacheS3Uri"]) == ("CACHE_ALWAYS", f"s3://everything/{self.kind}")
        assert made["id"] in [item["id"] for item in self.call("ListRunCaches")["items"]]
        assert self.call("DeleteRunCache", id=made["id"]) == {}
        assert made["id"] not in [item["id"] for item in self.omics.list_run_caches()["items"]]

    def configurations(self) -> None:
        name = f"network-of-{self.kind}"
        vpc = {"securityGroupIds": ["sg-0a"], "subnetIds": ["subnet-0a", "subnet-0b"]}
        made = self.call("CreateConfiguration", name=name, runConfigurations={"vpcConfig": vpc}, tags={"a": "b"})
        assert (made["status"], made["tags"]) == ("CREATING", {"a": "b"})
        await_status(lambda: self.omics.get_configuration(name=name), "ACTIVE")
        got = self.call("GetConfiguration", name=name)
        assert (got["uuid"], got["arn"]) == (made["uuid"], made["arn"])
        assert got["runConfigurations"]["vpcConfig"].items() >= vpc.items()
        listed = self.call("ListConfigurations", maxResults=10)["items"]
        assert (name, "ACTIVE") in [(item["name"], item["status"]) for item in listed]
        assert self.call("DeleteConfiguration", name=name) == {}

    def tags(self) -> None:
        arn = self.omics.create_run_group()["arn"]
        assert self.call("TagResource", resourceArn=arn, tags={"a": "1", "b": "2", "ü/": "="}) == {}
        assert self.call("UntagResource", resourceArn=arn, tagKeys=["a", "ü/"]) == {}
        assert self.call("ListTagsForResource", resourceArn=arn) == {"tags": {"b": "2"}}

    def runs(self) -> None:
        name = f"run of {self.kind}"
        made = self.call("StartRun", **self._run(name), parameters={"deep": [1, None, {"a": 1.5}]}, tags={"a": "b"})
        assert (made["status"], made["tags"]) == ("PENDING", {"a": "b"})
        await_status(lambda: self.omics.get_run(id=made["id"]), "COMPLETED")
        got = self.call("GetRun", id=made["id"])
        assert (got["status"], got["uuid"], got["runOutputUri"]) == ("COMPLETED", made["uuid"], made["runOutputUri"])
        assert got["parameters"] == {"deep": [1, None, {"a": 1.5}]}
        listed = self.call("ListRuns", name=name, status="COMPLETED")["items"]
        assert [(item["id"], item["name"]) for item in listed] == [(made["id"], name)]
        tasks = self.call("ListRunTasks", id=made["id"])["items"]
        assert [task["status"] for task in tasks] == ["COMPLETED"] * len(tasks)
        task = self.call("GetRunTask", id=made["id"], taskId=tasks[0]["taskId"])
        assert (task["taskId"], task["name"]) == (tasks[0]["taskId"], tasks[0]["name"])
        assert self.call("DeleteRun", id=made["id"]) == {}
        assert self.omics.list_runs(name=name)["items"] == []

    def cancelled_run(self) -> None:
        run_id = self.omics.start_run(**self._run("endless"), tags=FOREVER)["id"]
        assert self.call("CancelRun", id=run_id) == {}
        await_status(lambda: self.omics.get_run(id=run_id), "CANCELLED")

    def batches(self) -> None:
        name = f"batch of {self.kind}"
        made = self.call("StartRunBatch", **self._batch(name))
        assert made["status"] == "CREATING"
        batch_id = made["id"]
        await_status(lambda: self.omics.get_batch(batchId=batch_id), "PROCESSED")
        got = self.call("GetBatch", batchId=batch_id)
        assert (got["status"], got["name"], got["totalRuns"]) == ("PROCESSED", name, 2)
        assert got["runSummary"]["completedRunCount"] == 2
        listed = self.call("ListBatch", name=name)["items"]
        assert [(item["id"], item["totalRuns"]) for item in listed] == [(batch_id, 2)]
        runs = self.call("ListRunsInBatch", batchId=batch_id, submissionStatus="SUCCESS")["runs"]
        assert [item["runSettingId"] for item in runs] == ["one", "two"]
        assert self.call("DeleteRunBatch", batchId=batch_id) == {}
        await_status(lambda: self.omics.get_batch(batchId=batch_id), "RUNS_DELETED")
        assert self.call("DeleteBatch", batchId=batch_id) == {}
        assert self.omics.list_batch(name=name)["items"] == []

    def cancelled_batch(self) -> None:
        batch_id = self.omics.start_run_batch(**self._batch("endless", runTags=FOREVER))["id"]
        await_status(lambda: self.omics.get_batch(batchId=batch_id), "INPROGRESS")
        assert self.call("CancelRunBatch", batchId=batch_id) == {}
        await_status(lambda: self.omics.get_batch(batchId=batch_id), "CANCELLED")

    def _run(self, name: str) -> dict[str, Any]:
        return {"name": name, "workflowId": self.workflow_id, "roleArn": ROLE, "outputUri": "s3://everything/runs"}

    def _batch(self, name: str, **defaults: Any) -> dict[str, Any]:
        setting = self._run("of a batch")
        return {
            "batchName": name,
            "defaultRunSetting": {**setting, **defaults},
            "batchRunSettings": {"inlineSettings": [{"runSettingId": "one"}, {"runSettingId": "two", "priority": 3}]},
        }

    def all(self) -> list[Callable[[], None]]:
        """Return the stories, which do not depend on each other; the longest come first."""
        return [
            self.batches,
            self.runs,
            self.workflows,
            self.workflow_versions,
            self.run_groups,
            self.run_caches,
            self.configurations,
            self.tags,
            self.cancelled_run,
            self.cancelled_batch,
        ]


@pytest.mark.parametrize("kind", AT_ONCE)
def test_every_operation_works_through(
    kind: str, server: LocalOmics, omics: Any, workflow_id: str, tmp_path: Path
) -> None:
    with open_client(kind, server, tmp_path) as client:
        call = CheckedClient(client)
        story = Story(call, kind, omics, workflow_id)
        with ThreadPoolExecutor(AT_ONCE[kind]) as pool:
            for told in [pool.submit(part) for part in story.all()]:
                told.result()
    assert call.called == SERVED


def smallest(shape: Shape) -> Any:
    """Return a value of a shape with nothing in it but what is required."""
    if shape.type_name == "structure":
        needed = list(shape.members)[:1] if shape.is_tagged_union else shape.required_members
        return {name: smallest(shape.members[name]) for name in needed}
    if shape.type_name == "list":
        return [smallest(shape.member)] * shape.metadata.get("min", 0)
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "1" * max(1, shape.metadata.get("min", 1))
    by_type = {"map": {}, "blob": b"1", "boolean": False, "timestamp": 0}
    return by_type.get(shape.type_name, shape.metadata.get("min", 1))


@pytest.mark.parametrize("operation", OUTSIDE)
def test_other_operations_get_an_error_that_names_them(operation: str, omics: Any) -> None:
    shape = operation_model(operation).input_shape
    with pytest.raises(ClientError) as caught:
        getattr(omics, xform_name(operation))(**(smallest(shape) if shape else {}))
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert caught.value.response["Error"]["Message"].startswith(f"{operation} is not served")
