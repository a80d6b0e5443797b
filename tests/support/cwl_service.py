"""What tests of really run CWL workflows have in common: a bucket, definitions, and waiting for ends."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from airflow_provider_omics.healthomics.requests.s3_uris import split_object_uri
from airflow_provider_omics.local import LocalOmics

ROLE = "arn:aws:iam::123456789012:role/omics"
LOG_GROUP = "/aws/omics/WorkflowLog"
READ_QC = Path(__file__).parents[2] / "example_dags" / "workflows" / "read-qc"
DEADLINE_SECONDS = 600


def await_that(condition: Callable[[], Any], what: str) -> Any:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s for {what}"
        time.sleep(0.02)
    return answer


def zip_of(files: Mapping[str, str | bytes]) -> bytes:
    """Zip a definition; the same files give the same bytes, whenever that is."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = 0o600 << 16
            archive.writestr(member, text)
    return content.getvalue()


def wdl_zip() -> bytes:
    """Zip a WDL definition."""
    return zip_of({"main.wdl": "version 1.0\nworkflow test {}\n"})


def read_qc_zip() -> bytes:
    """Zip the read-QC example."""
    return zip_of({path.name: path.read_bytes() for path in READ_QC.iterdir() if path.is_file()})


class CwlService:
    """A server, a bucket of its own, and the calls of a user of both."""

    def __init__(self, server: LocalOmics) -> None:
        self.server = server
        self.omics = server.client("omics")
        self.s3 = server.client("s3")
        self.logs = server.client("logs")
        self.bucket = f"cwl-{uuid.uuid4()}"
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key: str, content: bytes) -> str:
        """Upload an object and return its URI."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def read(self, uri: str) -> bytes:
        """Return an object's content."""
        bucket, key = split_object_uri(uri, operation="GetObject")
        content: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def workflow(self, files: Mapping[str, str | bytes], **settings: Any) -> str:
        """Create a workflow from a definition and return its id once it is ACTIVE."""
        return self.workflow_from(definitionZip=zip_of(files), **settings)

    def workflow_from(self, **settings: Any) -> str:
        """Create a workflow and return its id once it is ACTIVE."""
        request = {"name": "test", "engine": "CWL", **settings}
        workflow_id: str = self.omics.create_workflow(**request)["id"]
        await_that(lambda: self._is_active(workflow_id), "the workflow")
        return workflow_id

    def _is_active(self, workflow_id: str) -> bool:
        workflow = self.omics.get_workflow(id=workflow_id)
        assert workflow["status"] != "FAILED", workflow["statusMessage"]
        return bool(workflow["status"] == "ACTIVE")

    def start(self, workflow_id: str, parameters: Any, **settings: Any) -> str:
        """Start a run and return its id."""
        request = {"roleArn": ROLE, "outputUri": f"s3://{self.bucket}/out", **settings}
        run_id: str = self.omics.start_run(workflowId=workflow_id, parameters=parameters, **request)["id"]
        return run_id

    def end(self, run_id: str) -> dict[str, Any]:
        """Wait for a run's end and return GetRun's answer."""
        run: dict[str, Any] = await_that(lambda: self._ended(run_id), f"the end of run {run_id}")
        return run

    def _ended(self, run_id: str) -> dict[str, Any] | None:
        run: dict[str, Any] = self.omics.get_run(id=run_id)
        return run if run["status"] in ("COMPLETED", "FAILED", "CANCELLED") else None

    def run(
        self, files: Mapping[str, str | bytes], parameters: Any, *, engine: str = "CWL", **settings: Any
    ) -> dict[str, Any]:
        """Create a workflow, run it, and return GetRun's answer after its end."""
        return self.end(self.start(self.workflow(files, engine=engine), parameters, **settings))

    def outputs(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a run's ``outputs.json`` says."""
        outputs: dict[str, Any] = json.loads(self.read(f"{run['runOutputUri']}/logs/outputs.json"))
        return outputs

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """Return GetRunTask's answer for every task, in the order of their names."""
        items = self.omics.get_paginator("list_run_tasks").paginate(id=run_id).build_full_result()["items"]
        tasks = [self.omics.get_run_task(id=run_id, taskId=item["taskId"]) for item in items]
        return sorted(tasks, key=lambda task: task["name"])

    def lines(self, stream: str) -> list[str]:
        """Return the lines of a log stream, oldest first."""
        answer = self.logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True)
        return [event["message"] for event in answer["events"]]

    def all_lines(self, stream: str) -> list[str]:
        """Return the lines of a log stream of more than one page, oldest first."""
        where = {"logGroupName": LOG_GROUP, "logStreamName": stream, "startFromHead": True}
        page, lines, token = self.logs.get_log_events(**where), [], None
        while page["nextForwardToken"] != token:
            lines += [event["message"] for event in page["events"]]
            token = page["nextForwardToken"]
            page = self.logs.get_log_events(**where, nextToken=token)
        return lines

    def streams(self, run_id: str) -> list[str]:
        """Return the names of a run's log streams."""
        pages = self.logs.get_paginator("describe_log_streams").paginate(logGroupName=LOG_GROUP)
        names = [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        return [name for name in names if f"run/{run_id}" in name]
