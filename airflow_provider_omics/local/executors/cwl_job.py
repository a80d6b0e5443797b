"""Reads or carries out one CWL definition with cwltool, in a process of its own that the fork server has forked."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

from cwltool.context import RuntimeContext
from cwltool.process import Process

from airflow_provider_omics.local.executors.confinement import OUT_OF_MEMORY, TOO_DEEP, confine
from airflow_provider_omics.local.executors.cwl_confined import confine_running
from airflow_provider_omics.local.executors.cwl_inputs import job_order
from airflow_provider_omics.local.executors.cwl_loading import load_definition, parameter_template, take_loggers
from airflow_provider_omics.local.executors.cwl_loading import preload as preload
from airflow_provider_omics.local.executors.cwl_outputs import declared_outputs
from airflow_provider_omics.local.executors.cwl_tasks import TaskExecutor
from airflow_provider_omics.local.executors.engine_log import ErrorMemory
from airflow_provider_omics.local.executors.messages import Message, MessageStream
from airflow_provider_omics.local.executors.task_cache import TaskCache

_PLACE = re.compile(r"\S:\d+:")


def run(connection: socket.socket) -> None:
    """Do what the first message asks for: carry out a run if it has ``parameters``, else only read the definition.

    The message names the ``directory`` that holds ``definition.zip``, and its ``main`` file.
    """
    stream = MessageStream(connection)
    order = next(iter(stream))
    errors = ErrorMemory(stream, Path(order["directory"]))
    take_loggers(errors)
    try:
        if "parameters" in order:
            _run(order, stream, errors)
        else:
            confine()
            _read(order, stream)
    except MemoryError:
        stream.send({"failed": OUT_OF_MEMORY})
    except Exception as error:
        text = TOO_DEEP if isinstance(error, RecursionError) else str(error)
        reason = errors.shorten(text or type(error).__name__)
        stream.send({"engine": f"ERROR {reason}"})
        stream.send({"failed": reason})


def _run(order: Message, stream: MessageStream, errors: ErrorMemory) -> None:
    directory = Path(order["directory"])
    process, _main = load_definition(directory / "definition.zip", directory / "definition", order["main"])
    parameters = job_order(process, order["parameters"], directory / "inputs", stream.ask)
    cache = TaskCache(stream, directory / "cache") if order["cached"] else None
    outputs, status = _execute(process, parameters, directory, stream, errors, cache)
    if status == "success":
        stream.send({"outputs": outputs})
    else:
        stream.send({"failed": errors.last() or f"the workflow ended with {status}"})


def _read(order: Message, stream: MessageStream) -> None:
    directory = Path(order["directory"])
    stream.send({"reading": order["main"]})
    try:
        process, main = load_definition(directory / "definition.zip", directory / "definition", order["main"])
    except MemoryError:
        raise
    except Exception as error:
        text = "it runs itself, or is nested too deeply to be read" if isinstance(error, RecursionError) else str(error)
        raise ValueError(text if _PLACE.search(text) else f"{order['main'].partition('#')[0]}:1: {text}") from error
    read = {"main": main, "parameters": parameter_template(process), "declared": declared_outputs(process)}
    stream.send({"read": read})


def _execute(
    process: Process,
    parameters: dict[str, Any],
    directory: Path,
    stream: MessageStream,
    errors: ErrorMemory,
    cache: TaskCache | None,
) -> tuple[Any, str]:
    work = directory / "work"
    work.mkdir()
    context = RuntimeContext()
    context.basedir = str(directory)
    context.outdir = str(directory / "out")
    context.tmpdir_prefix = context.tmp_outdir_prefix = f"{work}/"
    context.use_container = False
    context.compute_checksum = False
    boundary = confine_running(context, directory)
    executor = TaskExecutor(stream, errors.last, boundary, cache, workers=os.cpu_count() or 1)
    return executor.execute(process, parameters, context)
