"""The keys of the XComs that operators push beside their return value: ``align.output[XCOM_RUN_OUTPUT_URI_KEY]``.

The dicts that sensors return use the same words: ``run_id``, ``run_uuid`` and ``run_output_uri`` for a run,
``batch_id`` and the members of ``batch_summary`` for a batch.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot

XCOM_RUN_ARN_KEY = "run_arn"
"""ARN of the run, once it has started."""
XCOM_RUN_UUID_KEY = "run_uuid"
"""UUID of the run, which no other run ever has, once it has started."""
XCOM_RUN_OUTPUT_URI_KEY = "run_output_uri"
"""S3 URI that the run's outputs are below, once it has started."""
XCOM_RUN_CACHE_HITS_KEY = "run_cache_hits"
"""How many tasks of the run came out of its run cache, at its end."""
XCOM_RUN_USAGE_KEY = "run_usage"
"""What the run used and cost, as a dict, at its end."""
XCOM_COST_ESTIMATE_KEY = "cost_estimate"
"""What was estimated that the runs will cost, as a dict, before they were started last."""

XCOM_BATCH_ID_KEY = "batch_id"
"""Id of the newest batch, once it has started."""
XCOM_BATCH_ARN_KEY = "batch_arn"
"""ARN of the newest batch, once it has started."""
XCOM_BATCH_SUMMARY_KEY = "batch_summary"
"""Status, counts, ids of all batches, failure classes and places of the results, as a dict, at the end of a cohort."""
XCOM_RESULTS_URI_KEY = "results_uri"
"""S3 URI of the results table as CSV, at the end of a cohort."""
XCOM_REPORT_URI_KEY = "report_uri"
"""S3 URI of the report as HTML, at the end of a cohort with ``report``."""
XCOM_FAILED_RUN_SETTING_IDS_KEY = "failed_run_setting_ids"
"""Ids of the samples that did not complete, at most 100, at the end of a cohort."""
XCOM_FAILURES_KEY = "failures"
"""What became of these samples, as dicts, at the end of a cohort."""
XCOM_RUNS_KEY = "runs"
"""Id, run id and output URI of each completed sample, as dicts, unless there are more than ``runs_limit``."""

XCOM_WORKFLOW_ID_KEY = "workflow_id"
"""Id of the workflow that a version belongs to, once it is there."""
XCOM_WORKFLOW_ARN_KEY = "workflow_arn"
"""ARN of the workflow or version, once it is there."""
XCOM_WORKFLOW_UUID_KEY = "workflow_uuid"
"""UUID of the workflow or version, which no other ever has, once it is there."""
XCOM_WORKFLOW_IS_NEW_KEY = "workflow_is_new"
"""Whether this task has made it, and it was not there already."""

XCOM_RESOURCE_ARN_KEY = "resource_arn"
"""ARN of the run group, run cache or configuration, once it is there."""
XCOM_RESOURCE_IS_NEW_KEY = "resource_is_new"
"""Whether this task has made it, and it was not there already."""

XCOM_BATCHES_BEING_PRUNED_KEY = "batches_being_pruned"
"""Batches whose runs are being deleted, and the counts so far, as a dict, once the wait for them is deferred."""


def run_result(run: RunSnapshot) -> dict[str, Any]:
    """Return what sensors, and the asset events of a task, tell of a run."""
    return {"run_id": run.run_id, XCOM_RUN_UUID_KEY: run.uuid, XCOM_RUN_OUTPUT_URI_KEY: run.output_uri}
