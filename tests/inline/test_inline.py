"""Tasks without scheduler and triggerer, as their authors try them: ``dag.test()`` and ``airflow tasks test``."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow_database import AirflowDatabase, airflow_database
from airflow_records import AirflowRecords
from call_clock import CallClock
from child_processes import isolated_environment
from omics_service import ROLE, await_status, wdl_zip

from airflow_provider_omics.local import LocalOmics, OutcomeRule, Quotas, SimulatedOutcomes, Timings

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
IS_AIRFLOW_2 = version("apache-airflow").startswith("2.")
MODES = ("worker", "deferred")
MANY = {"worker": 100, "deferred": 5000}
SENSORS = ("run_sensor", "batch_run_sensor", "batch_sensor")
CANCELLING = ("cancel_run", "cancel_batch")
STARTING = ("start_run", "start_batch", "redrive")
DELETING = ("delete_run", "delete_runs", "delete_batch")
TASKS = (*SENSORS, *CANCELLING, *STARTING, *DELETING)
NEVER_DEFERRED = "delete_run"
TIMEOUT = 900
#: A second of the server is 20 calls. What is to end by itself does so in the order of the tasks that wait for it.
SECONDS = {"run": 1, "batch_of_one": 6, "batch": 12, "run_to_cancel": 100_000, "batch_to_cancel": 100_000}


@dataclass(frozen=True)
class Ended:
    """What came of a program.

    :ivar values: what the tasks that came to an end returned, with what they pushed, by task.
    """

    code: int
    said: str
    values: dict[str, dict[str, Any]]

    def deferred(self) -> set[str]:
        """The tasks that were deferred; Airflow 2.11 tells it without a name, while the task is the last one named."""
        found, last = set(), ""
        for line in self.said.splitlines():
            if named := re.search(r"(?:task_id=|TaskInstance: inline\.)(\w+)", line):
                last = named[1]
            if "running trigger in line" in line or "Pausing task as DEFERRED" in line:
                found.add(last)
        return found


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    """A server on which jobs last for so many calls."""
    clock = CallClock()
    timings = replace(
        Timings.fast(),
        **{"running_min": 0.5, "running_max": 1.0, "stopping": 0.5, "submissions_per_second": 100_000},
    )
    rules = (
        OutcomeRule(pattern="broken", outcome="RUN_TASK_FAILED"),
        *(OutcomeRule(pattern=fails_once(mode, way), outcome="INSTANCE_RESERVATION_FAILED", times=1)
          for mode in MODES for way in ("dag", "tasks")),
    )  # fmt: skip
    with LocalOmics(
        executor="simulated",
        clock=clock,
        timings=timings,
        quotas=Quotas.wide(),
        outcomes=SimulatedOutcomes(rules=rules, write_logs=False),
    ) as server:
        server.client("s3").create_bucket(Bucket="inline")
        yield clock.follow(server)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inline")


@pytest.fixture(scope="module")
def environment(server: LocalOmics, home: Path) -> dict[str, str]:
    extra = {**server.connection_extra(), "service_config": {"omics": {"calls_per_second": {"*": 1000}}}}
    connection = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
    return {
        **isolated_environment(Path(sys.executable).parent),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
    }


@pytest.fixture(scope="module")
def database(home: Path, environment: dict[str, str]) -> Iterator[AirflowDatabase]:
    def migrate(new: AirflowDatabase) -> None:
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(command, env={**environment, **new.settings, "INLINE_JOBS": "{}"}, check=True)

    with airflow_database(None, home / "postgresql.log", migrate) as database:
        yield database


@pytest.fixture
def run(server: LocalOmics, environment: dict[str, str], database: AirflowDatabase, tmp_path: Path) -> Any:
    """Run a program with Airflow's database and jobs of its own on the server."""

    def run_program(arguments: Sequence[str], jobs: dict[str, Any]) -> Ended:
        values = tmp_path / "values"
        told = {"INLINE_JOBS": json.dumps(jobs), "INLINE_VALUES": str(values)}
        answer = subprocess.run(
            [sys.executable, *arguments],
            env={**environment, **database.settings, **told},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=TIMEOUT,
            cwd=tmp_path,
        )
        lines = values.read_text().splitlines() if values.exists() else []
        return Ended(answer.returncode, answer.stdout, {line["task"]: line for line in map(json.loads, lines)})

    return run_program


def fails_once(mode: str, way: str) -> str:
    return f"fails-once-{mode}-{way}"


