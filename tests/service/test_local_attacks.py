"""Workflows that are made to harm the machine that runs them: nothing outside of a run's folder changes."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from cwl_service import CwlService, await_that, zip_of

from airflow_provider_omics.local import LocalOmics, Quotas, Timings
from airflow_provider_omics.local.executors.sandbox import landlock_version

SECRET = "the secret of the host"
TOOL: dict[str, Any] = {"cwlVersion": "v1.2", "class": "CommandLineTool", "inputs": {}, "outputs": {}}
SOUND = {
    **TOOL,
    "baseCommand": ["sh", "-c", "echo sound"],
    "stdout": "sound.txt",
    "outputs": {"out": {"type": "stdout"}},
}
CONFINED = pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")
KEPT_FROM_SIGNALS = pytest.mark.skipif(landlock_version() < 6, reason="this kernel's Landlock knows nothing of signals")


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMICS_TEST_SECRET", SECRET)
        with LocalOmics(executor="auto", timings=Timings.fast(), quotas=Quotas.wide()) as started:
            yield started


@pytest.fixture
def service(server: LocalOmics) -> Iterator[CwlService]:
    """The server, which has to run a sound workflow after whatever a test has done to it."""
    service = CwlService(server)
    yield service
    run = service.run({"main.cwl": json.dumps(SOUND)}, {})
    assert run["status"] == "COMPLETED", run.get("statusMessage")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    """A folder of the host's, which has to be afterwards what it was before."""
    folder = tmp_path / "host"
    folder.joinpath("inner").mkdir(parents=True)
    for name in ("file", "inner/file"):
        folder.joinpath(name).write_text(SECRET)
    before = snapshot(folder)
    yield folder
    assert snapshot(folder) == before


