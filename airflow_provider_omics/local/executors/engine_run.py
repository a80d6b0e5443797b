"""One run of a workflow, as the server sees it: inputs, the engine's process, tasks, logs, outputs."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.local.executors.engine_cache import EngineCache
from airflow_provider_omics.local.executors.engines import ENGINES
from airflow_provider_omics.local.executors.run_folder import RunFolder
from airflow_provider_omics.local.executors.run_logs import RunLogs
from airflow_provider_omics.local.executors.sandbox import landlock_version
from airflow_provider_omics.local.executors.staging import Exports, Imports, RunFailure
from airflow_provider_omics.local.executors.trees import size_of_tree
from airflow_provider_omics.local.executors.usage import task_use
from airflow_provider_omics.local.records import StorageUse

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.executors.base import RunReport
    from airflow_provider_omics.local.executors.engine_processes import EngineProcess
    from airflow_provider_omics.local.executors.messages import Message
    from airflow_provider_omics.local.records import Run, Workflow

log = logging.getLogger(__name__)

_LONGEST_MESSAGE = 4096
_GIB = 1 << 30
_MOST_BYTES_OF_LOG = 64 << 20
_NOT_CONFINED = "Tools may write wherever the server's user may: this system has no Landlock (Linux 5.13 and later)"


class EngineLog:
    """What an engine logs in one run, kept where the run's tools cannot reach it; the first 64 MiB of it."""

    def __init__(self) -> None:
        self._file = io.BytesIO()

    def append(self, line: str) -> None:
        """Add a line."""
        if self._file.tell() < _MOST_BYTES_OF_LOG:
            self._file.write(f"{line}\n".encode(errors="replace"))

    def content(self) -> bytes:
        """Return everything that was added."""
        return self._file.getvalue()


class RunCancelled(Exception):
    """Nobody wants the run any more."""


