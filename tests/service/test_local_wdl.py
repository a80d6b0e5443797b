"""WDL workflows that are really run, seen by a boto3 client over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from cwl_service import READ_QC, CwlService, await_that
from reads import damaged, make_reads
from staging import create_workflow, run_settings

from airflow_provider_omics.local import LocalOmics, Quotas, Timings

TASKS = """version 1.1
struct Sample { String name Array[File]+ reads File? index }
task count {
  input { Sample sample }
  command <<<
    set -e
    cat ~{sep(" ", sample.reads)} | wc -l > '~{sample.name}.lines'
    : > beside.txt
    ~{if defined(sample.index) then "LC_ALL=C ls $(dirname '~{sample.index}') > beside.txt" else ""}
    echo "counting ~{sample.name}" >&2
    if [ '~{sample.name}' = damaged ]; then echo 'no reads at all' >&2; exit 4; fi
  >>>
  output {
    File lines = "~{sample.name}.lines"
    Int n = read_int("~{sample.name}.lines")
    Array[String] beside = read_lines("beside.txt")
    File? warnings = "warnings.txt"
  }
  runtime { container: "quay.io/tools/count:1" cpu: 3 memory: "5 GiB" }
}
task sum {
  input { Array[Int] numbers }
  command <<< echo $((~{sep("+", numbers)})) >>>
  output { Int total = read_int(stdout()) File report = stdout() }
}
"""
COHORT = """version 1.1
import "lib/tasks.wdl" as tasks
workflow cohort {
  input { Array[Sample] samples }
  scatter (one in samples) { call tasks.count { input: sample = one } }
  call tasks.sum { input: numbers = count.n }
  output {
    Int total = sum.total
    File report = sum.report
    Array[File] lines = count.lines
    Map[String, File] by_name = as_map(zip(count.n, count.lines))
    Pair[Int, File?] first = (count.n[0], count.warnings[0])
    Array[Array[String]] beside = count.beside
  }
}
"""
FILES = {"main.wdl": COHORT.replace("Map[String", "Map[Int"), "lib/tasks.wdl": TASKS}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="auto", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        yield started


@pytest.fixture
def service(server: LocalOmics) -> CwlService:
    return CwlService(server)


def run(service: CwlService, files: dict[str, str] | str, parameters: Any, **settings: Any) -> dict[str, Any]:
    """Run a definition, or the text of its only file, to its end."""
    given = {"main.wdl": files} if isinstance(files, str) else files
    return service.run(given, parameters, **{"engine": "WDL", **settings})


def completed(service: CwlService, files: dict[str, str] | str, parameters: Any, **settings: Any) -> dict[str, Any]:
    """Run a definition and return its outputs."""
    ended = run(service, files, parameters, **settings)
    assert ended["status"] == "COMPLETED", ended["statusMessage"]
    return service.outputs(ended)


def failed(service: CwlService, files: dict[str, str] | str, parameters: Any, **settings: Any) -> tuple[str, str]:
    """Run a definition that fails, and return why."""
    ended = run(service, files, parameters, **settings)
    assert ended["status"] == "FAILED"
    return ended["failureReason"], ended["statusMessage"]


def samples(service: CwlService, *names: str) -> list[dict[str, Any]]:
    """Upload the files of samples: the first has 2 lines and an index, every other one line more than that before."""
    made = [
        {"name": name, "reads": [service.put(f"in/{name}.{n}", b"1\n") for n in range(2 + number)]}
        for number, name in enumerate(names)
    ]
    return [{**made[0], "index": service.put(f"in/{names[0]}.0.idx", b"")}, *made[1:]]


def test_scatter_and_gather_over_structs_with_an_import(service: CwlService) -> None:
    ended = run(service, FILES, {"samples": samples(service, "A", "B", "C")})
    assert ended["status"] == "COMPLETED", ended["statusMessage"]
    out = f"{ended['runOutputUri']}/out"
    assert service.outputs(ended) == {
        "cohort.total": 9,
        "cohort.report": f"{out}/report/stdout.txt",
        "cohort.lines": [f"{out}/lines/{n}/{name}.lines" for n, name in enumerate("ABC")],
        "cohort.by_name": {"2": f"{out}/by_name/2/A.lines", "3": f"{out}/by_name/3/B.lines"}
        | {"4": f"{out}/by_name/4/C.lines"},
        "cohort.first": {"left": 2, "right": None},
        # What came from one prefix stays together.
        "cohort.beside": [["A.0", "A.0.idx", "A.1"], [], []],
    }
    assert service.read(f"{out}/report/stdout.txt") == b"9\n"
    assert service.read(f"{out}/lines/1/B.lines").strip() == b"3"
    tasks = service.tasks(ended["id"])
    assert [(task["name"], task["status"], task["cpus"], task["memory"]) for task in tasks] == [
        ("count-0-1", "COMPLETED", 3, 5),
        ("count-1-1", "COMPLETED", 3, 5),
        ("count-2-1", "COMPLETED", 3, 5),
        ("sum", "COMPLETED", 1, 2),
    ]
    assert service.lines(f"run/{ended['id']}/task/{tasks[0]['taskId']}") == ["counting A"]
    assert service.lines(f"run/{ended['id']}/task/{tasks[3]['taskId']}") == ["9"]
    engine = service.all_lines(f"run/{ended['id']}/engine")
    assert sum("the container quay.io/tools/count:1 is not used" in line for line in engine) == 1
    assert service.read(f"{ended['runOutputUri']}/logs/engine.log").decode().splitlines() == engine
    manifest = service.lines(f"manifest/run/{ended['id']}/{ended['uuid']}")
    assert len(manifest) == 5
    assert all(json.loads(line)["metrics"]["memoryMaximumGiB"] > 0 for line in manifest)


def test_a_failing_shard_fails_the_run_with_its_stderr(service: CwlService) -> None:
    ended = run(service, FILES, {"samples": samples(service, "A", "damaged")})
    assert (ended["status"], ended["failureReason"]) == ("FAILED", "RUN_TASK_FAILED")
    (task,) = [task for task in service.tasks(ended["id"]) if task["status"] == "FAILED"]
    assert (task["name"], task["failureReason"]) == ("count-1-1", "RUN_TASK_FAILED")
    assert task["statusMessage"] == "exit status 4: no reads at all"
    assert ended["statusMessage"] == f"Task {task['taskId']} (count-1-1) failed: exit status 4: no reads at all"
    assert service.lines(f"run/{ended['id']}/task/{task['taskId']}") == ["counting damaged", "no reads at all"]
    listed = service.s3.list_objects_v2(Bucket=service.bucket, Prefix="out/")
    assert [entry["Key"].rpartition("/")[2] for entry in listed["Contents"]] == ["engine.log"]


def test_a_subworkflow_has_its_tasks_below_its_name(service: CwlService) -> None:
    sub = """version 1.0
