"""A TCP proxy that breaks connections in the middle of an answer."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class CuttingProxy:
    """Passes bytes on, and closes a connection once it has answered so many of them.

    :param target: URL of the server behind it.
    :ivar budgets: bytes that the next connections may answer, one number for each; those after them are not cut.
    :ivar heads: first line and headers of every request that was seen.
    """

    target: str
    budgets: list[int] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    url: str = ""

    def carry(self, client: socket.socket) -> None:
        """Carry one connection until either side closes it or its budget is spent."""
        budget = self.budgets.pop(0) if self.budgets else None
        place = urlsplit(self.target)
        with socket.create_connection((place.hostname, place.port)) as server:
            sender = threading.Thread(target=self._send, args=(client, server))
            sender.start()
            with suppress(OSError):
                while budget is None or budget > 0:
                    chunk = server.recv(1 << 16)
                    if not chunk:
                        break
                    if budget is not None:
                        chunk = chunk[:budget]
                        budget -= len(chunk)
                    client.sendall(chunk)
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            sender.join()

    def _send(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while chunk := client.recv(1 << 16):
                if chunk.startswith((b"GET", b"HEAD", b"PUT", b"POST")):
                    self.heads.append(chunk.partition(b"\r\n\r\n")[0].decode("latin-1"))
                server.sendall(chunk)


@contextmanager
def cutting_proxy(target: str, *budgets: int) -> Iterator[CuttingProxy]:
    """Run a proxy on a free port of loopback."""
    proxy = CuttingProxy(target, list(budgets))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            proxy.carry(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        # Idle connections of a client's pool are not waited for.
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
