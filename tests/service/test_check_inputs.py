"""Inputs that are looked for in S3 before anything is submitted."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from cohorts import MODES, OUT, ROLE, CohortLab, instance, lasting, operator
from holding import HELD
from omics_errors import raises
from omics_service import cwl_without_inputs
from task_runs import TaskInstance, TaskRun, run_task

from airflow_provider_omics.exceptions import OmicsError, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.run import OmicsStartRunOperator

READS = "reads"
Told = Callable[[], str]


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def make_workflow(make_workflow: Callable[..., str]) -> Callable[..., str]:
    """Make workflows that say nothing of types, as quickly as that can be read."""
    return partial(make_workflow, **cwl_without_inputs())


@pytest.fixture
def lab(server: LocalOmics, make_workflow: Callable[..., str]) -> CohortLab:
    lab = CohortLab(server, make_workflow())
    lab.s3.create_bucket(Bucket=READS)
    return lab


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[..., str]:
    """Write a sheet of so many samples with two reads each, and return its path."""

    def write(*rows: str) -> str:
        path = tmp_path / "cohort.csv"
        path.write_text("\n".join(["sample,fastq_1,fastq_2", *rows, ""]))
        return str(path)

    return write


def put(lab: CohortLab, *keys: str, **settings: Any) -> None:
    for key in keys:
        lab.s3.put_object(Bucket=READS, Key=key, Body=b"1", **settings)


def looks(lab: CohortLab) -> int:
    """Count the calls that look for inputs."""
    return sum(f"/{READS}" in path and method in ("HEAD", "GET") for method, path in requests(lab))


def requests(lab: CohortLab) -> list[tuple[str, str]]:
    return list(lab.seen)  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def seen(lab: CohortLab, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Note every request for S3 that the hooks' clients send."""
    from airflow_provider_omics.hooks.omics import OmicsHook

    sent: list[tuple[str, str]] = []
    make = OmicsHook.input_check_client

    def noting(self: OmicsHook) -> Any:
        client = make(self)
        client.meta.events.register("before-send.s3", lambda request, **_: sent.append((request.method, request.url)))
        return client

    monkeypatch.setattr(OmicsHook, "input_check_client", noting)
    lab.seen = sent  # type: ignore[attr-defined]
    return sent


ROWS = [f"NA{n},s3://{READS}/{n}_1.fq.gz,s3://{READS}/{n}_2.fq.gz" for n in range(3)]
KEYS = [f"{n}_{end}.fq.gz" for n in range(3) for end in (1, 2)]


@MODES
def test_a_cohort_whose_inputs_are_there_is_submitted(
    lab: CohortLab, sheet: Callable[..., str], told: Told, deferrable: bool
) -> None:
    put(lab, *KEYS)
    lab.run(sheet(*ROWS), run_setting_id_column="sample", check_inputs="fail", deferrable=deferrable)
    assert "All 6 inputs are there" in told()
    # Once, and not again when the task was resumed.
    assert looks(lab) == 6
    assert lab.calls("StartRunBatch") == 1


@MODES
def test_all_that_is_wrong_is_told_at_once_with_row_and_column(
    lab: CohortLab, sheet: Callable[..., str], deferrable: bool
) -> None:
    put(lab, *KEYS[:2])
    put(lab, "1_1.fq.gz", StorageClass="GLACIER")
    put(lab, "1_2.fq.gz.tbi")
    with pytest.raises(OmicsRequestInvalidError) as caught:
        lab.run(sheet(*ROWS), run_setting_id_column="sample", check_inputs="fail", deferrable=deferrable)
    assert isinstance(caught.value, AirflowFailException)
    assert caught.value.total == 4
    text = caught.value.message()
    assert f"row 3, column 'fastq_1': 's3://{READS}/1_1.fq.gz' is archived (GLACIER)" in text
    assert f"row 3, column 'fastq_2': 's3://{READS}/1_2.fq.gz' does not exist" in text
    assert "row 4, column 'fastq_1'" in text
    assert lab.calls("StartRunBatch") == 0
    assert lab.objects() == {}


def test_a_warning_submits_all_the_same(lab: CohortLab, sheet: Callable[..., str], told: Told) -> None:
    lab.run(sheet(*ROWS), run_setting_id_column="sample", check_inputs="warn")
    assert f"row 2, column 'fastq_1': 's3://{READS}/0_1.fq.gz' does not exist. Check the name" in told()
    assert lab.calls("StartRunBatch") == 1


def test_by_default_nobody_looks(lab: CohortLab, sheet: Callable[..., str]) -> None:
    lab.run(sheet(*ROWS), run_setting_id_column="sample")
    assert looks(lab) == 0


