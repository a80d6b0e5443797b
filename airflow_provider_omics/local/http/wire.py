"""HTTP to requests and answers to HTTP, by botocore's service model: its names, types, status codes, errors."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from airflow_provider_omics.healthomics.requests.shapes import check_shape, service_model
from airflow_provider_omics.local.assumptions import ErrorForm
from airflow_provider_omics.local.errors import ServiceError, ValidationException

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

Convert = Callable[[Any], Any]
Members = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What reached the server.

    :ivar path: as it was sent, percent-encoded; the ARN in a tag request is one encoded segment.
    :ivar access_key: access key id that it is signed with.
    :ivar peer: address and port that it came from.
    """

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    access_key: str = ""
    peer: tuple[str, int] = ("", 0)
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the server sends back."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One operation and what its URI says.

    :ivar labels: the members that stand in the path.
    """

    operation: str
    labels: dict[str, str]


def find_route(method: str, path: str) -> Route:
    """Return the operation that a request asks for.

    :param path: the path as it was sent, percent-encoded.
    :raises ServiceError: no operation has this method and path.
    """
    segments = path.removeprefix("/").split("/")
    for template, operation in _templates().get((method, len(segments)), ()):
        labels = _match(template, segments)
        if labels is not None:
            return Route(operation, labels)
    raise ServiceError(
        f"No operation of HealthOmics has {method} {path}", code="UnknownOperationException", http_status=404
    )


def parse_request(route: Route, request: HttpRequest) -> Members:
    """Return a request's members by their API names, checked against the operation's input shape.

    :raises ValidationException: with everything that is wrong with it.
    :raises ServiceError: the body is not JSON.
    """
    shape = service_model().operation_model(route.operation).input_shape
    if shape is None:
        return {}
    members = dict(_parse_body(request.body, shape))
    members.update(_parse_query(request.query, shape))
    members.update(route.labels)
    issues = list(check_shape(shape, members, ""))
    if issues:
        raise ValidationException(" ".join(str(issue) for issue in issues))
    return members


def answer(operation: str, members: Mapping[str, Any]) -> HttpAnswer:
    """Return the HTTP answer of an operation; members that its output shape does not have are left out."""
    model = service_model().operation_model(operation)
    status = int(model.http.get("responseCode", 200))
    if model.output_shape is None or status == 204:
        return HttpAnswer(status)
    body = _dump(_to_json(model.output_shape)(members))
    return HttpAnswer(status, body, {"Content-Type": "application/json"})


def error_answer(error: ServiceError, form: ErrorForm) -> HttpAnswer:
    """Return the HTTP answer of an error; every SDK reads its code from the header as from the body."""
    body = {"message": error.message}
    headers = {"Content-Type": "application/json"}
    if form is not ErrorForm.HEADER:
        body["__type"] = error.code
    if form is not ErrorForm.BODY:
        headers["x-amzn-ErrorType"] = error.code
    return HttpAnswer(error.http_status, _dump(body), headers)


@cache
def _templates() -> dict[tuple[str, int], list[tuple[list[str], str]]]:
    """Return path templates by method and number of segments, those with more literal segments first."""
    found: dict[tuple[str, int], list[tuple[list[str], str]]] = {}
    model = service_model()
    for operation in model.operation_names:
        http = model.operation_model(operation).http
        template = http["requestUri"].split("?")[0].strip("/").split("/")
        found.setdefault((http["method"], len(template)), []).append((template, operation))
    for templates in found.values():
        templates.sort(key=lambda entry: sum(segment.startswith("{") for segment in entry[0]))
    return found


def _match(template: list[str], segments: list[str]) -> dict[str, str] | None:
    labels: dict[str, str] = {}
    for wanted, segment in zip(template, segments, strict=True):
        if wanted.startswith("{"):
            if not segment:
                return None
            labels[wanted.strip("{}+")] = unquote(segment)
        elif wanted != segment:
            return None
    return labels


def _parse_query(query: str, shape: StructureShape) -> Iterator[tuple[str, Any]]:
    given = parse_qs(query, keep_blank_values=True)
    for name, member in shape.members.items():
        if member.serialization.get("location") != "querystring":
            continue
        values = given.get(member.serialization.get("name", name))
        if values is not None:
            yield name, values if member.type_name == "list" else _from_text(member, values[-1])


def _from_text(shape: Shape, text: str) -> Any:
    # What cannot be converted stays text, for the check of the shape to name it.
    if shape.type_name in ("integer", "long"):
        return int(text) if text.lstrip("-").isdigit() else text
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def _parse_body(body: bytes, shape: StructureShape) -> Iterator[tuple[str, Any]]:
    if not body.strip():
        return
    try:
        given = json.loads(body, parse_constant=_no_constant)
        if b"\\ud" in body.lower():
            # Half of a surrogate pair can be parsed, but never written into an answer.
            json.dumps(given, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ServiceError(f"The body is not JSON: {error}", code="SerializationException", http_status=400) from error
    if not isinstance(given, dict):
        raise ServiceError("The body is not a JSON object", code="SerializationException", http_status=400)
    decoders = _decoders(shape)
    for name, value in given.items():
        if value is not None:
            yield name, decoders[name](value) if name in decoders else value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _decoders(shape: StructureShape) -> dict[str, Convert]:
    return {name: _decode_blob for name, member in shape.members.items() if member.type_name == "blob"}


def _decode_blob(value: Any) -> Any:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ServiceError(f"A blob is not base64: {error}", code="SerializationException", http_status=400) from error


def _to_json(shape: Shape) -> Convert:
    return _converter(shape.name)


@cache
def _converter(shape_name: str) -> Convert:
    """Return what turns a value of a shape into JSON; made once per shape, since lists of 100 are common."""
    shape = service_model().shape_for(shape_name)
    if getattr(shape, "is_document_type", False):
        return _unchanged
    make = _CONVERTERS.get(shape.type_name)
    return _unchanged if make is None else make(shape)


def _unchanged(value: Any) -> Any:
    return value


def _structure_converter(shape: StructureShape) -> Convert:
    members = {
        name: (member.serialization.get("name", name), _to_json(member))
        for name, member in shape.members.items()
        if "location" not in member.serialization
    }

    def convert(value: Mapping[str, Any]) -> Any:
        out = {}
        for name, inner in value.items():
            if inner is not None and name in members:
                wire_name, convert_member = members[name]
                out[wire_name] = convert_member(inner)
        return out

    return convert


def _list_converter(shape: ListShape) -> Convert:
    convert_member = _to_json(shape.member)
    return lambda value: [convert_member(inner) for inner in value]


def _map_converter(shape: MapShape) -> Convert:
    convert_value = _to_json(shape.value)
    return lambda value: {key: convert_value(inner) for key, inner in value.items()}


def _timestamp_converter(shape: Shape) -> Convert:
    if shape.serialization.get("timestampFormat") == "iso8601":
        return datetime.isoformat
    return datetime.timestamp


def _blob_converter(_shape: Shape) -> Convert:
    return lambda value: base64.b64encode(value).decode()


_CONVERTERS: dict[str, Callable[[Any], Convert]] = {
    "structure": _structure_converter,
    "list": _list_converter,
    "map": _map_converter,
    "timestamp": _timestamp_converter,
    "blob": _blob_converter,
}


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def respond(answer: HttpAnswer, start_response: StartResponse) -> list[bytes]:
    """Begin a WSGI response and return its body."""
    headers = [*answer.headers.items()]
    if answer.status != 204:
        headers.append(("Content-Length", str(len(answer.body))))
    start_response(f"{answer.status} {_reason(answer.status)}", headers)
    return [answer.body]


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def changes_something(operation: str) -> bool:
    """Whether an operation is more than a read."""
    model: OperationModel = service_model().operation_model(operation)
    return bool(model.http["method"] != "GET")
