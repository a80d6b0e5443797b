"""One job, be it a run or a batch of one sample, that a task starts against the local server; and what became of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from holding import Holding
from task_runs import TaskInstance, TaskRun, run_task

from airflow_provider_omics.healthomics.requests.start_run import build_start_run, digest_without
from airflow_provider_omics.healthomics.requests.start_run_batch import build_start_run_batch
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

KINDS = pytest.mark.parametrize("kind", ["run", "batch"])
READINGS = pytest.mark.parametrize("reading", ["first_answer", "conflict", "forgotten"])
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
ROLE = "arn:aws:iam::123456789012:role/omics"
BUCKET = "whose-job"
RETRIES = 5


@dataclass
class DagRun:
    """What Airflow tells of a DAG run."""

    start_date: datetime
    run_after: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    logical_date: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    clear_number: int = 0


def dag_run(minutes_ago: float = 0.0, **members: Any) -> DagRun:
    """A DAG run that began so long ago."""
    return DagRun(datetime.now(UTC) - timedelta(minutes=minutes_ago), **members)


class JobLab:
    """Starts jobs of one kind, each with the same request unless something else is said.

    :ivar held: releases what takes HELD seconds.
    """

    def __init__(self, server: LocalOmics, workflow_id: str, kind: str) -> None:
        self.server = server
        self.workflow_id = workflow_id
        self.is_batch = kind == "batch"
        self.omics = server.client("omics")
        self.held = Holding(server)
        server.client("s3").create_bucket(Bucket=BUCKET)

    def operator(self, *, seconds: float | None = None, outcome: str | None = None, **kwargs: Any) -> Any:
        """An operator whose job takes so many seconds, or fails."""
        tags = {} if seconds is None else {"omics-local:seconds": str(seconds)}
        tags |= {} if outcome is None else {"omics-local:outcome": outcome}
        settings: dict[str, Any] = {
            "workflow_id": self.workflow_id,
            "role_arn": ROLE,
            "output_uri": f"s3://{BUCKET}/out",
            "waiter_delay": 0.02,
            "retries": RETRIES,
            **kwargs,
        }
        if not self.is_batch:
            return OmicsStartRunOperator(task_id="job", tags=tags or None, **settings)
        if "name" in settings:
            settings["batch_name"] = settings.pop("name")
        samples = [{"runSettingId": "sample"}]
        return OmicsStartRunBatchOperator(task_id="job", run_settings=samples, run_tags=tags or None, **settings)

    def run(self, ti: TaskInstance | None = None, *, context: Any = None, **kwargs: Any) -> TaskRun:
        """Run a try of the task to its end."""
        ti = ti or instance()
        task = self.operator(**kwargs)
        if not hasattr(ti, "task"):
            ti.task = task  # type: ignore[attr-defined]
        return run_task(task, ti, **(context or {}))

    def crash(self, ti: TaskInstance | None = None, *, context: Any = None, **kwargs: Any) -> str:
        """Run a try of the task until it waits, as if its worker died then, and return its job."""
        ti = ti or instance()
        task = self.operator(deferrable=True, **kwargs)
        ti.task = task  # type: ignore[attr-defined]
        full: Any = {"ti": ti, "task_instance": ti, "params": {}, "run_id": ti.run_id, **(context or {})}
        task.render_template_fields(full)
        with pytest.raises(TaskDeferred) as deferred:
            task.execute(full)
        arguments = deferred.value.trigger.serialize()[1]
        return str(arguments["batch_id" if self.is_batch else "run_id"])

    @property
    def started(self) -> int:
        """How many jobs there ever were."""
        return self.server.journal.effects["StartRunBatch" if self.is_batch else "StartRun"]

    @property
    def cancelled(self) -> list[str | None]:
        """The jobs that were asked to stop, in the order of asking."""
        operation = "CancelRunBatch" if self.is_batch else "CancelRun"
        return [call.resource_id for call in self.server.journal.calls(operation)]

    @property
    def looks(self) -> str:
        """The operation that jobs are polled with."""
        return "GetBatch" if self.is_batch else "GetRun"

    def release_once_polled(self) -> None:
        """Let what is held end once a task has found its job, and polled it while it waited."""
        self.held.release_after(self.looks, 3)

    def get(self, job_id: str) -> Any:
        return self.omics.get_batch(batchId=job_id) if self.is_batch else self.omics.get_run(id=job_id)

    def cancel(self, job_id: str) -> None:
        """Cancel a job as a person does."""
        if self.is_batch:
            self.omics.cancel_run_batch(batchId=job_id)
        else:
            self.omics.cancel_run(id=job_id)

    def fault(self, operation: str, kind: FaultKind = FaultKind.ERROR_BEFORE, **more: Any) -> None:
        self.server.faults.add(FaultRule(kind=kind, operation=operation, **more))

    def assume(self, **assumptions: Any) -> None:
        self.server.change(assumptions=assumptions)

    def start_as_0_1_0_did(self, ti: TaskInstance, name: str | None = None, *, tagged: bool = True) -> str:
        """Start a job as 0.1.0 did: with the request id, the name and the tags that it gave."""
        task = self.operator()
        setting = {"workflowId": self.workflow_id, "roleArn": ROLE, "outputUri": task.output_uri}
        if self.is_batch:
            intent, longest = _key(ti, "StartRunBatch"), 64
        else:
            intent = _key(ti, digest_without(set(), build_start_run(setting, None)))
            longest = 128
        suffix = f"-{intent[:8]}"
        name = name or f"{ti.dag_id}.{ti.task_id}"[: longest - len(suffix)] + suffix
        tags = {
            "airflow-dag-id": ti.dag_id,
            "airflow-run-id": ti.run_id,
            "airflow-task-id": ti.task_id,
            "airflow-map-index": str(ti.map_index),
            "airflow-intent": intent,
            "airflow-generation": "0",
        }
        common: dict[str, Any] = {"requestId": _first_release(intent, "0"), **({"tags": tags} if tagged else {})}
        if not self.is_batch:
            return str(self.omics.start_run(**setting, **common, name=name)["id"])
        request = build_start_run_batch(setting, batch_name=name, tags=None, request_id=None)
        request["batchRunSettings"] = {"inlineSettings": [{"runSettingId": "sample"}]}
        return str(self.omics.start_run_batch(**request, **common)["id"])


def instance(try_number: int = 1, **members: Any) -> TaskInstance:
    """A try of the task, with retries left."""
    return TaskInstance(**{"task_id": "job", "try_number": try_number, "max_tries": RETRIES, **members})


def cleared(try_number: int, tries_before: int, **members: Any) -> TaskInstance:
    """A try of a task that a user cleared after so many tries, when Airflow allows as many more as it has retries."""
    return instance(try_number, max_tries=tries_before + RETRIES, **members)


def _first_release(*parts: str) -> str:
    return str(uuid.uuid5(uuid.UUID("6a8f0f1e-52a5-5d0e-9a3c-3d7b9f1c7a10"), "\x1f".join(parts)))


def _key(ti: TaskInstance, fingerprint: str) -> str:
    return _first_release(ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index), fingerprint)
