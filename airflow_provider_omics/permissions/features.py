"""Features of operators, sensors and triggers that need permissions of their own."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_omics.healthomics.api.actions import LIST_BUCKET, TAG_RESOURCE
from airflow_provider_omics.permissions.model import Feature

_FAILS = "the task fails, and names it"
_GOES_ON = "the log says so, and the job goes on"
_NOTE = "the message says what could not be looked up"
_UNKNOWN = "the check comes to unknown, and names it"

IDENTITY_TAGS = Feature(
    "identity_tags",
    (TAG_RESOURCE,),
    "tags by which a later try finds what an earlier one has made",
    f"{_FAILS}; `identity_tags=False` does without",
    is_default=True,
    fails=True,
)
TAGS = Feature("tags", (TAG_RESOURCE,), "tags of your own, `run_tags` too", _FAILS, fails=True)
RESOURCE_TAGS = Feature("tags", (TAG_RESOURCE,), "tags, also of one that is there already", _FAILS, fails=True)


def wait(*actions: str, is_default: bool = True, without: str = _FAILS) -> Feature:
    """Return the feature of waiting for the end."""
    purpose = "waiting for the end, and what came of it"
    return Feature("wait_for_completion", actions, purpose, without, is_default=is_default, fails=True)


def durable(*actions: str) -> Feature:
    """Return the feature of taking over what an earlier try has started."""
    purpose = "later tries, which take over what an earlier one has started"
    without = "a later try fails before it starts anything, and names it; `durable=False` does without"
    return Feature("durable", actions, purpose, without, is_default=True, fails=True)


def cancel_on_kill(*actions: str) -> Feature:
    """Return the feature of cancelling the job of a task that nobody wants any more."""
    return Feature("cancel_on_kill", actions, "cancelling the job of a killed task", _GOES_ON, is_default=True)


def refused(action: str) -> Feature:
    """Return the feature of knowing why the state of something does not allow what was asked for.

    :param action: operation that shows the state.
    """
    purpose = "what has ended or is gone, and so needs nothing done; or why it cannot be done yet"
    without = "the task fails for what has ended or is gone, and names it"
    return Feature("other states", (f"omics:{action}",), purpose, without, is_default=True, fails=True)


AFTER_REFUSAL = refused("GetRun")
FAILURE_TASKS = Feature(
    "failure details",
    ("omics:ListRunTasks", "omics:GetRunTask", "logs:GetLogEvents"),
    "failed tasks and the end of their logs, for the message of a run that failed",
    _NOTE,
    is_default=True,
)
RUN_FAILURE = Feature(
    "failure details",
    ("omics:GetRun", *FAILURE_TASKS.actions),
    "the failure's code, failed tasks and the end of their logs, for the message of a run that failed",
    _NOTE,
    is_default=True,
)
SAMPLE_FAILURES = Feature(
    "failure details",
    ("omics:ListRunsInBatch", "omics:ListRuns", "omics:GetRun"),
    "which samples have failed and why, for messages",
    _NOTE,
    is_default=True,
)
COHORT_FAILURES = Feature(
    "failure details",
    ("omics:ListRunsInBatch", "omics:ListRuns", "omics:GetRun", *FAILURE_TASKS.actions),
    "why samples have failed, their failed tasks and the end of their logs, for messages and the table of results",
    "the message and the table say what could not be looked up",
    is_default=True,
)
OUTPUT_PLACES = Feature(
    "output places",
    ("omics:GetRun",),
    "the form of the places of outputs, of one run for all",
    "the table has them in the form that is documented",
    is_default=True,
)
BATCH_STATE = Feature(
    "batch state",
    ("omics:GetBatch",),
    "the state of the batch, before it is cancelled",
    "it is cancelled all the same",
    is_default=True,
)
FAILED_BATCH = Feature(
    "failed batches",
    ("omics:ListRuns", "omics:GetRun", "omics:CancelRun"),
    "runs that go on after their batch has FAILED or was CANCELLED: waiting for them, and cancelling them one by one",
    "the task fails for such a batch, and names it",
    is_default=True,
    fails=True,
)
FAILED_BATCH_WAIT = replace(
    FAILED_BATCH,
    actions=("omics:ListRuns", "omics:GetRun"),
    purpose="waiting for runs that go on after their batch has FAILED or was CANCELLED",
)
MANY_WAITS = Feature(
    "many waits",
    ("omics:ListRuns",),
    "five or more triggers of one connection, which then read lists in place of asking for each run",
    "each run is asked for by itself, which takes more calls",
    is_default=True,
)
MANY_SAMPLES = Feature(
    "many waits",
    ("omics:GetBatch", "omics:ListRuns"),
    "three or more triggers of one batch, which then read lists in place of asking for each sample",
    "each sample is asked for by itself, which takes more calls",
    is_default=True,
)
WHOLE_COHORT = Feature(
    "whole_cohort",
    ("omics:GetBatch", "omics:ListBatch"),
    "the other batches of the cohort: redrives of samples that failed",
    "the batch counts alone, and the log says so; the task fails where there must be others",
    is_default=True,
)
UNSUBMITTED = Feature(
    "other states",
    ("omics:GetBatch",),
    "samples that are not submitted yet, or will not be",
    "the task fails for such a sample, and names it",
    is_default=True,
    fails=True,
)
CHECK_INPUTS = Feature(
    "check_inputs",
    ("s3:GetObject", LIST_BUCKET),
    "looking for inputs in S3 (HeadObject, ListObjectsV2)",
    "inputs count as denied or missing: logged or refused, as `check_inputs` says",
)
PARAMETERS_FILE = Feature(
    "parameters", ("s3:GetObject",), "a JSON file in S3 that holds the parameters", _FAILS, fails=True
)
UNSHOWN_TAGS = Feature(
    "unshown tags",
    ("omics:ListTagsForResource",),
    "tags of one of the name that the service shows without them",
    "the task fails for such a one, which counts as made of other content, and names it",
    fails=True,
)
DEFINITION = Feature("definition", ("s3:GetObject",), "a definition in S3", _FAILS, fails=True)
VALIDATE_PARAMETERS = Feature(
    "validate_parameters",
    ("omics:GetWorkflow", "omics:GetWorkflowVersion"),
    "comparing the samples' parameters with the workflow's, and types of columns from its definition; the second "
    "where a version is given",
    f"{_FAILS}; `validate_parameters=False` does without",
    is_default=True,
    fails=True,
)
WORKFLOW_NAME = Feature(
    "workflow_name",
    ("omics:ListWorkflows", "omics:ListWorkflowVersions"),
    "finding a workflow by its name; the second for the version `latest`",
    _FAILS,
    fails=True,
)
AUTO_CACHE = Feature(
    "cache",
    ("omics:ListRunCaches", "omics:GetRunCache", "omics:CreateRunCache"),
    '`cache="auto"`: finding the run cache, or making it',
    _FAILS,
    fails=True,
)
CACHE_HITS = Feature(
    "cache hits",
    ("omics:ListRunTasks",),
    "counting tasks that came out of the run cache, with `cache` or `cache_id`",
    "they are not counted, and the log says so",
)
PROOFS = Feature(
    "write tests",
    ("s3:DeleteObject",),
    "deleting the small objects that have shown whether the task can write to S3",
    "they stay there",
    is_default=True,
)
LARGE_OBJECTS = Feature(
    "large objects",
    ("s3:AbortMultipartUpload",),
    "taking back an upload of more than 16 MiB that has failed half-way",
    "its parts stay until a rule of the bucket deletes them",
    is_default=True,
)
BUCKET = Feature(
    "bucket",
    (LIST_BUCKET,),
    "the Region of the bucket of outputs (HeadBucket)",
    "S3 tells the Region all the same",
    is_default=True,
)
USAGE = Feature(
    "usage",
    (
        "omics:ListRunsInBatch",
        "omics:ListRuns",
        "omics:ListRunTasks",
        "logs:GetLogEvents",
        "pricing:GetProducts",
    ),
    "what runs used and cost: their tasks, the manifests of dynamic storage, and prices",
    "what is missing is left out, and the log says so",
)
RUN_USAGE = Feature(
    "usage",
    ("omics:GetRun", "omics:ListRunTasks", "logs:GetLogEvents", "pricing:GetProducts"),
    "what the run used and cost: its tasks, the manifest of dynamic storage, and prices",
    "what is missing is unknown, and the log says so",
)
LINEAGE = Feature(
    "OpenLineage",
    ("omics:GetRun", "s3:GetObject", LIST_BUCKET),
    "where OpenLineage is set up: the digest of the workflow, and the outputs that `outputs.json` names; the last for "
    "runs that have none, since they failed",
    "events tell less, and the log says so",
)
COST_ESTIMATE = Feature(
    "max_cost_usd",
    ("omics:ListRuns", "omics:GetRun", "omics:ListRunTasks", "logs:GetLogEvents", "pricing:GetProducts"),
    "an estimate of the cost before the start, also with `estimate_runs` alone: what earlier runs have cost",
    "the cost counts as unknown, which is refused unless `unknown_cost` is `start`",
)
REPORT = Feature(
    "report",
    ("omics:GetWorkflow",),
    "the language of the workflow, by which tasks are named, with `usage`",
    "shards of a task are tasks of their own in the report, and the log says so",
)
RUN_PRICE_FILE = Feature(
    "price_file", ("s3:GetObject",), "a file of prices in S3", "the cost is unknown, and the log says so"
)
PRICE_FILE = replace(RUN_PRICE_FILE, without=_FAILS, fails=True)
FAIL_FAST = Feature(
    "fail_fast",
    ("omics:CancelRunBatch", "omics:CancelRun"),
    "cancelling the rest once too many samples have failed; the second for a batch that FAILED",
    _FAILS,
    fails=True,
)
PLAN_URI = Feature("plan_uri", ("s3:PutObject",), "writing the plan to S3", _FAILS, fails=True)
PRUNED_WORKFLOW = Feature(
    "workflow_name", ("omics:ListWorkflows",), "finding the workflows of a name", _FAILS, fails=True
)
VERSION = Feature("version_name", ("omics:GetWorkflowVersion",), "a version of the workflow", _FAILS, fails=True)

_PREFLIGHT = (
    ("workflow", ("omics:GetWorkflow", "omics:GetWorkflowVersion"), "workflow, and version if one is given"),
    ("run_id", ("omics:GetRun",), "the run that is going to be run again"),
    ("configuration", ("omics:GetConfiguration",), "the VPC configuration"),
    ("cache", ("omics:GetRunCache",), "the run cache"),
    ("run_group", ("omics:GetRunGroup",), "the run group"),
    ("output", ("s3:PutObject",), "the place for outputs"),
    (
        "images",
        ("omics:GetWorkflow", "omics:GetWorkflowVersion", "ecr:DescribeImages", "ecr:GetRepositoryPolicy"),
        "container images in ECR; the second if a version is given",
    ),
    (
        "quota",
        ("servicequotas:ListServiceQuotas", "omics:ListRuns", "omics:GetRun"),
        "room for the runs among those that the account keeps",
    ),
)
PREFLIGHT_KINDS = tuple(
    Feature(kind, actions, f"preflight: {purpose}", _UNKNOWN, is_default=True) for kind, actions, purpose in _PREFLIGHT
)
PREFLIGHT = Feature(
    "preflight",
    (*dict.fromkeys(action for _, actions, _ in _PREFLIGHT for action in actions), LIST_BUCKET, "s3:DeleteObject"),
    "what would go wrong, found before anything is submitted; each kind of check has its own",
    _UNKNOWN,
)
