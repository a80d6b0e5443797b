"""What simulated runs leave in CloudWatch Logs and S3, read by boto3 clients over HTTP."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cwl_service import LOG_GROUP, CwlService, await_that

from airflow_provider_omics.local import LocalOmics, ManualClock, Quotas, SimulatedOutcomes, Timings

WDL = """version 1.2
# output { File not_this = "x" }
task align {
  command <<< echo "workflow wrong { output {" >>>
  output { File inner = "a.bam" }
}
workflow mapping {
  input { String sample }
  call align
  output {
    File bam = align.inner  # File nor_this = "x"
    Array[File]+ stats = [if sample == "a" then align.inner else align.inner]
    File? log = align.inner
    Directory folder = "x"
    Int reads = 3
    Map[String, File] by_name = {"a": align.inner}
  }
}
"""
CWL = """cwlVersion: v1.2
class: Workflow
inputs: []
steps:
  align:
    run:
      class: CommandLineTool
      baseCommand: align
      inputs: []
      outputs:
        bam: {type: File, outputBinding: {glob: "*.bam"}}
        stats: {type: {type: array, items: File}, outputBinding: {glob: "*.txt"}}
        reads: {type: int, outputBinding: {glob: reads, loadContents: true, outputEval: "$(self[0].size)"}}
        folder: {type: Directory, outputBinding: {glob: folder}}
    in: []
    out: [bam, stats, reads, folder]
outputs:
  bam: {type: File, outputSource: align/bam}
  stats: {type: {type: array, items: File}, outputSource: align/stats}
  reads: {type: int, outputSource: align/reads}
  folder: {type: Directory, outputSource: align/folder}
