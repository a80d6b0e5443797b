"""How numbers of things are told in logs, messages and reports."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number of things, such as ``1 run`` or ``12 runs``.

    :param noun: in the plural, with an s at its end.
    """
    return f"{number:,} {noun.removesuffix('s') if number == 1 else noun}"
