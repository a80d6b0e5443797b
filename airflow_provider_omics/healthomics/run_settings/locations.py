"""Source locations: the words for the place in the input that a message is about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

_ITEM = re.compile(r"parameters\.(.+)\[(\d+)\]")
_SHOWN = 5


class Unit(Enum):
    """What an input consists of, and so what its places are called."""

    ITEM = "item"
    ENTRY = "entry"
    LINE = "line"
    ROW = "row"

    @property
    def plural(self) -> str:
        """The word for several of them."""
        return "entries" if self is Unit.ENTRY else f"{self.value}s"


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """The source that run settings came from, which puts places in it into words.

    :param name: path or URI, or ``run_settings`` for a list.
    :param unit: what its places are called.
    :param id_column: the column with the ids where rows became run settings column by column.
    """

    name: str
    unit: Unit
    id_column: str | None = None

    def place(self, numbers: Sequence[int]) -> str:
        """Return the words for one or several places.

        :param numbers: rows as a spreadsheet shows them, lines or entries from 1, items of a list from 0.
        """
        if self.unit is Unit.ITEM:
            places = [f"{self.name}[{number}]" for number in numbers[:_SHOWN]]
            return _joined(places, len(numbers))
        word = self.unit.value if len(numbers) == 1 else self.unit.plural
        return f"{self.name} {word} {_joined([str(number) for number in numbers[:_SHOWN]], len(numbers))}"

    def member(self, numbers: Sequence[int], path: str) -> str:
        """Return the words for a member of the run setting at a place, or for the column that it came from.

        :param path: the member, such as ``runTags.owner``.
        """
        place = self.place(numbers)
        column = self._column(path)
        if column is not None:
            return f"{place}, column {column!r}"
        if path == "parameters" and self.id_column is not None:
            return place
        return f"{place}.{path}" if self.unit is Unit.ITEM and len(numbers) == 1 else f"{place}, {path}"

    def _column(self, path: str) -> str | None:
        if self.id_column is None:
            return None
        member, _, name = path.partition(".")
        if member == "parameters":
            return name or None
        return self.id_column if member == "runSettingId" else None


def exact_place(
    origin: SourceLocation, numbers: tuple[int, ...], given: Mapping[str, Any], path: str
) -> tuple[tuple[int, ...], str]:
    """Return the row that an item of a list came from, where rows became lists, and its column.

    :param numbers: the rows of the sample.
    :param given: its parameters.
    """
    match = _ITEM.fullmatch(path)
    if match is None or origin.id_column is None:
        return numbers, path
    items = given.get(match[1])
    if not isinstance(items, list) or len(items) != len(numbers):
        return numbers, path
    return (numbers[int(match[2])],), f"parameters.{match[1]}"


def _joined(places: list[str], total: int) -> str:
    if total > len(places):
        return f"{', '.join(places)} and {total - len(places):,} more"
    return " and ".join([", ".join(places[:-1]), places[-1]]) if len(places) > 1 else places[0]
