"""What a task's own requests to S3 carry: a KMS key, the bucket's owner, who pays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session
from cohorts import BUCKET, MODES, OUT, ROLE, CohortLab, cohort
from omics_errors import raises
from task_runs import TaskInstance, run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.hooks.object_settings import ObjectSettings
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.analysis import OmicsAnalyzeRunsOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OWNER = "123456789012"
ALL = {
    "s3_kms_key_id": KEY,
    "s3_bucket_key_enabled": True,
    "s3_expected_bucket_owner": OWNER,
    "s3_requester_pays": True,
}
Sent = list[tuple[str, str, dict[str, str]]]


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def sent(lab: CohortLab, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Method, path and S3's own headers of every request for an object."""
    requests: Sent = []
    send = URLLib3Session.send

    def note(self: URLLib3Session, request: Any) -> Any:
        path = request.url.partition("//")[2].partition("/")[2]
        if path.startswith((BUCKET, "inputs/")) and "/" in path:
            told = {name.lower(): value for name, value in request.headers.items()}
            own = {name: _text(value) for name, value in told.items() if name.startswith("x-amz-")}
            requests.append((request.method, path, own))
        return send(self, request)

    monkeypatch.setattr(URLLib3Session, "send", note)
    return requests


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@MODES
def test_all_that_is_written_and_read_carries_the_settings(lab: CohortLab, sent: Sent, deferrable: bool) -> None:
    lab.run(cohort(2), deferrable=deferrable, **ALL)
    assert {"PUT", "GET", "HEAD", "DELETE"} <= {method for method, _, _ in sent}
    for method, path, headers in sent:
        assert headers["x-amz-expected-bucket-owner"] == OWNER, (method, path)
        assert headers["x-amz-request-payer"] == "requester", (method, path)
        if method == "PUT":
            assert headers["x-amz-server-side-encryption"] == "aws:kms", path
            assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == KEY
            assert headers["x-amz-server-side-encryption-bucket-key-enabled"] == "true"
        else:
            assert "x-amz-server-side-encryption" not in headers
    ours = {path.removeprefix(f"{BUCKET}/") for method, path, _ in sent if method == "PUT"} & lab.objects().keys()
    assert ours
    for key in ours:
        head = lab.s3.head_object(Bucket=BUCKET, Key=key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"], head["BucketKeyEnabled"]) == ("aws:kms", KEY, True)


def test_so_does_what_an_analysis_writes(lab: CohortLab, sent: Sent) -> None:
    batch_id = lab.run(cohort(1)).result
    sent.clear()
    run_task(OmicsAnalyzeRunsOperator(task_id="analyse", batch_ids=batch_id, results_uri=f"s3://{BUCKET}/a", **ALL))
    written = [path.removeprefix(f"{BUCKET}/") for method, path, _ in sent if method == "PUT"]
    assert {"a/analysis.csv", "a/analysis.json", "a/analysis.html"} < set(written)
    for _, path, headers in sent:
        assert headers["x-amz-expected-bucket-owner"] == OWNER, path
        assert headers["x-amz-request-payer"] == "requester", path
    for name in ("csv", "json", "html"):
        head = lab.s3.head_object(Bucket=BUCKET, Key=f"a/analysis.{name}")
        assert (head["SSEKMSKeyId"], head["BucketKeyEnabled"]) == (KEY, True)


def test_by_default_the_buckets_own_settings_hold(lab: CohortLab, sent: Sent) -> None:
    lab.run(cohort(2))
    names = {name for _, _, headers in sent for name in headers}
    assert not [name for name in names if "encryption" in name or "owner" in name or "payer" in name]


def test_a_bucket_of_inputs_may_be_somebody_elses(lab: CohortLab, sent: Sent) -> None:
    lab.s3.create_bucket(Bucket="inputs")
    lab.s3.put_object(Bucket="inputs", Key="cohort.csv", Body="sample,bam\nA,s3://inputs/a.bam\n")
    sent.clear()
    lab.run("s3://inputs/cohort.csv", run_setting_id_column="sample", **ALL)
    reads = [headers for _, path, headers in sent if path.startswith("inputs/")]
    assert reads
    for headers in reads:
        assert headers["x-amz-request-payer"] == "requester"
        assert "x-amz-expected-bucket-owner" not in headers


def test_parts_of_a_large_object_carry_the_settings(lab: CohortLab, sent: Sent, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(40 << 20)
    hook = OmicsHook()
    hook.object_settings = ObjectSettings(KEY, True, OWNER, True)
    hook.storage.put_once(f"{OUT}/large", path)
    assert sum(method == "PUT" for method, _, _ in sent) == 3
    assert all(headers["x-amz-expected-bucket-owner"] == OWNER for _, _, headers in sent)
    assert lab.s3.head_object(Bucket=BUCKET, Key="out/large")["SSEKMSKeyId"] == KEY


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"s3_kms_key_id": " "}, "s3_kms_key_id: ' ' is no KMS key"),
        ({"s3_expected_bucket_owner": "me"}, "s3_expected_bucket_owner: 'me' is no account id"),
        ({"s3_bucket_key_enabled": "yes"}, "s3_bucket_key_enabled: is 'yes'"),
        ({"s3_requester_pays": 1}, "s3_requester_pays: is 1"),
    ],
)
def test_wrong_settings_are_refused(lab: CohortLab, wrong: dict[str, Any], told: str) -> None:
    with raises(OmicsRequestInvalidError, match=told):
        lab.run(cohort(1), **wrong)


def test_a_run_pays_for_the_file_of_its_parameters(lab: CohortLab, sent: Sent) -> None:
    lab.s3.put_object(Bucket=BUCKET, Key="run.json", Body="{}")
    sent.clear()
    task = OmicsStartRunOperator(
        task_id="start_run",
        workflow_id=lab.workflow_id,
        role_arn=ROLE,
        output_uri=OUT,
        parameters=f"s3://{BUCKET}/run.json",
        s3_requester_pays=True,
        wait_for_completion=False,
    )
    run_task(task, TaskInstance())
    assert [(method, headers.get("x-amz-request-payer")) for method, _, headers in sent] == [("GET", "requester")]
