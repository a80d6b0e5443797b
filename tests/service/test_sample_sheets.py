"""Workflows whose input is a sheet: one run per sample, each with a sheet of its own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cohorts import BUCKET, MODES, CohortLab, instance
from omics_errors import raises, unwrapped
from task_runs import TaskRun

from airflow_provider_omics.exceptions import OmicsBatchFailedError, OmicsRequestInvalidError, OmicsServiceError
from airflow_provider_omics.local import LocalOmics

# As the pipelines' own documentation writes them.
RNASEQ = """sample,fastq_1,fastq_2,strandedness
CONTROL_REP1,s3://reads/AEG588A1_S1_L002_R1_001.fastq.gz,s3://reads/AEG588A1_S1_L002_R2_001.fastq.gz,auto
CONTROL_REP1,s3://reads/AEG588A1_S1_L003_R1_001.fastq.gz,s3://reads/AEG588A1_S1_L003_R2_001.fastq.gz,auto
TREATMENT_REP1,s3://reads/AEG588A4_S4_L003_R1_001.fastq.gz,,reverse
"""
SAREK = """patient,sex,status,sample,lane,fastq_1,fastq_2
P1,XX,0,P1_N,L1,s3://reads/n_L1_1.fq.gz,s3://reads/n_L1_2.fq.gz
P1,XX,1,P1_T,L1,s3://reads/t_L1_1.fq.gz,s3://reads/t_L1_2.fq.gz
P2,XY,0,P2_N,L1,s3://reads/p2_L1_1.fq.gz,s3://reads/p2_L1_2.fq.gz
P1,XX,1,P1_T,L2,s3://reads/t_L2_1.fq.gz,s3://reads/t_L2_2.fq.gz
"""
TAXPROFILER = """sample,run_accession,instrument_platform,fastq_1,fastq_2,fasta
2611,ERR5766174,ILLUMINA,,,s3://reads/ERX5474930_ERR5766174_1.fa.gz
2612,ERR5766176,ILLUMINA,s3://reads/ERR5766176_1.fastq.gz,s3://reads/ERR5766176_2.fastq.gz,
2612,ERR5766180,ILLUMINA,s3://reads/ERR5766180_1.fastq.gz,,
"""
SCRNASEQ = """sample,fastq_1,fastq_2,expected_cells
pbmc8k,s3://reads/pbmc8k_S1_L007_R1_001.fastq.gz,s3://reads/pbmc8k_S1_L007_R2_001.fastq.gz,10000
pbmc8k,s3://reads/pbmc8k_S1_L008_R1_001.fastq.gz,s3://reads/pbmc8k_S1_L008_R2_001.fastq.gz,10000
pbmc5k,s3://reads/pbmc5k_S1_L003_R1_001.fastq.gz,s3://reads/pbmc5k_S1_L003_R2_001.fastq.gz,5000
"""
# The sheet, the column of its ids, and the parameters that the pipeline's template has.
PIPELINES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "rnaseq": (RNASEQ, "sample", {"input": {}, "outdir": {}, "genome": {"optional": True}}),
    "sarek": (SAREK, "patient", {"input": {}, "outdir": {}, "tools": {"optional": True}}),
    "taxprofiler": (TAXPROFILER, "sample", {"input": {}, "databases": {}, "outdir": {"optional": True}}),
    "scrnaseq": (SCRNASEQ, "sample", {"input": {}, "aligner": {"optional": True}, "outdir": {}}),
}
SHARED = {"rnaseq": {"outdir": "/mnt/workflow/pubdir"}, "sarek": {"outdir": "/mnt/workflow/pubdir"}}
SHARED |= {"taxprofiler": {"databases": "s3://reads/databases.csv"}, "scrnaseq": {"outdir": "/mnt/workflow/pubdir"}}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def rnaseq(tmp_path: Path) -> str:
    path = tmp_path / "samplesheet.csv"
    path.write_text(RNASEQ)
    return str(path)


def sheets_of(lab: CohortLab, task: TaskRun, parameter: str = "input") -> dict[str, str]:
    """Return the content of every sample's sheet, by the ids of the runs that were started."""
    runs = lab.state.runs_of_batch(task.result)
    return {str(run.run_setting_id): lab.read(run.request["parameters"][parameter]) for run in runs}