"""


@pytest.fixture
def server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="simulated", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        yield started


@pytest.fixture
def service(server: LocalOmics) -> CwlService:
    return CwlService(server)


@pytest.fixture
def wdl(service: CwlService) -> str:
    return workflow(service, "WDL", {"main.wdl": WDL})


def workflow(service: CwlService, engine: str, files: dict[str, str | bytes]) -> str:
    return service.workflow(files, engine=engine)


def keys(service: CwlService, prefix: str = "") -> list[str]:
    pages = service.s3.get_paginator("list_objects_v2").paginate(Bucket=service.bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", ())]


def manifest(service: CwlService, run: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    first, *others = [json.loads(line) for line in service.lines(f"manifest/run/{run['id']}/{run['uuid']}")]
    return first, others


def test_a_wdl_run_leaves_its_declared_outputs_and_their_summary(service: CwlService, wdl: str) -> None:
    run = service.end(service.start(wdl, {"sample": "a"}))
    root = run["runOutputUri"]
    assert service.outputs(run) == {
        "mapping.bam": f"{root}/out/bam/bam.txt",
        "mapping.stats": [f"{root}/out/stats/0/stats.txt", f"{root}/out/stats/1/stats.txt"],
        "mapping.log": f"{root}/out/log/log.txt",
        "mapping.folder": f"{root}/out/folder",
        "mapping.reads": 1,
        "mapping.by_name": {},
    }
    assert service.read(f"{root}/out/bam/bam.txt").decode() == f"Simulated output of run {run['id']}: bam/bam.txt\n"
    assert keys(service) == [
        f"out/{run['id']}/{path}"
        for path in (
            "logs/engine.log",
            "logs/outputs.json",
            "out/bam/bam.txt",
            "out/folder/folder.txt",
            "out/log/log.txt",
            "out/stats/0/stats.txt",
            "out/stats/1/stats.txt",
        )
    ]


def test_a_cwl_run_leaves_files_as_objects(service: CwlService) -> None:
    run = service.end(service.start(workflow(service, "CWL", {"main.cwl": CWL}), {}))
    root, outputs = run["runOutputUri"], service.outputs(run)
    assert outputs["bam"] == {
        "class": "File",
        "location": f"{root}/out/bam.txt",
        "basename": "bam.txt",
        "size": len(service.read(f"{root}/out/bam.txt")),
    }
    assert [file["location"] for file in outputs["stats"]] == [f"{root}/out/stats_{n}.txt" for n in (1, 2)]
    assert outputs["reads"] == 1
    assert (outputs["folder"]["class"], outputs["folder"]["location"]) == ("Directory", f"{root}/out/folder")
    assert service.read(outputs["folder"]["listing"][0]["location"])


def test_a_nextflow_run_has_no_summary(service: CwlService) -> None:
    run = service.end(service.start(workflow(service, "NEXTFLOW", {"main.nf": "workflow {}"}), {}))
    assert keys(service) == [f"out/{run['id']}/logs/engine.log"]


def test_streams_and_manifest_tell_of_every_task(service: CwlService, wdl: str) -> None:
    run = service.end(service.start(wdl, {"sample": "a"}, name="told", storageType="STATIC"))
    tasks = service.tasks(run["id"])
    assert [task["name"] for task in tasks] == ["analyse", "prepare"]
    lines = service.lines(f"run/{run['id']}")
    assert lines[0] == f"Run {run['id']} of workflow {wdl} started"
    assert lines[-1] == "The run completed"
    assert len(lines) == 2 + 2 * len(tasks)
    assert service.lines(f"run/{run['id']}/engine")[0].startswith("Simulated WDL engine, ")
    assert [service.lines(task["logStream"]) for task in tasks] == [[f"Task {task['name']} started"] for task in tasks]

    first, others = manifest(service, run)
    assert {name: first[name] for name in ("arn", "uuid", "name", "status", "engine", "main", "startedBy")} == {
        "arn": run["arn"],
        "uuid": run["uuid"],
        "name": "told",
        "status": "COMPLETED",
        "engine": "WDL",
        "main": "main.wdl",
        "startedBy": run["startedBy"],
    }
    assert first["workflow"].endswith(f":workflow/{wdl}")
    assert {entry["uuid"] for entry in others} == {task["uuid"] for task in _items(service, run)}
    for entry in others:
        used = entry["metrics"]
        assert 0 < used["cpusAverage"] <= used["cpusMaximum"] <= used["cpusReserved"] == entry["cpus"]
        assert 0 < used["memoryAverageGiB"] <= used["memoryMaximumGiB"] <= used["memoryReservedGiB"] == entry["memory"]
        assert used["gpusReserved"] == 0
        assert used["runningSeconds"] > 0
        assert entry["instanceType"] == "omics.c.large"
        assert first["creationTime"] < entry["creationTime"] <= entry["startTime"] < entry["stopTime"]
    whole = first["metrics"]
    assert whole["cpusMaximum"] == max(entry["metrics"]["cpusMaximum"] for entry in others)
    assert 0 < whole["storageAverageGiB"] <= whole["storageMaximumGiB"] <= whole["storageReservedGiB"] == 1200


def _items(service: CwlService, run: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = service.omics.list_run_tasks(id=run["id"])["items"]
    return items


def test_a_failed_run_leaves_its_engine_log_and_why(service: CwlService, wdl: str) -> None:
    tags = {"omics-local:outcome": "OUT_OF_MEMORY_ERROR", "omics-local:tasks": "only"}
    run = service.end(service.start(wdl, {"sample": "a"}, tags=tags))
    assert run["failureReason"] == "OUT_OF_MEMORY_ERROR"
    assert keys(service) == [f"out/{run['id']}/logs/engine.log"]
    first, (task,) = manifest(service, run)
    assert (first["status"], first["failureReason"], first["statusMessage"]) == (
        "FAILED",
        "OUT_OF_MEMORY_ERROR",
        run["statusMessage"],
    )
    assert (task["status"], task["failureReason"]) == ("FAILED", "OUT_OF_MEMORY_ERROR")
    assert task["metrics"]["memoryMaximumGiB"] == task["memory"]
    text = "Simulated failure of task only: OUT_OF_MEMORY_ERROR"
    (seen,) = service.tasks(run["id"])
    assert service.lines(seen["logStream"]) == ["Task only started", text]
    assert service.lines(f"run/{run['id']}")[-1] == f"The run failed: OUT_OF_MEMORY_ERROR: {run['statusMessage']}"


def test_a_run_that_fails_before_it_runs_has_a_manifest_and_nothing_else(service: CwlService, wdl: str) -> None:
    tags = {"omics-local:fails-starting": "INSTANCE_RESERVATION_FAILED"}
    run = service.end(service.start(wdl, {"sample": "a"}, tags=tags))
    first, others = manifest(service, run)
    assert (first["failureReason"], others) == ("INSTANCE_RESERVATION_FAILED", [])
    assert keys(service) == []


def test_tags_say_what_tasks_there_are_and_what_they_use(service: CwlService, wdl: str) -> None:
    tags = {
        "omics-local:tasks": "3",
        "omics-local:image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/bwa:1",
        "omics-local:metrics": "cpusReserved=8 cpusMaximum=6.5 memoryReservedGiB=60 storageMaximumGiB=41.5",
        "omics-local:metrics:task-2": "gpusReserved=1 memoryMaximumGiB=59 nonsense",
    }
    run = service.end(service.start(wdl, {"sample": "a"}, tags=tags))
    items = sorted(_items(service, run), key=lambda item: str(item["name"]))
    assert [(item["name"], item["cpus"], item["memory"], item["gpus"], item["instanceType"]) for item in items] == [
        ("task-1", 8, 60, 0, "omics.r.2xlarge"),
        ("task-2", 8, 60, 1, "omics.g5.4xlarge"),
        ("task-3", 8, 60, 0, "omics.r.2xlarge"),
    ]
    first, others = manifest(service, run)
    assert {entry["metrics"]["cpusMaximum"] for entry in others} == {6.5}
    assert {entry["image"] for entry in others} == {tags["omics-local:image"]}
    assert {entry["name"]: entry["metrics"]["memoryMaximumGiB"] for entry in others}["task-2"] == 59
    assert first["metrics"]["storageMaximumGiB"] == 41.5


def test_the_same_seed_and_names_use_the_same() -> None:
    def used(seed: int) -> list[Any]:
        with LocalOmics(executor="simulated", timings=Timings.fast(), seed=seed) as started:
            service = CwlService(started)
            run = service.end(service.start(workflow(service, "WDL", {"main.wdl": WDL}), {"sample": "a"}, name="x"))
            entries = manifest(service, run)[1]
            return [{**entry["metrics"], "runningSeconds": None} for entry in entries]

    assert used(1) == used(1) != used(2)


@pytest.fixture
def by_hand() -> Iterator[Callable[..., CwlService]]:
    started: list[LocalOmics] = []

    def start(**outcomes: Any) -> CwlService:
        server = LocalOmics(
            executor="simulated",
            clock=ManualClock(),
            timings=Timings(running_min=10, running_max=10),
            outcomes=SimulatedOutcomes(**outcomes),
        ).start()
        started.append(server)
        return CwlService(server)

    yield start
    for server in started:
        server.stop()


def test_streams_grow_while_a_run_goes_on(by_hand: Callable[..., CwlService]) -> None:
    service = by_hand()
    run_id = service.start(workflow(service, "WDL", {"main.wdl": WDL}), {"sample": "a"})
    service.server.advance(4)
    first, second = service.lines(f"run/{run_id}")
    assert second.endswith("(prepare) started")
    assert keys(service) == []
    service.server.advance(5)
    assert service.lines(f"run/{run_id}")[:2] == [first, second]
    assert [line.partition(" (")[2] for line in service.lines(f"run/{run_id}")[2:]] == [
        "prepare) completed",
        "analyse) started",
    ]
    assert service.streams(run_id) == [
        f"run/{run_id}",
        f"run/{run_id}/engine",
        *sorted(task["logStream"] for task in service.tasks(run_id)),
    ]
    service.server.advance(100)
    assert service.lines(f"run/{run_id}")[-1] == "The run completed"
    assert len(service.lines(f"run/{run_id}")) == 6


def test_a_cancelled_run_leaves_no_outputs(by_hand: Callable[..., CwlService]) -> None:
    service = by_hand()
    run_id = service.start(workflow(service, "WDL", {"main.wdl": WDL}), {"sample": "a"})
    service.server.advance(4)
    service.omics.cancel_run(id=run_id)
    service.server.advance(100)
    run = service.omics.get_run(id=run_id)
    assert run["status"] == "CANCELLED"
    assert keys(service) == []
    first, (task,) = manifest(service, run)
    assert (first["status"], task["name"], task["status"]) == ("CANCELLED", "prepare", "CANCELLED")
    assert service.lines(f"run/{run_id}")[-1] == "The run was cancelled"


def test_what_nobody_reads_is_not_written(by_hand: Callable[..., CwlService]) -> None:
    service = by_hand()
    workflow_id = workflow(service, "WDL", {"main.wdl": WDL})
    run_ids = [service.start(workflow_id, {"sample": "a"}) for _ in range(3)]
    service.server.advance(100)
    state = service.server.account()
    service.read(f"s3://{service.bucket}/out/{run_ids[1]}/logs/outputs.json")
    service.lines(f"run/{run_ids[1]}")
    written = state.aws._s3.buckets[service.bucket].keys
    assert {key.split("/")[1] for key in written} == {run_ids[1]}
    assert {name.split("/")[1] for name in state.aws._logs.groups[LOG_GROUP].streams if name.startswith("run/")} == {
        run_ids[1]
    }
    assert len({key.split("/")[1] for key in keys(service, "out/")}) == 3


def test_every_way_of_reading_finds_what_is_there(service: CwlService, wdl: str) -> None:
    def root() -> str:
        run = service.end(service.start(wdl, {"sample": "a"}))
        return f"out/{run['id']}"

    log = f"{root()}/logs/engine.log"
    assert service.s3.head_object(Bucket=service.bucket, Key=log)["ContentLength"] > 0
    where = {"Bucket": service.bucket, "Key": f"{root()}/logs/engine.log"}
    with urllib.request.urlopen(service.s3.generate_presigned_url("get_object", Params=where)) as answer:
        assert answer.read().startswith(b"Simulated WDL engine")
    service.s3.copy_object(Bucket=service.bucket, Key="copy", CopySource={**where, "Key": f"{root()}/logs/engine.log"})
    assert service.read(f"s3://{service.bucket}/copy").startswith(b"Simulated WDL engine")
    folder = root()
    folders = service.s3.list_objects_v2(Bucket=service.bucket, Prefix=f"{folder}/", Delimiter="/")["CommonPrefixes"]
    assert [each["Prefix"] for each in folders] == [f"{folder}/logs/", f"{folder}/out/"]
    folder = root()
    assert service.s3.list_object_versions(Bucket=service.bucket, Prefix=folder)["Versions"]
    gone = f"{root()}/logs/engine.log"
    service.s3.delete_object(Bucket=service.bucket, Key=gone)
    assert gone not in keys(service)


def test_streams_are_found_by_every_prefix_and_filter(service: CwlService, wdl: str) -> None:
    run = service.end(service.start(wdl, {"sample": "a"}))
    name = f"manifest/run/{run['id']}/{run['uuid']}"
    for prefix in (name, f"manifest/run/{run['id']}/", f"manifest/run/{run['id'][:-1]}", "man"):
        pages = service.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=LOG_GROUP, logStreamNamePrefix=prefix
        )
        found = {stream["logStreamName"]: stream for page in pages for stream in page["logStreams"]}
        assert name in found
        assert found[name]["creationTime"] == found[name]["lastEventTimestamp"]
    run = service.end(service.start(wdl, {"sample": "a"}))
    answer = service.logs.filter_log_events(logGroupName=LOG_GROUP, logStreamNames=[f"run/{run['id']}"])
    assert answer["events"][-1]["message"] == "The run completed"
    run = service.end(service.start(wdl, {"sample": "a"}))
    where = {"logGroupName": LOG_GROUP, "logStreamNamePrefix": f"manifest/run/{run['id']}/"}
    assert len(service.logs.filter_log_events(**where)["events"]) == 3


def test_a_deleted_run_leaves_what_it_has_left(service: CwlService, wdl: str) -> None:
    run = service.end(service.start(wdl, {"sample": "a"}))
    service.omics.delete_run(id=run["id"])
    assert manifest(service, run)[0]["status"] == "COMPLETED"
    assert service.outputs(run)["mapping.reads"] == 1


def test_the_log_level_off_leaves_no_streams_but_outputs(service: CwlService, wdl: str) -> None:
    run = service.end(service.start(wdl, {"sample": "a"}, logLevel="OFF"))
    other = service.end(service.start(wdl, {"sample": "a"}))
    assert service.streams(run["id"]) == []
    assert service.streams(other["id"])
    assert service.outputs(run)


def test_given_outputs_are_the_content_of_declared_ones(by_hand: Callable[..., CwlService]) -> None:
    service = by_hand(outputs={"out/bam/bam.txt": b"BAM", "extra.txt": b"more"})
    run_id = service.start(workflow(service, "WDL", {"main.wdl": WDL}), {"sample": "a"})
    service.server.advance(100)
    run = service.omics.get_run(id=run_id)
    assert service.read(service.outputs(run)["mapping.bam"]) == b"BAM"
    assert service.read(f"{run['runOutputUri']}/extra.txt") == b"more"


def test_whoever_is_notified_of_objects_need_not_read(service: CwlService, server: LocalOmics, wdl: str) -> None:
    queues = server.client("sqs")
    url = queues.create_queue(QueueName=f"objects-{service.bucket[:30]}")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    service.s3.put_bucket_notification_configuration(
        Bucket=service.bucket,
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
    )
    run = service.end(service.start(wdl, {"sample": "a"}))
    wanted = f"{run['id']}%2Flogs%2Foutputs.json"

    def is_told() -> bool:
        messages = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ())
        return any(wanted in message["Body"] for message in messages)

    await_that(is_told, "the notification")


def test_arrays_in_arrays_stay_few_files(service: CwlService) -> None:
    deep = f"{'Array[' * 22}File{']' * 22}"
    text = f"version 1.1\nworkflow w {{ output {{ {deep} deep = [] Array[Array[Array[Int]]] counts = [] }} }}\n"
    run = service.end(service.start(workflow(service, "WDL", {"main.wdl": text}), {}))
    assert len(keys(service)) == 4 + 2
    assert service.outputs(run)["w.counts"] == [[[1], [1]], [[1], [1]]]


def test_a_run_leaves_a_thousand_files_at_most(service: CwlService) -> None:
    outputs = {f"o{n}": {"type": "File", "outputSource": "x"} for n in range(1001)}
    outputs["folder"] = {"type": "Directory", "outputSource": "d"}
    inputs = {"x": "File", "d": "Directory"}
    main = json.dumps({"cwlVersion": "v1.2", "class": "Workflow", "inputs": inputs, "steps": [], "outputs": outputs})
    parameters = {"x": service.put("x", b"x"), "d": service.put("d/x", b"x").removesuffix("x")}
    run = service.end(service.start(workflow(service, "CWL", {"main.cwl": main}), parameters))
    summary = service.outputs(run)
    assert list(summary.values()).count(None) == 2
    assert summary["o1"]["basename"] == "o1.txt"
    assert len(keys(service, "out/")) == 1000 + 2


def test_who_reads_while_another_writes_sees_all_of_it(service: CwlService) -> None:
    outputs = " ".join(f'File o{n} = "x"' for n in range(200))
    workflow_id = workflow(service, "WDL", {"main.wdl": f"version 1.1\nworkflow w {{ output {{ {outputs} }} }}\n"})
    run = service.end(service.start(workflow_id, {}))
    seen: list[int] = []
    readers = [threading.Thread(target=lambda: seen.append(len(keys(service, f"out/{run['id']}/")))) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert seen == [202] * 4


KINDS = """cwlVersion: v1.2
$graph:
- {id: other, class: ExpressionTool, inputs: [], outputs: {wrong: File}, expression: "$(null)"}
- id: main
  class: CommandLineTool
  requirements:
    SchemaDefRequirement: {types: [{name: pair, type: record, fields: {left: File}}, {$import: "strand.yml"}]}
  baseCommand: 'true'
  inputs: []
  stdout: out.txt
  outputs:
    said: stdout
    maybe: File?
    many: File[]
    strand: {type: "strand.yml#strand", outputBinding: {outputEval: "$(null)"}}
    pair: {type: "#main/pair", outputBinding: {outputEval: "$(null)"}}
    letter: {type: {type: enum, symbols: [a, b]}, outputBinding: {outputEval: "$(null)"}}
    any: Any
    part: double
