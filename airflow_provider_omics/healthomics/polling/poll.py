"""What a poll asks, and the snapshots that its answers become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, TypeVar

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.healthomics.api.statuses import Phase


class Snapshot(Protocol):
    """Snapshot of what is waited for: its state as one poll showed it.

    :cvar KIND: what it is, such as ``run``; names it in a trigger's event.
    """

    KIND: ClassVar[str]

    @property
    def label(self) -> str:
        """What to call it, such as ``run 1234567``."""

    @property
    def status(self) -> str | None:
        """The service's word for its state; None before the first answer."""

    @property
    def phase(self) -> Phase:
        """What the state means to a waiter."""

    @property
    def command(self) -> str:
        """Command of the AWS CLI that shows it."""

    def describe(self) -> str:
        """Return its state as text, for the log."""

    def as_deleted(self) -> Self:
        """Return what it is once the service does not know it any more."""

    def to_payload(self) -> dict[str, Any]:
        """Return the snapshot as JSON values, for a trigger's event."""

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_payload` wrote, in this release or another."""


SnapshotT = TypeVar("SnapshotT", bound=Snapshot)


class Poll(Protocol[SnapshotT]):
    """Poll spec: what to ask about what is waited for, and when it is over.

    :ivar initial: the snapshot before the first answer.
    :ivar operation: the API operation that mainly answers, for errors that do not name theirs.
    """

    initial: SnapshotT
    operation: str

    def requests(self) -> Requests[SnapshotT]:
        """Ask the service once."""

    def is_over(self, snapshot: SnapshotT) -> bool:
        """Whether this is what was waited for."""

    def describe_change(self, before: SnapshotT | None, snapshot: SnapshotT) -> str | None:
        """Return what to log about a snapshot; None if it is nothing new.

        :param before: the snapshot before; None for the first.
        """


def describe_change(before: SnapshotT | None, snapshot: SnapshotT) -> str | None:
    """Return the state as text where it is another than before."""
    text = snapshot.describe()
    return None if before is not None and before.describe() == text else text
