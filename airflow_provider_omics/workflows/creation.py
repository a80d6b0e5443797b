"""Idempotent creation of workflows and versions: one for one content, however often it is asked for."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from airflow_provider_omics.healthomics.api.calls import Requests, or_none
from airflow_provider_omics.healthomics.api.creation import (
    MOST_GENERATIONS,
    CreationPolls,
    IdempotentCreation,
    request_ids,
)
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.workflows.creation_request import CREATE_WORKFLOW, Creation, version_name_of
from airflow_provider_omics.workflows.poll import get_tagged_workflow, list_workflows
from airflow_provider_omics.workflows.snapshot import CONTENT_TAG, WorkflowSnapshot

# Never change it: workflows were made with ids from it.
_NAMESPACE = uuid.UUID("0d0f6c0a-8d0a-5f7e-9c64-6f4a5f1f2b58")
_USABLE = (Phase.SUCCEEDED, Phase.ACTIVE, Phase.UNKNOWN)
TAG_COUNT = 1
"""How many tags are added to those of the user."""


class WorkflowService(Protocol):
    """What creation needs of a connection to HealthOmics."""

    def create_workflow(
        self,
        request: Mapping[str, Any],
        *,
        find: Callable[[], WorkflowSnapshot | None] | None = None,
        pause: Callable[[float], object] = ...,
    ) -> WorkflowSnapshot:
        """Create a workflow, and ask again while that may help."""

    def create_workflow_version(
        self,
        request: Mapping[str, Any],
        *,
        find: Callable[[], WorkflowSnapshot | None] | None = None,
        pause: Callable[[float], object] = ...,
    ) -> WorkflowSnapshot:
        """Create a version, and ask again while that may help."""

    def send_requests(self, requests: Requests[Any], subject: str) -> Any:
        """Make requests and return what they came to."""


@dataclass(frozen=True)
class Created:
    """Workflow or version that was made, or was there.

    :param is_new: whether this call has made it.
    """

    workflow: WorkflowSnapshot
    is_new: bool


@dataclass(frozen=True)
class WorkflowCreator:
    """Creator of one workflow, or of one version, once.

    :param creation: the request, with its name.
    :param is_tagged: whether it gets the tag with the digest of its content, which needs ``omics:TagResource``;
        without it, what has the name counts as the same.
    :param keeps_other: whether a workflow of the name, made of other content, is returned and not refused.
    :param pause: sleeps so many seconds and returns whether the task was killed meanwhile.
    :param is_retry: whether an earlier try may have made it, so that the service may not show it yet.
    """

    service: WorkflowService
    creation: Creation
    is_tagged: bool
    log: Log
    pause: Callable[[float], object]
    keeps_other: bool = False
    is_retry: bool = False

    def get_or_create(self) -> Created:
        """Return what there is of this content, or make it.

        :raises OmicsRequestInvalidError: the name stands for other content.
        :raises OmicsServiceError: the service refused it.
        :raises OmicsError: the task was killed meanwhile.
        """
        found = self._find_usable()
        if found is None and self.is_retry:
            found = self._polls.find_late(self._find_usable)
        if found is not None:
            self.log.info("%s", entry("HealthOmics %s is there already, and %s", found.label, found.status))
            return Created(found, is_new=False)
        made = self._create()
        self.log.info("%s", entry("Made HealthOmics %s (content %s)", made.label, self.creation.digest[:16]))
        return Created(made, is_new=True)

    @cached_property
    def _polls(self) -> CreationPolls[WorkflowSnapshot]:
        return CreationPolls(self._subject, self.log, self.pause)

    @property
    def _is_version(self) -> bool:
        return self.creation.operation != CREATE_WORKFLOW

    @property
    def _request(self) -> Mapping[str, Any]:
        return self.creation.request

    @property
    def _subject(self) -> str:
        if self._is_version:
            return f"version {self._request['versionName']} of workflow {self._request['workflowId']}"
        return f"workflow {self._request['name']!r}"

    def _find_usable(self) -> WorkflowSnapshot | None:
        named = self._named()
        same = [found for found in named if self._is_same(found)]
        if same:
            return _first_usable(same)
        # What has failed with other content is in nobody's way, unless it has the name of the version.
        others = [found for found in named if self._is_version or found.phase in _USABLE]
        if others and not self.keeps_other:
            raise OmicsRequestInvalidError(self.creation.operation, [self._taken(others[0])])
        return others[0] if others else None

    def _named(self) -> list[WorkflowSnapshot]:
        """Return what has the name now, the oldest first, with tags."""
        if self._is_version:
            asked = or_none(get_tagged_workflow(self._request["workflowId"], self._request["versionName"]))
            found = self.service.send_requests(asked, self._subject)
            return [] if found is None or found.phase is Phase.DELETED else [found]
        # What is listed for a minute and never shown is deleted.
        return self._polls.until_settled(self._poll)

    def _poll(self) -> tuple[list[WorkflowSnapshot], str | None]:
        named: list[WorkflowSnapshot] = self.service.send_requests(list_workflows(self._request["name"]), self._subject)
        shown, unshown = [], None
        for one in named:
            if one.phase is Phase.DELETED:
                continue
            read = self._read(one)
            if read is None:
                unshown = f"HealthOmics lists {one.label} and does not show it; looking again"
            elif read.phase is not Phase.DELETED:
                shown.append(read)
        return shown, unshown

    def _read(self, known: WorkflowSnapshot) -> WorkflowSnapshot | None:
        asked = or_none(get_tagged_workflow(known.workflow_id, known.version_name))
        found: WorkflowSnapshot | None = self.service.send_requests(asked, known.label)
        return found

    def _is_same(self, found: WorkflowSnapshot) -> bool:
        if found.content is not None:
            return found.content == self.creation.digest
        # A name that was made of the digest says it too.
        return not self.is_tagged or found.version_name == version_name_of(self.creation.digest)

    def _taken(self, found: WorkflowSnapshot) -> Issue:
        made_of = "was made of other content"
        if found.content is None:
            made_of = (
                "carries no tag with its content (where HealthOmics shows none, omics:ListTagsForResource is needed)"
            )
        what = f"is taken: HealthOmics {found.label} is {found.status} and {made_of}"
        if self._is_version:
            return Issue(
                "version_name", what, "Leave version_name out, to have it made of the content, or give another"
            )
        fix = (
            f"Make a version of workflow {found.workflow_id} with OmicsCreateWorkflowVersionOperator, and set "
            "on_other_content='keep' here; or give another name"
        )
        return Issue("name", what, fix)

    def _create(self) -> WorkflowSnapshot:
        create = self.service.create_workflow_version if self._is_version else self.service.create_workflow

        def made_with(request_id: str) -> WorkflowSnapshot:
            self._polls.begin_sending()
            return create(self._members(request_id), find=self._find_made, pause=self.pause)

        creation = IdempotentCreation(
            create=made_with,
            find=self._find_made,
            read=lambda made: self._read(made) or self._listed(made),
            is_gone=lambda found: found.phase is Phase.DELETED,
            subject=self._subject,
            label=lambda made: made.label,
            log=self.log,
            pause=self.pause,
        )
        return creation.carry_out(self._request_ids(), self._gone())

    def _request_ids(self) -> Iterator[str]:
        asked = self._request
        name = (asked["workflowId"], asked["versionName"]) if self._is_version else (asked["name"],)
        return request_ids(asked.get("requestId"), _NAMESPACE, *name, self.creation.digest)

    def _gone(self) -> str:
        asked = f"{self.creation.operation} for {self._subject}: HealthOmics names one that it made before, and"
        if self._request.get("requestId") is not None:
            return f"{asked} that one is gone. Give another request_id, or leave it out"
        return f"{asked} that one is gone, for each of {MOST_GENERATIONS} request ids. Give a request_id of your own"

    def _members(self, request_id: str) -> dict[str, Any]:
        ours = {CONTENT_TAG: self.creation.digest} if self.is_tagged else {}
        tags = {**(self._request.get("tags") or {}), **ours}
        members = {**self._request, "requestId": request_id}
        return {**members, "tags": tags} if tags else members

    def _find_made(self) -> WorkflowSnapshot | None:
        """Return what a call has made, also if it has failed since, which is for the waiter to explain."""
        named = self._named()
        same = [found for found in named if self._is_same(found)]
        if named and not same and self._is_version:
            raise OmicsRequestInvalidError(self.creation.operation, [self._taken(named[0])])
        return _first_usable(same) if same else None

    def _listed(self, made: WorkflowSnapshot) -> WorkflowSnapshot | None:
        """Return a workflow that GetWorkflow does not show yet, and ListWorkflows does."""
        if self._is_version:
            return None
        listed = self.service.send_requests(list_workflows(self._request["name"]), made.label)
        found = next((one for one in listed if one.workflow_id == made.workflow_id), None)
        return made if found is not None and found.phase is not Phase.DELETED else found


def _first_usable(same: list[WorkflowSnapshot]) -> WorkflowSnapshot:
    """Return the oldest that can be used, or will be soon; the oldest of all where none can."""
    return next((found for found in same if found.phase in _USABLE), same[0])
