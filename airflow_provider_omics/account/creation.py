"""Idempotent creation of run groups, run caches and configurations: one of each name, with the settings asked for."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from airflow_provider_omics.account.commands import update_resource
from airflow_provider_omics.account.kinds import ResourceKind
from airflow_provider_omics.account.poll import find_resources, get_resource
from airflow_provider_omics.account.resource import CREATING, DELETED, DELETING, FAILED, Resource
from airflow_provider_omics.healthomics.api.calls import Requests, or_none
from airflow_provider_omics.healthomics.api.creation import CreationPolls, IdempotentCreation, request_ids
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.requests.checks import as_typed
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.shapes import operation_model

# Never change it: resources were made with ids from it.
_NAMESPACE = uuid.UUID("5b1c3b0e-9a52-5f0f-8a55-2f1d3c9b7e40")
_MOST_SHOWN = 5


class ResourceService(Protocol):
    """What creation needs of a connection to HealthOmics."""

    def create_resource(
        self,
        kind: ResourceKind,
        request: Mapping[str, Any],
        *,
        find: Callable[[], Resource | None] | None = None,
        pause: Callable[[float], object] = ...,
    ) -> Resource:
        """Create a resource, and ask again while that may help."""

    def send_requests(self, requests: Requests[Any], subject: str) -> Any:
        """Make requests and return what they came to."""


@dataclass(frozen=True)
class CreatedResource:
    """Resource that was made, or was there.

    :param is_new: whether this call has made it.
    """

    resource: Resource
    is_new: bool


@dataclass(frozen=True)
class ResourceCreator:
    """Creator of one run group, run cache or configuration, once.

    :param request: members by their API names, checked, without ``requestId`` unless it was given.
    :param pause: sleeps so many seconds and returns whether the task was killed meanwhile.
    :param takes_oldest: whether the oldest of the name is meant, as it is: its name says what it is for. Otherwise
        several are refused, and one is changed to be as asked.
    :param is_retry: whether an earlier try may have made it, so that the service may not show it yet.
    """

    service: ResourceService
    kind: ResourceKind
    request: Mapping[str, Any]
    log: Log
    pause: Callable[[float], object]
    takes_oldest: bool = False
    is_retry: bool = False

    def get_or_create(self) -> CreatedResource:
        """Return the resource of the name, with its settings as they are asked for, or make it.

        :raises OmicsRequestInvalidError: one of the name differs in what the API cannot change, is FAILED, or is not
            the only one.
        :raises OmicsServiceError: the service refused it.
        :raises OmicsError: the task was killed meanwhile, or one of the name is still being deleted.
        """
        found = self._find()
        if found is None and self.is_retry:
            found = self._polls.find_late(self._find)
        if found is not None:
            self.log.info("%s", entry("HealthOmics %s is there already", found.label))
            return CreatedResource(self._as_asked(found), is_new=False)
        made = self._create()
        if self.takes_oldest:
            # Others may have been as fast, with a service that has forgotten the request id.
            made = self._find() or made
        self.log.info("%s", entry("Made HealthOmics %s", made.label))
        return CreatedResource(self._as_asked(made), is_new=True)

    @property
    def _name(self) -> str:
        return str(self.request["name"])

    @property
    def _subject(self) -> str:
        return f"{self.kind.name} {self._name!r}"

    @cached_property
    def _polls(self) -> CreationPolls[Resource]:
        return CreationPolls(self._subject, self.log, self.pause)

    @property
    def _operation(self) -> str:
        return self.kind.operation("Create")

    def _find(self) -> Resource | None:
        named = self._named()
        usable = [one for one in named if one.status != FAILED]
        if len(usable) > 1 and not self.takes_oldest:
            shown = ", ".join(one.identifier for one in usable[:_MOST_SHOWN])
            what = f"{len(usable)} {self.kind.name}s are called {self._name!r} ({shown})"
            self._refuse(Issue("name", what, "Give another name, or delete or rename all but one"))
        if named and not usable:
            self._refuse(self._failed(named[0]))
        return usable[0] if usable else None

    def _named(self) -> list[Resource]:
        """Return what has the name once none of it is being deleted, or listed and not shown."""
        named = self._polls.until_settled(self._poll)
        if any(one.status == DELETING for one in named):
            raise OmicsError(
                f"{self._operation}: nothing was sent, since {self._subject} is still being deleted. Try again"
            )
        # What is listed for a minute and never shown is deleted.
        return [one for one in named if one.is_shown]

    def _poll(self) -> tuple[list[Resource], str | None]:
        named: list[Resource] = self.service.send_requests(find_resources(self.kind, self._name), self._subject)
        for one in named:
            if one.status == DELETING:
                return named, f"HealthOmics {one.label} is being deleted; waiting for its name"
            if one.status == CREATING and self.takes_oldest:
                # Runs cannot use it yet. The API's model knows no such run cache, and names of statuses are added.
                return named, f"HealthOmics {one.label} is {one.status}; waiting until runs can use it"
            if not one.is_shown:
                return named, f"HealthOmics lists {one.label} and does not show it; looking again"
        return named, None

    def _create(self) -> Resource:
        creation = IdempotentCreation(
            create=self._created,
            find=self._find,
            read=self._read,
            is_gone=self._is_gone,
            subject=self._subject,
            label=lambda made: made.label,
            log=self.log,
            pause=self.pause,
        )
        # Only the name: two that ask at once for different settings are to make one, too.
        ids = request_ids(self.request.get("requestId"), _NAMESPACE, self.kind.suffix, self._name)
        named = f"{self._operation} for {self._subject}: HealthOmics names one that it made before"
        return creation.carry_out(
            ids, f"{named}, and that one is gone, or has another name. Give a request_id that was not used yet"
        )

    def _created(self, request_id: str) -> Resource:
        """Make it, and return it as it was asked for, which is what it is until the service shows it."""
        self._polls.begin_sending()
        members = {**self.request, "requestId": request_id}
        made = self.service.create_resource(self.kind, members, find=self._find, pause=self.pause)
        return replace(made, name=self._name, settings=self.request, tags=self.request.get("tags") or {})

    def _read(self, made: Resource) -> Resource | None:
        asked = or_none(get_resource(self.kind, made.identifier))
        found: Resource | None = self.service.send_requests(asked, made.label)
        return found

    def _is_gone(self, found: Resource) -> bool:
        # Ids of what was deleted may be given to others.
        return found.status in (DELETED, DELETING) or found.name not in (None, self._name)

    def _as_asked(self, found: Resource) -> Resource:
        """Return the resource once it has the settings and the tags that are asked for."""
        if found.status == FAILED:
            self._refuse(self._failed(found))
        if self.takes_oldest:
            return found
        differences = list(found.differences(self.request))
        fixed = [one for one in differences if one[0] not in self.kind.changeable]
        if fixed:
            self._refuse(*(self._differs(found, *one) for one in fixed))
        tags = found.missing_tags(self.request)
        if not differences and not tags:
            return found
        members = {name: asked for name, _, asked in differences}
        self.service.send_requests(update_resource(found, members, tags), found.label)
        changes = [f"{name} from {there} to {asked}" for name, there, asked in differences]
        changes += [f"tag {key} to {value!r}" for key, value in tags.items()]
        self.log.info("%s", entry("Changed HealthOmics %s: %s", found.label, ", ".join(changes)))
        return found

    def _differs(self, found: Resource, name: str, there: Any, asked: Any) -> Issue:
        what = f"is {asked!r}, and {found.label} has {there!r}, which the API cannot change"
        return Issue(name, what, f"Give another name, or delete it ({found.deletion}) and clear the task")

    def _failed(self, found: Resource) -> Issue:
        if self.takes_oldest:
            what = f"stands for HealthOmics {found.label}, which is {found.status}"
            return Issue("name", what, f"Delete it ({found.deletion}) and clear the task, which makes another one")
        what = f"is taken: HealthOmics {found.label} is {found.status}"
        return Issue("name", what, f"Give another name, or delete it ({found.deletion}) and clear the task")

    def _refuse(self, *issues: Issue) -> None:
        shape = operation_model(self._operation).input_shape
        known = {} if shape is None else shape.members
        raise OmicsRequestInvalidError(self._operation, [as_typed(issue, known) for issue in issues])
