"""Coercion of rendered templates to the types of the API.

A template renders to text where the API wants a number or an object, and with native rendering to a number or an
object where it wants text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.model import MapShape, Shape


_WHOLE = re.compile(r"[+-]?[0-9]+")


def coerce(shape: Shape | None, value: Any) -> Any:
    """Coerce a value to the type of a member of the API; one that does not fit comes back as it is.

    :param shape: the member's shape; None for a member that the installed botocore does not know.
    """
    if shape is None:
        return value
    if shape.type_name == "string":
        return _text(value)
    if shape.type_name in ("integer", "long"):
        return _whole_number(value)
    if shape.type_name == "boolean":
        return _truth(value)
    if shape.type_name in ("map", "structure"):
        return _object(shape, value)
    return value


def _text(value: Any) -> Any:
    if isinstance(value, (Mapping, list)):
        return json.dumps(value)
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _whole_number(value: Any) -> Any:
    # Python would also read 12_3, and digits of other scripts.
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    return value


def _truth(value: Any) -> Any:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    return value


def _object(shape: Shape, value: Any) -> Any:
    if isinstance(value, str):
        with suppress(ValueError):
            value = read_json(value)
    if not isinstance(value, Mapping):
        return value
    if getattr(shape, "is_document_type", False):
        return _document(value)
    if shape.type_name == "map":
        entries: MapShape = shape  # type: ignore[assignment]
        return {coerce(entries.key, key): coerce(entries.value, inner) for key, inner in value.items()}
    return value


def read_json(text: str) -> Any:
    """Read JSON in which no object has a key twice, of which all but one value would be lost.

    :raises ValueError: it is not such JSON; a ``json.JSONDecodeError`` says where.
    """
    return json.loads(text, object_pairs_hook=_with_keys_once, parse_constant=_refuse_constant)


def _with_keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise ValueError(f"it has the key {key!r} twice")
        members[key] = value
    return members


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"it has {name}, which is not JSON")


def _document(value: Any) -> Any:
    # As JSON would carry it, so that a tuple or Airflow's lazy sequence of XComs reaches botocore as a list.
    with suppress(TypeError, ValueError):
        return json.loads(json.dumps(value, allow_nan=False, default=_listed))
    return value


def _listed(value: Any) -> list[Any]:
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
