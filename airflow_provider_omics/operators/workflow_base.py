"""Base of the operators that create a workflow or a version, once for one content, and wait until it can be used."""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsWaitError, OmicsWorkflowFailedError
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.polling.result import StopReason, WaitResult
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.levels import FAIL
from airflow_provider_omics.healthomics.requests.s3_uris import object_uri_issues
from airflow_provider_omics.healthomics.requests.shapes import api_name
from airflow_provider_omics.healthomics.requests.start_run import extra_members
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.operators.waiting import OmicsRequestOperator
from airflow_provider_omics.operators.xcom_keys import (
    XCOM_WORKFLOW_ARN_KEY,
    XCOM_WORKFLOW_IS_NEW_KEY,
    XCOM_WORKFLOW_UUID_KEY,
)
from airflow_provider_omics.operators.xcoms import push_xcoms
from airflow_provider_omics.triggers.workflow import OmicsWorkflowTrigger
from airflow_provider_omics.workflows.bundle import (
    MOST_STORED_BYTES,
    Bundle,
    DefinitionError,
    read_archive,
    read_bundle,
)
from airflow_provider_omics.workflows.creation import TAG_COUNT, Created, WorkflowCreator
from airflow_provider_omics.workflows.creation_request import (
    ARCHIVES,
    CREATION_FIELDS,
    Creation,
    Source,
    build_creation,
)
from airflow_provider_omics.workflows.failure import WorkflowFailure
from airflow_provider_omics.workflows.snapshot import WorkflowSnapshot

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_S3 = "s3://"


class OmicsCreationOperator(OmicsRequestOperator[WorkflowSnapshot]):
    """Base of the operators that create a workflow or a version.

    The members of the request are described in the subclasses.

    :cvar operation: ``CreateWorkflow`` or ``CreateWorkflowVersion``.
    :param definition: the definition: a folder, a file, or a zip archive that the worker has, as a path, or the
        ``s3://`` URI of a zip archive of at most 100,000,000 bytes in the workflow's Region. Files are zipped in
        order, without ``.git``, ``__pycache__`` and the like, to at most 4,400,000 bytes.
    :param check_definition: what becomes of what the tools of its language find in the definition (miniwdl, cwltool;
        they come with the extra ``definitions``), and of a parameter template that does not fit its inputs: ``fail``
        refuses it before anything is sent, ``warn`` logs it, ``off`` does not look. Default ``fail``.
    :param identity_tags: whether it is tagged with the digest of its content, which needs ``omics:TagResource``;
        without it, what has the name counts as the same content. Default ``True``.
    :param wait_for_completion: whether to wait until it is ACTIVE. Default ``True``.
    """

    operation: ClassVar[str]
    waits_for = WorkflowSnapshot
    request_id: Any

    def __init__(
        self,
        *,
        definition: str | os.PathLike[str] | None = None,
        check_definition: str = FAIL,
        identity_tags: bool | str = True,
        wait_for_completion: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.definition = definition
        self.check_definition = check_definition
        self.identity_tags: bool = as_read(identity_tags)
        self.wait_for_completion: bool = as_read(wait_for_completion)

    @abstractmethod
    def creation(self) -> Creation:
        """Return the request, checked."""

    @abstractmethod
    def identifier(self, workflow: WorkflowSnapshot) -> str:
        """Return what the task returns."""

    def make_request(self, context: Context) -> str:
        """Create what there is not yet and, if wanted, wait for it; return what names it."""
        self.check_waiting(self.operation)
        creation = self.creation()
        for note in creation.notes:
            self.log.warning("%s", entry(note))
        created = replace(self.creator(creation), is_retry=context["ti"].try_number > 1).get_or_create()
        self.push(context, created)
        workflow = created.workflow
        if workflow.phase.is_final:
            return self.finish(context, WaitResult(StopReason.ENDED, workflow), was_there=not created.is_new)
        if not self.wait_for_completion:
            return self.identifier(workflow)
        trigger = OmicsWorkflowTrigger(
            workflow_id=workflow.workflow_id,
            version_name=workflow.version_name,
            just_started=True,
            **self.waiting_arguments(),
        )
        return str(self.wait(context, trigger, was_there=not created.is_new))

    def finish(
        self, context: Context, end: WaitResult[WorkflowSnapshot], *, was_there: bool = False, **_state: Any
    ) -> str:
        """Return what names it, or raise what explains why it cannot be used.

        :param was_there: whether it was there before the task.
        """
        if end.why is not StopReason.ENDED:
            raise OmicsWaitError(end)
        workflow = end.snapshot
        if workflow.phase is not Phase.SUCCEEDED:
            raise OmicsWorkflowFailedError(WorkflowFailure(workflow, was_there, is_tagged=self.identity_tags))
        self.log.info("%s", workflow.describe())
        if workflow.status_message:
            # Of a Nextflow pipeline it has the findings of the service's linter.
            self.log.warning("%s", entry("HealthOmics says of %s: %s", workflow.label, workflow.status_message))
        return self.identifier(workflow)

    def creator(self, creation: Creation) -> WorkflowCreator:
        """Return what creates it."""
        return WorkflowCreator(self.hook, creation, self.identity_tags, self.log, self._killed.wait)

    def build(self, own: Mapping[str, Any], where: str, extra: Any) -> Creation:
        """Build the request of the members that both operations have, and of others.

        :param own: members that only this operation has.
        :param where: the parameter that ``extra`` was given in.
        :param extra: members that this release does not name.
        :raises OmicsRequestInvalidError: the request or the definition has problems.
        """
        fields = {**{api_name(name): getattr(self, name) for name in CREATION_FIELDS}, **own}
        more = extra_members(self.operation, where, extra)
        issues = [_misplaced(f"{where}.{name}") for name in ARCHIVES if more.get(name) is not None]
        if issues:
            raise OmicsRequestInvalidError(self.operation, issues)
        try:
            source = self._source()
        except DefinitionError as error:
            source = Source(issues=error.issues)
        tags = TAG_COUNT if self.identity_tags else 0
        return build_creation(self.operation, fields, more, source, level=self.check_definition, reserved_tags=tags)

    def push(self, context: Context, created: Created) -> None:
        """Push what was made as XComs."""
        if self.do_xcom_push:
            push_xcoms(context, self.log, self.xcoms(created))

    def xcoms(self, created: Created) -> dict[str, Any]:
        """Return the XComs by their keys."""
        return {
            XCOM_WORKFLOW_ARN_KEY: created.workflow.arn,
            XCOM_WORKFLOW_UUID_KEY: created.workflow.uuid,
            XCOM_WORKFLOW_IS_NEW_KEY: created.is_new,
        }

    def _source(self) -> Source:
        if self.definition is None or not str(self.definition).strip():
            return Source()
        place = os.fspath(self.definition)
        if not place.startswith(_S3):
            return Source(read_bundle(place))
        if any(object_uri_issues("definition", place)):
            fix = "Give one such as s3://my-bucket/read-qc.zip"
            raise DefinitionError("definition", f"{place!r} is not the S3 URI of an object", fix)
        return Source(self._download(place), place)

    def _download(self, uri: str) -> Bundle:
        with self.hook.inputs.open(uri) as archive:
            content = archive.read(MOST_STORED_BYTES + 1)

        return read_archive(uri, io.BytesIO(content), len(content))


def _misplaced(where: str) -> Issue:
    what = "cannot be given there, since the same content would not be known again"
    return Issue(where, what, "Give definition: a folder, a file or the s3:// URI of a zip archive")
