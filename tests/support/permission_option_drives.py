"""Drives of options: what is found out before a start, use and cost, OpenLineage, and many waits at once."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import Any

import pytest
from asset_watchers import HAS_ASSET_WATCHERS
from cwl_service import zip_of
from event_queues import EventQueueOnServer
from omics_errors import unwrapped
from omics_service import ROLE, await_status
from permission_batch_drives import BARE as BARE_BATCH
from permission_batch_drives import START as START_BATCH
from permission_batch_drives import SUBMIT as SUBMIT_BATCH
from permission_batch_drives import WAITED as WAITED_BATCH
from permission_batch_drives import WAITS as WAITS_BATCH
from permission_batch_drives import start_batch
from permission_drives import (
    BUCKET,
    OUT,
    QUICK,
    PermissionLab,
    drive,
    parameters_file,
    sensor,
    side_by_side,
    task,
)
from permission_run_drives import BARE, FAILED, FAILURE, PREFLIGHT, START, SUBMIT, resources, start

from airflow_provider_omics.exceptions import OmicsPreflightError, OmicsRunFailedError, OmicsServiceError
from airflow_provider_omics.hooks import storage
from airflow_provider_omics.operators.cost import OmicsEstimateCostOperator
from airflow_provider_omics.operators.preflight import OmicsPreflightOperator
from airflow_provider_omics.operators.run import OmicsCancelRunOperator, OmicsStartRunOperator
from airflow_provider_omics.sensors.run import OmicsRunSensor

HAS_OPENLINEAGE = find_spec("airflow.providers.openlineage") is not None
COST = "ListRunTasks logs:GetLogEvents pricing:GetProducts"
USAGE = {"usage": "all"}
PRICES = {"asOf": "2026-11-30", "products": [{"resourceType": "omics.c.large", "unit": "Hours", "usd": 30}]}
NO_TAGS = {"identity_tags": False}


def _dynamic_run(lab: PermissionLab) -> str:
    return lab.run(storageType="DYNAMIC")


def _prices(lab: PermissionLab) -> str:
    return lab.put("prices.json", json.dumps(PRICES))


@drive(START, "usage", f"{BARE} GetRun {COST}", "usage, wait_for_completion", waits=True)
def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    assert start(lab, **NO_TAGS, **USAGE, storage_type="DYNAMIC", deferrable=deferrable)


@drive("OmicsRunSensor", "usage", f"GetRun {COST}", "usage", prepare=_dynamic_run)
def _(_lab: PermissionLab, run_id: str, deferrable: bool) -> None:
    assert sensor(OmicsRunSensor, deferrable, run_id=run_id, **USAGE)


ESTIMATE = {"max_cost_usd": 100, "unknown_cost": "start"}


@drive(START, "estimated", f"{BARE} ListRuns GetRun {COST}", "max_cost_usd", prepare=_dynamic_run)
def _(lab: PermissionLab, _run_id: str, _deferrable: bool) -> None:
    assert start(lab, **SUBMIT, **ESTIMATE)


@drive(START, "priced", f"{BARE} ListRuns s3:GetObject", "price_file, max_cost_usd", prepare=_prices)
def _(lab: PermissionLab, uri: str, _deferrable: bool) -> None:
    assert start(lab, **SUBMIT, **ESTIMATE, price_file=uri)


@drive(START_BATCH, "estimated", f"{BARE_BATCH} ListRuns GetRun {COST}", "max_cost_usd, write tests",
       prepare=_dynamic_run)  # fmt: skip
def _(lab: PermissionLab, _run_id: str, _deferrable: bool) -> None:
    assert start_batch(lab, **SUBMIT_BATCH, **ESTIMATE)


def _run_of_version(lab: PermissionLab) -> str:
    return lab.run(storageType="DYNAMIC", workflowVersionName=lab.version())


ESTIMATOR = "OmicsEstimateCostOperator"


@drive(ESTIMATOR, "named", f"ListWorkflows ListWorkflowVersions ListRuns GetRun {COST}", "estimate, workflow_name",
       prepare=_run_of_version)  # fmt: skip
def _(_lab: PermissionLab, _run_id: str, _deferrable: bool) -> None:
    print(task(OmicsEstimateCostOperator, workflow_name="qc", workflow_version_name="latest"))


@drive(ESTIMATOR, "priced", "ListRuns s3:GetObject", "estimate, price_file", prepare=_prices)
def _(lab: PermissionLab, uri: str, _deferrable: bool) -> None:
    print(task(OmicsEstimateCostOperator, workflow_id=lab.workflow_id, price_file=uri))


@drive("OmicsRunSensor", "priced", "GetRun ListRunTasks s3:GetObject", "usage, price_file",
       prepare=lambda lab: (lab.run(), _prices(lab)))  # fmt: skip
def _(_lab: PermissionLab, prepared: tuple[str, str], deferrable: bool) -> None:
    run_id, uri = prepared
    assert sensor(OmicsRunSensor, deferrable, run_id=run_id, **USAGE, price_file=uri)


@drive(START_BATCH, "report", f"{WAITED_BATCH} ListRunTasks pricing:GetProducts GetWorkflow",
       f"usage, report, {WAITS_BATCH}")  # fmt: skip
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    plain = {**NO_TAGS, "validate_parameters": False}
    assert start_batch(lab, **plain, **USAGE, report=True)


@contextmanager
def _openlineage() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "console")
        patch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps({"type": "console"}))
        yield


if HAS_OPENLINEAGE:

    @drive(START, "lineage", f"{BARE} GetRun s3:GetObject", "OpenLineage, wait_for_completion", waits=True)
    def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
        with _openlineage():
            assert start(lab, **NO_TAGS, deferrable=deferrable)

    @drive(START, "lineage-failing", f"{BARE} TagResource GetRun s3:GetObject s3:ListBucket {FAILURE}",
           "OpenLineage, wait_for_completion, tags, failure details", ends=OmicsRunFailedError)  # fmt: skip
    def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
        with _openlineage():
            start(lab, **NO_TAGS, **FAILED, deferrable=deferrable)

    @drive(START_BATCH, "lineage", WAITED_BATCH, f"OpenLineage, {WAITS_BATCH}")
    def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
        with _openlineage():
            assert start_batch(lab, **NO_TAGS, validate_parameters=False)


@drive(START_BATCH, "parameters-file", BARE_BATCH, "parameters, write tests", prepare=parameters_file)
def _(lab: PermissionLab, uri: str, _deferrable: bool) -> None:
    assert start_batch(lab, **SUBMIT_BATCH, parameters=uri)


@drive(START_BATCH, "inputs", BARE_BATCH, "check_inputs, write tests", prepare=lambda lab: lab.put("in/a.fq"))
def _(lab: PermissionLab, uri: str, _deferrable: bool) -> None:
    sample = {"runSettingId": "a", "parameters": {"reads": uri, "folder": f"s3://{BUCKET}/in/"}}
    assert start_batch(lab, [sample], **SUBMIT_BATCH, check_inputs="warn")


UPLOAD = "s3:PutObject s3:GetObject s3:ListBucket s3:DeleteObject s3:AbortMultipartUpload"


@drive(START_BATCH, "large", UPLOAD, "large objects, write tests", ends=OmicsServiceError)
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    # What is written first shows that the place can be written to.
    lab.fault("s3:PUT", skip=1, count=None, code="AccessDenied", http_status=403)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "_PART_BYTES", 16)
        start_batch(lab, **SUBMIT_BATCH)


REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
ALLOW = {"Effect": "Allow", "Principal": {"Service": "omics.amazonaws.com"}, "Action": PULL}
CWL = """cwlVersion: v1.2
class: CommandLineTool
baseCommand: "true"
hints:
  DockerRequirement:
    dockerPull: {image}
