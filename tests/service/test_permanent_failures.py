"""What a retry of a cohort does not run again: what failed for a reason that no retry mends."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pytest
from cohorts import MODES, CohortLab, Settings, cohort, failing, instance
from omics_errors import unwrapped
from omics_service import wdl_zip

from airflow_provider_omics.healthomics.api.failures import PERMANENT_CODES
from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.local.records import Batch

NOT_FOUND = "INPUT_URI_NOT_FOUND"
LOST = {"runSettingId": "lost", "parameters": {"bam": "s3://in/lost.bam"}}
UNLUCKY = {"runSettingId": "unlucky", "parameters": {"bam": "s3://in/unlucky.bam"}}


@pytest.fixture
def outcomes() -> SimulatedOutcomes:
    """The runs of lost fail for good, those of unlucky once."""
    return SimulatedOutcomes(
        rules=(
            OutcomeRule(pattern="lost*", outcome=NOT_FOUND),
            OutcomeRule(pattern="mended*", outcome=NOT_FOUND, times=1),
            OutcomeRule(pattern="unlucky", outcome="RUN_TASK_FAILED", times=1),
        )
    )


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any], outcomes: SimulatedOutcomes) -> dict[str, Any]:
    return {**omics_local_settings, "outcomes": outcomes}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def batches(lab: CohortLab) -> list[list[str]]:
    """Return the samples of every batch, oldest first."""
    ordered = sorted(lab.state.batches.values(), key=lambda batch: batch.creation_time)
    return [_samples(batch) for batch in ordered]


def _samples(batch: Batch) -> list[str]:
    return [entry.run_setting_id for entry in batch.entries]


@MODES
def test_a_retry_runs_only_what_a_retry_may_mend(
    lab: CohortLab, deferrable: bool, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    samples: Settings = [*cohort(1), LOST, UNLUCKY]
    first = lab.fail(samples, deferrable=deferrable)
    assert first.error.counts.failed == 2
    assert first.retried
    capsys.readouterr()
    with caplog.at_level(logging.INFO):
        caplog.clear()
        second = lab.fail(samples, instance(2), deferrable=deferrable)
    told = unwrapped(capsys.readouterr().out + caplog.text)
    assert batches(lab) == [["sample-0", "lost", "unlucky"], ["unlucky"]]
    assert f"Not running again what a retry cannot mend ({NOT_FOUND}: 1): 'lost'." in told
    assert "set retry_permanent_failures=True" in told
    assert (second.error.counts.completed, second.error.counts.failed) == (2, 1)
    assert f"A retry does not run again what it cannot mend ({NOT_FOUND}: 1)" in second.error.message()
    assert second.error.outcome.permanent == ((NOT_FOUND, 1),)
    assert second.ti.xcoms["failed_run_setting_ids"] == ["lost"]
    row = lab.rows(second.ti)[1]
    assert (row["run_status"], row["failure_code"], row["failure_class"]) == ("FAILED", NOT_FOUND, "input")
    assert "A retry does not run it again: Correct the input URI" in row["failure_message"]


@MODES
def test_no_batch_is_started_where_only_permanent_failures_are_left(lab: CohortLab, deferrable: bool) -> None:
    samples: Settings = [*cohort(1), LOST]
    lab.fail(samples, deferrable=deferrable)
    for number in (2, 3):
        again = lab.fail(samples, instance(number), deferrable=deferrable)
        assert again.error.counts.failed == 1
        assert again.ti.xcoms["failed_run_setting_ids"] == ["lost"]
    assert lab.calls("StartRunBatch") == 1


@MODES
def test_permanent_failures_count_for_the_tolerance(lab: CohortLab, deferrable: bool) -> None:
    samples: Settings = [*cohort(1), LOST, UNLUCKY]
    lab.fail(samples, deferrable=deferrable, tolerated_failure_count=1)
    done = lab.run(samples, instance(2), deferrable=deferrable, tolerated_failure_count=1)
    assert batches(lab)[1:] == [["unlucky"]]
    assert lab.column(done.ti, "run_status") == ["COMPLETED", "FAILED", "COMPLETED"]


@MODES
def test_a_parameter_asks_for_all(lab: CohortLab, deferrable: bool) -> None:
    samples: Settings = [*cohort(1), LOST, UNLUCKY]
    first = lab.fail(samples, deferrable=deferrable, retry_permanent_failures=True)
    assert "does not run" not in first.error.message() + "".join(lab.column(first.ti, "failure_message"))
    lab.fail(samples, instance(2), deferrable=deferrable, retry_permanent_failures=True)
    assert batches(lab)[1:] == [["lost", "unlucky"]]


@pytest.mark.parametrize(
    "members",
    [
        {"parameters": {"bam": "s3://in/found.bam"}},
        {"parameters": {"bam": "s3://in/a.bam"}, "name": "renamed"},
        {"parameters": {"bam": "s3://in/a.bam"}, "runTags": {"site": "b"}},
    ],
    ids=["parameters", "name", "tags"],
)
def test_a_row_that_changed_is_run_again(lab: CohortLab, members: dict[str, Any]) -> None:
    same = {"runSettingId": "lost-too", "parameters": {"bam": "s3://in/lost.bam"}}
    row = {"runSettingId": "mended", "parameters": {"bam": "s3://in/a.bam"}}
    lab.fail([row, same])
    again = lab.fail([{"runSettingId": "mended", **members}, same], instance(2))
    assert batches(lab)[1:] == [["mended"]]
    assert lab.column(again.ti, "run_status") == ["COMPLETED", "FAILED"]
    # The batch that ran it has failed too, of what it is asked now.
    lab.fail([{"runSettingId": "mended", **members}, same], instance(3))
    assert len(batches(lab)) == 2


def test_rows_in_another_order_and_beside_new_ones_have_not_changed(lab: CohortLab) -> None:
    lab.fail([LOST, *cohort(2)])
    lab.fail([*cohort(3), LOST], instance(2))
    assert batches(lab)[1:] == [["sample-2"]]


def test_a_row_with_its_first_settings_again_has_changed_since_it_last_failed(lab: CohortLab) -> None:
    other = {**LOST, "parameters": {"bam": "s3://in/other.bam"}}
    for number, row in enumerate((LOST, other, LOST, LOST), 1):
        lab.fail([row], instance(number))
    # As it is now it has failed in the first batch, which still has a say.
    assert batches(lab) == [["lost"], ["lost"]]


def test_another_version_of_the_workflow_runs_all(lab: CohortLab) -> None:
    lab.omics.create_workflow_version(
        workflowId=lab.workflow_id, versionName="v2", definitionZip=wdl_zip(), main="main.wdl", engine="WDL"
    )
    lab.omics.get_waiter("workflow_version_active").wait(workflowId=lab.workflow_id, versionName="v2")
    lab.fail([LOST])
    lab.fail([LOST], instance(2), workflow_version_name="v2")
    lab.fail([LOST], instance(3), workflow_version_name="v2")
    assert batches(lab) == [["lost"], ["lost"]]


@pytest.mark.parametrize(
    ("change", "is_run"),
    [
        ({"role_arn": "arn:aws:iam::123456789012:role/may-read"}, True),
        ({"requester_pays_enabled": True}, True),
        ({"run_tags": {"try": "2"}, "priority": 7, "log_level": "ALL", "name": "again"}, False),
    ],
    ids=["role", "payer", "nothing that reads inputs"],
)
def test_who_may_read_the_inputs_may_mend_them(lab: CohortLab, change: dict[str, Any], is_run: bool) -> None:
    lab.fail([LOST])
    lab.fail([LOST], instance(2), **change)
    assert len(batches(lab)) == 1 + is_run


@MODES
def test_a_person_who_clears_the_task_asks_for_all(lab: CohortLab, deferrable: bool) -> None:
    samples: Settings = [*cohort(1), {"runSettingId": "mended"}, LOST]
    lab.fail(samples, deferrable=deferrable, retries=1)
    lab.fail(samples, instance(2), deferrable=deferrable, retries=1)
    assert len(batches(lab)) == 1
    # The input was mended, and the task cleared after its second try: its third is the first after the clear.
    third = lab.fail(samples, instance(3, max_tries=3), deferrable=deferrable, retries=1)
    assert batches(lab)[1:] == [["mended", "lost"]]
    assert lab.column(third.ti, "run_status") == ["COMPLETED", "COMPLETED", "FAILED"]
    # Its retry is one by Airflow again.
    lab.fail(samples, instance(4, max_tries=3), deferrable=deferrable, retries=1)
    assert len(batches(lab)) == 2


def test_a_submission_that_was_refused_is_not_sent_again_as_it_was(lab: CohortLab) -> None:
    lab.fault("RunBatch.submit", code="ValidationException", skip=1)
    samples = cohort(3)
    failed = lab.fail(samples)
    assert failed.error.counts.failed_submissions == 1
    again = lab.fail(samples, instance(2))
    assert len(batches(lab)) == 1
    assert again.error.outcome.permanent == (("ValidationException", 1),)
    # What all runs share was corrected.
    lab.run(samples, instance(3), priority=5)
    assert [len(samples) for samples in batches(lab)] == [3, 1]


def test_a_submission_that_was_refused_by_chance_or_for_access_is_sent_again(lab: CohortLab) -> None:
    lab.fault("RunBatch.submit", code="AccessDeniedException", http_status=403)
    lab.fail(cohort(2))
    lab.run(cohort(2), instance(2))
    assert [len(samples) for samples in batches(lab)] == [2, 1]


@MODES
def test_the_cause_of_each_failure_is_known_before_it_is_run_again(lab: CohortLab, deferrable: bool) -> None:
    samples: Settings = [*({"runSettingId": f"lost-{n}"} for n in range(120)), UNLUCKY]
    lab.fail(samples, deferrable=deferrable, failure_lookup_limit=3)
    lab.fail(samples, instance(2), deferrable=deferrable, failure_lookup_limit=3)
    assert batches(lab)[1:] == [["unlucky"]]


def test_without_tags_nobody_can_tell_that_a_row_is_the_same(lab: CohortLab) -> None:
    lab.fail([LOST], identity_tags=False)
    lab.fail([LOST], instance(2), identity_tags=False)
    assert batches(lab) == [["lost"], ["lost"]]


@pytest.mark.parametrize("code", ["RUN_TASK_FAILED", "WORKFLOW_RUN_FAILED", "OUT_OF_MEMORY_ERROR", "A_NEW_CODE"])
def test_what_may_end_otherwise_is_retried(lab: CohortLab, code: str) -> None:
    for number in (1, 2):
        lab.fail([failing("bad", code)], instance(number))
    assert lab.runs_of() == Counter({"bad": 2})


@pytest.mark.parametrize("code", sorted(code for code in PERMANENT_CODES if code.isupper()))
def test_each_permanent_code_is_left_out(lab: CohortLab, code: str) -> None:
    for number in (1, 2):
        lab.fail([failing("bad", code)], instance(number))
    assert lab.runs_of() == Counter({"bad": 1})
