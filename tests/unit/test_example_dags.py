"""The example DAGs import on their own, without a network and without a HealthOmics server."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import airflow
import pytest
from examples import NEED_AIRFLOW_3, example_files

EXAMPLES = example_files()

DESCRIBE_WITHOUT_NETWORK = """
import json, runpy, socket, sys

def refuse(*arguments, **keywords):
    raise AssertionError(f"the DAG file opens a connection: {arguments}")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
dag = runpy.run_path(sys.argv[1])["dag"]
tasks = {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}
params = {name: dag.params.get_param(name) for name in dag.params}
described = {name: {"type": param.schema["type"], "text": param.description} for name, param in params.items()}
print(json.dumps({"dag_id": dag.dag_id, "doc": dag.doc_md, "tasks": tasks, "params": described}))
"""


@cache
def describe(path: Path) -> dict[str, Any]:
    """Import a DAG file in a process of its own and return what is in it."""
    answer = subprocess.run(
        [sys.executable, "-c", DESCRIBE_WITHOUT_NETWORK, str(path)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    described: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return described


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_explains_itself_and_its_parameters(path: Path) -> None:
    dag = describe(path)

    assert dag["dag_id"] == path.stem
    assert dag["doc"] == ast.get_docstring(ast.parse(path.read_text()), clean=False)
    for name, param in dag["params"].items():
        assert f'"{name}":' in dag["doc"], f"the example call in the docstring has no {name}"
        assert param["type"] in ("string", "number", "array", "object")
        assert len(param["text"].split()) >= 3, name


def tasks_of(dag_id: str) -> dict[str, list[str]]:
    """Return the tasks that come after each task of an example."""
    (path,) = (path for path in EXAMPLES if path.stem == dag_id)
    tasks: dict[str, list[str]] = describe(path)["tasks"]
    return tasks


def test_the_run_example_gathers_whatever_became_of_the_runs() -> None:
    assert tasks_of("example_omics_run") == {
        "plan": ["read_qc"],
        "read_qc": ["gather"],
        "gather": ["all_completed"],
        "all_completed": [],
    }


def test_the_batch_example_looks_out_for_the_control_beside_the_cohort_and_not_after_it() -> None:
    assert tasks_of("example_omics_batch") == {
        "control": ["check_control"],
        "check_control": [],
        "cohort": ["accept", "completed", "qc_table"],
        "completed": ["figures"],
        "figures": ["accept", "qc_table"],
        "qc_table": ["accept"],
        "accept": [],
    }


@pytest.mark.skipif(airflow.__version__ < "3", reason=NEED_AIRFLOW_3["example_omics_events.py"])
def test_the_events_example_reports_each_run_on_its_own() -> None:
    assert tasks_of("example_omics_events") == {"list_runs": ["report"], "report": []}


@pytest.mark.skipif(airflow.__version__ < "3.1", reason="people are asked from Airflow 3.1 on")
def test_the_approval_example_starts_nothing_before_the_estimate_is_approved() -> None:
    assert tasks_of("example_omics_cost_approval") == {
        "samples": ["cohort"],
        "estimate": ["approve"],
        "approve": ["cohort"],
        "cohort": [],
    }


def test_the_lifecycle_example_deletes_versions_and_records_only_once_there_are_results() -> None:
    assert tasks_of("example_omics_workflow_lifecycle") == {
        "workflow": ["check", "cohort", "outdated", "prune", "prune_batches", "prune_runs", "version"],
        "version": ["check", "cohort", "outdated"],
        "group": ["check", "cohort"],
        "check": ["cohort"],
        "cohort": ["results"],
        "results": ["outdated", "prune_batches"],
        "outdated": ["prune"],
        "prune": [],
        "prune_batches": ["prune_runs"],
        "prune_runs": [],
    }


def test_the_pruning_example_prunes_batches_before_runs() -> None:
    assert tasks_of("example_omics_prune_runs") == {"batches": ["runs"], "runs": []}


def test_the_preflight_example_checks_before_the_work_that_leads_to_the_cohort() -> None:
    assert tasks_of("example_omics_preflight") == {"check": ["prepare"], "prepare": ["cohort"], "cohort": []}
