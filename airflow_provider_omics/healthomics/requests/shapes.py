"""What botocore's own model of HealthOmics says about a request: names, bounds, patterns, allowed values.

Reading it, instead of a list of our own, keeps every check in step with the botocore that is installed. Members that
this one lacks are added, as they are for the clients.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, cast

import botocore.session
from botocore.model import (
    ListShape,
    MapShape,
    OperationModel,
    ServiceModel,
    Shape,
    StringShape,
    StructureShape,
)

from airflow_provider_omics.healthomics.api.newer_members import add_newer_members
from airflow_provider_omics.healthomics.requests.issues import Issue


@cache
def service_model() -> ServiceModel:
    """Load the ``omics`` service model of the installed botocore, with newer members (about 0.1 s, once)."""
    session = botocore.session.get_session()
    add_newer_members(session)
    return session.get_service_model("omics")


def operation_model(operation: str) -> OperationModel:
    """Return botocore's model of one operation, such as ``StartRun``."""
    return service_model().operation_model(operation)


def snake_case(member: str) -> str:
    """Turn a member name of the API into the name that a user types: ``workflowId`` to ``workflow_id``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", member).lower()


def api_name(name: str) -> str:
    """Turn a name that a user types into the member name of the API: ``workflow_id`` to ``workflowId``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def check_request(operation: str, request: Mapping[str, Any]) -> list[Issue]:
    """Compare a request with the operation's input shape and return everything that is wrong with it.

    Checks required and unknown members, types, lengths, ranges, patterns and allowed values, at every depth.

    :param operation: operation name, such as ``StartRun``.
    :param request: members by their API names.
    """
    shape = operation_model(operation).input_shape
    return [] if shape is None else list(check_shape(shape, request, ""))


def check_shape(shape: Shape, value: Any, where: str) -> Iterator[Issue]:
    """Yield what is wrong with one value of a shape, and with everything inside it."""
    if getattr(shape, "is_document_type", False):
        return
    check = _CHECKS.get(shape.type_name)
    if check is not None:
        yield from check(shape, value, where)


def _check_structure(shape: StructureShape, value: Any, where: str) -> Iterator[Issue]:
    if not isinstance(value, Mapping):
        yield _wrong_type(where, value, "an object with the members " + ", ".join(shape.members))
        return
    for member in shape.required_members:
        if value.get(member) is None:
            yield Issue(_join(where, member), "is missing", "Give a value; the service requires it")
    for member, inner in value.items():
        if member not in shape.members:
            yield Issue(
                _join(where, member),
                f"is not a member that botocore {botocore.__version__} knows here",
                "Correct the name, or install a newer botocore if the member is new",
            )
        elif inner is not None:
            yield from check_shape(shape.members[member], inner, _join(where, member))


def _check_list(shape: ListShape, value: Any, where: str) -> Iterator[Issue]:
    if not isinstance(value, (list, tuple)):
        yield _wrong_type(where, value, "a list")
        return
    yield from _check_size(shape, len(value), where, "entries")
    for index, inner in enumerate(value):
        yield from check_shape(shape.member, inner, f"{where}[{index}]")


def _check_map(shape: MapShape, value: Any, where: str) -> Iterator[Issue]:
    if not isinstance(value, Mapping):
        yield _wrong_type(where, value, "an object")
        return
    yield from _check_size(shape, len(value), where, "entries")
    for key, inner in value.items():
        yield from check_shape(shape.key, key, f"{where} key {key!r}")
        yield from check_shape(shape.value, inner, _join(where, str(key)))


# The pattern says what a value looks like, and not what it is.
_MEANT_BY_PATTERN = {
    "[0-9]+": ("no id", "Give the id, which is a number, and neither a name nor an ARN"),
    "arn:.+": ("no ARN", "Give the ARN, such as arn:aws:iam::123456789012:role/OmicsRole, and not the name"),
}


