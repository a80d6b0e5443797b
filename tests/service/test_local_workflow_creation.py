"""CreateWorkflow and CreateWorkflowVersion answer once the definition was read, and hold nobody up meanwhile."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cwl_service import ROLE, await_that, zip_of

from airflow_provider_omics.local import LocalOmics, Quotas, Timings
from airflow_provider_omics.local.background import Background
from airflow_provider_omics.local.clock import ManualClock
from airflow_provider_omics.local.executors.engine_reading import EngineReader
from airflow_provider_omics.local.workflows.definitions import DefinitionError, DefinitionOutline, LoadedDefinition
from airflow_provider_omics.local.workflows.machine import await_definition

RUN = {"roleArn": ROLE, "outputUri": "s3://results/x"}


class HeldLoader:
    """Loads definitions once it may."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.may_go_on = threading.Event()
        self.error: DefinitionError | None = None

    def __call__(self, outline: DefinitionOutline) -> LoadedDefinition:
        self.asked.release()
        self.may_go_on.wait()
        if self.error is not None:
            raise self.error
        return LoadedDefinition(outline.main, {})

    def kept(self, _outline: DefinitionOutline) -> LoadedDefinition | None:
        return None


@pytest.fixture(params=[None, ManualClock], ids=["real", "manual"])
def server(request: pytest.FixtureRequest) -> Iterator[LocalOmics]:
    clock = request.param() if request.param else None
    with LocalOmics(executor="simulated", timings=Timings.fast(), quotas=Quotas.wide(), clock=clock) as started:
        started.client("s3").create_bucket(Bucket="results")
        yield started


@pytest.fixture
def held(server: LocalOmics) -> Iterator[HeldLoader]:
    loader = HeldLoader()
    server.account().loaders = {"CWL": loader}
    yield loader
    loader.may_go_on.set()


def definition(inputs: str) -> bytes:
    """Zip a definition that no other test has, so that it was not read before."""
    return zip_of(
        {
            "main.cwl": "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: echo\n"
            f"label: of {__name__}\ninputs: {inputs}\noutputs: []\n"
        }
    )


def test_what_follows_at_once_sees_active_or_failed(server: LocalOmics, held: HeldLoader) -> None:
    omics = server.client("omics")

    def go_on_after_other_calls() -> None:
        held.asked.acquire()
        (listed,) = omics.list_workflows()["items"]
        assert listed["status"] == "CREATING"
        with pytest.raises(omics.exceptions.ConflictException, match="is CREATING"):
            omics.start_run(workflowId=listed["id"], **RUN)
        held.may_go_on.set()

    with ThreadPoolExecutor(1) as threads:
        others = threads.submit(go_on_after_other_calls)
        made = omics.create_workflow(name="good", definitionZip=definition("[]"))
        assert omics.start_run(workflowId=made["id"], **RUN)["status"] == "PENDING"
        others.result()
    # The service's answer says so, however soon it is over.
    assert made["status"] == "CREATING"
    version = {"workflowId": made["id"], "versionName": "bad"}
    held.error = DefinitionError("main.cwl:1: bad")
    assert omics.create_workflow_version(**version, definitionZip=definition("[]"))["status"] == "CREATING"
    got = omics.get_workflow_version(**version)
    assert (got["status"], got["statusMessage"]) == ("FAILED", "main.cwl:1: bad")


def test_a_call_that_is_repeated_while_the_first_waits_makes_nothing_twice(
    server: LocalOmics, held: HeldLoader
) -> None:
    omics = server.client("omics")
    request = {"name": "x", "definitionZip": definition("[]"), "requestId": "once"}
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(omics.create_workflow, **request)
        held.asked.acquire()
        server.change(timings={"workflow_creating": 1})
        again = omics.create_workflow(**request)
        held.may_go_on.set()
        assert first.result()["id"] == again["id"]
    assert [item["id"] for item in omics.list_workflows()["items"]] == [again["id"]]


def test_the_wait_is_bounded(server: LocalOmics, held: HeldLoader) -> None:
    server.change(timings={"workflow_creating": 0.001})
    made = server.client("omics").create_workflow(name="x", definitionZip=definition("[]"))
    server.change(timings={"workflow_creating": 0.0})
    state = server.account()
    await_definition(state, made, seconds=0.01)
    assert state.workflows[made["id"]].status == "CREATING"
    # Neither is one that was deleted in the meantime waited for.
    del state.workflows[made["id"]]
    await_definition(state, made)


