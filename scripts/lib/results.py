"""The cohort's QC table, as the example DAG wrote it to S3, read back, printed and checked."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recount import recount

WHOLE_NUMBERS = ("reads", "bases")
FIGURES = (*WHOLE_NUMBERS, "mean_quality", "gc_share", "q30_share")
_LARGEST_DIFFERENCE = 1e-6


@dataclass(frozen=True)
class Result:
    """One row of the table.

    :ivar status: of the sample's run; ``NOT_STARTED`` if there is none.
    :ivar figures: what the workflow measured; empty unless the run completed.
    :ivar problem: why there are no figures.
    """

    sample: str
    status: str
    run_id: str = "-"
    output_uri: str = "-"
    figures: dict[str, float] = field(default_factory=dict)
    problem: str = ""


def read_table(s3: Any, uri: str) -> list[Result]:
    """Read the table that the DAG ``example_omics_batch`` wrote.

    :param s3: boto3 client of S3.
    """
    place = urlsplit(uri)
    text = s3.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read().decode()
    return [_result(row) for row in csv.DictReader(io.StringIO(text, newline=""))]


def _result(row: dict[str, str]) -> Result:
    figures = {name: (int if name in WHOLE_NUMBERS else float)(row[name]) for name in FIGURES if row[name]}
    problem = ""
    if not figures:
        said = ": ".join(filter(None, (row["failure"], row["failure_message"])))
        problem = said or "its figures could not be read; see the log of the task figures"
    return Result(row["sample"], row["status"], row["run_id"] or "-", row["output_uri"] or "-", figures, problem)


def differences(results: Iterable[Result], files: dict[str, Sequence[Path]]) -> Iterator[str]:
    """Count the files of every sample that has figures anew, and tell what is not the same.

    :param files: the FASTQ files of each sample, by its name.
    """
    for result in results:
        if not result.figures:
            continue
        try:
            counted = recount(files[result.sample])
        except (OSError, EOFError, zlib.error) as error:
            yield f"{result.sample} has figures, but its files cannot be read: {error}"
            continue
        for name in FIGURES:
            if abs(result.figures[name] - counted[name]) > _LARGEST_DIFFERENCE:
                yield f"{result.sample}: {name} is {result.figures[name]} in the table, {counted[name]} in its files"


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
            *(f"{figures[name]:,.0f}" for name in WHOLE_NUMBERS),
            f"{figures['mean_quality']:.2f}",
            f"{figures['gc_share']:.2%}",
            f"{figures['q30_share']:.2%}",
        ]
        if figures
        else ["-"] * len(FIGURES)
    )
    return [result.sample, result.run_id, result.status, *measured, result.output_uri]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if 3 <= column <= 7 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
