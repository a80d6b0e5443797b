"""CWL definitions of every form, and parameters of every type, through a really run workflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cwl_service import CwlService, wdl_zip

from airflow_provider_omics.local import LocalOmics, Quotas, Timings

TOOL = """
cwlVersion: v1.2
class: CommandLineTool
{docker}
baseCommand: [sh, -c, {script!r}]
inputs: {inputs}
arguments: {arguments}
stdout: out.txt
outputs:
  text: stdout
"""
DOCKER = "requirements: [{class: DockerRequirement, dockerPull: no-such-image, dockerOutputDirectory: /work}]"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="cwl", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        yield started


@pytest.fixture
def service(server: LocalOmics) -> CwlService:
    return CwlService(server)


def tool(script: str, inputs: str = "{}", arguments: str = "[]", docker: str = "") -> str:
    return TOOL.format(script=script, inputs=inputs, arguments=arguments, docker=docker)


def text_of(service: CwlService, run: dict[str, Any]) -> str:
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    return service.read(service.outputs(run)["text"]["location"]).decode()


WORKFLOW = """
cwlVersion: v1.2
class: Workflow
requirements:
  DockerRequirement: {dockerPull: no-such-image}
inputs: {}
outputs:
  text: {type: File, outputSource: step/text}
steps:
  step:
    requirements:
      DockerRequirement: {dockerPull: no-such-image}
    in: {}
    out: [text]
    run: RUN
"""
PACKED = """
cwlVersion: v1.2
$graph:
- id: main
  class: Workflow
  requirements: [{class: DockerRequirement, dockerPull: no-such-image}]
  inputs: {}
  outputs:
    text: {type: File, outputSource: step/text}
  steps:
    step: {in: {}, out: [text], run: "#hello"}
- id: hello
  class: CommandLineTool
  requirements: [{class: DockerRequirement, dockerPull: no-such-image}]
  baseCommand: [echo, hello]
  inputs: {}
  stdout: out.txt
  outputs: {text: stdout}
"""
INLINE = """
      class: CommandLineTool
      requirements: {DockerRequirement: {dockerPull: no-such-image}}
      baseCommand: [echo, hello]
      inputs: {}
      stdout: out.txt
      outputs: {text: stdout}
"""


@pytest.mark.parametrize(
    "files",
    [
        {"main.cwl": tool("echo hello", docker=DOCKER)},
        {"main.cwl": WORKFLOW.replace("RUN", INLINE)},
        {"main.cwl": WORKFLOW.replace("RUN", "tools/deep/hello.cwl"), "tools/deep/hello.cwl": tool("echo hello")},
        {"main.cwl": WORKFLOW.replace("RUN", "hello.cwl"), "hello.cwl": tool("echo hello", docker=DOCKER)},
        {"main.cwl": PACKED},
        {"main.cwl": tool("echo hello", docker=DOCKER).replace("v1.2", "v1.0")},
        {"main.cwl": tool("echo hello", docker=DOCKER).replace("v1.2", "v1.1")},
    ],
    ids=["tool", "inline", "subdirectory", "two-files", "packed", "v1.0", "v1.1"],
)
def test_a_required_container_is_done_without_wherever_it_is_required(
    service: CwlService, files: dict[str, str]
) -> None:
    assert text_of(service, service.run(files, {})) == "hello\n"


def test_scripts_of_the_definition_keep_their_mode(service: CwlService) -> None:
    import io
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        script = zipfile.ZipInfo("bin/hello")
        script.external_attr = 0o755 << 16
        archive.writestr(script, "#!/bin/sh\necho from the script\n")
        archive.writestr(
            "main.cwl",
            tool("$0", "{script: {type: File, default: {class: File, location: bin/hello}}}", "[$(inputs.script)]"),
        )
    workflow_id = service.workflow_from(definitionZip=content.getvalue(), main="main.cwl")
    assert text_of(service, service.end(service.start(workflow_id, {}))) == "from the script\n"


def test_files_are_fetched_out_of_arrays_records_and_secondary_files(service: CwlService) -> None:
    inputs = """
  reads: File[]
  lanes:
    type:
      type: array
      items:
        type: record
        name: lane
        fields:
          name: string
          file: File
  bam:
    type: File
    secondaryFiles: [.bai]
  other:
    type: File
  note: string
  either: [File, string]
"""
    script = "cat $0 $1 $2 $3 $4 $4.bai $5 $(dirname $5)/beside.txt; echo $6 $7"
    arguments = """
