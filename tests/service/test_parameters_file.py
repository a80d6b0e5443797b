"""Parameters that are given as a file: read by the worker when the task starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cohorts import BUCKET, MODES, OUT, ROLE, CohortLab, cohort, failing, instance
from omics_errors import raises
from task_runs import TaskInstance, TaskRun, run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsServiceError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.run import OmicsStartRunOperator

URI = f"s3://{BUCKET}/in/parameters.json"


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def put(lab: CohortLab, **parameters: Any) -> None:
    lab.s3.put_object(Bucket=BUCKET, Key="in/parameters.json", Body=json.dumps(parameters, indent=2))


def start_run(lab: CohortLab, parameters: Any, ti: TaskInstance | None = None, **settings: Any) -> TaskRun:
    given = {"workflow_id": lab.workflow_id, "role_arn": ROLE, "output_uri": OUT, "waiter_delay": 0.02, **settings}
    return run_task(OmicsStartRunOperator(task_id="start_run", parameters=parameters, **given), ti or TaskInstance())


@MODES
@pytest.mark.parametrize("place", ["s3", "path", "file"])
def test_a_run_is_given_what_the_file_holds(lab: CohortLab, tmp_path: Path, place: str, deferrable: bool) -> None:
    put(lab, bam="s3://reads/1.bam", threads=4)
    path = tmp_path / "manual.json"
    path.write_text(json.dumps({"bam": "s3://reads/1.bam", "threads": 4}))
    name = {"s3": URI, "path": f"{tmp_path}/{{{{ run_id }}}}.json", "file": f"file://{path}"}[place]
    done = start_run(lab, name, TaskInstance(run_id="manual"), deferrable=deferrable)
    sent = lab.state.runs[done.result].request["parameters"]
    assert sent == {"bam": "s3://reads/1.bam", "threads": 4}


def test_a_retry_compares_what_the_file_holds(lab: CohortLab, tmp_path: Path) -> None:
    put(lab, bam="s3://reads/1.bam")
    first = start_run(lab, URI, wait_for_completion=False).result
    # The same content under another name, and written anew.
    (tmp_path / "same.json").write_text('{"bam":"s3://reads/1.bam"}')
    same = start_run(lab, str(tmp_path / "same.json"), TaskInstance(try_number=2), wait_for_completion=False)
    assert same.result == first
    put(lab, bam="s3://reads/2.bam")
    other = start_run(lab, URI, TaskInstance(try_number=3), wait_for_completion=False)
    assert other.result != first


@MODES
def test_a_file_with_faults_is_refused_before_anything_is_sent(lab: CohortLab, deferrable: bool) -> None:
    lab.s3.put_object(Bucket=BUCKET, Key="in/parameters.json", Body='{"bam": 1,\n  "x" 2}')
    for run in (lambda: start_run(lab, URI, deferrable=deferrable), lambda: lab.run(cohort(1), parameters=URI)):
        with raises(OmicsRequestInvalidError, match=r"parameters\.json line 2, column 7: is not JSON"):
            run()
    assert lab.calls("StartRun") + lab.calls("StartRunBatch") == 0


def test_a_file_that_is_not_in_s3_is_told_as_such(lab: CohortLab) -> None:
    with raises(OmicsServiceError, match=r"GetObject for s3://.*/in/parameters\.json") as caught:
        start_run(lab, URI)
    assert caught.value.code == "NoSuchKey"


@MODES
def test_samples_that_are_run_again_are_given_what_the_first_were(lab: CohortLab, deferrable: bool) -> None:
    put(lab, reference="s3://ref/hg38.fa")
    # Somebody changes the file while the batch is running.
    other = json.dumps({"reference": "s3://ref/hg19.fa"}).encode()
    lab.on_batch(BatchStatus.SUBMITTING, lambda state, _batch: state.aws.put_object(URI, other) and None)
    settings = [failing("bad", "SERVICE_ERROR"), *cohort(1)]
    lab.fail(settings, parameters=URI, deferrable=deferrable, redrive_attempts=1)
    sent = [run.request["parameters"] for run in lab.state.runs.values()]
    assert sent == [{"reference": "s3://ref/hg38.fa"}] * 3
    assert lab.calls("StartRunBatch") == 2


def test_a_retry_of_a_cohort_whose_file_has_changed_runs_it_anew(lab: CohortLab) -> None:
    put(lab, reference="s3://ref/hg38.fa")
    ti = lab.crash(cohort(1), parameters=URI)
    put(lab, reference="s3://ref/hg19.fa")
    lab.run(cohort(1), instance(2, xcoms=ti.xcoms), parameters=URI)
    references = [run.request["parameters"]["reference"] for run in lab.state.runs.values()]
    assert references[-1] == "s3://ref/hg19.fa"