task say { input { String word } command { echo ~{word} } output { String said = read_string(stdout()) } }
workflow greet {
  input { String name }
  call say { input: word = "hello " + name }
  call say as again { input: word = say.said + " again" }
  output { String said = again.said }
}
"""
    main = """version 1.0
import "greet.wdl"
workflow all {
  input { Array[String] names = ["you"] Boolean twice = false }
  scatter (name in names) { call greet.greet { input: name = name } }
  if (twice) { call greet.greet as other { input: name = "other" } }
  output { Array[String] said = greet.said String? other_said = other.said }
}
"""
    files = {"main.wdl": main, "greet.wdl": sub}
    assert completed(service, files, {}) == {"all.said": ["hello you again"], "all.other_said": None}
    ended = run(service, files, {"names": ["a", "b"], "twice": True})
    assert service.outputs(ended) == {
        "all.said": ["hello a again", "hello b again"],
        "all.other_said": "hello other again",
    }
    assert [task["name"] for task in service.tasks(ended["id"])] == [
        "greet.again-0-1",
        "greet.again-1-1",
        "greet.say-0-1",
        "greet.say-1-1",
        "other.again",
        "other.say",
    ]


def test_files_in_every_kind_of_value_come_from_s3(service: CwlService) -> None:
    first, second = service.put("in/x/first.txt", b"1"), service.put("in/y/first.txt", b"2")
    default = service.put("in/default.txt", b"default")
    main = f"""version development
