"""The example DAGs with batches, on a server that really runs their workflow."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow_cluster import AirflowCluster
from reads import damaged, make_reads
from recount import recount
from results import read_table
from samplesheet import Lane, Sample
from staging import create_workflow, run_settings, upload_files, upload_samples, upload_sheet

from airflow_provider_omics.local import LocalOmics

pytestmark = pytest.mark.e2e

COHORT, REDRIVE = "example_omics_batch", "example_omics_batch_redrive"
READ_QC = Path(__file__).parents[2] / "example_dags" / "workflows" / "read-qc"
TIMEOUT = 900
# Neither the order of the alphabet nor that of the sizes.
NAMES = ("control", "s08", "s01", "s11", "s04", "s02", "s10", "s07", "s03", "s09", "s06", "s05")


@dataclass(frozen=True)
class Uploaded:
    """Samples in a bucket of their own, and the workflow."""

    bucket: str
    workflow_id: str
    samples: list[Sample]
    rows: list[dict[str, str]]

    def conf(self, **more: Any) -> dict[str, Any]:
        """Return the parameters of a DAG run."""
        place = {"workflow_id": self.workflow_id, "output_uri": f"s3://{self.bucket}/runs"}
        return {**place, "role_arn": "arn:aws:iam::123456789012:role/omics", **more}

    def figures(self, name: str) -> dict[str, float]:
        """Count a sample's files, without the workflow."""
        (sample,) = (sample for sample in self.samples if sample.name == name)
        return recount(path for paths in sample.files.values() for path in paths)


@pytest.fixture
def upload(cwl_server: LocalOmics, tmp_path: Path) -> Any:
    """Make samples of different sizes, paired and single, some of them damaged, and upload them."""

    def make(names: Iterable[str], broken: Iterable[str]) -> Uploaded:
        samples = []
        for number, name in enumerate(names):
            mates = make_reads(name, 20 + 7 * number)
            paths = tmp_path / f"{name}_1.fastq.gz", tmp_path / f"{name}_2.fastq.gz"
            paths[0].write_bytes(mates.fastq_1)
            paths[1].write_bytes(damaged(mates.fastq_2) if name in broken else mates.fastq_2)
            paired = number % 3 != 1 or name in broken
            samples.append(Sample(name, (Lane(1, paths[0], paths[1] if paired else None),)))
        bucket, s3 = f"batch-{uuid.uuid4()}", cwl_server.client("s3")
        s3.create_bucket(Bucket=bucket)
        workflow_id = create_workflow(cwl_server.client("omics"), READ_QC)
        return Uploaded(bucket, workflow_id, samples, upload_samples(s3, bucket, samples))

    return make


@contextmanager
def concurrent_runs(server: LocalOmics, most: int) -> Iterator[None]:
    """Let the server carry out no more runs than so many at a time."""
    before = server.quotas.concurrent_dynamic_runs
    server.change(quotas={"concurrent_dynamic_runs": most})
    try:
        yield
    finally:
        server.change(quotas={"concurrent_dynamic_runs": before})


def states(cluster: AirflowCluster, dag_id: str, run_id: str) -> dict[str, Counter[str | None]]:
    """Count the states of each task's instances."""
    counted: dict[str, Counter[str | None]] = {}
    for instance in cluster.records.task_instances(dag_id, run_id):
        counted.setdefault(instance.task_id, Counter())[instance.state] += 1
    return counted


def runs_of(server: LocalOmics, batch_id: str) -> list[dict[str, Any]]:
    pages = server.client("omics").get_paginator("list_runs").paginate(batchId=batch_id)
    return [run for page in pages for run in page["items"]]


