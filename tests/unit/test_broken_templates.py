"""Parameter templates: broken ones are refused before any call, and others are made of the definition."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broken_cases import CWL, NF, SCHEMA, WDL, Cases, Files, check_told, network_refused, write

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator

BROKEN: Cases = {
    "nested too deeply": (
        {"main.wdl": WDL, "t.json": "[" * 100_000},
        {"parameter_template_path": "t.json"},
        "t.json:1: is nested too deeply to be read.",
    ),
    "line of a member": (
        {"main.wdl": WDL, "t.json": '{\n  "name": {\n    "description": 5\n  }\n}'},
        {"parameter_template_path": "t.json"},
        "t.json:2: name.description: is int 5. Give text.",
    ),
    "line of a letter that is not ASCII": (
        {"main.wdl": WDL, "t.json": '{\n  "name": {},\n  "\u00e9 b": {}\n}'},
        {"parameter_template_path": "t.json"},
        "t.json:3: \u00e9 b: ",
    ),
    "line of an escaped letter": (
        {"main.wdl": WDL, "t.json": '{\n  "name": {},\n  "\\u00e9": {}\n}'},
        {"parameter_template_path": "t.json"},
        "t.json:3: \u00e9: ",
    ),
    "unknown input": (
        {"main.wdl": WDL},
        {"parameter_template": {"name": {}, "cuont": {"optional": True}}},
        "parameter_template.cuont: is no input of main.wdl. Write count.",
    ),
    "missing input": (
        {"main.cwl": CWL},
        {"parameter_template": {"n": {"optional": True}}},
        "parameter_template.name: is missing, and main.cwl requires it. Add it.",
    ),
    "optional": (
        {"main.nf": NF, "nextflow_schema.json": SCHEMA},
        {"parameter_template": {"input": {"optional": True}, "x": {"optional": True}}},
        "parameter_template.input: is called optional, and main.nf requires it.",
    ),
    "file that does not fit": (
        {"main.wdl": WDL, "t.json": '{"name": {}, "other": {}}'},
        {"parameter_template_path": "t.json"},
        "t.json:1: other: is no input of main.wdl. Remove it, or add the input to the definition.",
    ),
    "no JSON": (
        {"main.wdl": WDL, "t.json": '{\n"name": {},}'},
        {"parameter_template_path": "t.json"},
        "t.json:2:12: is not JSON",
    ),
    "not there": (
        {"main.wdl": WDL, "template.json": "{}"},
        {"parameter_template_path": "templte.json"},
        "parameter_template_path: the parameter template 'templte.json' is not in",
    ),
    "member": (
        {"main.wdl": WDL},
        {"parameter_template": {"name": {"descripton": "x"}}},
        "parameter_template.name.descripton: is not a member",
    ),
    "description": (
        {"main.wdl": WDL},
        {"parameter_template": {"name": {"description": "x" * 257}}},
        "parameter_template.name.description: has 257 characters, more than 256. Shorten it",
    ),
    "too many": (
        {"main.nf": NF},
        {"parameter_template": {f"p{number}": {} for number in range(1001)}},
        "parameter_template: has 1,001 parameters, more than 1,000. Leave out optional ones",
    ),
    "too large": (
        {"main.nf": NF},
        {"parameter_template": {f"{number:0>128}": {"description": "x" * 250} for number in range(999)}},
        "parameter_template: takes 402,597 bytes, more than 400,000. Shorten",
    ),
    "cannot be made": (
        {"main.nf": NF},
        {"parameter_template": "made"},
        "parameter_template: cannot be made: main.nf has no nextflow_schema.json beside it. Mend that, or give",
    ),
    "text in place of an object": (
        {"main.wdl": WDL},
        {"parameter_template": {"name": "the sample's name"}},
        "parameter_template.name: ",
    ),
    "cannot be made for the lenient engine": (
        {"main.wdl": "version 1.0\nworkflow w {\n  call x\n}\n"},
        {"parameter_template": "made", "engine": "WDL_LENIENT"},
        "parameter_template: cannot be made: main.wdl:3:3: No such task",
    ),
}


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    with network_refused():
        yield


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_in_a_template_is_told_before_any_call(tmp_path: Path, kind: str) -> None:
    check_told(tmp_path, BROKEN[kind])


def test_a_name_in_a_template_that_is_no_text_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "flow", {"main.wdl": WDL})
    operator = OmicsCreateWorkflowOperator(task_id="create", name="w", definition=folder)
    operator.parameter_template = {"name": {}, 1: {}, "2": {}}
    with pytest.raises(OmicsRequestInvalidError) as caught:
        operator.creation()
    assert any("parameter_template" in str(issue) for issue in caught.value.issues)


@pytest.mark.parametrize("level", ["fail", "warn", "off"])
def test_what_a_nextflow_config_may_declare_is_only_noted(tmp_path: Path, level: str) -> None:
    files = {"main.nf": NF, "nextflow_schema.json": SCHEMA, "nextflow.config": "params.genome = 'GRCh38'\n"}
    operator = OmicsCreateWorkflowOperator(
        task_id="create",
        name="w",
        definition=write(tmp_path / "flow", files),
        parameter_template={"genome": {"optional": True}},
        check_definition=level,
    )
    notes = operator.creation().notes
    assert [note.partition(":")[0] for note in notes] == (
        [] if level == "off" else ["parameter_template.genome", "parameter_template.input"]
    )


def test_a_made_template_does_not_hide_that_nothing_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_omics.workflows.engine_checks.find_spec", lambda _name: None)
    folder = write(tmp_path / "flow", {"main.cwl": CWL})
    operator = OmicsCreateWorkflowOperator(task_id="create", name="w", definition=folder, parameter_template="made")
    creation = operator.creation()
    assert list(creation.request["parameterTemplate"]) == ["name", "n"]
    assert [note.partition(",")[0] for note in creation.notes] == ["main.cwl is not checked"]


@pytest.mark.parametrize(
    ("files", "template"),
    [
        ({"main.wdl": WDL}, {"name": {"optional": False}, "count": {"optional": True}}),
        ({"main.cwl": CWL}, {"name": {"optional": False}, "n": {"optional": True}}),
        (
            {"main.nf": NF, "nextflow_schema.json": SCHEMA},
            {"input": {"description": "sheet", "optional": False}, "x": {"optional": True}},
        ),
    ],
    ids=["WDL", "CWL", "NEXTFLOW"],
)
def test_a_template_is_made_of_the_definition(tmp_path: Path, files: Files, template: dict[str, Any]) -> None:
    folder = write(tmp_path / "flow", files)
    operator = OmicsCreateWorkflowOperator(
        task_id="create", name="w", definition=folder, parameter_template="made", check_definition="off"
    )
    request = operator.creation().request
    assert request["parameterTemplate"] == template
    assert list(request["parameterTemplate"]) == list(template)