"""


def test_outputs_are_those_that_the_engine_has_read(service: CwlService) -> None:
    files: dict[str, str | bytes] = {
        "main.cwl": KINDS,
        "strand.yml": "{name: strand, type: enum, symbols: [plus, minus]}",
    }
    run = service.end(service.start(workflow(service, "CWL", files), {}))
    outputs = service.outputs(run)
    assert [outputs[name]["basename"] for name in ("said", "maybe")] == ["said.txt", "maybe.txt"]
    assert len(outputs["many"]) == 2
    plain = {name: outputs[name] for name in ("strand", "pair", "letter", "any", "part")}
    assert plain == {"strand": "plus", "pair": {}, "letter": "a", "any": None, "part": 1.0}


def test_what_cannot_be_made_up_for_one_run_is_there_for_others(service: CwlService, wdl: str) -> None:
    broken = service.end(service.start(wdl, {"sample": "a"}))
    other = service.end(service.start(wdl, {"sample": "a"}))
    with service.server.account().lock:
        service.server.account().runs[broken["id"]].start_time = None
    assert f"out/{other['id']}/logs/engine.log" in keys(service)
    assert f"run/{other['id']}/engine" in service.streams(other["id"])


def test_a_deleted_run_keeps_no_definition(service: CwlService, wdl: str) -> None:
    run_id = service.start(wdl, {"sample": "a"})
    run = service.end(run_id)
    record = service.server.account().runs[run_id]
    service.omics.delete_run(id=run_id)
    service.omics.delete_workflow(id=wdl)
    assert record.workflow.definition_zip is None
    assert service.outputs(run)["mapping.reads"] == 1


def test_a_bucket_with_what_nobody_has_read_is_not_empty(service: CwlService, wdl: str) -> None:
    run = service.end(service.start(wdl, {"sample": "a"}))
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        service.s3.delete_bucket(Bucket=service.bucket)
    assert service.outputs(run)
