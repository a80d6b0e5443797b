"""The list: permissions of each operator, sensor and trigger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from airflow_provider_omics.healthomics.api.actions import LIST_BUCKET, actions_of
from airflow_provider_omics.permissions import features as of
from airflow_provider_omics.permissions.model import Feature, Permissions

_FAILS = "the task fails, and names it"
_RUN_WAIT = of.wait("omics:GetRun", is_default=False)
_BATCH_WAIT = of.wait("omics:GetBatch")
_START = (of.IDENTITY_TAGS, of.TAGS)
_BEFORE_START = (
    of.WORKFLOW_NAME,
    of.PARAMETERS_FILE,
    of.CHECK_INPUTS,
    of.PREFLIGHT,
    of.AUTO_CACHE,
    of.CACHE_HITS,
    of.COST_ESTIMATE,
    of.LINEAGE,
)
_CANCEL_BATCH = ("omics:CancelRunBatch", "omics:GetBatch", "omics:CancelRun", "omics:ListRuns", "omics:GetRun")


def _resource(suffix: str, changes: str) -> Permissions:
    shown = (f"omics:Get{suffix}",)
    there = Feature("one of the name", shown, "one that is there already", _FAILS, is_default=True, fails=True)
    without = "it counts as made as asked, and the log says so"
    made = Feature("what was made", shown, "reading once what was made just now", without, is_default=True)
    change = Feature(changes, (f"omics:Update{suffix}",), "changing one that is not as asked", _FAILS, fails=True)
    return Permissions((f"omics:List{suffix}s", f"omics:Create{suffix}"), (there, made, change, of.RESOURCE_TAGS))


_OPERATORS: Mapping[str, Permissions] = {
    "OmicsStartRunOperator": Permissions(
        actions_of("StartRun"),
        (
            *_START,
            of.wait("omics:GetRun"),
            of.durable("omics:ListRuns", "omics:GetRun"),
            of.cancel_on_kill("omics:CancelRun"),
            of.RUN_FAILURE,
            of.MANY_WAITS,
            of.RUN_USAGE,
            of.PRICE_FILE,
            *_BEFORE_START,
        ),
    ),
    "OmicsCancelRunOperator": Permissions(
        actions_of("CancelRun"), (of.AFTER_REFUSAL, _RUN_WAIT, replace(of.MANY_WAITS, is_default=False))
    ),
    "OmicsDeleteRunOperator": Permissions(actions_of("DeleteRun"), (of.AFTER_REFUSAL,)),
    "OmicsStartRunBatchOperator": Permissions(
        # What a task has stored it looks for before it writes it.
        (*actions_of("StartRunBatch"), "s3:PutObject", "s3:GetObject", LIST_BUCKET),
        (
            *_START,
            of.wait("omics:GetBatch", "omics:ListRunsInBatch", "omics:ListRuns"),
            of.VALIDATE_PARAMETERS,
            of.durable("omics:ListBatch", "omics:GetBatch"),
            of.cancel_on_kill(*_CANCEL_BATCH),
            of.COHORT_FAILURES,
            of.FAILED_BATCH,
            of.OUTPUT_PLACES,
            of.PROOFS,
            of.LARGE_OBJECTS,
            of.FAIL_FAST,
            of.USAGE,
            of.REPORT,
            *_BEFORE_START,
        ),
    ),
    "OmicsCancelRunBatchOperator": Permissions(
        actions_of("CancelRunBatch"),
        (
            of.BATCH_STATE,
            of.refused("GetBatch"),
            of.WHOLE_COHORT,
            of.FAILED_BATCH,
            replace(_BATCH_WAIT, is_default=False),
        ),
    ),
    "OmicsDeleteRunBatchOperator": Permissions(
        actions_of("DeleteRunBatch"),
        (
            _BATCH_WAIT,
            of.refused("GetBatch"),
            of.WHOLE_COHORT,
            Feature(
                "gone batches",
                ("omics:ListRuns",),
                "whether a batch that is gone has left runs",
                "the task fails for such a batch, and names it",
                is_default=True,
                fails=True,
            ),
            Feature(
                "failure details",
                ("omics:ListRunsInBatch",),
                "which runs could not be deleted",
                "the log says that they could not be looked up",
                is_default=True,
            ),
        ),
    ),
    "OmicsDeleteBatchOperator": Permissions(
        actions_of("DeleteBatch"), (_BATCH_WAIT, of.refused("GetBatch"), of.WHOLE_COHORT)
    ),
    "OmicsCreateWorkflowOperator": Permissions(
        ("omics:ListWorkflows", "omics:GetWorkflow", "omics:CreateWorkflow"),
        (of.IDENTITY_TAGS, of.TAGS, of.UNSHOWN_TAGS, of.DEFINITION),
    ),
    "OmicsCreateWorkflowVersionOperator": Permissions(
        ("omics:GetWorkflowVersion", "omics:CreateWorkflowVersion"),
        (of.IDENTITY_TAGS, of.TAGS, of.UNSHOWN_TAGS, of.DEFINITION),
    ),
    "OmicsDeleteWorkflowOperator": Permissions(actions_of("DeleteWorkflow")),
    "OmicsDeleteWorkflowVersionOperator": Permissions(actions_of("DeleteWorkflowVersion")),
    "OmicsCreateRunGroupOperator": _resource("RunGroup", "limits"),
    "OmicsCreateRunCacheOperator": _resource("RunCache", "behaviour"),
    "OmicsCreateConfigurationOperator": Permissions(
        ("omics:GetConfiguration", "omics:CreateConfiguration"), (of.RESOURCE_TAGS,)
    ),
    "OmicsDeleteRunGroupOperator": Permissions(actions_of("DeleteRunGroup")),
    "OmicsDeleteRunCacheOperator": Permissions(actions_of("DeleteRunCache"), (of.refused("GetRunCache"),)),
    "OmicsDeleteConfigurationOperator": Permissions(
        actions_of("DeleteConfiguration"), (of.refused("GetConfiguration"),)
    ),
    "OmicsEstimateCostOperator": Permissions(
        (),
        (
            of.WORKFLOW_NAME,
            of.PRICE_FILE,
            replace(
                of.COST_ESTIMATE,
                option="estimate",
                purpose="what earlier runs have cost: their tasks, the manifests of dynamic storage, and prices",
                without="the cost is unknown, and the result says why",
                is_default=True,
            ),
        ),
    ),
    "OmicsAnalyzeRunsOperator": Permissions(
        ("logs:GetLogEvents", "s3:PutObject"),
        (
            Feature("run_ids", ("omics:GetRun",), "runs by their ids", _FAILS, is_default=True, fails=True),
            Feature(
                "batch_ids",
                ("omics:ListRunsInBatch", "omics:ListRuns"),
                "the runs of batches",
                _FAILS,
                is_default=True,
                fails=True,
            ),
            Feature(
                "no manifest",
                ("omics:ListRunTasks",),
                "tasks of runs whose manifest is not there",
                "the task fails where there are any, and names it",
                is_default=True,
                fails=True,
            ),
            Feature(
                "snippet_engine",
                ("omics:GetWorkflow",),
                "the language of a run without a manifest, with `auto`",
                "its tasks get no snippets, and the log says so",
                is_default=True,
            ),
            of.PROOFS,
        ),
    ),
    "OmicsPreflightOperator": Permissions(
        (), (*of.PREFLIGHT_KINDS, of.BUCKET, of.PROOFS, of.WORKFLOW_NAME, of.PARAMETERS_FILE, of.CHECK_INPUTS)
    ),
    "OmicsPruneRunsOperator": Permissions(
        ("omics:ListRuns", "omics:GetRun"),
        (
            Feature(
                "plan_only",
                ("omics:DeleteRun",),
                "deleting, with `plan_only=False`",
                _FAILS,
                fails=True,
            ),
            Feature(
                "runs of batches",
                ("omics:GetBatch", "omics:ListBatch"),
                "whose the runs of batches are",
                "the task fails where there are any, and names it",
                is_default=True,
                fails=True,
            ),
            of.PRUNED_WORKFLOW,
            of.PLAN_URI,
        ),
    ),
    "OmicsPruneRunBatchesOperator": Permissions(
        ("omics:ListBatch", "omics:GetBatch"),
        (
            Feature(
                "plan_only",
                ("omics:DeleteRunBatch", "omics:DeleteBatch", "omics:DeleteRun"),
                "deleting, with `plan_only=False`; the last for runs of batches that FAILED",
                _FAILS,
                fails=True,
            ),
            Feature(
                "failed batches",
                ("omics:ListRuns",),
                "runs of batches that FAILED or were CANCELLED, which may go on",
                "the task fails where there are any, and names it",
                is_default=True,
                fails=True,
            ),
            of.PRUNED_WORKFLOW,
            of.PLAN_URI,
        ),
    ),
}
_SENSORS: Mapping[str, Permissions] = {
    "OmicsRunSensor": Permissions(
        actions_of("GetRun"), (of.FAILURE_TASKS, of.MANY_WAITS, of.RUN_USAGE, of.RUN_PRICE_FILE)
    ),
    "OmicsBatchSensor": Permissions(actions_of("GetBatch"), (of.WHOLE_COHORT, of.SAMPLE_FAILURES)),
    "OmicsBatchRunSensor": Permissions(
        ("omics:ListRunsInBatch", "omics:GetRun"),
        (of.UNSUBMITTED, of.WHOLE_COHORT, of.FAILURE_TASKS, of.MANY_SAMPLES),
    ),
    "OmicsWorkflowSensor": Permissions(actions_of("GetWorkflow"), (of.VERSION,)),
    "OmicsConfigurationSensor": Permissions(actions_of("GetConfiguration")),
}
_TRIGGERS: Mapping[str, Permissions] = {
    "OmicsRunTrigger": Permissions(actions_of("GetRun"), (of.cancel_on_kill("omics:CancelRun"), of.MANY_WAITS)),
    "OmicsBatchTrigger": Permissions(
        actions_of("GetBatch"),
        (of.cancel_on_kill(*_CANCEL_BATCH), of.FAILED_BATCH, of.FAIL_FAST, of.WHOLE_COHORT, of.SAMPLE_FAILURES),
    ),
    "OmicsBatchRunTrigger": Permissions(
        ("omics:ListRunsInBatch", "omics:GetRun"), (of.UNSUBMITTED, of.WHOLE_COHORT, of.MANY_SAMPLES)
    ),
    "OmicsWorkflowTrigger": Permissions(actions_of("GetWorkflow"), (of.VERSION,)),
    "OmicsConfigurationTrigger": Permissions(actions_of("GetConfiguration")),
    "OmicsRunEventTrigger": Permissions(("sqs:ReceiveMessage", "sqs:DeleteMessage")),
}
PERMISSIONS: Mapping[str, Permissions] = {**_OPERATORS, **_SENSORS, **_TRIGGERS}
"""By the name of the class."""
