"""The local server under the name of an endpoint of AWS, for what depends on the name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_omics.local import LocalOmics

ENDPOINT = "http://omics.us-east-1.amazonaws.com"


@contextmanager
def alias_of_aws(server: LocalOmics) -> Iterator[dict[str, Any]]:
    """Serve a proxy that leads every host to the local server, and give a connection's extra that goes through it."""
    own = urlsplit(server.endpoint_url)

    class Forward(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            wanted = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            connection = HTTPConnection(str(own.hostname), own.port)
            path = f"{wanted.path or '/'}?{wanted.query}" if wanted.query else wanted.path or "/"
            connection.request(self.command, path, body, {**self.headers, "Host": own.netloc})
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
            self.send_header("Content-Length", str(length or 0))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_any

        def log_message(self, *_args: Any) -> None: ...

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    thread = threading.Thread(target=proxy.serve_forever)
    thread.start()
    try:
        yield {
            "region_name": "us-east-1",
            "endpoint_url": ENDPOINT,
            "config_kwargs": {
                "inject_host_prefix": False,
                "proxies": {"http": f"http://127.0.0.1:{proxy.server_port}"},
                "s3": {"addressing_style": "path"},
            },
        }
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