- $(inputs.reads[0].path)
- $(inputs.reads[1].path)
- $(inputs.lanes[0].file.path)
- $(inputs.lanes[1].file.path)
- $(inputs.bam.path)
- $(inputs.other.path)
- $(inputs.note)
- $(inputs.either)
"""
    objects = {name: service.put(f"in/{name}", f"{name}\n".encode()) for name in "abcd"}
    service.put("in/x.bam", b"bam\n")
    service.put("in/x.bam.bai", b"bai\n")
    parameters = {
        "reads": [objects["a"], {"class": "File", "location": objects["b"]}],
        "lanes": [
            {"name": "1", "file": objects["c"]},
            {"name": "2", "file": {"class": "File", "path": objects["d"]}},
        ],
        "bam": f"s3://{service.bucket}/in/x.bam",
        "other": {
            "class": "File",
            "location": service.put("in/other", b"other\n"),
            "secondaryFiles": [{"class": "File", "location": service.put("elsewhere/beside.txt", b"beside\n")}],
        },
        # Text stays text, whatever it looks like.
        "note": f"s3://{service.bucket}/no/such/object",
        "either": "plain",
    }
    run = service.run({"main.cwl": tool(script, inputs, arguments)}, parameters)
    assert text_of(service, run).splitlines() == [
        *("a", "b", "c", "d", "bam", "bai", "other", "beside"),
        f"s3://{service.bucket}/no/such/object plain",
    ]


def test_what_an_expression_asks_for_beside_a_file_is_fetched(service: CwlService) -> None:
    service.put("in/x.bam", b"bam\n")
    service.put("in/x.idx", b"index\n")
    service.put("deep/x.ref", b"reference\n")
    inputs = """
  folder: string
  bam:
    type: File
    secondaryFiles:
      - $(self.nameroot).idx
      - {pattern: "$(self.nameroot).none", required: false}
      - "${ return {'class': 'File', 'location': inputs.folder + '/x.ref', 'basename': 'x.ref'}; }"
"""
    arguments = "[$(inputs.bam.path), '$(inputs.bam.secondaryFiles[0].path)', '$(inputs.bam.secondaryFiles[1].path)']"
    files = {
        "main.cwl": f"{tool('cat $0 $1 $2', inputs, arguments)}requirements: {{InlineJavascriptRequirement: {{}}}}\n"
    }
    parameters = {"bam": f"s3://{service.bucket}/in/x.bam", "folder": f"s3://{service.bucket}/deep"}
    assert text_of(service, service.run(files, parameters)) == "bam\nindex\nreference\n"


def test_what_the_tool_of_a_step_asks_for_beside_a_file_is_fetched(service: CwlService) -> None:
    for name in ("a.bam", "a.bam.bai", "a.txt", "b.bam", "b.bam.bai", "b.txt"):
        service.put(f"in/{name}", f"{name}\n".encode())
    bam = '{type: File, secondaryFiles: [.bai, "$(self.nameroot).txt"]}'
    script = "cat $0 $0.bai ${0%.bam}.txt"
    inner = """
cwlVersion: v1.2
class: Workflow
inputs: {one: File}
outputs: {text: {type: File, outputSource: show/text}}
steps: {show: {run: tool.cwl, in: {bam: one}, out: [text]}}
"""
    outer = """
