"""CWL documents that import, run or contain themselves are found before an engine reads them; others are left alone."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from airflow_provider_omics.workflows.bundle import DefinitionError
from airflow_provider_omics.workflows.cwl_references import check_references, read_references

HEAD = "cwlVersion: v1.2\nclass: Workflow\ninputs: {}\noutputs: {}\n"
TOOL = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: echo\ninputs: {}\noutputs: {}\n"


def flow(*runs: str) -> str:
    """Return a workflow whose steps run these, from line 6 on, each in a line."""
    return f"{HEAD}steps:\n" + "".join(f"  s{n}: {{run: {run}, in: {{}}, out: []}}\n" for n, run in enumerate(runs))


def packed(*processes: str) -> str:
    return "cwlVersion: v1.2\n$graph:\n" + "".join(f"- {process}\n" for process in processes)


def step(run: str) -> str:
    return f"{{id: step, run: '{run}', in: [], out: []}}"


def refused(files: Mapping[str, str], main: str = "main.cwl") -> str:
    with pytest.raises(DefinitionError) as caught:
        check_references(main, files.get)
    return str(caught.value.issue)


CYCLES: dict[str, tuple[dict[str, str], str]] = {
    "run": ({"main.cwl": flow("main.cwl")}, "main.cwl:6:13: runs itself. Remove that reference."),
    "run under another spelling": ({"main.cwl": flow("./a/../m%61in.cwl")}, "main.cwl:6:13: runs itself"),
    "two that run each other": (
        {"main.cwl": flow("lib/b.cwl"), "lib/b.cwl": flow("../main.cwl")},
        "lib/b.cwl:6:13: runs itself (main.cwl -> lib/b.cwl -> main.cwl). Remove that reference.",
    ),
    "three": (
        {"main.cwl": flow("b.cwl"), "b.cwl": flow("c.cwl"), "c.cwl": flow("t.cwl", "main.cwl"), "t.cwl": TOOL},
        "c.cwl:7:13: runs itself (main.cwl -> b.cwl -> c.cwl -> main.cwl). Remove",
    ),
    "two of which neither is the main one": (
        {"main.cwl": flow("b.cwl"), "b.cwl": flow("c.cwl"), "c.cwl": flow("b.cwl")},
        "c.cwl:6:13: runs itself (b.cwl -> c.cwl -> b.cwl).",
    ),
    "run of an import": ({"main.cwl": flow("{$import: main.cwl}")}, "main.cwl:6:23: imports itself."),
    "import": ({"main.cwl": f"{HEAD}steps: []\nhints: {{$import: main.cwl}}\n"}, "main.cwl:6:18: imports itself."),
    "mixin": (
        {"main.cwl": f"{HEAD}steps: []\nhints: [{{$mixin: main.cwl, a: b}}]\n"},
        "main.cwl:6:18: imports itself.",
    ),
    "two that import each other": (
        {"main.cwl": f"{HEAD}steps: {{$import: s.yml}}\n", "s.yml": "[{$import: main.cwl}]\n"},
        "s.yml:1:12: imports itself (main.cwl -> s.yml -> main.cwl).",
    ),
    "import and run": (
        {"main.cwl": f"{HEAD}steps: {{$import: s.yml}}\n", "s.yml": "a: {run: main.cwl, in: {}, out: []}\n"},
        "s.yml:1:10: runs itself (main.cwl -> s.yml -> main.cwl).",
    ),
    "import by a prefix": (
        {"main.cwl": f"$namespaces: {{x: ./}}\n{HEAD}steps: {{$import: 'x:main.cwl'}}\n"},
        "main.cwl:6:18: imports itself.",
    ),
    "import of what is beside it in a file that imports itself": (
        {"main.cwl": f"{HEAD}steps: {{$import: 's.yml#a'}}\n", "s.yml": "[{name: a}, {$mixin: s.yml}]\n"},
        "s.yml:1:22: imports itself.",
    ),
    "process of a packed document": (
        {"main.cwl": packed(f"{{id: main, class: Workflow, inputs: [], outputs: [], steps: [{step('#main')}]}}")},
        "main.cwl:3:80: runs itself.",
    ),
    "processes of a packed document": (
        {
            "main.cwl": packed(
                f"{{id: main, class: Workflow, steps: [{step('#b')}]}}", f"{{id: b, steps: [{step('main.cwl')}]}}"
            )
        },
        "main.cwl:4:35: runs itself.",
    ),
    "alias": ({"main.cwl": f"{HEAD}steps: &a [{{x: *a}}]\n"}, "main.cwl:5:8: contains an alias of itself."),
    "JSON": ({"main.cwl": json.dumps({"steps": [{"run": "main.cwl", "in": []}]}, indent="\t")}, "main.cwl:4:11: runs"),
}


@pytest.mark.parametrize("kind", CYCLES)
def test_documents_without_an_end_are_refused_with_file_line_and_column(kind: str) -> None:
    files, wanted = CYCLES[kind]
    assert refused(files).startswith(wanted)


SOUND: dict[str, dict[str, str]] = {
    "one tool in many steps": {"main.cwl": flow("t.cwl", "t.cwl", "b.cwl"), "b.cwl": flow("t.cwl"), "t.cwl": TOOL},
    "step of its tool's name": {
        "main.cwl": packed(
            "{id: main, class: Workflow, steps: [{id: echo, run: '#echo', in: [], out: []}]}",
            "{id: echo, class: CommandLineTool}",
        )
    },
    "processes of one file that run those of another and are run by them": {
        "main.cwl": packed(f"{{id: main, steps: [{step('b.cwl#b')}]}}", "{id: tool, class: CommandLineTool}"),
        "b.cwl": packed(f"{{id: b, steps: [{step('main.cwl#tool')}]}}"),
    },
    "text of itself": {"main.cwl": f"{HEAD}steps: []\ndoc: {{$include: main.cwl}}\n"},
    "types that are used twice": {
        "main.cwl": f"{HEAD}steps: []\nhints: [{{$import: types.yml}}, {{$import: types.yml}}]\n",
        "types.yml": "[{name: a}, {name: b, fields: [{$import: 'more.yml#c'}]}]\n",
        "more.yml": "[{name: c, fields: [{$import: 'types.yml#a'}]}]\n",
    },
    "run that is data": {"main.cwl": f"{HEAD}steps: []\nhints: [{{run: main.cwl}}]\n"},
    "aliases": {"main.cwl": f"{HEAD}steps: []\nhints: [&a {{x: y}}, *a, *a]\n"},
    "nothing there": {"main.cwl": flow("none.cwl", "http://example.com/x.cwl", "/etc/passwd", "'#none'", "[]")},
    "no YAML": {"main.cwl": flow("b.cwl", "c.cwl", "d.cwl"), "b.cwl": "a: [", "c.cwl": "", "d.cwl": "\x00"},
}


@pytest.mark.parametrize("files", SOUND.values(), ids=SOUND.keys())
def test_what_comes_to_an_end_is_left_to_the_engine(files: dict[str, str]) -> None:
    check_references("main.cwl", files.get)


NO_STEPS: dict[str, str] = {
    "inputs of these names": f"{TOOL.replace('inputs: {}', 'inputs: {run: string, out: string, in: File}')}",
    "value": TOOL.replace("inputs: {}", "inputs: {x: {type: Any, default: {in: a, run: b, steps: {c: {run: d}}}}}"),
    "fields of a record": TOOL.replace(
        "inputs: {}", "inputs: {x: {type: {type: record, fields: {run: string, in: string}}}}"
    ),
    "steps of data": TOOL + "hints: [{class: x, steps: [{run: b, in: [], out: []}]}]\n",
    "input and output of a step": f"{HEAD}steps: {{s: {{run: t.cwl, in: {{run: x, out: x}}, out: [run]}}}}\n",
    "step called run": f"{HEAD}steps: {{run: {{run: t.cwl, in: {{}}, out: []}}}}\n",
    "value of what a step runs": f"{HEAD}steps: [{{id: s, in: [], out: [], run: {{class: CommandLineTool, inputs: "
    "{run: {type: Any, default: {run: b, in: c}}}, outputs: {}}}]\n",
}


@pytest.mark.parametrize("text", NO_STEPS.values(), ids=NO_STEPS.keys())
def test_only_what_a_step_runs_is_a_reference(text: str) -> None:
    found = read_references("main.cwl", {"main.cwl": text, "t.cwl": TOOL}.get)
    assert (found.issues, found.is_closed) == ((), True)


STEPS: dict[str, dict[str, str]] = {
    "map": {"main.cwl": flow("none.cwl")},
    "list": {"main.cwl": f"{HEAD}steps: [{step('none.cwl')}]\n"},
    "without in and out": {"main.cwl": f"{HEAD}steps: {{s: {{run: none.cwl}}}}\n"},
    "graph": {"main.cwl": packed("{id: main, class: Workflow}", f"{{id: b, steps: [{step('none.cwl')}]}}")},
    "embedded": {"main.cwl": flow(f"{{class: Workflow, steps: [{step('none.cwl')}]}}")},
    "imported list": {"main.cwl": f"{HEAD}steps: [{{$import: s.yml}}]\n", "s.yml": f"[{step('none.cwl')}]"},
    "imported step": {"main.cwl": f"{HEAD}steps: {{s: {{$import: s.yml}}}}\n", "s.yml": step("none.cwl")},
    "imported process": {"main.cwl": packed("{$import: b.cwl}"), "b.cwl": flow("none.cwl")},
    "imported as data, and run": {
        "main.cwl": f"{flow('b.cwl')}hints: [{{$import: b.cwl}}]\n",
        "b.cwl": flow("none.cwl"),
    },
    "alias of data": {"main.cwl": f"hints: [&a {step('none.cwl')}]\n{HEAD}steps: [*a]\n"},
}


@pytest.mark.parametrize("files", STEPS.values(), ids=STEPS.keys())
def test_whatever_a_step_runs_has_to_be_there(files: dict[str, str]) -> None:
    (issue,) = read_references("main.cwl", files.get).issues
    assert issue.what == "runs none.cwl, and there is no such file"


@pytest.mark.parametrize("run", ["", "''", "~", "null"])
def test_a_step_that_runs_nothing_does_not_run_itself(run: str) -> None:
    files = {"main.cwl": f"{HEAD}steps:\n  s:\n    in: {{}}\n    out: []\n    run: {run}\n"}
    (issue,) = read_references("main.cwl", files.get).issues
    where = "main.cwl:9:10" if run else "main.cwl:9:9"
    assert (issue.where, issue.what) == (where, "run has no value")
    (issue,) = read_references("main.cwl", {"main.cwl": f"{TOOL}hints: {{$import: {run}}}\n"}.get).issues
    assert issue.what == "$import has no value"


def test_what_multiplies_is_refused_without_being_written_out() -> None:
    files = {f"{n}.cwl": flow(f"{n + 1}.cwl", f"{n + 1}.cwl") for n in range(60)} | {"60.cwl": TOOL}
    assert "comes to more than 1,000,000 values with all that it imports, runs and repeats" in refused(files, "0.cwl")
    aliases = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(60))
    assert refused({"main.cwl": aliases}).startswith("main.cwl:19:6: comes to more than 1,000,000 values")


def test_what_is_nested_too_deeply_is_no_fault_of_this_process() -> None:
    for text in ("[" * 100_000, "{a: " * 100_000, "- " * 100_000, "[" * 600 + "]" * 600):
        assert refused({"main.cwl": text}).startswith(
            "main.cwl:1: is nested too deeply to be read. Give its parts files"
        )
    files = {f"{n}.cwl": flow(f"{n + 1}.cwl") for n in range(2000)}
    assert refused(files, "0.cwl").startswith("0.cwl:1: is nested too deeply to be read. Give its parts files")
