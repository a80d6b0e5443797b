"""Columns of a sheet have the types that the workflow's definition states, unless somebody states others."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cohorts import MODES, CohortLab, instance
from omics_errors import unwrapped
from task_runs import TaskRun

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings import definition_types
from airflow_provider_omics.local import LocalOmics

Told = Callable[[], str]

INPUTS = {"sample": "string", "min_len": "int?", "dedup": "boolean?", "bams": "File[]?", "code": "string?"}
CWL = {"cwlVersion": "v1.2", "class": "Workflow", "inputs": INPUTS, "outputs": [], "steps": []}
WDL = "version 1.1\nworkflow w { input { String sample Int? min_len Boolean? dedup Array[File]? bams String? code } }\n"
SCHEMA = {"$defs": {"x": {"properties": {"min_len": {"type": "integer"}, "dedup": {"type": "boolean"}}}}}
SHEET = """sample,min_len,dedup,bams,code
A,30,true,s3://bucket/a.bam,007
B,,FALSE,"[""s3://bucket/b.bam""]",1E5
"""
TYPED = [
    {"sample": "A", "min_len": 30, "dedup": True, "bams": ["s3://bucket/a.bam"], "code": "007"},
    {"sample": "B", "dedup": False, "bams": ["s3://bucket/b.bam"], "code": "1E5"},
]
TEXT = [
    {"sample": "A", "min_len": "30", "dedup": "true", "bams": "s3://bucket/a.bam", "code": "007"},
    {"sample": "B", "dedup": "FALSE", "bams": '["s3://bucket/b.bam"]', "code": "1E5"},
]
TEMPLATE = {name: {"optional": name != "sample"} for name in INPUTS}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Told:
    """Return what the task has logged, wherever this Airflow logs to."""
    caplog.set_level(logging.INFO)
    return lambda: unwrapped(capsys.readouterr().out or caplog.text)


def zipped(**files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


DEFINITIONS = {
    "CWL": zipped(**{"main.cwl": json.dumps(CWL)}),
    "WDL": zipped(**{"main.wdl": WDL}),
    "NEXTFLOW": zipped(**{"main.nf": "workflow {}", "nextflow_schema.json": json.dumps(SCHEMA)}),
}


@pytest.fixture
def lab_of(server: LocalOmics, make_workflow: Callable[..., str]) -> Callable[[str], CohortLab]:
    """Return the lab of a workflow of an engine."""

    def make(engine: str) -> CohortLab:
        archive = DEFINITIONS[engine]
        return CohortLab(server, make_workflow(engine=engine, definitionZip=archive, parameterTemplate=TEMPLATE))

    return make


@pytest.fixture
def sheet(tmp_path: Path) -> str:
    path = tmp_path / "cohort.csv"
    path.write_text(SHEET)
    return str(path)


def submitted(lab: CohortLab, task: TaskRun) -> str:
    """Return the parameters of all runs as JSON, in which 1, "1" and true are three things."""
    return json.dumps([run.request["parameters"] for run in lab.state.runs_of_batch(task.result)], sort_keys=True)


def as_json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, sort_keys=True)


@MODES
@pytest.mark.parametrize("engine", ["CWL", "WDL", "NEXTFLOW"])
def test_cells_have_the_types_of_the_definition(
    lab_of: Callable[[str], CohortLab],
    sheet: str,
    told: Told,
    engine: str,
    deferrable: bool,
) -> None:
    if engine == "WDL":
        pytest.importorskip("WDL")
    lab = lab_of(engine)
    task = lab.run(sheet, run_setting_id_column="sample", deferrable=deferrable)
    # A schema of Nextflow that does not name a parameter leaves it text.
    some = [{name: row[name] for name in ("min_len", "dedup") if name in row} for row in TYPED]
    rows = [{**text, **types} for text, types in zip(TEXT, some, strict=True)]
    assert submitted(lab, task) == as_json(rows if engine == "NEXTFLOW" else TYPED)
    log = told()
    assert "Types from the workflow's definition" in log
    assert "'min_len' int" in log
    assert ("looks like a number" in log) is (engine == "NEXTFLOW")


def test_a_stated_type_wins_and_all_can_be_switched_off(lab_of: Callable[[str], CohortLab], sheet: str) -> None:
    lab = lab_of("CWL")
    task = lab.run(sheet, run_setting_id_column="sample", parameter_types={"min_len": "string"})
    assert submitted(lab, task) == as_json([{**TYPED[0], "min_len": "30"}, TYPED[1]])
    off = lab.run(sheet, instance(run_id="off"), run_setting_id_column="sample", types_from_definition=False)
    assert submitted(lab, off) == as_json(TEXT)


def test_rows_of_a_sample_make_the_list_that_the_definition_wants(
    lab_of: Callable[[str], CohortLab], tmp_path: Path
) -> None:
    path = tmp_path / "lanes.csv"
    path.write_text("sample,bams,min_len\nA,s3://bucket/a1.bam,1\nA,s3://bucket/a2.bam,2\n")
    lab = lab_of("CWL")
    task = lab.run(str(path), run_setting_id_column="sample", group_rows=True)
    bams = ["s3://bucket/a1.bam", "s3://bucket/a2.bam"]
    assert submitted(lab, task) == as_json([{"sample": "A", "bams": bams, "min_len": [1, 2]}])


def test_a_cell_that_does_not_fit_is_refused_with_both_ways_out(
    lab_of: Callable[[str], CohortLab], tmp_path: Path
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text("sample,min_len\nA,30x\n")
    with pytest.raises(OmicsRequestInvalidError) as caught:
        lab_of("CWL").run(str(path), run_setting_id_column="sample")
    message = caught.value.message()
    assert "row 2, column 'min_len': '30x' is no whole number, and its type is int in the workflow's" in message
    assert "types_from_definition=False" in message


@MODES
@pytest.mark.parametrize("broken_at_first", [False, True])
def test_what_the_first_try_found_holds_for_its_retries(
    lab_of: Callable[[str], CohortLab], sheet: str, broken_at_first: bool, deferrable: bool
) -> None:
    lab = lab_of("CWL")
    workflow = lab.state.workflows[lab.workflow_id]
    sound, broken = workflow.definition_zip, b"no zip"
    workflow.definition_zip = broken if broken_at_first else sound
    ti = lab.crash(sheet, instance(max_tries=1), run_setting_id_column="sample")
    workflow.definition_zip = sound if broken_at_first else broken
    again = instance(try_number=2, max_tries=1, xcoms=ti.xcoms)
    task = lab.run(sheet, again, run_setting_id_column="sample", deferrable=deferrable)
    assert submitted(lab, task) == as_json(TEXT if broken_at_first else TYPED)
    assert lab.effects("StartRunBatch") == 1
    assert lab.runs_of() == {"A": 1, "B": 1}


def test_a_definition_that_cannot_be_read_fails_no_task(
    lab_of: Callable[[str], CohortLab], sheet: str, told: Told
) -> None:
    lab = lab_of("NEXTFLOW")
    lab.state.workflows[lab.workflow_id].definition_zip = zipped(**{"main.nf": "workflow {}"})
    task = lab.run(sheet, run_setting_id_column="sample")
    assert submitted(lab, task) == as_json(TEXT)
    assert "cannot be read from its definition: it has no nextflow_schema.json" in told()


def test_without_miniwdl_there_is_one_line_and_nothing_kept(
    lab_of: Callable[[str], CohortLab],
    sheet: str,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(definition_types, "find_spec", lambda _name: None)
    lab = lab_of("WDL")
    task = lab.run(sheet, run_setting_id_column="sample")
    assert submitted(lab, task) == as_json(TEXT)
    assert told().count("that needs miniwdl, which is not installed") == 1
    assert lab.objects("out/airflow-batches/run-settings/parameter-types/") == {}


def test_rows_for_a_function_and_for_sheets_of_samples_stay_as_written(
    lab_of: Callable[[str], CohortLab], sheet: str
) -> None:
    lab = lab_of("CWL")
    seen: list[Any] = []

    def build(rows: list[dict[str, str]]) -> dict[str, Any]:
        seen.extend(rows)
        return {"parameters": {"sample": rows[0]["sample"]}}

    lab.run(sheet, run_setting_id_column="sample", build_run_setting=build)
    assert [row["min_len"] for row in seen] == ["30", ""]
    assert lab.objects("out/airflow-batches/run-settings/parameter-types/") == {}
