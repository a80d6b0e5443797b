from __future__ import annotations

import json
from typing import Any

from results import Result, collect, table

from airflow_provider_omics.local import LocalOmics

FIGURES = {"reads": 1200, "bases": 3456789, "mean_quality": 31.456, "gc_share": 0.41234, "q30_share": 0.9}


def test_a_row_has_the_figures_as_people_read_them() -> None:
    text = table([Result("liver", "COMPLETED", "1000001", "s3://b/1000001", FIGURES), Result("x", problem="gone")])

    header, rule, liver, missing = text.splitlines()
    assert header.split() == [
        *("sample", "run", "status", "reads", "bases"),
        *("mean", "quality", "GC", "Q30", "output", "URI"),
    ]
    assert set(rule) == {"-", " "}
    assert liver.split() == [
        *("liver", "1000001", "COMPLETED", "1,200", "3,456,789", "31.46", "41.23%", "90.00%", "s3://b/1000001")
    ]
    assert missing.split() == ["x", "-", "NOT", "STARTED", *["-"] * 6]


def test_a_completed_run_without_outputs_is_a_problem_and_a_sample_without_run_too(
    server: LocalOmics, start_run: Any
) -> None:
    server.client("s3").create_bucket(Bucket="results")
    omics, s3 = server.client("omics"), server.client("s3")
    run_ids = {name: start_run(name=f"read-qc-{name}")["id"] for name in ("bare", "full")}
    for run_id in run_ids.values():
        omics.get_waiter("run_completed").wait(id=run_id, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
    place = f"runs/{run_ids['full']}"
    outputs = {"figures": {"class": "File", "location": f"s3://results/{place}/out/full.qc.json"}}
    s3.put_object(Bucket="results", Key=f"{place}/logs/outputs.json", Body=json.dumps(outputs).encode())
    s3.put_object(Bucket="results", Key=f"{place}/out/full.qc.json", Body=json.dumps(FIGURES).encode())

    full, none, bare = collect(omics, s3, ["full", "none", "bare"])

    assert (full.sample, full.status, full.figures, full.problem) == ("full", "COMPLETED", FIGURES, "")
    assert (none.sample, none.status, none.run_id) == ("none", "NOT STARTED", "-")
    assert "no run was started" in none.problem
    assert (bare.sample, bare.status, bare.run_id) == ("bare", "COMPLETED", run_ids["bare"])
    assert "NoSuchKey" in bare.problem
