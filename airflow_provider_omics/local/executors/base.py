"""The contract between the engine and an executor."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_omics.local.records import Run, StorageUse, TaskUse, Workflow


class RunReport(Protocol):
    """How an executor tells the engine what happens in one run.

    Every method may be called from any thread; after the run was cancelled or deleted, calls are ignored, but for
    :meth:`stopped`.
    """

    def task_started(
        self, name: str, *, cpus: int = 1, memory: int = 2, gpus: int = 0, image: str | None = None
    ) -> str:
        """Note that a task runs, and return its id (digits), which also names its log stream."""

    def task_cached(
        self, name: str, cache_s3_uri: str, *, cpus: int = 1, memory: int = 2, gpus: int = 0, image: str | None = None
    ) -> str:
        """Note that a task took its outputs from the run cache in place of running, and return its id."""

    def task_ended(
        self,
        task_id: str,
        *,
        failure_reason: str | None = None,
        status_message: str | None = None,
        use: TaskUse | None = None,
    ) -> None:
        """Note that a task ended: well without a failure reason, else FAILED with it."""

    def storage_used(self, use: StorageUse) -> None:
        """Note what the run has used of its storage; the last call counts."""

    def completed(self) -> None:
        """Note that everything ran and the outputs are in S3: the run goes through STOPPING to COMPLETED."""

    def failed(self, failure_reason: str, status_message: str) -> None:
        """Note that the run failed: it goes through STOPPING to FAILED with this code and text."""

    def stopped(self) -> None:
        """Note that nothing of the run is carried out any more: one that is being cancelled becomes CANCELLED."""


class Executor(Protocol):
    """Carries out runs."""

    def prepare(self) -> None:
        """Load in the background what the first run needs; may do nothing."""

    def launch(self, run: Run, workflow: Workflow, report: RunReport) -> None:
        """Begin to carry out a run that has just become RUNNING; must return at once.

        :param workflow: the workflow, or the version of it, that the run uses.
        """

    def cancel(self, run: Run) -> bool:
        """Stop whatever still runs for this run; a run that has ended or is unknown is no error.

        :return: whether something of it still goes on, at whose end the run's report is told that it has stopped.
        """

    def close(self) -> None:
        """Stop everything; the server ends."""