def snapshot(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return mode, number of links, time of the last change and content of everything in a folder."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_nlink, status.st_mtime_ns, content)
    return found


def placed(value: Any, host: Path) -> Any:
    """Put the host's folder into a definition; ``UP`` is enough ``..`` to come to the root."""
    return json.loads(json.dumps(value).replace("HOST", str(host)).replace("UP", "../" * 20 + "."))


def work_dir(*listing: Any, **requirements: Any) -> dict[str, Any]:
    return {
        **TOOL,
        "baseCommand": ["sh", "-c", "ls -l"],
        "requirements": {
            "InitialWorkDirRequirement": {"listing": list(listing)},
            "DockerRequirement": {"dockerPull": "debian"},
            "InlineJavascriptRequirement": {},
            **requirements,
        },
    }


def shell(command: str, glob: str | None = None, kind: str = "File", **members: Any) -> dict[str, Any]:
    outputs = {} if glob is None else {"out": {"type": kind, "outputBinding": {"glob": glob}}}
    return {**TOOL, "baseCommand": ["sh", "-c", command], "outputs": outputs, **members}


def uploaded(service: CwlService) -> bytes:
    """Return the contents of all that runs have written to the bucket."""
    pages = service.s3.get_paginator("list_objects_v2").paginate(Bucket=service.bucket, Prefix="out")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return b"\n".join(service.read(f"s3://{service.bucket}/{key}") for key in keys)


DEFAULT = {"x": {"type": "File", "default": {"class": "File", "location": "file://HOST/file"}}}
ESCAPE = "this.constructor.constructor('return process')().mainModule.require('fs').writeFileSync('HOST/new', 'x')"

NAMES = {
    "absolute entryname": work_dir({"entryname": "HOST/file", "entry": "evil"}),
    "absolute entryname of a new file": work_dir({"entryname": "HOST/new/deep", "entry": "evil"}),
    "absolute writable entryname": work_dir({"entryname": "HOST/file", "entry": "evil", "writable": True}),
    "absolute entryname by an expression": work_dir({"entryname": "$('HOST' + '/file')", "entry": "evil"}),
    "entryname that leads up": work_dir({"entryname": "UPHOST/file", "entry": "evil"}),
    "entryname that leads up later": work_dir({"entryname": "a/UPHOST/file", "entry": "evil"}),
    "dirname": work_dir(
        "${return {'class': 'File', 'basename': 'new', 'dirname': 'HOST', 'contents': 'evil'}}",
    ),
    "basename of a literal": work_dir(
        "${return {'class': 'File', 'basename': 'HOST/new', 'contents': 'evil'}}",
    ),
    "basename in a listing": work_dir(
        "${return {'class': 'Directory', 'basename': 'd', 'listing': "
        "[{'class': 'File', 'basename': 'UPHOST/new', 'contents': 'evil'}]}}",
    ),
    "basename of a directory": work_dir(
        "${return {'class': 'Directory', 'basename': 'HOST/new', 'listing': []}}",
    ),
    "file of the host": work_dir("${return {'class': 'File', 'location': 'file://HOST/file'}}"),
    "directory of the host, writable": work_dir(
        {"entry": "${return {'class': 'Directory', 'location': 'file://HOST/inner'}}", "writable": True},
        InplaceUpdateRequirement={"inplaceUpdate": True},
    ),
    "default": {**shell("cat $0"), "inputs": DEFAULT, "arguments": ["$(inputs.x.path)"]},
    "default that is changed in place": {
        **work_dir({"entry": "$(inputs.x)", "writable": True}, InplaceUpdateRequirement={"inplaceUpdate": True}),
        "baseCommand": ["sh", "-c", "echo evil > file"],
        "inputs": DEFAULT,
    },
    "secondary file of a default": {
        **shell("true"),
        "inputs": {
            "x": {
                "type": "File",
                "secondaryFiles": [{"pattern": "$('HOST/file')", "required": True}],
                "default": {"class": "File", "location": "main.cwl"},
            }
        },
        "requirements": {"InlineJavascriptRequirement": {}},
    },
    "stdout": shell("echo evil", stdout="HOST/file"),
    "stdout that leads up": shell("echo evil", stdout="UPHOST/file"),
    "stderr": shell("echo evil >&2", stderr="HOST/file"),
    "stderr that leads up": shell("echo evil >&2", stderr="UPHOST/file"),
    "stdin": {**shell("cat", "o", stdout="o"), "stdin": "HOST/file"},
    "glob": shell("true", "HOST/file"),
    "glob that leads up": shell("true", "UPHOST/file"),
    "custom output": shell(
        """echo '{"out": {"class": "File", "location": "file://HOST/file"}}' > cwl.output.json""", "none"
    ),
    "custom output by its path": shell(
        """echo '{"out": {"class": "File", "path": "UPHOST/file"}}' > cwl.output.json""", "none"
    ),
    "custom output that is a link": shell("ln -s HOST/file cwl.output.json", "none"),
    "secondary file of an output": shell(
        """echo > o; echo '{"out": {"class": "File", "path": "o", "secondaryFiles": """
        """[{"class": "File", "location": "file://HOST/file"}]}}' > cwl.output.json""",
        "none",
    ),
    "listing of an output": shell(
        """mkdir o; echo '{"out": {"class": "Directory", "path": "o", "listing": """
        """[{"class": "File", "location": "file://HOST/file"}]}}' > cwl.output.json""",
        "none",
        "Directory",
    ),
    "link as an output": shell("ln -s HOST/file o", "o"),
    "link over a link": shell("ln -s HOST/file a; ln -s a o", "o"),
    "link up": shell("ln -s UPHOST/file o", "o"),
    "link to a directory": shell("ln -s HOST o", "o", "Directory"),
    "file behind a link": shell("ln -s HOST o", "o/file"),
    "link in a directory": shell("mkdir o; ln -s HOST/file o/x", "o", "Directory"),
    "link to a directory in a directory": shell("mkdir o; ln -s HOST o/x", "o", "Directory"),
    "link in the place of the standard output": shell("ln -sf HOST/file o", stdout="o"),
    "pipe as an output": shell("mkfifo o", "o"),
    "pipe in a directory": shell("mkdir o; mkfifo o/p", "o", "Directory"),
    "pipe in the place of the standard error": shell("rm e; mkfifo e; exit 1", stderr="e"),
    "device as an output": shell("mknod o c 1 5 || ln -s /dev/zero o", "o"),
    "disk as an output": shell("mknod o b 7 0 || exit 7", "o"),
    "include": shell("true", doc={"$include": "file://HOST/file"}),
    "format of a definition": {**TOOL, "class": "Workflow", "steps": {"s": {"run": "HOST/file", "in": {}, "out": []}}},
    "expression's file": {
        "cwlVersion": "v1.2",
        "class": "ExpressionTool",
        "requirements": {"InlineJavascriptRequirement": {}},
        "inputs": {},
        "outputs": {"out": "File"},
        "expression": "${return {'out': {'class': 'File', 'location': 'file://HOST/file'}}}",
    },
}


# cwltool takes another name, or what lies in the folder already.
HARMLESS = ("dirname", "link in the place of the standard output")
OUTSIDE = "HOST.* outside of the run's folder"
# What the message has where it has something else; HOST is the folder's path there, too.
TOLD = {
    "entryname that leads up": r"\.\.HOST/file' at index 0 of listing is invalid, cannot start with '\.\./'",
    "entryname that leads up later": r"HOST/file' at index 0 of listing is invalid, cannot start with '\.\./'",
    "secondary file of a default": "Missing required secondary file 'HOST/file'",
    "stdout": r"stdout must be a relative path, got\s+'HOST/file'",
    "stdout that leads up": r"stdout must be a relative path, got\s+'UPHOST/file'",
    "stderr": r"stderr must be a relative path, got\s+'HOST/file'",
    "stderr that leads up": r"stderr must be a relative path, got\s+'UPHOST/file'",
    "stdin": "HOST/file missing",
    "glob": "main.cwl:1:.*glob patterns must not start with '/'",
    "custom output": "HOST/file must be within designated output directory",
    "custom output that is a link": "cwl.output.json' is outside of the run's folder",
    "secondary file of an output": "HOST/file must be within designated output directory",
    "listing of an output": "HOST/file must be within designated output directory",
    "pipe as an output": "the output 'o' is neither a file nor a directory",
    "pipe in a directory": "the output 'p' is neither a file nor a directory",
    "pipe in the place of the standard error": "exit status 1",
    "device as an output": "the output 'o' leads to '/dev/zero', which is outside of the run's folder",
    "disk as an output": "mknod: o: (Permission denied|Operation not permitted)",
    "include": "main.cwl:1: .*HOST/file lies outside of the definition; put the file into the archive",
    "format of a definition": "main.cwl:1:.* HOST/file lies outside of the definition; put the file into the archive",
}
REFUSED = re.compile("Permission denied|Read-only file system|Operation not permitted|cross-device link")


def end_of(service: CwlService, engine: str, main: str, parameters: Any = None) -> tuple[str, str]:
    """Create a workflow, run it if it is ACTIVE, and return how it ends and what its owner is told."""
    request = {"name": "attack", "engine": engine, "definitionZip": zip_of({f"main.{engine.lower()}": main})}
    workflow_id = service.omics.create_workflow(**request)["id"]
    await_that(lambda: service.omics.get_workflow(id=workflow_id)["status"] != "CREATING", "the workflow")
    ended = service.omics.get_workflow(id=workflow_id)
    if ended["status"] != "FAILED":
        ended = service.end(service.start(workflow_id, parameters or {}))
        assert ended.get("failureReason") != "SERVICE_ERROR", ended["statusMessage"]
    return ended["status"], ended.get("statusMessage", "")


def pattern(text: str, host: Path) -> str:
    return text.replace("HOST", re.escape(str(host))).replace("UP", re.escape("../" * 20 + "."))


def assert_refused(service: CwlService, run: dict[str, Any]) -> None:
    """Check that the log of a run's only task says that the system has refused something."""
    (task,) = service.tasks(run["id"])
    assert REFUSED.search("\n".join(service.lines(task["logStream"])))


@pytest.mark.parametrize("case", NAMES)
def test_files_of_the_host_are_neither_written_nor_uploaded(service: CwlService, host: Path, case: str) -> None:
    status, message = end_of(service, "CWL", json.dumps(placed(NAMES[case], host)))
    if case in HARMLESS:
        assert (status, message) == ("COMPLETED", "")
    else:
        assert status == "FAILED"
        assert re.search(pattern(TOLD.get(case, OUTSIDE), host), message), message
    assert SECRET.encode() not in uploaded(service)


COMMANDS = {
    "a new file": "echo evil > HOST/new",
    "a file": "echo evil > HOST/file",
    "the end of a file": "echo evil >> HOST/file",
    "a link to a file": "ln -s HOST/file x; echo evil > x",
    "a link to a directory": "ln -s HOST x; echo evil > x/new",
    "a hard link": "ln HOST/file x && echo evil > x",
    "a hard link there": "echo evil > x; ln x HOST/new",
    "a symbolic link there": "ln -s x HOST/new",
    "a directory there": "mkdir HOST/new",
    "a pipe there": "mkfifo HOST/new",
    "a device there": "mknod HOST/new c 1 3",
    "a name": "mv HOST/file HOST/new",
    "a file taken away": "mv HOST/file .",
    "a file put there": "echo evil > x; mv x HOST/new",
    "a removed file": "rm -f HOST/file",
    "a removed directory": "rm -rf HOST/inner",
    "a shortened file": "truncate -s 0 HOST/file",
    "its home": "HOME=HOST; cd; echo evil > new",
    "by Python": 'python3 -c \'open("HOST/new", "w")\'',
    "a daemon": "setsid sh -c 'echo evil > HOST/new' & wait",
}


@CONFINED
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_command_changes_what_is_the_host_s(service: CwlService, host: Path, command: str) -> None:
    tool = shell(f"{command}; true".replace("HOST", str(host)))
    run = service.run({"main.cwl": json.dumps(tool)}, {})
    assert run["status"] == "COMPLETED"
    assert_refused(service, run)


@pytest.mark.parametrize("command", ["chmod 777 HOST/file", "touch -d 2001-01-01 HOST/file", "chmod 700 HOST"])
def test_no_command_changes_attributes_where_namespaces_are_allowed(
    service: CwlService, host: Path, command: str
) -> None:
    check = "from airflow_provider_omics.local.executors.read_only import *; print(namespaces_allowed())"
    if "True" not in subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout:
        pytest.skip("this system allows no user namespaces")
    tool = shell(f"{command}; true".replace("HOST", str(host)))
    assert service.run({"main.cwl": json.dumps(tool)}, {})["status"] == "COMPLETED"


@CONFINED
@pytest.mark.parametrize("name", ["HOME", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "PYTHONPATH", "BASH_ENV"])
def test_no_variable_leads_a_tool_there(service: CwlService, host: Path, name: str) -> None:
    tool = shell(
        f'echo evil > "${name}/new"; mktemp -p "${name}"; true',
        requirements={"EnvVarRequirement": {"envDef": {name: str(host)}}},
    )
    service.run({"main.cwl": json.dumps(tool)}, {})


@CONFINED
def test_no_expression_escapes(service: CwlService, host: Path) -> None:
    tool = work_dir({"entryname": "x", "entry": "${" + ESCAPE.replace("HOST", str(host)) + "; return 'x'}"})
    service.run({"main.cwl": json.dumps(tool)}, {})


WDL_OUTSIDE = "task outputs attempted to use a path outside its working directory: "
WDL_TASKS = {
    "link": ("ln -s HOST/file o", 'File x = "o"', f"{WDL_OUTSIDE}o"),
    "absolute": ("true", 'File x = "HOST/file"', f"{WDL_OUTSIDE}HOST/file"),
    "optional": ("true", 'File? x = "HOST/file"', f"{WDL_OUTSIDE}HOST/file"),
    "up": ("true", 'File x = "UPHOST/file"', rf"{WDL_OUTSIDE}[./]*HOST/file"),
    "read": ("true", 'String x = read_string("HOST/file")', f"{WDL_OUTSIDE}HOST/file"),
    "read through a link": ("ln -s HOST/file o", 'String x = read_string("o")', f"{WDL_OUTSIDE}o"),
    "glob": ("ln -s HOST d", 'Array[File] x = glob("d/*")', f"{WDL_OUTSIDE}d/file"),
    "glob that leads up": ("true", 'Array[File] x = glob("UPHOST/*")', "must not use .. uplevels"),
    "pipe": ("mkfifo o", 'File x = "o"', "not found in task output x: o"),
    "device": ("mknod o c 1 5 || ln -s /dev/zero o", 'File x = "o"', "not found in task output x: o"),
    "disk": ("mknod o b 7 0 || exit 7", 'File x = "o"', "mknod: o: (Permission denied|Operation not permitted)"),
    "home": ("true", 'File x = "~/.bashrc"', "not found in task output x: ~/.bashrc"),
    "standard output": (
        "rm -f ../stdout.txt; ln -s HOST/file ../stdout.txt",
        "File x = stdout()",
        "the output 'stdout.txt' leads to 'HOST/file', which is outside of the run's folder",
    ),
}


@pytest.mark.parametrize(("command", "output", "told"), WDL_TASKS.values(), ids=WDL_TASKS.keys())
def test_outputs_of_wdl_tasks_are_the_run_s_own(
    service: CwlService, host: Path, command: str, output: str, told: str
) -> None:
    pytest.importorskip("WDL", reason="needs miniwdl")
    main = f"version 1.0\ntask t {{ command {{ {command} }} output {{ {output} }} }}\n"
    status, message = end_of(service, "WDL", placed(main, host))
    assert status == "FAILED"
    assert re.search(rf"^Task \d+ \(t\) failed: .*{pattern(told, host)}", message), message
    assert SECRET.encode() not in uploaded(service)


@CONFINED
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_command_of_a_wdl_task_changes_what_is_the_host_s(service: CwlService, host: Path, command: str) -> None:
    pytest.importorskip("WDL", reason="needs miniwdl")
    text = f"{command}; true".replace("HOST", str(host))
    main = f"version 1.0\ntask t {{ command <<< {text} >>> output {{}} }}\n"
    run = service.run({"main.wdl": main}, {}, engine="WDL")
    assert run["status"] == "COMPLETED"
    assert_refused(service, run)


def test_tools_see_nothing_of_the_server_s_environment(service: CwlService) -> None:
    own = shell("env; cat /proc/$PPID/environ; cat /proc/$(ps -o ppid= -p $PPID)/environ; true", "o", stdout="o")
    run = service.run({"main.cwl": json.dumps(own)}, {})
    assert run["status"] == "COMPLETED"
    assert b"PATH=" in uploaded(service)
    assert SECRET.encode() not in uploaded(service)


@KEPT_FROM_SIGNALS
def test_tools_cannot_end_the_server(service: CwlService) -> None:
    tool = shell(f"kill -9 {os.getpid()}; kill -9 $(ps -o ppid= -p $PPID); true")
    assert service.run({"main.cwl": json.dumps(tool)}, {})["status"] == "COMPLETED"


@pytest.mark.parametrize(
    "value",
    [
        {"class": "File", "basename": "HOST/new", "contents": "evil"},
        {"class": "File", "basename": "UPHOST/new", "contents": "evil"},
        {"class": "File", "dirname": "HOST", "basename": "new", "contents": "evil"},
        {"class": "Directory", "basename": "UPHOST/new", "listing": []},
        {"class": "File", "location": "s3://BUCKET/evil", "basename": "UPHOST/new"},
        {"class": "File", "location": "s3://BUCKET/evil", "dirname": "HOST"},
        {"class": "File", "location": "s3://BUCKET/evil", "basename": ".."},
        {"class": "File", "location": "s3://BUCKET/evil/.."},
        {"class": "Directory", "location": "s3://BUCKET/evil.d/"},
        {"class": "File", "path": "HOST/file"},
    ],
    ids=json.dumps,
)
def test_parameters_put_nothing_there(service: CwlService, host: Path, value: dict[str, Any]) -> None:
    service.put("evil", b"evil")
    for key in ("evil/..", f"evil.d/{'../' * 20}.{host}/new"):
        service.put(key, b"evil")
    tool = {**shell("cat $0; true"), "inputs": {"x": {"type": value["class"]}}, "arguments": ["$(inputs.x)"]}
    parameters = placed({"x": value}, host)
    parameters["x"] = json.loads(json.dumps(parameters["x"]).replace("BUCKET", service.bucket))
    status, message = end_of(service, "CWL", json.dumps(tool), parameters)
    assert status == "FAILED"
    read = "(has a name that cannot be a file's|is not an S3 URI; write s3://bucket/key)"
    written = "HOST/.* is outside of the run's folder; runs have no container here, so that names have to be relative"
    assert re.search(pattern(f"{written}|^Parameter x: cannot read .* {read}", host), message), message
    assert SECRET.encode() not in uploaded(service)


def definition_of(language: str, command: str) -> dict[str, str | bytes]:
    if language == "CWL":
        return {"main.cwl": json.dumps(shell(command))}
    pytest.importorskip("WDL", reason="needs miniwdl")
    return {"main.wdl": f"version 1.0\ntask t {{ command <<< {command} >>> output {{}} }}\n"}


@pytest.mark.parametrize("language", ["CWL", "WDL"])
def test_what_a_run_has_started_ends_with_it(service: CwlService, language: str) -> None:
    """Daemons: in a session of their own, their parents gone, deaf to signals, each with another one."""
    mark = f"3600.{os.getpid()}"
    daemon = f"trap '' TERM HUP INT; setsid sh -c \"trap '' TERM HUP; sleep {mark} & sleep {mark}\" & sleep {mark}"
    quick = f'setsid sh -c "(setsid sh -c \\"{daemon.replace(chr(34), chr(92) * 3 + chr(34))}\\" &)" & echo; true'
    assert service.run(definition_of(language, quick), {}, engine=language)["status"] == "COMPLETED"
    assert _processes_with(mark) == []

    endless = definition_of(language, f"(setsid sleep {mark} &); (setsid sleep {mark} &); sleep {mark}")
    run_id = service.start(service.workflow(endless, engine=language), {})
    await_that(lambda: len([one for one in _processes_with(mark) if "sleep" in one.cmdline()]) >= 3, "the daemons")
    service.omics.cancel_run(id=run_id)
    assert service.end(run_id)["status"] == "CANCELLED"
    assert _processes_with(mark) == []


def _processes_with(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if any(mark in word for word in process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def test_archives_that_are_made_to_harm_fail_their_workflows(service: CwlService) -> None:
    def fill(archive: zipfile.ZipFile, name: str, size: int) -> None:
        archive.writestr(name, b"")
        archive.getinfo(name).file_size = size

    bomb, many = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("main.cwl", json.dumps(SOUND))
        fill(archive, "zeros", 10 << 30)
    with zipfile.ZipFile(many, "w") as archive:
        archive.writestr("main.cwl", json.dumps(SOUND))
        for number in range(100_000):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    for content, message in [(bomb, "256 MiB when it is unpacked"), (many, "more than 10,000 files")]:
        for source in (
            {"definitionZip": content.getvalue()},
            {"definitionUri": service.put("definition.zip", content.getvalue())},
        ):
            workflow_id = service.omics.create_workflow(name="attack", engine="CWL", **source)["id"]
            await_that(lambda at=workflow_id: service.omics.get_workflow(id=at)["status"] == "FAILED", "its failure")
            assert message in service.omics.get_workflow(id=workflow_id)["statusMessage"]
