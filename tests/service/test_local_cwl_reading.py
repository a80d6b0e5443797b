"""CWL definitions at CreateWorkflow and CreateWorkflowVersion: read by cwltool's own loader, and by nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cwl_service import CwlService, await_that, zip_of

from airflow_provider_omics.local import LocalOmics, Quotas, Timings
from airflow_provider_omics.local.clock import ManualClock
from airflow_provider_omics.local.executors.engine_pool import EnginePool
from airflow_provider_omics.local.executors.engine_reading import EngineReader
from airflow_provider_omics.local.workflows.definitions import DefinitionError, read_outline

TOOL = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: echo
inputs: INPUTS
outputs: []
"""
WORKFLOW = """
cwlVersion: v1.2
class: Workflow
inputs: []
outputs: []
steps: [{id: step, run: RUN, in: [], out: OUT}]
"""
PACKED = """
cwlVersion: v1.2
$graph:
- {id: say, class: CommandLineTool, baseCommand: [echo, said], inputs: [], outputs: {text: stdout}, stdout: text}
- id: once
  class: Workflow
  inputs: {word: 'string?'}
  outputs: {text: {type: File, outputSource: step/text}}
  steps: {step: {run: '#say', in: [], out: [text]}}
"""
TWICE = """
- id: twice
  class: Workflow
  inputs: {number: int}
  outputs: []
  steps: {step: {run: '#say', in: [], out: [text]}, other: {run: '#say', in: [], out: [text]}}
"""
# Ten lines of ten references to the line before: more values than any loader gets through.
# Has no end that a test would wait for.
ENDLESS = TOOL.replace("INPUTS", "{" + ", ".join(f"i{n}: string" for n in range(100_000)) + "}")


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="cwl", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        yield started


@pytest.fixture(scope="module")
def service(server: LocalOmics) -> CwlService:
    return CwlService(server)


def tool(inputs: str) -> str:
    return TOOL.replace("INPUTS", inputs)


def workflow(run: str, out: str = "[]") -> str:
    return WORKFLOW.replace("RUN", run).replace("OUT", out)


def create(service: CwlService, files: Mapping[str, str | bytes], **settings: Any) -> dict[str, Any]:
    """Create a workflow and return GetWorkflow's answer once its definition was read."""
    made = service.omics.create_workflow(name="test", definitionZip=zip_of(files), **settings)
    assert made["status"] == "CREATING"
    got: dict[str, Any] = await_that(lambda: described(service, made["id"]), "the workflow")
    return got


def described(service: CwlService, workflow_id: str) -> dict[str, Any] | None:
    got: dict[str, Any] = service.omics.get_workflow(id=workflow_id)
    return None if got["status"] == "CREATING" else got


def message_of(got: Mapping[str, Any]) -> str:
    """Return why a workflow is FAILED."""
    assert got["status"] == "FAILED"
    message: str = got["statusMessage"]
    # Nothing of where the definition lies on this machine.
    assert "airflow-omics-local" not in message
    return message


@pytest.mark.parametrize(
    ("files", "template"),
    [
        ({"main.cwl": tool("\n  s: string?\n  on: boolean\n  n: int")}, {"s": True, "on": False, "n": False}),
        (
            {
                "main.cwl": '{\n\t"cwlVersion": "v1.2",\n\t"class": "CommandLineTool",\n\t"baseCommand": "echo",\n'
                '\t"inputs": {"off": ["null", "string"]},\n\t"outputs": []\n}'
            },
            {"off": True},
        ),
        (
            {"main.cwl": tool("{$import: parts/inputs.yml}"), "parts/inputs.yml": "[{id: a, type: File?}]"},
            {"a": True},
        ),
        (
            {
                "main.cwl": tool("{lane: {type: {$import: parts/lane.yml}}, n: {type: int, default: 1}}"),
                "parts/lane.yml": "{name: lane, type: record, fields: {reads: File}}",
            },
            {"lane": False, "n": True},
        ),
    ],
    ids=["yaml-1.2", "tabs", "imported-inputs", "imported-type"],
)
def test_what_cwltool_reads_is_active_with_its_parameters(
    service: CwlService, files: dict[str, str], template: dict[str, bool]
) -> None:
    got = create(service, files)
    assert got["status"] == "ACTIVE", got.get("statusMessage")
    assert {name: about["optional"] for name, about in got["parameterTemplate"].items()} == template


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"main.cwl": tool("{s: strng}")}, "Field 'type' references unknown identifier 'strng'"),
        ({"main.cwl": tool("[]").replace("v1.2", "v2.7")}, "Supported versions are: v1.0"),
        ({"main.cwl": "class: Workflow"}, "No cwlVersion found"),
        ({"main.cwl": workflow("nowhere.cwl")}, "Field 'run' contains undefined reference to 'nowhere.cwl'"),
        ({"main.cwl": workflow("other.cwl"), "other.cwl": tool("{s: strng}")}, "unknown identifier 'strng'"),
        ({"main.cwl": workflow("other.cwl", "[txet]"), "other.cwl": tool("[]")}, "txet"),
        ({"main.cwl": tool("{s: }")}, "main.cwl:5"),
        ({"main.cwl": PACKED + TWICE}, "must specify one of #say, #once, #twice; name it in main, as main.cwl#id"),
    ],
    ids=["type", "version", "no-version", "missing", "step", "unknown-output", "nothing", "packed"],
)
def test_what_cwltool_refuses_is_failed_with_its_message(
    service: CwlService, files: dict[str, str], message: str
) -> None:
    assert message in message_of(create(service, files, main="main.cwl"))


