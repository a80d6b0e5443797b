"""Events that OpenLineage gets of a DAG run: what the specification asks for, and nothing that is secret."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from airflow_database import AirflowDatabase, airflow_database
from child_processes import isolated_environment
from omics_service import await_status, wdl_zip

import airflow_provider_omics.lineage
from airflow_provider_omics.local import LocalOmics, OutcomeRule, Quotas, SimulatedOutcomes, Timings

pytestmark = pytest.mark.e2e
pytest.importorskip("airflow.providers.openlineage")

MODES = ("worker", "deferred")
HERE = Path(__file__).parent
URI = {"type": "string", "pattern": r"^(https?://|urn:)\S+$"}
FACETS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["_producer", "_schemaURL"],
        "properties": {"_producer": URI, "_schemaURL": URI},
    },
}
DATASETS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["namespace", "name"],
        "properties": {
            "namespace": {"type": "string", "pattern": "^s3://[a-z0-9.-]+$"},
            "name": {"type": "string", "pattern": "^[^?]+$"},
            "facets": FACETS,
        },
    },
}
#: What the specification asks of a run event, with what this package says of datasets.
RUN_EVENT = {
    "type": "object",
    "required": ["eventTime", "producer", "schemaURL", "run", "job"],
    "properties": {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT"},
        "producer": URI,
        "schemaURL": URI,
        "run": {
            "type": "object",
            "required": ["runId"],
            "properties": {"runId": {"type": "string", "pattern": "^[0-9a-f-]{36}$"}, "facets": FACETS},
        },
        "job": {"type": "object", "required": ["namespace", "name"], "properties": {"facets": FACETS}},
        "inputs": DATASETS,
        "outputs": DATASETS,
    },
}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    rules = tuple(OutcomeRule(pattern=f"again-{mode}", outcome="SERVICE_ERROR", times=1) for mode in MODES)
    with LocalOmics(
        executor="simulated", timings=Timings.fast(), quotas=Quotas.wide(), outcomes=SimulatedOutcomes(rules=rules)
    ) as started:
        started.client("s3").create_bucket(Bucket="inline")
        yield started


@pytest.fixture(scope="module")
def events(server: LocalOmics, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The events of one DAG run."""
    home = tmp_path_factory.mktemp("lineage")
    told = home / "events.jsonl"
    omics = server.client("omics")
    workflow = omics.create_workflow(name="w", engine="WDL", definitionZip=wdl_zip())["id"]
    await_status(lambda: omics.get_workflow(id=workflow), "ACTIVE")
    environment = {
        **isolated_environment(Path(sys.executable).parent),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "file", "log_file_path": str(told), "append": True}),
        "AIRFLOW_CONN_AWS_DEFAULT": server.airflow_connection_uri(),
        "LINEAGE_WORKFLOW": workflow,
        "INLINE_JOBS": "{}",
    }

    def migrate(new: AirflowDatabase) -> None:
        subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"], env={**environment, **new.settings}, check=True
        )

    with airflow_database(None, home / "postgresql.log", migrate) as database:
        program = [sys.executable, str(HERE / "dags" / "lineage.py")]
        subprocess.run(program, env={**environment, **database.settings}, check=False, timeout=500)
    return [json.loads(line) for line in told.read_text().splitlines()]


def places_of(secret: str, value: Any, path: str) -> Iterator[str]:
    """Give the places of an event that hold a secret."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from places_of(secret, member, f"{path}.{name}")
    elif secret in json.dumps(value):
        yield path


def of(events: list[dict[str, Any]], task: str) -> dict[str, dict[str, Any]]:
    """Return the events of a task, the last of each type."""
    return {event["eventType"]: event for event in events if event["job"]["name"] == f"lineage.{task}"}


def test_all_events_are_as_the_specification_asks(events: list[dict[str, Any]]) -> None:
    folder = Path(airflow_provider_omics.lineage.__file__).parent
    schema = json.loads((folder / "OmicsWorkflowRunFacet.json").read_text())
    ours = 0
    for event in events:
        jsonschema.validate(event, RUN_EVENT)
        jsonschema.validate(event["run"]["facets"], schema)
        ours += "omics_workflow" in event["run"]["facets"]
        assert [*places_of("hunter2", event, "")] == []
    assert ours >= 16


@pytest.mark.parametrize("mode", MODES)
def test_each_task_tells_its_datasets(events: list[dict[str, Any]], mode: str) -> None:
    reads = [{"namespace": "s3://inline", "name": "reads/a.fastq.gz"}]
    run = of(events, f"run_{mode}")
    for event in (run["START"] if "START" in run else run["RUNNING"], run["COMPLETE"]):
        assert [{name: one[name] for name in ("namespace", "name")} for one in event["inputs"]] == reads
    facet = run["COMPLETE"]["run"]["facets"]["omics_workflow"]
    assert (facet["kind"], facet["status"]) == ("run", "COMPLETED")
    assert facet["digest"]
    assert run["COMPLETE"]["outputs"]
    failed = of(events, f"failing_run_{mode}")["FAIL"]["run"]["facets"]
    assert failed["omics_workflow"]["failureCode"] == "RUN_TASK_FAILED"
    assert "RUN_TASK_FAILED" in failed["errorMessage"]["message"]
    redriven = of(events, f"batch_{mode}")["COMPLETE"]
    assert len(redriven["run"]["facets"]["omics_workflow"]["batchIds"]) == 2
    assert any(one["name"].endswith(".csv") for one in redriven["outputs"])
    cohort = of(events, f"failing_batch_{mode}")["FAIL"]["run"]["facets"]["omics_workflow"]
    assert (cohort["outcome"], cohort["failureClasses"]) == ("failed", {"workflow": 1})
