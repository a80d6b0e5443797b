"""moto's own HTTP front, for every service other than HealthOmics; loaded when it is first asked."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.test import run_wsgi_app

from airflow_provider_omics.local.artefacts.reads import watch_reads
from airflow_provider_omics.local.http.error_forms import error_in, operation_of, protocol_of
from airflow_provider_omics.local.http.log_events import name_streams
from airflow_provider_omics.local.http.wire import HttpAnswer, respond

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    from airflow_provider_omics.local.http.signatures import Scope

log = logging.getLogger(__name__)

ACCOUNT = "123456789012"


class _NotServed(Exception):
    """moto has no such service."""


class MotoFront:
    """moto's S3, STS, CloudWatch Logs, EventBridge, SQS, ... as a WSGI application."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._conditional_writes = threading.Lock()
        self._dispatcher: DomainDispatcherApplication | None = None

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse, scope: Scope | None = None
    ) -> Iterable[bytes]:
        """Answer one request; what moto cannot answer gets an error in the form that its client reads.

        :param scope: what its signature says; None without one.
        """
        service = None if scope is None else scope.service
        try:
            app = self._loaded().get_application(environ)
        except ImportError as error:
            return respond(_not_served(environ, service, f"it needs {error.name}, which is missing"), start_response)
        except Exception:
            # Whatever moto stumbles over here, it is the name of the service, which it has not.
            log.debug("moto has no service %s", service, exc_info=True)
            return respond(_not_served(environ, service, "moto has no such service"), start_response)
        watch_reads()
        _keep_underscored_headers(environ)
        refusal = None if scope is None else name_streams(environ, ACCOUNT, scope.region)
        if refusal is not None:
            return respond(refusal, start_response)
        if environ["REQUEST_METHOD"] in ("PUT", "POST") and "HTTP_IF_NONE_MATCH" in environ:
            # moto looks and writes in two steps, between which another writer would fit.
            with self._conditional_writes:
                return _answer(app, environ, start_response, service)
        return _answer(app, environ, start_response, service)

    def has_bucket(self, name: str) -> bool:
        """Whether S3 has a bucket."""
        if "moto.s3.models" not in sys.modules:
            return False
        from moto.backends import get_backend

        return name in get_backend("s3")[ACCOUNT]["aws"].buckets

    def _loaded(self) -> DomainDispatcherApplication:
        with self._lock:
            if self._dispatcher is None:
                # Importing moto's server takes more than half a second.
                from moto.moto_server import werkzeug_app

                # It prints advice to its own developers.
                vars(werkzeug_app)["print"] = log.debug
                self._dispatcher = werkzeug_app.DomainDispatcherApplication(_backend_app)
            return self._dispatcher


def reset_moto() -> None:
    """Empty every backend of moto in this process; does nothing where moto was never loaded."""
    if "moto.core.base_backend" not in sys.modules:
        return
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()


def _keep_underscored_headers(environ: dict[str, Any]) -> None:
    """Pass on headers such as ``x-amz-meta-sample_id``, which WSGI servers drop and moto asks for by this key."""
    from moto.core.request import (
        PRESERVED_HEADER_NAMES_ENVIRON_KEY,
        environ_key_for_header,
        should_preserve_original_header_name,
    )

    names: dict[str, str] = {}
    for name, value in environ.get("omics.headers", ()):
        key = environ_key_for_header(name)
        if should_preserve_original_header_name(name) and key not in environ:
            names[key] = name
            environ[key] = value
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = names


def _backend_app(service: Any) -> Any:
    from moto.moto_server.werkzeug_app import create_backend_app

    if service is None:
        raise _NotServed
    return create_backend_app(service)


def _answer(
    app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse, service: str | None
) -> Iterable[bytes]:
    try:
        chunks, status, headers = run_wsgi_app(app, environ, buffered=True)
    except NotImplementedError:
        return respond(_not_served(environ, service, "moto has no such operation"), start_response)
    except Exception as error:
        log.exception("moto failed at %s of %s", operation_of(environ), service)
        failure = f"moto, which serves {service} here, failed: {type(error).__name__}: {error}"
        return respond(error_in(protocol_of(environ, service), "InternalFailure", failure, 500), start_response)
    body = b"".join(chunks)
    if int(status.partition(" ")[0]) >= 400 and body[:15].lstrip().lower().startswith((b"<!doctype", b"<html")):
        # The page of a web framework for an address that it does not know.
        return respond(_not_served(environ, service, "moto has no such operation"), start_response)
    start_response(status, list(headers.items()))
    return [body]


def _not_served(environ: WSGIEnvironment, service: str | None, reason: str) -> HttpAnswer:
    return error_in(
        protocol_of(environ, service),
        "UnknownOperationException",
        f"{service or 's3'} {operation_of(environ)} is not served by the local HealthOmics server ({reason})",
        404,
    )
