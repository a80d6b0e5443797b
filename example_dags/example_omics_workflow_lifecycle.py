"""Carry a HealthOmics workflow from its folder to results, and delete the versions and records no longer needed.

The workflow is the read QC in ``workflows/read-qc``. Trigger the DAG with a folder that every worker sees, such as one
in the DAG bundle, and with a CSV file of samples (``sample,fastq_1``)::

    {
        "definition": "/opt/airflow/dags/workflows/read-qc",
        "workflow_name": "read-qc",
        "role_arn": "arn:aws:iam::123456789012:role/OmicsServiceRole",
        "output_uri": "s3://my-bucket/read-qc",
        "sheet": "s3://my-bucket/cohort.csv",
        "max_runs": 50,
        "keep": 3,
        "older_than": "P90D",
        "plan_only": "true"
    }

1. ``workflow`` makes the workflow, unless there is one of that name. Its definition is checked before anything is sent.
2. ``version`` makes a version of the folder's content, named after its digest: the same content makes none, and the
   task returns the one that is there. ``group`` makes the run group of the workflow's name, or gives it its limit.
3. ``check`` finds out what would go wrong, all at once, before anything is submitted.
4. ``cohort`` runs that version on every sample, and ``results`` tells where the table is. ``cache="auto"`` finds or
   makes one run cache for the workflow, so that a retry or a redrive goes on after the last finished task.
5. ``outdated`` names all versions but the one just used and the newest of the others, and ``prune`` deletes them: what
   has FAILED, too, but never what the cohort was run with, also if that is an old version to which the folder was set
   back. Runs that use one of them go on.
6. ``prune_batches`` and ``prune_runs`` delete the records of this workflow's cohorts that ended ``older_than`` ago and
   that no task needs, once ``plan_only`` is ``false``. Outputs, logs and results tables stay.

Trigger it twice and nothing is made the second time but the results; change the workflow's files and there is one
version more.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.operators.account import OmicsCreateRunGroupOperator
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.preflight import OmicsPreflightOperator
from airflow_provider_omics.operators.prune import OmicsPruneRunBatchesOperator, OmicsPruneRunsOperator
from airflow_provider_omics.operators.workflow import (
    OmicsCreateWorkflowOperator,
    OmicsCreateWorkflowVersionOperator,
    OmicsDeleteWorkflowVersionOperator,
)


def run_setting(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Return the run setting of a sample: the workflow takes files as CWL writes them, so columns are not enough."""
    (row,) = rows
    reads = {"class": "File", "location": row["fastq_1"]}
    return {"parameters": {"sample_name": row["sample"], "fastq_1": reads}}


with DAG(
    dag_id="example_omics_workflow_lifecycle",
    schedule=None,
    catchup=False,
    # Two at a time would delete versions that the other has just made.
    max_active_runs=1,
    doc_md=__doc__,
    tags=["example", "healthomics"],
    params={
        "definition": Param(type="string", minLength=1, description="Folder with the workflow's definition."),
        "workflow_name": Param("read-qc", type="string", minLength=1, description="Name of the workflow."),
        "role_arn": Param(type="string", pattern="^arn:.+", description="Service role that the runs act with."),
        "output_uri": Param(type="string", pattern="^s3://.+", description="Where the runs write their outputs."),
        "sheet": Param(type="string", pattern="^s3://.+", description="CSV file with the samples and their files."),
        "max_runs": Param(50, type="number", minimum=1, description="How many runs may be active at a time."),
        "keep": Param(3, type="number", minimum=1, description="How many versions are kept."),
        "older_than": Param("P90D", type="string", pattern="^P.+", description="Age of the records to delete."),
        "plan_only": Param("true", type="string", enum=["true", "false"], description="Whether no record is deleted."),
    },
) as dag:
    content = {
        "definition": "{{ params.definition }}",
        # The folder has the workflow in WDL, too.
        "engine": "CWL",
        "main": "main.cwl",
        "parameter_template_path": "parameter-template.json",
        "deferrable": True,
        "waiter_delay": 2,
    }

    workflow = OmicsCreateWorkflowOperator(
        task_id="workflow",
        name="{{ params.workflow_name }}",
        # New content becomes a version.
        on_other_content="keep",
        **content,
    )

    version = OmicsCreateWorkflowVersionOperator(task_id="version", workflow_id=workflow.output, **content)

    group = OmicsCreateRunGroupOperator(
        task_id="group",
        name="{{ params.workflow_name }}",
        max_runs="{{ params.max_runs | int }}",
    )

    runs = {
        "workflow_id": workflow.output,
        "workflow_version_name": version.output,
        "run_group_id": group.output,
        "role_arn": "{{ params.role_arn }}",
        "output_uri": "{{ params.output_uri }}",
        "storage_type": "DYNAMIC",
    }

    check = OmicsPreflightOperator(
        task_id="check",
        # What cannot be found out, such as images outside of ECR, is logged.
        preflight="fail",
        **runs,
    )

    cohort = OmicsStartRunBatchOperator(
        task_id="cohort",
        cache="auto",
        run_settings="{{ params.sheet }}",
        run_setting_id_column="sample",
        build_run_setting=run_setting,
        deferrable=True,
        waiter_delay=2,
        **runs,
    )
    check >> cohort

    @task
    def results(results_uri: str, summary: dict[str, Any]) -> dict[str, Any]:
        """Return where the table is that has a row for each sample, and what came of them."""
        return {"results_uri": results_uri, "outcome": summary["outcome"]}

    @task
    def outdated(workflow_id: str, used: str, keep: str) -> list[str]:
        """Return the names of all versions but the one just used and the newest ones that can be used."""
        versions = OmicsHook().list_workflow_versions(workflow_id)
        usable = [version.version_name for version in versions if version.status == "ACTIVE"]
        others = [name for name in reversed(usable) if name != used]
        kept = {used, *others[: int(float(keep)) - 1]}
        # Somebody may be waiting for one that is CREATING.
        ended = [version.version_name for version in versions if version.status in ("ACTIVE", "FAILED", "INACTIVE")]
        return [str(name) for name in ended if name not in kept]

    done = results(cohort.output["results_uri"], cohort.output["batch_summary"])
    names = outdated(workflow.output, version.output, "{{ params.keep }}")

    OmicsDeleteWorkflowVersionOperator.partial(task_id="prune", workflow_id=workflow.output).expand(version_name=names)

    old = {
        "workflow_id": workflow.output,
        "older_than": "{{ params.older_than }}",
        "plan_only": "{{ params.plan_only }}",
    }
    # The runs of a batch are known by its tags.
    batches = OmicsPruneRunBatchesOperator(task_id="prune_batches", **old)
    records = OmicsPruneRunsOperator(task_id="prune_runs", **old)
    done >> [names, batches]
    batches >> records
