"""The page that a newcomer begins with does what it says: its files are saved, and its tasks run."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow.providers.common.compat.sdk import DAG
from snippets import run_tasks, snippets

from airflow_provider_omics.exceptions import OmicsBatchFailedError
from airflow_provider_omics.local import LocalOmics

PAGE = "docs/start/first-cohort.md"
READS = {"NA12878": 3, "NA12891": 5, "control": 2}


@pytest.fixture
def omics_local_settings() -> dict[str, Any]:
    """Workflows are really run."""
    return {}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The folder in which the reader has saved the page's files."""
    for snippet in snippets(PAGE):
        if snippet.saved_as is not None:
            file = tmp_path / snippet.saved_as
            file.parent.mkdir(exist_ok=True)
            file.write_text(snippet.text)
    return tmp_path


def test_the_page_is_true(saved: Path, omics_local: LocalOmics, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(saved / "make_samples.py"))
    dag: DAG = runpy.run_path(str(saved / "dags" / "first_cohort.py"))["dag"]

    capsys.readouterr()
    values = run_tasks(dag)

    assert values["control", "return_value"]["run_setting_id"] == "control"
    told = [line for line in capsys.readouterr().out.splitlines() if line.endswith(" reads")]
    assert told == [f"{sample} has {count} reads" for sample, count in READS.items()]


def test_a_file_that_is_missing_is_named(saved: Path, omics_local: LocalOmics) -> None:
    runpy.run_path(str(saved / "make_samples.py"))
    dag: DAG = runpy.run_path(str(saved / "dags" / "first_cohort.py"))["dag"]
    boto3.client("s3").delete_object(Bucket="first-cohort", Key="NA12891.fastq")

    with pytest.raises(
        OmicsBatchFailedError, match=r"1 of 3 samples did not complete[^$]+NA12891[^$]+INPUT_URI_NOT_FOUND"
    ):
        run_tasks(dag, ["workflow", "cohort"])
