"""Runs and batches of a given age, and pruning them with an operator."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from omics_service import ROLE, await_status
from task_runs import run_task

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus
from airflow_provider_omics.healthomics.requests.identity import FINISHED_TAG, JobKey, TaskIdentity
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.prune import OmicsPruneRunBatchesOperator, OmicsPruneRunsOperator

BUCKET = "prune"
NOW = datetime.now(UTC)


def connect(server: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Airflow's connection be of the deployment "here", and call as often as it likes."""
    extra = {
        "region_name": "us-east-1",
        "endpoint_url": server.endpoint_url,
        "config_kwargs": {"inject_host_prefix": False},
        "service_config": {"omics": {"namespace": "here", "calls_per_second": 1e6}},
    }
    connection = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    server.client("s3").create_bucket(Bucket=BUCKET)


def set_run(server: LocalOmics, run_id: str, days: float, status: RunStatus) -> None:
    state = server.account("us-east-1")
    with state.lock:
        run = state.runs[run_id]
        run.creation_time = NOW - timedelta(days=days, hours=1)
        run.status = status
        is_final = status in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)
        run.stop_time = NOW - timedelta(days=days) if is_final else None


def tags_of(task: str, namespace: str = "here", *, finished: bool = False) -> dict[str, str]:
    tags = JobKey(TaskIdentity("dag", "run", task), "fingerprint", namespace).tags(0)
    return {**tags, FINISHED_TAG: "1"} if finished else tags


def prune(**kwargs: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"older_than": "P30D", "plan_only": False, **kwargs}
    result = run_task(OmicsPruneRunsOperator(task_id="prune", **settings)).result
    assert isinstance(result, dict)
    json.dumps(result)
    return result


def left(server: LocalOmics) -> set[str]:
    state = server.account("us-east-1")
    with state.lock:
        return {run_id for run_id, run in state.runs.items() if run.status != RunStatus.DELETED}


def plan_rows(server: LocalOmics, key: str = "plan.csv") -> list[dict[str, str]]:
    body = server.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
    return list(csv.DictReader(body.splitlines()))


def await_processed(omics: Any, batches: Iterable[str]) -> None:
    for batch_id in batches:
        await_status(lambda batch_id=batch_id: dict(omics.get_batch(batchId=batch_id)), "PROCESSED")


class BatchLab:
    """Makes batches of two runs that are so many days old."""

    def __init__(self, server: LocalOmics, workflow_id: str) -> None:
        self.server, self.workflow_id = server, workflow_id
        self.omics = server.client("omics")
        self.state = server.account("us-east-1")

    def make(self, days: float, status: BatchStatus = BatchStatus.PROCESSED, name: str = "batch", **tags: str) -> str:
        request = {
            "batchName": name,
            "requestId": f"request-{len(self.state.batches)}",
            "defaultRunSetting": {"workflowId": self.workflow_id, "roleArn": ROLE, "outputUri": "s3://results/runs"},
            "batchRunSettings": {"inlineSettings": [{"runSettingId": "a"}, {"runSettingId": "b"}]},
            "tags": tags,
        }
        batch_id = str(self.omics.start_run_batch(**request)["id"])
        await_processed(self.omics, [batch_id])
        end = NOW - timedelta(days=days)
        with self.state.lock:
            batch = self.state.batches[batch_id]
            batch.creation_time = batch.submitted_time = end - timedelta(hours=1)
            batch.processed_time = None if status in (BatchStatus.CANCELLED, BatchStatus.INPROGRESS) else end
            batch.status = status
            for run in self.state.runs.values():
                if run.batch_id == batch_id:
                    run.creation_time, run.stop_time = end - timedelta(hours=1), end
        return batch_id

    def prune(self, **kwargs: Any) -> dict[str, Any]:
        settings: dict[str, Any] = {"older_than": "P30D", "plan_only": False, "waiter_delay": 0.01, **kwargs}
        result = run_task(OmicsPruneRunBatchesOperator(task_id="prune", **settings)).result
        assert isinstance(result, dict)
        return result

    @property
    def batches(self) -> set[str]:
        return {item["id"] for item in self.omics.list_batch()["items"]}

    def runs(self, batch_id: str) -> int:
        items = self.omics.list_runs(batchId=batch_id)["items"]
        return sum(item["status"] != "DELETED" for item in items)