def test_a_restored_object_is_there_and_one_that_is_being_restored_is_not(lab: CohortLab) -> None:
    put(lab, "old.bam", StorageClass="DEEP_ARCHIVE")
    settings = [{"runSettingId": "a", "parameters": {"bam": f"s3://{READS}/old.bam"}}]
    with raises(OmicsRequestInvalidError, match=r"run_settings\[0\].parameters.bam: .*\(DEEP_ARCHIVE\)"):
        lab.run(settings, check_inputs="fail")
    lab.s3.restore_object(Bucket=READS, Key="old.bam", RestoreRequest={"Days": 1})
    lab.run(settings, ti=instance(2), check_inputs="fail")
    assert lab.calls("StartRunBatch") == 1


def test_a_folder_is_there_with_one_object_and_looked_for_once(lab: CohortLab) -> None:
    put(lab, "run1/a.fq.gz", "genome.amb", "genome.ann")
    settings = [
        {"runSettingId": f"s{n}", "parameters": {"folder": f"s3://{READS}/run1/", "index": f"s3://{READS}/genome"}}
        for n in range(20)
    ]
    lab.run(settings, check_inputs="fail")
    # The folder is listed; the index is looked at, and then listed.
    assert looks(lab) == 3
    for name in ("run2/", "genom.fa"):
        wrong = [{"runSettingId": "a", "parameters": {"x": f"s3://{READS}/{name}"}}]
        with raises(OmicsRequestInvalidError, match=name):
            lab.run(wrong, ti=instance(run_id="other"), check_inputs="fail")


def test_the_inputs_of_all_runs_and_those_within_sheets_are_looked_for(
    lab: CohortLab, sheet: Callable[..., str]
) -> None:
    put(lab, *KEYS[:-1])
    with pytest.raises(OmicsRequestInvalidError) as caught:
        lab.run(
            sheet(*ROWS),
            run_setting_id_column="sample",
            sample_sheet_parameter="input",
            parameters={"fasta": f"s3://{READS}/hg38.fa", "outdir": f"s3://{READS}/not-yet/"},
            check_inputs="fail",
        )
    assert [issue.where.rpartition("/")[2] for issue in caught.value.issues] == [
        "cohort.csv row 4, column 'fastq_2'",
        "parameters.fasta",
    ]
    assert lab.objects() == {}


def test_denied_is_not_missing(lab: CohortLab, sheet: Callable[..., str]) -> None:
    put(lab, *KEYS)
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{READS}/0_1.fq.gz"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    lab.s3.put_bucket_policy(Bucket=READS, Policy=policy)
    with pytest.raises(OmicsRequestInvalidError) as caught:
        lab.run(sheet(*ROWS), run_setting_id_column="sample", check_inputs="fail")
    (issue,) = caught.value.issues
    assert "may not be looked at with this connection (403)" in issue.what
    assert "only the run's role" in issue.fix


def test_a_bucket_that_does_not_exist_is_said_to_be_missing(lab: CohortLab) -> None:
    settings = [{"runSettingId": "a", "parameters": {"bam": "s3://no-such-bucket/a.bam"}}]
    with raises(OmicsRequestInvalidError, match=r"the bucket of 's3://no-such-bucket/a\.bam' does not exist"):
        lab.run(settings, check_inputs="fail")


@pytest.fixture
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.mark.usefixtures("no_retries")
@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("InternalError", 500)])
def test_an_error_of_looking_is_never_a_missing_input(
    lab: CohortLab, sheet: Callable[..., str], told: Told, code: str, status: int
) -> None:
    put(lab, *KEYS[:4])
    lab.fault("s3:HEAD", count=1, code=code, http_status=status)
    with pytest.raises(OmicsRequestInvalidError) as caught:
        # The types would be looked for in S3 first.
        lab.run(sheet(*ROWS), run_setting_id_column="sample", check_inputs="fail", types_from_definition=False)
    assert {issue.what.partition(f"{READS}/")[2][:3] for issue in caught.value.issues} <= {"2_1", "2_2"}
    assert "1 of 6 inputs could not be checked" in told()


@pytest.mark.usefixtures("no_retries")
def test_what_could_not_be_checked_is_submitted(lab: CohortLab, told: Told) -> None:
    lab.fault("s3:GET", count=None, code="SlowDown", http_status=503)
    folders = [f"s3://{READS}/{n}/" for n in range(400)]
    settings = [{"runSettingId": "a", "parameters": {"folders": folders}}]
    lab.run(settings, check_inputs="fail", wait_for_completion=False)
    assert "400 of 400 inputs could not be checked: S3 answered 50 times in a row with nothing but errors" in told()
    assert lab.calls("StartRunBatch") == 1
    assert looks(lab) < 200


