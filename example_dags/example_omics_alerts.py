"""Run a cohort that says by SNS when it has failed, and when it is not done in time. Needs Airflow 3.1.

Trigger the DAG with the samples, with where to run them, and with the topic to write to::

    {
        "workflow_id": "1234567",
        "role_arn": "arn:aws:iam::123456789012:role/OmicsServiceRole",
        "output_uri": "s3://my-bucket/cohort-1",
        "topic_arn": "arn:aws:sns:us-east-1:123456789012:cohorts",
        "samples_uri": "s3://my-bucket/samples.json"
    }

* The cohort's task is tried again by ``OMICS_RETRY_POLICY`` (Airflow 3.3): soon where the service was throttled or at
  fault, later where a quota is used up, and not at all where no retry helps.
* If it has failed for good, the topic gets the address of its log.
* If the DAG run is not done 24 hours after it was queued, the topic gets that, too. The cohort goes on.

All of it uses the connection ``aws_default``, which needs ``sns:Publish`` besides.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.notifications.sns import SnsNotifier
from airflow.providers.common.compat.sdk import DAG, Param
from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference

from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.retry_policy import OMICS_RETRY_POLICY

TOPIC = "{{ params.topic_arn }}"

failed = SnsNotifier(
    target_arn=TOPIC,
    subject="A cohort has failed",
    message="{{ ti.task_id }} of {{ dag.dag_id }} ({{ run_id }}) has failed: {{ ti.log_url }}",
)
late = AsyncCallback(
    SnsNotifier,
    {
        "target_arn": "{{ dag_run.conf['topic_arn'] }}",
        "subject": "A cohort is late",
        # Here it is the DAG run of the REST API, which calls its id so.
        "message": "{{ dag_run.dag_id }} ({{ dag_run.dag_run_id }}) is not done after 24 hours",
    },
)
retries: dict[str, Any] = {} if OMICS_RETRY_POLICY is None else {"retry_policy": OMICS_RETRY_POLICY}

with DAG(
    dag_id="example_omics_alerts",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["example", "healthomics"],
    deadline=DeadlineAlert(reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(hours=24), callback=late),
    params={
        "workflow_id": Param(type="string", pattern="^[0-9]{1,18}$", description="Id of the workflow to run."),
        "role_arn": Param(type="string", pattern="^arn:.+", description="Service role that the runs act with."),
        "output_uri": Param(type="string", pattern="^s3://.+", description="Where the runs write their outputs."),
        "topic_arn": Param(type="string", pattern="^arn:.+:sns:.+", description="The topic that is written to."),
        "samples_uri": Param(type="string", pattern="^s3://.+", description="The samples, as JSON or JSONL."),
    },
) as dag:
    OmicsStartRunBatchOperator(
        task_id="cohort",
        workflow_id="{{ params.workflow_id }}",
        role_arn="{{ params.role_arn }}",
        output_uri="{{ params.output_uri }}",
        run_settings="{{ params.samples_uri }}",
        deferrable=True,
        retries=3,
        on_failure_callback=failed,
        **retries,
    )
