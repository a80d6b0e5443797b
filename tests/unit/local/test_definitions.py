"""Which definitions a workflow can be made of, and what is read from them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_omics.local.executors.engine_pool import EnginePool
from airflow_provider_omics.local.executors.engine_reading import EngineReader
from airflow_provider_omics.local.workflows.definitions import Definition, DefinitionError, read_outline

Read = Callable[[bytes, Mapping[str, Any]], Definition]

TOOL = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: echo
inputs:
  reads: {type: File, doc: The reads}
  second: File?
  label: {type: [string, "null"], label: A label}
  threads: {type: int, default: 1}
outputs: []
"""


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    """Read a definition as CreateWorkflow does, with cwltool where it is CWL."""
    pool = EnginePool()
    loaders = {"CWL": EngineReader(pool, "CWL")}

    def read_definition(archive: bytes, request: Mapping[str, Any]) -> Definition:
        outline = read_outline(archive, request)
        return outline.definition(loaders.get(outline.engine))

    yield read_definition
    pool.close()


def zipped(files: dict[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        for name, text in files.items():
            opened.writestr(name, text)
    return content.getvalue()


@pytest.mark.parametrize(
    ("suffix", "engine", "text"),
    [("wdl", "WDL", "version 1.0\nworkflow w {}"), ("nf", "NEXTFLOW", "workflow {}"), ("cwl", "CWL", TOOL)],
)
def test_the_engine_is_guessed_from_the_files(read: Read, suffix: str, engine: str, text: str) -> None:
    content = zipped({f"flow.{suffix}": text, "notes.txt": "text"})
    definition = read(content, {})
    assert (definition.engine, definition.main) == (engine, f"flow.{suffix}")
    assert definition.digest == hashlib.sha256(content).hexdigest()


def test_hidden_files_say_nothing_of_the_engine(read: Read) -> None:
    content = zipped({"main.nf": "workflow {}", ".cache/main.wdl": "version 1.0\nworkflow w {}"})
    assert (read(content, {}).engine, read(content, {}).main) == ("NEXTFLOW", "main.nf")


def test_a_given_engine_wins(read: Read) -> None:
    wdl = "version 1.0\nworkflow w {}"
    assert read(zipped({"main.wdl": wdl}), {"engine": "WDL_LENIENT"}).engine == "WDL_LENIENT"
    assert read(zipped({"main.wdl": wdl, "main.cwl": TOOL}), {"engine": "CWL"}).main == "main.cwl"


@pytest.mark.parametrize(
    ("files", "request_main", "main"),
    [
        ({"a.cwl": TOOL}, None, "a.cwl"),
        ({"a.cwl": TOOL, "main.cwl": TOOL}, None, "main.cwl"),
        ({"flow/main.cwl": TOOL, "flow/tools/a.cwl": TOOL}, None, "flow/main.cwl"),
        ({"a.cwl": TOOL, "main.cwl": TOOL}, "a.cwl", "a.cwl"),
        ({"a.cwl": TOOL, "tools/main.cwl": TOOL, "tools/b.cwl": TOOL}, None, "a.cwl"),
        ({"flow/a.cwl": TOOL, "flow/tools/main.cwl": TOOL, ".cwl-cache/main.cwl": TOOL}, None, "flow/a.cwl"),
    ],
)
def test_the_main_file_is_found(read: Read, files: dict[str, str | bytes], request_main: str | None, main: str) -> None:
    assert read(zipped(files), {"main": request_main}).main == main


def test_parameters_of_a_cwl_process_become_the_template(read: Read) -> None:
    assert read(zipped({"a.cwl": TOOL}), {}).parameter_template == {
        "reads": {"description": "The reads", "optional": False},
        "second": {"optional": True},
        "label": {"description": "A label", "optional": True},
        "threads": {"optional": True},
    }


@pytest.mark.parametrize("prefix", ["#main/", "", "#"])
def test_packed_and_listed_inputs_are_read_too(read: Read, prefix: str) -> None:
    process = {"class": "Workflow", "id": "#main", "inputs": [{"id": f"{prefix}reads", "type": "File"}]}
    process |= {"outputs": [], "steps": []}
    tool = {"class": "CommandLineTool", "id": "#tool", "baseCommand": "true", "inputs": [], "outputs": []}
    packed = {"cwlVersion": "v1.2", "$graph": [tool, process]}
    definition = read(zipped({"packed.cwl": json.dumps(packed)}), {})
    assert definition.parameter_template == {"reads": {"optional": False}}


def test_a_given_template_wins_over_the_files(read: Read) -> None:
    template = {"reads": {"description": "mine", "optional": True}}
    content = zipped({"a.cwl": TOOL, "template.json": json.dumps({"other": {}})})
    assert read(content, {"parameterTemplate": template}).parameter_template == template
    by_path = read(content, {"parameterTemplatePath": "template.json"})
    assert by_path.parameter_template == {"other": {}}


def test_wdl_and_nextflow_parameters_stay_unknown(read: Read) -> None:
    assert read(zipped({"main.nf": "params.reads = null"}), {}).parameter_template == {}


def test_the_readme_is_found(read: Read) -> None:
    content = zipped({"a.cwl": TOOL, "README.md": "# Flow", "docs/other.md": "# Other"})
    assert read(content, {}).readme == "# Flow"
    assert read(content, {"readmePath": "docs/other.md"}).readme == "# Other"
    assert read(zipped({"a.cwl": TOOL}), {}).readme is None


@pytest.mark.parametrize(
    ("content", "request_members", "message"),
    [
        (b"not a zip", {}, "zip archive"),
        (zipped({"a.cwl": TOOL})[:-30], {}, "zip archive"),
        (zipped({}), {}, "empty"),
        (zipped({"../evil.cwl": TOOL}), {}, "outside"),
        (zipped({"/evil.cwl": TOOL}), {}, "outside"),
        (zipped({"notes.txt": "text"}), {}, "no .wdl, .nf or .cwl"),
        (zipped({"a.cwl": TOOL, "a.wdl": "version 1.0\nworkflow w {}"}), {}, "more than one engine"),
        (zipped({"a.cwl": TOOL, "b.cwl": TOOL}), {}, "2 .cwl files"),
        (zipped({"x/main.cwl": TOOL, "y/main.cwl": TOOL}), {}, "2 .cwl files"),
        (zipped({"a.cwl": TOOL}), {"engine": "WDL"}, "no .wdl file"),
        (zipped({"a.cwl": TOOL}), {"main": "b.cwl"}, "b.cwl"),
        (zipped({"a.cwl": " \n"}), {}, "empty"),
        (zipped({"a.cwl": b"\xff\xfe\x00"}), {}, "UTF-8"),
        (zipped({"a.cwl": "cwlVersion: [v1.2"}), {}, r"a.cwl:1:18:\s+expected ',' or '\]'"),
        (zipped({"a.cwl": "class: Workflow"}), {}, "cwlVersion"),
        (zipped({"a.cwl": "just text"}), {}, "cwlVersion"),
        (zipped({"a.cwl": "cwlVersion: v1.2\nclass: Other"}), {}, "Other"),
        (zipped({"a.cwl": "cwlVersion: v1.2\n$graph: []"}), {}, "must specify one of .*; name it in main, as a.cwl#id"),
        (zipped({"a.cwl": "cwlVersion: v1.2\nclass: Workflow\ninputs: [reads]"}), {}, "inputs"),
        (zipped({"a.cwl": TOOL}), {"parameterTemplatePath": "t.json"}, "t.json"),
        (zipped({"a.cwl": TOOL, "t.json": "{"}), {"parameterTemplatePath": "t.json"}, "not JSON"),
        (
            zipped({"a.cwl": TOOL, "t.json": '{"reads": {"optional": "no"}}'}),
            {"parameterTemplatePath": "t.json"},
            "optional",
        ),
        (
            zipped({"a.cwl": TOOL, "t.json": "[" * 200_000}),
            {"parameterTemplatePath": "t.json"},
            "'t.json' is nested too deeply",
        ),
        (
            zipped({"a.cwl": TOOL, "t.json": '{"reads": ' + "[" * 900 + "]" * 900 + "}"}),
            {"parameterTemplatePath": "t.json"},
            "reads",
        ),
        (zipped({"a.cwl": TOOL}), {"readmePath": "docs.md"}, "docs.md"),
    ],
)
def test_what_cannot_be_used_says_why(
    read: Read, content: bytes, request_members: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        read(content, request_members)


@given(at=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 40))
@example(at=401, value=0, cut=0)  # leaves a member without a name
def test_damaged_archives_never_do_worse_than_fail(read: Read, at: int, value: int, cut: int) -> None:
    content = bytearray(zipped({"main.cwl": TOOL, "README.md": "# Flow"}))
    content[at % len(content)] = value
    damaged = bytes(content[: len(content) - cut])
    with contextlib.suppress(DefinitionError):
        assert read(damaged, {}).engine == "CWL"
