"""What the runs of the samples came to, as HealthOmics and S3 say, and the table of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class Result:
    """The run of one sample.

    :ivar status: of the run; ``NOT STARTED`` if there is none.
    :ivar figures: what the workflow measured; empty unless the run completed.
    :ivar problem: why there are no figures.
    """

    sample: str
    status: str = "NOT STARTED"
    run_id: str = "-"
    output_uri: str = "-"
    figures: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def runs_by_sample(omics: Any) -> dict[str, dict[str, Any]]:
    """Return the latest run of each sample, by the sample's name, as ListRuns shows it."""
    pages = omics.get_paginator("list_runs").paginate()
    runs = sorted((run for page in pages for run in page["items"]), key=lambda run: run["creationTime"])
    return {run["name"].removeprefix("read-qc-"): run for run in runs}


def collect(omics: Any, s3: Any, samples: Sequence[str]) -> list[Result]:
    """Return the result of each sample, in the order given.

    :param omics: boto3 client of HealthOmics.
    :param s3: boto3 client of S3, from which the figures are read.
    """
    runs = runs_by_sample(omics)
    return [
        _result(omics, s3, sample, runs[sample]["id"])
        if sample in runs
        else Result(sample, problem="no run was started; see the log of the task read_qc")
        for sample in samples
    ]


def _result(omics: Any, s3: Any, sample: str, run_id: str) -> Result:
    run = omics.get_run(id=run_id)
    status, uri = run["status"], run["runOutputUri"]
    if status != "COMPLETED":
        problem = f"{run.get('failureReason', status)}: {run.get('statusMessage', 'HealthOmics says no more')}"
        return Result(sample, status, run_id, uri, problem=problem)
    try:
        outputs = _read_json(s3, f"{uri}/logs/outputs.json")
        return Result(sample, status, run_id, uri, _read_json(s3, outputs["figures"]["location"]))
    except (ClientError, KeyError, ValueError) as error:
        return Result(sample, status, run_id, uri, problem=f"its outputs cannot be read: {error!r}")


def _read_json(s3: Any, uri: str) -> dict[str, Any]:
    place = urlsplit(uri)
    body = s3.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read()
    content: dict[str, Any] = json.loads(body)
    return content


def table(results: Sequence[Result]) -> str:
    """Return the results as a table with a line for each sample."""
    header = ["sample", "run", "status", "reads", "bases", "mean quality", "GC", "Q30", "output URI"]
    rows = [header, *(_cells(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return "\n".join(_line(row, widths) for row in ruled)


def _cells(result: Result) -> list[str]:
    figures = result.figures
    measured = (
        [
            f"{figures['reads']:,}",
            f"{figures['bases']:,}",
            f"{figures['mean_quality']:.2f}",
            f"{figures['gc_share']:.2%}",
            f"{figures['q30_share']:.2%}",
        ]
        if figures
        else ["-"] * 5
    )
    return [result.sample, result.run_id, result.status, *measured, result.output_uri]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if 3 <= column <= 7 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