def _check_string(shape: StringShape, value: Any, where: str) -> Iterator[Issue]:
    if not isinstance(value, str):
        yield _wrong_type(where, value, "text")
        return
    if shape.enum:
        if value not in shape.enum:
            yield Issue(
                where,
                f"{value!r} is not a value that the service knows",
                f"Use one of {', '.join(shape.enum)}",
            )
        return
    pattern = shape.metadata.get("pattern")
    if pattern in _MEANT_BY_PATTERN and value and not matches(pattern, value):
        # How long it is does not matter then.
        what, fix = _MEANT_BY_PATTERN[pattern]
        yield Issue(where, f"{_shown(value)} is {what}", fix)
        return
    yield from _check_size(shape, len(value), where, "characters")
    if pattern and value and not matches(pattern, value):
        yield Issue(where, f"{_shown(value)} does not match the pattern {pattern}", "Correct the value")


def _check_integer(shape: Shape, value: Any, where: str) -> Iterator[Issue]:
    if not isinstance(value, int) or isinstance(value, bool):
        yield _wrong_type(where, value, "a whole number")
        return
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        yield Issue(where, f"{value} is out of range", f"Use {low} to {high}")


def _check_float(_shape: Shape, value: Any, where: str) -> Iterator[Issue]:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        yield _wrong_type(where, value, "a number")


def _check_boolean(_shape: Shape, value: Any, where: str) -> Iterator[Issue]:
    if not isinstance(value, bool):
        yield _wrong_type(where, value, "true or false")


_CHECKS: dict[str, Callable[[Any, Any, str], Iterator[Issue]]] = {
    "structure": _check_structure,
    "list": _check_list,
    "map": _check_map,
    "string": _check_string,
    "integer": _check_integer,
    "long": _check_integer,
    "float": _check_float,
    "double": _check_float,
    "boolean": _check_boolean,
}


def _check_size(shape: Shape, size: int, where: str, unit: str) -> Iterator[Issue]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield Issue(where, f"has {size} {unit}, fewer than {low}", f"Give at least {low} {unit}")
    if high is not None and size > high:
        yield Issue(where, f"has {size} {unit}, more than {high}", f"Shorten it to at most {high} {unit}")


def matches(pattern: str, value: str) -> bool:
    """Whether the whole value matches a pattern of the model, which may use classes such as ``\\p{L}``."""
    classes = _unicode_class(pattern)
    if classes is None:
        return re.fullmatch(pattern, value) is not None
    # Nearly all values are ASCII: one look at a set that is made once.
    return classes.ascii.issuperset(value) if value.isascii() else all(map(classes.has, value))


@dataclass(frozen=True)
class _UnicodeClass:
    categories: frozenset[str]
    literals: frozenset[str]

    @cached_property
    def ascii(self) -> frozenset[str]:
        return frozenset(filter(self.has, map(chr, range(128))))

    def has(self, char: str) -> bool:
        return unicodedata.category(char)[0] in self.categories or char in self.literals


@cache
def _unicode_class(pattern: str) -> _UnicodeClass | None:
    # Python's re has no \p, and the model uses it only in one repeated class: [\p{L}||\p{M}...\t\n]+
    if "\\p{" not in pattern:
        return None
    categories = frozenset(re.findall(r"\\p\{(\w)\}", pattern))
    rest = re.sub(r"\\p\{\w\}", "", pattern).strip("[]+")
    escapes = {"\\t": "\t", "\\n": "\n", "\\r": "\r"}
    literals = {escapes[match] for match in re.findall(r"\\[tnr]", rest)}
    literals.update(re.sub(r"\\[tnr]", "", rest))
    return _UnicodeClass(categories, frozenset(literals))


def _wrong_type(where: str, value: Any, wanted: str) -> Issue:
    return Issue(where, f"is {type(value).__name__} {_shown(value)}", f"Give {wanted}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _join(where: str, member: str) -> str:
    return f"{where}.{member}" if where else member


@cache
def default_run_setting_shape() -> StructureShape:
    """Return botocore's model of what all runs of a batch share."""
    return cast("StructureShape", service_model().shape_for("DefaultRunSetting"))


@cache
def inline_setting_shape() -> StructureShape:
    """Return botocore's model of what one run of a batch has of its own."""
    # botocore works out a shape's members once per object, which 100,000 settings can share.
    return cast("StructureShape", service_model().shape_for("InlineSetting"))
