"""Find out what would go wrong with a cohort before the hours of work that lead to it, and once more right before it.

Trigger the DAG with the name of a workflow, and with a CSV file of samples that has the column ``sample`` and one for
each input::

    {
        "workflow_name": "read-qc",
        "role_arn": "arn:aws:iam::123456789012:role/OmicsServiceRole",
        "output_uri": "s3://my-bucket/read-qc",
        "sheet": "s3://my-bucket/cohort.csv",
        "samples": 5000
    }

1. ``check`` asks whether the newest version of the workflow is ACTIVE, whether outputs can be written, whether the
   images are there and HealthOmics may pull them, and whether there is room for so many runs. All problems are in one
   error; what could not be found out is logged and returned.
2. ``prepare`` stands for what takes long, such as sequencing runs that are demultiplexed, and writes the sheet.
3. ``cohort`` makes the same checks, since hours have passed, and looks for the inputs in S3; then it starts the runs.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.preflight import OmicsPreflightOperator

with DAG(
    dag_id="example_omics_preflight",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["example", "healthomics"],
    params={
        "workflow_name": Param(type="string", minLength=1, description="Name of the workflow."),
        "role_arn": Param(type="string", pattern="^arn:.+", description="Service role that the runs act with."),
        "output_uri": Param(type="string", pattern="^s3://.+", description="Where the runs write their outputs."),
        "sheet": Param(type="string", pattern="^s3://.+", description="CSV file with the samples and their files."),
        "samples": Param(100, type="number", minimum=1, description="How many samples there will be."),
    },
) as dag:
    runs = {
        "workflow_name": "{{ params.workflow_name }}",
        "workflow_version_name": "latest",
        "role_arn": "{{ params.role_arn }}",
        "output_uri": "{{ params.output_uri }}",
        "storage_type": "DYNAMIC",
    }

    check = OmicsPreflightOperator(
        task_id="check",
        runs="{{ params.samples | int }}",
        # Another cohort may end, and make room, while this one is prepared.
        preflight={"*": "fail", "quota": "warn", "unknown": "warn"},
        **runs,
    )

    @task
    def prepare(sheet: str) -> str:
        """Return where the sheet is; hours of work would be done here."""
        return sheet

    prepared = prepare("{{ params.sheet }}")

    OmicsStartRunBatchOperator(
        task_id="cohort",
        run_settings=prepared,
        run_setting_id_column="sample",
        preflight="fail",
        check_inputs="fail",
        deferrable=True,
        waiter_delay=2,
        **runs,
    )
    check >> prepared
