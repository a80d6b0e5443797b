"""The demo's table: read from S3, printed for people, and checked against the files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from reads import damaged, make_reads
from recount import recount
from results import Result, differences, read_table, table

from airflow_provider_omics.local import LocalOmics

FIGURES: dict[str, float] = {
    "reads": 1200,
    "bases": 3456789,
    "mean_quality": 31.456,
    "gc_share": 0.41234,
    "q30_share": 0.9,
}
COLUMNS = ["sample", "status", "run_id", *FIGURES, "failure", "failure_message", "output_uri"]


@pytest.fixture
def written(server: LocalOmics) -> Callable[..., list[Result]]:
    """Write rows to S3 as the example DAG does, and read them back."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket="results")

    def write(*rows: dict[str, object]) -> list[Result]:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
        s3.put_object(Bucket="results", Key="tables/one.csv", Body=text.getvalue().encode())
        return read_table(s3, "s3://results/tables/one.csv")

    return write


def test_a_row_has_the_figures_as_people_read_them() -> None:
    text = table([Result("liver", "COMPLETED", "1000001", "s3://b/1000001", FIGURES), Result("x", "NOT_STARTED")])

    header, rule, liver, missing = text.splitlines()
    assert header.split() == [
        *("sample", "run", "status", "reads", "bases"),
        *("mean", "quality", "GC", "Q30", "output", "URI"),
    ]
    assert set(rule) == {"-", " "}
    assert liver.split() == [
        *("liver", "1000001", "COMPLETED", "1,200", "3,456,789", "31.46", "41.23%", "90.00%", "s3://b/1000001")
    ]
    assert missing.split() == ["x", "-", "NOT_STARTED", *["-"] * 6]


def test_every_row_that_was_written_is_read_with_its_figures_or_its_problem(
    written: Callable[..., list[Result]],
) -> None:
    liver = {"sample": "liver", "status": "COMPLETED", "run_id": "1", "output_uri": "s3://b/1"}

    full, bare, failed, refused = written(
        {**liver, **FIGURES},
        {**liver, "sample": "bare"},
        {
            "sample": "broken",
            "status": "FAILED",
            "run_id": "2",
            "failure": "RUN_TASK_FAILED",
            "failure_message": "a, b",
        },
        {"sample": "refused", "status": "NOT_STARTED", "failure": "AccessDeniedException"},
    )

    assert full == Result("liver", "COMPLETED", "1", "s3://b/1", FIGURES)
    assert bare.figures == {}
    assert "log of the task figures" in bare.problem
    assert failed == Result("broken", "FAILED", "2", problem="RUN_TASK_FAILED: a, b")
    assert refused == Result("refused", "NOT_STARTED", problem="AccessDeniedException")


def test_only_figures_that_are_not_those_of_the_files_are_told(tmp_path: Path) -> None:
    mates = make_reads("liver", 20)
    paths = [tmp_path / "1.fastq.gz", tmp_path / "2.fastq.gz"]
    for path, content in zip(paths, (mates.fastq_1, mates.fastq_2), strict=True):
        path.write_bytes(content)
    broken = tmp_path / "broken.fastq.gz"
    broken.write_bytes(damaged(mates.fastq_1))
    counted = recount(paths)
    results = [
        Result("right", "COMPLETED", figures=counted),
        Result("rounded", "COMPLETED", figures={**counted, "gc_share": counted["gc_share"] + 2e-7}),
        Result("wrong", "COMPLETED", figures={**counted, "reads": 41, "gc_share": counted["gc_share"] + 2e-6}),
        Result("failed", "FAILED"),
        Result("passed", "COMPLETED", figures=counted),
    ]
    files = {"right": paths, "rounded": paths, "wrong": paths, "failed": [broken], "passed": [broken]}

    told = list(differences(results, files))

    assert len(told) == 3
    assert told[0] == "wrong: reads is 41 in the table, 40 in its files"
    assert told[1].startswith("wrong: gc_share is")
    assert told[2].startswith("passed has figures, but its files cannot be read: ")
