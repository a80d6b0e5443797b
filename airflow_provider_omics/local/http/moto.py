"""moto's own HTTP front, for every service other than HealthOmics; loaded when it is first asked."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ACCOUNT = "123456789012"


class MotoFront:
    """moto's S3, STS, CloudWatch Logs, EventBridge, SQS, ... as a WSGI application."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._conditional_writes = threading.Lock()
        self._app: WSGIApplication | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        app = self._loaded()
        _keep_underscored_headers(environ)
        if environ["REQUEST_METHOD"] in ("PUT", "POST") and "HTTP_IF_NONE_MATCH" in environ:
            # moto looks and writes in two steps, between which another writer would fit.
            with self._conditional_writes:
                return app(environ, start_response)
        return app(environ, start_response)

    def _loaded(self) -> WSGIApplication:
        with self._lock:
            if self._app is None:
                # Importing moto's server takes more than half a second.
                from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

                self._app = DomainDispatcherApplication(create_backend_app)
            return self._app


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
