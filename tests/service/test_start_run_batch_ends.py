"""Every end that a batch can come to, in the worker and deferred: what the task says, and each row of its table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cohorts import BUCKET, MODES, OUT, CohortLab, cohort, failing, lasting
from holding import HELD
from omics_errors import raises

from airflow_provider_omics.exceptions import OmicsError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.batches.machine import cancel_batch, delete_batch, delete_runs
from airflow_provider_omics.local.records import Batch, Run
from airflow_provider_omics.local.runs.machine import cancel_run, delete_run


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def counts(summary: dict[str, Any]) -> dict[str, int]:
    """Return the counts of a summary that are not 0."""
    names = ("completed", "failed", "cancelled", "deleted", "failed_submissions", "not_submitted", "unknown")
    assert sum(summary[name] for name in names) == summary["total"]
    return {name: summary[name] for name in names if summary[name]}


@MODES
def test_failed_submissions(lab: CohortLab, deferrable: bool) -> None:
    lab.fault("RunBatch.submit", count=2, code="AccessDeniedException", http_status=403)
    task = lab.fail(cohort(4), deferrable=deferrable)
    assert task.error.status == "PROCESSED"
    assert counts(task.ti.xcoms["batch_summary"]) == {"completed": 2, "failed_submissions": 2}
    assert task.error.failure_classes == {"permission": 2}
    first, _, third, _ = lab.rows(task.ti)
    assert (first["submission_status"], first["submission_failure_reason"]) == ("FAILED", "AccessDeniedException")
    assert (first["run_id"], first["run_status"], first["failure_class"]) == ("", "NOT_STARTED", "permission")
    assert (third["submission_status"], third["run_status"], third["failure_class"]) == ("SUCCESS", "COMPLETED", "")
    assert task.ti.xcoms["failed_run_setting_ids"] == ["sample-0", "sample-1"]
    assert [told["submission_failure_reason"] for told in task.ti.xcoms["failures"]] == ["AccessDeniedException"] * 2
    assert "AccessDeniedException" in task.error.message()
    assert "administrator of the AWS account" in task.error.message()
    assert task.retried


@MODES
def test_failed_runs_tell_cause_owner_log_and_table(lab: CohortLab, deferrable: bool) -> None:
    samples = [failing("bad", "OUT_OF_MEMORY_ERROR"), *cohort(1), failing("late", "SERVICE_ERROR")]
    task = lab.fail(samples, deferrable=deferrable)
    assert counts(task.ti.xcoms["batch_summary"]) == {"completed": 1, "failed": 2}
    assert task.ti.xcoms["batch_summary"]["failure_classes"] == {"workflow": 1, "transient": 1}
    table = lab.rows(task.ti)
    assert [(row["run_setting_id"], row["run_status"], row["failure_code"]) for row in table] == [
        ("bad", "FAILED", "OUT_OF_MEMORY_ERROR"),
        ("sample-0", "COMPLETED", ""),
        ("late", "FAILED", "SERVICE_ERROR"),
    ]
    told = task.error.message()
    for part in (
        table[0]["run_id"],
        "OUT_OF_MEMORY_ERROR",
        "the author of the workflow",
        "Simulated failure of task",
        task.ti.xcoms["results_uri"],
    ):
        assert part in told
    assert task.retried


@MODES
def test_a_run_that_somebody_cancels(lab: CohortLab, deferrable: bool) -> None:
    lab.on_run("sample-1", RunStatus.RUNNING, cancel_run)
    task = lab.fail(cohort(3), deferrable=deferrable)
    assert task.error.status == "PROCESSED"
    assert counts(task.ti.xcoms["batch_summary"]) == {"completed": 2, "cancelled": 1}
    assert lab.column(task.ti, "run_status") == ["COMPLETED", "CANCELLED", "COMPLETED"]
    assert lab.column(task.ti, "failure_class") == ["", "cancelled", ""]
    assert task.retried


@MODES
def test_a_batch_that_fails_before_its_first_run(lab: CohortLab, deferrable: bool) -> None:
    lab.fault("RunBatch.validate")
    task = lab.fail(cohort(3), deferrable=deferrable)
    assert task.error.status == "FAILED"
    assert counts(task.ti.xcoms["batch_summary"]) == {"not_submitted": 3}
    for row in lab.rows(task.ti):
        assert (row["submission_status"], row["failure_class"]) == ("NOT_SUBMITTED", "transient")
        assert "Retry the batch" in row["failure_message"]
    assert "Start the batch again" in task.error.message()
    assert task.ti.xcoms["runs"] == []
    assert task.retried


def write_over(lab: CohortLab, change: Callable[[bytes], bytes]) -> None:
    """Have somebody change the file of run settings before the service reads it."""

    def write(state: AccountState, batch: Batch) -> None:
        uri = batch.request["batchRunSettings"]["s3UriSettings"]
        state.aws.put_object(uri, change(state.aws.get_object(uri)))

    lab.on_batch(BatchStatus.PENDING, write)


@MODES
def test_a_file_of_settings_that_is_changed_fails_the_task_for_good(lab: CohortLab, deferrable: bool) -> None:
    write_over(lab, lambda content: content + b"\n")
    task = lab.fail(cohort(101), deferrable=deferrable)
    assert counts(task.ti.xcoms["batch_summary"]) == {"not_submitted": 101}
    assert "were modified: expected etag" in task.error.message()
    assert len(lab.rows(task.ti)) == 101
    assert not task.retried
    assert lab.server.journal.runs_created == 0


@MODES
def test_samples_that_are_lost_from_the_file_of_settings_are_no_success(lab: CohortLab, deferrable: bool) -> None:
    def write(state: AccountState, batch: Batch) -> None:
        folder, _, name = batch.request["batchRunSettings"]["s3UriSettings"].rpartition("/")
        digest = name.removeprefix("named-")
        # What the batch reads, with a name for each run, stays as it is.
        (cohort_file,) = (key for key in state.aws.list_keys(f"{folder}/cohort-") if key.endswith(f"-{digest}"))
        state.aws.put_object(f"s3://{BUCKET}/{cohort_file}", b"[]")

    lab.on_batch(BatchStatus.PENDING, write)
    with raises(OmicsError, match=r"cohort-\S+\.json has 0 samples and had 101: it was written over"):
        lab.run(cohort(101), deferrable=deferrable)


@MODES
def test_a_batch_that_fails_with_runs_under_way_is_waited_for(lab: CohortLab, deferrable: bool) -> None:
    lab.fault("RunBatch.abort", skip=2)
    samples = [lasting(f"slow-{n}", HELD) for n in range(4)]
    lab.held.release_after("ListRuns")
    task = lab.fail(samples, deferrable=deferrable)
    assert task.error.status == "FAILED"
    assert counts(task.ti.xcoms["batch_summary"]) == {"completed": 2, "not_submitted": 2}
    table = lab.rows(task.ti)
    assert [row["run_status"] for row in table] == ["COMPLETED"] * 2 + ["NOT_STARTED"] * 2
    assert all(row["stop_time"] and row["output_uri"] for row in table[:2])
    assert [row["failure_class"] for row in table[2:]] == ["transient"] * 2
    assert [run["run_setting_id"] for run in task.ti.xcoms["runs"]] == ["slow-0", "slow-1"]
    assert task.retried


@MODES
@pytest.mark.parametrize(
    ("reading", "unsubmitted"),
    [
        ("stay_unsubmitted", ("NOT_SUBMITTED", "not_submitted")),
        ("cancel_success", ("CANCEL_SUCCESS", "not_submitted")),
        ("failed", ("FAILED", "failed_submissions")),
    ],
)
def test_a_batch_that_somebody_cancels(
    lab: CohortLab, deferrable: bool, reading: str, unsubmitted: tuple[str, str]
) -> None:
    lab.server.change(assumptions={"cancelled_before_submission": reading}, timings={"submissions_per_second": 10.0})

    def cancel(state: AccountState, run: Run) -> None:
        assert run.batch_id is not None
        cancel_batch(state, state.batches[run.batch_id])

    lab.on_run("sample-1", RunStatus.RUNNING, cancel)
    task = lab.fail([lasting("sample-0", 0), lasting("sample-1", 3600), *cohort(9)[2:]], deferrable=deferrable)
    assert task.error.status == "CANCELLED"
    status, count = unsubmitted
    summary = task.ti.xcoms["batch_summary"]
    assert (summary["completed"], summary["total"]) == (1, 9)
    assert summary["cancelled"] >= 1
    assert summary[count] == 9 - summary["completed"] - summary["cancelled"]
    table = lab.rows(task.ti)
    assert [row["run_setting_id"] for row in table] == [f"sample-{n}" for n in range(9)]
    assert (table[1]["run_status"], table[1]["failure_class"]) == ("CANCELLED", "cancelled")
    assert (table[-1]["submission_status"], table[-1]["run_status"], table[-1]["run_id"]) == (
        status,
        "NOT_STARTED",
        "",
    )
    assert table[-1]["failure_message"]
    assert task.retried


@MODES
@pytest.mark.parametrize("ends_cancelled", [True, False], ids=["ends CANCELLED", "ends PROCESSED"])
def test_a_cancellation_that_partly_fails_leaves_a_run_that_is_waited_for(
    lab: CohortLab, deferrable: bool, ends_cancelled: bool
) -> None:
    lab.server.change(assumptions={"partly_failed_cancel_ends_cancelled": ends_cancelled})
    lab.on_batch(BatchStatus.INPROGRESS, cancel_batch)
    lab.fault("RunBatch.cancel", skip=1)
    lab.on_run("slow-0", RunStatus.CANCELLED, lambda _state, _run: lab.held.release_after("GetBatch", 2))
    task = lab.fail([lasting(f"slow-{n}", HELD) for n in range(3)], deferrable=deferrable)
    assert task.error.status == ("CANCELLED" if ends_cancelled else "PROCESSED")
    assert lab.column(task.ti, "run_status") == ["CANCELLED", "COMPLETED", "CANCELLED"]
    assert lab.column(task.ti, "submission_status") == ["CANCEL_SUCCESS", "CANCEL_FAILED", "CANCEL_SUCCESS"]
    assert counts(task.ti.xcoms["batch_summary"]) == {"completed": 1, "cancelled": 2}


@MODES
@pytest.mark.parametrize("ends_deleted", [True, False], ids=["RUNS_DELETED", "RUNS_DELETE_FAILED"])
def test_runs_that_somebody_deletes_with_the_batch_prove_nothing(
    lab: CohortLab, deferrable: bool, ends_deleted: bool
) -> None:
    def delete_at_once(state: AccountState, batch: Batch) -> None:
        delete_runs(state, batch)
        # The account is locked meanwhile: however long it takes, nobody looks before it is over.
        while batch.status is BatchStatus.RUNS_DELETING:
            state.timeline.run_due()

    lab.on_batch(BatchStatus.PROCESSED, delete_at_once)
    if not ends_deleted:
        lab.fault("RunBatch.delete", skip=1)
    task = lab.fail(cohort(3), deferrable=deferrable)
    assert task.error.status == ("RUNS_DELETED" if ends_deleted else "RUNS_DELETE_FAILED")
    kept = "DELETED" if ends_deleted else "COMPLETED"
    assert lab.column(task.ti, "run_status") == ["DELETED", kept, "DELETED"]
    assert task.ti.xcoms["batch_summary"]["deleted"] == (3 if ends_deleted else 2)
    assert "no end can be proved" in task.error.message()
    assert not task.retried


@MODES
def test_runs_that_are_being_deleted_stop_the_wait(lab: CohortLab, deferrable: bool) -> None:
    # The table is written before the first is gone.
    lab.on_batch(
        BatchStatus.PROCESSED, lambda _state, _batch: lab.server.change(timings={"submissions_per_second": 1 / HELD})
    )
    lab.on_batch(BatchStatus.PROCESSED, delete_runs)
    task = lab.fail([*cohort(2), failing("bad")], deferrable=deferrable)
    assert task.error.status == "RUNS_DELETING"
    assert lab.column(task.ti, "run_status") == ["COMPLETED", "COMPLETED", "FAILED"]
    assert not task.retried


@MODES
def test_a_batch_that_is_deleted_under_our_feet(lab: CohortLab, deferrable: bool) -> None:
    lab.on_batch(BatchStatus.PROCESSED, delete_batch)
    task = lab.fail(cohort(3), deferrable=deferrable)
    assert task.error.status is None
    assert counts(task.ti.xcoms["batch_summary"]) == {"unknown": 3}
    assert all("does not exist any more" in message for message in lab.column(task.ti, "failure_message"))
    assert not task.retried


@MODES
def test_a_run_that_is_deleted_under_our_feet(lab: CohortLab, deferrable: bool) -> None:
    lab.on_batch(BatchStatus.PROCESSED, lambda state, batch: delete_run(state, lab.run_of("sample-1", batch.batch_id)))
    task = lab.fail(cohort(3), deferrable=deferrable)
    assert counts(task.ti.xcoms["batch_summary"]) == {"completed": 2, "deleted": 1}
    assert lab.column(task.ti, "run_status") == ["COMPLETED", "DELETED", "COMPLETED"]


# What AWS does not document about lists and times: one cohort comes to the same under each reading.
READINGS: dict[str, dict[str, dict[str, Any]]] = {
    "runSummary lags": {"timings": {"run_summary_lag": 1.0}},
    "late CREATING": {"timings": {"batch_creating": 0.4}},
    "counts come late": {"timings": {"batch_validating": 0.2}, "assumptions": {"counts_before_validation": False}},
    "GetRun lags": {
        "timings": {"running_min": 0.5, "running_max": 0.5},
        "assumptions": {"get_run_lag_seconds": 0.4},
    },
    "ListRuns lags": {"assumptions": {"list_runs_lag_seconds": 5.0}},
    "statuses in ListRuns lag": {"assumptions": {"run_status_lag_in_list_seconds": 5.0}},
    "ListRunsInBatch lags": {"assumptions": {"runs_in_batch_lag_seconds": 1.0}},
    "oldest first": {"assumptions": {"list_runs_order": "oldest_first", "runs_in_batch_order": "newest_first"}},
    "shuffled, small pages": {
        "assumptions": {
            "runs_in_batch_order": "shuffled",
            "runs_in_batch_before_submission": "listed_without_status",
        },
    },
    "uuid in output URIs": {"assumptions": {"run_output_uri": "run_id_and_uuid"}},
}


@MODES
@pytest.mark.parametrize("reading", READINGS)
def test_every_reading_of_the_service_gives_the_same_table(lab: CohortLab, deferrable: bool, reading: str) -> None:
    lab.server.change(**READINGS[reading])
    samples = [*cohort(2), failing("bad", "OUT_OF_MEMORY_ERROR"), {"runSettingId": "last", "outputUri": f"{OUT}/last"}]
    task = lab.fail(samples, deferrable=deferrable)
    assert counts(task.ti.xcoms["batch_summary"]) == {"completed": 3, "failed": 1}
    table = lab.rows(task.ti)
    assert [row["run_setting_id"] for row in table] == ["sample-0", "sample-1", "bad", "last"]
    assert [row["failure_code"] for row in table] == ["", "", "OUT_OF_MEMORY_ERROR", ""]
    for row in table:
        run = lab.state.runs[row["run_id"]]
        assert (row["run_status"], row["uuid"], row["output_uri"]) == (run.status, run.uuid, run.output_root)
        assert (run.run_setting_id, run.batch_id) == (row["run_setting_id"], row["batch_id"])
