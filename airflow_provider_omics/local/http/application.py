"""The WSGI application on the server's one port: HealthOmics, the admin path, and moto for all else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_omics.local.http.guard import ADMIN_PREFIX
from airflow_provider_omics.local.http.wire import HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from airflow_provider_omics.local.http.admin import Admin
    from airflow_provider_omics.local.http.injection import MotoFaults
    from airflow_provider_omics.local.http.moto import MotoFront
    from airflow_provider_omics.local.http.service import OmicsService
    from airflow_provider_omics.local.regions import Regions

_SCOPE = re.compile(r"Credential=(?P<access_key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


class Scope(NamedTuple):
    """Region, service and access key id of a request's signature."""

    region: str
    service: str
    access_key: str


class Application:
    """Routes by the credential scope of the signature, as every AWS client sends one."""

    def __init__(
        self, regions: Regions, service: OmicsService, admin: Admin, moto: MotoFront, moto_faults: MotoFaults
    ) -> None:
        self._regions = regions
        self._service = service
        self._admin = admin
        self._moto = moto
        self._moto_faults = moto_faults

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["RAW_URI"].partition("?")[0]
        scope = scope_of(environ.get("HTTP_AUTHORIZATION", ""))
        if path.startswith(ADMIN_PREFIX):
            return _respond(self._admin.answer(_request(environ, path, scope)), start_response)
        if scope is not None and scope.service == "omics":
            state = self._regions.account(scope.region)
            return _respond(self._service.answer(state, _request(environ, path, scope)), start_response)
        if scope is not None and scope.service in ("s3", "sqs"):
            return self._moto_answer(environ, path, scope, start_response)
        return self._moto(environ, start_response)

    def _moto_answer(
        self, environ: WSGIEnvironment, path: str, scope: Scope, start_response: StartResponse
    ) -> Iterable[bytes]:
        request = _request(environ, path, scope, with_body=False)
        # SQS has one path and one method for all; the header is such as AmazonSQS.ReceiveMessage.
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2] or request.method
        answer = self._moto_faults.answer(
            f"{scope.service}:{operation}", request, lambda: self._moto(environ, start_response)
        )
        return _respond(answer, start_response) if isinstance(answer, HttpAnswer) else answer


def scope_of(authorization: str) -> Scope | None:
    """Return what a SigV4 ``Authorization`` header says, or None without one."""
    match = _SCOPE.search(authorization)
    return None if match is None else Scope(match["region"], match["service"], match["access_key"])


def _request(environ: WSGIEnvironment, path: str, scope: Scope | None, *, with_body: bool = True) -> HttpRequest:
    return HttpRequest(
        environ["REQUEST_METHOD"],
        path,
        environ.get("QUERY_STRING", ""),
        environ["wsgi.input"].read() if with_body else b"",
        access_key=scope.access_key if scope else "",
        peer=(environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"])),
        user_agent=environ.get("HTTP_USER_AGENT", ""),
    )


def _respond(answer: HttpAnswer, start_response: StartResponse) -> Iterable[bytes]:
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
