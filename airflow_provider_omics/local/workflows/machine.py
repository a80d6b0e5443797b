"""The life of a workflow or version: CREATING, then ACTIVE or FAILED once its definition was read."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.aws import S3Error
from airflow_provider_omics.local.errors import ValidationException
from airflow_provider_omics.local.records import Workflow
from airflow_provider_omics.local.tagging import checked_tags
from airflow_provider_omics.local.workflows.archives import MOST_BYTES, MOST_BYTES_OF_TEXT
from airflow_provider_omics.local.workflows.catalogue import PRIVATE
from airflow_provider_omics.local.workflows.definitions import (
    Definition,
    DefinitionError,
    DefinitionOutline,
    Loader,
    read_outline,
)

log = logging.getLogger(__name__)

CREATING, ACTIVE, FAILED = "CREATING", "ACTIVE", "FAILED"
LONGEST_WAIT_SECONDS = 20.0
"""Well below the 60 seconds for which clients wait for an answer."""

_LONGEST_MESSAGE = 4096
_NOT_KEPT = frozenset({"definitionZip", "requestId", "tags", "parameterTemplate"})


def create_workflow(
    state: AccountState, request: dict[str, Any], *, workflow_id: str, version_name: str | None = None
) -> Workflow:
    """Make a workflow or a version of one, CREATING at first (CreateWorkflow, CreateWorkflowVersion).

    The caller keeps the record; the definition is read afterwards, and what is wrong with it becomes
    ``statusMessage``.

    :raises ValidationException: there is not exactly one source of the definition, it cannot be read, or the
        tags break their rules.
    """
    tags = checked_tags(request.get("tags"), state.quotas.tags)
    archive = _definition(state, request)
    path = f"workflow/{workflow_id}" + (f"/version/{version_name}" if version_name else "")
    workflow = Workflow(
        workflow_id=workflow_id,
        uuid=state.new_uuid(),
        arn=state.arn(path),
        name=request.get("name"),
        status=CREATING,
        workflow_type=PRIVATE,
        engine=request.get("engine", ""),
        creation_time=state.now(),
        request={name: value for name, value in request.items() if name not in _NOT_KEPT},
        definition_zip=archive,
        main=request.get("main"),
        parameter_template=dict(request.get("parameterTemplate") or {}),
        storage_type=request.get("storageType"),
        storage_capacity=request.get("storageCapacity"),
        readme=_given_readme(state, request),
        version_name=version_name,
        tags=tags,
    )
    _notify(state, workflow, None)
    state.timeline.after(state.timings.workflow_creating, partial(_finish, state, workflow, request))
    return workflow


def _definition(state: AccountState, request: dict[str, Any]) -> bytes:
    if "definitionRepository" in request:
        raise ValidationException(
            "The local server cannot fetch a definitionRepository; give definitionZip or definitionUri"
        )
    if ("definitionZip" in request) == ("definitionUri" in request):
        raise ValidationException("Give exactly one of definitionZip and definitionUri")
    if "definitionZip" in request:
        return bytes(request["definitionZip"])
    return _read(state, "definitionUri", request["definitionUri"], MOST_BYTES)


def _given_readme(state: AccountState, request: dict[str, Any]) -> str | None:
    if "readmeUri" in request:
        return _read(state, "readmeUri", request["readmeUri"], MOST_BYTES_OF_TEXT).decode("utf-8", errors="replace")
    readme: str | None = request.get("readmeMarkdown")
    return readme


def _read(state: AccountState, member: str, uri: str, most_bytes: int) -> bytes:
    try:
        return state.aws.get_object(uri, most_bytes=most_bytes)
    except S3Error as error:
        raise ValidationException(f"{member} cannot be read: {error}") from error


def await_definition(state: AccountState, made: Mapping[str, Any], seconds: float = LONGEST_WAIT_SECONDS) -> None:
    """Wait until the definition of a workflow or version was read, where the service takes no time of its own for it.

    Do not hold the account's lock meanwhile, so that others are answered. It is over at once where
    ``Timings.workflow_creating`` is more than 0, since whoever has set that wants to see CREATING.

    :param made: the answer of CreateWorkflow or CreateWorkflowVersion.
    :param seconds: longest wait, in real seconds, at least 0; afterwards the workflow may still be CREATING.
    """
    with state.changed:
        if state.timings.workflow_creating == 0:
            state.changed.wait_for(lambda: state.ended or not _is_creating(state, made), seconds)


def _is_creating(state: AccountState, made: Mapping[str, Any]) -> bool:
    workflow = state.workflows.get(made.get("id") or made["workflowId"])
    if workflow is not None and "versionName" in made:
        workflow = workflow.versions.get(made["versionName"])
    return workflow is not None and workflow.status == CREATING


def _finish(state: AccountState, workflow: Workflow, request: dict[str, Any]) -> None:
    with _failing(state, workflow):
        outline = read_outline(workflow.definition_zip or b"", request)
        load = state.loaders.get(outline.engine)
        definition = outline.known_definition(load)
        if definition is None:
            # An engine may take seconds for a definition, and whoever calls the service meanwhile needs the lock.
            state.background.put(partial(_load, state, workflow, outline, load))
        else:
            _activate(state, workflow, definition)


def _load(state: AccountState, workflow: Workflow, outline: DefinitionOutline, load: Loader | None) -> None:
    with _failing(state, workflow):
        _activate(state, workflow, outline.definition(load))


@contextmanager
def _failing(state: AccountState, workflow: Workflow) -> Iterator[None]:
    """Have the workflow be FAILED by whatever goes wrong within, so that it never stays CREATING."""
    try:
        yield
    except DefinitionError as error:
        _fail(state, workflow, str(error))
    except Exception as error:
        log.exception("The definition of workflow %s could not be read", workflow.workflow_id)
        _fail(state, workflow, f"The local server failed: {type(error).__name__}: {error}")


def _fail(state: AccountState, workflow: Workflow, message: str) -> None:
    with state.lock:
        # The model's pattern for a status message has no line breaks, which engines' messages do.
        workflow.status_message = " ".join(message.split())[:_LONGEST_MESSAGE]
        _set_status(state, workflow, FAILED)


def _activate(state: AccountState, workflow: Workflow, definition: Definition) -> None:
    with state.lock:
        workflow.engine, workflow.main, workflow.digest = definition.engine, definition.main, definition.digest
        workflow.parameter_template, workflow.declared = definition.parameter_template, definition.declared
        workflow.readme = workflow.readme or definition.readme
        _set_status(state, workflow, ACTIVE)


def _set_status(state: AccountState, workflow: Workflow, status: str) -> None:
    old, workflow.status = workflow.status, status
    state.changed.notify_all()
    _notify(state, workflow, old)


def _notify(state: AccountState, workflow: Workflow, old: str | None) -> None:
    for observer in state.workflow_observers:
        observer(workflow, old)