def test_a_version_is_read_so_too(service: CwlService) -> None:
    workflow_id = create(service, {"main.cwl": tool("[]")})["id"]
    for name, inputs in (("good", "{on: int}"), ("bad", "{on: imt}")):
        service.omics.create_workflow_version(
            workflowId=workflow_id, versionName=name, definitionZip=zip_of({"main.cwl": tool(inputs)})
        )
    answers = {}
    for name in ("good", "bad"):
        where = {"workflowId": workflow_id, "versionName": name}
        await_that(lambda where=where: service.omics.get_workflow_version(**where)["status"] != "CREATING", name)
        answers[name] = service.omics.get_workflow_version(**where)
    assert answers["good"]["parameterTemplate"] == {"on": {"optional": False}}
    assert "'imt'" in message_of(answers["bad"])


@pytest.mark.parametrize(
    ("main", "named"),
    [
        (tool("{$import: /etc/passwd}"), "/etc/passwd"),
        (tool("{$import: 'file:///etc/passwd'}"), "/etc/passwd"),
        (tool("{$import: ../../secret}"), "../../secret"),
        (tool("{$import: ../definition.zip}"), "../definition.zip"),
        (workflow("/etc/passwd"), "/etc/passwd"),
        (workflow("../../secret.cwl#x"), "../../secret.cwl"),
        (
            tool("[]") + "requirements: {InlineJavascriptRequirement: {expressionLib: [{$include: /etc/passwd}]}}",
            "/etc/passwd",
        ),
    ],
)
def test_a_definition_has_no_other_files_of_the_machine(service: CwlService, main: str, named: str) -> None:
    message = message_of(create(service, {"main.cwl": main}))
    assert f" {named} lies outside of the definition; put the file into the archive" in message


@pytest.mark.parametrize("main", [tool("{$import: 'URL'}"), workflow("URL"), tool("[]") + "$schemas: [schema.jsonld]"])
def test_a_definition_has_no_network(service: CwlService, main: str) -> None:
    # The server itself would answer.
    url = f"{service.server.endpoint_url}/x.cwl"
    files = {"main.cwl": main.replace("URL", url), "schema.jsonld": json.dumps({"@context": url, "@id": "a"})}
    message = message_of(create(service, files))
    assert "put " in message
    assert "into the archive" in message
    assert "the network" in message


def test_schemas_on_the_network_are_done_without(service: CwlService) -> None:
    namespaces = "$namespaces: {edam: 'http://edamontology.org/'}\n$schemas: ['http://edamontology.org/EDAM.owl']\n"
    assert create(service, {"main.cwl": tool("{n: int}") + namespaces})["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("text", "main", "entry", "parameter"),
    [
        (PACKED, None, "flow.cwl#once", "word"),
        (PACKED + TWICE, "flow.cwl#twice", "flow.cwl#twice", "number"),
        (PACKED + TWICE.replace("twice", "main"), None, "flow.cwl", "number"),
        (PACKED.replace("say", "main"), "flow.cwl#once", "flow.cwl#once", "word"),
    ],
    ids=["only-entry", "named", "main", "other-than-main"],
)
def test_the_process_of_a_packed_file_is_found(
    service: CwlService, text: str, main: str | None, entry: str, parameter: str
) -> None:
    got = create(service, {"flow.cwl": text}, **({"main": main} if main else {}))
    assert got["status"] == "ACTIVE", got.get("statusMessage")
    assert got["main"] == entry
    assert list(got["parameterTemplate"]) == [parameter]


@pytest.mark.parametrize("main", [None, "flow.cwl#once"])
def test_a_packed_file_s_process_is_run(service: CwlService, main: str | None) -> None:
    workflow_id = create(service, {"flow.cwl": PACKED}, **({"main": main} if main else {}))["id"]
    run = service.end(service.start(workflow_id, {}))
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    assert service.read(service.outputs(run)["text"]["location"]) == b"said\n"


def test_others_are_served_while_a_definition_is_read(service: CwlService) -> None:
    service.server.change(timings={"workflow_creating": 0.001})
    endless = service.omics.create_workflow(name="endless", definitionZip=zip_of({"main.cwl": ENDLESS}))["id"]
    service.server.change(timings={"workflow_creating": 0.0})
    assert create(service, {"main.cwl": tool("[]")})["status"] == "ACTIVE"
    assert service.omics.get_workflow(id=endless)["status"] == "CREATING"


def test_a_definition_without_an_end_is_given_up() -> None:
    pool = EnginePool()
    try:
        with pytest.raises(DefinitionError, match=r"within 0\.2 seconds"):
            EngineReader(pool, "CWL", seconds=0.2)(read_outline(zip_of({"main.cwl": ENDLESS}), {}))
    finally:
        pool.close()


def test_the_simulated_executor_s_server_reads_with_cwltool_too() -> None:
    clock = ManualClock()
    with LocalOmics(executor="simulated", timings=Timings.fast(), clock=clock) as server:
        omics = server.client("omics")
        good, bad = (
            omics.create_workflow(name="x", definitionZip=zip_of({"main.cwl": tool(inputs)}))["id"]
            for inputs in ("{on: int}", "{on: imt}")
        )
        # A clock that is moved by hand waits for what is read.
        server.advance(1)
        assert omics.get_workflow(id=good)["parameterTemplate"] == {"on": {"optional": False}}
        assert "'imt'" in message_of(omics.get_workflow(id=bad))