cwlVersion: v1.2
class: Workflow
requirements: {SubworkflowFeatureRequirement: {}, ScatterFeatureRequirement: {}}
inputs: {bams: "File[]"}
outputs: {texts: {type: "File[]", outputSource: each/text}}
steps: {each: {run: inner.cwl, scatter: one, in: {one: bams}, out: [text]}}
"""
    files = {"tool.cwl": tool(script, f"{{bam: {bam}}}", "[$(inputs.bam.path)]"), "inner.cwl": inner, "main.cwl": outer}
    run = service.run(files, {"bams": [f"s3://{service.bucket}/in/{name}.bam" for name in "ab"]})
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    texts = [service.read(each["location"]).decode() for each in service.outputs(run)["texts"]]
    assert texts == ["a.bam\na.bam.bai\na.txt\n", "b.bam\nb.bam.bai\nb.txt\n"]


def test_a_directory_is_fetched_with_all_that_is_in_it(service: CwlService) -> None:
    service.put("refs/genome/a.fa", b"A\n")
    service.put("refs/genome/deep/er/b.fa", b"B\n")
    service.put("refs/genome2/c.fa", b"C\n")
    script = "cd $0; find . -type f -follow | sort; cat a.fa deep/er/b.fa"
    files = {"main.cwl": tool(script, "{genome: Directory}", "[$(inputs.genome.path)]")}
    for uri in (f"s3://{service.bucket}/refs/genome", f"s3://{service.bucket}/refs/genome/"):
        run = service.run(files, {"genome": uri})
        assert text_of(service, run) == "./a.fa\n./deep/er/b.fa\nA\nB\n"
    run = service.run(files, {"genome": f"s3://{service.bucket}/refs/gen"})
    assert run["failureReason"] == "INPUT_URI_NOT_FOUND"
    assert f"no object begins with s3://{service.bucket}/refs/gen/" in run["statusMessage"]


@pytest.mark.parametrize(
    ("kind", "uri"), [("Directory", "s3://{bucket}/dir"), ("File", "s3://{bucket}/dir/..")], ids=["directory", "file"]
)
def test_an_object_cannot_be_fetched_to_another_place(service: CwlService, kind: str, uri: str) -> None:
    service.put("dir/../escaped", b"x")
    service.put("dir/..", b"x")
    run = service.run({"main.cwl": tool("true", f"{{d: {kind}}}")}, {"d": uri.format(bucket=service.bucket)})
    assert run["failureReason"] == "INVALID_URI_INPUT"
    assert "has a name that cannot be a file's" in run["statusMessage"]


def test_outputs_may_be_arrays_directories_secondary_files_and_plain_values(service: CwlService) -> None:
    main = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand:
- sh
- -c
- >-
  mkdir -p d/deep; echo 1 > d/one; echo 22 > d/deep/two; echo a > "a b.bam"; echo i > "a b.bam.bai"; echo c > c.txt
inputs: {word: {type: string, default: a plain value}}
outputs:
  folder: {type: Directory, outputBinding: {glob: d}}
  several: {type: 'File[]', outputBinding: {glob: ["c.txt", "a b.bam"]}}
  bam: {type: File, secondaryFiles: [.bai], outputBinding: {glob: "*.bam"}}
  missing: {type: 'File?', outputBinding: {glob: no.such}}
  name: {type: string, outputBinding: {outputEval: $(inputs.word)}}
"""
    run = service.run({"main.cwl": main}, {})
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    outputs, root = service.outputs(run), f"{run['runOutputUri']}/out"

    assert outputs["missing"] is None
    assert outputs["name"] == "a plain value"
    assert [each["location"] for each in outputs["several"]] == [f"{root}/c.txt", f"{root}/a b.bam"]
    assert outputs["bam"]["secondaryFiles"][0] == {
        "class": "File",
        "location": f"{root}/a b.bam.bai",
        "basename": "a b.bam.bai",
        "size": 2,
    }
    assert (outputs["folder"]["class"], outputs["folder"]["location"]) == ("Directory", f"{root}/d")
    assert service.read(f"{root}/d/one") == b"1\n"
    assert service.read(f"{root}/d/deep/two") == b"22\n"
    assert service.read(f"{root}/a b.bam.bai") == b"i\n"


@pytest.mark.parametrize(
    ("files", "parameters", "message"),
    [
        ({"main.cwl": tool("true", "{n: int}")}, {"n": "seven"}, "Invalid job input record"),
        ({"main.cwl": tool("true", "{f: {type: File, secondaryFiles: [.bai]}}")}, "lonely", "secondary file"),
    ],
    ids=["wrong-type", "missing-secondary-file"],
)
def test_what_the_engine_refuses_fails_the_run_with_its_message(
    service: CwlService, files: dict[str, str], parameters: Any, message: str
) -> None:
    if parameters == "lonely":
        parameters = {"f": service.put("lonely.bam", b"")}
    run = service.run(files, parameters)
    assert (run["status"], run["failureReason"]) == ("FAILED", "WORKFLOW_RUN_FAILED")
    assert message in run["statusMessage"]
    assert "airflow-omics-local" not in run["statusMessage"]
    assert service.tasks(run["id"]) == []
    assert any("ERROR" in line for line in service.lines(f"run/{run['id']}/engine"))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo first >&2; echo last >&2; exit 3", "exit status 3: last"),
        ("exit 4", "exit status 4"),
        ("kill -9 $$", "killed by SIGKILL"),
    ],
)
def test_a_failed_tool_says_how_it_ended(service: CwlService, script: str, message: str) -> None:
    run = service.run({"main.cwl": tool(script)}, {})
    assert (run["status"], run["failureReason"]) == ("FAILED", "RUN_TASK_FAILED")
    (task,) = service.tasks(run["id"])
    assert (task["status"], task["statusMessage"]) == ("FAILED", message)
    assert run["statusMessage"] == f"Task {task['taskId']} (main.cwl) failed: {message}"


def test_a_tool_that_is_not_there_and_an_output_that_is_not_made_fail_their_task(service: CwlService) -> None:
    unknown = tool("true").replace("sh,", "no-such-command,")
    run = service.run({"main.cwl": unknown}, {})
    assert run["failureReason"] == "RUN_TASK_FAILED"
    assert "'no-such-command' not found" in run["statusMessage"]

    main = tool("true").replace("text: stdout", "text: {type: File, outputBinding: {glob: never.made}}")
    run = service.run({"main.cwl": main}, {})
    assert run["failureReason"] == "RUN_TASK_FAILED"
    assert "never.made" in run["statusMessage"]


