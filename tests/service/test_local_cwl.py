"""CWL workflows that are really run, seen by a boto3 client over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cwl_service import LOG_GROUP, CwlService, read_qc_zip, wdl_zip
from reads import compress, damaged, make_reads

from airflow_provider_omics.local import LocalOmics, Quotas, Timings
from airflow_provider_omics.local.executors import engines


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="auto", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        yield started


@pytest.fixture
def service(server: LocalOmics) -> CwlService:
    return CwlService(server)


def _upload_pair(service: CwlService, sample: str, pairs: int = 50) -> dict[str, Any]:
    mates = make_reads(sample, pairs)
    return {
        "sample_name": sample,
        "fastq_1": service.put(f"reads/{sample}_R1.fastq.gz", mates.fastq_1),
        "fastq_2": service.put(f"reads/{sample}_R2.fastq.gz", mates.fastq_2),
    }


def _reads_of(service: CwlService, run: dict[str, Any]) -> int:
    figures = json.loads(service.read(service.outputs(run)["figures"]["location"]))
    reads: int = figures["reads"]
    return reads


def test_a_run_reads_its_inputs_from_s3_and_writes_outputs_logs_and_manifest(service: CwlService) -> None:
    workflow_id = service.workflow_from(definitionZip=read_qc_zip(), main="main.cwl")
    parameters = _upload_pair(service, "S1")
    run = service.end(service.start(workflow_id, parameters, name="qc-S1"))
    run_id, root = run["id"], run["runOutputUri"]

    assert run["status"] == "COMPLETED", run.get("statusMessage")
    assert service.outputs(run) == {
        "figures": {
            "class": "File",
            "location": f"{root}/out/S1.qc.json",
            "basename": "S1.qc.json",
            "size": len(service.read(f"{root}/out/S1.qc.json")),
        },
        "report": {
            "class": "File",
            "location": f"{root}/out/S1.qc.txt",
            "basename": "S1.qc.txt",
            "size": len(service.read(f"{root}/out/S1.qc.txt")),
        },
    }
    figures = json.loads(service.read(f"{root}/out/S1.qc.json"))
    assert (figures["sample"], figures["reads"], figures["bases"]) == ("S1", 100, 10_000)
    assert "[job combine] completed success" in service.read(f"{root}/logs/engine.log").decode()

    tasks = service.tasks(run_id)
    assert [task["name"] for task in tasks] == ["combine", "measure", "measure_2"]
    assert {task["status"] for task in tasks} == {"COMPLETED"}
    assert all(run["startTime"] <= task["startTime"] <= task["stopTime"] <= run["stopTime"] for task in tasks)
    assert tasks[0]["startTime"] >= max(task["stopTime"] for task in tasks[1:])
    assert "S1_R1.fastq.gz: 50 reads in" in service.lines(f"run/{run_id}/task/{tasks[1]['taskId']}")[0]
    assert any("completed success" in line for line in service.lines(f"run/{run_id}/engine"))
    assert service.lines(f"run/{run_id}")[-1] == "The run completed"

    first, *others = [json.loads(line) for line in service.lines(f"manifest/run/{run_id}/{run['uuid']}")]
    assert (first["arn"], first["status"], first["name"]) == (run["arn"], "COMPLETED", "qc-S1")
    assert first["parameters"] == parameters
    etag = service.s3.head_object(Bucket=service.bucket, Key="reads/S1_R1.fastq.gz")["ETag"].strip('"')
    assert first["resourceDigests"][parameters["fastq_1"]] == f"etag:{etag}"
    assert sorted(entry["name"] for entry in others) == ["combine", "measure", "measure_2"]
    assert {entry["run"] for entry in others} == {run["arn"]}
    for entry in others:
        used = entry["metrics"]
        assert used["cpusAverage"] == used["cpusMaximum"] > 0
        assert 0 < used["memoryAverageGiB"] == used["memoryMaximumGiB"] < 1
        assert used["memoryReservedGiB"] == entry["memory"]
    assert first["metrics"]["memoryMaximumGiB"] >= max(entry["metrics"]["memoryMaximumGiB"] for entry in others)
    assert first["metrics"]["storageMaximumGiB"] > 0


def test_one_file_is_enough_and_may_be_a_file_object_and_plain(service: CwlService) -> None:
    workflow_id = service.workflow_from(definitionUri=service.put("definitions/read-qc.zip", read_qc_zip()))
    uri = service.put("reads/plain.fastq", b"@r\nACGT\n+\nIIII\n")
    run = service.end(service.start(workflow_id, {"sample_name": "one", "fastq_1": {"class": "File", "location": uri}}))
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    assert _reads_of(service, run) == 1
    assert [task["name"] for task in service.tasks(run["id"])] == ["combine", "measure"]


def test_a_truncated_file_fails_its_run_and_leaves_the_others_alone(service: CwlService) -> None:
    workflow_id = service.workflow_from(definitionZip=read_qc_zip())
    broken = _upload_pair(service, "broken")
    service.put("reads/broken_R2.fastq.gz", damaged(make_reads("broken", 50).fastq_2))
    run_ids = {
        "first": service.start(workflow_id, _upload_pair(service, "first")),
        "broken": service.start(workflow_id, broken),
        "last": service.start(workflow_id, _upload_pair(service, "last")),
    }
    runs = {sample: service.end(run_id) for sample, run_id in run_ids.items()}

    assert {sample: run["status"] for sample, run in runs.items()} == {
        "first": "COMPLETED",
        "broken": "FAILED",
        "last": "COMPLETED",
    }
    assert _reads_of(service, runs["last"]) == 100
    error = "broken_R2.fastq.gz: the gzip data end too early; the file is truncated"
    failed = runs["broken"]
    assert failed["failureReason"] == "RUN_TASK_FAILED"
    assert failed["statusMessage"].endswith(f"failed: exit status 1: {error}")
    (task,) = [task for task in service.tasks(failed["id"]) if task["status"] == "FAILED"]
    assert (task["failureReason"], task["statusMessage"]) == ("RUN_TASK_FAILED", f"exit status 1: {error}")
    assert service.lines(task["logStream"]) == [error]
    assert service.lines(f"run/{failed['id']}")[-1].startswith("The run failed: RUN_TASK_FAILED: ")
    keys = service.s3.list_objects_v2(Bucket=service.bucket, Prefix=f"out/{failed['id']}")["Contents"]
    assert [key["Key"] for key in keys] == [f"out/{failed['id']}/logs/engine.log"]


def test_mates_of_different_length_fail_the_run(service: CwlService) -> None:
    workflow_id = service.workflow_from(definitionZip=read_qc_zip())
    parameters = _upload_pair(service, "odd")
    service.put("reads/odd_R2.fastq.gz", compress(b"@r\nA\n+\nI\n"))
    run = service.end(service.start(workflow_id, parameters))
    assert run["failureReason"] == "RUN_TASK_FAILED"
    assert "odd_R1.fastq.gz has 50 reads, odd_R2.fastq.gz has 1 reads" in run["statusMessage"]


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        ("s3://{bucket}/no/such.fastq", "INPUT_URI_NOT_FOUND", "object s3://{bucket}/no/such.fastq does not exist"),
        ("s3://no-such-bucket-at-all/x", "INPUT_URI_NOT_FOUND", "bucket s3://no-such-bucket-at-all does not exist"),
        ("/etc/passwd", "INVALID_URI_INPUT", "'/etc/passwd' is not an S3 URI"),
        ("file:///etc/passwd", "INVALID_URI_INPUT", "'file:///etc/passwd' is not an S3 URI"),
        ("https://example.com/x.fastq", "INVALID_URI_INPUT", "is not an S3 URI"),
        ("s3://{bucket}/folder/", "INVALID_URI_INPUT", "names no object"),
        ({"class": "File", "path": "/etc/passwd"}, "INVALID_URI_INPUT", "'/etc/passwd' is not an S3 URI"),
        ({"class": "File", "location": 7}, "INVALID_URI_INPUT", "7 is not text"),
        ("s3://{bucket}/secret/x.fastq", "IMPORT_FAILED", "denies s3:GetObject"),
    ],
)
def test_an_input_that_cannot_be_read_fails_the_run_and_is_named(
    service: CwlService, value: Any, reason: str, message: str
) -> None:
    _deny(service, "s3:GetObject", "secret")
    service.put("secret/x.fastq", b"")
    value = value.format(bucket=service.bucket) if isinstance(value, str) else value
    workflow_id = service.workflow_from(definitionZip=read_qc_zip())
    run = service.end(service.start(workflow_id, {"sample_name": "x", "fastq_1": value}))
    assert (run["status"], run["failureReason"]) == ("FAILED", reason)
    assert run["statusMessage"].startswith("Parameter fastq_1: cannot read ")
    assert message.format(bucket=service.bucket) in run["statusMessage"]
    assert service.tasks(run["id"]) == []


def _deny(service: CwlService, action: str, folder: str) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": f"arn:aws:s3:::{service.bucket}/{folder}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    service.s3.put_bucket_policy(Bucket=service.bucket, Policy=policy)


@pytest.mark.parametrize("target", ["s3://no-such-bucket-at-all/out", "s3://{bucket}/locked"])
def test_outputs_that_cannot_be_written_fail_the_run(service: CwlService, target: str) -> None:
    _deny(service, "s3:PutObject", "locked")
    workflow_id = service.workflow_from(definitionZip=read_qc_zip())
    run = service.end(
        service.start(workflow_id, _upload_pair(service, "S"), outputUri=target.format(bucket=service.bucket))
    )
    assert (run["status"], run["failureReason"]) == ("FAILED", "EXPORT_FAILED")
    assert "Cannot write s3://" in run["statusMessage"]


def test_without_logs_nothing_is_logged(service: CwlService) -> None:
    workflow_id = service.workflow_from(definitionZip=read_qc_zip())
    run = service.end(service.start(workflow_id, _upload_pair(service, "quiet"), logLevel="OFF"))
    assert run["status"] == "COMPLETED"
    service.logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=f"something/else/{run['uuid']}")
    assert service.streams(run["id"]) == []
    assert service.read(f"{run['runOutputUri']}/logs/engine.log")


def test_what_has_no_engine_is_simulated_and_says_so(service: CwlService) -> None:
    workflow_id = service.workflow({"main.nf": "workflow {}"}, engine="NEXTFLOW")
    run = service.end(service.start(workflow_id, {}))
    assert run["status"] == "COMPLETED"
    (line,) = [line for line in service.lines(f"run/{run['id']}") if "simulated" in line]
    assert line.startswith("This run is simulated: the local server runs CWL and WDL")
    assert line.endswith(" only, and the workflow is NEXTFLOW (PRIVATE)")


def test_wdl_is_simulated_where_miniwdl_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == "WDL" else object())
    with LocalOmics(executor="auto", timings=Timings.fast(), quotas=Quotas.wide()) as server:
        service = CwlService(server)
        run = service.end(service.start(service.workflow_from(engine="WDL", definitionZip=wdl_zip()), {}))
        assert run["status"] == "COMPLETED"
        assert (
            "This run is simulated: the workflow is WDL, and miniwdl is not installed; install "
            "'airflow-provider-omics[local-wdl]' to really run it"
        ) in service.lines(f"run/{run['id']}")
