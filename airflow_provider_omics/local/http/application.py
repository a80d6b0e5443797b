"""The WSGI application on the server's one port: HealthOmics, the admin path, and moto for all else."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_omics.local.http.error_forms import operation_of
from airflow_provider_omics.local.http.guard import ADMIN_PREFIX
from airflow_provider_omics.local.http.service_quotas import answer_quotas, is_about_healthomics
from airflow_provider_omics.local.http.signatures import Scope, scope_of, signature_refusal
from airflow_provider_omics.local.http.wire import HttpAnswer, HttpRequest, respond

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from airflow_provider_omics.local.http.access import HttpAccess
    from airflow_provider_omics.local.http.admin import Admin
    from airflow_provider_omics.local.http.injection import MotoFaults
    from airflow_provider_omics.local.http.moto import MotoFront
    from airflow_provider_omics.local.http.price_list import PriceList
    from airflow_provider_omics.local.http.service import OmicsService
    from airflow_provider_omics.local.regions import Regions


class Application:
    """Routes by the credential scope of the signature, as every AWS client sends one."""

    def __init__(
        self,
        regions: Regions,
        service: OmicsService,
        admin: Admin,
        prices: PriceList,
        moto: MotoFront,
        moto_faults: MotoFaults,
        access: HttpAccess,
    ) -> None:
        self._regions = regions
        self._service = service
        self._admin = admin
        self._prices = prices
        self._moto = moto
        self._moto_faults = moto_faults
        self._access = access

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["RAW_URI"].partition("?")[0]
        scope = scope_of(environ.get("HTTP_AUTHORIZATION", ""))
        if path.startswith(ADMIN_PREFIX):
            return respond(self._admin.answer(_request(environ, path, scope)), start_response)
        if scope is None:
            refusal = signature_refusal(environ, self._moto.has_bucket)
            return self._moto(environ, start_response) if refusal is None else respond(refusal, start_response)
        if scope.service == "omics":
            state = self._regions.account(scope.region)
            return respond(self._service.answer(state, _request(environ, path, scope)), start_response)
        return self._access.answer(environ, scope, start_response, partial(self._answer_other, environ, path, scope))

    def _answer_other(
        self, environ: WSGIEnvironment, path: str, scope: Scope, start_response: StartResponse
    ) -> Iterable[bytes]:
        if scope.service == "pricing":
            return respond(self._prices.answer(operation_of(environ), environ["wsgi.input"].read()), start_response)
        if scope.service in ("s3", "sqs", "ecr", "servicequotas"):
            return self._moto_answer(environ, path, scope, start_response)
        return self._moto(environ, start_response, scope)

    def _moto_answer(
        self, environ: WSGIEnvironment, path: str, scope: Scope, start_response: StartResponse
    ) -> Iterable[bytes]:
        is_quotas = scope.service == "servicequotas"
        request = _request(environ, path, scope, with_body=is_quotas)
        # SQS has one path and one method for all; the header is such as AmazonSQS.ReceiveMessage.
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2] or request.method
        quotas = self._regions.account(scope.region).quotas if is_quotas else None

        def carry_out() -> Iterable[bytes] | HttpAnswer:
            if quotas is not None:
                if is_about_healthomics(request.body):
                    return answer_quotas(operation, request.body, quotas, scope.region)
                # moto, which has the quotas of others, reads it once more.
                environ["wsgi.input"] = io.BytesIO(request.body)
            return self._moto(environ, start_response, scope)

        answer = self._moto_faults.answer(f"{scope.service}:{operation}", request, carry_out)
        return respond(answer, start_response) if isinstance(answer, HttpAnswer) else answer


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
