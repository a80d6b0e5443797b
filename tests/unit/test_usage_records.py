"""What is read of runs and tasks: pages of ListRunTasks, manifests, times and numbers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_omics.usage.manifest import manifest_stream, read_manifest
from airflow_provider_omics.usage.records import RunRecord, TaskRecord, moment, number, seconds_between

ARN = "arn:aws:omics:us-east-1:123456789012"
RUN = {
    "arn": f"{ARN}:run/12",
    "uuid": "u-1",
    "status": "COMPLETED",
    "creationTime": "2026-11-30T08:00:00.000Z",
    "startTime": "2026-11-30T08:10:00.500Z",
    "stopTime": "2026-11-30T09:10:00.500Z",
    "storageType": "DYNAMIC",
    "workflow": f"{ARN}:workflow/7",
    "metrics": {"storageAverageGiB": 12.5, "storageMaximumGiB": 20, "runningSeconds": 3600},
}
TASK = {
    "arn": f"{ARN}:task/34",
    "uuid": "t-1",
    "name": "align",
    "status": "COMPLETED",
    "startTime": "2026-11-30T08:20:00.000Z",
    "stopTime": "2026-11-30T08:50:00.000Z",
    "cpus": 8,
    "memory": 15.5,
    "gpus": 0,
    "instanceType": "omics.c.2xlarge",
    "metrics": {"cpusAverage": 3.1, "cpusMaximum": 7.9, "memoryAverageGiB": 4, "memoryMaximumGiB": 9.25},
}


def manifest(*entries: Any) -> RunRecord | None:
    return read_manifest([entry if isinstance(entry, str) else json.dumps(entry) for entry in entries], "u-1")


def test_a_manifest_is_a_run_and_its_tasks() -> None:
    run = manifest(RUN, TASK)
    assert run is not None
    assert (run.run_id, run.uuid, run.storage_average, run.storage_maximum) == (
        "12",
        "u-1",
        Decimal("12.5"),
        Decimal(20),
    )
    assert seconds_between(run.started, run.stopped) == 3600
    assert run.tasks is not None
    (task,) = run.tasks
    assert (task.task_id, task.name, task.memory, task.gpus) == ("34", "align", Decimal("15.5"), 0)
    assert (task.cpus_average, task.cpus_maximum) == (Decimal("3.1"), Decimal("7.9"))
    assert (task.memory_average, task.memory_maximum) == (4, Decimal("9.25"))


def test_an_entry_that_was_delivered_twice_counts_once() -> None:
    run = manifest(RUN, TASK, RUN, TASK, {**TASK, "uuid": "t-2", "arn": f"{ARN}:task/35"})
    assert run is not None
    assert run.tasks is not None
    assert [task.task_id for task in run.tasks] == ["34", "35"]


@pytest.mark.parametrize("entries", [[], [TASK], [{**RUN, "uuid": "u-2"}, TASK], ["no JSON", "[]", "7"]])
def test_a_manifest_without_the_run_is_none(entries: list[Any]) -> None:
    assert manifest(*entries) is None


def test_the_stream_of_a_manifest_has_id_and_uuid() -> None:
    assert manifest_stream("12", "u-1") == "manifest/run/12/u-1"


def test_lists_and_manifests_are_read_alike() -> None:
    listed = {**TASK, "taskId": "34", "startTime": datetime(2026, 11, 30, 8, 20, tzinfo=UTC)}
    del listed["arn"], listed["metrics"]
    task = TaskRecord.of(listed)
    assert (task.task_id, task.started) == ("34", TaskRecord.of(TASK).started)
    assert task.cpus_maximum is None


@pytest.mark.parametrize(
    ("members", "gpus"),
    [
        ({"instanceType": "omics.c.large"}, Decimal(0)),
        ({"instanceType": "omics.g5.xlarge"}, None),
        ({"instanceType": "omics.g5.xlarge", "gpus": 1}, Decimal(1)),
        ({"instanceType": "omics.p5.48xlarge"}, None),
        ({}, None),
    ],
)
def test_gpus_are_none_only_where_they_are_not_known(members: dict[str, Any], gpus: Decimal | None) -> None:
    assert TaskRecord.of({"name": "align", **members}).gpus == gpus


@pytest.mark.parametrize("value", [None, "", "soon", True, 7.5, "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_none(value: Any) -> None:
    assert moment(value) is None


@pytest.mark.parametrize("value", [None, "", "many", True, -1, float("nan"), float("inf")])
def test_what_is_no_amount_is_none(value: Any) -> None:
    assert number(value) is None


def test_amounts_have_no_errors_of_binary_fractions() -> None:
    assert number(0.1) == Decimal("0.1")
    start, stop = moment("2026-11-30T08:00:00.100Z"), moment("2026-11-30T08:00:00.400Z")
    assert seconds_between(start, stop) == Decimal("0.3")
    assert seconds_between(start, None) is None
    assert seconds_between(stop, start) == 0


def test_a_run_without_a_manifest_stays_as_it_was() -> None:
    run = RunRecord.of({"id": "12", "status": "COMPLETED"})
    assert run.with_manifest(None) == run
    assert run.with_manifest(manifest(RUN)).storage_average == Decimal("12.5")
