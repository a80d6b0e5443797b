"""The operations of HealthOmics that are served, by name; an operation that is added is named here too."""

from __future__ import annotations

SERVED_OPERATIONS = frozenset(
    {
        *("StartRun", "GetRun", "ListRuns", "CancelRun", "DeleteRun", "GetRunTask", "ListRunTasks"),
        *(
            "StartRunBatch",
            "GetBatch",
            "ListBatch",
            "ListRunsInBatch",
            "CancelRunBatch",
            "DeleteRunBatch",
            "DeleteBatch",
        ),
        *("CreateWorkflow", "GetWorkflow", "ListWorkflows", "UpdateWorkflow", "DeleteWorkflow"),
        *("CreateWorkflowVersion", "GetWorkflowVersion", "ListWorkflowVersions", "UpdateWorkflowVersion"),
        *("DeleteBatch", "DeleteWorkflowVersion"),
        *("CreateRunGroup", "GetRunGroup", "ListRunGroups", "UpdateRunGroup", "DeleteRunGroup"),
        *("CreateRunCache", "GetRunCache", "ListRunCaches", "UpdateRunCache", "DeleteRunCache"),
        *("CreateConfiguration", "GetConfiguration", "ListConfigurations", "DeleteConfiguration"),
        *("TagResource", "UntagResource", "ListTagsForResource"),
    }
)
