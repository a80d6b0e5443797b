"""Errors in the form of the protocol that a client speaks, for the services beside HealthOmics."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from airflow_provider_omics.local.http.wire import HttpAnswer


class Protocol(StrEnum):
    """How a service writes its errors."""

    JSON = "json"
    CBOR = "cbor"
    QUERY = "query"
    EC2 = "ec2"
    S3 = "s3"


_XML_SERVICES = ("route53", "cloudfront", "s3-control")
_FORM = "application/x-www-form-urlencoded"


def protocol_of(environ: Mapping[str, Any], service: str | None) -> Protocol:
    """Return the protocol of a request.

    :param environ: the WSGI environment; its body is not read.
    :param service: name in the signature; None if the request does not say it, as requests to S3 may.
    """
    if environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
        return Protocol.CBOR
    if "HTTP_X_AMZ_TARGET" in environ:
        return Protocol.JSON
    if service == "ec2":
        return Protocol.EC2
    if _speaks_query(environ) or service in _XML_SERVICES:
        return Protocol.QUERY
    return Protocol.S3 if service in ("s3", None) else Protocol.JSON


def operation_of(environ: Mapping[str, Any]) -> str:
    """Return the name of a request's operation, or its method and path where nothing else tells it."""
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    if target:
        return target.rpartition(".")[2]
    if _speaks_query(environ):
        action = _form_of(environ).get("Action") or parse_qs(environ.get("QUERY_STRING", "")).get("Action")
        if action:
            return action[-1]
    path: str = environ.get("RAW_URI", environ.get("PATH_INFO", "/")).partition("?")[0]
    if environ.get("HTTP_SMITHY_PROTOCOL"):
        return path.rpartition("/")[2]
    return f"{environ['REQUEST_METHOD']} {path}"


def error_in(protocol: Protocol, code: str, message: str, status: int) -> HttpAnswer:
    """Return an error.

    :param code: such as ``AccessDeniedException``.
    :param message: the text that the client shows.
    :param status: HTTP status.
    """
    if protocol is Protocol.CBOR:
        headers = {"Content-Type": "application/cbor", "Smithy-Protocol": "rpc-v2-cbor"}
        return HttpAnswer(status, _cbor({"__type": code, "message": message}), headers)
    if protocol is Protocol.JSON:
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
        return HttpAnswer(status, json.dumps({"__type": code, "message": message}).encode(), headers)
    body = _XML[protocol].format(code=escape(code), message=escape(message), request_id=uuid.uuid4())
    return HttpAnswer(status, body.encode(), {"Content-Type": "application/xml"})


_XML = {
    Protocol.S3: "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>",
    Protocol.QUERY: "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    "<RequestId>{request_id}</RequestId></ErrorResponse>",
    Protocol.EC2: "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
    "<RequestID>{request_id}</RequestID></Response>",
}


def _speaks_query(environ: Mapping[str, Any]) -> bool:
    is_form = str(environ.get("CONTENT_TYPE", "")).startswith(_FORM)
    return is_form or "Action" in parse_qs(str(environ.get("QUERY_STRING", "")))


def _form_of(environ: Mapping[str, Any]) -> dict[str, list[str]]:
    body = environ["wsgi.input"]
    text = body.read().decode("utf-8", errors="replace")
    body.seek(0)
    return parse_qs(text)


def _cbor(members: Mapping[str, str]) -> bytes:
    texts = [text.encode() for pair in members.items() for text in pair]
    head = bytes([0xA0 | len(members)])
    return head + b"".join(b"\x79" + len(text).to_bytes(2, "big") + text for text in texts)
