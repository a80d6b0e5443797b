"""Runs the steps of a CWL workflow, several at a time, and reports each of them as a task."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import signal
import subprocess
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from cwltool.command_line_tool import CommandLineTool
from cwltool.context import RuntimeContext
from cwltool.errors import WorkflowException
from cwltool.executors import JobExecutor
from cwltool.job import CommandLineJob, JobBase
from cwltool.process import Process

from airflow_provider_omics.local.executors.cwl_caching import (
    is_reusable,
    job_key,
    kept_outputs,
    recalled_outputs,
)
from airflow_provider_omics.local.executors.cwl_confined import RunBoundary
from airflow_provider_omics.local.executors.line_pump import LinePump, line_batches
from airflow_provider_omics.local.executors.messages import MessageStream
from airflow_provider_omics.local.executors.run_folder import OutsideOfRun
from airflow_provider_omics.local.executors.task_cache import TaskCache
from airflow_provider_omics.local.executors.usage import Usage

_TMPDIR_LOCK = threading.Lock()


class LocalTool(CommandLineTool):
    """A tool that runs without its container: ``DockerRequirement`` is a hint here, wherever it stands."""

    def make_job_runner(self, runtimeContext: RuntimeContext) -> type[JobBase]:
        return LocalJob

    def job(self, job_order: Any, output_callbacks: Any, runtimeContext: RuntimeContext) -> Generator[Any, None, None]:
        for job in super().job(job_order, output_callbacks, runtimeContext):
            if isinstance(job, LocalJob):
                job.made_by = self
            yield job


class LocalJob(CommandLineJob):
    """A job that keeps what its command has used.

    :ivar usage: None until the command runs.
    :ivar made_by: the tool whose job it is.
    """

    usage: Usage | None = None
    made_by: LocalTool

    def process_monitor(self, sproc: subprocess.Popen[str]) -> None:
        self.usage = Usage(sproc)
        sproc.wait()


class TaskExecutor(JobExecutor):
    """Runs a workflow's jobs in threads.

    :param stream: takes the messages ``task_started``, ``task_lines`` and ``task_ended``.
    :param last_error: returns what cwltool last logged as an error in the calling thread.
    :param boundary: says which files are the run's.
    :param cache: what jobs take from the run cache and leave for it; None for a run without one.
    :param workers: most jobs at a time.
    """

    def __init__(
        self,
        stream: MessageStream,
        last_error: Callable[[], str | None],
        boundary: RunBoundary,
        cache: TaskCache | None,
        workers: int,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._last_error = last_error
        self._boundary = boundary
        self._cache = cache
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
                self._run_task(job, context, lock)
            else:
                job.run(context, _TMPDIR_LOCK)
        except Exception as error:
            self._errors.append(error)
        finally:
            with lock:
                self._running -= 1
                lock.notify_all()

    def _run_task(self, job: Any, context: RuntimeContext, lock: threading.Condition) -> None:
        cache, keep = self._cache, None
        if cache is not None and is_reusable(job.made_by, job):
            key = job_key(job.made_by, job, self._boundary.folder.path / "definition")
            recalled = cache.recall(job.name, key)
            if recalled is not None:
                with lock:
                    _release_inputs(job)
                    job.output_callback(recalled_outputs(recalled.values, recalled.path), "success")
                return
            keep = partial(_keep, cache, key)
        _Task(next(self._keys), job, self._stream, self._last_error, self._boundary, keep).run(context)

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
        keep: Callable[[Any], dict[str, str] | None] | None,
    ) -> None:
        self._boundary = boundary
        self._keep = keep
        self._kept: dict[str, str] | None = None
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
        if self._keep is not None and exit_code in (self._job.successCodes or (0,)):
            self._kept = self._keep(outputs)
        return outputs

    def _before_callback(self, outputs: Any, status: str) -> None:
        # The next steps begin inside of the callback, so that this task has to be seen to end before it.
        if status == "success":
            self._end(None, self._kept)
        else:
            self._end(self._why())
        self._callback(outputs, status)

    def _end(self, error: str | None, kept: dict[str, str] | None = None) -> None:
        if not self._ended:
            self._ended = True
            self._drain()
            usage: Usage | None = getattr(self._job, "usage", None)
            figures = usage.figures() if usage is not None else None
            self._stream.send({"task_ended": {"task": self._key, "error": error, "use": figures, "kept": kept}})

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


def _keep(cache: TaskCache, key: str, outputs: Any) -> dict[str, str] | None:
    return cache.keep(key, lambda add: kept_outputs(outputs, add))


def _release_inputs(job: Any) -> None:
    """Note that a job that is not run reads its inputs no more, as collecting its outputs would have done."""
    collecting = job.collect_outputs.keywords
    if job.builder.mutation_manager is not None:
        for reader in collecting["readers"].values():
            job.builder.mutation_manager.release_reader(collecting["jobname"], reader)