inputs: []
outputs: []
"""


def _with_image(lab: PermissionLab) -> dict[str, Any]:
    """Make a workflow and a version of it whose image is in ECR, and all else that a preflight asks for."""
    ecr = lab.server.client("ecr")
    ecr.create_repository(repositoryName="tool")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}
    ecr.put_image(repositoryName="tool", imageManifest=json.dumps(manifest), imageTag="1")
    policy = {"Version": "2012-10-17", "Statement": [ALLOW]}
    ecr.set_repository_policy(repositoryName="tool", policyText=json.dumps(policy))
    definition = {"definitionZip": zip_of({"main.cwl": CWL.format(image=f"{REGISTRY}/tool:1")}), "engine": "CWL"}
    lab.workflow_id = lab.omics.create_workflow(name="image", **definition)["id"]
    await_status(lambda: dict(lab.omics.get_workflow(id=lab.workflow_id)), "ACTIVE")
    named = {"workflowId": lab.workflow_id, "versionName": "image"}
    lab.omics.create_workflow_version(**named, **definition)
    await_status(lambda: dict(lab.omics.get_workflow_version(**named)), "ACTIVE")
    return {**resources(lab), "workflow_version_name": "image"}


CHECKED = ("run_group_id", "cache_id", "configuration_name", "workflow_version_name")
NEEDED = (
    "GetWorkflow GetWorkflowVersion GetConfiguration GetRunCache GetRunGroup s3:PutObject s3:ListBucket "
    "s3:DeleteObject ecr:DescribeImages ecr:GetRepositoryPolicy servicequotas:ListServiceQuotas ListRuns"
)
WARN = {"preflight": "warn"}


def _checked(made: dict[str, Any]) -> dict[str, Any]:
    return {**{name: made[name] for name in CHECKED}, "networking_mode": "VPC", **WARN}


@drive(START, "preflight", f"{BARE} {NEEDED}", "preflight", prepare=_with_image,
       goes_on="s3:ListBucket s3:DeleteObject")  # fmt: skip
def _(lab: PermissionLab, made: dict[str, Any], _deferrable: bool) -> None:
    assert start(lab, **SUBMIT, **_checked(made))


@drive(START_BATCH, "preflight", f"{BARE_BATCH} {NEEDED}", "preflight, write tests", prepare=_with_image,
       goes_on="s3:DeleteObject")  # fmt: skip
def _(lab: PermissionLab, made: dict[str, Any], _deferrable: bool) -> None:
    assert start_batch(lab, **SUBMIT_BATCH, **_checked(made))


ONE_KIND = {"*": "off", "unknown": "warn"}


@drive(START, "preflight-rerun", f"{BARE} GetRun GetWorkflow", "preflight", prepare=PermissionLab.run)
def _(lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    assert start(lab, **SUBMIT, run_id=run_id, preflight={**ONE_KIND, "workflow": "fail"})


def _full(lab: PermissionLab) -> None:
    """Have the account keep as many runs as it may."""
    lab.run()
    lab.server.change(quotas={"stored_runs": 1})


@drive(START_BATCH, "preflight-full", "s3:PutObject s3:DeleteObject servicequotas:ListServiceQuotas ListRuns GetRun",
       "preflight, write tests", prepare=_full, ends=OmicsPreflightError,
       goes_on="s3:DeleteObject")  # fmt: skip
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    start_batch(lab, **SUBMIT_BATCH, preflight={"*": "off", "quota": "fail", "unknown": "fail"})


@drive(PREFLIGHT, "images", "GetWorkflow ecr:DescribeImages ecr:GetRepositoryPolicy", "images", prepare=_with_image)
def _(lab: PermissionLab, _made: Any, _deferrable: bool) -> None:
    task(OmicsPreflightOperator, preflight={**ONE_KIND, "images": "fail"}, workflow_id=lab.workflow_id)


@drive(PREFLIGHT, "version-images", "GetWorkflowVersion ecr:DescribeImages ecr:GetRepositoryPolicy", "images",
       prepare=_with_image)  # fmt: skip
def _(lab: PermissionLab, _made: Any, _deferrable: bool) -> None:
    given = {"workflow_id": lab.workflow_id, "workflow_version_name": "image"}
    task(OmicsPreflightOperator, preflight={**ONE_KIND, "images": "fail"}, **given)


@drive(PREFLIGHT, "full", "servicequotas:ListServiceQuotas ListRuns GetRun", "quota", prepare=_full,
       ends=OmicsPreflightError)  # fmt: skip
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    levels = {"*": "off", "quota": "fail", "unknown": "fail"}
    task(OmicsPreflightOperator, preflight=levels, workflow_id=lab.workflow_id, runs=2)


@drive(START, "many", f"{BARE} GetRun ListRuns", "many waits, wait_for_completion")
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    shared = {"workflow_id": lab.workflow_id, "role_arn": ROLE, "output_uri": OUT}
    assert all(side_by_side(OmicsStartRunOperator, *[{}] * 6, **shared, **NO_TAGS, **QUICK))


@drive("OmicsCancelRunOperator", "many", "CancelRun GetRun ListRuns", "many waits, wait_for_completion",
       prepare=lambda lab: [{"run_id": lab.run(ended=False)} for _ in range(6)])  # fmt: skip
def _(_lab: PermissionLab, runs: list[dict[str, str]], _deferrable: bool) -> None:
    side_by_side(OmicsCancelRunOperator, *runs, wait_for_completion=True, **QUICK)


def _waited_for(lab: PermissionLab) -> list[dict[str, str]]:
    runs = [{"run_id": lab.run(ended=False)} for _ in range(6)]
    # Once each sensor has asked for its own.
    lab.held.release_after("GetRun", len(runs))
    return runs


@drive("OmicsRunSensor", "many", "GetRun ListRuns", "many waits", prepare=_waited_for)
def _(_lab: PermissionLab, runs: list[dict[str, str]], _deferrable: bool) -> None:
    side_by_side(OmicsRunSensor, *runs, poke_interval=0.02, error_budget=0.0)


def _filled_queue(lab: PermissionLab) -> str:
    queue = EventQueueOnServer(lab.server).open()
    lab.run()
    lab.server.account().events.drain()
    return queue.url


if HAS_ASSET_WATCHERS:
    from airflow_provider_omics.triggers import events

    @drive("OmicsRunEventTrigger", "reads", "sqs:ReceiveMessage sqs:DeleteMessage", prepare=_filled_queue)
    def _(lab: PermissionLab, url: str, _deferrable: bool) -> None:
        with pytest.MonkeyPatch.context() as patch, _logged(lab) as is_done:
            patch.setattr(events, "_SECONDS_UNTIL_STORED", 0.0)
            asyncio.run(_read_until(events.OmicsRunEventTrigger(sqs_queue=url, wait_time_seconds=1), is_done))


async def _read_until(trigger: Any, is_done: Any) -> None:
    """Run a trigger, which never ends by itself, until something is true."""

    async def read() -> None:
        async for event in trigger.run():
            print(event.payload["id"])

    reading = asyncio.ensure_future(read())
    async with asyncio.timeout(600):
        while not is_done():
            await asyncio.sleep(0.02)
    reading.cancel()
    await asyncio.wait([reading])


@contextmanager
def _logged(lab: PermissionLab) -> Iterator[Any]:
    """Give a function that says whether a message was deleted, or a refusal was logged."""
    told: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    class Tee(io.StringIO):
        def write(self, text: str) -> int:
            told.append(text)
            return output.write(text)

    def is_done() -> bool:
        access = lab.server.access
        if access.denied:
            return any(action in unwrapped("".join(told)) for action in access.denied)
        return "sqs:DeleteMessage" in access.asked

    listener, root, output = Listener(), logging.getLogger(), sys.stdout
    root.addHandler(listener)
    try:
        # Airflow 3 writes its log there.
        with redirect_stdout(Tee()):
            yield is_done
    finally:
        root.removeHandler(listener)
