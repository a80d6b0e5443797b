"""Settings that also come as JSON: each value is given the type of its field, or refused by name."""

from __future__ import annotations

import math
from dataclasses import fields
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def check_fields(settings: Any) -> None:
    """Give every field of a frozen dataclass the type that it is declared with.

    :raises ValueError: a value has no place there; the text names the field.
    """
    hints = get_type_hints(type(settings))
    for field in fields(settings):
        value = _fitting(field.name, hints[field.name], getattr(settings, field.name))
        object.__setattr__(settings, field.name, value)


def _fitting(name: str, hint: Any, value: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        hint = next(choice for choice in get_args(hint) if choice is not type(None))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if value not in list(hint):
            raise ValueError(f"{name} must be one of {', '.join(hint)}, not {value!r}")
        return hint(value)
    if hint in (int, float):
        return _number(name, hint, value)
    if hint in (bool, str) and not isinstance(value, hint):
        raise ValueError(f"{name} must be {'true or false' if hint is bool else 'text'}, not {value!r}")
    return value


def _number(name: str, kind: type, value: Any) -> Any:
    fits = isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
    if not fits or math.isnan(value) or value < 0:
        raise ValueError(f"{name} must be a number of at least 0, not {value!r}")
    return value
