"""Reads or carries out one WDL definition with miniwdl, in a process of its own that the fork server has forked."""

from __future__ import annotations

import logging
import os
import socket
from importlib import import_module
from pathlib import Path
from typing import Any

import WDL
from WDL import Env, Value
from WDL.runtime import config, task_container, workflow
from WDL.runtime.error import RunFailed
from WDL.runtime.workflow import run_local_workflow
from WDL.Tree import Task

from airflow_provider_omics.local.executors.confinement import OUT_OF_MEMORY, TOO_DEEP, confine
from airflow_provider_omics.local.executors.engine_log import ErrorMemory
from airflow_provider_omics.local.executors.messages import Message, MessageStream
from airflow_provider_omics.local.executors.task_cache import TaskCache
from airflow_provider_omics.local.executors.wdl_caching import TaskRunner
from airflow_provider_omics.local.executors.wdl_inputs import bind_inputs
from airflow_provider_omics.local.executors.wdl_tasks import LocalContainer, TaskReports
from airflow_provider_omics.local.workflows.archives import DefinitionArchive, DefinitionError
from airflow_provider_omics.local.workflows.wdl_loading import Target, explain, load_definition
from airflow_provider_omics.local.workflows.wdl_outputs import declared_outputs
from airflow_provider_omics.workflows.wdl_template import wdl_template

_BACKEND = "omics_local"
_DEFINITION = "definition"
_VERSIONS = ("draft-2", "1.0", "1.1", "1.2", "development")


def preload() -> None:
    """Have miniwdl make its parsers and load what it loads late, so that forked processes need not."""
    import_module("docker.errors")
    for version in _VERSIONS:
        header = "" if version == "draft-2" else f"version {version}\n"
        WDL.parse_document(f"{header}workflow w {{}}")


def run(connection: socket.socket) -> None:
    """Do what the first message asks for: carry out a run if it has ``parameters``, else only read the definition.

    The message names the ``directory`` that holds ``definition.zip``, its ``main`` file and the ``engine``; for a run
    also the URI ``out`` below which outputs go.
    """
    stream = MessageStream(connection)
    order = next(iter(stream))
    directory = Path(order["directory"]).resolve()
    log = ErrorMemory(stream, directory)
    _take_logger(log)
    if "parameters" in order:
        _run(order, directory, stream, log)
    else:
        confine()
        _read(order, directory, stream, log)


def _read(order: Message, directory: Path, stream: MessageStream, log: ErrorMemory) -> None:
    stream.send({"reading": order["main"]})
    try:
        target, _archive = _loaded(order, directory)
        template, declared = wdl_template(target), declared_outputs(target)
        stream.send({"read": {"main": order["main"], "parameters": template, "declared": declared}})
    except MemoryError:
        stream.send({"failed": OUT_OF_MEMORY})
    except Exception as error:
        stream.send({"failed": log.shorten(_reason(error, directory / _DEFINITION))})


def _run(order: Message, directory: Path, stream: MessageStream, log: ErrorMemory) -> None:
    folder = directory / _DEFINITION
    reports = TaskReports(stream)
    try:
        target, archive = _loaded(order, directory)
        archive.extract(folder)
        inputs = bind_inputs(target, order["parameters"], directory / "inputs", stream.ask)
        cache = TaskCache(stream, directory / "cache") if order["cached"] else None
        outputs = _execute(target, inputs, directory, TaskRunner(reports, cache, folder))
        stream.send(_described(target, outputs, directory / "out", order["out"]))
    except Exception as error:
        task = reports.failed_task(error)
        reason = log.shorten(_reason(error, folder))
        if task is None:
            stream.send({"engine": f"ERROR {reason}"})
        stream.send({"failed": reason, "task": task})


def _loaded(order: Message, directory: Path) -> tuple[Target, DefinitionArchive]:
    archive = DefinitionArchive(directory.joinpath("definition.zip").read_bytes())
    lenient = order["engine"] == "WDL_LENIENT"
    return load_definition(archive, directory / _DEFINITION, order["main"], lenient=lenient), archive


def _take_logger(handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter("[%(name)s] %(message)s"))
    logger = logging.getLogger("wdl")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _execute(
    target: Target, inputs: Env.Bindings[Value.Base], directory: Path, runner: TaskRunner
) -> Env.Bindings[Value.Base]:
    # Both are where miniwdl keeps them; its own way in, entry points, would need an installed distribution.
    task_container._backends[_BACKEND] = LocalContainer
    run_task: Any = runner.run
    workflow.run_local_task = run_task  # type: ignore[attr-defined]
    run_target: Any = run_task if isinstance(target, Task) else run_local_workflow
    outputs: Env.Bindings[Value.Base]
    _folder, outputs = run_target(_configuration(directory), target, inputs, run_dir=f"{directory}/.")
    return outputs


def _configuration(directory: Path) -> config.Loader:
    """Return miniwdl's settings: nothing of the user's, no downloads, no limits of this machine."""
    for name in [name for name in os.environ if name.startswith("MINIWDL")]:
        del os.environ[name]
    settings: dict[str, dict[str, Any]] = {
        "scheduler": {"container_backend": _BACKEND, "task_concurrency": os.cpu_count() or 1, "scatter_tag_max": 0},
        "file_io": {"root": str(directory), "output_hardlinks": True},
        "task_runtime": {"defaults": {}, "cpu_max": -1, "memory_max": -1},
        "plugins": {"enable_patterns": ["WDL.runtime.cache:CallCache"]},
    }
    loader = config.Loader(logging.getLogger("wdl"), filenames=[], overrides=settings)
    loader._downloaders = ({}, {})  # type: ignore[attr-defined]
    return loader


def _described(target: Target, outputs: Env.Bindings[Value.Base], folder: Path, uri: str) -> Message:
    """Return the outputs as the service writes them, and the paths of the files in them.

    :param folder: where miniwdl has put the files, each below the name of its output.
    :param uri: what the folder is once the files are in S3.
    """
    paths: list[str] = []

    def located(value: Value.File | Value.Directory) -> str:
        path = Path(value.value)
        found = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        paths.extend(str(each) for each in found)
        return f"{uri}/{path.relative_to(folder).as_posix()}"

    values = Value.rewrite_env_paths(outputs, located)
    return {"outputs": WDL.values_to_json(values, namespace=target.name), "files": paths}


def _reason(error: BaseException, folder: Path) -> str:
    """Return what is at the bottom of an error, with the place in the definition where it has one."""
    if isinstance(error, DefinitionError):
        return str(error)
    while isinstance(error, RunFailed) and error.__cause__ is not None:
        error = error.__cause__
    return TOO_DEEP if isinstance(error, RecursionError) else explain(error, folder)
