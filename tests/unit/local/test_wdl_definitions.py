"""What is read from WDL and Nextflow definitions when a workflow is made."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_omics.local.executors import engine_reading, engines
from airflow_provider_omics.local.executors.engine_pool import EnginePool
from airflow_provider_omics.local.executors.engine_reading import EngineReader, engine_readers
from airflow_provider_omics.local.workflows.definitions import Definition, DefinitionError, read_outline

MAIN = """version 1.1
import "lib/tasks.wdl"
workflow cohort {
  input { String name File? index Array[File]+ reads Int threads = 2 Boolean dry }
  call tasks.count { input: reads = reads }
  call tasks.count as again { input: threads = threads }
  parameter_meta {
    name: "Name of\\n  the cohort"
    reads: { description: "FASTQ files", patterns: ["*.fastq"] }
    index: { help: "An index" }
    threads: { choices: [1, 2] }
  }
}
"""
TASKS = """version 1.1
task count {
  input { Array[File]+ reads Int threads = 1 }
  command <<< true >>>
}
"""
TASK = "version 1.0\ntask only { input { Int n } command {} output { Int m = n } }\n"


Read = Callable[..., Definition]


@pytest.fixture(scope="module")
def pool() -> Iterator[EnginePool]:
    made = EnginePool()
    yield made
    made.close()


@pytest.fixture
def definition(pool: EnginePool) -> Read:
    """Read a definition as CreateWorkflow does: the files, then members of the request."""

    def read(files: dict[str, str], **request: Any) -> Definition:
        outline = read_outline(zipped(files), request)
        return outline.definition(engine_readers(pool).get(outline.engine))

    return read


def zipped(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        for name, text in files.items():
            opened.writestr(name, text)
    return content.getvalue()


def test_inputs_become_the_parameter_template(definition: Read) -> None:
    assert definition({"main.wdl": MAIN, "lib/tasks.wdl": TASKS}, main="main.wdl").parameter_template == {
        "name": {"description": "Name of the cohort", "optional": False},
        "index": {"description": "An index", "optional": True},
        "reads": {"description": "FASTQ files", "optional": False},
        "threads": {"optional": True},
        "dry": {"optional": False},
        # The one input of a call that the workflow leaves open and that has no default.
        "again.reads": {"optional": False},
    }


def test_a_given_template_wins_and_the_only_task_of_a_file_will_do(definition: Read) -> None:
    assert definition({"a.wdl": TASK}).parameter_template == {"n": {"optional": False}}
    given = {"m": {"optional": True}}
    assert definition({"a.wdl": TASK}, parameterTemplate=given).parameter_template == given


def test_a_loop_of_events_does_not_disturb(definition: Read) -> None:
    async def read() -> Definition:
        return definition({"a.wdl": TASK})

    assert asyncio.run(read()).engine == "WDL"


QUANTIFIER = "version 1.0\nworkflow w { input { Int? n } Int m = n }\n"


def test_lenient_wdl_lets_optional_values_pass(definition: Read) -> None:
    assert definition({"a.wdl": QUANTIFIER}, engine="WDL_LENIENT").parameter_template == {"n": {"optional": True}}
    with pytest.raises(DefinitionError, match=r"a.wdl line 2, column 39: Expected Int instead of Int[?]"):
        definition({"a.wdl": QUANTIFIER}, engine="WDL")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.wdl": "version 1.0\nworkflow w { call x }\n"}, "^a.wdl line 2, column 14: No such task/workflow: x$"),
        ({"a.wdl": "version 1.0\nworkflow w {\n  Int = 3\n}\n"}, "^a.wdl line 3, column 7: Unexpected token"),
        ({"a.wdl": "version 1.0\n"}, "^a.wdl has no workflow, and 0 tasks; a run needs one to begin with$"),
        (
            {"a.wdl": 'version 1.0\nimport "b.wdl"\nworkflow w {}'},
            "line 2, .* b.wdl: the definition has no file b.wdl$",
        ),
        ({"a.wdl": 'version 1.0\nimport "../b.wdl"\nworkflow w {}'}, "../b.wdl lies outside of the definition; put"),
        (
            {"a.wdl": 'version 1.0\nimport "/etc/passwd"\nworkflow w {}'},
            "/etc/passwd lies outside of the definition",
        ),
        ({"a.wdl": 'version 1.0\nimport "https://x.org/b.wdl"\nworkflow w {}'}, "nothing is read from the network"),
        ({"main.wdl": 'version 1.0\nimport "main.wdl" as m\nworkflow w {}'}, "circular imports"),
        (
            {"main.wdl": 'version 1.0\nimport "b.wdl"\nworkflow w {}', "b.wdl": "version 1.0\ntask t { Int x = y }\n"},
            "main.wdl line 2, column 1: Failed to import b.wdl: b.wdl line 2, column 20: Unexpected token",
        ),
        (
            {"main.wdl": "version 1.0\nworkflow w { Int a = x Int b = y Int c = z Int d = u Int e = v Int f = t }\n"},
            "Unknown identifier x; main.wdl line 2, .* and 1 more$",
        ),
    ],
)
def test_what_miniwdl_refuses_is_told_with_file_line_and_column(
    definition: Read, files: dict[str, str], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        definition(files)


def test_imports_that_multiply_end(definition: Read) -> None:
    imports = "\n".join(f'import "main.wdl" as m{number}' for number in range(9))
    fan = {f"{n}.wdl": f"version 1.0\n{imports.replace('main', str(n + 1))}\n" for n in range(7)}
    with pytest.raises(DefinitionError, match="imports more than 1000 files"):
        definition({**fan, "7.wdl": "version 1.0\n"}, main="0.wdl")


# Each has twice the members of the one before.
NESTED = (
    "version 1.0\nstruct S0 { Int a }\n"
    + "".join(f"struct S{n + 1} {{ S{n} a S{n} b }}\n" for n in range(30))
    + "workflow w { input { S30 s } }\n"
)


def test_a_definition_without_an_end_is_given_up(pool: EnginePool) -> None:
    with pytest.raises(DefinitionError, match=r"miniwdl did not get to the end of the definition within 0\.2 seconds"):
        EngineReader(pool, "WDL", seconds=0.2)(read_outline(zipped({"main.wdl": NESTED}), {}))


def test_a_definition_that_is_nested_too_deeply_is_told(definition: Read) -> None:
    deep = f"version 1.0\nworkflow w {{ Boolean b = {'!' * 10_000}true }}\n"
    with pytest.raises(DefinitionError, match=r"^main.wdl: it is nested too deeply to be read$"):
        definition({"main.wdl": deep})


def test_without_miniwdl_nothing_is_checked_and_the_log_says_so(
    definition: Read, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _name: None)
    engine_reading._warn_unchecked.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert [definition({"a.wdl": "version 1.0\nno WDL"}).parameter_template for _ in range(2)] == [{}, {}]
    (record,) = [record for record in caplog.records if record.name == engine_reading.__name__]
    assert record.getMessage().endswith("pip install 'airflow-provider-omics[local-wdl]'")


SCHEMA = {
    "$defs": {
        "input": {
            "properties": {"input": {"description": "A sheet"}, "outdir": {}},
            "required": ["input", "outdir"],
        },
        "other": {"properties": {"genome": {"type": "string"}, "kmer": {"default": 31}}, "required": ["kmer"]},
    },
    "properties": {"email": {"type": "string"}},
}


@pytest.mark.parametrize("key", ["$defs", "definitions"])
def test_a_nextflow_schema_becomes_the_parameter_template(definition: Read, key: str) -> None:
    schema = json.dumps({key: SCHEMA["$defs"], "properties": SCHEMA["properties"]})
    files = {"flow/main.nf": "workflow {}", "flow/nextflow_schema.json": schema}
    assert definition(files).parameter_template == {
        "email": {"optional": True},
        "input": {"description": "A sheet", "optional": False},
        "outdir": {"optional": False},
        "genome": {"optional": True},
        "kmer": {"optional": True},
    }


@pytest.mark.parametrize("schema", ["{", "[]", '{"properties": [1]}', '{"properties": {"a": {}}, "required": 1}'])
def test_a_nextflow_schema_that_is_none_is_told(definition: Read, schema: str) -> None:
    with pytest.raises(DefinitionError, match=r"The parameters cannot be read from the nextflow_schema.json: "):
        definition({"main.nf": "workflow {}", "nextflow_schema.json": schema})


def test_nextflow_without_a_schema_takes_any_parameter_and_without_a_script_fails(definition: Read) -> None:
    assert definition({"main.nf": "workflow {}"}).parameter_template == {}
    with pytest.raises(DefinitionError, match=r"holds no .nf file for the engine NEXTFLOW"):
        definition({"nextflow.config": ""}, engine="NEXTFLOW")
