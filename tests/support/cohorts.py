"""Cohorts for OmicsStartRunBatchOperator, run against the local server, and what the server knows of them."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from holding import Holding
from task_runs import TaskInstance, TaskRun, run_task

from airflow_provider_omics.exceptions import OmicsBatchFailedError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus
from airflow_provider_omics.healthomics.requests.s3_uris import split_object_uri
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.local.records import Batch, Run
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator

ROLE = "arn:aws:iam::123456789012:role/omics"
BUCKET = "cohort-results"
OUT = f"s3://{BUCKET}/out"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])

Settings = list[dict[str, Any]]


def cohort(count: int, **settings: Any) -> Settings:
    """Run settings of samples that complete: sample-0, sample-1, ..."""
    return [{"runSettingId": f"sample-{n}", **settings} for n in range(count)]


def failing(sample: str, code: str = "RUN_TASK_FAILED") -> dict[str, Any]:
    """A run setting whose run fails with a code."""
    return {"runSettingId": sample, "runTags": {"omics-local:outcome": code}}


def lasting(sample: str, seconds: float, **settings: Any) -> dict[str, Any]:
    """A run setting whose run takes so many seconds."""
    return {"runSettingId": sample, "runTags": {"omics-local:seconds": str(seconds)}, **settings}


def operator(workflow_id: str | None, run_settings: Any, **kwargs: Any) -> OmicsStartRunBatchOperator:
    """An operator with what is required, that looks often."""
    arguments: dict[str, Any] = {"role_arn": ROLE, "output_uri": OUT, "waiter_delay": 0.02, **kwargs}
    return OmicsStartRunBatchOperator(task_id="cohort", workflow_id=workflow_id, run_settings=run_settings, **arguments)


def instance(try_number: int = 1, **members: Any) -> TaskInstance:
    """A try of the task."""
    return TaskInstance(**{"task_id": "cohort", "try_number": try_number, **members})


@dataclass
class FailedTask:
    """A task that failed because of its cohort.

    :ivar retried: whether Airflow would try it again.
    """

    error: OmicsBatchFailedError
    ti: TaskInstance

    @property
    def retried(self) -> bool:
        return not isinstance(self.error, AirflowFailException)


class CohortLab:
    """Runs cohorts, and reads from S3 and from the server what became of them.

    :ivar held: releases what takes HELD seconds.
    """

    def __init__(self, server: LocalOmics, workflow_id: str) -> None:
        self.server = server
        self.workflow_id = workflow_id
        self.omics = server.client("omics")
        self.s3 = server.client("s3")
        self.held = Holding(server)
        self.s3.create_bucket(Bucket=BUCKET)

    @property
    def state(self) -> AccountState:
        return self.server.account("us-east-1")

    def run(self, run_settings: Any, ti: TaskInstance | None = None, context: Any = None, **kwargs: Any) -> TaskRun:
        """Run the task to its end, which is a success."""
        task, ti = operator(kwargs.pop("workflow_id", self.workflow_id), run_settings, **kwargs), ti or instance()
        ti.task = task  # type: ignore[attr-defined]
        return run_task(task, ti, **(context or {}))

    def fail(self, run_settings: Any, ti: TaskInstance | None = None, **kwargs: Any) -> FailedTask:
        """Run the task to its end, which is a failure of the cohort."""
        ti = ti or instance()
        with pytest.raises(OmicsBatchFailedError) as caught:
            self.run(run_settings, ti, **kwargs)
        return FailedTask(caught.value, ti)

    def crash(self, run_settings: Any, ti: TaskInstance | None = None, **kwargs: Any) -> TaskInstance:
        """Run the task until it waits, as if its worker died then, and return its instance."""
        ti = ti or instance()
        task = operator(self.workflow_id, run_settings, deferrable=True, **kwargs)
        full: Any = {"ti": ti, "task_instance": ti, "params": {}, "run_id": ti.run_id}
        task.render_template_fields(full)
        with pytest.raises(TaskDeferred):
            task.execute(full)
        return ti

    def read(self, uri: str) -> str:
        bucket, key = split_object_uri(uri, operation="GetObject")
        body = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return str(body.decode())

    def rows(self, ti: TaskInstance) -> list[dict[str, str]]:
        """Read the results table back, as CSV and as JSONL, which say the same."""
        summary = ti.xcoms["batch_summary"]
        assert ti.xcoms["results_uri"] == summary["results_uri"]
        table = list(csv.DictReader(io.StringIO(self.read(summary["results_uri"]))))
        lines = [json.loads(line) for line in self.read(summary["results_jsonl_uri"]).splitlines()]
        assert table == [{name: value or "" for name, value in line.items()} for line in lines]
        return table

    def column(self, ti: TaskInstance, name: str) -> list[str]:
        """Read one column of the results table."""
        return [row[name] for row in self.rows(ti)]

    def objects(self, prefix: str = "") -> dict[str, Any]:
        """Return every object of the bucket with its ETag and the time when it was written."""
        answer = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return {item["Key"]: (item["ETag"], item["LastModified"]) for item in answer.get("Contents", [])}

    def runs_of(self) -> Counter[str]:
        """Count the runs that were ever started, by sample."""
        return Counter(run.run_setting_id or "" for run in self.server.journal.runs())

    def calls(self, operation: str) -> int:
        return self.server.journal.counts[operation]

    def calls_after_the_wait(self) -> Counter[str]:
        """Count the calls of the omics API since the batch was last looked at, by operation."""
        operations = [call.operation for call in self.server.journal.calls()]
        return Counter(operations[len(operations) - operations[::-1].index("GetBatch") :])

    def effects(self, operation: str) -> int:
        """Count the calls that changed something."""
        return self.server.journal.effects[operation]

    def fault(self, operation: str, kind: FaultKind = FaultKind.ERROR_BEFORE, **more: Any) -> None:
        self.server.faults.add(FaultRule(kind=kind, operation=operation, **more))

    def deny(self, operation: str) -> None:
        """Refuse an operation from now on."""
        self.fault(operation, count=None, code="AccessDeniedException", http_status=403)

    def on_batch(self, status: BatchStatus, act: Callable[[AccountState, Batch], None]) -> None:
        """Do something the moment that a batch gets a status."""

        def observe(batch: Batch, _old: BatchStatus | None) -> None:
            if batch.status is status:
                act(self.state, batch)

        self.state.batch_observers.append(observe)

    def on_run(self, sample: str, status: RunStatus, act: Callable[[AccountState, Run], None]) -> None:
        """Do something the moment that a sample's run gets a status."""

        def observe(run: Run, _old: RunStatus | None) -> None:
            if run.run_setting_id == sample and run.status is status:
                act(self.state, run)

        self.state.run_observers.append(observe)

    def run_of(self, sample: str, batch_id: str) -> Run:
        runs: Iterable[Run] = self.state.runs_of_batch(batch_id)
        return next(run for run in runs if run.run_setting_id == sample)
