"""A threaded HTTP/1.1 server with keep-alive for one WSGI application."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app

from airflow_provider_omics.local.http.guard import refuse

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from airflow_provider_omics.local.http.guard import RequestGuard
    from airflow_provider_omics.local.http.wire import HttpAnswer

log = logging.getLogger(__name__)

_LISTEN_QUEUE = 128
_POLL_SECONDS = 0.05
_BLOCK_BYTES = 65_536
# The most that S3 takes at once, too.
_MOST_BYTES_OF_BODY = 5 << 30
# What a person opens from S3 in a browser is no part of the server for the browser: it gets an origin of its own.
_SANDBOX = ("Content-Security-Policy", "sandbox allow-scripts")
_BLOCKS_TO_DISCARD = 1024
_SECONDS_TO_DISCARD = 2


class _Handler(WSGIRequestHandler):
    """werkzeug's handler closes every connection; this one reads each request to its end and keeps it."""

    protocol_version = "HTTP/1.1"
    # Small answers to small requests: neither Nagle's algorithm nor two packets per answer may delay them.
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def run_wsgi(self) -> None:
        try:
            self.environ: dict[str, Any] = self.make_environ()
            length = _length_of(self.environ)
        except ValueError as error:
            self._refuse(refuse(400, f"its first line or its Content-Length cannot be read ({error})"))
            return
        refusal = self.server.guard.refusal(self.environ)
        if refusal is not None:
            self._refuse(refusal)
            return
        refusal = self._take_body(length)
        if refusal is not None:
            self._refuse(refusal)
            return
        try:
            chunks, status, headers = run_wsgi_app(self.server.app, self.environ, buffered=True)
        except ConnectionError:
            # The application wants the connection closed without an answer.
            self.close_connection = True
            return
        except Exception:
            log.exception("%s %s failed", self.command, self.path)
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
            self.wfile.flush()
            return
        self._send(status, list(headers.items()), b"".join(chunks))

    def handle_expect_100(self) -> bool:
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return bool(go_on)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        log.debug("%s %s %s %s", self.command, self.path, code, size)

    def _take_body(self, length: int) -> HttpAnswer | None:
        """Read the body, and return why the request is refused where that cannot be done."""
        environ = self.environ
        if environ.pop("HTTP_TRANSFER_ENCODING", None) is None:
            body = self.rfile.read(length)
        else:
            try:
                body = _read_bounded(environ["wsgi.input"], _MOST_BYTES_OF_BODY)
            except OSError as error:
                return refuse(400, f"its chunks cannot be read ({error})")
            except _TooLong:
                return refuse(413, f"its body has more than {_MOST_BYTES_OF_BODY:,} bytes; upload it in parts")
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        environ["omics.headers"] = list(self.headers.items())
        return None

    def _refuse(self, answer: HttpAnswer) -> None:
        # The body stays unread, and what follows it on the connection cannot be told from it.
        self.close_connection = True
        headers = [*answer.headers.items(), ("Connection", "close")]
        self._send(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers, answer.body)
        self._discard_what_comes()

    def _discard_what_comes(self) -> None:
        """Read on for a moment, since closing with unread bytes would take the answer from the client."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_SECONDS_TO_DISCARD)
            for _block in range(_BLOCKS_TO_DISCARD):
                if not self.connection.recv(_BLOCK_BYTES):
                    return

    def _send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            self.send_header(name, value)
        self.send_header(*_SANDBOX)
        if "content-length" not in names and int(code) not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


class _Server(ThreadedWSGIServer):
    """Knows its open connections, since an idle one would keep answering after the server has stopped."""

    def __init__(self, host: str, app: WSGIApplication, guard: RequestGuard, fd: int) -> None:
        self.guard = guard
        super().__init__(host, 0, app, handler=_Handler, fd=fd)
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class HttpServer:
    """Serves one application from its own thread.

    :param host: address to bind to.
    :param port: 0 for a free one.
    :param guard: says which requests are refused before their bodies are read.
    :raises OSError: the address cannot be bound.
    """

    def __init__(self, host: str, port: int, app: Callable[..., Any], guard: RequestGuard) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # werkzeug ends the process when the port is taken, so the socket is bound here.
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(_LISTEN_QUEUE)
            self.port: int = listener.getsockname()[1]
            self._server = _Server(host, app, guard, listener.fileno())
        self._thread = threading.Thread(target=self._serve, name="omics-http", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering: open connections are closed, the port is free afterwards."""
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=_POLL_SECONDS)


class _TooLong(Exception):
    """A body has more bytes than are taken."""


def _read_bounded(source: IO[bytes], most: int) -> bytes:
    body = io.BytesIO()
    while block := source.read(_BLOCK_BYTES):
        if body.tell() + len(block) > most:
            raise _TooLong
        body.write(block)
    return body.getvalue()


def _length_of(environ: dict[str, Any]) -> int:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not 0 <= length <= _MOST_BYTES_OF_BODY:
        raise ValueError(f"{length} is not between 0 and {_MOST_BYTES_OF_BODY}")
    return length
