"""Puts what a run needs where HealthOmics finds it: the FASTQ files in S3, the workflow in the service."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lanes import is_gzipped, join
from samplesheet import Sample

SHEET_COLUMNS = ("sample", "fastq_1", "fastq_2")
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def create_workflow(omics: Any, folder: Path, engine: str = "CWL") -> str:
    """Create a workflow from a folder with a definition and a parameter template.

    :param omics: boto3 client of HealthOmics.
    :param folder: has ``main.cwl`` or ``main.wdl``, what it includes, and ``parameter-template.json``.
    :param engine: ``CWL`` or ``WDL``.
    :return: the workflow's id, once it is ACTIVE.
    """
    suffix = f".{engine.lower()}"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            if path.suffix in (suffix, ".py"):
                archive.write(path, path.name)
    workflow_id: str = omics.create_workflow(
        name=folder.name,
        engine=engine,
        main=f"main{suffix}",
        definitionZip=content.getvalue(),
        parameterTemplate=json.loads((folder / "parameter-template.json").read_text()),
    )["id"]
    omics.get_waiter("workflow_active").wait(id=workflow_id, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return workflow_id


def upload_samples(s3: Any, bucket: str, samples: Iterable[Sample], folder: str = "reads") -> list[dict[str, str]]:
    """Upload the FASTQ files of all samples, lanes joined.

    :param s3: boto3 client of S3.
    :return: for each sample its name and the S3 URIs of its files, by the columns of a sheet.
    """
    uploaded = []
    for sample in samples:
        uris = {
            column: _upload(s3, bucket, f"{folder}/{sample.name}/{column}", f"{sample.name}_{column}", lanes)
            for column, lanes in sample.files.items()
        }
        uploaded.append({"sample": sample.name, **uris})
    return uploaded


def upload_sheet(s3: Any, bucket: str, uploaded: Iterable[Mapping[str, str]]) -> str:
    """Write the sheet of a cohort, as the example DAG ``example_omics_batch`` reads it, and return its URI.

    :param uploaded: what :func:`upload_samples` returned.
    """
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, SHEET_COLUMNS)
    writer.writeheader()
    writer.writerows(uploaded)
    s3.put_object(Bucket=bucket, Key="cohort.csv", Body=sheet.getvalue().encode())
    return f"s3://{bucket}/cohort.csv"


def upload_files(s3: Any, bucket: str, folder: str, files: Iterable[Path]) -> str:
    """Upload files under their own names, and return the URI of their folder."""
    for path in files:
        _put(s3, path, bucket, f"{folder}/{path.name}")
    return f"s3://{bucket}/{folder}"


def run_settings(uploaded: Iterable[Mapping[str, str]], engine: str = "CWL") -> list[dict[str, Any]]:
    """Return the run settings of samples, as StartRunBatch and the DAG ``example_omics_batch_redrive`` take them.

    :param uploaded: what :func:`upload_samples` returned.
    :param engine: ``CWL``, which writes a file as an object, or ``WDL``, which writes its URI.
    """
    return [
        {
            "runSettingId": row["sample"],
            "parameters": {
                "sample_name": row["sample"],
                **{
                    name: {"class": "File", "location": uri} if engine == "CWL" else uri
                    for name, uri in row.items()
                    if name != "sample"
                },
            },
        }
        for row in uploaded
    ]


def _upload(s3: Any, bucket: str, prefix: str, name: str, lanes: Sequence[Path]) -> str:
    if len(lanes) == 1:
        only = lanes[0]
        kept = PLAIN_NAME.fullmatch(only.name)
        return _put(s3, only, bucket, f"{prefix}/{only.name if kept else _fastq_name(name, only)}")
    with tempfile.TemporaryDirectory() as folder:
        joined = Path(folder) / "joined"
        join(lanes, joined)
        return _put(s3, joined, bucket, f"{prefix}/{_fastq_name(name, joined)}")


def _put(s3: Any, path: Path, bucket: str, key: str) -> str:
    s3.upload_file(str(path), bucket, key)
    return f"s3://{bucket}/{key}"


def _fastq_name(name: str, path: Path) -> str:
    return f"{name}.fastq.gz" if is_gzipped(path) else f"{name}.fastq"