def by_id(text: str, column: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        found.setdefault(row[column], []).append(row)
    return found


@MODES
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_sample_of_a_pipeline_gets_its_own_sheet(
    lab: CohortLab, make_workflow: Callable[..., str], tmp_path: Path, pipeline: str, deferrable: bool
) -> None:
    text, column, template = PIPELINES[pipeline]
    path = tmp_path / f"{pipeline}.csv"
    path.write_text(text)
    task = lab.run(
        str(path),
        workflow_id=make_workflow(parameterTemplate=template),
        run_setting_id_column=column,
        sample_sheet_parameter="input",
        parameters=SHARED[pipeline],
        deferrable=deferrable,
    )
    sheets = sheets_of(lab, task)
    assert list(sheets) == list(by_id(text, column))
    for run_setting_id, rows in by_id(text, column).items():
        sheet = sheets[run_setting_id]
        assert sheet.splitlines()[0] == text.splitlines()[0]
        assert list(csv.DictReader(io.StringIO(sheet))) == rows
    for run in lab.state.runs_of_batch(task.result):
        assert run.request["parameters"].keys() == {"input", *SHARED[pipeline]}
    assert set(lab.column(task.ti, "run_status")) == {"COMPLETED"}


def test_columns_are_picked_and_ordered_and_those_left_out_are_told(
    lab: CohortLab, rnaseq: str, capsys: pytest.CaptureFixture[str]
) -> None:
    task = lab.run(
        rnaseq,
        run_setting_id_column="sample",
        sample_sheet_parameter="input",
        sample_sheet_columns=["fastq_1", "sample"],
    )
    assert sheets_of(lab, task)["TREATMENT_REP1"] == (
        "fastq_1,sample\ns3://reads/AEG588A4_S4_L003_R1_001.fastq.gz,TREATMENT_REP1\n"
    )
    assert "The sample sheets lack the columns 'fastq_2', 'strandedness'" in unwrapped(capsys.readouterr().out)


def test_a_tsv_becomes_tsv_and_rows_of_jsonl_become_csv(lab: CohortLab, tmp_path: Path) -> None:
    tsv, jsonl = tmp_path / "s.tsv", tmp_path / "s.jsonl"
    tsv.write_text('sample\tnote\nA\t"one\ttab"\n')
    rows = [{"sample": "A", "cells": 10, "paired": True}, {"sample": "A", "cells": None, "note": 'a "b", c'}]
    jsonl.write_text("\n".join(map(json.dumps, rows)))
    options = {"run_setting_id_column": "sample", "sample_sheet_parameter": "input"}
    (sheet,) = sheets_of(lab, lab.run(str(tsv), **options)).values()
    assert sheet == 'sample\tnote\nA\t"one\ttab"\n'
    (sheet,) = sheets_of(lab, lab.run(str(jsonl), instance(run_id="other"), **options)).values()
    assert sheet == 'sample,cells,paired,note\nA,10,true,\nA,,,"a ""b"", c"\n'
    kinds = {key.rpartition(".")[2] for key in lab.objects("out/airflow-batches/run-settings/sample-sheets/")}
    assert kinds == {"csv", "tsv"}


def test_sheets_go_below_settings_uri_and_are_never_written_again(lab: CohortLab, rnaseq: str) -> None:
    options: dict[str, Any] = {"run_setting_id_column": "sample", "sample_sheet_parameter": "input"}
    options["settings_uri"] = f"s3://{BUCKET}/kept/"
    lab.run(rnaseq, **options)
    first = lab.objects("kept/sample-sheets/")
    assert sorted(key.rpartition("/")[2].rpartition("-")[0] for key in first) == ["CONTROL_REP1", "TREATMENT_REP1"]
    Path(rnaseq).write_text(RNASEQ.replace("reverse", "forward"))
    lab.run(rnaseq, instance(run_id="other"), **options)
    second = lab.objects("kept/sample-sheets/")
    assert len(second) == 3
    assert {key: second[key] for key in first} == first


def test_only_the_sample_whose_rows_changed_runs_again(lab: CohortLab, rnaseq: str) -> None:
    options: dict[str, Any] = {"run_setting_id_column": "sample", "sample_sheet_parameter": "input"}
    options["run_tags"] = {"omics-local:outcome": "RUN_TASK_FAILED"}
    ti = instance(max_tries=1)
    with pytest.raises(OmicsBatchFailedError):
        lab.run(rnaseq, ti, **options)
    Path(rnaseq).write_text(RNASEQ.replace("reverse", "forward"))
    del options["run_tags"]
    task = lab.run(rnaseq, instance(try_number=2, max_tries=1, xcoms=ti.xcoms), **options)
    assert "forward" in sheets_of(lab, task)["TREATMENT_REP1"]
    assert set(lab.column(task.ti, "run_status")) == {"COMPLETED"}


def test_a_build_function_adds_other_members(lab: CohortLab, rnaseq: str) -> None:
    def build(rows: list[dict[str, str]]) -> dict[str, Any]:
        return {"name": rows[0]["sample"].lower(), "parameters": {"lanes": len(rows)}}

    task = lab.run(rnaseq, run_setting_id_column="sample", sample_sheet_parameter="input", build_run_setting=build)
    runs = {run.run_setting_id: run.request for run in lab.state.runs_of_batch(task.result)}
    assert runs["CONTROL_REP1"]["parameters"]["lanes"] == 2
    assert runs["CONTROL_REP1"]["name"] == "control_rep1"
    assert len(sheets_of(lab, task)["CONTROL_REP1"].splitlines()) == 3


def test_the_id_column_feeds_the_parameter_of_its_name_too(
    lab: CohortLab, make_workflow: Callable[..., str], rnaseq: str
) -> None:
    workflow_id = make_workflow(parameterTemplate={"input": {}, "sample": {}})
    task = lab.run(rnaseq, workflow_id=workflow_id, run_setting_id_column="sample", sample_sheet_parameter="input")
    given = [run.request["parameters"]["sample"] for run in lab.state.runs_of_batch(task.result)]
    assert given == ["CONTROL_REP1", "TREATMENT_REP1"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"sample_sheet_parameter": ""}, "sample_sheet_parameter: '' is no name of a parameter"),
    ({"sample_sheet_parameter": None, "sample_sheet_columns": ["a"]}, "has no effect without sample_sheet_parameter"),
    ({"sample_sheet_columns": ["fastq1"]}, "sample_sheet_columns: 'fastq1' is not a column of"),
    ({"sample_sheet_columns": ["sample", "sample"]}, "sample_sheet_columns: names 'sample' twice"),
    ({"sample_sheet_columns": []}, "sample_sheet_columns: [] is no list of columns"),
    ({"sample_sheet_columns": "sample"}, "sample_sheet_columns: 'sample' is no list of columns"),
    ({"parameters": {"input": "s3://b/all.csv"}}, "'input' is given in parameters for all runs too"),
    ({"output_uri": None}, "settings_uri: is missing, and has no default without output_uri"),
    ({"run_setting_id_column": None}, "run_setting_id_column: is missing"),
]


