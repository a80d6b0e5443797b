"""The states that HealthOmics reports, and the one place that says what each of them means to a waiter."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """Status of a run (GetRun, ListRuns)."""

    PENDING = "PENDING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    COMPLETED = "COMPLETED"
    DELETED = "DELETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


class TaskStatus(StrEnum):
    """Status of one task of a run (GetRunTask, ListRunTasks)."""

    PENDING = "PENDING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


class BatchStatus(StrEnum):
    """Status of a run batch (GetBatch, ListBatch)."""

    CREATING = "CREATING"
    PENDING = "PENDING"
    SUBMITTING = "SUBMITTING"
    INPROGRESS = "INPROGRESS"
    STOPPING = "STOPPING"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    PROCESSED = "PROCESSED"
    RUNS_DELETING = "RUNS_DELETING"
    RUNS_DELETE_FAILED = "RUNS_DELETE_FAILED"
    RUNS_DELETED = "RUNS_DELETED"


class SubmissionStatus(StrEnum):
    """Latest outcome of what a batch attempted on one of its runs (ListRunsInBatch)."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCEL_SUCCESS = "CANCEL_SUCCESS"
    CANCEL_FAILED = "CANCEL_FAILED"
    DELETE_SUCCESS = "DELETE_SUCCESS"
    DELETE_FAILED = "DELETE_FAILED"


class WorkflowStatus(StrEnum):
    """Status of a workflow, or of a version of one (GetWorkflow, GetWorkflowVersion)."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    UPDATING = "UPDATING"
    DELETED = "DELETED"
    FAILED = "FAILED"
    INACTIVE = "INACTIVE"


class ConfigurationStatus(StrEnum):
    """Status of a configuration (GetConfiguration)."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    UPDATING = "UPDATING"
    DELETING = "DELETING"
    DELETED = "DELETED"
    FAILED = "FAILED"


class Phase(StrEnum):
    """What a state means to someone who waits for its end."""

    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    SETTLED = "settled"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """Whether waiting stops here; an unknown state is waited on, since only the service knows its end."""
        return self not in (Phase.ACTIVE, Phase.UNKNOWN)


_PHASES: dict[type[StrEnum], dict[str, Phase]] = {
    RunStatus: {
        RunStatus.PENDING: Phase.ACTIVE,
        RunStatus.STARTING: Phase.ACTIVE,
        RunStatus.RUNNING: Phase.ACTIVE,
        # Outputs are still exported, and a failed run passes through it too.
        RunStatus.STOPPING: Phase.ACTIVE,
        RunStatus.COMPLETED: Phase.SUCCEEDED,
        RunStatus.DELETED: Phase.DELETED,
        RunStatus.CANCELLED: Phase.CANCELLED,
        RunStatus.FAILED: Phase.FAILED,
    },
    TaskStatus: {
        TaskStatus.PENDING: Phase.ACTIVE,
        TaskStatus.STARTING: Phase.ACTIVE,
        TaskStatus.RUNNING: Phase.ACTIVE,
        TaskStatus.STOPPING: Phase.ACTIVE,
        TaskStatus.COMPLETED: Phase.SUCCEEDED,
        TaskStatus.CANCELLED: Phase.CANCELLED,
        TaskStatus.FAILED: Phase.FAILED,
    },
    BatchStatus: {
        BatchStatus.CREATING: Phase.ACTIVE,
        BatchStatus.PENDING: Phase.ACTIVE,
        BatchStatus.SUBMITTING: Phase.ACTIVE,
        BatchStatus.INPROGRESS: Phase.ACTIVE,
        BatchStatus.STOPPING: Phase.ACTIVE,
        BatchStatus.CANCELLED: Phase.CANCELLED,
        BatchStatus.FAILED: Phase.FAILED,
        # Every run has ended somehow; only the counts tell how.
        BatchStatus.PROCESSED: Phase.SETTLED,
        BatchStatus.RUNS_DELETING: Phase.DELETED,
        BatchStatus.RUNS_DELETE_FAILED: Phase.DELETED,
        BatchStatus.RUNS_DELETED: Phase.DELETED,
    },
    SubmissionStatus: {
        SubmissionStatus.SUCCESS: Phase.SUCCEEDED,
        SubmissionStatus.FAILED: Phase.FAILED,
        SubmissionStatus.CANCEL_SUCCESS: Phase.CANCELLED,
        # The run was started and the attempt to stop or delete it failed: it is still there.
        SubmissionStatus.CANCEL_FAILED: Phase.SUCCEEDED,
        SubmissionStatus.DELETE_SUCCESS: Phase.DELETED,
        SubmissionStatus.DELETE_FAILED: Phase.SUCCEEDED,
    },
    WorkflowStatus: {
        WorkflowStatus.CREATING: Phase.ACTIVE,
        # What is waited for: it can be run now.
        WorkflowStatus.ACTIVE: Phase.SUCCEEDED,
        WorkflowStatus.UPDATING: Phase.ACTIVE,
        WorkflowStatus.DELETED: Phase.DELETED,
        WorkflowStatus.FAILED: Phase.FAILED,
        WorkflowStatus.INACTIVE: Phase.CANCELLED,
    },
    ConfigurationStatus: {
        ConfigurationStatus.CREATING: Phase.ACTIVE,
        ConfigurationStatus.ACTIVE: Phase.SUCCEEDED,
        ConfigurationStatus.UPDATING: Phase.ACTIVE,
        ConfigurationStatus.DELETING: Phase.DELETED,
        ConfigurationStatus.DELETED: Phase.DELETED,
        ConfigurationStatus.FAILED: Phase.FAILED,
    },
}


def classify(kind: type[StrEnum], status: str | None) -> Phase:
    """Say what a status means to a waiter.

    :param kind: the enum the status belongs to, such as :class:`RunStatus`.
    :param status: the status as the service sent it; None or a word of a later release gives ``UNKNOWN``.
    """
    return _PHASES[kind].get(status or "", Phase.UNKNOWN)