def test_the_control_is_checked_while_the_cohort_goes_on_and_every_sample_has_a_row(
    cluster: AirflowCluster, cwl_server: LocalOmics, upload: Any
) -> None:
    uploaded, run_id, records = upload(NAMES, {"s02"}), f"test-{uuid.uuid4()}", cluster.records
    sheet = upload_sheet(cwl_server.client("s3"), uploaded.bucket, uploaded.rows)

    with concurrent_runs(cwl_server, 1):
        cluster.trigger(COHORT, run_id, uploaded.conf(sheet=sheet, control="control"))
        batch_id = cluster.wait_for(
            lambda: records.xcoms(COHORT, run_id, "cohort", "batch_id").get(-1), "the batch to start", TIMEOUT
        )
        cluster.wait_for(
            lambda: any(run["status"] == "COMPLETED" for run in runs_of(cwl_server, batch_id)), "one run", TIMEOUT
        )
        # From here on no other run starts, so the batch cannot end.
        with concurrent_runs(cwl_server, 0):
            cluster.wait_for(
                lambda: records.task_state(COHORT, run_id, "check_control") == "success", "the control", TIMEOUT
            )
            assert cwl_server.client("omics").get_batch(batchId=batch_id)["status"] in ("SUBMITTING", "INPROGRESS")
            assert records.task_state(COHORT, run_id, "cohort") == "deferred"
    assert cluster.wait_for_dag_run(COHORT, run_id, TIMEOUT) == "success"

    assert cwl_server.client("omics").get_batch(batchId=batch_id)["status"] == "PROCESSED"
    assert states(cluster, COHORT, run_id) == {
        **{name: Counter(success=1) for name in ("cohort", "control", "check_control")},
        **{name: Counter(success=1) for name in ("completed", "qc_table", "accept")},
        "figures": Counter(success=11),
    }
    assert records.xcoms(COHORT, run_id, "check_control")[-1] == uploaded.figures("control")
    results = read_table(cwl_server.client("s3"), records.xcoms(COHORT, run_id, "qc_table")[-1])
    assert [result.sample for result in results] == list(NAMES)
    run_ids = {run["id"] for run in runs_of(cwl_server, batch_id)}
    assert {result.run_id for result in results} == run_ids
    for result in results:
        if result.sample == "s02":
            assert (result.status, result.figures) == ("FAILED", {})
            assert result.problem.startswith("RUN_TASK_FAILED: ")
            assert "s02_2.fastq.gz: the gzip data end too early" in result.problem
        else:
            assert (result.status, result.problem) == ("COMPLETED", "")
            assert result.figures == pytest.approx(uploaded.figures(result.sample), abs=1e-6)


def test_a_cohort_that_fails_has_its_table_all_the_same(
    cluster: AirflowCluster, cwl_server: LocalOmics, upload: Any
) -> None:
    uploaded, run_id = upload(("control", "bad", "worse"), {"bad", "worse"}), f"test-{uuid.uuid4()}"
    sheet = upload_sheet(cwl_server.client("s3"), uploaded.bucket, uploaded.rows)

    # Of the made reads, no sample is as good as that.
    cluster.trigger(COHORT, run_id, uploaded.conf(sheet=sheet, control="control", control_quality=38))

    assert cluster.wait_for_dag_run(COHORT, run_id, TIMEOUT) == "failed"
    assert states(cluster, COHORT, run_id) == {
        **{name: Counter(failed=1) for name in ("cohort", "check_control")},
        **{name: Counter(success=1) for name in ("control", "completed", "figures", "qc_table")},
        "accept": Counter(upstream_failed=1),
    }
    assert "The control's mean quality is" in cluster.records.task_log(COHORT, run_id, "check_control")
    results = read_table(cwl_server.client("s3"), cluster.records.xcoms(COHORT, run_id, "qc_table")[-1])
    assert [(result.sample, result.status) for result in results] == [
        ("control", "COMPLETED"),
        ("bad", "FAILED"),
        ("worse", "FAILED"),
    ]
    assert results[0].figures == pytest.approx(uploaded.figures("control"), abs=1e-6)


def test_the_second_try_runs_only_the_sample_that_was_mended(
    cluster: AirflowCluster, cwl_server: LocalOmics, upload: Any, tmp_path: Path
) -> None:
    uploaded, run_id = upload(NAMES, {"s10"}), f"test-{uuid.uuid4()}"
    broken = NAMES.index("s10")
    folder = tmp_path / "originals"
    folder.mkdir()
    mates = make_reads("s10", 20 + 7 * broken)
    for mate, content in ((1, mates.fastq_1), (2, mates.fastq_2)):
        (folder / f"s10_{mate}.fastq.gz").write_bytes(content)
    originals = upload_files(cwl_server.client("s3"), uploaded.bucket, "originals", folder.iterdir())
    cwl_server.journal.clear()

    cluster.trigger(REDRIVE, run_id, uploaded.conf(run_settings=run_settings(uploaded.rows), originals=originals))

    assert cluster.wait_for_dag_run(REDRIVE, run_id, TIMEOUT) == "success"
    assert cwl_server.journal.runs_created == 13
    assert states(cluster, REDRIVE, run_id) == {"cohort": Counter(success=1), "report": Counter(success=1)}
    summary = cluster.records.xcoms(REDRIVE, run_id, "report")[-1]
    assert (summary["total"], summary["completed"]) == (12, 12)
    first, second = summary["batch_ids"]
    assert cluster.records.xcoms(REDRIVE, run_id, "cohort")[-1] == second
    assert Counter(run["status"] for run in runs_of(cwl_server, first)) == {"COMPLETED": 11, "FAILED": 1}
    (again,) = runs_of(cwl_server, second)
    assert again["status"] == "COMPLETED"
    runs = cluster.records.xcoms(REDRIVE, run_id, "cohort", "runs")[-1]
    assert [run["run_setting_id"] for run in runs] == list(NAMES)
    assert {run["run_setting_id"]: run["run_id"] for run in runs}["s10"] == again["id"]
