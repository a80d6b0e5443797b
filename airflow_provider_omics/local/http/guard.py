"""Refuses what no client of the server sends, but a page in a browser of this machine could be made to send.

The server checks no signatures. What keeps pages out is what browsers themselves say of a request: the ``Host`` that
a page was loaded under (a name of the page's owner may be made to lead to 127.0.0.1), its ``Origin``, and that a
header of one's own cannot be set from another site without leave.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_omics.local.http.wire import HttpAnswer

ADMIN_PREFIX = "/_local/"
ADMIN_HEADER = "X-Omics-Local"

# botocore puts these before the endpoint's host unless inject_host_prefix is off.
HOST_PREFIXES = ("workflows-", "analytics-", "storage-", "control-storage-", "tags-")

_MOTO_PREFIX = "/moto-api"
# Between an address in brackets and its port, the standard library passes over whatever there is.
_HOST = re.compile(r"\[[^\[\]]*\](:\d*)?|[^\[\]]*")
_WILDCARDS = ("0.0.0.0", "::")


class RequestGuard:
    """Decides by the headers of a request whether it may be answered.

    :param host: address or name that the server is bound to; names of loopback are always accepted.
    :param names: further names under which clients reach the server, such as that of a container. Names below an
        accepted one are accepted too, since S3 clients put the bucket there.
    """

    def __init__(self, host: str, names: Iterable[str] = ()) -> None:
        given = {"localhost", *(name.lower().rstrip(".") for name in (host, *names))}
        self._addresses = {address for name in given if (address := _address_of(name))}
        self._names = [name for name in given if _address_of(name) is None]
        # Who binds every address may be reached at any of them, and no page can make an address its own name.
        self._any_address = host in _WILDCARDS

    def refusal(self, environ: Mapping[str, Any]) -> HttpAnswer | None:
        """Return the answer to a request that is refused, or None when it may pass.

        :param environ: the request's WSGI environment; its body is not read.
        """
        return self._foreign_host(environ) or self._foreign_page(environ) or _unasked_control(environ)

    def _foreign_host(self, environ: Mapping[str, Any]) -> HttpAnswer | None:
        given = environ.get("HTTP_HOST")
        if given is None:
            return refuse(400, "the request has no Host header; send the host of the endpoint, such as 127.0.0.1")
        host = _host_of(given)
        if host is not None and self._is_accepted(host):
            return None
        return refuse(
            403,
            f"the Host {given[:255]!r} is not a name of this server; use 127.0.0.1 or localhost, or start it with "
            "--allow-host NAME (allowed_hosts=[...] in Python) for a name of your own",
        )

    def _is_accepted(self, host: str) -> bool:
        unprefixed = [host.removeprefix(prefix) for prefix in HOST_PREFIXES if host.startswith(prefix)]
        return any(self._is_ours(name) for name in (host, *unprefixed))

    def _is_ours(self, host: str) -> bool:
        address = _address_of(host)
        if address is None:
            return any(host == name or host.endswith(f".{name}") for name in self._names)
        return address.is_loopback or self._any_address or address in self._addresses

    @staticmethod
    def _foreign_page(environ: Mapping[str, Any]) -> HttpAnswer | None:
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None:
            return refuse(
                403,
                f"requests of web pages are refused (Origin {origin[:255]!r}); call the server from outside of a "
                "browser",
            )
        site = environ.get("HTTP_SEC_FETCH_SITE", "none").lower()
        if site not in ("none", "same-origin"):
            return refuse(
                403,
                f"requests that other web pages lead to are refused (Sec-Fetch-Site {site[:64]!r}); enter the address "
                "by hand, or call the server from outside of a browser",
            )
        return None


def refuse(status: int, text: str) -> HttpAnswer:
    """Return an answer that every AWS client reads as an error with this text.

    :param status: 400 to 499.
    :param text: what is wrong, and what to do.
    """
    code = "AccessDeniedException" if status == 403 else "ValidationException"
    text = f"The local HealthOmics server refuses this request: {text}"
    body = json.dumps({"__type": code, "message": text, "error": text}).encode()
    return HttpAnswer(status, body, {"Content-Type": "application/json", "x-amzn-ErrorType": code})


def _unasked_control(environ: Mapping[str, Any]) -> HttpAnswer | None:
    path = str(environ.get("PATH_INFO", ""))
    if not path.startswith((ADMIN_PREFIX, _MOTO_PREFIX)):
        return None
    if not environ.get("HTTP_" + ADMIN_HEADER.upper().replace("-", "_")):
        return refuse(403, f"paths below {ADMIN_PREFIX} and {_MOTO_PREFIX}/ need the header {ADMIN_HEADER}: 1")
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if environ.get("REQUEST_METHOD") == "POST" and kind not in ("", "application/json"):
        return refuse(415, f"the body has the type {kind[:64]!r}; send JSON with Content-Type: application/json")
    return None


def _host_of(netloc: str) -> str | None:
    """Return the host that a ``Host`` header names; None where it is not one with, at most, a port."""
    if not netloc.strip() or any(sign in netloc for sign in "/\\@?#, \t%"):
        return None
    if _HOST.fullmatch(netloc) is None:
        return None
    try:
        parts = urlsplit(f"//{netloc}")
        # Asked for since it raises the error of what is no port.
        host, _port = parts.hostname, parts.port
    except ValueError:
        return None
    return host.removesuffix(".") if host else None


def _address_of(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
