"""How an executor's news about one run reaches the state machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from airflow_provider_omics.healthomics.api.statuses import RunStatus, TaskStatus
from airflow_provider_omics.local.records import StorageUse, Task, TaskUse
from airflow_provider_omics.local.runs.status import add_task, set_task_status
from airflow_provider_omics.usage.instances import smallest_instance

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Run


class Stop(Protocol):
    """Takes the run through STOPPING to COMPLETED or FAILED."""

    def __call__(self, end: RunStatus, reason: str | None = None, message: str | None = None) -> None: ...


class Report:
    """What the executor of one run calls, from any thread; calls count only while the run is RUNNING.

    :param stop: takes the run through STOPPING to its end.
    :param cancel: takes a run that is being cancelled to CANCELLED.
    """

    def __init__(self, state: AccountState, run: Run, stop: Stop, cancel: Callable[[], None]) -> None:
        self._state = state
        self._run = run
        self._stop = stop
        self._cancel = cancel

    def task_started(
        self, name: str, *, cpus: int = 1, memory: int = 2, gpus: int = 0, image: str | None = None
    ) -> str:
        """Note that a task runs.

        :param cpus: reserved vCPUs.
        :param memory: reserved memory, in GiB.
        :param gpus: reserved GPUs.
        :param image: the container image that the task asks for.
        :return: the task's id.
        """
        with self._state.lock:
            task = self._new_task(name, TaskStatus.RUNNING, cpus, memory, gpus, image)
            if self._is_open():
                add_task(self._state, self._run, task)
            return task.task_id

    def task_cached(
        self, name: str, cache_s3_uri: str, *, cpus: int = 1, memory: int = 2, gpus: int = 0, image: str | None = None
    ) -> str:
        """Note that a task did not run, since the run cache has its outputs: it is COMPLETED at once.

        :param cache_s3_uri: where they lie.
        :return: the task's id.
        """
        with self._state.lock:
            task = self._new_task(name, TaskStatus.COMPLETED, cpus, memory, gpus, image)
            task.cache_hit, task.cache_s3_uri = True, cache_s3_uri
            task.stop_time = task.start_time
            if self._is_open():
                add_task(self._state, self._run, task)
            return task.task_id

    def task_ended(
        self,
        task_id: str,
        *,
        failure_reason: str | None = None,
        status_message: str | None = None,
        use: TaskUse | None = None,
    ) -> None:
        """Note that a task ended: COMPLETED without a failure reason, else FAILED with it.

        :param use: what the task has used, as far as that was measured.
        """
        with self._state.lock:
            if not self._is_open() or task_id not in self._run.tasks:
                return
            task = self._run.tasks[task_id]
            task.stop_time = self._state.now()
            task.failure_reason, task.status_message = failure_reason, status_message
            task.use = use
            end = TaskStatus.FAILED if failure_reason else TaskStatus.COMPLETED
            set_task_status(self._state, self._run, task, end)

    def storage_used(self, use: StorageUse) -> None:
        """Note what the run has used of its storage, as it was measured."""
        with self._state.lock:
            self._run.storage_use = use

    def completed(self) -> None:
        """Note that everything ran and the outputs are in S3."""
        with self._state.lock:
            if self._is_open():
                self._stop(RunStatus.COMPLETED)

    def failed(self, failure_reason: str, status_message: str) -> None:
        """Note that the run failed.

        :param failure_reason: a failure code of runs, such as ``RUN_TASK_FAILED``.
        """
        with self._state.lock:
            if self._is_open():
                self._stop(RunStatus.FAILED, failure_reason, status_message)

    def stopped(self) -> None:
        """Note that nothing of the run is carried out any more, which matters to one that is being cancelled."""
        with self._state.lock:
            if self._run.cancel_requested:
                self._cancel()

    def timed_out(self) -> None:
        """Note that the run has used up its time: it is stopped and fails."""
        with self._state.lock:
            if self._is_open():
                self._state.executor.cancel(self._run)
                self._stop(RunStatus.FAILED, "RUN_TIMED_OUT", "The run reached its maximum duration")

    def _new_task(self, name: str, status: TaskStatus, cpus: int, memory: int, gpus: int, image: str | None) -> Task:
        now = self._state.now()
        return Task(
            task_id=self._state.new_id(),
            name=name,
            status=status,
            creation_time=now,
            start_time=now,
            cpus=cpus,
            memory=memory,
            gpus=gpus,
            instance_type=smallest_instance(cpus, memory, gpus),
            image=image,
        )

    def _is_open(self) -> bool:
        return self._run.status is RunStatus.RUNNING and not self._run.cancel_requested
