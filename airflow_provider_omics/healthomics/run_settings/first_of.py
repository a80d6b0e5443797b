"""Keeping the first of many findings, with their number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class FirstOf(Generic[T]):
    """The first of the values of one kind, and how many there were.

    :param kept: how many of them messages need.
    """

    kept: int
    count: int = field(default=0, init=False)
    first: list[T] = field(default_factory=list, init=False)

    def add(self, value: T) -> None:
        """Count a value, and keep it if it is one of the first."""
        self.count += 1
        if len(self.first) < self.kept:
            self.first.append(value)
