"""Runs the calls of a WDL workflow without containers, and reports each of them as a task."""

from __future__ import annotations

import itertools
import logging
import math
import os
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from WDL import Env, Value
from WDL.runtime import config
from WDL.runtime.error import CommandFailed, Terminated
from WDL.runtime.task_container import TaskContainer

from airflow_provider_omics.local.executors.line_pump import LinePump
from airflow_provider_omics.local.executors.messages import MessageStream
from airflow_provider_omics.local.executors.run_folder import MOST_OUTPUTS, TOO_MANY_OUTPUTS
from airflow_provider_omics.local.executors.usage import Usage

_GIB = 1 << 30
_DEFAULT_GIB = 2
_LONGEST_NAME = 128
_MOST_STDOUT_CHARACTERS = 1 << 20
_SECONDS_BETWEEN_LOOKS = 0.2
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


class TaskReports:
    """Reports the tasks of one run, and remembers what has failed.

    :param stream: takes the messages ``task_started``, ``task_lines`` and ``task_ended``.
    """

    def __init__(self, stream: MessageStream) -> None:
        self.stream = stream
        self.keys = itertools.count()
        self._failures: list[tuple[BaseException, int]] = []

    def watch(
        self,
        keep: Callable[[Env.Bindings[Value.Base]], dict[str, str] | None] | None,
        cfg: config.Loader,
        logger: logging.Logger,
        run_id_stack: list[str],
        run_dir: str,
        task: Any,
        **state: Any,
    ) -> Generator[dict[str, Any], dict[str, Any], None]:
        """Follow one call through its stages, as a plugin of miniwdl's for tasks does.

        :param keep: keeps the outputs for the run cache, and returns what the server needs to know of them.
        """
        state = yield state
        container: LocalContainer = state["container"]
        report = _TaskReport(self, run_id_stack[1:] or [task.name], container.runtime_values)
        container.report = report
        report.start()
        try:
            state = yield state
        except Terminated:
            # Something else has failed, and the server stops what still runs.
            raise
        except Exception as error:
            report.end(_why(error, report))
            self._failures.append((error, report.key))
            raise
        report.end(None, keep(state["outputs"]) if keep is not None else None)
        yield state

    def failed_task(self, error: BaseException) -> int | None:
        """Return the key of the task whose failure is at the bottom of an error, if there is one."""
        causes = list(_causes(error))
        return next((key for failure, key in self._failures if any(failure is cause for cause in causes)), None)


class _TaskReport:
    """One call, or shard of one, as the server shows it; a try after a failed one is a task of its own."""

    def __init__(self, reports: TaskReports, stack: list[str], runtime: Mapping[str, Any]) -> None:
        self._reports = reports
        self._stack = stack
        self._runtime = runtime
        self._attempt = 0
        self._stdout_characters = 0
        self.key = -1
        self.last_stderr_line = ""

    def start(self) -> None:
        self.key = next(self._reports.keys)
        self._attempt += 1
        self._stdout_characters = 0
        self.last_stderr_line = ""
        self.usage: Usage | None = None
        memory = self._runtime.get("memory_reservation", _DEFAULT_GIB * _GIB)
        started = {
            "task": self.key,
            "name": task_name(self._stack, self._attempt),
            "cpus": self._runtime.get("cpu", 1),
            "memory": max(1, math.ceil(memory / _GIB)),
        }
        self._reports.stream.send({"task_started": started})

    def end(self, error: str | None, kept: dict[str, str] | None = None) -> None:
        figures = self.usage.figures() if self.usage is not None else None
        self._reports.stream.send({"task_ended": {"task": self.key, "error": error, "use": figures, "kept": kept}})

    def stdout_lines(self, lines: list[str]) -> None:
        """Log lines of the standard output, which may be the task's data and of any size, up to a bound."""
        if self._stdout_characters > _MOST_STDOUT_CHARACTERS:
            return
        self._stdout_characters += sum(map(len, lines))
        if self._stdout_characters > _MOST_STDOUT_CHARACTERS:
            lines = [
                *lines,
                f"(the standard output has more than {_MOST_STDOUT_CHARACTERS} characters)",
            ]
        self._send(lines)

    def stderr_lines(self, lines: list[str]) -> None:
        written = (line.strip() for line in reversed(lines) if line.strip())
        self.last_stderr_line = next(written, self.last_stderr_line)
        self._send(lines)

    def _send(self, lines: list[str]) -> None:
        self._reports.stream.send({"task_lines": {"task": self.key, "lines": lines}})


