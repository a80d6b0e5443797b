"""Broken CWL: each is refused before any call, with file, line and remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from broken_cases import CWL, FLOW, Cases, check_told, network_refused, write

from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator
from airflow_provider_omics.workflows.cwl_messages import cwltool_issues

BROKEN: Cases = {
    "syntax": ({"main.cwl": "cwlVersion: v1.2\nclass: [\n"}, {}, "main.cwl:3:1: is neither YAML nor JSON"),
    "no version": ({"main.cwl": "class: Workflow\n"}, {}, "main.cwl:1: has no cwlVersion. Begin it with"),
    "class": ({"main.cwl": "cwlVersion: v1.2\n\nclass: Tool\n"}, {}, "main.cwl:3: has class 'Tool'"),
    "type": ({"main.cwl": CWL.replace("string", "strng")}, {}, "main.cwl:5:3: Field 'type' references unknown"),
    "missing tool": (
        {"main.cwl": FLOW.format(source="name")},
        {},
        "main.cwl:8:10: runs say.cwl, and there is no such file. Put the file into the definition, as say.cwl",
    ),
    "unknown source": (
        {"main.cwl": FLOW.format(source="nmae"), "say.cwl": CWL},
        {},
        "main.cwl:10:7: Field 'source' references unknown identifier 'nmae'",
    ),
    "tool that runs its workflow": (
        {"main.cwl": FLOW.format(source="name"), "say.cwl": FLOW.format(source="name").replace("say.cwl", "main.cwl")},
        {},
        "say.cwl:8:10: runs itself (main.cwl -> say.cwl -> main.cwl). Remove that reference.",
    ),
    "import of itself": (
        {"main.cwl": f"{CWL}hints: {{$import: main.cwl}}\n"},
        {"parameter_template": "made"},
        "main.cwl:8:18: imports itself. Remove that reference.",
    ),
    "graph without main": (
        {"main.cwl": "cwlVersion: v1.2\n$graph:\n- {id: a, class: CommandLineTool}\n"},
        {},
        "main.cwl:2: has a $graph without a process of the id main. Give the workflow the id main.",
    ),
    "version that is none": ({"main.cwl": CWL.replace("v1.2", "v1.9")}, {}, "main.cwl:1: has cwlVersion 'v1.9'"),
    "abstract operation": (
        {"main.cwl": "cwlVersion: v1.2\nclass: Operation\ninputs: {}\noutputs: {}\n"},
        {},
        "main.cwl:2: has class 'Operation', which HealthOmics does not run. Use one of",
    ),
    "field": (
        {"main.cwl": f"{CWL}basecommand: x\n"},
        {},
        "main.cwl:8:1: invalid field 'basecommand'",
    ),
    "types of a link": (
        {"main.cwl": FLOW.format(source="name").replace("name: string", "name: int"), "say.cwl": CWL},
        {},
        """main.cwl:10:7: Source 'name' of type "int" is incompatible with sink 'name' of type "string". Give both""",
    ),
    "scatter without its requirement": (
        {"main.cwl": FLOW.format(source="name").replace("    in:", "    scatter: name\n    in:"), "say.cwl": CWL},
        {},
        "main.cwl:9:5: Workflow contains scatter but ScatterFeatureRequirement not in requirements. Add requirements:",
    ),
    "no value": (
        {"main.cwl": "cwlVersion: v1.2\nclass: CommandLineTool\ninputs:\noutputs: {}\n"},
        {},
        "main.cwl:3:8: inputs has no value. Write inputs: [] if there are none.",
    ),
    "tool of an address": (
        {"main.cwl": FLOW.format(source="name").replace("say.cwl", "https://example.com/say.cwl")},
        {},
        "main.cwl:8:10: runs https://example.com/say.cwl, and HealthOmics reads only files of the definition. Put a",
    ),
    "file of the worker": (
        {"main.cwl": FLOW.format(source="name").replace("say.cwl", "/etc/hostname")},
        {},
        "main.cwl:8:10: runs /etc/hostname, which lies outside of the definition. Put a copy of it into the definition",
    ),
    "text that is included": (
        {"main.cwl": f"{CWL}requirements:\n- class: InlineJavascriptRequirement\n  expressionLib: [$include: a.js]\n"},
        {},
        "main.cwl:10:29: includes a.js, and there is no such file. Put the file into the definition, as a.js",
    ),
    "tool that is empty": (
        {"main.cwl": FLOW.format(source="name"), "say.cwl": ""},
        {},
        "say.cwl:1: is empty. Write a CWL process into it.",
    ),
    "syntax of a tool": (
        {"main.cwl": FLOW.format(source="name"), "say.cwl": "cwlVersion: v1.2\ninputs: [\n"},
        {},
        "say.cwl:3:1: is neither YAML nor JSON",
    ),
    "no process of that id": (
        {"main.cwl": "cwlVersion: v1.2\n$graph:\n- {id: a, class: CommandLineTool}\n"},
        {"main": "main.cwl#b"},
        "main.cwl:2: has a $graph without a process of the id b.",
    ),
}


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    with network_refused():
        yield


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_in_cwl_is_told_before_any_call(tmp_path: Path, kind: str) -> None:
    check_told(tmp_path, BROKEN[kind])


def test_main_may_name_a_process_of_cwl(tmp_path: Path) -> None:
    tool = "class: CommandLineTool, baseCommand: echo, outputs: {}"
    graph = f"cwlVersion: v1.2\n$graph:\n- {{id: a, {tool}, inputs: {{x: int}}}}\n- {{id: b, {tool}, inputs: {{}}}}\n"
    folder = write(tmp_path / "flow", {"flow.cwl": graph})
    operator = OmicsCreateWorkflowOperator(
        task_id="create", name="w", definition=folder, main="flow.cwl#a", parameter_template="made"
    )
    request = operator.creation().request
    assert (request["main"], list(request["parameterTemplate"])) == ("flow.cwl#a", ["x"])


def test_what_cwltool_says_without_a_place_is_told_too() -> None:
    (issue,) = cwltool_issues("INFO x\nERROR I'm sorry, I couldn't load this CWL file.\n", "main.cwl")
    assert str(issue).startswith("main.cwl: cwltool refuses it: ERROR I'm sorry")