def test_looking_ends_when_its_time_is_over(lab: CohortLab, told: Told) -> None:
    put(lab, "0.bam")
    files = [f"s3://{READS}/{n}.bam" for n in range(500)]
    lab.run([{"runSettingId": "a", "parameters": {"files": files}}], check_inputs="warn", check_inputs_timeout=0)
    assert "499 of 500 inputs could not be checked: check_inputs_timeout, 0 seconds, was over" in told()
    assert lab.calls("StartRunBatch") == 1


def test_a_killed_task_submits_nothing(lab: CohortLab, monkeypatch: pytest.MonkeyPatch) -> None:
    put(lab, "0.bam")
    files = [f"s3://{READS}/{n}.bam" for n in range(500)]
    task = operator(lab.workflow_id, [{"runSettingId": "a", "parameters": {"files": files}}], check_inputs="fail")
    make = type(task.hook).input_check_client

    def killing(self: Any) -> Any:
        client = make(self)
        client.meta.events.register("before-send.s3", lambda **_: task.on_kill())
        return client

    monkeypatch.setattr(type(task.hook), "input_check_client", killing)
    with raises(OmicsError, match="killed while its inputs were looked for; nothing was submitted"):
        run_task(task, instance())
    assert lab.calls("StartRunBatch") == 0


@MODES
def test_a_try_that_takes_over_a_batch_does_not_look(lab: CohortLab, deferrable: bool) -> None:
    put(lab, "a.bam")
    settings = [lasting("a", HELD, parameters={"bam": f"s3://{READS}/a.bam"})]
    ti = lab.crash(settings, check_inputs="fail")
    assert looks(lab) == 1
    lab.held.release_after("GetBatch", 3)
    lab.s3.delete_object(Bucket=READS, Key="a.bam")
    done = lab.run(settings, ti=instance(2, xcoms=ti.xcoms), check_inputs="fail", deferrable=deferrable)
    assert lab.omics.get_batch(batchId=done.result)["status"] == BatchStatus.PROCESSED
    assert (looks(lab), lab.calls("StartRunBatch")) == (1, 1)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"check_inputs": "yes"}, "check_inputs: is 'yes'. Use one of off, warn, fail"),
        ({"check_inputs_timeout": -1}, "check_inputs_timeout: is -1. Give a number from 0 to 604800"),
    ],
)
def test_wrong_settings_are_refused(lab: CohortLab, wrong: dict[str, Any], told: str) -> None:
    with raises(OmicsRequestInvalidError, match=told):
        lab.run([{"runSettingId": "a"}], **wrong)
    with raises(OmicsRequestInvalidError, match=told):
        start_run(lab, **wrong)


def start_run(lab: CohortLab, ti: TaskInstance | None = None, **settings: Any) -> TaskRun:
    task = OmicsStartRunOperator(
        task_id="start_run",
        workflow_id=lab.workflow_id,
        role_arn=ROLE,
        output_uri=OUT,
        waiter_delay=0.02,
        **settings,
    )
    return run_task(task, ti or TaskInstance())


@MODES
def test_the_inputs_of_a_run_are_looked_for(lab: CohortLab, deferrable: bool) -> None:
    given = {"parameters": {"bams": [f"s3://{READS}/a.bam"]}, "check_inputs": "{{ params.check }}"}
    with raises(OmicsRequestInvalidError, match=r"parameters\.bams\[0\]: 's3://reads/a.bam' does not exist"):
        start_run(lab, deferrable=deferrable, **{**given, "check_inputs": "fail"})
    assert lab.calls("StartRun") == 0
    put(lab, "a.bam")
    start_run(lab, deferrable=deferrable, **{**given, "check_inputs": "fail"})
    assert (lab.calls("StartRun"), looks(lab)) == (1, 3)


def test_the_file_of_parameters_uri_is_looked_for(lab: CohortLab) -> None:
    uri = f"s3://{READS}/parameters.json"
    with raises(OmicsRequestInvalidError, match=r"parameters_uri: 's3://reads/parameters\.json' does not exist"):
        start_run(lab, parameters_uri=uri, check_inputs="fail")


def test_a_try_that_takes_over_a_run_does_not_look(lab: CohortLab) -> None:
    put(lab, "a.bam")
    given = {"parameters": {"bam": f"s3://{READS}/a.bam"}, "check_inputs": "fail", "wait_for_completion": False}
    first = start_run(lab, **given)
    lab.s3.delete_object(Bucket=READS, Key="a.bam")
    assert start_run(lab, TaskInstance(try_number=2), **given).result == first.result
    assert looks(lab) == 1
