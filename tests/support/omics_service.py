"""What tests that call the local server over HTTP have in common."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/omics"
DEADLINE_SECONDS = 300
ADMIN_HEADERS = {"X-Omics-Local": "1", "Content-Type": "application/json"}


def wdl_zip() -> bytes:
    """A zipped WDL definition."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("main.wdl", "version 1.0\nworkflow test {}\n")
    return content.getvalue()


def cwl_without_inputs() -> dict[str, Any]:
    """What CreateWorkflow needs for a workflow whose types are read at once; WDL takes a process, half a second."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(
            "main.cwl", "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: 'true'\ninputs: []\noutputs: []\n"
        )
    return {"engine": "CWL", "definitionZip": content.getvalue()}


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, int, str]:
    """Return code, HTTP status and message of the error that a call gets."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    answer = caught.value.response
    return (
        answer["Error"]["Code"],
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Message"],
    )


def make_configuration(omics: Any, name: str) -> dict[str, Any]:
    """Make a configuration of VPC networking and return it once it is ACTIVE."""
    vpc = {"securityGroupIds": ["sg-0123abcd"], "subnetIds": ["subnet-0123abcd", "subnet-4567ef01"]}
    omics.create_configuration(name=name, runConfigurations={"vpcConfig": vpc})
    return await_status(lambda: dict(omics.get_configuration(name=name)), "ACTIVE")


def await_status(describe: Callable[[], dict[str, Any]], *wanted: str) -> dict[str, Any]:
    """Ask until the status is one of those wanted, and return that answer."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (answer := describe())["status"] not in wanted:
        assert time.monotonic() < deadline, f"status stayed {answer['status']}, wanted {wanted}"
        time.sleep(0.01)
    return answer
