"""Delete the records of old batches and runs that no task needs any more, once a week.

The service stores 100,000 runs and refuses new ones then. Nothing is deleted unless ``plan_only`` is ``false``: the log
shows what would go and what is protected and why, and the whole plan is a CSV file below ``plans``. Outputs, logs and
results tables stay. Trigger the DAG with other values to try them::

    {
        "older_than": "P30D",
        "plan_only": "true",
        "plans": "s3://my-bucket/pruning"
    }

Batches come first, since the runs of a batch are known by its tags.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_omics.operators.prune import OmicsPruneRunBatchesOperator, OmicsPruneRunsOperator

with DAG(
    dag_id="example_omics_prune_runs",
    schedule=None,  # "@weekly" once the plans are as they should be
    catchup=False,
    doc_md=__doc__,
    tags=["example", "healthomics"],
    params={
        "older_than": Param("P90D", type="string", pattern="^P.+", description="Age since the end, in ISO 8601."),
        "plan_only": Param("true", type="string", enum=["true", "false"], description="Whether nothing is deleted."),
        "plans": Param(type="string", pattern="^s3://.+", description="Folder in S3 for the plans."),
    },
) as dag:
    batches = OmicsPruneRunBatchesOperator(
        task_id="batches",
        older_than="{{ params.older_than }}",
        plan_only="{{ params.plan_only }}",
        plan_uri="{{ params.plans }}/{{ run_id }}-batches.csv",
        retries=2,
    )
    runs = OmicsPruneRunsOperator(
        task_id="runs",
        older_than="{{ params.older_than }}",
        plan_only="{{ params.plan_only }}",
        plan_uri="{{ params.plans }}/{{ run_id }}-runs.csv",
        retries=2,
    )
    batches >> runs
