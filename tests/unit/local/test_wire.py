from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.requests.shapes import service_model
from airflow_provider_omics.local.assumptions import ErrorForm
from airflow_provider_omics.local.errors import ConflictException, ServiceError, ValidationException
from airflow_provider_omics.local.http import wire

ARN = "arn:aws:omics:us-east-1:123456789012:workflow/12/version/v1"
ENCODED_ARN = "arn%3Aaws%3Aomics%3Aus-east-1%3A123456789012%3Aworkflow%2F12%2Fversion%2Fv1"


def parse(method: str, path: str, query: str = "", body: bytes | dict[str, Any] = b"") -> dict[str, Any]:
    raw = json.dumps(body).encode() if isinstance(body, dict) else body
    return wire.parse_request(wire.find_route(method, path), wire.HttpRequest(method, path, query, raw))


@pytest.mark.parametrize("operation", service_model().operation_names)
def test_every_operation_is_found_by_its_own_method_and_path(operation: str) -> None:
    http = service_model().operation_model(operation).http
    path = http["requestUri"].replace("{", "value-of-").replace("}", "")
    route = wire.find_route(http["method"], path)
    assert route.operation == operation
    assert all(value == f"value-of-{name}" for name, value in route.labels.items())
    assert len(route.labels) == http["requestUri"].count("{")


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PUT", "/run"), ("GET", "/run/1/2/3"), ("GET", "/run/")])
def test_an_unknown_path_is_named(method: str, path: str) -> None:
    with pytest.raises(ServiceError, match=f"{method} {path}") as caught:
        wire.find_route(method, path)
    assert (caught.value.code, caught.value.http_status) == ("UnknownOperationException", 404)


def test_the_arn_of_a_tag_request_is_one_segment() -> None:
    members = parse("DELETE", f"/tags/{ENCODED_ARN}", "tagKeys=a&tagKeys=b%20c")
    assert members["resourceArn"] == ARN
    assert members["tagKeys"] == ["a", "b c"]


def test_numbers_and_repeated_keys_come_from_the_query() -> None:
    assert parse("GET", "/run", "maxResults=7&status=RUNNING&name=a%2Fb+c") == {
        "maxResults": 7,
        "status": "RUNNING",
        "name": "a/b c",
    }
    assert parse("GET", "/run/12", "export=DEFINITION") == {"id": "12", "export": ["DEFINITION"]}


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "part"),
    [
        ("GET", "/run", "maxResults=many", b"", "maxResults: is str 'many'"),
        ("GET", "/run", "maxResults=0", b"", "maxResults: 0 is out of range"),
        ("GET", "/run", "status=DONE", b"", "status: 'DONE'"),
        ("GET", "/run/abc", "", b"", "id: 'abc' is no id"),
        ("POST", "/run", "", b"", "roleArn: is missing"),
        ("POST", "/run", "", {"roleArn": "arn:x", "priority": "1"}, "priority: is str"),
        ("POST", "/run", "", {"roleArn": "arn:x", "colour": 1}, "colour: is not a member"),
        ("POST", "/run", "", {"roleArn": "arn:x", "name": "n" * 129}, "name: has 129 characters"),
    ],
)
def test_what_the_model_forbids_is_a_validation_error(method: str, path: str, query: str, body: Any, part: str) -> None:
    with pytest.raises(ValidationException) as caught:
        parse(method, path, query, body)
    assert part in caught.value.message


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"definitionZip": "?", "requestId": "1"}'])
def test_a_body_that_is_not_what_it_should_be(body: bytes) -> None:
    with pytest.raises(ServiceError) as caught:
        parse("POST", "/workflow", body=body)
    assert (caught.value.code, caught.value.http_status) == ("SerializationException", 400)


def test_blobs_are_decoded_and_nulls_left_out() -> None:
    body = {"definitionZip": base64.b64encode(b"\x00zip").decode(), "name": None, "requestId": "1"}
    assert parse("POST", "/workflow", body=body) == {"definitionZip": b"\x00zip", "requestId": "1"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(parameters=st.dictionaries(st.text(), JSON, max_size=4))
def test_documents_pass_through_as_they_are(parameters: dict[str, Any]) -> None:
    body = {"roleArn": "arn:x", "outputUri": "s3://b", "requestId": "1", "parameters": parameters}
    members = parse("POST", "/run", body=body)
    assert members["parameters"] == parameters
    assert json.loads(wire.answer("GetRun", members).body)["parameters"] == parameters


def test_an_answer_has_the_models_status_and_only_its_members() -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    answer = wire.answer("GetRun", {"id": "1", "creationTime": when, "colour": "red", "stopTime": None})
    assert answer.status == 200
    assert json.loads(answer.body) == {"id": "1", "creationTime": "2026-01-02T03:04:05.678901+00:00"}


def test_nested_members_and_lists_are_serialised() -> None:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    answer = wire.answer("ListRuns", {"items": [{"id": "1", "startTime": when, "uuid": "not in the list"}]})
    assert json.loads(answer.body) == {"items": [{"id": "1", "startTime": "2026-01-02T00:00:00+00:00"}]}


@pytest.mark.parametrize(
    ("operation", "status"), [("StartRun", 201), ("CancelRun", 202), ("DeleteRun", 202), ("TagResource", 204)]
)
def test_statuses_come_from_the_model(operation: str, status: int) -> None:
    assert wire.answer(operation, {}).status == status


def test_an_answer_without_content_has_no_body() -> None:
    assert wire.answer("TagResource", {}).body == b""
    assert wire.answer("CancelRun", {}).body == b""


@pytest.mark.parametrize(
    ("form", "in_header", "in_body"),
    [(ErrorForm.HEADER_AND_BODY, True, True), (ErrorForm.HEADER, True, False), (ErrorForm.BODY, False, True)],
)
def test_an_error_names_its_code_where_assumed(form: ErrorForm, in_header: bool, in_body: bool) -> None:
    answer = wire.error_answer(ConflictException("no"), form)
    body = json.loads(answer.body)
    assert (answer.status, body["message"]) == (409, "no")
    assert (answer.headers.get("x-amzn-ErrorType") == "ConflictException") is in_header
    assert (body.get("__type") == "ConflictException") is in_body
