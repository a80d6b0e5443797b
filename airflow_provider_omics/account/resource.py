"""Resources of an account as one answer showed them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_omics.account.kinds import ResourceKind
from airflow_provider_omics.healthomics.requests.shapes import api_name

FAILED, DELETED, DELETING, CREATING = "FAILED", "DELETED", "DELETING", "CREATING"
_NEVER_COMPARED = frozenset({"requestId", "tags"})


@dataclass(frozen=True)
class Resource:
    """Run group, run cache or configuration. No member of an answer is guaranteed by the API.

    :param identifier: its id; of a configuration its name.
    :param settings: its settings by the names that the request has for them.
    :param is_shown: whether an answer was about it alone; False for one that a list has and the service does not find.
    """

    kind: ResourceKind
    identifier: str
    name: str | None = None
    status: str | None = None
    arn: str | None = None
    uuid: str | None = None
    created_at: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    is_shown: bool = True

    @classmethod
    def of(cls, kind: ResourceKind, answer: Mapping[str, Any]) -> Resource:
        """Read an answer about a resource, or an item of a list of them."""
        created = answer.get("creationTime")
        shown = {name: called for called, name in kind.shown_as.items()}
        return cls(
            kind,
            identifier=answer[kind.identifier],
            name=answer.get("name"),
            status=answer.get("status"),
            arn=answer.get("arn"),
            uuid=answer.get("uuid"),
            created_at=None if created is None else created.timestamp(),
            settings={shown.get(name, name): value for name, value in answer.items()},
            tags=answer.get("tags") or {},
        )

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return self.kind.label(self.identifier, self.name)

    @property
    def deletion(self) -> str:
        """Command of the AWS CLI that deletes it."""
        return self.kind.command("delete", self.identifier)

    @property
    def age(self) -> tuple[float, str]:
        """What sorts resources by their age, the oldest first."""
        return self.created_at or 0.0, self.identifier.zfill(18)

    def differences(self, request: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
        """Yield path, present value and wanted value of each member that is not as a request asks for.

        Members that are not asked for may be anything, and so may those that this release does not name and the service
        does not show. Tags are compared by :meth:`missing_tags`.
        """
        compared = {*map(api_name, self.kind.fields), *self.settings} - _NEVER_COMPARED
        asked = {name: value for name, value in request.items() if name in compared}
        yield from _differences("", self.settings, asked)

    def missing_tags(self, request: Mapping[str, Any]) -> dict[str, str]:
        """Return the tags that a request asks for and the resource has not, or with another value."""
        asked: Mapping[str, str] = request.get("tags") or {}
        return {key: value for key, value in asked.items() if self.tags.get(key) != value}


def _differences(where: str, shown: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name, value in asked.items():
        there = shown.get(name)
        if isinstance(value, Mapping):
            yield from _differences(f"{where}{name}.", there if isinstance(there, Mapping) else {}, value)
        elif value is not None and _comparable(value) != _comparable(there):
            yield f"{where}{name}", there, value


def _comparable(value: Any) -> Any:
    # Ids of subnets and of security groups have no order; a place in S3 is the same with a slash at its end.
    if isinstance(value, (list, tuple)):
        return sorted(map(str, value))
    return value.rstrip("/") if isinstance(value, str) else value
