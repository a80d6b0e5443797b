"""Payloads: dataclasses as JSON values under their members' names, in events of triggers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Payload:
    """Base of dataclasses that are stored; members of other releases are passed over, and missing ones have defaults.

    :cvar readers: functions that make members of JSON values, where they are more than JSON values; None stays None.
    """

    readers: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    def to_payload(self) -> dict[str, Any]:
        """Return the members as JSON values."""
        return asdict(self)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_payload` wrote, in this release or another."""
        known = {member.name: payload[member.name] for member in fields(cls) if member.name in payload}
        read = {name: make(known[name]) for name, make in cls.readers.items() if known.get(name) is not None}
        return cls(**{**known, **read})
