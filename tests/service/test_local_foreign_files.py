"""Definitions, parameters and run caches that name files of the host or the network: what their owners are told."""

from __future__ import annotations

import io
import json
import re
import stat
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cwl_service import LOG_GROUP, CwlService, await_that, zip_of

from airflow_provider_omics.local import LocalOmics, Quotas, Timings

pytest.importorskip("WDL", reason="needs miniwdl")

TOOL: dict[str, Any] = {"cwlVersion": "v1.2", "class": "CommandLineTool", "inputs": {}, "outputs": {}}
STEP = {"cwlVersion": "v1.2", "class": "Workflow", "inputs": {}, "outputs": {}}
CAT = json.dumps({**TOOL, "baseCommand": "cat", "inputs": {"x": {"type": "File", "inputBinding": {}}}})
WDL_CAT = "version 1.0\ntask t { input { File x } command <<< cat ~{x} >>> output {} }\n"
NO_NETWORK = "is not part of the definition, and nothing is read from the network; put the file into the archive"
OUTSIDE = "lies outside of the definition; put the file into the archive"


@pytest.fixture(scope="module")
def service() -> Iterator[CwlService]:
    with LocalOmics(timings=Timings.fast(), quotas=Quotas.wide()) as server:
        yield CwlService(server)


def told(service: CwlService, engine: str, main: str) -> str:
    """Return why a workflow is FAILED."""
    return told_of(service, engine, zip_of({f"main.{engine.lower()}": main}))


def told_of(service: CwlService, engine: str, archive: bytes, **settings: Any) -> str:
    request = {"name": "attack", "engine": engine, "definitionZip": archive, **settings}
    workflow_id = service.omics.create_workflow(**request)["id"]
    await_that(lambda: service.omics.get_workflow(id=workflow_id)["status"] != "CREATING", "the workflow")
    got = service.omics.get_workflow(id=workflow_id)
    assert got["status"] == "FAILED"
    message: str = got["statusMessage"]
    return message


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("http://192.0.2.1/x.wdl", NO_NETWORK),
        ("s3://bucket/x.wdl", NO_NETWORK),
        ("file:///etc/passwd", OUTSIDE),
        ("/etc/passwd", OUTSIDE),
        ("../../etc/passwd", OUTSIDE),
        ("~/x.wdl", "the definition has no file ~/x.wdl"),
        ("main.wdl", "main.wdl imports itself, or a file that imports it"),
    ],
)
def test_wdl_imports(service: CwlService, uri: str, why: str) -> None:
    message = told(service, "WDL", f'version 1.0\nimport "{uri}" as x\nworkflow w {{}}\n')
    assert message.startswith("main.wdl line 2, column 1: ")
    assert why in message
    assert uri in message


@pytest.mark.parametrize("member", ["run", "import", "include"])
@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("http://192.0.2.1/x.cwl", f"http://192.0.2.1/x.cwl {NO_NETWORK}"),
        ("file:///etc/passwd", f"/etc/passwd {OUTSIDE}"),
        ("/etc/passwd", f"/etc/passwd {OUTSIDE}"),
        ("../../../../../etc/passwd", f"etc/passwd {OUTSIDE}"),
        ("/dev/zero", f"/dev/zero {OUTSIDE}"),
    ],
)
def test_cwl_references(service: CwlService, member: str, uri: str, why: str) -> None:
    step = {**STEP, "steps": {"s": {"run": uri, "in": {}, "out": []}}}
    main = step if member == "run" else {**TOOL, "baseCommand": "true", "doc": {f"${member}": uri}}
    message = told(service, "CWL", json.dumps(main))
    assert message.startswith("main.cwl:1:")
    assert why in message


def step_of(run: Any) -> str:
    return json.dumps({**STEP, "steps": {"s": {"run": run, "in": {}, "out": []}}})


