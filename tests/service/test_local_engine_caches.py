"""Run caches of workflows that are really run: what is taken from them, and what is computed again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cwl_service import CwlService, await_that
from two_tasks import OPEN, WDL, cwl_of_image

from airflow_provider_omics.local import LocalOmics, Quotas, Timings

ALWAYS, ON_FAILURE = "CACHE_ALWAYS", "CACHE_ON_FAILURE"


class Engine:
    """A workflow of two tasks in one language, and a run cache."""

    def __init__(self, service: CwlService, language: str) -> None:
        self.service = service
        self.language = language
        self.prefix = "w." if language == "WDL" else ""
        self.workflows: dict[str, str] = {}

    def cache(self, behavior: str = ALWAYS) -> str:
        location = f"s3://{self.service.bucket}/cache"
        cache_id: str = self.service.omics.create_run_cache(cacheS3Location=location, cacheBehavior=behavior)["id"]
        return cache_id

    def run(self, cache_id: str, **given: Any) -> dict[str, Any]:
        return self.service.end(self.start(cache_id, **given))

    def start(
        self, cache_id: str, text: bytes = b"word\n", word: str = "word", image: str = "one", gate: str = OPEN
    ) -> str:
        parameters: dict[str, Any] = {"text": self.service.put("in.txt", text), "word": word, "gate": gate}
        if self.language == "WDL":
            files, parameters["image"] = {"main.wdl": WDL}, image
        else:
            files = {"main.cwl": cwl_of_image(image)}
        key = json.dumps(files)
        if key not in self.workflows:
            self.workflows[key] = self.service.workflow(files, engine=self.language)
        return self.service.start(self.workflows[key], parameters, cacheId=cache_id)

    def hits(self, run: dict[str, Any]) -> list[bool]:
        return [task["cacheHit"] for task in self.service.tasks(run["id"])]

    def output(self, run: dict[str, Any], name: str) -> str:
        output = self.service.outputs(run)[f"{self.prefix}{name}"]
        return self.service.read(output if isinstance(output, str) else output["location"]).decode()


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="auto", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        yield started


@pytest.fixture(params=["WDL", "CWL"])
def engine(server: LocalOmics, request: pytest.FixtureRequest) -> Engine:
    return Engine(CwlService(server), request.param)


def test_the_same_run_again_does_no_work_and_leaves_the_same(engine: Engine) -> None:
    cache = engine.cache()
    first, again = engine.run(cache), engine.run(cache)
    assert (first["status"], again["status"]) == ("COMPLETED", "COMPLETED"), again.get("statusMessage")
    assert (engine.hits(first), engine.hits(again)) == ([False, False], [True, True])
    assert engine.output(first, "made") == engine.output(again, "made")
    assert engine.output(again, "found") == "word\n"
    task = engine.service.tasks(again["id"])[0]
    original = engine.service.tasks(first["id"])[0]
    assert f"/{first['id']}/{original['taskId']}/" in task["cacheS3Uri"]
    assert (task["cpus"], task["memory"]) == (original["cpus"], original["memory"]) == (3, 5)


def test_what_differs_in_contents_or_image_is_computed_again(engine: Engine) -> None:
    cache = engine.cache()
    first = engine.run(cache)
    other = engine.run(cache, text=b"word \n")
    image = engine.run(cache, image="two")
    assert engine.hits(other) == engine.hits(image) == [False, False]
    assert len({engine.output(run, "made") for run in (first, other, image)}) == 3


@pytest.mark.parametrize("behavior", [ALWAYS, ON_FAILURE])
def test_a_run_goes_on_after_what_a_failed_one_has_finished(engine: Engine, behavior: str) -> None:
    cache = engine.cache(behavior)
    failed, again = engine.run(cache, word="other"), engine.run(cache)
    assert (failed["status"], again["status"]) == ("FAILED", "COMPLETED")
    assert (engine.hits(failed), engine.hits(again)) == ([False, False], [True, False])


def test_a_completed_run_saves_nothing_under_cache_on_failure(engine: Engine) -> None:
    cache = engine.cache(ON_FAILURE)
    first, again = engine.run(cache), engine.run(cache)
    assert (first["status"], engine.hits(again)) == ("COMPLETED", [False, False])
    listing = engine.service.s3.list_objects_v2(Bucket=engine.service.bucket, Prefix="cache/")
    assert listing["KeyCount"] == 0


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_cancelled_run_leaves_its_finished_tasks_to_the_cache_and_no_outputs(
    engine: Engine, tmp_path: Path, is_saved: bool
) -> None:
    service, gate = engine.service, tmp_path / "gate"
    service.server.change(assumptions={"cancelled_run_fills_cache": is_saved})
    cache = engine.cache()
    run_id = engine.start(cache, gate=str(gate))
    running = ["COMPLETED", "RUNNING"]
    await_that(lambda: [task["status"] for task in service.tasks(run_id)] == running, "the second task")
    service.omics.cancel_run(id=run_id)
    cancelled = service.end(run_id)
    # Whoever sees its end may count on what it leaves: nothing of it goes on, and nothing is still to come.
    gate.touch()
    again = engine.run(cache, gate=str(gate))

    assert (cancelled["status"], cancelled.get("failureReason")) == ("CANCELLED", None)
    assert [task["status"] for task in service.tasks(run_id)] == ["COMPLETED", "CANCELLED"]
    assert service.lines(f"run/{run_id}")[-1] == "The run was cancelled"
    (manifest,) = [name for name in service.streams(run_id) if name.startswith("manifest/")]
    described = [json.loads(line) for line in service.lines(manifest)]
    assert [each.get("status") for each in described] == ["CANCELLED", "COMPLETED", "CANCELLED"]
    assert service.s3.list_objects_v2(Bucket=service.bucket, Prefix=f"out/{run_id}")["KeyCount"] == 0
    assert (again["status"], engine.hits(again)) == ("COMPLETED", [is_saved, False])
    saved = service.s3.list_objects_v2(Bucket=service.bucket, Prefix="cache/").get("Contents", [])
    assert any(f"/{run_id}/" in item["Key"] for item in saved) is is_saved


def test_an_entry_without_its_files_is_a_miss(engine: Engine) -> None:
    cache = engine.cache()
    engine.run(cache)
    for item in engine.service.s3.list_objects_v2(Bucket=engine.service.bucket, Prefix="cache/")["Contents"]:
        if "made.txt" in item["Key"]:
            engine.service.s3.delete_object(Bucket=engine.service.bucket, Key=item["Key"])
    again = engine.run(cache)
    assert (again["status"], engine.hits(again)) == ("COMPLETED", [False, False])


ALONE = {
    "WDL": """version 1.1
