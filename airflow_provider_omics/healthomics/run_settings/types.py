"""Reading a cell as a value of a type."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.spelling import advice
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.run_settings.json_array import StrictDecoder, said
from airflow_provider_omics.healthomics.run_settings.text import shown

_INT = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
_DIGITS_OF_64_BITS = 19
_SEPARATORS = re.compile(r"[;,|]")


# What people, and programs, write where there is nothing.
_NOTHING = frozenset(
    {"na", "n/a", "n.a.", "#na", "nan", "none", "null", "nil", "missing", "unknown", "-", "--", ".", "?"}
)


class CellError(ValueError):
    """A cell is no value of its type.

    :ivar what: what is wrong, with what was found.
    :ivar fix: what to do about it.
    """

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.what, self.fix = what, fix


def typed(cell: str, name: str) -> Any:
    """Read a cell as a value.

    :param cell: what is written there, not empty.
    :param name: a type as users write it, such as ``int`` or ``string[]``.
    :raises CellError: it is no such value.
    """
    base = name.strip().casefold()
    try:
        return _typed(cell, base)
    except CellError as error:
        if cell.casefold() not in _NOTHING:
            raise
        raise CellError(error.what, f"Empty the cell if there is no value. If there is one: {error.fix}") from None


def typed_value(value: Any, name: str) -> Any:
    """Read a value of JSON that stands in a row: text as a cell, and anything else if it is of the type.

    :param value: what is there, not empty.
    :param name: a type as users write it, such as ``int`` or ``string[]``.
    :raises CellError: it is no such value.
    """
    if isinstance(value, str):
        return typed(value, name)
    base = name.strip().casefold()
    if base.endswith("[]"):
        base = base[:-2]
        return [_value(item, base) for item in (value if isinstance(value, (list, tuple)) else [value])]
    return _value(value, base)


def is_text(name: str) -> bool:
    """Whether the values of a type are text, and name no file."""
    return name.strip().casefold().removesuffix("[]") in _PLAIN_TEXTS


def _typed(cell: str, base: str) -> Any:
    if not base.endswith("[]"):
        return _READERS[base](cell)
    if cell.startswith("["):
        return [_item(value, base[:-2], cell) for value in _array(cell)]
    if _SEPARATORS.search(cell):
        raise CellError(f"{shown(cell)} is no JSON array", 'Write a list as JSON, such as ["a", "b"]')
    return [_READERS[base[:-2]](cell)]


def type_issues(types: Any, columns: Iterable[str] | None = None, of: str = "the sheet") -> Iterator[Issue]:
    """Yield what is wrong with the types that a user states.

    :param types: a type for each of some columns.
    :param columns: the columns that there are; None if they are not known yet.
    :param of: what the columns are those of.
    """
    if types is None:
        return
    if not isinstance(types, Mapping):
        yield Issue("parameter_types", f"is {type(types).__name__}", "Give a dict such as {'min_len': 'int'}")
        return
    known = None if columns is None else dict.fromkeys(columns)
    for column, name in types.items():
        base = name.strip().casefold().removesuffix("[]") if isinstance(name, str) else None
        if base not in _READERS:
            fix = f"Use one of {', '.join(TYPES)}, or one of them and [] for a list"
            yield Issue(f"parameter_types[{column!r}]", f"{name!r} is no type", fix)
        elif known is not None and column not in known:
            fix = f"{advice(column, known)}Name one of its columns: {', '.join(known)}"
            yield Issue(f"parameter_types[{column!r}]", f"is not a column of {of}", fix)


def looks_typed(cell: str) -> bool:
    """Whether a cell looks like a number, a boolean or JSON, which a person may not mean as text."""
    if cell[0] in "[{":
        try:
            _json(cell)
        except CellError:
            return False
        return True
    return _FLOAT.fullmatch(cell) is not None or cell.casefold() in ("true", "false")


def _integer(cell: str) -> int:
    if _INT.fullmatch(cell) is None:
        raise CellError(f"{shown(cell)} is no whole number", "Write it in digits, without a point or an exponent")
    if len(cell.lstrip("+-0")) > _DIGITS_OF_64_BITS or not -(2**63) <= int(cell) < 2**63:
        raise CellError(f"{shown(cell)} does not fit into 64 bits", "Write a smaller number, or state the type string")
    return int(cell)


def _number(cell: str) -> float:
    number = float(cell) if _FLOAT.fullmatch(cell) else math.inf
    if math.isinf(number):
        raise CellError(f"{shown(cell)} is no number", "Write it in digits, with a point for the decimals")
    return number


def _boolean(cell: str) -> bool:
    value = _BOOLEANS.get(cell.casefold())
    if value is None:
        raise CellError(f"{shown(cell)} is neither true nor false", "Write true or false")
    return value


def _json(cell: str) -> Any:
    try:
        entry, end = StrictDecoder().decode(cell, 0)
    except json.JSONDecodeError as error:
        raise CellError(f"{shown(cell)} is not JSON: {said(error)}", "Correct the JSON") from None
    except ValueError as error:
        raise CellError(f"{shown(cell)} is not JSON: {error}", "Correct the JSON") from None
    if entry.faults:
        raise CellError(*entry.faults[0])
    if cell[end:].strip():
        raise CellError(f"{shown(cell)} is no single value of JSON", "Correct the JSON")
    return entry.value


def _array(cell: str) -> list[Any]:
    values = _json(cell)
    assert isinstance(values, list)
    return values


def _value(value: Any, base: str) -> Any:
    """Return a value of JSON as one of a type; text is read as an item of a list in a cell is."""
    # Where text is meant, it is meant in all that a list or an object holds.
    if base in _TEXTS and isinstance(value, (list, tuple, Mapping)):
        return value
    return _single(
        value, base, lambda: CellError(f"{shown(str(value))} is {type(value).__name__}", f"Give {base} values")
    )


def _item(value: Any, base: str, cell: str) -> Any:
    def wrong() -> CellError:
        what = f"{shown(cell)} holds {json.dumps(value)}, which is no {base}"
        return CellError(what, f"Write a list of {base} values")

    return _single(value, base, wrong)


def _single(value: Any, base: str, wrong: Callable[[], CellError]) -> Any:
    if base == "json" or (base in _TEXTS and isinstance(value, str)):
        return value
    if base not in _TEXTS and isinstance(value, (str, bool, int, float)):
        return _READERS[base](value if isinstance(value, str) else json.dumps(value))
    raise wrong()


_PLAIN_TEXTS = ("string", "str", "text")
_TEXTS = (*_PLAIN_TEXTS, "file", "directory")
_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("int", "integer"), _integer),
    **dict.fromkeys(("float", "number", "double"), _number),
    **dict.fromkeys(("boolean", "bool"), _boolean),
    "json": _json,
    **dict.fromkeys(_TEXTS, str),
}
TYPES = ("int", "float", "boolean", "string", "json")
"""The types, by the names that messages use."""
