"""Run a cohort as one HealthOmics batch, act on single samples, and gather one table with a row for every sample.

The workflow is the read QC in ``workflows/read-qc``: it counts the reads of one sample and rates their quality. The
samples are in a CSV file in S3, with a row for each; ``fastq_2`` is empty where the reads are single::

    sample,fastq_1,fastq_2
    control,s3://my-bucket/control_R1.fastq.gz,s3://my-bucket/control_R2.fastq.gz
    liver_1,s3://my-bucket/liver_1.fastq.gz,

Trigger the DAG with that sheet, and with where to run it::

    {
        "workflow_id": "1234567",
        "role_arn": "arn:aws:iam::123456789012:role/OmicsServiceRole",
        "output_uri": "s3://my-bucket/read-qc",
        "sheet": "s3://my-bucket/cohort.csv",
        "control": "control",
        "control_quality": 25
    }

With ``"engine": "WDL"``, the workflow is the one of ``main.wdl``.

1. ``cohort`` starts all samples as one batch and waits for it deferred. One sample may fail; with more, it fails.
2. ``check_control`` rates the control sample as soon as that one is done, while the others go on. The task before it,
   ``control``, waits beside ``cohort`` and not after it: it is told the task's id, and finds the batch by itself as
   soon as there is one. If ``cohort`` ends without a batch, so does ``control``.
3. ``figures`` is mapped over the samples that completed: one task for each.
4. ``qc_table`` writes a CSV file to S3, one row for each sample in the order of the sheet. A sample that did not
   complete has a row that says why. The table is written even if the cohort failed.
5. ``accept`` runs only if nothing failed but what is tolerated, so that somebody notices if not.

Mapping suits up to 1,000 samples, the operator's ``runs_limit``. For more, let one task read the results table, whose
URI is the cohort's XCom ``results_uri``.

All tasks use the connection ``aws_default``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    Param,
    get_current_context,
    task,
)

from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor

FIGURES = ("reads", "bases", "mean_quality", "gc_share", "q30_share")
COLUMNS = ("sample", "status", "run_id", *FIGURES, "failure", "failure_message", "output_uri")


def run_setting(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Return the run setting of a sample: CWL writes a file as an object, so columns are not enough."""
    (row,) = rows
    uris = {name: row[name] for name in ("fastq_1", "fastq_2") if row.get(name)}
    if get_current_context()["params"]["engine"] == "WDL":
        return {"parameters": {"sample_name": row["sample"], **uris}}
    files = {name: {"class": "File", "location": uri} for name, uri in uris.items()}
    return {"parameters": {"sample_name": row["sample"], **files}}


def figures_of(output_uri: str) -> dict[str, Any]:
    """Return the figures of a run: its outputs.json names the file that holds them, as CWL does or as WDL does."""
    s3 = S3Hook()
    outputs = json.loads(s3.read_key(f"{output_uri}/logs/outputs.json"))
    uri = outputs["read_qc.figures"] if "read_qc.figures" in outputs else outputs["figures"]["location"]
    measured = json.loads(s3.read_key(uri))
    return {name: measured[name] for name in FIGURES}


with DAG(
    dag_id="example_omics_batch",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["example", "healthomics"],
    params={
        "workflow_id": Param(type="string", pattern="^[0-9]{1,18}$", description="Id of the read QC workflow."),
        "role_arn": Param(type="string", pattern="^arn:.+", description="Service role that the runs act with."),
        "output_uri": Param(type="string", pattern="^s3://.+", description="Where the runs write their outputs."),
        "sheet": Param(type="string", pattern="^s3://.+", description="CSV file with the samples and their files."),
        "control": Param(type="string", minLength=1, description="Name of the control sample in the sheet."),
        "control_quality": Param(
            20, type="number", minimum=0, description="Lowest mean base quality that the control may have."
        ),
        "engine": Param("CWL", type="string", enum=["CWL", "WDL"], description="Language of the workflow."),
    },
) as dag:
    cohort = OmicsStartRunBatchOperator(
        task_id="cohort",
        workflow_id="{{ params.workflow_id }}",
        role_arn="{{ params.role_arn }}",
        output_uri="{{ params.output_uri }}",
        storage_type="DYNAMIC",
        run_tags={"project": "read-qc"},
        run_settings="{{ params.sheet }}",
        run_setting_id_column="sample",
        build_run_setting=run_setting,
        tolerated_failure_count=1,
        deferrable=True,
        # Seconds between two looks at the batch. It is a short one; for hours-long ones, take a minute or more.
        waiter_delay=2,
    )

    # With cohort.output["batch_id"] it would run when the cohort is done.
    control = OmicsBatchRunSensor(
        task_id="control",
        cohort_task_id="cohort",
        run_setting_id="{{ params.control }}",
        deferrable=True,
        poke_interval=2,
        timeout=timedelta(days=1).total_seconds(),
    )

    @task
    def check_control(run: dict[str, str]) -> dict[str, Any]:
        """Fail if the control is bad: then the cohort most likely is, and nobody need wait for its end to know."""
        measured = figures_of(run["run_output_uri"])
        lowest = get_current_context()["params"]["control_quality"]
        if measured["mean_quality"] < lowest:
            raise AirflowFailException(f"The control's mean quality is {measured['mean_quality']}, less than {lowest}")
        return measured

    @task(trigger_rule="all_done")
    def completed(runs: list[dict[str, str]]) -> list[dict[str, str]]:
        """Return the samples that completed: Airflow maps over what a task returns, and over no other XCom."""
        return runs

    @task(map_index_template="{{ task.op_kwargs['run']['run_setting_id'] }}")
    def figures(run: dict[str, str]) -> dict[str, Any]:
        """Return the figures of one sample."""
        return {"sample": run["run_setting_id"], **figures_of(run["output_uri"])}

    @task(trigger_rule="all_done")
    def qc_table(results_uri: str, measured: Iterable[dict[str, Any]]) -> str:
        """Write the cohort's table, and return where it is: it grows with the samples, so it stays out of XCom."""
        context, s3 = get_current_context(), S3Hook()
        by_sample = {one["sample"]: one for one in measured}
        table = io.StringIO()
        writer = csv.DictWriter(table, COLUMNS)
        writer.writeheader()
        for result in csv.DictReader(io.StringIO(s3.read_key(results_uri), newline="")):
            row = {
                "sample": result["run_setting_id"],
                "status": result["run_status"],
                "run_id": result["run_id"],
                "failure": result["failure_code"] or result["submission_failure_reason"],
                "failure_message": result["failure_message"],
                "output_uri": result["output_uri"],
            }
            writer.writerow({**row, **by_sample.get(result["run_setting_id"], {})})
        uri = f"{context['params']['output_uri'].rstrip('/')}/tables/{context['run_id']}.csv"
        s3.load_string(table.getvalue(), key=uri, replace=True)
        return uri

    @task
    def accept(table: str) -> str:
        """Stand for the whole cohort: the state of a DAG run is that of its last tasks, and qc_table always runs."""
        return table

    check_control(control.output)
    measured = figures.expand(run=completed(cohort.output["runs"]))
    [cohort, measured] >> accept(qc_table(cohort.output["results_uri"], measured))
