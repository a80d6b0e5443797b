"""Tables, and whether what they show is within the bounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """A figure, and what it may be at most.

    :param most: None where there is no bound.
    """

    name: str
    value: float
    most: float | None = None
    form: str = ",.0f"

    @property
    def holds(self) -> bool:
        """Whether the figure is within its bound."""
        return self.most is None or self.value <= self.most

    def cells(self) -> tuple[str, str, str]:
        """Return the figure as a row."""
        if self.most is None:
            return self.name, f"{self.value:{self.form}}", ""
        return self.name, f"{self.value:{self.form}}", f"{self.most:{self.form}}{'' if self.holds else ' BROKEN'}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown, with figures to the right."""
    print(f"\n| {' | '.join(head)} |\n| --- |{' ---: |' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def bounds(figures: Sequence[Bound]) -> bool:
    """Print figures with their bounds, and return whether all hold."""
    table(["", "measured", "at most"], [figure.cells() for figure in figures])
    return all(figure.holds for figure in figures)