task alone {
  input { String x = "x" }
  command <<< mkdir -p d/empty; cat /proc/sys/kernel/random/uuid > d/f; cp d/f tool; chmod +x tool; cp d/f tool.idx >>>
  output { File tool = "tool" Array[File] all = glob("d/f") }
  meta { volatile: VOLATILE }
}
""",
    "CWL": """cwlVersion: v1.2
class: CommandLineTool
requirements: {ShellCommandRequirement: {}, WorkReuse: {enableReuse: REUSED}}
inputs: []
baseCommand: []
arguments:
  - shellQuote: false
    valueFrom: mkdir -p d/empty; cat /proc/sys/kernel/random/uuid > d/f; cp d/f tool; chmod +x tool; cp d/f tool.idx
outputs:
  tool: {type: File, outputBinding: {glob: tool}, secondaryFiles: [.idx]}
  all: {type: Directory, outputBinding: {glob: d}}
""",
}


@pytest.mark.parametrize("reused", [True, False])
def test_a_single_task_with_folders_and_files_beside_it(engine: Engine, reused: bool) -> None:
    text = ALONE[engine.language].replace("REUSED", str(reused).lower()).replace("VOLATILE", str(not reused).lower())
    files = {f"main.{engine.language.lower()}": text}
    workflow = engine.service.workflow(files, engine=engine.language)
    cache = engine.cache()
    first, again = (engine.service.end(engine.service.start(workflow, {}, cacheId=cache)) for _ in range(2))
    assert (first["status"], again["status"]) == ("COMPLETED", "COMPLETED"), again.get("statusMessage")
    assert engine.hits(again) == [reused]
    engine.prefix = "alone." if engine.language == "WDL" else ""
    assert (engine.output(first, "tool") == engine.output(again, "tool")) is reused
    outputs = [(run, json.dumps(engine.service.outputs(run), sort_keys=True)) for run in (first, again)]
    shapes = [text.replace(run["runOutputUri"], "") for run, text in outputs]
    assert shapes[0] == shapes[1]
