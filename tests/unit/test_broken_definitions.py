"""Broken definitions: each is refused before any call, with file, line and remedy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broken_cases import CWL, FLOW, NF, WDL, Cases, Files, check_told, network_refused, told, write
from task_runs import run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator
from airflow_provider_omics.workflows.failure import places

REPOSITORY = {
    "connectionArn": "arn:aws:codeconnections:us-east-1:123456789012:connection/a",
    "fullRepositoryId": "group/flow",
}


def noise(size: int) -> bytes:
    """Bytes that do not become fewer when zipped."""
    return random.Random(1).randbytes(size)


BROKEN: Cases = {
    "no files": ({}, {}, ": has no files. Give the folder that holds the definition."),
    "nothing but junk": ({".git/HEAD": "x", "a.pyc": "x"}, {}, ": has no files. Give"),
    "no definition": ({"main.txt": "x"}, {}, "holds no .wdl, .nf, .cwl file. Give the folder that"),
    "no file of the engine": ({"main.wdl": WDL}, {"engine": "CWL"}, "holds no .cwl file for the engine CWL. Give"),
    "two mains": ({"a.wdl": WDL, "b.wdl": WDL}, {}, "(a.wdl, b.wdl), and not exactly one is named main.wdl. Give main"),
    "two engines": ({"main.wdl": WDL, "main.cwl": CWL}, {}, "more than one engine (CWL, WDL). Give the engine, or"),
    "main misspelt": ({"main.wdl": WDL}, {"main": "mian.wdl"}, "main: the main file 'mian.wdl' is not in"),
    "main in a folder": ({"flows/align.wdl": WDL}, {"main": "align.wdl"}, "Give flows/align.wdl."),
    "main of another engine": ({"main.nf": NF}, {"main": "main.nf", "engine": "WDL"}, "main.nf: is no main file of"),
    "main of no engine": ({"main.py": "x"}, {"main": "main.py"}, "main.py: is of no engine that HealthOmics has"),
    "main empty": ({"main.wdl": " \n"}, {}, "main.wdl:1: is empty. Write the workflow into it"),
    "main not UTF-8": ({"main.wdl": b"version 1.0\n# \xff\n"}, {}, "main.wdl:2: is not UTF-8 text"),
    "too large": ({"main.wdl": WDL, "ref.fa": noise(4_500_000)}, {}, "Upload the zip to S3 and give its s3:// URI, or"),
    "UTF-16": ({"main.cwl": CWL.encode("utf-16")}, {}, "main.cwl:1: is UTF-16 text. Save it as UTF-8."),
    "suffix in capitals": ({"MAIN.WDL": WDL}, {}, "Rename MAIN.WDL to MAIN.wdl."),
    "archive in a folder": ({"flow.tar.gz": b"x"}, {}, "or else unpack it first."),
    "main that is a folder": ({"flows/main.wdl": WDL}, {"main": "flows"}, "Give flows/main.wdl."),
    "registry map that is no object": (
        {"main.nf": NF},
        {"container_registry_map_uri": "{{ 'map' }}.json"},
        "container_registry_map_uri: 'map.json' is not the S3 URI of an object. Give one such as s3://my-bucket/",
    ),
    "URI of a folder": (
        {},
        {"definition": "s3://bucket/flow/"},
        "definition: 's3://bucket/flow/' is not the S3 URI of an object. Give one such as s3://my-bucket/read-qc.zip.",
    ),
    "Nextflow: schema": (
        {"main.nf": NF, "nextflow_schema.json": '{\n  "a": \n}'},
        {},
        "nextflow_schema.json:3:1: is not JSON: Expecting value. Correct the syntax.",
    ),
    "Nextflow: groups without names": (
        {"main.nf": NF, "nextflow_schema.json": '{"definitions": ["io"]}'},
        {},
        "nextflow_schema.json: is no schema of parameters",
    ),
    "Nextflow: no schema": (
        {"main.nf": NF, "nextflow_schema.json": '{"$defs": []}'},
        {},
        "nextflow_schema.json: is no schema of parameters",
    ),
    "Nextflow: required is text": (
        {"main.nf": NF, "nextflow_schema.json": '{"required": "input"}'},
        {},
        "nextflow_schema.json: is no schema of parameters: required is text, and not a list of names.",
    ),
    "README: not there": (
        {"main.nf": NF, "docs/README.md": "x"},
        {"readme_path": "README.md"},
        "readme_path: the README 'README.md' is not in",
    ),
    "README: too large": (
        {"main.nf": NF, "README.md": "x" * 512_001},
        {},
        "README.md: takes 512,001 bytes, more than 512,000 of a README. Shorten it",
    ),
    "README: text too large": (
        {"main.nf": NF},
        {"readme_markdown": "x" * 512_001},
        "readme_markdown: takes 512,001 bytes, more than 512,000",
    ),
    "tags": ({"main.nf": NF}, {"tags": {str(n): "" for n in range(50)}}, "has 50 tags, and the provider adds 1; at"),
}


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    with network_refused():
        yield


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_told_before_any_call(tmp_path: Path, kind: str) -> None:
    check_told(tmp_path, BROKEN[kind])


def test_a_path_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (issue,) = told(tmp_path / "nowhere")
    assert issue == f"{tmp_path}/nowhere: there is no such file or folder. Give the path as this worker sees it."


@pytest.mark.parametrize("place", ["https://github.com/group/flow.git", "S3://bucket/flow.zip"])
def test_an_address_that_is_no_definition_is_told(place: str) -> None:
    (issue,) = told(place)
    assert issue.startswith(
        f"{place}: is no S3 URI, and no path of this worker. Give a path that this worker has or an s3"
    )


def test_a_folder_that_cannot_be_read_hides_nothing_else(tmp_path: Path) -> None:
    issues = told(
        tmp_path / "nowhere",
        description="{{ 'x' * 300 }}",
        tags={"a": "{{ 'x' * 300 }}"},
        parameter_template={"name": {"description": "{{ 'x' * 300 }}"}},
    )
    assert [issue.partition(":")[0] for issue in issues] == [
        "parameter_template.name.description",
        "description",
        "tags.a",
        str(tmp_path / "nowhere"),
    ]


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        (
            {
                "main.wdl": 'version 1.0\nimport "a.wdl"\nimport "b.wdl"\nimport "c.wdl"\nworkflow w {}\n',
                "b.wdl": "version 1.0\ntask {\n",
                "c.wdl": "version 1.0\ntask c { command <<< ~{x} >>> }\ntask d { command <<< ~{y} >>> }\n",
            },
            [
                "main.wdl:2:1: imports a.wdl",
                "b.wdl:2:6: unexpected '{'",
                "c.wdl:2:24: Unknown identifier x",
                "c.wdl:3:24: Unknown identifier y",
            ],
        ),
        (
            {
                "main.cwl": FLOW.format(source="nmae"),
                "say.cwl": CWL.replace("string", "strng").replace("int?", "itn?"),
            },
            [
                "main.cwl:10:7: Field 'source' references unknown identifier 'nmae'. Correct the name",
                "say.cwl:5:3: Field 'type' references unknown identifier 'strng'. Correct the name",
                "say.cwl:6:3: Field 'type' references unknown identifier 'itn'. Correct the name",
            ],
        ),
        (
            {"main.cwl": f"{FLOW.format(source='nmae')}  again:\n    run: ../say.cwl\n    in: {{}}\n    out: []\n"},
            [
                "main.cwl:8:10: runs say.cwl, and there is no such file",
                "main.cwl:13:10: runs ../say.cwl, which lies outside of the definition",
            ],
        ),
    ],
    ids=["WDL", "CWL", "CWL that leads out"],
)
def test_all_that_is_wrong_in_all_files_is_told_at_once(tmp_path: Path, files: Files, wanted: list[str]) -> None:
    issues = told(write(tmp_path / "flow", files))
    assert len(issues) == len(wanted)
    for text in wanted:
        assert any(issue.startswith(text) for issue in issues), text


@pytest.mark.parametrize("engine", ["cwl", "Nextflow"])
@pytest.mark.parametrize("main", [None, "main.cwl"])
def test_an_engine_that_a_template_came_to_is_told(tmp_path: Path, engine: str, main: str | None) -> None:
    folder = write(tmp_path / "flow", {"main.cwl": CWL})
    operator = OmicsCreateWorkflowOperator(
        task_id="create", name="w", definition=folder, engine="{{ params.engine }}", main=main
    )
    with pytest.raises(OmicsRequestInvalidError) as caught:
        run_task(operator, params={"engine": engine})
    (issue,) = map(str, caught.value.issues)
    assert issue.startswith(f"engine: {engine!r} is not a value that the service knows. Use one of")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({}, "definition: is missing. Give definition: a folder, a file or the s3:// URI of a zip archive; or else"),
        ({"definition": "x", "definition_repository": REPOSITORY}, "definition: is given, and"),
        ({"definition": "x", "description": "x" * 257}, "description: has 257 characters, more than 256"),
        ({"definition": "x", "engine": "SNAKEMAKE"}, "engine: 'SNAKEMAKE' is not a value that the service knows"),
        ({"definition": "x", "accelerators": "TPU"}, "accelerators: 'TPU' is not a value"),
        ({"definition": "x", "storage_capacity": 100_001}, "storage_capacity: 100001 is out of range"),
        (
            {"definition": "x", "parameter_template_path": "a", "parameter_template": {"a": {}}},
            "parameter_template: is",
        ),
        ({"definition": "x", "readme_path": "a", "readme_markdown": "b"}, "readme_markdown: is given together with"),
        ({"definition": "x", "readme_uri": "s3://b"}, "readme_uri: 's3://b'"),
        ({"definition": "x", "name": "x" * 129}, "name: has 129 characters"),
        ({"definition": "x", "name": None}, "name: is missing. Give name"),
        ({"definition": "x", "check_definition": "yes"}, "check_definition: is 'yes'. Use one of off, warn, fail"),
    ],
)
def test_wrong_arguments_are_told_when_the_dag_is_parsed(arguments: dict[str, Any], wanted: str) -> None:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        OmicsCreateWorkflowOperator(task_id="create", **{"name": "broken", **arguments})
    assert str(caught.value.issues[0]).startswith(wanted)


def test_what_passes_without_the_tools_is_left_to_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "flow", {"main.wdl": "version 1.0\nworkflow w {\n  call x\n}\n", "README.md": b"\xff"})
    for settings in ({"check_definition": "off"}, {"check_definition": "warn"}, {"engine": "WDL_LENIENT"}):
        operator = OmicsCreateWorkflowOperator(task_id="create", name="w", definition=folder, **settings)
        notes = operator.creation().notes
        assert [note.partition(" No such")[0] for note in notes] == (
            [] if settings.get("check_definition") == "off" else ["main.wdl:3:3:"]
        )


def test_the_main_file_nearest_to_the_root_is_taken(tmp_path: Path) -> None:
    files = {"align.wdl": WDL, "tasks/main.wdl": "x", ".hidden/main.wdl": "x"}
    operator = OmicsCreateWorkflowOperator(
        task_id="create", name="w", definition=write(tmp_path / "flow", files), parameter_template="made"
    )
    assert list(operator.creation().request["parameterTemplate"]) == ["name", "count"]


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("(main.wdl Ln 3 Col 5) Unknown identifier", ["main.wdl:3:5"]),
        ("lib/tasks.wdl:12:3: no such task; main.wdl:1:1", ["lib/tasks.wdl:12:3", "main.wdl:1:1"]),
        ("Script compilation error - file: main.nf, line 7, column 2", ["main.nf:7:2"]),
        ("main.cwl:9: Field", ["main.cwl:9"]),
        ("the role has no access", []),
    ],
)
def test_places_are_found_in_what_the_service_says(message: str, found: list[str]) -> None:
    assert places(message) == found
