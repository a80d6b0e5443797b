"""The types of a workflow's parameters, out of its definition."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from airflow_provider_omics.healthomics.run_settings import definition_types as module
from airflow_provider_omics.healthomics.run_settings.definition_types import DefinitionUnreadableError, definition_types

WDL = """version 1.1
import "lib/structs.wdl"
workflow germline {
    input {
        String sample
        Int min_len = 30
        Float? fraction
        Boolean dedup
        Array[File]+ bams
        Array[Array[Int]] lanes
        Map[String, Int] sizes
        Family family
        File reference
    }
    call count { input: threads = min_len }
}
task count {
    input { Int threads  String? extra }
    command {}
}
"""
STRUCTS = "version 1.1\nstruct Family { String id Array[String] members }\n"
CWL: dict[str, Any] = {
    "cwlVersion": "v1.2",
    "class": "Workflow",
    "inputs": {
        "sample": "string",
        "min_len": "int?",
        "fraction": {"type": "double", "default": 0.5},
        "dedup": ["null", "boolean"],
        "bams": "File[]",
        "lanes": {"type": {"type": "array", "items": "long"}},
        "either": ["int", "string"],
        "mode": {"type": {"type": "enum", "symbols": ["a", "b"]}},
        "pair": {"type": {"type": "record", "fields": []}},
    },
    "outputs": [],
    "steps": [],
}
TYPED = {"sample": "string", "min_len": "int", "fraction": "float", "dedup": "boolean"}
SCHEMA: dict[str, Any] = {
    "properties": {"outdir": {"type": "string"}},
    "$defs": {"trimming": {"properties": {"min_len": {"type": "integer"}, "skip_qc": {"type": "boolean"}}}},
    "definitions": {"more": {"properties": {"fraction": {"type": "number"}, "run": {"type": ["string", "integer"]}}}},
}


def zipped(**files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def test_wdl_says_the_types_of_its_workflow_s_inputs_and_not_of_its_calls() -> None:
    pytest.importorskip("WDL")
    archive = zipped(**{"main.wdl": WDL, "lib/structs.wdl": STRUCTS})
    assert definition_types(archive, "WDL", None) == {
        **TYPED,
        "bams": "file[]",
        "lanes": "json",
        "sizes": "json",
        "family": "json",
        "reference": "file",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version 1.1\nworkflow {", "miniwdl cannot read it"),
        ('version 1.1\nimport "/etc/hostname"\nworkflow w { input { Int n } }', "miniwdl cannot read it"),
        ('version 1.1\nimport "http://192.0.2.1/x.wdl"\nworkflow w { input { Int n } }', "miniwdl cannot read it"),
    ],
)
def test_wdl_that_cannot_be_read_says_so(text: str, told: str) -> None:
    pytest.importorskip("WDL")
    with pytest.raises(DefinitionUnreadableError, match=told):
        definition_types(zipped(**{"main.wdl": text}), "WDL_LENIENT", "main.wdl")


def test_wdl_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PARSING_SECONDS", 0.01)
    with pytest.raises(DefinitionUnreadableError, match="takes longer than"):
        definition_types(zipped(**{"main.wdl": WDL}), "WDL", None)


def test_cwl_says_the_types_of_its_inputs_unless_they_may_be_several() -> None:
    expected = {**TYPED, "bams": "file[]", "lanes": "int[]", "mode": "string", "pair": "json"}
    assert definition_types(zipped(**{"main.cwl": json.dumps(CWL)}), "CWL", None) == expected
    listed = {**CWL, "id": "#main", "inputs": [{"id": f"#main/{name}", "type": "int"} for name in ("a", "b")]}
    packed = zipped(**{"x.cwl": json.dumps({"$graph": [{"id": "#tool", "inputs": {"c": "string"}}, listed]})})
    assert definition_types(packed, "CWL", "x.cwl") == {"a": "int", "b": "int"}
    assert definition_types(packed, "CWL", "x.cwl#tool") == {"c": "string"}


def test_nextflow_says_them_in_its_schema() -> None:
    archive = zipped(**{"main.nf": "", "nextflow_schema.json": json.dumps(SCHEMA), "sub/nextflow_schema.json": "{}"})
    expected = {"outdir": "string", "min_len": "int", "skip_qc": "boolean", "fraction": "float"}
    assert definition_types(archive, "NEXTFLOW", "main.nf") == expected


def damaged() -> bytes:
    """An archive whose compressed content is no such content."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("main.cwl", "class: CommandLineTool")
    start = packed.getvalue().index(b"main.cwl") + len("main.cwl")
    return packed.getvalue()[:start] + b"\xff" * 8 + packed.getvalue()[start + 8 :]


@pytest.mark.parametrize(
    ("archive", "engine", "told"),
    [
        (b"no zip", "CWL", "no zip archive that can be read"),
        (damaged(), "CWL", "no zip archive that can be read"),
        (zipped(**{"main.nf": ""}), "NEXTFLOW", "has no nextflow_schema.json"),
        (zipped(**{"a.wdl": "", "b.wdl": ""}), "WDL", "has 2 .wdl files"),
        (zipped(**{"a.wdl": ""}), "CWL", "has 0 .cwl files"),
        (zipped(**{"main.wdl": " " * (5 << 20)}), "WDL", "too large"),
        (zipped(**{"../main.wdl": WDL}), "WDL", "outside of the archive"),
    ],
)
def test_what_does_not_say_them_says_why(archive: bytes, engine: str, told: str) -> None:
    with pytest.raises(DefinitionUnreadableError, match=told):
        definition_types(archive, engine, None)


def test_a_link_that_is_no_url_is_not_followed() -> None:
    with pytest.raises(DefinitionUnreadableError, match="is no URL"):
        module.download("file:///etc/hostname")


def test_the_reader_of_wdl_gets_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("WDL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    seen: list[dict[str, str]] = []
    run = module.subprocess.run

    def watched(*args: Any, env: dict[str, str], **kwargs: Any) -> Any:
        seen.append(env)
        return run(*args, env=env, **kwargs)

    monkeypatch.setattr(module.subprocess, "run", watched)
    archive = zipped(**{"main.wdl": "version 1.1\nworkflow w { input { Int n } }"})
    assert definition_types(archive, "WDL", None) == {"n": "int"}
    assert [name for env in seen for name in env if name.startswith("AWS")] == []