@pytest.mark.parametrize(("wrong", "told"), WRONG)
def test_what_cannot_be_a_sheet_is_refused_before_anything_is_written(
    lab: CohortLab, rnaseq: str, wrong: dict[str, Any], told: str
) -> None:
    options = {"run_setting_id_column": "sample", "sample_sheet_parameter": "input", **wrong}
    with pytest.raises(OmicsRequestInvalidError) as caught:
        lab.run(rnaseq, **options)
    assert told in caught.value.message()
    assert lab.objects() == {}
    assert lab.calls("StartRunBatch") == 0


def test_run_settings_are_no_rows_of_a_sheet(lab: CohortLab) -> None:
    with raises(OmicsRequestInvalidError, match="sample_sheet_parameter needs it"):
        lab.run([{"runSettingId": "a"}], sample_sheet_parameter="input")


def test_a_value_that_no_cell_holds_is_refused_with_its_row_and_column(lab: CohortLab, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text('{"sample": "A", "reads": ["s3://b/1.fq"]}\n')
    with raises(OmicsRequestInvalidError, match=r"s.jsonl line 1, column 'reads': is list, which a cell"):
        lab.run(str(path), run_setting_id_column="sample", sample_sheet_parameter="input")


def test_a_place_that_refuses_sheets_ends_the_task_before_the_batch(lab: CohortLab, rnaseq: str) -> None:
    with raises(OmicsServiceError, match="NoSuchBucket"):
        lab.run(
            rnaseq,
            run_setting_id_column="sample",
            sample_sheet_parameter="input",
            settings_uri="s3://no-such-bucket-here/x",
        )
    assert lab.calls("StartRunBatch") == 0
