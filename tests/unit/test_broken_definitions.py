"""Broken definitions: each is refused before any call, with file, line and remedy."""

from __future__ import annotations

import io
import os
import random
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from task_runs import run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator
from airflow_provider_omics.workflows.bundle import read_bundle
from airflow_provider_omics.workflows.cwl_messages import cwltool_issues
from airflow_provider_omics.workflows.failure import places

WDL = "version 1.0\nworkflow w {\n  input {\n    String name\n    Int? count\n  }\n}\n"
CWL = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: echo\ninputs:\n  name: string\n  n: int?\noutputs: {}\n"
FLOW = """\
cwlVersion: v1.2
class: Workflow
inputs:
  name: string
outputs: []
steps:
  say:
    run: say.cwl
    in:
      name: {source}
    out: []
"""
NF = "workflow { }\n"
SCHEMA = '{"$defs": {"io": {"required": ["input"], "properties": {"input": {"description": "sheet"}, "x": {}}}}}'
REPOSITORY = {
    "connectionArn": "arn:aws:codeconnections:us-east-1:123456789012:connection/a",
    "fullRepositoryId": "group/flow",
}
Files = Mapping[str, str | bytes]


def noise(size: int) -> bytes:
    """Bytes that do not become fewer when zipped."""
    return random.Random(1).randbytes(size)


