"""boto3, aiobotocore and the AWS command line drive runs that CWL and WDL engines carry out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cwl_service import LOG_GROUP, ROLE
from hello_runs import DEFINITIONS, PARAMETERS
from omics_clients import CheckedClient, open_client
from omics_service import await_status

from airflow_provider_omics.local import LocalOmics, Quotas, Timings


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="auto", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        started.client("s3").create_bucket(Bucket="greetings")
        yield started


# How many threads may share the client.
AT_ONCE = {"boto3": 2, "aiobotocore": 1, "awscli": 2}


@pytest.mark.parametrize("kind", AT_ONCE)
def test_a_client_carries_runs_through(kind: str, server: LocalOmics, tmp_path: Path) -> None:
    with open_client(kind, server, tmp_path) as client:
        call = CheckedClient(client)
        with ThreadPoolExecutor(AT_ONCE[kind]) as pool:
            for told in [pool.submit(carry_through, call, kind, engine, server) for engine in ("CWL", "WDL")]:
                told.result()


def carry_through(call: CheckedClient, kind: str, engine: str, server: LocalOmics) -> None:
    """Make a workflow, run it and look at what came of it."""
    omics: Any = server.client("omics")
    made = call("CreateWorkflow", name=f"{engine} by {kind}", engine=engine, definitionZip=DEFINITIONS[engine])
    await_status(lambda: omics.get_workflow(id=made["id"]), "ACTIVE")
    request = {"workflowId": made["id"], "roleArn": ROLE, "outputUri": f"s3://greetings/{kind}"}
    run_id = call("StartRun", **request, parameters=PARAMETERS)["id"]
    await_status(lambda: omics.get_run(id=run_id), "COMPLETED", "FAILED")
    run = call("GetRun", id=run_id)
    (task,) = call("ListRunTasks", id=run_id)["items"]
    task = call("GetRunTask", id=run_id, taskId=task["taskId"])
    assert (run["status"], run.get("statusMessage")) == ("COMPLETED", None)
    assert (task["status"], task["name"]) == ("COMPLETED", "greet")
    events = server.client("logs").get_log_events(logGroupName=LOG_GROUP, logStreamName=task["logStream"])["events"]
    assert [event["message"] for event in events] == ["greeting world"]
    keys = server.account().aws.list_keys(f"{run['runOutputUri']}/out/")
    (greeting,) = [key for key in keys if key.endswith("/greeting.txt")]
    assert server.account().aws.get_object(f"s3://greetings/{greeting}") == b"hello world\n"
