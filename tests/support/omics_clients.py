"""boto3, aiobotocore and the AWS command line behind one face, with every answer checked against the model."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aws_commands import AwsCommands, aws_commands
from botocore import xform_name
from botocore.model import Shape

from airflow_provider_omics.healthomics.requests.shapes import check_shape, operation_model
from airflow_provider_omics.local import LocalOmics

REGION = "us-east-1"


class Client(Protocol):
    """Calls an operation by its name and returns the answer's members."""

    def __call__(self, operation: str, **members: Any) -> dict[str, Any]: ...


class CheckedClient:
    """Notes which operations were called, and checks each answer.

    :ivar called: names of the operations whose answer was right.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self.called: set[str] = set()

    def __call__(self, operation: str, **members: Any) -> dict[str, Any]:
        answer = self._client(operation, **members)
        check_answer(operation, answer)
        with self._lock:
            self.called.add(operation)
        return answer


def check_answer(operation: str, answer: dict[str, Any]) -> None:
    """Compare an answer with the operation's output shape: members, types, bounds, times."""
    shape = operation_model(operation).output_shape
    if shape is None:
        assert answer == {}, f"{operation} answers {answer}, but its model has no answer"
        return
    issues = [str(issue) for issue in check_shape(shape, answer, "")]
    assert issues == [], f"{operation}: {issues}"
    _check_times(shape, answer, operation)


def _check_times(shape: Shape, value: Any, where: str) -> None:
    if shape.type_name == "timestamp":
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        assert isinstance(time, datetime), f"{where} is {value!r}"
        assert time.tzinfo is not None, f"{where} has no time zone"
    elif shape.type_name == "structure":
        for name, inner in value.items():
            if name in shape.members:
                _check_times(shape.members[name], inner, f"{where}.{name}")
    elif shape.type_name == "list":
        for index, inner in enumerate(value):
            _check_times(shape.member, inner, f"{where}[{index}]")


class Boto3Client:
    """The synchronous SDK; it also checks the bodies as sent, whose unknown members the SDK would hide."""

    def __init__(self, server: LocalOmics) -> None:
        self._omics = server.client("omics", REGION)
        self._omics.meta.events.register("before-parse.omics", self._check_body)
        self._bodies_checked: set[str] = set()

    def __call__(self, operation: str, **members: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self._omics, xform_name(operation))(**members)
        answer.pop("ResponseMetadata")
        assert not answer or operation in self._bodies_checked
        return answer

    def _check_body(self, operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
        if response_dict["status_code"] < 300 and response_dict["body"]:
            check_answer(operation_model.name, json.loads(response_dict["body"]))
            self._bodies_checked.add(operation_model.name)


class AioClient:
    """The asynchronous SDK on an event loop of its own; calls take turns."""

    def __init__(self, server: LocalOmics, runner: asyncio.Runner, stack: AsyncExitStack) -> None:
        self._runner = runner
        self._omics = runner.run(
            stack.enter_async_context(
                get_session().create_client(
                    "omics",
                    region_name=REGION,
                    endpoint_url=server.endpoint_url,
                    aws_access_key_id="local",
                    aws_secret_access_key="local",
                    config=AioConfig(inject_host_prefix=False),
                )
            )
        )

    def __call__(self, operation: str, **members: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._runner.run(self._call(operation, members))
        answer.pop("ResponseMetadata")
        return answer

    async def _call(self, operation: str, members: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await getattr(self._omics, xform_name(operation))(**members)
        return answer


class CommandLine:
    """The AWS command line, one process per call."""

    def __init__(self, commands: AwsCommands, folder: Path) -> None:
        self._commands = commands
        self._folder = folder

    def __call__(self, operation: str, **members: Any) -> dict[str, Any]:
        arguments = ["--output", "json", "omics", xform_name(operation, "-")]
        for name in [name for name, value in members.items() if isinstance(value, bytes)]:
            file = self._folder / f"{operation}-{name}-{uuid.uuid4()}"
            file.write_bytes(members.pop(name))
            arguments += [f"--{xform_name(name, '-')}", f"fileb://{file}"]
        done = self._commands.run([*arguments, "--cli-input-json", json.dumps(members)])
        assert done.returncode == 0, f"aws omics {operation} {members}: {done.stderr}"
        return dict(json.loads(done.stdout)) if done.stdout.strip() else {}


def _environment(server: LocalOmics) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**kept, **nowhere, **server.environment(REGION)}


@contextmanager
def open_client(kind: str, server: LocalOmics, folder: Path) -> Iterator[Client]:
    """Open a client.

    :param kind: ``boto3``, ``aiobotocore`` or ``awscli``.
    :param folder: where the command line's binary inputs and what it writes may lie.
    """
    if kind == "boto3":
        yield Boto3Client(server)
    elif kind == "awscli":
        with aws_commands(_environment(server), folder) as commands:
            yield CommandLine(commands, folder)
    else:
        with asyncio.Runner() as runner:
            stack = AsyncExitStack()
            try:
                yield AioClient(server, runner, stack)
            finally:
                runner.run(stack.aclose())
