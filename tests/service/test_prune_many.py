"""Pruning of many runs, by a plan that is counted again independently."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from omics_service import ROLE
from prune_lab import BUCKET, NOW, await_processed, connect, left, plan_rows, prune, tags_of

from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.local import LocalOmics


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any]) -> dict[str, Any]:
    """Batches start their runs at once."""
    timings = replace(omics_local_settings["timings"], submissions_per_second=1e6)
    return {**omics_local_settings, "timings": timings}


@pytest.fixture
def server(omics_local: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> LocalOmics:
    """Airflow's connection leads to the server, and is of the deployment "here"."""
    connect(omics_local, monkeypatch)
    return omics_local


def test_ten_thousand_runs_by_a_plan_that_is_recounted(server: LocalOmics, make_workflow: Callable[..., str]) -> None:
    state, omics = server.account("us-east-1"), server.client("omics")
    workflow_id = make_workflow()
    settings = [{"runSettingId": f"s{n}"} for n in range(2000)]
    server.client("s3").put_object(Bucket=BUCKET, Key="cohort.json", Body=json.dumps(settings).encode())
    kinds = [tags_of(str(n), "here", finished=n % 2 == 0) for n in range(3)] + [tags_of("x", "there"), {}]
    batches: dict[str, int] = {}
    for number, tags in enumerate(kinds):
        defaults = {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/runs"}
        batch = omics.start_run_batch(
            batchName=f"batch-{number}",
            requestId=f"batch-{number}",
            defaultRunSetting=defaults,
            batchRunSettings={"s3UriSettings": f"s3://{BUCKET}/cohort.json"},
            tags=tags,
        )
        batches[batch["id"]] = number
    await_processed(omics, batches)
    expected: Counter[str] = Counter()
    doomed: set[str] = set()
    with state.lock:
        for place, (run_id, run) in enumerate(sorted(state.runs.items())):
            days = place * 7 % 50
            run.creation_time, run.stop_time = NOW - timedelta(days=days, hours=1), NOW - timedelta(days=days)
            number = batches[str(run.batch_id)]
            if place % 11 == 0:
                run.status, run.stop_time = RunStatus.RUNNING, None
            if days < 44:
                continue
            verdict = "active" if place % 11 == 0 else {3: "other_deployment", 4: "untagged"}.get(number, "delete")
            expected[verdict] += 1
            if verdict == "delete":
                doomed.add(run_id)
        for batch_id in batches:
            state.batches[batch_id].processed_time = NOW - timedelta(days=20)
        everything = set(state.runs)
    assert len(everything) == 10_000
    result = prune(older_than="P44D", plan_uri=f"s3://{BUCKET}/plan.csv", max_deletions=10_000)
    assert everything - left(server) == doomed
    assert result["deleted"] == len(doomed) == expected.pop("delete") > 500
    assert result["protected"] == dict(sorted(expected.items()))
    rows = plan_rows(server)
    assert {row["id"] for row in rows if row["outcome"] == "deleted"} == doomed
    assert len(rows) == result["deleted"] + sum(expected.values())
    assert prune(older_than="P44D", max_deletions=10_000)["deletable"] == 0
