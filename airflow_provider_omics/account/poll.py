"""Looking up run groups, run caches and configurations, and waiting for a configuration."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from airflow_provider_omics.account.kinds import CONFIGURATION, ResourceKind
from airflow_provider_omics.account.resource import DELETED, Resource
from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Request, Requests, list_items, or_none
from airflow_provider_omics.healthomics.api.payload import Payload
from airflow_provider_omics.healthomics.api.statuses import ConfigurationStatus, Phase, classify
from airflow_provider_omics.healthomics.polling.poll import describe_change


def get_resource(kind: ResourceKind, identifier: str) -> Requests[Resource]:
    """Show one resource (GetRunGroup, GetRunCache, GetConfiguration)."""
    answer = yield Request(kind.operation("Get"), {kind.identifier: identifier})
    return Resource.of(kind, {kind.identifier: identifier, **answer})


def find_resources(kind: ResourceKind, name: str) -> Requests[list[Resource]]:
    """Find the resources of exactly one name, with all of their settings, oldest first; none that is deleted.

    Those that are listed and not found one by one are among them, as not shown: they are too new, or deleted.

    Operations: GetConfiguration; ListRunGroups and GetRunGroup; ListRunCaches and GetRunCache.
    """
    if kind.identifier == "name":
        one = yield from or_none(get_resource(kind, name))
        found = [] if one is None else [one]
    else:
        found = []
        for listed in (yield from _list_named(kind, name)):
            one = yield from or_none(get_resource(kind, listed.identifier))
            found.append(one or replace(listed, is_shown=False))
    return [one for one in found if one.status != DELETED]


def _list_named(kind: ResourceKind, name: str) -> Requests[list[Resource]]:
    members = {"maxResults": PAGE_SIZE, **({"name": name} if kind.lists_by_name else {})}
    listed = yield from list_items(kind.operation("List"), "items", **members)
    found = [Resource.of(kind, item) for item in listed if item.get("name") == name and item.get(kind.identifier)]
    return sorted((one for one in found if one.status != DELETED), key=lambda one: one.age)


@dataclass(frozen=True, slots=True)
class ConfigurationSnapshot(Payload):
    """Snapshot of a configuration. No member of an answer is guaranteed by the API.

    :param uuid: its identity for ever; names can be given again after a deletion.
    """

    KIND: ClassVar[str] = "configuration"

    name: str
    status: str | None = None
    arn: str | None = None
    uuid: str | None = None

    @classmethod
    def of(cls, resource: Resource) -> ConfigurationSnapshot:
        """Return the snapshot of a configuration that was shown."""
        return cls(resource.identifier, resource.status, resource.arn, resource.uuid)

    @property
    def phase(self) -> Phase:
        """What the status means to a waiter."""
        return classify(ConfigurationStatus, self.status)

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return CONFIGURATION.label(self.name)

    @property
    def command(self) -> str:
        """Command of the AWS CLI that shows it."""
        return CONFIGURATION.command("get", self.name)

    def describe(self) -> str:
        """Return the state as text, for the log."""
        status = repr(self.status) if self.phase is Phase.UNKNOWN else self.status
        return f"HealthOmics {self.label} is {status}"

    def as_deleted(self) -> ConfigurationSnapshot:
        """Return it as it is once the service does not know it any more."""
        return replace(self, status=ConfigurationStatus.DELETED.value)


@dataclass(slots=True)
class ConfigurationPoll:
    """Poll of one configuration (GetConfiguration)."""

    name: str
    operation: str = field(init=False, default="GetConfiguration")
    initial: ConfigurationSnapshot = field(init=False)

    def __post_init__(self) -> None:
        self.initial = ConfigurationSnapshot(self.name)

    def requests(self) -> Requests[ConfigurationSnapshot]:
        """Ask once."""
        return ConfigurationSnapshot.of((yield from get_resource(CONFIGURATION, self.name)))

    def is_over(self, snapshot: ConfigurationSnapshot) -> bool:
        """Whether it can be used, or never will be."""
        return snapshot.phase.is_final

    def describe_change(self, before: ConfigurationSnapshot | None, snapshot: ConfigurationSnapshot) -> str | None:
        """Return the state as text where it is another than before."""
        return describe_change(before, snapshot)