task all_of_them {{
  input {{
    Map[String, Array[File]] lists
    Pair[File, File?] pair
    Array[File?] some
    Directory folder
    File given = "{default}"
    File? missing
  }}
  command <<<
    cat '~{{lists["a"][0]}}' '~{{pair.left}}' '~{{folder}}/deep/er.txt' '~{{given}}'
    find '~{{folder}}' -type f | wc -l
    mkdir -p made/inner && cp '~{{pair.left}}' made/inner/copy.txt
  >>>
  output {{
    String text = read_string(stdout())
    Directory made = "made"
    File same = lists["a"][0]
    Array[File?] some_out = some
    File? missing_out = missing
  }}
}}
"""
    service.put("in/folder/deep/er.txt", b"3")
    service.put("in/folder/top.txt", b"")
    parameters = {
        "lists": {"a": [first, second]},
        "pair": {"left": second},
        "some": [first, None],
        "folder": f"s3://{service.bucket}/in/folder/",
    }
    parameters["pair"]["right"] = None
    outputs = completed(service, main, parameters)
    assert outputs["all_of_them.text"] == "123default2"
    assert service.read(f"{outputs['all_of_them.made']}/inner/copy.txt") == b"2"
    assert service.read(outputs["all_of_them.same"]) == b"1"
    assert [uri and service.read(uri) for uri in outputs["all_of_them.some_out"]] == [b"1", None]
    assert outputs["all_of_them.missing_out"] is None


OPTIONAL = """version 1.2
task maybe {
  input { Boolean make }
  command <<< ~{if make then "echo here > made.txt" else "true"} >>>
  output { File? made = "made.txt" Array[File] all = glob("*.txt") }
  requirements { cpu: 2 }
}
workflow optional {
  input { Boolean make = false }
  call maybe { make }
  output { File? made = maybe.made Int n = length(maybe.all) }
}
"""


def test_optional_outputs_are_there_or_null(service: CwlService) -> None:
    assert completed(service, OPTIONAL, {}) == {"optional.made": None, "optional.n": 0}
    outputs = completed(service, OPTIONAL, {"make": True})
    assert outputs["optional.n"] == 1
    assert service.read(outputs["optional.made"]) == b"here\n"


DRAFT = """task say { String word command { echo ${word} } output { String said = read_string(stdout()) } }
workflow old { String word call say { input: word = word } output { say.said } }
"""


@pytest.mark.parametrize("engine", ["WDL", "WDL_LENIENT"])
def test_draft_2_runs(service: CwlService, engine: str) -> None:
    assert completed(service, DRAFT, {"word": "hello"}, engine=engine) == {"old.say.said": "hello"}


def test_a_try_after_a_failed_one_is_another_task(service: CwlService) -> None:
    main = """version 1.2