def new_jobs(server: LocalOmics, mode: str, way: str) -> dict[str, Any]:
    """Start what the tasks wait for, cancel and delete."""
    omics = server.client("omics")
    workflow_id = omics.create_workflow(engine="WDL", definitionZip=wdl_zip())["id"]
    await_status(lambda: omics.get_workflow(id=workflow_id), "ACTIVE")
    request = {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://inline/jobs"}
    jobs: dict[str, Any] = {"mode": mode, "workflow_id": workflow_id, "fails_once": fails_once(mode, way), "many": 0}
    for name, seconds in SECONDS.items():
        tags = {"omics-local:seconds": str(seconds)}
        if name.startswith("run"):
            jobs[name] = omics.start_run(**request, name=name, tags=tags)["id"]
        else:
            settings = {"inlineSettings": [{"runSettingId": one} for one in ("control", "case")]}
            default = {**request, "runTags": tags}
            one_intent = str(uuid.uuid4())
            jobs[name] = omics.start_run_batch(
                requestId=one_intent, defaultRunSetting=default, batchRunSettings=settings
            )["id"]
    return jobs


@pytest.mark.parametrize("mode", MODES)
def test_dag_test_ends_every_task_well(run: Any, server: LocalOmics, database: AirflowDatabase, mode: str) -> None:
    jobs = {**new_jobs(server, mode, "dag"), "many": MANY[mode]}

    ended = run([str(HERE / "dags" / "inline.py")], jobs)

    records = AirflowRecords(Path(), database.url)
    run_id = records.dag_run_ids("inline")[-1]
    states = {one.task_id: one.state for one in records.task_instances("inline", run_id)}
    told = {task_id: records.asset_events_of("inline", run_id, task_id) for task_id in (*STARTING, "failing")}
    records.close()
    assert states == {**dict.fromkeys((*TASKS, "many"), "success"), "failing": "failed"}, ended.said
    check(ended, server, jobs)
    check_jobs(server, jobs)
    if not IS_AIRFLOW_2:
        check_assets(told, ended, server, jobs)
    assert ended.values["many"]["summary"]["completed"] == MANY[mode]
    assert len(table(server, ended.values["many"]["results_uri"])) == MANY[mode]
    assert ended.deferred() == ({*states} - {NEVER_DEFERRED} if mode == "deferred" else set())
    assert "1 of 2 samples did not complete" in ended.said


@pytest.mark.parametrize("mode", MODES)
def test_tasks_test_ends_every_task_well(run: Any, server: LocalOmics, mode: str) -> None:
    jobs = new_jobs(server, mode, "tasks")
    is_told = mode == "worker" or not IS_AIRFLOW_2
    # In Airflow 2.11, a task that was deferred may not defer again, and nobody is told what it returns.
    tasks = TASKS if is_told else tuple(task_id for task_id in TASKS if task_id != "redrive")

    ended = run([str(HERE / "tasks_test.py"), "inline", *tasks], jobs)

    assert ended.code == 0, ended.said
    assert ended.deferred() == ({*tasks} - {NEVER_DEFERRED} if mode == "deferred" else set())
    check_jobs(server, jobs)
    if is_told:
        assert ended.values.keys() == {*TASKS}, ended.said
        check(ended, server, jobs)


def check_assets(
    told: dict[str, list[tuple[dict[str, Any], str | None]]], ended: Ended, server: LocalOmics, jobs: dict[str, Any]
) -> None:
    """Look at what Airflow has recorded of the tasks' assets."""
    assert told["failing"] == []
    [(run, _)] = told["start_run"]
    shown = server.client("omics").get_run(id=ended.values["start_run"]["value"])
    assert run == {"run_id": shown["id"], "run_uuid": shown["uuid"], "run_output_uri": shown["runOutputUri"]}
    [(cohort, key)] = told["start_batch"]
    assert (cohort, key) == ({"outcome": "completed", "batch_summary": ended.values["start_batch"]["summary"]}, None)
    assert cohort["batch_summary"]["completed"] == 2
    assert len(table(server, cohort["batch_summary"]["results_uri"])) == 2
    events = told["redrive"]
    assert all(extra["batch_summary"] == ended.values["redrive"]["summary"] for extra, _ in events)
    assert len(events[-1][0]["batch_summary"]["batch_ids"]) == 2
    # More samples have completed than get an event of their own.
    assert len(events) == 2
    assert {key for _, key in events} == {"a", jobs["fails_once"]}


def check_jobs(server: LocalOmics, jobs: dict[str, Any]) -> None:
    """Look what became of the jobs that were there before."""
    omics = server.client("omics")
    assert omics.get_run(id=jobs["run_to_cancel"])["status"] == "CANCELLED"
    assert omics.get_batch(batchId=jobs["batch_to_cancel"])["status"] == "CANCELLED"
    with pytest.raises(omics.exceptions.ResourceNotFoundException):
        omics.get_run(id=jobs["run"])
    with pytest.raises(omics.exceptions.ResourceNotFoundException):
        omics.get_batch(batchId=jobs["batch"])


def check(ended: Ended, server: LocalOmics, jobs: dict[str, Any]) -> None:
    """Look at what the tasks returned, and whether it is so."""
    omics, values = server.client("omics"), {task_id: one["value"] for task_id, one in ended.values.items()}
    assert values["run_sensor"]["run_id"] == values["delete_run"] == jobs["run"]
    assert values["batch_run_sensor"]["run_setting_id"] == "control"
    assert (values["batch_sensor"]["batch_id"], values["batch_sensor"]["completed"]) == (jobs["batch"], 2)
    assert values["cancel_run"] == jobs["run_to_cancel"]
    assert values["cancel_batch"] == jobs["batch_to_cancel"]
    assert omics.get_run(id=values["start_run"])["status"] == "COMPLETED"
    assert omics.get_batch(batchId=values["start_batch"])["status"] == "PROCESSED"
    assert [row["run_status"] for row in table(server, ended.values["start_batch"]["results_uri"])] == ["COMPLETED"] * 2
    rows = table(server, ended.values["redrive"]["results_uri"])
    assert [(row["run_setting_id"], row["run_status"]) for row in rows] == [
        ("a", "COMPLETED"),
        (jobs["fails_once"], "COMPLETED"),
        ("beyond-the-limit", "COMPLETED"),
    ]
    assert len({row["batch_id"] for row in rows}) == 2
    assert values["delete_runs"] == values["delete_batch"] == jobs["batch"]


def table(server: LocalOmics, uri: str) -> list[dict[str, str]]:
    """Read a results table."""
    place = urlsplit(uri)
    body = server.client("s3").get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read().decode()
    return list(csv.DictReader(io.StringIO(body, newline="")))
