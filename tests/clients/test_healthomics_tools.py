"""AWS's aws-healthomics-tools: the run analyzer and the tool that runs again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omics_service import await_status

from airflow_provider_omics.local import LocalOmics

Call = Callable[..., str]
ANALYZE = ("aws-healthomics-tools", "run_analyzer")


def rows(text: str) -> dict[str, dict[str, str]]:
    return {row["type"]: row for row in csv.DictReader(io.StringIO(text))}


def test_the_run_analyzer_tells_use_and_cost(call: Call, run: dict[str, Any]) -> None:
    analyzed = rows(call(*ANALYZE, run["id"]))
    assert (analyzed["run"]["arn"], analyzed["run"]["name"]) == (run["arn"], run["name"])
    assert float(analyzed["run"]["runningSeconds"]) > 0
    assert float(analyzed["run"]["estimatedUSD"]) > 0
    task = analyzed["task"]
    assert (task["name"], task["omicsInstanceTypeReserved"]) == ("greet", "omics.c.large")
    # It reckons with at least a minute; the example's price of that instance is 0.1 USD an hour.
    assert float(task["estimatedUSD"]) >= 0.0016


def test_the_run_analyzer_finds_a_run_by_its_uuid_and_shows_its_manifest(call: Call, run: dict[str, Any]) -> None:
    shown = json.loads(call(*ANALYZE, f"{run['id']}:{run['uuid']}", "--show"))
    assert {entry["arn"].split(":")[-1].split("/")[0] for entry in shown} == {"run", "task"}
    assert {entry["status"] for entry in shown} == {"COMPLETED"}


def test_the_run_analyzer_lists_recent_runs_and_draws_a_timeline(
    call: Call, run: dict[str, Any], tmp_path: Path
) -> None:
    assert f"{run['id']} (" in call(*ANALYZE, "--time", "1day")
    resource, *_ = call(*ANALYZE, "--timeline", run["id"]).splitlines()[1].split(",")
    assert resource.startswith('"task/')
    call(*ANALYZE, run["id"], "--show", "--plot", str(tmp_path))
    assert "greet" in (tmp_path / f"{run['id']}_timeline.html").read_text()


def test_the_run_analyzer_sums_several_runs(call: Call, run: dict[str, Any]) -> None:
    (summed,) = rows(call(*ANALYZE, "--batch", run["id"])).values()
    assert (summed["name"], summed["count"]) == ("greet", "1")


def test_rerun_starts_the_run_of_a_manifest_again(call: Call, server: LocalOmics, run: dict[str, Any]) -> None:
    told = call("aws-healthomics-tools", "rerun", run["id"], "--name", "again", "--parameter", "name=moon")
    response = json.loads(told.partition("StartRun response:")[2])
    omics: Any = server.client("omics")
    again = await_status(lambda: dict(omics.get_run(id=response["id"])), "COMPLETED")
    assert (again["name"], again["workflowId"]) == ("again", run["workflowId"])
    assert again["parameters"] == {"name": "moon"}
