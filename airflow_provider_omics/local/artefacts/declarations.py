"""The outputs that a workflow's definition declares, as its engine has read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class ArrayKind(TypedDict):
    """An array of outputs of one kind."""

    items: Kind


class OtherKind(TypedDict):
    """An output that is no file, with a value that it may have."""

    value: Any


Kind = Literal["File", "Directory"] | ArrayKind | OtherKind
"""What an output is; engines' processes send it as JSON."""


def is_array(kind: Kind) -> TypeIs[ArrayKind]:
    """Whether an output is an array."""
    return isinstance(kind, dict) and "items" in kind


def is_other(kind: Kind) -> TypeIs[OtherKind]:
    """Whether an output is no file and no array."""
    return isinstance(kind, dict) and "value" in kind


PLAIN_VALUES: Mapping[str, Any] = {
    **{"Int": 1, "Float": 1.0, "Boolean": True, "String": "simulated"},
    **{"int": 1, "long": 1, "float": 1.0, "double": 1.0, "boolean": True, "string": "simulated"},
}
"""A value of each plain type, by the names that WDL and CWL have for them."""


@dataclass(frozen=True, slots=True)
class Declarations:
    """The outputs of one workflow; none where nobody has read its definition.

    :ivar prefix: what the summary of outputs puts before each name.
    """

    prefix: str = ""
    outputs: Mapping[str, Kind] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """Return the name that an output has in the summary."""
        return f"{self.prefix}{name}"