class LocalContainer(TaskContainer):
    """Where one call's command runs: no container, but a folder of its own on this machine.

    Inputs are hard links below the work folder, so that paths mean the same inside and outside.

    :ivar report: set before the command runs.
    """

    report: _TaskReport
    _told: ClassVar[set[str]] = set()

    @classmethod
    def global_init(cls, cfg: config.Loader, logger: logging.Logger) -> None:
        """Do nothing: there is nothing to set up."""

    @classmethod
    def detect_resource_limits(cls, cfg: config.Loader, logger: logging.Logger) -> dict[str, int]:  # noqa: ARG003
        """Return this machine's resources; they bound nothing, since a task may ask for more than there is here."""
        return {"cpu": os.cpu_count() or 1, "mem_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}

    def __init__(self, cfg: config.Loader, run_id: str, host_dir: str) -> None:
        super().__init__(cfg, run_id, host_dir)
        self.container_dir = host_dir
        self._root = Path(cfg["file_io"]["root"]).resolve()
        self._named: set[str] = set()

    def host_work_dir(self) -> str:
        """Return the work folder, which is the same for every try."""
        return str(Path(self.host_dir, "work"))

    def host_path(self, container_path: str, inputs_only: bool = False) -> str | None:
        """Return where a file lies, which miniwdl checks for all but the standard streams.

        :raises ValueError: it leads out of the run's folder, or the task has named more than 100,000.
        """
        path: str | None = super().host_path(container_path, inputs_only)
        real = Path(path or self._root).resolve()
        if not real.is_relative_to(self._root):
            name = Path(container_path).name
            raise ValueError(f"the output {name!r} leads to {str(real)!r}, which is outside of the run's folder")
        self._named.add(container_path.rstrip("/"))
        if len(self._named) > MOST_OUTPUTS:
            raise ValueError(TOO_MANY_OUTPUTS)
        return path

    def process_runtime(self, logger: logging.Logger, runtime_eval: dict[str, Value.Base]) -> None:
        """Take the resources that a task asks for, and tell once that its container is not used."""
        super().process_runtime(logger, runtime_eval)
        image = self.runtime_values.get("docker")
        if image is not None and image not in self._told:
            self._told.add(image)
            logger.warning(f"the container {image} is not used: commands run on this machine, with what is installed")

    def reset(self, logger: logging.Logger) -> None:
        """Put what a failed try has left aside, and begin another."""
        self.report.end(_exit(self.last_exit_code, self.report) if self.last_exit_code else "the try failed")
        Path(self.host_work_dir()).rename(f"{self.host_work_dir()}_try{self.try_counter}")
        super().reset(logger)
        self.report.start()

    def _run(self, logger: logging.Logger, terminating: Callable[[], bool], command: str) -> int:
        self._link_inputs()
        script = Path(self.host_dir, "command")
        script.write_text(command, encoding="utf-8")
        stdout = LinePump(self.report.stdout_lines, Path(self.host_stdout_txt()))  # type: ignore[no-untyped-call]
        stderr = LinePump(self.report.stderr_lines, Path(self.host_stderr_txt()))  # type: ignore[no-untyped-call]
        try:
            process = subprocess.Popen(
                ["bash", str(script)],
                cwd=self.host_work_dir(),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=stdout.file,
                stderr=stderr.file,
            )
            self.report.usage = Usage(process)
            return _exit_code(process, terminating)
        finally:
            stdout.close()
            stderr.close()

    def _environment(self) -> dict[str, str]:
        own = {"HOME": f"{self.host_dir}/home", "TMPDIR": f"{self.host_dir}/tmp"}
        for folder in own.values():
            Path(folder).mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        return {**kept, **own, **self.runtime_values.get("env", {})}

    def _link_inputs(self) -> None:
        for outside, inside in self.input_path_map.items():
            source, target = Path(outside.rstrip("/")), Path(inside.rstrip("/"))
            if target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, copy_function=_link)
            else:
                _link(str(source), str(target))


def _link(source: str, target: str) -> str:
    real = Path(source).resolve()
    with suppress(OSError):
        # Nobody is to change what others read, too.
        real.chmod(real.stat().st_mode & ~0o222)
    try:
        os.link(real, target)
    except OSError:
        shutil.copyfile(real, target)
    return target


def _exit_code(process: subprocess.Popen[bytes], terminating: Callable[[], bool]) -> int:
    """Wait for a command's end.

    :raises Terminated: something else has failed; the command may still run, until the server ends the whole run.
    """
    while True:
        try:
            code = process.wait(_SECONDS_BETWEEN_LOOKS)
        except subprocess.TimeoutExpired:
            if terminating():
                raise Terminated(quiet=True) from None
            continue
        return code if code >= 0 else 128 - code


def task_name(stack: list[str], attempt: int) -> str:
    """Return what the service calls a task: the names of its calls, and for a shard or another try its numbers."""
    calls = [call.removeprefix("call-").split("-") for call in stack]
    shards = [number for _name, *numbers in calls for number in numbers]
    name = ".".join(name for name, *_numbers in calls)
    numbered = [*(shards or ["0"]), str(attempt)] if shards or attempt > 1 else []
    return "-".join([name, *numbered])[:_LONGEST_NAME]


def _why(error: BaseException, report: _TaskReport) -> str:
    if isinstance(error, CommandFailed):
        return _exit(error.exit_status, report)
    return str(error) or type(error).__name__


def _exit(code: int, report: _TaskReport) -> str:
    return f"exit status {code}: {report.last_stderr_line}" if report.last_stderr_line else f"exit status {code}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
