"""Run caches: what a run saves in them, and what a later run need not do again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cwl_service import LOG_GROUP, CwlService, zip_of

from airflow_provider_omics.local import Assumptions, LocalOmics, ManualClock, Timings

ALWAYS, ON_FAILURE = "CACHE_ALWAYS", "CACHE_ON_FAILURE"
FAILS = {"omics-local:outcome": "RUN_TASK_FAILED"}


class CachedRuns:
    """An account with a workflow of tasks of 10 seconds each, whose clock is moved by hand, and a run cache."""

    def __init__(self, server: LocalOmics, behavior: str) -> None:
        self.service = CwlService(server)
        location = f"s3://{self.service.bucket}/cache"
        self.cache_id = self.service.omics.create_run_cache(cacheS3Location=location, cacheBehavior=behavior)["id"]
        self.workflow_id = self.workflow("version 1.0\nworkflow w {}\n")

    def workflow(self, definition: str) -> str:
        archive = zip_of({"main.wdl": definition})
        workflow_id: str = self.service.omics.create_workflow(engine="WDL", definitionZip=archive)["id"]
        self.service.server.advance(1)
        status = self.service.omics.get_workflow(id=workflow_id)["status"]
        assert status == "ACTIVE"
        return workflow_id

    def begin(self, parameters: Any = None, tasks: str = "a b c d", tags: Any = None, **settings: Any) -> str:
        request = {"cacheId": self.cache_id, "tags": {"omics-local:tasks": tasks, **(tags or {})}, **settings}
        workflow_id = request.pop("workflowId", self.workflow_id)
        return self.service.start(workflow_id, parameters or {}, **request)

    def end(self, run_id: str) -> dict[str, Any]:
        self.service.server.advance(1000)
        return self.service.end(run_id)

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return self.end(self.begin(*args, **kwargs))

    def hits(self, run: dict[str, Any]) -> str:
        """Return the names of the tasks that came out of the cache."""
        return "".join(task["name"] for task in self.service.tasks(run["id"]) if task["cacheHit"])

    def completed(self, run: dict[str, Any]) -> str:
        return "".join(task["name"] for task in self.service.tasks(run["id"]) if task["status"] == "COMPLETED")


@pytest.fixture
def caching() -> Iterator[Callable[..., CachedRuns]]:
    started: list[LocalOmics] = []

    def start(behavior: str = ALWAYS, **assumptions: Any) -> CachedRuns:
        timings = Timings(running_min=40, running_max=40)
        server = LocalOmics(
            executor="simulated", clock=ManualClock(), timings=timings, assumptions=Assumptions(**assumptions), seed=3
        )
        started.append(server.start())
        return CachedRuns(server, behavior)

    yield start
    for server in started:
        server.stop()


def test_the_same_run_again_takes_every_task_from_the_cache(caching: Callable[..., CachedRuns]) -> None:
    account = caching()
    first = account.run({"x": 1})
    again = account.run({"x": 1})
    assert (account.hits(first), account.hits(again)) == ("", "abcd")
    assert (first["stopTime"] - first["startTime"]).total_seconds() > 40
    assert (again["stopTime"] - again["startTime"]).total_seconds() < 5

    task = account.service.tasks(again["id"])[0]
    original = account.service.tasks(first["id"])[0]
    cache = account.service.omics.get_run_cache(id=account.cache_id)
    folder, _, entry_id = task["cacheS3Uri"].rpartition("/")
    assert folder.startswith(f"{cache['cacheS3Uri']}/")
    assert folder.endswith(f"/{first['id']}/{original['taskId']}")
    manifest = account.service.read(f"{task['cacheS3Uri']}/{entry_id}.json").decode()
    assert f"runCache/{account.cache_id}/cacheEntry/{entry_id}" in manifest
    assert account.service.read(f"{task['cacheS3Uri']}/out/a.txt")
    assert "cacheS3Uri" not in original
    cached = account.service.lines(f"manifest/run/{again['id']}/{again['uuid']}")[1:]
    assert all('"cacheHit": true' in line and "startTime" not in line and "metrics" not in line for line in cached)


def test_the_cache_has_a_log(caching: Callable[..., CachedRuns]) -> None:
    account = caching()
    for _ in range(2):
        account.run(tasks="a")
    prefix = f"runCache/{account.cache_id}/"
    streams = account.service.logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=prefix)
    (stream,) = streams["logStreams"]
    words = [line.split()[0] for line in account.service.lines(stream["logStreamName"])]
    assert words == ["CACHE_MISS", "CACHE_ENTRY_CREATED", "CACHE_HIT"]


@pytest.mark.parametrize(
    ("behavior", "override", "hits"),
    [(ON_FAILURE, None, ""), (ALWAYS, None, "ab"), (ALWAYS, ON_FAILURE, ""), (ON_FAILURE, ALWAYS, "ab")],
)
def test_a_completed_run_saves_only_under_cache_always(
    caching: Callable[..., CachedRuns], behavior: str, override: str | None, hits: str
) -> None:
    account = caching(behavior)
    settings = {"cacheBehavior": override} if override else {}
    account.run(tasks="a b", **settings)
    assert account.hits(account.run(tasks="a b", **settings)) == hits


@pytest.mark.parametrize("behavior", [ON_FAILURE, ALWAYS])
def test_a_run_goes_on_after_the_last_task_that_a_failed_one_has_finished(
    caching: Callable[..., CachedRuns], behavior: str
) -> None:
    account = caching(behavior)
    failed = account.run({"x": 1}, name="sample", tags=FAILS)
    finished = account.completed(failed)
    assert failed["status"] == "FAILED"
    assert 0 < len(finished) < 4
    again = account.run({"x": 1}, name="sample")
    assert again["status"] == "COMPLETED"
    assert account.hits(again) == finished


@pytest.mark.parametrize("reason", ["FILE_SYSTEM_OUT_OF_SPACE", "RUN_TIMED_OUT", "EXPORT_FAILED"])
def test_some_failures_save_nothing(caching: Callable[..., CachedRuns], reason: str) -> None:
    account = caching()
    assert account.run(tags={"omics-local:outcome": reason})["failureReason"] == reason
    assert account.hits(account.run()) == ""


@pytest.mark.parametrize(("saves", "hits"), [(True, "a"), (False, "")])
def test_a_cancelled_run_saves_what_was_finished(caching: Callable[..., CachedRuns], saves: bool, hits: str) -> None:
    account = caching(cancelled_run_fills_cache=saves)
    run_id = account.begin()
    account.service.server.advance(20)
    account.service.omics.cancel_run(id=run_id)
    assert account.end(run_id)["status"] == "CANCELLED"
    assert account.hits(account.run()) == hits


def test_other_inputs_images_tasks_and_definitions_miss(caching: Callable[..., CachedRuns]) -> None:
    account = caching()
    uri = account.service.put("in.txt", b"one")
    account.run({"file": uri})
    assert account.hits(account.run({"file": uri})) == "abcd"
    assert account.hits(account.run({"file": uri, "x": 1})) == ""
    assert account.hits(account.run({"file": uri}, tags={"omics-local:image": "bwa:2"})) == ""
    assert account.hits(account.run({"file": uri}, tasks="a b x d")) == "ab"
    assert account.hits(account.run({"file": uri}, workflowId=account.workflow("version 1.0\nworkflow v {}\n"))) == ""
    account.service.put("in.txt", b"two")
    assert account.hits(account.run({"file": uri})) == ""


def test_another_workflow_of_the_same_definition_hits_and_another_cache_does_not(
    caching: Callable[..., CachedRuns],
) -> None:
    account = caching()
    account.run()
    assert account.hits(account.run(workflowId=account.workflow("version 1.0\nworkflow w {}\n"))) == "abcd"
    location = f"s3://{account.service.bucket}/cache"
    other = account.service.omics.create_run_cache(cacheS3Location=location)["id"]
    assert account.hits(account.run(cacheId=other)) == ""


def test_an_entry_that_is_gone_from_s3_is_computed_again_with_what_follows(
    caching: Callable[..., CachedRuns],
) -> None:
    account = caching()
    account.run()
    lost = account.service.tasks(account.run()["id"])[1]["cacheS3Uri"]
    bucket, _, key = lost.removeprefix("s3://").partition("/")
    account.service.s3.delete_object(Bucket=bucket, Key=f"{key}/{lost.rpartition('/')[2]}.json")
    again = account.run()
    assert (again["status"], account.hits(again)) == ("COMPLETED", "a")
    assert account.hits(account.run()) == "abcd"