def test_definitions_that_hang_hold_up_no_others(server: LocalOmics, held: HeldLoader) -> None:
    state = server.account()
    hanging, quick = held, HeldLoader()
    quick.may_go_on.set()
    state.loaders = {"CWL": hanging, "WDL": quick}
    state.background = Background(seconds=0.01)
    server.change(timings={"workflow_creating": 0.001})
    omics = server.client("omics")
    made = [omics.create_workflow(name="hangs", definitionZip=definition("[]"))["id"] for _ in range(12)]
    if isinstance(server.clock, ManualClock):
        server.clock.advance(1)
        with state.lock:
            state.timeline.run_due()
    for _ in made:
        hanging.asked.acquire()
    server.change(timings={"workflow_creating": 0.0})
    other = omics.create_workflow(name="other", engine="WDL", definitionZip=zip_of({"main.wdl": "workflow w {}"}))
    assert omics.get_workflow(id=other["id"])["status"] == "ACTIVE"
    assert {omics.get_workflow(id=each)["status"] for each in made} == {"CREATING"}


def test_a_time_in_creating_is_not_waited_for(server: LocalOmics, held: HeldLoader) -> None:
    server.change(timings={"workflow_creating": 0.001})
    omics = server.client("omics")
    workflow_id = omics.create_workflow(name="x", definitionZip=definition("[]"))["id"]
    assert omics.get_workflow(id=workflow_id)["status"] == "CREATING"
    held.may_go_on.set()
    if isinstance(server.clock, ManualClock):
        server.advance(1)
        assert omics.get_workflow(id=workflow_id)["status"] == "ACTIVE"
    await_that(lambda: omics.get_workflow(id=workflow_id)["status"] == "ACTIVE", "the workflow")


def test_a_call_that_waits_ends_with_the_server(server: LocalOmics, held: HeldLoader) -> None:
    omics = server.client("omics")
    with ThreadPoolExecutor(2) as threads:
        call = threads.submit(omics.create_workflow, name="x", definitionZip=definition("[]"))
        held.asked.acquire()
        resetting = threads.submit(server.reset)
        assert call.result()["status"] == "CREATING"
        assert not resetting.done()
        held.may_go_on.set()
        resetting.result()


def test_what_was_read_before_needs_no_background(server: LocalOmics) -> None:
    omics = server.client("omics")
    content = definition("{kept: int}")
    first = omics.create_workflow(name="first", definitionZip=content)["id"]
    await_that(lambda: omics.get_workflow(id=first)["status"] == "ACTIVE", "the first workflow")
    state = server.account()
    assert isinstance(state.loaders["CWL"], EngineReader)
    state.background.close()
    again = omics.create_workflow(name="again", definitionZip=content)["id"]
    assert omics.get_workflow(id=again)["status"] == "ACTIVE"


# Each struct has twice the members of the one before, and miniwdl looks at each of them.
ENDLESS_WDL = (
    "version 1.0\nstruct S0 { Int a }\n"
    + "".join(f"struct S{n + 1} {{ S{n} a S{n} b }}\n" for n in range(30))
    + "workflow w { input { S30 s } }\n"
)


@pytest.mark.parametrize("engine", ["WDL", "WDL_LENIENT"])
def test_wdl_without_an_end_holds_up_neither_others_nor_the_end_of_the_server(
    monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.delitem(sys.modules, "WDL", raising=False)
    with LocalOmics(executor="simulated", timings=Timings(workflow_creating=0.001)) as server:
        omics = server.client("omics")

        def created(text: str) -> str:
            made: str = omics.create_workflow(
                name="x", engine=engine, definitionZip=zip_of({"main.wdl": f"{text}# of {__name__}\n"})
            )["id"]
            return made

        endless = created(ENDLESS_WDL)
        small = created("version 1.0\nworkflow w { input { Int n } }\n")
        await_that(lambda: omics.get_workflow(id=small)["status"] == "ACTIVE", "the small workflow")
        assert omics.get_workflow(id=small)["parameterTemplate"] == {"n": {"optional": False}}
        assert omics.get_workflow(id=endless)["status"] == "CREATING"
        state = server.account()
        record = state.workflows[endless]
    # What was read was given up, and somebody's definition was never read in this process.
    assert record.status == "FAILED"
    assert "WDL" not in sys.modules