ENDLESS: dict[str, tuple[dict[str, str], str]] = {
    "CWL that runs itself": ({"main.cwl": step_of("main.cwl")}, r"^main.cwl:1:\d+: runs itself. Remove that reference"),
    "CWL that imports itself": (
        {"main.cwl": json.dumps({**TOOL, "hints": {"$import": "main.cwl"}})},
        r"^main.cwl:1:\d+: imports itself. Remove that reference",
    ),
    "CWL that mixes itself in": (
        {"main.cwl": json.dumps({**TOOL, "hints": [{"$mixin": "main.cwl", "class": "x"}]})},
        r"^main.cwl:1:\d+: imports itself",
    ),
    "CWL that imports what runs it": (
        {"main.cwl": step_of({"$import": "b.cwl"}), "b.cwl": step_of("main.cwl")},
        r"^b.cwl:1:\d+: runs itself \(main.cwl -> b.cwl -> main.cwl\). Remove that reference",
    ),
    "two CWL files that run each other": (
        {"main.cwl": step_of("a/b.cwl"), "a/b.cwl": step_of("../main.cwl")},
        r"^a/b.cwl:1:\d+: runs itself \(main.cwl -> a/b.cwl -> main.cwl\)",
    ),
    "CWL with an alias of itself": (
        {"main.cwl": "cwlVersion: v1.2\nhints: &a [*a]\n"},
        "^main.cwl:2:8: contains an alias of itself",
    ),
    "CWL that multiplies": (
        {"main.cwl": step_of("0.cwl")}
        | {
            f"{n}.cwl": json.dumps({**STEP, "steps": {s: {"run": f"{n + 1}.cwl", "in": {}, "out": []} for s in "ab"}})
            for n in range(40)
        }
        | {"40.cwl": json.dumps(TOOL)},
        r"\.cwl:1:\d+: comes to more than 1,000,000 values",
    ),
    "two WDL files that import each other": (
        {"main.wdl": 'version 1.0\nimport "a.wdl" as x\nworkflow w {}\n', "a.wdl": 'version 1.0\nimport "main.wdl"\n'},
        "main.wdl imports itself, or a file that imports it",
    ),
    "three WDL files of which two import each other": (
        {
            name: f'version 1.0\nimport "{other}" as x\nworkflow w {{}}\n'
            for name, other in {"main.wdl": "a.wdl", "a.wdl": "b.wdl", "b.wdl": "a.wdl"}.items()
        },
        "a.wdl imports itself, or a file that imports it",
    ),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_definitions_without_an_end_are_refused(service: CwlService, kind: str) -> None:
    files, why = ENDLESS[kind]
    engine = "WDL" if "main.wdl" in files else "CWL"
    message = told_of(service, engine, zip_of(files), main=f"main.{engine.lower()}")
    assert re.search(why, message), message


def test_links_in_archives(service: CwlService) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("main.cwl", CAT)
        link = zipfile.ZipInfo("passwd")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    message = told_of(service, "CWL", content.getvalue())
    assert message == "The definition holds 'passwd', which is a link; put the file itself there"


@pytest.mark.parametrize(("engine", "main"), [("CWL", CAT), ("WDL", WDL_CAT)])
@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("file:///etc/passwd", "INVALID_URI_INPUT"),
        ("/etc/passwd", "INVALID_URI_INPUT"),
        ("../../etc/passwd", "INVALID_URI_INPUT"),
        ("~/x", "INVALID_URI_INPUT"),
        ("http://192.0.2.1/x", "INVALID_URI_INPUT"),
        ("s3://", "INVALID_URI_INPUT"),
        ("s3://BUCKET", "INVALID_URI_INPUT"),
        ("s3://BUCKET/../x", "INPUT_URI_NOT_FOUND"),
    ],
)
def test_parameters(service: CwlService, engine: str, main: str, uri: str, reason: str) -> None:
    uri = uri.replace("BUCKET", service.bucket)
    run = service.run({f"main.{engine.lower()}": main}, {"x": uri}, engine=engine)
    assert (run["status"], run["failureReason"]) == ("FAILED", reason)
    assert run["statusMessage"].startswith(f"Parameter x: cannot read {uri!r}: ")
    assert "s3://" in run["statusMessage"]


MAKE = {
    "CWL": {
        "main.cwl": json.dumps(
            {**TOOL, "baseCommand": ["sh", "-c", "echo made"], "stdout": "o", "outputs": {"o": "stdout"}}
        )
    },
    "WDL": {"main.wdl": 'version 1.0\ntask t { command <<< echo made > o >>> output { File o = "o" } }\n'},
}