class EngineRun:
    """Carries out one run, in whatever thread calls :meth:`carry_out`."""

    def __init__(self, run: Run, workflow: Workflow, report: RunReport, state: AccountState) -> None:
        self.run = run
        self.logs = RunLogs(state, run)
        self._engine_log = EngineLog()
        self._workflow = workflow
        self._report = report
        self._state = state
        self._aws = state.aws
        self._lock = threading.Lock()
        self._process: EngineProcess | None = None
        self._is_cancelled = self._is_begun = False
        self._tasks: dict[int, tuple[str, str]] = {}
        self._failed_tasks: dict[int, str] = {}
        self._handlers: dict[str, Callable[[Any], None]] = {
            "engine": self._engine_line,
            "task_started": self._task_started,
            "task_lines": self._task_lines,
            "task_ended": self._task_ended,
        }

    def cancel(self) -> bool:
        """Kill what runs, and keep from starting what does not yet.

        :return: whether the run was begun, so that its report is told when it has stopped.
        """
        with self._lock:
            self._is_cancelled = True
            if self._process is not None:
                self._process.kill()
            return self._is_begun

    def carry_out(self, start_process: Callable[[Workflow], EngineProcess]) -> None:
        """Carry the run out to its end, whatever that is, and report it.

        :param start_process: starts the engine's process for a workflow, or raises :class:`RunFailure`.
        """
        with self._lock:
            self._is_begun = True
        try:
            self._carry_out(start_process)
        except RunCancelled:
            self.logs.run_line("The run was cancelled")
        except RunFailure as failure:
            self._fail(failure)
        except Exception as error:
            log.exception("Run %s ended with an error of the local server", self.run.run_id)
            self._fail(RunFailure("SERVICE_ERROR", f"The local server failed: {type(error).__name__}: {error}"))
        else:
            self.logs.run_line("The run completed")
            self._report.completed()
        finally:
            # Also where it was cancelled at the moment when it ended by itself.
            self._report.stopped()

    def _carry_out(self, start_process: Callable[[Workflow], EngineProcess]) -> None:
        self._check()
        process = start_process(self._workflow)
        try:
            with self._lock:
                self._process = process
            self._check()
            tool = ENGINES[self._workflow.engine].tool
            self.logs.run_line(f"Running {self._workflow.main} with {tool}, without containers")
            if landlock_version() == 0:
                self.logs.run_line(_NOT_CONFINED)
            self._carry_out_in(process)
        finally:
            with self._lock:
                self._process = None
            self._report.storage_used(_storage_of(process.directory))
            process.close()

    def _carry_out_in(self, process: EngineProcess) -> None:
        folder = RunFolder(process.directory)
        cache = self._cache = EngineCache(self._state, self.run, folder)
        try:
            outputs = self._run_engine(process, folder)
            # Nobody may change what was made while it is read.
            process.end()
            self._export(folder, outputs)
        except RunFailure as failure:
            process.end()
            cache.save(RunStatus.FAILED, failure.reason)
            raise
        except RunCancelled:
            process.end()
            if self.run.cancel_requested:
                cache.save(RunStatus.CANCELLED)
            raise
        cache.save(RunStatus.COMPLETED)

    def _fail(self, failure: RunFailure) -> None:
        message = failure.message[:_LONGEST_MESSAGE]
        self.logs.run_line(f"The run failed: {failure.reason}: {message}")
        self._report.failed(failure.reason, message)

    def _check(self) -> None:
        if self._is_cancelled:
            raise RunCancelled

    def _run_engine(self, process: EngineProcess, folder: RunFolder) -> Message:
        directory = folder.path
        with folder.create(directory / "definition.zip") as archive:
            archive.write(self._workflow.definition_zip or b"")
        imports = Imports(self._aws, folder)
        self.run.digests = imports.digests
        process.send(
            {
                "directory": str(directory),
                "main": self._workflow.main,
                "engine": self._workflow.engine,
                "out": self._out,
                "parameters": self.run.request.get("parameters") or {},
                "cached": self._cache.is_used,
            }
        )
        try:
            return self._outputs(process, imports)
        except RunFailure:
            self._save_engine_log(folder)
            raise

    def _outputs(self, process: EngineProcess, imports: Imports) -> Message:
        exit_code = None
        for message in process.messages():
            self._check()
            if "outputs" in message:
                return message
            if "failed" in message:
                raise self._failure(message)
            if "fetch" in message:
                process.send({"found": self._fetch(imports, message)})
            if "recall" in message:
                process.send({"found": self._recall(message["recall"])})
            exit_code = message.get("exit")
            self._handle(message)
        self._check()
        raise RunFailure("SERVICE_ERROR", f"The engine's process ended without a result (exit code {exit_code})")

    def _handle(self, message: Message) -> None:
        for name, content in message.items():
            if name in self._handlers:
                self._handlers[name](content)

    def _fetch(self, imports: Imports, message: Message) -> bool:
        self.logs.run_line(f"Importing {message['fetch']} for the parameter {message['parameter']}")
        return imports.fetch(
            message["parameter"],
            message["fetch"],
            message["class"],
            Path(message["to"]),
            optional=message.get("optional", False),
        )

    def _recall(self, wanted: dict[str, Any]) -> bool:
        entry = self._cache.recall(wanted)
        if entry is None:
            return False
        task_id = self._report.task_cached(wanted["name"], entry.s3_uri, cpus=entry.cpus, memory=entry.memory)
        self.logs.run_line(f"Task {task_id} ({wanted['name']}) does not run: the run cache has {entry.s3_uri}")
        return True

    def _failure(self, message: Message) -> RunFailure:
        """Return why the run fails: by the task that the engine blames, or else by the first that failed."""
        blamed = message.get("task", next(iter(self._failed_tasks), None))
        if blamed in self._failed_tasks:
            return RunFailure("RUN_TASK_FAILED", self._failed_tasks[blamed])
        return RunFailure("WORKFLOW_RUN_FAILED", message["failed"])

    def _engine_line(self, text: str) -> None:
        self.logs.engine_line(text)
        self._engine_log.append(text)

    def _task_started(self, task: dict[str, Any]) -> None:
        task_id = self._report.task_started(task["name"], cpus=task["cpus"], memory=task["memory"])
        self._tasks[task["task"]] = (task_id, task["name"])
        self.logs.run_line(f"Task {task_id} ({task['name']}) started")

    def _task_lines(self, written: dict[str, Any]) -> None:
        self.logs.task_lines(self._tasks[written["task"]][0], written["lines"])

    def _task_ended(self, end: dict[str, Any]) -> None:
        task_id, name = self._tasks[end["task"]]
        error, use = end["error"], task_use(end.get("use"))
        if error is None:
            self.logs.run_line(f"Task {task_id} ({name}) completed")
            self._report.task_ended(task_id, use=use)
            if end.get("kept") is not None:
                self._cache.keep(task_id, end["kept"])
            return
        text = f"Task {task_id} ({name}) failed: {error}"
        self._failed_tasks[end["task"]] = text
        self.logs.run_line(text)
        self._report.task_ended(
            task_id, failure_reason="RUN_TASK_FAILED", status_message=error[:_LONGEST_MESSAGE], use=use
        )

    @property
    def _root(self) -> str:
        return self.run.output_root.rstrip("/")

    @property
    def _out(self) -> str:
        return f"{self._root}/out"

    def _export(self, folder: RunFolder, ended: Message) -> None:
        """Upload what the engine has made.

        :param ended: has the ``outputs`` with local files in it, or with URIs and beside them the ``files``; where its
            ``summary`` is False, the engine has none.
        """
        exports = Exports(self._aws, folder, self._out, self._check)
        self.logs.run_line(f"Exporting outputs to {self._out}")
        described = ended["outputs"] or {}
        try:
            if "files" in ended:
                for path in ended["files"]:
                    exports.export({"class": "File", "location": Path(path).as_uri()})
            else:
                described = exports.export(described)
        except RecursionError:
            raise RunFailure("EXPORT_FAILED", "Cannot export the outputs: they are nested too deeply") from None
        if ended.get("summary", True):
            exports.put(f"{self._root}/logs/outputs.json", json.dumps(described, indent=2).encode())
        exports.put(f"{self._root}/logs/engine.log", self._engine_log.content())

    def _save_engine_log(self, folder: RunFolder) -> None:
        try:
            Exports(self._aws, folder, "", self._check).put(f"{self._root}/logs/engine.log", self._engine_log.content())
        except RunFailure as failure:
            # The run has failed for a better reason already.
            self.logs.run_line(failure.message)


def _storage_of(directory: Path) -> StorageUse:
    """Return what the run's files come to at its end, which is the most there ever was unless a tool removed some."""
    size = round(size_of_tree(directory) / _GIB, 6)
    return StorageUse(average=size, maximum=size)