BROKEN: dict[str, tuple[Files, dict[str, Any], str]] = {
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
    "WDL: syntax": (
        {"main.wdl": "version 1.0\nworkflow w {\n  input {\n"},
        {},
        "main.wdl:3:9: ends before this is complete. Close what",
    ),
    "WDL: version": ({"main.wdl": "version 7\nworkflow w {}\n"}, {}, "main.wdl:1:1: unknown WDL version 7"),
    "WDL: missing import": (
        {"main.wdl": 'version 1.0\nimport "lib/a.wdl"\nworkflow w {}\n'},
        {},
        "main.wdl:2:1: imports lib/a.wdl, and there is no such file. Put the file into the definition, as lib/a.wdl",
    ),
    "WDL: import from outside": (
        {"main.wdl": 'version 1.0\nimport "../other.wdl"\nworkflow w {}\n'},
        {},
        "main.wdl:2:1: imports ../other.wdl, which lies outside of the definition. Put a copy",
    ),
    "WDL: syntax of an import": (
        {"main.wdl": 'version 1.0\nimport "a.wdl"\nworkflow w {}\n', "a.wdl": "version 1.0\ntask {"},
        {},
        "a.wdl:2:6: unexpected '{'. Correct the syntax; a name may stand there.",
    ),
    "WDL: unknown task": ({"main.wdl": "version 1.0\nworkflow w {\n  call x\n}\n"}, {}, "main.wdl:3:3: No such task"),
    "WDL: unknown name": (
        {"main.wdl": "version 1.0\nworkflow w {\n  Int a = b\n}\n"},
        {},
        "main.wdl:3:11: Unknown identifier b. Correct it there.",
    ),
    "WDL: types": (
        {"main.wdl": "version 1.0\nworkflow w {\n  Boolean a = 5\n}\n"},
        {},
        "main.wdl:3:15: Expected Boolean instead of Int",
    ),
    "WDL: no workflow": (
        {"main.wdl": "version 1.0\ntask a { command {} }\ntask b { command {} }\n"},
        {},
        "main.wdl:1:1: has 2 tasks and no workflow. Give main",
    ),
    "CWL: syntax": ({"main.cwl": "cwlVersion: v1.2\nclass: [\n"}, {}, "main.cwl:3:1: is neither YAML nor JSON"),
    "CWL: no version": ({"main.cwl": "class: Workflow\n"}, {}, "main.cwl:1: has no cwlVersion. Begin it with"),
    "CWL: class": ({"main.cwl": "cwlVersion: v1.2\n\nclass: Tool\n"}, {}, "main.cwl:3: has class 'Tool'"),
    "CWL: type": ({"main.cwl": CWL.replace("string", "strng")}, {}, "main.cwl:5:3: Field 'type' references unknown"),
    "CWL: missing tool": (
        {"main.cwl": FLOW.format(source="name")},
        {},
        "main.cwl:8:10: runs say.cwl, and there is no such file. Put the file into the definition, as say.cwl",
    ),
    "CWL: unknown source": (
        {"main.cwl": FLOW.format(source="nmae"), "say.cwl": CWL},
        {},
        "main.cwl:10:7: Field 'source' references unknown identifier 'nmae'",
    ),
    "CWL: tool that runs its workflow": (
        {"main.cwl": FLOW.format(source="name"), "say.cwl": FLOW.format(source="name").replace("say.cwl", "main.cwl")},
        {},
        "say.cwl:8:10: runs itself (main.cwl -> say.cwl -> main.cwl). Remove that reference.",
    ),
    "CWL: import of itself": (
        {"main.cwl": f"{CWL}hints: {{$import: main.cwl}}\n"},
        {"parameter_template": "made"},
        "main.cwl:8:18: imports itself. Remove that reference.",
    ),
    "CWL: graph without main": (
        {"main.cwl": "cwlVersion: v1.2\n$graph:\n- {id: a, class: CommandLineTool}\n"},
        {},
        "main.cwl:2: has a $graph without a process of the id main. Give the workflow the id main.",
    ),
    "WDL: comments alone": ({"main.wdl": "# later\n"}, {}, "main.wdl:1:1: has nothing but comments. Write tasks or"),
    "WDL: byte order mark": ({"main.wdl": "\ufeff" + WDL}, {}, "main.wdl:1:1: begins with a byte order mark"),
    "WDL: pointer of Git LFS": (
        {"main.wdl": "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"},
        {},
        "main.wdl:1:1: is a pointer of Git LFS, and not the file itself. Fetch it with git lfs pull.",
    ),
    "WDL: import of an address": (
        {"main.wdl": 'version 1.0\nimport "https://example.com/a.wdl"\nworkflow w {}\n'},
        {},
        "main.wdl:2:1: imports https://example.com/a.wdl, and HealthOmics imports only files of the definition. Put a",
    ),
    "WDL: import of itself": (
        {"main.wdl": 'version 1.0\nimport "a.wdl"\nworkflow w {}\n', "a.wdl": 'version 1.0\nimport "main.wdl"\n'},
        {},
        "a.wdl:2:1: imports main.wdl, and so itself (main.wdl -> a.wdl -> main.wdl). Remove one of these imports.",
    ),
    "WDL: two imports of one name": (
        {
            "main.wdl": 'version 1.0\nimport "a/t.wdl"\nimport "b/t.wdl"\nworkflow w {}\n',
            **{f"{name}/t.wdl": "version 1.0\ntask x { command {} }\n" for name in "ab"},
        },
        {},
        "main.wdl:3:1: a second import is called t. Give one of them another name",
    ),
    "WDL: path of another importer": (
        {
            "main.wdl": 'version 1.0\nimport "lib/a.wdl"\nworkflow w {}\n',
            "lib/a.wdl": 'version 1.0\nimport "lib/b.wdl"\n',
            "lib/b.wdl": "version 1.0\ntask b { command {} }\n",
        },
        {},
        "lib/a.wdl:2:1: imports lib/b.wdl, and there is no such file. Write b.wdl.",
    ),
    "WDL: import that is not UTF-8": (
        {"main.wdl": 'version 1.0\nimport "a.wdl"\nworkflow w {}\n', "a.wdl": b"version 1.0\n# caf\xe9\n"},
        {},
        "a.wdl:2:1: is not UTF-8 text: invalid continuation byte. Save it as UTF-8.",
    ),
    "WDL: two workflows": (
        {"main.wdl": "version 1.0\nworkflow v {}\nworkflow w {}\n"},
        {},
        "main.wdl:3:1: is a second workflow in one document. Give it a file of its own.",
    ),
    "UTF-16": ({"main.cwl": CWL.encode("utf-16")}, {}, "main.cwl:1: is UTF-16 text. Save it as UTF-8."),
    "suffix in capitals": ({"MAIN.WDL": WDL}, {}, "Rename MAIN.WDL to MAIN.wdl."),
    "archive in a folder": ({"flow.tar.gz": b"x"}, {}, "or else unpack it first."),
    "main that is a folder": ({"flows/main.wdl": WDL}, {"main": "flows"}, "Give flows/main.wdl."),
    "CWL: version that is none": ({"main.cwl": CWL.replace("v1.2", "v1.9")}, {}, "main.cwl:1: has cwlVersion 'v1.9'"),
    "CWL: abstract operation": (
        {"main.cwl": "cwlVersion: v1.2\nclass: Operation\ninputs: {}\noutputs: {}\n"},
        {},
        "main.cwl:2: has class 'Operation', which HealthOmics does not run. Use one of",
    ),
    "CWL: field": (
        {"main.cwl": f"{CWL}basecommand: x\n"},
        {},
        "main.cwl:8:1: invalid field 'basecommand'",
    ),
    "CWL: types of a link": (
        {"main.cwl": FLOW.format(source="name").replace("name: string", "name: int"), "say.cwl": CWL},
        {},
        """main.cwl:10:7: Source 'name' of type "int" is incompatible with sink 'name' of type "string". Give both""",
    ),
    "CWL: scatter without its requirement": (
        {"main.cwl": FLOW.format(source="name").replace("    in:", "    scatter: name\n    in:"), "say.cwl": CWL},
        {},
        "main.cwl:9:5: Workflow contains scatter but ScatterFeatureRequirement not in requirements. Add requirements:",
    ),
    "CWL: no value": (
        {"main.cwl": "cwlVersion: v1.2\nclass: CommandLineTool\ninputs:\noutputs: {}\n"},
        {},
        "main.cwl:3:8: inputs has no value. Write inputs: [] if there are none.",
    ),
    "CWL: tool of an address": (
        {"main.cwl": FLOW.format(source="name").replace("say.cwl", "https://example.com/say.cwl")},
        {},
        "main.cwl:8:10: runs https://example.com/say.cwl, and HealthOmics reads only files of the definition. Put a",
    ),
    "CWL: file of the worker": (
        {"main.cwl": FLOW.format(source="name").replace("say.cwl", "/etc/hostname")},
        {},
        "main.cwl:8:10: runs /etc/hostname, which lies outside of the definition. Put a copy of it into the definition",
    ),
    "CWL: text that is included": (
        {"main.cwl": f"{CWL}requirements:\n- class: InlineJavascriptRequirement\n  expressionLib: [$include: a.js]\n"},
        {},
        "main.cwl:10:29: includes a.js, and there is no such file. Put the file into the definition, as a.js",
    ),
    "CWL: tool that is empty": (
        {"main.cwl": FLOW.format(source="name"), "say.cwl": ""},
        {},
        "say.cwl:1: is empty. Write a CWL process into it.",
    ),
    "CWL: syntax of a tool": (
        {"main.cwl": FLOW.format(source="name"), "say.cwl": "cwlVersion: v1.2\ninputs: [\n"},
        {},
        "say.cwl:3:1: is neither YAML nor JSON",
    ),
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
    "template: nested too deeply": (
        {"main.wdl": WDL, "t.json": "[" * 100_000},
        {"parameter_template_path": "t.json"},
        "t.json:1: is nested too deeply to be read.",
    ),
    "template: line of a member": (
        {"main.wdl": WDL, "t.json": '{\n  "name": {\n    "description": 5\n  }\n}'},
        {"parameter_template_path": "t.json"},
        "t.json:2: name.description: is int 5. Give text.",
    ),
    "template: line of a letter that is not ASCII": (
        {"main.wdl": WDL, "t.json": '{\n  "name": {},\n  "\u00e9 b": {}\n}'},
        {"parameter_template_path": "t.json"},
        "t.json:3: \u00e9 b: ",
    ),
    "template: line of an escaped letter": (
        {"main.wdl": WDL, "t.json": '{\n  "name": {},\n  "\\u00e9": {}\n}'},
        {"parameter_template_path": "t.json"},
        "t.json:3: \u00e9: ",
    ),
    "template: unknown input": (
        {"main.wdl": WDL},
        {"parameter_template": {"name": {}, "cuont": {"optional": True}}},
        "parameter_template.cuont: is no input of main.wdl. Write count.",
    ),
    "template: missing input": (
        {"main.cwl": CWL},
        {"parameter_template": {"n": {"optional": True}}},
        "parameter_template.name: is missing, and main.cwl requires it. Add it.",
    ),
    "template: optional": (
        {"main.nf": NF, "nextflow_schema.json": SCHEMA},
        {"parameter_template": {"input": {"optional": True}, "x": {"optional": True}}},
        "parameter_template.input: is called optional, and main.nf requires it.",
    ),
    "template: file that does not fit": (
        {"main.wdl": WDL, "t.json": '{"name": {}, "other": {}}'},
        {"parameter_template_path": "t.json"},
        "t.json:1: other: is no input of main.wdl. Remove it, or add the input to the definition.",
    ),
    "template: no JSON": (
        {"main.wdl": WDL, "t.json": '{\n"name": {},}'},
        {"parameter_template_path": "t.json"},
        "t.json:2:12: is not JSON",
    ),
    "template: not there": (
        {"main.wdl": WDL, "template.json": "{}"},
        {"parameter_template_path": "templte.json"},
        "parameter_template_path: the parameter template 'templte.json' is not in",
    ),
    "template: member": (
        {"main.wdl": WDL},
        {"parameter_template": {"name": {"descripton": "x"}}},
        "parameter_template.name.descripton: is not a member",
    ),
    "template: description": (
        {"main.wdl": WDL},
        {"parameter_template": {"name": {"description": "x" * 257}}},
        "parameter_template.name.description: has 257 characters, more than 256. Shorten it",
    ),
    "template: too many": (
        {"main.nf": NF},
        {"parameter_template": {f"p{number}": {} for number in range(1001)}},
        "parameter_template: has 1,001 parameters, more than 1,000. Leave out optional ones",
    ),
    "template: too large": (
        {"main.nf": NF},
        {"parameter_template": {f"{number:0>128}": {"description": "x" * 250} for number in range(999)}},
        "parameter_template: takes 402,597 bytes, more than 400,000. Shorten",
    ),
    "template: cannot be made": (
        {"main.nf": NF},
        {"parameter_template": "made"},
        "parameter_template: cannot be made: main.nf has no nextflow_schema.json beside it. Mend that, or give",
    ),
    "template: text in place of an object": (
        {"main.wdl": WDL},
        {"parameter_template": {"name": "the sample's name"}},
        "parameter_template.name: ",
    ),
    "template: cannot be made for the lenient engine": (
        {"main.wdl": "version 1.0\nworkflow w {\n  call x\n}\n"},
        {"parameter_template": "made", "engine": "WDL_LENIENT"},
        "parameter_template: cannot be made: main.wdl:3:3: No such task",
    ),
    "CWL: no process of that id": (
        {"main.cwl": "cwlVersion: v1.2\n$graph:\n- {id: a, class: CommandLineTool}\n"},
        {"main": "main.cwl#b"},
        "main.cwl:2: has a $graph without a process of the id b.",
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
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is refused without a call."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)


def write(folder: Path, files: Files) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def told(place: Any, **kwargs: Any) -> list[str]:
    """What is said of a definition."""
    settings = {"definition": place, **kwargs}
    with pytest.raises(OmicsRequestInvalidError) as caught:
        run_task(OmicsCreateWorkflowOperator(task_id="create", name="broken", **settings))
    return [str(issue) for issue in caught.value.issues]


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_told_before_any_call(tmp_path: Path, kind: str) -> None:
    files, settings, wanted = BROKEN[kind]
    (issue,) = told(write(tmp_path / "flow", files), **settings)
    assert wanted in issue
    assert len(issue) < 900


def test_a_path_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (issue,) = told(tmp_path / "nowhere")
    assert issue == f"{tmp_path}/nowhere: there is no such file or folder. Give the path as this worker sees it."


def test_links_that_lead_out_or_nowhere_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "flow", {"main.nf": NF})
    (folder / "a.txt").symlink_to(tmp_path / "nothing")
    (issue,) = told(folder)
    assert issue == "a.txt: is a link that leads nowhere. Remove it, or mend it."
    (tmp_path / "nothing").write_text("secret")
    (issue,) = told(folder)
    assert issue.startswith("a.txt: is a link that leads out of")


def test_links_within_a_folder_stand_for_what_they_lead_to(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", {"main.nf": NF, "modules/a.nf": NF, "copy/a.nf": NF})
    linked = write(tmp_path / "linked", {"main.nf": NF, "modules/a.nf": NF})
    (linked / "copy").symlink_to("modules")
    assert read_bundle(linked).digest == read_bundle(plain).digest
    (linked / "modules" / "round").symlink_to(linked)
    (linked / "modules" / "out").symlink_to(tmp_path)
    assert sorted(told(linked)) == [
        f"copy/out: is a link that leads out of {linked}. Put what it leads to there in its place.",
        "copy/round: is a link to a folder that it is in. Remove it.",
        f"modules/out: is a link that leads out of {linked}. Put what it leads to there in its place.",
        "modules/round: is a link to a folder that it is in. Remove it.",
    ]


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "flow", {"main.nf": NF})
    os.mkfifo(folder / "pipe")
    assert told(folder) == ["pipe: is neither a file nor a folder. Remove it, or give a folder without it."]
    assert told(folder / "pipe") == [
        f"{folder}/pipe: is neither a file nor a folder. Give a folder, a file or a zip archive."
    ]


@pytest.mark.parametrize("place", ["https://github.com/group/flow.git", "S3://bucket/flow.zip"])
def test_an_address_that_is_no_definition_is_told(place: str) -> None:
    (issue,) = told(place)
    assert issue.startswith(
        f"{place}: is no S3 URI, and no path of this worker. Give a path that this worker has or an s3"
    )


class _Unmarked(zipfile.ZipInfo):
    """A member as Info-ZIP writes it: with a name that is UTF-8, and is not marked as such."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode(), self.flag_bits


def test_an_archive_of_a_folder_is_the_same_content_whatever_made_it(tmp_path: Path) -> None:
    files = {"main.nf": NF, "lib/\u00e4 b.txt": "x", "bin/a.sh": "x"}
    folder = write(tmp_path / "flow", files)
    (folder / "bin" / "a.sh").chmod(0o755)
    junk = {"__MACOSX/._main.nf": "x", ".DS_Store": "x", ".git/HEAD": "x", "lib/__pycache__/a.pyc": "x"}
    spellings: list[Callable[[str], str]] = [lambda name: f"./{name}", lambda name: name.replace("/", "\\"), str]
    for number, spell in enumerate(spellings):
        path = tmp_path / f"flow{number}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in sorted({**files, **junk}.items(), reverse=number == 1):
                info = (_Unmarked if number == 2 else zipfile.ZipInfo)(spell(name), (2000 + number, 1, 1, 0, 0, 0))
                info.create_system, info.external_attr = 3, (0o100700 if name == "bin/a.sh" else 0o100600) << 16
                archive.writestr(info, content)
        assert read_bundle(path).digest == read_bundle(folder).digest, number


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_in_an_archive_are_told(tmp_path: Path) -> None:
    path = tmp_path / "flow.zip"
    for others, count in ((WDL, 0), ("version 1.0\n", 1)):
        with zipfile.ZipFile(path, "w") as archive:
            for text in (WDL, others):
                archive.writestr("main.wdl", text)
        if count:
            (issue,) = told(path)
            assert issue.startswith(f"{path}: holds 'main.wdl' twice, with different content. Zip")
        else:
            assert read_bundle(path).text("main.wdl") == WDL


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


def test_archives_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / "flow.zip"
    path.write_bytes(b"PK not at all")
    (issue,) = told(path)
    assert issue.startswith(f"{path}: is no zip archive that can be read")
    outside = io.BytesIO()
    with zipfile.ZipFile(outside, "w") as archive:
        archive.writestr("../main.nf", NF)
    path.write_bytes(outside.getvalue())
    (issue,) = told(path)
    assert "'../main.nf', which lies outside of the archive. Zip the definition's folder from inside" in issue


def test_an_archive_with_a_file_that_is_a_folder_too_is_told(tmp_path: Path) -> None:
    path = tmp_path / "flow.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("main.wdl", "lib", "lib/a.wdl"):
            archive.writestr(name, WDL)
    (issue,) = told(path)
    assert "holds 'lib' as a file, and as the folder of 'lib/a.wdl'. Rename one of them" in issue


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


def test_main_may_name_a_process_of_cwl(tmp_path: Path) -> None:
    tool = "class: CommandLineTool, baseCommand: echo, outputs: {}"
    graph = f"cwlVersion: v1.2\n$graph:\n- {{id: a, {tool}, inputs: {{x: int}}}}\n- {{id: b, {tool}, inputs: {{}}}}\n"
    folder = write(tmp_path / "flow", {"flow.cwl": graph})
    operator = OmicsCreateWorkflowOperator(
        task_id="create", name="w", definition=folder, main="flow.cwl#a", parameter_template="made"
    )
    request = operator.creation().request
    assert (request["main"], list(request["parameterTemplate"])) == ("flow.cwl#a", ["x"])


def test_who_may_run_a_file_beside_its_owner_is_no_content(tmp_path: Path) -> None:
    folder = write(tmp_path / "flow", {"main.nf": NF, "bin/a.py": "x"})
    digests = []
    for mode in (0o644, 0o655, 0o755):
        (folder / "bin" / "a.py").chmod(mode)
        operator = OmicsCreateWorkflowOperator(task_id="create", name="w", definition=folder, check_definition="off")
        digests.append(operator.creation().digest)
    assert [digests.index(digest) for digest in digests] == [0, 0, 2]


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


def test_archives_of_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    archives, digests = set(), set()
    for number in range(2):
        folder = write(tmp_path / f"flow{number}", dict(sorted({"main.nf": NF, "bin/a.py": "x"}.items(), reverse=True)))
        (folder / "bin" / "a.py").chmod(0o777 - 0o20 * number)
        creation = OmicsCreateWorkflowOperator(
            task_id="create", name="w", definition=folder, check_definition="off"
        ).creation()
        archives.add(creation.request["definitionZip"])
        digests.add(creation.digest)
    (archive,) = archives
    assert len(digests) == 1
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert [(info.filename, info.external_attr >> 16 & 0o777) for info in opened.infolist()] == [
            ("bin/a.py", 0o755),
            ("main.nf", 0o644),
        ]


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


def test_what_cwltool_says_without_a_place_is_told_too() -> None:
    (issue,) = cwltool_issues("INFO x\nERROR I'm sorry, I couldn't load this CWL file.\n", "main.cwl")
    assert str(issue).startswith("main.cwl: cwltool refuses it: ERROR I'm sorry")