def test_a_redirected_standard_error_is_logged_all_the_same(service: CwlService) -> None:
    main = tool("echo into the file >&2; exit 1").replace("stdout: out.txt", "stdout: out.txt\nstderr: err.txt")
    run = service.run({"main.cwl": main}, {})
    (task,) = service.tasks(run["id"])
    assert task["statusMessage"] == "exit status 1: into the file"
    assert service.lines(task["logStream"]) == ["into the file"]


def test_every_line_that_a_tool_writes_is_logged_in_its_order(service: CwlService) -> None:
    # More than fits into a pipe, lines that are not UTF-8 or far too long, and a last one without an end.
    script = "seq 1 20000; printf 'caf\\351\\r\\n'; head -c 450000 /dev/zero | tr '\\0' x; echo; printf last"
    run = service.run({"main.cwl": tool(script).replace("stdout: out.txt", "").replace("text: stdout", "{}")}, {})
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    (task,) = service.tasks(run["id"])
    lines = service.all_lines(task["logStream"])
    assert lines[:20_000] == [str(number) for number in range(1, 20_001)]
    assert lines[20_000] == "caf\ufffd"
    assert "".join(lines[20_001:-1]) == "x" * 450_000
    assert lines[-1] == "last"


def test_reserved_resources_are_those_of_the_definition(service: CwlService) -> None:
    main = tool("true") + "hints: [{class: ResourceRequirement, coresMin: 64, ramMin: 500000}]\n"
    run = service.run({"main.cwl": main}, {})
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    (task,) = service.tasks(run["id"])
    assert (task["cpus"], task["memory"]) == (64, 489)


def test_a_workflow_of_another_engine_is_refused_by_the_cwl_executor(service: CwlService) -> None:
    workflow_id = service.omics.create_workflow(name="w", engine="WDL", definitionZip=wdl_zip())["id"]
    run = service.end(service.start(workflow_id, {}))
    assert run["failureReason"] == "WORKFLOW_RUN_FAILED"
    assert "the workflow is WDL (PRIVATE)" in run["statusMessage"]


def test_a_scattered_step_gives_a_task_for_each_element(service: CwlService) -> None:
    main = """
cwlVersion: v1.2
class: Workflow
requirements: [{class: ScatterFeatureRequirement}]
inputs: {words: 'string[]'}
outputs: {all: {type: 'File[]', outputSource: say/text}}
steps:
  say:
    scatter: word
    in: {word: words}
    out: [text]
    run:
      class: CommandLineTool
      baseCommand: echo
      inputs: {word: {type: string, inputBinding: {}}}
      stdout: $(inputs.word).txt
      outputs: {text: stdout}
"""
    words = [f"w{number}" for number in range(8)]
    run = service.run({"main.cwl": main}, {"words": words})
    assert run["status"] == "COMPLETED", run.get("statusMessage")
    assert [service.read(each["location"]).decode() for each in service.outputs(run)["all"]] == [
        f"{word}\n" for word in words
    ]
    assert len(service.tasks(run["id"])) == 8
    assert json.loads(service.lines(f"manifest/run/{run['id']}/{run['uuid']}")[0])["metrics"]["runningSeconds"] > 0


FORMATS = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [printf, "%s %s"]
$namespaces: {edam: "http://edamontology.org/"}
inputs:
  reads: {type: 'File[]', format: [edam:format_1929, edam:format_1930]}
  sheet: {type: 'File?', format: edam:format_3752}
arguments: ["$(inputs.reads[0].format)", "$(inputs.reads[1].format)"]
stdout: out.txt
outputs: {text: stdout}
"""


def test_formats_are_written_with_prefixes_and_are_those_of_the_input_where_nothing_is_said(
    service: CwlService,
) -> None:
    uri = service.put("in/x.fa", b">x\nA\n")
    with_prefix = {"class": "File", "location": uri, "format": "edam:format_1930"}
    run = service.run({"main.cwl": FORMATS}, {"reads": [uri, with_prefix], "sheet": uri})
    names = "http://edamontology.org/format_1929 http://edamontology.org/format_1930"
    assert text_of(service, run) == names

    other = {"class": "File", "location": uri, "format": "edam:format_2330"}
    run = service.run({"main.cwl": FORMATS}, {"reads": [uri, uri], "sheet": other})
    assert (run["status"], run["failureReason"]) == ("FAILED", "WORKFLOW_RUN_FAILED")
    assert "incompatible format" in run["statusMessage"]


def test_requirements_among_the_parameters_go_beside_those_of_the_definition(service: CwlService) -> None:
    requirements = [{"class": "EnvVarRequirement", "envDef": [{"envName": "WORD", "envValue": "said"}]}]
    run = service.run({"main.cwl": tool("echo $WORD")}, {"cwl:requirements": requirements})
    assert text_of(service, run) == "said\n"
