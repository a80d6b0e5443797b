"""Run a cohort as one HealthOmics batch, mend what failed, and run again only that.

When a task with a batch is tried again, it submits the samples that did not complete and no others: of 12 samples with
one damaged file, 12 run at first and one runs again, 13 in all. The results of both batches become one table. This
holds for ``retries`` as here, and for a task that somebody clears.

Trigger the DAG with the run settings of the samples, as
`StartRunBatch <https://docs.aws.amazon.com/omics/latest/api/API_InlineSetting.html>`__ takes them, and with the folder
that has the files as they were before the upload::

    {
        "workflow_id": "1234567",
        "role_arn": "arn:aws:iam::123456789012:role/OmicsServiceRole",
        "output_uri": "s3://my-bucket/read-qc",
        "run_settings": [
            {"runSettingId": "liver_1", "parameters": {
                "sample_name": "liver_1",
                "fastq_1": {"class": "File", "location": "s3://my-bucket/reads/liver_1.fastq.gz"}}}
        ],
        "originals": "s3://my-archive/reads"
    }

1. ``cohort`` starts the batch and waits for it deferred. No failure is tolerated, so a damaged file fails the try.
2. ``mend`` is called between the tries: it uploads the files of the samples that failed again. Here it copies them from
   ``originals``; in real life that may well be a person, who then clears the task.
3. The second try of ``cohort`` finds the batch of the first one, sees which samples completed, and starts a batch of
   the others.
4. ``report`` tells which batches it took.

All tasks use the connection ``aws_default``.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.common.compat.sdk import DAG, Context, Param, task

from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator

log = logging.getLogger(__name__)


def mend(context: Context) -> None:
    """Put the original files of the samples that failed where their run settings say that they are."""
    params, s3 = context["params"], S3Hook()
    failed = context["ti"].xcom_pull(task_ids="cohort", key="failed_run_setting_ids") or []
    for setting in params["run_settings"]:
        if setting["runSettingId"] in failed:
            for value in setting["parameters"].values():
                # A file is an object in CWL, and only its URI in WDL.
                uri = value["location"] if isinstance(value, dict) else value
                if isinstance(uri, str) and uri.startswith("s3://"):
                    original = f"{params['originals'].rstrip('/')}/{uri.rpartition('/')[2]}"
                    s3.copy_object(source_bucket_key=original, dest_bucket_key=uri)
                    log.info("Copied %s to %s", original, uri)


with DAG(
    dag_id="example_omics_batch_redrive",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["example", "healthomics"],
    params={
        "workflow_id": Param(type="string", pattern="^[0-9]{1,18}$", description="Id of the read QC workflow."),
        "role_arn": Param(type="string", pattern="^arn:.+", description="Service role that the runs act with."),
        "output_uri": Param(type="string", pattern="^s3://.+", description="Where the runs write their outputs."),
        "run_settings": Param(
            type="array",
            minItems=1,
            items={"type": "object", "required": ["runSettingId", "parameters"]},
            description="What to run on: for each sample its id and the workflow's inputs.",
        ),
        "originals": Param(type="string", pattern="^s3://.+", description="Folder with the files in good order."),
    },
) as dag:
    cohort = OmicsStartRunBatchOperator(
        task_id="cohort",
        workflow_id="{{ params.workflow_id }}",
        role_arn="{{ params.role_arn }}",
        output_uri="{{ params.output_uri }}",
        storage_type="DYNAMIC",
        run_settings="{{ params.run_settings | tojson }}",
        deferrable=True,
        # Seconds between two looks at the batch. It is a short one; for hours-long ones, take a minute or more.
        waiter_delay=2,
        retries=1,
        retry_delay=timedelta(seconds=5),
        on_retry_callback=mend,
    )

    @task
    def report(summary: dict[str, Any]) -> dict[str, Any]:
        """Tell what it took."""
        batches = ", ".join(summary["batch_ids"])
        log.info("%s of %s samples completed; batches: %s", summary["completed"], summary["total"], batches)
        return summary

    report(cohort.output["batch_summary"])
