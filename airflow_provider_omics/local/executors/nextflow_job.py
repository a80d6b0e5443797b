"""Carries out one Nextflow workflow with the ``nextflow`` on the PATH, in a process that the fork server has forked.

It is written to the documented command line and trace file of Nextflow, and tested with a stand-in for it.
"""

from __future__ import annotations

import csv
import json
import math
import os
import pwd
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from airflow_provider_omics.local.executors.line_pump import LinePump
from airflow_provider_omics.local.executors.messages import Message, MessageStream
from airflow_provider_omics.local.executors.run_folder import MOST_OUTPUTS, TOO_MANY_OUTPUTS
from airflow_provider_omics.local.workflows.archives import DefinitionArchive

PUBLISHED = "/mnt/workflow/pubdir"
"""Where workflows publish their outputs in the service."""

_GIB = 1 << 30
_SECONDS_BETWEEN_READS = 0.2
_FIELDS = "task_id,name,status,exit,cpus,memory,%cpu,peak_rss"
_TEXTS = (".nf", ".config")
_CONFIG = "process.executor = 'local'\n" + "".join(
    f"{name}.enabled = false\n" for name in ("docker", "podman", "singularity", "apptainer", "conda", "wave")
)
# What nextflow has downloaded for its user, which lies in a home that runs do not have.
_DOWNLOADED = ("framework", "plugins")


def preload() -> None:
    """Do nothing: Nextflow is a program of its own."""


def run(connection: socket.socket) -> None:
    """Carry out a run; the first message is as for the other engines."""
    stream = MessageStream(connection)
    order = next(iter(stream))
    try:
        _run(order, stream)
    except Exception as error:
        stream.send({"failed": str(error) or type(error).__name__, "task": None})


def _run(order: Message, stream: MessageStream) -> None:
    directory = Path(order["directory"])
    out, trace = directory / "out", directory / "trace.txt"
    _unpack(directory, out)
    parameters = _Parameters(directory / "inputs", out, stream.ask).localised("parameters", order["parameters"])
    directory.joinpath("parameters.json").write_text(json.dumps(parameters), encoding="utf-8")
    fields = f"trace {{ enabled = true; raw = true; fields = '{_FIELDS}' }}\n"
    directory.joinpath("local.config").write_text(_CONFIG + fields, encoding="utf-8")
    if order["cached"]:
        stream.send({"engine": "WARNING Run caches are not used: Nextflow runs every task"})
    log = _EngineLines(stream)
    code, tasks = _execute(directory, order["main"], trace, log, stream)
    if code != 0:
        stream.send({"failed": log.error or f"nextflow ended with exit status {code}", "task": tasks.failed})
        return
    files = sorted(str(path) for path in out.rglob("*") if not path.is_dir() or path.is_symlink())
    if len(files) > MOST_OUTPUTS:
        raise ValueError(TOO_MANY_OUTPUTS)
    stream.send({"outputs": {}, "files": files, "summary": False})


def _unpack(directory: Path, out: Path) -> None:
    definition = directory / "definition"
    DefinitionArchive(directory.joinpath("definition.zip").read_bytes()).extract(definition)
    out.mkdir()
    for path in definition.rglob("*"):
        if path.suffix in _TEXTS and path.is_file():
            path.write_bytes(path.read_bytes().replace(PUBLISHED.encode(), str(out).encode()))
    home = Path.home() / ".nextflow"
    home.mkdir()
    for name in _DOWNLOADED:
        found = Path(pwd.getpwuid(os.getuid()).pw_dir, ".nextflow", name)
        if found.is_dir():
            home.joinpath(name).symlink_to(found)


def _execute(
    directory: Path, main: str, trace: Path, log: _EngineLines, stream: MessageStream
) -> tuple[int, _TracedTasks]:
    command = ["nextflow", "run", str(directory / "definition" / main), "-c", str(directory / "local.config")]
    command += ["-params-file", str(directory / "parameters.json"), "-work-dir", str(directory / "work")]
    command += ["-with-trace", str(trace), "-ansi-log", "false"]
    environment = {**os.environ, "NXF_OFFLINE": "true", "NXF_DISABLE_CHECK_LATEST": "true"}
    tasks, pump = _TracedTasks(trace, stream), LinePump(log)
    try:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=pump.file,
            stderr=subprocess.STDOUT,
        )
        while process.poll() is None:
            tasks.send_new()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SECONDS_BETWEEN_READS)
    finally:
        pump.close()
    tasks.send_new()
    return process.returncode, tasks


class _EngineLines:
    """Sends what Nextflow writes.

    :ivar error: the last line that says that something is an error.
    """

    def __init__(self, stream: MessageStream) -> None:
        self._stream = stream
        self.error: str | None = None

    def __call__(self, lines: list[str]) -> None:
        for line in lines:
            if line.startswith("ERROR"):
                self.error = line
            self._stream.send({"engine": line})


class _TracedTasks:
    """Reports tasks once they have ended, which is when the trace file has them.

    :ivar failed: key of the last one that failed.
    """

    def __init__(self, trace: Path, stream: MessageStream) -> None:
        self._trace = trace
        self._stream = stream
        self._sent = 0
        self.failed: int | None = None

    def send_new(self) -> None:
        """Report what is new in the file."""
        for key, row in enumerate(self._rows()):
            if key >= self._sent:
                self._send(key, row)
                self._sent += 1

    def _rows(self) -> Iterator[Mapping[str, str | None]]:
        if self._trace.is_file():
            text = self._trace.read_text(encoding="utf-8", errors="replace")
            # The last line may be half written.
            yield from csv.DictReader(text[: text.rfind("\n") + 1].splitlines(), delimiter="\t")

    def _send(self, key: int, row: Mapping[str, str | None]) -> None:
        cpus, memory = _number(row.get("cpus")) or 1, (_number(row.get("memory")) or 0) / _GIB
        started = {"task": key, "name": row.get("name"), "cpus": math.ceil(cpus), "memory": max(1, math.ceil(memory))}
        self._stream.send({"task_started": started})
        error = None
        if row.get("status") not in ("COMPLETED", "CACHED"):
            error, self.failed = f"{row.get('status')}: exit status {row.get('exit')}", key
        used, most = _number(row.get("%cpu")), _number(row.get("peak_rss"))
        use = {"cpus": used / 100, "memory": most / _GIB} if used is not None and most is not None else None
        self._stream.send({"task_ended": {"task": key, "error": error, "use": use, "kept": None}})


class _Parameters:
    """Has what parameters name in S3 copied here; what ends with a slash, or is no object, is a folder."""

    def __init__(self, folder: Path, out: Path, ask: Callable[[Message], Message]) -> None:
        self._folder = folder
        self._out = out
        self._ask = ask
        self._number = 0

    def localised(self, where: str, value: Any) -> Any:
        """Return a value with local paths in it."""
        if isinstance(value, dict):
            return {name: self.localised(name, inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.localised(f"{where}[{i}]", inner) for i, inner in enumerate(value)]
        if not isinstance(value, str):
            return value
        return self._fetched(where, value) if value.startswith("s3://") else value.replace(PUBLISHED, str(self._out))

    def _fetched(self, where: str, uri: str) -> str:
        target = self._folder / str(self._number) / PurePosixPath(uri).name
        self._number += 1
        message = {"fetch": uri, "parameter": where, "to": str(target)}
        if uri.endswith("/") or not self._ask({**message, "class": "File", "optional": True})["found"]:
            self._ask({**message, "class": "Directory"})
        return str(target)


def _number(text: str | None) -> float | None:
    with suppress(ValueError, TypeError):
        return float(text or "")
    return None
