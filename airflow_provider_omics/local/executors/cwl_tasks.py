"""Runs the steps of a CWL workflow, several at a time, and reports each of them as a task."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cwltool.command_line_tool import CommandLineTool
from cwltool.context import RuntimeContext
from cwltool.errors import WorkflowException
from cwltool.executors import JobExecutor
from cwltool.job import CommandLineJob, JobBase
from cwltool.process import Process

from airflow_provider_omics.local.executors.cwl_confined import RunBoundary
from airflow_provider_omics.local.executors.line_pump import LinePump, line_batches
from airflow_provider_omics.local.executors.messages import MessageStream
from airflow_provider_omics.local.executors.run_folder import OutsideOfRun
from airflow_provider_omics.local.executors.usage import Usage

_TMPDIR_LOCK = threading.Lock()


class LocalTool(CommandLineTool):
    """A tool that runs without its container: ``DockerRequirement`` is a hint here, wherever it stands."""

    def make_job_runner(self, runtimeContext: RuntimeContext) -> type[JobBase]:
        return LocalJob


class LocalJob(CommandLineJob):
    """A job that keeps what its command has used.

    :ivar usage: None until the command runs.
    """

    usage: Usage | None = None

    def process_monitor(self, sproc: subprocess.Popen[str]) -> None:
        self.usage = Usage(sproc)
        sproc.wait()


class TaskExecutor(JobExecutor):
    """Runs a workflow's jobs in threads.

    :param stream: takes the messages ``task_started``, ``task_lines`` and ``task_ended``.
    :param last_error: returns what cwltool last logged as an error in the calling thread.
    :param boundary: says which files are the run's.
    :param workers: most jobs at a time.
    """

    def __init__(
        self, stream: MessageStream, last_error: Callable[[], str | None], boundary: RunBoundary, workers: int
    ) -> None:
        super().__init__()
        self._stream = stream
        self._last_error = last_error
        self._boundary = boundary
        self._workers = workers
        self._running = 0
        self._errors: list[Exception] = []
        self._keys = itertools.count()

    def run_jobs(
        self,
        process: Process,
        job_order_object: Any,
        logger: logging.Logger,
        runtime_context: RuntimeContext,
    ) -> None:
        """Run every job that the workflow yields; it yields None when it waits for one that runs."""
        lock = runtime_context.workflow_eval_lock
        assert lock is not None
        jobs = process.job(job_order_object, self.output_callback, runtime_context)
        with ThreadPoolExecutor(self._workers) as pool, lock:
            for job in jobs:
                if job is not None:
                    self._running += 1
                    pool.submit(self._run, job, runtime_context, lock)
                elif self._running:
                    lock.wait()
                else:
                    raise WorkflowException("The workflow cannot make any more progress")
                self._raise_error()
            while self._running:
                lock.wait()
            self._raise_error()

    def _run(self, job: Any, context: RuntimeContext, lock: threading.Condition) -> None:
        try:
            if isinstance(job, JobBase):
                self.output_dirs.add(job.outdir)
                _Task(next(self._keys), job, self._stream, self._last_error, self._boundary).run(context)
            else:
                job.run(context, _TMPDIR_LOCK)
        except Exception as error:
            self._errors.append(error)
        finally:
            with lock:
                self._running -= 1
                lock.notify_all()

    def _raise_error(self) -> None:
        if self._errors:
            raise self._errors[0]


class _Task:
    """One job, watched: its lines, its exit code, and how it ended."""

    def __init__(
        self,
        key: int,
        job: Any,
        stream: MessageStream,
        last_error: Callable[[], str | None],
        boundary: RunBoundary,
    ) -> None:
        self._boundary = boundary
        self._key = key
        self._job = job
        self._stream = stream
        self._last_error = last_error
        self._exit_code: int | None = None
        self._last_stderr_line = ""
        self._ended = False

    def run(self, context: RuntimeContext) -> None:
        resources = self._job.builder.resources
        started = {
            "task": self._key,
            "name": self._job.name,
            "cpus": max(1, math.ceil(resources["cores"])),
            "memory": max(1, math.ceil(resources["ram"] / 1024)),
        }
        self._stream.send({"task_started": started})
        self._stdout = LinePump(self._send_lines)
        self._stderr = LinePump(self._send_stderr_lines)
        context = context.copy()
        context.default_stdout, context.default_stderr = self._stdout.file, self._stderr.file
        self._collect_outputs, self._job.collect_outputs = self._job.collect_outputs, self._after_exit
        self._callback, self._job.output_callback = self._job.output_callback, self._before_callback
        try:
            self._job.run(context, _TMPDIR_LOCK)
        except Exception as error:
            self._end(str(error))
            raise

    def _after_exit(self, outdir: str, exit_code: int) -> Any:
        self._exit_code = exit_code
        self._drain()
        if self._job.stderr is not None:
            self._send_file(Path(self._job.base_path_logs, self._job.stderr))
        outputs = self._collect_outputs(outdir, exit_code)
        self._boundary.check_outputs(outputs)
        return outputs

    def _before_callback(self, outputs: Any, status: str) -> None:
        # The next steps begin inside of the callback, so that this task has to be seen to end before it.
        self._end(None if status == "success" else self._why())
        self._callback(outputs, status)

    def _end(self, error: str | None) -> None:
        if not self._ended:
            self._ended = True
            self._drain()
            usage: Usage | None = getattr(self._job, "usage", None)
            figures = usage.figures() if usage is not None else None
            self._stream.send({"task_ended": {"task": self._key, "error": error, "use": figures}})

    def _why(self) -> str:
        logged = self._last_error()
        if self._exit_code is None or self._exit_code in (self._job.successCodes or (0,)):
            return (logged or "the task failed").split("Job error:\n")[-1]
        ending = f"exit status {self._exit_code}"
        if self._exit_code < 0:
            ending = f"killed by {signal.Signals(-self._exit_code).name}"
        return f"{ending}: {self._last_stderr_line}" if self._last_stderr_line else ending

    def _drain(self) -> None:
        self._stdout.close()
        self._stderr.close()

    def _send_lines(self, lines: list[str]) -> None:
        self._stream.send({"task_lines": {"task": self._key, "lines": lines}})

    def _send_stderr_lines(self, lines: list[str]) -> None:
        self._last_stderr_line = next(
            (line.strip() for line in reversed(lines) if line.strip()), self._last_stderr_line
        )
        self._send_lines(lines)

    def _send_file(self, path: Path) -> None:
        with contextlib.suppress(OutsideOfRun), self._boundary.folder.open(path) as file:
            for lines in line_batches(file):
                self._send_stderr_lines(lines)
