"""How long the simulated service takes for what it does by itself."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_omics.local.checked import check_fields


@dataclass(frozen=True, kw_only=True, slots=True)
class Timings:
    """Seconds of the server's clock; every one may be 0.

    :param pending: from the call until a run may leave PENDING; quotas can hold it there for longer.
    :param starting: in STARTING.
    :param running_min: shortest time in RUNNING under the simulated executor.
    :param running_max: longest time in RUNNING under the simulated executor.
    :param stopping: in STOPPING, and from a cancel call until CANCELLED.
    :param batch_creating: in CREATING; make it long for a batch that cannot be cancelled yet.
    :param batch_validating: in PENDING, while run settings are checked.
    :param submissions_per_second: runs that a batch submits, cancels or deletes each second, more than 0; the
        published rate of StartRun is 5.
    :param batch_stopping: from the last cancelled run until the batch is CANCELLED.
    :param run_summary_lag: how far ``runSummary`` of GetBatch is behind, until the batch is PROCESSED.
    :param workflow_creating: in CREATING of a workflow, a version or a run cache. While it is 0, CreateWorkflow and
        CreateWorkflowVersion answer once the definition was read, or after 20 real seconds.
    :param configuration_creating: in CREATING of a configuration; the service takes up to 15 minutes.
    :param configuration_deleting: in DELETING of a configuration.
    :raises ValueError: one of them is out of its bounds.
    """

    pending: float = 1.0
    starting: float = 2.0
    running_min: float = 5.0
    running_max: float = 20.0
    stopping: float = 1.0
    batch_creating: float = 1.0
    batch_validating: float = 1.0
    submissions_per_second: float = 5.0
    batch_stopping: float = 1.0
    run_summary_lag: float = 2.0
    workflow_creating: float = 0.0
    configuration_creating: float = 2.0
    configuration_deleting: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.submissions_per_second <= 0:
            raise ValueError(f"submissions_per_second must be more than 0, not {self.submissions_per_second}")
        if self.running_max < self.running_min:
            raise ValueError(f"running_max {self.running_max} is less than running_min {self.running_min}")

    @classmethod
    def fast(cls) -> Timings:
        """Return timings for tests: every state is passed through, a run takes about 0.1 s in all."""
        return cls(
            pending=0.01,
            starting=0.01,
            running_min=0.03,
            running_max=0.06,
            stopping=0.01,
            batch_creating=0.01,
            batch_validating=0.01,
            submissions_per_second=2000.0,
            batch_stopping=0.01,
            run_summary_lag=0.0,
            configuration_creating=0.01,
            configuration_deleting=0.01,
        )
