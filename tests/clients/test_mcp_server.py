"""AWS's MCP server for HealthOmics (awslabs.aws-healthomics-mcp-server)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cwl_service import ROLE
from omics_service import await_status

from airflow_provider_omics.local import LocalOmics

DRIVER = str(Path(__file__).with_name("mcp_calls.py"))
Tools = Callable[..., list[str]]


@pytest.fixture(scope="session")
def tools(clients: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    """Call tools one after the other in one session, and return their answers."""
    log = tmp_path_factory.mktemp("mcp") / "stderr"
    command = [str(clients / "python"), DRIVER]
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def call_tools(*calls: tuple[str, dict[str, Any]]) -> list[str]:
            answers = []
            for call in calls:
                stdin.write(f"{json.dumps(call)}\n")
                stdin.flush()
                answer = stdout.readline()
                assert answer, log.read_text()
                answers.append(json.loads(answer))
            return answers

        yield call_tools
        stdin.close()


def test_it_describes_a_run_with_its_logs(tools: Tools, run: dict[str, Any], server: LocalOmics) -> None:
    omics: Any = server.client("omics")
    (task,) = omics.list_run_tasks(id=run["id"])["items"]
    of_run = {"run_id": run["id"]}
    described, tasks, run_log, engine_log, task_log, manifest, timeline = tools(
        ("GetAHORun", of_run),
        ("ListAHORunTasks", of_run),
        ("GetAHORunLogs", of_run),
        ("GetAHORunEngineLogs", of_run),
        ("GetAHOTaskLogs", {**of_run, "task_id": task["taskId"]}),
        ("GetAHORunManifestLogs", {**of_run, "run_uuid": run["uuid"]}),
        ("GenerateAHORunTimeline", of_run),
    )
    assert json.loads(described)["uuid"] == run["uuid"]
    assert [item["name"] for item in json.loads(tasks)["tasks"]] == ["greet"]
    assert "The run completed" in [event["message"] for event in json.loads(run_log)["events"]]
    assert json.loads(engine_log)["events"]
    assert [event["message"] for event in json.loads(task_log)["events"]] == ["greeting world"]
    assert run["arn"] in manifest
    assert timeline.startswith("<svg")


def test_it_analyzes_a_run_with_prices(tools: Tools, run: dict[str, Any]) -> None:
    (report,) = tools(("AnalyzeAHORunPerformance", {"run_ids": [run["id"]], "detailed": True}))
    assert "- **greet**" in report
    (cost,) = [line for line in report.splitlines() if "Task Cost" in line]
    assert float(cost.partition("$")[2]) > 0


def test_it_starts_a_run_and_a_batch(tools: Tools, run: dict[str, Any], server: LocalOmics) -> None:
    omics: Any = server.client("omics")
    request = {"workflow_id": run["workflowId"], "role_arn": ROLE, "output_uri": "s3://greetings/mcp"}
    settings = {"inlineSettings": [{"runSettingId": "one", "parameters": {"name": "batch"}}]}
    started, batch = tools(
        ("StartAHORun", {**request, "name": "of a tool", "parameters": {"name": "tool"}}),
        ("StartAHORunBatch", {**request, "batch_run_settings": settings}),
    )
    run_id = json.loads(started)["id"]
    assert await_status(lambda: omics.get_run(id=run_id), "COMPLETED", "FAILED")["status"] == "COMPLETED"
    batch_id = json.loads(batch)["id"]
    summary = await_status(lambda: omics.get_batch(batchId=batch_id), "PROCESSED")["runSummary"]
    assert summary["completedRunCount"] == 1


def test_it_makes_a_configuration(tools: Tools, server: LocalOmics) -> None:
    omics: Any = server.client("omics")
    vpc = {"vpcConfig": {"securityGroupIds": ["sg-01"], "subnetIds": ["subnet-01"]}}
    made, listed = tools(
        ("CreateAHOConfiguration", {"name": "net", "run_configurations": vpc}),
        ("ListAHOConfigurations", {"max_results": 10}),
    )
    assert json.loads(made)["status"] == "CREATING"
    assert "net" in listed
    await_status(lambda: omics.get_configuration(name="net"), "ACTIVE")


def test_it_is_told_what_is_not_served(tools: Tools) -> None:
    for answer in tools(("ListCodeConnections", {}), ("ListPullThroughCacheRules", {})):
        assert "is not served by the local HealthOmics server" in answer