class Cached:
    """A workflow and a run cache in a bucket of its own."""

    def __init__(self, service: CwlService, engine: str) -> None:
        self.bucket = f"cache-{uuid.uuid4()}"
        service.s3.create_bucket(Bucket=self.bucket)
        settings = {"cacheS3Location": f"s3://{self.bucket}/a/../../b", "cacheBehavior": "CACHE_ALWAYS"}
        self.cache_id = service.omics.create_run_cache(**settings)["id"]
        self._service = service
        self._workflow = service.workflow(MAKE[engine], engine=engine)

    def run(self) -> dict[str, Any]:
        """Return how a run ends."""
        return self._service.end(self._service.start(self._workflow, {}, cacheId=self.cache_id))

    def saved(self) -> list[str]:
        """Return the keys of all objects of the cache."""
        return [item["Key"] for item in self._service.s3.list_objects_v2(Bucket=self.bucket)["Contents"]]


@pytest.fixture(params=["CWL", "WDL"])
def cached(service: CwlService, request: pytest.FixtureRequest) -> Cached:
    return Cached(service, request.param)


def test_caches_lie_where_their_uri_says(service: CwlService, cached: Cached) -> None:
    run = cached.run()
    assert run["status"] == "COMPLETED"
    assert cached.saved()
    assert all(re.match(rf"a/\.\./\.\./b/[^/]+/{run['id']}/", key) for key in cached.saved())
    assert [task["cacheHit"] for task in service.tasks(cached.run()["id"])] == [True]


@pytest.mark.parametrize(
    "change",
    [
        {"executables": ["HOST"]},
        {"executables": ["../../../../../../../../..HOST"]},
        {"folders": ["HOST/new"]},
        {"values": "HOST"},
        {"executables": None},
    ],
    ids=json.dumps,
)
def test_changed_entries_reach_no_files_of_the_host(
    service: CwlService, cached: Cached, tmp_path: Path, change: dict[str, Any]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    assert cached.run()["status"] == "COMPLETED"
    (key,) = [key for key in cached.saved() if key.endswith("values.json")]
    entry = json.loads(service.read(f"s3://{cached.bucket}/{key}"))
    if change.get("values") == "HOST":
        entry["values"] = json.loads(re.sub(r'"(kept:)?files/[^"]*"', rf'"\1{secret}"', json.dumps(entry["values"])))
    else:
        entry |= json.loads(json.dumps(change).replace("HOST", str(secret)))
    service.s3.put_object(Bucket=cached.bucket, Key=key, Body=json.dumps(entry).encode())
    run = cached.run()
    assert run["status"] == "FAILED"
    assert re.search(
        "The run cache's entry of the task .* was changed: (it names .* which lies outside of it|values.json cannot be "
        "used: TypeError); delete it from the cache's S3 location, or give another run cache",
        run["statusMessage"],
    )
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_cache_whose_bucket_is_gone_keeps_nobody_from_completing(service: CwlService, cached: Cached) -> None:
    service.s3.delete_bucket(Bucket=cached.bucket)
    run = cached.run()
    assert run["status"] == "COMPLETED"
    streams = {"logGroupName": LOG_GROUP, "logStreamNamePrefix": f"runCache/{cached.cache_id}/"}
    (stream,) = service.logs.describe_log_streams(**streams)["logStreams"]
    lines = service.lines(stream["logStreamName"])
    assert re.search(f"CACHE_ENTRY_FAILED run {run['id']} task .*{cached.bucket}", lines[-1])
    with pytest.raises(ClientError, match=cached.bucket):
        service.omics.create_run_cache(cacheS3Location=f"s3://{cached.bucket}/x")


def test_no_run_finds_what_a_task_has_put_into_the_folder_of_the_cache(service: CwlService) -> None:
    """A task may write to all of its run's folder, that of the cache too; it saves nothing there for others."""
    cache = service.omics.create_run_cache(cacheS3Location=f"s3://{service.bucket}/own", cacheBehavior="CACHE_ALWAYS")[
        "id"
    ]
    command = (
        'd=$PWD; while [ ! -d "$d/cache" ]; do d=$(dirname "$d"); done; mkdir -p $d/cache/9/files; '
        "echo evil > $d/cache/9/files/o; ln -s /etc/passwd $d/cache/9/values.json"
    )
    tool = {**TOOL, "baseCommand": ["sh", "-c", command]}
    run = service.run({"main.cwl": json.dumps(tool)}, {}, cacheId=cache)
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    listed = service.s3.list_objects_v2(Bucket=service.bucket, Prefix="own/")["Contents"]
    assert not [item["Key"] for item in listed if "/9/" in item["Key"]]
    assert all(b"root:" not in service.read(f"s3://{service.bucket}/{item['Key']}") for item in listed)
