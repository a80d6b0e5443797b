"""Figures as texts with units, for people; what is not known is ``unknown``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

UNKNOWN = "unknown"
_DAY, _HOUR, _MINUTE = 86400, 3600, 60
_STEPS: tuple[float, ...] = (
    *(step * 10.0**power for power in (-3, -2, -1) for step in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * step for step in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * step for step in (1, 2, 3, 6, 12)),
    *(_DAY * step * 10.0**power for power in range(4) for step in (1, 2, 5)),
)
_MOST_STEPS = 7


def duration(seconds: float | Decimal | None) -> str:
    """Return a length of time such as ``0.42 s``, ``12 min 30 s`` or ``3 h 5 min``."""
    if seconds is None:
        return UNKNOWN
    value = float(seconds)
    if value < 10:
        return f"{value:.3g} s"
    whole = round(value)
    for unit, name, part, part_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit:,} {name}" + (f" {rest} {part_name}" if rest else "")
    return f"{whole} s"


def amount(value: float | Decimal | None, unit: str = "") -> str:
    """Return a number, rounded to three digits or to a whole one, with its unit."""
    if value is None:
        return UNKNOWN
    known = float(value)
    text = f"{known:,.0f}" if known.is_integer() or known >= 100 else f"{known:,.3g}"
    return f"{text} {unit}".rstrip()


def share(part: int, whole: int) -> str:
    """Return a share in per cent; neither all nor nothing is said where it is not so."""
    if not whole:
        return UNKNOWN
    per_cent = 100 * part / whole
    if 0 < per_cent < 0.1:
        return "< 0.1 %"
    if 99.9 < per_cent < 100:
        return "> 99.9 %"
    return f"{per_cent:.3g} %"


def moment(seconds: float | None) -> str:
    """Return a time in UTC, such as ``2026-11-30 08:00:00 UTC``."""
    return UNKNOWN if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def shortened(text: str, longest: int) -> str:
    """Return a text of so many characters at most, whose middle is left out."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[: longest - 1 - half]}…{text[len(text) - half :]}"


def ticks(first: float, last: float) -> Iterator[float]:
    """Yield the marks of a time axis between two numbers of seconds: round ones, eight at most."""
    span = last - first
    step = next((step for step in _STEPS if span / step <= _MOST_STEPS), math.ceil(span / _MOST_STEPS))
    for number in range(math.ceil(first / step), math.floor(last / step) + 1):
        yield number * step