task flaky {
  command <<<
    echo "try ~{task.attempt}" >&2
    [ ~{select_first([task.attempt, 0])} -gt 0 ]
    exit $?
  >>>
  output { Boolean fine = true }
  requirements { max_retries: 2 }
}
workflow w { call flaky output { Boolean fine = flaky.fine } }
"""
    ended = run(service, main, {})
    assert service.outputs(ended) == {"w.fine": True}
    assert [(task["name"], task["status"], task.get("statusMessage")) for task in service.tasks(ended["id"])] == [
        ("flaky", "FAILED", "exit status 1: try 0"),
        ("flaky-0-2", "COMPLETED", None),
    ]


SIMPLE = """version 1.1
task t { input { File f } command <<< cat '~{f}' >>> output { String s = read_string(stdout()) } }
workflow w { input { File f Int? n } call t { input: f = f } output { String s = t.s } }
"""


def test_what_does_not_fit_fails_the_run_with_a_reason(service: CwlService) -> None:
    there = service.put("in/there", b"x")
    not_there = f"s3://{service.bucket}/in/not-there"
    template = {name: {"optional": True} for name in ("f", "w.f", "n", "other")}
    workflow_id = service.workflow({"main.wdl": SIMPLE}, engine="WDL", parameterTemplate=template)
    assert service.end(service.start(workflow_id, {"w.f": there}))["status"] == "COMPLETED"

    def why(parameters: dict[str, Any]) -> tuple[str, str]:
        ended = service.end(service.start(workflow_id, parameters))
        return ended["failureReason"], ended["statusMessage"]

    reason, message = why({"f": there, "other": 1})
    assert (reason, message) == ("WORKFLOW_RUN_FAILED", "The parameters do not fit w: unknown input/output: other")
    assert why({})[1].startswith("The parameters do not fit w: missing required inputs")
    reason, message = why({"f": there, "n": "many"})
    assert reason == "WORKFLOW_RUN_FAILED"
    assert "n" in message
    reason, message = why({"f": not_there})
    assert reason == "INPUT_URI_NOT_FOUND"
    assert message.startswith(f"Parameter f: cannot read '{not_there}'")
    reason, message = why({"f": "/etc/hostname"})
    assert reason == "INVALID_URI_INPUT"


ESCAPES = {
    "an absolute path": ("", 'File out = "/etc/hostname"'),
    "a way up": ("", 'File out = "../../definition.zip"'),
    "a link": ("ln -s /etc/hostname out.txt", 'File out = "out.txt"'),
    "a link in a folder": ("mkdir d && ln -s /etc/hostname d/out.txt", 'Directory out = "d"'),
}


@pytest.mark.parametrize("way", ESCAPES)
def test_no_output_is_a_file_of_this_machine(service: CwlService, way: str) -> None:
    command, output = ESCAPES[way]
    main = f"version development\ntask t {{ command <<< {command} >>> output {{ {output} }} }}\n"
    reason, message = failed(service, main, {})
    assert reason == "RUN_TASK_FAILED"
    assert "(t) failed: " in message
    listed = service.s3.list_objects_v2(Bucket=service.bucket, Prefix="out/")
    assert [entry["Key"].rpartition("/")[2] for entry in listed["Contents"]] == ["engine.log"]


def test_a_workflow_reads_no_file_of_this_machine(service: CwlService) -> None:
    main = 'version 1.1\nworkflow w { output { String s = read_string("/etc/hostname") } }\n'
    reason, message = failed(service, main, {})
    assert reason == "WORKFLOW_RUN_FAILED"
    assert message.startswith("main.wdl line 2, column ")
    assert "not expressly supplied" in message


SLEEPER = """version 1.1
task t { command <<< sleep 600 & echo $$ $! >&2; wait >>> output { Boolean b = true } }
workflow w { call t output { Boolean b = t.b } }
"""


def test_a_cancelled_run_ends_with_all_that_it_has_started(service: CwlService) -> None:
    run_id = service.start(service.workflow({"main.wdl": SLEEPER}, engine="WDL"), {})
    (task,) = await_that(lambda: service.tasks(run_id), "the task")
    stream = f"run/{run_id}/task/{task['taskId']}"
    await_that(lambda: stream in service.streams(run_id), "the task's first line")
    processes = [psutil.Process(int(pid)) for pid in service.lines(stream)[0].split()]
    assert len(processes) == 2
    service.omics.cancel_run(id=run_id)
    assert service.end(run_id)["status"] == "CANCELLED"
    await_that(lambda: not any(process.is_running() for process in processes), "the end of the processes")
    assert [task["status"] for task in service.tasks(run_id)] == ["CANCELLED"]
    assert service.s3.list_objects_v2(Bucket=service.bucket, Prefix="out")["KeyCount"] == 0


def test_several_runs_at_once_have_their_own_results(service: CwlService) -> None:
    workflow_id = service.workflow({"main.wdl": SIMPLE}, engine="WDL")
    texts = [f"text {number}" for number in range(5)]
    runs = [service.start(workflow_id, {"f": service.put(f"in/{text}", text.encode())}) for text in texts]
    assert [service.outputs(service.end(run_id))["w.s"] for run_id in runs] == texts


def test_read_qc_in_wdl_measures_what_it_measures_in_cwl(service: CwlService) -> None:
    mates = make_reads("S1", 30)
    reads = {"fastq_1": service.put("in/S1_R1.fastq.gz", mates.fastq_1)}
    reads["fastq_2"] = service.put("in/S1_R2.fastq.gz", mates.fastq_2)
    measured = {}
    for engine in ("CWL", "WDL"):
        workflow_id = create_workflow(service.omics, READ_QC, engine)
        (setting,) = run_settings([{"sample": "S1", **reads}], engine)
        ended = service.end(service.start(workflow_id, setting["parameters"]))
        assert ended["status"] == "COMPLETED", ended["statusMessage"]
        outputs = service.outputs(ended)
        uri = outputs["figures"]["location"] if engine == "CWL" else outputs["read_qc.figures"]
        measured[engine] = json.loads(service.read(uri))
    assert measured["WDL"] == measured["CWL"]
    assert measured["WDL"]["reads"] == 60
    broken = service.put("in/broken.fastq.gz", damaged(mates.fastq_1))
    ended = service.end(service.start(workflow_id, {"sample_name": "S2", "fastq_1": broken}))
    assert (ended["status"], ended["failureReason"]) == ("FAILED", "RUN_TASK_FAILED")
    assert "broken.fastq.gz: the gzip data end too early; the file is truncated" in ended["statusMessage"]
