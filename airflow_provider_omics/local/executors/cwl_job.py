"""Carries out one CWL definition with cwltool, in a process of its own that the fork server has forked."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

from cwltool.context import LoadingContext, RuntimeContext
from cwltool.load_tool import load_tool
from cwltool.process import Process
from cwltool.workflow import default_make_tool
from ruamel.yaml.comments import CommentedMap

from airflow_provider_omics.local.executors.cwl_confined import confine_loading, confine_running
from airflow_provider_omics.local.executors.cwl_inputs import job_order
from airflow_provider_omics.local.executors.cwl_tasks import LocalTool, TaskExecutor
from airflow_provider_omics.local.executors.engine_log import ErrorMemory
from airflow_provider_omics.local.executors.messages import Message, MessageStream
from airflow_provider_omics.local.workflows.archives import DefinitionArchive

_LOGGERS = ("cwltool", "salad", "rdflib")


def preload() -> None:
    """Have cwltool read the schema of every CWL version, so that forked processes need not."""
    _take_loggers(logging.NullHandler())
    with tempfile.TemporaryDirectory() as directory:
        for version in ("v1.0", "v1.1", "v1.2"):
            document = Path(directory, f"{version}.cwl")
            document.write_text(
                f"cwlVersion: {version}\nclass: CommandLineTool\nbaseCommand: 'true'\ninputs: []\noutputs: []\n"
            )
            load_tool(document.as_uri(), _loading_context(Path(directory)))


def run(connection: socket.socket) -> None:
    """Carry out the run that the first message describes, and tell what happens on the way.

    The message names the ``directory`` that holds ``definition.zip``, its ``main`` file, and the ``parameters``.
    """
    stream = MessageStream(connection)
    messages = iter(stream)
    order = next(messages)

    def ask(request: Message) -> Message:
        stream.send(request)
        return next(messages)

    directory = Path(order["directory"])
    errors = ErrorMemory(stream, directory)
    _take_loggers(errors)
    try:
        process = _load(directory, order["main"])
        parameters = job_order(process, order["parameters"], directory / "inputs", ask)
        outputs, status = _execute(process, parameters, directory, stream, errors)
    except Exception as error:
        reason = errors.shorten(str(error) or type(error).__name__)
        stream.send({"engine": f"ERROR {reason}"})
        stream.send({"failed": reason})
        return
    if status == "success":
        stream.send({"outputs": outputs})
    else:
        stream.send({"failed": errors.last() or f"the workflow ended with {status}"})


def _take_loggers(handler: logging.Handler) -> None:
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False


def _loading_context(folder: Path) -> LoadingContext:
    context = LoadingContext()
    confine_loading(context, folder)
    context.construct_tool_object = _make_tool
    context.relax_path_checks = True
    return context


def _make_tool(toolpath_object: CommentedMap, loadingContext: LoadingContext) -> Process:
    if toolpath_object.get("class") == "CommandLineTool":
        return LocalTool(toolpath_object, loadingContext)
    return default_make_tool(toolpath_object, loadingContext)


def _load(directory: Path, main: str) -> Process:
    definition = directory / "definition"
    DefinitionArchive(directory.joinpath("definition.zip").read_bytes()).extract(definition)
    # cwltool names files in its messages as seen from here.
    os.chdir(definition)
    return load_tool((definition / main).as_uri(), _loading_context(definition))


def _execute(
    process: Process, parameters: dict[str, Any], directory: Path, stream: MessageStream, errors: ErrorMemory
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
    executor = TaskExecutor(stream, errors.last, boundary, workers=os.cpu_count() or 1)
    return executor.execute(process, parameters, context)
