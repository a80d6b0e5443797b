"""What the signature of a request says, and the refusal of requests whose signature cannot be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

from airflow_provider_omics.local.errors import ServiceError
from airflow_provider_omics.local.http.error_forms import Protocol, error_in, operation_of, protocol_of
from airflow_provider_omics.local.http.wire import HttpAnswer, find_route

_SCOPE = re.compile(r"Credential=(?P<access_key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
# Older and asymmetric signatures, which name no region; moto's S3 takes them.
_OF_MOTO = ("AWS ", "AWS4-ECDSA-P256-SHA256 ")
_IN_QUERY = frozenset({"X-Amz-Credential", "X-Amz-Signature", "AWSAccessKeyId", "Signature"})
# What AWS answers without a signature, as these calls are made to get credentials.
_UNSIGNED = ("AWSCognitoIdentity", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")
_FORM = "AWS4-HMAC-SHA256 Credential=KEY/YYYYMMDD/REGION/SERVICE/aws4_request, SignedHeaders=..., Signature=..."


class Scope(NamedTuple):
    """Region, service and access key id of a request's signature."""

    region: str
    service: str
    access_key: str


def scope_of(authorization: str) -> Scope | None:
    """Return what a SigV4 ``Authorization`` header says, or None without one."""
    match = _SCOPE.search(authorization)
    return None if match is None else Scope(match["region"], match["service"], match["access_key"])


def signature_refusal(environ: Mapping[str, Any], is_bucket: Callable[[str], bool]) -> HttpAnswer | None:
    """Return the answer to a request whose signature names no service, or None if moto may answer it.

    :param environ: the WSGI environment.
    :param is_bucket: whether S3 has a bucket of this name, whose objects may be public.
    """
    authorization = environ.get("HTTP_AUTHORIZATION", "").strip()
    if authorization.startswith(_OF_MOTO):
        return None
    protocol = _protocol(environ, is_bucket)
    if authorization:
        return _garbled(protocol)
    # S3 has public objects, presigned URLs and forms.
    if protocol is Protocol.S3 or _is_presigned(environ) or _needs_no_signature(environ):
        return None
    code = "MissingAuthenticationToken" if protocol is Protocol.QUERY else "MissingAuthenticationTokenException"
    return error_in(
        protocol, code, f"{operation_of(environ)} has no Authorization header; it has to be signed: {_FORM}", 403
    )


def _garbled(protocol: Protocol) -> HttpAnswer:
    message = f"The Authorization header cannot be read; it has to be of the form {_FORM}"
    if protocol is Protocol.S3:
        return error_in(protocol, "AuthorizationHeaderMalformed", message, 400)
    code = "IncompleteSignature" if protocol is Protocol.QUERY else "IncompleteSignatureException"
    return error_in(protocol, code, message, 403)


def _protocol(environ: Mapping[str, Any], is_bucket: Callable[[str], bool]) -> Protocol:
    protocol = protocol_of(environ, None)
    return Protocol.JSON if protocol is Protocol.S3 and _is_of_omics(environ, is_bucket) else protocol


def _is_of_omics(environ: Mapping[str, Any], is_bucket: Callable[[str], bool]) -> bool:
    path: str = environ["RAW_URI"].partition("?")[0]
    try:
        find_route(environ["REQUEST_METHOD"], path)
    except ServiceError:
        return False
    return not is_bucket(unquote(path.split("/")[1]))


def _is_presigned(environ: Mapping[str, Any]) -> bool:
    return not _IN_QUERY.isdisjoint(parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True))


def _needs_no_signature(environ: Mapping[str, Any]) -> bool:
    names = (environ.get("HTTP_X_AMZ_TARGET", ""), operation_of(environ))
    return any(name.startswith(_UNSIGNED) for name in names)
